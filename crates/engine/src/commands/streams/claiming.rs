//! XCLAIM and XAUTOCLAIM: a consumer takes over what is pending with others.
//!
//! An entry that is not in the stream any more is not claimed but ceases to be pending; that is propagated as an
//! XCLAIM of whoever had it, which finds no entry either. What a primary sends is taken as it is: its clock may
//! be ahead of this one, and copies are to be equal.

use slipstream_keyspace::{
    ConsumerId, Delivery, Group, Pending, StreamEntries, StreamEntry, StreamId, UnixMillis,
};
use slipstream_resp::Reply;
use slipstream_resp::number::parse_i64;
use slipstream_resp::reply::Aggregate;

use super::effects::{Effects, see_consumer};
use super::ids::{self, Bound};
use super::{read, write_entry, write_id};
use crate::call::{Call, is_word};
use crate::command::{Command, Group as Family, KeySpec, flag};
use crate::errors::CommandError;
use crate::event;
use crate::node::Core;
use crate::session::Role;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xclaim", -6, xclaim)
        .flags(flag::WRITE | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(
            Family::Stream,
            "5.0.0",
            "Makes entries pending with another consumer.",
            "O(log N) for each id, N being what is pending with the group",
        )
        .tips(&["nondeterministic_output"])
        .syntax(
            "key group consumer min-idle-time ID:string... [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid]",
        ),
    Command::new("xautoclaim", -6, xautoclaim)
        .flags(flag::WRITE | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "delete"])])
        .doc(
            Family::Stream,
            "6.2.0",
            "Makes what has been pending for long pending with another consumer.",
            "O(N * log M), N being the count, M what is pending with the group",
        )
        .history(&[("7.0.0", "The answer names the entries that are gone, which are not pending any more.")])
        .tips(&["nondeterministic_output"])
        .syntax("key group consumer min-idle-time start [COUNT count:integer] [JUSTID]"),
];

/// A consumer that takes entries over, and who learns of it.
struct Claimant<'a> {
    entries: StreamEntries<'a>,
    group: &'a mut Group,
    consumer: ConsumerId,
    name: &'a [u8],
    effects: Effects<'a>,
    core: &'a mut Core,
    reply: &'a mut Reply,
    just_id: bool,
    claimed: usize,
    /// How many were pending and are gone.
    dropped: u64,
}

impl Claimant<'_> {
    /// Takes `entry` over as it was delivered.
    fn claim(&mut self, entry: StreamEntry<'_>, delivery: Delivery) {
        self.group.give(entry.id, self.consumer, delivery);
        if self.just_id {
            write_id(self.reply, entry.id);
        } else {
            write_entry(self.reply, entry);
        }
        self.effects.claim(self.core, self.name, (entry.id, delivery), self.group.last_id());
        self.claimed += 1;
    }

    /// An entry that is pending is not in the stream any more.
    fn drop_gone(&mut self, id: StreamId, pending: Pending) {
        if let Some(owner) = pending.consumer.and_then(|owner| self.group.consumer(owner)) {
            let last = self.group.last_id();
            self.effects.claim(self.core, owner.name(), (id, pending.delivery), last);
        }
        self.group.take(id);
        self.dropped += 1;
    }

    /// Ends the work of a consumer that `is_new`; returns how many changes it made.
    fn finish(self, now: UnixMillis, is_new: bool) -> u64 {
        if self.claimed > 0 {
            self.group.set_active(self.consumer, now);
        } else if is_new {
            self.effects.consumer(self.core, self.name);
        }
        self.dropped + u64::try_from(self.claimed).expect("usize fits in u64") + u64::from(is_new)
    }
}

/// Whether the group at arguments 1 and 2 is there.
fn has_group(call: &mut Call<'_>) -> Result<bool, CommandError> {
    let stream = read(&mut call.db, call.core, &call.args[1])?;
    Ok(stream.is_some_and(|stream| stream.group(&call.args[2]).is_some()))
}

fn missing(call: &Call<'_>) -> CommandError {
    CommandError::no_key_or_group(&call.args[1], &call.args[2])
}

