//! Stories of a change of the history: who keeps its connection, when it is told, and what it gets.

use super::*;

/// The end of a stream of which nothing is left to be sent.
fn end_stream(replica: ReplicaId, end: u64) -> Action {
    Action::EndStream { replica, rest: Vec::new(), end: Offset(end) }
}

impl Story {
    /// A replica that continued from the log's end and knows the line.
    fn attached(&mut self, replica: ReplicaId) {
        self.replconf(replica, "capa eof capa psync2 capa slipstream1 capa slipstream-history");
        self.online(replica);
    }

    fn change(&mut self, change: Change) -> Vec<Action> {
        deeds(self.act(|replicas, turn, actions| replicas.change_history(turn, change, actions)))
    }

    /// The log goes on under another name.
    fn renamed(&mut self) -> Vec<Action> {
        self.log.adopt_id(id(b'b'));
        self.change(Change::Renamed)
    }

    fn ended(&mut self, replica: ReplicaId, at: u64) -> Vec<Action> {
        self.replicas.on_stream_ended(replica, Offset(at));
        deeds(self.turn())
    }

    fn state_of(&self, replica: ReplicaId) -> Option<ReplicaState> {
        self.replicas.get(replica).map(Replica::state)
    }
}

#[test]
fn a_renamed_history_is_told_behind_its_last_byte_and_continued_over_the_same_connection() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.log.append(b"0123456789");
    let rest: Vec<_> = story.log.blocks_from(Offset(1000)).unwrap().collect();
    assert_eq!(story.renamed(), [Action::EndStream { replica: A, rest, end: Offset(1010) }]);
    story.log.append(b"of the new name");
    assert_eq!(deeds(story.turn()), [], "it has yet to be sent the end of the old name");
    assert_eq!(story.ended(A, 1010), [Action::AskAgain(A)]);
    assert_eq!(deeds(story.turn()), [], "once");
    story.replconf(A, "capa slipstream1");
    let answer = send(A, &format!("+CONTINUE {}\r\n", id(b'b')));
    assert_eq!(deeds(story.psync(A, b'a', 1011)), [answer, start_stream(A, 1010)]);
    assert_eq!(story.state_of(A), Some(ReplicaState::Online));
    assert!(story.replicas.get(A).unwrap().profile.takes_marks, "what it announced still holds");
    assert_eq!(story.replicas.counters().partial_ok, 2);
    assert!(matches!(story.renamed()[..], [Action::EndStream { .. }]), "and so the next time");
}

#[test]
fn other_data_is_sent_over_the_same_connection() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    assert_eq!(story.change(Change::Replaced), [end_stream(A, 1000)]);
    story.log.adopt_snapshot(id(b'c'), Offset(500));
    assert_eq!(story.replicas.oldest_needed(), None, "what it has is no part of this log");
    assert_eq!(story.ended(A, 1000), [Action::AskAgain(A)]);
    assert_eq!(deeds(story.psync(A, b'a', 1001)), []);
    assert_eq!(story.replicas.counters().full, 1);
    let actions = story.wait_until(6000);
    assert_eq!(jobs(&actions).len(), 1);
    let started = story.started(0);
    assert_eq!(joins(&started), [(A, 0, false)]);
}

#[test]
fn who_does_not_know_the_line_is_closed() {
    let mut story = Story::new(SETTINGS);
    story.online(A);
    story.newcomer(B);
    story.wait_until(5000);
    story.attached(C);
    assert_eq!(
        story.renamed(),
        [Action::Close(A), Action::Close(B), Action::EndSync(JobId(0)), end_stream(C, 1000)]
    );
    assert_eq!(story.closed(A), [], "the session's end is no news");
}

#[test]
fn who_is_in_a_full_sync_is_closed() {
    let mut story = Story::new(SETTINGS);
    story.replconf(A, "capa slipstream-history");
    story.newcomer(A);
    story.turn();
    assert_eq!(story.renamed(), [Action::Close(A)], "before its snapshot begins");
    story.replconf(B, "capa slipstream-history");
    story.newcomer(B);
    story.wait_until(5000);
    let snapshot = story.change(Change::Replaced);
    assert!(snapshot.contains(&Action::Close(B)), "and behind that: {snapshot:?}");
}

