//! Stories of going back: a node that is beyond the fork of its history and that of its primary.

use super::*;

/// A node at offset 150 of history `a` has introduced itself to another, and asks where that one's forks.
pub(super) fn inquiring() -> Story {
    let mut story = Story::new(settings());
    story.connected(Some(position(b'a', 150)));
    story.receive(b"+PONG\r\n");
    let actions = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(actions, [send(&["INFO", "replication"])]);
    story
}

/// What a primary with history `b`, which it began at `fork` of history `a`, answers.
pub(super) fn upstream(fork: u64) -> Vec<u8> {
    let (new, old) = (id(b'b'), id(b'a'));
    let text = format!("master_replid:{new}\r\nmaster_replid2:{old}\r\nsecond_repl_offset:{}\r\n", fork + 1);
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

#[test]
fn a_node_that_is_beyond_the_fork_goes_back_and_continues_there() {
    let mut story = inquiring();
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'a', 100) }]);
    let actions = story.act(|link, now, actions| link.on_rewound(now, Rewound::There, actions));
    assert_eq!(deeds(actions), [send(&["PSYNC", &id(b'a').to_string(), "101"])]);
    let answer = format!("+CONTINUE {}\r\n", id(b'b'));
    let actions = deeds(story.receive(answer.as_bytes()));
    assert_eq!(actions[0], Action::Continue { id: Some(id(b'b')) });
    assert_eq!(story.link.offsets(), Some((Offset(100), Offset(100))));
}

#[test]
fn a_node_that_cannot_go_back_asks_as_it_is() {
    let mut story = inquiring();
    story.receive(&upstream(100));
    let actions = story.act(|link, now, actions| link.on_rewound(now, Rewound::Refused, actions));
    assert_eq!(deeds(actions), [send(&["PSYNC", &id(b'a').to_string(), "151"])]);
}

#[test]
fn a_node_that_is_not_beyond_the_fork_has_nothing_to_go_back_for() {
    let mut story = inquiring();
    assert_eq!(deeds(story.receive(&upstream(150))), [send(&["PSYNC", &id(b'a').to_string(), "151"])]);
}

#[test]
fn who_comes_back_to_a_primary_asks_whether_that_went_back() {
    let mut story = Story::streaming();
    story.closed();
    story.wait();
    story.connected(Some(position(b'a', 150)));
    story.receive(b"+PONG\r\n");
    let actions = deeds(story.receive(b"+OK\r\n+OK\r\n+OK\r\n"));
    assert_eq!(actions, [send(&["INFO", "replication"])]);
    assert_eq!(deeds(story.receive(&upstream(100))), [Action::Rewind { to: position(b'a', 100) }]);
}

#[test]
fn a_primary_that_never_ends_its_answer_is_given_up() {
    let mut story = inquiring();
    story.receive(b"$100\r\nmaster_replid:");
    assert_eq!(story.link.deadline(), Some(story.now.after_ms(5000)));
    let actions = story.wait();
    assert!(actions.contains(&Action::Close), "{actions:?}");
}
