//! A full sync on its way out: one thread encodes a snapshot into its spool, and one per replica writes what
//! lies there to a socket.
//!
//! The loop does not write to these sockets meanwhile. A sender gives up when its socket takes nothing for too
//! long; nobody else hears of that.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use slipstream_engine::{SessionId, SnapshotJob, SyncOrder};
use slipstream_rdb::WriteOptions;
use slipstream_rdb::frames::{self, Chunks};
use slipstream_replication::replicas::{Framing, SnapshotSent};

use crate::jobs::Reporter;
use crate::key_delay::{DelaySetting, KeyDelay};
use crate::link_speed::LinkSpeed;
use crate::spool::{Pushed, Reader, Spool};

/// How often a sender that makes progress says so.
const REPORT_PERIOD: Duration = Duration::from_millis(500);

/// How snapshots are encoded.
#[derive(Clone, Debug)]
pub(crate) struct EncodeOptions {
    /// LZF compression of strings.
    pub(crate) compress: bool,
    /// A CRC64 at the end.
    pub(crate) checksum: bool,
    /// How long each key takes more than it would (`rdb-key-save-delay`).
    pub(crate) key_delay: DelaySetting,
}

/// Encodes a snapshot to its end; reports that before the senders can see it.
pub(crate) fn encode(reporter: &Reporter, order: SyncOrder, spool: &Spool, options: EncodeOptions) {
    let job = order.job;
    let emit = |chunk: Vec<u8>| {
        match spool.push(chunk)? {
            Pushed::Done => {}
            Pushed::Outgrown => reporter.sync_outgrown(job, None),
            Pushed::Cramped(reason) => reporter.sync_outgrown(job, Some(reason)),
        }
        reporter.give_way();
        Ok(())
    };
    let result = write(order, options, emit).map_err(|error| error.to_string()).map(|()| spool.produced());
    reporter.sync_encoded(job, result.clone());
    spool.end(result.map(drop));
}

fn write(
    order: SyncOrder,
    options: EncodeOptions,
    emit: impl FnMut(Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let SyncOrder { content: SnapshotJob { snapshot, preface }, target, framed, .. } = order;
    let EncodeOptions { compress, checksum, key_delay } = options;
    let (write, mut chunks) = match framed {
        // Frames have sums of their own, and are packed by those whose link needs it.
        Some(key) => (WriteOptions { target, compress: false, checksum: false }, Chunks::framed(key, emit)?),
        None => (WriteOptions { target, compress, checksum }, Chunks::plain(emit)),
    };
    let mut delay = KeyDelay::new(key_delay);
    let mut progress = |keys| delay.reach(keys);
    slipstream_rdb::write_watched(snapshot, &preface, write, &mut chunks, &mut progress)
        .map_err(io::Error::other)?;
    chunks.flush()
}

/// One replica's socket, lent to the thread that sends.
pub(crate) struct Outlet {
    id: SessionId,
    socket: TcpStream,
    /// A socket that takes nothing for so long is given up.
    timeout: Duration,
    reporter: Reporter,
    /// Whether frames are packed if the link is slow, and how fast it is.
    packs: bool,
    speed: LinkSpeed,
    bytes: SnapshotSent,
    /// When it last took something, and when that was last reported.
    progress: Instant,
    reported: Instant,
}

impl Outlet {
    pub(crate) fn new(id: SessionId, socket: TcpStream, timeout: Duration, reporter: Reporter) -> Outlet {
        let now = Instant::now();
        let (speed, bytes) = (LinkSpeed::default(), SnapshotSent::default());
        Outlet { id, socket, timeout, reporter, packs: false, speed, bytes, progress: now, reported: now }
    }

    /// Lets frames be packed if the link turns out to be slow.
    pub(crate) fn packing(self, packs: bool) -> Outlet {
        Outlet { packs, ..self }
    }

    /// Sends all of a spool; reports how that ended.
    pub(crate) fn run(mut self, reader: Reader, length: u64, framing: &Framing) {
        // A length that was announced must be what comes.
        self.packs &= matches!(framing, Framing::Mark(_));
        let result = self.send(reader, length, framing).map_err(|error| error.to_string());
        self.reporter.sync_sent(self.id, result);
    }

    fn send(&mut self, mut reader: Reader, length: u64, framing: &Framing) -> io::Result<()> {
        self.write_all(&framing.head(length))?;
        while let Some(chunk) = reader.next()? {
            let packed = if self.packs && self.speed.is_slow() { frames::pack(&chunk) } else { None };
            let bytes = packed.as_deref().unwrap_or(&chunk);
            let began = Instant::now();
            self.write_all(bytes)?;
            self.speed.note(bytes.len(), began.elapsed());
            self.bytes.sent += chunk.len() as u64;
            self.bytes.waiting = reader.waiting();
        }
        self.write_all(framing.tail())?;
        self.reporter.sync_progress(self.id, self.bytes);
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        // Its time begins with these bytes: until now it may have been the encoder that was waited for.
        self.progress = Instant::now();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.note_progress();
                    self.reporter.give_way();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn note_progress(&mut self) {
        self.progress = Instant::now();
        if self.progress - self.reported >= REPORT_PERIOD {
            self.reported = self.progress;
            self.reporter.sync_progress(self.id, self.bytes);
        }
    }

    fn wait(&self) -> io::Result<()> {
        if self.progress.elapsed() > self.timeout {
            return Err(io::Error::other("it took nothing for repl-timeout seconds"));
        }
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&second)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
