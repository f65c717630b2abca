//! All registers, a byte each: what several HyperLogLogs are merged in.
//!
//! Never stored. Invariant: each is at least what any of the strings merged so far has.

use super::{Corrupt, Encoding, HEADER, Histogram, REGISTERS, dense, estimate, sparse};

/// One value per register.
pub(crate) struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Raises each register to that of a string, which is kept in this way. May have raised some if it is corrupt.
    pub(crate) fn merge(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<(), Corrupt> {
        match encoding {
            Encoding::Dense => {
                dense::raise(&bytes[HEADER..], self);
                Ok(())
            }
            Encoding::Sparse => sparse::raise(&bytes[HEADER..], self),
        }
    }

    /// Estimates how many elements all of them hold.
    pub(crate) fn cardinality(&self) -> u64 {
        let mut histogram: Histogram = [0; 64];
        for value in self.0.iter() {
            histogram[usize::from(value & 63)] += 1;
        }
        estimate::cardinality(&histogram)
    }

    /// All values in order.
    pub(crate) fn values(&self) -> &[u8; REGISTERS] {
        &self.0
    }

    pub(super) fn values_mut(&mut self) -> &mut [u8; REGISTERS] {
        &mut self.0
    }

    /// Those that are not 0, with their indexes.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().copied().enumerate().filter(|(_, value)| *value != 0)
    }
}
