//! What all parts of a sentinel share: the moment, the actions, the lines, chance, and what is to be on disk.
//! Whoever changes a group has this beside it, so that every step can say what it wants done.

use std::collections::BTreeMap;

use slipstream_replication::{Level, Moment};

use crate::action::{Action, LineId};
use crate::durability::Durability;
use crate::extent::Limits;
use crate::line;
use crate::names::Names;
use crate::options::{Globals, Timings};
use crate::scripts::Scripts;
use crate::tilt::Tilt;
use crate::unfinished::Unfinished;

/// Whose a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The commands of a server of a group.
    Commands(String, u64),
    /// The messages of a server of a group.
    Messages(String, u64),
    /// Another sentinel.
    Peer(String),
}

impl Owner {
    /// How much of one reply is taken.
    pub(crate) fn limits(&self) -> Limits {
        match self {
            Owner::Commands(..) => line::OF_SERVERS,
            Owner::Messages(..) => line::OF_MESSAGES,
            Owner::Peer(_) => line::OF_SENTINELS,
        }
    }
}

/// SENTINEL SIMULATE-FAILURE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulated {
    /// End the process once elected.
    pub(crate) crash_after_election: bool,
    /// End the process once a replica is promoted.
    pub(crate) crash_after_promotion: bool,
}

/// The shared part.
#[derive(Debug)]
pub(crate) struct Core {
    /// The moment of the event that is handled.
    pub(crate) now: Moment,
    /// What it leads to.
    pub(crate) actions: Vec<Action>,
    /// This sentinel's id: 40 hexadecimal digits.
    pub(crate) id: String,
    /// The highest epoch that was seen.
    pub(crate) epoch: u64,
    pub(crate) globals: Globals,
    pub(crate) timings: Timings,
    pub(crate) lines: BTreeMap<LineId, Owner>,
    pub(crate) unfinished: Unfinished,
    pub(crate) names: Names,
    pub(crate) durability: Durability,
    pub(crate) scripts: Scripts,
    pub(crate) tilt: Tilt,
    pub(crate) simulated: Simulated,
    pub(crate) rng: fastrand::Rng,
    /// When something is due next.
    pub(crate) alarm: Moment,
    next_number: u64,
}

impl Core {
    pub(crate) fn new(now: Moment, id: String, globals: Globals, rng: fastrand::Rng) -> Core {
        Core {
            now,
            actions: Vec::new(),
            id,
            epoch: 0,
            globals,
            timings: Timings::default(),
            lines: BTreeMap::new(),
            unfinished: Unfinished::default(),
            names: Names::default(),
            durability: Durability::default(),
            scripts: Scripts::default(),
            tilt: Tilt::default(),
            simulated: Simulated::default(),
            rng,
            alarm: now,
            next_number: 1,
        }
    }

    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// A line is no more; whose it was.
    pub(crate) fn forget_line(&mut self, id: LineId) -> Option<Owner> {
        self.unfinished.forget(id);
        self.lines.remove(&id)
    }

    /// Whether a moment has come. If it has not, the machine is woken then.
    pub(crate) fn is_due(&mut self, at: Moment) -> bool {
        let is_due = self.now >= at;
        if !is_due {
            self.alarm = self.alarm.min(at);
        }
        is_due
    }

    pub(crate) fn log(&mut self, level: Level, text: impl Into<String>) {
        self.actions.push(Action::Log(level, text.into()));
    }

    pub(crate) fn send(&mut self, line: LineId, words: &[&str]) {
        let mut bytes = Vec::new();
        slipstream_resp::encode_request(&mut bytes, words.iter().map(|word| word.as_bytes()));
        // What goes to one line at once is one piece.
        if let Some(Action::Send(last, before)) = self.actions.last_mut()
            && *last == line
        {
            before.extend_from_slice(&bytes);
        } else {
            self.actions.push(Action::Send(line, bytes));
        }
    }
}
