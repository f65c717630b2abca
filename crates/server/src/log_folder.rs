//! What there is to load at the start: an append-only file, a snapshot, or nothing.
//!
//! With `appendonly yes` the append-only file comes first, and one of before Redis 7, a single file beside the
//! snapshot, is moved into the folder as its base. Where there is none at all the snapshot is loaded, so that whoever
//! switches it on in the configuration file loses nothing. Never guesses: a manifest that cannot be read, or a file it
//! names that is not there, is an error, since whatever was started instead would be written over what is there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use slipstream_aof::{File as Part, MAX_MANIFEST_LEN, Manifest, manifest_name};
use slipstream_engine::Stored;
use slipstream_engine::config::Config;

use crate::process::{replace_file, sync_folder};

/// What is found in the current folder, and a line for the log if there is something to say.
pub(crate) fn find(config: &Config) -> Result<(Stored, Option<String>), String> {
    if !config.appendonly {
        return Ok((find_snapshot(config)?, None));
    }
    let folder = Path::new(&config.appenddirname);
    let mut notice = None;
    let mut manifest = read_manifest(&manifest_path(config))?.unwrap_or_default();
    if is_old_style(config, &manifest)? {
        take_over(config, &mut manifest)?;
        notice = Some(format!(
            "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
            config.appendfilename, config.appenddirname
        ));
    }
    if manifest.is_empty() {
        let stored = find_snapshot(config)?;
        if let Stored::Snapshot(_) = stored {
            notice = Some(format!("There is no append-only file yet: loading {} instead", config.dbfilename));
        }
        return Ok((stored, notice));
    }
    let size = manifest.files().map(|file| size_of(&folder.join(&file.name))).sum::<Result<u64, String>>()?;
    Ok((Stored::Log { manifest, size }, notice))
}

/// Where the manifest lies.
pub(crate) fn manifest_path(config: &Config) -> PathBuf {
    Path::new(&config.appenddirname).join(manifest_name(&config.appendfilename))
}

fn find_snapshot(config: &Config) -> Result<Stored, String> {
    match fs::metadata(&config.dbfilename) {
        Ok(known) => Ok(Stored::Snapshot(known.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stored::Nothing),
        Err(error) => Err(format!("Fatal error loading the DB: {}: {error}. Exiting.", config.dbfilename)),
    }
}

/// The manifest, if there is one.
fn read_manifest(path: &Path) -> Result<Option<Manifest>, String> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?.take(MAX_MANIFEST_LEN + 1).read_to_end(&mut content)?,
        };
        Ok(Some(content))
    };
    let explain = |reason: &dyn std::fmt::Display| {
        format!(
            "Fatal error: the AOF manifest file {} cannot be loaded: {reason}. Look at it with slipstream check \
             manifest.",
            path.display()
        )
    };
    match read().map_err(|error| explain(&error))? {
        None => Ok(None),
        Some(content) if content.len() as u64 > MAX_MANIFEST_LEN => Err(explain(&"it is too long")),
        Some(content) => Manifest::parse(&content).map(Some).map_err(|error| explain(&error)),
    }
}

/// Whether a file of before Redis 7 lies there that is not a part of the manifest's yet. A crash may have come between
/// writing the manifest and moving the file.
fn is_old_style(config: &Config, manifest: &Manifest) -> Result<bool, String> {
    let old = Path::new(&config.appendfilename);
    match fs::metadata(old) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(format!("Fatal error: can't look at {}: {error}", old.display())),
        Ok(known) if !known.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let is_base = manifest.base.as_ref().is_some_and(|base| base.name == config.appendfilename);
    let is_moved = Path::new(&config.appenddirname).join(&config.appendfilename).exists();
    Ok(manifest.is_empty() || is_base && manifest.increments.is_empty() && !is_moved)
}

/// Makes the old file the base: first the manifest says so, then it is moved.
fn take_over(config: &Config, manifest: &mut Manifest) -> Result<(), String> {
    manifest.base = Some(Part { name: config.appendfilename.clone(), sequence: 1 });
    let (old, folder) = (Path::new(&config.appendfilename), Path::new(&config.appenddirname));
    let take = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        sync_folder(folder)?;
        replace_file(&manifest_path(config), &manifest.encode())?;
        fs::rename(old, folder.join(old))?;
        sync_folder(&folder.join(old))?;
        sync_folder(old)
    };
    take().map_err(|error| {
        let (old, folder) = (old.display(), folder.display());
        format!("Error trying to move the old AOF file {old} into dir {folder}: {error}")
    })
}

fn size_of(path: &Path) -> Result<u64, String> {
    let known = fs::metadata(path);
    known.map(|known| known.len()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("The append log file {} doesn't exist: {error}", path.display()),
        _ => format!("Fatal error: can't open the append log file {} for reading: {error}", path.display()),
    })
}
