//! Files that a crash finds as they may be: what nobody brought to disk is lost, torn, or there all the same.
//!
//! ```text
//! append ──▶ bytes that the system has ──▶ sync of the file ──▶ on disk
//! create, rename, remove ──▶ names that the system has ──▶ sync of the folder ──▶ on disk
//! ```
//! When a process is killed, the system keeps what it has. When the power fails, each file keeps what was on disk and any
//! part of the rest, with holes and rubbish in it; names change as a prefix of what was done to them, or as any part of
//! it. A file whose sync failed has lost what was to be synced, whatever a later sync says.
//!
//! Operations take time ([`Hand`](super::Hand)), and whoever does them is ahead of the world meanwhile: they count when
//! their time has come, and a crash before that finds them not done, or half done.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use super::{BAD, FULL};

/// Bytes that a disk writes at once.
const SECTOR: usize = 512;

/// How a disk breaks its word. No disk of a seed does; a checker that finds nothing here finds nothing anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fraud {
    /// It does not.
    #[default]
    None,
    /// What is to be synced is said to be on disk, and is not.
    Contents,
    /// The same of files that are appended to once they are there, and not of new ones.
    Appends,
    /// The same of new files, as if they were renamed before they are synced.
    NewFiles,
    /// The same of the names in folders.
    Names,
}

/// Names a file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode(u64);

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(Inode),
    Folder,
}

type Names = BTreeMap<PathBuf, Entry>;

/// The bytes of a file.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many of them are on disk.
    synced: usize,
    /// What lay on disk behind a place before it was cut off there.
    cut: Option<(usize, Vec<u8>)>,
    /// What the disk said it could not take.
    lost: Vec<Range<usize>>,
    /// Whether anything of it was ever synced.
    is_old: bool,
}

/// A change of names that is not on disk.
#[derive(Clone, Debug)]
enum Renaming {
    Link(PathBuf, Entry),
    Move(PathBuf, PathBuf, Entry),
    Unlink(PathBuf),
}

/// An operation under way.
#[derive(Debug)]
pub(super) enum Act {
    Write(Inode, Vec<u8>),
    Truncate(Inode, u64),
    Sync(Inode),
    FailedSync(Inode),
    SyncFolder(PathBuf),
    CreateFolder(PathBuf),
    Create(PathBuf, Inode),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// How a machine's files end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crash {
    /// The process is gone, and the system goes on.
    Killed,
    /// All is gone but what is on disk.
    PowerLost,
}

/// The files of one machine.
#[derive(Debug)]
pub struct Volume {
    contents: BTreeMap<Inode, Content>,
    /// As whoever does something sees them.
    shown: Names,
    /// As they are by now.
    names: Names,
    /// As they are on disk.
    durable: Names,
    unsynced: Vec<Renaming>,
    /// What is under way: by when it is done, with when it began.
    ahead: BTreeMap<(u64, u64), (u64, Act)>,
    acts: u64,
    inodes: u64,
    /// Until when nothing can be written.
    pub(crate) full_until: u64,
    /// Until when nothing that was written comes to disk.
    pub(crate) bad_until: u64,
    /// How it breaks its word.
    pub(crate) fraud: Fraud,
    /// How long it takes to bring something to disk, in microseconds.
    pub(crate) sync_time: RangeInclusive<u64>,
    pub(super) rng: fastrand::Rng,
}

impl Volume {
    /// Without a file.
    pub(crate) fn new(sync_time: RangeInclusive<u64>, rng: fastrand::Rng) -> Volume {
        Volume {
            contents: BTreeMap::new(),
            shown: Names::new(),
            names: Names::new(),
            durable: Names::new(),
            unsynced: Vec::new(),
            ahead: BTreeMap::new(),
            acts: 0,
            inodes: 0,
            full_until: 0,
            bad_until: 0,
            fraud: Fraud::None,
            sync_time,
            rng,
        }
    }

    /// Everything is gone.
    pub(crate) fn clear(&mut self) {
        self.contents.clear();
        [&mut self.shown, &mut self.names, &mut self.durable].into_iter().for_each(Names::clear);
        self.unsynced.clear();
        self.ahead.clear();
    }

