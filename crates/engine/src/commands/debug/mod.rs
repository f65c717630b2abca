//! DEBUG: what tests and operators look at or force.
//!
//! One row, and a table of the subcommands with the number of arguments each
//! takes. Only those that have a meaning here exist: what crashes the process
//! or speaks of another server's insides does not.

mod object;
mod protocol;

use std::time::Duration;

use slipstream_keyspace::{ScoreFormat, Str, UnixMillis, Value, dataset_digest, value_digest};

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::commands::server::rewrite_config;
use crate::config::{Additions, parse_memory};
use crate::errors::CommandError;
use crate::event;
use crate::host::{Level, SaveReason};
use crate::node::Phase;
use crate::reload::Present;
use crate::session::Wait;

/// The row.
pub const COMMANDS: &[Command] = &[Command::new("debug", -2, debug)
    .flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::PROTECTED)
    .doc(Group::Server, "1.0.0", "Looks at the server's insides, for tests.", "Depends on the subcommand")];

/// A time before all deadlines: DEBUG sees keys that are due.
const BEFORE_ALL: UnixMillis = UnixMillis(i64::MIN);

/// A subcommand: its name, the least and the most arguments with both names, its function.
type Subcommand = (&'static str, usize, usize, fn(&mut Call<'_>) -> Result<(), CommandError>);

const ANY: usize = usize::MAX;

const SUBCOMMANDS: &[Subcommand] = &[
    ("change-repl-id", 2, 2, change_repl_id),
    ("config-rewrite-force-all", 2, 2, rewrite_whole_config),
    ("digest", 2, 2, digest),
    ("digest-value", 2, ANY, digest_value),
    ("error", 3, 3, error),
    ("help", 2, 2, help),
    ("htstats", 3, ANY, object::htstats),
    ("htstats-key", 3, ANY, object::htstats_key),
    ("listpack", 3, 3, object::listpack),
    ("loadaof", 2, 2, crate::reload_log::begin),
    ("log", 3, 3, log),
    ("object", 3, 3, object::object),
    ("pause-cron", 3, 3, pause_cron),
    ("populate", 3, 5, populate),
    ("protocol", 3, 3, protocol::protocol),
    ("quicklist-packed-threshold", 3, 3, quicklist_packed_threshold),
    ("reload", 2, ANY, reload),
    ("replicate", 3, ANY, replicate),
    ("set-active-expire", 3, 3, set_active_expire),
    ("set-disable-deny-scripts", 3, 3, set_disable_deny_scripts),
    ("sleep", 3, 3, sleep),
    ("stringmatch-len", 4, 4, stringmatch_len),
];

/// What scripts may call under SET-DISABLE-DENY-SCRIPTS.
pub(crate) const FOR_SCRIPTS: &[&str] = &[
    "digest",
    "digest-value",
    "htstats",
    "htstats-key",
    "listpack",
    "log",
    "object",
    "protocol",
    "sleep",
    "stringmatch-len",
];

fn debug(call: &mut Call<'_>) -> Result<(), CommandError> {
    let count = call.args.len();
    let found = SUBCOMMANDS
        .iter()
        .find(|(name, least, most, _)| call.is_word(1, name) && (*least..=*most).contains(&count));
    match found {
        Some((.., run)) => run(call),
        None => Err(CommandError::unknown_subcommand_or_arguments("debug", &call.args[1])),
    }
}

fn change_repl_id(call: &mut Call<'_>) -> Result<(), CommandError> {
    let core = &mut *call.core;
    core.notice(Level::Notice, "Changing replication IDs after receiving DEBUG change-repl-id");
    core.log.change_id(&mut core.rng);
    call.reply.ok();
    Ok(())
}

fn rewrite_whole_config(call: &mut Call<'_>) -> Result<(), CommandError> {
    rewrite_config(call, Additions::All)
}

fn digest(call: &mut Call<'_>) -> Result<(), CommandError> {
    let digest = dataset_digest(&call.db.keyspace.snapshot(), ScoreFormat::default());
    call.reply.simple(&digest.to_string());
    Ok(())
}

fn digest_value(call: &mut Call<'_>) -> Result<(), CommandError> {
    let database = call.db.keyspace.db(call.db.index);
    let keys = call.args.from(2);
    call.reply.array(keys.len());
    for key in keys.iter() {
        let digest = database
            .peek(key, BEFORE_ALL)
            .map(|value| value_digest(&value, database.deadline(key), ScoreFormat::default()));
        call.reply.simple(&digest.unwrap_or_default().to_string());
    }
    Ok(())
}

