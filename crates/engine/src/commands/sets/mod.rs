//! Sets: members one by one.
//!
//! Operations over several sets are in [`algebra`], those left to chance in
//! [`random`]. A set never stays empty under its key.

mod algebra;
mod random;

use slipstream_keyspace::Set;

use super::elements;
use super::scan::{self, ScanOptions};
use crate::call::Call;
use crate::command::{
    Command, DELETE_KEY, Group, INSERT_KEY, INSPECT_KEY, KeySpec, OVERWRITE_KEY, READ_KEY, TAKE_KEY, flag,
};
use crate::errors::CommandError;
use crate::event::{self, Event};

const READ_KEYS: &[KeySpec] = &[KeySpec::range(1, -1, &["RO", "access"])];
const STORE_KEYS: &[KeySpec] = &[OVERWRITE_KEY[0], KeySpec::range(2, -1, &["RO", "access"])];

const MOVE_KEYS: &[KeySpec] = &[TAKE_KEY[0], KeySpec::at(2, &["RW", "insert"])];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("sadd", -3, sadd)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(INSERT_KEY)
        .history(&[("2.4.0", "Takes several members.")])
        .doc(Group::Set, "1.0.0", "Adds members to a set.", "O(1) for every member")
        .syntax("key member..."),
    Command::new("scard", 2, scard)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Set, "1.0.0", "Answers how many members a set has.", "O(1)")
        .syntax("key"),
    Command::new("sdiff", -2, algebra::sdiff)
        .flags(flag::READONLY)
        .keys(READ_KEYS)
        .tips(&["nondeterministic_output_order"])
        .doc(
            Group::Set,
            "1.0.0",
            "Answers the members of the first set that are in none of the others.",
            "O(N), N being the members of all sets",
        )
        .syntax("key..."),
    Command::new("sdiffstore", -3, algebra::sdiffstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORE_KEYS)
        .doc(
            Group::Set,
            "1.0.0",
            "Stores the members of the first set that are in none of the others.",
            "O(N), N being the members of all sets",
        )
        .syntax("destination:key key..."),
    Command::new("sinter", -2, algebra::sinter)
        .flags(flag::READONLY)
        .keys(READ_KEYS)
        .tips(&["nondeterministic_output_order"])
        .doc(
            Group::Set,
            "1.0.0",
            "Answers the members that are in all of the sets.",
            "O(N*M), N being the members of the smallest set and M the number of sets",
        )
        .syntax("key..."),
    Command::new("sintercard", -3, algebra::sintercard)
        .flags(flag::READONLY | flag::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, &["RO", "access"])])
        .doc(
            Group::Set,
            "7.0.0",
            "Answers how many members are in all of the sets.",
            "O(N*M), N being the members of the smallest set and M the number of sets",
        )
        .syntax("numkeys:integer key... [LIMIT limit:integer]"),
    Command::new("sinterstore", -3, algebra::sinterstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(&[KeySpec::at(1, &["RW", "update"]), KeySpec::range(2, -1, &["RO", "access"])])
        .doc(
            Group::Set,
            "1.0.0",
            "Stores the members that are in all of the sets.",
            "O(N*M), N being the members of the smallest set and M the number of sets",
        )
        .syntax("destination:key key..."),
    Command::new("sismember", 3, sismember)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Set, "1.0.0", "Answers whether something is a member of a set.", "O(1)")
        .syntax("key member"),
    Command::new("smembers", 2, smembers)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output_order"])
        .doc(Group::Set, "1.0.0", "Answers all members of a set.", "O(N), N being the members")
        .syntax("key"),
    Command::new("smismember", -3, smismember)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(
            Group::Set,
            "6.2.0",
            "Answers for several things whether each is a member of a set.",
            "O(N), N being the things asked for",
        )
        .syntax("key member..."),
    Command::new("smove", 4, smove)
        .flags(flag::WRITE | flag::FAST)
        .keys(MOVE_KEYS)
        .doc(Group::Set, "1.0.0", "Moves a member from one set to another.", "O(1)")
        .syntax("source:key destination:key member"),
    Command::new("spop", -2, random::spop)
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .history(&[("3.2.0", "Takes a count.")])
        .tips(&["nondeterministic_output"])
        .doc(Group::Set, "1.0.0", "Takes random members from a set.", "O(1) for every member taken")
        .syntax("key [count:integer]!3.2.0"),
    Command::new("srandmember", -2, random::srandmember)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .history(&[("2.6.0", "Takes a count.")])
        .tips(&["nondeterministic_output"])
        .doc(Group::Set, "1.0.0", "Answers random members of a set.", "O(1) for every member answered")
        .syntax("key [count:integer]!2.6.0"),
    Command::new("srem", -3, srem)
        .flags(flag::WRITE | flag::FAST)
        .keys(DELETE_KEY)
        .history(&[("2.4.0", "Takes several members.")])
        .doc(Group::Set, "1.0.0", "Removes members from a set.", "O(1) for every member")
        .syntax("key member..."),
    Command::new("sscan", -3, sscan)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"])
        .doc(
            Group::Set,
            "2.8.0",
            "Walks through the members of a set, some at each call.",
            "O(1) for every call, O(N) for the whole walk, N being the members",
        )
        .syntax("key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]"),
    Command::new("sunion", -2, algebra::sunion)
        .flags(flag::READONLY)
        .keys(READ_KEYS)
        .tips(&["nondeterministic_output_order"])
        .doc(
            Group::Set,
            "1.0.0",
            "Answers the members that are in any of the sets.",
            "O(N), N being the members of all sets",
        )
        .syntax("key..."),
    Command::new("sunionstore", -3, algebra::sunionstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORE_KEYS)
        .doc(
            Group::Set,
            "1.0.0",
            "Stores the members that are in any of the sets.",
            "O(N), N being the members of all sets",
        )
        .syntax("destination:key key..."),
];

