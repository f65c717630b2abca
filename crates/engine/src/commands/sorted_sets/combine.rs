//! Several sets at once: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD.
//!
//! Sources may be plain sets too, whose members count with a score of 1. As in
//! Redis, union and intersection go from the smallest source to the largest:
//! the order in which scores are added decides their last bit.

use slipstream_keyspace::{Encoding, Item, SortedSet, Value};

use super::ranges::store;
use super::{announce, read_any, write_member};
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::event;

const SOURCES: &[KeySpec] = &[KeySpec::counted(1, &["RO", "access"])];
const STORED_SOURCES: &[KeySpec] =
    &[KeySpec::at(1, &["OW", "update"]), KeySpec::counted(2, &["RO", "access"])];

const UNION_COMPLEXITY: &str =
    "O(N + M * log M), N being the sizes of all sets together, M the size of the result";
const INTER_COMPLEXITY: &str = "O(N * K + M * log M) at worst, N being the size of the smallest set, K the number of sets, M the size of the result";
const DIFF_COMPLEXITY: &str = "O(L + (N - K) * log N) at worst, L being the sizes of all sets together, N the size of the first, K of the result";

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("zunion", -3, zunion)
        .flags(flag::READONLY)
        .keys(SOURCES)
        .doc(Group::SortedSet, "6.2.0", "Returns the members of any of several sets.", UNION_COMPLEXITY)
        .syntax("numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]"),
    Command::new("zunionstore", -4, zunionstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORED_SOURCES)
        .doc(Group::SortedSet, "2.0.0", "Stores the members of any of several sets.", UNION_COMPLEXITY)
        .syntax("destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)]"),
    Command::new("zinter", -3, zinter)
        .flags(flag::READONLY)
        .keys(SOURCES)
        .doc(Group::SortedSet, "6.2.0", "Returns the members that several sets share.", INTER_COMPLEXITY)
        .syntax("numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]"),
    Command::new("zinterstore", -4, zinterstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORED_SOURCES)
        .doc(Group::SortedSet, "2.0.0", "Stores the members that several sets share.", INTER_COMPLEXITY)
        .syntax("destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)]"),
    Command::new("zintercard", -3, zintercard)
        .flags(flag::READONLY)
        .keys(SOURCES)
        .doc(
            Group::SortedSet,
            "7.0.0",
            "Tells how many members several sets share.",
            "O(N * K) at worst, N being the size of the smallest set, K the number of sets",
        )
        .syntax("numkeys:integer key... [LIMIT limit:integer]"),
    Command::new("zdiff", -3, zdiff)
        .flags(flag::READONLY)
        .keys(SOURCES)
        .doc(Group::SortedSet, "6.2.0", "Returns the members of the first set that no other has.", DIFF_COMPLEXITY)
        .syntax("numkeys:integer key... [WITHSCORES]"),
    Command::new("zdiffstore", -4, zdiffstore)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(STORED_SOURCES)
        .doc(Group::SortedSet, "6.2.0", "Stores the members of the first set that no other has.", DIFF_COMPLEXITY)
        .syntax("destination:key numkeys:integer key..."),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What is done with the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Returned,
    Stored,
    Counted,
}

/// How the scores of one member in several sources become one.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => not_nan(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Infinity times zero and infinity minus infinity count as zero.
fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One input: a set of either kind, or nothing. Big values are shared, so holding one copies little.
struct Source {
    value: Option<Value<'static>>,
    weight: f64,
}

impl Source {
    fn len(&self) -> usize {
        self.value.as_ref().map_or(0, Value::len)
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.value.as_ref()? {
            Value::SortedSet(set) => set.score(member),
            Value::Set(set) => set.contains(member).then_some(1.0),
            _ => None,
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (Item<'_>, f64)> + '_> {
        match &self.value {
            Some(Value::SortedSet(set)) => Box::new(set.iter()),
            Some(Value::Set(set)) => Box::new(set.iter().map(|member| (member, 1.0))),
            _ => Box::new(std::iter::empty()),
        }
    }
}

/// What stands behind the keys.
struct Options {
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD stops there; 0: nowhere.
    limit: usize,
}

fn zunion(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Union, Form::Returned)
}

fn zunionstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Union, Form::Stored)
}

fn zinter(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Intersection, Form::Returned)
}

fn zinterstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Intersection, Form::Stored)
}

fn zintercard(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Intersection, Form::Counted)
}

fn zdiff(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Difference, Form::Returned)
}

fn zdiffstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    combine(call, Operation::Difference, Form::Stored)
}

