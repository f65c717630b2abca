//! What one request of each command costs the server: all tests of `redis-benchmark`, and what else is asked often.
//!
//! The figure is the time that the threads of the server's process were on a processor, by `/proc`, divided by the
//! requests; 50 clients, at pipeline depths 1 and 16. All contenders run at once, and take turns command by command
//! and round by round, so that the same minute hits all of them: whoever is not asked only sleeps.

mod rows;

use super::contender::{Contender, Server};
use super::samples::Samples;
use super::throughput::redis_benchmark;
use super::{Settings, fullsync};
use crate::Outcome;
use rows::{ROWS, Row};

const METRIC: &str = "server CPU µs per request";
const DEPTHS: [u32; 2] = [1, 16];
/// Keys, fields and members are drawn from so many.
const RANGE: &str = "100000";
const KEYS: usize = 100_000;
/// Bytes of a value: what redis-benchmark takes unless told.
const VALUE: &str = "3";

pub(super) fn run(contenders: &[Contender], settings: &Settings, samples: &mut Samples) -> Outcome {
    let rows = chosen(&settings.commands)?;
    let mut servers = Vec::new();
    for contender in contenders {
        let server = contender.start(settings.pinning, &[])?;
        fullsync::fill(&mut server.client()?, KEYS, 3)?;
        servers.push((contender.name, server));
    }
    for depth in DEPTHS {
        for row in &rows {
            crate::note(format_args!("commands: {} -P {depth}", row.name));
            for _ in 0..settings.rounds {
                for (name, server) in &servers {
                    samples.turn_to(name);
                    let cost = measure(server, row, depth).map_err(|error| format!("{name}: {error}"))?;
                    samples.record(METRIC, format!("{} -P {depth}", row.name), cost);
                }
            }
        }
    }
    Ok(())
}

/// The rows that were asked for by name, or all.
fn chosen(names: &[String]) -> Result<Vec<&'static Row>, String> {
    let is_row = |name: &&String| ROWS.iter().any(|row| row.name.eq_ignore_ascii_case(name));
    if let Some(unknown) = names.iter().find(|name| !is_row(name)) {
        let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no command is called {unknown}; there are {}", known.join(", ")));
    }
    let is_asked =
        |row: &&Row| names.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(row.name));
    Ok(ROWS.iter().filter(is_asked).collect())
}

/// Processor time per request of one run, in microseconds.
fn measure(server: &Server, row: &Row, depth: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let requests = if depth == 1 { row.requests } else { row.requests * row.pipelined };
    let mut client = server.client()?;
    for step in row.before {
        client.pipeline(step.commands(requests))?;
    }
    let options = ["-d", VALUE, "-r", RANGE];
    let before = server.processor_seconds()?;
    redis_benchmark(server.port, &[&options, row.arguments].concat(), depth, requests)?;
    Ok((server.processor_seconds()? - before) / f64::from(requests) * 1e6)
}
