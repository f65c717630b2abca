//! The server: INFO, CONFIG, SAVE, BGSAVE, LASTSAVE, SHUTDOWN, TIME.
//!
//! The functions read and change the node's own parts; what needs the process goes through the
//! host or leaves as an effect.

use crate::call::{Call, is_word};
use crate::command::{Command, Group, flag};
use crate::config::{self, Additions, Circumstances, SetError, ShutdownOn};
use crate::errors::CommandError;
use crate::host::{Refused, SaveReason};
use crate::info;
use crate::node::Phase;
use crate::session::{Endpoint, Wait};
use crate::stats::{CommandStats, Stats};

const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("info", -1, info)
        .flags(flag::LOADING | flag::STALE | flag::SENTINEL)
        .categories(&["dangerous"])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .history(&[("7.0.0", "Takes several sections.")])
        .doc(Group::Server, "1.0.0", "Tells about the server, in fields and sections.", "O(1)")
        .syntax("[section...]"),
    Command::container("config", -2, CONFIG).doc(
        Group::Server,
        "2.0.0",
        "Reads and changes the configuration.",
        "Depends on the subcommand",
    ),
    Command::new("save", 1, save)
        .flags(flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING | flag::NO_MULTI)
        .doc(
            Group::Server,
            "1.0.0",
            "Writes a snapshot to disk; answers when it is there.",
            "O(N), N being the number of keys",
        ),
    Command::new("bgsave", -1, bgsave)
        .flags(flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING)
        .history(&[("3.2.2", "Knows SCHEDULE."), ("8.1.0", "Knows CANCEL.")])
        .doc(Group::Server, "1.0.0", "Begins to write a snapshot to disk.", "O(1)")
        .syntax("operation:[SCHEDULE | CANCEL]"),
    Command::new("bgrewriteaof", 1, bgrewriteaof)
        .flags(flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING)
        .doc(
            Group::Server,
            "1.0.0",
            "Begins to write the append-only file anew, as short as the data allows.",
            "O(1)",
        ),
    Command::new("lastsave", 1, lastsave)
        .flags(flag::LOADING | flag::STALE | flag::FAST)
        .categories(&["admin", "dangerous"])
        .tips(&["nondeterministic_output"])
        .doc(Group::Server, "1.0.0", "Tells when the last good snapshot was written.", "O(1)"),
    Command::new("shutdown", -1, shutdown)
        .flags(
            flag::ADMIN
                | flag::NOSCRIPT
                | flag::LOADING
                | flag::STALE
                | flag::NO_MULTI
                | flag::ALLOW_BUSY
                | flag::SENTINEL,
        )
        .history(&[("7.0.0", "Knows NOW, FORCE and ABORT.")])
        .doc(
            Group::Server,
            "1.0.0",
            "Saves where configured, and ends the server.",
            "O(N) when saving, N being the number of keys",
        )
        .syntax("save-selector:[NOSAVE | SAVE] [NOW]!7.0.0 [FORCE]!7.0.0 [ABORT]!7.0.0"),
    Command::new("time", 1, time)
        .flags(flag::LOADING | flag::STALE | flag::FAST)
        .tips(&["nondeterministic_output"])
        .doc(Group::Server, "2.6.0", "Tells the time in seconds and microseconds.", "O(1)"),
];

const CONFIG: &[Command] = &[
    Command::new("config|get", -3, config_get)
        .flags(ADMIN)
        .history(&[("7.0.0", "Takes several patterns.")])
        .doc(
            Group::Server,
            "2.0.0",
            "Tells the values of directives.",
            "O(N), N being the number of directives",
        )
        .syntax("parameter..."),
    Command::new("config|set", -4, config_set)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[("7.0.0", "Takes several directives.")])
        .doc(
            Group::Server,
            "2.0.0",
            "Changes directives, all of them or none.",
            "O(N), N being the number of directives",
        )
        .syntax("data:(parameter value)..."),
    Command::new("config|rewrite", 2, config_rewrite)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            Group::Server,
            "2.8.0",
            "Writes the values in force into the configuration file.",
            "O(N), N being the number of directives",
        ),
    Command::new("config|resetstat", 2, config_resetstat)
        .flags(ADMIN)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(Group::Server, "2.0.0", "Sets the counters of INFO back to zero.", "O(1)"),
    Command::new("config|help", 2, config_help).flags(flag::LOADING | flag::STALE).doc(
        Group::Server,
        "5.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn info(call: &mut Call<'_>) -> Result<(), CommandError> {
    let facts = call.core.facts(call.db.keyspace);
    let wanted: Vec<&[u8]> = call.args.iter().skip(1).collect();
    let text = info::text(&info::Subject { core: call.core, keyspace: call.db.keyspace, facts }, &wanted);
    if call.core.sentinel.is_some() {
        call.reply.bulk(text.as_bytes());
    } else {
        call.reply.verbatim("txt", text.as_bytes());
    }
    Ok(())
}

fn config_get(call: &mut Call<'_>) -> Result<(), CommandError> {
    let patterns: Vec<&[u8]> = call.args.iter().skip(2).collect();
    let pairs = config::get(&call.core.config, &patterns);
    call.reply.map(pairs.len());
    for (name, value) in pairs {
        call.reply.bulk(&name);
        call.reply.bulk(&value);
    }
    Ok(())
}

