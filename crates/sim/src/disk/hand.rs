//! Whoever does something with the files of a machine: a thread, whose time goes on while it waits for the disk.
//!
//! The world learns of that when its time has come there: what a thread has found out at its own time, it reports then.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::rc::Rc;

use slipstream_storage::{DiskFile, Files};

use super::volume::{Act, Inode, Volume, bad, full};

/// How long an operation takes that does not wait for the disk, in microseconds, at most.
const BRIEF: u64 = 100;

/// One thread's hold on the files.
#[derive(Clone, Debug)]
pub struct Hand {
    volume: Rc<RefCell<Volume>>,
    clock: Rc<Cell<u64>>,
    /// Whether nothing takes any time.
    is_instant: bool,
}

impl Hand {
    pub(super) fn new(volume: &Rc<RefCell<Volume>>, now: u64) -> Hand {
        Hand { volume: Rc::clone(volume), clock: Rc::new(Cell::new(now)), is_instant: false }
    }

    /// One for which nothing takes any time.
    pub(super) fn instant(volume: &Rc<RefCell<Volume>>, now: u64) -> Hand {
        Hand { is_instant: true, ..Hand::new(volume, now) }
    }

    /// Another thread, at the same time.
    pub(crate) fn fork(&self) -> Hand {
        Hand { clock: Rc::new(Cell::new(self.now())), ..self.clone() }
    }

    /// Its time.
    pub(crate) fn now(&self) -> u64 {
        self.clock.get()
    }

    /// It has nothing to do before.
    pub(crate) fn wait_until(&self, now: u64) {
        self.clock.set(self.now().max(now));
    }

    fn act(&self, act: Act) {
        let mut volume = self.volume.borrow_mut();
        let start = self.now();
        let takes = match &act {
            _ if self.is_instant => 0,
            Act::Sync(_) | Act::FailedSync(_) | Act::SyncFolder(_) => {
                let range = volume.sync_time.clone();
                volume.rng.u64(range)
            }
            _ => volume.rng.u64(1..=BRIEF),
        };
        self.clock.set(start + takes);
        volume.begin((start, start + takes), act);
        if self.is_instant {
            volume.settle(start);
        }
    }

    fn check_room(&self) -> io::Result<()> {
        if self.volume.borrow().is_full(self.now()) { Err(full()) } else { Ok(()) }
    }

    fn is_bad(&self) -> bool {
        self.now() < self.volume.borrow().bad_until
    }

    fn file(&self, inode: Inode, length: u64) -> HandFile {
        HandFile { hand: self.clone(), inode, length }
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.volume.borrow().lookup(path)?.ok_or_else(|| ErrorKind::IsADirectory.into())
    }
}

impl Files for Hand {
    type File = HandFile;

    fn micros(&self) -> u64 {
        self.now()
    }

    fn create(&self, path: &Path) -> io::Result<HandFile> {
        self.check_room()?;
        if !self.volume.borrow().has_folder(path.parent().unwrap_or(Path::new(""))) {
            return Err(ErrorKind::NotFound.into());
        }
        // One that is there is emptied.
        let known = self.inode(path);
        let inode = match known {
            Ok(inode) => {
                self.act(Act::Truncate(inode, 0));
                inode
            }
            Err(_) => {
                let inode = self.volume.borrow_mut().next_inode();
                self.act(Act::Create(path.to_owned(), inode));
                inode
            }
        };
        Ok(self.file(inode, 0))
    }

    fn create_like(&self, path: &Path, _: &Path) -> io::Result<HandFile> {
        self.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<HandFile> {
        let inode = self.inode(path)?;
        let length = self.volume.borrow().bytes(inode).len() as u64;
        Ok(self.file(inode, length))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<HandFile> {
        self.open(path)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let volume = self.volume.borrow();
        Ok(volume.lookup(path)?.map(|inode| volume.bytes(inode).len() as u64))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.check_room()?;
        if self.volume.borrow().has_folder(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.act(Act::CreateFolder(path.to_owned()));
        Ok(())
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.volume.borrow().has_folder(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inode(from)?;
        self.act(Act::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inode(path)?;
        self.act(Act::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.is_bad() {
            return Err(bad());
        }
        self.act(Act::SyncFolder(path.to_owned()));
        Ok(())
    }
}

/// An open file.
#[derive(Debug)]
pub struct HandFile {
    hand: Hand,
    inode: Inode,
    length: u64,
}

impl DiskFile for HandFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let volume = self.hand.volume.borrow();
        let position = usize::try_from(position).expect("files are small here");
        let rest = volume.bytes(self.inode).get(position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.length = length;
        self.hand.act(Act::Truncate(self.inode, length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.hand.is_bad() {
            self.hand.act(Act::FailedSync(self.inode));
            return Err(bad());
        }
        self.hand.act(Act::Sync(self.inode));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }
}

impl Write for HandFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_full = self.hand.check_room().is_err();
        // Some of it may fit still, or the call is interrupted.
        let lot = self.hand.volume.borrow_mut().rng.u32(..8);
        let count = match (is_full, lot) {
            (true, 0..4) => return Err(full()),
            (true, _) | (false, 0) => self.hand.volume.borrow_mut().rng.usize(..=bytes.len()).max(1),
            _ => bytes.len(),
        };
        let count = count.min(bytes.len());
        self.length += count as u64;
        self.hand.act(Act::Write(self.inode, bytes[..count].to_vec()));
        Ok(count)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write(&pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<u8>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
