//! Ranges: ZRANGE and the commands it replaced, ZRANGESTORE, ZCOUNT, ZLEXCOUNT.
//!
//! All of them are one [`Query`] with parts of it fixed by the command's name.

use slipstream_keyspace::{Item, SortedSet, Value};
use slipstream_resp::Args;

use super::bounds::{By, Range, Window};
use super::{announce, read, write_member};
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, KeySpec, READ_KEY, flag};
use crate::errors::CommandError;
use crate::event::{self, Event};

const COUNT_COMPLEXITY: &str = "O(log N), N being the size of the set";
const RANGE_COMPLEXITY: &str = "O(log N + M), N being the size of the set, M the number of members returned";

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("zrange", -4, zrange)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Returns the members of a range of ranks, scores or names.",
            RANGE_COMPLEXITY,
        )
        .history(&[("6.2.0", "Takes `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")])
        .syntax(
            "key start stop sortby:[BYSCORE | BYLEX]!6.2.0 [REV]!6.2.0 [LIMIT offset:integer count:integer]!6.2.0 [WITHSCORES]",
        ),
    Command::new("zrangestore", -5, zrangestore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(&[KeySpec::at(1, &["OW", "update"]), KeySpec::at(2, &["RO", "access"])])
        .doc(
            Group::SortedSet,
            "6.2.0",
            "Stores the members of a range as another set.",
            "O(log N + M), N being the size of the set, M the number of members stored",
        )
        .syntax(
            "dst:key src:key min max sortby:[BYSCORE | BYLEX] [REV] [LIMIT offset:integer count:integer]",
        ),
    Command::new("zrangebyscore", -4, zrangebyscore)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "1.0.5", "Returns the members of a range of scores.", RANGE_COMPLEXITY)
        .history(&[("2.0.0", "Takes `WITHSCORES`.")])
        .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
        .syntax("key min:double max:double [WITHSCORES]!2.0.0 [LIMIT offset:integer count:integer]"),
    Command::new("zrevrangebyscore", -4, zrevrangebyscore)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "2.2.0",
            "Returns the members of a range of scores, the highest score first.",
            RANGE_COMPLEXITY,
        )
        .history(&[("2.1.6", "Either end can be left out of the range by `(`.")])
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
        .syntax("key max:double min:double [WITHSCORES] [LIMIT offset:integer count:integer]"),
    Command::new("zrangebylex", -4, zrangebylex)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Returns the members between two, in a set whose scores are all equal.",
            RANGE_COMPLEXITY,
        )
        .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
        .syntax("key min max [LIMIT offset:integer count:integer]"),
    Command::new("zrevrangebylex", -4, zrevrangebylex)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Returns the members between two in reverse order, in a set whose scores are all equal.",
            RANGE_COMPLEXITY,
        )
        .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
        .syntax("key max min [LIMIT offset:integer count:integer]"),
    Command::new("zrevrange", -4, zrevrange)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Returns the members of a range of ranks in reverse order.",
            RANGE_COMPLEXITY,
        )
        .deprecated("6.2.0", "`ZRANGE` with `REV`")
        .syntax("key start:integer stop:integer [WITHSCORES]"),
    Command::new("zcount", 4, zcount)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "2.0.0", "Tells how many members have scores in a range.", COUNT_COMPLEXITY)
        .syntax("key min:double max:double"),
    Command::new("zlexcount", 4, zlexcount)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(
            Group::SortedSet,
            "2.8.9",
            "Tells how many members lie between two, in a set whose scores are all equal.",
            COUNT_COMPLEXITY,
        )
        .syntax("key min max"),
];

/// What a command's name fixes; `None` is left to its options.
#[derive(Clone, Copy)]
struct Fixed {
    by: Option<By>,
    reverse: Option<bool>,
    /// Whether the members are stored, not returned.
    store: bool,
}

/// A range with its options.
struct Query<'a> {
    range: Range<'a>,
    reverse: bool,
    with_scores: bool,
    /// LIMIT; offset 0 and count -1 without.
    limit: (i64, i64),
}

