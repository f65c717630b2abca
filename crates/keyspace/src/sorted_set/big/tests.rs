//! Big sorted sets against a sorted vector, with clones that must not change, and with the
//! invariants of order, leaves and index checked.

use super::super::bound::order;
use super::super::{LexBound, ScoreBound};
use super::*;

type Model = Vec<(f64, Vec<u8>)>;

fn new() -> BigSortedSet {
    BigSortedSet::new(&Encoding::default())
}

fn add<M: AsRef<[u8]>>(set: &mut BigSortedSet, members: impl Iterator<Item = (M, f64)>) {
    for (member, score) in members {
        assert_eq!(set.insert(member.as_ref(), score), None);
    }
}

fn contents(set: &BigSortedSet) -> Model {
    set.iter_from_rank(0).map(|(member, score)| (score, member.to_vec())).collect()
}

fn scanned(set: &BigSortedSet, count: usize) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, count, |member, _| seen.push(member.to_vec()));
        if cursor == 0 {
            return seen;
        }
    }
}

fn bits(model: &Model) -> Vec<(u64, &[u8])> {
    model.iter().map(|(score, member)| (score.to_bits(), member.as_slice())).collect()
}

fn check(set: &BigSortedSet, model: &Model) {
    set.order.check(None, None, &set.members);
    set.members.check(model.len());
    assert_eq!(set.len(), model.len());
    assert_eq!(bits(&contents(set)), bits(model));
    let mut reversed: Model = set
        .iter_rev_from_rank(set.len().wrapping_sub(1))
        .map(|(member, score)| (score, member.to_vec()))
        .collect();
    reversed.reverse();
    assert_eq!(bits(&reversed), bits(model));
    for (rank, (score, member)) in model.iter().enumerate() {
        assert_eq!(set.score(member).map(f64::to_bits), Some(score.to_bits()));
        assert_eq!(set.rank(member), Some(rank));
    }
    let mut seen = scanned(set, 5);
    seen.sort_unstable();
    let mut members: Vec<_> = model.iter().map(|(_, member)| member.clone()).collect();
    members.sort_unstable();
    assert_eq!(seen, members);
}

fn place(model: &Model, key: (f64, &[u8])) -> usize {
    model.partition_point(|(score, member)| order((*score, member), key).is_lt())
}

fn model_insert(model: &mut Model, member: &[u8], score: f64) -> Option<f64> {
    let old = model.iter().position(|(_, name)| name == member);
    if let Some(at) = old {
        if model[at].0 == score {
            return Some(score);
        }
        let (old, name) = model.remove(at);
        model.insert(place(model, (score, member)), (score, name));
        return Some(old);
    }
    model.insert(place(model, (score, member)), (score, member.to_vec()));
    None
}

/// Members of one length or another, by number: the same number is the same member.
fn member(number: u64, longest: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(number);
    let len = if rng.bool() { rng.usize(..=longest.min(20)) } else { rng.usize(..=longest) };
    (0..len).map(|_| rng.u8(b'a'..b'd')).collect()
}

fn score(rng: &mut fastrand::Rng, variety: u8) -> f64 {
    match rng.u8(..variety) {
        0 => 0.0,
        1 => -0.0,
        2..8 => f64::from(rng.i8(..)),
        8 => f64::INFINITY,
        9 => f64::NEG_INFINITY,
        10..14 => f64::from(rng.i32(..)),
        14..18 => rng.f64() * 1000.0 - 500.0,
        18 => f64::MIN_POSITIVE / 2.0,
        _ => f64::MAX * rng.f64(),
    }
}

struct Shape {
    seed: u64,
    members: u64,
    longest: usize,
    variety: u8,
    rounds: u64,
}

