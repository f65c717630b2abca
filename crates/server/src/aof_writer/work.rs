//! What the thread does with its orders.
//!
//! It owns the file that is appended to, and what is still to be appended. Invariant: the file ends behind a whole
//! batch, or is not appended to any more.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use slipstream_aof::{Sealing, encode_timestamp};
use slipstream_engine::aof::{Order, Progress, Report};
use slipstream_engine::config::AppendFsync;
use slipstream_log::{Offset, Slice};

use super::files::{self, Unreplaced, reason};
use super::{MOST_WAITING, Shared};
use crate::jobs::{self, Reporter, spawn};

/// `appendfsync everysec`, and how long to wait before a write that failed is tried again.
const SECOND: Duration = Duration::from_secs(1);

/// A batch that has so many bytes is sealed.
const ENOUGH: u64 = 1 << 20;

pub(super) struct Work {
    reporter: Reporter,
    shared: Arc<Shared>,
    folder: PathBuf,
    manifest: String,
    policy: AppendFsync,
    file: Option<Current>,
    /// What is to be appended, in its order.
    pending: Vec<Piece>,
    pending_bytes: u64,
    synced_at: Instant,
    /// When a write that failed is tried again.
    retry_at: Option<Instant>,
}

/// The file that is appended to.
struct Current {
    number: u64,
    name: String,
    file: File,
    length: u64,
    written: Offset,
    durable: Offset,
    /// Whether something was written since the last time that the disk was asked.
    is_dirty: bool,
}

enum Piece {
    /// What comes next in the log, as it was handed over at once.
    Log { blocks: Vec<Slice>, timestamp: Option<i64> },
    /// What is not of the log.
    Note(Vec<u8>),
}

/// Why a file is not appended to any more.
#[derive(Debug)]
enum Trouble {
    /// All that was written is there: it may be tried again.
    Retry(io::Error),
    /// What is there is not known.
    Lost(io::Error),
}

impl Work {
    pub(super) fn new(reporter: Reporter, shared: Arc<Shared>) -> Work {
        Work {
            reporter,
            shared,
            folder: PathBuf::new(),
            manifest: String::new(),
            policy: AppendFsync::EverySecond,
            file: None,
            pending: Vec::new(),
            pending_bytes: 0,
            synced_at: Instant::now(),
            retry_at: None,
        }
    }

