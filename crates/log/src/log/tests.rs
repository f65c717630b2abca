//! What the log keeps, whom it lets continue, and what its readers see.
//!
//! Histories are named by one repeated digit, and bytes tell their own offset.

use super::*;

const BACKLOG: u64 = 64 << 10;

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(42)
}

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).expect("digits")
}

/// An active log of history `a`, empty at `offset`.
fn log_at(offset: u64) -> Log {
    let mut log = Log::new(BACKLOG, &mut rng());
    log.adopt_snapshot(id(b'a'), Offset(offset));
    log
}

fn read(log: &Log, from: u64) -> Option<Vec<u8>> {
    Some(log.slices_from(Offset(from))?.flat_map(|slice| slice.to_vec()).collect())
}

/// `len` bytes, each telling its own offset modulo 251.
fn pattern(from: u64, len: u64) -> Vec<u8> {
    (from..from + len).map(|at| u8::try_from(at % 251).expect("below 251")).collect()
}

#[test]
fn an_inactive_log_stands_still() {
    let mut log = Log::new(BACKLOG, &mut rng());
    log.append(b"unseen");
    log.append_with(|_| panic!("nothing is encoded for nobody"));
    assert_eq!((log.end(), log.held(), log.is_active()), (Offset(0), 0, false));
    assert_eq!(log.can_continue(&log.history().id, Offset(0)), Err(Refusal::Inactive));
}

#[test]
fn activation_makes_a_fresh_history() {
    let mut rng = rng();
    let mut log = Log::new(BACKLOG, &mut rng);
    log.promote(&mut rng);
    log.deactivate(&mut rng);
    let before = log.history().id;
    log.activate(&mut rng);
    assert_ne!(log.history().id, before);
    assert_eq!(log.history().previous, None);
    let kept = *log.history();
    log.activate(&mut rng);
    assert_eq!(*log.history(), kept);
}

#[test]
fn deactivation_forgets_the_bytes_and_the_id() {
    let mut log = log_at(100);
    log.append(b"abc");
    log.deactivate(&mut rng());
    log.append(b"def");
    assert_eq!((log.end(), log.held()), (Offset(103), 0));
    assert_ne!(log.history().id, id(b'a'));
}

#[test]
fn readers_see_every_byte_from_any_offset() {
    let mut log = log_at(1000);
    log.append(&pattern(1000, 40_000));
    log.append_with(|out| out.extend(pattern(41_000, 50_000)));
    assert_eq!(log.end(), Offset(91_000));
    for from in [1000, 1001, 17_383, 17_384, 17_385, 41_000, 90_999, 91_000] {
        assert_eq!(read(&log, from), Some(pattern(from, 91_000 - from)), "from {from}");
    }
    assert_eq!(read(&log, 999), None);
    assert_eq!(read(&log, 91_001), None);
}

#[test]
fn large_appends_are_split_into_blocks() {
    let mut log = log_at(0);
    log.append_with(|out| out.resize(100_000, b'x'));
    log.append(&[b'x'; 100_000]);
    let slices: Vec<Slice> = log.slices_from(Offset(0)).expect("held").collect();
    assert!(slices.iter().all(|slice| slice.len() <= 16 << 10), "blocks of a sixteenth of the backlog");
    assert!(slices.windows(2).all(|pair| pair[0].end() == pair[1].start()));
}

#[test]
fn a_reader_keeps_what_it_holds_while_the_log_goes_on() {
    let mut log = log_at(0);
    log.append(&pattern(0, 6000));
    let held: Vec<Slice> = log.slices_from(Offset(0)).expect("held").collect();
    for at in 6000..200_000 {
        log.append(&pattern(at, 1));
        log.trim(None);
    }
    assert_eq!(held.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>(), pattern(0, 6000));
    assert_eq!(read(&log, 199_000), Some(pattern(199_000, 1000)));
}

#[test]
fn trimming_keeps_the_backlog_and_little_more() {
    let mut log = log_at(0);
    for _ in 0..1000 {
        log.append(&[b'x'; 1000]);
        log.trim(None);
    }
    assert!((BACKLOG..BACKLOG + (16 << 10)).contains(&log.held()), "{}", log.held());
}

#[test]
fn trimming_spares_what_a_reader_needs() {
    let mut log = log_at(0);
    log.append(&pattern(0, 1_000_000));
    log.trim(Some(Offset(300_000)));
    assert!((284_000..=300_000).contains(&log.start().0), "{}", log.start());
    assert_eq!(read(&log, 300_000), Some(pattern(300_000, 700_000)));
}

