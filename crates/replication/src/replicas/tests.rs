//! Stories of the primary's side: what sessions say, and the whole list of what is to be done.
//!
//! Time is virtual. Histories are named by one repeated digit; the log starts at offset 1000 of history `a`.

use slipstream_log::{DiskSize, Log, ReplicationId};
use slipstream_resp::OwnedRequest;

use super::*;

const SETTINGS: Settings = Settings {
    timeout_ms: 60_000,
    ping_period_ms: 10_000,
    sync_delay_ms: 5_000,
    two_links: true,
    sync_max_replicas: None,
    backlog_ttl_ms: Some(3_600_000),
    pacing: true,
    output_limit: OutputLimit { hard: 200_000, soft: 50_000, soft_ms: 60_000 },
};

const A: ReplicaId = ReplicaId(1);
const B: ReplicaId = ReplicaId(2);
const C: ReplicaId = ReplicaId(3);

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).unwrap()
}

fn send(replica: ReplicaId, text: &str) -> Action {
    Action::Send { replica, bytes: text.as_bytes().to_vec() }
}

fn newline(replica: ReplicaId) -> Action {
    send(replica, "\n")
}

fn full_resync(replica: ReplicaId, offset: u64) -> Action {
    send(replica, &format!("+FULLRESYNC {} {offset}\r\n", id(b'a')))
}

fn start_stream(replica: ReplicaId, from: u64) -> Action {
    Action::StartStream { replica, from: Offset(from) }
}

/// Without the lines for the log.
fn deeds(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Log(..))).collect()
}

/// The jobs that are started.
fn jobs(actions: &[Action]) -> Vec<SyncJob> {
    let jobs = actions.iter().filter_map(|action| match action {
        Action::StartSync(job) => Some(job.clone()),
        _ => None,
    });
    jobs.collect()
}

/// Who begins to be sent which snapshot, and whether by its length.
fn joins(actions: &[Action]) -> Vec<(ReplicaId, u64, bool)> {
    let joins = actions.iter().filter_map(|action| match action {
        Action::JoinSync(member) => Some((member.replica, member.job.0, member.framing == Framing::Length)),
        _ => None,
    });
    joins.collect()
}

/// A primary on a virtual clock.
struct Story {
    replicas: Replicas,
    log: Log,
    now: Moment,
}

impl Story {
    fn new(settings: Settings) -> Story {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut log = Log::new(64 << 10, &mut rng);
        log.adopt_snapshot(id(b'a'), Offset(1000));
        Story { replicas: Replicas::new(Moment(0), settings, rng), log, now: Moment(0) }
    }

