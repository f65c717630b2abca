//! OBJECT: what lies behind a key: its encoding, and how it is used.
//!
//! Looking records no access: else the idle time of a key could not be read.

use slipstream_keyspace::Occupied;

use crate::call::Call;
use crate::errors::CommandError;

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    How the value of <key> is kept in memory.",
    "FREQ <key>",
    "    How often <key> is used, on a logarithmic scale.",
    "IDLETIME <key>",
    "    Seconds since <key> was last used.",
    "REFCOUNT <key>",
    "    References to the value of <key>.",
    "HELP",
    "    Print this help.",
];

pub(super) fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.array(HELP.len());
    HELP.iter().for_each(|line| call.reply.simple(line));
    Ok(())
}

pub(super) fn encoding(call: &mut Call<'_>) -> Result<(), CommandError> {
    let name = inspect(call, |key| key.value().encoding_name());
    call.reply.optional_bulk(name.map(str::as_bytes));
    Ok(())
}

/// There are no shared values: each key has its own.
pub(super) fn refcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    match inspect(call, |_| ()) {
        Some(()) => call.reply.integer(1),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn idletime(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    if inspect(call, |_| ()).is_none() {
        call.reply.null();
        return Ok(());
    }
    if call.core.config.maxmemory_policy.counts_accesses() {
        return Err(CommandError::NOT_LRU);
    }
    let idle = call.db.keyspace.db(call.db.index).idle_seconds(&args[2], call.now);
    call.reply.integer(idle.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0));
    Ok(())
}

pub(super) fn freq(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    if inspect(call, |_| ()).is_none() {
        call.reply.null();
        return Ok(());
    }
    if !call.core.config.maxmemory_policy.counts_accesses() {
        return Err(CommandError::NOT_LFU);
    }
    let count = call.db.keyspace.db(call.db.index).frequency(&args[2], call.now);
    call.reply.integer(count.map_or(0, i64::from));
    Ok(())
}

fn inspect<T>(call: &mut Call<'_>, look: impl FnOnce(&Occupied<'_>) -> T) -> Option<T> {
    let args = call.args;
    let seen = call.db.occupied(&args[2]).map(|key| look(&key));
    call.count_quiet_lookup(seen.is_some());
    seen
}
