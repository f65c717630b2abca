//! The thread that drops what nobody needs any more, and then sees to it that the system gets memory back.
//!
//! Clients decide how often there is something to drop, so it is one thread for all of it. Memory that was freed
//! stays with the allocator, which may soon need it again; once much of it has stayed free for a while it is given
//! back, from here, since that takes time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use slipstream_engine::Discarded;

use crate::jobs::spawn;
use crate::{allocator, memory};

/// How often memory in use is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Less than this is not worth giving back.
const WORTHWHILE: usize = 8 << 20;

/// Drops data away from the executor.
#[derive(Debug)]
pub struct Reclaimer(Sender<Box<Discarded>>);

impl Reclaimer {
    /// Starts the thread; it ends with the reclaimer.
    pub fn start() -> Reclaimer {
        let (sender, receiver) = channel();
        spawn("reclaim", move || run(&receiver));
        Reclaimer(sender)
    }

    /// Drops `data` soon.
    pub fn drop(&self, data: Box<Discarded>) {
        self.0.send(data).expect("the thread lives as long as this");
    }
}

fn run(receiver: &Receiver<Box<Discarded>>) {
    let mut level = Level::default();
    let mut looked = Instant::now();
    loop {
        match receiver.recv_timeout(PERIOD) {
            Ok(data) => drop(data),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if looked.elapsed() >= PERIOD {
            if level.fell(memory::used()) {
                allocator::give_back();
            }
            looked = Instant::now();
        }
    }
}

/// Memory in use as it was at its highest since some was last given back, and as it was at the last look.
#[derive(Debug, Default)]
struct Level {
    highest: usize,
    last: usize,
}

impl Level {
    /// Whether `used` is well below what it was, and not falling further.
    fn fell(&mut self, used: usize) -> bool {
        let falling = used + WORTHWHILE < self.last;
        self.last = used;
        self.highest = self.highest.max(used);
        let fell = self.highest - used > WORTHWHILE.max(self.highest / 8) && !falling;
        if fell {
            self.highest = used;
        }
        fell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_it_has_stopped_falling() {
        const MIB: usize = 1 << 20;
        let mut level = Level::default();
        for (used, fell) in [
            (100, false),
            (95, false),
            (50, false),
            (20, false),
            (20, true),
            (20, false),
            (30, false),
            (20, false),
            (20, true),
            (2000, false),
            (1900, false),
            (1900, false),
            (1700, false),
            (1700, true),
        ] {
            assert_eq!(level.fell(used * MIB), fell, "{used}");
        }
    }
}