    fn act(&mut self, event: impl FnOnce(&mut Replicas, Turn<'_>, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        event(&mut self.replicas, Turn { now: self.now, log: &self.log }, &mut actions);
        actions
    }

    fn turn(&mut self) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_turn(turn, actions))
    }

    /// Lets the clock run to `ms` after the start, doing what is due on the way.
    fn wait_until(&mut self, ms: u64) -> Vec<Action> {
        let mut all = Vec::new();
        while let Some(due) = self.replicas.deadline().filter(|due| *due <= Moment(ms)) {
            self.now = self.now.max(due);
            all.extend(self.turn());
        }
        self.now = Moment(ms);
        all
    }

    fn replconf(&mut self, replica: ReplicaId, options: &str) -> Vec<Action> {
        let words: Vec<&str> = options.split(' ').collect();
        let request = OwnedRequest::from_parts(&words);
        self.act(|replicas, turn, actions| {
            replicas.on_replconf(turn, replica, request.args(), actions).unwrap();
        })
    }

    fn ask(&mut self, replica: ReplicaId, request: Request<'_>) -> Vec<Action> {
        let newcomer = Newcomer { id: replica, peer: "10.0.0.9", request };
        self.act(|replicas, turn, actions| replicas.on_sync(turn, newcomer, actions).unwrap())
    }

    fn psync(&mut self, replica: ReplicaId, digit: u8, next_byte: i64) -> Vec<Action> {
        self.ask(replica, Request::Psync { id: &[digit; 40], next_byte })
    }

    /// A modern replica without data.
    fn newcomer(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.replconf(replica, "listening-port 6380");
        self.replconf(replica, "capa eof capa psync2");
        self.ask(replica, Request::Psync { id: b"?", next_byte: -1 })
    }

    fn started(&mut self, job: u64) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_sync_started(turn.now, JobId(job), 3, actions))
    }

    fn encoded(&mut self, job: u64, length: u64) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_sync_encoded(turn.now, JobId(job), length, actions))
    }

    fn outgrown(&mut self, job: u64) -> Vec<Action> {
        self.act(|replicas, _, actions| replicas.on_sync_outgrown(JobId(job), actions))
    }

    /// A full sync of `A` from job 0, sent and loaded; the snapshot is kept.
    fn synced(&mut self) {
        self.newcomer(A);
        self.turn();
        self.started(0);
        self.encoded(0, 500);
        self.sent(A);
        self.replconf(A, "ACK 1000");
    }

    fn sent(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_snapshot_sent(turn, replica, actions))
    }

    fn closed(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_closed(turn.now, replica, actions))
    }

    /// A replica that continued from the log's end and says so.
    fn online(&mut self, replica: ReplicaId) {
        let next_byte = i64::try_from(self.log.end().next_byte()).unwrap();
        self.replconf(replica, "listening-port 6380");
        self.psync(replica, b'a', next_byte);
        self.turn();
    }

    fn wait_for(&mut self, waiter: u64, replicas: usize, until: Option<u64>) -> Vec<Action> {
        let wait =
            Wait { offset: self.log.end(), replicas, measure: Measure::Applied, until: until.map(Moment) };
        self.act(|replicas, _, actions| replicas.on_wait(WaiterId::Command(waiter), wait, actions))
    }
}

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
fn replicas_that_come_within_the_delay_share_a_snapshot() {
    let mut story = Story::new(SETTINGS);
    assert_eq!(deeds(story.newcomer(A)), []);
    assert_eq!(story.wait_until(2500), [newline(A), newline(A)]);
    story.newcomer(B);
    story.log.append(&[b'x'; 30]);
    assert_eq!(story.wait_until(4999), [newline(A), newline(B), newline(A), newline(B)]);
    let started = story.wait_until(5000);
    assert_eq!(
        started,
        [
            newline(A),
            newline(B),
            Action::notice("Starting BGSAVE for SYNC with target: replicas sockets"),
            Action::StartSync(SyncJob {
                id: JobId(0),
                offset: Offset(1030),
                reader: Reader::Unproved,
                part: Part::Whole,
            }),
            full_resync(A, 1030),
            full_resync(B, 1030),
        ]
    );
    assert_eq!(joins(&story.started(0)), [(A, 0, false), (B, 0, false)]);
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1030)), "what lies behind the snapshot is kept");
}

#[test]
fn enough_replicas_need_not_wait_for_more() {
    let mut story = Story::new(Settings { sync_max_replicas: Some(2), ..SETTINGS });
    story.newcomer(A);
    assert_eq!(jobs(&story.turn()), []);
    story.newcomer(B);
    assert_eq!(jobs(&story.turn()).len(), 1);
    assert_eq!(joins(&story.started(0)), [(A, 0, false), (B, 0, false)]);
}

#[test]
fn only_replicas_that_read_the_same_share() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.newcomer(A);
    story.replconf(B, "capa eof version 9.0.0");
    story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
    story.ask(C, Request::Psync { id: b"?", next_byte: -1 });
    let readers: Vec<Reader> = jobs(&story.turn()).iter().map(|job| job.reader).collect();
    assert_eq!(readers, [Reader::Unproved, Reader::Valkey9]);
    assert_eq!(joins(&story.started(0)), [(A, 0, false)]);
    assert_eq!(joins(&story.started(1)), [(B, 1, false)]);
    assert_eq!(joins(&story.encoded(0, 500)), [(C, 0, true)], "its length is known only now");
}

#[test]
fn a_late_replica_joins_while_all_of_the_snapshot_is_held() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.wait_until(5000);
    story.started(0);
    story.log.append(&[b'x'; 10]);
    story.newcomer(B);
    let joined = story.turn();
    assert_eq!(jobs(&joined), []);
    assert_eq!(joined[1], full_resync(B, 1000), "the stream joins where the snapshot was taken");
    assert_eq!(joins(&joined), [(B, 0, false)], "without waiting for anything");
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
}

