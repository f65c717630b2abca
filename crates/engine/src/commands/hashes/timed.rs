//! Fields got or set together with their deadlines: HGETEX, HSETEX, HGETDEL.
//!
//! They are propagated as what they did, in commands that each reader of field deadlines knows:
//! HSET, HPEXPIREAT, HPERSIST, HDEL. A reader that knows none of these two in the middle is not
//! bothered with them while no field has a deadline. Replies and errors are those of Redis 8.

use std::collections::BTreeMap;

use slipstream_keyspace::{Encoding, Hash, UnixMillis};
use slipstream_resp::number::parse_i64;

use super::expiry::{Unit, first_field, propagate_expired, propagate_persisted};
use super::{live, propagate_deadline, propagate_hdel, write_value};
use crate::call::{Call, is_word};
use crate::command::{Command, Group, KeySpec, TAKE_KEY, flag};
use crate::commands::keys::has_passed;
use crate::errors::CommandError;
use crate::event;

const EACH_FIELD: &str = "O(N), N being the fields named";

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hgetdel", -5, hgetdel)
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .doc(Group::Hash, "8.0.0", "Answers the values of fields and removes them.", EACH_FIELD)
        .syntax("key fields:(FIELDS numfields:integer field...)"),
    Command::new("hgetex", -5, hgetex)
        .flags(flag::WRITE | flag::FAST)
        .keys(
            &[KeySpec::at(1, &["RW", "access", "update"]).notes("RW and UPDATE because it changes the TTL")],
        )
        .doc(
            Group::Hash,
            "8.0.0",
            "Answers the values of fields and sets or removes their deadlines.",
            EACH_FIELD,
        )
        .syntax(
            "key expiration:[EX seconds:integer | PX milliseconds:integer | \
             EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST] \
             fields:(FIELDS numfields:integer field...)",
        ),
    Command::new("hsetex", -6, hsetex)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(Group::Hash, "8.0.0", "Sets the values of fields and their deadlines.", EACH_FIELD)
        .differs("also takes NX and XX, on which the key must not or must exist, as Valkey 9 does")
        .syntax(
            "key condition:[FNX | FXX] expiration:[EX seconds:integer | PX milliseconds:integer | \
             EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | KEEPTTL] \
             fields:(FIELDS numfields:integer data:(field value)...)",
        ),
];

fn hgetdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    call.db.hash(&args[1])?;
    let first = first_field(call, 2, CommandError::FIELDS_NOT_POSITIVE)?;
    let fields = || args.iter().skip(first);
    let removed = live::change_existing(call, fields(), |hash, reply| {
        reply.array(args.len() - first);
        let removed = fields().filter(|field| {
            write_value(reply, hash.get(field));
            hash.remove(field)
        });
        removed.collect::<Vec<&[u8]>>()
    })?;
    let Some(removed) = removed else { return answer_nulls(call, args.len() - first) };
    if !removed.is_empty() {
        call.changed(&args[1], event::HDEL);
        call.notify_if_gone(&args[1]);
        call.outcome.changes += removed.len() as u64 - 1;
        propagate_hdel(call, &removed);
    }
    Ok(())
}

fn answer_nulls(call: &mut Call<'_>, fields: usize) -> Result<(), CommandError> {
    call.reply.array(fields);
    (0..fields).for_each(|_| call.reply.null());
    Ok(())
}

/// What HGETEX does with deadlines.
#[derive(Clone, Copy)]
enum Adjustment {
    Nothing,
    Persist,
    Set(UnixMillis),
    /// The deadline is past: the fields go.
    Remove(UnixMillis),
}

impl Adjustment {
    /// Reads the option at argument 2; also where the words behind it begin.
    fn parse(call: &Call<'_>) -> Result<(Adjustment, usize), CommandError> {
        if call.is_word(2, "PERSIST") {
            return Ok((Adjustment::Persist, 3));
        }
        let Some(unit) = Unit::ALL.into_iter().find(|unit| call.is_word(2, unit.word)) else {
            return Ok((Adjustment::Nothing, 2));
        };
        let deadline = unit.deadline(call, &call.args[3])?;
        let passed = has_passed(call, deadline);
        Ok((if passed { Adjustment::Remove(deadline) } else { Adjustment::Set(deadline) }, 4))
    }

