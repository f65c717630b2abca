//! Times to live: EXPIRE and its kin, TTL and its kin, PERSIST.
//!
//! A time to live goes into the log as the moment at which it ends; one that ended already as the
//! deletion of the key. Only a primary takes it so: a replica keeps a key that is due until its
//! primary deletes it.

use slipstream_keyspace::UnixMillis;

use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::event;
use crate::node::Phase;
use crate::propagate::deletion;

pub(super) fn expire(call: &mut Call<'_>) -> Result<(), CommandError> {
    let now = call.now.0;
    expire_key(call, 1000, now)
}

pub(super) fn pexpire(call: &mut Call<'_>) -> Result<(), CommandError> {
    let now = call.now.0;
    expire_key(call, 1, now)
}

pub(super) fn expireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_key(call, 1000, 0)
}

pub(super) fn pexpireat(call: &mut Call<'_>) -> Result<(), CommandError> {
    expire_key(call, 1, 0)
}

/// The time in argument 2 counts from `base`, in units of so many milliseconds.
fn expire_key(call: &mut Call<'_>, unit: i64, base: i64) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let conditions = Conditions::parse(call)?;
    let deadline = integer(&args[2])?
        .checked_mul(unit)
        .and_then(|millis| millis.checked_add(base))
        .map(UnixMillis)
        .ok_or_else(|| CommandError::invalid_expire(call.entry.command.full_name))?;
    let passed = has_passed(call, deadline);
    let found = call.db.occupied(key).map(slipstream_keyspace::Occupied::touched);
    let Some(mut found) = found.filter(|found| conditions.hold(found.deadline(), deadline)) else {
        call.reply.integer(0);
        return Ok(());
    };
    if passed {
        let (value, _) = found.remove();
        call.db.discard(Some(value));
        call.propagate(&[deletion(call.core.config.lazyfree_lazy_expire), key]);
        call.changed(key, event::DEL);
    } else {
        found.set_deadline(Some(deadline));
        propagate_deadline(call, deadline);
        call.changed_giving_nothing(key, event::EXPIRE);
    }
    call.reply.integer(1);
    Ok(())
}

/// Options stay: they hold again where the same deadline is found, and a replica finds no other.
fn propagate_deadline(call: &mut Call<'_>, deadline: UnixMillis) {
    let args = call.args;
    let mut digits = itoa::Buffer::new();
    let millis = digits.format(deadline.0).as_bytes();
    if args.len() == 3 {
        return call.propagate(&[b"PEXPIREAT", &args[1], millis]);
    }
    let head: [&[u8]; 3] = [b"PEXPIREAT", &args[1], millis];
    let effect: Vec<&[u8]> = head.into_iter().chain(args.iter().skip(3)).collect();
    call.propagate(&effect);
}

/// Whether a key with this deadline is to be deleted at once.
pub(in crate::commands) fn has_passed(call: &Call<'_>, deadline: UnixMillis) -> bool {
    deadline <= call.now && !call.core.is_replica() && call.core.phase != Phase::Loading
}

/// The options NX, XX, GT and LT: all that are given must hold.
#[derive(Default)]
pub(in crate::commands) struct Conditions {
    absent: bool,
    present: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    /// Reads all words behind the time.
    fn parse(call: &Call<'_>) -> Result<Conditions, CommandError> {
        let (conditions, end) = Conditions::leading(call, 3);
        if let Some(word) = call.args.get(end) {
            let word = String::from_utf8_lossy(word);
            return Err(CommandError::text(format!("ERR Unsupported option {word}")));
        }
        conditions.compatible()
    }

    /// Reads the conditions from argument `at` on; also where other words begin.
    pub(in crate::commands) fn leading(call: &Call<'_>, at: usize) -> (Conditions, usize) {
        let mut conditions = Conditions::default();
        let others = call.args.iter().skip(at).position(|word| !conditions.take(word));
        (conditions, others.map_or(call.args.len(), |count| at + count))
    }

    /// These, if they do not exclude each other.
    pub(in crate::commands) fn compatible(self) -> Result<Conditions, CommandError> {
        if self.absent && (self.present || self.greater || self.less) {
            return Err(CommandError::EXPIRE_NX_AND_OTHERS);
        }
        if self.greater && self.less {
            return Err(CommandError::EXPIRE_GT_AND_LT);
        }
        Ok(self)
    }

    /// Takes one condition; false if it is none.
    fn take(&mut self, word: &[u8]) -> bool {
        let condition = if is_word(word, "NX") {
            &mut self.absent
        } else if is_word(word, "XX") {
            &mut self.present
        } else if is_word(word, "GT") {
            &mut self.greater
        } else if is_word(word, "LT") {
            &mut self.less
        } else {
            return false;
        };
        *condition = true;
        true
    }

    /// What has no deadline counts as living for ever.
    pub(in crate::commands) fn hold(&self, current: Option<UnixMillis>, new: UnixMillis) -> bool {
        let is_greater = current.is_some_and(|current| new > current);
        let is_less = current.is_none_or(|current| new < current);
        (!self.absent || current.is_none())
            && (!self.present || current.is_some())
            && (!self.greater || is_greater)
            && (!self.less || is_less)
    }
}

/// How a deadline is told.
#[derive(Clone, Copy)]
struct Form {
    millis: bool,
    absolute: bool,
}

pub(super) fn ttl(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Form { millis: false, absolute: false })
}

pub(super) fn pttl(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Form { millis: true, absolute: false })
}

pub(super) fn expiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Form { millis: false, absolute: true })
}

pub(super) fn pexpiretime(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell(call, Form { millis: true, absolute: true })
}

/// -2 stands for a missing key, -1 for one that lives for ever.
fn tell(call: &mut Call<'_>, form: Form) -> Result<(), CommandError> {
    let args = call.args;
    let deadline = call.db.occupied(&args[1]).map(|key| key.deadline());
    call.count_lookup(&args[1], deadline.is_some());
    let base = if form.absolute { 0 } else { call.now.0 };
    let answer = match deadline {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            let millis = deadline.0.saturating_sub(base).max(0);
            if form.millis { millis } else { millis.saturating_add(500) / 1000 }
        }
    };
    call.reply.integer(answer);
    Ok(())
}

pub(super) fn persist(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let found = call.db.occupied(key).filter(|key| key.deadline().is_some());
    let expired = found.is_some();
    if let Some(mut found) = found {
        found.set_deadline(None);
        call.changed_giving_nothing(key, event::PERSIST);
    }
    call.reply.integer(expired.into());
    Ok(())
}