/// What XCLAIM asks for.
struct Claim {
    min_idle: i64,
    ids: Vec<StreamId>,
    time: UnixMillis,
    retries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Claim {
    fn parse(call: &Call<'_>) -> Result<Claim, CommandError> {
        let args = call.args;
        let number =
            |word: &[u8], what: &str| parse_i64(word).ok_or_else(|| CommandError::invalid_claim(what));
        let min_idle = number(&args[4], "min-idle-time")?;
        let ids: Vec<StreamId> = args.iter().skip(5).map_while(|id| ids::parse(id, 0).ok()).collect();
        let mut time = None;
        let mut claim = Claim {
            min_idle: min_idle.max(0),
            time: call.now,
            retries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
            ids,
        };
        let mut words = args.iter().skip(5 + claim.ids.len());
        while let Some(word) = words.next() {
            if is_word(word, "FORCE") {
                claim.force = true;
                continue;
            } else if is_word(word, "JUSTID") {
                claim.just_id = true;
                continue;
            }
            match words.next() {
                Some(value) if is_word(word, "IDLE") => {
                    time = Some(call.now.0.saturating_sub(number(value, "IDLE option")?));
                }
                Some(value) if is_word(word, "TIME") => time = Some(number(value, "TIME option")?),
                Some(value) if is_word(word, "RETRYCOUNT") => {
                    claim.retries = u64::try_from(number(value, "RETRYCOUNT option")?).ok();
                }
                Some(value) if is_word(word, "LASTID") => claim.last_id = ids::parse(value, 0)?,
                _ => return Err(CommandError::unknown_claim_option(word)),
            }
        }
        let latest = if call.session.role == Role::Primary { i64::MAX } else { call.now.0 };
        if let Some(time) = time.filter(|time| (0..=latest).contains(time)) {
            claim.time = UnixMillis(time);
        }
        Ok(claim)
    }

    /// How an entry counts as delivered once it is claimed; `None` if it is not.
    fn delivery(&self, pending: Option<Pending>, now: UnixMillis) -> Option<Delivery> {
        let before = match pending {
            Some(Pending { delivery, .. }) => {
                let idle = now.0.saturating_sub(delivery.time.0);
                if self.min_idle != 0 && idle < self.min_idle {
                    return None;
                }
                delivery.count
            }
            None if self.force => 1,
            None => return None,
        };
        let count = self.retries.unwrap_or(before.saturating_add(u64::from(!self.just_id)));
        Some(Delivery { time: self.time, count })
    }
}

fn xclaim(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !has_group(call)? {
        return Err(missing(call));
    }
    let claim = Claim::parse(call)?;
    let (args, now) = (call.args, call.now);
    let (key, group, name) = (&args[1], &args[2], &args[3]);
    call.propagate_nothing();
    call.core.collect_expired(call.db.keyspace);
    let effects = Effects { db: call.db.index, key, group };
    let mut stream = call.db.stream_mut(key)?.expect("it was there a moment ago");
    let (entries, group) = stream.with_group(group).expect("so was the group");
    let moves_on = claim.last_id > group.last_id();
    if moves_on {
        group.set_position(claim.last_id, group.entries_read());
    }
    let (consumer, is_new) = see_consumer(group, name, now);
    let place = call.reply.position();
    let (core, reply, just_id) = (&mut *call.core, &mut *call.reply, claim.just_id);
    let (claimed, dropped) = (0, 0);
    let mut claimant =
        Claimant { entries, group, consumer, name, effects, core, reply, just_id, claimed, dropped };
    for &id in &claim.ids {
        let pending = claimant.group.pending().get(id);
        match (claimant.entries.get(id), pending) {
            (Some(entry), pending) => {
                if let Some(delivery) = claim.delivery(pending, now) {
                    claimant.claim(entry, delivery);
                }
            }
            (None, Some(pending)) => claimant.drop_gone(id, pending),
            (None, None) => {}
        }
    }
    let claimed = claimant.claimed;
    // Every XCLAIM that was propagated says the last id.
    let is_told = claimed > 0 || claimant.dropped > 0;
    if moves_on && !is_told {
        effects.position(claimant.core, claimant.group);
    }
    let changes = claimant.finish(now, is_new) + u64::from(moves_on && !is_told);
    drop(stream);
    end(call, changes, is_new);
    call.reply.announce_at(place, Aggregate::Array, claimed);
    Ok(())
}

/// Counts the changes and tells of a new consumer.
fn end(call: &mut Call<'_>, changes: u64, is_new: bool) {
    call.outcome.changes += changes;
    let args = call.args;
    if is_new {
        call.notify(&args[1], event::XGROUP_CREATECONSUMER);
    }
}

/// What XAUTOCLAIM asks for.
struct Sweep {
    min_idle: i64,
    start: StreamId,
    count: usize,
    just_id: bool,
}

impl Sweep {
    const DEFAULT_COUNT: usize = 100;
    /// What Redis can keep the ids of.
    const MOST: i64 = i64::MAX / 16;
    /// So many entries are looked at for each that may be claimed.
    const ATTEMPTS: usize = 10;

