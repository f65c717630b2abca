//! CRC-64 with Jones' polynomial, bits reflected, initial value and final xor 0: the checksum of snapshots and of DUMP.
//!
//! Long runs are summed by carry-less multiplication, where the processor has it: the sum of a snapshot is then next to
//! nothing. What that takes to begin is more than a short run costs eight bytes at a time through tables made at compile
//! time: `TABLES[k][b]` is the remainder of byte `b` followed by `k` zero bytes.

use crc_fast::{CrcAlgorithm, Digest};

/// Jones' polynomial 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Runs from this length on are long.
const LONG: usize = 512;

static TABLES: [[u64; 256]; 8] = tables();

/// The checksum of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    update(0, bytes)
}

/// Continues the checksum `crc` over `bytes`; start with 0.
pub(crate) fn update(crc: u64, bytes: &[u8]) -> u64 {
    if bytes.len() < LONG {
        return fold(crc, bytes);
    }
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
    digest.update(bytes);
    digest.finalize()
}

fn fold(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        crc = lookup(crc ^ u64::from_le_bytes(*word));
    }
    for &byte in tail {
        crc = TABLES[0][usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    }
    crc
}

/// The sum of the entries that the eight bytes of `state` select, the first byte in the last table.
fn lookup(state: u64) -> u64 {
    let b = state.to_le_bytes().map(usize::from);
    TABLES[7][b[0]]
        ^ TABLES[6][b[1]]
        ^ TABLES[5][b[2]]
        ^ TABLES[4][b[3]]
        ^ TABLES[3][b[4]]
        ^ TABLES[2][b[5]]
        ^ TABLES[1][b[6]]
        ^ TABLES[0][b[7]]
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
        for length in (0..40).chain([511, 512, 513, 767, 768, 1024, 1535, 1536, 4999, 5000]) {
            let expected = bit_by_bit(&bytes[..length]);
            assert_eq!(update(0, &bytes[..length]), expected, "length {length}");
            let (head, tail) = bytes[..length].split_at(length / 3);
            assert_eq!(update(update(0, head), tail), expected, "split at {}", length / 3);
        }
    }
}
