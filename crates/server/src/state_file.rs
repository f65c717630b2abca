//! The thread that writes the state file, and how it is read at the start.
//!
//! One thread for all of it, so that an older text never replaces a newer one. What it has not begun to write
//! gives way to what came later. Errors are reported; nothing else depends on them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use slipstream_engine::state::MAX_STATE_LEN;

use crate::jobs::{Report, Reporter, spawn};
use crate::kernel::Claim;
use crate::process::replace_file;

/// Writes the state file away from the executor.
#[derive(Debug)]
pub(crate) struct StateFile(Sender<Order>);

#[derive(Debug)]
enum Order {
    Replace(PathBuf, Vec<u8>),
    Finish(Sender<()>),
}

impl StateFile {
    /// Starts the thread; it ends with the value.
    pub(crate) fn start(reporter: Reporter) -> StateFile {
        let (sender, orders) = channel();
        spawn(("state-file", Claim::Background), move || run(&orders, &reporter));
        StateFile(sender)
    }

    /// Replaces the file soon; the outcome is reported.
    pub(crate) fn replace(&self, path: PathBuf, content: Vec<u8>) {
        self.0.send(Order::Replace(path, content)).expect("the thread lives as long as this");
    }

    /// The process ends: waits until all is written.
    pub(crate) fn finish(self) {
        let (done, wait) = channel();
        self.0.send(Order::Finish(done)).expect("the thread lives as long as this");
        // A thread that panicked has said so.
        wait.recv().ok();
    }
}

fn run(orders: &Receiver<Order>, reporter: &Reporter) {
    while let Ok(order) = orders.recv() {
        let mut newest = None;
        for order in std::iter::once(order).chain(orders.try_iter()) {
            match order {
                Order::Replace(path, content) => newest = Some((path, content)),
                Order::Finish(done) => {
                    replace(newest.take(), reporter);
                    // Whoever asked has not stopped to wait.
                    done.send(()).ok();
                }
            }
        }
        replace(newest, reporter);
    }
}

fn replace(newest: Option<(PathBuf, Vec<u8>)>, reporter: &Reporter) {
    let Some((path, content)) = newest else { return };
    let result = replace_file(&path, &content).map_err(|error| format!("{}: {error}", path.display()));
    reporter.report(Report::KeptState(result));
}

/// The content of the state file in the current folder; `None` if there is none.
pub(crate) fn read(name: &str) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| error.to_string())?,
    };
    let mut content = Vec::new();
    let length = file.take(MAX_STATE_LEN + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if length as u64 > MAX_STATE_LEN {
        Err("it is too long for a state file".to_owned())
    } else {
        Ok(Some(content))
    }
}
