//! Writers that know what of theirs was acknowledged, and what of it the data must show afterwards.
//!
//! Each counts, in a way and under keys of its own: after `n` steps the data shows `n`. So what a server holds must lie
//! between the last step that was acknowledged and the last that was asked for, and nothing of a step may be missing
//! where another part of it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use redis::{Cmd, RedisResult, Value};

use crate::client::{Client, command};
use crate::server::Server;
use crate::wait::wait_until;

/// Steps between two times that a writer asks whether the disk has them.
const STEPS_TO_THE_DISK: u64 = 50;

/// Elements that the list keeps.
const KEPT: u64 = 40;

/// Keys that the one with deadlines goes round.
const KEYS: u64 = 20;

/// How a writer counts.
#[derive(Clone, Copy, Debug)]
enum Way {
    Increments,
    Pipelines,
    Transactions,
    List,
    Hash,
    Deadlines,
}

const WAYS: [Way; 6] =
    [Way::Increments, Way::Pipelines, Way::Transactions, Way::List, Way::Hash, Way::Deadlines];

impl Way {
    /// The commands that make the count `n`.
    fn step(self, n: u64) -> Vec<Cmd> {
        let lines = match self {
            Way::Increments | Way::Pipelines => vec![format!("INCR count:{self:?}")],
            Way::Transactions => {
                ["MULTI", "SET left {n}", "SET right {n}", "EXEC"].map(str::to_owned).to_vec()
            }
            Way::List => vec![
                "MULTI".to_owned(),
                "RPUSH list {n}".to_owned(),
                format!("LTRIM list -{KEPT} -1"),
                "EXEC".to_owned(),
            ],
            Way::Hash => vec!["HSET hash left {n} right {n}".to_owned()],
            Way::Deadlines => vec!["SELECT 3".to_owned(), format!("SET key:{} {{n}} EX 100000", n % KEYS)],
        };
        lines.iter().map(|line| command(&line.replace("{n}", &n.to_string()))).collect()
    }

    fn steps_at_once(self) -> u64 {
        if matches!(self, Way::Pipelines) { 20 } else { 1 }
    }

    /// What the data shows. A step that is there in part fails the test.
    #[track_caller]
    fn count(self, client: &mut Client) -> u64 {
        match self {
            Way::Increments | Way::Pipelines => number(client, &format!("GET count:{self:?}")),
            Way::Transactions => both(number(client, "GET left"), number(client, "GET right")),
            Way::Hash => both(number(client, "HGET hash left"), number(client, "HGET hash right")),
            Way::List => {
                let list: Vec<u64> = client.call("LRANGE list 0 -1");
                let last = list.last().copied().unwrap_or_default();
                let expected: Vec<u64> = (last.saturating_sub(KEPT)..last).map(|n| n + 1).collect();
                assert_eq!(list, expected, "the list has what was pushed last");
                last
            }
            Way::Deadlines => {
                client.call::<()>("SELECT 3");
                let count = (0..KEYS).map(|key| number(client, &format!("GET key:{key}"))).max();
                client.call::<()>("SELECT 0");
                count.unwrap_or_default()
            }
        }
    }
}

#[track_caller]
fn number(client: &mut Client, line: &str) -> u64 {
    client.call::<Option<u64>>(line).unwrap_or_default()
}

#[track_caller]
fn both(left: u64, right: u64) -> u64 {
    assert_eq!(left, right, "a transaction is there as a whole");
    left
}

/// What one writer asked for, and was told.
#[derive(Debug)]
pub(crate) struct Tally {
    way: Way,
    asked: u64,
    answered: u64,
    /// The last step that WAITAOF found on the disk.
    on_disk: u64,
}

impl Tally {
    /// Fails the test unless the data shows all that was answered, and nothing that nobody asked for.
    #[track_caller]
    pub(crate) fn assert_answered(&self, client: &mut Client) {
        self.assert_from(self.answered, client);
    }

    /// As [`Tally::assert_answered`], of what was answered with the disk's word for it.
    #[track_caller]
    pub(crate) fn assert_on_disk(&self, client: &mut Client) {
        self.assert_from(self.on_disk, client);
    }

    #[track_caller]
    fn assert_from(&self, floor: u64, client: &mut Client) {
        let count = self.way.count(client);
        assert!((floor..=self.asked).contains(&count), "{count} of {self:?}");
    }

    /// Takes steps until it is told to stop, or the connection ends.
    fn write(mut self, client: &mut Client, told: &AtomicBool, answers: &AtomicU64) -> Tally {
        while !told.load(Ordering::Relaxed) {
            let next = self.asked + 1;
            let steps: Vec<Vec<Cmd>> =
                (next..next + self.way.steps_at_once()).map(|n| self.way.step(n)).collect();
            self.asked += steps.len() as u64;
            let replies = client.replies(&steps.concat());
            let answered = replies.chunks(steps[0].len()).take_while(|step| step.iter().all(is_answer));
            let answered = answered.count() as u64;
            self.answered += answered;
            answers.fetch_add(answered, Ordering::Relaxed);
            if self.answered < self.asked || !self.ask_the_disk(client) {
                break;
            }
        }
        self
    }

    /// One of the writers does, now and then; whether the connection is still there.
    fn ask_the_disk(&mut self, client: &mut Client) -> bool {
        if !matches!(self.way, Way::Increments) || !self.answered.is_multiple_of(STEPS_TO_THE_DISK) {
            return true;
        }
        match client.try_call::<Vec<u64>>("WAITAOF 1 0 0") {
            Ok(disks) => {
                assert_eq!(disks[0], 1, "it waits for as long as that takes");
                self.on_disk = self.answered;
                true
            }
            // Whoever switches the file off does not ask what others wait for.
            Err(error) if error.to_string().contains("appendonly is disabled") => true,
            Err(error) => {
                assert!(error.is_io_error(), "WAITAOF: {error}");
                false
            }
        }
    }
}

/// Whether it is an answer, and not the end of the connection. Nothing that the writers ask for is refused.
fn is_answer(reply: &RedisResult<Value>) -> bool {
    match reply {
        Ok(reply) => assert!(!matches!(reply, Value::ServerError(_)), "a writer is refused: {reply:?}"),
        Err(error) => assert!(error.is_io_error(), "a writer cannot read what it is told: {error}"),
    }
    reply.is_ok()
}

/// Writers of all ways on one server, each a thread with a connection of its own.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Writers {
    /// They go on from what the server shows.
    #[track_caller]
    pub(crate) fn start(server: &Server) -> Writers {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let start = |way: Way| {
            let mut client = server.client();
            let count = way.count(&mut client);
            let tally = Tally { way, asked: count, answered: count, on_disk: 0 };
            let (told, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            thread::spawn(move || tally.write(&mut client, &told, &answers))
        };
        let threads = WAYS.map(start).into();
        Writers { stop, answers, threads }
    }

    /// Waits until so many more steps are answered.
    #[track_caller]
    pub(crate) fn let_pass(&self, steps: u64) {
        let start = self.answers.load(Ordering::Relaxed);
        wait_until("writes pass", || {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a writer ended by itself");
            self.answers.load(Ordering::Relaxed) >= start + steps
        });
    }

    /// Ends those that are still there, and says what each was told.
    #[track_caller]
    pub(crate) fn stop(self) -> Vec<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("a writer failed")).collect()
    }
}
