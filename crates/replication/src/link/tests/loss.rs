//! Stories of lost and silent primaries: when the link is closed and taken up again, and what is counted.

use super::*;

#[test]
fn the_link_remembers_what_happened_to_it() {
    let mut story = Story::streaming();
    story.closed();
    let texts: Vec<&str> = story.link.events().iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["partial resync from 100", "closed: connection lost"]);
    story.act(|link, _, actions| link.stop(actions));
    assert_eq!(story.link.events().iter().count(), 2, "also what it was before a change of roles");
}

#[test]
fn a_lost_stream_is_taken_up_again_at_once() {
    let mut story = Story::streaming();
    story.wait_until(5000);
    let lost = [
        Action::warning("Connection with master lost."),
        Action::notice("Connecting to MASTER 10.0.0.1:6379"),
        Action::Connect(primary()),
        Action::notice("MASTER <-> REPLICA sync started"),
    ];
    assert_eq!(story.closed(), lost);
    assert_eq!(story.link.down_since(), Some(Moment(5000)));
    let refused = story.closed();
    assert_eq!(refused, [Action::warning("Error condition on socket for SYNC: connection lost")]);
    assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
    assert_eq!((story.now, story.link.down_since()), (Moment(6000), Some(Moment(5000))));
}

#[test]
fn attempts_and_times_are_counted_for_info() {
    let mut story = Story::new(settings());
    story.closed();
    story.wait();
    assert_eq!((story.link.tries().current, story.link.tries().total), (2, 2));
    story.connected(None);
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n+OK\r\n+OK\r\n");
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nabcd", id(b'a')).as_bytes());
    story.wait_until(3500);
    story.loaded(100);
    let tries = story.link.tries();
    assert_eq!((tries.current, tries.total, tries.up_since), (0, 2, Some(Moment(3500))));
    assert_eq!(tries.last_sync_ms, Some(2500));
    story.wait_until(10_000);
    assert_eq!(tries.down_seconds(story.now, story.link.down_since()), 3);
    story.closed();
    story.now = Moment(12_000);
    let tries = story.link.tries();
    assert_eq!((tries.current, tries.total, tries.up_since), (1, 3, None));
    assert_eq!(tries.down_seconds(story.now, story.link.down_since()), 5);
}

#[test]
fn silence_closes_the_link() {
    let check = |mut story: Story, after_ms: u64, text: &str| {
        let start = story.now.0;
        let before = story.wait_until(start + after_ms - 1);
        assert!(!before.contains(&Action::Close), "too early: {text}");
        let actions = story.wait();
        assert_eq!(story.now.0, start + after_ms, "{text}");
        assert!(actions.contains(&Action::warning(text)), "{text}: {actions:?}");
    };
    check(Story::new(settings()), TIMEOUT_MS, "Timeout connecting to the MASTER...");
    let no_answer = "Master did not respond to command during SYNC handshake";
    let mut story = Story::new(settings());
    story.connected(None);
    check(story, 5000, no_answer);
    let mut story = Story::new(settings());
    story.connected(None);
    story.receive(b"+PONG\r\n");
    story.receive(b"+OK\r\n");
    check(story, 5000, no_answer);
    check(Story::asking(None), TIMEOUT_MS, "Timeout connecting to the MASTER...");
    let mut story = Story::asking(None);
    story.receive(format!("+FULLRESYNC {} 100\r\n$4\r\nab", id(b'a')).as_bytes());
    let no_bytes = "Timeout receiving bulk data from MASTER... If the problem persists try to set the \
                    'repl-timeout' parameter to a larger value.";
    check(story, TIMEOUT_MS, no_bytes);
    check(Story::streaming(), TIMEOUT_MS, "MASTER timeout: no data nor PING received...");
}

#[test]
fn another_primary_or_none_ends_what_was_under_way() {
    let check = |story: Story, expected: &[Action<'_>]| {
        let Story { mut link, now } = story;
        let mut actions = Vec::new();
        link.stop(&mut actions);
        assert_eq!(actions, expected, "{now:?}");
        assert_eq!((link.state(), link.primary(), link.deadline()), (State::None, None, None));
    };
    check(Story::new(settings()), &[Action::Close]);
    check(Story::asking(None), &[Action::Close]);
    check(Story::loading(), &[Action::SnapshotAbort, Action::Close]);
    check(Story::streaming(), &[Action::Close]);
    let mut lost = Story::loading();
    lost.closed();
    check(lost, &[Action::SnapshotAbort]);

    let other = Endpoint { host: "10.0.0.2".into(), port: 6379 };
    let mut story = Story::streaming();
    let followed = story.act(|link, now, actions| link.follow(now, other.clone(), actions));
    assert_eq!(deeds(followed), [Action::Close, Action::Connect(other)]);
}

/// Tells a link to keep away.
fn detach(story: &mut Story, ms: u64, epoch: u64) -> Vec<Action<'static>> {
    story.act(|link, now, actions| link.detach(now, (ms, epoch), actions).unwrap())
}

/// A link that streams, and is told to keep away for 3 s.
fn detached() -> Story {
    let mut story = Story::streaming();
    let done = detach(&mut story, 3000, 7);
    assert_eq!(deeds(done), [Action::Close]);
    assert!(!story.link.is_up());
    story
}

#[test]
fn who_is_kept_away_makes_no_connection_until_the_time_is_over() {
    let mut story = detached();
    story.now = Moment(1000);
    let again = detach(&mut story, 3000, 8);
    assert_eq!(deeds(again), []);
    assert_eq!(deeds(story.wait()), [Action::Connect(primary())]);
    assert_eq!(story.now, Moment(4000));
    // What goes wrong later is tried again as ever.
    story.closed();
    story.wait();
    assert_eq!(story.now, Moment(5000));
}

#[test]
fn who_is_let_go_connects_at_once() {
    let mut story = detached();
    let done = detach(&mut story, 0, 7);
    assert_eq!(deeds(done), [Action::Connect(primary())]);
    let done = detach(&mut story, 0, 7);
    assert_eq!(deeds(done), []);
}

#[test]
fn who_is_kept_away_follows_another_at_once() {
    let mut story = detached();
    let other = Endpoint { host: "10.0.0.9".into(), port: 6379 };
    let done = story.act(|link, now, actions| link.follow(now, other.clone(), actions));
    assert_eq!(deeds(done), [Action::Connect(other)]);
    story.closed();
    story.wait();
    assert_eq!(story.now, Moment(1000));
}

#[test]
fn an_attempt_is_given_up_when_it_is_to_keep_away() {
    let mut story = Story::new(settings());
    let done = detach(&mut story, 3000, 7);
    assert_eq!(deeds(done), [Action::Close]);
    story.wait();
    assert_eq!(story.now, Moment(3000));
}

#[test]
fn one_that_was_left_behind_does_not_let_go_for_one_that_leads_now() {
    let mut story = detached();
    let late = story.act(|link, now, actions| {
        assert_eq!(link.detach(now, (0, 6), actions), Err(KeptByAnother));
        assert_eq!(link.detach(now, (9000, 6), actions), Err(KeptByAnother));
    });
    assert_eq!(deeds(late), []);
    story.wait();
    assert_eq!(story.now, Moment(3000));
    detach(&mut story, 100, 6);
}
