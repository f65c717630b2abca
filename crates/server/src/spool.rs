//! A snapshot between its encoder and the senders that take it, each at its own pace.
//!
//! The encoder pushes chunks; a sender takes them in order, from the first byte on. Chunks lie in memory up to
//! [`WINDOW`], and the oldest beyond it in a file without a name, which is gone with the process. Straight to
//! the socket, the encoder keeps pace with the fastest sender, and once the spool is sealed forgets what all
//! have taken; so a disk is needed only for senders that are slower than another. Through a file it waits for
//! nobody and forgets nothing. When the disk takes no more, the encoder waits for the slowest sender.
//!
//! Invariant: whoever opens a reader before the spool is sealed gets all of the snapshot.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of chunks that lie in memory at most.
pub(crate) const WINDOW: usize = 64 << 20;

/// Bytes beyond which a spool that need not keep its start asks to forget it.
const KEPT_FOR_LATE: u64 = 16 << 20;

/// Bytes by which the encoder may be ahead of the fastest sender.
const AHEAD_OF_FASTEST: u64 = 4 << 20;

/// Whether a snapshot goes through a file (`repl-diskless-sync no`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Straight to the sockets.
    Straight,
    /// All of it is kept, as fast as it can be encoded.
    ThroughFile,
}

/// The bounds of a spool, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) window: usize,
    pub(crate) kept_for_late: u64,
    pub(crate) ahead_of_fastest: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { window: WINDOW, kept_for_late: KEPT_FOR_LATE, ahead_of_fastest: AHEAD_OF_FASTEST }
    }
}

/// A snapshot on its way; see the module.
pub(crate) struct Spool {
    way: Way,
    bounds: Bounds,
    folder: PathBuf,
    /// Whether its chunks are frames.
    is_framed: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes of chunks in memory.
    resident: AtomicU64,
}

struct State {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk that is still held.
    first: u64,
    /// Bytes pushed.
    produced: u64,
    disk: Disk,
    sealed: bool,
    /// Whether it has asked to be sealed.
    asked: bool,
    /// The number of the chunk that each sender takes next.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    end: Option<Result<(), String>>,
}

struct Chunk {
    /// Where in the snapshot it begins.
    at: u64,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<Vec<u8>>),
    File { file: Arc<File>, at: u64, length: usize },
}

enum Disk {
    Unused,
    Used {
        file: Arc<File>,
        length: u64,
    },
    /// It failed: nothing more is written there.
    Failed,
}

/// One sender's place in a spool. Dropping it leaves.
pub(crate) struct Reader {
    spool: Arc<Spool>,
    id: u64,
}

/// What a push leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Go on.
    Done,
    /// Go on, and ask whether the spool may be sealed.
    Outgrown,
    /// The same, only that it must be: the disk failed with these words.
    Cramped(String),
}

