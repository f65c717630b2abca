//! A start on what a server left: how long until it serves all keys, from a snapshot and from an append-only file of
//! the same data, each written by itself.

use std::error::Error;
use std::time::Instant;

use super::Settings;
use super::client::Reply;
use super::contender::{Contender, Server};
use super::fullsync::fill;
use super::pace::wait_until;
use super::samples::Samples;
use crate::Outcome;

const VALUE_LENGTH: usize = 100;
/// Every SET stays in the file, which is whole when the process has ended.
const APPENDS: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"];

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    let mut server = filled(contender, settings, &[])?;
    server.client()?.call("SAVE")?;
    measure("a snapshot", (contender, server), (settings, &[]), samples)?;
    server = filled(contender, settings, APPENDS)?;
    measure("as many SETs in an append-only file", (contender, server), (settings, APPENDS), samples)
}

fn filled(contender: &Contender, settings: &Settings, arguments: &[&str]) -> Result<Server, Box<dyn Error>> {
    let server = contender.start(settings.pinning, arguments)?;
    fill(&mut server.client()?, settings.keys, VALUE_LENGTH)?;
    Ok(server)
}

fn measure(
    file: &str,
    (contender, mut server): (&Contender, Server),
    (settings, arguments): (&Settings, &[&str]),
    samples: &mut Samples,
) -> Outcome {
    server.shut_down()?;
    let began = Instant::now();
    contender.start_again(&mut server, settings.pinning, arguments)?;
    let mut client = server.client()?;
    let keys = i64::try_from(settings.keys)?;
    wait_until(
        "all keys are served",
        || matches!(client.call("DBSIZE"), Ok(Reply::Number(there)) if there == keys),
    )?;
    let row = format!("{file}, {} keys of {VALUE_LENGTH} B", settings.keys);
    samples.record("seconds from the start until all keys are served", &row, began.elapsed().as_secs_f64());
    samples.record("CPU seconds until then", &row, server.cpu_seconds()?);
    Ok(())
}