#[test]
fn a_smaller_backlog_keeps_the_newest_bytes() {
    let mut log = log_at(0);
    log.append(&pattern(0, 60_000));
    log.set_backlog_size(1);
    log.trim(None);
    assert_eq!(log.backlog_size(), MIN_BACKLOG_SIZE);
    assert!((MIN_BACKLOG_SIZE..=MIN_BACKLOG_SIZE * 2).contains(&log.held()), "{}", log.held());
    log.set_backlog_size(1 << 30);
    let from = log.start().0;
    assert_eq!(read(&log, from), Some(pattern(from, 60_000 - from)), "growing loses nothing");
}

#[test]
fn without_readers_little_more_than_the_backlog_is_kept() {
    let mut log = log_at(0);
    for length in [1, 10_000, 100, 30_000, 7, 16_384, 20_000, 16_383, 2] {
        log.append(&pattern(log.end().0, length));
        log.trim(None);
        assert!(log.held() < log.kept_anyway(), "{} of {}", log.held(), log.kept_anyway());
    }
}

#[test]
fn psync_is_decided_by_history_and_offset() {
    // Followed `a` to 100, promoted there, wrote 50 bytes as `b`.
    let mut log = log_at(60);
    log.append(&pattern(60, 40));
    log.adopt_id(id(b'b'));
    log.append(&pattern(100, 50));
    let check = |digit, from, expected: Result<(), Refusal>| {
        assert_eq!(log.can_continue(&id(digit), Offset(from)), expected, "{} at {from}", char::from(digit));
    };
    check(b'b', 150, Ok(()));
    check(b'b', 60, Ok(()));
    check(b'b', 59, Err(Refusal::Gone));
    check(b'b', 151, Err(Refusal::Ahead));
    check(b'a', 60, Ok(()));
    check(b'a', 100, Ok(()));
    check(b'a', 101, Err(Refusal::PastFork));
    check(b'a', 59, Err(Refusal::Gone));
    check(b'c', 100, Err(Refusal::UnknownHistory));
}

#[test]
fn the_same_id_again_is_no_fork() {
    let mut log = log_at(60);
    log.adopt_id(id(b'a'));
    assert_eq!(*log.history(), History::new(id(b'a')));
}

#[test]
fn a_snapshot_replaces_everything() {
    let mut log = log_at(0);
    log.append(b"old");
    log.adopt_id(id(b'b'));
    log.adopt_snapshot(id(b'c'), Offset(700));
    assert_eq!((log.start(), log.end(), *log.history()), (Offset(700), Offset(700), History::new(id(b'c'))));
}

#[test]
fn a_primary_that_restarts_from_a_snapshot_lets_its_replicas_continue() {
    let mut log = log_at(700);
    log.promote(&mut rng());
    log.append(b"new");
    assert_ne!(log.history().id, id(b'a'));
    assert_eq!(log.can_continue(&id(b'a'), Offset(700)), Ok(()));
    assert_eq!(log.can_continue(&id(b'a'), Offset(701)), Err(Refusal::PastFork));
}

#[test]
fn a_promotion_keeps_an_inactive_log_inactive() {
    let mut log = Log::new(BACKLOG, &mut rng());
    log.promote(&mut rng());
    assert!(!log.is_active());
}

#[test]
fn what_lies_behind_a_fork_can_be_dropped() {
    for (held, to) in [(10, 0), (10, 4), (10, 10), (200_000, 150_000), (200_000, 16_384)] {
        let mut log = log_at(700);
        log.append(&pattern(700, held));
        let reader: Vec<_> = log.slices_from(Offset(700)).unwrap().collect();
        assert!(log.rewind(&id(b'a'), Offset(700 + to)));
        assert_eq!(log.end(), Offset(700 + to));
        log.append(&pattern(700 + to, 30));
        assert_eq!(read(&log, 700), Some(pattern(700, to + 30)), "{to} of {held}");
        assert_eq!(reader.iter().map(|slice| slice.len() as u64).sum::<u64>(), held, "a slice never changes");
    }
    let mut log = log_at(700);
    assert!(!log.rewind(&id(b'a'), Offset(699)), "not held");
    assert!(!log.rewind(&id(b'a'), Offset(701)), "beyond the end");
}

