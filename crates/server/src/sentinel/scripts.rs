//! Scripts of an operator: processes, each with a thread that waits for its end.
//!
//! A script inherits the environment and descriptors 0 to 2, and no other: everything this process opens closes when
//! another program takes over. A script is killed by its number only while that is still its own: as long as nobody
//! has taken note of its end, the system gives the number to nobody else.

use std::io;
use std::path::absolute;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use slipstream_sentinel::{Event, ScriptEnd};

use super::News;
use super::opening::words;
use crate::jobs::{Report, Reporter, spawn_or_report};
use crate::kernel::Claim;
use crate::numbered::NumberedMap;

/// Scripts that run at a time.
const MOST_RUNNING: usize = 16;

/// Those that run.
#[derive(Debug)]
pub(super) struct Scripts {
    reporter: Reporter,
    running: NumberedMap<u64, Arc<Mutex<Script>>>,
}

/// Where a script is.
#[derive(Debug)]
enum Script {
    /// Its thread has not started it yet.
    Ordered,
    /// It is to end before it has begun.
    Unwanted,
    /// It runs, or has ended and nobody has taken note.
    Running(Child),
    /// It is over.
    Ended,
}

impl Scripts {
    pub(super) fn new(reporter: Reporter) -> Scripts {
        Scripts { reporter, running: NumberedMap::default() }
    }

    /// Starts a script; its end is reported.
    pub(super) fn run(&mut self, number: u64, path: String, arguments: Vec<String>) -> Option<Event<'static>> {
        if self.running.len() >= MOST_RUNNING {
            let reason = format!("{MOST_RUNNING} scripts run already");
            return Some(Event::ScriptEnded(number, ScriptEnd::NotStarted(reason)));
        }
        let script = Arc::new(Mutex::new(Script::Ordered));
        self.running.insert(number, Arc::clone(&script));
        let ended = move |end| Report::Sentinel(News::ScriptEnded(number, end));
        let failed = move |reason| ended(ScriptEnd::NotStarted(reason));
        // As much of the processor as this process has: the script inherits it.
        spawn_or_report(("sentinel-script", Claim::Full), self.reporter.clone(), failed, move |reporter| {
            let end = live(&script, &path, &arguments);
            reporter.report(ended(end.unwrap_or_else(|error| ScriptEnd::NotStarted(words(&error)))));
        });
        None
    }

    /// Ends a script; that is reported as its end.
    pub(super) fn kill(&mut self, number: u64) {
        let Some(script) = self.running.get(&number) else { return };
        let mut script = lock(script);
        match &mut *script {
            Script::Ordered => *script = Script::Unwanted,
            // One that has ended by itself is as good.
            Script::Running(child) => child.kill().unwrap_or_default(),
            Script::Unwanted | Script::Ended => {}
        }
    }

    /// A script has ended.
    pub(super) fn forget(&mut self, number: u64) {
        self.running.remove(&number);
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    // Each state is whole whatever happened to a thread that held it.
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From start to end.
fn live(script: &Mutex<Script>, path: &str, arguments: &[String]) -> io::Result<ScriptEnd> {
    let id = {
        let mut state = lock(script);
        if matches!(*state, Script::Unwanted) {
            return Err(io::Error::other("it was ended before it began"));
        }
        // The path is one: it is not searched for.
        let child = Command::new(absolute(path)?).args(arguments).spawn()?;
        let id = child.id();
        *state = Script::Running(child);
        id
    };
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("the system's numbers are that small");
    // Its end is awaited without the lock, and taken note of with it.
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let Script::Running(mut child) = std::mem::replace(&mut *lock(script), Script::Ended) else {
        unreachable!("only this ends it")
    };
    let status = child.wait()?;
    Ok(match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => ScriptEnd::Status(code),
        (None, signal) => ScriptEnd::Signal(signal.unwrap_or(0)),
    })
}
