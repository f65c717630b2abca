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

/// Tests that go on for as long as wanted.
struct Story {
    /// The test's path; those of a story without a name run unless one is named.
    tests: &'static str,
    name: Option<&'static str>,
    /// What each option sets in the tests' environment, and to what unless it is given.
    options: &'static [(&'static str, &'static str, Option<&'static str>)],
}

const STORIES: &[Story] = &[
    Story {
        tests: "kills::",
        name: Some("kill"),
        options: &[("--rounds", "SLIPSTREAM_KILL_ROUNDS", Some("200")), ("--seed", "SLIPSTREAM_SEED", None)],
    },
    Story {
        tests: "sentinel::failover::rounds",
        name: Some("failover"),
        options: &[
            ("--rounds", "SLIPSTREAM_FAILOVER_ROUNDS", Some("20")),
            ("--servers", "SLIPSTREAM_FAILOVER_SERVERS", None),
            ("--sentinels", "SLIPSTREAM_FAILOVER_SENTINELS", None),
            ("--faults", "SLIPSTREAM_FAILOVER_FAULTS", None),
            ("--acks", "SLIPSTREAM_FAILOVER_ACKS", None),
        ],
    },
    Story {
        tests: "chaos::",
        name: None,
        options: &[
            ("--seconds", "SLIPSTREAM_CHAOS_SECONDS", Some("60")),
            ("--seed", "SLIPSTREAM_SEED", None),
        ],
    },
];

/// Runs end-to-end tests for as long as wanted, optimised: random groups from one seed on, with `kill` the rounds of
/// kill -9 under load, or with `failover` rounds of primaries that are lost under the eyes of sentinels.
pub(crate) fn chaos(arguments: &[String]) -> Outcome {
    let first = arguments.first().map(String::as_str);
    let story = STORIES.iter().find(|story| story.name.is_none() || story.name == first);
    let story = story.expect("the last one has no name");
    let rest = &arguments[usize::from(story.name.is_some())..];
    let mut test =
        cargo(&["test", "--release", "--package", "slipstream", "--test", "e2e", story.tests, "--"]);
    test.args(["--nocapture", "--test-threads", "1"]);
    for (_, variable, value) in story.options {
        test.envs(value.map(|value| (variable, value)));
    }
    for pair in rest.chunks(2) {
        let known = |name: &String| story.options.iter().find(|(option, ..)| option == name);
        let ([_, value], Some((_, variable, _))) = (pair, known(&pair[0])) else {
            let names: Vec<&str> = story.options.iter().map(|(option, ..)| *option).collect();
            return Err(
                format!("takes {} with a value each, got {}", names.join(", "), pair.join(" ")).into()
            );
        };
        test.env(variable, value);
    }
    run(&mut test)
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
