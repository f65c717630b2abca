//! How fast snapshots are written and read: `cargo bench -p slipstream-rdb`.
//!
//! One line per kind of data: bytes of the snapshot, then MB/s of that to write (to a sink that drops it) and to read
//! back from memory, without and with compression. The median of five rounds each.

use std::io;

use slipstream_keyspace::{Encoding, Hash, Keyspace, List, Set, SortedSet, Str, UnixMillis, Value};
use slipstream_rdb::{Preface, ReadOptions, WriteOptions, read, write};

const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "the table is what this is run for")]
fn main() {
    println!("{:24} {:>10} {:>9} {:>8} {:>8}", "data", "bytes", "compress", "write", "read");
    measure("strings of 16 bytes", 500_000, |i, _| {
        Value::String(Str::from_bytes(format!("{i:016x}").as_bytes()))
    });
    measure("strings of 100 bytes", 300_000, |i, _| {
        Value::String(Str::from_bytes(format!("{i:08x}-").repeat(11).as_bytes()))
    });
    measure("strings of 1 MiB", 50, |i, _| Value::String(Str::raw(noise(i, 1 << 20))));
    measure("packed hashes of 10", 100_000, |i, encoding| hash(i, 10, encoding));
    measure("packed sets of 20", 100_000, |i, encoding| set(i, 20, encoding));
    measure("packed sorted sets of 20", 50_000, |i, encoding| sorted_set(i, 20, encoding));
    measure("hashes of 10000", 50, |i, encoding| hash(i, 10_000, encoding));
    measure("sets of 10000", 50, |i, encoding| set(i, 10_000, encoding));
    measure("sorted sets of 10000", 50, |i, encoding| sorted_set(i, 10_000, encoding));
    measure("lists of 10000", 50, |i, encoding| {
        let mut list = List::new();
        (0..10_000).for_each(|j| list.push_back(format!("element {j} of {i}").as_bytes(), encoding));
        Value::List(list)
    });
}

fn hash(i: usize, len: usize, encoding: &Encoding) -> Value<'static> {
    let mut hash = Hash::new();
    for j in 0..len {
        hash.insert(format!("field:{j}").as_bytes(), format!("value {}", i * 31 + j).as_bytes(), encoding);
    }
    Value::Hash(hash)
}

fn set(i: usize, len: usize, encoding: &Encoding) -> Value<'static> {
    let mut set = Set::new();
    for j in 0..len {
        set.insert(format!("member:{}", i * 31 + j).as_bytes(), encoding);
    }
    Value::Set(set)
}

fn sorted_set(i: usize, len: usize, encoding: &Encoding) -> Value<'static> {
    let mut set = SortedSet::new();
    for (j, score) in (0..len).zip((0..).map(|j| f64::from(j * 7919 % 10_007) / 8.0)) {
        set.insert(format!("member:{}", i * 31 + j).as_bytes(), score, encoding);
    }
    Value::SortedSet(set)
}

fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(u64::try_from(seed).expect("usize fits in u64"));
    (0..length).map(|_| rng.u8(..)).collect()
}

fn fresh() -> Keyspace {
    Keyspace::new(1, [1, 2, 3, 4], Encoding::default())
}

#[expect(clippy::print_stdout, reason = "the table is what this is run for")]
fn measure(name: &str, keys: usize, value: impl Fn(usize, &Encoding) -> Value<'static>) {
    let mut keyspace = fresh();
    let encoding = *keyspace.encoding();
    for i in 0..keys {
        keyspace.db_mut(0).insert(format!("key:{i:08}").as_bytes(), value(i, &encoding), None);
    }
    let snapshot = keyspace.snapshot();
    for compress in [false, true] {
        let options = WriteOptions { compress, ..WriteOptions::default() };
        let mut file = Vec::new();
        write(snapshot.clone(), &Preface::default(), options, &mut file).expect("memory does not fail");
        let writing = median(|| {
            write(snapshot.clone(), &Preface::default(), options, &mut io::sink())
                .expect("a sink does not fail");
        });
        let reading = median(|| {
            read(&file[..], &mut fresh(), ReadOptions::new(UnixMillis(0)))
                .expect("what is written can be read");
        });
        let (bytes, switch) = (file.len(), if compress { "on" } else { "off" });
        let (write, read) = (rate(bytes, writing), rate(bytes, reading));
        println!("{name:24} {bytes:>10} {switch:>9} {write:>8.0} {read:>8.0}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for display")]
fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads the clock")]
fn median(mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = std::time::Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
}
