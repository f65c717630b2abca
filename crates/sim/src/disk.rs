//! The disk of one machine: its files, and those with older parts of the log.
//!
//! Files are written by the server's own code ([`slipstream_storage`]), on a [`Volume`] that a crash finds as it may be.
//! Blocks of the log are appended in order and confirmed, and what cannot be written or read is given up and reported
//! once: they serve one life of the process, and no crash matters to them. A disk may be full, damaged, lost, or set back
//! to what it held before.

mod hand;
mod volume;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;

use slipstream_log::{DiskAction, Offset, Slice};

pub use self::hand::{Hand, HandFile};
pub use self::volume::{Crash, Fraud, Volume};

/// Blocks read for one replica at once.
const READ_BLOCKS: usize = 3;

/// Why nothing can be written.
pub(crate) const FULL: &str = "No space left on device";

/// Why what was written is not on disk.
pub(crate) const BAD: &str = "Input/output error";

/// The snapshot, and the state file.
pub(crate) const DUMP: &str = "dump.rdb";
pub(crate) const STATE: &str = "dump.rdb.state";

/// One disk.
#[derive(Debug)]
pub struct Disk {
    volume: Rc<RefCell<Volume>>,
    /// What the snapshot was before it was written last.
    before: Option<Vec<u8>>,
    /// Whether the snapshot is broken.
    pub(crate) is_torn: bool,
    /// How often everything was lost.
    pub(crate) losses: u32,
    /// What is still to be written as the state file.
    pub(crate) states: VecDeque<Vec<u8>>,
    /// The log's files.
    pub log: LogFiles,
}

impl Disk {
    /// One without a file.
    pub(crate) fn new(sync_time: RangeInclusive<u64>, rng: fastrand::Rng) -> Disk {
        let volume = Rc::new(RefCell::new(Volume::new(sync_time, rng)));
        Disk {
            volume,
            before: None,
            is_torn: false,
            losses: 0,
            states: VecDeque::new(),
            log: LogFiles::default(),
        }
    }

    /// A thread that begins to do something with the files.
    pub(crate) fn hand(&self, now: u64) -> Hand {
        Hand::new(&self.volume, now)
    }

    /// One for which nothing takes any time.
    pub(crate) fn instant_hand(&self, now: u64) -> Hand {
        Hand::instant(&self.volume, now)
    }

    /// A file, as the system has it.
    pub(crate) fn read(&self, now: u64, name: &str) -> Option<Vec<u8>> {
        let mut volume = self.volume.borrow_mut();
        volume.settle(now);
        volume.read(Path::new(name)).map(<[u8]>::to_vec)
    }

    /// Everything that is done by now counts.
    pub(crate) fn settle(&self, now: u64) {
        self.volume.borrow_mut().settle(now);
    }

    /// Nothing can be written until then.
    pub fn fill_until(&mut self, micros: u64) {
        self.volume.borrow_mut().full_until = micros;
    }

    /// Whether nothing can be written.
    pub fn is_full(&self, now: u64) -> bool {
        now < self.volume.borrow().full_until
    }

    /// Nothing that is written comes to disk until then, and it says so.
    pub fn fail_until(&mut self, micros: u64) {
        self.volume.borrow_mut().bad_until = micros;
    }

    /// All is well from now on.
    pub(crate) fn mend(&mut self, now: u64) {
        let mut volume = self.volume.borrow_mut();
        volume.full_until = volume.full_until.min(now);
        volume.bad_until = volume.bad_until.min(now);
    }

    /// Until when nothing comes to disk.
    pub(crate) fn bad_until(&self) -> u64 {
        self.volume.borrow().bad_until
    }

    /// From now on it breaks its word.
    pub fn commit(&mut self, fraud: Fraud) {
        self.volume.borrow_mut().fraud = fraud;
    }

    /// The snapshot is about to take the place of one before it.
    pub(crate) fn supersede(&mut self, now: u64) {
        self.before = self.read(now, DUMP).or(self.before.take());
        self.is_torn = false;
    }

    /// The process is gone, and what only it would have written or read.
    pub(crate) fn crash(&mut self, now: u64, crash: Crash) {
        self.states.clear();
        self.log = LogFiles::default();
        self.volume.borrow_mut().crash(now, crash);
    }

    /// Everything is gone.
    pub fn lose(&mut self) {
        self.volume.borrow_mut().clear();
        self.losses += 1;
        (self.before, self.is_torn) = (None, false);
        self.states.clear();
        self.log = LogFiles::default();
    }

