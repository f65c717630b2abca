//! Records into a keyspace, in an order in which neighbours are stored near each other.
//!
//! In a snapshot of another program the keys come in an order that means nothing here: each would be put somewhere
//! else in a big table, and the processor would wait for most of what it touches. So, once a database does not fit
//! the caches, records are sorted onto shelves by where they will be stored. A full shelf is inserted in that order;
//! it is small enough that it fits the caches itself and takes about a millisecond. Within 32 keys, what the next ones
//! need is read ahead ([`Database::prefetch_writes`]), and what lies in one piece of the table is put there at a time
//! ([`Database::take_in`]).
//!
//! ```text
//! batch ─┬▶ shelf of the keys from 0/32 to 1/32 of the table ──full──▶ arranged, inserted
//!        ├▶ shelf of the next 32nd
//!        └▶ …
//! ```
//!
//! Where the snapshot says how many keys there will be, the table is made ready for them while it holds few, so that
//! hardly any has to move again. An announcement is not believed further than `AHEAD` times what has come.
//! Invariant: records with one key are inserted in the order in which they came.
//!
//! [`Database::prefetch_writes`]: slipstream_keyspace::Database::prefetch_writes
//! [`Database::take_in`]: slipstream_keyspace::Database::take_in

use slipstream_keyspace::{Batch, Keyspace, UnixMillis};

use crate::error::{KeyName, ReadError, Reason};
use crate::read::Duplicates;
use crate::records::{Attributes, Contents, Record, Records, first_bits};

/// Tables with fewer keys stay in the caches by themselves.
const WORTHWHILE_KEYS: usize = 20_000;

const SHELVES: usize = 1 << SHELF_BITS;
const SHELF_BITS: u32 = 5;

/// A shelf is full with so many bytes of keys and short strings, or with so many keys.
const SHELF_BYTES: usize = 256 << 10;
const SHELF_KEYS: usize = 2048;

/// The order of a shelf is that of so many ranges of hashes.
const RANGES: usize = 1 << RANGE_BITS;
const RANGE_BITS: u32 = 11;

/// A table is made ready for so many times the keys that are in it.
const AHEAD: usize = 16;

/// Puts records into a keyspace.
pub struct Insertion<'k> {
    keyspace: &'k mut Keyspace,
    now: UnixMillis,
    duplicates: Duplicates,
    ahead: Batch,
    order: Vec<u32>,
    keys: u64,
    room: Vec<Room>,
    /// All are empty until a database is big.
    shelves: Vec<Records>,
}

/// How many keys a database is going to have.
#[derive(Clone, Copy, Default)]
struct Room {
    announced: usize,
    /// Up to how many it has been made ready for.
    ready: usize,
}