    /// The content of a file, as the system has it.
    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        match self.names.get(path)? {
            Entry::File(inode) => Some(&self.contents[inode].bytes),
            Entry::Folder => None,
        }
    }

    /// A file is this from now on, and on disk.
    pub(crate) fn plant(&mut self, path: &Path, bytes: Vec<u8>) {
        let inode = self.next_inode();
        let content = Content { synced: bytes.len(), bytes, is_old: true, ..Content::default() };
        self.contents.insert(inode, content);
        for names in [&mut self.shown, &mut self.names, &mut self.durable] {
            names.insert(path.to_owned(), Entry::File(inode));
        }
    }

    pub(super) fn is_full(&self, now: u64) -> bool {
        now < self.full_until
    }
}

/// What whoever does something sees.
impl Volume {
    pub(super) fn next_inode(&mut self) -> Inode {
        self.inodes += 1;
        Inode(self.inodes)
    }

    pub(super) fn lookup(&self, path: &Path) -> io::Result<Option<Inode>> {
        match self.shown.get(path) {
            Some(Entry::File(inode)) => Ok(Some(*inode)),
            Some(Entry::Folder) => Ok(None),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn has_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || path == Path::new(".") || self.shown.get(path) == Some(&Entry::Folder)
    }

    pub(super) fn bytes(&self, inode: Inode) -> &[u8] {
        self.contents.get(&inode).map_or(&[], |content| &content.bytes)
    }

    /// Begins an operation that ends at `end`.
    pub(super) fn begin(&mut self, (start, end): (u64, u64), act: Act) {
        match &act {
            Act::Create(path, inode) => drop(self.shown.insert(path.clone(), Entry::File(*inode))),
            Act::CreateFolder(path) => drop(self.shown.insert(path.clone(), Entry::Folder)),
            Act::Rename(from, to) => {
                if let Some(entry) = self.shown.remove(from) {
                    self.shown.insert(to.clone(), entry);
                }
            }
            Act::Remove(path) => drop(self.shown.remove(path)),
            _ => {}
        }
        self.acts += 1;
        self.ahead.insert((end, self.acts), (start, act));
    }
}

/// What becomes of operations.
impl Volume {
    /// Everything that is done by now counts.
    pub(crate) fn settle(&mut self, now: u64) {
        while let Some(entry) = self.ahead.first_entry().filter(|entry| entry.key().0 <= now) {
            let (_, act) = entry.remove();
            self.apply(act);
        }
    }

    fn apply(&mut self, act: Act) {
        match act {
            Act::Write(inode, bytes) => self.content(inode).bytes.extend(bytes),
            Act::Truncate(inode, length) => self.content(inode).truncate(length),
            Act::Sync(inode) => {
                let fraud = self.fraud;
                self.content(inode).sync(fraud);
            }
            Act::FailedSync(inode) => self.content(inode).fail(),
            Act::SyncFolder(folder) => self.sync_folder(&folder),
            Act::CreateFolder(path) => self.rename(Renaming::Link(path, Entry::Folder)),
            Act::Create(path, inode) => {
                self.contents.insert(inode, Content::default());
                self.rename(Renaming::Link(path, Entry::File(inode)));
            }
            Act::Rename(from, to) => {
                if let Some(entry) = self.names.get(&from).copied() {
                    self.rename(Renaming::Move(from, to, entry));
                }
            }
            Act::Remove(path) => self.rename(Renaming::Unlink(path)),
        }
    }

    fn content(&mut self, inode: Inode) -> &mut Content {
        self.contents.entry(inode).or_default()
    }

    fn rename(&mut self, renaming: Renaming) {
        renaming.apply(&mut self.names);
        self.unsynced.push(renaming);
    }

    fn sync_folder(&mut self, folder: &Path) {
        if self.fraud == Fraud::Names {
            return;
        }
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        let durable = &mut self.durable;
        self.unsynced.retain(|renaming| {
            let is_here = renaming.folder() == folder;
            if is_here {
                renaming.apply(durable);
            }
            !is_here
        });
    }
}

/// Crashes.
impl Volume {
    /// The process ends, or the machine.
    pub(crate) fn crash(&mut self, now: u64, crash: Crash) {
        self.settle(now);
        for (_, (start, act)) in std::mem::take(&mut self.ahead) {
            if start < now {
                self.interrupt(act);
            }
        }
        self.contents.values_mut().for_each(Content::forget_lost);
        if crash == Crash::PowerLost {
            self.lose_names();
            let rng = &mut self.rng;
            self.contents.values_mut().for_each(|content| content.tear(rng));
        }
        self.shown = self.names.clone();
        let names = [&self.names, &self.durable].map(|names| names.values().copied().collect::<Vec<_>>());
        self.contents.retain(|inode, _| names.iter().flatten().any(|entry| *entry == Entry::File(*inode)));
    }