    /// Does it to one field; whether that changed it.
    fn apply(self, hash: &mut Hash<'_>, field: &[u8], encoding: &Encoding) -> bool {
        match self {
            Adjustment::Nothing => false,
            Adjustment::Persist => hash.clear_deadline(field),
            Adjustment::Set(deadline) => hash.set_deadline(field, deadline, encoding),
            Adjustment::Remove(_) => hash.remove(field),
        }
    }
}

fn hgetex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    call.db.hash(&args[1])?;
    let (adjustment, at) = Adjustment::parse(call)?;
    let first = first_field(call, at, CommandError::FIELDS_NOT_POSITIVE)?;
    let fields = || args.iter().skip(first);
    let encoding = call.db.encoding();
    let changed = live::change_existing(call, fields(), |hash, reply| {
        reply.array(args.len() - first);
        let changed = fields().filter(|field| {
            write_value(reply, hash.get(field));
            adjustment.apply(hash, field, &encoding)
        });
        changed.collect::<Vec<&[u8]>>()
    })?;
    let Some(changed) = changed else { return answer_nulls(call, args.len() - first) };
    match adjustment {
        Adjustment::Nothing => {}
        Adjustment::Persist => propagate_persisted(call, &changed),
        Adjustment::Set(deadline) => propagate_expired(call, deadline, &changed, &[]),
        Adjustment::Remove(deadline) => propagate_expired(call, deadline, &[], &changed),
    }
    Ok(())
}

/// HSETEX's options.
#[derive(Default)]
struct Options {
    /// FNX or FXX: whether all fields must exist, or none.
    fields_exist: Option<bool>,
    /// NX or XX: whether the key must exist or not.
    key_exists: Option<bool>,
    expiry: Expiry,
    /// Where the first field stands.
    first: usize,
}

/// What HSETEX does with deadlines.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expiry {
    #[default]
    Clear,
    Keep,
    At(UnixMillis),
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut at = 2;
        while let Some(word) = call.args.get(at) {
            if is_word(word, "FIELDS") {
                options.first = first_pair(call, at)?;
                return Ok(options);
            }
            at += options.take(call, at)?;
        }
        Err(call.arity_error())
    }

    /// Reads the option at argument `at`; how many words it takes.
    fn take(&mut self, call: &Call<'_>, at: usize) -> Result<usize, CommandError> {
        let word = &call.args[at];
        let unit = Unit::ALL.into_iter().find(|unit| is_word(word, unit.word));
        if unit.is_some() || is_word(word, "KEEPTTL") {
            if self.expiry != Expiry::Clear {
                return Err(CommandError::HSETEX_EXPIRATIONS);
            }
            let Some(unit) = unit else {
                self.expiry = Expiry::Keep;
                return Ok(1);
            };
            let time = call.args.get(at + 1).ok_or(CommandError::HSETEX_NO_EXPIRE_TIME)?;
            self.expiry = Expiry::At(unit.deadline(call, time)?);
            return Ok(2);
        }
        let (condition, exists) = match word {
            _ if is_word(word, "FNX") => (&mut self.fields_exist, false),
            _ if is_word(word, "FXX") => (&mut self.fields_exist, true),
            _ if is_word(word, "NX") => (&mut self.key_exists, false),
            _ if is_word(word, "XX") => (&mut self.key_exists, true),
            _ => return Err(CommandError::unknown_argument(word)),
        };
        if condition.replace(exists).is_some() {
            return Err(CommandError::HSETEX_CONDITIONS);
        }
        Ok(1)
    }

    /// Whether the conditions hold. Due fields that are named count as missing, and are gone.
    fn hold(&self, call: &mut Call<'_>) -> Result<bool, CommandError> {
        let args = call.args;
        if self.fields_exist.is_none() && self.key_exists.is_none() {
            call.db.hash(&args[1])?;
            return Ok(true);
        }
        let fields = || args.iter().skip(self.first).step_by(2);
        let found = live::change_existing(call, fields(), |hash, _| match self.fields_exist {
            None => true,
            Some(true) => fields().all(|field| hash.contains(field)),
            Some(false) => !fields().any(|field| hash.contains(field)),
        })?;
        let key_holds = self.key_exists.is_none_or(|exists| exists == found.is_some());
        Ok(key_holds && found.unwrap_or(self.fields_exist != Some(true)))
    }
}