fn error(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.error(&String::from_utf8_lossy(&call.args[2]));
    Ok(())
}

fn log(call: &mut Call<'_>) -> Result<(), CommandError> {
    let text = format!("DEBUG LOG: {}", String::from_utf8_lossy(&call.args[2]));
    call.core.notice(Level::Warning, &text);
    call.reply.ok();
    Ok(())
}

fn pause_cron(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.cron_paused = switch(&call.args[2]);
    call.reply.ok();
    Ok(())
}

fn set_active_expire(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.active_expire = switch(&call.args[2]);
    call.reply.ok();
    Ok(())
}

fn set_disable_deny_scripts(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.scripting.may_debug = switch(&call.args[2]);
    call.reply.ok();
    Ok(())
}

/// Anything but a number other than 0 is off, as with C's `atoi`.
fn switch(arg: &[u8]) -> bool {
    slipstream_resp::number::parse_i64(arg).is_some_and(|number| number != 0)
}

fn quicklist_packed_threshold(call: &mut Call<'_>) -> Result<(), CommandError> {
    // Lists have no nodes of a single big element here, so there is nothing to set.
    let max = i128::from(u32::MAX);
    if !parse_memory(&call.args[2]).is_some_and(|bytes| (0..=max).contains(&bytes)) {
        return Err(CommandError::fixed(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ));
    }
    call.reply.ok();
    Ok(())
}