#[test]
fn who_is_far_behind_is_closed() {
    let limit = OutputLimit { hard: 0, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit: limit, ..SETTINGS });
    story.attached(A);
    story.log.append(&vec![b'x'; 17 << 20]);
    story.attached(B);
    assert_eq!(story.renamed(), [Action::Close(A), end_stream(B, 1000 + (17 << 20))]);
}

#[test]
fn nobody_is_told_before_this_node_can_answer() {
    let mut story = Story::new(SETTINGS);
    story.replicas.set_role(story.now, Role::Replica { link_up: true });
    story.attached(A);
    story.change(Change::Replaced);
    story.replicas.set_role(story.now, Role::Replica { link_up: false });
    assert_eq!(story.ended(A, 1000), []);
    story.now = Moment(30_000);
    assert_eq!(deeds(story.turn()), [], "no newline either: its stream has ended, and it does not know");
    story.replconf(A, "ACK 1000");
    story.now = Moment(80_000);
    assert_eq!(deeds(story.turn()), [], "it acknowledges and so lives");
    story.replicas.set_role(story.now, Role::Replica { link_up: true });
    assert_eq!(deeds(story.turn()), [Action::AskAgain(A)]);
}

#[test]
fn what_is_acknowledged_of_the_old_history_counts_for_nobody() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.replconf(A, "ACK 1000");
    assert_eq!(story.replicas.acked(Offset(1000)), 1);
    story.change(Change::Replaced);
    story.log.adopt_snapshot(id(b'c'), Offset(500));
    story.log.append(b"0123456789");
    assert_eq!(story.wait_for(1, 1, None), []);
    story.ended(A, 1000);
    assert_eq!(deeds(story.replconf(A, "ACK 1000")), []);
    assert_eq!(deeds(story.turn()), []);
    assert_eq!((story.replicas.acked(Offset(510)), story.replicas.good(story.now, 10)), (0, 0));
}

#[test]
fn the_log_is_held_for_who_asks_again_under_the_new_name() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.renamed();
    story.ended(A, 1000);
    story.log.append(b"0123456789");
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1000)));
    story.change(Change::Replaced);
    assert_eq!(story.replicas.oldest_needed(), None);
}

#[test]
fn who_takes_nothing_or_does_not_ask_is_closed() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.log.append(&[b'x'; 100]);
    story.renamed();
    for ms in (10_000..=50_000).step_by(10_000) {
        story.wait_until(ms);
        story.replconf(A, "ACK 1000");
    }
    story.replicas.on_sent(A, Offset(1050));
    assert!(!story.wait_until(70_000).contains(&Action::Close(A)), "it took a part");
    story.replconf(A, "ACK 1050");
    assert!(story.wait_until(140_000).contains(&Action::Close(A)), "and then nothing more, whatever it says");
    story.attached(B);
    story.renamed();
    story.ended(B, 1100);
    assert!(story.wait_until(199_000).iter().all(|action| *action != Action::Close(B)));
    assert!(story.wait_until(202_000).contains(&Action::Close(B)));
}

#[test]
fn asking_before_the_line_changes_nothing() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.renamed();
    assert_eq!(story.psync(A, b'a', 1001), []);
    story.replicas.on_stream_ended(A, Offset(1000));
    assert_eq!(story.psync(A, b'a', 1001), []);
}

#[test]
fn the_log_is_held_from_the_fork_on_for_who_will_go_back_there() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.log.append(&[b'x'; 100]);
    story.replicas.on_sent(A, Offset(1100));
    story.change(Change::Rewound(Offset(1050)));
    assert!(story.log.rewind(&id(b'a'), Offset(1050)));
    assert_eq!(deeds(story.turn()), [], "nothing that it needs is gone");
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1050)));
    story.ended(A, 1100);
    story.log.append(&[b'y'; 1000]);
    story.renamed();
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1050)), "under the next name as well");
    story.change(Change::Rewound(Offset(1020)));
    assert_eq!(story.replicas.oldest_needed(), Some(Offset(1020)));
    let answer = send(A, &format!("+CONTINUE {}\r\n", id(b'b')));
    assert_eq!(deeds(story.psync(A, b'a', 1021)), [answer, start_stream(A, 1020)]);
}

