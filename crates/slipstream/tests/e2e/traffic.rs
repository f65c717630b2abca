//! Clients that keep writing while a test does something else.
//!
//! Writes of every kind that the stream treats in a way of its own: relative expiry, random pops, floats, groups,
//! several databases, moves. The commands come from one seed; when they fall relative to the test does not matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use fastrand::Rng;
use redis::Cmd;

use crate::client::command;
use crate::server::Server;
use crate::wait::{pause, wait_until};

/// With a pause behind each batch that makes some hundred kilobytes in a second, so that a server which stands still for
/// a while falls behind no further than the tests' backlogs reach.
const COMMANDS_PER_BATCH: usize = 30;

/// `{k}` becomes one of a few keys of the command's own type, `{v}` some number.
const WRITES: &[&str] = &[
    "SET s:{k} {v}",
    "SET s:{k} {v} EX 10000",
    "SET s:{k} {v} KEEPTTL",
    "SET short:{k} {v} PX 30",
    "SETEX s:{k} 10000 {v}",
    "GETDEL s:{k}",
    "GETEX s:{k} PX 10000000",
    "GETEX s:{k} PERSIST",
    "GETSET s:{k} {v}",
    "SETNX s:{k} {v}",
    "MSET s:{k} {v} s:x{k} {v}",
    "APPEND text:{k} {v}",
    "SETRANGE text:{k} 7 {v}",
    "INCR n:{k}",
    "DECRBY n:{k} {v}",
    "INCRBYFLOAT f:{k} 0.1",
    "EXPIRE s:{k} 10000",
    "PEXPIRE s:{k} 30",
    "PERSIST s:{k}",
    "DEL s:{k}",
    "UNLINK l:{k} t:{k}",
    "COPY s:{k} s:copy REPLACE",
    "MOVE s:{k} 2",
    "RPUSH l:{k} {v} b c",
    "LPUSH l:{k} {v}",
    "LPOP l:{k}",
    "RPOP l:{k} 2",
    "LMOVE l:{k} l:other LEFT RIGHT",
    "LINSERT l:{k} BEFORE b {v}",
    "LREM l:{k} 1 c",
    "LTRIM l:{k} 0 50",
    "LTRIM l:other -50 -1",
    "SADD t:{k} {v} a b c",
    "SREM t:{k} a",
    "SPOP t:{k}",
    "SPOP t:{k} 2",
    "SMOVE t:{k} t:other b",
    "SUNIONSTORE t:all t:{k} t:other",
    "SINTERSTORE t:both t:{k} t:other",
    "SORT t:{k} ALPHA STORE l:sorted",
    "HSET h:{k} f{v} {v} g {v}",
    "HINCRBY h:{k} n 3",
    "HINCRBYFLOAT h:{k} x 0.1",
    "HDEL h:{k} g",
    "ZADD z:{k} {v} m{v} 2 b",
    "ZADD z:{k} GT CH {v} b",
    "ZINCRBY z:{k} 0.5 b",
    "ZPOPMIN z:{k}",
    "ZREMRANGEBYRANK z:{k} 20 -1",
    "ZUNIONSTORE z:all 2 z:{k} z:x",
    "ZRANGESTORE z:some z:{k} 0 5",
    "XADD x:{k} * f {v} g 1",
    "XADD x:{k} MAXLEN ~ 50 * f {v}",
    "XADD x:{k} MAXLEN 30 * h {v}",
    "XTRIM x:{k} MAXLEN 10",
];

/// What turns whole databases over.
const STORM: &[&str] =
    &["SWAPDB 0 1", "SWAPDB 1 2", "FLUSHDB", "FLUSHDB ASYNC", "FLUSHALL", "COPY s:{k} s:{k} DB 2 REPLACE"];

/// Writers on one server, each a thread with a connection of its own.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    batches: Arc<AtomicU64>,
    writer: JoinHandle<()>,
}

impl Traffic {
    #[track_caller]
    pub(crate) fn start(server: &Server) -> Self {
        Self::start_with(server, WRITES.to_vec())
    }

    /// The same, with what turns whole databases over among it.
    #[track_caller]
    pub(crate) fn start_storm(server: &Server) -> Self {
        Self::start_with(server, [WRITES, STORM].concat())
    }

    #[track_caller]
    fn start_with(server: &Server, lines: Vec<&'static str>) -> Self {
        let mut client = server.client();
        let (stop, batches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&batches));
        let writer = thread::spawn(move || {
            let mut random = Rng::with_seed(2);
            while !told.load(Ordering::Relaxed) {
                client.pipeline::<redis::Value>(batch(&mut random, &lines));
                count.fetch_add(1, Ordering::Relaxed);
                pause();
            }
        });
        Self { stop, batches, writer }
    }

    /// Waits until some more writes are answered.
    #[track_caller]
    pub(crate) fn let_some_pass(&self) {
        let start = self.batches.load(Ordering::Relaxed);
        wait_until("writes pass", || {
            assert!(!self.writer.is_finished(), "the writer failed");
            self.batches.load(Ordering::Relaxed) >= start + 20
        });
    }

    /// Ends the writers; what they wrote is then answered.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.join().expect("the writer failed");
    }
}

/// Some writes of every kind, with what turns whole databases over among them.
pub(crate) fn storm(random: &mut Rng) -> Vec<Cmd> {
    batch(random, &[WRITES, STORM].concat())
}

fn batch(random: &mut Rng, lines: &[&str]) -> Vec<Cmd> {
    let database = if random.u8(..10) == 0 { 1 } else { 0 };
    let grouped = random.bool();
    let mut commands = vec![command(&format!("SELECT {database}"))];
    if grouped {
        commands.push(command("MULTI"));
    }
    for _ in 0..COMMANDS_PER_BATCH {
        let line = random.choice(lines).expect("there are some");
        let line =
            line.replace("{k}", &random.u8(..20).to_string()).replace("{v}", &random.u16(..).to_string());
        commands.push(command(&line));
    }
    if grouped {
        commands.push(command("EXEC"));
    }
    commands
}