#[test]
fn a_replica_that_comes_too_late_gets_a_snapshot_of_its_own() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.wait_until(5000);
    story.started(0);
    assert_eq!(story.outgrown(0), [Action::SealSync(JobId(0))]);
    assert_eq!(story.outgrown(0), [], "once is enough");
    story.newcomer(B);
    story.log.append(&[b'x'; 10]);
    let started = story.wait_until(10_000);
    assert_eq!(jobs(&started)[0].offset, Offset(1010), "while the first one still runs");
    assert!(!started.contains(&newline(A)), "a snapshot that is under way is not disturbed");
    story.encoded(0, 500);
    assert_eq!(story.sent(A)[1..], [Action::EndSync(JobId(0))], "it is of use for nobody else");
}

#[test]
fn nothing_is_forgotten_while_somebody_waits_for_the_length() {
    let mut story = Story::new(SETTINGS);
    story.ask(A, Request::Psync { id: b"?", next_byte: -1 });
    story.turn();
    story.started(0);
    assert_eq!(story.outgrown(0), []);
    assert_eq!(joins(&story.encoded(0, 9)), [(A, 0, true)]);
}

#[test]
fn without_room_on_the_disk_only_those_who_read_along_are_served() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.newcomer(A);
    story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
    story.turn();
    story.started(0);
    let cramped =
        story.act(|replicas, turn, actions| replicas.on_sync_cramped(turn.now, JobId(0), "full", actions));
    let refusal = send(B, "-ERR BGSAVE failed, replication can't continue: full\r\n");
    assert_eq!(deeds(cramped), [refusal, Action::Close(B), Action::SealSync(JobId(0))]);
}

#[test]
fn a_kept_snapshot_serves_the_next_replica() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.synced();
    story.log.append(&[b'x'; 100]);
    story.wait_until(59_000);
    story.newcomer(B);
    let joined = story.turn();
    assert_eq!((jobs(&joined), joins(&joined)), (vec![], vec![(B, 0, false)]));
    story.sent(B);
    story.wait_until(100_000);
    story.ask(C, Request::Psync { id: b"?", next_byte: -1 });
    assert_eq!(joins(&story.turn()), [(C, 0, true)], "by its length as well");
}

#[test]
fn a_snapshot_alone_is_never_an_old_one() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.synced();
    story.replconf(B, "rdb-only 1");
    story.ask(B, Request::Sync);
    assert_eq!(jobs(&story.turn()).len(), 1);
}

#[test]
fn a_kept_snapshot_goes_when_it_is_of_no_use() {
    let ended = |change: &dyn Fn(&mut Story)| {
        let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
        story.synced();
        change(&mut story);
        story.turn().contains(&Action::EndSync(JobId(0)))
    };
    assert!(!ended(&|_| {}));
    assert!(ended(&|story| story.now = Moment(60_000)), "its time is over");
    assert!(ended(&|story| story.log.promote(&mut fastrand::Rng::with_seed(1))), "another history");
    assert!(ended(&|story| story.log.append(&[b'x'; 2 << 20])), "there is more behind it than in it");
    let forgotten = ended(&|story| {
        story.log.append(&[b'x'; 200_000]);
        story.log.trim(None);
    });
    assert!(forgotten, "the log does not go back to its offset");
}

#[test]
fn the_same_failure_twice_in_a_row_makes_a_replica_wait() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    let fail = |story: &mut Story, at: u64| {
        story.wait_until(at);
        let asked = story.newcomer(A);
        let job = jobs(&story.turn())[0].id;
        story.started(job.0);
        story.act(|replicas, turn, actions| replicas.on_snapshot_unsent(turn.now, A, "it hung", actions));
        asked
    };
    assert_eq!(fail(&mut story, 0).len(), 2);
    assert_eq!(fail(&mut story, 1000).len(), 2, "once is no rule");
    story.wait_until(1500);
    let text = "Full sync of replica 10.0.0.9:6380 failed 2 times in a row (it hung): the next one begins 2 seconds \
                after the last";
    assert!(story.newcomer(A).contains(&Action::warning(text)));
    assert_eq!(jobs(&story.wait_until(2999)), []);
    let started = jobs(&story.wait_until(3000));
    assert_eq!(started.len(), 1);
    assert_eq!(story.replicas.latest_sync_failure(), Some("10.0.0.9:6380: it hung"));
    story.started(started[0].id.0);
    story.sent(A);
    story.replconf(A, "ACK 1000");
    story.closed(A);
    assert_eq!(story.newcomer(A).len(), 2, "what went well makes good");
}

