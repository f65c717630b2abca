//! The thread that keeps older parts of the log in files: writes the blocks that leave memory, reads them for
//! replicas that are behind.
//!
//! ```text
//! backlog-<pid>-<first offset>.log
//!   magic 8 │ history 40 │ first offset 8 │ crc64 of these 8
//!   length 4 │ crc64 of the bytes 8 │ bytes …          once per block
//! ```
//! Numbers are little-endian. The log decides what is in the files ([`DiskAction`]); where each block lies is known
//! here only. The files serve this process: it removes those that an earlier one left. When one cannot be written
//! or read all are removed, and that is reported once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use slipstream_log::{DiskAction, Offset, ReplicationId, Slice};
use slipstream_rdb::crc64;

use crate::jobs::{Report, Reporter, full_path, spawn};
use crate::kernel::Claim;

const MAGIC: &[u8; 8] = b"SLIPLOG1";
const HEADER_LEN: usize = 64;
const FRAME_HEADER_LEN: usize = 12;
/// Bytes read for one replica at once; one block may go beyond it.
const READ_SIZE: usize = 1 << 20;

/// What is to be done.
enum Order {
    Perform(Vec<DiskAction>),
    Read { from: Offset, answer: Answer },
    Finish(Sender<()>),
}

/// Takes the blocks that were read; none if they are not there.
type Answer = Box<dyn FnOnce(Vec<Slice>) + Send>;

/// A handle on the thread.
#[derive(Clone, Debug)]
pub struct LogDisk(Sender<Order>);

impl LogDisk {
    /// Starts the thread, which first removes what an earlier process left in the current folder.
    pub fn start(reporter: Reporter) -> LogDisk {
        let (sender, orders) = channel();
        spawn(("log-disk", Claim::Full), move || {
            Files { reporter, segments: BTreeMap::new(), refused: None }.run(&orders)
        });
        LogDisk(sender)
    }

    /// Writes and removes.
    pub fn perform(&self, actions: Vec<DiskAction>) {
        self.order(Order::Perform(actions));
    }

    /// Reads blocks from the one that `from` lies in on.
    pub fn read(&self, from: Offset, answer: impl FnOnce(Vec<Slice>) + Send + 'static) {
        self.order(Order::Read { from, answer: Box::new(answer) });
    }

    /// The process ends: removes all files.
    pub fn finish(self) {
        let (done, wait) = channel();
        self.order(Order::Finish(done));
        // A thread that panicked has said so.
        wait.recv().ok();
    }

    fn order(&self, order: Order) {
        // The thread ends with the process only.
        self.0.send(order).ok();
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

struct Files {
    reporter: Reporter,
    segments: BTreeMap<Offset, Segment>,
    /// The beginning that was given up: nothing more of it is written.
    refused: Option<u64>,
}

struct Segment {
    path: PathBuf,
    file: File,
    len: u64,
    blocks: Vec<Place>,
}

/// Where a block lies in its file.
#[derive(Clone, Copy)]
struct Place {
    start: Offset,
    at: u64,
    len: usize,
}

impl Files {
    fn run(mut self, orders: &Receiver<Order>) {
        match remove_leftovers() {
            Ok(0) => {}
            Ok(count) => {
                let text = format!("Removed {count} files of an earlier process's replication backlog");
                self.reporter.report(Report::DiskNotice(text));
            }
            // A folder that cannot be listed shows itself as soon as something is written.
            Err(_) => {}
        }
        while let Ok(order) = orders.recv() {
            match order {
                Order::Perform(actions) => self.perform(actions),
                Order::Read { from, answer } => answer(self.read(from)),
                Order::Finish(done) => {
                    self.remove_all();
                    return drop(done);
                }
            }
        }
    }

    fn perform(&mut self, actions: Vec<DiskAction>) {
        let mut wrote = None;
        for action in actions {
            match action {
                DiskAction::Write { number, .. } if self.refused == Some(number) => {}
                DiskAction::Write { number, history, segment, block } => {
                    match self.write(&history, segment, &block) {
                        Ok(()) => wrote = Some((number, block.end())),
                        Err(error) => {
                            self.refused = Some(number);
                            self.fail(&error);
                        }
                    }
                }
                DiskAction::Remove(segment) => {
                    self.segments.remove(&segment).into_iter().for_each(|segment| segment.remove());
                }
                DiskAction::RemoveAll => self.remove_all(),
            }
        }
        if let Some((number, offset)) = wrote {
            self.reporter.report(Report::DiskWrote { number, offset });
        }
    }

    fn write(&mut self, history: &ReplicationId, segment: Offset, block: &Slice) -> io::Result<()> {
        let segment = match self.segments.entry(segment) {
            std::collections::btree_map::Entry::Occupied(segment) => segment.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Segment::create(history, segment)?)
            }
        };
        segment.append(block)
    }

