//! Deadlines of fields: HEXPIRE and its kin, HTTL and its kin, HPERSIST.
//!
//! Each answers one code per field; the codes are those of [`Outcome`] and [`tell`]. What is
//! propagated names only the fields that changed: a time to live as the moment at which it ends,
//! one that has ended already as HDEL. Replies and errors are those of Redis 7.4.

use slipstream_keyspace::{Hash, UnixMillis};
use slipstream_resp::number::parse_i64;

use super::live::{self, Live};
use super::{propagate_deadline, propagate_hdel};
use crate::call::{Call, integer};
use crate::command::{Command, Group, KeySpec, READ_KEY, flag};
use crate::commands::keys::{Conditions, has_passed};
use crate::errors::CommandError;
use crate::event;
use crate::session::Role;

/// The latest deadline that a client may set: 2^46 - 1 ms, in the year 4199.
const LATEST: i64 = (1 << 46) - 1;

const ADJUST: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;
const LOOK: u32 = flag::READONLY | flag::FAST;
const ADJUST_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "update"])];
const EACH_FIELD: &str = "O(N), N being the fields named";
const SEVERAL: &str = "takes several conditions at once, as Valkey 9 does";

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hexpire", -6, hexpire)
        .flags(ADJUST)
        .keys(ADJUST_KEY)
        .doc(Group::Hash, "7.4.0", "Gives fields of a hash a time to live in seconds.", EACH_FIELD)
        .differs(SEVERAL)
        .syntax(
            "key seconds:integer condition:[NX | XX | GT | LT] fields:(FIELDS numfields:integer field...)",
        ),
    Command::new("hexpireat", -6, hexpireat)
        .flags(ADJUST)
        .keys(ADJUST_KEY)
        .doc(Group::Hash, "7.4.0", "Gives fields of a hash a deadline in seconds since 1970.", EACH_FIELD)
        .differs(SEVERAL)
        .syntax(
            "key unix-time-seconds:unix-time condition:[NX | XX | GT | LT] \
             fields:(FIELDS numfields:integer field...)",
        ),
    Command::new("hexpiretime", -5, hexpiretime)
        .flags(LOOK)
        .keys(READ_KEY)
        .doc(
            Group::Hash,
            "7.4.0",
            "Answers when fields of a hash are due, in seconds since 1970.",
            EACH_FIELD,
        )
        .syntax("key fields:(FIELDS numfields:integer field...)"),
    Command::new("hpersist", -5, hpersist)
        .flags(flag::WRITE | flag::FAST)
        .keys(ADJUST_KEY)
        .doc(Group::Hash, "7.4.0", "Takes the deadlines of fields away.", EACH_FIELD)
        .syntax("key fields:(FIELDS numfields:integer field...)"),
    Command::new("hpexpire", -6, hpexpire)
        .flags(ADJUST)
        .keys(ADJUST_KEY)
        .doc(Group::Hash, "7.4.0", "Gives fields of a hash a time to live in milliseconds.", EACH_FIELD)
        .differs(SEVERAL)
        .syntax(
            "key milliseconds:integer condition:[NX | XX | GT | LT] \
             fields:(FIELDS numfields:integer field...)",
        ),
    Command::new("hpexpireat", -6, hpexpireat)
        .flags(ADJUST)
        .keys(ADJUST_KEY)
        .doc(
            Group::Hash,
            "7.4.0",
            "Gives fields of a hash a deadline in milliseconds since 1970.",
            EACH_FIELD,
        )
        .differs(SEVERAL)
        .syntax(
            "key unix-time-milliseconds:unix-time condition:[NX | XX | GT | LT] \
             fields:(FIELDS numfields:integer field...)",
        ),
    Command::new("hpexpiretime", -5, hpexpiretime)
        .flags(LOOK)
        .keys(READ_KEY)
        .doc(
            Group::Hash,
            "7.4.0",
            "Answers when fields of a hash are due, in milliseconds since 1970.",
            EACH_FIELD,
        )
        .syntax("key fields:(FIELDS numfields:integer field...)"),
    Command::new("hpttl", -5, hpttl)
        .flags(LOOK)
        .keys(READ_KEY)
        .doc(Group::Hash, "7.4.0", "Answers how long fields of a hash live on, in milliseconds.", EACH_FIELD)
        .syntax("key fields:(FIELDS numfields:integer field...)"),
    Command::new("httl", -5, httl)
        .flags(LOOK)
        .keys(READ_KEY)
        .doc(Group::Hash, "7.4.0", "Answers how long fields of a hash live on, in seconds.", EACH_FIELD)
        .syntax("key fields:(FIELDS numfields:integer field...)"),
];

