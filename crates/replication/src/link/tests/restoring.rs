//! Stories of a node that needs the primary's values of some keys to go back to the fork.

use super::upstream::{inquiring, upstream};
use super::*;

fn key(db: usize, name: &str) -> Key {
    Key { db, name: name.as_bytes().to_vec() }
}

/// The node is at offset 150 of history `a`, which the primary left at 100, and needs two portions.
fn fetching() -> (Story, Action<'static>) {
    let mut story = inquiring();
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'a', 100) }]);
    let portions = vec![vec![key(0, "x"), key(3, "y")], vec![key(3, "z")]];
    let mut actions =
        deeds(story.act(|link, now, actions| link.on_rewound(now, Rewound::Needs(portions), actions)));
    let request = actions.remove(0);
    assert_eq!(actions, []);
    (story, request)
}

/// EXEC's reply: what INFO tells of history `id` and its end, then `members`.
fn answer(queued: usize, id: ReplicationId, end: u64, members: &str) -> Vec<u8> {
    answer_as(&format!("role:master\r\nmaster_replid:{id}"), (queued, end), members)
}

fn answer_as(role: &str, (queued, end): (usize, u64), members: &str) -> Vec<u8> {
    let id = id(b'b');
    // The first of two counts.
    let info = format!("{role}\r\nmaster_replid:{id}\r\nmaster_repl_offset:{end}\r\n");
    let count = 1 + members.matches("\r\n").count() - members.matches("$4").count();
    let queued = "+QUEUED\r\n".repeat(queued);
    format!("+OK\r\n{queued}*{count}\r\n${}\r\n{info}\r\n{members}", info.len()).into_bytes()
}

fn psync_at_the_fork() -> Action<'static> {
    send(&["PSYNC", &id(b'a').to_string(), "101"])
}

/// Both portions are answered, of 120 and 130, and the primary has been asked to continue.
fn fetched() -> Story {
    let (mut story, _) = fetching();
    story.receive(&answer(7, id(b'b'), 120, "+OK\r\n$4\r\nDUMP\r\n:-1\r\n+OK\r\n$-1\r\n:-2\r\n"));
    let last = answer(4, id(b'b'), 130, "+OK\r\n$4\r\ndump\r\n:170\r\n");
    assert_eq!(deeds(story.receive(&last)), [psync_at_the_fork()]);
    story
}

fn requests(lines: &[&str]) -> Action<'static> {
    let one = |line: &&str| wire::request(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    Action::Send(lines.iter().flat_map(one).collect())
}

#[test]
fn each_portion_is_a_transaction_that_also_asks_where_it_stands() {
    let (mut story, request) = fetching();
    let first = [
        "MULTI",
        "INFO replication",
        "SELECT 0",
        "DUMP x",
        "PEXPIRETIME x",
        "SELECT 3",
        "DUMP y",
        "PEXPIRETIME y",
        "EXEC",
    ];
    assert_eq!(request, requests(&first));
    let reply = answer(7, id(b'b'), 120, "+OK\r\n$4\r\nDUMP\r\n:-1\r\n+OK\r\n$-1\r\n:-2\r\n");
    let second = ["MULTI", "INFO replication", "SELECT 3", "DUMP z", "PEXPIRETIME z", "EXEC"];
    assert_eq!(deeds(story.receive(&reply)), [requests(&second)]);
}

#[test]
fn a_node_goes_back_when_the_primary_has_given_the_values_and_continues() {
    let mut story = fetched();
    let answer = format!("+CONTINUE {}\r\n", id(b'b'));
    let content = |payload: &str, deadline_ms| Content { payload: payload.into(), deadline_ms };
    let fetched = vec![
        Fetched {
            at: Offset(120),
            values: vec![(key(0, "x"), Some(content("DUMP", None))), (key(3, "y"), None)],
        },
        Fetched { at: Offset(130), values: vec![(key(3, "z"), Some(content("dump", Some(170))))] },
    ];
    let restore = Action::Restore { to: position(b'a', 100), fetched };
    let onward = Action::Continue { id: Some(id(b'b')) };
    assert_eq!(deeds(story.receive(answer.as_bytes())), [ack(100), restore, onward]);
    assert!(!story.link.is_up());
    assert_eq!(story.link.state(), State::Sync);
}

#[test]
fn nothing_counts_as_applied_until_no_key_is_stale() {
    let mut story = fetched();
    story.receive(format!("+CONTINUE {}\r\n", id(b'b')).as_bytes());
    let stream = [b'x'; 20];
    assert_eq!(story.receive(&stream), [apply(&stream)]);
    story.act(|link, _, _| link.on_applied(Offset(120)));
    story.act(|link, now, _| link.on_getack(now));
    assert_eq!(story.act(|link, now, actions| link.on_turn(now, actions)), [ack(100)]);
    assert_eq!(story.wait(), [ack(100)], "a sign of life");
    assert!(!story.link.is_up());
    let actions = story.act(|link, now, actions| link.on_restored(now, Offset(130), actions));
    assert_eq!(actions, [ack(130)]);
    assert!(story.link.is_up());
    assert_eq!(story.link.offsets().map(|(_, applied)| applied), Some(Offset(130)));
}

