//! PFSELFTEST: whether registers keep what is set, and estimates are near the truth.
//!
//! For operators who doubt their machine; it blocks for a moment. The words of a failure are those of Redis.

use super::hash::Placed;
use super::{
    DENSE_SIZE, Encoding, HEADER, REGISTERS, Registers, add, dense, empty, encoding, estimate, to_dense,
};

const ROUNDS: usize = 50;
/// Redis adds ten times as many, which takes seconds.
const ELEMENTS: u64 = 1_000_000;

/// Why the test failed.
pub(crate) fn self_test(rng: &mut fastrand::Rng, sparse_most: usize) -> Result<(), String> {
    (0..ROUNDS).try_for_each(|_| registers_keep_what_is_set(rng))?;
    estimates_are_near(rng, sparse_most)
}

fn registers_keep_what_is_set(rng: &mut fastrand::Rng) -> Result<(), String> {
    let values: Vec<u8> = (0..REGISTERS).map(|_| rng.u8(..64)).collect();
    let mut packed = vec![0; DENSE_SIZE - HEADER];
    for (index, value) in values.iter().enumerate() {
        dense::set(&mut packed, Placed { index, value: *value });
    }
    let mut found = Registers::default();
    dense::raise(&packed, &mut found);
    let wrong = values.iter().zip(found.values()).position(|(value, found)| value != found);
    match wrong {
        None => Ok(()),
        Some(at) => Err(format!("Register {at} should be {} but is {}", values[at], found.values()[at])),
    }
}

/// Adds to a sparse and a dense one at once, and looks at both at each power of ten.
fn estimates_are_near(rng: &mut fastrand::Rng, sparse_most: usize) -> Result<(), String> {
    let corrupt = |_| "a HyperLogLog corrupted itself".to_owned();
    let seed = rng.u64(..);
    let (mut either, mut dense) = (empty(), empty());
    to_dense(&mut dense).map_err(corrupt)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        add(&mut either, &element, sparse_most).map_err(corrupt)?;
        add(&mut dense, &element, sparse_most).map_err(corrupt)?;
        if number != checkpoint {
            continue;
        }
        let few = usize::try_from(number).is_ok_and(|number| number < sparse_most / 2);
        if few && encoding(&either) != Some(Encoding::Sparse) {
            return Err("sparse encoding not used".to_owned());
        }
        let estimated = estimate(&dense).map_err(corrupt)?;
        if estimate(&either).map_err(corrupt)? != estimated {
            return Err("dense/sparse disagree".to_owned());
        }
        let error = estimated.abs_diff(number);
        // Six times the standard error, which is 1.04 / 128.
        if error > number * 624 / 12_800 + 1 {
            return Err(format!("Too big error. card:{number} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}
