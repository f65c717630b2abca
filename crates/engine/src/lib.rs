//! One node: sessions, command table, dispatch, commands, propagation.

pub mod config;
pub mod glob;
