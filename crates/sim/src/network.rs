//! Connections between places: byte streams with delay, pieces, bounded room, silence and loss.
//!
//! What is written on one side arrives on the other in order and in pieces of random size, or the connection
//! breaks with some of it lost. A direction between two places can be blocked: bytes then wait, and nobody is
//! told. The network knows nothing of what it carries.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;

use crate::options::Options;

/// The longest time between two pieces of what was written at once, in microseconds.
const NEXT_PIECE: u64 = 500;

/// How long a lost piece takes to be sent again, in microseconds; twice as long each time that it is lost again.
const RESEND: u64 = 200_000;

/// So often it is lost again at most.
const MOST_RESENDS: u32 = 6;

/// The most bytes that arrive at once.
const MOST: usize = 16 << 10;

/// Names one connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireId(pub u64);

/// Where a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A machine with a node.
    Node(usize),
    /// A machine with a client.
    Client(usize),
}

impl Place {
    /// Its number among its kind.
    pub fn index(self) -> usize {
        match self {
            Place::Node(index) | Place::Client(index) => index,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node(node) => write!(f, "n{node}"),
            Place::Client(client) => write!(f, "c{client}"),
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who asked for it.
    Caller,
    /// Who accepted it.
    Server,
}

impl Side {
    /// The one across.
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Server,
            Side::Server => Side::Caller,
        }
    }

    fn index(self) -> usize {
        match self {
            Side::Caller => 0,
            Side::Server => 1,
        }
    }
}

/// What a side finds when something arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes. The place that wrote them may write again if it was refused room before.
    Bytes(Vec<u8>, bool),
    /// The other side closed, or the connection broke.
    End,
    /// Nothing after all.
    Nothing,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// No more comes after the bytes.
    ended: bool,
    /// Whether an arrival is planned.
    planned: bool,
    /// Whether the reader does not read for now.
    unread: bool,
    /// Whether the writer waits for room.
    refused: bool,
    /// Whether nothing arrives any more, and nobody is told.
    is_severed: bool,
}

impl Pipe {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let (first, second) = self.bytes.as_slices();
        let split = count.min(first.len());
        let bytes = [&first[..split], &second[..count - split]].concat();
        self.bytes.drain(..count);
        bytes
    }
}

#[derive(Debug)]
struct Wire {
    places: [Place; 2],
    /// By the side that reads.
    pipes: [Pipe; 2],
    open: [bool; 2],
}

/// All connections.
#[derive(Debug)]
pub struct Network {
    rng: fastrand::Rng,
    delay: RangeInclusive<u64>,
    chunk: usize,
    small_pieces: u32,
    rate: u64,
    capacity: usize,
    wires: BTreeMap<WireId, Wire>,
    next: u64,
    /// Until when, in microseconds.
    blocked: BTreeMap<(Place, Place), u64>,
    /// How many of a hundred pieces are lost on the way, and until when.
    lossy: BTreeMap<(Place, Place), (u32, u64)>,
    /// How many bytes a second a place reads of each connection, if that is little.
    rates: BTreeMap<Place, u64>,
    arrivals: Vec<(u64, WireId, Side)>,
}

impl Network {
    /// No connections yet.
    pub fn new(options: &Options, rng: fastrand::Rng) -> Network {
        Network {
            rng,
            delay: options.delay.clone(),
            chunk: options.chunk,
            small_pieces: options.small_pieces,
            rate: options.rate,
            capacity: options.capacity,
            wires: BTreeMap::new(),
            next: 0,
            blocked: BTreeMap::new(),
            lossy: BTreeMap::new(),
            rates: BTreeMap::new(),
            arrivals: Vec::new(),
        }
    }

    /// Connects two places.
    pub fn open(&mut self, caller: Place, server: Place) -> WireId {
        self.next += 1;
        let id = WireId(self.next);
        let pipes = [Pipe::default(), Pipe::default()];
        self.wires.insert(id, Wire { places: [caller, server], pipes, open: [true; 2] });
        id
    }

