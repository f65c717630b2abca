//! A new replica of a primary that holds many keys: how long until it has them all, and what a client that writes
//! to the primary one SET at a time feels meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Settings;
use super::client::Client;
use super::contender::Contender;
use super::pace::{pause, wait_until};
use super::samples::Samples;
use crate::Outcome;

const VALUE_LENGTH: usize = 100;
const PROBE_GAP: Duration = Duration::from_micros(500);

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    let primary = contender.start(settings.pinning, &["--repl-diskless-sync-delay", "0"])?;
    let mut source = primary.client()?;
    fill(&mut source, settings.keys, VALUE_LENGTH)?;
    let replica = contender.start_aside(&[])?;
    let mut copy = replica.client()?;

    let stop = AtomicBool::new(false);
    let (synced, latencies) = thread::scope(|scope| {
        let probe = scope.spawn(|| probe(primary.client()?, &stop));
        let synced = sync(&mut source, &mut copy, primary.port);
        stop.store(true, Ordering::Relaxed);
        (synced, probe.join().expect("the probe does not panic"))
    });
    let mut latencies = latencies?;
    latencies.sort_by(f64::total_cmp);
    let row = format!("{} keys of {VALUE_LENGTH} B", settings.keys);
    samples.record("seconds until the replica holds all keys", &row, synced?.as_secs_f64());
    samples.record("a client's latency meanwhile, ms", "p99", latencies[latencies.len() * 99 / 100]);
    samples.record("a client's latency meanwhile, ms", "max", latencies[latencies.len() - 1]);
    Ok(())
}

/// Attaches the replica and returns how long it took until it held as many keys as the primary.
fn sync(source: &mut Client, copy: &mut Client, port: u16) -> Result<Duration, Box<dyn std::error::Error>> {
    let start = Instant::now();
    copy.call(&format!("REPLICAOF 127.0.0.1 {port}"))?;
    wait_until("the replica holds all keys", || {
        let up = copy.info("replication", "master_link_status").is_ok_and(|status| status == "up");
        up && matches!((source.call("DBSIZE"), copy.call("DBSIZE")), (Ok(a), Ok(b)) if a == b)
    })?;
    Ok(start.elapsed())
}

/// Sends one SET after the other until told to stop, and returns how long each took, in milliseconds.
fn probe(mut client: Client, stop: &AtomicBool) -> std::io::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    while latencies.is_empty() || !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        client.call("SET probe x")?;
        latencies.push(start.elapsed().as_secs_f64() * 1e3);
        pause(PROBE_GAP);
    }
    Ok(latencies)
}

/// Sets as many string keys as said, named as redis-benchmark names its random ones.
pub(super) fn fill(client: &mut Client, keys: usize, length: usize) -> std::io::Result<()> {
    let value = "0123456789abcdef".repeat(length / 16 + 1)[..length].to_owned();
    client.pipeline((0..keys).map(|key| vec!["SET".to_owned(), format!("key:{key:012}"), value.clone()]))
}
