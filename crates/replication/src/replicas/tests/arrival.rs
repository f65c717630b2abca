//! Stories of replicas that come and go: who continues, who gets a snapshot, who is refused, what is left of them.

use super::*;

#[test]
fn who_is_held_continues_and_everyone_else_gets_a_snapshot() {
    // Followed `a` up to 1100, went on as `b` up to 1150; holds everything from 1000.
    let check = |digit: u8, next_byte: i64, expected: Option<u64>| {
        let mut story = Story::new(SETTINGS);
        story.log.append(&[b'x'; 100]);
        story.log.adopt_id(id(b'b'));
        story.log.append(&[b'x'; 50]);
        let streams: Vec<Action> = story
            .psync(A, digit, next_byte)
            .into_iter()
            .filter(|action| matches!(action, Action::StartStream { .. }))
            .collect();
        let wanted: Vec<Action> = expected.map(|from| start_stream(A, from)).into_iter().collect();
        assert_eq!(streams, wanted, "{} {next_byte}", char::from(digit));
        let counters = story.replicas.counters();
        let (ok, err) = (u64::from(expected.is_some()), u64::from(expected.is_none()));
        assert_eq!((counters.partial_ok, counters.partial_err, counters.full), (ok, err, err));
    };
    check(b'b', 1001, Some(1000));
    check(b'b', 1151, Some(1150));
    check(b'b', 1152, None);
    check(b'b', 1000, None);
    check(b'b', 0, None);
    check(b'b', -1, None);
    check(b'a', 1001, Some(1000));
    check(b'a', 1101, Some(1100));
    check(b'a', 1102, None);
    check(b'c', 1101, None);
}

#[test]
fn a_continuation_answers_and_streams_at_once() {
    let mut story = Story::new(SETTINGS);
    story.log.append(&[b'x'; 50]);
    story.replconf(A, "listening-port 6380 capa psync2");
    let accepted = "Partial resynchronization request from 10.0.0.9:6380 accepted. Sending 40 bytes of backlog \
                    starting from offset 1011.";
    assert_eq!(
        story.psync(A, b'a', 1011),
        [
            Action::notice("Replica 10.0.0.9:6380 asks for synchronization"),
            send(A, &format!("+CONTINUE {}\r\n", id(b'a'))),
            Action::notice(accepted),
            start_stream(A, 1010),
        ]
    );
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1010)));
    story.replicas.on_sent(A, Offset(1050));
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1010)), "what was sent may be lost on the way");
    story.replconf(A, "ACK 1050");
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1050)));
    assert_eq!(story.turn(), []);
}

#[test]
fn the_log_says_why_a_snapshot_is_needed() {
    let check = |next_byte: i64, digit: u8, lines: &[Action]| {
        let mut story = Story::new(SETTINGS);
        assert_eq!(story.psync(A, digit, next_byte)[1..], *lines);
    };
    let (c, a, none) = (id(b'c'), id(b'a'), "0".repeat(40));
    let mismatch = format!(
        "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{c}', my \
         replication IDs are '{a}' and '{none}')"
    );
    check(1001, b'c', &[Action::notice(mismatch)]);
    let replica = "10.0.0.9:<unknown-replica-port>";
    let lacking = |request: i64| {
        format!(
            "Unable to partial resync with replica {replica} for lack of backlog (Replica request was: {request})."
        )
    };
    check(500, b'a', &[Action::notice(lacking(500))]);
    let ahead = format!(
        "Warning: replica {replica} tried to PSYNC with an offset that is greater than the master replication \
         offset."
    );
    check(2000, b'a', &[Action::notice(lacking(2000)), Action::warning(ahead)]);
}

#[test]
fn the_first_replica_activates_the_log() {
    let mut story = Story::new(SETTINGS);
    story.log.deactivate(&mut fastrand::Rng::with_seed(1));
    assert_eq!(deeds(story.newcomer(A)), [Action::ActivateLog]);
}

#[test]
fn a_replica_without_a_link_takes_no_replicas() {
    let mut story = Story::new(SETTINGS);
    story.replicas.set_role(Moment(0), Role::Replica { link_up: false });
    let request = Request::Psync { id: b"?", next_byte: -1 };
    let newcomer = Newcomer { id: A, peer: "", request };
    let turn = Turn { now: Moment(0), log: &story.log };
    let refused = story.replicas.on_sync(turn, newcomer, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "NOMASTERLINK Can't SYNC while not connected with my master");
    assert!(story.replicas.is_empty());
}

#[test]
fn why_a_replica_came_and_went_is_remembered() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.closed(A);
    story.replconf(B, "listening-port 6380");
    story.psync(B, b'z', 1);
    let texts: Vec<(&str, Vec<&str>)> = story
        .replicas
        .events()
        .map(|(peer, events)| (peer, events.iter().map(|event| event.text.as_str()).collect()))
        .collect();
    let expected = vec![
        "partial resync from 1000, online",
        "closed: connection lost",
        "full resync: asked to continue from 1: unknown history",
    ];
    assert_eq!(texts, [("10.0.0.9:6380", expected)]);
}

#[test]
fn an_option_needs_a_value() {
    let mut story = Story::new(SETTINGS);
    let request = OwnedRequest::from_parts(&["listening-port"]);
    let turn = Turn { now: Moment(0), log: &story.log };
    let refused = story.replicas.on_replconf(turn, A, request.args(), &mut Vec::new());
    assert_eq!(refused, Err(ReplconfError::Syntax));
}

#[test]
fn a_primary_alone_for_too_long_drops_its_log() {
    let mut story = Story::new(Settings { ping_period_ms: 1 << 40, ..SETTINGS });
    story.online(A);
    story.now = Moment(5000);
    story.closed(A);
    let text = "Replication backlog freed after 3600 seconds without connected replicas.";
    assert_eq!(story.wait_until(3_604_999), []);
    assert_eq!(story.wait_until(3_605_000), [Action::notice(text), Action::DeactivateLog]);
    assert_eq!(story.replicas.deadline(), None);
}

#[test]
fn a_replica_never_drops_its_log() {
    let mut story = Story::new(SETTINGS);
    story.replicas.set_role(Moment(0), Role::Replica { link_up: true });
    assert_eq!(story.replicas.deadline(), None);
    story.now = Moment(9000);
    story.replicas.set_role(story.now, Role::Primary);
    assert_eq!(story.replicas.deadline(), Some(Moment(3_609_000)), "counted from its promotion");
}
