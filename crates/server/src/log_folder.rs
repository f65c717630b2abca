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

/// What is found in `dir`, and a line for the log if there is something to say.
pub(crate) fn find(config: &Config, dir: &Path) -> Result<(Stored, Option<String>), String> {
    if !config.appendonly {
        return Ok((find_snapshot(config, dir)?, None));
    }
    let folder = dir.join(&config.appenddirname);
    let mut notice = None;
    let mut manifest =
        read_manifest(&folder.join(manifest_name(&config.appendfilename)))?.unwrap_or_default();
    let old =
        OldStyle { name: &config.appendfilename, file: dir.join(&config.appendfilename), folder: &folder };
    if old.is_there(&manifest)? {
        old.take_over(&mut manifest)?;
        notice = Some(format!(
            "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
            config.appendfilename, config.appenddirname
        ));
    }
    if manifest.is_empty() {
        let stored = find_snapshot(config, dir)?;
        if let Stored::Snapshot(_) = stored {
            notice = Some(format!("There is no append-only file yet: loading {} instead", config.dbfilename));
        }
        return Ok((stored, notice));
    }
    let size = manifest.files().map(|file| size_of(&folder.join(&file.name))).sum::<Result<u64, String>>()?;
    Ok((Stored::Log { manifest, size }, notice))
}

fn find_snapshot(config: &Config, dir: &Path) -> Result<Stored, String> {
    match fs::metadata(dir.join(&config.dbfilename)) {
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

/// A file of before Redis 7.
struct OldStyle<'a> {
    name: &'a str,
    file: PathBuf,
    folder: &'a Path,
}

impl OldStyle<'_> {
    /// Whether there is one that is not a part of the manifest's yet. A crash may have come between writing the
    /// manifest and moving the file.
    fn is_there(&self, manifest: &Manifest) -> Result<bool, String> {
        match fs::metadata(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(format!("Fatal error: can't look at {}: {error}", self.file.display())),
            Ok(known) if !known.is_file() => return Ok(false),
            Ok(_) => {}
        }
        let is_base = manifest.base.as_ref().is_some_and(|base| base.name == self.name);
        let is_moved = self.folder.join(self.name).exists();
        Ok(manifest.is_empty() || is_base && manifest.increments.is_empty() && !is_moved)
    }

    /// Makes it the base: first the manifest says so, then it is moved.
    fn take_over(&self, manifest: &mut Manifest) -> Result<(), String> {
        manifest.base = Some(Part { name: self.name.to_owned(), sequence: 1 });
        let take = || -> io::Result<()> {
            fs::create_dir_all(self.folder)?;
            sync_folder(self.folder)?;
            replace_file(&self.folder.join(manifest_name(self.name)), &manifest.encode())?;
            let moved = self.folder.join(self.name);
            fs::rename(&self.file, &moved)?;
            sync_folder(&moved)?;
            sync_folder(&self.file)
        };
        take().map_err(|error| {
            let folder = self.folder.display();
            format!("Error trying to move the old AOF file {} into dir {folder}: {error}", self.name)
        })
    }
}

fn size_of(path: &Path) -> Result<u64, String> {
    let known = fs::metadata(path);
    known.map(|known| known.len()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("The append log file {} doesn't exist: {error}", path.display()),
        _ => format!("Fatal error: can't open the append log file {} for reading: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("slipstream-log-folder-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::remove_dir_all(&path).ok();
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, content: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn find(&self, appendonly: bool) -> Result<Stored, String> {
            let mut config = Config::default();
            config.appendonly = appendonly;
            find(&config, &self.0).map(|(stored, _)| stored)
        }

        fn has(&self, name: &str) -> bool {
            self.0.join(name).exists()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

    #[test]
    fn the_append_only_file_comes_before_the_snapshot() {
        let folder = Folder::new("order");
        assert_eq!(folder.find(true), Ok(Stored::Nothing));
        folder.write("dump.rdb", "12345");
        assert_eq!(folder.find(false), Ok(Stored::Snapshot(5)));
        assert_eq!(folder.find(true), Ok(Stored::Snapshot(5)), "nothing is lost by switching it on");
        folder.write(MANIFEST, "file b seq 1 type b\nfile i seq 1 type i\nfile h seq 1 type h\n");
        folder.write("appendonlydir/b", "123");
        assert!(folder.find(true).unwrap_err().contains("doesn't exist"));
        folder.write("appendonlydir/i", "1234");
        let Ok(Stored::Log { manifest, size: 7 }) = folder.find(true) else {
            panic!("{:?}", folder.find(true))
        };
        assert_eq!(manifest.files().count(), 2);
        assert_eq!(folder.find(false), Ok(Stored::Snapshot(5)));
    }

    #[test]
    fn a_manifest_that_tells_nothing_ends_the_start() {
        let folder = Folder::new("manifest");
        folder.write("dump.rdb", "12345");
        for content in ["", "file b seq 1 type b", "file ../b seq 1 type b\n"] {
            folder.write(MANIFEST, content);
            let reason = folder.find(true).unwrap_err();
            assert!(reason.contains("slipstream check manifest"), "{reason}");
        }
    }

    #[test]
    fn a_single_file_is_taken_over_even_if_a_crash_came_between() {
        let folder = Folder::new("old");
        let is_taken = |folder: &Folder| {
            let found = folder.find(true);
            assert!(matches!(found, Ok(Stored::Log { size: 5, .. })), "{found:?}");
            assert!(folder.has("appendonlydir/appendonly.aof") && !folder.has("appendonly.aof"));
        };
        folder.write("appendonly.aof", "12345");
        assert_eq!(folder.find(false), Ok(Stored::Nothing));
        is_taken(&folder);
        is_taken(&folder);
        // The manifest was there, and the file had not been moved.
        fs::rename(folder.0.join("appendonlydir/appendonly.aof"), folder.0.join("appendonly.aof")).unwrap();
        is_taken(&folder);
        // One that lies there beside files of its own is not looked at.
        folder.write("appendonly.aof", "old");
        assert!(matches!(folder.find(true), Ok(Stored::Log { size: 5, .. })));
        assert!(folder.has("appendonly.aof"));
    }
}
