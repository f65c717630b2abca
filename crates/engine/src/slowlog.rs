//! SLOWLOG: the slowest commands of late.
//!
//! A bounded list, newest first. Arguments are kept up to a bound in number and
//! length, with a note of how much was left out.

use std::collections::VecDeque;

use slipstream_resp::Args;

use crate::host::Clock;
use crate::session::Session;

/// Most arguments kept of one command, and most bytes of one argument.
const MAX_ARGS: usize = 32;
const MAX_ARG_LEN: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct SlowCommand {
    /// Its number since the start.
    pub id: u64,
    /// When it ran, in seconds since 1970.
    pub unix_seconds: i64,
    /// How long it took.
    pub micros: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// Its client's address and name.
    pub client: (String, Vec<u8>),
}

/// The slowest commands of late, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    entries: VecDeque<SlowCommand>,
    next: u64,
}

impl SlowLog {
    /// Adds a command that took `micros` and ended at `clock`.
    pub fn record(&mut self, session: &Session, args: Args<'_>, micros: u64, clock: Clock) {
        self.entries.push_front(SlowCommand {
            id: self.next,
            unix_seconds: clock.unix_micros.div_euclid(1_000_000),
            micros,
            args: shorten(args),
            client: (session.peer.to_string(), session.name.clone()),
        });
        self.next += 1;
    }

    /// Drops the oldest beyond `max`.
    pub fn shorten(&mut self, max: usize) {
        self.entries.truncate(max);
    }

    /// All, newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &SlowCommand> {
        self.entries.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn shorten(args: Args<'_>) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > MAX_ARGS { MAX_ARGS - 1 } else { count };
    let mut short: Vec<Vec<u8>> = args.iter().take(kept).map(shorten_one).collect();
    if kept < count {
        short.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    short
}

fn shorten_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= MAX_ARG_LEN {
        return arg.to_vec();
    }
    let more = format!("... ({} more bytes)", arg.len() - MAX_ARG_LEN);
    [&arg[..MAX_ARG_LEN], more.as_bytes()].concat()
}
