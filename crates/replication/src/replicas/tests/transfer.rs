//! Stories of one full sync: from the snapshot on its way to the stream, and how it fails.

use super::*;

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
fn a_snapshot_on_its_way_tells_how_far_it_is() {
    let mut story = Story::new(SETTINGS);
    let at = |story: &Story| -> Vec<(&str, u64, SnapshotSent)> {
        let syncs = story.replicas.syncs();
        syncs.map(|(_, phase, sync)| (phase, story.now.seconds_since(sync.since), sync.bytes)).collect()
    };
    let progress = |story: &mut Story, ms: u64, sent: u64, waiting: u64| {
        story.now = Moment(ms);
        let bytes = SnapshotSent { sent, waiting };
        story.act(|replicas, turn, actions| replicas.on_snapshot_progress(turn.now, A, bytes, actions))
    };
    story.newcomer(A);
    assert_eq!(at(&story), [("waiting", 0, SnapshotSent::default())]);
    story.wait_until(5000);
    assert_eq!(at(&story), [("preparing", 5, SnapshotSent::default())]);
    story.started(0);
    assert_eq!(progress(&mut story, 6000, 10_000_000, 2_000_000), []);
    let bytes = SnapshotSent { sent: 10_000_000, waiting: 2_000_000 };
    assert_eq!(at(&story), [("sending", 6, bytes)]);
    let line =
        "Snapshot for replica 10.0.0.9:6380: 30.0 MB of it are sent after 5 s, 1.2 MB more are encoded";
    assert_eq!(progress(&mut story, 10_000, 30_000_000, 1_234_567), [Action::notice(line)]);
    assert_eq!(progress(&mut story, 14_999, 40_000_000, 0), [], "a line in five seconds");
    story.encoded(0, 40_000_000);
    let line = "Snapshot for replica 10.0.0.9:6380: all of it is sent, 40.0 MB in 9.99 s (4.0 MB/s)";
    assert_eq!(story.sent(A)[0], Action::notice(line));
    assert_eq!(at(&story)[0].0, "loading");
    story.replconf(A, "ACK 1000");
    assert_eq!(at(&story), []);
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
    let total = "Snapshot for replica 10.0.0.9:6380: all of it is sent, 0.0 MB in 0.00 s (0.0 MB/s)";
    assert_eq!(story.sent(A), [Action::notice(total), Action::notice(text)]);
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
