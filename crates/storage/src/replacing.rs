//! Files that are made, replaced and read as a whole.
//!
//! Each function is whole by itself and knows nothing of orders. A crash at any moment leaves what was there before or
//! what was to be there, never half of it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::Path;

use slipstream_aof::MAX_MANIFEST_LEN;

use crate::files::{DiskFile, Files};

/// Makes the folder if it is not there.
pub fn make_folder<F: Files>(files: &F, folder: &Path) -> io::Result<()> {
    match files.create_folder(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && files.is_folder(folder) => Ok(()),
        Ok(()) => sync_name(files, folder),
        other => other,
    }
}

/// The same, and its name is on disk then whoever made it: it may be of a process that ended before it saw to that.
pub(crate) fn settle_folder<F: Files>(files: &F, folder: &Path) -> io::Result<()> {
    make_folder(files, folder)?;
    sync_name(files, folder)
}

/// Brings the name of a file, or that it is gone, to disk.
pub fn sync_name<F: Files>(files: &F, path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    files.sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Writes a file and brings it to disk, but not its name. If that fails there is none.
pub fn write_new<F: Files, T>(
    files: &F,
    path: &Path,
    write: impl FnOnce(&mut F::File) -> io::Result<T>,
) -> io::Result<T> {
    let mut file = files.create(path)?;
    let result = write(&mut file).and_then(|written| file.sync().map(|()| written));
    if result.is_err() {
        files.remove(path).ok();
    }
    result
}

/// Where replacing a file stopped.
#[derive(Debug)]
pub enum Unreplaced<E = io::Error> {
    /// The old one is there.
    Before(E),
    /// The new one is there, but perhaps not after a crash.
    Behind(E),
}

impl<E> Unreplaced<E> {
    /// Why it stopped.
    pub fn into_reason(self) -> E {
        match self {
            Unreplaced::Before(reason) | Unreplaced::Behind(reason) => reason,
        }
    }
}

/// The names that replacing takes.
#[derive(Clone, Copy, Debug)]
pub struct Replaced<'a> {
    /// The file.
    pub path: &'a Path,
    /// Where the new one is written first: in the same folder.
    pub temporary: &'a Path,
}

/// Replaces a file by what `write` writes, so that a crash at any moment leaves the old one or the new one. `permit` is
/// asked when the new one is on disk; what it returns is held until that has the name.
pub fn replace<F: Files, T, P, E: From<io::Error>>(
    files: &F,
    Replaced { path, temporary }: Replaced<'_>,
    write: impl FnOnce(&mut F::File) -> Result<T, E>,
    permit: impl FnOnce() -> Result<P, E>,
) -> Result<T, Unreplaced<E>> {
    let replace = || {
        let mut file = files.create_like(temporary, path)?;
        let written = write(&mut file)?;
        file.sync()?;
        let permission = permit()?;
        files.rename(temporary, path)?;
        drop(permission);
        Ok(written)
    };
    let written = replace().map_err(|error| {
        files.remove(temporary).ok();
        Unreplaced::Before(error)
    })?;
    sync_name(files, path).map_err(|error| Unreplaced::Behind(error.into()))?;
    Ok(written)
}

/// The content of a manifest; `None` if there is none.
pub(crate) fn read_manifest<F: Files>(files: &F, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match files.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut content = Vec::new();
    let input = FileReader { file: &file, position: 0 };
    input.take(MAX_MANIFEST_LEN + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_MANIFEST_LEN {
        return Err(io::Error::other("it is too long"));
    }
    Ok(Some(content))
}

/// A file from some place on.
#[derive(Debug)]
pub(crate) struct FileReader<'a, T> {
    pub(crate) file: &'a T,
    pub(crate) position: u64,
}

impl<T: DiskFile> Read for FileReader<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.position, buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Writes all pieces, by one call if the system takes them so.
pub(crate) fn write_all(file: &mut impl Write, pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    /// As many as the system takes at once.
    const MOST: usize = 1024;
    let mut rest = pieces;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let most = rest.len().min(MOST);
        match file.write_vectored(&rest[..most]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the system says is wrong, in Redis' words.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error").map_or(text.clone(), |end| text[..end].to_owned())
}
