//! From how often each value occurs to a number of elements.
//!
//! The improved estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
//! (arXiv:1702.01284), section 4: it needs no tables for small and big numbers. The order of the operations is that of
//! Redis, so that both come to the same number.

use super::{Histogram, REGISTERS};

/// The bits of a hash that do not choose the register. The highest value is one more.
const LENGTH: usize = 50;
const ALPHA: f64 = 0.721_347_520_444_481_7;
/// What Redis makes of a number that no integer holds; only registers that nobody added to give one.
const TOO_MANY: u64 = 1 << 63;

/// The number of elements that such registers stand for.
pub(super) fn cardinality(histogram: &Histogram) -> u64 {
    let registers = f64::from(u32::try_from(REGISTERS).expect("16384"));
    let mut z = registers * tau((registers - f64::from(histogram[LENGTH + 1])) / registers);
    for count in histogram[1..=LENGTH].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += registers * sigma(f64::from(histogram[0]) / registers);
    whole((ALPHA * registers * registers / z).round())
}

fn whole(number: f64) -> u64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if !(0.0..BOUND).contains(&number) {
        return TOO_MANY;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within bounds"
    )]
    let whole = number as u64;
    whole
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
