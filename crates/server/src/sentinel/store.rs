//! The state on disk: the thread that replaces the file, and whether it could.
//!
//! One thread for all of it, so that an older text never replaces a newer one. What it has not begun to write gives
//! way to what came later, which holds all of it. A version counts as stored when file and folder are on disk.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use slipstream_sentinel::Version;
use slipstream_storage::{Replaced, Unreplaced, replace};

use super::News;
use super::opening::words;
use crate::jobs::{Report, Reporter, spawn};
use crate::kernel::Claim;
use crate::system_files::SystemFiles;

/// Writes the state away from the loop.
#[derive(Debug)]
pub(super) struct Store {
    reporter: Reporter,
    /// To the thread, once there is one.
    orders: Option<Sender<Order>>,
}

#[derive(Debug)]
enum Order {
    Replace(Version, PathBuf, Vec<u8>),
    Finish(Sender<()>),
}

impl Store {
    /// Starts no thread before there is something to write.
    pub(super) fn new(reporter: Reporter) -> Store {
        Store { reporter, orders: None }
    }

    /// Replaces the file soon; the outcome is reported.
    pub(super) fn replace(&mut self, version: Version, path: PathBuf, content: Vec<u8>) {
        let orders = self.orders.get_or_insert_with(|| {
            let (sender, orders) = channel();
            let reporter = self.reporter.clone();
            // Votes and failovers wait for it.
            spawn(("sentinel-state", Claim::Full), move || run(&orders, &reporter));
            sender
        });
        orders.send(Order::Replace(version, path, content)).expect("the thread lives as long as this");
    }

    /// The process ends: waits until all is written.
    pub(super) fn finish(self) {
        let Some(orders) = self.orders else { return };
        let (done, wait) = channel();
        orders.send(Order::Finish(done)).expect("the thread lives as long as this");
        // A thread that panicked has said so.
        wait.recv().ok();
    }
}

fn run(orders: &Receiver<Order>, reporter: &Reporter) {
    while let Ok(order) = orders.recv() {
        let mut newest = None;
        let mut waiting = Vec::new();
        for order in std::iter::once(order).chain(orders.try_iter()) {
            match order {
                Order::Replace(version, path, content) => newest = Some((version, path, content)),
                Order::Finish(done) => waiting.push(done),
            }
        }
        if let Some((version, path, content)) = newest {
            let result =
                keep(&path, &content).map_err(|error| format!("{}: {}", path.display(), words(&error)));
            reporter.report(Report::Sentinel(News::Stored(version, result)));
        }
        for done in waiting {
            // Whoever asked has not stopped to wait.
            done.send(()).ok();
        }
    }
}

/// Replaces a file, or the one that a link of that name leads to.
fn keep(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        other => other?,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let names = Replaced { path: &path, temporary: Path::new(&temporary) };
    replace(&SystemFiles, names, |file| file.write_all(content), || Ok(())).map_err(Unreplaced::into_reason)
}

/// Whether the file could be replaced, seen by doing it: with what it holds, so that nothing is lost by that. A disk
/// that is full now is no reason not to start, since it will have room again.
///
/// # Errors
///
/// Why it will never work as things are.
pub(crate) fn check_writable(path: &Path) -> Result<(), String> {
    let content = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    };
    match content.and_then(|content| keep(path, &content)) {
        Err(error) if error.kind() != ErrorKind::StorageFull => Err(words(&error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("slipstream-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_newest_is_on_disk_when_it_is_told() {
        let folder = folder("newest");
        let path = folder.join("sentinel.conf");
        let (reporter, reports) = Reporter::of_test();
        let mut store = Store::new(reporter);
        for version in 1..=100 {
            store.replace(Version(version), path.clone(), version.to_string().into_bytes());
        }
        let mut told = 0;
        while told < 100 {
            let Report::Sentinel(News::Stored(version, Ok(()))) = reports.recv().unwrap() else { panic!() };
            let held: u64 = fs::read_to_string(&path).unwrap().parse().unwrap();
            assert!(held >= version.0 && version.0 > told);
            told = version.0;
        }
        store.replace(Version(101), path.clone(), b"101".to_vec());
        store.finish();
        assert_eq!(fs::read(&path).unwrap(), b"101");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failure_names_the_file() {
        let folder = folder("failure");
        let path = folder.join("missing").join("state");
        let (reporter, reports) = Reporter::of_test();
        let mut store = Store::new(reporter);
        store.replace(Version(1), path.clone(), Vec::new());
        let Report::Sentinel(News::Stored(Version(1), Err(reason))) = reports.recv().unwrap() else {
            panic!()
        };
        assert_eq!(reason, format!("{}: No such file or directory", path.display()));
        assert_eq!(check_writable(&path), Err("No such file or directory".to_owned()));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_stays_one_and_its_file_keeps_its_mode_and_its_owner() {
        let folder = folder("link");
        let (file, link) = (folder.join("file"), folder.join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(&file, Some(12345), Some(54321)).unwrap();
        }
        symlink("file", &link).unwrap();
        check_writable(&link).unwrap();
        keep(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let known = fs::metadata(&file).unwrap();
        assert_eq!(known.mode() & 0o777, 0o640);
        if is_root {
            assert_eq!((known.uid(), known.gid()), (12345, 54321));
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
