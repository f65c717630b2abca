//! Lists: LPUSH, LRANGE, LPOS and the like; taking and moving elements is in [`moving`], waiting
//! for some in [`blocking`].
//!
//! A list never stays empty under its key: whatever removes elements removes
//! the key with the last one. Indexes count from 0 at the head, or from -1 at
//! the tail backwards.

pub mod blocking;
pub mod moving;

use std::ops::Range;

use slipstream_keyspace::{Encoding, List};
use slipstream_resp::{Args, Reply};

use super::elements::{self, positive};
use crate::call::{Call, is_word};
use crate::command::{Command, DELETE_KEY, Group, INSERT_KEY, INSPECT_KEY, KeySpec, READ_KEY, flag};
use crate::errors::CommandError;
use crate::event::{self, Event};

const PUSH: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("lindex", 3, lindex)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::List,
            "1.0.0",
            "Answers the element at an index.",
            "O(N), N being the distance from the nearer end",
        )
        .syntax("key index:integer"),
    Command::new("linsert", 5, linsert)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(INSERT_KEY)
        .doc(
            Group::List,
            "2.2.0",
            "Puts an element before or behind the first one that equals a pivot.",
            "O(N), N being the distance of the pivot from the head",
        )
        .syntax("key where:(BEFORE | AFTER) pivot element"),
    Command::new("llen", 2, llen)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::List, "1.0.0", "Answers how long a list is.", "O(1)")
        .syntax("key"),
    Command::new("lpos", -3, lpos)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::List,
            "6.0.6",
            "Answers at which indexes an element stands.",
            "O(N), N being the number of elements compared",
        )
        .syntax("key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]"),
    Command::new("lpush", -3, |call| push(call, Side::Head))
        .flags(PUSH)
        .keys(INSERT_KEY)
        .history(&[("2.4.0", "Takes several elements.")])
        .doc(Group::List, "1.0.0", "Adds elements at the head of a list.", "O(1) for every element")
        .syntax("key element..."),
    Command::new("lpushx", -3, |call| push_existing(call, Side::Head))
        .flags(PUSH)
        .keys(INSERT_KEY)
        .history(&[("4.0.0", "Takes several elements.")])
        .doc(
            Group::List,
            "2.2.0",
            "Adds elements at the head of a list if it exists.",
            "O(1) for every element",
        )
        .syntax("key element..."),
    Command::new("lrange", 4, lrange)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::List,
            "1.0.0",
            "Answers the elements between two indexes.",
            "O(S+N), S being the distance of the first from the nearer end and N their number",
        )
        .syntax("key start:integer stop:integer"),
    Command::new("lrem", 4, lrem)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(
            Group::List,
            "1.0.0",
            "Removes elements that equal a given one.",
            "O(N+M), N being the list's length and M the number of elements removed",
        )
        .syntax("key count:integer element"),
    Command::new("lset", 4, lset)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(
            Group::List,
            "1.0.0",
            "Replaces the element at an index.",
            "O(N), N being the distance from the nearer end",
        )
        .syntax("key index:integer element"),
    Command::new("ltrim", 4, ltrim)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(
            Group::List,
            "1.0.0",
            "Removes all elements but those between two indexes.",
            "O(N), N being the number of elements removed",
        )
        .syntax("key start:integer stop:integer"),
    Command::new("rpush", -3, |call| push(call, Side::Tail))
        .flags(PUSH)
        .keys(INSERT_KEY)
        .history(&[("2.4.0", "Takes several elements.")])
        .doc(Group::List, "1.0.0", "Adds elements at the tail of a list.", "O(1) for every element")
        .syntax("key element..."),
    Command::new("rpushx", -3, |call| push_existing(call, Side::Tail))
        .flags(PUSH)
        .keys(INSERT_KEY)
        .history(&[("4.0.0", "Takes several elements.")])
        .doc(
            Group::List,
            "2.2.0",
            "Adds elements at the tail of a list if it exists.",
            "O(1) for every element",
        )
        .syntax("key element..."),
];

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Head,
    Tail,
}