#[test]
fn the_number_of_snapshots_at_a_time_is_limited() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    for replica in 1..=5 {
        story.newcomer(ReplicaId(replica));
        let started = jobs(&story.turn());
        assert_eq!(started.len(), usize::from(replica <= 4), "replica {replica}");
        for job in started {
            story.started(job.id.0);
            story.outgrown(job.id.0);
        }
    }
    story.encoded(0, 500);
    assert_eq!(jobs(&story.turn()).len(), 1, "as soon as one is encoded");
}

#[test]
fn behind_a_mark_the_stream_waits_for_the_first_acknowledgement() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.wait_until(5000);
    assert_eq!(story.replicas.get(A).unwrap().state(), ReplicaState::WaitSnapshot);
    story.started(0);
    story.encoded(0, 500);
    assert_eq!(story.replicas.get(A).unwrap().state(), ReplicaState::SendSnapshot);
    let text = "Streamed RDB transfer with replica 10.0.0.9:6380 succeeded (socket). Waiting for REPLCONF ACK \
                from replica to enable streaming";
    assert_eq!(story.sent(A), [Action::notice(text)]);
    assert_eq!(story.replicas.good(story.now, 10), 0);
    let online = Action::notice("Synchronization with replica 10.0.0.9:6380 succeeded");
    assert_eq!(story.replconf(A, "ACK 1000"), [online, start_stream(A, 1000)]);
    assert_eq!(story.replicas.good(story.now, 10), 1);
}

#[test]
fn an_acknowledgement_may_overtake_the_report_that_all_is_sent() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.wait_until(5000);
    story.started(0);
    story.encoded(0, 500);
    assert_eq!(story.replconf(A, "ACK 1000"), []);
    assert_eq!(deeds(story.sent(A)), [start_stream(A, 1000)]);
}

#[test]
fn a_snapshot_with_a_length_starts_at_once_and_streams_at_once() {
    let mut story = Story::new(SETTINGS);
    assert_eq!(deeds(story.ask(A, Request::Psync { id: b"?", next_byte: -1 })), []);
    assert_eq!(jobs(&story.turn()).len(), 1);
    assert_eq!(story.started(0), []);
    assert_eq!(story.wait_until(1000), [newline(A)], "until it is encoded");
    assert_eq!(joins(&story.encoded(0, 100)), [(A, 0, true)]);
    assert_eq!(story.wait_until(3000), []);
    assert_eq!(deeds(story.sent(A)), [start_stream(A, 1000)]);
}

#[test]
fn old_replicas_are_told_no_offset_and_need_not_acknowledge() {
    let mut story = Story::new(Settings { backlog_ttl_ms: None, ..SETTINGS });
    assert_eq!(deeds(story.ask(A, Request::Sync)), []);
    let started = deeds(story.turn());
    assert!(matches!(started[..], [Action::StartSync(_)]), "{started:?}");
    story.encoded(0, 100);
    story.sent(A);
    assert!(!story.wait_until(600_000).contains(&Action::Close(A)));
}

#[test]
fn a_snapshot_alone_ends_with_the_snapshot() {
    let mut story = Story::new(SETTINGS);
    story.replconf(A, "rdb-only 1 capa eof");
    story.ask(A, Request::Sync);
    story.wait_until(5000);
    assert_eq!(story.replicas.oldest_needed(), None);
    story.started(0);
    assert_eq!(deeds(story.sent(A)), [Action::Close(A), Action::EndSync(JobId(0))]);
    assert!(story.replicas.is_empty());
}

#[test]
fn a_part_of_the_data_is_a_snapshot_of_its_own_and_needs_a_mark() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.newcomer(A);
    story.replconf(B, "rdb-only 1 rdb-filter-only functions capa eof");
    story.ask(B, Request::Sync);
    let parts: Vec<Part> = jobs(&story.turn()).iter().map(|job| job.part).collect();
    assert_eq!(parts, [Part::Whole, Part::Functions]);

    story.replconf(C, "rdb-filter-only functions");
    let newcomer = Newcomer { id: C, peer: "10.0.0.9", request: Request::Sync };
    let mut actions = Vec::new();
    let turn = Turn { now: story.now, log: &story.log };
    let refused = story.replicas.on_sync(turn, newcomer, &mut actions).unwrap_err();
    assert_eq!(refused.to_string(), "ERR Filtered replica requires EOF capability");
    assert_eq!(actions, []);
}