fn sadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let encoding = call.db.encoding();
    let mut set = call.db.set_or_new(&args[1])?;
    if set.is_empty() && args.len() > 3 {
        *set = Set::with_hint(&args[2], args.len() - 2, &encoding);
    }
    let added = args.iter().skip(2).filter(|member| set.insert(member, &encoding)).count();
    drop(set);
    call.reply.count(added);
    changed_by(call, &args[1], added, event::SADD);
    Ok(())
}

fn srem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (removed, emptied) = match call.db.set_mut(&args[1])? {
        None => (0, false),
        Some(mut set) => {
            let removed = args.iter().skip(2).filter(|member| set.remove(member)).count();
            (removed, set.is_empty())
        }
    };
    call.reply.count(removed);
    taken_from(call, &args[1], (removed, emptied), event::SREM);
    Ok(())
}

fn smove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (source, destination, member) = (&args[1], &args[2], &args[3]);
    let encoding = call.db.encoding();
    let Some(set) = call.db.set(source)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let is_member = set.contains(member);
    drop(set);
    call.db.set(destination)?;
    call.reply.integer(i64::from(is_member));
    if !is_member || source == destination {
        return Ok(());
    }
    let mut set = call.db.set_mut(source)?.expect("seen above");
    set.remove(member);
    let emptied = set.is_empty();
    drop(set);
    taken_from(call, source, (1, emptied), event::SREM);
    if call.db.set_or_new(destination)?.insert(member, &encoding) {
        call.changed(destination, event::SADD);
    }
    Ok(())
}

fn scard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let size = call.db.set(&args[1])?.map(|set| set.len());
    call.count_lookup(&args[1], size.is_some());
    call.reply.count(size.unwrap_or(0));
    Ok(())
}

fn sismember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let found = call.db.set(&args[1])?.map(|set| set.contains(&args[2]));
    call.count_lookup(&args[1], found.is_some());
    call.reply.integer(i64::from(found == Some(true)));
    Ok(())
}

fn smismember(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let set = call.db.set(&args[1])?;
    call.reply.array(args.len() - 2);
    for member in args.iter().skip(2) {
        call.reply.integer(i64::from(set.as_ref().is_some_and(|set| set.contains(member))));
    }
    let found = set.is_some();
    drop(set);
    call.count_lookup(&args[1], found);
    Ok(())
}

fn smembers(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let set = call.db.set(&args[1])?;
    call.reply.set(set.as_ref().map_or(0, Set::len));
    for member in set.iter().flat_map(|set| set.iter()) {
        elements::write(call.reply, member);
    }
    let found = set.is_some();
    drop(set);
    call.count_lookup(&args[1], found);
    Ok(())
}

fn sscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let cursor = scan::cursor(&args[2])?;
    if call.db.set(&args[1])?.is_none() {
        call.count_lookup(&args[1], false);
        scan::write_step(call.reply, |_| (0, 0));
        return Ok(());
    }
    let options = ScanOptions::parse(call.args, 3)?;
    let set = call.db.set(&args[1])?.expect("seen above");
    scan::write_step(call.reply, |reply| {
        let mut written = 0;
        let next = set.scan(cursor, options.count, |member| {
            if options.selects(member.bytes(&mut itoa::Buffer::new())) {
                elements::write(reply, member);
                written += 1;
            }
        });
        (next, written)
    });
    drop(set);
    call.count_lookup(&args[1], true);
    Ok(())
}

/// Notes that members were taken away, and removes the key with the last of them.
#[inline]
fn taken_from(call: &mut Call<'_>, key: &[u8], (taken, emptied): (usize, bool), event: Event) {
    if emptied {
        call.db.database().remove(key);
    }
    changed_by(call, key, taken, event);
    if emptied {
        call.notify(key, event::DEL);
    }
}

#[inline]
fn changed_by(call: &mut Call<'_>, key: &[u8], members: usize, event: Event) {
    if members > 0 {
        call.changed(key, event);
        call.outcome.changes += members as u64 - 1;
    }
}
