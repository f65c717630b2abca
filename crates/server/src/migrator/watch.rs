//! What the executor sees of a thread that ships, and how it gives one up.
//!
//! Nothing here waits: the thread notices at its next step, or when its socket fails.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Shared by the executor and one thread.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Whether an order is not answered yet.
    busy: AtomicBool,
    /// Grows with each piece that went and each reply that came.
    steps: AtomicUsize,
    /// How many connections are kept.
    sockets: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    given_up: bool,
    /// The connection that is used, or was last.
    stream: Weak<TcpStream>,
}

impl Watch {
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Release);
    }

    pub(super) fn steps(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }

    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    pub(super) fn set_sockets(&self, count: usize) {
        self.sockets.store(count, Ordering::Relaxed);
    }

    /// Ends what is under way: nothing more is sent.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        state.given_up = true;
        if let Some(stream) = state.stream.upgrade() {
            // One that is closed already needs no more.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.state().given_up
    }

    /// Tells which connection is used from now on; whether it may be.
    pub(super) fn uses(&self, stream: &Arc<TcpStream>) -> bool {
        let mut state = self.state();
        state.stream = Arc::downgrade(stream);
        !state.given_up
    }

    /// What is in it is whole at any time.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many threads of a kind, and no more.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// Free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    pub(super) fn new(most: usize) -> Slots {
        Slots { taken: Arc::default(), most }
    }

    /// One of them, if any is free.
    pub(super) fn take(&self) -> Option<Slot> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Slot(Arc::clone(&self.taken)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
