//! Work on other threads: saving, loading, sending snapshots, connecting.
//!
//! Each job owns what it works on and reports once, by a message to the loop.
//! Nothing is shared with the executor.

use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Registry, Waker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use slipstream_aof::BaseFormat;
use slipstream_engine::aof::{BaseOrder, write_commands};
use slipstream_engine::{
    DigestOrder, Digested, LoadOptions, LoadedData, SaveProgress, SessionId, Shipped, SnapshotJob, SyncOrder,
};
use slipstream_log::Offset;
use slipstream_rdb::{Reached, WriteOptions};
use slipstream_replication::replicas::{Framing, SnapshotSent};
use slipstream_storage::{Replaced, Unreplaced, replace, write_new};
use socket2::{Domain, Socket, Type};

use crate::kernel::{self, Claim};
use crate::key_delay::{DelaySetting, KeyDelay};
use crate::loader::{self, Halves};
use crate::mptcp;
use crate::sentinel::News;
use crate::spool::Spool;
use crate::sync_send::{self, EncodeOptions, Outlet};
use crate::system_files::{SystemFile, SystemFiles};

/// What a job tells the loop.
#[derive(Debug)]
pub enum Report {
    /// The snapshot of this number is on disk, or why not.
    Saved(u64, Result<(), String>),
    /// How far it is.
    SaveProgress(u64, SaveProgress),
    /// The writer of the append-only file tells something.
    Aof(slipstream_engine::aof::Report),
    /// A base of the append-only file is written, of so many bytes, or why not. The number tells which.
    AofBase(u64, Result<u64, String>),
    /// The base of this number is written so far.
    AofBaseProgress(u64, SaveProgress),
    /// The file is loaded (`None`: there is none), or why not.
    LoadedFile(Result<Option<Box<LoadedData>>, String>),
    /// So many bytes of what is stored are read.
    LoadReached(u64),
    /// So much of a full sync is decoded.
    LoadProgress(u64, Reached),
    /// A full sync is loaded, or why not. The number tells which.
    LoadedSync(u64, Result<Box<LoadedData>, String>),
    /// The spool of this number holds its whole snapshot, of so many bytes, or why not.
    SyncEncoded(u64, Result<u64, String>),
    /// The spool of this number wants to forget what all replicas have taken; it has to if the disk failed.
    SyncOutgrown(u64, Option<String>),
    /// A replica's socket took some of its snapshot.
    SyncProgress(SessionId, SnapshotSent),
    /// A snapshot was sent to a replica's socket, or that failed.
    SyncSent(SessionId, Result<(), String>),
    /// A file is kept, or why not.
    KeptFile(Result<(), String>),
    /// The state file is written, or why not.
    KeptState(Result<(), String>),
    /// What became of the shipment of this number.
    Shipped(u64, Shipped),
    /// A snapshot is digested.
    Digested(Box<Digested>),
    /// All of the log before this offset is on disk, of the beginning of that number.
    DiskWrote {
        /// See [`DiskAction::Write`](slipstream_log::DiskAction::Write).
        number: u64,
        /// Up to where.
        offset: Offset,
    },
    /// The part of the log on disk cannot be written or read.
    DiskFailed(String),
    /// A line for the log about that part.
    DiskNotice(String),
    /// The connection to the primary stands, or why not. The number tells which attempt.
    Connected(Line, u64, Result<TcpStream, String>),
    /// Something that a sentinel waits for.
    Sentinel(News),
}

/// One of the connections to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The one that the stream comes over.
    Main,
    /// The one that only brings a snapshot.
    Side,
}

/// Where jobs report: wakes the loop.
#[derive(Clone, Debug)]
pub struct Reporter {
    sender: Sender<Report>,
    waker: Arc<Waker>,
    loop_events: Arc<Registry>,
}

impl Reporter {
    /// Reports through `sender` and wakes the loop by `waker`; `loop_events` is what the loop waits for.
    pub fn new(sender: Sender<Report>, waker: Arc<Waker>, loop_events: Registry) -> Reporter {
        Reporter { sender, waker, loop_events: Arc::new(loop_events) }
    }

    /// Lets the loop run if something waits for it. On one core it would otherwise wait for the end of this
    /// thread's time slice; a thread that gave way unasked would give its time to strangers.
    pub(crate) fn give_way(&self) {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&*self.loop_events, PollFlags::IN)], Some(&at_once)) == Ok(1) {
            thread::yield_now();
        }
    }

    /// Wakes the loop for what it finds elsewhere.
    pub(crate) fn wake(&self) {
        // It wakes by itself before long.
        self.waker.wake().ok();
    }

    pub(crate) fn report(&self, report: Report) {
        // Without a receiver the loop has ended, and with it the need for reports.
        if self.sender.send(report).is_ok() {
            self.wake();
        }
    }
}

