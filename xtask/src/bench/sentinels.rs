//! What it costs to watch many groups: three sentinels over 100 groups, all of which are the same three servers, so
//! that the machine has little else to do. What the sentinels hear grows with the square of that number: a hello about
//! one group comes over the connections of all that watch its servers.
//!
//! The servers and the other two sentinels are of the same make as the one under measure, and run beside the client.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::Settings;
use super::client::{Client, Reply};
use super::contender::{Contender, Server};
use super::pace::{pause, wait_until};
use super::samples::Samples;
use crate::Outcome;

const GROUPS: usize = 100;
/// After all are known, until what that took has died down.
const SETTLE: Duration = Duration::from_secs(15);
/// More than the longest period of what a sentinel does by itself, INFO each ten seconds.
const MEASURED: Duration = Duration::from_secs(20);
const PROBE_GAP: Duration = Duration::from_millis(5);

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    let servers = group_of_three(contender)?;
    let lines = lines(servers[0].port);
    let watched = contender.start_sentinel(settings.pinning, &lines)?;
    let _others = [contender.start_sentinel(None, &lines)?, contender.start_sentinel(None, &lines)?];
    let mut client = watched.client()?;
    wait_until("all are known", || knows_all(&mut client).unwrap_or(false))?;
    pause(SETTLE);

    let before = watched.processor_seconds()?;
    let start = Instant::now();
    let mut waits = Vec::new();
    while start.elapsed() < MEASURED {
        let asked = Instant::now();
        client.call("PING")?;
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        pause(PROBE_GAP);
    }
    let share = (watched.processor_seconds()? - before) / start.elapsed().as_secs_f64() * 100.0;
    waits.sort_by(f64::total_cmp);

    let row = format!("{GROUPS} groups");
    samples.record("a sentinel's processor time, % of a core", row.as_str(), share);
    samples.record("resident MB", row.as_str(), watched.resident_bytes()? / 1e6);
    samples.record("PING to it, median, ms", row.as_str(), waits[waits.len() / 2]);
    samples.record("PING to it, p99, ms", row.as_str(), waits[waits.len() * 99 / 100]);
    samples.record("PING to it, longest, ms", row.as_str(), waits[waits.len() - 1]);
    Ok(())
}

/// A primary and its replicas, the primary first.
fn group_of_three(contender: &Contender) -> Result<Vec<Server>, Box<dyn Error>> {
    let primary = contender.start_aside(&[])?;
    let port = primary.port.to_string();
    let mut servers = vec![primary];
    for _ in 0..2 {
        servers.push(contender.start_aside(&["--replicaof", "127.0.0.1", &port])?);
    }
    let mut client = servers[0].client()?;
    wait_until("the replicas are there", || {
        client.info("replication", "connected_slaves").is_ok_and(|count| count == "2")
    })?;
    Ok(servers)
}

fn lines(primary: u16) -> String {
    let mut lines = String::new();
    for group in 0..GROUPS {
        writeln!(lines, "sentinel monitor group{group} 127.0.0.1 {primary} 2").expect("a string takes all");
    }
    lines
}

fn knows_all(client: &mut Client) -> Result<bool, Box<dyn Error>> {
    let Reply::Bytes(text) = client.call("INFO sentinel")? else { return Err("no INFO sentinel".into()) };
    let known = String::from_utf8(text)?;
    Ok(known.lines().filter(|line| line.ends_with(",slaves=2,sentinels=3")).count() == GROUPS)
}
