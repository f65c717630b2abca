//! Whole strings: SET in all its forms, and the reads that change something: GETDEL, GETEX, GETSET.
//!
//! A time to live is propagated as the moment at which it ends, so that a replica that hears of
//! it later agrees.

use slipstream_keyspace::UnixMillis;

use super::reply_value;
use crate::call::{Call, integer, is_word};
use crate::commands::keys::has_passed;
use crate::errors::CommandError;
use crate::event;
use crate::propagate::deletion;

pub(super) fn set(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    if args.len() == 3 {
        call.db.set_string(key, value, None);
        call.changed(key, event::SET);
        call.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(call)?;
    let deadline = options.expiry.deadline(call)?;
    if options.get {
        reply_value(call, key)?;
    }
    if !options.condition.holds(call, key) {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    let kept = if options.expiry == Expiry::Keep { call.db.deadline(key) } else { None };
    call.db.set_string(key, value, deadline.or(kept));
    call.changed(key, event::SET);
    if deadline.is_some() {
        call.notify(key, event::EXPIRE);
    }
    if !options.get {
        call.reply.ok();
    }
    propagate_set(call, &options, deadline);
    Ok(())
}

/// A time to live becomes a moment, and GET is left out: a replica has nobody to answer. What NX and XX asked for
/// was found to hold.
fn propagate_set(call: &mut Call<'_>, options: &SetOptions, deadline: Option<UnixMillis>) {
    let args = call.args;
    match deadline {
        // As it came.
        Some(_) if args.len() == 5 && is_word(&args[3], "PXAT") => {}
        Some(deadline) => {
            let mut digits = itoa::Buffer::new();
            call.propagate(&[b"SET", &args[1], &args[2], b"PXAT", digits.format(deadline.0).as_bytes()]);
        }
        None if options.get => {
            let words = args.iter().enumerate();
            let kept: Vec<&[u8]> = words
                .filter(|(index, word)| *index < 3 || !is_word(word, "GET"))
                .map(|(_, word)| word)
                .collect();
            call.propagate(&kept);
        }
        None => {}
    }
}

/// SET's options behind key and value.
struct SetOptions {
    condition: Condition,
    get: bool,
    expiry: Expiry,
}

impl SetOptions {
    fn parse(call: &Call<'_>) -> Result<SetOptions, CommandError> {
        let mut options = SetOptions { condition: Condition::Always, get: false, expiry: Expiry::Never };
        let mut index = 3;
        while let Some(word) = call.args.get(index) {
            if is_word(word, "NX") && options.condition != Condition::Present {
                options.condition = Condition::Absent;
            } else if is_word(word, "XX") && options.condition != Condition::Absent {
                options.condition = Condition::Present;
            } else if is_word(word, "GET") {
                options.get = true;
            } else if is_word(word, "KEEPTTL") && matches!(options.expiry, Expiry::Never | Expiry::Keep) {
                options.expiry = Expiry::Keep;
            } else {
                options.expiry = options.expiry.timed(call, index)?;
                index += 1;
            }
            index += 1;
        }
        Ok(options)
    }
}

/// On what a SET depends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX
    Absent,
    /// XX
    Present,
}

impl Condition {
    fn holds(self, call: &mut Call<'_>, key: &[u8]) -> bool {
        match self {
            Condition::Always => true,
            Condition::Absent => !call.db.contains(key),
            Condition::Present => call.db.contains(key),
        }
    }
}

/// What becomes of a key's time to live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// Nothing was said.
    Never,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Persist,
    /// The argument at `index` says when it ends.
    At { unit: Unit, index: usize },
}

/// How an end of a time to live is given.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Unit {
    word: &'static str,
    seconds: bool,
    absolute: bool,
}

impl Unit {
    const EX: Unit = Unit { word: "EX", seconds: true, absolute: false };
    const PX: Unit = Unit { word: "PX", seconds: false, absolute: false };
    const EXAT: Unit = Unit { word: "EXAT", seconds: true, absolute: true };
    const PXAT: Unit = Unit { word: "PXAT", seconds: false, absolute: true };
    const ALL: [Unit; 4] = [Unit::EX, Unit::PX, Unit::EXAT, Unit::PXAT];
}

impl Expiry {
    /// This, with the time given by the word at `index` and the one behind it. A unit may be repeated, and
    /// then its last time counts, but no other may follow it.
    fn timed(self, call: &Call<'_>, index: usize) -> Result<Expiry, CommandError> {
        let word = &call.args[index];
        let unit = Unit::ALL.into_iter().find(|unit| is_word(word, unit.word)).ok_or(CommandError::SYNTAX)?;
        let compatible = match self {
            Expiry::Never => true,
            Expiry::Keep | Expiry::Persist => false,
            Expiry::At { unit: earlier, .. } => earlier == unit,
        };
        if !compatible || call.args.get(index + 1).is_none() {
            return Err(CommandError::SYNTAX);
        }
        Ok(Expiry::At { unit, index: index + 1 })
    }