impl Spool {
    pub(crate) fn new(way: Way, bounds: Bounds, folder: PathBuf) -> Spool {
        Spool {
            way,
            bounds,
            folder,
            is_framed: false,
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                first: 0,
                produced: 0,
                disk: Disk::Unused,
                sealed: false,
                asked: false,
                readers: BTreeMap::new(),
                next_reader: 0,
                end: None,
            }),
            changed: Condvar::new(),
            resident: AtomicU64::new(0),
        }
    }

    /// The same, for chunks that are frames or not.
    pub(crate) fn framed(self, is_framed: bool) -> Spool {
        Spool { is_framed, ..self }
    }

    /// Whether its chunks are frames.
    pub(crate) fn is_framed(&self) -> bool {
        self.is_framed
    }

    /// Bytes in memory.
    pub(crate) fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    /// Bytes pushed so far.
    pub(crate) fn produced(&self) -> u64 {
        self.lock().produced
    }

    /// A sender that takes all of it. Before it is sealed.
    pub(crate) fn read(self: &Arc<Self>) -> Reader {
        let mut state = self.lock();
        assert_eq!(state.first, 0, "nobody joins a sealed spool");
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, 0);
        drop(state);
        self.changed.notify_all();
        Reader { spool: Arc::clone(self), id }
    }

    /// From now on nobody begins to read.
    pub(crate) fn seal(&self) {
        self.lock().sealed = true;
        self.changed.notify_all();
    }

    /// Nothing more comes: it is complete, or why not.
    pub(crate) fn end(&self, result: Result<(), String>) {
        self.lock().end.get_or_insert(result);
        self.changed.notify_all();
    }

    /// Nobody wants it: the encoder and the senders give up.
    pub(crate) fn cancel(&self) {
        self.end(Err("the snapshot was given up".to_owned()));
    }

    /// Appends a chunk. Waits while senders are to be waited for; fails when the spool was cancelled.
    pub(crate) fn push(&self, chunk: Vec<u8>) -> io::Result<Pushed> {
        let mut state = self.lock();
        let at = state.produced;
        state.produced += chunk.len() as u64;
        self.resident.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        state.chunks.push_back(Chunk { at, place: Place::Memory(Arc::new(chunk)) });
        self.changed.notify_all();
        loop {
            if let Some(Err(reason)) = &state.end {
                return Err(io::Error::other(reason.clone()));
            }
            self.forget_taken(&mut state);
            let too_many = self.resident() > self.bounds.window as u64;
            if self.way == Way::Straight && state.lead() > self.bounds.ahead_of_fastest {
                state = self.wait(state);
            } else if !too_many {
                break;
            } else if !matches!(state.disk, Disk::Failed) {
                let spilled;
                (state, spilled) = self.spill_oldest(state);
                if let Err(error) = spilled
                    && !state.sealed
                {
                    return Ok(Pushed::Cramped(error.to_string()));
                }
            } else {
                state = self.wait(state);
            }
        }
        if self.way == Way::ThroughFile || state.asked || state.produced <= self.bounds.kept_for_late {
            return Ok(Pushed::Done);
        }
        state.asked = true;
        Ok(Pushed::Outgrown)
    }

    /// Drops what all senders have taken, if it may.
    fn forget_taken(&self, state: &mut State) {
        if !state.sealed {
            return;
        }
        let needed = state.readers.values().copied().min().unwrap_or(u64::MAX);
        while state.first < needed
            && let Some(chunk) = state.chunks.pop_front()
        {
            state.first += 1;
            if let Place::Memory(bytes) = chunk.place {
                self.resident.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Moves the oldest chunk in memory to the file, without holding up the senders meanwhile. Only the
    /// encoder calls it, and only it forgets chunks: the place is still there when the disk is done.
    fn spill_oldest<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, io::Result<()>) {
        let oldest = state.chunks.iter().enumerate().find_map(|(index, chunk)| match &chunk.place {
            Place::Memory(bytes) => Some((index, Arc::clone(bytes))),
            Place::File { .. } => None,
        });
        let (index, bytes) = oldest.expect("more than the window is in memory");
        let (file, at) = match std::mem::replace(&mut state.disk, Disk::Unused) {
            Disk::Used { file, length } => (Some(file), length),
            Disk::Unused | Disk::Failed => (None, 0),
        };
        drop(state);
        let file = file.map_or_else(|| nameless_file(&self.folder).map(Arc::new), Ok);
        let written = file.and_then(|file| file.write_all_at(&bytes, at).map(|()| file));
        let mut state = self.lock();
        let result = match written {
            Ok(file) => {
                let length = bytes.len();
                state.chunks[index].place = Place::File { file: Arc::clone(&file), at, length };
                state.disk = Disk::Used { file, length: at + length as u64 };
                self.resident.fetch_sub(length as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                state.disk = Disk::Failed;
                Err(error)
            }
        };
        (state, result)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// By how many bytes the encoder is ahead of the fastest sender; 0 when there is none.
    fn lead(&self) -> u64 {
        let Some(fastest) = self.readers.values().copied().max() else { return 0 };
        let next = usize::try_from(fastest - self.first).ok().and_then(|index| self.chunks.get(index));
        next.map_or(0, |chunk| self.produced - chunk.at)
    }
}

impl Reader {
    /// The next chunk, when it is there; `None` at the end of a complete snapshot.
    pub(crate) fn next(&mut self) -> io::Result<Option<Arc<Vec<u8>>>> {
        let mut state = self.spool.lock();
        let place = loop {
            let next = state.readers[&self.id];
            let index = usize::try_from(next - state.first).expect("chunks are counted in memory");
            if let Some(chunk) = state.chunks.get(index) {
                let place = chunk.place.clone();
                state.readers.insert(self.id, next + 1);
                break place;
            }
            match &state.end {
                Some(Ok(())) => return Ok(None),
                Some(Err(reason)) => return Err(io::Error::other(reason.clone())),
                None => state = self.spool.wait(state),
            }
        };
        drop(state);
        self.spool.changed.notify_all();
        place.read().map(Some)
    }

    /// Bytes that are encoded and that it has not taken.
    pub(crate) fn waiting(&self) -> u64 {
        let state = self.spool.lock();
        let next =
            usize::try_from(state.readers[&self.id] - state.first).expect("chunks are counted in memory");
        state.chunks.get(next).map_or(0, |chunk| state.produced - chunk.at)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.spool.lock().readers.remove(&self.id);
        self.spool.changed.notify_all();
    }
}

impl Place {
    fn read(self) -> io::Result<Arc<Vec<u8>>> {
        match self {
            Place::Memory(bytes) => Ok(bytes),
            Place::File { file, at, length } => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at)?;
                Ok(Arc::new(bytes))
            }
        }
    }
}

/// A file in `folder` that has no name by the time it is used.
pub(crate) fn nameless_file(folder: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("temp-sync-{}-{number}.rdb", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
