//! Popping members of sorted sets, now or when there are some: BZPOPMIN, BZPOPMAX and BZMPOP.
//!
//! What is propagated is the command that does not wait. How clients wait is in [`crate::waiting`].

use super::removal::{End, MultiPop, pop_members};
use crate::call::Call;
use crate::command::{Command, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::waiting::keys::Kind;

const TAKING: &[&str] = &["RW", "access", "delete"];
const TIMEOUT_HISTORY: &[(&str, &str)] = &[("6.0.0", "The timeout may have a fraction.")];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("bzpopmin", -3, |call| pop(call, End::Min))
        .flags(flag::WRITE | flag::FAST | flag::BLOCKING)
        .keys(&[KeySpec::range(1, -2, TAKING)])
        .history(TIMEOUT_HISTORY)
        .doc(
            Group::SortedSet,
            "5.0.0",
            "Removes and returns the member of lowest score of the first set that has any, as soon as one does.",
            "O(log N), N being the size of the set",
        )
        .syntax("key... timeout:double"),
    Command::new("bzpopmax", -3, |call| pop(call, End::Max))
        .flags(flag::WRITE | flag::FAST | flag::BLOCKING)
        .keys(&[KeySpec::range(1, -2, TAKING)])
        .history(TIMEOUT_HISTORY)
        .doc(
            Group::SortedSet,
            "5.0.0",
            "Removes and returns the member of highest score of the first set that has any, as soon as one does.",
            "O(log N), N being the size of the set",
        )
        .syntax("key... timeout:double"),
    Command::new("bzmpop", -5, bzmpop)
        .flags(flag::WRITE | flag::BLOCKING)
        .keys(&[KeySpec::counted(2, TAKING)])
        .doc(
            Group::SortedSet,
            "7.0.0",
            "Removes and returns members of lowest or highest score of the first set that has any, as soon as one does.",
            "O(K) + O(M * log N), K being the number of keys, M the number of members removed, N the size of the set",
        )
        .syntax("timeout:double numkeys:integer key... where:(MIN | MAX) [COUNT count:integer]"),
];

fn pop(call: &mut Call<'_>, end: End) -> Result<(), CommandError> {
    let args = call.args;
    let last = args.len() - 1;
    let until = call.until_seconds(last)?;
    let keys = || args.iter().take(last).skip(1);
    for key in keys() {
        if call.db.sorted_set(key)?.is_some() {
            call.reply.array(3);
            call.reply.bulk(key);
            pop_members(call, key, (end, 1), false)?;
            call.propagate(&[end.pop_name(), key]);
            return Ok(());
        }
    }
    call.wait_for_kind(keys(), Kind::SortedSet, until);
    Ok(())
}

fn bzmpop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let wanted = MultiPop::parse(call, 2)?;
    let until = call.until_seconds(1)?;
    if !wanted.take(call)? {
        call.wait_for_kind(wanted.keys(call), Kind::SortedSet, until);
    }
    Ok(())
}
