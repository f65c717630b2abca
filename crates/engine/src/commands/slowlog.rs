//! SLOWLOG: what [`crate::slowlog`] keeps, for clients.
//!
//! Commands come there by themselves when they end; here they are shown and
//! forgotten.

use crate::call::{Call, integer};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

const COMMON: u32 = flag::LOADING | flag::STALE;
const ADMIN: u32 = COMMON | flag::ADMIN;

/// Entries that GET shows unless asked for more.
const DEFAULT_COUNT: usize = 10;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("slowlog", -2, SUBCOMMANDS).doc(
    Group::Server,
    "2.2.12",
    "The slowest commands of late.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("slowlog|get", -2, get)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .history(&[("4.0.0", "Tells the client's address and name.")])
        .doc(
            Group::Server,
            "2.2.12",
            "Shows slow commands, the latest first.",
            "O(N), N being the number of entries shown",
        )
        .syntax("[count:integer]"),
    Command::new("slowlog|len", 2, len)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .doc(Group::Server, "2.2.12", "Tells how many slow commands are kept.", "O(1)"),
    Command::new("slowlog|reset", 2, reset)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            Group::Server,
            "2.2.12",
            "Forgets all slow commands.",
            "O(N), N being the number of entries kept",
        ),
    Command::new("slowlog|help", 2, help).flags(COMMON).doc(
        Group::Server,
        "6.2.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    let count = match call.args.len() {
        2 => DEFAULT_COUNT,
        3 => wanted(&call.args[2])?,
        _ => return Err(CommandError::unknown_subcommand_or_arguments("slowlog", &call.args[1])),
    };
    let entries = call.core.slowlog.entries().take(count);
    call.reply.array(entries.len());
    for entry in entries {
        call.reply.array(6);
        call.reply.integer(i64::try_from(entry.id).unwrap_or(i64::MAX));
        call.reply.integer(entry.unix_seconds);
        call.reply.integer(i64::try_from(entry.micros).unwrap_or(i64::MAX));
        call.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.reply.bulk(arg));
        call.reply.bulk(entry.client.0.as_bytes());
        call.reply.bulk(&entry.client.1);
    }
    Ok(())
}

/// -1 asks for all.
fn wanted(arg: &[u8]) -> Result<usize, CommandError> {
    match integer(arg) {
        Ok(-1) => Ok(usize::MAX),
        Ok(count) if count >= 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(CommandError::SLOWLOG_COUNT),
    }
}

fn len(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.count(call.core.slowlog.entries().len());
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.slowlog.clear();
    call.reply.ok();
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "GET [<count>]",
        "    Shows the latest slow commands, 10 unless told otherwise; -1 shows all.",
        "    Each as id, unix time, microseconds, arguments, client address and name.",
        "LEN",
        "    Tells how many are kept.",
        "RESET",
        "    Forgets all.",
    ]);
    Ok(())
}