    fn parse(call: &Call<'_>) -> Result<Sweep, CommandError> {
        let args = call.args;
        let min_idle = parse_i64(&args[4]).ok_or(CommandError::XAUTOCLAIM_MIN_IDLE)?.max(0);
        let start = Bound::parse(&args[5], 0)?.start()?;
        let mut sweep = Sweep { min_idle, start, count: Self::DEFAULT_COUNT, just_id: false };
        let mut words = args.iter().skip(6);
        while let Some(word) = words.next() {
            if is_word(word, "JUSTID") {
                sweep.just_id = true;
                continue;
            }
            let value = words.next().filter(|_| is_word(word, "COUNT")).ok_or(CommandError::SYNTAX)?;
            let count = parse_i64(value).filter(|count| (1..=Self::MOST).contains(count));
            let count = count.ok_or(CommandError::XAUTOCLAIM_COUNT)?;
            sweep.count = usize::try_from(count).unwrap_or(usize::MAX);
        }
        Ok(sweep)
    }

    /// Goes through what is pending; returns where the next sweep begins, and what is gone.
    fn run(&self, claimant: &mut Claimant<'_>, now: UnixMillis) -> (StreamId, Vec<StreamId>) {
        let mut gone = Vec::new();
        let mut attempts = self.count.saturating_mul(Self::ATTEMPTS);
        let mut next = Some(self.start);
        loop {
            let found = next.and_then(|start| claimant.group.pending().first_from(start));
            let Some((id, pending)) = found else { return (StreamId::MIN, gone) };
            if attempts == 0 || claimant.claimed + gone.len() == self.count {
                return (id, gone);
            }
            attempts -= 1;
            next = id.next();
            let Some(entry) = claimant.entries.get(id) else {
                claimant.drop_gone(id, pending);
                gone.push(id);
                continue;
            };
            let idle = now.0.saturating_sub(pending.delivery.time.0);
            if self.min_idle == 0 || idle >= self.min_idle {
                let count = pending.delivery.count.saturating_add(u64::from(!self.just_id));
                claimant.claim(entry, Delivery { time: now, count });
            }
        }
    }
}

fn xautoclaim(call: &mut Call<'_>) -> Result<(), CommandError> {
    // A key of another type is told only if the arguments are right.
    let has_group = has_group(call);
    let sweep = Sweep::parse(call)?;
    if !has_group? {
        return Err(missing(call));
    }
    let (args, now) = (call.args, call.now);
    let (key, group, name) = (&args[1], &args[2], &args[3]);
    call.propagate_nothing();
    call.core.collect_expired(call.db.keyspace);
    let effects = Effects { db: call.db.index, key, group };
    let mut stream = call.db.stream_mut(key)?.expect("it was there a moment ago");
    let (entries, group) = stream.with_group(group).expect("so was the group");
    let (consumer, is_new) = see_consumer(group, name, now);
    // Where the next sweep begins is written first and known last.
    let mut taken = Reply::new(call.reply.protocol());
    let (core, reply, just_id) = (&mut *call.core, &mut taken, sweep.just_id);
    let (claimed, dropped) = (0, 0);
    let mut claimant =
        Claimant { entries, group, consumer, name, effects, core, reply, just_id, claimed, dropped };
    let (next, gone) = sweep.run(&mut claimant, now);
    let claimed = claimant.claimed;
    let changes = claimant.finish(now, is_new);
    drop(stream);
    end(call, changes, is_new);
    call.reply.array(3);
    write_id(call.reply, next);
    call.reply.array(claimed);
    call.reply.raw(taken.as_bytes());
    call.reply.array(gone.len());
    gone.into_iter().for_each(|id| write_id(call.reply, id));
    Ok(())
}
