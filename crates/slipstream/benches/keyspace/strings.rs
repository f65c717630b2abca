//! String keys: what GET and SET cost, what growth and snapshots stall.
//!
//! Keys are touched in an order that looks random, so at these sizes nearly every one is a miss of all caches.

use std::hint::black_box;

use slipstream_keyspace::{Database, Encoding, Keyspace, UnixMillis};
use slipstream_server::memory;

use super::SEED;
use super::page::Table;
use super::stopwatch::{Taken, count, once, stalls, throughput};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const VALUE: [&[u8]; 2] = [b"0123456789abcdef0123456789abcdef", b"ABCDEF0123456789ABCDEF0123456789"];
const PRESENT: &str = "key:";
const ABSENT: &str = "nay:";
const SNAPSHOTS: usize = 5;

pub(crate) fn run(sizes: [usize; 2]) {
    let columns = sizes.map(measured);
    let titles = sizes.map(|size| format!("{} M keys", count(size) / 1e6));
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Table::new("strings of 32 bytes under keys of 14", &titles);
    for (index, (name, _)) in columns[0].iter().enumerate() {
        let cells: Vec<f64> = columns.iter().map(|column| column[index].1).collect();
        table.row(name, &cells);
    }
    table.print();
}

type Figures = Vec<(&'static str, f64)>;

/// All figures of a keyspace of so many keys, in the order of the rows.
fn measured(keys: usize) -> Figures {
    let before = memory::used();
    let mut keyspace = Keyspace::new(1, SEED, Encoding::default());
    let grown = stalls(keys, PRESENT, |_, key| set(keyspace.db_mut(0), key, VALUE[0]));
    let heap = count(memory::used() - before) / count(keys);
    let calm = throughput(keys, PRESENT, |_, key| set(keyspace.db_mut(0), key, VALUE[1]));
    let hit = throughput(keys, PRESENT, |_, key| assert!(get(keyspace.db_mut(0), key)));
    let miss = throughput(keys, ABSENT, |_, key| assert!(!get(keyspace.db_mut(0), key)));
    let mut figures = vec![
        ("SET a new key, ns", grown.nanos()),
        ("the longest of these while growing, µs", grown.longest_micros()[0]),
        ("… of which on the processor, µs", grown.longest_micros()[1]),
        ("heap per key, bytes", heap),
        ("SET again, ns", calm.nanos()),
        ("GET, ns", hit.nanos()),
        ("GET of an absent key, ns", miss.nanos()),
    ];
    with_snapshots(&mut keyspace, keys, calm, &mut figures);
    let ((), dropped) = once(|| drop(keyspace));
    figures.push(("drop of everything, ms", dropped.as_secs_f64() * 1e3));
    figures
}

fn with_snapshots(keyspace: &mut Keyspace, keys: usize, calm: Taken, figures: &mut Figures) {
    let mut times: Vec<f64> = (0..SNAPSHOTS)
        .map(|_| {
            let (snapshot, time) = once(|| keyspace.snapshot());
            drop(black_box(snapshot));
            time.as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let before = memory::used();
    let snapshot = keyspace.snapshot();
    let held = throughput(keys, PRESENT, |_, key| set(keyspace.db_mut(0), key, VALUE[0]));
    let copied = count(memory::used().saturating_sub(before)) / count(keys);
    let (seen, read) =
        once(|| snapshot.db(0).iter().map(|(key, value, _)| key.len() + value.len()).map(black_box).count());
    assert_eq!(seen, keys);
    let ((), dropped) = once(|| drop(snapshot));
    let snapshot = keyspace.snapshot();
    let stalled = stalls(keys, PRESENT, |_, key| set(keyspace.db_mut(0), key, VALUE[1]));
    drop(snapshot);
    figures.extend([
        ("snapshot(), µs, median", times[SNAPSHOTS / 2]),
        ("snapshot(), µs, longest", times[SNAPSHOTS - 1]),
        ("SET of every key while it is held, ns", held.nanos()),
        ("throughput of these relative to calm", held.rate() / calm.rate()),
        ("the longest of these, µs", stalled.longest_micros()[0]),
        ("… of which on the processor, µs", stalled.longest_micros()[1]),
        ("copied meanwhile, bytes per key", copied),
        ("reading the snapshot, ns per key", read.as_secs_f64() * 1e9 / count(keys)),
        ("drop of the snapshot, ms", dropped.as_secs_f64() * 1e3),
    ]);
}

fn set(database: &mut Database, key: &[u8], value: &[u8]) {
    database.set_string(key, value, None, NOW);
}

fn get(database: &mut Database, key: &[u8]) -> bool {
    database.get(key, NOW).is_some_and(|value| black_box(value.len()) > 0)
}
