//! Registers as runs of equal ones.
//!
//! ```text
//! 00llllll           a run of l + 1 registers of 0
//! 01llllll llllllll  the same with a longer length
//! 1vvvvvll           a run of l + 1 registers of v + 1, at most 4 of at most 32
//! ```
//! A register is set by splitting the run that it lies in, and neighbours of the same value then become one run where
//! that fits. Redis looks at no more than five runs for that, and so does this: the bytes must come out the same.

use super::hash::Placed;
use super::{Corrupt, HEADER, Histogram, REGISTERS, Registers};

const LONG: u8 = 0x40;
const VALUE: u8 = 0x80;
const VALUE_MOST: u8 = 32;
const VALUES_MOST: usize = 4;
const SHORT_ZEROS_MOST: usize = 64;

/// A run of equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// What each of them is.
    pub(crate) value: u8,
    /// How many there are.
    pub(crate) length: usize,
    /// Bytes that it takes.
    pub(crate) size: usize,
}

/// What setting a register did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// It is as high already.
    Unchanged,
    /// It is set.
    Changed,
    /// It cannot be kept this way, or not in so few bytes.
    TooBig,
}

/// The beginning of a run, and the first register of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    at: usize,
    first: usize,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { at: HEADER, first: 0 }
    }
}

/// The runs of a whole string, header and all; one that is cut off ends them as [`Corrupt`].
pub(crate) fn runs(bytes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    runs_of(&bytes[HEADER..])
}

fn runs_of(encoded: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= encoded.len() {
            return None;
        }
        let run = run_at(encoded, at).ok_or(Corrupt);
        at = run.map_or(encoded.len(), |run| at + run.size);
        Some(run)
    })
}

fn run_at(encoded: &[u8], at: usize) -> Option<Run> {
    let byte = *encoded.get(at)?;
    let low = usize::from(byte & 0x3f);
    Some(match byte & 0xc0 {
        0 => Run { value: 0, length: low + 1, size: 1 },
        LONG => {
            let behind = usize::from(*encoded.get(at + 1)?);
            Run { value: 0, length: (low << 8 | behind) + 1, size: 2 }
        }
        _ => Run { value: (byte >> 2 & 0x1f) + 1, length: (low & 3) + 1, size: 1 },
    })
}

/// Raises each register to what is encoded.
pub(super) fn raise(encoded: &[u8], registers: &mut Registers) -> Result<(), Corrupt> {
    let mut first = 0;
    for run in runs_of(encoded) {
        let run = run?;
        let covered = registers.values_mut().get_mut(first..first + run.length).ok_or(Corrupt)?;
        if run.value > 0 {
            covered.iter_mut().for_each(|register| *register = run.value.max(*register));
        }
        first += run.length;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Counts each value.
pub(super) fn count(encoded: &[u8], histogram: &mut Histogram) -> Result<(), Corrupt> {
    let mut covered = 0;
    for run in runs_of(encoded) {
        let run = run?;
        covered += run.length;
        if covered > REGISTERS {
            return Err(Corrupt);
        }
        histogram[usize::from(run.value)] += u32::try_from(run.length).expect("at most 16384");
    }
    if covered == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Sets a register of a whole string that is lower. Looks for it from `cursor` on, and leaves that where a search for a
/// later register may begin.
pub(super) fn set(
    bytes: &mut Vec<u8>,
    Placed { index, value }: Placed,
    most: usize,
    cursor: &mut Cursor,
) -> Result<Update, Corrupt> {
    if value > VALUE_MOST {
        return Ok(Update::TooBig);
    }
    // What follows may merge the run before with this one, but never the one before that.
    let (mut before_previous, mut previous, mut here) = (*cursor, None, *cursor);
    let run = loop {
        let run = run_at(bytes, here.at).ok_or(Corrupt)?;
        if index < here.first + run.length {
            break run;
        }
        before_previous = previous.unwrap_or(before_previous);
        previous = Some(here);
        here = Cursor { at: here.at + run.size, first: here.first + run.length };
    };
    *cursor = before_previous;
    if run.value >= value {
        return Ok(Update::Unchanged);
    }
    let pieces = split(run, index - here.first, value);
    if pieces.length > run.size && bytes.len() + pieces.length - run.size > most {
        return Ok(Update::TooBig);
    }
    bytes.splice(here.at..here.at + run.size, pieces.bytes[..pieces.length].iter().copied());
    merge_neighbours(bytes, previous.map_or(HEADER, |previous| previous.at));
    Ok(Update::Changed)
}

/// What stands in the place of one run: at most a long one on each side of a value.
#[derive(Default)]
struct Pieces {
    bytes: [u8; 5],
    length: usize,
}

impl Pieces {
    fn push(&mut self, value: u8, count: usize) {
        match (value, count) {
            (_, 0) => return,
            (0, 1..=SHORT_ZEROS_MOST) => self.bytes[self.length] = low_byte(count - 1),
            (0, _) => {
                self.bytes[self.length] = LONG | low_byte((count - 1) >> 8);
                self.length += 1;
                self.bytes[self.length] = low_byte(count - 1);
            }
            _ => self.bytes[self.length] = value_byte(value, count),
        }
        self.length += 1;
    }
}

/// A run whose register at `place` becomes `value`.
fn split(run: Run, place: usize, value: u8) -> Pieces {
    let mut pieces = Pieces::default();
    pieces.push(run.value, place);
    pieces.push(value, 1);
    pieces.push(run.value, run.length - place - 1);
    pieces
}

/// Makes one run of two of the same value, among the five runs from `at` on.
fn merge_neighbours(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = run_at(bytes, at) else { return };
        let next = run_at(bytes, at + run.size);
        let merged = next.filter(|next| run.value > 0 && next.value == run.value);
        match merged.map(|next| next.length + run.length).filter(|length| *length <= VALUES_MOST) {
            Some(length) => {
                bytes[at] = value_byte(run.value, length);
                bytes.remove(at + 1);
            }
            None => at += run.size,
        }
    }
}

/// Adds a run of zeros.
pub(super) fn push_zeros(bytes: &mut Vec<u8>, count: usize) {
    let mut pieces = Pieces::default();
    pieces.push(0, count);
    bytes.extend_from_slice(&pieces.bytes[..pieces.length]);
}

fn value_byte(value: u8, count: usize) -> u8 {
    VALUE | (value - 1) << 2 | low_byte(count - 1)
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}