/// Larger than what is kept in memory for readers by so much.
const MORE: u64 = 2 << 20;

/// A log with a backlog on disk, or only a spill, that holds `bytes` behind offset 0.
fn tiered(size: DiskSize, bytes: u64) -> Log {
    let mut log = log_at(0);
    log.set_disk_size(size);
    append_pattern(&mut log, bytes);
    log
}

fn append_pattern(log: &mut Log, bytes: u64) {
    let from = log.end().0;
    log.append(&pattern(from, bytes));
}

/// A disk that does at once what it is told.
#[derive(Debug, Default)]
struct Disk {
    segments: std::collections::BTreeMap<Offset, Vec<u8>>,
}

impl Disk {
    /// Does all; `confirms` if the log hears of it.
    fn perform(&mut self, log: &mut Log, confirms: bool) {
        for action in log.take_disk_actions() {
            match action {
                DiskAction::Write { number, history, segment, block } => {
                    assert_eq!(history, log.history().id);
                    let file = self.segments.entry(segment).or_default();
                    assert_eq!(segment.advanced(file.len()), block.start(), "a segment has no gaps");
                    file.extend_from_slice(&block);
                    if confirms {
                        log.disk_wrote(number, block.end());
                    }
                }
                DiskAction::Remove(segment) => drop(self.segments.remove(&segment).expect("it is there")),
                DiskAction::RemoveAll => self.segments.clear(),
            }
        }
    }

    /// What the log says is there must be there, joined to what is in memory.
    #[track_caller]
    fn check(&self, log: &Log) {
        let all: Vec<u8> = self.segments.values().flatten().copied().collect();
        let start = self.segments.keys().next().copied().unwrap_or(log.start());
        assert_eq!(log.reach(), start);
        let needed = usize::try_from(log.start().since(start)).unwrap();
        assert!(all.len() >= needed, "a gap between disk and memory");
        assert_eq!(all, pattern(start.0, all.len() as u64), "the bytes at their offsets");
    }
}

#[test]
fn what_leaves_memory_goes_to_disk_and_may_be_continued_from() {
    let mut log = tiered(DiskSize { kept: 16 << 20, most: 0 }, 3 * BACKLOG);
    let mut disk = Disk::default();
    log.trim(None);
    assert_eq!(log.start(), Offset(0), "nothing leaves before it is written");
    disk.perform(&mut log, true);
    log.trim(None);
    assert!(log.held() < log.kept_anyway());
    disk.check(&log);
    assert_eq!(log.reach(), Offset(0));
    assert_eq!(log.can_continue(&id(b'a'), Offset(0)), Ok(()));
    assert!(log.slices_from(Offset(0)).is_none(), "that is read from disk");
}

#[test]
fn the_disk_keeps_its_size_and_what_a_reader_needs() {
    let kept = 8 << 20;
    let mut log = tiered(DiskSize { kept, most: 0 }, 0);
    let mut disk = Disk::default();
    let mut turn = |log: &mut Log, needed| {
        append_pattern(log, 40_000);
        log.trim(needed);
        disk.perform(log, true);
        if log.end().0.is_multiple_of(4_000_000) {
            disk.check(log);
        }
    };
    (0..400).for_each(|_| turn(&mut log, None));
    assert!((kept..kept + 2 * (1 << 20)).contains(&log.disk_len()), "{}", log.disk_len());
    let reach = log.reach();
    (0..400).for_each(|_| turn(&mut log, Some(reach)));
    assert_eq!(log.reach(), reach, "a reader stands there");
    (0..2).for_each(|_| turn(&mut log, None));
    assert!(log.disk_len() < kept + 2 * (1 << 20));
}

#[test]
fn what_a_reader_needs_beyond_memory_is_spilled_until_nobody_needs_it() {
    let mut log = tiered(DiskSize { kept: 0, most: 1 << 30 }, MEMORY_FOR_READERS + MORE);
    let mut disk = Disk::default();
    let reader = Some(Offset(0));
    for _ in 0..2 {
        log.trim(reader);
        disk.perform(&mut log, true);
    }
    log.trim(reader);
    disk.check(&log);
    assert!(log.held() < MEMORY_FOR_READERS + (1 << 20), "memory has a bound");
    assert_eq!(log.can_continue(&id(b'a'), Offset(0)), Ok(()));

    log.trim(Some(log.start()));
    disk.perform(&mut log, true);
    assert!(!disk.segments.is_empty(), "it would be made again at once");
    log.trim(Some(log.end()));
    disk.perform(&mut log, true);
    assert!(disk.segments.is_empty());
    assert!(log.held() < log.kept_anyway(), "memory is as without a reader");
    assert_eq!(log.reach(), log.start());
}