    /// The snapshot is what it was before it was written last: an old copy of the machine's disk.
    pub(crate) fn set_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.volume.borrow_mut().plant(Path::new(DUMP), before);
            self.is_torn = false;
        }
    }

    /// Only so many thousandths of the snapshot are there.
    pub(crate) fn tear(&mut self, now: u64, thousandths: usize) {
        if let Some(mut dump) = self.read(now, DUMP) {
            dump.truncate(dump.len() * thousandths / 1000);
            self.volume.borrow_mut().plant(Path::new(DUMP), dump);
            self.is_torn = true;
        }
    }
}

/// Older parts of the log, and what is still to be done with them.
#[derive(Debug, Default)]
pub struct LogFiles {
    blocks: BTreeMap<Offset, Stored>,
    orders: VecDeque<Vec<DiskAction>>,
    /// The beginning that was given up: nothing more of it is written.
    refused: Option<u64>,
}

#[derive(Debug)]
struct Stored {
    segment: Offset,
    block: Slice,
    is_damaged: bool,
}

/// What came of one order.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) wrote: Option<(u64, Offset)>,
    pub(crate) failed: Option<String>,
}

impl LogFiles {
    /// Takes an order; whether it is the only one, so that somebody has to begin.
    pub(crate) fn order(&mut self, actions: Vec<DiskAction>) -> bool {
        self.orders.push_back(actions);
        self.orders.len() == 1
    }

    /// Whether all that was ordered is done.
    pub fn is_settled(&self) -> bool {
        self.orders.is_empty()
    }

    /// Carries out the oldest order.
    pub(crate) fn perform(&mut self, is_full: bool) -> Done {
        let mut done = Done::default();
        for action in self.orders.pop_front().unwrap_or_default() {
            match action {
                DiskAction::Write { number, .. } if self.refused == Some(number) => {}
                DiskAction::Write { number, .. } if is_full => {
                    self.refused = Some(number);
                    self.blocks.clear();
                    done.failed = Some(FULL.to_owned());
                }
                DiskAction::Write { number, segment, block, .. } => {
                    done.wrote = Some((number, block.end()));
                    self.blocks.insert(block.start(), Stored { segment, block, is_damaged: false });
                }
                DiskAction::Remove(segment) => self.blocks.retain(|_, stored| stored.segment != segment),
                DiskAction::RemoveAll => self.blocks.clear(),
            }
        }
        done
    }

    /// Blocks from the one that `from` lies in on; none if it is not there. Damage is found.
    pub(crate) fn read(&mut self, from: Offset) -> Result<VecDeque<Slice>, String> {
        let found: Vec<&Stored> = self.from(from).take(READ_BLOCKS).collect();
        if found.iter().any(|stored| stored.is_damaged) {
            self.blocks.clear();
            return Err("a file of the log is damaged".to_owned());
        }
        Ok(found.into_iter().map(|stored| stored.block.clone()).collect())
    }

    /// Whether all of the log from `from` to `to` can be read.
    pub fn holds(&self, from: Offset, to: Offset) -> bool {
        let mut end = None;
        for stored in self.from(from).take_while(|stored| stored.block.start() < to) {
            if stored.is_damaged {
                return false;
            }
            end = Some(stored.block.end());
        }
        end.is_some_and(|end| end >= to)
    }

    /// What is there from `from` on, without a gap.
    fn from(&self, from: Offset) -> impl Iterator<Item = &Stored> {
        let first = self.blocks.range(..=from).next_back().filter(|(_, stored)| from < stored.block.end());
        let mut next = first.map(|(start, _)| *start);
        std::iter::from_fn(move || {
            let stored = self.blocks.get(&next?)?;
            next = Some(stored.block.end());
            Some(stored)
        })
    }

