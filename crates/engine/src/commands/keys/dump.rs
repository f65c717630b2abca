//! Values as bytes: DUMP and RESTORE, in the form that Redis and Valkey exchange.
//!
//! A restored key's time to live is propagated as the moment at which it ends.

use slipstream_keyspace::UnixMillis;
use slipstream_rdb::RestoreError;

use super::expire::has_passed;
use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::event;
use crate::propagate::deletion;

pub(super) fn dump(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let compress = call.core.config.rdbcompression;
    let payload = call.db.get(&args[1]).map(|value| slipstream_rdb::dump(&value, compress));
    call.count_lookup(&args[1], payload.is_some());
    call.reply.optional_bulk(payload.as_deref());
    Ok(())
}

/// RESTORE's options.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<i64>,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut words = call.args.iter().skip(4);
        while let Some(word) = words.next() {
            let more = words.len() > 0;
            if is_word(word, "REPLACE") {
                options.replace = true;
            } else if is_word(word, "ABSTTL") {
                options.absolute = true;
            } else if is_word(word, "IDLETIME") && more && options.frequency.is_none() {
                let seconds = integer(words.next().expect("there is more"))?;
                options.idle_seconds = Some(seconds).filter(|seconds| *seconds >= 0);
                options.idle_seconds.ok_or(CommandError::INVALID_IDLETIME)?;
            } else if is_word(word, "FREQ") && more && options.idle_seconds.is_none() {
                let frequency = integer(words.next().expect("there is more"))?;
                options.frequency = Some(frequency).filter(|frequency| (0..=255).contains(frequency));
                options.frequency.ok_or(CommandError::INVALID_FREQ)?;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }
}

pub(super) fn restore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let options = Options::parse(call)?;
    if !options.replace && call.db.contains(key) {
        return Err(CommandError::BUSY_KEY);
    }
    let ttl = integer(&args[2])?;
    if ttl < 0 {
        return Err(CommandError::INVALID_TTL);
    }
    let value =
        slipstream_rdb::restore(&args[3], call.db.keyspace.encoding()).map_err(|error| match error {
            RestoreError::Footer => CommandError::DUMP_FOOTER,
            RestoreError::Value(_) => CommandError::DUMP_FORMAT,
        })?;
    call.reply.ok();
    let base = if options.absolute { 0 } else { call.now.0 };
    let deadline = (ttl > 0).then_some(UnixMillis(ttl.saturating_add(base)));
    if deadline.is_some_and(|deadline| has_passed(call, deadline)) {
        if options.replace && call.db.remove(key) {
            call.changed(key, event::DEL);
            call.propagate(&[deletion(call.core.config.lazyfree_lazy_server_del), key]);
        }
        return Ok(());
    }
    call.db.insert(key, value, deadline);
    restore_access(call, key, &options);
    call.created(call.db.index, key);
    call.changed(key, event::RESTORE);
    if let Some(deadline) = deadline.filter(|_| !options.absolute) {
        propagate_absolute(call, deadline);
    }
    Ok(())
}

fn restore_access(call: &mut Call<'_>, key: &[u8], options: &Options) {
    let now = call.now;
    if let Some(frequency) = options.frequency.and_then(|frequency| u8::try_from(frequency).ok()) {
        call.db.database().set_frequency(key, frequency, now);
    }
    if let Some(seconds) = options.idle_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        call.db.database().set_idle(key, seconds, now);
    }
}

fn propagate_absolute(call: &mut Call<'_>, deadline: UnixMillis) {
    let args = call.args;
    let mut digits = itoa::Buffer::new();
    let head: [&[u8]; 3] = [b"RESTORE", &args[1], digits.format(deadline.0).as_bytes()];
    let end: &[u8] = b"ABSTTL";
    let effect: Vec<&[u8]> = head.into_iter().chain(args.iter().skip(3)).chain([end]).collect();
    call.propagate(&effect);
}
