//! Sorted sets against a sorted vector, in both encodings, with clones that must not change.

use super::bound::order;
use super::*;

type Model = Vec<(f64, Vec<u8>)>;

fn small() -> Encoding {
    Encoding { zset_max_listpack_entries: 8, zset_max_listpack_value: 10, ..Encoding::default() }
}

fn contents(set: &SortedSet) -> Model {
    let all: Model = set.iter().map(|(member, score)| (score, member.to_vec())).collect();
    let last = set.len().wrapping_sub(1);
    let mut reversed: Model =
        set.iter_rev_from_rank(last).map(|(member, score)| (score, member.to_vec())).collect();
    reversed.reverse();
    assert_eq!(all, reversed);
    all
}

fn model_insert(model: &mut Model, member: &[u8], score: f64) -> Option<f64> {
    let old = model.iter().position(|(_, name)| name == member).map(|at| model.remove(at).0);
    let at = model.partition_point(|(other, name)| order((*other, name), (score, member)).is_lt());
    model.insert(at, (score, member.to_vec()));
    old
}

fn check_searches(set: &SortedSet, model: &Model, rng: &mut fastrand::Rng) {
    let score = f64::from(rng.i8(-20..20)) / 4.0;
    let below = model.iter().filter(|(other, _)| *other < score).count();
    let up_to = model.iter().filter(|(other, _)| *other <= score).count();
    assert_eq!(set.rank_of_first_score(ScoreBound::Inclusive(score)), below);
    assert_eq!(set.rank_of_first_score(ScoreBound::Exclusive(score)), up_to);
    assert_eq!(set.rank_after_last_score(ScoreBound::Inclusive(score)), up_to);
    assert_eq!(set.rank_after_last_score(ScoreBound::Exclusive(score)), below);
    if let Some((member, score)) = set.random(rng) {
        let rank = set.rank(&member.to_vec()).unwrap();
        assert_eq!(model[rank], (score, member.to_vec()));
        assert_eq!(set.iter_from_rank(rank).next(), Some((member, score)));
        assert_eq!(set.iter_rev_from_rank(rank).next(), Some((member, score)));
    }
}

fn operations_match(members: u64, rounds: u64, encoding_name: &str) {
    let mut rng = fastrand::Rng::with_seed(members);
    let mut set = SortedSet::new();
    let mut model = Model::new();
    let mut snapshot = (set.clone(), model.clone());
    for round in 0..rounds {
        let member = format!("m{}", rng.u64(..members)).into_bytes();
        // Few scores, so that many members share one; the set shrinks in the second half.
        let score = f64::from(rng.i8(-20..20)) / 4.0;
        if rng.u64(..rounds) > round / 2 + rounds / 4 {
            assert_eq!(set.insert(&member, score, &small()), model_insert(&mut model, &member, score));
        } else if rng.u8(..20) == 0 && !model.is_empty() {
            let start = rng.usize(..model.len());
            let end = model.len().min(start + rng.usize(..10));
            let mut removed = Model::new();
            set.remove_ranks(start, end - start, |member, score| removed.push((score, member.to_vec())));
            assert_eq!(removed, model.drain(start..end).collect::<Model>());
        } else {
            let at = model.iter().position(|(_, name)| *name == member);
            assert_eq!(set.remove(&member), at.map(|at| model.remove(at).0));
        }
        assert_eq!(
            set.score(&member),
            model.iter().find(|(_, name)| *name == member).map(|(score, _)| *score)
        );
        assert_eq!(set.len(), model.len());
        check_searches(&set, &model, &mut rng);
        if round % 200 == 0 {
            assert_eq!(contents(&set), model);
            assert_eq!(contents(&snapshot.0), snapshot.1);
            snapshot = (set.clone(), model.clone());
        }
    }
    assert_eq!(set.encoding_name(), encoding_name);
}

