//! Members by name: ZADD, ZINCRBY, ZREM, ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK.
//!
//! All options and scores are read before the first change, so a bad request changes nothing.

use slipstream_keyspace::{Encoding, SortedSet};
use slipstream_resp::Args;

use super::{changed_by, read};
use crate::call::{Call, is_word};
use crate::command::{Command, DELETE_KEY, Group, INSPECT_KEY, KeySpec, READ_KEY, UPDATE_KEY, flag};
use crate::errors::CommandError;
use crate::event;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("zadd", -4, zadd)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Adds members with their scores, or gives members other scores.",
            "O(log N) for each member, N being the size of the set",
        )
        .history(&[
            ("2.4.0", "Takes several members."),
            ("3.0.2", "Takes `NX`, `XX`, `CH` and `INCR`."),
            ("6.2.0", "Takes `GT` and `LT`."),
        ])
        .syntax(
            "key condition:[NX | XX]!3.0.2 comparison:[GT | LT]!6.2.0 change:[CH]!3.0.2 increment:[INCR]!3.0.2 data:(score:double member)...",
        ),
    Command::new("zincrby", 4, zincrby)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(UPDATE_KEY)
        .doc(Group::SortedSet, "1.2.0", "Adds to the score of a member.", "O(log N), N being the size of the set")
        .syntax("key increment:integer member"),
    Command::new("zrem", -3, zrem)
        .flags(flag::WRITE | flag::FAST)
        .keys(DELETE_KEY)
        .doc(
            Group::SortedSet,
            "1.2.0",
            "Removes members; the key goes with the last one.",
            "O(M * log N), M being the number of members to remove, N the size of the set",
        )
        .history(&[("2.4.0", "Takes several members.")])
        .syntax("key member..."),
    Command::new("zcard", 2, zcard)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::SortedSet, "1.2.0", "Tells how many members there are.", "O(1)")
        .syntax("key"),
    Command::new("zscore", 3, zscore)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "1.2.0", "Tells the score of a member.", "O(1)")
        .syntax("key member"),
    Command::new("zmscore", -3, zmscore)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "6.2.0", "Tells the scores of several members.", "O(N), N being the number of members asked for")
        .syntax("key member..."),
    Command::new("zrank", -3, zrank)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "2.0.0", "Tells how many members come before one.", "O(log N)")
        .history(&[("7.2.0", "Takes `WITHSCORE`.")])
        .syntax("key member [WITHSCORE]"),
    Command::new("zrevrank", -3, zrevrank)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::SortedSet, "2.0.0", "Tells how many members come after one.", "O(log N)")
        .history(&[("7.2.0", "Takes `WITHSCORE`.")])
        .syntax("key member [WITHSCORE]"),
];

/// The options of ZADD, as a set of bits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules(u8);

