//! What the feeder has to tell the loop: the newest of each replica, not a queue.
//!
//! Bounded by the number of replicas and by [`MAX_OTHER`]; the feeder reads no more requests while that much waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use slipstream_engine::SessionId;
use slipstream_log::Offset;
use slipstream_replication::replicas::Ack;

use crate::connection::Socket;

/// Most bytes of requests that wait for the loop; one reading may go beyond it.
const MAX_OTHER: usize = 1 << 20;

/// What happened since the last time.
#[derive(Debug, Default)]
pub struct News {
    /// Up to where the stream was handed to each socket.
    pub sent: BTreeMap<SessionId, Offset>,
    /// What each replica acknowledged.
    pub acks: BTreeMap<SessionId, Acks>,
    /// What is for the sessions.
    pub other: Vec<(SessionId, Vec<u8>)>,
    /// Replicas whose socket is closed.
    pub closed: Vec<SessionId>,
    /// Sockets whose stream has ended.
    pub returned: Vec<(SessionId, Returned)>,
    other_bytes: usize,
}

/// A socket that is the loop's again.
#[derive(Debug)]
pub struct Returned {
    /// The socket.
    pub socket: Socket,
    /// Where its stream has ended.
    pub end: Offset,
}

/// Acknowledgements of one replica.
#[derive(Clone, Copy, Debug)]
pub struct Acks {
    /// The last one.
    pub newest: Ack,
    /// How many there were.
    pub requests: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

impl News {
    pub(super) fn add_acks(&mut self, id: SessionId, more: Acks) {
        let known = self.acks.entry(id).or_insert(Acks { requests: 0, bytes: 0, ..more });
        known.newest = more.newest;
        known.requests += more.requests;
        known.bytes += more.bytes;
    }

    pub(super) fn is_empty(&self) -> bool {
        let has_ended = !self.closed.is_empty() || !self.returned.is_empty();
        self.sent.is_empty() && self.acks.is_empty() && self.other.is_empty() && !has_ended
    }

    pub(super) fn add_other(&mut self, id: SessionId, bytes: Vec<u8>) {
        self.other_bytes += bytes.len();
        self.other.push((id, bytes));
    }
}

/// Between the feeder and the loop.
#[derive(Debug)]
pub(super) struct Mailbox {
    news: Mutex<News>,
    has_news: AtomicBool,
    wants_acks: AtomicBool,
    waker: Arc<Waker>,
}

impl Mailbox {
    pub(super) fn new(waker: Arc<Waker>) -> Mailbox {
        Mailbox { news: Mutex::default(), has_news: false.into(), wants_acks: false.into(), waker }
    }

    /// Whether no more requests are to be read for now.
    pub(super) fn is_full(&self) -> bool {
        self.lock().other_bytes >= MAX_OTHER
    }

    /// Adds what one pass over the replicas brought.
    pub(super) fn post(&self, pass: News) {
        let must_wake = !pass.other.is_empty() || !pass.closed.is_empty() || !pass.returned.is_empty();
        let has_acks = !pass.acks.is_empty();
        let mut news = self.lock();
        news.sent.extend(pass.sent);
        for (id, acks) in pass.acks {
            news.add_acks(id, acks);
        }
        news.other.extend(pass.other);
        news.other_bytes += pass.other_bytes;
        news.closed.extend(pass.closed);
        news.returned.extend(pass.returned);
        drop(news);
        self.has_news.store(true, Ordering::SeqCst);
        if must_wake || has_acks && self.wants_acks.load(Ordering::SeqCst) {
            // A loop that has ended needs no news.
            self.waker.wake().ok();
        }
    }

    pub(super) fn take(&self) -> Option<News> {
        self.has_news.swap(false, Ordering::SeqCst).then(|| std::mem::take(&mut *self.lock()))
    }

    /// Replicas whose socket is closed, as the loop will be told when it asks for news.
    pub(super) fn closed(&self) -> Vec<SessionId> {
        match self.has_news.load(Ordering::SeqCst) {
            true => self.lock().closed.clone(),
            false => Vec::new(),
        }
    }

    /// See [`Feeder::expect_acks`](super::Feeder::expect_acks). Either the feeder sees this, or this sees what the
    /// feeder posted before.
    pub(super) fn expect_acks(&self, expected: bool) -> bool {
        if self.wants_acks.load(Ordering::Relaxed) != expected {
            self.wants_acks.store(expected, Ordering::SeqCst);
        }
        expected && self.has_news.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        // News are right whatever happened to a thread that added some.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
