//! Tables against a sorted map, with snapshots; the structure's invariants; the scan's promise
//! under splits and merges; deadlines; boundaries of what lies in a block and what beside.

use std::collections::BTreeMap;
use triomphe::Arc;

use super::*;

#[derive(Clone)]
struct Numbered;

/// Rest: a deadline of eight bytes, then anything.
impl Layout for Numbered {
    type Beside = Arc<[u8]>;

    fn deadline(entry: &EntryRef<'_, Arc<[u8]>>) -> i64 {
        i64::from_le_bytes(entry.rest[..8].try_into().unwrap())
    }
}

#[derive(Clone)]
struct Member;

impl Layout for Member {
    type Beside = ();
    const REST: bool = false;
}

type Model = BTreeMap<Vec<u8>, (i64, Vec<u8>, Option<Vec<u8>>)>;

const NEVER: i64 = i64::MAX;

fn put(table: &mut Table<Numbered>, key: &[u8], deadline: i64, rest: &[u8], beside: Option<&[u8]>) {
    let deadline = deadline.to_le_bytes();
    let beside = beside.map(Arc::from);
    match table.find(key) {
        Ok(place) => drop(table.replace(place, [&deadline, rest], beside)),
        Err(hash) => drop(table.insert_new(NewEntry { hash, key, rest: [&deadline, rest], beside })),
    }
}

fn remove(table: &mut Table<Numbered>, key: &[u8]) -> bool {
    table.find(key).map(|place| table.remove_at(place)).is_ok()
}

fn contents(table: &Table<Numbered>) -> Model {
    let all: Model = table
        .iter()
        .map(|entry| {
            let rest =
                (Numbered::deadline(&entry), entry.rest[8..].to_vec(), entry.beside.map(|b| b.to_vec()));
            (entry.key.to_vec(), rest)
        })
        .collect();
    assert_eq!(all.len(), table.len(), "an entry twice");
    all
}

fn check_structure(table: &Table<Numbered>) {
    let (mut at, mut segments, mut entries) = (Some(0), 0, 0);
    while let Some(start) = at {
        let (region, segment, depth) = table.segment_of(start);
        assert_eq!(start_of(start, depth), start);
        let mut earliest = NEVER;
        for entry in region.entries(segment) {
            assert_eq!(start_of(table.hash(entry.key), depth), start);
            assert_eq!(table.get(entry.key).unwrap().rest, entry.rest);
            earliest = earliest.min(Numbered::deadline(&entry));
            entries += 1;
        }
        let page = &table.pages.children()[table.pages.find(start)];
        let above = &page.node.children()[page.node.find(start)];
        assert!(region.fan().children()[segment].earliest <= earliest);
        assert!(above.earliest <= earliest && page.earliest <= earliest);
        segments += 1;
        at = end_of(start, depth);
    }
    assert_eq!((segments, entries), (table.segments(), table.len()));
}

