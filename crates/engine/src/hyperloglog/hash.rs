//! Where an element counts, and as what: the bits of its hash.
//!
//! MurmurHash64A with the seed of Redis, its words read as little-endian on every machine: the same element must come
//! to the same register everywhere, for ever.

use super::REGISTERS;

/// So many bits of the hash choose the register.
pub(super) const INDEX_BITS: u32 = 14;
const SEED: u64 = 0xadc8_3b19;

/// A value for a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) index: usize,
    /// The place of the lowest set bit, counted from 1, among the bits that do not choose the register.
    pub(super) value: u8,
}

pub(super) fn place(element: &[u8]) -> Placed {
    let hash = murmur_hash_64a(element);
    let index = usize::try_from(hash).expect("as wide") % REGISTERS;
    // A bit behind the last one ends the search.
    let rest = (hash >> INDEX_BITS) | 1 << (64 - INDEX_BITS);
    let value = u8::try_from(rest.trailing_zeros() + 1).expect("at most 51");
    Placed { index, value }
}

fn murmur_hash_64a(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let length = u64::try_from(bytes.len()).expect("as wide");
    let mut hash = SEED ^ length.wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = (hash ^ (word ^ word >> SHIFT).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}
