//! LZF, the compression of long strings in snapshots, both ways.
//!
//! ```text
//! 000lllll  l+1 literal bytes follow                         1 to 32 bytes
//! LLLddddd  dddddddd            copy L+2 bytes from d+1 back  L in 1..=6
//! 111ddddd  nnnnnnnn dddddddd   copy n+9 bytes from d+1 back
//! ```
//! Decompression never writes more than the declared length and grows its output with what it has produced, so a lie
//! about the length costs nothing. Compression gives up as soon as it would save fewer than four bytes.

/// The most that one input byte can become: three bytes stand for at most 264.
pub(crate) const EXPANSION: u64 = 88;

const MAX_LITERAL: usize = 32;
const MAX_DISTANCE: usize = 1 << 13;
const MAX_COPY: usize = 264;
const MIN_COPY: usize = 3;
const HASH_BITS: u32 = 13;

/// Decompresses `input` to exactly `length` bytes, appended to the empty `output`.
pub(crate) fn decompress(input: &[u8], length: usize, output: &mut Vec<u8>) -> Result<(), &'static str> {
    debug_assert!(output.is_empty());
    output.reserve(length.min(input.len().saturating_mul(4)));
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        rest = if control < 32 {
            let (literals, tail) = tail
                .split_at_checked(usize::from(control) + 1)
                .ok_or("compressed string: literals are cut off")?;
            room(length, output.len(), literals.len())?;
            output.extend_from_slice(literals);
            tail
        } else {
            copy_back(control, tail, length, output)?
        };
    }
    if output.len() == length { Ok(()) } else { Err("compressed string: shorter than it declares") }
}

fn room(length: usize, used: usize, wanted: usize) -> Result<(), &'static str> {
    if length - used < wanted { Err("compressed string: longer than it declares") } else { Ok(()) }
}

fn copy_back<'a>(
    control: u8,
    tail: &'a [u8],
    length: usize,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], &'static str> {
    const CUT: &str = "compressed string: a copy is cut off";
    let (extra, tail) = match control >> 5 {
        7 => tail.split_first().map(|(&n, tail)| (usize::from(n), tail)).ok_or(CUT)?,
        _ => (0, tail),
    };
    let (&low, tail) = tail.split_first().ok_or(CUT)?;
    let count = usize::from(control >> 5) + extra + 2;
    let distance = (usize::from(control & 31) << 8) + usize::from(low) + 1;
    room(length, output.len(), count)?;
    let from = output.len().checked_sub(distance).ok_or("compressed string: a copy from before the start")?;
    if distance >= count {
        output.extend_from_within(from..from + count);
    } else {
        repeat(output, from, count);
    }
    Ok(tail)
}

/// Appends `count` bytes that repeat what starts at `from`: each round can copy all that is there by then.
fn repeat(output: &mut Vec<u8>, from: usize, mut count: usize) {
    while count > 0 {
        let step = count.min(output.len() - from);
        output.extend_from_within(from..from + step);
        count -= step;
    }
}

/// A compressor with its table of recent positions, kept between strings.
pub(crate) struct Compressor {
    /// Where three bytes of this hash were seen last, as `base + position`; anything below `base` is of older strings.
    seen: Box<[u32]>,
    base: u32,
}

impl Compressor {
    pub(crate) fn new() -> Compressor {
        Compressor { seen: vec![0; 1 << HASH_BITS].into_boxed_slice(), base: 1 }
    }

    /// Replaces `output` by the compressed `input`, or returns false when that would not save at least four bytes.
    pub(crate) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> bool {
        output.clear();
        // Positions are 32 bits wide: what is longer stays as it is.
        let Ok(length) = u32::try_from(input.len()) else { return false };
        if length <= 4 || length >= u32::MAX / 2 {
            return false;
        }
        if self.base > u32::MAX - length {
            self.seen.fill(0);
            self.base = 1;
        }
        let limit = input.len() - 4;
        output.reserve(limit);
        let fits = self.encode(input, limit, output);
        self.base += length;
        fits
    }

    fn encode(&mut self, input: &[u8], limit: usize, output: &mut Vec<u8>) -> bool {
        let (mut literals_from, mut at) = (0, 0);
        while let Some(word) = word_at(input, at) {
            let Some(from) = self.candidate(word, at) else {
                at += 1 + ((at - literals_from) >> 6);
                continue;
            };
            if word_at(input, from).is_none_or(|other| (other ^ word) & 0xff_ffff != 0) {
                // The longer nothing has matched, the larger the steps: random bytes pass quickly.
                at += 1 + ((at - literals_from) >> 6);
                continue;
            }
            let count = MIN_COPY + common_prefix(&input[from + MIN_COPY..], &input[at + MIN_COPY..]);
            let count = count.min(MAX_COPY);
            put_literals(&input[literals_from..at], output);
            put_copy(at - from, count, output);
            if output.len() > limit {
                return false;
            }
            at += count;
            literals_from = at;
            if let Some(word) = word_at(input, at - 2) {
                self.candidate(word, at - 2);
            }
        }
        put_literals(&input[literals_from..], output);
        output.len() <= limit
    }

