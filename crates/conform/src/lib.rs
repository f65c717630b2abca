//! The same requests to two servers, and what differs: replies byte by byte, and what each propagates.
//!
//! A [`script`] holds requests in words, in cases that begin with empty databases. A [`Pair`] is our server and a
//! peer, both running already: it plays a script to both at once and returns each [`Difference`]. Nothing here knows
//! what a right answer is, starts a process or waits for time to pass; the peer says what is right.
//!
//! The scripts lie in `crates/engine/tests/conform`. Who plays them: `cargo xtask conform` to each peer that is
//! found, a test of the engine to a node without a process, an end-to-end test to a peer where there is one.

pub mod script;

mod pair;
mod reply;
mod side;
mod stream;

pub use pair::{Difference, Pair};
pub use reply::{Comparison, Reply, comparable};
pub use side::Version;
