//! Notification and reconfiguration scripts: a queue with a bound, a few at a time, tried again where they ask for it.
//!
//! Facts of Redis: at most 256 wait and 16 run; a script that ends with status 1 or by a signal is tried up to ten
//! times, each time after twice the delay; any other status ends it; one that runs too long is killed.

use std::collections::VecDeque;

use slipstream_replication::{Level, Moment};

use crate::action::{Action, ScriptEnd};
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
    /// Attempts that were begun.
    pub(crate) attempts: u32,
    /// Its process while it runs, as far as that is known.
    pub(crate) process: u32,
    /// It was told to end.
    pub(crate) is_killed: bool,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) queue: VecDeque<Script>,
}

impl Scripts {
    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.queue.iter().filter(|script| script.running_since.is_some()).count()
    }

    fn find(&mut self, number: u64) -> Option<&mut Script> {
        self.queue.iter_mut().find(|script| script.number == number && script.running_since.is_some())
    }
}

impl Core {
    /// A script is to run, when its turn comes.
    pub(crate) fn schedule_script(&mut self, path: &str, arguments: Vec<String>) {
        let script = Script {
            number: 0,
            path: path.to_owned(),
            arguments,
            running_since: None,
            due: self.now,
            attempts: 0,
            process: 0,
            is_killed: false,
        };
        let queue = &mut self.scripts.queue;
        queue.push_back(script);
        if queue.len() > MOST_QUEUED
            && let Some(oldest) = queue.iter().position(|script| script.running_since.is_none())
        {
            queue.remove(oldest);
        }
    }

    /// Ends those that run for too long, and starts those whose turn it is.
    pub(crate) fn run_scripts(&mut self) {
        self.kill_late_scripts();
        let mut free = MOST_RUNNING.saturating_sub(self.scripts.running());
        for index in 0..self.scripts.queue.len() {
            let script = &self.scripts.queue[index];
            let (is_running, due) = (script.running_since.is_some(), script.due);
            if free == 0 || is_running || !self.is_due(due) {
                continue;
            }
            free -= 1;
            self.start_script(index);
        }
        self.wake_for_late_scripts();
    }

    fn start_script(&mut self, index: usize) {
        let (number, now) = (self.number(), self.now);
        let script = &mut self.scripts.queue[index];
        script.number = number;
        script.running_since = Some(now);
        script.attempts += 1;
        let (path, arguments) = (script.path.clone(), script.arguments.clone());
        self.actions.push(Action::RunScript { number, path, arguments });
    }

    fn kill_late_scripts(&mut self) {
        let (now, longest) = (self.now, self.timings.script_max_runtime);
        let is_late = |script: &&mut Script| {
            !script.is_killed && script.running_since.is_some_and(|since| now.ms_since(since) > longest)
        };
        let mut late = Vec::new();
        for script in self.scripts.queue.iter_mut().filter(is_late) {
            script.is_killed = true;
            late.push((script.number, format!("{} {}", script.path, script.process)));
        }
        for (number, message) in late {
            self.notify(Level::Warning, "-script-timeout", message, "");
            self.actions.push(Action::KillScript(number));
        }
    }

    fn wake_for_late_scripts(&mut self) {
        let longest = self.timings.script_max_runtime;
        let running = self.scripts.queue.iter().filter(|script| !script.is_killed);
        let next = running.filter_map(|script| script.running_since).min();
        if let Some(since) = next {
            self.is_due(since.after_ms(longest + 1));
        }
    }

    /// A script runs, as this process.
    pub(crate) fn on_script_started(&mut self, number: u64, process: u32) {
        if let Some(script) = self.scripts.find(number) {
            script.process = process;
            self.notify(Level::Debug, "+script-child", process.to_string(), "");
        }
    }

    /// A script is over: it is tried again if it asks for that, or was ended.
    pub(crate) fn on_script_ended(&mut self, number: u64, end: &ScriptEnd) {
        let (now, delay) = (self.now, self.timings.script_retry_delay);
        let Some(script) = self.scripts.find(number) else { return };
        let (status, signal) = match end {
            ScriptEnd::Status(status) => (*status, 0),
            ScriptEnd::Signal(signal) => (0, *signal),
            // As Redis tells it.
            ScriptEnd::NotStarted(_) => (0, 99),
        };
        let (path, process) = (script.path.clone(), script.process);
        let wants_again = match end {
            ScriptEnd::Status(status) => *status == 1,
            ScriptEnd::Signal(_) => true,
            ScriptEnd::NotStarted(_) => false,
        };
        let is_again = wants_again && script.attempts < MOST_ATTEMPTS;
        script.running_since = None;
        script.is_killed = false;
        script.process = 0;
        script.due = now.after_ms(delay.saturating_mul(1 << (script.attempts - 1)));
        if !is_again {
            self.scripts.queue.retain(|script| script.number != number);
        }
        match end {
            ScriptEnd::NotStarted(reason) => {
                self.log(Level::Warning, format!("The script {path} cannot be started: {reason}"));
            }
            _ => self.notify(Level::Debug, "-script-child", format!("{process} {status} {signal}"), ""),
        }
        if !is_again && (status, signal) != (0, 0) {
            self.notify(Level::Warning, "-script-error", format!("{path} {signal} {status}"), "");
        }
    }
}

#[cfg(test)]
mod tests;