fn bytes(rng: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

fn key_of(number: u64) -> Vec<u8> {
    // Some keys are longer than an entry may hold.
    let mut key = format!("key:{number}").into_bytes();
    if number.is_multiple_of(17) {
        key.resize(200 + usize::try_from(number % 150).unwrap(), b'.');
    }
    key
}

/// Grows for the first half, shrinks for the second.
fn run(seed: u64, rounds: u64, keys: u64, longest: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut table = Table::new([seed, 2, 3, 4]);
    let mut model = Model::new();
    let mut snapshots = vec![(table.clone(), model.clone())];
    for round in 0..rounds {
        let key = key_of(rng.u64(..keys));
        if rng.u64(..rounds) > round {
            let deadline = if rng.u8(..4) == 0 { rng.i64(..1000) } else { NEVER };
            let room = if key.len() > 254 { 300 } else { INLINE - 8 - key.len() };
            let rest = {
                let len = rng.usize(..longest.min(room));
                bytes(&mut rng, len)
            };
            let beside = (rng.u8(..5) == 0).then(|| bytes(&mut rng, 600));
            put(&mut table, &key, deadline, &rest, beside.as_deref());
            model.insert(key, (deadline, rest, beside));
        } else {
            assert_eq!(remove(&mut table, &key), model.remove(&key).is_some());
        }
        let other = key_of(rng.u64(..keys));
        let found = table.get(&other).map(|entry| entry.rest[8..].to_vec());
        assert_eq!(found, model.get(&other).map(|(_, rest, _)| rest.clone()));
        assert_eq!(table.len(), model.len());
        if round % (rounds / 8) == 0 {
            check_structure(&table);
            assert_eq!(contents(&table), model);
            if snapshots.len() > 2 {
                let (then, as_it_was) = snapshots.remove(rng.usize(..2));
                assert_eq!(contents(&then), as_it_was);
            }
            snapshots.push((table.clone(), model.clone()));
        }
    }
    for key in model.keys() {
        assert!(remove(&mut table, key));
    }
    check_structure(&table);
    assert_eq!((table.len(), table.segments(), table.pages.len()), (0, 1, 1));
    assert!(table.regions().next().unwrap().heap_size() < 2000, "an empty table keeps little");
}

#[test]
fn operations_from_seeds_match_a_sorted_map() {
    let (seeds, rounds) = if cfg!(miri) { (1, 800) } else { (6, 40_000) };
    for seed in 0..seeds {
        run(seed, rounds, 6000, [10, 60, 480][usize::try_from(seed % 3).unwrap()]);
    }
}

#[test]
fn many_entries_split_pages_and_are_all_found() {
    let count = if cfg!(miri) { 300 } else { 400_000u32 };
    let mut table = Table::<Member>::new([1, 2, 3, 4]);
    for number in 0..count {
        let key = number.to_be_bytes();
        let hash = table.find(&key).unwrap_err();
        table.insert_new(NewEntry { hash, key: &key, rest: [b"", b""], beside: None });
    }
    assert!(count < 1000 || table.pages.len() > 1);
    assert!((0..count).all(|number| table.get(&number.to_be_bytes()).is_some()));
    let mut cursor = 0;
    let mut seen = 0;
    loop {
        cursor = table.scan(cursor, 1000, |_| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, table.len());
    for number in 0..count {
        let place = table.find(&number.to_be_bytes()).unwrap();
        table.remove_at(place);
    }
    assert_eq!((table.len(), table.segments(), table.pages.len()), (0, 1, 1));
}

#[test]
fn a_scan_sees_what_stays_exactly_once() {
    for seed in 0..if cfg!(miri) { 1 } else { 30 } {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut table = Table::new([seed, 2, 3, 4]);
        let add = |table: &mut Table<Numbered>, number| put(table, &key_of(number), NEVER, &[0; 30], None);
        (0..2000).for_each(|number| add(&mut table, number));
        let mut seen: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut cursor = 0;
        let (grows, shrinks) = [(true, false), (false, true), (true, true)][rng.usize(..3)];
        loop {
            cursor = table.scan(cursor, 1 + rng.usize(..200), |entry| {
                *seen.entry(entry.key.to_vec()).or_default() += 1;
            });
            assert!(cursor < 1 << 48);
            if cursor == 0 {
                break;
            }
            for _ in 0..rng.usize(..400) {
                // Only numbers from 300 on come and go.
                if grows && (!shrinks || rng.bool()) {
                    add(&mut table, rng.u64(2000..20_000));
                } else {
                    remove(&mut table, &key_of(rng.u64(300..if grows { 20_000 } else { 2000 })));
                }
            }
        }
        let stays = if shrinks { 300 } else { 2000 };
        for number in 0..stays {
            assert_eq!(seen.get(&key_of(number)), Some(&1), "seed {seed}: {number}");
        }
    }
}

#[test]
fn a_random_entry_is_chosen_fairly() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut table = Table::new([1, 2, 3, 4]);
    for number in 0..4000 {
        put(&mut table, &key_of(number), NEVER, b"", None);
    }
    let mut hits: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..if cfg!(miri) { 100 } else { 400_000 } {
        *hits.entry(table.random(&mut rng).unwrap().key.to_vec()).or_default() += 1;
    }
    if !cfg!(miri) {
        // 3999 degrees of freedom: a fair choice is below 4500 practically always.
        let all = (0..4000).map(|number| f64::from(*hits.get(&key_of(number)).unwrap_or(&0)));
        let chi_square: f64 = all.map(|count| (count - 100.0).powi(2) / 100.0).sum();
        assert!(chi_square < 4500.0, "{chi_square}");
    }
    assert!(Table::<Numbered>::new([0; 4]).random(&mut rng).is_none());
}

#[test]
fn what_is_due_is_found_once_and_in_bounded_portions() {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut table = Table::new([9, 2, 3, 4]);
    for number in 0..5000 {
        put(&mut table, &key_of(number), if number % 2 == 0 { rng.i64(..1000) } else { NEVER }, b"v", None);
    }
    let held = table.clone();
    let (mut resume, mut gone) = (u64::MAX / 3, 0);
    for now in [0, 300, 300, 1000, 1000] {
        loop {
            let due = table.due(now, 100, &mut resume);
            assert!(due.len() <= 100);
            for key in &due {
                assert!(Numbered::deadline(&table.get(key).unwrap()) < now);
                assert!(remove(&mut table, key));
                gone += 1;
            }
            if !table.may_be_due(now) {
                break;
            }
        }
        assert!(table.iter().all(|entry| Numbered::deadline(&entry) >= now), "at {now}");
        check_structure(&table);
    }
    assert_eq!((gone, table.len(), held.len()), (2500, 2500, 5000));
}

#[test]
fn a_change_in_place_leaves_snapshots_alone() {
    let mut table = Table::new([1, 2, 3, 4]);
    put(&mut table, b"key", NEVER, b"old", None);
    let place = table.find(b"key").unwrap();
    assert!(table.rest_mut_if_unshared(place).is_some());
    let held = table.clone();
    assert!(table.rest_mut_if_unshared(place).is_none());
    table.rest_mut(place)[8..].copy_from_slice(b"new");
    assert_eq!(&held.get(b"key").unwrap().rest[8..], b"old");
    assert_eq!(&table.get(b"key").unwrap().rest[8..], b"new");
}

#[test]
fn an_update_of_another_size_is_packed_in_the_end() {
    let mut table = Table::new([1, 2, 3, 4]);
    let mut rng = fastrand::Rng::with_seed(1);
    for number in 0..1000 {
        put(&mut table, &key_of(number), NEVER, &[1; 20], None);
    }
    let before = table.heap_size();
    for _ in 0..if cfg!(miri) { 200 } else { 50_000 } {
        let len = rng.usize(15..25);
        put(&mut table, &key_of(rng.u64(..1000)), NEVER, &vec![2; len], None);
    }
    check_structure(&table);
    assert!(table.heap_size() < before * 3 / 2, "{} of {before}", table.heap_size());
}

#[test]
fn a_snapshot_given_up_piece_by_piece_costs_no_copies_behind_it() {
    let mut table = Table::new([1, 2, 3, 4]);
    let count = if cfg!(miri) { 500 } else { 30_000 };
    (0..count).for_each(|number| put(&mut table, &key_of(number), NEVER, &[7; 40], None));
    let mut seen = 0;
    for portion in table.clone().into_portions() {
        let keys: Vec<Vec<u8>> = portion.iter().map(|entry| entry.key.to_vec()).collect();
        seen += keys.len();
        // Makes the pages the table's own again; the blocks of this portion are still shared.
        let place = table.find(&keys[0]).unwrap();
        table.pages.node_mut(place.page).node_mut(place.region);
        assert!(table.rest_mut_if_unshared(place).is_none());
        drop(portion);
        let place = table.find(keys.last().unwrap()).unwrap();
        assert!(table.pages.node_mut(place.page).node_mut_if_unshared(place.region).is_some());
    }
    assert_eq!(seen, table.len());
}

#[test]
fn reading_ahead_leads_to_the_entries() {
    let mut table = Table::<Numbered>::new([4, 3, 2, 1]);
    let key = |number: u32| format!("key:{number}").into_bytes();
    (0..20_000).for_each(|number| put(&mut table, &key(number), NEVER, b"rest", None));
    let is_led_to = |number: &u32| {
        let place = table.find(&key(*number)).unwrap();
        let (region, segment, _) = table.segment_of(place.hash);
        let segment = region.fan().node(segment);
        segment.likely(place.hash) == segment.address(place.spot.lane)
    };
    // Some tags are taken twice, and some homes are full.
    assert!((0..20_000).filter(is_led_to).count() > 18_000);
}

#[test]
fn entries_in_a_small_part_of_all_hashes_are_chosen_fairly() {
    let mut table = Table::new([1, 2, 3, 4]);
    (0..if cfg!(miri) { 1_000 } else { 200_000 })
        .for_each(|number| put(&mut table, &key_of(number), NEVER, b"", None));
    let mut keys = Vec::new();
    table.scan(0, usize::MAX, |entry| keys.push(entry.key.to_vec()));
    let left = keys.split_off(keys.len() - 60);
    keys.iter().for_each(|key| assert!(remove(&mut table, key)));
    let mut rng = fastrand::Rng::with_seed(5);
    let mut hits: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..6_000 {
        *hits.entry(table.random(&mut rng).unwrap().key.to_vec()).or_default() += 1;
    }
    assert_eq!(hits.len(), left.len());
    assert!(hits.values().all(|hits| (50..170).contains(hits)), "{hits:?}");
    let mut all: Vec<_> = (0..60).map(|index| table.nth(index).unwrap().key).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), table.nth(60).is_none()), (60, true));
}

#[test]
fn a_round_over_deadlines_leaves_out_the_rest_alone() {
    let mut table = Table::new([1, 2, 3, 4]);
    (0..60_000).for_each(|number| {
        put(&mut table, &key_of(number), if number % 6_000 == 0 { 1 } else { NEVER }, b"v", None);
    });
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let round = table.round_from_random(&mut rng, true);
        let mut found: Vec<Vec<u8>> =
            round.filter(|entry| Numbered::deadline(entry) == 1).map(|entry| entry.key.to_vec()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 10);
        assert_eq!(table.round_from_random(&mut rng, false).count(), 60_000);
    }
}
