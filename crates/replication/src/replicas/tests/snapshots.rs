//! Stories of snapshots for full syncs: who shares one, when it is taken, how long it is kept.

use super::*;

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
    assert_eq!(deeds(story.sent(A)), [Action::EndSync(JobId(0))], "it is of use for nobody else");
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
fn a_plain_sync_gets_the_data_of_now() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.synced();
    story.log.append(&[b'x'; 10]);
    story.ask(B, Request::Sync);
    let started = story.turn();
    assert_eq!(jobs(&started)[0].offset, Offset(1010), "it is told no offset, so its stream begins here");
    story.log.append(&[b'x'; 10]);
    story.ask(C, Request::Sync);
    assert_eq!(jobs(&story.turn())[0].offset, Offset(1020), "nor does it join one on its way");
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
    assert!(!ended(&|story| story.log.append(&[b'x'; 1900])));
    assert!(ended(&|story| story.log.append(&[b'x'; 2000])), "it is no longer most of what is here");
    let forgotten = ended(&|story| {
        story.log.append(&[b'x'; 200_000]);
        story.log.trim(None);
    });
    assert!(forgotten, "the log does not go back to its offset");
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
fn a_snapshot_that_nobody_wants_any_more_is_cancelled() {
    let mut story = Story::new(SETTINGS);
    story.newcomer(A);
    story.newcomer(B);
    story.wait_until(5000);
    let lost = |replica| Action::notice(format!("Connection with replica {replica} lost."));
    assert_eq!(story.closed(A), [lost("10.0.0.9:6380")]);
    assert_eq!(story.closed(B), [lost("10.0.0.9:6380"), Action::EndSync(JobId(0))]);
}
