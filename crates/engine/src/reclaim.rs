//! Data that nobody needs any more, on its way to be dropped where it delays nobody.
//!
//! The shell drops it on a thread of its own ([`Effect::Reclaim`]); a ticket that goes with the data tells, when
//! it has been dropped, how much is still under way. Memory limits do not count that: it is as good as free.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use slipstream_keyspace::{Garbage, Keyspace, Value};

use crate::host::Effect;
use crate::node::Core;

/// Elements of a value that its size is estimated from.
const SAMPLES: usize = 5;

/// What is dropped.
pub enum Content {
    /// All databases.
    Keyspace(Keyspace),
    /// Emptied databases.
    Databases(Garbage),
    /// Big values.
    Values(Vec<Value<'static>>),
}

/// Data to be dropped, and the ticket that says when that is done.
pub struct Discarded {
    // Fields are dropped in this order.
    _content: Content,
    _ticket: Ticket,
}

impl fmt::Debug for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discarded")
    }
}

/// How much one piece of data holds, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Keys and values.
    pub(crate) objects: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct Done {
    objects: AtomicU64,
    bytes: AtomicU64,
}

struct Ticket {
    load: Load,
    done: Arc<Done>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.done.objects.fetch_add(self.load.objects, Ordering::Relaxed);
        self.done.bytes.fetch_add(self.load.bytes, Ordering::Relaxed);
    }
}

/// Accounts of what was handed over and what has been dropped.
#[derive(Debug, Default)]
pub struct Reclaim {
    handed_over: Load,
    done: Arc<Done>,
    /// What had been dropped when the counters were last set back.
    counted_from: u64,
}

impl Reclaim {
    /// Keys and values that are not dropped yet.
    pub fn pending_objects(&self) -> u64 {
        self.handed_over.objects.saturating_sub(self.done.objects.load(Ordering::Relaxed))
    }

    /// Keys and values that have been dropped since the counter was set back.
    pub fn dropped_objects(&self) -> u64 {
        self.done.objects.load(Ordering::Relaxed) - self.counted_from
    }

    /// Sets the counter back to zero: CONFIG RESETSTAT.
    pub(crate) fn reset_counter(&mut self) {
        self.counted_from = self.done.objects.load(Ordering::Relaxed);
    }

    /// Bytes, by estimate, that are not dropped yet.
    pub fn pending_bytes(&self) -> usize {
        let pending = self.handed_over.bytes.saturating_sub(self.done.bytes.load(Ordering::Relaxed));
        usize::try_from(pending).unwrap_or(usize::MAX)
    }

    fn discard(&mut self, content: Content, load: Load) -> Discarded {
        self.handed_over.objects += load.objects;
        self.handed_over.bytes += load.bytes;
        Discarded { _content: content, _ticket: Ticket { load, done: self.done.clone() } }
    }
}

impl Core {
    /// Drops `gone` of `all` keys, with all the memory that is theirs by this share.
    pub(crate) fn discard_keys(&mut self, content: Content, gone: usize, all: usize) {
        let others = self.startup_memory + self.log_memory();
        let data = self.host.used_memory().saturating_sub(others) as u128;
        let bytes = u64::try_from(data * gone as u128 / all.max(1) as u128).unwrap_or(0);
        self.discard(content, Load { objects: gone as u64, bytes });
    }

    /// Hands over what the databases have put aside: big values that are gone.
    pub(crate) fn discard_garbage(&mut self, keyspace: &mut Keyspace) {
        for db in 0..keyspace.databases() {
            if !keyspace.db(db).garbage.is_empty() {
                let values = std::mem::take(&mut keyspace.db_mut(db).garbage);
                let bytes = values.iter().map(|value| value.memory_usage(SAMPLES) as u64).sum();
                let load = Load { objects: values.len() as u64, bytes };
                self.discard(Content::Values(values), load);
            }
        }
    }

    fn discard(&mut self, content: Content, load: Load) {
        let discarded = self.reclaim.discard(content, load);
        self.effects.push(Effect::Reclaim(Box::new(discarded)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_keyspace::Str;

    #[test]
    fn what_is_handed_over_is_pending_until_it_is_dropped() {
        let mut reclaim = Reclaim::default();
        let values = Content::Values(vec![Value::String(Str::from_int(1))]);
        let discarded = reclaim.discard(values, Load { objects: 1, bytes: 100 });
        assert_eq!(
            (reclaim.pending_objects(), reclaim.pending_bytes(), reclaim.dropped_objects()),
            (1, 100, 0)
        );
        drop(discarded);
        assert_eq!(
            (reclaim.pending_objects(), reclaim.pending_bytes(), reclaim.dropped_objects()),
            (0, 0, 1)
        );
        reclaim.reset_counter();
        assert_eq!((reclaim.pending_objects(), reclaim.dropped_objects()), (0, 0));
    }
}
