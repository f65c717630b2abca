//! The thread that drops what nobody needs any more, and sees to it that the system gets memory back.
//!
//! Clients decide how often there is something to drop, so it is one thread for all of it. Pages that became empty
//! on any thread stay with the allocator, which may soon need them again; four times a second those that are still
//! empty are given back from here, since that takes time which the executor does not have. What is late here costs
//! memory, so this thread gets its share of a busy processor as jobs do.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use slipstream_engine::Discarded;

use crate::allocator;
use crate::jobs::spawn;
use crate::kernel::Claim;

/// How often empty pages are given back.
const PERIOD: Duration = Duration::from_millis(250);

/// Drops data away from the executor.
#[derive(Debug)]
pub struct Reclaimer(Sender<Box<Discarded>>);

impl Reclaimer {
    /// Starts the thread; it ends with the reclaimer.
    pub fn start() -> Reclaimer {
        let (sender, receiver) = channel();
        spawn(("reclaim", Claim::Background), move || run(&receiver));
        Reclaimer(sender)
    }

    /// Drops `data` soon.
    pub fn drop(&self, data: Box<Discarded>) {
        self.0.send(data).expect("the thread lives as long as this");
    }
}

fn run(receiver: &Receiver<Box<Discarded>>) {
    let mut given_back = Instant::now();
    loop {
        match receiver.recv_timeout(PERIOD) {
            Ok(data) => drop(data),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if given_back.elapsed() >= PERIOD {
            allocator::give_back();
            given_back = Instant::now();
        }
    }
}
