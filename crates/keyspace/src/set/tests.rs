//! Sets against a sorted set, in all encodings, with clones that must not change.

use std::collections::BTreeSet;

use super::*;

fn small() -> Encoding {
    Encoding {
        set_max_intset_entries: 8,
        set_max_listpack_entries: 6,
        set_max_listpack_value: 10,
        ..Encoding::default()
    }
}

fn contents(set: &Set) -> BTreeSet<Vec<u8>> {
    let all: BTreeSet<_> = set.iter().map(|item| item.to_vec()).collect();
    assert_eq!(all.len(), set.len());
    all
}

fn operations_match(prefix: &str, members: u64, rounds: u64, encoding_name: &str) {
    let mut rng = fastrand::Rng::with_seed(members);
    let mut set = Set::new();
    let mut model = BTreeSet::new();
    let mut snapshot = (set.clone(), model.clone());
    for round in 0..rounds {
        let member = format!("{prefix}{}", rng.u64(..members)).into_bytes();
        match rng.u8(..5) {
            0 => assert_eq!(set.remove(&member), model.remove(&member)),
            1 => {
                let popped = set.pop_random(&mut rng);
                assert_eq!(popped.is_some(), !model.is_empty());
                assert!(popped.is_none_or(|member| model.remove(&member)));
            }
            _ => assert_eq!(set.insert(&member, &small()), model.insert(member)),
        }
        let member = format!("{prefix}{}", rng.u64(..members)).into_bytes();
        assert_eq!(set.contains(&member), model.contains(&member));
        if round % 100 == 0 {
            assert_eq!(contents(&set), model);
            assert_eq!(contents(&snapshot.0), snapshot.1);
            snapshot = (set.clone(), model.clone());
        }
    }
    assert_eq!(set.encoding_name(), encoding_name);
}

#[test]
fn operations_from_a_seed_match_a_sorted_set() {
    operations_match("", 8, 2000, "intset");
    operations_match("x", 6, 2000, "listpack");
    operations_match("x", 40, 2000, "hashtable");
    operations_match("", 5000, 20_000, "hashtable");
}

fn check_encoding(members: &[&str], expected: &str) {
    let mut set = Set::new();
    for member in members {
        set.insert(member.as_bytes(), &small());
    }
    assert_eq!(set.encoding_name(), expected, "{members:?}");
    assert_eq!(set.len(), members.len());
}

#[test]
fn the_encoding_follows_the_members() {
    check_encoding(&["1", "2", "3", "4", "5", "6", "7", "8"], "intset");
    check_encoding(&["1", "2", "3", "4", "5", "6", "7", "8", "9"], "hashtable");
    check_encoding(&["a", "2", "3", "4", "5", "6"], "listpack");
    check_encoding(&["1", "2", "3", "4", "5", "a"], "listpack");
    check_encoding(&["1", "2", "3", "4", "5", "6", "a"], "hashtable");
    check_encoding(&["a", "b", "c", "d", "e", "f", "g"], "hashtable");
    check_encoding(&["1234567890a"], "hashtable");
    check_encoding(&["12345678901", "a"], "hashtable");
    check_encoding(&["12345678901"], "intset");
}

#[test]
fn a_hint_chooses_the_first_encoding() {
    for (first, hint, expected) in
        [("1", 8, "intset"), ("1", 9, "hashtable"), ("a", 6, "listpack"), ("a", 7, "hashtable")]
    {
        let set = Set::with_hint(first.as_bytes(), hint, &small());
        assert_eq!((set.encoding_name(), set.len()), (expected, 0));
    }
}

#[test]
fn integers_become_an_intset_again_on_request() {
    let mut set = Set::new();
    for member in [b"5".as_slice(), b"a", b"-3"] {
        set.insert(member, &small());
    }
    set.make_ints(&small());
    assert_eq!(set.encoding_name(), "listpack");
    set.remove(b"a");
    set.make_ints(&small());
    assert_eq!(set.ints().unwrap().iter().collect::<Vec<_>>(), [-3, 5]);
}

#[test]
fn foreign_blocks_are_checked_and_fitted() {
    let mut block = Listpack::new();
    for member in [b"a".as_slice(), b"b", b"1"] {
        block.push_back(member);
    }
    assert_eq!(Set::from_packed(block.clone(), &small()).unwrap().encoding_name(), "listpack");
    block.push_back(b"12345678901");
    assert_eq!(Set::from_packed(block.clone(), &small()).unwrap().encoding_name(), "hashtable");
    block.push_back(b"1");
    assert!(Set::from_packed(block, &small()).is_none());
}