fn operations_match(shape: &Shape) {
    let mut rng = fastrand::Rng::with_seed(shape.seed);
    let mut set = new();
    let mut model = Model::new();
    let mut snapshot = (set.clone(), model.clone());
    for round in 0..shape.rounds {
        let name = member(rng.u64(..shape.members), shape.longest);
        let growing = rng.u64(..shape.rounds) > round / 2 + shape.rounds / 4;
        if growing {
            let score = score(&mut rng, shape.variety);
            assert_eq!(set.insert(&name, score), model_insert(&mut model, &name, score));
        } else if rng.u8(..20) == 0 && !model.is_empty() {
            let start = rng.usize(..model.len());
            let count = rng.usize(1..=(model.len() - start).min(1 + model.len() / 10));
            set.remove_ranks(start, count);
            model.drain(start..start + count);
        } else {
            let at = model.iter().position(|(_, other)| *other == name);
            assert_eq!(set.remove(&name), at.map(|at| model.remove(at).0));
        }
        if round % (shape.rounds / 20) == 0 {
            check(&set, &model);
            check(&snapshot.0, &snapshot.1);
            snapshot = (set.clone(), model.clone());
        }
    }
    check(&set, &model);
    set.remove_ranks(0, model.len());
    check(&set, &Model::new());
}

#[test]
fn operations_from_a_seed_match_a_sorted_vector() {
    for (seed, members, longest, variety) in
        [(1, 3000, 20, 20), (2, 3000, 20, 1), (3, 1500, 300, 20), (4, 300, 2500, 2), (5, 2000, 20, 8)]
    {
        operations_match(&Shape { seed, members, longest, variety, rounds: 8000 });
    }
    operations_match(&Shape { seed: 6, members: 60, longest: 100 << 10, variety: 20, rounds: 1000 });
}

#[test]
fn every_score_comes_back_bit_for_bit() {
    let mut set = new();
    let mut rng = fastrand::Rng::with_seed(9);
    let mut scores = vec![0.0, -0.0, 1.0, -1.0, 0.1, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN];
    scores.extend([f64::MIN_POSITIVE, f64::from_bits(1), -f64::from_bits(1), 9_007_199_254_740_993.0, 1e300]);
    scores.extend((0..2000).map(|_| f64::from_bits(rng.u64(..))).filter(|score| !score.is_nan()));
    scores.extend((0..2000).map(|_| f64::from(rng.i32(..))));
    for (number, score) in scores.iter().enumerate() {
        set.insert(&number.to_le_bytes(), *score);
    }
    for (number, score) in scores.iter().enumerate() {
        assert_eq!(set.score(&number.to_le_bytes()).map(f64::to_bits), Some(score.to_bits()));
    }
}

#[test]
fn members_of_every_length_come_back() {
    let mut set = new();
    let lengths = [0, 1, 30, 31, 32, 285, 286, 287, 300, 970, 980, 990, 1000, 1023, 1024, 2047, 5000, 70_000];
    let mut model = Model::new();
    for round in 0..3 {
        for len in lengths {
            let name = vec![b'a' + round; len];
            assert_eq!(set.insert(&name, 1.0), model_insert(&mut model, &name, 1.0));
            check(&set, &model);
        }
    }
    for (_, name) in model.clone() {
        assert_eq!(set.insert(&name, 2.5), Some(1.0));
        assert_eq!(model_insert(&mut model, &name, 2.5), Some(1.0));
        check(&set, &model);
    }
    while !model.is_empty() {
        let (score, name) = model.remove(model.len() / 2);
        assert_eq!(set.remove(&name), Some(score));
        check(&set, &model);
    }
}

#[test]
fn long_members_stay_where_a_neighbour_has_no_room_for_them() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let long = (0..6).map(|number| (20 * number + 10, 400 + 100 * usize::from(rng.u8(..6))));
        let mut names: Vec<Vec<u8>> = (0..120)
            .map(|number| (number, 20))
            .chain(long)
            .map(|(number, len)| format!("{number:03}:{}", "x".repeat(len)).into_bytes())
            .collect();
        rng.shuffle(&mut names);
        let (mut set, mut model) = (new(), Model::new());
        for name in &names {
            assert_eq!(set.insert(name, 0.0), model_insert(&mut model, name, 0.0));
        }
        check(&set, &model);
    }
}

#[test]
fn members_of_one_score_are_found_by_name_and_scanned_in_steps() {
    let name = |number: u64| format!("m{:08}", number * 7919 % 100_003).into_bytes();
    let mut set = new();
    (0..100_000).for_each(|number| assert_eq!(set.insert(&name(number), 0.0), None));
    let mut names: Vec<_> = (0..100_000).map(name).collect();
    names.sort_unstable();
    assert!(contents(&set).into_iter().map(|(_, name)| name).eq(names.iter().cloned()));
    for rank in (0..100_000).step_by(997) {
        assert_eq!(set.rank(&names[rank]), Some(rank));
        let bound = LexBound::Inclusive(&names[rank]);
        assert_eq!(set.count_while(|(_, member)| bound.is_above(member)), rank);
    }
    let mut steps = 0;
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let before = seen.len();
        cursor = set.scan(cursor, 10, |name, _| seen.push(name.to_vec()));
        assert!(seen.len() - before < 20);
        steps += 1;
        if cursor == 0 {
            break;
        }
    }
    seen.sort_unstable();
    assert!(seen == names && steps > 500);
}

