//! Stories of full syncs over two connections: `A` is the replica, `B` the connection for its snapshot.

use super::*;

impl Story {
    fn asks_with(&mut self, capability: &str) -> Vec<Action> {
        self.replconf(A, "listening-port 6380");
        self.replconf(A, &format!("capa eof capa psync2 {capability}"));
        self.ask(A, Request::Psync { id: b"?", next_byte: -1 })
    }

    /// The carrier of a Valkey replica.
    fn carrier(&mut self) -> Vec<Action> {
        self.replconf(B, "capa eof rdb-only 1 rdb-channel 1 listening-port 6380");
        self.ask(B, Request::Sync)
    }

    /// A Valkey replica whose carrier is being sent the snapshot of offset 1000.
    fn carried() -> Story {
        let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
        story.asks_with("capa dual-channel");
        story.carrier();
        story.turn();
        story.started(0);
        story
    }

    fn names_carrier(&mut self) -> Vec<Action> {
        self.replconf(A, &format!("set-rdb-client-id {}", B.0));
        self.psync(A, b'a', 1001)
    }

    /// A replica of Redis 8 whose carrier has asked for its snapshot.
    fn of_redis() -> Story {
        let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
        story.asks_with("capa rdb-channel-repl");
        story.replconf(B, &format!("capa eof rdb-only 1 rdb-channel 1 main-ch-client-id {}", A.0));
        story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
        story
    }

    fn unsent(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_snapshot_unsent(turn.now, replica, "broken", actions))
    }

    fn listed(&self) -> Vec<(ReplicaId, &'static str)> {
        self.replicas.iter().map(|replica| (replica.id, replica.state().as_str())).collect()
    }
}

fn continues(replica: ReplicaId) -> Action {
    send(replica, &format!("+CONTINUE {}\r\n", id(b'a')))
}

fn end_offset(carrier: ReplicaId) -> Action {
    send(carrier, &format!("$ENDOFF:1000 {} 3 {}\r\n", id(b'a'), carrier.0))
}

#[test]
fn valkeys_way_from_the_first_request_to_the_first_acknowledgement() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    assert_eq!(deeds(story.asks_with("capa dual-channel")), [send(A, "+DUALCHANNELSYNC\r\n")]);
    assert!(story.replicas.is_redirected(A));
    assert_eq!(deeds(story.carrier()), []);
    assert_eq!(jobs(&story.turn()).len(), 1);
    let started = story.started(0);
    assert_eq!(started[0], end_offset(B));
    assert_eq!(joins(&started), [(B, 0, false)]);
    assert_eq!(story.replicas.waiting_for_main(), 1);
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));

    story.log.append(&[b'x'; 30]);
    assert_eq!(deeds(story.names_carrier()), [continues(A), start_stream(A, 1000)]);
    assert_eq!(story.replicas.waiting_for_main(), 0);
    assert_eq!(story.listed(), [(A, "send_bulk")], "a replica is listed once");
    story.replicas.on_sent(A, Offset(1030));
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1030)), "the carrier needs no stream");

    story.encoded(0, 500);
    assert_eq!(deeds(story.sent(B)), [Action::Close(B)]);
    assert_eq!(story.replicas.good(story.now, 10), 0, "it has not loaded anything yet");
    assert_eq!(deeds(story.replconf(A, "ACK 1000")), [], "the stream flows already");
    assert_eq!(story.listed(), [(A, "online")]);
    assert_eq!(story.replicas.counters(), Counters { full: 1, ..Counters::default() });
}

#[test]
fn the_way_of_redis_8_starts_the_stream_by_itself() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    assert_eq!(deeds(story.asks_with("capa rdb-channel-repl")), [send(A, "+RDBCHANNELSYNC 1\r\n")]);
    let mut story = Story::of_redis();
    let actions = deeds(story.turn());
    assert_eq!(actions[1..], [full_resync(B, 1000), start_stream(A, 1000)]);
    assert_eq!(joins(&story.started(0)), [(B, 0, false)]);
    assert_eq!(story.replicas.waiting_for_main(), 0);
    story.encoded(0, 500);
    assert_eq!(deeds(story.sent(B)), [Action::Close(B)]);
    story.replconf(A, "ACK 1000");
    assert_eq!(story.listed(), [(A, "online")]);
}

#[test]
fn one_connection_serves_all_others() {
    let asks = |settings: Settings, capability: &str| {
        let mut story = Story::new(settings);
        deeds(story.asks_with(capability))
    };
    let off = Settings { two_links: false, ..SETTINGS };
    assert_eq!(asks(off, "capa dual-channel capa rdb-channel-repl"), []);
    assert_eq!(asks(SETTINGS, "capa slipstream9"), []);
    let both = asks(SETTINGS, "capa dual-channel capa rdb-channel-repl");
    assert_eq!(both, [send(A, "+RDBCHANNELSYNC 1\r\n")]);
}

#[test]
fn without_the_option_a_carrier_is_one_that_wants_a_snapshot_and_nothing_more() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, two_links: false, ..SETTINGS });
    story.carrier();
    story.turn();
    assert!(matches!(story.started(0)[..], [Action::JoinSync(_)]), "no offset is told");
    assert_eq!(story.replicas.oldest_needed(), None);
}

