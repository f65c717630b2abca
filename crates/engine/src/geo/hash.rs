//! Cells: the map cut in halves by turns, and a place as the number of its smallest cell.
//!
//! ```text
//!  bits 51 50 49 48 ...  1  0      the bits of a cell of 26 steps; one of fewer has fewer
//!        │  └──│──└─── ... └─ latitude, from the highest bit
//!        └─────└─── longitude
//! ```
//! The number is what the score of a member holds. A score can be any double, since ZADD may have written it: every one
//! is read as some place, as Redis reads it.

use super::{MAX_LATITUDE, MAX_LONGITUDE, Place};

/// Steps of the smallest cells.
pub(crate) const MAX_STEPS: u32 = 26;

const LONGITUDES: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LATITUDES: u64 = 0x5555_5555_5555_5555;
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Lower and upper end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Interval {
    const fn around_zero(max: f64) -> Interval {
        Interval { min: -max, max }
    }

    /// Which of `parts` equal parts a number is in.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the interval: 0 to 2^26"
    )]
    fn part_of(self, number: f64, parts: f64) -> u32 {
        ((number - self.min) / (self.max - self.min) * parts) as u32
    }

    /// A part of it; `index` may lie beyond if the score was no place.
    fn part(self, index: u32, parts: f64) -> Interval {
        let size = self.max - self.min;
        let end = |index: u32| self.min + (f64::from(index) / parts) * size;
        Interval { min: end(index), max: end(index.wrapping_add(1)) }
    }

    fn middle(self, most: f64) -> f64 {
        ((self.min + self.max) / 2.0).clamp(-most, most)
    }
}

/// The rectangle that is cut into cells.
#[derive(Clone, Copy, Debug)]
struct Map {
    longitude: Interval,
    latitude: Interval,
}

/// What scores are cells of.
const STORED: Map =
    Map { longitude: Interval::around_zero(MAX_LONGITUDE), latitude: Interval::around_zero(MAX_LATITUDE) };
/// What geohash texts are cells of: up to the poles.
const OF_TEXTS: Map =
    Map { longitude: Interval::around_zero(MAX_LONGITUDE), latitude: Interval::around_zero(90.0) };

/// The ends of a cell, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) longitude: Interval,
    pub(super) latitude: Interval,
}

/// A part of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    bits: u64,
    /// How often each side was halved: 1 to 26.
    steps: u32,
}

impl Cell {
    /// The cell of so many steps that a valid place is in.
    pub(super) fn of(place: Place, steps: u32) -> Cell {
        Cell::on(&STORED, place, steps)
    }

    fn on(map: &Map, place: Place, steps: u32) -> Cell {
        let parts = parts(steps);
        let latitude = map.latitude.part_of(place.latitude, parts);
        let longitude = map.longitude.part_of(place.longitude, parts);
        Cell { bits: spread(latitude) | spread(longitude) << 1, steps }
    }

    pub(super) fn bounds(self) -> Bounds {
        let parts = parts(self.steps);
        Bounds {
            longitude: STORED.longitude.part(gather(self.bits >> 1), parts),
            latitude: STORED.latitude.part(gather(self.bits), parts),
        }
    }

    /// The scores of the places in it: from the first to below the second.
    pub(crate) fn scores(self) -> (f64, f64) {
        let shift = 2 * (MAX_STEPS - self.steps);
        (score_of_bits(self.bits << shift), score_of_bits((self.bits + 1) << shift))
    }

    /// The one to the east or to the west, around the earth.
    pub(super) fn along(self, east: bool) -> Cell {
        self.moved(LONGITUDES, east)
    }

    /// The one to the north or to the south, which goes on at the other edge of the map.
    pub(super) fn up(self, north: bool) -> Cell {
        self.moved(LATITUDES, north)
    }

    /// Counts the bits in `own` up or down by one. Those between them are filled so that the carry passes.
    fn moved(self, own: u64, forward: bool) -> Cell {
        let unused = 64 - 2 * self.steps;
        let between = !own >> unused;
        let bits = self.bits & own;
        let bits =
            if forward { bits.wrapping_add(between + 1) } else { (bits | between).wrapping_sub(between + 1) };
        Cell { bits: bits & (own >> unused) | self.bits & !own, ..self }
    }
}

/// The score that keeps a valid place.
pub(crate) fn score_of(place: Place) -> f64 {
    score_of_bits(Cell::of(place, MAX_STEPS).bits)
}

