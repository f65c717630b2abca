//! The generator behind `math.random`: the 48 bits of `lrand48`, as in every version of Redis.
//!
//! A script that seeds it gets the same numbers from every server.

/// The generator's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Random(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const LOW_48: u64 = (1 << 48) - 1;

impl Random {
    /// Seeded as by `math.randomseed`.
    pub(crate) fn new(seed: i32) -> Self {
        Random((u64::from(seed.cast_unsigned()) << 16) | 0x330E)
    }

    /// The next number, in [0, 1).
    pub(crate) fn next(&mut self) -> f64 {
        const MAX: u32 = i32::MAX.cast_unsigned();
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(ADDEND) & LOW_48;
        let bits = u32::try_from(self.0 >> 17).expect("31 bits are left of 48");
        f64::from(bits % MAX) / f64::from(MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_of_redis() {
        let mut random = Random::new(1);
        let first = [random.next(), random.next()].map(|number| crate::number::general(number, 14));
        assert_eq!(first, ["0.041630344484761", "0.4544924448498"]);
    }
}