fn sleep(call: &mut Call<'_>) -> Result<(), CommandError> {
    let seconds = slipstream_resp::number::parse_f64(&call.args[2]).unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    call.core.host.stall(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    call.reply.ok();
    Ok(())
}

fn stringmatch_len(call: &mut Call<'_>) -> Result<(), CommandError> {
    let matches = crate::glob::matches(&call.args[2], &call.args[3], crate::glob::Case::Sensitive);
    call.reply.integer(i64::from(matches));
    Ok(())
}

fn replicate(call: &mut Call<'_>) -> Result<(), CommandError> {
    let words: Vec<&[u8]> = call.args.from(2).iter().collect();
    if call.core.log_takes_effects() {
        call.core.propagation.push_message(&words);
    }
    call.reply.ok();
    Ok(())
}

/// What POPULATE is asked for.
struct Population {
    count: u64,
    prefix: Vec<u8>,
    /// Bytes of each value; 0: as many as its text has.
    size: usize,
}

impl Population {
    fn parse(call: &Call<'_>) -> Result<Population, CommandError> {
        let positive = |index: usize| {
            let number = call.integer(index).ok().and_then(|number| usize::try_from(number).ok());
            number.ok_or(CommandError::NOT_POSITIVE)
        };
        let count = positive(2)? as u64;
        let size = if call.args.len() == 5 { positive(4)? } else { 0 };
        if size > call.core.config.proto_max_bulk_len {
            return Err(CommandError::STRING_TOO_LONG);
        }
        let prefix = call.args.get(3).unwrap_or(b"key").to_vec();
        Ok(Population { count, prefix, size })
    }

    fn key(&self, index: u64) -> Vec<u8> {
        [&self.prefix, b":".as_slice(), index.to_string().as_bytes()].concat()
    }

    fn value(&self, index: u64) -> Vec<u8> {
        let mut value = format!("value:{index}").into_bytes();
        if self.size > 0 {
            value.resize(self.size, 0);
        }
        value
    }
}

fn populate(call: &mut Call<'_>) -> Result<(), CommandError> {
    let population = Population::parse(call)?;
    call.propagate_nothing();
    for index in 0..population.count {
        let (key, value) = (population.key(index), population.value(index));
        if call.db.contains(&key) {
            continue;
        }
        call.db.insert(&key, Value::String(Str::from_bytes(&value)), None);
        call.created(call.db.index, &key);
        call.changed(&key, event::UNTOLD);
        // Unlike Redis', the new keys reach replicas: copies never differ in silence. Each stands for itself,
        // so that they are no transaction of millions.
        call.propagate(&[b"SET", &key, &value]);
        let core = &mut *call.core;
        core.propagation.flush(&mut core.log);
    }
    call.reply.ok();
    Ok(())
}

/// The options of RELOAD.
struct Reload {
    saves: bool,
    present: Present,
}

impl Reload {
    fn parse(call: &Call<'_>) -> Result<Reload, CommandError> {
        let (mut saves, mut flushes, mut merges) = (true, true, false);
        for word in call.args.from(2).iter() {
            match word.to_ascii_uppercase().as_slice() {
                b"NOSAVE" => saves = false,
                b"NOFLUSH" => flushes = false,
                b"MERGE" => merges = true,
                _ => {
                    return Err(CommandError::fixed(
                        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                    ));
                }
            }
        }
        let present = match (flushes, merges) {
            (true, _) => Present::Replaced,
            (false, false) => Present::Kept,
            (false, true) => Present::Merged,
        };
        Ok(Reload { saves, present })
    }
}

fn reload(call: &mut Call<'_>) -> Result<(), CommandError> {
    const FAILED: CommandError =
        CommandError::fixed("ERR Error trying to load the RDB dump, check server logs.");
    let options = Reload::parse(call)?;
    if call.core.phase != Phase::Serving {
        return Err(CommandError::LOADING);
    }
    if !options.saves {
        if call.in_exec() {
            return Err(CommandError::NOT_IN_MULTI);
        }
        call.core.begin_reload(options.present);
        call.wait(Wait::Reload, None);
        return Ok(());
    }
    // Every key and library that is there would come back from the snapshot.
    let has_no_keys = (0..call.db.keyspace.databases()).all(|index| call.db.keyspace.db(index).is_empty());
    let is_empty = has_no_keys && call.core.scripting.libraries.len() == 0;
    if options.present == Present::Kept && !is_empty {
        return Err(FAILED);
    }
    call.core.reload(call.db.keyspace).map_err(|reason| {
        call.core.notice(Level::Warning, &format!("DEBUG RELOAD failed: {reason}"));
        FAILED
    })?;
    save(call);
    Ok(())
}

/// Afterwards the file holds the data too; the client waits for it where it can.
fn save(call: &mut Call<'_>) {
    if call.core.saving.running.is_some() {
        call.core.saving.scheduled = true;
        call.reply.ok();
    } else if call.in_exec() {
        call.core.begin_save(call.db.keyspace, SaveReason::Background);
        call.reply.ok();
    } else {
        call.core.begin_save(call.db.keyspace, SaveReason::Save);
        call.wait(Wait::Save, None);
    }
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CHANGE-REPL-ID",
        "    Goes on under a new replication id, as if nothing had been before.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    Writes every directive to the configuration file, defaults too.",
        "DIGEST",
        "    Tells a digest of all data: equal data, equal digest.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Tells a digest of each value.",
        "ERROR <text>",
        "    Answers with this error.",
        "HTSTATS <db> [full]",
        "    Tells how the keys of a database fill its table's segments.",
        "HTSTATS-KEY <key> [full]",
        "    Tells the same of the table behind a value.",
        "LISTPACK <key>",
        "    Writes the elements of a listpack to the log.",
        "LOADAOF",
        "    Loads the append-only file in place of the data that is there, as a start would.",
        "LOG <text>",
        "    Writes a line to the log.",
        "OBJECT <key>",
        "    Tells about a value's place, encoding, length in a snapshot and last access.",
        "PAUSE-CRON <0|1>",
        "    Stops the periodic work, or goes on with it.",
        "POPULATE <count> [<prefix> [<size>]]",
        "    Makes strings <prefix>:<number>, with `key` for a prefix; replicas get them too.",
        "PROTOCOL <type>",
        "    Answers with a value of a type: string, integer, double, bignum, null,",
        "    array, set, map, attrib, push, verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <bytes>",
        "    Accepted for tests of Redis; there is nothing here that it would change.",
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "    Sends the data through a snapshot and back, and writes it to disk.",
        "    NOSAVE: loads the file on disk instead. NOFLUSH: keeps the data that is there.",
        "    MERGE: with NOFLUSH, keys of the file win.",
        "REPLICATE <word> [<word> ...]",
        "    Writes a command to the replicas' stream. It may make them differ, or stop.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Stops to look for keys that are due, or goes on with it.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>",
        "    Lets scripts call CLIENT LIST and those of DEBUG that look or wait, or forbids it again.",
        "SLEEP <seconds>",
        "    Does nothing for a while.",
        "STRINGMATCH-LEN <pattern> <text>",
        "    Tells whether a pattern matches.",
    ]);
    Ok(())
}
