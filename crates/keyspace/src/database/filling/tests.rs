//! What many keys at a time leave is what the same keys one by one leave.

use super::*;
use crate::{Encoding, Hash, List, Set, SortedSet, Str, Stream};

const NOW: UnixMillis = UnixMillis(1_000);
const SEED: [u64; 4] = [1, 2, 3, 4];

/// A value of any type, small or big.
fn value(rng: &mut fastrand::Rng) -> Value<'static> {
    let encoding = Encoding::default();
    let elements = if rng.u8(..50) == 0 { 600 } else { rng.usize(1..10) };
    let names = || (0..elements).map(|number| format!("element {number}").into_bytes());
    match rng.u8(..8) {
        0 => Str::from_int(rng.i64(..)).into(),
        1 => Str::plain(&vec![b'x'; rng.usize(..2000)]).into(),
        2 => {
            let mut list = List::new();
            names().for_each(|name| list.push_back(&name, &encoding));
            list.into()
        }
        3 => {
            let mut set = Set::new();
            for name in names() {
                set.insert(&name, &encoding);
            }
            set.into()
        }
        4 => {
            let mut set = SortedSet::new();
            for name in names() {
                set.insert(&name, 1.0, &encoding);
            }
            set.into()
        }
        5 => Value::Stream(Stream::default()),
        kind => {
            let mut hash = Hash::new();
            for name in names() {
                hash.insert(&name, b"value", &encoding);
            }
            if kind == 6 {
                hash.set_deadline(b"element 0", UnixMillis(rng.i64(1..10_000)), &encoding);
            }
            hash.into()
        }
    }
}

struct Pair {
    key: Vec<u8>,
    value: Value<'static>,
    /// The bytes of a string.
    text: Option<Vec<u8>>,
    deadline: Option<UnixMillis>,
}

fn pairs(count: usize, rng: &mut fastrand::Rng) -> Vec<Pair> {
    let pair = |number: usize| {
        let mut key = format!("key:{number}").into_bytes();
        if rng.u8(..20) == 0 {
            key.resize(rng.usize(200..300), b'.');
        }
        let deadline = (rng.u8(..4) == 0).then(|| UnixMillis(rng.i64(..100_000)));
        let value = value(rng);
        let text = match &value {
            Value::String(string) => Some(string.to_vec()),
            _ => None,
        };
        Pair { key, value, text, deadline }
    };
    (0..count).map(pair).collect()
}

fn incoming<'a>(database: &Database, pair: &'a Pair) -> Incoming<'a> {
    let content = match &pair.text {
        Some(text) => Content::String(text),
        None => Content::Value(pair.value.clone()),
    };
    let Pair { key, deadline, .. } = pair;
    Incoming { hint: database.order_hint(key), key, content, deadline: *deadline }
}

/// All that can be seen of a database.
fn shown(database: &Database) -> Vec<String> {
    let show = |(key, value, deadline): (&[u8], Value<'_>, Option<UnixMillis>)| {
        let digest = crate::value_digest(&value, deadline, crate::ScoreFormat::Shortest);
        let idle = database.idle_seconds(key, UnixMillis(90_000));
        format!(
            "{:?} {} {digest} {deadline:?} {idle:?}",
            key.escape_ascii().to_string(),
            value.encoding_name()
        )
    };
    let mut all: Vec<String> = database.iter().map(show).collect();
    all.sort();
    all.push(format!("{} {}", database.expires_len(), database.hashes_with_deadlines()));
    all
}

/// Fills a database with `pairs` in portions, in the order of their hints or in their own.
fn filled(pairs: &[Pair], in_order: bool, announced: usize, rng: &mut fastrand::Rng) -> Database {
    let mut database = Database::new(SEED);
    let mut rest: Vec<&Pair> = pairs.iter().collect();
    while !rest.is_empty() {
        let mut portion = rest.split_off(rest.len() - rng.usize(1..=rest.len().min(1000)));
        if in_order {
            portion.sort_by_key(|pair| database.order_hint(&pair.key));
        }
        let keys: Vec<Incoming<'_>> = portion.iter().map(|pair| incoming(&database, pair)).collect();
        assert_eq!(database.take_in(keys.into_iter(), NOW, false), Ok(()));
        database.make_room(announced.min(database.len() * 16));
    }
    database
}

#[test]
fn many_at_a_time_are_what_they_are_one_by_one() {
    for (count, announced) in [(1, 0), (100, 100), (1500, 0), (1500, 1_000_000), (4000, 4000)] {
        let mut rng = fastrand::Rng::with_seed(count as u64);
        let pairs = pairs(count, &mut rng);
        let mut single = Database::new(SEED);
        single.set_time(NOW);
        for pair in &pairs {
            single.insert(&pair.key, pair.value.clone(), pair.deadline);
        }
        for in_order in [true, false] {
            let mut database = filled(&pairs, in_order, announced, &mut rng);
            assert!(shown(&database) == shown(&single), "{count}, announced {announced}");
            let due: usize = std::iter::repeat_with(|| database.take_due(UnixMillis(50_000), 1000).len())
                .take_while(|taken| *taken > 0)
                .sum();
            let expected =
                pairs.iter().filter(|pair| pair.deadline.is_some_and(|deadline| deadline.0 < 50_000));
            assert_eq!(due, expected.count());
        }
    }
}

#[test]
fn a_key_that_is_there_is_told_or_replaced() {
    let mut database = Database::new(SEED);
    let texts: [&[u8]; 4] = [b"a", b"b", b"c", b"b"];
    let keys = |database: &Database| {
        let hints = texts.map(|key| database.order_hint(key));
        texts.into_iter().zip(hints).map(|(key, hint)| {
            let content = Content::String(key);
            Incoming { hint, key, content, deadline: None }
        })
    };
    let first = keys(&database);
    assert_eq!(database.take_in(first, NOW, false), Err(3));
    assert_eq!(database.len(), 3);
    let again = keys(&database);
    assert_eq!(database.take_in(again, NOW, false), Err(0));
    let replacing = keys(&database);
    assert_eq!(database.take_in(replacing, NOW, true), Ok(()));
    assert_eq!(database.len(), 3);
}

#[test]
fn room_that_was_made_takes_no_more_memory_than_growing_does() {
    for (count, length) in [(1000, 10), (30_000, 100), (50_000, 3), (100_000, 30), (150_000, 60)] {
        let keys: Vec<Vec<u8>> = (0..count).map(|number| format!("key:{number}").into_bytes()).collect();
        let value = vec![b'v'; length];
        let overhead = |announced: usize| {
            let mut database = Database::new(SEED);
            for portion in keys.chunks(1000) {
                database.make_room(announced.min(database.len() * 16));
                let hints: Vec<u64> = portion.iter().map(|key| database.order_hint(key)).collect();
                let incoming = portion.iter().zip(hints).map(|(key, hint)| {
                    let content = Content::String(&value);
                    Incoming { hint, key, content, deadline: None }
                });
                assert_eq!(database.take_in(incoming, NOW, false), Ok(()));
            }
            assert_eq!(database.len(), count);
            database.overhead()
        };
        let (grown, made) = (overhead(0), overhead(count));
        assert!(made <= grown + grown / 100, "{count} keys of {length}: {made} instead of {grown}");
    }
}

#[test]
fn an_announcement_that_is_not_kept_costs_little() {
    let mut database = Database::new(SEED);
    for number in 0..10_000 {
        database.insert(format!("key:{number}").as_bytes(), Str::from_int(number).into(), None);
    }
    let before = database.overhead();
    database.make_room(160_000);
    assert!(database.overhead() - before < 8 * 160_000);
}