    /// Takes bytes from `side`; how many. What has no reader any more is taken and lost.
    pub fn write(&mut self, id: WireId, side: Side, bytes: &[u8]) -> usize {
        let reader = side.other();
        let Some(wire) = self.wires.get_mut(&id) else { return bytes.len() };
        let pipe = &mut wire.pipes[reader.index()];
        if pipe.ended || !wire.open[reader.index()] {
            return bytes.len();
        }
        let count = bytes.len().min(self.capacity.saturating_sub(pipe.bytes.len()));
        pipe.bytes.extend(&bytes[..count]);
        pipe.refused |= count < bytes.len();
        self.plan(id, reader);
        count
    }

    /// Closes a side. The other one gets what was written, and then the end.
    pub fn close(&mut self, id: WireId, side: Side) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.open[side.index()] = false;
        wire.pipes[side.index()] = Pipe { ended: true, ..Pipe::default() };
        wire.pipes[side.other().index()].ended = true;
        if wire.open == [false; 2] {
            self.wires.remove(&id);
        } else {
            self.plan(id, side.other());
        }
    }

    /// Breaks a connection: each side gets some of what was on its way, and then the end.
    pub fn cut(&mut self, id: WireId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        for pipe in &mut wire.pipes {
            let arrives = self.rng.usize(..=pipe.bytes.len());
            pipe.bytes.truncate(arrives);
            pipe.ended = true;
        }
        self.plan(id, Side::Caller);
        self.plan(id, Side::Server);
    }

    /// Breaks a connection so that one side is told, and the other one waits for ever.
    pub fn sever(&mut self, id: WireId, told: Side) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let pipe = &mut wire.pipes[told.index()];
        let arrives = self.rng.usize(..=pipe.bytes.len());
        pipe.bytes.truncate(arrives);
        pipe.ended = true;
        wire.pipes[told.other().index()].is_severed = true;
        self.plan(id, told);
    }

    /// What has arrived on a side.
    pub fn take(&mut self, id: WireId, side: Side) -> Arrival {
        let Some(wire) = self.wires.get_mut(&id) else { return Arrival::Nothing };
        let silent =
            self.blocked.contains_key(&(wire.places[side.other().index()], wire.places[side.index()]));
        let pipe = &mut wire.pipes[side.index()];
        pipe.planned = false;
        if silent || pipe.is_severed || pipe.unread || !wire.open[side.index()] {
            return Arrival::Nothing;
        }
        if pipe.bytes.is_empty() {
            return if pipe.ended { Arrival::End } else { Arrival::Nothing };
        }
        let most = if self.rng.u32(..self.small_pieces) == 0 { self.chunk } else { MOST };
        let rate = *self.rates.get(&wire.places[side.index()]).unwrap_or(&self.rate);
        // No piece takes longer than a second.
        let most_of_rate = if rate == 0 { MOST } else { usize::try_from(rate).unwrap_or(MOST) };
        let count = self.rng.usize(1..=most).min(most_of_rate).min(pipe.bytes.len());
        let bytes = pipe.take(count);
        let has_room = std::mem::take(&mut pipe.refused);
        let pause = match rate {
            0 => 0..=NEXT_PIECE,
            rate => {
                let micros = count as u64 * 1_000_000 / rate;
                micros..=micros
            }
        };
        self.plan_within(id, side, pause);
        Arrival::Bytes(bytes, has_room)
    }

    /// Reads nothing on a side, or reads it again.
    pub fn set_reading(&mut self, id: WireId, side: Side, reads: bool) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.pipes[side.index()].unread = !reads;
            self.plan(id, side);
        }
    }

    /// From now on pieces are as big as they come, and as fast, but for places that read slowly.
    pub fn flow_freely(&mut self) {
        (self.chunk, self.rate) = (MOST, 0);
    }

    /// A place reads so many bytes a second of each connection; `None` for as many as come.
    pub fn set_rate(&mut self, place: Place, rate: Option<u64>) {
        match rate {
            Some(rate) => drop(self.rates.insert(place, rate)),
            None => drop(self.rates.remove(&place)),
        }
    }

    /// The place at a side.
    pub fn place(&self, id: WireId, side: Side) -> Option<Place> {
        self.wires.get(&id).map(|wire| wire.places[side.index()])
    }

    /// Lets nothing pass from one place to another, until it is let through again.
    pub fn block(&mut self, from: Place, to: Place) {
        self.block_until(from, to, u64::MAX);
    }

    /// Lets nothing pass from one place to another until a time, if it is told then.
    pub fn block_until(&mut self, from: Place, to: Place, end: u64) {
        let until = self.blocked.entry((from, to)).or_default();
        *until = end.max(*until);
    }

    /// It is that time. Somebody else may want that nothing passes for longer.
    pub fn end_block(&mut self, from: Place, to: Place, now: u64) {
        if self.blocked.get(&(from, to)).is_some_and(|until| *until <= now) {
            self.unblock(from, to);
        }
    }

    /// Lets it pass again.
    pub fn unblock(&mut self, from: Place, to: Place) {
        self.blocked.remove(&(from, to));
        let held: Vec<(WireId, Side)> =
            self.wires.keys().flat_map(|id| [(*id, Side::Caller), (*id, Side::Server)]).collect();
        for (id, side) in held {
            self.plan(id, side);
        }
    }

    /// Loses so many of a hundred pieces from one place to another until a time, if it is told then. They come later.
    pub fn lose_until(&mut self, from: Place, to: Place, (percent, end): (u32, u64)) {
        let lossy = self.lossy.entry((from, to)).or_default();
        *lossy = (percent.max(lossy.0), end.max(lossy.1));
    }

    /// It is that time. Somebody else may want that pieces are lost for longer.
    pub fn end_loss(&mut self, from: Place, to: Place, now: u64) {
        if self.lossy.get(&(from, to)).is_some_and(|(_, until)| *until <= now) {
            self.lossy.remove(&(from, to));
        }
    }

    /// Lets everything pass again, at full speed.
    pub fn unblock_all(&mut self) {
        self.rates.clear();
        self.lossy.clear();
        for (from, to) in std::mem::take(&mut self.blocked).into_keys() {
            self.unblock(from, to);
        }
    }

    /// Whether requests and answers pass between two places.
    pub fn is_passable(&self, a: Place, b: Place) -> bool {
        !self.blocked.contains_key(&(a, b)) && !self.blocked.contains_key(&(b, a))
    }

    /// Whether something from a client is on its way.
    pub fn brings_requests(&self) -> bool {
        self.wires.values().any(|wire| {
            let [_, to_server] = &wire.pipes;
            matches!(wire.places[0], Place::Client(_)) && !to_server.bytes.is_empty() && !to_server.is_severed
        })
    }

    /// The connections that end at a place.
    pub fn wires_of(&self, place: Place) -> Vec<WireId> {
        let touches = |wire: &Wire| wire.places.contains(&place);
        self.wires.iter().filter(|(_, wire)| touches(wire)).map(|(id, _)| *id).collect()
    }

    /// All connections.
    pub fn wires(&self) -> Vec<WireId> {
        self.wires.keys().copied().collect()
    }

    /// Arrivals to be planned: in how many microseconds, and where.
    pub fn take_arrivals(&mut self) -> Vec<(u64, WireId, Side)> {
        std::mem::take(&mut self.arrivals)
    }

    fn plan(&mut self, id: WireId, side: Side) {
        self.plan_within(id, side, self.delay.clone());
    }

    fn plan_within(&mut self, id: WireId, side: Side, delay: RangeInclusive<u64>) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let way = (wire.places[side.other().index()], wire.places[side.index()]);
        let pipe = &mut wire.pipes[side.index()];
        let due = !pipe.bytes.is_empty() || pipe.ended;
        if due && !pipe.planned {
            pipe.planned = true;
            let micros = self.rng.u64(delay) + self.resends(way);
            self.arrivals.push((micros, id, side));
        }
    }

    /// How much later a piece comes since it was lost.
    fn resends(&mut self, way: (Place, Place)) -> u64 {
        let Some((percent, _)) = self.lossy.get(&way) else { return 0 };
        let lost = (0..MOST_RESENDS).take_while(|_| self.rng.u32(..100) < *percent).count();
        RESEND * ((1_u64 << lost) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> (Network, WireId) {
        let options = Options { chunk: 3, capacity: 10, ..Options::calm() };
        let mut network = Network::new(&options, fastrand::Rng::with_seed(1));
        let wire = network.open(Place::Client(0), Place::Node(0));
        (network, wire)
    }

    /// Everything that arrives at the server, and whether the end did.
    fn drain(network: &mut Network, wire: WireId) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            match network.take(wire, Side::Server) {
                Arrival::Bytes(bytes, _) => all.extend(bytes),
                Arrival::End => return (all, true),
                Arrival::Nothing => return (all, false),
            }
        }
    }

    #[test]
    fn bytes_arrive_in_order_and_before_the_end() {
        let (mut network, wire) = network();
        assert_eq!(network.write(wire, Side::Caller, b"abcdefg"), 7);
        network.close(wire, Side::Caller);
        assert_eq!(drain(&mut network, wire), (b"abcdefg".to_vec(), true));
    }

    #[test]
    fn a_full_connection_takes_no_more() {
        let (mut network, wire) = network();
        assert_eq!(network.write(wire, Side::Caller, &[7; 25]), 10);
        let Arrival::Bytes(bytes, has_room) = network.take(wire, Side::Server) else {
            panic!("it has bytes")
        };
        assert!(has_room, "the writer is told");
        assert_eq!(network.write(wire, Side::Caller, &[7; 25]), bytes.len());
    }

    #[test]
    fn silence_holds_bytes_and_the_end_back() {
        let (mut network, wire) = network();
        network.block(Place::Client(0), Place::Node(0));
        network.write(wire, Side::Caller, b"abc");
        network.close(wire, Side::Caller);
        assert_eq!(drain(&mut network, wire), (vec![], false));
        network.unblock_all();
        assert_eq!(drain(&mut network, wire), (b"abc".to_vec(), true));
    }

    #[test]
    fn half_a_cut_is_told_to_one_side_only() {
        let (mut network, wire) = network();
        network.write(wire, Side::Caller, b"abc");
        network.sever(wire, Side::Caller);
        assert_eq!(drain(&mut network, wire), (vec![], false), "the server waits");
        assert_eq!(network.take(wire, Side::Caller), Arrival::End);
        network.close(wire, Side::Caller);
        assert_eq!(drain(&mut network, wire), (vec![], false), "and goes on to wait");
    }

    #[test]
    fn a_slow_reader_gets_the_next_piece_later() {
        let (mut network, wire) = network();
        network.set_rate(Place::Node(0), Some(2));
        network.write(wire, Side::Caller, b"abcdefgh");
        network.take_arrivals();
        let Arrival::Bytes(bytes, _) = network.take(wire, Side::Server) else { panic!("it has bytes") };
        let pause = bytes.len() as u64 * 500_000;
        assert_eq!(network.take_arrivals(), [(pause, wire, Side::Server)]);
    }

    #[test]
    fn what_is_lost_comes_later() {
        let (mut network, wire) = network();
        network.lose_until(Place::Client(0), Place::Node(0), (100, 9));
        network.write(wire, Side::Caller, b"abc");
        let late = network.take_arrivals()[0].0;
        assert!(late >= 63 * RESEND, "{late}");
        assert_eq!(drain(&mut network, wire), (b"abc".to_vec(), false));
        network.end_loss(Place::Client(0), Place::Node(0), 9);
        network.take_arrivals();
        network.write(wire, Side::Caller, b"abc");
        assert!(network.take_arrivals()[0].0 < RESEND);
    }

    #[test]
    fn a_cut_loses_a_tail() {
        let (mut network, wire) = network();
        network.write(wire, Side::Caller, b"abcdefgh");
        network.cut(wire);
        let (bytes, ended) = drain(&mut network, wire);
        assert!(b"abcdefgh".starts_with(&bytes));
        assert!(ended);
    }
}