    /// Serves until there are no more orders.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.patience() {
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(patience) => orders.recv_timeout(patience),
            };
            match order {
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.write_and_sync(),
            }
            orders.try_iter().for_each(|order| self.take(order));
            self.write_and_sync();
        }
    }

    fn write_and_sync(&mut self) {
        self.write_if_due();
        self.sync_if_due();
    }

    /// How long there is nothing to do without an order.
    fn patience(&self) -> Option<Duration> {
        let retry = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        let is_dirty = self.file.as_ref().is_some_and(|file| file.is_dirty);
        let waits = is_dirty && self.policy == AppendFsync::EverySecond;
        let sync = waits.then(|| SECOND.saturating_sub(self.synced_at.elapsed()));
        [retry, sync].into_iter().flatten().min()
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Append { blocks, timestamp } => self.push(Piece::Log { blocks, timestamp }),
            Order::Note(bytes) => self.push(Piece::Note(bytes)),
            Order::Policy(policy) => self.policy = policy,
            Order::Open { folder, manifest } => self.open(folder.into(), manifest),
            Order::Resume { number, name, length, at, head } => {
                self.leave();
                if let Err(error) = self.resume((number, name.clone()), length, at, &head) {
                    self.lose(&name, &error);
                }
            }
            Order::Begin { number, name, at, head, manifest } => {
                self.begin((number, name), at, &head, manifest)
            }
            Order::Leave => self.leave(),
            Order::Publish { number, temporary, name, manifest } => {
                let result = self.publish(&temporary, &name, &manifest);
                self.report(Report::Published(number, result.map_err(|error| error.to_string())));
            }
            Order::Remove { names, manifest } => self.remove(names, manifest),
            Order::Finish(end) => self.finish(end),
        }
    }

    /// What comes while there is no file is of no use: a base that is still to be made has it.
    fn push(&mut self, piece: Piece) {
        let bytes = piece.log_bytes();
        if self.file.is_none() {
            return self.shared.remove(bytes);
        }
        self.pending_bytes += bytes;
        self.pending.push(piece);
        if self.retry_at.is_some() && self.pending_bytes > MOST_WAITING {
            let error = io::Error::other("it could not be written for too long");
            self.lose_current(&error);
        }
    }

    fn open(&mut self, folder: PathBuf, manifest: String) {
        let path = folder.join(&manifest);
        let result = files::make_folder(&folder).and_then(|()| files::read_manifest(&path));
        let result = result.map_err(|error| format!("{}: {}", path.display(), reason(&error)));
        (self.folder, self.manifest) = (folder, manifest);
        self.report(Report::Opened(result));
    }

    fn resume(
        &mut self,
        (number, name): (u64, String),
        length: u64,
        at: Offset,
        head: &[u8],
    ) -> io::Result<()> {
        let mut file = File::options().write(true).open(self.folder.join(&name))?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(head)?;
        file.sync_all()?;
        let length = length + head.len() as u64;
        self.begun(Current { number, name, file, length, written: at, durable: at, is_dirty: false });
        Ok(())
    }

    fn begin(&mut self, (number, name): (u64, String), at: Offset, head: &[u8], manifest: Option<Vec<u8>>) {
        self.write_now();
        if self.retry_at.is_some() {
            let reason = "the file before it cannot be written".to_owned();
            return self.report(Report::Begun(number, Err(reason)));
        }
        if self.sync().is_err() {
            return;
        }
        let path = self.folder.join(&name);
        let create = || {
            let mut file = File::create(&path)?;
            file.write_all(head)?;
            file.sync_all()?;
            Ok(file)
        };
        let made = create().map_err(Unreplaced::Before);
        let named = made.and_then(|file| match &manifest {
            None => Ok(file),
            Some(manifest) => files::replace(&self.folder, &self.manifest, manifest).map(|()| file),
        });
        match named {
            Ok(file) => {
                let length = head.len() as u64;
                self.report(Report::Begun(number, Ok(())));
                self.begun(Current { number, name, file, length, written: at, durable: at, is_dirty: false });
            }
            Err(Unreplaced::Before(error)) => {
                // One that cannot be removed is taken for another's, and overwritten, the next time.
                fs::remove_file(&path).ok();
                let text = format!("{}: {}", path.display(), reason(&error));
                self.report(Report::Begun(number, Err(text)));
            }
            Err(Unreplaced::Behind(error)) => self.lose_named(&path, &error),
        }
    }

    /// Nobody can say which of two manifests will be there after a crash: neither file goes on.
    fn lose_named(&mut self, path: &Path, error: &io::Error) {
        self.forget();
        self.report(Report::Lost(format!("{}: {}", path.display(), reason(error))));
    }

    fn begun(&mut self, current: Current) {
        self.tell(&current);
        self.file = Some(current);
    }

    fn publish(&mut self, temporary: &str, name: &str, manifest: &[u8]) -> io::Result<()> {
        let named = |error: io::Error| io::Error::other(format!("{name}: {}", reason(&error)));
        fs::rename(self.folder.join(temporary), self.folder.join(name)).map_err(named)?;
        files::sync_names(&self.folder).map_err(named)?;
        match files::replace(&self.folder, &self.manifest, manifest) {
            Ok(()) => Ok(()),
            Err(Unreplaced::Before(error) | Unreplaced::Behind(error)) => Err(named(error)),
        }
    }

    /// Removes files on another thread, since that may take long: replies wait for this one.
    fn remove(&mut self, names: Vec<String>, manifest: Option<Vec<u8>>) {
        if let Some(manifest) = manifest
            && let Err(Unreplaced::Before(error) | Unreplaced::Behind(error)) =
                files::replace(&self.folder, &self.manifest, &manifest)
        {
            return self.report(Report::Unremoved(format!("{}: {}", self.manifest, reason(&error))));
        }
        let (folder, reporter) = (self.folder.clone(), self.reporter.clone());
        spawn("aof-remove", move || {
            for name in names {
                match fs::remove_file(folder.join(&name)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        let text = format!("{name}: {}", reason(&error));
                        reporter.report(jobs::Report::Aof(Report::Unremoved(text)));
                    }
                    _ => {}
                }
            }
        });
    }

    /// Writes what is to be written, brings it to disk, and goes on without a file.
    fn leave(&mut self) {
        self.write_now();
        if self.retry_at.is_none() && self.sync().is_err() {
            return;
        }
        self.forget();
    }

    fn finish(&mut self, end: Vec<u8>) {
        self.write_now();
        if self.retry_at.is_some() || self.sync().is_err() {
            return;
        }
        if let Some(current) = self.file.as_mut().filter(|_| !end.is_empty()) {
            // Without this line the next start takes the end for that of a crash, and loses nothing by it.
            current.file.write_all(&end).and_then(|()| current.file.sync_data()).ok();
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.file = None;
        self.drop_pending();
        if self.retry_at.take().is_some() {
            self.shared.set_stuck(false);
        }
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.shared.remove(std::mem::take(&mut self.pending_bytes));
    }

    fn report(&self, report: Report) {
        self.reporter.report(jobs::Report::Aof(report));
    }
}

/// Appending.
impl Work {
    fn write_if_due(&mut self) {
        if self.retry_at.is_none_or(|at| at <= Instant::now()) {
            self.write_now();
        }
    }

