//! Tables against a sorted map, with snapshots, and the scan's promise under splits and merges.

use std::collections::BTreeMap;

use super::*;
use crate::short_bytes::ShortBytes;

#[derive(Clone, Debug, PartialEq)]
struct Pair(ShortBytes, u64);

impl Entry for Pair {
    fn key(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn pair(number: u64, value: u64) -> Pair {
    Pair(ShortBytes::new(&key(number)), value)
}

fn contents(table: &Table<Pair>) -> BTreeMap<Vec<u8>, u64> {
    let all: BTreeMap<_, _> = table.iter().map(|pair| (pair.key().to_vec(), pair.1)).collect();
    assert_eq!(all.len(), table.len(), "an entry twice");
    all
}

fn check_structure(table: &Table<Pair>) {
    let mut at = Some(0);
    let mut segments = 0;
    while let Some(start) = at {
        let segment = &table.slots[table.slot_of(start)].segment;
        assert_eq!(segment.start(), start);
        for entry in segment.entries() {
            let hash = table.hash(entry.key());
            assert!(hash >= start && segment.end().is_none_or(|end| hash < end));
            assert_eq!(table.get(entry.key()), Some(entry));
        }
        segments += 1;
        at = segment.end();
    }
    assert_eq!(segments, table.segments());
    assert_eq!(table.census.iter().sum::<u32>(), narrow(segments));
    assert_eq!(table.directory.len(), 1 << table.depth);
}

#[test]
fn operations_from_a_seed_match_a_sorted_map() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut table = Table::new([1, 2, 3, 4]);
    let mut model = BTreeMap::new();
    let mut snapshot = (table.clone(), model.clone());
    for round in 0..60_000u64 {
        // Grows for the first half, shrinks for the second.
        let number = rng.u64(..8000);
        if rng.u64(..60_000) > round {
            assert_eq!(table.insert(pair(number, round)).map(|old| old.1), model.insert(key(number), round));
        } else {
            assert_eq!(table.remove(&key(number)).map(|old| old.1), model.remove(&key(number)));
        }
        let other = key(rng.u64(..8000));
        assert_eq!(table.get(&other).map(|pair| pair.1), model.get(&other).copied());
        assert_eq!(table.len(), model.len());
        if round % 10_000 == 0 {
            check_structure(&table);
            assert_eq!(contents(&table), model);
            assert_eq!(contents(&snapshot.0), snapshot.1);
            snapshot = (table.clone(), model.clone());
        }
    }
    for key in model.keys() {
        table.remove(key);
    }
    check_structure(&table);
    assert_eq!((table.len(), table.segments()), (0, 1));
}

#[test]
fn a_scan_sees_what_stays_exactly_once() {
    for seed in 0..30 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut table = Table::new([seed, 2, 3, 4]);
        for number in 0..2000 {
            table.insert(pair(number, 0));
        }
        let mut seen: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut cursor = 0;
        let (grows, shrinks) = [(true, false), (false, true), (true, true)][rng.usize(..3)];
        loop {
            cursor = table.scan(cursor, 1 + rng.usize(..200), |pair| {
                *seen.entry(pair.key().to_vec()).or_default() += 1
            });
            assert!(cursor < 1 << 48);
            if cursor == 0 {
                break;
            }
            for _ in 0..rng.usize(..400) {
                // Only numbers from 300 on come and go.
                if grows && (!shrinks || rng.bool()) {
                    table.insert(pair(rng.u64(2000..20_000), 0));
                } else {
                    table.remove(&key(rng.u64(300..if grows { 20_000 } else { 2000 })));
                }
            }
        }
        let stays = if shrinks { 300 } else { 2000 };
        for number in 0..stays {
            assert_eq!(seen.get(&key(number)), Some(&1), "seed {seed}: {number}");
        }
    }
}

#[test]
fn a_random_entry_is_chosen_fairly() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut table = Table::new([1, 2, 3, 4]);
    for number in 0..400 {
        table.insert(pair(number, 0));
    }
    let mut hits: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..40_000 {
        *hits.entry(table.random(&mut rng).unwrap().key().to_vec()).or_default() += 1;
    }
    assert_eq!(hits.len(), 400);
    assert!(hits.values().all(|count| (50..160).contains(count)), "{hits:?}");
    assert!(Table::<Pair>::new([0; 4]).random(&mut rng).is_none());
}