fn config_set(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !call.args.len().is_multiple_of(2) {
        return Err(call.arity_error());
    }
    let args: Vec<&[u8]> = call.args.iter().skip(2).collect();
    let pairs: Vec<(&[u8], &[u8])> = args.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let is_local = match &call.session.peer {
        Endpoint::Tcp(ip, _) => ip.is_loopback(),
        Endpoint::Unix(_) | Endpoint::Internal => true,
    };
    let when = Circumstances { is_local, is_loading: call.core.phase == Phase::Loading };
    let refuse = |error: SetError| match error {
        SetError::Loading => CommandError::LOADING,
        error => CommandError::text(format!("ERR {error}")),
    };
    let mut change = config::set(&call.core.config, &pairs, when).map_err(refuse)?;
    let names: Vec<&'static str> = change.changed.iter().map(|directive| directive.name).collect();
    call.core.host.apply(&mut change.config, &names).map_err(|Refused { directive, reason }| {
        refuse(SetError::Failed { argument: directive.into(), reason })
    })?;
    call.core.reconfigure(call.db.keyspace, change.config);
    call.reply.ok();
    Ok(())
}

fn config_rewrite(call: &mut Call<'_>) -> Result<(), CommandError> {
    rewrite_config(call, Additions::Changed)
}

pub(super) fn rewrite_config(call: &mut Call<'_>, additions: Additions) -> Result<(), CommandError> {
    let fail = |reason: String| CommandError::text(format!("ERR Rewriting config file: {reason}"));
    let missing = |reason: String| CommandError::text(format!("ERR {reason}"));
    let old = call.core.host.read_config().map_err(missing)?;
    let new = config::rewrite(old.as_bytes(), &call.core.config_with_users(), additions);
    call.core.host.write_config(&new).map_err(fail)?;
    call.reply.ok();
    Ok(())
}

fn config_resetstat(call: &mut Call<'_>) -> Result<(), CommandError> {
    let core = &mut *call.core;
    core.stats = Stats::default();
    core.command_stats.fill(CommandStats::default());
    core.replication.replicas.reset_counters();
    core.reclaim.reset_counter();
    call.reply.ok();
    Ok(())
}

fn config_help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "GET <pattern> [<pattern> ...]",
        "    Tells the values of the directives that match.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Changes directives: all of them, or none.",
        "RESETSTAT",
        "    Sets the counters of INFO back to zero.",
        "REWRITE",
        "    Writes the values in force into the configuration file.",
    ]);
    Ok(())
}

fn save(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.saving.running.is_some() {
        return Err(CommandError::fixed("ERR Background save already in progress"));
    }
    call.core.begin_save(call.db.keyspace, SaveReason::Save);
    call.wait(Wait::Save, None);
    Ok(())
}

fn bgsave(call: &mut Call<'_>) -> Result<(), CommandError> {
    let schedule = match call.args.len() {
        1 => false,
        2 if call.is_word(1, "SCHEDULE") => true,
        2 if call.is_word(1, "CANCEL") => {
            let cancelled = call.core.cancel_save().ok_or(CommandError::NO_BACKGROUND_SAVE)?;
            call.reply.simple(cancelled);
            return Ok(());
        }
        _ => return Err(CommandError::SYNTAX),
    };
    if call.core.saving.running.is_none() && call.core.aof.is_rewriting() {
        if !schedule {
            return Err(CommandError::OTHER_JOB);
        }
        call.core.saving.scheduled = true;
        call.reply.simple("Background saving scheduled");
    } else if call.core.saving.running.is_none() {
        call.core.begin_save(call.db.keyspace, SaveReason::Background);
        call.reply.simple("Background saving started");
    } else if schedule && call.core.saving.running.is_some_and(|save| save.reason != SaveReason::Background) {
        call.core.saving.scheduled = true;
        call.reply.simple("Background saving scheduled");
    } else {
        return Err(CommandError::fixed("ERR Background save already in progress"));
    }
    Ok(())
}

fn bgrewriteaof(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.aof.is_rewriting() {
        return Err(CommandError::REWRITE_RUNS);
    }
    let is_begun = call.core.rewrite_aof(call.db.keyspace);
    let what = if is_begun { "started" } else { "scheduled" };
    call.reply.simple(&format!("Background append only file rewriting {what}"));
    Ok(())
}

fn lastsave(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.integer(call.core.saving.last_save);
    Ok(())
}

fn shutdown(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut options = ShutdownOn::default();
    let mut abort = false;
    for word in call.args.iter().skip(1) {
        if is_word(word, "NOSAVE") && !options.save {
            options.nosave = true;
        } else if is_word(word, "SAVE") && !options.nosave {
            options.save = true;
        } else if is_word(word, "NOW") {
            options.now = true;
        } else if is_word(word, "FORCE") {
            options.force = true;
        } else if is_word(word, "ABORT") {
            abort = true;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if abort {
        return abort_shutdown(call, options);
    }
    let options = call.core.shut_down_script(options)?;
    call.core.begin_shutdown(call.db.keyspace, options);
    if call.core.shutdown.is_none() {
        return Err(CommandError::SHUTDOWN_FAILED);
    }
    call.wait(Wait::Shutdown, None);
    Ok(())
}

fn abort_shutdown(call: &mut Call<'_>, options: ShutdownOn) -> Result<(), CommandError> {
    if options != ShutdownOn::default() {
        return Err(CommandError::SYNTAX);
    }
    if !call.core.abort_shutdown(call.db.keyspace) {
        return Err(CommandError::fixed("ERR No shutdown in progress."));
    }
    call.reply.ok();
    Ok(())
}

fn time(call: &mut Call<'_>) -> Result<(), CommandError> {
    let micros = call.core.frozen_time.unwrap_or(call.core.clock.unix_micros);
    call.reply.array(2);
    call.reply.bulk_integer(micros.div_euclid(1_000_000));
    call.reply.bulk_integer(micros.rem_euclid(1_000_000));
    Ok(())
}
