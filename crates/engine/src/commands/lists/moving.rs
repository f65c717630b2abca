//! Taking elements from lists: LPOP, RPOP and LMPOP, and LMOVE and RPOPLPUSH, which add them to another.
//!
//! What LMPOP takes from which list is known only here, so it is propagated as the LPOP or RPOP that it was.

use slipstream_keyspace::{Encoding, List};
use slipstream_resp::Reply;

use super::{Side, taken_from};
use crate::call::{Call, is_word};
use crate::command::{Command, Group, KeySpec, TAKE_KEY, flag};
use crate::commands::elements::{self, positive};
use crate::errors::CommandError;

pub(super) const MOVE_KEYS: &[KeySpec] =
    &[KeySpec::at(1, &["RW", "access", "delete"]), KeySpec::at(2, &["RW", "insert"])];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("lmove", 5, lmove)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(MOVE_KEYS)
        .doc(
            Group::List,
            "6.2.0",
            "Takes an element from one end of a list and adds it at an end of another.",
            "O(1)",
        )
        .syntax("source:key destination:key wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT)"),
    Command::new("lmpop", -4, lmpop)
        .flags(flag::WRITE | flag::MOVABLE_KEYS)
        .keys(&[KeySpec::counted(1, &["RW", "access", "delete"])])
        .doc(
            Group::List,
            "7.0.0",
            "Takes elements from the first of several lists that exists.",
            "O(N+M), N being the number of keys and M that of elements taken",
        )
        .syntax("numkeys:integer key... where:(LEFT | RIGHT) [COUNT count:integer]"),
    Command::new("lpop", -2, |call| pop(call, Side::Head))
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .history(&[("6.2.0", "Takes a count.")])
        .doc(
            Group::List,
            "1.0.0",
            "Takes elements from the head of a list.",
            "O(N), N being the number of elements taken",
        )
        .syntax("key [count:integer]!6.2.0"),
    Command::new("rpop", -2, |call| pop(call, Side::Tail))
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .history(&[("6.2.0", "Takes a count.")])
        .doc(
            Group::List,
            "1.0.0",
            "Takes elements from the tail of a list.",
            "O(N), N being the number of elements taken",
        )
        .syntax("key [count:integer]!6.2.0"),
    Command::new("rpoplpush", 3, |call| transfer(call, Side::Tail, Side::Head))
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(MOVE_KEYS)
        .doc(
            Group::List,
            "1.2.0",
            "Takes the last element of a list and adds it at the head of another.",
            "O(1)",
        )
        .syntax("source:key destination:key"),
];

fn pop(call: &mut Call<'_>, side: Side) -> Result<(), CommandError> {
    let args = call.args;
    let count = match args.len() {
        2 => None,
        3 => Some(positive(&args[2], CommandError::NOT_POSITIVE)?),
        _ => return Err(call.arity_error()),
    };
    let encoding = call.db.encoding();
    let Some(mut list) = call.db.list_mut(&args[1])? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.null_array(),
        }
        return Ok(());
    };
    let taken = match count {
        None => {
            pop_one(&mut list, side, call.reply, &encoding);
            1
        }
        Some(count) => pop_many(&mut list, side, count, call.reply, &encoding),
    };
    let emptied = list.is_empty();
    drop(list);
    taken_from(call, &args[1], (taken, emptied), side.popped());
    Ok(())
}

/// Writes the element first and removes it then: so it is copied once.
#[inline]
pub(super) fn pop_one(list: &mut List<'_>, side: Side, reply: &mut Reply, encoding: &Encoding) {
    let index = match side {
        Side::Head => 0,
        Side::Tail => list.len() - 1,
    };
    elements::write(reply, list.get(index).expect("a list under a key has an element"));
    list.remove_range(index, 1, encoding);
}

