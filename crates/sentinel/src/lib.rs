//! Failure detection, agreement and failover: a sentinel as a pure machine.
//!
//! A [`Sentinel`] watches groups of a primary, its replicas and the other sentinels. It is told what happened
//! ([`Event`]) and says what is to be done ([`Action`]): connections, requests, a state that must be on disk, events
//! for whoever listens. It sees servers only through RESP, and knows no socket, file or clock. What leaves this
//! process of its epochs and votes is on disk before it leaves.
//!
//! Read on in [`sentinel`], then [`group`], [`server`] and [`failover`].

pub mod action;
pub mod address;
mod alarms;
mod asking;

pub mod commands;
pub mod config;
mod connecting;
mod contact;
mod core;
mod detection;
mod durability;
mod extent;
pub mod failover;
pub mod group;
mod hearing;
mod hello;
pub mod info;
mod line;
mod names;
mod notices;
pub mod options;
mod peer;
mod refusals;
mod scripts;
pub mod sentinel;
pub mod server;
mod talking;
#[cfg(test)]
mod tests;
mod tilt;
mod topology;
mod unfinished;
mod voting;

pub use action::{Action, Event, Failure, LineId, ScriptEnd, Version};
pub use address::Address;
pub use info::Role;
pub use options::{Globals, GroupOptions, SafeFailover, Timings};
pub use sentinel::Sentinel;
