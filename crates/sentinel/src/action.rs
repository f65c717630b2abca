//! What happens to a sentinel, and what it wants done.
//! The only words between the machine and whoever carries them out: the shell, or a simulator.

use slipstream_replication::Level;

use crate::Address;

/// Names one attempt to connect and the connection it becomes; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// Counts what is to be on disk: a version holds all that the ones before it held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// Why a connection is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The host answered that nobody listens: the process is gone.
    Refused,
    /// The connection was closed or reset by the other side.
    Closed,
    /// Anything else, in the system's words: no route, no such name, too late.
    Other(String),
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Time passed: [`crate::Sentinel::deadline`] is reached.
    Tick,
    /// A connection is there: this end's number, and the other's.
    Connected {
        /// Which.
        line: LineId,
        /// The number by which the other side sees this host.
        local: String,
        /// The number that the other side's host stands for now.
        remote: String,
    },
    /// A connection did not come, or is no more.
    Failed(LineId, Failure),
    /// What a name stands for, as numbers; none if that could not be found.
    Named(String, Vec<String>),
    /// Bytes came.
    Received(LineId, &'a [u8]),
    /// What was to be stored is on disk, and so is all before it; or it could not be stored.
    Stored(Version, Result<(), String>),
    /// A script runs, as this process.
    ScriptStarted(u64, u32),
    /// A script ended.
    ScriptEnded(u64, ScriptEnd),
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started, in the system's words.
    NotStarted(String),
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look the host up, off the loop, and connect: [`Event::Connected`] or [`Event::Failed`].
    Connect(LineId, Address),
    /// Look a host's name up, off the loop: [`Event::Named`].
    LookUp(String),
    /// Send bytes.
    Send(LineId, Vec<u8>),
    /// Close, or give up connecting; nothing is told of this line any more.
    Close(LineId),
    /// Write [`crate::Sentinel::state_lines`] as they are now, so that a crash leaves the old or the new: then
    /// [`Event::Stored`].
    Store(Version),
    /// Tell whoever listens to this channel of this sentinel.
    Publish {
        /// The event's name.
        channel: &'static str,
        /// Its payload.
        message: String,
    },
    /// A line for the log.
    Log(Level, String),
    /// Start a script: [`Event::ScriptStarted`] if that succeeds, and [`Event::ScriptEnded`] in any case.
    RunScript {
        /// Names this run.
        number: u64,
        /// The program's path.
        path: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// End a script that has run for too long.
    KillScript(u64),
    /// The process is to end at once, without a word: SENTINEL SIMULATE-FAILURE.
    Crash,
}
