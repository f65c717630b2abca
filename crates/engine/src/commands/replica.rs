//! REPLICA: a primary's questions to its replicas.
//!
//! VERIFY begins a verification and waits for what it finds; the work is done in
//! `replication/verifying.rs`.

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::replication::verifying::write_report;
use crate::session::Wait;

const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT;
/// The version of Redis beyond which this goes: it has no such command.
const SINCE: &str = "7.2.4";

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("replica", -2, REPLICA).doc(
    Group::Server,
    SINCE,
    "Questions to the replicas of this node.",
    "Depends on the subcommand",
)];

const REPLICA: &[Command] = &[
    Command::new("replica|verify", -2, verify)
        .flags(ADMIN | flag::NO_ASYNC_LOADING)
        .doc(
            Group::Server,
            SINCE,
            "Compares the data of the replicas with this node's at one offset, and names what differs.",
            "O(N) on other threads, N being the number of elements of all keys",
        )
        .syntax("[replica]"),
    Command::new("replica|help", 2, replica_help).flags(flag::LOADING | flag::STALE).doc(
        Group::Server,
        SINCE,
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn verify(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 3 {
        return Err(call.arity_error());
    }
    if call.session.in_transaction() || call.in_exec() {
        return Err(CommandError::NOT_IN_MULTI);
    }
    let whom = call.args.get(2).map(|name| String::from_utf8_lossy(name).into_owned());
    match call.core.verify_replicas(call.db.keyspace, whom.as_deref())? {
        Some(report) => write_report(call.reply, &report),
        None => call.wait(Wait::Verification, None),
    }
    Ok(())
}

fn replica_help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "VERIFY [<host>:<port>]",
        "    Compare the data of all replicas, or of one, with this node's at one offset.",
    ]);
    Ok(())
}
