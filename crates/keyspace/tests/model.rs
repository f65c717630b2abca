//! The keyspace against plain sorted maps: sequences of operations from seeds, and how fair chance is.
//!
//! `SLIPSTREAM_MODEL_SEQUENCES=N` runs that many sequences instead of a few thousand, from the seed in
//! `SLIPSTREAM_MODEL_SEED` on; a failure names the seed of its sequence, and with `SLIPSTREAM_MODEL_SHOW=1` each
//! operation is printed before it is done. Under Miri (`cargo xtask miri`) a few short sequences run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;

use slipstream_keyspace::{Encoding, Hash, Keyspace, Set, SortedSet, UnixMillis};

/// Sequences in one run of the test, some seconds of them.
const SEQUENCES: u64 = if cfg!(miri) { 4 } else { 2_000 };
/// The longest sequence in bytes; an operation takes about five.
const LONGEST: usize = if cfg!(miri) { 150 } else { 700 };

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn bytes_of(seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    // Short ones as a rule: they end with more comparisons for their length.
    let length = rng.usize(..LONGEST).min(rng.usize(..LONGEST));
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Names the seed when its sequence fails.
struct Named(u64);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "whoever mends the failure needs the seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the sequence of SLIPSTREAM_MODEL_SEED={} fails", self.0);
        }
    }
}

#[test]
fn sequences_from_seeds_match_sorted_maps() {
    let first = setting("SLIPSTREAM_MODEL_SEED").unwrap_or(1);
    let count = setting("SLIPSTREAM_MODEL_SEQUENCES").unwrap_or(SEQUENCES);
    let shows = setting("SLIPSTREAM_MODEL_SHOW").is_some();
    for seed in first..first + count {
        let _named = Named(seed);
        if shows {
            bodies::run(&bytes_of(seed), show);
        } else {
            bodies::keyspace(&bytes_of(seed));
        }
    }
}

#[expect(clippy::print_stderr, reason = "asked for by an environment variable")]
fn show(operation: &bodies::Operation) {
    eprintln!("{operation:?}");
}

/// How often each of `names` may be drawn off its mean before chance is called unfair: the statistic of Pearson is
/// about as large as there are names, and exceeds this less than once in a million.
fn check_fair(what: &str, names: usize, mut draw: impl FnMut(&mut fastrand::Rng) -> usize) {
    let mut rng = fastrand::Rng::with_seed(5);
    let mean = 100;
    let mut counts = vec![0u32; names];
    for _ in 0..names * mean {
        counts[draw(&mut rng)] += 1;
    }
    let distance = |count: u32| (f64::from(count) - 100.0).powi(2) / 100.0;
    let statistic: f64 = counts.into_iter().map(distance).sum();
    let freedom = f64::from(u32::try_from(names).unwrap()) - 1.0;
    let bound = freedom + 5.0 * (2.0 * freedom).sqrt();
    assert!(statistic < bound, "{what} of {names}: {statistic} is above {bound}");
}

fn name(number: usize) -> Vec<u8> {
    format!("name:{number}").into_bytes()
}

fn number(name: &[u8]) -> usize {
    std::str::from_utf8(name).unwrap().strip_prefix("name:").unwrap().parse().unwrap()
}

/// Sizes that are packed, in one segment, and in many, of which some have just split or nearly merged.
const SIZES: &[usize] = if cfg!(miri) { &[3, 130] } else { &[3, 100, 113, 200, 1_000, 3_333] };

#[test]
fn every_key_is_drawn_as_often() {
    for &size in SIZES {
        let mut keyspace = Keyspace::new(1, [1, 2, 3, 4], Encoding::default());
        let database = keyspace.db_mut(0);
        // Half of what was there is gone again, so that segments are filled unevenly.
        (0..2 * size)
            .for_each(|number| assert!(!database.set_string(&name(number), b"x", None, UnixMillis(0))));
        (size..2 * size).for_each(|number| drop(database.remove(&name(number))));
        check_fair("RANDOMKEY", size, |rng| number(database.random_key(rng, UnixMillis(0)).unwrap()));
    }
}

#[test]
fn every_element_is_drawn_as_often() {
    let encoding = Encoding::default();
    for &size in SIZES {
        let (mut set, mut hash, mut sorted) = (Set::new(), Hash::new(), SortedSet::new());
        for number in 0..size {
            set.insert(&name(number), &encoding);
            hash.insert(&name(number), b"x", &encoding);
            sorted.insert(&name(number), f64::from(u32::try_from(number % 9).unwrap()), &encoding);
        }
        check_fair("SRANDMEMBER", size, |rng| number(&set.random(rng).unwrap().to_vec()));
        check_fair("HRANDFIELD", size, |rng| number(&hash.random(rng).unwrap().0.to_vec()));
        check_fair("ZRANDMEMBER", size, |rng| number(&sorted.random(rng).unwrap().0.to_vec()));
    }
}

#[test]
fn every_member_is_popped_first_as_often() {
    let size = if cfg!(miri) { 5 } else { 40 };
    let encoding = Encoding { set_max_listpack_entries: 10, ..Encoding::default() };
    let mut full = Set::new();
    (0..size).for_each(|number| assert!(full.insert(&name(number), &encoding)));
    check_fair("SPOP", size, |rng| number(&full.clone().pop_random(rng).unwrap()));
}
