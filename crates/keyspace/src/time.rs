//! Wall-clock time, as keys and fields expire by it.
//!
//! Time is an argument everywhere in this crate: nothing here reads a clock.

/// Milliseconds since the start of 1970, the unit of every deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds since the start of 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}
