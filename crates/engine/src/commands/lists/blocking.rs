//! Taking elements from lists, now or when there are some: BLPOP, BRPOP, BLMPOP, BLMOVE and BRPOPLPUSH.
//!
//! What is propagated is the command that does not wait, with the words that came. How clients wait is in
//! [`crate::waiting`].

use slipstream_replication::Moment;

use super::moving::{MOVE_KEYS, MultiPop, pop_one, transfer};
use super::{Side, taken_from};
use crate::call::Call;
use crate::command::{Command, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::waiting::keys::{Awaited, Kind};

const TAKING: &[&str] = &["RW", "access", "delete"];
const TIMEOUT_HISTORY: &[(&str, &str)] = &[("6.0.0", "The timeout may have a fraction.")];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("blmove", 6, blmove)
        .flags(flag::WRITE | flag::DENYOOM | flag::BLOCKING)
        .keys(MOVE_KEYS)
        .doc(
            Group::List,
            "6.2.0",
            "Takes an element from one end of a list and adds it at an end of another, as soon as there is one.",
            "O(1)",
        )
        .syntax("source:key destination:key wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT) timeout:double"),
    Command::new("blmpop", -5, blmpop)
        .flags(flag::WRITE | flag::BLOCKING | flag::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(2, TAKING)])
        .doc(
            Group::List,
            "7.0.0",
            "Takes elements from the first of several lists that exists, as soon as one does.",
            "O(N+M), N being the number of keys and M that of elements taken",
        )
        .syntax("timeout:double numkeys:integer key... where:(LEFT | RIGHT) [COUNT count:integer]"),
    Command::new("blpop", -3, |call| pop(call, Side::Head))
        .flags(flag::WRITE | flag::BLOCKING)
        .keys(&[KeySpec::range(1, -2, TAKING)])
        .history(TIMEOUT_HISTORY)
        .doc(
            Group::List,
            "2.0.0",
            "Takes the first element of the first of several lists that exists, as soon as one does.",
            "O(N), N being the number of keys",
        )
        .syntax("key... timeout:double"),
    Command::new("brpop", -3, |call| pop(call, Side::Tail))
        .flags(flag::WRITE | flag::BLOCKING)
        .keys(&[KeySpec::range(1, -2, TAKING)])
        .history(TIMEOUT_HISTORY)
        .doc(
            Group::List,
            "2.0.0",
            "Takes the last element of the first of several lists that exists, as soon as one does.",
            "O(N), N being the number of keys",
        )
        .syntax("key... timeout:double"),
    Command::new("brpoplpush", 4, brpoplpush)
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
        .flags(flag::WRITE | flag::DENYOOM | flag::BLOCKING)
        .keys(MOVE_KEYS)
        .history(TIMEOUT_HISTORY)
        .doc(
            Group::List,
            "2.2.0",
            "Takes the last element of a list and adds it at the head of another, as soon as there is one.",
            "O(1)",
        )
        .syntax("source:key destination:key timeout:double"),
];

fn pop(call: &mut Call<'_>, side: Side) -> Result<(), CommandError> {
    let args = call.args;
    let last = args.len() - 1;
    let until = call.until_seconds(last)?;
    let encoding = call.db.encoding();
    let keys = || args.iter().take(last).skip(1);
    for key in keys() {
        let Some(mut list) = call.db.list_mut(key)? else { continue };
        call.reply.array(2);
        call.reply.bulk(key);
        pop_one(&mut list, side, call.reply, &encoding);
        let emptied = list.is_empty();
        drop(list);
        taken_from(call, key, (1, emptied), side.popped());
        call.propagate(&[side.pop_name(), key]);
        return Ok(());
    }
    call.wait_for_kind(keys(), Kind::List, until);
    Ok(())
}

fn blmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wanted = MultiPop::parse(call, 2)?;
    let until = call.until_seconds(1)?;
    if !wanted.take(call)? {
        call.wait_for_kind(wanted.keys(call), Kind::List, until);
    }
    Ok(())
}

fn blmove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let sides = (Side::parse(&args[3])?, Side::parse(&args[4])?);
    let until = call.until_seconds(5)?;
    move_or_wait(call, sides, until, &[b"LMOVE", &args[1], &args[2], &args[3], &args[4]])
}

fn brpoplpush(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let until = call.until_seconds(3)?;
    move_or_wait(call, (Side::Tail, Side::Head), until, &[b"RPOPLPUSH", &args[1], &args[2]])
}

fn move_or_wait(
    call: &mut Call<'_>,
    (from, to): (Side, Side),
    until: Option<Moment>,
    effect: &[&[u8]],
) -> Result<(), CommandError> {
    let args = call.args;
    if call.db.list(&args[1])?.is_some() {
        transfer(call, from, to)?;
        call.propagate(effect);
    } else if call.may_wait() {
        let awaited = Awaited { kind: Kind::List, until, ends_without_key: false, request: None };
        call.wait_for_keys(std::iter::once(&args[1]), awaited);
    } else {
        call.reply.null();
    }
    Ok(())
}
