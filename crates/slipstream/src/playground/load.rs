//! The write load: one thread that sends a mix of writes to the primary at a set rate and counts what comes of it.
//!
//! Told by message where the primary is, or which sentinels know. A write counts as acknowledged only when its reply has come; one without
//! a reply is never sent again, as nobody can know whether it happened. Dropping the value ends the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use slipstream_resp::Value;

use super::trial::{Record, Trial};
use super::whereabouts::Whereabouts;
use crate::client::{Client, ClientError};

/// The key that one kind of write increments, so that the copies can be held against the acknowledgements.
pub(super) const COUNTER: &str = "writes";

const TURN: Duration = Duration::from_millis(10);
/// What one turn may catch up after a stall. More than that is forgotten.
const MAX_BURST: u64 = 2_000;
const KINDS: u64 = 12;
/// Far beyond what the writes of one turn and the search for a primary take.
const LIMIT: Duration = Duration::from_secs(60);

/// What the thread is told.
#[derive(Debug)]
enum Order {
    WriteTo(Whereabouts),
    BeginTrial(&'static str),
    EndTrial(Sender<Option<Record>>),
}

#[derive(Debug)]
pub(super) struct Load {
    orders: Option<Sender<Order>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    increments: AtomicU64,
}

/// What became of the writes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) acknowledged: u64,
    /// Refused or without a reply.
    pub(super) failed: u64,
    /// Those among the acknowledged that incremented [`COUNTER`].
    pub(super) increments: u64,
}

impl Load {
    /// Starts the thread, which waits until it is told where to write.
    pub(super) fn start(writes_per_second: u32) -> Self {
        let (sender, orders) = channel();
        let counts = Arc::new(Counts::default());
        let theirs = Arc::clone(&counts);
        let thread = thread::spawn(move || {
            if let Ok(Order::WriteTo(primary)) = orders.recv() {
                Writer::new(primary, writes_per_second, theirs).run(&orders);
            }
        });
        Self { orders: Some(sender), counts, thread: Some(thread) }
    }

    /// Writes go there from now on.
    pub(super) fn direct_to(&self, primary: Whereabouts) {
        self.order(Order::WriteTo(primary));
    }

    /// Each write is noted under this key from now on.
    pub(super) fn begin_trial(&self, key: &'static str) {
        self.order(Order::BeginTrial(key));
    }

    /// What was seen since the trial began, if one did.
    pub(super) fn end_trial(&self) -> Option<Record> {
        let (sender, record) = channel();
        self.order(Order::EndTrial(sender));
        record.recv_timeout(LIMIT).ok().flatten()
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            orders.send(order).expect("the thread runs as long as it can be told");
        }
    }

    /// Returns when the last write has been answered or given up.
    pub(super) fn stop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer does not panic");
        }
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            acknowledged: self.counts.acknowledged.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            increments: self.counts.increments.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Writer {
    primary: Whereabouts,
    client: Option<Client>,
    trial: Option<Trial>,
    rate: u32,
    started: Instant,
    /// The number of the next write.
    next: u64,
    /// Writes that were due during a stall and are not made up for.
    forgotten: u64,
    counts: Arc<Counts>,
}

