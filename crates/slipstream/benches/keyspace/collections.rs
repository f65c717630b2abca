//! One big collection of each kind under one key: what an element costs, what growth and snapshots stall.
//!
//! Each operation finds the key first, as a command does; a snapshot is of the whole keyspace.

use slipstream_keyspace::{
    Encoding, Hash, Keyspace, List, Set, SortedSet, Stream, StreamId, UnixMillis, Value,
};
use slipstream_server::memory;

use super::SEED;
use super::page::Table;
use super::stopwatch::{count, once, stalls, throughput};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const KEY: &[u8] = b"big";
const ELEMENT: &str = "member:";
/// The millisecond of a stream's first entry.
const FIRST_MS: u64 = 1_700_000_000_000;
const VALUES: [&[u8]; 2] = [b"0123456789abcdef", b"ABCDEF0123456789"];

/// What is done to one element: its number, its name, and which of two values it gets.
type Operation = fn(&mut Value<'static>, usize, &[u8], usize, &Encoding);

struct Kind {
    name: &'static str,
    new: fn() -> Value<'static>,
    /// Adds an element.
    add: Operation,
    /// Reads one.
    read: Operation,
    /// Gives a present element another value, score or place.
    change: Operation,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "hash: HSET, HGET, HSET again",
        new: || Hash::new().into(),
        add: |value, _, name, which, encoding| {
            assert!(hash(value).insert(name, VALUES[which], encoding));
        },
        read: |value, _, name, _, _| assert!(hash(value).get(name).is_some()),
        change: |value, _, name, which, encoding| {
            assert!(!hash(value).insert(name, VALUES[which], encoding));
        },
    },
    Kind {
        name: "set: SADD, SISMEMBER, SREM and SADD",
        new: || Set::new().into(),
        add: |value, _, name, _, encoding| assert!(set(value).insert(name, encoding)),
        read: |value, _, name, _, _| assert!(set(value).contains(name)),
        change: |value, _, name, _, encoding| {
            let set = set(value);
            assert!(set.remove(name) && set.insert(name, encoding));
        },
    },
    Kind {
        name: "list: RPUSH, LINDEX, LSET",
        new: || List::new().into(),
        add: |value, _, name, _, encoding| list(value).push_back(name, encoding),
        read: |value, number, _, _, _| assert!(list(value).get(number).is_some()),
        change: |value, number, name, _, encoding| assert!(list(value).set(number, name, encoding)),
    },
    Kind {
        name: "sorted set: ZADD, ZRANK, ZADD again",
        new: || SortedSet::new().into(),
        add: |value, number, name, which, encoding| {
            assert!(sorted_set(value).insert(name, score(number, which), encoding).is_none());
        },
        read: |value, _, name, _, _| assert!(sorted_set(value).rank(name).is_some()),
        change: |value, number, name, which, encoding| {
            assert!(sorted_set(value).insert(name, score(number, which), encoding).is_some());
        },
    },
    Kind {
        name: "stream: XADD, XRANGE of one, XDEL and XADD",
        new: || Stream::new().into(),
        add: |value, _, name, which, encoding| append(stream(value), name, which, encoding),
        read: |value, number, _, _, _| {
            let id = entry(number);
            assert!(stream(value).range(id, id).next().is_some());
        },
        // Each pass leaves as many entries behind the ones it found, and the first such pass has `which` 1.
        change: |value, number, name, which, encoding| {
            let stream = stream(value);
            let passed = (1 - which) * stream.len();
            assert!(stream.delete(entry(number + passed)));
            append(stream, name, which, encoding);
        },
    },
];

/// The id of the entry that was added as this one.
fn entry(number: usize) -> StreamId {
    StreamId::new(FIRST_MS + u64::try_from(number).expect("usize fits in u64"), 0)
}

fn append(stream: &mut Stream, name: &[u8], which: usize, encoding: &Encoding) {
    let id = StreamId::new(stream.last_id().ms.max(FIRST_MS - 1) + 1, 0);
    let fields: [(&[u8], &[u8]); 2] = [(b"sensor", name), (b"value", VALUES[which])];
    stream.append(id, fields.into_iter(), encoding);
}

/// Scores that follow no order, and others.
fn score(number: usize, which: usize) -> f64 {
    count(number * [37, 104_729][which] % 1_000_003)
}

pub(crate) fn run(elements: usize) {
    let columns = [
        "add, ns",
        "longest, µs",
        "on the processor",
        "read, ns",
        "change, ns",
        "… with a snapshot held, ns",
        "longest, µs",
        "on the processor",
        "heap per element, bytes",
        "drop, ms",
    ];
    let mut table = Table::new(&format!("{} elements under one key", elements), &columns);
    for kind in KINDS {
        table.row(kind.name, &measured(kind, elements));
    }
    table.print();
}

fn measured(kind: &Kind, elements: usize) -> [f64; 10] {
    let before = memory::used();
    let mut keyspace = Keyspace::new(1, SEED, Encoding::default());
    keyspace.db_mut(0).insert(KEY, (kind.new)(), None);
    let added =
        stalls(elements, ELEMENT, |i, name| on(&mut keyspace, |value, at| (kind.add)(value, i, name, 0, at)));
    let heap = count(memory::used() - before) / count(elements);
    let mut pass = |operation: Operation, which| {
        let run = |i, name: &[u8]| on(&mut keyspace, |value, at| operation(value, i, name, which, at));
        throughput(elements, ELEMENT, run)
    };
    let read = pass(kind.read, 0);
    let calm = pass(kind.change, 1);
    let snapshot = keyspace.snapshot();
    let change = |i, name: &[u8]| on(&mut keyspace, |value, at| (kind.change)(value, i, name, 0, at));
    let held = stalls(elements, ELEMENT, change);
    drop(snapshot);
    let value = keyspace.db_mut(0).remove(KEY).expect("it was put there");
    let ((), dropped) = once(|| drop(value));
    let ([added_longest, added_on], [held_longest, held_on]) =
        (added.longest_micros(), held.longest_micros());
    [
        added.nanos(),
        added_longest,
        added_on,
        read.nanos(),
        calm.nanos(),
        held.nanos(),
        held_longest,
        held_on,
        heap,
        dropped.as_secs_f64() * 1e3,
    ]
}

/// Looks the key up, as each command does, and does something with its value.
fn on(keyspace: &mut Keyspace, act: impl FnOnce(&mut Value<'static>, &Encoding)) {
    let (database, encoding) = keyspace.db_and_encoding(0);
    act(&mut database.get_mut(KEY, NOW).expect("it was put there"), encoding);
}

fn hash<'a>(value: &'a mut Value<'static>) -> &'a mut Hash<'static> {
    if let Value::Hash(hash) = value { hash } else { unreachable!("made as a hash") }
}

fn set<'a>(value: &'a mut Value<'static>) -> &'a mut Set<'static> {
    if let Value::Set(set) = value { set } else { unreachable!("made as a set") }
}

fn list<'a>(value: &'a mut Value<'static>) -> &'a mut List<'static> {
    if let Value::List(list) = value { list } else { unreachable!("made as a list") }
}

fn sorted_set<'a>(value: &'a mut Value<'static>) -> &'a mut SortedSet<'static> {
    if let Value::SortedSet(set) = value { set } else { unreachable!("made as a sorted set") }
}

fn stream<'a>(value: &'a mut Value<'static>) -> &'a mut Stream {
    if let Value::Stream(stream) = value { stream } else { unreachable!("made as a stream") }
}
