//! Time per operation, and the longest operation among many.
//!
//! A clock costs as much as a small operation, so it is read once for a few of them: [`LOT`] operations in a row are
//! taken together, and the longest lot stands for the longest operation. It is told twice: by the clock on the wall,
//! which also counts what else the machine does, and by the time that the thread spent on a processor.
//!
//! Names of keys and elements are written before the clock is started, a batch at a time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Operations between two looks at the clock, when the longest is looked for.
const LOT: usize = 8;
/// Names written ahead: few enough to stay in the processor's cache.
const BATCH: usize = 1024;
/// An order in which consecutive numbers are far apart: a prime that divides no count used here.
const STEP: usize = 7_654_321;

/// What a run of operations took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    operations: usize,
    time: Duration,
    longest: Duration,
    longest_on_processor: Duration,
}

impl Taken {
    pub(crate) fn nanos(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / count(self.operations)
    }

    pub(crate) fn total_nanos(&self) -> f64 {
        self.time.as_secs_f64() * 1e9
    }

    pub(crate) fn rate(&self) -> f64 {
        count(self.operations) / self.time.as_secs_f64()
    }

    pub(crate) fn longest_micros(&self) -> [f64; 2] {
        [self.longest, self.longest_on_processor].map(|time| time.as_secs_f64() * 1e6)
    }
}

/// Counts here are below 2^52.
pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a benchmark counts no further"))
}

/// What `operation` took once.
pub(crate) fn once<R>(operation: impl FnOnce() -> R) -> (R, Duration) {
    let began = Instant::now();
    let result = operation();
    (result, began.elapsed())
}

/// Numbers below `total`, each once, in an order that looks random; and their names.
fn batches(total: usize, prefix: &str, mut each: impl FnMut(&[(usize, String)])) {
    let mut done = 0;
    let mut batch = Vec::with_capacity(BATCH);
    while done < total {
        batch.clear();
        let end = total.min(done + BATCH);
        batch.extend((done..end).map(|i| i * STEP % total).map(|n| (n, format!("{prefix}{n:010}"))));
        each(&batch);
        done = end;
    }
}

/// Runs an operation once for each number below `total`, in an order that looks random, with its name.
pub(crate) fn throughput(total: usize, prefix: &str, mut operation: impl FnMut(usize, &[u8])) -> Taken {
    let mut taken = Taken { operations: total, ..Taken::default() };
    batches(total, prefix, |batch| {
        let began = Instant::now();
        batch.iter().for_each(|(number, name)| operation(*number, name.as_bytes()));
        taken.time += began.elapsed();
    });
    taken
}

/// The same, looking for the longest operation; the time per operation contains that of the clocks.
pub(crate) fn stalls(total: usize, prefix: &str, mut operation: impl FnMut(usize, &[u8])) -> Taken {
    let mut taken = Taken { operations: total, ..Taken::default() };
    batches(total, prefix, |batch| {
        for lot in batch.chunks(LOT) {
            let (wall, processor) = (Instant::now(), on_processor());
            lot.iter().for_each(|(number, name)| operation(*number, name.as_bytes()));
            let (wall, processor) = (wall.elapsed(), on_processor().saturating_sub(processor));
            taken.add(wall, processor);
        }
    });
    taken
}

/// Calls as long as `operation` returns true, looking for the longest call.
pub(crate) fn calls(mut operation: impl FnMut() -> bool) -> Taken {
    let mut taken = Taken::default();
    let mut goes_on = true;
    while goes_on {
        let (wall, processor) = (Instant::now(), on_processor());
        goes_on = operation();
        taken.add(wall.elapsed(), on_processor().saturating_sub(processor));
        taken.operations += 1;
    }
    taken
}

impl Taken {
    fn add(&mut self, wall: Duration, processor: Duration) {
        self.time += wall;
        self.longest = self.longest.max(wall);
        self.longest_on_processor = self.longest_on_processor.max(processor);
    }
}

/// The time that this thread has spent on a processor.
fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("it counts from 0");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("below a second"))
}