impl Writer {
    fn new(primary: Whereabouts, rate: u32, counts: Arc<Counts>) -> Self {
        let started = Instant::now();
        Self { primary, client: None, trial: None, rate, started, next: 0, forgotten: 0, counts }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            self.write_what_is_due();
            match orders.recv_timeout(TURN) {
                Ok(order) => self.follow(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::WriteTo(primary) => (self.primary, self.client) = (primary, None),
            Order::BeginTrial(key) => self.trial = Some(Trial::new(key, self.next, Instant::now())),
            Order::EndTrial(to) => {
                let record = self.trial.take().map(|trial| trial.end(Instant::now()));
                // Who asked may have given up.
                to.send(record).unwrap_or_default();
            }
        }
    }

    fn write_what_is_due(&mut self) {
        let due = (self.started.elapsed() * self.rate).as_secs() - self.forgotten;
        let count = due.saturating_sub(self.next);
        self.forgotten += count.saturating_sub(MAX_BURST);
        let end = self.next + count.min(MAX_BURST);
        if end == self.next {
            return;
        }
        let mut answered = self.next;
        // Who refuses may be the primary no longer: the next write looks for it again.
        if self.write(end, &mut answered).is_err() {
            self.client = None;
        }
        self.counts.failed.fetch_add(end - answered, Ordering::Relaxed);
        self.next = end;
    }

    /// Sends the writes up to number `end` as one pipeline and moves `answered` behind each that has its reply. The
    /// error is the last one, if there were refusals alone.
    fn write(&mut self, end: u64, answered: &mut u64) -> Result<(), ClientError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(self.primary.connect()?),
        };
        let writes: Vec<Vec<Vec<String>>> = (self.next..end)
            .map(|number| match &self.trial {
                Some(trial) => trial.transaction(number, request(number)).into(),
                None => vec![request(number)],
            })
            .collect();
        client.send(&writes.concat())?;
        let mut outcome = Ok(());
        for requests in writes {
            // The last reply is that of the write, or of its transaction.
            for _ in 1..requests.len() {
                client.receive()?;
            }
            let reply = client.receive()?;
            self.counts.count(*answered, &reply);
            match (refusal(&reply), &mut self.trial) {
                (Some(text), _) => outcome = Err(ClientError::Refused(text.to_owned())),
                (None, Some(trial)) => trial.note(*answered, Instant::now()),
                (None, None) => {}
            }
            *answered += 1;
        }
        outcome
    }
}

impl Counts {
    fn count(&self, number: u64, reply: &Value) {
        if refusal(reply).is_some() {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(KINDS) {
            self.increments.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The error in a reply, or in one of a transaction's.
fn refusal(reply: &Value) -> Option<&str> {
    match reply {
        Value::Error(text) => Some(text),
        Value::Array(replies) => replies.iter().find_map(refusal),
        _ => None,
    }
}

/// The write of this number. All types are among them, and commands whose effect is not what they say: SPOP takes
/// whichever member, ZINCRBY adds fractions, a session ends at a time. The keys are few enough to stay in view.
fn request(number: u64) -> Vec<String> {
    // Spread over the keys without a visible order; the multiplier is the golden ratio's.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let (many, few) = (spread % 500, spread % 20);
    let line = match number % KINDS {
        0 => format!("INCR {COUNTER}"),
        1 => format!("SET user:{many} name-{number}"),
        2 => format!("HSET profile:{few} name-{many} {number} seen {spread}"),
        3 => format!("HINCRBY profile:{few} visits 1"),
        4 => format!("RPUSH queue:{few} job-{number}"),
        5 => format!("LPOP queue:{few}"),
        6 => format!("SADD tags:{few} tag-{many}"),
        7 => format!("SPOP tags:{few}"),
        8 => format!("ZADD ranking {many} player-{few}"),
        9 => format!("ZINCRBY ranking 0.1 player-{few}"),
        10 => format!("SET session:{many} {spread} PX 1500"),
        _ => format!("APPEND note:{few} {few}"),
    };
    line.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_write_comes_in_turn() {
        let commands: Vec<String> = (0..KINDS).map(|number| request(number)[0].clone()).collect();
        let expected = "INCR SET HSET HINCRBY RPUSH LPOP SADD SPOP ZADD ZINCRBY SET APPEND";
        assert_eq!(commands.join(" "), expected);
        assert_eq!(request(0), ["INCR", COUNTER]);
        assert_eq!(request(KINDS)[0], "INCR", "the increments are found by their numbers");
    }

    #[test]
    fn an_error_is_no_acknowledgement() {
        let counts = Counts::default();
        counts.count(0, &Value::Integer(1));
        counts.count(1, &Value::Simple("OK".into()));
        counts.count(KINDS, &Value::Error("READONLY".into()));
        counts.count(KINDS, &Value::Array(vec![Value::Error("WRONGTYPE".into()), Value::Integer(0)]));
        assert_eq!(counts.acknowledged.into_inner(), 2);
        assert_eq!(counts.failed.into_inner(), 2);
        assert_eq!(counts.increments.into_inner(), 1);
    }
}
