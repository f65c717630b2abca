//! A client that asks the sentinels where the primary is, and writes one key after another there; or one that knows
//! a single server.
//!
//! It remembers which keys were acknowledged and the longest time without one. Any refusal, error or silence makes it
//! connect anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::Value;

use super::group::primary_named_to;
use crate::client::{Client, command};
use crate::server::Server;
use crate::wait::{pause, wait_until};

/// Within so much an answer comes, or is given up.
const PATIENCE: Duration = Duration::from_millis(300);

/// Between two pauses, which leave the processor to those who are measured.
const WRITES_AT_A_TIME: u64 = 100;

/// Of who writes where nothing is to come of it: what is thrown away afterwards stays little.
const ASIDE_AT_A_TIME: u64 = 1;

pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    thread: JoinHandle<()>,
}

pub(super) struct Record {
    prefix: &'static str,
    /// The keys `PREFIX:N` that were acknowledged.
    pub(super) acknowledged: Vec<u64>,
    /// When the last one was.
    pub(super) last: Instant,
    /// Between two of them.
    pub(super) longest_gap: Duration,
}

impl Record {
    fn note(&mut self, number: u64) {
        self.acknowledged.push(number);
        self.note_gap();
        self.last = Instant::now();
    }

    fn note_gap(&mut self) {
        self.longest_gap = self.longest_gap.max(self.last.elapsed());
    }

    /// How many of the keys are missing at a server.
    #[track_caller]
    pub(super) fn count_lost(&self, server: &Server) -> usize {
        let mut client = server.client();
        let is_there = self.acknowledged.chunks(1000).flat_map(|numbers| {
            client.pipeline::<u8>(
                numbers.iter().map(|number| command(&format!("EXISTS {}:{number}", self.prefix))),
            )
        });
        is_there.filter(|&count| count == 0).count()
    }
}

impl Writer {
    pub(super) fn start(sentinels: &[Server]) -> Self {
        let ports: Vec<u16> = sentinels.iter().map(|sentinel| sentinel.port).collect();
        Self::start_with("w", WRITES_AT_A_TIME, move || find_primary(&ports))
    }

    /// Writes to one server, whoever is the primary.
    pub(super) fn start_aside(server: &Server) -> Self {
        let port = server.port;
        Self::start_with("aside", ASIDE_AT_A_TIME, move || Client::try_connect_within(port, PATIENCE).ok())
    }

    fn start_with(
        prefix: &'static str,
        writes_at_a_time: u64,
        find: impl Fn() -> Option<Client> + Send + 'static,
    ) -> Self {
        let record =
            Record { prefix, acknowledged: Vec::new(), last: Instant::now(), longest_gap: Duration::ZERO };
        let (stop, record) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(record)));
        let (told, book) = (Arc::clone(&stop), Arc::clone(&record));
        let thread = thread::spawn(move || {
            let mut primary = None;
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                number += 1;
                primary = primary.or_else(&find);
                primary = primary.and_then(|mut client| {
                    client.try_call::<()>(&format!("SET {prefix}:{number} {number}")).ok()?;
                    lock(&book).note(number);
                    Some(client)
                });
                if primary.is_none() || number.is_multiple_of(writes_at_a_time) {
                    pause();
                }
            }
        });
        Self { stop, record, thread }
    }

    /// Waits until so many more writes are acknowledged.
    #[track_caller]
    pub(super) fn let_pass(&self, writes: usize) {
        let start = lock(&self.record).acknowledged.len();
        wait_until("writes pass", || lock(&self.record).acknowledged.len() >= start + writes);
    }

    /// Gaps count from now on.
    pub(super) fn forget_gaps(&self) {
        lock(&self.record).longest_gap = Duration::ZERO;
    }

    #[track_caller]
    pub(super) fn stop(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer failed");
        let record = Arc::into_inner(self.record).expect("the thread has ended");
        let mut record = record.into_inner().expect("nobody panics with it");
        record.note_gap();
        record
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().expect("nobody panics with it")
}

/// The first sentinel that answers is believed, if whom it names says the same of itself.
fn find_primary(sentinels: &[u16]) -> Option<Client> {
    let connect = |port| Client::try_connect_within(port, PATIENCE).ok();
    let port = sentinels.iter().find_map(|&port| primary_named_to(&mut connect(port)?))?;
    let mut client = connect(port)?;
    let role: Vec<Value> = client.try_call("ROLE").ok()?;
    matches!(role.first(), Some(Value::BulkString(role)) if role == b"master").then_some(client)
}
