//! What there is to load at the start: an append-only file, a snapshot, or nothing.
//!
//! With `appendonly yes` the append-only file comes first, and one of before Redis 7, a single file beside the
//! snapshot, is moved into the folder as its base. Where there is none at all the snapshot is loaded, so that whoever
//! switches it on in the configuration file loses nothing. Never guesses: a manifest that cannot be read, or a file it
//! names that is not there, is an error, since whatever was started instead would be written over what is there. So is
//! a folder that nothing can be written in: whoever starts the server is still looking on.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use slipstream_aof::{File as Part, Manifest, manifest_name, temporary_name};
use slipstream_engine::Stored;
use slipstream_engine::config::Config;

use crate::files::{DiskFile, Files};
use crate::replacing::{
    Replaced, Unreplaced, make_folder, read_manifest, reason, replace, settle_folder, sync_name,
};

/// What is found in `dir`, and a line for the log if there is something to say.
pub fn find<F: Files>(files: &F, config: &Config, dir: &Path) -> Result<(Stored, Option<String>), String> {
    if !config.appendonly {
        return Ok((find_snapshot(files, config, dir)?, None));
    }
    let folder = dir.join(&config.appenddirname);
    let mut notice = None;
    let mut manifest =
        find_manifest(files, &folder.join(manifest_name(&config.appendfilename)))?.unwrap_or_default();
    let old =
        OldStyle { name: &config.appendfilename, file: dir.join(&config.appendfilename), folder: &folder };
    if old.is_there(files, &manifest)? {
        old.take_over(files, &mut manifest)?;
        notice = Some(format!(
            "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
            config.appendfilename, config.appenddirname
        ));
    }
    check_folder(files, &folder)?;
    if manifest.is_empty() {
        let stored = find_snapshot(files, config, dir)?;
        if let Stored::Snapshot(_) = stored {
            notice = Some(format!("There is no append-only file yet: loading {} instead", config.dbfilename));
        }
        return Ok((stored, notice));
    }
    let size =
        manifest.files().map(|file| size_of(files, &folder.join(&file.name))).sum::<Result<u64, String>>()?;
    Ok((Stored::Log { manifest, size }, notice))
}

/// Whether a file can be made there. A disk that is merely full may have room again: until then reads are served.
fn check_folder<F: Files>(files: &F, folder: &Path) -> Result<(), String> {
    let probe = folder.join(temporary_name("start"));
    let made = make_folder(files, folder).and_then(|()| files.create(&probe));
    match made.and_then(|_| files.remove(&probe)) {
        Err(error) if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            let (folder, reason) = (folder.display(), reason(&error));
            Err(format!("Fatal error: can't write to the append-only dir {folder}: {reason}. Exiting."))
        }
        _ => Ok(()),
    }
}

fn find_snapshot<F: Files>(files: &F, config: &Config, dir: &Path) -> Result<Stored, String> {
    match files.length(&dir.join(&config.dbfilename)) {
        Ok(length) => Ok(Stored::Snapshot(length.unwrap_or_default())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stored::Nothing),
        Err(error) => Err(format!("Fatal error loading the DB: {}: {error}. Exiting.", config.dbfilename)),
    }
}

/// The manifest, if there is one.
fn find_manifest<F: Files>(files: &F, path: &Path) -> Result<Option<Manifest>, String> {
    let explain = |reason: &dyn std::fmt::Display| {
        format!(
            "Fatal error: the AOF manifest file {} cannot be loaded: {reason}. Look at it with slipstream check \
             manifest.",
            path.display()
        )
    };
    match read_manifest(files, path).map_err(|error| explain(&error))? {
        None => Ok(None),
        Some(content) => Manifest::parse(&content).map(Some).map_err(|error| explain(&error)),
    }
}

/// A file of before Redis 7.
struct OldStyle<'a> {
    name: &'a str,
    file: PathBuf,
    folder: &'a Path,
}

impl OldStyle<'_> {
    /// Whether there is one that is not a part of the manifest's yet. A crash may have come between writing the
    /// manifest and moving the file.
    fn is_there<F: Files>(&self, files: &F, manifest: &Manifest) -> Result<bool, String> {
        match files.length(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(format!("Fatal error: can't look at {}: {error}", self.file.display())),
            Ok(None) => return Ok(false),
            Ok(Some(_)) => {}
        }
        let is_base = manifest.base.as_ref().is_some_and(|base| base.name == self.name);
        let is_moved = files.length(&self.folder.join(self.name)).is_ok();
        Ok(manifest.is_empty() || is_base && manifest.increments.is_empty() && !is_moved)
    }

    /// Makes it the base: first the manifest says so, then it is moved.
    fn take_over<F: Files>(&self, files: &F, manifest: &mut Manifest) -> Result<(), String> {
        manifest.base = Some(Part { name: self.name.to_owned(), sequence: 1 });
        let take = || -> io::Result<()> {
            settle_folder(files, self.folder)?;
            // Its program may have ended before it asked the disk, and it is not the last file any more.
            files.open(&self.file)?.sync()?;
            let name = manifest_name(self.name);
            let (path, temporary) = (self.folder.join(&name), self.folder.join(temporary_name(&name)));
            let names = Replaced { path: &path, temporary: &temporary };
            let write = |file: &mut F::File| file.write_all(&manifest.encode());
            replace(files, names, write, || Ok(())).map_err(Unreplaced::into_reason)?;
            let moved = self.folder.join(self.name);
            files.rename(&self.file, &moved)?;
            sync_name(files, &moved)?;
            sync_name(files, &self.file)
        };
        take().map_err(|error| {
            let folder = self.folder.display();
            format!("Error trying to move the old AOF file {} into dir {folder}: {error}", self.name)
        })
    }
}

fn size_of<F: Files>(files: &F, path: &Path) -> Result<u64, String> {
    files.length(path).map(Option::unwrap_or_default).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("The append log file {} doesn't exist: {error}", path.display()),
        _ => format!("Fatal error: can't open the append log file {} for reading: {error}", path.display()),
    })
}
