//! What is received of a snapshot, kept in a file as it comes: it may become the base of the append-only file.
//!
//! Only a snapshot that stock servers load is worth that. A file that cannot be written is given up, and the load goes
//! on: a base is made of the data then. Whatever is not finished is removed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Take, Write};
use std::path::{Path, PathBuf};

/// The newest format that is kept: those of Redis up to 7.2.
const NEWEST_VERSION: u32 = 11;

/// A file, or none.
#[derive(Debug)]
pub(super) struct Kept {
    path: Option<PathBuf>,
    file: Option<File>,
    length: u64,
    /// Whether it is also what the snapshot is loaded from.
    is_needed: bool,
    /// What was there of one that was given up, and is needed.
    rest: Option<Take<File>>,
}

impl Kept {
    /// To be kept at `path`, if that is wanted. Where the snapshot is loaded from a file, what is kept stands for
    /// that as well.
    pub(super) fn new(path: Option<PathBuf>, is_needed: bool) -> Kept {
        Kept { path, file: None, length: 0, is_needed, rest: None }
    }

    /// Whether what came so far is there.
    pub(super) fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// The next piece; an empty one is none.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let Some(path) = self.path.as_ref().filter(|_| !piece.is_empty()) else { return };
        if self.length == 0 {
            self.file = if is_plain(piece) { create(path).ok() } else { None };
        }
        if self.file.as_mut().is_none_or(|file| file.write_all(piece).is_err()) {
            let length = self.length;
            self.rest = self.give_up().filter(|_| self.is_needed).map(|file| file.take(length));
        }
        self.length += piece.len() as u64;
    }

    /// Writes to `other` what came before it was given up, once.
    pub(super) fn move_to(&mut self, other: &mut File) -> io::Result<()> {
        let Some(mut rest) = self.rest.take() else { return Ok(()) };
        rest.get_mut().rewind()?;
        io::copy(&mut rest, other).map(drop)
    }

    /// All of it, to be read.
    pub(super) fn reopen(&self) -> io::Result<File> {
        let path = self.path.as_ref().filter(|_| self.is_there());
        File::open(path.ok_or_else(|| io::Error::other("what came could not be written"))?)
    }

    /// All has come: how many bytes are on disk.
    pub(super) fn finish(&mut self) -> Option<u64> {
        let file = self.file.as_ref()?;
        if file.sync_all().is_err() {
            self.give_up();
            return None;
        }
        self.path = None;
        Some(self.length)
    }

    fn give_up(&mut self) -> Option<File> {
        let (path, file) = (self.path.take()?, self.file.take()?);
        // One that cannot be removed is overwritten, or stays as those of a crash do.
        fs::remove_file(path).ok();
        Some(file)
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).open(path)
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Whether a snapshot that begins so is one that stock servers load.
fn is_plain(start: &[u8]) -> bool {
    let version = start.strip_prefix(b"REDIS").and_then(|rest| std::str::from_utf8(rest.get(..4)?).ok());
    version.and_then(|digits| digits.parse().ok()).is_some_and(|version: u32| version <= NEWEST_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("slipstream-kept-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_stock_servers_load_is_kept_and_all_else_is_not() {
        for (name, start, is_kept) in [
            ("redis", &b"REDIS0010rest"[..], true),
            ("newer", b"REDIS0012rest", false),
            ("valkey", b"VALKEY080rest", false),
            ("short", b"REDI", false),
        ] {
            let path = path(name);
            let mut kept = Kept::new(Some(path.clone()), false);
            kept.push(start);
            kept.push(b"more");
            assert_eq!((kept.is_there(), path.exists()), (is_kept, is_kept), "{name}");
            let length = kept.finish();
            drop(kept);
            assert_eq!(length, is_kept.then_some(start.len() as u64 + 4), "{name}");
            assert_eq!(fs::read(&path).is_ok_and(|bytes| bytes == [start, b"more"].concat()), is_kept);
            fs::remove_file(&path).ok();
        }
    }

    #[test]
    fn what_is_not_finished_is_removed() {
        let path = path("cut-off");
        let mut kept = Kept::new(Some(path.clone()), false);
        kept.push(b"REDIS0010rest");
        assert!(path.exists());
        drop(kept);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_kept_before_it_failed_is_moved_to_where_the_rest_goes() {
        let (path, other) = (path("full"), path("other"));
        for is_needed in [true, false] {
            let mut kept = Kept::new(Some(path.clone()), is_needed);
            let mut file = create(&other).unwrap();
            kept.push(b"REDIS0010rest");
            kept.move_to(&mut file).unwrap();
            // No more can be written to it.
            kept.file = Some(File::open(&path).unwrap());
            kept.push(b"more");
            assert!(!kept.is_there() && !path.exists());
            kept.move_to(&mut file).unwrap();
            kept.push(b"the end");
            kept.move_to(&mut file).unwrap();
            assert_eq!(fs::read(&other).unwrap(), if is_needed { &b"REDIS0010rest"[..] } else { b"" });
            assert_eq!(kept.finish(), None);
        }
        fs::remove_file(&other).unwrap();
    }
}
