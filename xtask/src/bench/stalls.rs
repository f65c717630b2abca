//! How long a client may have to wait while the server does something big: it grows, is saved, feeds a replica,
//! expires a million keys at one instant, deletes a collection of a million elements, is emptied.
//!
//! The client sends PING and GET in turn, one at a time; its longest wait and its p99.9 are recorded. Load runs beside
//! the client, on the core that is not the server's, at a lower priority where it is a process of its own.
//!
//! Three more figures tell the server's stalls from the machine's: how long a bystander that only sleeps beside the
//! client overslept meanwhile; the longest turn of the server's loop, where the server tells it; and the most that one
//! of its turns took on a processor. Only the last is the server's own doing, whatever else runs on the machine, and
//! even that contains what a hypervisor takes. The row "nothing else" is a server with nothing to do.

use std::error::Error;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::client::{Client, Reply};
use super::contender::{Contender, Server, on_path};
use super::fanout::Sink;
use super::load::{RandomSets, per_beat};
use super::pace::{pause, wait_until};
use super::samples::Samples;
use super::{Settings, fullsync};
use crate::Outcome;

const VALUE_LENGTH: usize = 100;
/// SETs per second beside a snapshot and beside expiry.
const RATE: usize = 30_000;
/// Growth goes to this many times the keys of the other measures.
const GROWTH: usize = 10;
/// What comes after a command that is answered at once: freeing in the background, for one.
const AFTERMATH: Duration = Duration::from_millis(500);
const PROBE_GAP: Duration = Duration::from_micros(100);
const SOON: Duration = Duration::from_secs(2);
/// Elements per command that fills a collection.
const ELEMENTS: usize = 100;

const LONGEST: &str = "a client's longest wait, ms";
const TAIL: &str = "a client's p99.9, ms";
const BYSTANDER: &str = "a bystander's longest delay, ms";
/// Fields of INFO stats in microseconds, and what they are called in the tables.
const TURNS: [(&str, &str); 2] = [
    ("eventloop_duration_max", "the longest turn of the loop, ms"),
    ("eventloop_duration_cpu_max", "the most that a turn took on a processor, ms"),
];

pub(super) type Failure = Box<dyn Error>;

/// What each part of the measure works with.
struct Bench<'a> {
    server: Server,
    keys: usize,
    samples: &'a mut Samples,
}

pub(super) fn run(contender: &Contender, settings: &Settings, samples: &mut Samples) -> Outcome {
    // Slipstream asks for a turn's time on a processor only while latency is monitored.
    let arguments = ["--repl-diskless-sync-delay", "0", "--latency-monitor-threshold", "1"];
    let start = || contender.start(settings.pinning, &arguments);
    let keys = settings.keys;
    Bench { server: start()?, keys, samples }.grow()?;
    let mut bench = Bench { server: start()?, keys, samples };
    fullsync::fill(&mut bench.server.client()?, keys, VALUE_LENGTH)?;
    bench.calm()?;
    bench.save()?;
    bench.feed_a_replica()?;
    bench.throughput_while_saving()?;
    bench.flush("FLUSHALL SYNC")?;
    bench.expire()?;
    bench.delete_collections()?;
    fullsync::fill(&mut bench.server.client()?, keys, VALUE_LENGTH)?;
    bench.flush("FLUSHALL ASYNC")
}