    /// Writes all that is pending.
    fn write_now(&mut self) {
        let Some(current) = &mut self.file else { return };
        if self.pending.is_empty() {
            return;
        }
        let (mut taken, mut bytes, mut trouble) = (0, 0, None);
        while taken < self.pending.len() {
            let count = batch_len(&self.pending[taken..]);
            let batch = &self.pending[taken..taken + count];
            if let Err(error) = current.append(batch) {
                trouble = Some(error);
                break;
            }
            bytes += batch.iter().map(Piece::log_bytes).sum::<u64>();
            taken += count;
        }
        self.pending.drain(..taken);
        self.pending_bytes -= bytes;
        self.shared.remove(bytes);
        self.shared.set_progress(current.progress());
        match trouble {
            None => self.recover(),
            Some(Trouble::Retry(error)) => self.fail(&error),
            Some(Trouble::Lost(error)) => self.lose_current(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.retry_at = Some(Instant::now() + SECOND);
        self.shared.set_stuck(true);
        self.report(Report::Failing(Some(reason(error))));
    }

    fn recover(&mut self) {
        if self.retry_at.take().is_some() {
            self.shared.set_stuck(false);
            self.report(Report::Failing(None));
        }
    }

    fn sync_if_due(&mut self) {
        let is_due = match self.policy {
            AppendFsync::Always => true,
            AppendFsync::EverySecond => self.synced_at.elapsed() >= SECOND,
            AppendFsync::No => false,
        };
        if is_due {
            // What failed was reported.
            self.sync().ok();
        }
    }

    /// Brings to disk what was written. A system that could not do that may have forgotten what it could not write, and
    /// would not say so a second time.
    fn sync(&mut self) -> Result<(), ()> {
        let Some(current) = self.file.as_mut().filter(|file| file.is_dirty) else { return Ok(()) };
        let result = current.file.sync_data();
        self.synced_at = Instant::now();
        match result {
            Ok(()) => {
                current.is_dirty = false;
                current.durable = current.written;
                self.shared.set_progress(current.progress());
                self.reporter.wake();
                Ok(())
            }
            Err(error) => {
                self.lose_current(&error);
                Err(())
            }
        }
    }

    fn lose_current(&mut self, error: &io::Error) {
        let name = self.file.as_ref().map(|file| file.name.clone()).unwrap_or_default();
        self.lose(&name, error);
    }

    fn lose(&mut self, name: &str, error: &io::Error) {
        self.forget();
        self.report(Report::Lost(format!("{name}: {}", reason(error))));
    }

    fn tell(&self, current: &Current) {
        self.shared.set_progress(current.progress());
        self.reporter.wake();
    }
}

impl Current {
    fn progress(&self) -> Progress {
        Progress { number: self.number, written: self.written, durable: self.durable, size: self.length }
    }

    /// Appends what goes into one batch, or nothing of it.
    fn append(&mut self, batch: &[Piece]) -> Result<(), Trouble> {
        let head = self.head(batch);
        let blocks = batch.iter().flat_map(Piece::blocks);
        let mut pieces: Vec<IoSlice<'_>> = vec![IoSlice::new(&head)];
        pieces.extend(blocks.clone().map(|block| IoSlice::new(block)));
        let length = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if let Err(error) = files::write_all(&mut self.file, &mut pieces) {
            let back = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(if back.is_ok() { Trouble::Retry(error) } else { Trouble::Lost(error) });
        }
        self.length += length;
        self.is_dirty = true;
        self.written = blocks.last().map_or(self.written, Slice::end);
        Ok(())
    }

    /// What stands before the bytes of the log.
    fn head(&self, batch: &[Piece]) -> Vec<u8> {
        if let [Piece::Note(note)] = batch {
            return note.clone();
        }
        let mut head = Vec::new();
        if let Some(seconds) = batch.iter().filter_map(Piece::timestamp).next_back() {
            encode_timestamp(&mut head, seconds);
        }
        let mut sealing = Sealing::default();
        batch.iter().flat_map(Piece::blocks).for_each(|block| sealing.push(block));
        head.extend(sealing.seal(self.written, self.durable));
        head
    }
}

impl Piece {
    fn blocks(&self) -> &[Slice] {
        match self {
            Piece::Log { blocks, .. } => blocks,
            Piece::Note(_) => &[],
        }
    }

    fn timestamp(&self) -> Option<i64> {
        match self {
            Piece::Log { timestamp, .. } => *timestamp,
            Piece::Note(_) => None,
        }
    }

    fn log_bytes(&self) -> u64 {
        self.blocks().iter().map(|block| block.len() as u64).sum()
    }
}

/// How many of the pieces, at least one, go into one batch.
fn batch_len(pieces: &[Piece]) -> usize {
    let mut bytes = 0;
    let is_more = |piece: &&Piece| {
        let fits = matches!(piece, Piece::Log { .. }) && bytes < ENOUGH;
        bytes += piece.log_bytes();
        fits
    };
    pieces.iter().take_while(is_more).count().max(1)
}
