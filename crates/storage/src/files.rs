//! The operations on files that there are.
//!
//! What each promises is what the operating system promises, and no more: what was written is on disk when
//! [`DiskFile::sync`] has said so, and a name, new or gone, when [`Files::sync_folder`] has. Without them both may be
//! there after a crash or not, in any order. An operation may take long; [`Files::micros`] tells how long.

use std::io::{self, Write};
use std::path::Path;

/// A tree of files.
pub trait Files {
    /// An open file.
    type File: DiskFile;

    /// Microseconds since some time. Never jumps.
    fn micros(&self) -> u64;
    /// A new file to be written, or one that was there, emptied.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// A new file to be written, with the permissions of one that it will replace, if that is there.
    fn create_like(&self, path: &Path, original: &Path) -> io::Result<Self::File>;
    /// A file that is there, to be read.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// A file that is there, to be written.
    fn open_to_write(&self, path: &Path) -> io::Result<Self::File>;
    /// How long a file is, in bytes; `None` of what is no file. An error of the kind `NotFound` if nothing is there.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Makes a folder in one that is there. An error of the kind `AlreadyExists` if something has the name.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Whether there is a folder of this name.
    fn is_folder(&self, path: &Path) -> bool;
    /// Gives a file another name, and takes it from whoever has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file's name from it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Brings the names in a folder to disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file. What is written goes to its end.
pub trait DiskFile: Write {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads from a place on; how many bytes, 0 at the end.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Cuts off what lies behind so many bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Brings what was written to disk.
    fn sync(&self) -> io::Result<()>;
    /// The same, of what is needed to read it.
    fn sync_data(&self) -> io::Result<()>;
}
