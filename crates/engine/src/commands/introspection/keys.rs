//! COMMAND GETKEYS: the keys in a whole command, found by its key specs.
//!
//! What no spec can say is said here: SORT's STORE may come anywhere and the last one counts, SET reads its key only
//! with GET, BITFIELD may only read, and a password of MIGRATE may be the word KEYS.

use slipstream_resp::Args;

use super::write_words;
use crate::call::{Call, integer, is_word};
use crate::command::{BeginSearch, Command, FindKeys, flag};
use crate::commands::bitmaps::bitfield_writes;
use crate::commands::keys::migrate_keys;
use crate::errors::CommandError;

/// Where a key stands, and how the command uses it.
pub(crate) type FoundKey = (usize, &'static [&'static str]);

pub(super) fn getkeys(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (request, keys) = find(call)?;
    call.reply.array(keys.len());
    keys.iter().for_each(|(at, _)| call.reply.bulk(&request[*at]));
    Ok(())
}

pub(super) fn getkeysandflags(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (request, keys) = find(call)?;
    call.reply.array(keys.len());
    for (at, flags) in keys {
        call.reply.array(2);
        call.reply.bulk(&request[at]);
        write_words(call.reply, flags.iter().copied());
    }
    Ok(())
}

/// The command in question and its keys.
fn find<'a>(call: &Call<'a>) -> Result<(Args<'a>, Vec<FoundKey>), CommandError> {
    let request = call.args.from(2);
    let entry = call.core.table.resolve(request).map_err(|_| CommandError::INVALID_COMMAND)?;
    let command = entry.command;
    if command.keys.iter().all(|spec| spec.flags.contains(&"not_key")) {
        return Err(CommandError::NO_KEY_ARGUMENTS);
    }
    if !command.accepts(request.len()) {
        return Err(CommandError::INVALID_ARGUMENT_COUNT);
    }
    let keys = keys_of(command, request).unwrap_or_default();
    if keys.is_empty() && !command.has(flag::NO_MANDATORY_KEYS) {
        return Err(CommandError::INVALID_ARGUMENTS);
    }
    Ok((request, keys))
}

/// The keys of a request by the command's specs; `None` if the request does not suit them.
pub(crate) fn keys_of(command: &Command, request: Args<'_>) -> Option<Vec<FoundKey>> {
    let mut keys = Vec::new();
    match command.name {
        "sort" => return Some(keys_of_sort(request)),
        "migrate" => return Some(migrate_keys(request).map(|at| (at, command.keys[0].flags)).collect()),
        // What BY and GET name are no keys but patterns of keys.
        "sort_ro" => return Some(vec![(1, command.keys[0].flags)]),
        "set" => return Some(vec![(1, flags_of_set(request))]),
        "bitfield" => return Some(vec![(1, flags_of_bitfield(request))]),
        _ => {}
    }
    for spec in command.keys.iter().filter(|spec| !spec.flags.contains(&"not_key")) {
        let Some(first) = begin(spec.begin, request)? else { continue };
        let (first, last, step) = extent(spec.find, first, request)?;
        if first > last || last >= request.len() {
            return None;
        }
        keys.extend((first..=last).step_by(step.max(1)).map(|at| (at, spec.flags)));
    }
    Some(keys)
}

/// Where a spec's first key is looked for. `None`: it cannot be said; `Some(None)`: its keyword is missing.
fn begin(begin: BeginSearch, request: Args<'_>) -> Option<Option<usize>> {
    match begin {
        BeginSearch::Index(index) => Some(Some(index)),
        BeginSearch::Keyword(keyword, from) => {
            let offset = usize::try_from(from.unsigned_abs()).ok()?;
            let found = if from >= 0 {
                (offset..request.len()).find(|at| is_word(&request[*at], keyword))
            } else {
                (1..=request.len().saturating_sub(offset)).rev().find(|at| is_word(&request[*at], keyword))
            };
            Some(found.map(|at| at + 1))
        }
        BeginSearch::Unknown => None,
    }
}

/// First key, last key and step of a spec whose search ended at `first`.
fn extent(find: FindKeys, first: usize, request: Args<'_>) -> Option<(usize, usize, usize)> {
    match find {
        FindKeys::Range { last, step, limit } => {
            let behind = usize::try_from(last.unsigned_abs()).ok()?;
            let last = if last >= 0 {
                first + behind
            } else {
                let divisor = usize::try_from(limit.max(1)).ok()?;
                (first + request.len().saturating_sub(first) / divisor).checked_sub(behind)?
            };
            Some((first, last, usize::try_from(step).ok()?))
        }
        FindKeys::Count { count_at, first: behind, step } => {
            let count = usize::try_from(integer(request.get(first + count_at)?).ok()?).ok()?;
            let first = first + behind;
            let last = first.checked_add(count.checked_sub(1)?.checked_mul(step)?)?;
            Some((first, last, step))
        }
        FindKeys::Unknown => None,
    }
}

fn keys_of_sort(request: Args<'_>) -> Vec<FoundKey> {
    let mut store = None;
    let mut at = 2;
    while let Some(word) = request.get(at) {
        if is_word(word, "LIMIT") {
            at += 2;
        } else if is_word(word, "GET") || is_word(word, "BY") {
            at += 1;
        } else if is_word(word, "STORE") && at + 1 < request.len() {
            store = Some(at + 1);
        }
        at += 1;
    }
    let mut keys: Vec<FoundKey> = vec![(1, &["RO", "access"])];
    keys.extend(store.map(|at| (at, &["OW", "update"][..])));
    keys
}

fn flags_of_set(request: Args<'_>) -> &'static [&'static str] {
    let reads = request.iter().skip(3).any(|word| is_word(word, "GET"));
    if reads { &["RW", "access", "update"] } else { &["OW", "update"] }
}

fn flags_of_bitfield(request: Args<'_>) -> &'static [&'static str] {
    if bitfield_writes(request) { &["RW", "access", "update"] } else { &["RO", "access"] }
}
