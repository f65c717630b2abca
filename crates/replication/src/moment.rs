//! Monotonic time, as the machines see it.
//!
//! Never read from a clock here: every event brings the moment at which it happened.

/// A moment on the monotonic clock, in milliseconds since the process started. Timeouts and periods are
/// counted with it, so that a jump of the wall clock changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `ms` milliseconds later.
    pub fn after_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 when that is not earlier.
    pub fn ms_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since `earlier`, as INFO reports them.
    pub fn seconds_since(self, earlier: Moment) -> u64 {
        self.ms_since(earlier) / 1000
    }
}
