//! A keyspace and its reference, to which everything happens alike.
//!
//! Each operation is done to both and its results are compared; so are the counts, and now and then everything.
//! Snapshots are kept beside copies of the reference, and must equal them however late they are looked at.

use std::sync::Arc;
use std::thread::JoinHandle;

use slipstream_keyspace::{Encoding, Keyspace, Snapshot, SnapshotDatabase, UnixMillis, Value};

use super::operation::{Edit, Input, Kind, Operation, Place, Run, filler, numbered_key};
use super::reference::{Entry, Reference, Shape};
use super::scans::Scan;
use super::subject::{self, Circumstances};

const DATABASES: usize = 2;
/// Snapshots held at a time.
const SNAPSHOTS: usize = 4;

/// Of 256 operations, so many are followed by a comparison that takes long.
const THOROUGH: u8 = 40;

type Copies = [Reference; DATABASES];

/// A keyspace and what it should hold.
pub(crate) struct World {
    keyspace: Keyspace,
    references: Copies,
    now: i64,
    /// A primary deletes what it finds due, a replica hides it.
    deletes_due: bool,
    rng: fastrand::Rng,
    snapshots: Vec<(Snapshot, Copies)>,
    readers: Vec<JoinHandle<()>>,
    scans: [Option<Scan>; DATABASES],
    inner_scan: Option<(Place, Scan)>,
    /// Keys that the running operation found due and deleted.
    expired: [Vec<Vec<u8>>; DATABASES],
}

/// The thresholds of a world: as they are by default, or so low that everything becomes big.
fn encoding(choice: usize) -> Encoding {
    let low = Encoding {
        hash_max_listpack_entries: 4,
        hash_max_listpack_value: 32,
        set_max_intset_entries: 4,
        set_max_listpack_entries: 4,
        set_max_listpack_value: 32,
        zset_max_listpack_entries: 4,
        zset_max_listpack_value: 32,
        list_max_listpack_size: 4,
        ..Encoding::default()
    };
    match choice {
        0 => Encoding::default(),
        1 => low,
        _ => Encoding { list_max_listpack_size: -1, hash_max_listpack_entries: 32, ..Encoding::default() },
    }
}

impl World {
    pub(crate) fn new(input: &mut Input<'_>) -> World {
        let seed = input.byte();
        let deletes_due = seed < 192;
        let mut keyspace = Keyspace::new(DATABASES, [seed.into(), 2, 3, 4], encoding(usize::from(seed % 3)));
        keyspace.set_deletes_due(deletes_due);
        World {
            keyspace,
            references: Copies::default(),
            now: 1_000_000,
            deletes_due,
            rng: fastrand::Rng::with_seed(seed.into()),
            snapshots: Vec::new(),
            readers: Vec::new(),
            scans: [None, None],
            inner_scan: None,
            expired: Default::default(),
        }
    }

