//! What keeping data on disk costs: SETs with each policy of the append-only file, and how long a client waits while
//! snapshots and rewrites are written one after the other beside random SETs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::contender::{Contender, Server};
use super::pace::wait_until;
use super::samples::Samples;
use super::stalls::{Failure, probe, with_load};
use super::throughput::redis_benchmark;
use super::{Settings, fullsync};
use crate::Outcome;

const OFF: &[&str] = &[];
const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A policy, a pipeline depth and a number of requests.
const RATES: &[(&str, &[&str], u32, u32)] = &[
    ("no file", OFF, 1, 200_000),
    ("everysec", EVERY_SECOND, 1, 200_000),
    ("always", ALWAYS, 1, 100_000),
    ("no file", OFF, 16, 1_000_000),
    ("everysec", EVERY_SECOND, 16, 1_000_000),
];

/// Commands that write all data, and what INFO persistence calls their progress.
const JOBS: &[(&str, &str)] =
    &[("BGSAVE", "rdb_bgsave_in_progress"), ("BGREWRITEAOF", "aof_rewrite_in_progress")];
const VALUE_LENGTH: usize = 100;
/// SETs per second beside them.
const RATE: usize = 20_000;
/// Each job is done again until so much time has passed.
const AT_LEAST: Duration = Duration::from_secs(5);

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    for &(policy, arguments, depth, requests) in RATES {
        let server = contender.start(settings.pinning, arguments)?;
        let before = server.cpu_seconds()?;
        let rate = redis_benchmark(server.port, &["-t", "set"], depth, requests)?;
        let cpu = (server.cpu_seconds()? - before) / f64::from(requests) * 1e6;
        let row = format!("SET -P {depth}, {policy}");
        samples.record("requests/s", &row, rate);
        samples.record("server CPU µs per request", &row, cpu);
    }
    // Rewrites by themselves would come between those that are asked for.
    let quiet = [EVERY_SECOND, &["--auto-aof-rewrite-percentage", "0"]].concat();
    let server = contender.start(settings.pinning, &quiet)?;
    fullsync::fill(&mut server.client()?, settings.keys, VALUE_LENGTH)?;
    for &(command, progress) in JOBS {
        let waits = waits_beside(&server, settings.keys, (command, progress))?;
        let row = format!("{command} of {} keys, {RATE} SETs/s", settings.keys);
        samples.record("a client's p99.9, ms", &row, waits[waits.len() * 999 / 1000]);
        samples.record("a client's longest wait, ms", &row, waits[waits.len() - 1]);
    }
    Ok(())
}

/// How long each request of a client took while a job was done again and again, in milliseconds, ascending.
fn waits_beside(server: &Server, keys: usize, job: (&str, &str)) -> Result<Vec<f64>, Failure> {
    let stop = AtomicBool::new(false);
    let waits = with_load(server, keys, || {
        thread::scope(|scope| {
            let probe = scope.spawn(|| probe(server.client()?, &stop));
            let done = repeat(server, job);
            stop.store(true, Ordering::Relaxed);
            let waits = probe.join().expect("the probe does not panic")?;
            done.map(|()| waits)
        })
    });
    let mut waits = waits?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

fn repeat(server: &Server, (command, progress): (&str, &str)) -> Outcome {
    let mut client = server.client()?;
    let began = Instant::now();
    while began.elapsed() < AT_LEAST {
        client.call(command)?;
        wait_until("all data is on disk", || ended(&mut client, progress))?;
    }
    Ok(())
}

fn ended(client: &mut Client, progress: &str) -> bool {
    client.info("persistence", progress).is_ok_and(|running| running == "0")
}
