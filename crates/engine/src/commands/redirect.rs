//! READONLY and READWRITE: whether a client that follows redirections reads from a replica.
//!
//! Commands of the cluster in Redis. As in Valkey they also count outside of one, for clients that said
//! CLIENT CAPA REDIRECT: a replica sends those to its primary (`gates.rs`).

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

const FLAGS: u32 = flag::LOADING | flag::STALE | flag::FAST;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("readonly", 1, readonly).flags(FLAGS).categories(&["connection"]).doc(
        Group::Cluster,
        "3.0.0",
        "Reads of this connection are answered by a replica, too.",
        "O(1)",
    ),
    Command::new("readwrite", 1, readwrite).flags(FLAGS).categories(&["connection"]).doc(
        Group::Cluster,
        "3.0.0",
        "Takes READONLY back.",
        "O(1)",
    ),
];

fn readonly(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.session.reads_replicas = true;
    call.reply.ok();
    Ok(())
}

fn readwrite(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.session.reads_replicas = false;
    call.reply.ok();
    Ok(())
}
