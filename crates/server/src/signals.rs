//! Signals as events of the loop.
//!
//! SIGTERM and SIGINT write a byte into a socket pair that the loop watches;
//! nothing else happens in the handlers, unless somebody insists: a SIGINT that
//! follows either of them ends the process at once. SIGPIPE, SIGHUP and SIGXFSZ are
//! ignored: a file that reached the limit of its size is an error to whoever
//! writes it, like a full disk, and no reason to end.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ};
use slipstream_engine::Signal;

/// The status of a process that did not end in order.
const INSISTED: i32 = 1;

/// The signals that the process takes.
#[derive(Debug)]
pub struct Signals {
    bell: UnixStream,
    terminate: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
    /// The process was asked to end, and may not have heard of it yet.
    asked: Arc<AtomicBool>,
    /// It has heard of it.
    is_under_way: bool,
}

impl Signals {
    /// Takes over the signals of this process.
    pub fn install() -> io::Result<Signals> {
        let asked = Arc::new(AtomicBool::new(false));
        // What is registered first is done first: this one does not see its own signal.
        signal_hook::flag::register_conditional_shutdown(SIGINT, INSISTED, Arc::clone(&asked))?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
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
        let bell = UnixStream::from_std(bell);
        Ok(Signals { bell, terminate, interrupt, asked, is_under_way: false })
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
        self.is_under_way |= !signals.is_empty();
        signals
    }

    /// The process goes on after all: the next signal is the first again.
    pub fn forget(&mut self) {
        if std::mem::take(&mut self.is_under_way) {
            self.asked.store(false, Ordering::Relaxed);
        }
    }
}
