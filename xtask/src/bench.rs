//! `cargo xtask bench`: measures real servers side by side, on this machine, by the same clients.
//!
//! The servers take turns (A B A B …) so that what else the machine does hits all of them; a table shows each one's
//! median and the median of the ratios, round by round, to the first. Where there are two cores and `taskset`, the
//! server has core 0 to itself and everything else runs on core 1.
//!
//! `keyspace` is not of these: it measures the data structures within one process, in
//! `crates/slipstream/benches/keyspace`.
//!
//! A measure is a function over one running contender that records named figures; what it runs against is found by
//! [`contender`], what it recorded is shown by [`samples`].

mod client;
mod commands;
pub(crate) mod contender;
mod fanout;
mod fullsync;
mod load;
mod loading;
mod memory;
mod pace;
mod persistence;
mod samples;
mod sentinels;
mod stalls;
mod throughput;

use crate::process::{cargo, run as finish};
use crate::{Outcome, say};
use contender::{Contender, Pinning};
use samples::Samples;

pub(crate) const ARGUMENTS: &str =
    "keyspace [--quick] | [MEASURE…] [--servers A,B] [--rounds N] [--keys N] [--commands C,D]";

/// The measure that looks into one process; it has no contenders.
const KEYSPACE: &str = "keyspace";

struct Measure {
    name: &'static str,
    summary: &'static str,
    run: Run,
}

/// How contenders come to be measured.
enum Run {
    /// One after the other, round by round.
    InTurn(fn(&Contender, &Settings, &mut Samples) -> Outcome),
    /// All of them at a time: the measure has them take turns.
    SideBySide(fn(&[Contender], &Settings, &mut Samples) -> Outcome),
}

const MEASURES: &[Measure] = &[
    Measure {
        name: "throughput",
        summary: "requests per second and the server's CPU time per request, by redis-benchmark",
        run: Run::InTurn(throughput::run),
    },
    Measure {
        name: "commands",
        summary: "the server's CPU time per request of each command, without pipelining and with it",
        run: Run::SideBySide(commands::run),
    },
    Measure {
        name: "fullsync",
        summary: "a new replica: time until it holds all keys, and what a client of the primary feels",
        run: Run::InTurn(fullsync::run),
    },
    Measure {
        name: "loading",
        summary: "a start on a snapshot and on an append-only file: time until all keys are served",
        run: Run::InTurn(loading::run),
    },
    Measure {
        name: "memory",
        summary: "resident bytes per element for several shapes of data",
        run: Run::InTurn(memory::run),
    },
    Measure {
        name: "fanout",
        summary: "the primary's CPU time per SET with replicas that only read the stream",
        run: Run::InTurn(fanout::run),
    },
    Measure {
        name: "stalls",
        summary: "how long a client waits while the server grows, saves, expires, deletes",
        run: Run::InTurn(stalls::run),
    },
    Measure {
        name: "sentinels",
        summary: "one of three sentinels that watch 100 groups: processor, memory, how long PING takes",
        run: Run::InTurn(sentinels::run),
    },
    Measure {
        name: "persistence",
        summary: "SETs with an append-only file, and how long a client waits beside saves and rewrites",
        run: Run::InTurn(persistence::run),
    },
];

struct Settings {
    rounds: usize,
    /// Keys in the dataset of a full sync, of a load, and of the stalls.
    keys: usize,
    /// Which rows of `commands`; none stands for all.
    commands: Vec<String>,
    pinning: Option<Pinning>,
}

/// Runs the measures named, or all of servers.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some((measure, options)) = arguments.split_first()
        && measure == KEYSPACE
    {
        return keyspace(options);
    }
    let mut settings = Settings { rounds: 3, keys: 1_000_000, commands: Vec::new(), pinning: None };
    let mut servers = String::from("redis,valkey,slipstream");
    let mut chosen: Vec<&Measure> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => settings.rounds = value()?.parse()?,
            "--keys" => settings.keys = value()?.parse()?,
            "--commands" => settings.commands = value()?.split(',').map(str::to_owned).collect(),
            "--servers" => servers.clone_from(value()?),
            name => chosen.push(measure(name)?),
        }
    }
    if chosen.is_empty() {
        chosen.extend(MEASURES);
    }
    let servers: Vec<&str> = servers.split(',').collect();
    if servers.contains(&"slipstream") {
        finish(&mut cargo(&["build", "--release", "--package", "slipstream"]))?;
    }
    let contenders = contender::find(&servers)?;
    settings.pinning = Pinning::of_this_process()?;
    say(heading(&contenders, &settings));
    for measure in chosen {
        take_turns(measure, &contenders, &settings)?;
    }
    Ok(())
}

/// The structures themselves, without a server around them.
fn keyspace(options: &[String]) -> Outcome {
    finish(cargo(&["bench", "--package", "slipstream", "--bench", "keyspace", "--"]).args(options))
}

fn measure(name: &str) -> Result<&'static Measure, String> {
    let found = MEASURES.iter().find(|measure| measure.name == name);
    found.ok_or_else(|| {
        let known = MEASURES.iter().map(|measure| format!("\n  {:<12}{}", measure.name, measure.summary));
        format!("no measure is called {name}; there are{}", known.collect::<String>())
    })
}

fn heading(contenders: &[Contender], settings: &Settings) -> String {
    let mut text = String::new();
    for contender in contenders {
        text.push_str(&format!("- {}: {}\n", contender.name, contender.version()));
    }
    let pinned =
        if settings.pinning.is_some() { "server on core 0, load on core 1" } else { "no core of its own" };
    text.push_str(&format!("- {} rounds in turn, {pinned}", settings.rounds));
    text
}

fn take_turns(measure: &Measure, contenders: &[Contender], settings: &Settings) -> Outcome {
    let mut samples = Samples::of(contenders.iter().map(|contender| contender.name));
    match measure.run {
        Run::SideBySide(run) => {
            run(contenders, settings, &mut samples).map_err(|error| format!("{}: {error}", measure.name))?;
        }
        Run::InTurn(run) => {
            for round in 1..=settings.rounds {
                for contender in contenders {
                    crate::note(format_args!("{} round {round}: {}", measure.name, contender.name));
                    samples.turn_to(contender.name);
                    run(contender, settings, &mut samples)
                        .map_err(|error| format!("{} of {}: {error}", measure.name, contender.name))?;
                }
            }
        }
    }
    say(format_args!("\n### {}\n\n{}", measure.name, samples.tables()));
    Ok(())
}
