//! `slipstream playground`: a primary, two replicas and three sentinels to watch, as real processes on loopback.
//!
//! Owns everything it starts: the processes, their ports and one temporary folder, all of which are gone however
//! it ends. Talks to the nodes as any client does and never reaches into a server.
//!
//! Read next: [`story`] for what happens, [`stage`] for what it happens on.

mod options;
pub(crate) mod tether;

mod cluster;
mod forwarder;
mod node;
mod reading;
mod sentinel;

mod interrupts;
mod load;
mod screen;
mod table;
mod trial;
mod whereabouts;

mod failovers;
mod stage;
mod story;
mod verdict;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use signal_hook::consts::SIGPIPE;

use options::{CommandLine, Options};
use stage::Stage;

/// Why a performance ends before its verdict.
#[derive(Debug, PartialEq, Eq)]
enum Halt {
    /// Somebody wants it to end: the number of the signal.
    Signal(i32),
    /// It does not go as the story says.
    Failure(String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever read the output has seen enough, as `head` has. Only writing to it meets this error.
            io::ErrorKind::BrokenPipe => Halt::Signal(SIGPIPE),
            _ => Halt::Failure(error.to_string()),
        }
    }
}

/// Plays; returns the process's exit status: 0 when all copies end equal, 1 when they do not or the story fails,
/// 2 for a wrong command line, 128 and the signal's number when it was ended in the middle.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    match options::parse(arguments) {
        CommandLine::Help => tell(io::stdout(), options::USAGE.trim_end(), 0),
        CommandLine::Refused(reason) => tell(io::stderr(), reason, 2),
        CommandLine::Play(options) => match play(&options) {
            Ok(status) => status,
            Err(Halt::Signal(number)) => {
                tell(io::stderr(), "Ended before the copies were compared.", 128 + number)
            }
            Err(Halt::Failure(reason)) => tell(io::stderr(), reason, 1),
        },
    }
}

fn play(options: &Options) -> Result<i32, Halt> {
    let mut stage = Stage::build(options)?;
    let played = story::play(&mut stage, options).and_then(|()| verdict::reach(&mut stage));
    let ended = match played {
        Ok(verdict) => {
            let status = verdict.exit_status();
            verdict.lines().iter().try_for_each(|line| stage.say(line))?;
            Ok(status)
        }
        Err(Halt::Failure(reason)) => Err(Halt::Failure(format!("{reason}\n{}", stage.logs()))),
        Err(signal) => Err(signal),
    };
    stage.clear()?;
    ended
}

/// A last word. Nobody is left to be told that it cannot be written.
fn tell(mut to: impl Write, text: impl fmt::Display, status: i32) -> i32 {
    writeln!(to, "{text}").unwrap_or_default();
    status
}