impl Bench<'_> {
    /// Does something while a client asks, and records how long that had to wait.
    fn observe<R>(
        &mut self,
        row: impl Into<String>,
        act: impl FnOnce(&Server) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let stop = AtomicBool::new(false);
        let port = self.server.port;
        let mut client = self.server.client()?;
        client.call("CONFIG RESETSTAT")?;
        let (acted, waits, delay) = thread::scope(|scope| {
            let probe = scope.spawn(|| probe(Client::connect(port)?, &stop));
            let bystander = scope.spawn(|| longest_delay(&stop));
            let acted = act(&self.server);
            stop.store(true, Ordering::Relaxed);
            let (waits, delay) = (probe.join(), bystander.join());
            (acted, waits.expect("the probe does not panic"), delay.expect("nor does the bystander"))
        });
        let (acted, mut waits) = (acted?, waits?);
        waits.sort_by(f64::total_cmp);
        let row = row.into();
        self.samples.record(LONGEST, row.as_str(), waits[waits.len() - 1]);
        self.samples.record(TAIL, row.as_str(), waits[waits.len() * 999 / 1000]);
        self.samples.record(BYSTANDER, row.as_str(), delay);
        for (field, metric) in TURNS {
            // Other servers do not tell.
            if let Ok(micros) = client.info("stats", field) {
                self.samples.record(metric, row.as_str(), micros.parse::<f64>()? / 1e3);
            }
        }
        Ok(acted)
    }

    fn calm(&mut self) -> Outcome {
        self.observe("nothing else", |_| {
            pause(SOON);
            Ok(())
        })
    }

    fn grow(mut self) -> Outcome {
        let count = GROWTH * self.keys;
        self.observe(format!("growth to {count} keys, pipelined"), |server| {
            let program = on_path("redis-benchmark").ok_or("redis-benchmark not found")?;
            let mut load = Command::new("nice");
            load.args(["-n", "10"]).arg(program).args(["-p", &server.port.to_string(), "-q", "-t", "set"]);
            load.args(["-c", "2", "-P", "32", "-d", "32", "-r", "1000000000", "-n", &count.to_string()]);
            let status = load.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
            if status.success() { Ok(()) } else { Err(format!("redis-benchmark: {status}").into()) }
        })
    }

    fn save(&mut self) -> Outcome {
        let keys = self.keys;
        self.observe(format!("BGSAVE of {keys} keys, {RATE} SETs/s"), |server| {
            with_load(server, keys, || {
                server.client()?.call("BGSAVE")?;
                saved(server)
            })
        })
    }

    fn feed_a_replica(&mut self) -> Outcome {
        let keys = self.keys;
        self.observe(format!("full sync of {keys} keys, {RATE} SETs/s"), |server| {
            with_load(server, keys, || Sink::attach(server.port)?.detach())
        })
    }

    /// Random SETs as fast as they go, calm and while a snapshot is written to disk.
    fn throughput_while_saving(&mut self) -> Outcome {
        let mut load = RandomSets::connect(self.server.port, self.keys, 1000, VALUE_LENGTH)?;
        let mut client = self.server.client()?;
        let mut calm = || {
            let end = Instant::now() + SOON;
            load.rate_while(|| Instant::now() < end)
        };
        let before = calm()?;
        let after_that = calm()?;
        client.call("BGSAVE")?;
        let mut saving = || is_saving(&mut client).unwrap_or(false);
        let during = load.rate_while(&mut saving)?;
        let quiet = f64::midpoint(before, after_that);
        self.samples.record("random SETs/s", "calm", quiet);
        self.samples.record("random SETs/s", "while BGSAVE writes", during);
        self.samples.record(
            "SETs/s while BGSAVE writes, relative to calm",
            "pipelined by 1000",
            during / quiet,
        );
        Ok(())
    }

    /// All keys with a deadline of their own, the same for all.
    fn expire(&mut self) -> Outcome {
        let keys = self.keys;
        // The fill takes a few seconds, and must be over by then.
        let ahead = Duration::from_secs(4 + u64::try_from(keys)? / 100_000);
        let due = SystemTime::now().duration_since(UNIX_EPOCH)? + ahead;
        let millis = due.as_millis().to_string();
        let set =
            |key| ["SET", &format!("ttl:{key:012}"), "0123456789abcdef", "PXAT", &millis].map(str::to_owned);
        self.server.client()?.pipeline((0..keys).map(|key| set(key).into()))?;
        let late = self.observe(format!("{keys} keys due at one instant, {RATE} SETs/s"), |server| {
            with_load(server, 10_000, || {
                let mut client = server.client()?;
                wait_until("the keys are gone", || expires(&mut client).is_ok_and(|count| count == 0))?;
                Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(due))
            })
        })?;
        self.samples.record(
            "seconds until all due keys are gone",
            format!("{keys} keys"),
            late.as_secs_f64(),
        );
        Ok(())
    }

    fn delete_collections(&mut self) -> Outcome {
        for (kind, command, with_scores) in [
            ("hash", "HSET", true),
            ("set", "SADD", false),
            ("list", "RPUSH", false),
            ("sorted set", "ZADD", true),
        ] {
            for delete in ["DEL", "UNLINK"] {
                self.server.client()?.pipeline(elements(command, with_scores, self.keys))?;
                self.observe(format!("{delete} of a {kind} of {} elements", self.keys), |server| {
                    server.client()?.call(&format!("{delete} big"))?;
                    pause(AFTERMATH);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, command: &str) -> Outcome {
        self.observe(format!("{command} of {} keys", self.keys), |server| {
            server.client()?.call(command)?;
            pause(AFTERMATH);
            Ok(())
        })
    }
}

/// Commands that fill the key `big` with so many elements.
fn elements(command: &str, pairs: bool, count: usize) -> impl Iterator<Item = Vec<String>> {
    (0..count / ELEMENTS).map(move |batch| {
        let members = (batch * ELEMENTS..(batch + 1) * ELEMENTS).flat_map(|number| {
            let score = pairs.then(|| (number * 37 % 1_000_003).to_string());
            score.into_iter().chain([format!("member:{number:010}")])
        });
        [command.to_owned(), "big".to_owned()].into_iter().chain(members).collect()
    })
}

/// Does something beside random SETs at a steady rate.
pub(super) fn with_load<R>(
    server: &Server,
    keys: usize,
    act: impl FnOnce() -> Result<R, Failure>,
) -> Result<R, Failure> {
    let stop = AtomicBool::new(false);
    let load = RandomSets::connect(server.port, keys, per_beat(RATE), VALUE_LENGTH)?;
    let (acted, loaded) = thread::scope(|scope| {
        let load = scope.spawn(|| load.beat(&stop));
        let acted = act();
        stop.store(true, Ordering::Relaxed);
        (acted, load.join().expect("the load does not panic"))
    });
    loaded?;
    acted
}

/// Asks until told to stop, and returns how long each answer took, in milliseconds.
pub(super) fn probe(mut client: Client, stop: &AtomicBool) -> io::Result<Vec<f64>> {
    let mut waits = Vec::new();
    while waits.is_empty() || !stop.load(Ordering::Relaxed) {
        for command in ["PING", "GET key:000000000007"] {
            let start = Instant::now();
            client.call(command)?;
            waits.push(start.elapsed().as_secs_f64() * 1e3);
            pause(PROBE_GAP);
        }
    }
    Ok(waits)
}

/// Sleeps as the probe does between two questions, and returns how much longer a sleep lasted at most, in
/// milliseconds.
fn longest_delay(stop: &AtomicBool) -> f64 {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        pause(PROBE_GAP);
        longest = longest.max(start.elapsed().saturating_sub(PROBE_GAP));
    }
    longest.as_secs_f64() * 1e3
}

fn saved(server: &Server) -> Outcome {
    let mut client = server.client()?;
    wait_until("the snapshot is on disk", || is_saving(&mut client).is_ok_and(|saving| !saving))
}

fn is_saving(client: &mut Client) -> io::Result<bool> {
    Ok(client.info("persistence", "rdb_bgsave_in_progress")? == "1")
}

/// How many keys have a deadline.
fn expires(client: &mut Client) -> Result<u64, Failure> {
    let Reply::Bytes(text) = client.call("INFO keyspace")? else { return Err("no INFO keyspace".into()) };
    let text = String::from_utf8(text)?;
    let count = text.split("expires=").nth(1).and_then(|rest| rest.split([',', '\r']).next());
    Ok(count.map_or(Ok(0), str::parse)?)
}
