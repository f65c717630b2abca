//! Stalls of this process, which are told as tilt, and do not blind it.
//!
//! Redis' sentinel acts on nothing for 30 seconds when its own clock jumped or its process stood still, since its
//! timers cannot be trusted then. Here time is monotonic, and a stall is measured: how much later than asked for the
//! machine was called. Whatever was in flight is given that time, so that no server is taken for down which had no
//! chance to be heard.

use slipstream_replication::Moment;

/// Whether this process stood still lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tilt {
    /// Since when it is told.
    pub(crate) since: Option<Moment>,
    /// How often it was.
    pub(crate) total: u64,
}