impl Rules {
    const ONLY_NEW: u8 = 1;
    const ONLY_EXISTING: u8 = 1 << 1;
    const ONLY_GREATER: u8 = 1 << 2;
    const ONLY_LESS: u8 = 1 << 3;
    const INCREMENT: u8 = 1 << 4;
    const COUNT_UPDATED: u8 = 1 << 5;
    const WORDS: [(&'static str, u8); 6] = [
        ("NX", Self::ONLY_NEW),
        ("XX", Self::ONLY_EXISTING),
        ("GT", Self::ONLY_GREATER),
        ("LT", Self::ONLY_LESS),
        ("INCR", Self::INCREMENT),
        ("CH", Self::COUNT_UPDATED),
    ];

    /// The rules, and where the first score stands.
    fn parse(args: Args<'_>) -> Result<(Self, usize), CommandError> {
        let mut rules = Rules(0);
        let mut first = 2;
        while let Some(bit) = args.get(first).and_then(Self::word) {
            rules.0 |= bit;
            first += 1;
        }
        let left = args.len() - first;
        if left == 0 || !left.is_multiple_of(2) {
            return Err(CommandError::SYNTAX);
        }
        rules.check(left / 2)?;
        Ok((rules, first))
    }

    /// Takes `word` in if it is one of the options that GEOADD has too.
    pub(crate) fn take_word_of_places(&mut self, word: &[u8]) -> bool {
        const KNOWN: u8 = Rules::ONLY_NEW | Rules::ONLY_EXISTING | Rules::COUNT_UPDATED;
        let bit = Self::word(word).filter(|bit| bit & KNOWN != 0);
        self.0 |= bit.unwrap_or(0);
        bit.is_some()
    }

    /// Whether a member would have to be new and to be there.
    pub(crate) fn are_never_met(self) -> bool {
        self.has(Self::ONLY_NEW) && self.has(Self::ONLY_EXISTING)
    }

    fn word(arg: &[u8]) -> Option<u8> {
        // A score is longer or no letter: most calls end here.
        if arg.len() > 4 || !arg.first()?.is_ascii_alphabetic() {
            return None;
        }
        Self::WORDS.iter().find(|(word, _)| is_word(arg, word)).map(|(_, bit)| *bit)
    }

    fn check(self, pairs: usize) -> Result<(), CommandError> {
        let both = |a: u8, b: u8| self.has(a) && self.has(b);
        if self.are_never_met() {
            return Err(CommandError::ZADD_XX_AND_NX);
        }
        if both(Self::ONLY_GREATER, Self::ONLY_NEW)
            || both(Self::ONLY_LESS, Self::ONLY_NEW)
            || both(Self::ONLY_GREATER, Self::ONLY_LESS)
        {
            return Err(CommandError::ZADD_GT_LT_NX);
        }
        if self.has(Self::INCREMENT) && pairs > 1 {
            return Err(CommandError::ZADD_INCR_PAIRS);
        }
        Ok(())
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// Whether every member is set to its score whatever it had.
    fn overwrite(self) -> bool {
        self.0 & !Self::COUNT_UPDATED == 0
    }
}

/// What became of one member.
enum Put {
    Skipped,
    Added(f64),
    Updated(f64),
    Same(f64),
}

/// What became of all of them.
#[derive(Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last one that was not skipped.
    score: Option<f64>,
}

impl Tally {
    fn count(&mut self, put: &Put) {
        self.score = match *put {
            Put::Skipped => return,
            Put::Added(score) => {
                self.added += 1;
                Some(score)
            }
            Put::Updated(score) => {
                self.updated += 1;
                Some(score)
            }
            Put::Same(score) => Some(score),
        };
    }
}

fn zadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (rules, first) = Rules::parse(call.args)?;
    add(call, rules, first)
}

fn zincrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, Rules(Rules::INCREMENT), 2)
}

fn add(call: &mut Call<'_>, rules: Rules, first: usize) -> Result<(), CommandError> {
    let args = call.args;
    if args.len() == first + 2 {
        // One pair, the common case: nothing is allocated.
        let score = call.float(first)?;
        return add_pairs(call, rules, std::iter::once((score, &args[first + 1])));
    }
    let scores = (first..args.len()).step_by(2).map(|at| call.float(at)).collect::<Result<Vec<_>, _>>()?;
    let members = (first + 1..args.len()).step_by(2).map(|at| &args[at]);
    add_pairs(call, rules, scores.into_iter().zip(members))
}

/// Puts members with their scores into the set at argument 1, and answers as ZADD does.
pub(crate) fn add_pairs<'a>(
    call: &mut Call<'_>,
    rules: Rules,
    pairs: impl Iterator<Item = (f64, &'a [u8])>,
) -> Result<(), CommandError> {
    let tally = put_all(call, rules, pairs)?;
    let changes = tally.added + tally.updated;
    if changes > 0 {
        let event = if rules.has(Rules::INCREMENT) { event::ZINCR } else { event::ZADD };
        let args = call.args;
        changed_by(call, &args[1], changes, event);
    }
    if !rules.has(Rules::INCREMENT) {
        call.reply.count(if rules.has(Rules::COUNT_UPDATED) { changes } else { tally.added });
    } else if let Some(score) = tally.score {
        call.reply.double(score);
    } else {
        call.reply.null();
    }
    Ok(())
}

