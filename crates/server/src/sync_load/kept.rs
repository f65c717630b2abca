//! What is received of a snapshot, kept in a file as it comes: it may become the base of the append-only file.
//!
//! Only a snapshot that stock servers load is worth that. A file that cannot be written is given up, and the load goes
//! on: a base is made of the data then. Whatever is not finished is removed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

/// The newest format that is kept: those of Redis up to 7.2.
const NEWEST_VERSION: u32 = 11;

/// A file, or none.
#[derive(Debug)]
pub(super) struct Kept {
    path: Option<PathBuf>,
    file: Option<File>,
    length: u64,
}

impl Kept {
    /// To be kept at `path`, if that is wanted.
    pub(super) fn new(path: Option<PathBuf>) -> Kept {
        Kept { path, file: None, length: 0 }
    }

    /// Whether what came so far is there.
    pub(super) fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// The next piece; an empty one is none.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let Some(path) = self.path.as_ref().filter(|_| !piece.is_empty()) else { return };
        if self.length == 0 {
            self.file = if is_plain(piece) { File::create(path).ok() } else { None };
        }
        self.length += piece.len() as u64;
        if self.file.as_mut().is_none_or(|file| file.write_all(piece).is_err()) {
            self.give_up();
        }
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

    fn give_up(&mut self) {
        if let Some(path) = self.path.take()
            && self.file.take().is_some()
        {
            // One that cannot be removed is overwritten, or stays as those of a crash do.
            fs::remove_file(path).ok();
        }
    }
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
            let mut kept = Kept::new(Some(path.clone()));
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
        let mut kept = Kept::new(Some(path.clone()));
        kept.push(b"REDIS0010rest");
        assert!(path.exists());
        drop(kept);
        assert!(!path.exists());
    }
}