fn combine(call: &mut Call<'_>, operation: Operation, form: Form) -> Result<(), CommandError> {
    let count_at = if form == Form::Stored { 2 } else { 1 };
    let mut sources = read_sources(call, count_at)?;
    let options = parse_options(call, count_at + 1 + sources.len(), (operation, form), &mut sources)?;
    if operation != Operation::Difference {
        sources.sort_by_key(Source::len);
    }
    if form == Form::Counted {
        let shared = intersection(&sources, options.aggregate);
        let count = if options.limit == 0 { shared.count() } else { shared.take(options.limit).count() };
        call.reply.count(count);
        return Ok(());
    }
    let encoding = call.db.encoding();
    // What is only returned needs no packing, which would cost minus zero its sign.
    let mut result = match form {
        Form::Stored => SortedSet::new(),
        _ => SortedSet::with_hint(usize::MAX, 0, &encoding),
    };
    match operation {
        Operation::Union => union(&mut result, &sources, options.aggregate, &encoding),
        Operation::Intersection => collect(&mut result, intersection(&sources, options.aggregate), &encoding),
        Operation::Difference => collect(&mut result, difference(&sources), &encoding),
    }
    drop(sources);
    if form == Form::Stored {
        let event = match operation {
            Operation::Union => event::ZUNIONSTORE,
            Operation::Intersection => event::ZINTERSTORE,
            Operation::Difference => event::ZDIFFSTORE,
        };
        store(call, result, event);
        return Ok(());
    }
    announce(call.reply, result.len(), options.with_scores);
    for (member, score) in result.iter() {
        write_member(call.reply, member, options.with_scores.then_some(score));
    }
    Ok(())
}

fn read_sources(call: &mut Call<'_>, count_at: usize) -> Result<Vec<Source>, CommandError> {
    let args = call.args;
    let count = call.integer(count_at)?;
    if count < 1 {
        return Err(CommandError::no_input_keys(call.entry.command.full_name));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > args.len() - count_at - 1 {
        return Err(CommandError::SYNTAX);
    }
    let mut sources = Vec::with_capacity(count);
    for key in args.iter().skip(count_at + 1).take(count) {
        let value = read_any(&mut call.db, call.core, key).map(Value::into_owned);
        if !matches!(value, None | Some(Value::SortedSet(_) | Value::Set(_))) {
            return Err(CommandError::WRONG_TYPE);
        }
        sources.push(Source { value, weight: 1.0 });
    }
    Ok(sources)
}

fn parse_options(
    call: &Call<'_>,
    from: usize,
    (operation, form): (Operation, Form),
    sources: &mut [Source],
) -> Result<Options, CommandError> {
    let args = call.args;
    let weighted = operation != Operation::Difference && form != Form::Counted;
    let mut options = Options { aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
    let mut at = from;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if weighted && left >= sources.len() && is_word(word, "WEIGHTS") {
            for (index, source) in sources.iter_mut().enumerate() {
                source.weight = call.float(at + 1 + index).map_err(|_| CommandError::WEIGHT_NOT_FLOAT)?;
            }
            at += 1 + sources.len();
        } else if weighted && left >= 1 && is_word(word, "AGGREGATE") {
            options.aggregate = aggregate(&args[at + 1])?;
            at += 2;
        } else if form == Form::Returned && is_word(word, "WITHSCORES") {
            options.with_scores = true;
            at += 1;
        } else if form == Form::Counted && left >= 1 && is_word(word, "LIMIT") {
            let limit = integer(&args[at + 1]).ok().and_then(|limit| usize::try_from(limit).ok());
            options.limit = limit.ok_or(CommandError::LIMIT_NEGATIVE)?;
            at += 2;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(options)
}

fn aggregate(word: &[u8]) -> Result<Aggregate, CommandError> {
    let known = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
    let found = known.into_iter().find(|(name, _)| is_word(word, name));
    found.map(|(_, aggregate)| aggregate).ok_or(CommandError::SYNTAX)
}

fn union(result: &mut SortedSet<'_>, sources: &[Source], aggregate: Aggregate, encoding: &Encoding) {
    let mut scratch = itoa::Buffer::new();
    for source in sources {
        for (member, score) in source.iter() {
            let member = member.bytes(&mut scratch);
            let score = not_nan(source.weight * score);
            let score = result.score(member).map_or(score, |known| aggregate.of(known, score));
            result.insert(member, score, encoding);
        }
    }
}

/// Members of all sources; the first is the smallest.
fn intersection(sources: &[Source], aggregate: Aggregate) -> impl Iterator<Item = (Item<'_>, f64)> {
    let (smallest, others) = sources.split_first().expect("there is at least one source");
    let mut scratch = itoa::Buffer::new();
    smallest.iter().filter_map(move |(member, score)| {
        let name = member.bytes(&mut scratch);
        let total = others.iter().try_fold(not_nan(smallest.weight * score), |total, source| {
            Some(aggregate.of(total, source.weight * source.score(name)?))
        })?;
        Some((member, total))
    })
}

/// Members of the first source that are in no other.
fn difference(sources: &[Source]) -> impl Iterator<Item = (Item<'_>, f64)> {
    let (first, others) = sources.split_first().expect("there is at least one source");
    let mut scratch = itoa::Buffer::new();
    first.iter().filter(move |(member, _)| {
        let name = member.bytes(&mut scratch);
        !others.iter().any(|source| source.score(name).is_some())
    })
}

fn collect<'a>(
    result: &mut SortedSet<'_>,
    members: impl Iterator<Item = (Item<'a>, f64)>,
    encoding: &Encoding,
) {
    let mut scratch = itoa::Buffer::new();
    for (member, score) in members {
        result.insert(member.bytes(&mut scratch), score, encoding);
    }
}
