//! What a start finds in a folder of this machine.

use std::path::PathBuf;

use slipstream_engine::Stored;
use slipstream_engine::config::Config;
use slipstream_storage::find;

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
        find(&SystemFiles, &config, &self.0).map(|(stored, _)| stored)
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
    let Ok(Stored::Log { manifest, size: 7 }) = folder.find(true) else { panic!("{:?}", folder.find(true)) };
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