#[test]
fn a_failed_snapshot_closes_its_replicas_and_no_others() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.wait_until(5000);
    story.newcomer(B);
    let failed =
        story.act(|replicas, turn, actions| replicas.on_sync_failed(turn.now, JobId(0), "why", actions));
    assert_eq!(
        failed,
        [
            Action::warning("SYNC failed. BGSAVE for replication failed: why"),
            send(A, "-ERR BGSAVE failed, replication can't continue: why\r\n"),
            Action::Close(A),
            Action::EndSync(JobId(0)),
        ]
    );
    assert_eq!(story.replicas.iter().map(|replica| replica.id).collect::<Vec<_>>(), [B]);
}

#[test]
fn a_snapshot_that_nobody_wants_any_more_is_cancelled() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.newcomer(B);
    story.wait_until(5000);
    let lost = |replica| Action::notice(format!("Connection with replica {replica} lost."));
    assert_eq!(story.closed(A), [lost("10.0.0.9:6380")]);
    assert_eq!(story.closed(B), [lost("10.0.0.9:6380"), Action::EndSync(JobId(0))]);
}

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
    story.replicas.on_snapshot_progress(story.now, C);
    let text = "Disconnecting timedout replica (streaming sync): 10.0.0.9:6380";
    assert_eq!(story.wait_until(90_000), [Action::warning(text), Action::Close(A)]);
    story.replicas.on_newline(story.now, B);
    let text = "Disconnecting timedout replica (full sync): 10.0.0.9:6380";
    assert_eq!(
        story.wait_until(110_000),
        [Action::warning(text), Action::Close(C), Action::EndSync(JobId(0))]
    );
    assert_eq!(story.replicas.len(), 1);
}

#[test]
fn a_replica_too_far_behind_is_closed() {
    let text = "Client 10.0.0.9:6380 scheduled to be closed ASAP for overcoming of output buffer limits.";
    let closed = [Action::warning(text), Action::Close(A)];
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 199_999]);
    assert_eq!(story.turn(), []);
    story.log.append(b"x");
    assert_eq!(story.turn(), closed, "too far");
    assert_eq!(story.replicas.counters().output_limit_closes, 1);

    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    story.turn();
    let mut actions = Vec::new();
    for second in 1..=60 {
        actions.extend(story.wait_until(second * 1000));
        story.replconf(A, "ACK 1000");
    }
    actions.retain(|action| *action != Action::AppendPing);
    assert_eq!(actions, []);
    assert_eq!(deeds(story.wait_until(61_000)), [Action::Close(A)], "far for too long");
}

#[test]
fn a_replica_that_catches_up_starts_its_soft_limit_anew() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    story.wait_until(50_000);
    story.replicas.on_sent(A, story.log.end());
    story.wait_until(59_000);
    story.replconf(A, "ACK 61000");
    story.log.append(&[b'x'; 60_000]);
    assert!(!story.wait_until(100_000).contains(&Action::Close(A)));
}

#[test]
fn what_the_log_keeps_anyway_is_the_least_limit() {
    let output_limit = OutputLimit { hard: 1000, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit, ..SETTINGS });
    story.online(A);
    story.log.append(&[b'x'; 60_000]);
    assert_eq!(story.turn(), []);
    let kept = usize::try_from(story.log.kept_anyway()).unwrap();
    story.log.append(&vec![b'x'; kept - 60_001]);
    assert_eq!(story.turn(), [], "who continues may be as far behind");
    story.log.append(b"x");
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

/// A story whose log goes on to disk when memory does not suffice for a replica, up to `most` bytes.
fn spilling(output_limit: OutputLimit, most: u64) -> Story {
    let mut story = Story::new(Settings { output_limit, ..SETTINGS });
    story.log.set_disk_size(DiskSize { kept: 0, most });
    story.online(A);
    story
}

const NARROW: OutputLimit = OutputLimit { hard: 1000, soft: 500, soft_ms: 10 };

