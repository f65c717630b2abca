//! CRC-64 with Jones' polynomial, bits reflected, initial value and final xor 0: the checksum of snapshots and of DUMP.
//!
//! Eight bytes are folded at a time through tables made at compile time: `TABLES[k][b]` is the remainder of byte `b`
//! followed by `k` zero bytes. A long run is cut into two halves that are folded side by side, since one fold waits
//! for the one before it; the halves are then joined by shifting the first past the length of the second.

/// Jones' polynomial 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Runs of at least twice this are folded as two lanes of exactly this length.
const LANE: usize = 1024;

static TABLES: [[u64; 256]; 8] = tables();
static PAST_LANE: [[u64; 256]; 8] = past_lane();

/// The checksum of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    update(0, bytes)
}

/// Continues the checksum `crc` over `bytes`; start with 0.
pub(crate) fn update(mut crc: u64, mut bytes: &[u8]) -> u64 {
    while bytes.len() >= 2 * LANE {
        let (first, rest) = bytes.split_at(LANE);
        let (second, rest) = rest.split_at(LANE);
        crc = fold_two(crc, first, second);
        bytes = rest;
    }
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        crc = lookup(&TABLES, crc ^ u64::from_le_bytes(*word));
    }
    for &byte in tail {
        crc = TABLES[0][usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    }
    crc
}

fn fold_two(crc: u64, first: &[u8], second: &[u8]) -> u64 {
    let (mut left, mut right) = (crc, 0);
    for (a, b) in first.as_chunks::<8>().0.iter().zip(second.as_chunks::<8>().0) {
        left = lookup(&TABLES, left ^ u64::from_le_bytes(*a));
        right = lookup(&TABLES, right ^ u64::from_le_bytes(*b));
    }
    lookup(&PAST_LANE, left) ^ right
}

/// The sum of the entries that the eight bytes of `state` select, the first byte in the last table.
fn lookup(tables: &[[u64; 256]; 8], state: u64) -> u64 {
    let b = state.to_le_bytes().map(usize::from);
    tables[7][b[0]]
        ^ tables[6][b[1]]
        ^ tables[5][b[2]]
        ^ tables[4][b[3]]
        ^ tables[3][b[4]]
        ^ tables[2][b[5]]
        ^ tables[1][b[6]]
        ^ tables[0][b[7]]
}

#[expect(clippy::cast_possible_truncation, reason = "the low byte is what is wanted")]
const fn low_byte(word: u64) -> usize {
    (word as u8) as usize
}

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = tables[0][low_byte(before)] ^ (before >> 8);
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// What each byte of a state becomes after `LANE` zero bytes; by linearity the eight entries are summed.
const fn past_lane() -> [[u64; 256]; 8] {
    let tables = tables();
    let mut past = [[0; 256]; 8];
    let mut bit = 0;
    while bit < 64 {
        let mut crc = 1u64 << bit;
        let mut zeros = 0;
        while zeros < LANE {
            crc = tables[0][low_byte(crc)] ^ (crc >> 8);
            zeros += 1;
        }
        // Every byte value with this bit set gains this bit's contribution.
        let table = 7 - bit / 8;
        let mut byte = 0;
        while byte < 256 {
            if byte >> (bit % 8) & 1 == 1 {
                past[table][byte] ^= crc;
            }
            byte += 1;
        }
        bit += 1;
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit_by_bit(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u64::from(byte), |c, _| if c & 1 == 1 { (c >> 1) ^ POLYNOMIAL } else { c >> 1 })
        })
    }

    #[test]
    fn matches_the_published_check_value() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn equals_the_definition_at_every_length_and_any_split() {
        let bytes: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
        for length in (0..40).chain([1023, 1024, 2047, 2048, 2049, 4096, 4999, 5000]) {
            let expected = bit_by_bit(&bytes[..length]);
            assert_eq!(update(0, &bytes[..length]), expected, "length {length}");
            let (head, tail) = bytes[..length].split_at(length / 3);
            assert_eq!(update(update(0, head), tail), expected, "split at {}", length / 3);
        }
    }
}
