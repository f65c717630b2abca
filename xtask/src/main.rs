//! Every developer habit as one command: `cargo xtask TASK`.
//!
//! One row of [`TASKS`] per task, one module per row. Tasks run cargo, read files and measure real servers; they
//! hold no product code, and no product crate depends on this one. An error of any kind ends the process with
//! status 1 and one line that says what failed.

mod ci;
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
        summary: "everything a change must pass: fmt, clippy, tidy, docs, tests",
        run: ci::run,
    },
    Task { name: "tidy", arguments: "", summary: "the house rules that no compiler knows", run: tidy::run },
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
            say(format_args!("{name}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask TASK\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.arguments);
        text.push_str(&format!("\n  {call:<28} {}", task.summary));
    }
    text
}

/// Prints one line. A reader that went away (`cargo xtask … | head`) is not an error of the task.
fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}
