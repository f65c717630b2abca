//! Removing by place: ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX, ZPOPMIN, ZPOPMAX, ZMPOP.
//!
//! What is removed follows from the data alone, so the commands are propagated as they came.

use slipstream_keyspace::{Item, SortedSet};
use slipstream_resp::Reply;

use super::bounds::{By, Range, Window};
use super::{announce, changed_by};
use crate::call::{Call, integer, is_word};
use crate::command::{Command, DELETE_KEY, Group, KeySpec, TAKE_KEY, flag};
use crate::commands::elements;
use crate::errors::CommandError;
use crate::event::{self, Event};

const REMOVAL_COMPLEXITY: &str = "O(log N + M), N being the size of the set, M the number of members removed";
const POP_COMPLEXITY: &str = "O(log N * M), N being the size of the set, M the number of members removed";

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("zremrangebyrank", 4, zremrangebyrank)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(Group::SortedSet, "2.0.0", "Removes the members of a range of ranks.", REMOVAL_COMPLEXITY)
        .syntax("key start:integer stop:integer"),
    Command::new("zremrangebyscore", 4, zremrangebyscore)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(Group::SortedSet, "1.2.0", "Removes the members of a range of scores.", REMOVAL_COMPLEXITY)
        .syntax("key min:double max:double"),
    Command::new("zremrangebylex", 4, zremrangebylex)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Removes the members between two, in a set whose scores are all equal.",
            REMOVAL_COMPLEXITY,
        )
        .syntax("key min max"),
    Command::new("zpopmin", -2, zpopmin)
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .doc(Group::SortedSet, "5.0.0", "Removes and returns the members of lowest score.", POP_COMPLEXITY)
        .syntax("key [count:integer]"),
    Command::new("zpopmax", -2, zpopmax)
        .flags(flag::WRITE | flag::FAST)
        .keys(TAKE_KEY)
        .doc(Group::SortedSet, "5.0.0", "Removes and returns the members of highest score.", POP_COMPLEXITY)
        .syntax("key [count:integer]"),
    Command::new("zmpop", -4, zmpop)
        .flags(flag::WRITE)
        .keys(&[KeySpec::counted(1, &["RW", "access", "delete"])])
        .doc(
            Group::SortedSet,
            "7.0.0",
            "Removes and returns members of lowest or highest score of the first set that has any.",
            "O(K) + O(M * log N), K being the number of keys, M the number of members removed, N the size of the set",
        )
        .syntax("numkeys:integer key... where:(MIN | MAX) [COUNT count:integer]"),
];

fn zremrangebyrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    remove_range(call, By::Rank)
}

fn zremrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    remove_range(call, By::Score)
}

fn zremrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    remove_range(call, By::Lex)
}

fn remove_range(call: &mut Call<'_>, by: By) -> Result<(), CommandError> {
    let args = call.args;
    let range = Range::parse(by, &args[2], &args[3])?;
    let (removed, emptied) = match call.db.sorted_set_mut(&args[1])? {
        None => (0, false),
        Some(mut set) => {
            let window = range.window(&set, false);
            set.remove_ranks(window.first, window.count, |_, _| {});
            (window.count, set.is_empty())
        }
    };
    let event = match by {
        By::Rank => event::ZREMRANGEBYRANK,
        By::Score => event::ZREMRANGEBYSCORE,
        By::Lex => event::ZREMRANGEBYLEX,
    };
    note_removal(call, &args[1], (removed, emptied), event);
    call.reply.count(removed);
    Ok(())
}

/// Removes `key` if that left nothing of it, and counts the change.
fn note_removal(call: &mut Call<'_>, key: &[u8], (removed, emptied): (usize, bool), event: Event) {
    if removed == 0 {
        return;
    }
    if emptied {
        call.db.remove(key);
    }
    changed_by(call, key, removed, event);
    if emptied {
        call.notify(key, event::DEL);
    }
}

/// Which end of a set members are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    /// The command that takes from there.
    pub(super) fn pop_name(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn popped(self) -> Event {
        match self {
            End::Min => event::ZPOPMIN,
            End::Max => event::ZPOPMAX,
        }
    }
}

fn zpopmin(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_one(call, End::Min)
}

fn zpopmax(call: &mut Call<'_>) -> Result<(), CommandError> {
    pop_one(call, End::Max)
}

