//! COMMAND INFO: ten facts about a command.
//!
//! Old clients read the key range, new ones the key specs; both are made from the row's specs.

use slipstream_resp::Reply;

use super::{look_up, top_level, write_words};
use crate::acl::categories;
use crate::call::Call;
use crate::command::{BeginSearch, Command, FindKeys, KeySpec, flag};
use crate::errors::CommandError;
use crate::table::CommandTable;

pub(super) fn info(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() == 2 {
        write_all(call);
        return Ok(());
    }
    call.reply.array(call.args.len() - 2);
    for name in call.args.iter().skip(2) {
        match look_up(&call.core.table, name) {
            Some(entry) => write(call.reply, &call.core.table, entry.command),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn write_all(call: &mut Call<'_>) {
    let commands = top_level(&call.core.table);
    call.reply.array(commands.len());
    commands.into_iter().for_each(|command| write(call.reply, &call.core.table, command));
}

fn write(reply: &mut Reply, table: &CommandTable, command: &'static Command) {
    let (range, movable) = key_range(command.keys);
    let flags = command.flags | if movable { flag::MOVABLE_KEYS } else { 0 };
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.integer(i64::from(command.arity));
    let names = flag::NAMES.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name);
    write_words(reply, names.collect::<Vec<_>>().into_iter());
    reply.integer(range.first);
    reply.integer(range.last);
    reply.integer(range.step);
    let categories: Vec<String> = categories(command).iter().map(|name| format!("@{name}")).collect();
    write_words(reply, categories.iter().map(String::as_str));
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| write_spec(reply, spec));
    if command.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(table.subcommands(command).count());
        table.subcommands(command).for_each(|subcommand| write(reply, table, subcommand));
    }
}

/// First key, last key and step, as old clients understand them; zeros if there is no such range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KeyRange {
    first: i64,
    last: i64,
    step: i64,
}

/// Joins the specs that are plain ranges, and tells whether keys may stand elsewhere too.
fn key_range(specs: &[KeySpec]) -> (KeyRange, bool) {
    let mut joined: Option<KeyRange> = None;
    let mut movable = false;
    for spec in specs {
        movable |= spec.flags.contains(&"incomplete");
        let Some(range) = plain_range(spec) else {
            movable = true;
            continue;
        };
        joined = match joined {
            None if specs.len() == 1 || range.step == 1 => Some(range),
            Some(before) if range.step == 1 && before.last == range.first - 1 => {
                Some(KeyRange { last: range.last, ..before })
            }
            other => {
                movable = true;
                other
            }
        };
    }
    (joined.unwrap_or_default(), movable)
}

/// First and last are counted from the command's name, last from the end if negative.
fn plain_range(spec: &KeySpec) -> Option<KeyRange> {
    let (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) = (spec.begin, spec.find) else {
        return None;
    };
    let first = i64::try_from(first).expect("an index is small");
    let last = i64::from(last);
    Some(KeyRange { first, last: if last < 0 { last } else { first + last }, step: i64::from(step) })
}

fn write_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_words(reply, spec.flags.iter().copied());
    reply.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(index) => write_step(reply, "index", &[("index", to_i64(index))]),
        BeginSearch::Keyword(keyword, from) => {
            write_kind(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(keyword.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(i64::from(from));
        }
        BeginSearch::Unknown => write_step(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let numbers = [("lastkey", last), ("keystep", step), ("limit", limit)];
            write_step(reply, "range", &numbers.map(|(name, number)| (name, i64::from(number))));
        }
        FindKeys::Count { count_at, first, step } => {
            let numbers = [("keynumidx", count_at), ("firstkey", first), ("keystep", step)];
            write_step(reply, "keynum", &numbers.map(|(name, number)| (name, to_i64(number))));
        }
        FindKeys::Unknown => write_step(reply, "unknown", &[]),
    }
}

fn to_i64(index: usize) -> i64 {
    i64::try_from(index).expect("an index is small")
}

fn write_step(reply: &mut Reply, kind: &str, numbers: &[(&str, i64)]) {
    write_kind(reply, kind, numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}

fn write_kind(reply: &mut Reply, kind: &str, parts: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(specs: &[KeySpec], range: (i64, i64, i64), movable: bool) {
        let (first, last, step) = range;
        assert_eq!(key_range(specs), (KeyRange { first, last, step }, movable), "{specs:?}");
    }

    #[test]
    fn plain_ranges_that_join_are_one_range_and_others_make_keys_movable() {
        check(&[], (0, 0, 0), false);
        check(&[KeySpec::at(2, &[])], (2, 2, 1), false);
        check(&[KeySpec::stepped(1, 2, &[])], (1, -1, 2), false);
        check(&[KeySpec::at(1, &[]), KeySpec::at(2, &[])], (1, 2, 1), false);
        check(&[KeySpec::at(1, &[]), KeySpec::range(2, -1, &[])], (1, -1, 1), false);
        check(&[KeySpec::at(1, &[]), KeySpec::at(3, &[])], (1, 1, 1), true);
        check(&[KeySpec::counted(1, &[])], (0, 0, 0), true);
        check(&[KeySpec::at(1, &[]), KeySpec::counted(2, &[])], (1, 1, 1), true);
        check(&[KeySpec::at(1, &["incomplete"])], (1, 1, 1), true);
    }
}
