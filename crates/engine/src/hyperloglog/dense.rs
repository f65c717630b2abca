//! All registers, 6 bits each, from the lowest bit of the first byte on.
//!
//! ```text
//! |11000000|22221111|33333322| four registers in three bytes
//! ```

use super::hash::Placed;
use super::{Histogram, Registers};

/// Sets a register that is lower; whether it was.
pub(super) fn set(packed: &mut [u8], Placed { index, value }: Placed) -> bool {
    let (byte, shift) = (index * 6 / 8, index * 6 % 8);
    let behind = packed.get(byte + 1).copied().unwrap_or(0);
    let pair = u16::from_le_bytes([packed[byte], behind]);
    if pair >> shift & 63 >= u16::from(value) {
        return false;
    }
    let [low, high] = (pair & !(63 << shift) | u16::from(value) << shift).to_le_bytes();
    packed[byte] = low;
    // The last register ends with its byte.
    if let Some(behind) = packed.get_mut(byte + 1) {
        *behind = high;
    }
    true
}

/// Counts each value.
pub(super) fn count(packed: &[u8], histogram: &mut Histogram) {
    for three in packed.as_chunks::<3>().0 {
        for value in unpack(three) {
            histogram[usize::from(value)] += 1;
        }
    }
}

/// Raises each register to what is packed.
pub(super) fn raise(packed: &[u8], registers: &mut Registers) {
    let (fours, _) = registers.values_mut().as_chunks_mut::<4>();
    for (four, three) in fours.iter_mut().zip(packed.as_chunks::<3>().0) {
        for (register, value) in four.iter_mut().zip(unpack(three)) {
            *register = value.max(*register);
        }
    }
}

/// Packs all registers.
pub(super) fn pack(packed: &mut [u8], registers: &Registers) {
    let (fours, _) = registers.values().as_chunks::<4>();
    for (three, four) in packed.as_chunks_mut::<3>().0.iter_mut().zip(fours) {
        let word = four.iter().rev().fold(0_u32, |word, value| word << 6 | u32::from(*value));
        three.copy_from_slice(&word.to_le_bytes()[..3]);
    }
}

fn unpack(three: &[u8; 3]) -> [u8; 4] {
    let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    [0, 6, 12, 18].map(|shift| (word >> shift).to_le_bytes()[0] & 63)
}