#[test]
fn operations_from_a_seed_match_a_sorted_vector() {
    operations_match(8, 3000, "listpack");
    operations_match(30, 3000, "skiplist");
    operations_match(4000, 20_000, "skiplist");
}

#[test]
fn a_large_set_stays_ordered_through_every_way_of_growing() {
    for way in 0..3 {
        let mut set = SortedSet::new();
        let mut rng = fastrand::Rng::with_seed(9);
        let mut numbers: Vec<i32> = (0..30_000).collect();
        match way {
            0 => {}
            1 => numbers.reverse(),
            _ => rng.shuffle(&mut numbers),
        }
        for number in &numbers {
            set.insert(format!("m{number}").as_bytes(), f64::from(*number), &small());
        }
        for rank in [0, 1, 15_000, 29_999] {
            assert_eq!(set.rank(format!("m{rank}").as_bytes()), Some(rank));
        }
        rng.shuffle(&mut numbers);
        for number in &numbers[..29_000] {
            assert_eq!(set.remove(format!("m{number}").as_bytes()), Some(f64::from(*number)));
        }
        let mut left = numbers[29_000..].to_vec();
        left.sort_unstable();
        assert!(set.iter().map(|(_, score)| score).eq(left.into_iter().map(f64::from)));
    }
}

#[test]
fn members_of_one_score_are_found_by_name() {
    for encoding in [Encoding::default(), Encoding { zset_max_listpack_entries: 0, ..Encoding::default() }] {
        let mut set = SortedSet::new();
        for member in [b"b", b"a", b"d", b"c"] {
            set.insert(member, 0.0, &encoding);
        }
        for (bound, first, after) in [
            (LexBound::Min, 0, 0),
            (LexBound::Max, 4, 4),
            (LexBound::Inclusive(b"b"), 1, 2),
            (LexBound::Exclusive(b"b"), 2, 1),
            (LexBound::Inclusive(b"bb"), 2, 2),
        ] {
            assert_eq!(set.rank_of_first_lex(bound), first, "{bound:?}");
            assert_eq!(set.rank_after_last_lex(bound), after, "{bound:?}");
        }
    }
}

#[test]
fn minus_zero_is_zero_and_infinities_are_the_ends() {
    for encoding in [Encoding::default(), Encoding { zset_max_listpack_entries: 0, ..Encoding::default() }] {
        let mut set = SortedSet::new();
        for (member, score) in
            [(b"c", 0.0), (b"b", -0.0), (b"d", f64::INFINITY), (b"a", f64::NEG_INFINITY), (b"e", 1e300)]
        {
            set.insert(member, score, &encoding);
        }
        assert_eq!(contents(&set).into_iter().flat_map(|(_, member)| member).collect::<Vec<_>>(), b"abced");
        assert_eq!(set.score(b"e"), Some(1e300));
    }
}

#[test]
fn foreign_blocks_must_be_ordered_pairs() {
    let block = |elements: &[&str]| {
        let mut block = Listpack::new();
        elements.iter().for_each(|element| block.push_back(element.as_bytes()));
        SortedSet::from_packed(block, &small())
    };
    assert_eq!(block(&["a", "1", "b", "1.5"]).unwrap().score(b"b"), Some(1.5));
    for bad in [&["a"][..], &["a", "x"], &["a", "nan"], &["a", "2", "b", "1"], &["a", "1", "a", "2"]] {
        assert!(block(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn the_packed_bytes_are_those_of_redis() {
    let mut set = SortedSet::new();
    for (member, score) in [(b"a", 1.0), (b"b", 2.5), (b"c", 0.1), (b"d", 1e300), (b"e", f64::NEG_INFINITY)] {
        set.insert(member, score, &Encoding::default());
    }
    let elements: Vec<_> = set.packed().unwrap().iter().map(|item| item.to_vec()).collect();
    assert_eq!(elements.join(&b' '), b"e -inf c 0.1 a 1 b 2.5 d 1e+300");
    assert!(matches!(set.packed().unwrap().get(5), Some(Item::Int(1))));
}
