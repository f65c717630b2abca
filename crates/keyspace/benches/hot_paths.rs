//! What one operation costs: `cargo bench -p slipstream-keyspace`.
//!
//! One line per operation: nanoseconds, over a million random keys, members or elements, in the order in which
//! they are run. Data of this size does not fit the processor's caches, so the lines are mostly a count of cache
//! misses. It runs on the system's allocator, the server on a faster one.

use std::hint::black_box;

use slipstream_keyspace::{Encoding, Hash, Keyspace, List, Set, SortedSet, Str, UnixMillis, Value, ValueMut};

const OPERATIONS: usize = 1_000_000;
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn main() {
    let mut rng = fastrand::Rng::with_seed(1);
    let keys: Vec<Vec<u8>> =
        (0..OPERATIONS).map(|_| format!("key:{:012}", rng.usize(..OPERATIONS)).into_bytes()).collect();
    let encoding = Encoding::default();
    strings(&keys);
    lists(&encoding);
    hashes_and_sets(&keys, &encoding);
    sorted_sets(&keys, &encoding);
}

#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads the clock")]
#[expect(clippy::print_stdout, reason = "the table is what this is run for")]
fn measure<R>(name: &str, operations: usize, mut operation: impl FnMut(usize) -> R) {
    let began = std::time::Instant::now();
    (0..operations).for_each(|i| drop(black_box(operation(i))));
    let each = began.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(operations).unwrap_or(u32::MAX));
    println!("{name:36} {each:12.1} ns");
}

fn strings(keys: &[Vec<u8>]) {
    let mut keyspace = Keyspace::new(1, [5, 6, 7, 8], Encoding::default());
    let short = || Value::from(Str::from_bytes(b"xxx"));
    let long = || Value::from(Str::from_bytes(&[b'x'; 100]));
    let database = keyspace.db_mut(0);
    measure("SET a new key, 3 bytes", keys.len(), |i| database.insert(&keys[i], short(), None));
    measure("SET again, 3 bytes", keys.len(), |i| database.insert(&keys[i], short(), None));
    measure("GET", keys.len(), |i| database.get(&keys[i], NOW).is_some());
    measure("GET a missing key", keys.len(), |i| database.get(&keys[i][1..], NOW).is_some());
    measure("SET 0", keys.len(), |i| database.insert(&keys[i], Str::from_int(0).into(), None));
    measure("INCR", keys.len(), |i| {
        if let Some(mut value) = database.get_mut(&keys[i], NOW).and_then(ValueMut::typed::<Str<'_>>) {
            let number = value.as_int().map_or(0, |number| number + 1);
            value.set_int(number);
        }
    });
    let mut snapshots = Vec::new();
    measure("snapshot", 1, |_| snapshots.push(keyspace.snapshot()));
    let database = keyspace.db_mut(0);
    measure("SET while a snapshot is held", keys.len(), |i| database.insert(&keys[i], short(), None));
    measure("read the snapshot, all of it", 1, |_| {
        let pairs = snapshots[0].db(0).iter();
        pairs.map(|(key, value, _)| key.len() + value.len()).sum::<usize>()
    });
    measure("SET 100 bytes", keys.len(), |i| database.insert(&keys[i], long(), None));
    measure("DEL", keys.len(), |i| database.remove(&keys[i]));
}

fn lists(encoding: &Encoding) {
    let mut list = List::new();
    measure("LPUSH, 3 bytes", OPERATIONS, |_| list.push_front(b"xxx", encoding));
    measure("RPUSH, 3 bytes", OPERATIONS, |_| list.push_back(b"xxx", encoding));
    measure("LINDEX of 2 million", OPERATIONS / 10, |i| {
        list.get(i * 7919 % list.len()).map(|item| item.len())
    });
    measure("LRANGE, 100 elements", OPERATIONS / 10, |i| {
        list.iter_from(i % 1000).take(100).map(|item| item.len()).sum::<usize>()
    });
    measure("LPOP", OPERATIONS, |_| list.pop_front(encoding));
    measure("RPOP", OPERATIONS, |_| list.pop_back(encoding));
}

fn hashes_and_sets(keys: &[Vec<u8>], encoding: &Encoding) {
    let mut small = Hash::new();
    measure("HSET the only field", keys.len(), |_| small.insert(b"field", b"xxx", encoding));
    let mut hash = Hash::new();
    measure("HSET a new field", keys.len(), |i| hash.insert(&keys[i], b"xxx", encoding));
    measure("HSET again", keys.len(), |i| hash.insert(&keys[i], b"yyy", encoding));
    measure("HGET", keys.len(), |i| hash.get(&keys[i]).is_some());
    let mut set = Set::new();
    measure("SADD a new member", keys.len(), |i| set.insert(&keys[i], encoding));
    measure("SADD again", keys.len(), |i| set.insert(&keys[i], encoding));
    measure("SREM", keys.len(), |i| set.remove(&keys[i]));
}

fn sorted_sets(keys: &[Vec<u8>], encoding: &Encoding) {
    let score = |i: usize, step: usize| f64::from(u32::try_from(i * step % OPERATIONS).unwrap_or(0));
    let mut set = SortedSet::new();
    measure("ZADD a new member", keys.len(), |i| set.insert(&keys[i], score(i, 7919), encoding));
    measure("ZADD another score", keys.len(), |i| set.insert(&keys[i], score(i, 104_729), encoding));
    measure("ZSCORE", keys.len(), |i| set.score(&keys[i]).is_some());
    measure("ZRANK", keys.len(), |i| set.rank(&keys[i]).is_some());
    measure("ZRANGE, 100 members", keys.len() / 10, |i| {
        let ranked = set.iter_from_rank(i * 7919 % (set.len() - 100)).take(100);
        ranked.map(|(member, score)| score + f64::from(u8::from(member.is_empty()))).sum::<f64>()
    });
    measure("ZREM", keys.len(), |i| set.remove(&keys[i]));
    let mut set = SortedSet::new();
    measure("ZADD a new member, one score", keys.len(), |i| set.insert(&keys[i], 0.0, encoding));
}
