//! The writer of the append-only file: appends, brings to disk, replaces the manifest.
//!
//! Orders come from the engine's machine and are carried out one after the other ([`Order`]); what to do when is not
//! decided here, except for when `appendfsync` has the disk asked. What was appended since the last look becomes one
//! batch behind its seal, written by one call, and one fsync covers all that has come by then: under `appendfsync
//! always` the next group gathers while the disk is busy with this one.
//!
//! A write that fails is taken back and tried again each second; what failed to reach the disk is not trusted any more,
//! and reported as lost. It owns the file that is appended to, and what is still to be appended. Invariant: the file
//! ends behind a whole batch, or is not appended to any more.

mod current;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use slipstream_aof::temporary_name;
use slipstream_engine::aof::{Order, Progress, Report};
use slipstream_engine::config::AppendFsync;
use slipstream_log::Offset;

use self::current::{Current, Piece, Trouble, batch_len};
use crate::files::{DiskFile, Files};
use crate::replacing::{
    Replaced, Unreplaced, make_folder, read_manifest, reason, replace, settle_folder, sync_name,
};

/// `appendfsync everysec`, and how long to wait before a write that failed is tried again, in microseconds.
const SECOND: u64 = 1_000_000;

/// Bytes that may wait to be written.
pub const MOST_WAITING: u64 = 64 << 20;

/// Whom the writer tells.
pub trait Outbox {
    /// The node is told something.
    fn report(&self, report: Report);
    /// How far it is, for whoever looks.
    fn set_progress(&self, progress: Progress);
    /// Somebody may wait for what the disk has by now.
    fn wake(&self);
    /// So many bytes of the log were written, or given up.
    fn took(&self, bytes: u64);
    /// Whether nothing can be written for now.
    fn set_stuck(&self, is_stuck: bool);
    /// Files of a folder are to be removed ([`remove_files`]), and that may take long: replies wait for the writer.
    fn remove_beside(&self, folder: &Path, names: Vec<String>);
}