#[test]
fn the_log_is_kept_for_a_late_main_connection() {
    let mut story = Story::carried();
    story.encoded(0, 500);
    story.sent(B);
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.wait_until(4999);
    assert_eq!(deeds(story.names_carrier()), [continues(A), start_stream(A, 1000)]);
    assert_eq!(story.listed(), [(A, "send_bulk")]);

    let mut story = Story::carried();
    story.sent(B);
    story.wait_until(5000);
    assert_eq!(story.replicas.oldest_needed(), None);
    let request = OwnedRequest::from_parts(&["set-rdb-client-id", "2"]);
    let turn = Turn { now: story.now, log: &story.log };
    let refused = story.replicas.on_replconf(turn, A, request.args(), &mut Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "ERR Unrecognized RDB client id 2");
}

#[test]
fn a_carrier_that_the_replica_closes_may_have_brought_everything() {
    let mut story = Story::carried();
    assert_eq!(deeds(story.closed(B)), [Action::EndSync(JobId(0))]);
    assert_eq!(deeds(story.names_carrier()), [continues(A), start_stream(A, 1000)]);
    assert_eq!(story.replicas.latest_sync_failure(), None);
}

#[test]
fn the_loss_of_one_connection_ends_both() {
    let mut story = Story::carried();
    story.names_carrier();
    let closed = deeds(story.unsent(B));
    assert!(closed.contains(&Action::Close(A)) && closed.contains(&Action::Close(B)), "{closed:?}");
    assert!(story.replicas.is_empty());

    let mut story = Story::carried();
    story.names_carrier();
    let closed = deeds(story.closed(A));
    assert!(closed.contains(&Action::Close(B)), "{closed:?}");
    assert!(story.replicas.is_empty());
    assert_eq!(story.replicas.oldest_needed(), None);
}

#[test]
fn a_carrier_of_nobody_is_refused() {
    let mut story = Story::new(SETTINGS);
    let request = OwnedRequest::from_parts(&["main-ch-client-id", "1"]);
    let turn = Turn { now: story.now, log: &story.log };
    let refused = story.replicas.on_replconf(turn, B, request.args(), &mut Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "ERR Unrecognized RDB client id 1");

    story.asks_with("capa rdb-channel-repl");
    story.replconf(B, "capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 1");
    story.closed(A);
    let newcomer = Newcomer { id: B, peer: "", request: Request::Psync { id: b"?", next_byte: -1 } };
    let turn = Turn { now: story.now, log: &story.log };
    assert_eq!(story.replicas.on_sync(turn, newcomer, &mut Vec::new()), Err(SyncRefused::NoMain));
}

#[test]
fn a_snapshot_that_fails_ends_both_connections() {
    let mut story = Story::of_redis();
    story.turn();
    let actions =
        story.act(|replicas, turn, actions| replicas.on_sync_failed(turn.now, JobId(0), "no room", actions));
    let closed = deeds(actions);
    assert!(closed.contains(&Action::Close(A)) && closed.contains(&Action::Close(B)), "{closed:?}");
}

#[test]
fn the_carrier_is_what_its_replica_is() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.replconf(A, "version 9.0.0 ip-address replica.example");
    story.asks_with("capa dual-channel");
    story.carrier();
    assert_eq!(jobs(&story.turn())[0].reader, Reader::Valkey9);
    assert_eq!(story.replicas.get(B).unwrap().address(), "replica.example");
}

#[test]
fn a_redirected_replica_gets_no_sign_of_life_and_the_carrier_does() {
    let mut story = Story::new(SETTINGS);
    story.asks_with("capa dual-channel");
    story.carrier();
    assert_eq!(deeds(story.wait_until(1500)), [newline(B)]);
}

#[test]
fn progress_of_the_snapshot_is_a_sign_of_life_of_the_replica() {
    let mut story = Story::carried();
    story.names_carrier();
    for second in 1..=100 {
        story.wait_until(second * 1000);
        story.act(|replicas, turn, actions| {
            replicas.on_snapshot_progress(turn.now, B, SnapshotSent::default(), actions);
        });
    }
    assert_eq!(story.listed(), [(A, "send_bulk")]);
    story.wait_until(162_000);
    assert_eq!(story.listed(), []);
}

#[test]
fn a_connection_is_not_its_own_carrier() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.newcomer(C);
    story.turn();
    story.asks_with("capa rdb-channel-repl");
    let request = OwnedRequest::from_parts(&["main-ch-client-id", &A.0.to_string()]);
    let turn = Turn { now: story.now, log: &story.log };
    let refused = story.replicas.on_replconf(turn, A, request.args(), &mut Vec::new()).unwrap_err();
    assert_eq!(refused.to_string(), "ERR Unrecognized RDB client id 1");
    story.ask(A, Request::Sync);
    assert_eq!(
        joins(&story.turn()),
        [(A, 0, false)],
        "it has changed its mind, and gets what all others get"
    );
}

#[test]
fn a_main_connection_that_changes_its_mind_is_no_part_of_its_carrier() {
    let mut story = Story::of_redis();
    story.ask(A, Request::Sync);
    story.turn();
    assert_eq!(joins(&story.started(0)), [(A, 0, false), (B, 0, false)]);
    let actions =
        story.act(|replicas, turn, actions| replicas.on_sync_failed(turn.now, JobId(0), "no room", actions));
    assert!(deeds(actions).contains(&Action::Close(A)));
    assert!(story.replicas.is_empty());
}