    /// Where the three low bytes of `word` may have occurred within reach; notes that they occur `at`.
    fn candidate(&mut self, word: u32, at: usize) -> Option<usize> {
        let hash = (word << 8).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS);
        let here = self.base + u32::try_from(at).expect("inputs are shorter than 4 GiB");
        let slot = &mut self.seen[usize::try_from(hash).expect("HASH_BITS fit")];
        let from = std::mem::replace(slot, here).checked_sub(self.base)?;
        let from = usize::try_from(from).expect("a position of this input");
        (at - from <= MAX_DISTANCE).then_some(from)
    }
}

fn word_at(input: &[u8], at: usize) -> Option<u32> {
    input.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len()).min(MAX_COPY);
    let (a, b) = (&a[..length], &b[..length]);
    let mut at = 0;
    while let (Some(x), Some(y)) = (a[at..].first_chunk(), b[at..].first_chunk()) {
        let difference = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if difference != 0 {
            return at + usize::try_from(difference.trailing_zeros() / 8).expect("at most 7");
        }
        at += 8;
    }
    at + a[at..].iter().zip(&b[at..]).take_while(|(x, y)| x == y).count()
}

fn put_literals(literals: &[u8], output: &mut Vec<u8>) {
    for run in literals.chunks(MAX_LITERAL) {
        output.push(u8::try_from(run.len() - 1).expect("at most 31"));
        output.extend_from_slice(run);
    }
}

fn put_copy(distance: usize, count: usize, output: &mut Vec<u8>) {
    let [low, high] = u16::try_from(distance - 1).expect("within reach").to_le_bytes();
    let length = count - 2;
    if length < 7 {
        output.push(u8::try_from(length << 5).expect("below 7 << 5") | high);
    } else {
        output.push(7 << 5 | high);
        output.push(u8::try_from(length - 7).expect("at most 262 - 7"));
    }
    output.push(low);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8]) -> Option<usize> {
        let (mut compressor, mut packed) = (Compressor::new(), Vec::new());
        // The second pass meets the first's leftovers in the table and must give the same.
        let fits = compressor.compress(input, &mut packed);
        let first = packed.clone();
        assert_eq!(compressor.compress(input, &mut packed), fits);
        assert_eq!(first, packed);
        if !fits {
            return None;
        }
        assert!(packed.len() + 4 <= input.len());
        let mut output = Vec::new();
        decompress(&packed, input.len(), &mut output).unwrap();
        assert!(output == input);
        Some(packed.len())
    }

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_le_bytes()[7]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn repetition_shrinks_and_comes_back() {
        assert!(check(&[b'a'; 21]).is_some());
        assert!(check(&[b'a'; 100_000]).unwrap() < 1200);
        assert!(check(&b"abcabcabcabcabcabcabcabc".repeat(50)).unwrap() < 60);
        assert!(check(&b"the quick brown fox jumps over the lazy dog; ".repeat(30)).unwrap() < 120);
    }

    #[test]
    fn matches_reach_back_at_most_8192_bytes() {
        for gap in [8150, 8191 - 40, 8192, 8193, 8300] {
            let mut input = noise(40, 9);
            input.extend(noise(gap, 5));
            input.extend_from_slice(&noise(40, 9));
            input.extend_from_slice(&[0; 64]);
            check(&input);
        }
    }

    #[test]
    fn noise_and_short_strings_stay_as_they_are() {
        for length in 0..=4 {
            assert_eq!(check(&vec![b'a'; length]), None);
        }
        for length in [5, 21, 1000, 70_000] {
            assert_eq!(check(&noise(length, 3)), None);
        }
    }

    #[test]
    fn mixtures_of_any_length_come_back() {
        for seed in 0..400u64 {
            let mut input = Vec::new();
            for part in noise(12, seed) {
                match part % 3 {
                    0 => input.extend(noise(usize::from(part), seed)),
                    1 => input.extend(std::iter::repeat_n(part, usize::from(part) * 3)),
                    _ => input.extend_from_within(input.len() / 2..),
                }
            }
            check(&input);
        }
    }

    #[test]
    fn broken_input_is_refused() {
        let check = |input: &[u8], length: usize, expected: &str| {
            let mut output = Vec::new();
            assert_eq!(decompress(input, length, &mut output), Err(expected));
            assert!(output.capacity() <= length.max(input.len() * 4).max(8));
        };
        check(&[31, 1, 2], 32, "compressed string: literals are cut off");
        check(&[0, b'a', 0xe0], 300, "compressed string: a copy is cut off");
        check(&[0, b'a', 0xe0, 200], 300, "compressed string: a copy is cut off");
        check(&[0, b'a', 0x20, 1], 4, "compressed string: a copy from before the start");
        check(&[0, b'a', 0x20, 0], 3, "compressed string: longer than it declares");
        check(&[0, b'a', 0x20, 0], 5, "compressed string: shorter than it declares");
        check(&[], usize::MAX, "compressed string: shorter than it declares");
    }
}