#[test]
fn who_is_told_and_never_asks_is_held_no_more_than_one_that_does_not_read() {
    let mut story =
        Story::new(Settings { output_limit: OutputLimit { hard: 200_000, soft: 0, soft_ms: 0 }, ..SETTINGS });
    story.log.set_disk_size(DiskSize { kept: 0, most: 1 << 30 });
    story.attached(A);
    story.renamed();
    story.ended(A, 1000);
    for step in 1..=3 {
        story.log.append(&[b'x'; 50_000]);
        assert!(!story.wait_until(step * 2000).contains(&Action::Close(A)), "{step}");
        story.replconf(A, "ACK 1000");
    }
    story.log.append(&[b'x'; 50_000]);
    assert!(deeds(story.turn()).contains(&Action::Close(A)), "whatever it acknowledges");
}

#[test]
fn a_stream_whose_end_is_taken_slowly_is_not_cut_off_for_what_is_written_meanwhile() {
    let limit = OutputLimit { hard: 200_000, soft: 0, soft_ms: 0 };
    let mut story = Story::new(Settings { output_limit: limit, ..SETTINGS });
    story.log.set_disk_size(DiskSize { kept: 0, most: 1 << 30 });
    story.attached(A);
    story.log.append(&[b'x'; 100]);
    story.renamed();
    for step in 1..=50 {
        story.log.append(&[b'x'; 50_000]);
        story.replicas.on_sent(A, Offset(1000 + step));
        assert!(!story.wait_until(step * 900).contains(&Action::Close(A)), "{step}");
        story.replconf(A, "ACK 1000");
    }
}

#[test]
fn who_has_loaded_keeps_its_connection_though_that_of_its_snapshot_is_still_there() {
    let mut story = Story::new(Settings { sync_delay_ms: 0, ..SETTINGS });
    story.replconf(A, "capa eof capa psync2 capa slipstream-history capa rdb-channel-repl");
    story.ask(A, Request::Psync { id: b"?", next_byte: -1 });
    story.replconf(B, &format!("capa eof rdb-only 1 rdb-channel 1 main-ch-client-id {}", A.0));
    story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
    story.turn();
    story.started(0);
    story.replconf(A, "ACK 1000");
    assert_eq!(story.state_of(A), Some(ReplicaState::Online), "before it is known that all is sent");
    assert_eq!(story.renamed(), [end_stream(A, 1000), Action::Close(B), Action::EndSync(JobId(0))]);
    assert_eq!(story.ended(A, 1000), [Action::AskAgain(A)]);
}

#[test]
fn one_that_asks_again_as_what_it_cannot_be_is_refused_and_still_watched() {
    let mut story = Story::new(SETTINGS);
    story.attached(A);
    story.renamed();
    story.ended(A, 1000);
    story.replconf(B, "capa eof capa psync2 capa rdb-channel-repl");
    story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
    story.replconf(A, &format!("rdb-channel 1 rdb-only 1 main-ch-client-id {}", B.0));
    story.ask(B, Request::Sync);
    let newcomer = Newcomer { id: A, peer: "", request: Request::Psync { id: b"?", next_byte: -1 } };
    let mut actions = Vec::new();
    let turn = Turn { now: story.now, log: &story.log };
    assert_eq!(story.replicas.on_sync(turn, newcomer, &mut actions), Err(SyncRefused::NoMain));
    assert_eq!(story.state_of(A), Some(ReplicaState::WaitSnapshot), "it is listed, and watched");
    story.replconf(A, "ACK 1000");
    assert!(story.wait_until(62_000).contains(&Action::Close(A)));
}

#[test]
fn who_asks_when_this_node_cannot_answer_any_more_is_told_again() {
    let mut story = Story::new(SETTINGS);
    story.replicas.set_role(story.now, Role::Replica { link_up: true });
    story.attached(A);
    story.renamed();
    assert_eq!(story.ended(A, 1000), [Action::AskAgain(A)]);
    story.replicas.set_role(story.now, Role::Replica { link_up: false });
    assert_eq!(story.psync(A, b'a', 1001), []);
    assert_eq!(deeds(story.turn()), []);
    story.replicas.set_role(story.now, Role::Replica { link_up: true });
    assert_eq!(deeds(story.turn()), [Action::AskAgain(A)]);
    let answer = send(A, &format!("+CONTINUE {}\r\n", id(b'b')));
    assert_eq!(deeds(story.psync(A, b'a', 1001)), [answer, start_stream(A, 1000)]);
}
