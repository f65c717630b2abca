//! How fast simple commands are, and what each costs the server: `redis-benchmark`, 50 clients, 64-byte values.
//!
//! CPU time per request is the figure to compare: requests per second also depend on the one core that makes the
//! load, which at depth 32 is often the slower side.

use std::process::Command;

use super::contender::{Contender, on_path};
use super::samples::Samples;
use super::{Settings, fullsync};
use crate::Outcome;

const COMMANDS: &[&str] = &["set", "get", "incr", "lpush", "hset", "zadd", "sadd"];
/// Pipeline depth and number of requests.
const DEPTHS: &[(u32, u32)] = &[(1, 200_000), (32, 2_000_000)];
const KEYS: usize = 1_000_000;

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    let server = contender.start(settings.pinning, &[])?;
    fullsync::fill(&mut server.client()?, KEYS, 64)?;
    for &(depth, requests) in DEPTHS {
        for command in COMMANDS {
            let before = server.cpu_seconds()?;
            let rate = redis_benchmark(server.port, &["-t", command], depth, requests)?;
            let cpu = (server.cpu_seconds()? - before) / f64::from(requests) * 1e6;
            let row = format!("{} -P {depth}", command.to_uppercase());
            samples.record("requests/s", &row, rate);
            samples.record("server CPU µs per request", &row, cpu);
        }
    }
    Ok(())
}

/// Runs one test of redis-benchmark and returns its requests per second. Options in `test` take precedence.
pub(super) fn redis_benchmark(
    port: u16,
    test: &[&str],
    depth: u32,
    requests: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    let program = on_path("redis-benchmark").ok_or("redis-benchmark not found")?;
    let output = Command::new(program)
        .args(["-p", &port.to_string(), "-q", "-c", "50", "-r", "1000000", "-d", "64"])
        .args(["-P", &depth.to_string(), "-n", &requests.to_string()])
        .args(test)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The line is rewritten in place while it runs; what stands last is the result.
    let result = text.split(" requests per second").next().and_then(|text| text.rsplit(' ').next());
    let rate = result.and_then(|rate| rate.parse().ok());
    rate.ok_or_else(|| format!("redis-benchmark {test:?} said: {text}").into())
}