    /// What was being done is done in part, or not.
    fn interrupt(&mut self, act: Act) {
        match act {
            Act::Write(inode, mut bytes) => {
                bytes.truncate(self.rng.usize(..=bytes.len()));
                self.apply(Act::Write(inode, bytes));
            }
            act if self.rng.bool() => self.apply(act),
            _ => {}
        }
    }

    fn lose_names(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let kept = self.rng.usize(..=unsynced.len());
        let lot = self.rng.u32(..3);
        for (index, renaming) in unsynced.iter().enumerate() {
            let is_kept = match lot {
                0 => index < kept,
                1 => self.rng.bool(),
                _ => false,
            };
            if is_kept {
                renaming.apply(&mut self.durable);
            }
        }
        let lost_folder = |path: &Path, names: &Names| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.is_some_and(|folder| !names.contains_key(folder))
        };
        let durable = self.durable.clone();
        self.durable.retain(|path, _| !lost_folder(path, &durable));
        self.names = self.durable.clone();
    }
}

impl Renaming {
    fn apply(&self, names: &mut Names) {
        match self {
            Renaming::Link(path, entry) => drop(names.insert(path.clone(), *entry)),
            Renaming::Move(from, to, entry) => {
                if names.get(from) == Some(entry) {
                    names.remove(from);
                }
                names.insert(to.clone(), *entry);
            }
            Renaming::Unlink(path) => drop(names.remove(path)),
        }
    }

    fn folder(&self) -> &Path {
        let (Renaming::Link(path, _) | Renaming::Move(_, path, _) | Renaming::Unlink(path)) = self;
        path.parent().unwrap_or(Path::new(""))
    }
}

impl Content {
    fn truncate(&mut self, length: u64) {
        let length = usize::try_from(length).expect("files are small here").min(self.bytes.len());
        if length < self.synced {
            self.cut = Some((length, self.bytes[length..self.synced].to_vec()));
            self.synced = length;
        }
        self.bytes.truncate(length);
        self.lost.retain(|lost| lost.start < length);
    }

    fn sync(&mut self, fraud: Fraud) {
        let is_old = std::mem::replace(&mut self.is_old, true);
        match fraud {
            Fraud::Contents => return,
            Fraud::Appends if is_old => return,
            Fraud::NewFiles if !is_old => return,
            _ => {}
        }
        self.synced = self.bytes.len();
        self.cut = None;
    }

    fn fail(&mut self) {
        if self.synced < self.bytes.len() {
            self.lost.push(self.synced..self.bytes.len());
        }
        self.synced = self.bytes.len();
    }

    /// What never came to disk is not in the system's memory either, some time later.
    fn forget_lost(&mut self) {
        for lost in self.lost.drain(..) {
            let end = lost.end.min(self.bytes.len());
            self.bytes[lost.start.min(end)..end].fill(0);
        }
    }

    /// Keeps what is on disk, and chance decides about the rest.
    fn tear(&mut self, rng: &mut fastrand::Rng) {
        if let Some((length, old)) = self.cut.take()
            && rng.u32(..3) == 0
        {
            self.bytes.truncate(length);
            self.bytes.extend(old);
            self.synced = self.bytes.len();
        }
        let (synced, length) = (self.synced, self.bytes.len());
        let kept = rng.usize(synced..=length);
        match rng.u32(..5) {
            0 => self.bytes.truncate(synced),
            1 => {}
            2 => self.bytes.truncate(kept),
            3 => {
                let rubbish = rng.u8(..);
                self.bytes[kept..].iter_mut().for_each(|byte| *byte = rng.u8(..) & rubbish);
            }
            _ => self.punch_holes(rng),
        }
        self.synced = self.bytes.len();
    }

    fn punch_holes(&mut self, rng: &mut fastrand::Rng) {
        let mut from = self.synced;
        while from < self.bytes.len() {
            let end = ((from / SECTOR + 1) * SECTOR).min(self.bytes.len());
            if rng.bool() {
                self.bytes[from..end].fill(0);
            }
            from = end;
        }
    }
}

/// Why something cannot be written.
pub(super) fn full() -> io::Error {
    io::Error::new(ErrorKind::StorageFull, FULL)
}

/// Why something does not come to disk.
pub(super) fn bad() -> io::Error {
    io::Error::other(BAD)
}
