//! Files of the append-only file's folder: made, replaced, appended to.
//!
//! Each function is whole by itself and knows nothing of orders. A crash at any moment leaves what was there before or
//! what was to be there, never half of it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::Path;

use slipstream_aof::{MAX_MANIFEST_LEN, temporary_name};

/// Makes the folder if it is not there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Ok(()) => crate::process::sync_folder(folder),
        other => other,
    }
}

/// The content of the manifest; `None` if there is none.
pub(super) fn read_manifest(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut content = Vec::new();
    file.take(MAX_MANIFEST_LEN + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_MANIFEST_LEN {
        return Err(io::Error::other("it is too long for a manifest"));
    }
    Ok(Some(content))
}

/// Where replacing a file stopped.
#[derive(Debug)]
pub(super) enum Unreplaced {
    /// The old one is there.
    Before(io::Error),
    /// The new one is there, but perhaps not after a crash.
    Behind(io::Error),
}

/// Replaces a file so that a crash at any moment leaves the old one or the new one.
pub(super) fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<(), Unreplaced> {
    let temporary = folder.join(temporary_name(name));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(name))
    };
    write().map_err(Unreplaced::Before)?;
    sync_names(folder).map_err(Unreplaced::Behind)
}

/// Makes the names in a folder as durable as the files.
pub(super) fn sync_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes all pieces, by one call if the system takes them so.
pub(super) fn write_all(file: &mut File, pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
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
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error").map_or(text.clone(), |end| text[..end].to_owned())
}