/// Reads `FIELDS n` at argument `at`, behind which stand fields and values up to the end.
fn first_pair(call: &Call<'_>, at: usize) -> Result<usize, CommandError> {
    if at + 3 >= call.args.len() {
        return Err(call.arity_error());
    }
    let count = parse_i64(&call.args[at + 1]).and_then(|count| i32::try_from(count).ok());
    let count = count.filter(|count| *count > 0).ok_or(CommandError::HSETEX_FIELD_COUNT)?;
    let words = call.args.len() - at - 2;
    if words.is_multiple_of(2) && usize::try_from(count) == Ok(words / 2) {
        Ok(at + 2)
    } else {
        Err(call.arity_error())
    }
}

fn hsetex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call)?;
    if !options.hold(call)? {
        call.reply.integer(0);
        return Ok(());
    }
    match options.expiry {
        Expiry::At(deadline) if has_passed(call, deadline) => remove_all(call, &options, deadline)?,
        expiry => set_all(call, &options, expiry)?,
    }
    call.reply.integer(1);
    Ok(())
}

/// Fields set to be gone already.
fn remove_all(call: &mut Call<'_>, options: &Options, deadline: UnixMillis) -> Result<(), CommandError> {
    let args = call.args;
    let fields = || args.iter().skip(options.first).step_by(2);
    let removed = live::change_existing(call, fields(), |hash, _| {
        fields().filter(|field| hash.remove(field)).collect::<Vec<&[u8]>>()
    })?;
    propagate_expired(call, deadline, &[], &removed.unwrap_or_default());
    Ok(())
}

fn set_all(call: &mut Call<'_>, options: &Options, expiry: Expiry) -> Result<(), CommandError> {
    let args = call.args;
    let places = || (options.first..args.len()).step_by(2);
    let encoding = call.db.encoding();
    let timed = live::change(call, args.iter().skip(options.first).step_by(2), |hash| {
        let longest = args.iter().skip(options.first).map(<[u8]>::len).max();
        hash.prepare(places().len(), longest.unwrap_or(0), &encoding);
        let mut timed = BTreeMap::<UnixMillis, Vec<&[u8]>>::new();
        for at in places() {
            let (field, value) = (&args[at], &args[at + 1]);
            match expiry {
                Expiry::Clear => hash.insert(field, value, &encoding),
                Expiry::Keep => hash.insert_keeping_deadline(field, value, &encoding),
                Expiry::At(deadline) => {
                    hash.insert_keeping_deadline(field, value, &encoding);
                    hash.set_deadline(field, deadline, &encoding)
                }
            };
            if let Some(deadline) = hash.deadline(field) {
                timed.entry(deadline).or_default().push(field);
            }
        }
        timed
    })?;
    call.changed(&args[1], event::HSET);
    if matches!(expiry, Expiry::At(_)) {
        call.notify(&args[1], event::HEXPIRE);
    }
    call.outcome.changes += places().len() as u64 - 1;
    let head: [&[u8]; 2] = [b"HSET", &args[1]];
    let effect: Vec<&[u8]> = head.into_iter().chain(args.iter().skip(options.first)).collect();
    call.propagate(&effect);
    timed.iter().for_each(|(deadline, fields)| propagate_deadline(call, *deadline, fields));
    Ok(())
}
