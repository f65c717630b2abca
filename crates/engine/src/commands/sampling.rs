//! Random elements for SRANDMEMBER, HRANDFIELD, ZRANDMEMBER: every choice fair.
//!
//! Works on any walk of elements and any fair draw; which of the two is cheaper is decided here.

use std::collections::BTreeSet;

use slipstream_keyspace::Item;
use slipstream_resp::Reply;

use crate::config::Config;

/// Above this share of a collection, walking it once beats drawing until enough are different.
const WALK_FROM_SHARE: usize = 3;

/// Visits `count` of the `size` elements of a walk, all choices of so many being equally likely.
pub(crate) fn pick<T>(
    walk: impl Iterator<Item = T>,
    size: usize,
    count: usize,
    rng: &mut fastrand::Rng,
    mut visit: impl FnMut(T),
) {
    let mut wanted = count;
    for (element, left) in walk.zip((1..=size).rev()) {
        if wanted == 0 {
            return;
        }
        if rng.usize(..left) < wanted {
            wanted -= 1;
            visit(element);
        }
    }
}

/// Whether [`pick`] is the cheaper way to `count` different elements of `size`, rather than [`draw`].
pub(crate) fn is_worth_a_walk(count: usize, size: usize) -> bool {
    count.saturating_mul(WALK_FROM_SHARE) > size
}

/// Draws until `count` different elements have come; `next` draws one of many more than that, fairly.
/// The first part of a draw tells elements apart.
pub(crate) fn draw<'a, T>(
    count: usize,
    mut next: impl FnMut() -> (Item<'a>, T),
    mut visit: impl FnMut(Item<'a>, T),
) {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        let (element, rest) = next();
        let key = match element {
            Item::Int(number) => (number, &[][..]),
            Item::Bytes(bytes) => (0, bytes),
        };
        let is_bytes = matches!(element, Item::Bytes(_));
        if seen.insert((is_bytes, key)) {
            visit(element, rest);
        }
    }
}

/// Calls `write` `count` times, but gives up where the reply exceeds what its client may be owed: then the
/// client is cut off, and going on would only take memory.
pub(crate) fn repeat(count: usize, reply: &mut Reply, limit: u64, mut write: impl FnMut(&mut Reply)) {
    for _ in 0..count {
        write(reply);
        if reply.len() as u64 > limit {
            return;
        }
    }
}

/// Most bytes that a client may be owed.
pub(crate) fn reply_limit(config: &Config) -> u64 {
    match config.client_output_buffer_limit.normal.hard {
        0 => u64::MAX,
        limit => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_equally_likely() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut times = [[0u32; 4]; 4];
        for _ in 0..6000 {
            let mut picked = Vec::new();
            pick(0..4usize, 4, 2, &mut rng, |element| picked.push(element));
            assert_eq!(picked.len(), 2);
            times[picked[0]][picked[1]] += 1;
        }
        for first in 0..4 {
            for second in first + 1..4 {
                assert!((850..1150).contains(&times[first][second]), "{times:?}");
            }
        }
    }

    #[test]
    fn drawn_elements_are_different() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut drawn = Vec::new();
        draw(3, || (Item::Int(rng.i64(..4)), ()), |item, ()| drawn.push(item.as_int().unwrap()));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 3);
    }
}