impl<'k> Insertion<'k> {
    /// Into a fresh keyspace, of the shape that the decoder was told.
    pub fn new(keyspace: &'k mut Keyspace, now: UnixMillis, duplicates: Duplicates) -> Insertion<'k> {
        Insertion {
            now,
            duplicates,
            ahead: Batch::default(),
            order: Vec::new(),
            keys: 0,
            room: vec![Room::default(); keyspace.databases()],
            shelves: std::iter::repeat_with(Records::default).take(SHELVES).collect(),
            keyspace,
        }
    }

    /// Keys inserted so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Takes in a batch, which is empty afterwards. Its keys need not be in the keyspace before
    /// [`advance`](Self::advance) has told that all are.
    pub fn insert(&mut self, records: &mut Records) -> Result<(), ReadError> {
        for (database, keys) in records.take_announced() {
            let room = &mut self.room[database];
            room.announced = room.announced.saturating_add(usize::try_from(keys).unwrap_or(usize::MAX));
        }
        self.make_room();
        let Insertion { keyspace, shelves, .. } = self;
        let hint = |database: usize, key: &[u8]| keyspace.db(database).order_hint(key);
        if !(0..keyspace.databases()).any(|number| keyspace.db(number).len() >= WORTHWHILE_KEYS) {
            records.ask(hint);
            return self.put_in(records, |_, _| {});
        }
        records.sort_onto(shelves, hint);
        for shelf in 0..SHELVES {
            if self.shelves[shelf].len() >= SHELF_KEYS || self.shelves[shelf].size() >= SHELF_BYTES {
                self.empty(shelf)?;
            }
        }
        Ok(())
    }

    /// Inserts a piece of what has been taken in; false when all of it is in the keyspace.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        match self.shelves.iter().position(|shelf| !shelf.is_empty()) {
            Some(shelf) => self.empty(shelf).map(|()| true),
            None => Ok(false),
        }
    }

    /// Makes tables ready for what was announced, in steps of about `AHEAD`.
    fn make_room(&mut self) {
        for (number, room) in self.room.iter_mut().enumerate() {
            let len = self.keyspace.db(number).len();
            if len < room.ready || room.announced <= len {
                continue;
            }
            room.ready = room.announced;
            while room.ready > len.saturating_mul(AHEAD) {
                room.ready /= AHEAD;
            }
            self.keyspace.db_mut(number).make_room(room.ready);
        }
    }

    /// Inserts what is on a shelf.
    fn empty(&mut self, shelf: usize) -> Result<(), ReadError> {
        let mut records = std::mem::take(&mut self.shelves[shelf]);
        let done = self.put_in(&mut records, arrange);
        self.shelves[shelf] = records;
        done
    }

    /// Inserts all records in the order that `arrange` finds.
    fn put_in(
        &mut self,
        records: &mut Records,
        arrange: impl FnOnce(&[Record], &mut [u32]),
    ) -> Result<(), ReadError> {
        let mut order = std::mem::take(&mut self.order);
        let (all, mut contents) = records.split();
        order.clear();
        order.extend(0..u32::try_from(all.len()).expect("a batch is bounded"));
        arrange(all, &mut order);
        contents.read_ahead();
        let database = |index: &u32| all[place(*index)].database;
        for near in
            order.chunk_by(|a, b| database(a) == database(b)).flat_map(|run| run.chunks(Batch::CAPACITY))
        {
            self.look_ahead(near, all);
            self.fill(near, all, &mut contents)?;
        }
        self.order = order;
        records.clear();
        Ok(())
    }

    fn look_ahead(&mut self, near: &[u32], records: &[Record]) {
        let database = self.keyspace.db(records[place(near[0])].database);
        if database.len() < WORTHWHILE_KEYS {
            return;
        }
        self.ahead.clear();
        for index in near {
            self.ahead.push(records[place(*index)].hint);
        }
        database.prefetch_writes(&self.ahead);
    }

    /// Inserts some records of one database.
    fn fill(
        &mut self,
        near: &[u32],
        records: &[Record],
        contents: &mut Contents<'_>,
    ) -> Result<(), ReadError> {
        let number = records[place(near[0])].database;
        let database = self.keyspace.db_mut(number);
        let keys = near.iter().map(|index| contents.take(&records[place(*index)]));
        let replaced = database.take_in(keys, self.now, self.duplicates == Duplicates::Replace);
        replaced.map_err(|at| {
            let record = &records[place(near[at])];
            let database = u64::try_from(number).expect("usize fits in u64");
            let key = Some(KeyName { database, name: contents.key(record).into() });
            ReadError { offset: record.offset, key, reason: Reason::DuplicateKey }
        })?;
        for record in near.iter().map(|index| &records[place(*index)]) {
            let Attributes { idle_seconds, frequency, .. } = contents.attributes(record);
            if let Some(seconds) = idle_seconds {
                database.set_idle(contents.key(record), seconds, self.now);
            }
            if let Some(frequency) = frequency {
                database.set_frequency(contents.key(record), frequency, self.now);
            }
        }
        self.keys += u64::try_from(near.len()).expect("usize fits in u64");
        Ok(())
    }
}

fn place(index: u32) -> usize {
    usize::try_from(index).expect("u32 fits in usize")
}

/// Orders records of one shelf by the ranges of their hints; within one range they stay in order.
fn arrange(records: &[Record], order: &mut [u32]) {
    let range = |record: &Record| first_bits(record.hint << SHELF_BITS, RANGE_BITS);
    let mut next = [0u32; RANGES];
    for record in records {
        next[range(record)] += 1;
    }
    let mut before = 0;
    for place in &mut next {
        before += std::mem::replace(place, before);
    }
    for (index, record) in (0u32..).zip(records) {
        let next = &mut next[range(record)];
        order[place(*next)] = index;
        *next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_together_and_equals_stay_in_order() {
        let hints = [7, 0, 3, 7, 0, 1023].map(|range: u64| range << 54 | 99);
        let records = hints.map(|hint| Record::with_hint(hint >> SHELF_BITS));
        let mut order = vec![9; 6];
        arrange(&records, &mut order);
        assert_eq!(order, [1, 4, 2, 0, 3, 5]);
        arrange(&[], &mut []);
    }
}
