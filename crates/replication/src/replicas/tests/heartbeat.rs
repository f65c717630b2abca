//! Stories of signs of life: pings, timeouts, the clock on the stream, lag.

use super::*;

#[test]
fn pings_and_requests_for_acknowledgements_are_the_primarys() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.replicas.request_acks();
    story.replicas.request_acks();
    assert_eq!(story.turn(), [Action::AppendGetAck], "one for all who asked in this turn");
    assert_eq!(story.wait_until(9999), []);
    assert_eq!(story.wait_until(30_000), [Action::AppendPing, Action::AppendPing, Action::AppendPing]);
    story.replicas.set_role(story.now, Role::Replica { link_up: true });
    story.replicas.request_acks();
    assert_eq!(story.turn(), []);
    assert_eq!(story.wait_until(60_000), [], "a copy of another's log gets nothing of its own");
}

#[test]
fn another_period_of_pings_counts_from_the_last_one() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.wait_until(2000);
    story.replicas.set_settings(Settings { ping_period_ms: 3_000, ..SETTINGS });
    let before = story.wait_until(2999);
    assert!(!before.contains(&Action::AppendPing), "{before:?}");
    assert!(story.wait_until(3000).contains(&Action::AppendPing));
    story.replicas.set_settings(SETTINGS);
    assert!(!story.wait_until(12_999).contains(&Action::AppendPing));
    assert!(story.wait_until(13_000).contains(&Action::AppendPing));
}

#[test]
fn silent_and_stuck_replicas_are_dropped() {
    let mut story = Story::new(Settings { ping_period_ms: 1 << 40, ..SETTINGS });
    story.online(A);
    story.online(B);
    story.newcomer(C);
    story.wait_until(5000);
    story.started(0);
    story.wait_until(40_000);
    story.replconf(B, "ACK 1000");
    story.act(|replicas, turn, actions| {
        replicas.on_snapshot_progress(turn.now, C, SnapshotSent::default(), actions);
    });
    let text = "Disconnecting timedout replica (streaming sync): 10.0.0.9:6380";
    assert_eq!(story.wait_until(90_000), [Action::warning(text), Action::Close(A)]);
    story.replicas.on_sign_of_life(story.now, B);
    let text = "Disconnecting timedout replica (full sync): 10.0.0.9:6380";
    assert_eq!(
        story.wait_until(110_000),
        [Action::warning(text), Action::Close(C), Action::EndSync(JobId(0))]
    );
    assert_eq!(story.replicas.len(), 1);
}

/// A primary with a replica that speaks this project's dialect, just online.
fn dialect() -> Story {
    let mut story = Story::new(SETTINGS);
    story.replconf(A, "listening-port 6380 capa slipstream1");
    story.psync(A, b'a', 1001);
    assert_eq!(story.turn(), [Action::AppendClock], "it has missed what others were told");
    story.append_clock();
    story
}

impl Story {
    /// What AppendClock leads to, and the turn behind it.
    fn append_clock(&mut self) {
        self.log.append(&[b'c'; 50]);
        assert_eq!(self.turn(), []);
    }
}

#[test]
fn replicas_that_go_on_unasked_are_asked_now_and_then() {
    let mut story = dialect();
    story.wait_for(1, 1, None);
    assert_eq!(story.turn(), [Action::AppendGetAck]);
    story.wait_for(2, 1, None);
    assert_eq!(story.turn(), []);
    story.now = Moment(500);
    story.wait_for(3, 1, None);
    assert_eq!(story.turn(), [Action::AppendGetAck]);
    story.online(B);
    story.wait_for(4, 2, None);
    assert_eq!(story.turn(), [Action::AppendGetAck], "one is of another kind");
}

#[test]
fn the_clock_goes_behind_writes_once_a_second_and_behind_pings() {
    let mut story = dialect();
    assert_eq!(story.wait_until(9999), [], "an idle log is left alone");
    story.log.append(b"x");
    assert_eq!(story.turn(), [Action::AppendClock]);
    story.append_clock();
    story.log.append(b"x");
    assert_eq!(story.wait_until(10_998), [Action::AppendPing, Action::AppendClock]);
    story.append_clock();
    story.log.append(b"x");
    assert_eq!(story.turn(), []);
    assert_eq!(story.wait_until(11_000), [Action::AppendClock]);
}

#[test]
fn the_clock_is_told_as_often_as_a_replica_asks() {
    let mut story = dialect();
    story.replconf(A, "beat 200");
    assert_eq!(story.replicas.wanted_beat(), Some(200));
    assert_eq!(story.wait_until(1000), vec![Action::AppendClock; 5]);
    story.replconf(A, "beat 0");
    assert_eq!(story.wait_until(2000), []);
}

#[test]
fn other_replicas_hear_no_clock() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(b"x");
    assert_eq!(story.wait_until(10_000), [Action::AppendPing]);
}

#[test]
fn lag_is_the_age_of_what_is_not_acknowledged() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 10]);
    story.turn();
    story.now = Moment(300);
    story.log.append(&[b'x'; 10]);
    story.turn();
    let lag = |story: &Story| story.replicas.lag_ms(Moment(500), story.replicas.get(A).unwrap());
    assert_eq!(lag(&story), 500);
    story.replconf(A, "ACK 1010");
    assert_eq!(lag(&story), 200);
    story.replconf(A, "ACK 1020");
    assert_eq!(lag(&story), 0);
}

#[test]
fn good_replicas_are_online_and_were_heard_lately() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.newcomer(B);
    assert_eq!(story.replicas.good(Moment(10_999), 10), 1);
    assert_eq!(story.replicas.good(Moment(11_000), 10), 0);
}