    /// Does one operation and compares what can be seen of it.
    pub(crate) fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Look(place) => self.look(place),
            Operation::SetString(place, bytes, ahead) => self.set_string(place, bytes, *ahead),
            Operation::Insert(place, kind, ahead) => self.insert(place, kind, *ahead),
            Operation::Replace(place, kind) => self.replace(place, kind),
            Operation::Remove(place) => self.remove(place),
            Operation::SetDeadline(place, ahead) => self.set_deadline(place, *ahead),
            Operation::Edit(place, edit) => self.edit(place, edit),
            Operation::Move(from, to) => self.relocate(from, to),
            Operation::Copy(from, to) => self.copy(from, to),
            Operation::Fill { db, run, length, deadline } => self.fill(*db, *run, *length, *deadline),
            Operation::Drain { db, run } => self.drain(*db, *run),
            Operation::TakeDue { db, limit } => self.take_due(*db, *limit),
            Operation::TakeDueFields { db, limit } => self.take_due_fields(*db, *limit),
            Operation::Advance(millis) => self.now += millis,
            Operation::Clear(db) => {
                drop(self.keyspace.db_mut(*db).clear());
                self.references[*db].entries.clear();
            }
            Operation::ClearAll => {
                drop(self.keyspace.clear());
                self.references = Copies::default();
            }
            Operation::Swap(a, b) => {
                self.keyspace.swap(*a, *b);
                self.references.swap(*a, *b);
                // A cursor is of the database that it came from.
                self.scans.swap(*a, *b);
            }
            Operation::Snapshot => self.take_snapshot(),
            Operation::Compare(which) => self.compare_snapshot(*which),
            Operation::Send(which) => self.send_snapshot(*which),
            Operation::Forget(which) => drop(self.pull_snapshot(*which)),
            Operation::Scan { db, count } => self.scan(*db, *count),
            Operation::ScanWithin(place, count) => self.scan_within(place, *count),
            Operation::RandomKey(db) => self.random_key(*db),
            Operation::CompareAll => self.compare_all(),
        }
        self.compare_counts();
    }

    /// Compares everything once more, snapshots included.
    pub(crate) fn finish(mut self) {
        self.compare_all();
        while !self.snapshots.is_empty() {
            self.compare_snapshot(0);
            drop(self.pull_snapshot(0));
        }
        for reader in self.readers {
            reader.join().expect("the snapshot on the other thread is what it was");
        }
    }

    fn time(&self) -> UnixMillis {
        UnixMillis(self.now)
    }

    /// The reference's live entry; a due one goes as it must.
    fn live(&mut self, place: &Place) -> Option<&mut Entry> {
        let (entry, expired) = self.references[place.db].live(&place.key, self.now, self.deletes_due);
        if expired {
            self.expired[place.db].push(place.key.clone());
        }
        entry
    }

    fn look(&mut self, place: &Place) {
        let now = self.time();
        let database = self.keyspace.db(place.db);
        let entry = self.references[place.db].entries.get(&place.key);
        assert_eq!(database.deadline(&place.key), entry.and_then(|entry| entry.deadline).map(UnixMillis));
        let shape = entry.filter(|entry| !entry.is_due(now.0)).map(|entry| entry.shape.clone());
        assert_eq!(database.contains(&place.key, now), shape.is_some());
        assert_eq!(database.peek(&place.key, now).is_some(), shape.is_some());
        self.live(place);
        let value = self.keyspace.db_mut(place.db).get(&place.key, now);
        assert_eq!(value.is_some(), shape.is_some());
        if let (Some(value), Some(shape)) = (value, shape) {
            subject::compare(&value, &shape);
            let element = subject::random(&value, &mut self.rng);
            assert_eq!(element.is_some(), !shape.names().is_empty());
            assert!(element.is_none_or(|element| shape.has(&element)));
        }
    }

    fn set_string(&mut self, place: &Place, bytes: &[u8], ahead: Option<i64>) {
        let (now, deadline) = (self.time(), ahead.map(|ahead| self.now + ahead));
        let entry = Entry::new(Shape::String(bytes.to_vec()), deadline);
        self.references[place.db].entries.insert(place.key.clone(), entry);
        self.keyspace.db_mut(place.db).set_string(&place.key, bytes, deadline.map(UnixMillis), now);
    }

    fn insert(&mut self, place: &Place, kind: &Kind, ahead: Option<i64>) {
        let deadline = ahead.map(|ahead| self.now + ahead);
        let (database, encoding) = self.keyspace.db_and_encoding(place.db);
        let (value, shape) = subject::make(kind, encoding);
        let old = database.insert(&place.key, value, deadline.map(UnixMillis));
        let known = self.references[place.db].entries.insert(place.key.clone(), Entry::new(shape, deadline));
        assert_eq!(old.is_some(), known.is_some());
        if let (Some(old), Some(known)) = (old, known) {
            subject::compare(&old, &known.shape);
        }
    }

    fn replace(&mut self, place: &Place, kind: &Kind) {
        let (database, encoding) = self.keyspace.db_and_encoding(place.db);
        let (value, shape) = subject::make(kind, encoding);
        let old = database.replace_value(&place.key, value);
        let entries = &mut self.references[place.db].entries;
        let deadline = entries.get(&place.key).and_then(|entry| entry.deadline);
        let known = entries.insert(place.key.clone(), Entry::new(shape, deadline));
        assert_eq!(old.is_some(), known.is_some());
        if let (Some(old), Some(known)) = (old, known) {
            subject::compare(&old, &known.shape);
        }
    }

    fn remove(&mut self, place: &Place) {
        let old = self.keyspace.db_mut(place.db).remove(&place.key);
        let known = self.references[place.db].entries.remove(&place.key);
        assert_eq!(old.is_some(), known.is_some());
        if let (Some(old), Some(known)) = (old, known) {
            subject::compare(&old, &known.shape);
        }
    }

    fn set_deadline(&mut self, place: &Place, ahead: Option<i64>) {
        let deadline = ahead.map(|ahead| self.now + ahead);
        let known = self.references[place.db].entries.get_mut(&place.key);
        let database = self.keyspace.db_mut(place.db);
        assert_eq!(database.set_deadline(&place.key, deadline.map(UnixMillis)), known.is_some());
        if let Some(entry) = known {
            entry.deadline = deadline;
        }
    }

    /// Changes a value of the kind that the edit is for, or makes one; looks at one of another kind.
    fn edit(&mut self, place: &Place, edit: &Edit) {
        let (empty, empty_shape) = subject::empty_for(edit);
        let now = self.time();
        let known = self.live(place).map(|entry| entry.shape.clone());
        let of_kind =
            |shape: &Arc<Shape>| std::mem::discriminant(&**shape) == std::mem::discriminant(&empty_shape);
        if known.as_ref().is_some_and(|shape| !of_kind(shape)) {
            return self.look(place);
        }
        let (database, encoding) = self.keyspace.db_and_encoding(place.db);
        let encoding = *encoding;
        let entries = &mut self.references[place.db].entries;
        if known.is_none() {
            // What is due and was not deleted, on a replica, is replaced all the same.
            entries.insert(place.key.clone(), Entry::new(empty_shape, None));
        }
        let entry = entries.get_mut(&place.key).expect("it was there or is now");
        let shape = Arc::make_mut(&mut entry.shape);
        let mut at = Circumstances { encoding: &encoding, now: now.0, rng: &mut self.rng };
        let mut value = database.get_or_insert_with(&place.key, now, || empty);
        subject::edit(&mut value, shape, edit, &mut at);
        assert_eq!(value.len(), shape.len());
        if at.rng.u8(..) < THOROUGH {
            subject::compare(&value, shape);
        }
        drop(value);
        database.note_fields(&place.key);
        if !shape.is_kept() {
            entries.remove(&place.key);
            assert!(database.remove(&place.key).is_some());
        }
    }

    /// As RENAME and MOVE: the value is taken out and put in elsewhere.
    fn relocate(&mut self, from: &Place, to: &Place) {
        let known = self.live(from).is_some();
        let now = self.time();
        let Some(found) = self.keyspace.db_mut(from.db).occupied(&from.key, now) else {
            return assert!(!known, "a live key is not found");
        };
        assert!(known, "a key is found that should not be");
        let (value, deadline) = found.remove();
        self.keyspace.db_mut(to.db).insert(&to.key, value, deadline);
        let entry = self.references[from.db].entries.remove(&from.key).expect("it is live");
        self.references[to.db].entries.insert(to.key.clone(), entry);
    }

    fn copy(&mut self, from: &Place, to: &Place) {
        let now = self.time();
        let known = self.live(from).cloned();
        let found = self.keyspace.db_mut(from.db).get(&from.key, now).map(Value::into_owned);
        assert_eq!(found.is_some(), known.is_some());
        if let (Some(value), Some(entry)) = (found, known) {
            self.keyspace.db_mut(to.db).insert(&to.key, value, entry.deadline.map(UnixMillis));
            self.references[to.db].entries.insert(to.key.clone(), entry);
        }
    }

    fn fill(&mut self, db: usize, run: Run, length: usize, ahead: Option<i64>) {
        for (number, step) in run.numbers().zip(0i64..) {
            let ahead = ahead.map(|ahead| ahead + step % 5);
            let place = Place { db, key: numbered_key(number) };
            self.set_string(&place, &filler(number.into(), length), ahead);
        }
    }

    fn drain(&mut self, db: usize, run: Run) {
        run.numbers().for_each(|number| self.remove(&Place { db, key: numbered_key(number) }));
    }

    fn take_due(&mut self, db: usize, limit: usize) {
        let now = self.time();
        let database = self.keyspace.db_mut(db);
        let mut taken = Vec::new();
        while taken.len() < limit && database.may_be_due(now) {
            taken.extend(database.take_due(now, limit - taken.len()));
        }
        let entries = &mut self.references[db].entries;
        let due = entries.values().filter(|entry| entry.is_due(now.0)).count();
        assert_eq!(taken.len(), due.min(limit));
        for key in taken {
            assert!(entries.remove(&key).is_some_and(|entry| entry.is_due(now.0)));
        }
    }

    fn take_due_fields(&mut self, db: usize, limit: usize) {
        let now = self.now;
        let entries = &mut self.references[db].entries;
        let deadlines = entries.values().flat_map(|entry| entry.shape.field_deadlines());
        let due = deadlines.filter(|deadline| *deadline < now).count();
        let taken = self.keyspace.db_mut(db).take_due_fields(UnixMillis(now), limit);
        assert_eq!(taken.iter().map(|(_, fields)| fields.len()).sum::<usize>(), due.min(limit));
        for (key, names) in taken {
            let entry = entries.get_mut(&key).expect("it holds a hash with deadlines");
            let Shape::Hash(fields) = Arc::make_mut(&mut entry.shape) else {
                panic!("only hashes have fields")
            };
            for name in names {
                let deadline = fields.remove(&name).and_then(|field| field.1);
                assert!(deadline.is_some_and(|deadline| deadline < now));
            }
            if fields.is_empty() {
                entries.remove(&key);
            }
        }
    }

    fn take_snapshot(&mut self) {
        if self.snapshots.len() == SNAPSHOTS {
            self.snapshots.remove(0);
        }
        self.snapshots.push((self.keyspace.snapshot(), self.references.clone()));
    }

    fn pull_snapshot(&mut self, which: usize) -> Option<(Snapshot, Copies)> {
        (which < self.snapshots.len()).then(|| self.snapshots.remove(which))
    }

    fn compare_snapshot(&mut self, which: usize) {
        if let Some((snapshot, copies)) = self.snapshots.get(which) {
            compare_with_copies(snapshot, copies);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "another thread is where snapshots are read")]
    fn send_snapshot(&mut self, which: usize) {
        if let Some((snapshot, copies)) = self.pull_snapshot(which) {
            self.readers.push(std::thread::spawn(move || compare_with_copies(&snapshot, &copies)));
        }
    }

    fn scan(&mut self, db: usize, count: usize) {
        let entries = &self.references[db].entries;
        let scan = self.scans[db].get_or_insert_with(|| Scan::of(entries.keys().cloned()));
        let database = self.keyspace.db(db);
        let goes_on = scan.step(
            |key| entries.contains_key(key),
            |cursor, visit| {
                database.scan(cursor, count, |key, value, deadline| {
                    let entry = entries.get(key).expect("a scan returns what is there");
                    assert_eq!(deadline, entry.deadline.map(UnixMillis));
                    assert_eq!(value.len(), entry.shape.len());
                    visit(key.to_vec());
                })
            },
        );
        if !goes_on {
            self.scans[db] = None;
        }
    }

    /// Goes on with the scan under way if it is of this key, else begins one there.
    fn scan_within(&mut self, place: &Place, count: usize) {
        let now = self.time();
        let shape = self.references[place.db].entries.get(&place.key);
        let shape = shape.filter(|entry| !entry.is_due(now.0)).map(|entry| entry.shape.clone());
        let Some(shape) = shape else {
            self.inner_scan = None;
            return;
        };
        let (_, mut scan) = self
            .inner_scan
            .take()
            .filter(|(of, _)| of == place)
            .unwrap_or_else(|| (place.clone(), Scan::of(shape.names().into_iter())));
        let value = self.keyspace.db(place.db).peek(&place.key, now).expect("it is live");
        let goes_on =
            scan.step(|name| shape.has(name), |cursor, visit| subject::scan(&value, cursor, count, visit));
        self.inner_scan = goes_on.then_some((place.clone(), scan));
    }

    fn random_key(&mut self, db: usize) {
        let now = self.time();
        let key = self.keyspace.db(db).random_key(&mut self.rng, now).map(<[u8]>::to_vec);
        let entries = &self.references[db].entries;
        assert_eq!(key.is_some(), !entries.is_empty());
        assert!(key.is_none_or(|key| entries.contains_key(&key)));
    }

    /// What every operation leaves behind: counts, and the keys that it found due.
    fn compare_counts(&mut self) {
        for (db, reference) in self.references.iter().enumerate() {
            let database = self.keyspace.db_mut(db);
            assert_eq!(database.len(), reference.entries.len());
            if self.rng.u8(..) < THOROUGH {
                assert_eq!(database.expires_len(), reference.expires());
                assert_eq!(database.hashes_with_deadlines(), reference.hashes_with_deadlines());
            }
            assert_eq!(std::mem::take(&mut database.expired), std::mem::take(&mut self.expired[db]));
            database.garbage.clear();
        }
    }

    fn compare_all(&mut self) {
        compare_with_copies(&self.keyspace.snapshot(), &self.references);
        for (db, reference) in self.references.iter().enumerate() {
            let database = self.keyspace.db(db);
            assert_eq!(database.iter().count(), reference.entries.len());
            for (key, value, deadline) in database.iter() {
                let entry = reference.entries.get(key).expect("the database holds what the reference does");
                assert_eq!(deadline, entry.deadline.map(UnixMillis));
                subject::compare(&value, &entry.shape);
            }
        }
    }
}

fn compare_with_copies(snapshot: &Snapshot, copies: &Copies) {
    assert_eq!(snapshot.len(), copies.iter().map(|copy| copy.entries.len()).sum());
    for (db, copy) in copies.iter().enumerate() {
        compare_database(snapshot.db(db), copy);
    }
}

fn compare_database(database: &SnapshotDatabase, copy: &Reference) {
    assert_eq!((database.len(), database.expires_len()), (copy.entries.len(), copy.expires()));
    assert_eq!(database.iter().count(), copy.entries.len());
    for (key, value, deadline) in database.iter() {
        let entry = copy.entries.get(key).expect("the snapshot holds what was there");
        assert_eq!(deadline, entry.deadline.map(UnixMillis));
        subject::compare(&value, &entry.shape);
        assert!(database.get(key).is_some_and(|(found, _)| found.len() == entry.shape.len()));
    }
}
