//! Stories of acknowledgements, and of who waits for them.

use super::*;

#[test]
fn a_wait_ends_with_enough_acknowledgements() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.online(B);
    story.log.append(&[b'x'; 30]);
    assert_eq!(story.wait_for(1, 2, None), []);
    assert_eq!(story.turn(), [Action::AppendGetAck]);
    assert_eq!(story.replconf(A, "ACK 1030"), []);
    let over = |waiter, acked| Action::WaitOver { waiter: WaiterId::Command(waiter), acked };
    assert_eq!(story.wait_for(2, 1, None), [over(2, 1)], "known already");
    assert_eq!(story.wait_for(3, 3, Some(500)), []);
    assert_eq!(story.turn(), [Action::AppendGetAck]);
    assert_eq!(story.replconf(B, "ACK 1029"), []);
    assert_eq!(story.replconf(B, "ACK 1030 FACK 1010"), [over(1, 2)]);
    assert_eq!(story.wait_until(500), [over(3, 2)], "as many as there are");
    assert_eq!(story.replicas.get(B).unwrap().durable, Offset(1010));
}

/// Two replicas: A has applied 1030 and has 1010 on disk, B has applied 1020.
fn reports() -> Story {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.online(B);
    story.log.append(&[b'x'; 30]);
    story.replconf(A, "ACK 1030 FACK 1010");
    story.replconf(B, "ACK 1020");
    story
}

#[test]
fn a_mark_is_as_far_as_so_many_replicas_are() {
    let story = reports();
    let check = |measure, replicas, expected: Option<u64>| {
        assert_eq!(story.replicas.mark(measure, replicas), expected.map(Offset), "{measure:?} {replicas}");
    };
    check(Measure::Applied, 0, Some(u64::MAX));
    check(Measure::Applied, 1, Some(1030));
    check(Measure::Applied, 2, Some(1020));
    check(Measure::Applied, 3, None);
    check(Measure::Durable, 1, Some(1010));
    check(Measure::Durable, 2, Some(0));
}

/// Found by a seed of the simulator: with one replica, a write was answered as being on two.
#[test]
fn a_replica_that_comes_again_before_its_old_connection_is_given_up_counts_once() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.replconf(A, "ACK 1000");
    story.wait_until(500);
    story.replconf(B, "listening-port 6380");
    story.psync(B, b'a', 1001);
    let reported = |story: &Story| story.replicas.reported(Measure::Confirmed, Offset(1000));
    assert_eq!(reported(&story), 0, "it has yet to say what it has");
    story.replconf(B, "ACK 1000");
    assert_eq!((reported(&story), story.replicas.mark(Measure::Confirmed, 2)), (1, None));
    story.replconf(A, "ACK 1000");
    assert_eq!(reported(&story), 1, "that was on its way");
    for ms in [10_000, 20_000, 30_000, 40_000, 50_000, 60_500] {
        story.wait_until(ms);
        story.replconf(A, "ACK 1000");
        story.replconf(B, "ACK 1000");
    }
    assert_eq!(reported(&story), 2, "these are two behind one address");
}

#[test]
fn a_replica_that_is_online_and_has_said_nothing_confirms_nothing() {
    let mut story = Story::new(SETTINGS);
    story.log = Log::new(64 << 10, &mut fastrand::Rng::with_seed(1));
    story.ask(A, Request::Psync { id: b"?", next_byte: -1 });
    story.turn();
    story.started(0);
    story.sent(A);
    assert_eq!(story.replicas.get(A).unwrap().state(), ReplicaState::Online, "its snapshot had a length");
    assert_eq!(story.replicas.reported(Measure::Applied, Offset(0)), 1, "as Redis counts");
    assert_eq!(story.replicas.reported(Measure::Confirmed, Offset(0)), 0, "it may still load");
    story.replconf(A, "ACK 0");
    assert_eq!(story.replicas.reported(Measure::Confirmed, Offset(0)), 1);
}

#[test]
fn an_acknowledgement_ends_all_waits_up_to_it_and_no_other() {
    let mut story = reports();
    for (waiter, offset, replicas) in [(1, 1021, 2), (2, 1022, 2), (3, 1030, 2), (4, 1020, 3)] {
        let wait = Wait { offset: Offset(offset), replicas, measure: Measure::Applied, until: None };
        let actions =
            story.act(|replicas, _, actions| replicas.on_wait(WaiterId::Replies(waiter), wait, actions));
        assert_eq!(actions, []);
    }
    let over = |waiter, acked| Action::WaitOver { waiter: WaiterId::Replies(waiter), acked };
    assert_eq!(story.replconf(B, "ACK 1022"), [over(1, 2), over(2, 2)]);
    assert_eq!(story.replconf(B, "ACK 1022"), []);
    assert_eq!(story.replconf(B, "ACK 1030"), [over(3, 2)]);
    assert!(story.replicas.is_awaited());
    story.replicas.cancel_wait(WaiterId::Replies(4));
    assert!(!story.replicas.is_awaited());
}

#[test]
fn a_cancelled_wait_is_never_answered() {
    let mut story = Story::new(SETTINGS);
    story.wait_for(1, 1, Some(500));
    story.replicas.cancel_wait(WaiterId::Command(1));
    assert_eq!(story.wait_until(1000), []);
}

#[test]
fn nobody_acknowledges_what_was_never_written() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.replconf(A, "ACK 999999");
    assert_eq!(story.replicas.get(A).unwrap().acked, Offset(1000));
    story.log.append(b"x");
    assert_eq!(story.replicas.acked(story.log.end()), 0);
    assert_eq!(story.replicas.lagging(story.log.end()).count(), 1);
}

#[test]
fn acknowledgements_from_strangers_and_nonsense_are_ignored_in_silence() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    for (session, options) in [(B, "ACK 1000"), (A, "ACK x"), (A, "ACK -5"), (A, "GETACK *")] {
        let request = OwnedRequest::from_parts(&options.split(' ').collect::<Vec<_>>());
        let turn = Turn { now: Moment(0), log: &story.log };
        let answer = story.replicas.on_replconf(turn, session, request.args(), &mut Vec::new());
        assert_eq!(answer, Ok(Answer::Silence), "{options}");
    }
    assert_eq!(story.replicas.len(), 1);
}