/// Removes files that may not be there; an error says which could not be, and why.
pub fn remove_files<F: Files>(files: &F, folder: &Path, names: &[String], mut failed: impl FnMut(String)) {
    for name in names {
        match files.remove(&folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                failed(format!("{name}: {}", reason(&error)));
            }
            _ => {}
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Writer<F: Files, O> {
    files: F,
    outbox: O,
    folder: PathBuf,
    manifest: String,
    policy: AppendFsync,
    file: Option<Current<F::File>>,
    /// What is to be appended, in its order.
    pending: Vec<Piece>,
    pending_bytes: u64,
    synced_at: u64,
    /// When a write that failed is tried again.
    retry_at: Option<u64>,
    /// Whether a file was given up, and whoever gives the orders may not know it: what comes is not behind what is there.
    is_lost: bool,
}

impl<F: Files, O: Outbox> Writer<F, O> {
    /// A writer without a file.
    pub fn new(files: F, outbox: O) -> Writer<F, O> {
        Writer {
            synced_at: files.micros(),
            files,
            outbox,
            folder: PathBuf::new(),
            manifest: String::new(),
            policy: AppendFsync::EverySecond,
            file: None,
            pending: Vec::new(),
            pending_bytes: 0,
            retry_at: None,
            is_lost: false,
        }
    }

    /// Writes what is to be written, and asks the disk if that is due.
    pub fn write_and_sync(&mut self) {
        self.write_if_due();
        self.sync_if_due();
    }

    /// How long there is nothing to do without an order, in microseconds.
    pub fn patience(&self) -> Option<u64> {
        let now = self.files.micros();
        let retry = self.retry_at.map(|at| at.saturating_sub(now));
        let is_dirty = self.file.as_ref().is_some_and(|file| file.is_dirty);
        let waits = is_dirty && self.policy == AppendFsync::EverySecond;
        let sync = waits.then(|| (self.synced_at + SECOND).saturating_sub(now));
        [retry, sync].into_iter().flatten().min()
    }

    /// Carries out an order, but for what is appended: that is written by [`write_and_sync`](Self::write_and_sync).
    pub fn take(&mut self, order: Order) {
        match order {
            Order::Append { blocks, timestamp, .. } => self.push(Piece::Log { blocks, timestamp }),
            Order::Note(bytes) => self.push(Piece::Note(bytes)),
            Order::Policy(policy) => self.policy = policy,
            Order::Open { folder, manifest } => self.open(folder.into(), manifest),
            Order::Resume { number, name, length, at, head } => {
                self.leave();
                if let Err(error) = self.resume((number, name.clone()), length, at, &head) {
                    self.lose(&name, &error);
                }
            }
            Order::Begin { number, name, at, head, manifest, behind } => {
                self.begin((number, name), at, &head, (manifest, behind))
            }
            Order::Leave => {
                self.leave();
                self.is_lost = false;
            }
            Order::Publish { number, temporary, name, manifest } => {
                let result = self.publish(&temporary, &name, &manifest);
                self.report(Report::Published(number, result.map_err(|error| error.to_string())));
            }
            Order::Remove { names, manifest } => self.remove(names, manifest),
            Order::Finish(end) => self.finish(end),
        }
    }

    /// Whoever carries out the orders failed within one of them: nobody knows what is in the file, and an answer may be
    /// missing.
    pub fn give_up(&mut self, reason: &str) {
        let error = io::Error::other(reason.to_owned());
        self.report(Report::Opened(Err(reason.to_owned())));
        self.lose_current(&error);
    }

    /// What comes while there is no file is of no use: a base that is still to be made has it.
    fn push(&mut self, piece: Piece) {
        let bytes = piece.log_bytes();
        if self.file.is_none() {
            return self.outbox.took(bytes);
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
        let result = settle_folder(&self.files, &folder).and_then(|()| read_manifest(&self.files, &path));
        let result = result.map_err(|error| format!("{}: {}", path.display(), reason(&error)));
        (self.folder, self.manifest, self.is_lost) = (folder, manifest, false);
        self.report(Report::Opened(result));
    }

    fn resume(
        &mut self,
        (number, name): (u64, String),
        length: u64,
        at: Offset,
        head: &[u8],
    ) -> io::Result<()> {
        let path = self.folder.join(&name);
        let mut file = self.files.open_to_write(&path)?;
        file.truncate(length)?;
        file.write_all(head)?;
        file.sync()?;
        // The process before may have ended between giving the manifest its name and asking the disk for that.
        sync_name(&self.files, &path)?;
        let length = length + head.len() as u64;
        self.begun(Current { number, name, file, length, written: at, durable: at, is_dirty: false });
        Ok(())
    }

    fn begin(
        &mut self,
        (number, name): (u64, String),
        at: Offset,
        head: &[u8],
        (manifest, behind): (Option<Vec<u8>>, Option<String>),
    ) {
        self.write_now();
        if self.retry_at.is_some() {
            let reason = "the file before it cannot be written".to_owned();
            return self.report(Report::Begun(number, Err(reason)));
        }
        if self.sync().is_err() || self.is_lost {
            let reason = "the file before it was given up".to_owned();
            return self.report(Report::Begun(number, Err(reason)));
        }
        let path = self.folder.join(&name);
        let create = || {
            if let Some(behind) = &behind {
                self.files.open_to_write(&self.folder.join(behind))?.sync()?;
            }
            if manifest.is_none() {
                // Nothing that is named goes on: somebody may have removed the folder as well.
                make_folder(&self.files, &self.folder)?;
            }
            let mut file = self.files.create(&path)?;
            file.write_all(head)?;
            file.sync()?;
            // Else the manifest might be there after a crash, and not what it names.
            sync_name(&self.files, &path)?;
            Ok(file)
        };
        let made = create().map_err(Unreplaced::Before);
        let named = made.and_then(|file| match &manifest {
            None => Ok(file),
            Some(manifest) => self.replace_manifest(manifest).map(|()| file),
        });
        match named {
            Ok(file) => {
                let length = head.len() as u64;
                self.report(Report::Begun(number, Ok(())));
                self.begun(Current { number, name, file, length, written: at, durable: at, is_dirty: false });
            }
            Err(Unreplaced::Before(error)) => {
                // One that cannot be removed is taken for another's, and overwritten, the next time.
                self.files.remove(&path).ok();
                if !self.files.is_folder(&self.folder) {
                    // What is written still goes to a file that nobody will find.
                    self.lose_named(&path, &error);
                }
                let text = format!("{}: {}", path.display(), reason(&error));
                self.report(Report::Begun(number, Err(text)));
            }
            Err(Unreplaced::Behind(error)) => {
                self.lose_named(&path, &error);
                self.report(Report::Begun(number, Err(reason(&error))));
            }
        }
    }

    /// Nobody can say which of two manifests will be there after a crash: neither file goes on.
    fn lose_named(&mut self, path: &Path, error: &io::Error) {
        self.is_lost = true;
        self.forget();
        self.report(Report::Lost(format!("{}: {}", path.display(), reason(error))));
    }

    fn begun(&mut self, current: Current<F::File>) {
        self.tell(&current);
        self.file = Some(current);
    }

    fn publish(&mut self, temporary: &str, name: &str, manifest: &[u8]) -> io::Result<()> {
        let named = |error: io::Error| io::Error::other(format!("{name}: {}", reason(&error)));
        let path = self.folder.join(name);
        self.files.rename(&self.folder.join(temporary), &path).map_err(named)?;
        sync_name(&self.files, &path).map_err(named)?;
        self.replace_manifest(manifest).map_err(|error| named(error.into_reason()))
    }

    fn replace_manifest(&self, content: &[u8]) -> Result<(), Unreplaced> {
        let path = self.folder.join(&self.manifest);
        let temporary = self.folder.join(temporary_name(&self.manifest));
        let names = Replaced { path: &path, temporary: &temporary };
        replace(&self.files, names, |file| file.write_all(content), || Ok(()))
    }

    fn remove(&mut self, names: Vec<String>, manifest: Option<Vec<u8>>) {
        if let Some(manifest) = manifest
            && let Err(error) = self.replace_manifest(&manifest)
        {
            let reason = reason(&error.into_reason());
            return self.report(Report::Unremoved(format!("{}: {reason}", self.manifest)));
        }
        self.outbox.remove_beside(&self.folder, names);
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
            self.outbox.set_stuck(false);
        }
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.outbox.took(std::mem::take(&mut self.pending_bytes));
    }

    fn report(&self, report: Report) {
        self.outbox.report(report);
    }
}

/// Appending.
impl<F: Files, O: Outbox> Writer<F, O> {
    fn write_if_due(&mut self) {
        if self.retry_at.is_none_or(|at| at <= self.files.micros()) {
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
        self.outbox.took(bytes);
        self.outbox.set_progress(current.progress());
        match trouble {
            None => self.recover(),
            Some(Trouble::Retry(error)) => self.fail(&error),
            Some(Trouble::Lost(error)) => self.lose_current(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.retry_at = Some(self.files.micros() + SECOND);
        self.outbox.set_stuck(true);
        let name = self.file.as_ref().map(|file| file.name.as_str()).unwrap_or_default();
        self.report(Report::Failing(Some(format!("{name}: {}", reason(error)))));
    }

    fn recover(&mut self) {
        if self.retry_at.take().is_some() {
            self.outbox.set_stuck(false);
            self.report(Report::Failing(None));
        }
    }

    fn sync_if_due(&mut self) {
        let is_due = match self.policy {
            AppendFsync::Always => true,
            AppendFsync::EverySecond => self.files.micros() - self.synced_at >= SECOND,
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
        self.synced_at = self.files.micros();
        match result {
            Ok(()) => {
                current.is_dirty = false;
                current.durable = current.written;
                self.outbox.set_progress(current.progress());
                self.outbox.wake();
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
        self.is_lost = true;
        self.forget();
        self.report(Report::Lost(format!("{name}: {}", reason(error))));
    }

    fn tell(&self, current: &Current<F::File>) {
        self.outbox.set_progress(current.progress());
        self.outbox.wake();
    }
}

#[cfg(test)]
mod tests;