fn pop_many(list: &mut List<'_>, side: Side, count: usize, reply: &mut Reply, encoding: &Encoding) -> usize {
    let taken = count.min(list.len());
    reply.array(taken);
    let first = match side {
        Side::Head => {
            list.iter().take(taken).for_each(|item| elements::write(reply, item));
            0
        }
        Side::Tail => {
            let last = list.len() - 1;
            list.iter_rev_from(last).take(taken).for_each(|item| elements::write(reply, item));
            list.len() - taken
        }
    };
    list.remove_range(first, taken, encoding)
}

fn lmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !MultiPop::parse(call, 1)?.take(call)? {
        call.reply.null_array();
    }
    Ok(())
}

/// The arguments of LMPOP from the number of keys on, as BLMPOP has them too.
pub(super) struct MultiPop {
    /// Where the first key stands, and how many there are.
    first: usize,
    keys: usize,
    side: Side,
    count: usize,
}

impl MultiPop {
    /// Reads them from argument `at` on.
    pub(super) fn parse(call: &Call<'_>, at: usize) -> Result<Self, CommandError> {
        let args = call.args;
        let keys = above_zero(&args[at], CommandError::NUMKEYS_NOT_POSITIVE)?;
        let first = at + 1;
        let side = keys.checked_add(first).and_then(|at| args.get(at)).ok_or(CommandError::SYNTAX)?;
        let side = Side::parse(side)?;
        let option = first + keys + 1;
        let count = match args.len() - option {
            0 => 1,
            n if n >= 2 && is_word(&args[option], "COUNT") => {
                let count = above_zero(&args[option + 1], CommandError::COUNT_NOT_POSITIVE)?;
                if n > 2 {
                    return Err(CommandError::SYNTAX);
                }
                count
            }
            _ => return Err(CommandError::SYNTAX),
        };
        Ok(MultiPop { first, keys, side, count })
    }

    pub(super) fn keys<'a>(&self, call: &Call<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        call.args.iter().skip(self.first).take(self.keys)
    }

    /// Takes from the first list that exists; whether there is one.
    pub(super) fn take(&self, call: &mut Call<'_>) -> Result<bool, CommandError> {
        let encoding = call.db.encoding();
        for key in self.keys(call) {
            let Some(mut list) = call.db.list_mut(key)? else { continue };
            call.reply.array(2);
            call.reply.bulk(key);
            let taken = pop_many(&mut list, self.side, self.count, call.reply, &encoding);
            let emptied = list.is_empty();
            drop(list);
            taken_from(call, key, (taken, emptied), self.side.popped());
            call.propagate(&[self.side.pop_name(), key, itoa::Buffer::new().format(taken).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn above_zero(word: &[u8], error: CommandError) -> Result<usize, CommandError> {
    match positive(word, error.clone())? {
        0 => Err(error),
        count => Ok(count),
    }
}

fn lmove(call: &mut Call<'_>) -> Result<(), CommandError> {
    let from = Side::parse(&call.args[3])?;
    let to = Side::parse(&call.args[4])?;
    transfer(call, from, to)
}

pub(super) fn transfer(call: &mut Call<'_>, from: Side, to: Side) -> Result<(), CommandError> {
    let args = call.args;
    let (source, destination) = (&args[1], &args[2]);
    if call.db.list(source)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    // Its type is looked at before anything moves.
    call.db.list(destination)?;
    let encoding = call.db.encoding();
    let mut list = call.db.list_mut(source)?.expect("seen above");
    let element = match from {
        Side::Head => list.pop_front(&encoding),
        Side::Tail => list.pop_back(&encoding),
    };
    let element = element.expect("a list under a key has an element");
    drop(list);
    let mut list = call.db.list_or_new(destination)?;
    to.push(&mut list, &element, &encoding);
    drop(list);
    call.reply.bulk(&element);
    // Not before the push: both may be the same list of one element.
    call.db.remove_if_empty(source);
    // One element moves: one change.
    call.changed_along(call.db.index, destination, to.pushed());
    call.changed(source, from.popped());
    call.notify_if_gone(source);
    Ok(())
}