impl Side {
    fn parse(word: &[u8]) -> Result<Side, CommandError> {
        if is_word(word, "LEFT") {
            Ok(Side::Head)
        } else if is_word(word, "RIGHT") {
            Ok(Side::Tail)
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    #[inline]
    fn push(self, list: &mut List<'_>, element: &[u8], encoding: &Encoding) {
        match self {
            Side::Head => list.push_front(element, encoding),
            Side::Tail => list.push_back(element, encoding),
        }
    }

    fn pushed(self) -> Event {
        match self {
            Side::Head => event::LPUSH,
            Side::Tail => event::RPUSH,
        }
    }

    /// The command that takes one there.
    fn pop_name(self) -> &'static [u8] {
        match self {
            Side::Head => b"LPOP",
            Side::Tail => b"RPOP",
        }
    }

    fn popped(self) -> Event {
        match self {
            Side::Head => event::LPOP,
            Side::Tail => event::RPOP,
        }
    }
}

fn push(call: &mut Call<'_>, side: Side) -> Result<(), CommandError> {
    let args = call.args;
    let encoding = call.db.encoding();
    let mut list = call.db.list_or_new(&args[1])?;
    push_all(&mut list, side, args.from(2), &encoding);
    call.reply.count(list.len());
    drop(list);
    changed_by(call, &args[1], args.len() - 2, side.pushed());
    Ok(())
}

fn push_existing(call: &mut Call<'_>, side: Side) -> Result<(), CommandError> {
    let args = call.args;
    let encoding = call.db.encoding();
    let Some(mut list) = call.db.list_mut(&args[1])? else {
        call.reply.integer(0);
        return Ok(());
    };
    push_all(&mut list, side, args.from(2), &encoding);
    call.reply.count(list.len());
    drop(list);
    changed_by(call, &args[1], args.len() - 2, side.pushed());
    Ok(())
}

#[inline]
fn push_all(list: &mut List<'_>, side: Side, elements: Args<'_>, encoding: &Encoding) {
    if elements.len() > 1 {
        list.prepare(elements.iter().map(<[u8]>::len).sum(), elements.len(), encoding);
    }
    for element in elements.iter() {
        side.push(list, element, encoding);
    }
}

fn llen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let length = call.db.list(&args[1])?.map(|list| list.len());
    call.count_lookup(&args[1], length.is_some());
    call.reply.count(length.unwrap_or(0));
    Ok(())
}

fn lindex(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let Some(list) = call.db.list(&args[1])? else {
        call.count_lookup(&args[1], false);
        call.reply.null();
        return Ok(());
    };
    let index = index_from_head(&args[2], list.len())?;
    match index.and_then(|index| list.get(index)) {
        Some(item) => elements::write(call.reply, item),
        None => call.reply.null(),
    }
    call.count_lookup(&args[1], true);
    Ok(())
}

/// An index as a distance from the head; `None` when it lies before it.
fn index_from_head(word: &[u8], length: usize) -> Result<Option<usize>, CommandError> {
    let index = crate::call::integer(word)?;
    Ok(match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => usize::try_from(index.unsigned_abs()).ok().and_then(|back| length.checked_sub(back)),
    })
}

fn lset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let encoding = call.db.encoding();
    let mut list = call.db.list_mut(&args[1])?.ok_or(CommandError::NO_SUCH_KEY)?;
    let index = index_from_head(&args[2], list.len())?;
    // Before it is known whether there is such an element: OBJECT ENCODING shows it.
    list.prepare(args[3].len(), 1, &encoding);
    if !index.is_some_and(|index| list.set(index, &args[3], &encoding)) {
        return Err(CommandError::INDEX_OUT_OF_RANGE);
    }
    drop(list);
    call.reply.ok();
    call.changed(&args[1], event::LSET);
    Ok(())
}

fn linsert(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let behind = match &args[2] {
        word if is_word(word, "AFTER") => 1,
        word if is_word(word, "BEFORE") => 0,
        _ => return Err(CommandError::SYNTAX),
    };
    let encoding = call.db.encoding();
    let Some(mut list) = call.db.list_mut(&args[1])? else {
        call.reply.integer(0);
        return Ok(());
    };
    // Before it is known whether the pivot is there: OBJECT ENCODING shows it.
    list.prepare(args[4].len(), 1, &encoding);
    let pivot = elements::as_stored(&args[3]);
    let Some(found) = list.iter().position(|item| item == pivot) else {
        call.reply.integer(-1);
        return Ok(());
    };
    list.insert(found + behind, &args[4], &encoding);
    call.reply.count(list.len());
    drop(list);
    call.changed(&args[1], event::LINSERT);
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let Some(list) = call.db.list(&args[1])? else {
        call.count_lookup(&args[1], false);
        call.reply.array(0);
        return Ok(());
    };
    let range = clamped(start, stop, list.len());
    call.reply.array(range.len());
    for item in list.iter_from(range.start).take(range.len()) {
        elements::write(call.reply, item);
    }
    call.count_lookup(&args[1], true);
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let encoding = call.db.encoding();
    let Some(mut list) = call.db.list_mut(&args[1])? else {
        call.reply.ok();
        return Ok(());
    };
    let kept = clamped(start, stop, list.len());
    let removed = list.len() - kept.len();
    list.remove_range(kept.end, usize::MAX, &encoding);
    list.remove_range(0, kept.start, &encoding);
    let emptied = list.is_empty();
    drop(list);
    taken_from(call, &args[1], (removed, emptied), event::LTRIM);
    if removed == 0 {
        // Told all the same, as Redis does.
        call.changed_along(call.db.index, &args[1], event::LTRIM);
    }
    call.reply.ok();
    Ok(())
}

