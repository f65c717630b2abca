//! Hashes against a sorted map, in both encodings, with clones that must not change.

use std::collections::BTreeMap;

use super::*;

fn small() -> Encoding {
    Encoding { hash_max_listpack_entries: 8, hash_max_listpack_value: 10, ..Encoding::default() }
}

fn contents(hash: &Hash) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let all: BTreeMap<_, _> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
    assert_eq!(all.len(), hash.len());
    all
}

fn operations_match(fields: u64, rounds: u64, encoding_name: &str) {
    let encoding = small();
    let mut rng = fastrand::Rng::with_seed(fields);
    let mut hash = Hash::new();
    let mut model = BTreeMap::new();
    let mut snapshot = (hash.clone(), model.clone());
    for round in 0..rounds {
        let field = format!("{}", rng.u64(..fields)).into_bytes();
        if rng.u8(..3) > 0 {
            let value = format!("v{round}").into_bytes();
            let is_new = hash.insert(&field, &value, &encoding);
            assert_eq!(is_new, model.insert(field, value).is_none());
        } else {
            assert_eq!(hash.remove(&field), model.remove(&field).is_some());
        }
        let field = format!("{}", rng.u64(..fields)).into_bytes();
        assert_eq!(hash.get(&field).map(|item| item.to_vec()), model.get(&field).cloned());
        if let Some((field, value)) = hash.random(&mut rng) {
            assert_eq!(model.get(&field.to_vec()), Some(&value.to_vec()));
        }
        if round % 100 == 0 {
            assert_eq!(contents(&hash), model);
            assert_eq!(contents(&snapshot.0), snapshot.1);
            snapshot = (hash.clone(), model.clone());
        }
    }
    assert_eq!(hash.encoding_name(), encoding_name);
}

#[test]
fn operations_from_a_seed_match_a_sorted_map() {
    operations_match(8, 2000, "listpack");
    operations_match(9, 2000, "hashtable");
    operations_match(3000, 20_000, "hashtable");
}

fn check_encoding(steps: &[(&str, &str)], expected: &str) {
    let mut hash = Hash::new();
    for (field, value) in steps {
        hash.insert(field.as_bytes(), value.as_bytes(), &small());
    }
    assert_eq!(hash.encoding_name(), expected, "{steps:?}");
}

#[test]
fn a_hash_becomes_a_table_beyond_its_thresholds() {
    check_encoding(&[("a", "1234567890")], "listpack");
    check_encoding(&[("a", "12345678901")], "hashtable");
    check_encoding(&[("12345678901", "")], "hashtable");
    let many: Vec<_> = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(|field| (field, "")).to_vec();
    check_encoding(&many[..8], "listpack");
    check_encoding(&many, "hashtable");
}

#[test]
fn a_table_stays_one_when_it_shrinks() {
    let mut hash = Hash::new();
    hash.insert(b"long", b"12345678901", &small());
    hash.insert(b"a", b"1", &small());
    assert!(hash.remove(b"long"));
    assert_eq!(hash.encoding_name(), "hashtable");
}

#[test]
fn a_packed_block_is_taken_with_its_pairs_only() {
    let mut block = Listpack::new();
    for element in [b"a".as_slice(), b"1", b"b", b"2"] {
        block.push_back(element);
    }
    let hash = Hash::from_packed(block.clone(), &small()).unwrap();
    assert_eq!(hash.packed().unwrap().bytes(), block.bytes());
    assert_eq!(hash.get(b"b"), Some(Item::Int(2)));
    block.push_back(b"a");
    assert!(Hash::from_packed(block.clone(), &small()).is_none());
    block.push_back(b"3");
    assert!(Hash::from_packed(block, &small()).is_none());
}

#[test]
fn fields_expire_by_their_own_deadlines() {
    let encoding = small();
    let mut hash = Hash::new();
    for field in [b"a", b"b", b"c", b"d"] {
        hash.insert(field, b"1", &encoding);
    }
    assert!(!hash.set_deadline(b"x", UnixMillis(1), &encoding));
    for (field, deadline) in [(b"a", 30), (b"b", 10), (b"c", 20)] {
        assert!(hash.set_deadline(field, UnixMillis(deadline), &encoding));
    }
    assert_eq!(hash.next_deadline(), Some(UnixMillis(10)));
    assert!(hash.take_due(UnixMillis(10), 9).is_empty());
    let clone = hash.clone();
    assert_eq!(hash.due_len(UnixMillis(21)), 2);
    assert_eq!(hash.take_due(UnixMillis(21), 1), [b"b".to_vec()]);
    assert_eq!(hash.take_due(UnixMillis(21), 9), [b"c".to_vec()]);
    assert_eq!(hash.len(), 2);
    assert_eq!(clone.deadline(b"c"), Some(UnixMillis(20)));
    hash.insert_keeping_deadline(b"a", b"2", &encoding);
    assert_eq!(hash.deadline(b"a"), Some(UnixMillis(30)));
    hash.insert(b"a", b"3", &encoding);
    assert!(!hash.has_deadlines(), "setting a field clears its deadline");
}

#[test]
fn a_scan_visits_every_field() {
    for fields in [5, 500] {
        let mut hash = Hash::new();
        for field in 0..fields {
            hash.insert(format!("{field}").as_bytes(), b"", &small());
        }
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = hash.scan(cursor, 10, |field, _| seen.push(field.as_int().unwrap()));
            if cursor == 0 {
                break;
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..fields));
    }
}

#[test]
fn deadlines_match_a_map_in_both_forms() {
    for fields in [20, 2000] {
        let encoding = small();
        let mut rng = fastrand::Rng::with_seed(fields);
        let mut hash = Hash::new();
        (0..fields).for_each(|field| assert!(hash.insert(&name(field), b"", &encoding)));
        let mut model = BTreeMap::new();
        let mut snapshot = (hash.clone(), model.clone());
        for round in 0..fields * 10 {
            let field = name(rng.u64(..fields));
            let deadline = UnixMillis(rng.i64(0..500));
            match rng.u8(..8) {
                0 => assert_eq!(hash.clear_deadline(&field), model.remove(&field).is_some()),
                1 => drop((hash.insert(&field, b"1", &encoding), model.remove(&field))),
                _ => {
                    assert!(hash.set_deadline(&field, deadline, &encoding));
                    model.insert(field, deadline);
                }
            }
            assert_eq!(hash.next_deadline(), model.values().min().copied());
            assert_eq!(hash.due_len(deadline), model.values().filter(|due| **due < deadline).count());
            if round % 500 == 0 {
                assert_eq!(deadlines(&snapshot.0), snapshot.1);
                snapshot = (hash.clone(), model.clone());
                assert_eq!(deadlines(&hash), model);
            }
        }
    }
}

fn name(number: u64) -> Vec<u8> {
    format!("field:{number}").into_bytes()
}

fn deadlines(hash: &Hash) -> BTreeMap<Vec<u8>, UnixMillis> {
    let fields = hash.iter().map(|(field, _)| field.to_vec());
    fields.filter_map(|field| hash.deadline(&field).map(|deadline| (field, deadline))).collect()
}

#[test]
fn the_last_deadlines_of_time_are_kept_as_one() {
    let mut hash = Hash::new();
    hash.insert(b"f", b"", &small());
    hash.set_deadline(b"f", UnixMillis(i64::MAX), &small());
    assert_eq!(hash.deadline(b"f"), Some(UnixMillis(1 << 53)));
    hash.set_deadline(b"f", UnixMillis((1 << 53) - 1), &small());
    assert_eq!(hash.next_deadline(), Some(UnixMillis((1 << 53) - 1)));
}
