//! The tasks that are one command of cargo with the right arguments: sim, fuzz and docs.
//!
//! What such a task does is in the crate that it runs; here is only how to call it.

use std::process::Command;

use crate::Outcome;
use crate::process::{cargo, root, run};

/// Runs the simulator's own program, optimised: a seed is worth more when there are many.
pub(crate) fn sim(arguments: &[String]) -> Outcome {
    run(cargo(&["run", "--release", "--package", "slipstream-sim", "--"]).args(arguments))
}

/// Needs a nightly toolchain and cargo-fuzz; the corpus of each target also runs as an ordinary test.
pub(crate) fn fuzz(arguments: &[String]) -> Outcome {
    let (target, rest) = arguments.split_first().ok_or("name a target, a file of fuzz/fuzz_targets")?;
    // By its name on PATH: only rustup's cargo knows what +nightly means.
    run(Command::new("cargo").args(["+nightly", "fuzz", "run", target]).args(rest).current_dir(root()))
}

/// The tests that find a document stale write it anew instead.
pub(crate) fn docs(_arguments: &[String]) -> Outcome {
    run(cargo(&["test", "--package", "slipstream-engine", "--test", "docs"]).env("UPDATE_DOCS", "1"))
}
