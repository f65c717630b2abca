//! `slipstream-sim [--sentinels] [--seeds N] [--seed S]`: many seeds from S on, or one, each a world of its own; with
//! sentinels or without.
//!
//! As many threads as there are processors take one seed after the other; a world never leaves its thread. Prints one
//! line at the end. The first seed that fails prints its story and the command that tells it again, and no other is
//! begun. A seed that is run alone is looked at more closely, and its story tells more.

use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use slipstream_sim::{Outcome, Scrutiny, survive, survive_watched};

const USAGE: &str = "usage: slipstream-sim [--sentinels] [--seeds N] [--seed S]";

/// Seeds that are run when none are named.
const SEEDS: u64 = 1000;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let are_watched = words.first().is_some_and(|word| word == "--sentinels");
    let words = words.split_off(usize::from(are_watched));
    let live = if are_watched { survive_watched } else { survive };
    let Some((first, count)) = arguments(words.into_iter()) else {
        say(USAGE);
        return ExitCode::FAILURE;
    };
    let scrutiny = if count == 1 { Scrutiny::Every } else { Scrutiny::Sample };
    match survive_all(first..first.saturating_add(count), |seed| live(seed, scrutiny)) {
        Some(sum) => say(&format!("{count} seeds from {first} on: {sum}")),
        None => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Runs all seeds; what they have shown together, if none failed.
fn survive_all(seeds: Range<u64>, live: impl Fn(u64) -> Outcome + Sync) -> Option<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut sum = Outcome::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Some(sum);
            }
            let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| live(seed))) else {
                next.store(seeds.end, Ordering::Relaxed);
                return None;
            };
            sum.add(outcome);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let sums: Vec<Option<Outcome>> =
            workers.into_iter().map(|worker| worker.join().expect("failures are caught")).collect();
        sums.into_iter().try_fold(Outcome::default(), |mut all, sum| {
            all.add(sum?);
            Some(all)
        })
    })
}

/// The first seed and how many. One named seed is run alone.
fn arguments(mut words: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut seed, mut seeds) = (None, None);
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word.as_str() {
            "--seed" => seed = Some(number),
            "--seeds" => seeds = Some(number),
            _ => return None,
        }
    }
    Some((seed.unwrap_or(0), seeds.unwrap_or(if seed.is_some() { 1 } else { SEEDS })))
}

#[expect(clippy::print_stdout, reason = "a program that reports to whoever runs it")]
fn say(text: &str) {
    println!("{text}");
}