fn put_all<'a>(
    call: &mut Call<'_>,
    rules: Rules,
    pairs: impl Iterator<Item = (f64, &'a [u8])>,
) -> Result<Tally, CommandError> {
    let encoding = call.db.encoding();
    let args = call.args;
    let key = &args[1];
    let mut tally = Tally::default();
    let mut set = if rules.has(Rules::ONLY_EXISTING) {
        match call.db.sorted_set_mut(key)? {
            Some(set) => set,
            None => return Ok(tally),
        }
    } else {
        call.db.sorted_set_or_new(key)?
    };
    for (score, member) in pairs {
        tally.count(&put(&mut set, member, score, (rules, &encoding))?);
    }
    Ok(tally)
}

fn put(
    set: &mut SortedSet<'_>,
    member: &[u8],
    score: f64,
    (rules, encoding): (Rules, &Encoding),
) -> Result<Put, CommandError> {
    let score = if rules.overwrite() {
        score
    } else {
        match set.score(member) {
            None if rules.has(Rules::ONLY_EXISTING) => return Ok(Put::Skipped),
            None => score,
            Some(old) => match rules.apply(old, score)? {
                Some(score) => score,
                None => return Ok(Put::Skipped),
            },
        }
    };
    Ok(match set.insert(member, score, encoding) {
        None => Put::Added(score),
        Some(old) if old == score => Put::Same(score),
        Some(_) => Put::Updated(score),
    })
}

impl Rules {
    /// The new score of a member that has one, or `None` if it keeps it.
    fn apply(self, old: f64, given: f64) -> Result<Option<f64>, CommandError> {
        if self.has(Self::ONLY_NEW) {
            return Ok(None);
        }
        let score = if self.has(Self::INCREMENT) { old + given } else { given };
        if score.is_nan() {
            return Err(CommandError::SCORE_NAN);
        }
        let kept =
            (self.has(Self::ONLY_LESS) && score >= old) || (self.has(Self::ONLY_GREATER) && score <= old);
        Ok((!kept).then_some(score))
    }
}

fn zrem(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let Some(mut set) = call.db.sorted_set_mut(key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let removed = args.iter().skip(2).filter(|member| set.remove(member).is_some()).count();
    let emptied = set.is_empty();
    drop(set);
    if emptied {
        call.db.remove(key);
    }
    if removed > 0 {
        changed_by(call, key, removed, event::ZREM);
    }
    if emptied {
        call.notify(key, event::DEL);
    }
    call.reply.count(removed);
    Ok(())
}

fn zcard(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.count(set.map_or(0, |set| set.len()));
    Ok(())
}

fn zscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = read(&mut call.db, call.core, &call.args[1])?;
    match set.and_then(|set| set.score(&call.args[2])) {
        Some(score) => call.reply.double(score),
        None => call.reply.null(),
    }
    Ok(())
}

fn zmscore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let set = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.iter().skip(2) {
        match set.as_ref().and_then(|set| set.score(member)) {
            Some(score) => call.reply.double(score),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn zrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell_rank(call, |_, rank| rank)
}

fn zrevrank(call: &mut Call<'_>) -> Result<(), CommandError> {
    tell_rank(call, |set, rank| set.len() - 1 - rank)
}

fn tell_rank(call: &mut Call<'_>, direction: fn(&SortedSet<'_>, usize) -> usize) -> Result<(), CommandError> {
    let with_score = match call.args.len() {
        3 => false,
        4 if call.is_word(3, "WITHSCORE") => true,
        4 => return Err(CommandError::SYNTAX),
        _ => return Err(call.arity_error()),
    };
    let member = &call.args[2];
    let set = read(&mut call.db, call.core, &call.args[1])?;
    let found = set.and_then(|set| Some((direction(&set, set.rank(member)?), set.score(member)?)));
    match found {
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
        Some((rank, score)) => {
            if with_score {
                call.reply.array(2);
            }
            call.reply.count(rank);
            if with_score {
                call.reply.double(score);
            }
        }
    }
    Ok(())
}
