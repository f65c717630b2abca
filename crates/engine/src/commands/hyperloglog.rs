//! HyperLogLogs: estimates of how many different elements were added.
//!
//! The strings are [`crate::hyperloglog`]'s. PFCOUNT of one key keeps its estimate in the string, which is a change of
//! the data by a command that reads: it is propagated as it came. On a replica it is only computed, since a copy changes
//! by its primary's stream alone.

use std::fmt::Write;

use slipstream_keyspace::{Str, Value};

use crate::call::Call;
use crate::command::{Command, Group, INSERT_KEY, KeySpec, flag};
use crate::errors::CommandError;
use crate::event;
use crate::hyperloglog::{self as sketch, Corrupt, Encoding, Registers};
use crate::session::Role;

const WRITE: u32 = flag::WRITE | flag::DENYOOM;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("pfadd", -2, pfadd)
        .flags(WRITE | flag::FAST)
        .keys(INSERT_KEY)
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Adds elements to a HyperLogLog, which it creates if missing.",
            "O(1) for each element",
        )
        .syntax("key [element...]"),
    Command::new("pfcount", -2, pfcount)
        .flags(flag::READONLY | flag::MAY_REPLICATE)
        .keys(
            &[KeySpec::range(1, -1, &["RW", "access"]).notes("Written to since the estimate is kept in it")],
        )
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Estimates how many different elements HyperLogLogs hold together.",
            "O(1) with one key; O(N) with N keys",
        )
        .syntax("key..."),
    Command::new("pfdebug", 3, pfdebug)
        .flags(WRITE | flag::ADMIN)
        .keys(&[KeySpec::at(2, &["RW", "access"])])
        .doc(Group::HyperLogLog, "2.8.9", "Shows or changes how a HyperLogLog is kept.", "N/A")
        .syntax("subcommand key"),
    Command::new("pfmerge", -2, pfmerge)
        .flags(WRITE)
        .keys(&[KeySpec::at(1, &["RW", "access", "insert"]), KeySpec::range(2, -1, &["RO", "access"])])
        .doc(
            Group::HyperLogLog,
            "2.8.9",
            "Adds the elements of HyperLogLogs to one, which it creates if missing.",
            "O(N) with N keys",
        )
        .syntax("destkey:key [sourcekey:key...]"),
    Command::new("pfselftest", 1, pfselftest).flags(flag::ADMIN).doc(
        Group::HyperLogLog,
        "2.8.9",
        "Tests the implementation of HyperLogLogs.",
        "N/A",
    ),
];

fn corrupt(_: Corrupt) -> CommandError {
    CommandError::CORRUPT_HYPERLOGLOG
}

fn pfadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, elements) = (&args[1], args.from(2));
    let most = call.core.config.hll_sparse_max_bytes;
    let add_all = |bytes: &mut Vec<u8>| -> Result<u64, CommandError> {
        let mut updates = 0;
        for element in elements.iter() {
            updates += u64::from(sketch::add(bytes, element, most).map_err(corrupt)?);
        }
        if updates > 0 {
            sketch::invalidate(bytes);
        }
        Ok(updates)
    };
    let there = call.db.string_mut(key)?.map(|mut value| match encoding(&value)? {
        Encoding::Dense => add_all(value.make_raw()),
        Encoding::Sparse => {
            // A corrupt one is left as it is.
            let mut bytes = value.to_vec();
            let updates = add_all(&mut bytes)?;
            if updates > 0 {
                *value = Str::raw(bytes);
            }
            Ok(updates)
        }
    });
    let updates = match there.transpose()? {
        Some(updates) => updates,
        None => {
            let mut bytes = sketch::empty();
            let updates = add_all(&mut bytes)? + 1;
            sketch::invalidate(&mut bytes);
            call.db.insert(key, Value::String(Str::raw(bytes)), None);
            updates
        }
    };
    if updates > 0 {
        call.changed(key, event::PFADD);
        call.outcome.changes += updates - 1;
    }
    call.reply.integer((updates > 0).into());
    Ok(())
}

fn pfcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 2 {
        let (registers, _) = merged(call)?;
        reply_cardinality(call, registers.cardinality());
        return Ok(());
    }
    let args = call.args;
    let key = &args[1];
    let value = call.db.string(key);
    let found = !matches!(value, Ok(None));
    let cardinality = value.and_then(|value| value.map(|value| cardinality(&value)).transpose());
    call.count_lookup(key, found);
    match cardinality? {
        None => call.reply.integer(0),
        Some(Cardinality::Kept(number)) => reply_cardinality(call, number),
        Some(Cardinality::Estimated(number)) => {
            keep(call, key, number)?;
            reply_cardinality(call, number);
        }
    }
    Ok(())
}

enum Cardinality {
    Kept(u64),
    Estimated(u64),
}

fn cardinality(value: &Str<'_>) -> Result<Cardinality, CommandError> {
    encoding(value)?;
    let mut digits = itoa::Buffer::new();
    let bytes = value.bytes(&mut digits);
    Ok(match sketch::kept_cardinality(bytes) {
        Some(kept) => Cardinality::Kept(kept),
        None => Cardinality::Estimated(sketch::estimate(bytes).map_err(corrupt)?),
    })
}

