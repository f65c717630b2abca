//! `cargo xtask ci`: what every change must pass, in the order in which mistakes are cheapest to see.
//!
//! The tests run last and by the command that the README names, so the closing lines of the log are the test
//! runner's; below them stand the sum of its results and the time of each step.

use std::time::{Duration, Instant};

use crate::process::{cargo, run as finish, run_with_lines};
use crate::{Outcome, cargo_tasks, say, tidy};

type Step = (&'static str, fn() -> Outcome);

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("clippy", clippy),
    ("tidy", tidy_step),
    ("doc", doc),
    ("miri", miri),
    ("sim", sim),
    ("test", test),
];

/// The seeds of the simulator that every change must pass, without sentinels and with them. Others are for whoever has
/// time: `cargo xtask sim`.
const SEEDS: [&[&str]; 2] =
    [&["--seed", "0", "--seeds", "4000"], &["--sentinels", "--seed", "0", "--seeds", "2000"]];

/// Runs all steps; the first that fails ends the run.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(unknown) = arguments.first() {
        return Err(format!("takes no arguments, got {unknown}").into());
    }
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in STEPS {
        say(format_args!("== {name}"));
        let start = Instant::now();
        step().map_err(|error| format!("step {name} failed: {error}"))?;
        times.push((name, start.elapsed()));
    }
    say("");
    for (name, time) in times {
        say(format_args!("{name:<8}{:>8.1} s", time.as_secs_f64()));
    }
    Ok(())
}

fn fmt() -> Outcome {
    finish(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Outcome {
    finish(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn tidy_step() -> Outcome {
    tidy::run(&[])
}

fn doc() -> Outcome {
    // Private items too: the headers of files lead from one to the next.
    let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    finish(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Skipped, and said so, where Miri is not installed.
fn miri() -> Outcome {
    cargo_tasks::miri(&[])
}

fn sim() -> Outcome {
    for arguments in SEEDS {
        cargo_tasks::sim(&arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn test() -> Outcome {
    let mut total = Tally::default();
    run_with_lines(&mut cargo(&["test", "--workspace"]), |line| {
        say(line);
        total.add(line);
    })?;
    if total.failed > 0 || total.passed == 0 {
        return Err(format!("{total:?}").into());
    }
    say(format_args!("all test binaries: {} passed; {} failed", total.passed, total.failed));
    Ok(())
}

/// The sum of the `test result:` lines of all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Takes a line of the test runner: `test result: ok. 12 passed; 0 failed; …`. Others count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_binaries_add_up() {
        let mut total = Tally::default();
        total.add("running 2 tests");
        total.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        total.add("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        assert_eq!(total, Tally { passed: 15, failed: 2 });
    }
}