#[test]
fn a_reader_of_the_disk_is_not_left_behind_by_a_smaller_disk() {
    let mut log = tiered(DiskSize { kept: 16 << 20, most: 1 << 30 }, 4 << 20);
    let mut disk = Disk::default();
    for _ in 0..2 {
        log.trim(Some(Offset(0)));
        disk.perform(&mut log, true);
    }
    assert!(log.start() > Offset(0));
    log.set_disk_size(DiskSize { kept: 0, most: 1 << 30 });
    log.trim(Some(Offset(0)));
    disk.perform(&mut log, true);
    disk.check(&log);
    assert_eq!(log.reach(), Offset(0));
    log.trim(Some(log.start()));
    disk.perform(&mut log, true);
    assert!(disk.segments.is_empty(), "it needs memory only");
}

#[test]
fn the_largest_sizes_are_sizes() {
    let most = u64::try_from(i64::MAX).unwrap();
    let mut log = tiered(DiskSize { kept: most, most }, 100);
    log.set_backlog_size(most);
    assert!(log.reaches_anyway() >= most);
    assert!(log.most_for_readers().unwrap() >= most);
    log.append(b"x");
    log.trim(Some(Offset(0)));
    assert_eq!(log.held(), 101);
}

#[test]
fn without_a_reader_nothing_is_spilled() {
    let mut log = tiered(DiskSize { kept: 0, most: 1 << 30 }, MEMORY_FOR_READERS + MORE);
    log.trim(None);
    assert!(log.take_disk_actions().is_empty());
    assert!(log.held() < log.kept_anyway());
}

#[test]
fn a_failing_disk_leaves_what_is_in_memory() {
    let mut log = tiered(DiskSize { kept: 16 << 20, most: 0 }, 3 * BACKLOG);
    let mut disk = Disk::default();
    log.trim(None);
    disk.perform(&mut log, true);
    log.trim(None);
    append_pattern(&mut log, 3 * BACKLOG);
    log.trim(None);
    let unwritten = log.start();
    log.disk_failed();
    assert_eq!(log.reach(), unwritten, "what was not written is still in memory");
    assert_eq!(log.can_continue(&id(b'a'), Offset(0)), Err(Refusal::Gone));
    disk.perform(&mut log, false);
    log.trim(None);
    assert!(log.held() < log.kept_anyway());
    assert!(log.take_disk_actions().is_empty(), "it is given up");
    log.set_disk_size(DiskSize { kept: 16 << 20, most: 0 });
    append_pattern(&mut log, 3 * BACKLOG);
    log.trim(None);
    assert!(log.take_disk_actions().is_empty(), "its size is what it was");
    log.set_disk_size(DiskSize { kept: 32 << 20, most: 0 });
    append_pattern(&mut log, 3 * BACKLOG);
    log.trim(None);
    assert!(!log.take_disk_actions().is_empty(), "and tried again when the operator says so");
}

#[test]
fn a_disk_that_failed_is_well_when_it_has_written() {
    let mut log = tiered(DiskSize { kept: 16 << 20, most: 0 }, 3 * BACKLOG);
    let mut disk = Disk::default();
    log.trim(None);
    disk.perform(&mut log, false);
    let write = |log: &mut Log| {
        append_pattern(log, 3 * BACKLOG);
        log.trim(None);
        let actions = log.take_disk_actions();
        actions.iter().rev().find_map(|action| match action {
            DiskAction::Write { number, block, .. } => Some((*number, block.end())),
            _ => None,
        })
    };
    let (number, offset) = write(&mut log).unwrap();
    assert!(!log.disk_wrote(number, offset), "it was well before");
    log.disk_failed();
    assert_eq!(write(&mut log), None);
    log.retry_disk();
    let (again, offset) = write(&mut log).unwrap();
    assert!(log.has_disk_failed(), "it has shown nothing yet");
    assert!(!log.disk_wrote(number, offset), "that was before it failed");
    assert!(log.disk_wrote(again, offset));
    assert!(!log.has_disk_failed());
    assert!(!log.disk_wrote(again, offset), "it is told once");
}