#[test]
fn a_replica_that_reads_is_not_cut_off_for_being_behind() {
    let mut story = spilling(NARROW, 64 << 20);
    for step in 1..=50 {
        story.log.append(&[b'x'; 100_000]);
        let sent = story.replicas.get(A).unwrap().cursor().unwrap().advanced(10);
        story.replicas.on_sent(A, sent);
        assert!(!story.wait_until(step * 900).contains(&Action::Close(A)), "{step}");
        story.replconf(A, "ACK 1000");
    }
    assert_eq!(deeds(story.wait_until(50 * 900 + 1000)), [Action::Close(A)], "it took nothing for a second");
}

#[test]
fn who_outruns_the_disk_too_is_cut_off_though_it_reads() {
    let mut story = spilling(NARROW, 1);
    let kept = usize::try_from(story.log.most_for_readers().unwrap()).unwrap();
    story.log.append(&vec![b'x'; kept - 1000]);
    story.replicas.on_sent(A, Offset(1010));
    assert_eq!(story.turn(), []);
    story.log.append(&[b'x'; 2000]);
    story.replicas.on_sent(A, Offset(1020));
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

#[test]
fn who_was_cut_off_has_time_to_come_back_and_continue() {
    let mut story = spilling(NARROW, 64 << 20);
    story.log.append(&[b'x'; 10_000_000]);
    story.replconf(A, "ACK 1000");
    assert_eq!(deeds(story.wait_until(2000)), [Action::Close(A)]);
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.wait_until(2000 + SETTINGS.timeout_ms);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), None, "and no longer");
}

#[test]
fn who_is_lost_while_it_loads_continues_behind_its_snapshot() {
    let mut story = Story::new(SETTINGS);
    story.log.set_disk_size(DiskSize { kept: 0, most: 1_000_000 });
    story.newcomer(A);
    story.wait_until(5000);
    story.started(0);
    story.encoded(0, 500);
    story.sent(A);
    story.closed(A);
    story.log.append(&[b'x'; 100_000]);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.now = Moment(65_000);
    story.turn();
    assert_eq!(story.replicas.oldest_needed(), None, "within its time");
}

#[test]
fn who_needs_what_the_log_has_lost_is_closed() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.log.append(&[b'x'; 4_000_000]);
    story.log.trim(None);
    assert_eq!(deeds(story.turn()), [Action::Close(A)]);
}

#[test]
fn writers_wait_for_a_link_that_they_outrun() {
    let output_limit = OutputLimit { hard: 0, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit, ping_period_ms: 1 << 40, ..SETTINGS });
    story.online(A);
    story.turn();
    let write = |story: &mut Story, quarter: u64, taken: u64| {
        story.log.append(&vec![b'x'; 2_000_000]);
        story.replicas.on_sent(A, Offset(1000 + taken));
        story.now = Moment(quarter * 250);
        story.turn();
        story.replicas.pace().map(|pace| pace.rate)
    };
    for quarter in 1..=4 {
        assert_eq!(write(&mut story, quarter, quarter * 1_000_000), None, "it is not far yet");
    }
    for quarter in 5..=8 {
        write(&mut story, quarter, quarter * 1_000_000);
    }
    assert_eq!(write(&mut story, 9, 9_000_000), Some(3_500_000), "7/8 of what it takes in a second");
    assert!(story.replicas.deadline().unwrap() <= Moment(2251));
    story.closed(A);
    story.turn();
    assert_eq!(story.replicas.pace(), None);
}

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

#[test]
fn an_option_needs_a_value() {
    let mut story = Story::new(SETTINGS);
    let request = OwnedRequest::from_parts(&["listening-port"]);
    let turn = Turn { now: Moment(0), log: &story.log };
    let refused = story.replicas.on_replconf(turn, A, request.args(), &mut Vec::new());
    assert_eq!(refused, Err(ReplconfError::Syntax));
}

#[test]
fn good_replicas_are_online_and_were_heard_lately() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.newcomer(B);
    assert_eq!(story.replicas.good(Moment(10_999), 10), 1);
    assert_eq!(story.replicas.good(Moment(11_000), 10), 0);
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

#[test]
fn a_new_history_closes_everyone() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.newcomer(B);
    story.wait_until(5000);
    let closed = story.act(|replicas, turn, actions| replicas.disconnect_all(turn.now, actions));
    assert_eq!(closed, [Action::Close(A), Action::Close(B), Action::EndSync(JobId(0))]);
    assert_eq!(story.closed(A), [], "the session's end is no news");
}

/// Full syncs over two connections.
mod pairing;
