//! A world in a box: production nodes on a virtual clock, network and disk, attacked from one seed.
//!
//! A [`World`] runs [`slipstream_engine::Node`]s as the shell would: it moves bytes, does effects and keeps
//! deadlines, in virtual time. From a seed it draws its [`Options`], the clients' commands and the faults.
//! First come faults (safety: [`checker`] looks at every step), then everything is healed, and all nodes must
//! become equal within bounded time (liveness). Nothing here reads a clock or any other source of chance, so
//! a seed tells the same story every time.
//!
//! In worlds with sentinels those decide who is the primary: [`survive_watched`].
//!
//! Read on in `world.rs`, then `process.rs` (one node and its shell) and `network.rs`. `tests/stories.rs` has
//! the scenarios that are worth a name.

pub mod checker;
pub mod client;
pub mod disk;
pub mod environment;
pub mod faults;
pub mod host;
pub mod network;
pub mod options;
mod orders;
pub mod process;
pub mod story;
mod strikes;
pub mod topology;
pub mod transfer;
pub mod world;

pub use checker::Scrutiny;
pub use options::{Options, Watch};
pub use story::Story;
pub use topology::Topology;
pub use world::{Outcome, World, survive, survive_watched};