#[test]
fn a_late_confirmation_confirms_nothing() {
    let mut log = tiered(DiskSize { kept: 16 << 20, most: 0 }, 3 * BACKLOG);
    log.trim(None);
    let late = log.take_disk_actions();
    log.adopt_snapshot(id(b'b'), Offset(0));
    append_pattern(&mut log, 3 * BACKLOG);
    log.trim(None);
    for action in late {
        if let DiskAction::Write { number, block, .. } = action {
            log.disk_wrote(number, block.end());
        }
    }
    log.trim(None);
    assert_eq!(log.start(), Offset(0));
}

#[test]
fn a_history_that_began_by_mistake_can_be_left_for_the_one_before() {
    let mut log = log_at(700);
    log.append(b"shared");
    log.promote(&mut rng());
    log.append(b"own");
    assert!(!log.rewind(&id(b'b'), Offset(706)), "no history of this log");
    assert!(!log.rewind(&id(b'a'), Offset(707)), "behind the fork it was another history");
    assert!(log.rewind(&id(b'a'), Offset(706)));
    assert_eq!((log.end(), *log.history()), (Offset(706), History::new(id(b'a'))));
}

#[test]
fn whatever_does_not_go_on_from_what_was_before_is_a_break() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut log = Log::new(1 << 20, &mut rng);
    let mut seen = log.breaks();
    let mut check = |log: &Log, is_break: bool| {
        assert_eq!(log.breaks() > seen, is_break);
        seen = log.breaks();
    };
    log.activate(&mut rng);
    check(&log, true);
    log.append(b"abc");
    log.promote(&mut rng);
    log.adopt_id(ReplicationId::random(&mut rng));
    log.trim(None);
    check(&log, false);
    let id = log.history().id;
    assert!(!log.rewind(&id, Offset(4)));
    check(&log, false);
    assert!(log.rewind(&id, Offset(2)));
    check(&log, true);
    log.adopt_snapshot(id, Offset(2));
    check(&log, true);
    log.deactivate(&mut rng);
    check(&log, true);
    log.adopt_id(id);
    check(&log, true);
}

#[test]
fn who_was_away_during_several_forks_continues_before_the_first() {
    let (mut rng, mut log) = (rng(), log_at(0));
    log.adopt_snapshot(id(b'a'), Offset(100));
    for _ in 0..3 {
        log.append(b"0123456789");
        log.promote(&mut rng);
    }
    log.append(b"0123456789");
    assert_eq!(log.can_continue(&id(b'a'), Offset(110)), Ok(()));
    assert_eq!(log.can_continue(&id(b'a'), Offset(111)), Err(Refusal::PastFork));
    let forks: Vec<u64> = log.forks().map(|(_, fork)| fork.0).collect();
    assert_eq!(forks, [130, 120, 110]);
    for _ in 0..20 {
        log.promote(&mut rng);
    }
    assert_eq!(log.forks().count(), MOST_ANCESTORS + 1);
    assert_eq!(log.can_continue(&id(b'a'), Offset(110)), Err(Refusal::UnknownHistory));
    log.adopt_snapshot(id(b'b'), Offset(5));
    assert_eq!(log.forks().count(), 0);
}

#[test]
fn memory_is_what_is_allocated_for_all_blocks_whatever_becomes_of_them() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut log = log_at(0);
    let mut held = Vec::new();
    for _ in 0..5000 {
        match rng.u8(..12) {
            0..6 => log.append(&vec![b'x'; rng.usize(..30_000)]),
            6 => log.append_with(|out| out.extend_from_slice(b"small")),
            7 => held.extend(log.slices_from(log.start()).and_then(Iterator::last)),
            8 => held.clear(),
            9 => log.trim(None),
            10 => {
                let to = Offset(rng.u64(log.start().0..=log.end().0));
                let id = log.history().id;
                assert!(log.rewind(&id, to));
            }
            _ if rng.u8(..20) == 0 => log.adopt_snapshot(id(b'b'), Offset(rng.u64(..1000))),
            _ => log.set_backlog_size(rng.u64(..1 << 20)),
        }
        let Kept::Blocks(blocks) = &log.kept else { panic!("it is active") };
        assert_eq!(log.memory(), blocks.iter().map(Block::memory).sum::<usize>());
    }
    log.deactivate(&mut rng);
    assert_eq!(log.memory(), 0);
}
