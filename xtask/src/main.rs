//! Every developer habit as one command: `cargo xtask TASK`.
//!
//! One row of [`TASKS`] per task, one module per row. Tasks run cargo, read files and measure real servers; they
//! hold no product code, and no product crate depends on this one. An error of any kind ends the process with
//! status 1 and one line that says what failed.

mod bench;
mod cargo_tasks;
mod ci;
mod conform;
mod process;
mod tidy;

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// What a task ends with. The text of the error is what the developer reads.
type Outcome = Result<(), Box<dyn Error>>;

struct Task {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task {
        name: "ci",
        arguments: "",
        summary: "everything a change must pass: fmt, clippy, tidy, docs, miri, seeds, tests",
        run: ci::run,
    },
    Task { name: "tidy", arguments: "", summary: "the house rules that no compiler knows", run: tidy::run },
    Task {
        name: "bench",
        arguments: bench::ARGUMENTS,
        summary: "measures Redis, Valkey and the release build side by side",
        run: bench::run,
    },
    Task {
        name: "sim",
        arguments: "[--sentinels] [--seeds N] [--seed S]",
        summary: "a group of nodes under random faults, from many seeds or from one",
        run: cargo_tasks::sim,
    },
    Task {
        name: "chaos",
        arguments: "[--seconds N] [--seed S], or kill [--rounds N] [--seed S], or failover [--rounds N] \
                    [--servers KINDS] [--sentinels KINDS] [--faults kill,restart,empty,…]",
        summary: "groups of real servers, Redis and Valkey among them, under random faults; or kill -9 under load; or \
                  primaries lost and moved under sentinels (KINDS: ours, redis, valkey, or three with a plus between)",
        run: cargo_tasks::chaos,
    },
    Task {
        name: "conform",
        arguments: conform::ARGUMENTS,
        summary: "the same requests to the release build and to each peer that is found: replies, streams, COMMAND",
        run: conform::run,
    },
    Task {
        name: "fuzz",
        arguments: "TARGET [ARGUMENT…]",
        summary: "cargo fuzz on one decoder of foreign bytes, or on the keyspace",
        run: cargo_tasks::fuzz,
    },
    Task {
        name: "miri",
        arguments: "[ARGUMENT…]",
        summary: "the keyspace's model test under Miri, if that is installed",
        run: cargo_tasks::miri,
    },
    Task {
        name: "docs",
        arguments: "",
        summary: "writes the documents that are made from the code",
        run: cargo_tasks::docs,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        say(usage());
        return ExitCode::FAILURE;
    };
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        say(format_args!("no task is called {name}\n\n{}", usage()));
        return ExitCode::FAILURE;
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("{name}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask TASK\n");
    for task in TASKS {
        text.push_str(&format!("\n  {} {}\n      {}", task.name, task.arguments, task.summary));
    }
    text
}

/// Says how far a task is, beside its output.
fn note(line: impl Display) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

/// Prints one line. A reader that went away (`cargo xtask … | head`) is not an error of the task.
fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}
