//! Places on the earth: what the geo commands compute, without keys and replies.
//!
//! A place is kept as a number of 52 bits that interleaves longitude and latitude ([`hash`]), so that places that are
//! near each other are mostly near each other in a sorted set. [`area`] finds the ranges of such numbers that can hold
//! what a search asks for. Distances are those of a sphere (the haversine formula). All operations on doubles are in
//! the order in which Redis does them: results are equal to the last bit.

pub(crate) mod area;
pub(crate) mod hash;
pub(crate) mod nearest;

/// The radius of the earth in metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// The greatest longitude and latitude that a place may have, in degrees; the projection of web maps ends there.
pub(crate) const MAX_LONGITUDE: f64 = 180.0;
pub(crate) const MAX_LATITUDE: f64 = 85.051_128_78;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Place {
    /// Whether it can be kept.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= MAX_LONGITUDE && self.latitude.abs() <= MAX_LATITUDE
    }

    /// The distance to another place in metres. Between antipodes it may be no number.
    pub(crate) fn distance(self, other: Place) -> f64 {
        let longitudes = radians(other.longitude) - radians(self.longitude);
        let half_along = (longitudes / 2.0).sin();
        if half_along == 0.0 {
            return distance_of_latitudes(self.latitude, other.latitude);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let half_up = ((to - from) / 2.0).sin();
        let chord = half_up * half_up + from.cos() * to.cos() * half_along * half_along;
        2.0 * EARTH_RADIUS * chord.sqrt().asin()
    }
}

/// The distance of two latitudes along a meridian, in metres.
fn distance_of_latitudes(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(longitude: f64, latitude: f64) -> Place {
        Place { longitude, latitude }
    }

    #[test]
    fn distances_follow_the_sphere() {
        let palermo = place(13.361389, 38.115556);
        let catania = place(15.087269, 37.502669);
        for (from, to, metres) in [
            (palermo, catania, 166_274.257),
            (catania, palermo, 166_274.257),
            (palermo, palermo, 0.0),
            (place(10.0, 0.0), place(10.0, 1.0), 111_226.300),
            (place(0.0, 0.0), place(180.0, 0.0), 20_020_734.0),
        ] {
            let found = from.distance(to);
            assert!((found - metres).abs() < 0.1, "{from:?} to {to:?}: {found}");
        }
    }

    #[test]
    fn places_beyond_the_map_are_not_valid() {
        for (longitude, latitude, valid) in [
            (180.0, 85.05112878, true),
            (-180.0, -85.05112878, true),
            (180.1, 0.0, false),
            (0.0, 85.06, false),
            (f64::NEG_INFINITY, 0.0, false),
        ] {
            assert_eq!(place(longitude, latitude).is_valid(), valid, "{longitude} {latitude}");
        }
    }
}
