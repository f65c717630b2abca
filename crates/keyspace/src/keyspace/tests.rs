//! Snapshots stay what they were, whatever is written afterwards, also on another thread.

use std::collections::BTreeMap;

use super::*;
use crate::{Hash, List, ScoreFormat, SortedSet, Str, Stream, StreamId, dataset_digest};

fn filled() -> Keyspace {
    let mut keyspace = Keyspace::new(4, [1, 2, 3, 4], Encoding::default());
    for number in 0..3000u32 {
        let (database, encoding) = keyspace.db_and_encoding(usize::from(number % 7 == 0));
        let key = format!("key:{number}");
        let value: Value = match number % 6 {
            0 => Str::from_int(i64::from(number)).into(),
            1 => Str::from_bytes(&vec![b'x'; 2000]).into(),
            2 => {
                let mut list = List::new();
                (0..number % 50).for_each(|_| list.push_back(key.as_bytes(), encoding));
                list.into()
            }
            3 => {
                let mut hash = Hash::new();
                hash.insert(key.as_bytes(), b"v", encoding);
                hash.into()
            }
            4 => {
                let mut stream = Stream::new();
                let fields = [(key.as_bytes(), &b"v"[..])];
                (1..150).for_each(|ms| stream.append(StreamId::new(ms, 0), fields.into_iter(), encoding));
                stream.into()
            }
            _ => {
                let mut set = SortedSet::new();
                set.insert(key.as_bytes(), f64::from(number), encoding);
                set.into()
            }
        };
        database.insert(key.as_bytes(), value, (number % 9 == 0).then_some(UnixMillis(5)));
    }
    keyspace
}

#[test]
fn a_snapshot_never_changes() {
    let mut keyspace = filled();
    let snapshot = keyspace.snapshot();
    let before = dataset_digest(&snapshot, ScoreFormat::Shortest);
    let reader = std::thread::scope(|scope| {
        // Another thread, since that is where snapshots are read.
        let reader = scope.spawn(|| dataset_digest(&snapshot, ScoreFormat::Shortest));
        for number in 0..3000u32 {
            let (database, encoding) = keyspace.db_and_encoding(usize::from(number % 7 == 0));
            let key = format!("key:{number}");
            match &mut *database.get_mut(key.as_bytes(), UnixMillis(0)).expect("filled with every key") {
                Value::String(value) => drop(value.append(b"!")),
                Value::List(list) => list.push_front(b"new", encoding),
                Value::Hash(hash) => drop(hash.insert(b"new", b"1", encoding)),
                Value::SortedSet(set) => drop(set.insert(b"new", 1.0, encoding)),
                Value::Stream(stream) => {
                    assert!(stream.delete(StreamId::new(7, 0)));
                    stream.append(StreamId::new(200, 0), [(&b"f"[..], &b"v"[..])].into_iter(), encoding);
                }
                Value::Set(_) => panic!("filled with no sets"),
            }
        }
        drop(keyspace.clear());
        reader.join().expect("the reader does not panic")
    });
    assert_eq!(reader, before);
    assert_eq!(dataset_digest(&snapshot, ScoreFormat::Shortest), before);
    assert_eq!((snapshot.len(), keyspace.db(0).len()), (3000, 0));
}

#[test]
fn a_snapshot_shows_what_the_databases_hold() {
    let keyspace = filled();
    let snapshot = keyspace.snapshot();
    for index in 0..keyspace.databases() {
        let database = keyspace.db(index);
        let shown = snapshot.db(index);
        assert_eq!((shown.len(), shown.expires_len()), (database.len(), database.expires_len()));
        let all: BTreeMap<_, _> =
            shown.iter().map(|(key, value, deadline)| (key, (value.type_name(), deadline))).collect();
        assert_eq!(all.len(), database.len());
        for (key, value, deadline) in database.iter() {
            assert_eq!(all.get(key), Some(&(value.type_name(), deadline)));
            assert!(shown.get(key).is_some());
        }
    }
}

#[test]
fn databases_can_be_exchanged() {
    let mut keyspace = filled();
    let sizes = (keyspace.db(0).len(), keyspace.db(1).len());
    keyspace.swap(0, 1);
    assert_eq!((keyspace.db(1).len(), keyspace.db(0).len()), sizes);
    assert!(keyspace.db(0).contains(b"key:7", UnixMillis(0)));
}

#[test]
fn expired_keys_are_found_in_whatever_database() {
    let mut keyspace = Keyspace::new(70, [0; 4], Encoding::default());
    let (set, later) = (UnixMillis(1), UnixMillis(2));
    for index in [0, 5, 62, 63, 69] {
        keyspace.db_mut(index).set_string(b"k", b"v", Some(set), set);
    }
    assert!(!keyspace.has_expired());
    assert_eq!(keyspace.take_expired(), []);
    for index in [69, 5, 63] {
        assert!(keyspace.db_mut(index).get(b"k", later).is_none());
        assert!(keyspace.has_expired());
    }
    keyspace.swap(5, 6);
    let expired = [6, 63, 69].map(|index| (index, b"k".to_vec()));
    assert_eq!(keyspace.take_expired(), expired);
    assert!(!keyspace.has_expired());
    assert_eq!(keyspace.take_expired(), []);
}
