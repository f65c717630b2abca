//! Memory per element for the shapes of data that `cargo xtask bench memory` fills servers with.
//!
//! Heap is what was asked of the allocator, as the server counts it; resident is what the process grew by. Payload is
//! the bytes of keys, fields, members and values themselves, 8 for a score or a deadline: what no layout can save.

use std::error::Error;
use std::process::Command;

use slipstream_keyspace::{
    Encoding, Hash, Keyspace, List, Set, SortedSet, Stream, StreamId, UnixMillis, Value,
};
use slipstream_server::{allocator, memory};

use super::SEED;
use super::page::{Table, say};
use super::stopwatch::count;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

struct Shape {
    name: &'static str,
    /// Puts element `i` of the keyspace where it belongs.
    add: fn(&mut Keyspace, usize),
    /// Bytes of the element, and its part of the key that it shares with others.
    payload: f64,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "string of 8 B",
        add: |data, i| string(data, &format!("k:{i:010}"), &hex(i, 8), None),
        payload: 20.0,
    },
    Shape {
        name: "string of 64 B",
        add: |data, i| string(data, &format!("user:session:{i:010}"), &hex(i, 64), None),
        payload: 87.0,
    },
    Shape {
        name: "integer",
        add: |data, i| string(data, &format!("counter:{i:010}"), &(i * 7919).to_string(), None),
        payload: 26.0,
    },
    Shape {
        name: "string of 64 B with expiry",
        add: |data, i| string(data, &format!("user:session:{i:010}"), &hex(i, 64), Some(100_000 + i % 5_000)),
        payload: 95.0,
    },
    Shape {
        name: "field of a hash of 10",
        add: |data, i| field(data, &format!("user:{:08}", i / 10), &format!("f{}", i % 10), &hex(i, 10)),
        payload: 13.3,
    },
    Shape {
        name: "field of a big hash",
        add: |data, i| field(data, &format!("bh:{}", i % 10), &format!("field:{i:08}"), &hex(i, 16)),
        payload: 30.0,
    },
    Shape {
        name: "member of a sorted set",
        add: |data, i| {
            edit(
                data,
                &format!("board:{}", i % 10),
                || SortedSet::new().into(),
                |value, encoding| {
                    let Value::SortedSet(set) = value else { unreachable!("made as one") };
                    set.insert(format!("member:{i:08}").as_bytes(), count(i * 37 % 1_000_003), encoding);
                },
            );
        },
        payload: 23.0,
    },
    Shape {
        name: "element of a list",
        add: |data, i| {
            edit(
                data,
                &format!("q:{}", i % 100),
                || List::new().into(),
                |value, encoding| {
                    let Value::List(list) = value else { unreachable!("made as one") };
                    list.push_back(format!("job:{i:08}:{}", hex(i, 16)).as_bytes(), encoding);
                },
            );
        },
        payload: 29.0,
    },
    Shape {
        name: "member of a set",
        add: |data, i| {
            edit(
                data,
                &format!("tags:{}", i % 10),
                || Set::new().into(),
                |value, encoding| {
                    let Value::Set(set) = value else { unreachable!("made as one") };
                    set.insert(format!("member:{i:08}").as_bytes(), encoding);
                },
            );
        },
        payload: 15.0,
    },
    Shape {
        name: "entry of a stream",
        add: |data, i| {
            edit(
                data,
                &format!("st:{}", i % 10),
                || Stream::new().into(),
                |value, encoding| {
                    let Value::Stream(stream) = value else { unreachable!("made as one") };
                    let ms = u64::try_from(i / 20).expect("usize fits in u64");
                    let id = StreamId::new(1_700_000_000_000 + ms, u64::from(i / 10 % 2 == 1));
                    let (temperature, number) = ((i % 100).to_string(), i.to_string());
                    let fields = [(&b"temp"[..], temperature.as_bytes()), (b"id", number.as_bytes())];
                    stream.append(id, fields.into_iter(), encoding);
                },
            );
        },
        // The names and the numbers as text, and 16 bytes of an id.
        payload: 29.8,
    },
];

fn string(data: &mut Keyspace, key: &str, value: &str, seconds: Option<usize>) {
    let millis = seconds.map(|seconds| i64::try_from(seconds * 1000).expect("some days"));
    let deadline = millis.map(|millis| UnixMillis(NOW.0 + millis));
    data.db_mut(0).set_string(key.as_bytes(), value.as_bytes(), deadline, NOW);
}

fn field(data: &mut Keyspace, key: &str, field: &str, value: &str) {
    edit(
        data,
        key,
        || Hash::new().into(),
        |hash, encoding| {
            let Value::Hash(hash) = hash else { unreachable!("made as one") };
            hash.insert(field.as_bytes(), value.as_bytes(), encoding);
        },
    );
}

fn edit(
    data: &mut Keyspace,
    key: &str,
    make: impl FnOnce() -> Value<'static>,
    act: impl FnOnce(&mut Value<'static>, &Encoding),
) {
    let (database, encoding) = data.db_and_encoding(0);
    let encoding = *encoding;
    act(&mut database.get_or_insert_with(key.as_bytes(), NOW, make), &encoding);
}

/// Digits that no two elements share.
fn hex(seed: usize, length: usize) -> String {
    // A round of splitmix64, whose output looks random.
    let seed = u64::try_from(seed).expect("usize fits in u64");
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    format!("{:016x}", mixed ^ (mixed >> 27)).repeat(length / 16 + 1)[..length].to_owned()
}

/// Fills a process with each shape and tables what they say.
pub(crate) fn run(elements: usize) {
    let columns = ["payload", "heap", "heap / payload", "resident"];
    let mut table = Table::new(&format!("bytes per element, {elements} elements"), &columns);
    for shape in SHAPES {
        match weighed(shape.name, elements) {
            Ok([heap, resident]) => {
                table.row(shape.name, &[shape.payload, heap, heap / shape.payload, resident]);
            }
            Err(error) => say(&format!("{}: {error}", shape.name)),
        }
    }
    table.print();
}

fn weighed(name: &str, elements: usize) -> Result<[f64; 2], Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.args(["--shape", name, &elements.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(heap), Some(resident)) => Ok([heap?, resident?]),
        _ => Err(format!("its process said {text:?}").into()),
    }
}

/// Fills this process with one shape and says what an element takes: heap and resident memory.
pub(crate) fn fill(name: &str, elements: &str) {
    let shape = SHAPES.iter().find(|shape| shape.name == name).expect("the caller took it from the table");
    let elements: usize = elements.parse().expect("the caller wrote a number");
    let mut data = Keyspace::new(1, SEED, Encoding::default());
    let before = (memory::used(), resident());
    (0..elements).for_each(|i| (shape.add)(&mut data, i));
    // As the server does twice a second.
    allocator::give_back();
    let each = |now: usize, before: usize| count(now.saturating_sub(before)) / count(elements);
    say(&format!("{} {}", each(memory::used(), before.0), each(resident(), before.1)));
}

/// Resident memory of this process; 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}
