//! Signals as events of the loop.
//!
//! SIGTERM and SIGINT write a byte into a socket pair that the loop watches;
//! nothing else happens in the handlers. SIGPIPE, SIGHUP and SIGXFSZ are
//! ignored: a file that reached the limit of its size is an error to whoever
//! writes it, like a full disk, and no reason to end.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ};
use slipstream_engine::Signal;

/// The signals that the process takes.
#[derive(Debug)]
pub struct Signals {
    bell: UnixStream,
    terminate: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
}

impl Signals {
    /// Takes over the signals of this process.
    pub fn install() -> io::Result<Signals> {
        let (bell, ringer) = std::os::unix::net::UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ringer.set_nonblocking(true)?;
        let flag = |signal| -> io::Result<Arc<AtomicBool>> {
            let seen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&seen))?;
            signal_hook::low_level::pipe::register(signal, ringer.try_clone()?)?;
            Ok(seen)
        };
        let (terminate, interrupt) = (flag(SIGTERM)?, flag(SIGINT)?);
        for ignored in [SIGPIPE, SIGHUP, SIGXFSZ] {
            signal_hook::flag::register(ignored, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(Signals { bell: UnixStream::from_std(bell), terminate, interrupt })
    }

    /// Wakes the loop under `token` when a signal comes.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.bell, token, Interest::READABLE)
    }

    /// The signals that came since the last call.
    pub fn take(&mut self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        while matches!(self.bell.read(&mut bytes), Ok(count) if count > 0) {}
        let mut signals = Vec::new();
        if self.terminate.swap(false, Ordering::Relaxed) {
            signals.push(Signal::Terminate);
        }
        if self.interrupt.swap(false, Ordering::Relaxed) {
            signals.push(Signal::Interrupt);
        }
        signals
    }
}
