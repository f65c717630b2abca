//! Union, difference and intersection, answered, counted or stored.
//!
//! The sets are taken as copies, which cost little (the members of a big one
//! are shared), so that the destination may be one of the sources. All keys are
//! looked at, and their types checked, before anything is computed.

use slipstream_keyspace::{Encoding, Item, Set, Value, listpack::Listpack};
use slipstream_resp::Args;
use slipstream_resp::reply::Aggregate;

use crate::call::Call;
use crate::commands::elements::{self, positive};
use crate::errors::CommandError;
use crate::event::{self, Event};

pub(super) fn sunion(call: &mut Call<'_>) -> Result<(), CommandError> {
    let sets = sources(call, call.args.from(1))?;
    let encoding = call.db.encoding();
    answer(call, &union(&sets, &encoding));
    Ok(())
}

pub(super) fn sunionstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let sets = sources(call, call.args.from(2))?;
    let result = union(&sets, &call.db.encoding());
    store(call, result, event::SUNIONSTORE);
    Ok(())
}

pub(super) fn sdiff(call: &mut Call<'_>) -> Result<(), CommandError> {
    let sets = sources(call, call.args.from(1))?;
    let encoding = call.db.encoding();
    answer(call, &difference(&sets, &encoding));
    Ok(())
}

pub(super) fn sdiffstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let sets = sources(call, call.args.from(2))?;
    let result = difference(&sets, &call.db.encoding());
    store(call, result, event::SDIFFSTORE);
    Ok(())
}

pub(super) fn sinter(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some(sets) = all(sources(call, call.args.from(1))?) else {
        call.reply.set(0);
        return Ok(());
    };
    let (smallest, others) = sets.split_first().expect("there is a key");
    call.reply.deferred(Aggregate::Set, |reply| {
        Ok(in_all(smallest, others).inspect(|member| elements::write(reply, *member)).count())
    })
}

pub(super) fn sintercard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let keys = positive(&args[1], CommandError::NUMKEYS_NOT_POSITIVE)?;
    if keys == 0 {
        return Err(CommandError::NUMKEYS_NOT_POSITIVE);
    }
    if keys > args.len() - 2 {
        return Err(CommandError::TOO_MANY_KEYS);
    }
    let mut limit = usize::MAX;
    for index in (2 + keys..args.len()).step_by(2) {
        let Some(value) = args.get(index + 1).filter(|_| call.is_word(index, "LIMIT")) else {
            return Err(CommandError::SYNTAX);
        };
        limit = match positive(value, CommandError::LIMIT_NEGATIVE)? {
            0 => usize::MAX,
            limit => limit,
        };
    }
    let count = match all(sources_of(call, args.iter().skip(2).take(keys))?) {
        None => 0,
        Some(sets) => in_all(&sets[0], &sets[1..]).take(limit).count(),
    };
    call.reply.count(count);
    Ok(())
}

pub(super) fn sinterstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let encoding = call.db.encoding();
    let result = match all(sources(call, call.args.from(2))?) {
        None => Set::new(),
        Some(sets) => intersection(&sets, &encoding),
    };
    store(call, result, event::SINTERSTORE);
    Ok(())
}

fn sources(call: &mut Call<'_>, keys: Args<'_>) -> Result<Vec<Option<Set<'static>>>, CommandError> {
    sources_of(call, keys.iter())
}

fn sources_of<'a>(
    call: &mut Call<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Option<Set<'static>>>, CommandError> {
    keys.map(|key| {
        let set = call.db.set(key)?.map(Set::into_owned);
        call.count_lookup(key, set.is_some());
        Ok(set)
    })
    .collect()
}

/// The sets by size, the smallest first, unless one does not exist: then nothing is in all of them.
fn all(sets: Vec<Option<Set<'static>>>) -> Option<Vec<Set<'static>>> {
    let mut sets = sets.into_iter().collect::<Option<Vec<Set<'static>>>>()?;
    sets.sort_by_key(Set::len);
    Some(sets)
}

/// The members of `smallest` that are in all the others.
fn in_all<'a>(smallest: &'a Set<'_>, others: &'a [Set<'_>]) -> impl Iterator<Item = Item<'a>> {
    smallest.iter().filter(|member| {
        let mut digits = itoa::Buffer::new();
        let member = member.bytes(&mut digits);
        others.iter().all(|set| set.contains(member))
    })
}

fn union(sets: &[Option<Set<'static>>], encoding: &Encoding) -> Set<'static> {
    let mut result = Set::new();
    for member in sets.iter().flatten().flat_map(Set::iter) {
        result.insert(member.bytes(&mut itoa::Buffer::new()), encoding);
    }
    result
}

/// By whichever costs less: looking up each member of the first set in the others, or removing all
/// members of the others from it.
fn difference(sets: &[Option<Set<'static>>], encoding: &Encoding) -> Set<'static> {
    let Some((Some(first), others)) = sets.split_first() else { return Set::new() };
    let others: Vec<&Set<'_>> = others.iter().flatten().collect();
    let lookups = first.len() * (others.len() + 1) / 2;
    let removals = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    let mut result = Set::new();
    let mut digits = itoa::Buffer::new();
    for member in first.iter() {
        let member = member.bytes(&mut digits);
        if lookups > removals || !others.iter().any(|set| set.contains(member)) {
            result.insert(member, encoding);
        }
    }
    if lookups > removals {
        for member in others.iter().flat_map(|set| set.iter()) {
            result.remove(member.bytes(&mut digits));
        }
    }
    result
}

/// As Redis 7.2 builds it, so that the encoding is the same: packed (or an intset, if the smallest set is
/// one), and an intset at the end if all members allow it.
fn intersection(sets: &[Set<'static>], encoding: &Encoding) -> Set<'static> {
    let (smallest, others) = sets.split_first().expect("there is a key");
    let mut result = match smallest.ints() {
        Some(_) => Set::new(),
        None => Set::from_packed(Listpack::new(), encoding).expect("nothing is there twice"),
    };
    for member in in_all(smallest, others) {
        result.insert(member.bytes(&mut itoa::Buffer::new()), encoding);
    }
    result.make_ints(encoding);
    result
}

fn answer(call: &mut Call<'_>, result: &Set<'_>) {
    call.reply.set(result.len());
    result.iter().for_each(|member| elements::write(call.reply, member));
}

/// Puts the result at the destination, argument 1; an empty one removes it.
fn store(call: &mut Call<'_>, result: Set<'static>, event: Event) {
    let args = call.args;
    call.reply.count(result.len());
    if !result.is_empty() {
        call.db.insert(&args[1], Value::Set(result), None);
        call.changed(&args[1], event);
    } else if call.db.remove(&args[1]) {
        call.changed(&args[1], event::DEL);
    }
}
