//! Signals, and the only way in which the playground waits: for one of them, with a deadline.
//!
//! A handler stores the signal's number and writes a byte into a socket pair; nothing else happens in it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// No signal came.
const NONE: usize = 0;

#[derive(Debug)]
pub(super) struct Interrupts {
    bell: UnixStream,
    last: Arc<AtomicUsize>,
}

impl Interrupts {
    /// Takes over the signals that end a process.
    pub(super) fn install() -> io::Result<Self> {
        let (bell, ringer) = UnixStream::pair()?;
        let last = Arc::new(AtomicUsize::new(NONE));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).expect("signals have positive numbers");
            signal_hook::flag::register_usize(signal, Arc::clone(&last), number)?;
            signal_hook::low_level::pipe::register(signal, ringer.try_clone()?)?;
        }
        Ok(Self { bell, last })
    }

    /// Returns after `time`, or at once when a signal comes.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<()> {
        // A timeout of zero would mean forever.
        self.bell.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        match self.bell.read(&mut [0; 64]) {
            // The handlers hold the other end as long as the process lives.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// The number of the signal that came since the last call.
    pub(super) fn take(&self) -> Option<i32> {
        let signal = self.last.swap(NONE, Ordering::Relaxed);
        i32::try_from(signal).ok().filter(|_| signal != NONE)
    }
}
