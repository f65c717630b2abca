//! Bits of byte strings, eight bytes and more at a time.
//!
//! Plain loops over arrays of a fixed size, which the compiler turns into vector instructions. Bits are numbered from
//! the highest one of the first byte on.

use std::ops::Range;

/// How many bits of `bits` are set. The range lies within the string.
pub(super) fn count(bytes: &[u8], bits: Range<usize>) -> usize {
    if bits.is_empty() {
        return 0;
    }
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    let before = bytes[first] & !(0xff_u8 >> (bits.start % 8));
    let behind = bytes[last] & (0x7f_u8 >> ((bits.end - 1) % 8));
    count_all(&bytes[first..=last]) - ones(before.into()) - ones(behind.into())
}

/// The first bit of `bits` that is `wanted`. The range lies within the string.
pub(super) fn find(bytes: &[u8], bits: Range<usize>, wanted: bool) -> Option<usize> {
    if bits.is_empty() {
        return None;
    }
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    // With all bits turned around, a set one is looked for in any case.
    let flip = if wanted { 0 } else { 0xff };
    let head = (bytes[first] ^ flip) & (0xff >> (bits.start % 8));
    let found = match head {
        0 => first_other(&bytes[first + 1..=last], flip).map(|at| (first + 1) * 8 + at),
        _ => Some(first * 8 + leading_zeros(u64::from(head) << 56)),
    };
    found.filter(|at| *at < bits.end)
}

/// How two strings become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Combination {
    And,
    Or,
    Xor,
}

/// All strings, combined bit by bit; the shorter ones end in clear bits.
pub(super) fn combine(how: Combination, sources: &[&[u8]]) -> Vec<u8> {
    /// So that a piece of the result stays near while all sources are applied to it.
    const PIECE: usize = 16 << 10;
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let length = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(length);
    result.extend_from_slice(first);
    result.resize(length, 0);
    for (index, piece) in result.chunks_mut(PIECE).enumerate() {
        let start = index * PIECE;
        for other in others {
            let part = &other[other.len().min(start)..other.len().min(start + piece.len())];
            apply(how, piece, part);
        }
    }
    result
}

/// A string with each bit turned around.
pub(super) fn inverted(source: &[u8]) -> Vec<u8> {
    source.iter().map(|byte| !byte).collect()
}

fn apply(how: Combination, piece: &mut [u8], part: &[u8]) {
    let (common, rest) = piece.split_at_mut(part.len());
    let pairs = common.iter_mut().zip(part);
    match how {
        Combination::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            rest.fill(0);
        }
        Combination::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Combination::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
    }
}

fn count_all(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let in_rest: usize = rest.iter().map(|byte| ones((*byte).into())).sum();
    usize::try_from(in_words).expect("no more than eight times the length") + in_rest
}

/// The first set bit of a string, each byte of which is turned around by `flip`.
fn first_other(bytes: &[u8], flip: u8) -> Option<usize> {
    const STRIDE: usize = 64;
    let pattern = u64::from_ne_bytes([flip; 8]);
    let is_plain = |stride: &[u8; STRIDE]| {
        let (words, _) = stride.as_chunks::<8>();
        words.iter().fold(0, |others, word| others | (u64::from_ne_bytes(*word) ^ pattern)) == 0
    };
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let skipped = strides.iter().position(|stride| !is_plain(stride)).unwrap_or(strides.len());
    let (words, rest) = bytes[skipped * STRIDE..].as_chunks::<8>();
    let start = skipped * STRIDE * 8;
    let of_word = |word: &[u8; 8]| u64::from_be_bytes(*word) ^ pattern;
    if let Some(index) = words.iter().position(|word| of_word(word) != 0) {
        return Some(start + index * 64 + leading_zeros(of_word(&words[index])));
    }
    let index = rest.iter().position(|byte| *byte != flip)?;
    Some(start + words.len() * 64 + index * 8 + leading_zeros(u64::from(rest[index] ^ flip) << 56))
}

fn ones(word: u64) -> usize {
    usize::try_from(word.count_ones()).expect("at most 64")
}

fn leading_zeros(word: u64) -> usize {
    usize::try_from(word.leading_zeros()).expect("at most 64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(bytes: &[u8], at: usize) -> bool {
        bytes[at / 8] & (0x80 >> (at % 8)) != 0
    }

    /// Mostly long runs of the same byte, as in real bitmaps.
    fn samples() -> Vec<Vec<u8>> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut sample = |length: usize| -> Vec<u8> {
            let fill = [0, 0xff][random.usize(..2)];
            (0..length).map(|_| if random.u8(..40) == 0 { random.u8(..) } else { fill }).collect()
        };
        [1, 2, 7, 8, 9, 63, 64, 65, 130, 400].into_iter().map(&mut sample).collect()
    }

    #[test]
    fn ranges_are_counted_and_searched_to_the_bit() {
        let mut random = fastrand::Rng::with_seed(6);
        for bytes in samples() {
            for _ in 0..300 {
                let start = random.usize(..=bytes.len() * 8);
                let end = random.usize(start..=bytes.len() * 8);
                let expected = (start..end).filter(|at| bit(&bytes, *at)).count();
                assert_eq!(count(&bytes, start..end), expected, "{start}..{end} of {bytes:?}");
                for wanted in [false, true] {
                    let expected = (start..end).find(|at| bit(&bytes, *at) == wanted);
                    assert_eq!(
                        find(&bytes, start..end, wanted),
                        expected,
                        "{wanted} in {start}..{end} of {bytes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn strings_are_combined_as_if_all_ended_in_clear_bits() {
        let short = [0b1100_1010; 3];
        let long = vec![0b1010_0110; 40_000];
        let at = |bytes: &[u8], index: usize| bytes.get(index).copied().unwrap_or(0);
        type Op = fn(u8, u8) -> u8;
        let all: [(Combination, Op); 3] = [
            (Combination::And, |a, b| a & b),
            (Combination::Or, |a, b| a | b),
            (Combination::Xor, |a, b| a ^ b),
        ];
        for (how, op) in all {
            for sources in [[&short[..], &long[..]], [&long[..], &short[..]], [&long[..], &[]]] {
                let expected: Vec<u8> =
                    (0..40_000).map(|index| op(at(sources[0], index), at(sources[1], index))).collect();
                assert_eq!(combine(how, &sources), expected, "{how:?}");
            }
        }
        assert_eq!(inverted(&[0x0f, 0xff]), [0xf0, 0x00]);
    }
}