    fn read(&mut self, from: Offset) -> Vec<Slice> {
        let (mut blocks, mut at, mut size) = (Vec::new(), from, 0);
        while size < READ_SIZE {
            let Some((_, segment)) = self.segments.range(..=at).next_back() else { break };
            match segment.read(at) {
                Ok(None) => break,
                Ok(Some(block)) => {
                    size += block.len();
                    at = block.end();
                    blocks.push(block);
                }
                Err(error) => {
                    self.fail(&error);
                    return Vec::new();
                }
            }
        }
        blocks
    }

    fn fail(&mut self, error: &io::Error) {
        self.remove_all();
        self.reporter.report(Report::DiskFailed(error.to_string()));
    }

    fn remove_all(&mut self) {
        std::mem::take(&mut self.segments).into_values().for_each(Segment::remove);
    }
}

impl Segment {
    fn create(history: &ReplicationId, start: Offset) -> io::Result<Segment> {
        let path = full_path(&format!("{PREFIX}{}-{start:020}{SUFFIX}", std::process::id()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all(&header(history, start)) {
            fs::remove_file(&path).ok();
            return Err(error);
        }
        Ok(Segment { path, file, len: HEADER_LEN as u64, blocks: Vec::new() })
    }

    fn append(&mut self, block: &Slice) -> io::Result<()> {
        let length = u32::try_from(block.len()).map_err(io::Error::other)?;
        let mut head = [0; FRAME_HEADER_LEN];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&crc64(block).to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(block)?;
        self.blocks.push(Place { start: block.start(), at: self.len, len: block.len() });
        self.len += (FRAME_HEADER_LEN + block.len()) as u64;
        Ok(())
    }

    /// The block that `offset` lies in, if it is here.
    fn read(&self, offset: Offset) -> io::Result<Option<Slice>> {
        let after = self.blocks.partition_point(|place| place.start <= offset);
        let Some(place) = after.checked_sub(1).map(|index| self.blocks[index]) else { return Ok(None) };
        if place.start.advanced(place.len) <= offset {
            return Ok(None);
        }
        let mut bytes = vec![0; FRAME_HEADER_LEN + place.len];
        self.file.read_exact_at(&mut bytes, place.at)?;
        let block = bytes.split_off(FRAME_HEADER_LEN);
        if bytes[4..] != crc64(&block).to_le_bytes() {
            let text = format!("{} is damaged at byte {}", self.path.display(), place.at);
            return Err(io::Error::other(text));
        }
        Ok(Some(Slice::new(place.start, block)))
    }

    fn remove(self) {
        // One that somebody else removed is gone all the same.
        fs::remove_file(&self.path).ok();
    }
}

const PREFIX: &str = "backlog-";
const SUFFIX: &str = ".log";

fn header(history: &ReplicationId, start: Offset) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..48].copy_from_slice(history.as_bytes());
    header[48..56].copy_from_slice(&start.0.to_le_bytes());
    let sum = crc64(&header[..56]);
    header[56..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// Removes the files of processes that are gone: how many there were. A file of that name with other content is
/// somebody else's, and left alone.
fn remove_leftovers() -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(full_path("."))?.flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(process_of).is_some_and(is_gone) && is_ours(&entry.path()) {
            count += usize::from(fs::remove_file(entry.path()).is_ok());
        }
    }
    Ok(count)
}

/// The process that a file's name tells.
fn process_of(name: &str) -> Option<u32> {
    let (process, offset) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('-')?;
    offset.parse::<u64>().ok()?;
    process.parse().ok()
}

/// Whether a process is no more. The own number was another's before: nothing has been written yet.
fn is_gone(process: u32) -> bool {
    let number = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    process == std::process::id()
        || number
            .is_none_or(|number| rustix::process::test_kill_process(number) == Err(rustix::io::Errno::SRCH))
}

/// Whether a file begins as ours do, as far as it goes.
fn is_ours(path: &std::path::Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.is_ok() && MAGIC.starts_with(&start)
}

#[cfg(test)]
mod tests;
