//! Areas: what a search looks for, and the cells in which that can be.
//!
//! Nine cells of one size cover an area: the one of its centre and those around it. The size is chosen by the radius,
//! and is doubled where the area would reach beyond. Cells that the area cannot reach are left out.

use super::hash::{Cell, MAX_STEPS};
use super::{EARTH_RADIUS, Place, degrees, distance_of_latitudes, radians};

/// The reach of the largest cells, in metres: half the equator.
const LARGEST: f64 = 20_037_726.37;

/// A circle or a rectangle around a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) centre: Place,
    pub(crate) shape: Shape,
    /// Metres in the unit of the shape's numbers.
    pub(crate) unit: f64,
}

/// Its shape, in some unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// The smallest and the greatest longitude and latitude of an area, roughly.
struct Edges {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Area {
    /// The distance of a place from the centre in metres, if it is in the area.
    pub(crate) fn distance_within(&self, place: Place) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.centre.distance(place);
                // One that is no number is not too great.
                let is_beyond = distance > radius * self.unit;
                (!is_beyond).then_some(distance)
            }
            Shape::Box { width, height } => {
                let level = Place { longitude: self.centre.longitude, ..place };
                let is_beyond = distance_of_latitudes(place.latitude, self.centre.latitude)
                    > height * self.unit / 2.0
                    || place.distance(level) > width * self.unit / 2.0;
                (!is_beyond).then(|| self.centre.distance(place))
            }
        }
    }

    /// The cells to search, in order: the centre's, then north, south, east, west and the corners.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        let bounds = self.bounding_box();
        let mut steps = steps_of_radius(self.reach(), self.centre.latitude);
        let mut cell = Cell::of(self.centre, steps);
        if steps > 1 && !reaches_around(cell, &bounds) {
            steps -= 1;
            cell = Cell::of(self.centre, steps);
        }
        let own = cell.bounds();
        // Cells of half the map may hold anything.
        let may_skip = steps >= 2;
        let south = !(may_skip && own.latitude.min < bounds.south);
        let north = !(may_skip && own.latitude.max > bounds.north);
        let west = !(may_skip && own.longitude.min < bounds.west);
        let east = !(may_skip && own.longitude.max > bounds.east);
        let (above, below) = (cell.up(true), cell.up(false));
        let cells = [
            (true, cell),
            (north, above),
            (south, below),
            (east, cell.along(true)),
            (west, cell.along(false)),
            (north && east, above.along(true)),
            (north && west, above.along(false)),
            (south && east, below.along(true)),
            (south && west, below.along(false)),
        ];
        cells.into_iter().filter_map(|(is_near, cell)| is_near.then_some(cell))
    }

    /// How far it reaches from its centre, in metres.
    fn reach(&self) -> f64 {
        let reach = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        reach * self.unit
    }

    fn bounding_box(&self) -> Edges {
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Place { longitude, latitude } = self.centre;
        let up = degrees(self.unit * half_height / EARTH_RADIUS);
        // Circles of latitude are shorter towards the pole: the farther edge decides.
        let edge = if latitude < 0.0 { latitude - up } else { latitude + up };
        let along = degrees(self.unit * half_width / EARTH_RADIUS / radians(edge).cos());
        Edges { west: longitude - along, south: latitude - up, east: longitude + along, north: latitude + up }
    }
}

/// Whether a cell and its eight neighbours cover what lies around the cell's place.
fn reaches_around(cell: Cell, bounds: &Edges) -> bool {
    let falls_short = cell.up(true).bounds().latitude.max < bounds.north
        || cell.up(false).bounds().latitude.min > bounds.south
        || cell.along(true).bounds().longitude.max < bounds.east
        || cell.along(false).bounds().longitude.min > bounds.west;
    !falls_short
}

/// The steps of cells about as large as a radius in metres; towards the poles they are narrow.
fn steps_of_radius(mut radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return MAX_STEPS;
    }
    let mut steps: i32 = -1;
    while radius < LARGEST {
        radius *= 2.0;
        steps += 1;
    }
    if latitude.abs() > 66.0 {
        steps -= 1;
    }
    if latitude.abs() > 80.0 {
        steps -= 1;
    }
    u32::try_from(steps.max(1)).expect("at least 1").min(MAX_STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(longitude: f64, latitude: f64, shape: Shape) -> Area {
        Area { centre: Place { longitude, latitude }, shape, unit: 1000.0 }
    }

    #[test]
    fn the_size_of_cells_follows_the_radius_and_the_latitude() {
        for (radius, latitude, steps) in [
            (0.0, 0.0, 26),
            (1e-9, 0.0, 26),
            (1000.0, 0.0, 14),
            (1000.0, -67.0, 13),
            (1000.0, 81.0, 12),
            (5e6, 0.0, 2),
            (1e9, 85.0, 1),
            (f64::INFINITY, 0.0, 1),
        ] {
            assert_eq!(steps_of_radius(radius, latitude), steps, "{radius} at {latitude}");
        }
    }

    #[test]
    fn a_circle_within_a_cell_is_searched_there_alone() {
        let cells: Vec<Cell> = area(0.001, 0.001, Shape::Circle { radius: 0.0 }).cells().collect();
        assert_eq!(cells.len(), 1);
    }

    #[test]
    fn the_cells_hold_whatever_is_in_the_area() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            let extent = random.f64() * 3000.0;
            let shape = match random.bool() {
                true => Shape::Circle { radius: extent },
                false => Shape::Box { width: extent, height: random.f64() * 3000.0 },
            };
            let area = area(random.f64() * 300.0 - 150.0, random.f64() * 120.0 - 60.0, shape);
            let place =
                Place { longitude: random.f64() * 360.0 - 180.0, latitude: random.f64() * 170.0 - 85.0 };
            // What lies beyond the edges of the map is not looked for there, as in Redis.
            let bounds = area.bounding_box();
            let is_inside = bounds.west > -180.0 && bounds.east < 180.0;
            if !is_inside || area.distance_within(place).is_none() {
                continue;
            }
            let score = super::super::hash::score_of(place);
            let found = area.cells().any(|cell| {
                let (first, end) = cell.scores();
                first <= score && score < end
            });
            assert!(found, "{area:?} {place:?}");
        }
    }

    #[test]
    fn a_box_is_measured_along_and_across() {
        let narrow = area(0.0, 0.0, Shape::Box { width: 10.0, height: 400.0 });
        let place = |longitude, latitude| Place { longitude, latitude };
        assert!(narrow.distance_within(place(0.0, 1.7)).is_some());
        assert!(narrow.distance_within(place(0.1, 0.0)).is_none());
        assert!(narrow.distance_within(place(0.04, 0.0)).is_some());
    }
}