    /// Nothing that was written can be read any more.
    pub fn damage(&mut self) {
        self.blocks.values_mut().for_each(|stored| stored.is_damaged = true);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use slipstream_log::ReplicationId;
    use slipstream_storage::{DiskFile, Files, Replaced, Unreplaced, replace};

    use super::*;

    fn write(start: u64, bytes: &[u8]) -> DiskAction {
        let history = ReplicationId::parse(&[b'a'; 40]).expect("it has the form of an id");
        let block = Slice::new(Offset(start), bytes.to_vec());
        DiskAction::Write { number: 1, history, segment: Offset(0), block }
    }

    fn files() -> LogFiles {
        let mut files = LogFiles::default();
        files.order(vec![write(10, b"abc"), write(13, b"defg")]);
        assert_eq!(files.perform(false).wrote, Some((1, Offset(17))));
        files
    }

    #[test]
    fn what_was_written_is_held_without_gaps() {
        let files = files();
        for (from, to, held) in [(10, 17, true), (12, 16, true), (9, 17, false), (10, 18, false)] {
            assert_eq!(files.holds(Offset(from), Offset(to)), held, "{from} to {to}");
        }
    }

    #[test]
    fn damage_is_found_and_ends_the_files() {
        let mut files = files();
        files.damage();
        assert!(!files.holds(Offset(10), Offset(17)));
        assert_eq!(files.read(Offset(10)).err().as_deref(), Some("a file of the log is damaged"));
        assert_eq!(files.read(Offset(10)).map(|blocks| blocks.len()), Ok(0));
    }

    #[test]
    fn a_full_disk_gives_the_files_up_once() {
        let mut files = files();
        files.order(vec![write(17, b"h"), write(18, b"i")]);
        let done = files.perform(true);
        assert_eq!((done.wrote, done.failed.as_deref()), (None, Some(FULL)));
        files.order(vec![write(19, b"j")]);
        let done = files.perform(false);
        assert_eq!((done.wrote, done.failed), (None, None), "of that beginning nothing more is written");
    }

    fn save(disk: &mut Disk, now: u64, byte: u8) -> std::io::Result<()> {
        let temporary = Path::new("temp");
        let names = Replaced { path: Path::new(DUMP), temporary };
        disk.supersede(now);
        let write = |file: &mut HandFile| file.write_all(&[byte]);
        replace(&disk.instant_hand(now), names, write, || Ok(())).map_err(Unreplaced::into_reason)
    }

    #[test]
    fn a_disk_is_set_back_to_the_file_before() {
        let mut disk = Disk::new(1..=1, fastrand::Rng::with_seed(1));
        save(&mut disk, 0, 1).expect("there is room");
        save(&mut disk, 0, 2).expect("there is room");
        assert_eq!(disk.read(0, DUMP), Some(vec![2]));
        disk.set_back();
        assert_eq!(disk.read(0, DUMP), Some(vec![1]));
        disk.fill_until(10);
        assert!(save(&mut disk, 9, 3).is_err_and(|error| error.to_string() == FULL));
    }

    /// What is left of a file of which half is on disk, its name included, over many crashes.
    fn outcomes(crash: Crash) -> BTreeSet<Option<Vec<u8>>> {
        let outcome = |seed| {
            let mut disk = Disk::new(1..=1, fastrand::Rng::with_seed(seed));
            let (hand, path) = (disk.instant_hand(0), Path::new("file"));
            let mut file = hand.create(path).expect("there is room");
            let write = |file: &mut HandFile, bytes| file.write_all(bytes).expect("there is room");
            write(&mut file, b"old ");
            file.sync().and_then(|()| hand.sync_folder(Path::new("."))).expect("it is well");
            write(&mut file, b"new");
            hand.rename(path, Path::new("other")).expect("it is there");
            disk.crash(1, crash);
            disk.read(1, "file").or(disk.read(1, "other"))
        };
        (0..200).map(outcome).collect()
    }

    #[test]
    fn a_killed_process_leaves_all_that_the_system_has() {
        assert_eq!(outcomes(Crash::Killed), BTreeSet::from([Some(b"old new".to_vec())]));
    }

    #[test]
    fn without_power_what_was_not_synced_may_be_there_or_not_and_what_was_is() {
        let outcomes = outcomes(Crash::PowerLost);
        let is_synced = |outcome: &Option<Vec<u8>>| {
            outcome.as_ref().is_some_and(|bytes| bytes.starts_with(b"old ") && bytes.len() <= 7)
        };
        assert!(outcomes.iter().all(is_synced), "{outcomes:?}");
        for expected in [&b"old "[..], b"old n", b"old new", b"old \0\0\0"] {
            assert!(outcomes.contains(&Some(expected.to_vec())), "{expected:?}");
        }
    }

    #[test]
    fn what_takes_time_is_not_done_before_and_in_part_when_a_crash_comes_between() {
        let mut lengths = BTreeSet::new();
        for seed in 0..50 {
            let mut disk = Disk::new(1000..=1000, fastrand::Rng::with_seed(seed));
            let hand = disk.hand(0);
            let mut file = hand.create(Path::new("file")).expect("there is room");
            let created = hand.now();
            assert!(disk.read(created - 1, "file").is_none());
            file.write_all(b"bytes").expect("there is room");
            file.sync().expect("it is well");
            assert!(hand.now() >= 1000);
            disk.crash(created + 1, Crash::Killed);
            lengths.insert(disk.read(created + 1, "file").expect("it is made").len());
        }
        assert!(lengths.contains(&0) && lengths.len() > 2, "{lengths:?}");
    }
}
