//! What is asked of the disk, in its order, and what the node is told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use slipstream_log::Slice;

use super::*;

/// A disk that notes what it is asked, and takes everything but what it is told to refuse.
#[derive(Clone, Debug, Default)]
struct Disk {
    asked: Rc<RefCell<Vec<String>>>,
    /// What fails from now on.
    refused: Rc<RefCell<Option<String>>>,
    now: Rc<Cell<u64>>,
}

impl Disk {
    fn ask(&self, what: &str, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let deed = format!("{what} {}", name.replace("appendonly.aof.", ""));
        let is_refused = self.refused.borrow().as_ref() == Some(&deed);
        self.asked.borrow_mut().push(deed);
        if is_refused { Err(io::Error::other("refused")) } else { Ok(()) }
    }

    fn open(&self, path: &Path) -> DiskNote {
        DiskNote { disk: self.clone(), path: path.to_owned() }
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.borrow_mut())
    }

    fn refuse(&self, deed: Option<&str>) {
        *self.refused.borrow_mut() = deed.map(str::to_owned);
    }
}

impl Files for Disk {
    type File = DiskNote;

    fn micros(&self) -> u64 {
        self.now.get()
    }

    fn create(&self, path: &Path) -> io::Result<DiskNote> {
        self.ask("create", path).map(|()| self.open(path))
    }

