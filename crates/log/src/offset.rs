//! A position in the log.
//!
//! Offsets lie *between* bytes: `Offset(n)` has `n` bytes before it. So a range of the log is half open, the
//! end of the log is `master_repl_offset`, and a snapshot taken at an offset joins the stream at the same
//! offset. The wire counts bytes instead: `PSYNC id n` asks for byte `n`, which is the one after the offset
//! `n - 1`. The two ways meet in [`Offset::from_next_byte`] and [`Offset::next_byte`] and nowhere else.

use std::fmt;

/// A position between two bytes of the log: the number of bytes before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The position before the byte that the wire calls `number`; bytes count from 1, so nothing is before
    /// byte 0.
    pub fn from_next_byte(number: i64) -> Option<Offset> {
        u64::try_from(number).ok()?.checked_sub(1).map(Offset)
    }

    /// The number that the wire gives to the first byte after this position.
    pub fn next_byte(self) -> u64 {
        self.0 + 1
    }

    /// The position `bytes` further on.
    pub fn advanced(self, bytes: usize) -> Offset {
        Offset(self.0 + bytes as u64)
    }

    /// How many bytes lie from `earlier` to here; 0 when `earlier` is not earlier.
    pub fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_counts_bytes_from_one() {
        assert_eq!(Offset::from_next_byte(1), Some(Offset(0)));
        assert_eq!(Offset::from_next_byte(15), Some(Offset(14)));
        assert_eq!(Offset::from_next_byte(0), None);
        assert_eq!(Offset::from_next_byte(-1), None);
        assert_eq!(Offset(14).next_byte(), 15);
    }
}