#[test]
fn a_scan_returns_what_is_there_throughout() {
    let mut rng = fastrand::Rng::with_seed(12);
    for growing in [true, false] {
        let mut set = new();
        add(&mut set, (0..2000).map(|number| (format!("stays:{number}"), 1.0)));
        let others = if growing { 0 } else { 4000 };
        add(&mut set, (0..others).map(|number| (format!("goes:{number}"), 2.0)));
        let mut seen = Vec::new();
        let mut cursor = 0;
        let mut number = 0;
        loop {
            cursor = set.scan(cursor, 10, |member, _| seen.push(member.to_vec()));
            for _ in 0..8 {
                // Scores change too: members move from leaf to leaf.
                let moved = format!("stays:{}", rng.u32(..2000));
                set.insert(moved.as_bytes(), f64::from(rng.u8(..)));
                let name = format!("goes:{number}");
                if growing {
                    set.insert(name.as_bytes(), 3.0);
                } else {
                    set.remove(name.as_bytes());
                }
                number += 1;
            }
            if cursor == 0 {
                break;
            }
        }
        seen.sort_unstable();
        for number in 0..2000 {
            let name = format!("stays:{number}").into_bytes();
            assert!(seen.binary_search(&name).is_ok(), "growing: {growing}");
        }
    }
}

/// Bytes per member of a set grown in the order of `numbers`, and how many leaves it has.
fn grown(numbers: impl Iterator<Item = u32>) -> (usize, usize, usize) {
    let mut set = new();
    add(&mut set, numbers.map(|number| (format!("member:{number:08}"), f64::from(number))));
    set.order.check(None, None, &set.members);
    set.members.check(set.len());
    (set.heap_size() / set.len(), set.members.leaves(), set.len())
}

#[test]
fn a_member_of_fifteen_bytes_takes_at_most_41_in_whatever_order_it_comes() {
    let mut shuffled: Vec<u32> = (0..30_000).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    let strided = (0..300).flat_map(|pass| (0..100).map(move |step| step * 300 + pass));
    // Two runs that meet in the middle: descending behind a full leaf.
    let meeting = (0..15_000).chain((15_000..30_000).rev());
    for (bytes, leaves, len) in [
        grown(0..30_000),
        grown((0..30_000).rev()),
        grown(strided),
        grown(meeting),
        grown(shuffled.into_iter()),
    ] {
        assert!(bytes <= 41, "{bytes} bytes a member");
        assert!(len / leaves >= 20, "{leaves} leaves for {len} members");
    }
}

#[test]
fn score_ranges_are_edges_between_ranks() {
    let mut set = new();
    add(&mut set, (0..10_000).map(|number: u32| (number.to_be_bytes(), f64::from(number / 10))));
    for score in [0.0, 0.5, 1.0, 499.0, 999.0, 1000.0, f64::INFINITY, -1.0] {
        let below = (0..10_000).filter(|number| f64::from(number / 10) < score).count();
        let up_to = (0..10_000).filter(|number| f64::from(number / 10) <= score).count();
        assert_eq!(set.count_while(|(other, _)| ScoreBound::Inclusive(score).is_above(other)), below);
        assert_eq!(set.count_while(|(other, _)| ScoreBound::Exclusive(score).is_above(other)), up_to);
    }
}

#[test]
fn a_random_member_is_chosen_fairly() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut set = new();
    add(&mut set, (0..200u8).map(|number| ([number], f64::from(number % 3))));
    let mut hits = [0u32; 200];
    for _ in 0..40_000 {
        let (member, _) = set.random(&mut rng).unwrap();
        hits[usize::from(member.to_vec()[0])] += 1;
    }
    assert!(hits.iter().all(|count| (130..280).contains(count)), "{hits:?}");
    assert!(new().random(&mut rng).is_none());
}