fn pop_one(call: &mut Call<'_>, end: End) -> Result<(), CommandError> {
    let args = call.args;
    let count = match args.len() {
        2 => 1,
        3 => elements::positive(&args[2], CommandError::NOT_POSITIVE)?,
        _ => return Err(CommandError::SYNTAX),
    };
    let Some(mut set) = call.db.sorted_set_mut(&args[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let window = window_at(&set, end, count);
    // Without a count, RESP3 too answers a flat member and score.
    if args.len() == 2 {
        call.reply.array(window.count * 2);
    } else {
        announce(call.reply, window.count, true);
    }
    let nested = args.len() == 3 && call.reply.is_resp3();
    take(&mut set, window, end, (call.reply, nested));
    let emptied = set.is_empty();
    drop(set);
    note_removal(call, &args[1], (window.count, emptied), end.popped());
    Ok(())
}

fn window_at(set: &SortedSet<'_>, end: End, count: usize) -> Window {
    let count = count.min(set.len());
    Window { first: if end == End::Min { 0 } else { set.len() - count }, count }
}

/// Writes the members of the window from its `end` on and removes them.
fn take(set: &mut SortedSet<'_>, window: Window, end: End, (reply, nested): (&mut Reply, bool)) {
    let write = |reply: &mut Reply, member: Item<'_>, score| {
        if nested {
            reply.array(2);
        }
        elements::write(reply, member);
        reply.double(score);
    };
    let Window { first, count } = window;
    match end {
        End::Min => set.remove_ranks(first, count, |member, score| write(reply, member, score)),
        End::Max => {
            let members = set.iter_rev_from_rank(first + count.saturating_sub(1)).take(count);
            members.for_each(|(member, score)| write(reply, member, score));
            set.remove_ranks(first, count, |_, _| {});
        }
    }
}

/// Takes up to `count` members from an `end` of a set that exists, and writes them: each in an array of its own if
/// `nested`. Returns how many they are.
pub(super) fn pop_members(
    call: &mut Call<'_>,
    key: &[u8],
    (end, count): (End, usize),
    nested: bool,
) -> Result<usize, CommandError> {
    let mut set = call.db.sorted_set_mut(key)?.expect("the caller looked");
    let window = window_at(&set, end, count);
    if nested {
        call.reply.array(window.count);
    }
    take(&mut set, window, end, (call.reply, nested));
    let emptied = set.is_empty();
    drop(set);
    note_removal(call, key, (window.count, emptied), end.popped());
    Ok(window.count)
}

/// The arguments of ZMPOP from the number of keys on, as BZMPOP has them too.
pub(super) struct MultiPop {
    /// Where the first key stands, and how many there are.
    first: usize,
    keys: usize,
    end: End,
    count: usize,
}

impl MultiPop {
    /// Reads them from argument `at` on.
    pub(super) fn parse(call: &Call<'_>, at: usize) -> Result<Self, CommandError> {
        let args = call.args;
        let keys = positive(&args[at]).ok_or(CommandError::NUMKEYS_NOT_POSITIVE)?;
        let first = at + 1;
        let end = match args.get(keys.saturating_add(first)) {
            Some(word) if is_word(word, "MIN") => End::Min,
            Some(word) if is_word(word, "MAX") => End::Max,
            _ => return Err(CommandError::SYNTAX),
        };
        let option = first + keys + 1;
        let count = match args.len() - option {
            0 => 1,
            n if n >= 2 && call.is_word(option, "COUNT") => {
                let count = positive(&args[option + 1]).ok_or(CommandError::COUNT_NOT_POSITIVE)?;
                if n > 2 {
                    return Err(CommandError::SYNTAX);
                }
                count
            }
            _ => return Err(CommandError::SYNTAX),
        };
        Ok(MultiPop { first, keys, end, count })
    }

    pub(super) fn keys<'a>(&self, call: &Call<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        call.args.iter().skip(self.first).take(self.keys)
    }

    /// Takes from the first set that exists; whether there is one.
    pub(super) fn take(&self, call: &mut Call<'_>) -> Result<bool, CommandError> {
        for key in self.keys(call) {
            if call.db.sorted_set(key)?.is_none() {
                continue;
            }
            call.reply.array(2);
            call.reply.bulk(key);
            let taken = pop_members(call, key, (self.end, self.count), true)?;
            call.propagate(&[self.end.pop_name(), key, itoa::Buffer::new().format(taken).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn positive(arg: &[u8]) -> Option<usize> {
    integer(arg).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}

fn zmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !MultiPop::parse(call, 1)?.take(call)? {
        call.reply.null_array();
    }
    Ok(())
}
