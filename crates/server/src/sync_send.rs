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
use slipstream_replication::replicas::Framing;

use crate::jobs::Reporter;
use crate::spool::{Pushed, Reader, Spool};

/// Bytes gathered into one chunk of the spool.
const CHUNK: usize = 256 << 10;

/// How often a sender that makes progress says so.
const REPORT_PERIOD: Duration = Duration::from_secs(1);

/// How snapshots are encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodeOptions {
    /// LZF compression of strings.
    pub(crate) compress: bool,
    /// A CRC64 at the end.
    pub(crate) checksum: bool,
}

/// Encodes a snapshot to its end; reports that before the senders can see it.
pub(crate) fn encode(reporter: &Reporter, order: SyncOrder, spool: &Spool, options: EncodeOptions) {
    let SyncOrder { job, content: SnapshotJob { snapshot, preface }, target } = order;
    let write = WriteOptions { target, compress: options.compress, checksum: options.checksum };
    let mut writer = SpoolWriter { spool, reporter, job, chunk: Vec::with_capacity(CHUNK) };
    let result = slipstream_rdb::write(snapshot, &preface, write, &mut writer)
        .map_err(|error| error.to_string())
        .and_then(|length| writer.flush().map(|()| length).map_err(|error| error.to_string()));
    reporter.sync_encoded(job, result.clone());
    spool.end(result.map(drop));
}

/// Gathers what is written into chunks.
struct SpoolWriter<'a> {
    spool: &'a Spool,
    reporter: &'a Reporter,
    job: u64,
    chunk: Vec<u8>,
}

impl Write for SpoolWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        match self.spool.push(chunk)? {
            Pushed::Done => {}
            Pushed::Outgrown => self.reporter.sync_outgrown(self.job, None),
            Pushed::Cramped(reason) => self.reporter.sync_outgrown(self.job, Some(reason)),
        }
        Ok(())
    }
}

/// One replica's socket, lent to the thread that sends.
pub(crate) struct Outlet {
    id: SessionId,
    socket: TcpStream,
    /// A socket that takes nothing for so long is given up.
    timeout: Duration,
    reporter: Reporter,
    /// When it last took something, and when that was last reported.
    progress: Instant,
    reported: Instant,
}

impl Outlet {
    pub(crate) fn new(reporter: Reporter, id: SessionId, socket: TcpStream, timeout: Duration) -> Outlet {
        let now = Instant::now();
        Outlet { id, socket, timeout, reporter, progress: now, reported: now }
    }

    /// Sends all of a spool; reports how that ended.
    pub(crate) fn run(mut self, reader: Reader, length: u64, framing: &Framing) {
        let result = self.send(reader, length, framing).map_err(|error| error.to_string());
        self.reporter.sync_sent(self.id, result);
    }

    fn send(&mut self, mut reader: Reader, length: u64, framing: &Framing) -> io::Result<()> {
        self.write_all(&framing.head(length))?;
        while let Some(chunk) = reader.next()? {
            self.write_all(&chunk)?;
        }
        self.write_all(framing.tail())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        // Its time begins with these bytes: until now it may have been the encoder that was waited for.
        self.progress = Instant::now();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.note_progress();
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
            self.reporter.sync_progress(self.id);
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