/// The place that a score keeps: the middle of its cell.
pub(crate) fn place_of(score: f64) -> Place {
    let bounds = Cell { bits: bits_of_score(score), steps: MAX_STEPS }.bounds();
    Place {
        longitude: bounds.longitude.middle(MAX_LONGITUDE),
        latitude: bounds.latitude.middle(MAX_LATITUDE),
    }
}

/// The geohash of a place in the usual alphabet: eleven letters, the last of which says nothing.
pub(crate) fn text(place: Place) -> [u8; 11] {
    let bits = Cell::on(&OF_TEXTS, place, MAX_STEPS).bits;
    let mut text = [ALPHABET[0]; 11];
    for (index, letter) in text[..10].iter_mut().enumerate() {
        let digit = (bits >> (52 - 5 * (index + 1))) & 0x1f;
        *letter = ALPHABET[usize::try_from(digit).expect("five bits")];
    }
    text
}

fn parts(steps: u32) -> f64 {
    f64::from(1_u32 << steps)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "54 bits at most, and the lowest are 0 where there are so many"
)]
fn score_of_bits(bits: u64) -> f64 {
    bits as f64
}

/// The whole part of a score in two's complement, as the processors do it that Redis runs on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is beyond is to become something, and always the same"
)]
fn bits_of_score(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if score < HALF {
        return (score as i64) as u64;
    }
    let above = score - HALF;
    if above < HALF { (above as u64) | 1 << 63 } else { 0 }
}

/// Puts a 0 before each bit.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDES),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Every second bit, from the lowest.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDES;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    u32::try_from(bits).expect("the last mask leaves 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(longitude: f64, latitude: f64) -> Place {
        Place { longitude, latitude }
    }

    #[test]
    fn spreading_and_gathering_are_opposites() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            let number = random.u32(..);
            assert_eq!(gather(spread(number)), number);
            assert_eq!(gather(spread(number) << 1 >> 1), number);
            assert_eq!(spread(number) & LONGITUDES, 0);
        }
    }

    #[test]
    fn scores_and_texts_are_those_of_redis() {
        for (longitude, latitude, score, geohash) in [
            (13.361389, 38.115556, 3_479_099_956_230_698.0, "sqc8b49rny0"),
            (15.087269, 37.502669, 3_479_447_370_796_909.0, "sqdtr74hyu0"),
            (-5.6, 42.6, 2_157_242_200_379_188.0, "ezs42e44yx0"),
        ] {
            let place = place(longitude, latitude);
            assert_eq!(score_of(place), score, "{longitude} {latitude}");
            assert_eq!(text(place_of(score)), geohash.as_bytes(), "{longitude} {latitude}");
        }
    }

    #[test]
    fn a_place_is_read_back_within_its_cell() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..1000 {
            let given = place(random.f64() * 360.0 - 180.0, random.f64() * 170.0 - 85.0);
            let found = place_of(score_of(given));
            assert!((given.longitude - found.longitude).abs() < 360.0 / parts(MAX_STEPS), "{given:?}");
            assert!((given.latitude - found.latitude).abs() < 171.0 / parts(MAX_STEPS), "{given:?}");
        }
    }

    #[test]
    fn any_score_is_some_place() {
        for score in [-1.0, 0.5, 1e15, 1e18, 1e19, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(place_of(score).is_valid(), "{score}");
        }
        assert_eq!(bits_of_score(-1.0), u64::MAX);
        assert_eq!(bits_of_score(f64::INFINITY), 0);
        assert_eq!(bits_of_score(f64::NEG_INFINITY), 1 << 63);
    }

    #[test]
    fn the_neighbour_of_the_neighbour_is_the_cell_itself() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let steps = random.u32(1..=MAX_STEPS);
            let cell = Cell { bits: random.u64(..1 << (2 * steps)), steps };
            assert_eq!(cell.along(true).along(false), cell);
            assert_eq!(cell.up(false).up(true), cell);
            assert_eq!(cell.along(true).bounds().latitude, cell.bounds().latitude);
            assert_eq!(cell.up(true).bounds().longitude, cell.bounds().longitude);
        }
        let west = Cell::of(place(-179.0, 10.0), 5);
        assert_eq!(west.along(false).bounds().longitude.max, 180.0);
    }
}