    fn create_like(&self, path: &Path, _: &Path) -> io::Result<DiskNote> {
        self.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<DiskNote> {
        Err(io::Error::new(ErrorKind::NotFound, path.display().to_string()))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<DiskNote> {
        Ok(self.open(path))
    }

    fn length(&self, _: &Path) -> io::Result<Option<u64>> {
        Ok(Some(0))
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::AlreadyExists.into())
    }

    fn is_folder(&self, _: &Path) -> bool {
        true
    }

    fn rename(&self, _: &Path, to: &Path) -> io::Result<()> {
        self.ask("rename to", to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask("remove", path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.ask("sync folder", path)
    }
}

/// An open file of it.
#[derive(Debug)]
struct DiskNote {
    disk: Disk,
    path: PathBuf,
}

impl DiskFile for DiskNote {
    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        self.disk.ask("truncate", &self.path)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.ask("sync", &self.path)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }
}

impl Write for DiskNote {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.ask("write", &self.path).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the node is told.
#[derive(Clone, Debug, Default)]
struct Told {
    reports: Rc<RefCell<Vec<Report>>>,
    took: Rc<Cell<u64>>,
}

impl Outbox for Told {
    fn report(&self, report: Report) {
        self.reports.borrow_mut().push(report);
    }

    fn set_progress(&self, _: Progress) {}

    fn wake(&self) {}

    fn took(&self, bytes: u64) {
        self.took.set(self.took.get() + bytes);
    }

    fn set_stuck(&self, _: bool) {}

    fn remove_beside(&self, _: &Path, _: Vec<String>) {}
}

/// A writer under `always` with a folder.
fn writer() -> (Writer<Disk, Told>, Disk, Told) {
    let (disk, told) = (Disk::default(), Told::default());
    let mut writer = Writer::new(disk.clone(), told.clone());
    writer.take(Order::Open { folder: "folder".into(), manifest: "manifest".into() });
    writer.take(Order::Policy(AppendFsync::Always));
    told.reports.take();
    (writer, disk, told)
}

fn begin(number: u64, manifest: Option<&str>, behind: Option<&str>) -> Order {
    let (name, manifest) = (format!("{number}.incr.aof"), manifest.map(|text| text.as_bytes().to_vec()));
    Order::Begin {
        number,
        name,
        at: Offset(0),
        head: b"#".to_vec(),
        manifest,
        behind: behind.map(str::to_owned),
    }
}

fn append(start: u64, bytes: &str) -> Order {
    let blocks = vec![Slice::new(Offset(start), bytes.as_bytes().to_vec())];
    Order::Append { blocks, timestamp: None, replies: 0, held: 0 }
}

fn why_not(report: Option<&Report>) -> &str {
    match report {
        Some(Report::Begun(_, Err(reason)) | Report::Lost(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_on_disk_before_the_manifest_that_has_it() {
    let (mut writer, disk, told) = writer();
    writer.take(begin(1, Some("file"), None));
    let named = ["create temp-manifest", "write temp-manifest", "sync temp-manifest"];
    let last = ["rename to manifest", "sync folder folder"];
    let opened = ["sync folder "];
    let made = ["create 1.incr.aof", "write 1.incr.aof", "sync 1.incr.aof", "sync folder folder"];
    assert_eq!(disk.asked(), [&opened[..], &made, &named, &last].concat());
    assert_eq!(told.reports.take(), [Report::Begun(1, Ok(()))]);
    let names = ["1.base.rdb", "temp-1"].map(str::to_owned);
    let [name, temporary] = names;
    writer.take(Order::Publish { number: 1, temporary, name, manifest: b"file".to_vec() });
    let base = ["rename to 1.base.rdb", "sync folder folder"];
    assert_eq!(disk.asked(), [&base[..], &named, &last].concat());
}

#[test]
fn a_file_of_others_is_on_disk_before_one_is_named_behind_it() {
    let (mut writer, disk, told) = writer();
    writer.take(begin(2, Some("file"), Some("1.incr.aof")));
    assert_eq!(disk.asked()[1..3], ["sync 1.incr.aof", "create 2.incr.aof"]);
    disk.refuse(Some("sync 2.incr.aof"));
    writer.take(begin(3, Some("file"), Some("2.incr.aof")));
    assert!(!disk.asked().iter().any(|deed| deed.contains("3.incr") && !deed.starts_with("remove")));
    assert!(why_not(told.reports.borrow().last()).ends_with("3.incr.aof: refused"));
}

#[test]
fn nothing_is_written_behind_a_file_that_was_given_up_before_it_is_left() {
    let (mut writer, disk, told) = writer();
    writer.take(begin(1, Some("file"), None));
    disk.refuse(Some("sync 1.incr.aof"));
    writer.take(append(0, "lost"));
    writer.write_and_sync();
    assert_eq!(why_not(told.reports.borrow().last()), "1.incr.aof: refused");
    disk.refuse(None);
    disk.asked();
    writer.take(append(4, "behind"));
    writer.take(begin(2, Some("file"), None));
    writer.write_and_sync();
    assert_eq!(why_not(told.reports.borrow().last()), "the file before it was given up");
    assert_eq!(disk.asked(), [""; 0], "what comes does not go on from what is there");
    assert_eq!(told.took.get(), "lostbehind".len() as u64, "nobody waits for it");
    writer.take(Order::Leave);
    writer.take(begin(3, None, None));
    assert_eq!(told.reports.borrow().last(), Some(&Report::Begun(3, Ok(()))));
    writer.take(append(10, "new"));
    writer.write_and_sync();
    assert_eq!(disk.asked()[4..], ["write 3.incr.aof", "write 3.incr.aof", "sync 3.incr.aof"]);
}

#[test]
fn a_file_is_given_up_where_nobody_knows_how_an_order_ended() {
    let (mut writer, disk, told) = writer();
    writer.take(begin(1, Some("file"), None));
    writer.take(append(0, "lost"));
    told.reports.take();
    disk.asked();
    writer.give_up("panicked");
    let reports = told.reports.take();
    assert_eq!(reports[0], Report::Opened(Err("panicked".to_owned())), "perhaps that was the order");
    assert_eq!(reports[1], Report::Lost("1.incr.aof: panicked".to_owned()));
    assert_eq!(told.took.get(), 4);
    writer.write_and_sync();
    assert_eq!(disk.asked(), [""; 0]);
}
