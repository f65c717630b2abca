//! What the fuzz target does with one input; shared with the test that runs it over variations of known ones.
//!
//! A primary may send anything: the link refuses it or follows it, and stays whole.

use slipstream_log::{Offset, ReplicationId};
use slipstream_replication::link::{Action, Endpoint, Key, Position, Rewound, Settings, Standing};
use slipstream_replication::{Link, Moment};

/// A primary's side of a connection, arriving in pieces. The first byte is their size; the second says whether the
/// replica has data to continue from. Once a side connection is asked for, every other piece comes over that.
pub(crate) fn link_input(input: &[u8]) {
    let [step, resumes, bytes @ ..] = input else { return };
    let settings = Settings {
        user: None,
        password: None,
        announced_port: 1,
        announced_ip: None,
        timeout_ms: 60_000,
        two_links: true,
        buffer_limit: 100,
    };
    let mut link = Link::new(settings);
    let now = Moment(0);
    link.follow(now, Endpoint { host: "primary".into(), port: 1 }, &mut Vec::new());
    let id = ReplicationId::parse(&[b'a'; 40]).expect("forty hexadecimal digits");
    let position = (resumes % 2 == 1).then_some(Position { id, offset: Offset(100) });
    let standing = Standing {
        resume: position,
        stale_since: (resumes % 4 == 3).then_some(Offset(90)),
        ..Standing::default()
    };
    link.on_connected(now, standing, &mut Vec::new());
    let (mut has_side, mut aside) = (false, false);
    for piece in bytes.chunks(usize::from(*step).max(1)) {
        let mut actions = Vec::new();
        aside = has_side && !aside;
        if aside {
            link.on_side_received(now, piece, &mut actions);
        } else {
            link.on_received(now, piece, &mut actions);
        }
        if actions.iter().any(|action| matches!(action, Action::ConnectSide(_))) {
            has_side = true;
            link.on_side_connected(now, &mut Vec::new());
        }
        if actions.iter().any(|action| matches!(action, Action::Rewind { .. })) {
            let key = |name: &[u8]| Key { db: 0, name: name.to_vec() };
            let needs = Rewound::Needs(vec![vec![key(b"x")], vec![key(b"y"), key(b"z")]]);
            link.on_rewound(now, needs, &mut Vec::new());
        }
        let (closed, complete) = (has(&actions, &Action::Close), has(&actions, &Action::SnapshotEnd));
        if complete {
            link.on_loaded(now, Offset(100), &mut Vec::new());
        }
        if closed {
            return;
        }
    }
    link.on_closed(now, "the end", &mut Vec::new());
}

fn has(actions: &[Action<'_>], action: &Action<'_>) -> bool {
    actions.iter().any(|known| known == action)
}