/// How a time is given or told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) word: &'static str,
    millis: i64,
    absolute: bool,
}

impl Unit {
    pub(super) const EX: Unit = Unit { word: "EX", millis: 1000, absolute: false };
    pub(super) const PX: Unit = Unit { word: "PX", millis: 1, absolute: false };
    pub(super) const EXAT: Unit = Unit { word: "EXAT", millis: 1000, absolute: true };
    pub(super) const PXAT: Unit = Unit { word: "PXAT", millis: 1, absolute: true };
    pub(super) const ALL: [Unit; 4] = [Unit::EX, Unit::PX, Unit::EXAT, Unit::PXAT];

    /// The moment that `time` names. Whatever a primary has set is taken over.
    pub(super) fn deadline(self, call: &Call<'_>, time: &[u8]) -> Result<UnixMillis, CommandError> {
        let time = integer(time)?;
        if time < 0 {
            return Err(CommandError::FIELD_EXPIRE_NEGATIVE);
        }
        let base = if self.absolute { 0 } else { call.now.0 };
        let latest = if call.session.role == Role::Primary { i64::MAX } else { LATEST };
        time.checked_mul(self.millis)
            .and_then(|millis| millis.checked_add(base))
            .filter(|millis| *millis <= latest)
            .map(UnixMillis)
            .ok_or_else(|| CommandError::invalid_expire(call.entry.command.full_name))
    }
}

/// Reads `FIELDS n` at argument `at`, behind which stand the fields up to the end; where the first one stands.
pub(super) fn first_field(
    call: &Call<'_>,
    at: usize,
    bad_count: CommandError,
) -> Result<usize, CommandError> {
    if !call.is_word(at, "FIELDS") {
        return Err(CommandError::FIELDS_MISSING);
    }
    let count = call.args.get(at + 1).and_then(parse_i64).filter(|count| *count > 0).ok_or(bad_count)?;
    let first = at + 2;
    if usize::try_from(count) == Ok(call.args.len() - first) {
        Ok(first)
    } else {
        Err(CommandError::FIELDS_MISCOUNTED)
    }
}

fn hexpire(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_fields(call, Unit::EX)
}

fn hpexpire(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_fields(call, Unit::PX)
}

fn hexpireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_fields(call, Unit::EXAT)
}

fn hpexpireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_fields(call, Unit::PXAT)
}

/// What became of a field, as it is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Missing = -2,
    /// The conditions do not hold.
    Kept = 0,
    Set = 1,
    /// The deadline is past.
    Removed = 2,
}

fn expire_fields(call: &mut Call<'_>, unit: Unit) -> Result<(), CommandError> {
    let args = call.args;
    call.db.hash(&args[1])?;
    let deadline = unit.deadline(call, &args[2])?;
    let (conditions, at) = Conditions::leading(call, 3);
    let conditions = conditions.compatible()?;
    let first = first_field(call, at, CommandError::NUMFIELDS_NOT_POSITIVE)?;
    let passed = has_passed(call, deadline);
    let encoding = call.db.encoding();
    let fields = || args.iter().skip(first);
    let expire = |hash: &mut Hash<'_>, field: &[u8]| {
        if !hash.contains(field) {
            Outcome::Missing
        } else if !conditions.hold(hash.deadline(field), deadline) {
            Outcome::Kept
        } else if passed {
            hash.remove(field);
            Outcome::Removed
        } else {
            hash.set_deadline(field, deadline, &encoding);
            Outcome::Set
        }
    };
    let outcomes = live::change_existing(call, fields(), |hash, _| {
        fields().map(|field| expire(hash, field)).collect::<Vec<Outcome>>()
    })?;
    let outcomes = outcomes.unwrap_or_else(|| vec![Outcome::Missing; args.len() - first]);
    call.reply.array(outcomes.len());
    outcomes.iter().for_each(|outcome| call.reply.integer(*outcome as i64));
    let changed = |to: Outcome| {
        let outcomes = fields().zip(&outcomes);
        outcomes.filter(|(_, outcome)| **outcome == to).map(|(field, _)| field).collect::<Vec<&[u8]>>()
    };
    propagate_expired(call, deadline, &changed(Outcome::Set), &changed(Outcome::Removed));
    Ok(())
}