/// Which snapshot is wanted: the newest that was begun, unless that is given up. No other may replace its file.
#[derive(Clone, Debug, Default)]
pub struct Saves(Arc<Mutex<Option<u64>>>);

impl Saves {
    /// Snapshot `number` begins: older ones are given up.
    pub fn begin(&self, number: u64) {
        *self.newest() = Some(number);
    }

    /// None is wanted any more.
    pub fn cancel(&self) {
        *self.newest() = None;
    }

    fn newest(&self) -> MutexGuard<'_, Option<u64>> {
        // The number is right whatever happened to a thread that held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, number: u64) -> io::Result<MutexGuard<'_, Option<u64>>> {
        let newest = self.newest();
        if *newest == Some(number) { Ok(newest) } else { Err(io::Error::other("it is not wanted any more")) }
    }
}

/// How snapshots are written to disk.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// The snapshot's number.
    pub number: u64,
    /// The newest one's.
    pub saves: Saves,
    /// The file.
    pub file: PathBuf,
    /// LZF compression of strings.
    pub compress: bool,
    /// A CRC64 at the end.
    pub checksum: bool,
    /// Flush to disk every few megabytes, instead of all at the end.
    pub incremental_sync: bool,
    /// How long each key takes more than it would (`rdb-key-save-delay`).
    pub(crate) key_delay: DelaySetting,
    /// A full one if the process waits to end.
    pub(crate) claim: Claim,
}

/// Writes a snapshot to a temporary file, makes it durable and gives it its name.
pub fn save(reporter: Reporter, job: Box<SnapshotJob>, options: SaveOptions) {
    let number = options.number;
    let failed = move |reason| Report::Saved(number, Err(reason));
    spawn_or_report(("rdb-save", options.claim), reporter, failed, move |reporter| {
        let result = save_file(*job, &options, &reporter).map_err(|error| error.to_string());
        reporter.report(Report::Saved(number, result));
    });
}

fn save_file(job: SnapshotJob, options: &SaveOptions, reporter: &Reporter) -> io::Result<()> {
    let name = format!("temp-{}-{}.rdb", std::process::id(), options.number);
    let temporary = options.file.with_file_name(name);
    let target = job.disk_target();
    let names = Replaced { path: &options.file, temporary: &temporary };
    let write = |file: &mut SystemFile| {
        let written = Cell::new(0);
        let mut file = SyncedFile { file: &file.0, written: &written, unsynced: 0, options, reporter };
        let write = WriteOptions { target, compress: options.compress, checksum: options.checksum };
        let tell = |progress| reporter.report(Report::SaveProgress(options.number, progress));
        let mut progress = watch(options, &written, tell);
        slipstream_rdb::write_watched(job.snapshot, &job.preface, write, &mut file, &mut progress)
            .map_err(io::Error::other)
    };
    let permit = || options.saves.check(options.number);
    replace(&SystemFiles, names, write, permit).map(drop).map_err(Unreplaced::into_reason)
}

/// How often the loop is told how far a save is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Tells now and then how many keys are written, and in how many bytes.
fn watch(options: &SaveOptions, written: &Cell<u64>, tell: impl Fn(SaveProgress)) -> impl FnMut(u64) {
    let mut told = Instant::now();
    let mut delay = KeyDelay::new(options.key_delay.clone());
    move |keys| {
        delay.reach(keys);
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            tell(SaveProgress { keys, bytes: written.get() });
        }
    }
}

/// Writes a base of the append-only file under its temporary name, and makes it durable.
pub fn aof_base(reporter: Reporter, order: Box<BaseOrder>, options: SaveOptions) {
    let number = order.number;
    let failed = move |reason| Report::AofBase(number, Err(reason));
    spawn_or_report(("aof-rewrite", options.claim), reporter, failed, move |reporter| {
        let result = aof_base_file(*order, &options, &reporter);
        let explain = |error: io::Error| format!("{}: {error}", options.file.display());
        reporter.report(Report::AofBase(number, result.map_err(explain)));
    });
}

fn aof_base_file(order: BaseOrder, options: &SaveOptions, reporter: &Reporter) -> io::Result<u64> {
    let target = order.job.disk_target();
    write_new(&SystemFiles, &options.file, |file| {
        let written = Cell::new(0);
        let mut file = SyncedFile { file: &file.0, written: &written, unsynced: 0, options, reporter };
        let tell = |progress| reporter.report(Report::AofBaseProgress(order.number, progress));
        let mut progress = watch(options, &written, tell);
        match order.format {
            BaseFormat::Commands => write_commands(order.job, &mut file, &mut progress),
            BaseFormat::Rdb => {
                let write = WriteOptions { target, compress: options.compress, checksum: options.checksum };
                let (job, progress) = (order.job, &mut progress);
                slipstream_rdb::write_watched(job.snapshot, &job.preface, write, &mut file, progress)
                    .map_err(io::Error::other)
            }
        }
    })
}

