//! The commands: a file per family, a row and a function per command.
//!
//! Each file ends in functions `fn name(call: &mut Call) -> Result<(), CommandError>`
//! and begins with its rows. What a family shares across files (option
//! parsing, ranges) lies in a module of its own beside them.

use crate::command::Command;

pub mod acl;
pub mod bitmaps;
pub mod client;
pub mod cluster;
pub mod connection;
pub mod debug;
pub(crate) mod elements;
pub mod failover;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod introspection;
pub mod keys;
pub mod latency;
pub mod lists;
pub mod lolwut;
pub mod memory;
pub mod modules;
pub mod monitor;
pub mod page;
pub mod pubsub;
pub mod redirect;
pub mod replica;
pub mod replication;
pub(crate) mod sampling;
pub(crate) mod scan;
pub mod scripting;
pub mod sentinel;
pub mod server;
pub mod sets;
pub mod slowlog;
pub mod sorted_sets;
pub mod streams;
pub mod strings;
pub mod transactions;
pub mod waiting;

/// All rows, family by family.
pub const FAMILIES: &[&[Command]] = &[
    connection::COMMANDS,
    transactions::COMMANDS,
    monitor::COMMANDS,
    pubsub::COMMANDS,
    replica::COMMANDS,
    replication::COMMANDS,
    failover::COMMANDS,
    redirect::COMMANDS,
    sentinel::COMMANDS,
    waiting::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    introspection::COMMANDS,
    client::COMMANDS,
    cluster::COMMANDS,
    modules::COMMANDS,
    memory::COMMANDS,
    acl::COMMANDS,
    slowlog::COMMANDS,
    latency::COMMANDS,
    lolwut::COMMANDS,
    debug::COMMANDS,
    sorted_sets::members::COMMANDS,
    sorted_sets::ranges::COMMANDS,
    sorted_sets::removal::COMMANDS,
    sorted_sets::blocking::COMMANDS,
    sorted_sets::combine::COMMANDS,
    sorted_sets::sampling::COMMANDS,
    streams::COMMANDS,
    streams::adding::COMMANDS,
    streams::reading::COMMANDS,
    streams::groups::COMMANDS,
    streams::reading_groups::COMMANDS,
    streams::pending::COMMANDS,
    streams::claiming::COMMANDS,
    streams::info::COMMANDS,
    lists::COMMANDS,
    lists::moving::COMMANDS,
    lists::blocking::COMMANDS,
    sets::COMMANDS,
    keys::COMMANDS,
    strings::COMMANDS,
    bitmaps::COMMANDS,
    hyperloglog::COMMANDS,
    geo::COMMANDS,
    hashes::COMMANDS,
    hashes::expiry::COMMANDS,
    hashes::timed::COMMANDS,
];
