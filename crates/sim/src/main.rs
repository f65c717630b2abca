//! `slipstream-sim [--seeds N] [--seed S]`: many seeds from S on, or one, each a world of its own.
//!
//! Prints one line at the end. A seed that fails prints its story, and the process ends with it. A seed that
//! is run alone is looked at more closely, and its story tells more.

use std::process::ExitCode;

use slipstream_sim::{Outcome, Scrutiny, survive};

const USAGE: &str = "usage: slipstream-sim [--seeds N] [--seed S]";

/// Seeds that are run when none are named.
const SEEDS: u64 = 1000;

fn main() -> ExitCode {
    let Some((first, count)) = arguments(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::FAILURE;
    };
    let scrutiny = if count == 1 { Scrutiny::Every } else { Scrutiny::Sample };
    let mut sum = Outcome::default();
    for seed in first..first + count {
        sum.add(survive(seed, scrutiny));
    }
    say(&format!("{count} seeds from {first} on: {sum}"));
    ExitCode::SUCCESS
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
