//! HyperLogLogs: strings that estimate how many different elements were added to them.
//!
//! ```text
//! | "HYLL" | encoding | 3 bytes 0 | cardinality, 8 bytes   | registers … |
//!            0 dense              little-endian; its top
//!            1 sparse             bit says: out of date
//! ```
//! There are 16384 registers of 6 bits. An element's hash chooses one, which keeps the longest run of zero bits seen
//! among the rest of such hashes. [`dense`] keeps all of them, [`sparse`] runs of equal ones; [`mod@estimate`] makes a number
//! of how often each value occurs. Pure, and byte for byte what Redis makes of the same commands, since these strings
//! travel between servers. The bytes may be anybody's: whatever does not add up is [`Corrupt`], never a panic.

mod dense;
mod estimate;
mod hash;
mod registers;
mod self_test;
mod sparse;

pub(crate) use registers::Registers;
pub(crate) use self_test::self_test;
pub(crate) use sparse::runs;

use self::hash::Placed;
use self::sparse::{Cursor, Update};

/// How many registers there are.
pub(crate) const REGISTERS: usize = 1 << hash::INDEX_BITS;
const MAGIC: &[u8; 4] = b"HYLL";
const HEADER: usize = 16;
const DENSE_SIZE: usize = HEADER + REGISTERS * 6 / 8;
const ENCODING_AT: usize = 4;
const STALE_AT: usize = 15;
const STALE: u8 = 0x80;

/// How often each value occurs among the registers.
type Histogram = [u32; 64];

/// A sparse string whose runs do not cover the registers exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// All, 6 bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

/// How a string keeps its registers, by its header; `None` if it is no HyperLogLog.
pub(crate) fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[ENCODING_AT] {
        0 if bytes.len() == DENSE_SIZE => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// One without elements.
pub(crate) fn empty() -> Vec<u8> {
    let mut bytes = header(Encoding::Sparse);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

fn header(encoding: Encoding) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = u8::from(encoding == Encoding::Sparse);
    bytes
}

/// Adds an element; whether a register changed. A sparse string that would become longer than `sparse_most` bytes
/// turns dense.
pub(crate) fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_most: usize) -> Result<bool, Corrupt> {
    set(bytes, hash::place(element), sparse_most, &mut Cursor::default())
}

fn set(
    bytes: &mut Vec<u8>,
    placed: Placed,
    sparse_most: usize,
    cursor: &mut Cursor,
) -> Result<bool, Corrupt> {
    if bytes[ENCODING_AT] != 0 {
        match sparse::set(bytes, placed, sparse_most, cursor)? {
            Update::Unchanged => return Ok(false),
            Update::Changed => {
                invalidate(bytes);
                return Ok(true);
            }
            Update::TooBig => _ = to_dense(bytes)?,
        }
    }
    Ok(dense::set(&mut bytes[HEADER..], placed))
}

/// Turns a sparse string dense; whether it was sparse.
pub(crate) fn to_dense(bytes: &mut Vec<u8>) -> Result<bool, Corrupt> {
    if bytes[ENCODING_AT] == 0 {
        return Ok(false);
    }
    let mut registers = Registers::default();
    sparse::raise(&bytes[HEADER..], &mut registers)?;
    bytes.truncate(HEADER);
    bytes[ENCODING_AT] = 0;
    bytes.resize(DENSE_SIZE, 0);
    dense::pack(&mut bytes[HEADER..], &registers);
    Ok(true)
}

/// Writes registers, none of which is below what the string has.
pub(crate) fn raise_to(
    bytes: &mut Vec<u8>,
    registers: &Registers,
    sparse_most: usize,
) -> Result<(), Corrupt> {
    let mut cursor = Cursor::default();
    for (index, value) in registers.filled() {
        if bytes[ENCODING_AT] == 0 {
            dense::pack(&mut bytes[HEADER..], registers);
            break;
        }
        set(bytes, Placed { index, value }, sparse_most, &mut cursor)?;
    }
    invalidate(bytes);
    Ok(())
}

/// The cardinality is to be estimated anew.
pub(crate) fn invalidate(bytes: &mut [u8]) {
    bytes[STALE_AT] |= STALE;
}

/// The cardinality that was kept, if it is up to date.
pub(crate) fn kept_cardinality(bytes: &[u8]) -> Option<u64> {
    let kept: [u8; 8] = bytes[8..HEADER].try_into().expect("eight bytes");
    (kept[7] & STALE == 0).then(|| u64::from_le_bytes(kept))
}

/// Keeps a cardinality.
pub(crate) fn keep_cardinality(bytes: &mut [u8], cardinality: u64) {
    bytes[8..HEADER].copy_from_slice(&cardinality.to_le_bytes());
}

/// Estimates how many elements were added.
pub(crate) fn estimate(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = [0; 64];
    match bytes[ENCODING_AT] {
        0 => dense::count(&bytes[HEADER..], &mut histogram),
        _ => sparse::count(&bytes[HEADER..], &mut histogram)?,
    }
    Ok(estimate::cardinality(&histogram))
}

#[cfg(test)]
mod tests;