/// The deadline of some fields was set, or others removed since it is past.
pub(super) fn propagate_expired(call: &mut Call<'_>, deadline: UnixMillis, set: &[&[u8]], removed: &[&[u8]]) {
    if set.is_empty() && removed.is_empty() {
        return;
    }
    let args = call.args;
    if removed.is_empty() {
        call.changed(&args[1], event::HEXPIRE);
    } else {
        call.changed(&args[1], event::HDEL);
        if !set.is_empty() {
            call.notify(&args[1], event::HEXPIRE);
        }
        call.notify_if_gone(&args[1]);
    }
    call.outcome.changes += (set.len() + removed.len()) as u64 - 1;
    call.core.stats.expired_subkeys += removed.len() as u64;
    if !set.is_empty() {
        propagate_deadline(call, deadline, set);
    }
    if !removed.is_empty() {
        propagate_hdel(call, removed);
    }
}

fn hpersist(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    call.db.hash(&args[1])?;
    let first = first_field(call, 2, CommandError::FIELDS_NOT_POSITIVE)?;
    let fields = || args.iter().skip(first);
    let persisted = live::change_existing(call, fields(), |hash, reply| {
        reply.array(args.len() - first);
        let persisted = fields().filter(|field| {
            let had_one = hash.clear_deadline(field);
            let code = if had_one { 1 } else { -2 + i64::from(hash.contains(field)) };
            reply.integer(code);
            had_one
        });
        persisted.collect::<Vec<&[u8]>>()
    })?;
    match persisted {
        None => answer_missing(call, args.len() - first),
        Some(persisted) => propagate_persisted(call, &persisted),
    }
    Ok(())
}

/// No field is there.
fn answer_missing(call: &mut Call<'_>, fields: usize) {
    call.reply.array(fields);
    (0..fields).for_each(|_| call.reply.integer(-2));
}

/// These fields lost their deadline.
pub(super) fn propagate_persisted(call: &mut Call<'_>, fields: &[&[u8]]) {
    if fields.is_empty() {
        return;
    }
    let args = call.args;
    call.changed(&args[1], event::HPERSIST);
    let mut count = itoa::Buffer::new();
    let head: [&[u8]; 4] = [b"HPERSIST", &args[1], b"FIELDS", count.format(fields.len()).as_bytes()];
    call.propagate(&[&head, fields].concat());
}

fn httl(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Unit::EX)
}

fn hpttl(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Unit::PX)
}

fn hexpiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Unit::EXAT)
}

fn hpexpiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Unit::PXAT)
}

/// -2 stands for a missing field, -1 for one that lives for ever. Seconds are rounded up.
fn tell(call: &mut Call<'_>, unit: Unit) -> Result<(), CommandError> {
    let args = call.args;
    call.db.hash(&args[1])?;
    let first = first_field(call, 2, CommandError::FIELDS_NOT_POSITIVE)?;
    let base = if unit.absolute { 0 } else { call.now.0 };
    let code = |hash: Live<'_>, field: &[u8]| match hash.deadline(field) {
        _ if !hash.contains(field) => -2,
        None => -1,
        Some(deadline) => deadline.0.saturating_sub(base).saturating_add(unit.millis - 1) / unit.millis,
    };
    live::read(call, |hash, reply| {
        reply.array(args.len() - first);
        for field in args.iter().skip(first) {
            reply.integer(hash.map_or(-2, |hash| code(hash, field)));
        }
    })
}
