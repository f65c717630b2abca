//! A TCP proxy on loopback whose link a test can cut and restore, or hold up after some bytes.
//!
//! One thread accepts, two per connection copy bytes. While the link is cut, live connections are shut down and
//! new ones are closed at once, as when a network device dies: neither end is told more than that.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

pub(crate) struct Proxy {
    /// Where the link's near end listens.
    pub(crate) port: u16,
    link: Arc<Mutex<Link>>,
    gate: Arc<Gate>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Whole,
    Cut,
    Closed,
}

struct Link {
    phase: Phase,
    /// Both ends of each connection ever made and not cut since.
    live: Vec<TcpStream>,
}

/// Lets so many bytes of each connection through to the near end, and the rest once it is open.
struct Gate {
    bytes: u64,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self, bytes: u64) {
        let mut is_open = self.is_open.lock().expect("no thread panics with the gate");
        while bytes >= self.bytes && !*is_open {
            is_open = self.opened.wait(is_open).expect("no thread panics with the gate");
        }
    }
}

impl Proxy {
    /// Starts a proxy in front of a port of loopback.
    pub(crate) fn start(target: u16) -> Self {
        Self::start_held(target, u64::MAX)
    }

    /// The same, which holds each connection up after so many bytes until [`Proxy::release`].
    pub(crate) fn start_held(target: u16, bytes: u64) -> Self {
        let gate = Arc::new(Gate { bytes, is_open: Mutex::new(false), opened: Condvar::new() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("the listener is bound").port();
        let link = Arc::new(Mutex::new(Link { phase: Phase::Whole, live: Vec::new() }));
        let shared = Arc::clone(&link);
        let passed = Arc::clone(&gate);
        let acceptor = thread::spawn(move || accept(&listener, target, &shared, &passed));
        Self { port, link, gate, acceptor: Some(acceptor) }
    }

    /// Lets everything through from now on.
    pub(crate) fn release(&self) {
        *self.gate.is_open.lock().expect("no thread panics with the gate") = true;
        self.gate.opened.notify_all();
    }

    /// Breaks all connections and lets none through until [`Proxy::restore`].
    pub(crate) fn cut(&self) {
        self.leave(Phase::Cut);
    }

    /// How many connections were made and not cut since.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.link).live.len() / 2
    }

    /// Breaks one of them, counted from the oldest; others may be made as before.
    pub(crate) fn cut_one(&self, index: usize) {
        let mut link = lock(&self.link);
        link.live.drain(2 * index..2 * index + 2).for_each(|end| shut(&end));
    }

    pub(crate) fn restore(&self) {
        lock(&self.link).phase = Phase::Whole;
    }

    fn leave(&self, phase: Phase) {
        let mut link = lock(&self.link);
        link.phase = phase;
        for end in link.live.drain(..) {
            shut(&end);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.leave(Phase::Closed);
        self.release();
        // Wakes the acceptor, which then sees that the proxy is closed.
        TcpStream::connect(("127.0.0.1", self.port)).map(drop).unwrap_or_default();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap_or_default();
        }
    }
}

fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().expect("no thread panics with the link")
}

/// The other side may have closed first, which is as good.
fn shut(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap_or_default();
}

fn accept(listener: &TcpListener, target: u16, link: &Mutex<Link>, gate: &Arc<Gate>) {
    for near in listener.incoming() {
        let Ok(near) = near else { continue };
        let phase = lock(link).phase;
        match phase {
            Phase::Closed => return,
            Phase::Cut => shut(&near),
            Phase::Whole => {
                match TcpStream::connect(("127.0.0.1", target)).and_then(|far| join(near, far, gate)) {
                    Ok(ends) => admit(link, ends),
                    // The target is not there: the near end sees its connection closed.
                    Err(_) => continue,
                }
            }
        }
    }
}

/// Remembers both ends of a new connection, unless the link was cut while it was made.
fn admit(link: &Mutex<Link>, ends: [TcpStream; 2]) {
    let mut link = lock(link);
    if link.phase == Phase::Whole {
        link.live.extend(ends);
    } else {
        ends.iter().for_each(shut);
    }
}

/// Copies bytes both ways until either end closes, and returns a handle on each end.
fn join(near: TcpStream, far: TcpStream, gate: &Arc<Gate>) -> io::Result<[TcpStream; 2]> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let handles = [near.try_clone()?, far.try_clone()?];
    let (near_back, far_back) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || copy(near, far));
    let gate = Arc::clone(gate);
    thread::spawn(move || copy_through(far_back, near_back, &gate));
    Ok(handles)
}

fn copy_through(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut buffer = [0; 16 << 10];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        gate.pass(passed);
        passed += count as u64;
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    shut(&from);
    shut(&to);
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // However it ends, by a close or by an error, both ends are told the same.
    io::copy(&mut from, &mut to).and_then(|_| to.flush()).unwrap_or_default();
    shut(&from);
    shut(&to);
}