#[test]
fn a_primary_that_gives_no_values_is_asked_as_if_nobody_had_tried() {
    let as_it_is = [send(&["PSYNC", &id(b'a').to_string(), "151"])];
    fn refused(text: &str) -> Vec<Action<'_>> {
        deeds(fetching().0.receive(text.as_bytes()))
    }
    let queued = "+QUEUED\r\n".repeat(7);
    let replies = "-NOPERM no\r\n".repeat(8);
    assert_eq!(refused(&format!("{replies}-ERR EXEC without MULTI\r\n")), as_it_is, "no MULTI");
    let unknown = format!("+OK\r\n{}-ERR unknown command\r\n-EXECABORT\r\n", "+QUEUED\r\n".repeat(6));
    assert_eq!(refused(&unknown), as_it_is, "no PEXPIRETIME");
    assert_eq!(refused(&format!("+OK\r\n{queued}*1\r\n:1\r\n")), as_it_is, "not what was asked for");
    let shorter = answer(7, id(b'b'), 120, "+OK\r\n$4\r\nDUMP\r\n:-1\r\n");
    assert_eq!(refused(&String::from_utf8(shorter).unwrap()), as_it_is);
    let failed = answer(7, id(b'b'), 120, "+OK\r\n-ERR x\r\n:-1\r\n+OK\r\n$-1\r\n:-2\r\n");
    assert_eq!(refused(&String::from_utf8(failed).unwrap()), as_it_is, "one of them failed");
}

#[test]
fn a_replica_that_hides_what_is_due_is_not_asked() {
    let replica = |status: &str| {
        let role = format!("role:slave\r\nmaster_link_status:{status}");
        answer_as(&role, (7, 120), "+OK\r\n$-1\r\n:-2\r\n+OK\r\n$-1\r\n:-2\r\n")
    };
    let (mut story, _) = fetching();
    assert_eq!(deeds(story.receive(&replica("down"))), [Action::Close], "it may have a link soon");
    let (mut story, _) = fetching();
    assert_eq!(deeds(story.receive(&replica("up"))), [send(&["PSYNC", &id(b'a').to_string(), "151"])]);
}

#[test]
fn a_primary_whose_history_changes_is_asked_again() {
    let (mut story, _) = fetching();
    let other = answer(7, id(b'c'), 120, "+OK\r\n$4\r\nDUMP\r\n:-1\r\n+OK\r\n$-1\r\n:-2\r\n");
    assert_eq!(deeds(story.receive(&other)), [Action::Close], "between INFO and EXEC");

    let mut story = fetched();
    assert_eq!(deeds(story.receive(format!("+CONTINUE {}\r\n", id(b'c')).as_bytes())), [Action::Close]);
    assert_eq!(story.link.state(), State::Connect, "between EXEC and PSYNC");
}

#[test]
fn a_snapshot_makes_the_values_needless() {
    let mut story = fetched();
    assert_eq!(deeds(story.receive(format!("+FULLRESYNC {} 170\r\n", id(b'b')).as_bytes())), []);
    story.receive(b"$4\r\nabcd");
    assert_eq!(deeds(story.loaded(170)), [Action::ResumeReading, ack(170)]);
    assert!(story.link.is_up());
}

#[test]
fn a_connection_that_is_lost_again_and_again_over_values_ends_in_a_snapshot() {
    let (mut story, _) = fetching();
    story.closed();
    for last in [false, true] {
        story.wait();
        story.connected(Some(position(b'a', 150)));
        story.receive(b"+PONG\r\n");
        story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
        story.receive(&upstream(100));
        let needs = Rewound::Needs(vec![vec![key(0, "x")]]);
        let actions = deeds(story.act(|link, now, actions| link.on_rewound(now, needs, actions)));
        let as_it_is = [send(&["PSYNC", &id(b'a').to_string(), "151"])];
        assert_eq!(actions == as_it_is, last, "{actions:?}");
        story.closed();
    }
}

/// A node with stale keys at offset 120 of history `b` has said who it is.
fn stale() -> Story {
    let mut story = Story::new(settings());
    let standing =
        Standing { resume: Some(position(b'b', 120)), earlier: None, stale_since: Some(Offset(100)) };
    story.act(|link, now, actions| link.on_connected(now, standing, actions));
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    story
}

#[test]
fn stale_keys_are_asked_for_wherever_the_node_stands() {
    let mut story = stale();
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'b', 120) }]);
}

#[test]
fn a_node_with_stale_keys_acknowledges_no_more_than_before_they_were() {
    let mut story = stale();
    story.receive(&upstream(100));
    let needs = Rewound::Needs(vec![vec![key(0, "x")]]);
    story.act(|link, now, actions| link.on_rewound(now, needs, actions));
    story.receive(&answer(4, id(b'b'), 150, "+OK\r\n$-1\r\n:-2\r\n"));
    let decision = format!("+CONTINUE {}\r\n", id(b'b'));
    assert_eq!(deeds(story.receive(decision.as_bytes()))[0], ack(100));
    assert_eq!(story.link.offsets(), Some((Offset(120), Offset(100))));
}

#[test]
fn a_node_with_stale_keys_never_asks_to_continue_without_values() {
    let snapshot = [Action::Forget, send(&["PSYNC", "?", "-1"])];
    assert_eq!(deeds(stale().receive(b"-NOPERM no\r\n")), snapshot, "the primary does not tell");
    let mut story = stale();
    story.receive(&upstream(100));
    let actions = story.act(|link, now, actions| link.on_rewound(now, Rewound::Refused, actions));
    assert_eq!(deeds(actions), snapshot, "they are too many");
    let stranger = format!("$56\r\nmaster_replid:{}\r\n\r\n", id(b'c'));
    assert_eq!(deeds(stale().receive(stranger.as_bytes())), snapshot, "its history is another");
}