/// The elements between two indexes, both included; those out of range are cut off.
fn clamped(start: i64, stop: i64, length: usize) -> Range<usize> {
    let length = i64::try_from(length).expect("a list fits into memory");
    let start = if start < 0 { (start + length).max(0) } else { start };
    let stop = if stop < 0 { stop + length } else { stop.min(length - 1) };
    if start > stop || start >= length {
        return 0..0;
    }
    let bound = |at: i64| usize::try_from(at).expect("between 0 and the length");
    bound(start)..bound(stop + 1)
}

fn lrem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let count = call.integer(2)?;
    let limit = match count {
        0 => usize::MAX,
        _ => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let encoding = call.db.encoding();
    let Some(mut list) = call.db.list_mut(&args[1])? else {
        call.reply.integer(0);
        return Ok(());
    };
    let removed = list.remove_equal(&args[3], limit, count < 0, &encoding);
    let emptied = list.is_empty();
    drop(list);
    call.reply.count(removed);
    taken_from(call, &args[1], (removed, emptied), event::LREM);
    Ok(())
}

/// The options of LPOS.
struct Search {
    /// The match to begin with, counted from 1.
    rank: u64,
    from_tail: bool,
    /// How many matches to answer, as an array; 0 is all.
    count: Option<usize>,
    /// How many elements to look at.
    max_len: usize,
}

impl Search {
    fn parse(call: &Call<'_>) -> Result<Search, CommandError> {
        let mut search = Search { rank: 1, from_tail: false, count: None, max_len: usize::MAX };
        for index in (3..call.args.len()).step_by(2) {
            let value = call.args.get(index + 1).ok_or(CommandError::SYNTAX)?;
            if call.is_word(index, "RANK") {
                let rank = call.integer(index + 1)?;
                match rank {
                    0 => return Err(CommandError::RANK_ZERO),
                    i64::MIN => return Err(CommandError::COUNT_OUT_OF_LONG),
                    _ => (search.rank, search.from_tail) = (rank.unsigned_abs(), rank < 0),
                }
            } else if call.is_word(index, "COUNT") {
                search.count = Some(positive(value, CommandError::COUNT_NEGATIVE)?);
            } else if call.is_word(index, "MAXLEN") {
                let limit = positive(value, CommandError::MAXLEN_NEGATIVE)?;
                search.max_len = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(search)
    }
}

fn lpos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let search = Search::parse(call)?;
    let found = match call.db.list(&args[1])? {
        Some(list) => {
            write_matches(&list, &args[2], &search, call.reply);
            true
        }
        None if search.count.is_some() => {
            call.reply.array(0);
            false
        }
        None => {
            call.reply.null();
            false
        }
    };
    call.count_lookup(&args[1], found);
    Ok(())
}

fn write_matches(list: &List<'_>, element: &[u8], search: &Search, reply: &mut Reply) {
    let wanted = elements::as_stored(element);
    let skipped = usize::try_from(search.rank - 1).unwrap_or(usize::MAX);
    let limit = match search.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let last = list.len() - 1;
    let mut found: Vec<usize> = Vec::new();
    if search.from_tail {
        let matches = list.iter_rev_from(last).take(search.max_len).enumerate();
        let matches = matches.filter(|(_, item)| *item == wanted).skip(skipped).take(limit);
        found.extend(matches.map(|(back, _)| last - back));
    } else {
        let matches = list.iter().take(search.max_len).enumerate();
        let matches = matches.filter(|(_, item)| *item == wanted).skip(skipped).take(limit);
        found.extend(matches.map(|(index, _)| index));
    }
    if search.count.is_some() {
        reply.array(found.len());
        found.iter().for_each(|index| reply.count(*index));
    } else {
        match found.first() {
            Some(index) => reply.count(*index),
            None => reply.null(),
        }
    }
}

/// Notes that elements were taken away, and removes the key with the last of them.
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
fn changed_by(call: &mut Call<'_>, key: &[u8], elements: usize, event: Event) {
    if elements > 0 {
        call.changed(key, event);
        call.outcome.changes += elements as u64 - 1;
    }
}
