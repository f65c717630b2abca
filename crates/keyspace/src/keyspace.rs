//! All databases of one node, and snapshots of them.
//!
//! A snapshot is a value: it copies pointers only, can be sent to another thread, and never
//! changes whatever is written afterwards.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::access::AccessPolicy;
use crate::database::{Database, Garbage, KeyLayout, view};
use crate::encoding::Encoding;
use crate::table::{self, Table};
use crate::time::UnixMillis;
use crate::value::Value;

/// The data of one node.
pub struct Keyspace {
    databases: Vec<Database>,
    encoding: Encoding,
    /// The databases that were handed out to be changed since they were looked through for expired keys: a bit each,
    /// the last one for all that have none.
    lent: u64,
}

/// The bit of a database in such a set.
#[inline]
fn bit(index: usize) -> u64 {
    1 << index.min(63)
}

impl Keyspace {
    /// Empty databases, whose hashes and those of their collections are keyed by `seed`.
    pub fn new(databases: usize, seed: [u64; 4], mut encoding: Encoding) -> Self {
        encoding.seed = seed;
        Keyspace { databases: (0..databases).map(|_| Database::new(seed)).collect(), encoding, lent: 0 }
    }

    /// What the hashes are keyed by.
    pub fn seed(&self) -> [u64; 4] {
        self.encoding.seed
    }

    /// Database `index`, which exists.
    pub fn db(&self, index: usize) -> &Database {
        &self.databases[index]
    }

    /// Database `index`, which exists, to be changed.
    pub fn db_mut(&mut self, index: usize) -> &mut Database {
        self.lent |= bit(index);
        &mut self.databases[index]
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    /// Keys in all databases, due ones included.
    pub fn len(&self) -> u64 {
        let keys: usize = self.databases.iter().map(Database::len).sum();
        keys as u64
    }

    /// Whether there are no keys at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Database `index` to be changed, with the thresholds its collections go by.
    pub fn db_and_encoding(&mut self, index: usize) -> (&mut Database, &Encoding) {
        self.lent |= bit(index);
        (&mut self.databases[index], &self.encoding)
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.lent |= bit(a) | bit(b);
        self.databases.swap(a, b);
    }

    /// Whether keys were removed because they were due that were not taken yet. Asked behind each command.
    #[inline]
    pub fn has_expired(&mut self) -> bool {
        let mut lent = self.lent;
        while lent != 0 {
            if self.meant(lent).any(|index| !self.databases[index].expired.is_empty()) {
                return true;
            }
            lent &= lent - 1;
        }
        self.lent = 0;
        false
    }

    /// Takes the keys that were removed because they were due, each with its database.
    pub fn take_expired(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut expired = Vec::new();
        let mut lent = std::mem::take(&mut self.lent);
        while lent != 0 {
            for index in self.meant(lent) {
                expired.extend(self.databases[index].expired.drain(..).map(|key| (index, key)));
            }
            lent &= lent - 1;
        }
        expired
    }

    /// The databases of the lowest bit in such a set.
    #[inline]
    fn meant(&self, lent: u64) -> Range<usize> {
        let first = lent.trailing_zeros() as usize;
        first..if first == 63 { self.databases.len() } else { first + 1 }
    }

    /// Removes all keys; what they held can be dropped elsewhere.
    pub fn clear(&mut self) -> Garbage {
        Garbage::joined(self.databases.iter_mut().map(Database::clear).collect())
    }

    /// Whether accessing a due key removes it, in all databases: true on a primary.
    pub fn set_deletes_due(&mut self, deletes_due: bool) {
        self.databases.iter_mut().for_each(|database| database.deletes_due = deletes_due);
    }

    /// Tells the time to all databases.
    pub fn set_time(&mut self, now: UnixMillis) {
        self.databases.iter_mut().for_each(|database| database.set_time(now));
    }

    /// Whether accesses leave no trace from now on, in all databases.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.databases.iter_mut().for_each(|database| database.set_quiet(quiet));
    }

    /// Bytes that further keys may take without any being allocated: what removed ones left behind.
    pub fn vacant_bytes(&self) -> usize {
        self.databases.iter().map(Database::vacant_bytes).sum()
    }

    /// How all databases record accesses.
    pub fn set_access_policy(&mut self, policy: AccessPolicy) {
        self.databases.iter_mut().for_each(|database| database.set_access_policy(policy));
    }

    /// The thresholds that collections go by.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The thresholds that collections go by, to be changed.
    pub fn encoding_mut(&mut self) -> &mut Encoding {
        &mut self.encoding
    }

    /// All data as of now.
    pub fn snapshot(&self) -> Snapshot {
        let databases = self.databases.iter().map(SnapshotDatabase::of).collect();
        Snapshot { databases, encoding: self.encoding }
    }
}

/// All data at one moment. Clones share it.
#[derive(Clone)]
pub struct Snapshot {
    databases: Vec<SnapshotDatabase>,
    encoding: Encoding,
}

impl Snapshot {
    /// Database `index`, which exists.
    pub fn db(&self, index: usize) -> &SnapshotDatabase {
        &self.databases[index]
    }

    /// All databases, empty ones included.
    pub fn databases(&self) -> impl Iterator<Item = &SnapshotDatabase> {
        self.databases.iter()
    }

    /// All databases, to be read and given up piece by piece.
    pub fn into_databases(self) -> impl Iterator<Item = SnapshotDatabase> {
        self.databases.into_iter()
    }

    /// How many keys there are in all databases.
    pub fn len(&self) -> usize {
        self.databases.iter().map(SnapshotDatabase::len).sum()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The thresholds that collections went by.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }
}

/// One database at one moment.
#[derive(Clone)]
pub struct SnapshotDatabase {
    table: Table<KeyLayout>,
    expires: usize,
}

impl SnapshotDatabase {
    fn of(database: &Database) -> Self {
        SnapshotDatabase { table: database.table().clone(), expires: database.expires_len() }
    }

    /// How many keys there are, due ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many keys have a deadline.
    pub fn expires_len(&self) -> usize {
        self.expires
    }

    /// All keys with their values and deadlines, due or not.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>, Option<UnixMillis>)> {
        self.table.iter().map(view)
    }

    /// All keys in portions. Once a portion is dropped, and no other snapshot holds it, writes to
    /// what lies in it need no copy any more: whoever reads a snapshot once reads it this way.
    pub fn into_portions(self) -> impl Iterator<Item = Portion> {
        self.table.into_portions().map(Portion)
    }

    /// The value of `key` and its deadline, due or not.
    pub fn get(&self, key: &[u8]) -> Option<(Value<'_>, Option<UnixMillis>)> {
        self.table.get(key).map(view).map(|(_, value, deadline)| (value, deadline))
    }
}

/// Some of the keys of a snapshot.
pub struct Portion(table::Portion<KeyLayout>);

impl Portion {
    /// The keys with their values and deadlines, due or not.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>, Option<UnixMillis>)> {
        self.0.iter().map(view)
    }
}
