//! A full sync on its way: one snapshot, encoded once, written to the sockets
//! of several replicas, each at its own pace.
//!
//! Encoded pieces are shared. A replica that takes more time than the others
//! queues references to them, up to a bound; then all wait for it, until it
//! takes something or its time is over and it is dropped. The loop does not
//! write to these sockets meanwhile.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use slipstream_engine::{SessionId, SnapshotJob, SyncOrder};
use slipstream_keyspace::Snapshot;
use slipstream_rdb::{Preface, WriteOptions};
use slipstream_replication::replicas::Framing;

use crate::jobs::{Reporter, SendOptions};

/// Bytes that may wait for the fastest replica, and for the slowest.
const AHEAD_OF_FASTEST: usize = 4 << 20;
const AHEAD_OF_SLOWEST: usize = 64 << 20;

/// Encodes and sends; reports once per replica.
pub(crate) fn run(
    reporter: &Reporter,
    order: SyncOrder,
    sockets: Vec<(SessionId, TcpStream)>,
    options: SendOptions,
) {
    let mut fan = FanOut::new(reporter.clone(), sockets, options.timeout);
    let outcome = send(order, &mut fan, options);
    for replica in fan.replicas {
        let result = match (&outcome, replica.failure) {
            (_, Some(reason)) => Err(reason),
            (Err(reason), None) => Err(reason.to_string()),
            (Ok(()), None) => Ok(()),
        };
        reporter.sync_sent(replica.id, result);
    }
}

fn send(order: SyncOrder, fan: &mut FanOut, options: SendOptions) -> io::Result<()> {
    let SyncOrder { content: SnapshotJob { snapshot, preface }, target, framing, .. } = order;
    let write = WriteOptions { target, compress: options.compress, checksum: options.checksum };
    let length = match framing {
        Framing::Mark(_) => 0,
        // The length must be announced, and a snapshot does not change: encode twice rather than keep a
        // copy in memory or on disk.
        Framing::Length => {
            let mut measure = Measure { fan, spoke: Instant::now() };
            encode(snapshot.clone(), &preface, write, &mut measure)?
        }
    };
    fan.write_all(&framing.head(length))?;
    encode(snapshot, &preface, write, fan)?;
    fan.write_all(framing.tail())?;
    fan.drain()
}

/// Writes the snapshot; its length in bytes.
fn encode(
    snapshot: Snapshot,
    preface: &Preface,
    options: WriteOptions,
    out: &mut impl Write,
) -> io::Result<u64> {
    slipstream_rdb::write(snapshot, preface, options, out).map_err(io::Error::other)
}

/// Takes the bytes that are only counted. Meanwhile the replicas hear an empty line each second, as they do
/// from Redis: neither side is to take the silence for an end.
struct Measure<'a> {
    fan: &'a mut FanOut,
    spoke: Instant,
}

impl Write for Measure<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.spoke.elapsed() >= Duration::from_secs(1) {
            self.spoke = Instant::now();
            self.fan.write_all(b"\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct FanOut {
    replicas: Vec<Outlet>,
    timeout: Duration,
    reporter: Reporter,
    /// When progress was last reported.
    reported: Instant,
}

/// One replica's socket and what waits for it.
struct Outlet {
    id: SessionId,
    socket: TcpStream,
    queue: VecDeque<Arc<[u8]>>,
    /// Bytes of the first piece that are sent.
    sent: usize,
    queued: usize,
    progress: Instant,
    failure: Option<String>,
}

impl FanOut {
    fn new(reporter: Reporter, sockets: Vec<(SessionId, TcpStream)>, timeout: Duration) -> FanOut {
        let now = Instant::now();
        let outlet = |(id, socket)| Outlet {
            id,
            socket,
            queue: VecDeque::new(),
            sent: 0,
            queued: 0,
            progress: now,
            failure: None,
        };
        FanOut { replicas: sockets.into_iter().map(outlet).collect(), timeout, reporter, reported: now }
    }

    fn alive(&self) -> impl Iterator<Item = &Outlet> {
        self.replicas.iter().filter(|outlet| outlet.failure.is_none())
    }

    /// Writes what the sockets take, until no replica has to be waited for.
    fn pump(&mut self, fastest: usize, slowest: usize) -> io::Result<()> {
        loop {
            for outlet in &mut self.replicas {
                outlet.write_some();
            }
            self.report_progress();
            let least = self.alive().map(|outlet| outlet.queued).min();
            let Some(least) = least else { return Err(io::Error::other("no replica is left")) };
            let most = self.alive().map(|outlet| outlet.queued).max().unwrap_or(0);
            if least <= fastest && most <= slowest {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Once a second tells which replicas took something in that second.
    fn report_progress(&mut self) {
        if self.reported.elapsed() < Duration::from_secs(1) {
            return;
        }
        for outlet in self.alive().filter(|outlet| outlet.progress >= self.reported) {
            self.reporter.sync_progress(outlet.id);
        }
        self.reported = Instant::now();
    }

    /// Sends everything.
    fn drain(&mut self) -> io::Result<()> {
        self.pump(0, 0)
    }

    /// Until a socket takes more; drops those that took nothing for too long.
    fn wait(&mut self) -> io::Result<()> {
        let mut waiting: Vec<PollFd<'_>> = self
            .replicas
            .iter()
            .filter(|outlet| outlet.failure.is_none() && outlet.queued > 0)
            .map(|outlet| PollFd::new(&outlet.socket, PollFlags::OUT))
            .collect();
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut waiting, Some(&second)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(waiting);
        let timeout = self.timeout;
        for outlet in &mut self.replicas {
            if outlet.queued > 0 && outlet.progress.elapsed() > timeout {
                outlet.fail("it took nothing for repl-timeout seconds".to_owned());
            }
        }
        Ok(())
    }
}

impl Outlet {
    fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
        self.queue.clear();
        self.queued = 0;
    }

    fn write_some(&mut self) {
        while let Some(piece) = self.queue.front() {
            match self.socket.write(&piece[self.sent..]) {
                Ok(count) => {
                    self.progress = Instant::now();
                    self.sent += count;
                    self.queued -= count;
                    if self.sent == piece.len() {
                        self.queue.pop_front();
                        self.sent = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.fail(error.to_string()),
            }
        }
        // Nothing waits: the clock of its timeout starts with the next piece.
        self.progress = Instant::now();
    }
}

impl Write for FanOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece: Arc<[u8]> = bytes.into();
        for outlet in self.replicas.iter_mut().filter(|outlet| outlet.failure.is_none()) {
            outlet.queue.push_back(Arc::clone(&piece));
            outlet.queued += piece.len();
        }
        self.pump(AHEAD_OF_FASTEST, AHEAD_OF_SLOWEST)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