/// Bytes between two flushes.
const SYNC_STEP: usize = 4 * 1024 * 1024;

/// A file that is flushed to disk as it grows, so that no flush takes long, and lets the loop run between two
/// pieces. It fails once a newer snapshot is begun.
struct SyncedFile<'a> {
    file: &'a File,
    written: &'a Cell<u64>,
    unsynced: usize,
    options: &'a SaveOptions,
    reporter: &'a Reporter,
}

impl Write for SyncedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reporter.give_way();
        let written = self.file.write(bytes)?;
        self.written.set(self.written.get() + written as u64);
        self.unsynced += written;
        if self.unsynced >= SYNC_STEP {
            drop(self.options.saves.check(self.options.number)?);
            if self.options.incremental_sync {
                self.file.sync_data()?;
            }
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How often progress is told.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

/// Tells now and then.
#[derive(Debug, Default)]
pub(crate) struct Pace(Option<Instant>);

impl Pace {
    /// Whether it is time to tell again.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= PROGRESS_PERIOD);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

/// Loads a file.
pub fn load_file(reporter: Reporter, path: PathBuf, options: LoadOptions) {
    let failed = |reason| Report::LoadedFile(Err(reason));
    let load = move |reporter: Reporter| {
        let explain = |error: &dyn Display| format!("{}: {error}", path.display());
        let result = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explain(&error)),
            Ok(file) => {
                let input = BufReader::with_capacity(1 << 20, file);
                let mut pace = Pace::default();
                let mut on_progress = |reached: Reached| {
                    if pace.is_due() {
                        reporter.report(Report::LoadReached(reached.bytes));
                    }
                    ControlFlow::Continue(())
                };
                loader::load(input, options, Halves::of_file(), &reporter, &mut on_progress)
                    .map(Some)
                    .map_err(|error| explain(&error))
            }
        };
        reporter.report(Report::LoadedFile(result));
    };
    // Nobody is served before it is done: it gives way to nobody.
    let work = watched(reporter.clone(), failed, load);
    if let Err(error) = thread::Builder::new().name("rdb-load".to_owned()).spawn(work) {
        reporter.report(failed(format!("no thread for it: {error}")));
    }
}

/// How to connect to the primary.
#[derive(Clone, Debug)]
pub struct Route {
    /// The primary's name or address, and its port.
    pub target: (String, u16),
    /// From which address of this machine.
    pub source: Option<String>,
    /// Whether by Multipath TCP.
    pub multipath: bool,
    /// The longest time for one attempt.
    pub timeout: Duration,
}

/// Connects to the primary, off the loop since names may take long to resolve.
pub fn connect(reporter: Reporter, (line, attempt): (Line, u64), route: Route) {
    let failed = move |reason| Report::Connected(line, attempt, Err(reason));
    spawn_or_report(("link-connect", Claim::Background), reporter, failed, move |reporter| {
        let result = route.connect().map_err(|error| error.to_string());
        reporter.report(Report::Connected(line, attempt, result));
    });
}

impl Route {
    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the name has no address");
        for address in (self.target.0.as_str(), self.target.1).to_socket_addrs()? {
            match self.connect_to(address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let protocol = Some(mptcp::protocol(self.multipath));
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, protocol)?;
        if let Some(source) = &self.source {
            let from =
                (source.as_str(), 0).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
            socket.bind(&from.into())?;
        }
        socket.connect_timeout(&address.into(), self.timeout)?;
        Ok(socket.into())
    }
}

/// Writes a file beside the data: whole, or not at all.
pub fn keep_file(reporter: Reporter, path: PathBuf, content: Vec<u8>) {
    let failed = |reason| Report::KeptFile(Err(reason));
    spawn_or_report(("keep-file", Claim::Background), reporter, failed, move |reporter| {
        let result = write_whole(&path, &content).map_err(|error| format!("{}: {error}", path.display()));
        reporter.report(Report::KeptFile(result));
    });
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let names = Replaced { path, temporary: &path.with_extension("tmp") };
    let write = |file: &mut SystemFile| file.write_all(content);
    replace(&SystemFiles, names, write, || Ok(())).map_err(Unreplaced::into_reason)
}

/// Digests a snapshot for REPLICA VERIFY.
pub fn digest(reporter: Reporter, order: Box<DigestOrder>) {
    let ticket = order.ticket();
    let failed = move |reason| Report::Digested(Box::new(Digested::failed(ticket, reason)));
    spawn_or_report(("verify", Claim::Background), reporter, failed, move |reporter| {
        reporter.report(Report::Digested(Box::new(order.run())));
    });
}

