//! The tasks that are one command of cargo with the right arguments: sim, chaos, fuzz, miri
//! and docs.
//!
//! What such a task does is in the crate that it runs; here is only how to call it.

use std::process::{Command, Stdio};

use crate::process::{cargo, root, run};
use crate::{Outcome, say};

/// Runs the simulator's own program in a profile of its own: a seed is worth more when there are many.
pub(crate) fn sim(arguments: &[String]) -> Outcome {
    run(cargo(&["run", "--quiet", "--profile", "sim", "--package", "slipstream-sim", "--"]).args(arguments))
}

/// Runs end-to-end tests for as long as wanted, optimised, from one seed on: random groups, or with `kill` the rounds of
/// kill -9 under load.
pub(crate) fn chaos(arguments: &[String]) -> Outcome {
    let (story, long, options) = match arguments.split_first() {
        Some((first, rest)) if first == "kill" => {
            ("kills::", Long { option: "--rounds", variable: "SLIPSTREAM_KILL_ROUNDS", value: "200" }, rest)
        }
        _ => {
            let long = Long { option: "--seconds", variable: "SLIPSTREAM_CHAOS_SECONDS", value: "60" };
            ("chaos::", long, arguments)
        }
    };
    let mut test = cargo(&["test", "--release", "--package", "slipstream", "--test", "e2e", story, "--"]);
    test.args(["--nocapture", "--test-threads", "1"]).env(long.variable, long.value);
    for option in options.chunks(2) {
        match option {
            [name, value] if name == long.option => test.env(long.variable, value),
            [name, value] if name == "--seed" => test.env("SLIPSTREAM_SEED", value),
            _ => return Err(format!("takes {} N and --seed S, got {}", long.option, option.join(" ")).into()),
        };
    }
    run(&mut test)
}

/// How long a test goes on.
struct Long {
    option: &'static str,
    variable: &'static str,
    /// Unless the option says otherwise.
    value: &'static str,
}

/// Needs a nightly toolchain and cargo-fuzz; the corpus of each target also runs as an ordinary test.
pub(crate) fn fuzz(arguments: &[String]) -> Outcome {
    let (target, rest) = arguments.split_first().ok_or("name a target, a file of fuzz/fuzz_targets")?;
    // By its name on PATH: only rustup's cargo knows what +nightly means.
    run(Command::new("cargo").args(["+nightly", "fuzz", "run", target]).args(rest).current_dir(root()))
}

/// Runs the keyspace's model test in its reduced form under Miri. Where that is not installed it says so and passes:
/// the crate holds no unsafe code (the compiler and tidy see to that), so Miri could only find fault with the
/// libraries that it uses.
pub(crate) fn miri(arguments: &[String]) -> Outcome {
    let miri = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(["+nightly", "miri"]).args(arguments).current_dir(root());
        command
    };
    let mut probe = miri(&["--version"]);
    if !probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        say("skipped: `cargo +nightly miri` is not installed (rustup +nightly component add miri)");
        say(
            "the keyspace crate holds no unsafe code: `unsafe_code` is denied, and tidy names all exceptions",
        );
        return Ok(());
    }
    run(miri(&["test", "--package", "slipstream-keyspace", "--test", "model"]).args(arguments))
}

/// The tests that find a document stale write it anew instead.
pub(crate) fn docs(_arguments: &[String]) -> Outcome {
    run(cargo(&["test", "--package", "slipstream-engine", "--test", "docs"]).env("UPDATE_DOCS", "1"))
}