impl<'a> Query<'a> {
    /// Reads the arguments from the lower end on, which stands at `from`.
    fn parse(args: Args<'a>, from: usize, fixed: Fixed) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (fixed.by, fixed.reverse);
        let mut with_scores = false;
        let mut limit = (0, -1);
        let mut at = from + 2;
        while let Some(word) = args.get(at) {
            if !fixed.store && is_word(word, "WITHSCORES") {
                with_scores = true;
            } else if is_word(word, "LIMIT") && args.len() - at > 2 {
                limit = (integer(&args[at + 1])?, integer(&args[at + 2])?);
                at += 2;
            } else if reverse.is_none() && is_word(word, "REV") {
                reverse = Some(true);
            } else if by.is_none() && is_word(word, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && is_word(word, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit.1 != -1 && by == By::Rank {
            return Err(CommandError::LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::WITHSCORES_BY_LEX);
        }
        let (first, second) = (arg(args, from), arg(args, from + 1));
        let backward = reverse && by != By::Rank;
        let (min, max) = if backward { (second, first) } else { (first, second) };
        Ok(Query { range: Range::parse(by, min, max)?, reverse, with_scores, limit })
    }

    fn window(&self, set: &SortedSet<'_>) -> Window {
        let window = self.range.window(set, self.reverse);
        match self.range {
            // A LIMIT that takes all is not refused here, but neither does its offset count.
            Range::Rank(..) => window,
            _ => window.limit(self.limit.0, self.limit.1, self.reverse),
        }
    }

    /// Shows the members to `visit` in the order asked for.
    fn walk(&self, set: &SortedSet<'_>, window: Window, visit: impl FnMut((Item<'_>, f64))) {
        let Window { first, count } = window;
        if self.reverse && count > 0 {
            set.iter_rev_from_rank(first + count - 1).take(count).for_each(visit);
        } else {
            set.iter_from_rank(first).take(count).for_each(visit);
        }
    }
}

fn arg(args: Args<'_>, index: usize) -> &[u8] {
    args.get(index).expect("the row's arity guarantees the ends of the range")
}

fn zrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, None, None)
}

fn zrevrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, Some(By::Rank), Some(true))
}

fn zrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, Some(By::Score), Some(false))
}

fn zrevrangebyscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, Some(By::Score), Some(true))
}

fn zrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, Some(By::Lex), Some(false))
}

fn zrevrangebylex(call: &mut Call<'_>) -> Result<(), CommandError> {
    show(call, Some(By::Lex), Some(true))
}

fn show(call: &mut Call<'_>, by: Option<By>, reverse: Option<bool>) -> Result<(), CommandError> {
    let query = Query::parse(call.args, 2, Fixed { by, reverse, store: false })?;
    let Some(set) = read(&mut call.db, call.core, &call.args[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let window = query.window(&set);
    let reply = &mut *call.reply;
    announce(reply, window.count, query.with_scores);
    query.walk(&set, window, |(member, score)| {
        write_member(reply, member, query.with_scores.then_some(score))
    });
    Ok(())
}

fn zrangestore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let query = Query::parse(call.args, 3, Fixed { by: None, reverse: None, store: true })?;
    let encoding = call.db.encoding();
    let mut result = SortedSet::new();
    if let Some(set) = read(&mut call.db, call.core, &call.args[2])? {
        let mut scratch = itoa::Buffer::new();
        query.walk(&set, query.window(&set), |(member, score)| {
            result.insert(member.bytes(&mut scratch), score, &encoding);
        });
    }
    store(call, result, event::ZRANGESTORE);
    Ok(())
}

/// Puts a result at argument 1 in place of what is there and answers its size; an empty one removes the key.
pub(super) fn store(call: &mut Call<'_>, result: SortedSet<'static>, event: Event) {
    let args = call.args;
    let key = &args[1];
    let count = result.len();
    if count > 0 {
        call.db.insert(key, Value::SortedSet(result), None);
        call.changed(key, event);
    } else if call.db.remove(key) {
        call.changed(key, event::DEL);
    }
    call.reply.count(count);
}

fn zcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell_count(call, By::Score)
}

fn zlexcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell_count(call, By::Lex)
}

fn tell_count(call: &mut Call<'_>, by: By) -> Result<(), CommandError> {
    let range = Range::parse(by, &call.args[2], &call.args[3])?;
    let set = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.count(set.map_or(0, |set| range.window(&set, false).count));
    Ok(())
}
