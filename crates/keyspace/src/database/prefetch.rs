//! Keys that are about to be accessed: looked for together before they are accessed one by one.
//!
//! It is an effort to save time only: it records no access, removes nothing that is due, and what
//! it did not foresee works as well, only slower.

use super::Database;
use crate::table::Batch;

impl Database {
    /// Where `key` is stored: keys with near hints are stored near each other.
    #[inline]
    pub fn order_hint(&self, key: &[u8]) -> u64 {
        self.table.hash(key)
    }

    /// Adds `key` to the keys that are about to be accessed here, unless there are enough.
    #[inline]
    pub fn expect(&self, key: &[u8], batch: &mut Batch) {
        batch.push(self.order_hint(key));
    }

    /// Brings what accesses to the keys of `batch` read near to the processor, for all of them at a
    /// time.
    pub fn prefetch(&self, batch: &Batch) {
        self.table.prefetch(batch);
    }

    /// The same for writes, new keys among them.
    pub fn prefetch_writes(&self, batch: &Batch) {
        self.table.prefetch_writes(batch);
    }
}
