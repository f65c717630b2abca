//! SPOP and SRANDMEMBER.
//!
//! What SPOP took is propagated as SREM, or as DEL when it took everything.

use slipstream_keyspace::{Encoding, Set, listpack::Listpack};

use super::{changed_by, taken_from};
use crate::call::Call;
use crate::commands::elements::{self, positive};
use crate::commands::sampling;
use crate::errors::CommandError;
use crate::event;
use crate::propagate::deletion;

/// With fewer members left than this part of those taken, the ones that stay are drawn instead.
const KEEP_FROM_SHARE: usize = 5;
/// Most members in one propagated SREM.
const SREM_MEMBERS: usize = 1024;

pub(super) fn spop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    match args.len() {
        2 => pop_one(call),
        3 => {
            let count = positive(&args[2], CommandError::NOT_POSITIVE)?;
            pop_many(call, count)
        }
        _ => Err(CommandError::SYNTAX),
    }
}

fn pop_one(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let Some(mut set) = call.db.set_mut(&args[1])? else {
        call.reply.null();
        return Ok(());
    };
    let member = set.pop_random(&mut call.core.rng).expect("a set under a key has a member");
    let emptied = set.is_empty();
    drop(set);
    call.reply.bulk(&member);
    taken_from(call, &args[1], (1, emptied), event::SPOP);
    call.propagate(&[b"SREM", &args[1], &member]);
    Ok(())
}

fn pop_many(call: &mut Call<'_>, count: usize) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let encoding = call.db.encoding();
    let Some(mut set) = call.db.set_mut(key)?.filter(|_| count > 0) else {
        call.reply.set(0);
        return Ok(());
    };
    let size = set.len();
    if count >= size {
        call.reply.set(size);
        set.iter().for_each(|member| elements::write(call.reply, member));
        drop(set);
        taken_from(call, key, (size, true), event::SPOP);
        call.propagate(&[deletion(call.core.config.lazyfree_lazy_server_del), key]);
        return Ok(());
    }
    let taken = if (size - count).saturating_mul(KEEP_FROM_SHARE) > count {
        (0..count).filter_map(|_| set.pop_random(&mut call.core.rng)).collect()
    } else {
        keep_random(&mut set, size - count, &mut call.core.rng, &encoding)
    };
    drop(set);
    call.reply.set(taken.len());
    taken.iter().for_each(|member| call.reply.bulk(member));
    changed_by(call, key, taken.len(), event::SPOP);
    for members in taken.chunks(SREM_MEMBERS) {
        let words = [b"SREM", key].into_iter().chain(members.iter().map(Vec::as_slice));
        call.propagate(&words.collect::<Vec<_>>());
    }
    Ok(())
}

/// Removes all but `kept` members and returns them.
fn keep_random(set: &mut Set<'_>, kept: usize, rng: &mut fastrand::Rng, encoding: &Encoding) -> Vec<Vec<u8>> {
    let mut rest = match set.ints() {
        Some(_) => Set::new(),
        None => Set::from_packed(Listpack::new(), encoding).expect("nothing is there twice"),
    };
    for member in (0..kept).map_while(|_| set.pop_random(rng)) {
        rest.insert(&member, encoding);
    }
    std::mem::replace(set, rest).iter().map(|member| member.to_vec()).collect()
}

pub(super) fn srandmember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    match args.len() {
        2 => {
            let set = call.db.set(&args[1])?;
            let member = set.as_ref().and_then(|set| set.random(&mut call.core.rng));
            match member {
                Some(member) => elements::write(call.reply, member),
                None => call.reply.null(),
            }
            let found = set.is_some();
            drop(set);
            call.count_lookup(&args[1], found);
            Ok(())
        }
        3 => {
            let count = match call.integer(2)? {
                i64::MIN => return Err(CommandError::COUNT_OUT_OF_LONG),
                count => count,
            };
            answer_many(call, count)
        }
        _ => Err(CommandError::SYNTAX),
    }
}

/// A negative count may answer a member several times.
fn answer_many(call: &mut Call<'_>, count: i64) -> Result<(), CommandError> {
    let args = call.args;
    let wanted = usize::try_from(count.unsigned_abs()).expect("a 64-bit machine");
    let Some(set) = call.db.set(&args[1])? else {
        call.count_lookup(&args[1], false);
        call.reply.array(0);
        return Ok(());
    };
    let rng = &mut call.core.rng;
    let reply = &mut *call.reply;
    let size = set.len();
    let mut random = || set.random(rng).expect("a set under a key has a member");
    if count < 0 {
        let limit = sampling::reply_limit(&call.core.config);
        reply.array(wanted);
        sampling::repeat(wanted, reply, limit, |reply| elements::write(reply, random()));
    } else if wanted >= size {
        reply.array(size);
        set.iter().for_each(|member| elements::write(reply, member));
    } else {
        reply.array(wanted);
        if sampling::is_worth_a_walk(wanted, size) || set.encoding_name() != "hashtable" {
            sampling::pick(set.iter(), size, wanted, rng, |member| elements::write(reply, member));
        } else {
            sampling::draw(wanted, || (random(), ()), |member, ()| elements::write(reply, member));
        }
    }
    call.count_lookup(&args[1], true);
    Ok(())
}
