//! A TCP proxy on loopback whose link a test can cut, silence, hold up after some bytes, half-close or make dribble.
//!
//! One thread accepts, two per connection copy bytes. While the link is cut, live connections are shut down and
//! new ones are closed at once, as when a network device dies: neither end is told more than that. The near end is
//! whoever connects to the proxy, in these tests a replica; the far end is the primary.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

const CHUNK: usize = 16 << 10;
const RECEIVE_BUFFER: usize = 256 << 10;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Near,
    Far,
}

struct Link {
    phase: Phase,
    /// Both ends of each connection ever made and not cut since, the near one first.
    live: Vec<[TcpStream; 2]>,
}

/// What every piece of bytes passes on its way.
struct Gate {
    /// At most so many bytes are written at once.
    chunk: usize,
    state: Mutex<Valve>,
    turned: Condvar,
}

struct Valve {
    /// So many bytes of each connection pass to the near end.
    limit: u64,
    /// Nothing passes in either direction.
    is_shut: bool,
    /// How many pieces wait because of the limit.
    held: usize,
}

impl Gate {
    fn pass(&self, to: End, bytes: u64) {
        let mut valve = self.valve();
        let mut is_held = false;
        while valve.is_shut || (to == End::Near && bytes >= valve.limit) {
            if !valve.is_shut && !is_held {
                (is_held, valve.held) = (true, valve.held + 1);
            }
            valve = self.turned.wait(valve).expect("no thread panics with the valve");
        }
        valve.held -= usize::from(is_held);
    }

    fn turn(&self, change: impl FnOnce(&mut Valve)) {
        change(&mut self.valve());
        self.turned.notify_all();
    }

    fn valve(&self) -> MutexGuard<'_, Valve> {
        self.state.lock().expect("no thread panics with the valve")
    }
}

impl Proxy {
    /// Starts a proxy in front of a port of loopback.
    pub(crate) fn start(target: u16) -> Self {
        Self::start_with(target, u64::MAX, CHUNK)
    }

    /// The same, which holds each connection up after so many bytes until [`Proxy::release`].
    pub(crate) fn start_held(target: u16, bytes: u64) -> Self {
        Self::start_with(target, bytes, CHUNK)
    }

    /// The same, which passes no more than so many bytes on at once, in either direction.
    pub(crate) fn start_dribbling(target: u16, chunk: usize) -> Self {
        Self::start_with(target, u64::MAX, chunk)
    }

    fn start_with(target: u16, limit: u64, chunk: usize) -> Self {
        let valve = Valve { limit, is_shut: false, held: 0 };
        let gate = Arc::new(Gate { chunk, state: Mutex::new(valve), turned: Condvar::new() });
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
        self.gate.turn(|valve| (valve.limit, valve.is_shut) = (u64::MAX, false));
    }

    /// Whether a connection has come so far that it is held up.
    pub(crate) fn is_holding(&self) -> bool {
        self.gate.valve().held > 0
    }

    /// Lets nothing through in either direction and closes nothing, until [`Proxy::release`].
    pub(crate) fn silence(&self) {
        self.gate.turn(|valve| valve.is_shut = true);
    }

    /// Breaks all connections and lets none through until [`Proxy::restore`].
    pub(crate) fn cut(&self) {
        self.leave(Phase::Cut);
    }

    /// How many connections were made and not cut since.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.link).live.len()
    }

    /// Breaks one of them, counted from the oldest; others may be made as before.
    pub(crate) fn cut_one(&self, index: usize) {
        lock(&self.link).live.remove(index).iter().for_each(shut);
    }

    /// Tells one end of each connection that no more is to come; what that end sends still passes.
    pub(crate) fn half_close(&self, end: End) {
        for [near, far] in lock(&self.link).live.drain(..) {
            let told = if end == End::Near { near } else { far };
            told.shutdown(Shutdown::Write).unwrap_or_default();
        }
    }

    pub(crate) fn restore(&self) {
        lock(&self.link).phase = Phase::Whole;
    }

    fn leave(&self, phase: Phase) {
        let mut link = lock(&self.link);
        link.phase = phase;
        link.live.drain(..).flatten().for_each(|end| shut(&end));
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
                // If the target is not there, the near end sees its connection closed.
                connect(target).and_then(|far| admit(link, near, far, gate)).unwrap_or_default();
            }
        }
    }
}

/// What is held up waits at its sender, and not in the system's memory for this end.
fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(socket.into())
}

/// Joins both ends of a new connection, unless the link was cut while it was made. No byte passes before it is among
/// those that are cut.
fn admit(link: &Mutex<Link>, near: TcpStream, far: TcpStream, gate: &Arc<Gate>) -> io::Result<()> {
    let mut link = lock(link);
    if link.phase == Phase::Whole {
        link.live.push(join(near, far, gate)?);
    }
    Ok(())
}

/// Copies bytes both ways until either end closes, and returns a handle on each end.
fn join(near: TcpStream, far: TcpStream, gate: &Arc<Gate>) -> io::Result<[TcpStream; 2]> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let handles = [near.try_clone()?, far.try_clone()?];
    let (near_back, far_back) = (near.try_clone()?, far.try_clone()?);
    let [there, back] = [Arc::clone(gate), Arc::clone(gate)];
    thread::spawn(move || copy(near, far, End::Far, &there));
    thread::spawn(move || copy(far_back, near_back, End::Near, &back));
    Ok(handles)
}

/// However it ends, by a close or by an error, both ends are told the same.
fn copy(mut from: TcpStream, mut to: TcpStream, end: End, gate: &Gate) {
    let mut buffer = [0; CHUNK];
    let mut passed = 0;
    let mut is_heard = true;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        for piece in buffer[..count].chunks(gate.chunk) {
            gate.pass(end, passed);
            passed += piece.len() as u64;
            // Behind a half-close nobody hears what comes, until the end that was told closes its side.
            is_heard = is_heard && to.write_all(piece).is_ok();
        }
    }
    shut(&from);
    shut(&to);
}