/// Encodes a snapshot into its spool. Fails without a thread to do it on.
pub(crate) fn encode_sync(
    reporter: Reporter,
    order: Box<SyncOrder>,
    spool: Arc<Spool>,
    options: EncodeOptions,
) -> io::Result<()> {
    let encode = move || sync_send::encode(&reporter, *order, &spool, options);
    try_spawn(("sync-encode", Claim::Background), encode)
}

/// Sends a spool to a replica. With length framing it is complete. Fails without a thread to do it on: peers
/// decide how many there are.
pub(crate) fn send_sync(outlet: Outlet, spool: &Arc<Spool>, framing: Framing) -> io::Result<()> {
    let (reader, length) = (spool.read(), spool.produced());
    try_spawn(("sync-send", Claim::Background), move || outlet.run(reader, length, &framing))
}

impl Reporter {
    /// Reports how far the load of a full sync is.
    pub(crate) fn load_progress(&self, number: u64, reached: Reached) {
        self.report(Report::LoadProgress(number, reached));
    }

    /// Reports how the load of a full sync ended.
    pub(crate) fn loaded_sync(&self, number: u64, result: Result<Box<LoadedData>, String>) {
        self.report(Report::LoadedSync(number, result));
    }

    /// Reports that a spool is complete, or cannot be.
    pub fn sync_encoded(&self, job: u64, result: Result<u64, String>) {
        self.report(Report::SyncEncoded(job, result));
    }

    /// Reports that a spool wants to forget its start.
    pub fn sync_outgrown(&self, job: u64, disk_failure: Option<String>) {
        self.report(Report::SyncOutgrown(job, disk_failure));
    }

    /// Reports that a replica takes its snapshot.
    pub fn sync_progress(&self, replica: SessionId, bytes: SnapshotSent) {
        self.report(Report::SyncProgress(replica, bytes));
    }

    /// Reports how sending to one replica ended.
    pub fn sync_sent(&self, replica: SessionId, result: Result<(), String>) {
        self.report(Report::SyncSent(replica, result));
    }
}

/// A file of the current folder, under a name that stays right when CONFIG SET chooses another folder.
pub fn full_path(name: &str) -> PathBuf {
    std::path::absolute(name).unwrap_or_else(|_| name.into())
}

/// As [`spawn`], of a job that may come at any time. Without a thread for it, and where it panics, it reports what
/// `failed` makes of the reason: the process goes on without.
pub(crate) fn spawn_or_report(
    (name, claim): (&str, Claim),
    reporter: Reporter,
    failed: impl FnOnce(String) -> Report + Clone + Send + 'static,
    job: impl FnOnce(Reporter) + Send + 'static,
) {
    let work = watched(reporter.clone(), failed.clone(), job);
    if let Err(error) = try_spawn((name, claim), work) {
        reporter.report(failed(format!("no thread for it: {error}")));
    }
}

/// `job`, which reports what `failed` makes of it if it panics: somebody waits for its report.
fn watched(
    reporter: Reporter,
    failed: impl FnOnce(String) -> Report,
    job: impl FnOnce(Reporter),
) -> impl FnOnce() {
    move || {
        let own = reporter.clone();
        // Nobody sees what the job left behind.
        if catch_unwind(AssertUnwindSafe(|| job(own))).is_err() {
            reporter.report(failed("its thread panicked".to_owned()));
        }
    }
}

/// Runs what the process cannot do without on a thread of its own.
pub(crate) fn spawn((name, claim): (&str, Claim), job: impl FnOnce() + Send + 'static) {
    // Without threads the system is beyond what this process could mend.
    try_spawn((name, claim), job).expect("the system has room for a thread");
}

fn try_spawn((name, claim): (&str, Claim), job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work = move || {
        // Clients come first, even on one core. A system that does not let it be nice runs it all the same.
        kernel::claim(claim).ok();
        job();
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

#[cfg(test)]
impl Reporter {
    /// Reports to nobody but the test.
    pub(crate) fn of_test() -> (Reporter, std::sync::mpsc::Receiver<Report>) {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let (sender, reports) = std::sync::mpsc::channel();
        (Reporter::new(sender, waker, poll.registry().try_clone().unwrap()), reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_reports_that() {
        let (reporter, reports) = Reporter::of_test();
        let failed = |reason| Report::KeptFile(Err(reason));
        spawn_or_report(("panics", Claim::Background), reporter.clone(), failed, |_| panic!("as intended"));
        let is_told =
            |report| matches!(report, Report::KeptFile(Err(reason)) if reason == "its thread panicked");
        assert!(is_told(reports.recv().unwrap()));
        spawn_or_report(("does not", Claim::Background), reporter, failed, |reporter| {
            reporter.report(Report::KeptFile(Ok(())))
        });
        assert!(matches!(reports.recv(), Ok(Report::KeptFile(Ok(())))));
        assert!(reports.recv().is_err(), "once");
    }
}
