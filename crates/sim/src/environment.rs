//! What all nodes and clients share: time, chance, the network, and what is still to happen.
//!
//! Events at the same time happen in the order in which they were planned, so nothing depends on anything
//! but the seed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use slipstream_engine::aof::Report;
use slipstream_engine::{Digested, LoadedData, SessionId};
use slipstream_sentinel::Version;

use crate::host::Time;
use crate::network::{Network, Place, Side, WireId};
use crate::options::Options;
use crate::story::Story;

/// Something that happens at its time.
#[derive(Debug)]
pub enum Event {
    /// Bytes, or the end of a connection, come to one side of it.
    Arrive(WireId, Side),
    /// A request for a connection comes to a node.
    Knock {
        /// Who asks.
        from: Place,
        /// Which of its attempts; an earlier one is given up.
        attempt: u64,
        /// The node.
        to: usize,
    },
    /// There will be no connection.
    Refused {
        /// Who asked.
        from: Place,
        /// Which of its attempts.
        attempt: u64,
        /// Whether the machine said so, and not the end of patience.
        is_answer: bool,
    },
    /// Something within a node, if it still lives that life.
    Inside {
        /// The node.
        node: usize,
        /// Its life.
        life: u32,
        /// What.
        what: Inside,
    },
    /// It happens to a node that stands still, once it goes on.
    Held(usize, Box<Event>),
    /// A node starts again.
    Start(usize),
    /// A client does something.
    Client(usize),
    /// The network lets nothing pass in this direction, for so long.
    Block(Place, Place, u64),
    /// The network lets bytes pass again in this direction, unless something else is in the way.
    Unblock(Place, Place),
    /// Nothing is lost between two places any more.
    EndLoss(Place, Place),
    /// A node reads as fast as bytes come again.
    FullSpeed(usize),
    /// The operator tells a node whom to follow.
    Order(usize, Option<usize>),
    /// The operator tells a node whom it is meant to follow by then.
    Remind(usize),
    /// The operator sends a node a command.
    Command(usize, &'static str),
    /// Time for the next fault.
    Fault,
}

/// What happens within a node.
#[derive(Debug)]
pub enum Inside {
    /// Its deadline.
    Wake,
    /// The snapshot of this number is to be written.
    Save(u64, Vec<u8>),
    /// It is, or why not.
    Saved(u64, Result<(), String>),
    /// The writer of the append-only file looks at what there is to do.
    AofTurn,
    /// It tells something.
    AofReport(Report),
    /// Somebody may wait for what it told.
    AofWake,
    /// The base before the increment of this number is to be written there.
    AofBase(u64, PathBuf, Vec<u8>),
    /// It is, of so many bytes, or why not.
    AofBaseWritten(u64, Result<u64, String>),
    /// More of an append-only file is applied.
    LogLoadTurn,
    /// The file is loaded.
    LoadedFile(Result<Option<Box<LoadedData>>, String>),
    /// A full sync is loaded; which one.
    LoadedSync(u64, Result<Box<LoadedData>, String>),
    /// Some of that full sync is decoded.
    LoadProgress(u64),
    /// A spool wants to forget what has been taken of it, perhaps since the disk takes no more.
    SyncOutgrown(u64, Option<String>),
    /// A spool is complete, with so many bytes.
    SyncEncoded(u64, u64),
    /// A snapshot is digested.
    Digested(Box<Digested>),
    /// The next piece of a snapshot may go out to a replica.
    SendPiece(SessionId),
    /// A snapshot went out to a replica's socket, or did not.
    SyncSent(SessionId, Result<(), String>),
    /// What was ordered first is done with the log's files.
    DiskTurn,
    /// Blocks of the log are read for a replica.
    DiskRead(SessionId),
    /// A file is to be written.
    KeepFile(String, Vec<u8>),
    /// It is, or why not.
    KeptFile(Result<(), String>),
    /// What is due of the state file is to be written.
    KeepState,
    /// It is, or why not.
    KeptState(Result<(), String>),
    /// A sentinel's state is to be written.
    KeepVotes,
    /// It is, or why not.
    KeptVotes(Version, Result<(), String>),
}

/// What all nodes and clients share.
#[derive(Debug)]
pub struct Environment {
    /// Microseconds since the world began.
    pub time: Time,
    /// The source of all chance.
    pub rng: fastrand::Rng,
    /// The settings.
    pub options: Options,
    /// The connections.
    pub network: Network,
    /// What happened.
    pub story: Story,
    agenda: BTreeMap<(u64, u64), Event>,
    planned: u64,
}

impl Environment {
    /// At the beginning of time.
    pub fn new(options: Options, mut rng: fastrand::Rng) -> Environment {
        Environment {
            time: Time::default(),
            network: Network::new(&options, rng.fork()),
            rng,
            options,
            story: Story::default(),
            agenda: BTreeMap::new(),
            planned: 0,
        }
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.time.get()
    }

    /// A length of time.
    pub fn draw(&mut self, range: &RangeInclusive<u64>) -> u64 {
        self.rng.u64(range.clone())
    }

    /// Plans an event so many microseconds from now.
    pub fn after(&mut self, micros: u64, event: Event) {
        self.planned += 1;
        self.agenda.insert((self.now() + micros, self.planned), event);
    }

    /// A node goes on before its time: what happens to it then happens now.
    pub fn release(&mut self, node: usize) {
        let is_held = |event: &Event| matches!(event, Event::Held(held, _) if *held == node);
        let held: Vec<(u64, u64)> =
            self.agenda.iter().filter(|(_, event)| is_held(event)).map(|(key, _)| *key).collect();
        for key in held {
            let event = self.agenda.remove(&key).expect("it was there");
            self.after(0, event);
        }
    }

    /// Lets nothing pass from one place to another for so many microseconds.
    pub fn silence(&mut self, from: Place, to: Place, length: u64) {
        self.network.block_until(from, to, self.now() + length);
        self.after(length, Event::Unblock(from, to));
    }

    /// Loses so many of a hundred pieces from one place to another for so many microseconds.
    pub fn lose(&mut self, from: Place, to: Place, (percent, length): (u32, u64)) {
        self.network.lose_until(from, to, (percent, self.now() + length));
        self.after(length, Event::EndLoss(from, to));
    }

    /// Plans an event after the time that bytes travel.
    pub fn after_delay(&mut self, event: Event) {
        let delay = self.draw(&self.options.delay.clone());
        self.after(delay, event);
    }

    /// The next event that happens no later than `until`; time moves on to it.
    pub fn next(&mut self, until: u64) -> Option<Event> {
        for (micros, wire, side) in self.network.take_arrivals() {
            self.after(micros, Event::Arrive(wire, side));
        }
        let entry = self.agenda.first_entry().filter(|entry| entry.key().0 <= until)?;
        self.time.set(self.time.get().max(entry.key().0));
        Some(entry.remove())
    }

    /// Adds a line to the story.
    pub fn tell(&self, who: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.story.tell(self.now(), who, what);
    }
}
