//! The operating system's files, as [`Files`]: each operation is one system call, or two.
//!
//! Decides nothing: which operations, and in which order, is what the storage is there for.

use std::fs::{self, File};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, fchown};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use slipstream_storage::{DiskFile, Files};

/// The files of this machine; paths are relative to the current folder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemFiles;

/// An open file.
#[derive(Debug)]
pub(crate) struct SystemFile(pub(crate) File);

/// When the first of all looked at the clock.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Files for SystemFiles {
    type File = SystemFile;

    fn micros(&self) -> u64 {
        u64::try_from(BEGINNING.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn create(&self, path: &Path) -> io::Result<SystemFile> {
        File::create(path).map(SystemFile)
    }

    fn create_like(&self, path: &Path, original: &Path) -> io::Result<SystemFile> {
        let file = File::create(path)?;
        if let Ok(known) = fs::metadata(original) {
            // Without privileges it can be given to a group of this process at most: then it is this process's own.
            fchown(&file, Some(known.uid()), Some(known.gid()))
                .or_else(|_| fchown(&file, None, Some(known.gid())))
                .ok();
            file.set_permissions(known.permissions())?;
        }
        Ok(SystemFile(file))
    }

    fn open(&self, path: &Path) -> io::Result<SystemFile> {
        File::open(path).map(SystemFile)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<SystemFile> {
        let mut file = File::options().write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(SystemFile(file))
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let known = fs::metadata(path)?;
        Ok(known.is_file().then_some(known.len()))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for SystemFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.seek(SeekFrom::End(0)).map(drop)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Write for SystemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
