//! A TCP forwarder in front of one port of loopback, whose connections can be cut and made whole again.
//!
//! One thread accepts, two per connection copy bytes. While it is cut it closes every connection at once, as a
//! network does that loses its way: neither end is told more than that.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

#[derive(Debug)]
pub(super) struct Forwarder {
    pub(super) port: u16,
    shared: Arc<Mutex<Shared>>,
    acceptor: Option<JoinHandle<()>>,
}

/// ```text
/// Whole ⇄ Cut
///   └──┬───┘
///   Closed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Whole,
    Cut,
    Closed,
}

#[derive(Debug)]
struct Shared {
    phase: Phase,
    /// Both ends of each connection made since the last cut.
    ends: Vec<TcpStream>,
}

impl Forwarder {
    /// Listens on `port`, or on a free one for 0, and forwards to `target`.
    pub(super) fn start(port: u16, target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Mutex::new(Shared { phase: Phase::Whole, ends: Vec::new() }));
        let theirs = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, target, &theirs));
        Ok(Self { port, shared, acceptor: Some(acceptor) })
    }

    /// Breaks all connections and lets none through.
    pub(super) fn cut(&self) {
        self.enter(Phase::Cut);
    }

    /// Lets new connections through again.
    pub(super) fn restore(&self) {
        lock(&self.shared).phase = Phase::Whole;
    }

    fn enter(&self, phase: Phase) {
        let mut shared = lock(&self.shared);
        shared.phase = phase;
        shared.ends.drain(..).for_each(|end| close(&end));
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.enter(Phase::Closed);
        // Wakes the acceptor, which then sees that it is over. Without a connection it stays until the process ends.
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            acceptor.join().unwrap_or_default();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("no thread panics while it holds the lock")
}

fn close(stream: &TcpStream) {
    // Fails if the other side was first.
    stream.shutdown(Shutdown::Both).unwrap_or_default();
}

fn accept(listener: &TcpListener, target: u16, shared: &Mutex<Shared>) {
    for near in listener.incoming() {
        let Ok(near) = near else { continue };
        let phase = lock(shared).phase;
        match phase {
            Phase::Closed => return,
            Phase::Cut => close(&near),
            Phase::Whole => {
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target));
                if far.and_then(|far| admit(shared, &near, &far)).is_err() {
                    // The target is not there: the near end sees its connection closed.
                    close(&near);
                }
            }
        }
    }
}

/// Joins both ends of a new connection, unless a cut has come meanwhile. No byte passes before they are at hand for
/// the next one.
fn admit(shared: &Mutex<Shared>, near: &TcpStream, far: &TcpStream) -> io::Result<()> {
    let mut shared = lock(shared);
    match shared.phase {
        Phase::Whole => shared.ends.extend(join(near, far)?),
        Phase::Cut | Phase::Closed => [near, far].into_iter().for_each(close),
    }
    Ok(())
}

/// Copies bytes both ways until either end closes; returns a handle on each end.
fn join(near: &TcpStream, far: &TcpStream) -> io::Result<[TcpStream; 2]> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ends = [near.try_clone()?, far.try_clone()?];
    for (from, to) in [(near, far), (far, near)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || copy(from, to));
    }
    Ok(ends)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // By a close or by an error: both ends are told the same.
    io::copy(&mut from, &mut to).map(drop).unwrap_or_default();
    close(&from);
    close(&to);
}