    /// The moment that was given, if one was.
    fn deadline(self, call: &Call<'_>) -> Result<Option<UnixMillis>, CommandError> {
        match self {
            Expiry::At { unit, index } => deadline(call, unit, &call.args[index]).map(Some),
            Expiry::Never | Expiry::Keep | Expiry::Persist => Ok(None),
        }
    }
}

fn deadline(call: &Call<'_>, unit: Unit, time: &[u8]) -> Result<UnixMillis, CommandError> {
    let time = integer(time)?;
    let millis = if unit.seconds { time.checked_mul(1000) } else { Some(time) };
    millis
        .filter(|millis| *millis > 0)
        .and_then(|millis| if unit.absolute { Some(millis) } else { millis.checked_add(call.now.0) })
        .map(UnixMillis)
        .ok_or_else(|| CommandError::invalid_expire(call.entry.command.full_name))
}

pub(super) fn setex(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_for(call, Unit::EX)
}

pub(super) fn psetex(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_for(call, Unit::PX)
}

fn set_for(call: &mut Call<'_>, unit: Unit) -> Result<(), CommandError> {
    let args = call.args;
    let (key, value) = (&args[1], &args[3]);
    let deadline = deadline(call, unit, &args[2])?;
    call.db.set_string(key, value, Some(deadline));
    call.changed(key, event::SET);
    call.notify(key, event::EXPIRE);
    call.propagate(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(deadline.0).as_bytes()]);
    call.reply.ok();
    Ok(())
}

pub(super) fn setnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let absent = !call.db.contains(&args[1]);
    if absent {
        call.db.set_string(&args[1], &args[2], None);
        call.changed(&args[1], event::SET);
    }
    call.reply.integer(absent.into());
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len().is_multiple_of(2) {
        return Err(call.arity_error());
    }
    set_all(call);
    call.reply.ok();
    Ok(())
}

pub(super) fn msetnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    if args.len().is_multiple_of(2) {
        return Err(call.arity_error());
    }
    let absent = !args.iter().skip(1).step_by(2).any(|key| call.db.contains(key));
    if absent {
        set_all(call);
    }
    call.reply.integer(absent.into());
    Ok(())
}

fn set_all(call: &mut Call<'_>) {
    let args = call.args;
    for index in (1..args.len()).step_by(2) {
        call.db.set_string(&args[index], &args[index + 1], None);
        call.changed(&args[index], event::SET);
    }
}

pub(super) fn getset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    reply_value(call, key)?;
    call.db.set_string(key, value, None);
    call.changed(key, event::SET);
    call.propagate(&[b"SET", key, value]);
    Ok(())
}

pub(super) fn getdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    if reply_value(call, key)? && call.db.remove(key) {
        call.changed(key, event::DEL);
        call.propagate(&[b"DEL", key]);
    }
    Ok(())
}

pub(super) fn getex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let expiry = getex_options(call)?;
    let start = call.reply.len();
    if !reply_value(call, key)? {
        return Ok(());
    }
    let deadline = match expiry.deadline(call) {
        Ok(deadline) => deadline,
        Err(error) => {
            // The time is judged only where there is a string, so the value is written already.
            call.reply.truncate(start);
            return Err(error);
        }
    };
    let event = match (expiry, deadline) {
        (Expiry::At { unit, .. }, Some(at)) if unit.absolute && has_passed(call, at) => {
            call.db.remove(key);
            call.propagate(&[deletion(call.core.config.lazyfree_lazy_expire), key]);
            event::DEL
        }
        (_, Some(at)) => {
            call.db.set_deadline(key, Some(at));
            call.propagate(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at.0).as_bytes()]);
            event::EXPIRE
        }
        (Expiry::Persist, None) if call.db.deadline(key).is_some() => {
            call.db.set_deadline(key, None);
            call.propagate(&[b"PERSIST", key]);
            event::PERSIST
        }
        (_, None) => return Ok(()),
    };
    call.changed(key, event);
    Ok(())
}

fn getex_options(call: &Call<'_>) -> Result<Expiry, CommandError> {
    let mut expiry = Expiry::Never;
    let mut index = 2;
    while let Some(word) = call.args.get(index) {
        if is_word(word, "PERSIST") && matches!(expiry, Expiry::Never | Expiry::Persist) {
            expiry = Expiry::Persist;
        } else {
            expiry = expiry.timed(call, index)?;
            index += 1;
        }
        index += 1;
    }
    Ok(expiry)
}
