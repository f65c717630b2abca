//! The disk of one machine: the file with the data, and the files with older parts of the log.
//!
//! As the server's threads use it: a snapshot takes its file's place as a whole, blocks of the log are appended in
//! order and confirmed, and what cannot be written or read is given up and reported once. The log's files serve one
//! life of the process. A disk may be full, damaged, lost, or set back to what it held before.

use std::collections::{BTreeMap, VecDeque};

use slipstream_log::{DiskAction, Offset, Slice};

/// Blocks read for one replica at once.
const READ_BLOCKS: usize = 3;

/// Why nothing can be written.
pub(crate) const FULL: &str = "No space left on device";

/// One disk.
#[derive(Debug, Default)]
pub struct Disk {
    /// `dump.rdb`.
    pub dump: Option<Vec<u8>>,
    /// What that was before it was written last.
    before: Option<Vec<u8>>,
    /// Whether the file is broken.
    pub(crate) is_torn: bool,
    /// Until when nothing can be written.
    pub full_until: u64,
    /// `dump.rdb.state`.
    pub state: Option<Vec<u8>>,
    /// What is still to be written there.
    pub(crate) states: VecDeque<Vec<u8>>,
    /// Files that the node wanted to be kept.
    pub kept: BTreeMap<String, Vec<u8>>,
    /// The log's files.
    pub log: LogFiles,
}

impl Disk {
    /// Whether nothing can be written.
    pub fn is_full(&self, now: u64) -> bool {
        now < self.full_until
    }

    /// A snapshot takes the file's place.
    pub(crate) fn save(&mut self, now: u64, bytes: Vec<u8>) -> Result<(), String> {
        if self.is_full(now) {
            return Err(FULL.to_owned());
        }
        self.before = self.dump.replace(bytes);
        self.is_torn = false;
        Ok(())
    }

    /// What is due of the state file takes its place.
    pub(crate) fn keep_state(&mut self, now: u64) -> Result<(), String> {
        let content = self.states.pop_front();
        if self.is_full(now) {
            return Err(FULL.to_owned());
        }
        self.state = content.or(self.state.take());
        Ok(())
    }

    /// The process is gone, and what only it would have written or read.
    pub(crate) fn forget_life(&mut self) {
        self.states.clear();
        self.log = LogFiles::default();
    }

    /// Keeps a file.
    pub(crate) fn keep(&mut self, now: u64, name: String, content: Vec<u8>) -> Result<(), String> {
        if self.is_full(now) {
            return Err(FULL.to_owned());
        }
        self.kept.insert(name, content);
        Ok(())
    }

    /// Everything is gone.
    pub fn lose(&mut self) {
        *self = Disk { full_until: self.full_until, ..Disk::default() };
    }

    /// The file is what it was before it was written last: an old copy of the machine's disk.
    pub(crate) fn set_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.dump = Some(before);
            self.is_torn = false;
        }
    }

    /// Only so many thousandths of the file are there.
    pub(crate) fn tear(&mut self, thousandths: usize) {
        if let Some(dump) = &mut self.dump {
            dump.truncate(dump.len() * thousandths / 1000);
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
    use super::*;
    use slipstream_log::ReplicationId;

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

    #[test]
    fn a_disk_is_set_back_to_the_file_before() {
        let mut disk = Disk::default();
        disk.save(0, vec![1]).expect("there is room");
        disk.save(0, vec![2]).expect("there is room");
        disk.full_until = 10;
        assert_eq!(disk.save(9, vec![3]), Err(FULL.to_owned()));
        disk.set_back();
        assert_eq!(disk.dump, Some(vec![1]));
    }
}