/// Keeps an estimate, unless this is somebody's copy and a client asked.
fn keep(call: &mut Call<'_>, key: &[u8], number: u64) -> Result<(), CommandError> {
    if call.core.is_replica() && call.session.role != Role::Primary {
        return Ok(());
    }
    if let Some(mut value) = call.db.string_mut(key)? {
        sketch::keep_cardinality(value.make_raw(), number);
    }
    call.changed(key, event::UNTOLD);
    Ok(())
}

/// One that no integer holds is answered as Redis does: as the lowest number.
fn reply_cardinality(call: &mut Call<'_>, number: u64) {
    call.reply.integer(number.cast_signed());
}

fn pfmerge(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let destination = &args[1];
    let most = call.core.config.hll_sparse_max_bytes;
    let (registers, is_dense) = merged(call)?;
    let raise = |bytes: &mut Vec<u8>| {
        if is_dense {
            sketch::to_dense(bytes)?;
        }
        sketch::raise_to(bytes, &registers, most)
    };
    let there = call.db.string_mut(destination)?.map(|mut value| raise(value.make_raw()));
    if there.transpose().map_err(corrupt)?.is_none() {
        let mut bytes = sketch::empty();
        raise(&mut bytes).map_err(corrupt)?;
        call.db.insert(destination, Value::String(Str::raw(bytes)), None);
    }
    call.changed(destination, event::PFADD);
    call.reply.ok();
    Ok(())
}

/// The registers of all keys together, and whether one of them is dense.
fn merged(call: &mut Call<'_>) -> Result<(Registers, bool), CommandError> {
    let mut registers = Registers::default();
    let mut is_dense = false;
    for key in call.args.from(1).iter() {
        let value = call.db.string(key);
        let found = !matches!(value, Ok(None));
        let merged = value.and_then(|value| {
            let Some(value) = value else { return Ok(()) };
            let encoding = encoding(&value)?;
            is_dense |= encoding == Encoding::Dense;
            registers.merge(encoding, value.bytes(&mut itoa::Buffer::new())).map_err(corrupt)
        });
        call.count_lookup(key, found);
        merged?;
    }
    Ok((registers, is_dense))
}

fn encoding(value: &Str<'_>) -> Result<Encoding, CommandError> {
    let mut digits = itoa::Buffer::new();
    sketch::encoding(value.bytes(&mut digits)).ok_or(CommandError::NO_HYPERLOGLOG)
}

fn pfdebug(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[2];
    let Some(value) = call.db.string(key)?.map(Str::into_owned) else {
        return Err(CommandError::NO_SUCH_HYPERLOGLOG);
    };
    let kept = encoding(&value)?;
    if call.is_word(1, "ENCODING") {
        call.reply.simple(if kept == Encoding::Dense { "dense" } else { "sparse" });
        return Ok(());
    }
    if call.is_word(1, "DECODE") {
        if kept == Encoding::Dense {
            return Err(CommandError::HYPERLOGLOG_IS_DENSE);
        }
        let decoded = decoded(&value.to_vec())?;
        call.reply.bulk(decoded.as_bytes());
        return Ok(());
    }
    let shows = call.is_word(1, "GETREG");
    if !shows && !call.is_word(1, "TODENSE") {
        return Err(CommandError::unknown_pfdebug(&args[1]));
    }
    let mut bytes = value.to_vec();
    let converted = sketch::to_dense(&mut bytes).map_err(corrupt)?;
    if shows {
        let mut registers = Registers::default();
        registers.merge(Encoding::Dense, &bytes).map_err(corrupt)?;
        call.reply.array(registers.values().len());
        registers.values().iter().for_each(|value| call.reply.integer((*value).into()));
    } else {
        call.reply.integer(converted.into());
    }
    if converted {
        if let Some(mut value) = call.db.string_mut(key)? {
            *value = Str::raw(bytes);
        }
        call.changed(key, event::UNTOLD);
    }
    Ok(())
}

/// The runs of a sparse one: `z` and `Z` of registers of 0, `v` of a value.
fn decoded(bytes: &[u8]) -> Result<String, CommandError> {
    let mut text = String::new();
    for run in sketch::runs(bytes) {
        let run = run.map_err(corrupt)?;
        let gap = if text.is_empty() { "" } else { " " };
        let written = match (run.value, run.size) {
            (0, 1) => write!(text, "{gap}z:{}", run.length),
            (0, _) => write!(text, "{gap}Z:{}", run.length),
            (value, _) => write!(text, "{gap}v:{value},{}", run.length),
        };
        written.expect("a string takes all");
    }
    Ok(text)
}

fn pfselftest(call: &mut Call<'_>) -> Result<(), CommandError> {
    let most = call.core.config.hll_sparse_max_bytes;
    match sketch::self_test(&mut call.core.rng, most) {
        Ok(()) => call.reply.ok(),
        Err(reason) => return Err(CommandError::self_test_failed(&reason)),
    }
    Ok(())
}
