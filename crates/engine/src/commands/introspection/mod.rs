//! COMMAND: what the command table says, for clients and proxies.
//!
//! Generic over the table: nothing here knows a command by name, but for the
//! few in [`keys`] whose keys no spec can describe.

use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use crate::acl::categories;
use crate::call::{Call, is_word};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::glob::{Case, matches};
use crate::table::{CommandTable, Entry};

mod docs;
mod info;
mod keys;

pub(crate) use keys::{FoundKey, keys_of};

const COMMON: u32 = flag::LOADING | flag::STALE | flag::SENTINEL;
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("command", -1, command)
    .flags(COMMON)
    .categories(&["connection"])
    .tips(UNORDERED)
    .doc(Group::Server, "2.8.13", "Returns details of all commands.", "O(N), N being the number of commands")
    .subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("command|count", 2, count).flags(COMMON).categories(&["connection"]).doc(
        Group::Server,
        "2.8.13",
        "Tells how many commands there are.",
        "O(1)",
    ),
    Command::new("command|docs", -2, docs::docs)
        .flags(COMMON)
        .categories(&["connection"])
        .tips(UNORDERED)
        .doc(
            Group::Server,
            "7.0.0",
            "Returns the documentation of commands.",
            "O(N), N being the number of commands looked up",
        )
        .syntax("[command-name...]"),
    Command::new("command|getkeys", -3, keys::getkeys)
        .flags(COMMON)
        .categories(&["connection"])
        .doc(
            Group::Server,
            "2.8.13",
            "Returns the keys in a whole command.",
            "O(N), N being the number of arguments of the command",
        )
        .syntax("command [arg...]"),
    Command::new("command|getkeysandflags", -3, keys::getkeysandflags)
        .flags(COMMON)
        .categories(&["connection"])
        .doc(
            Group::Server,
            "7.0.0",
            "Returns the keys in a whole command and how it uses them.",
            "O(N), N being the number of arguments of the command",
        )
        .syntax("command [arg...]"),
    Command::new("command|help", 2, help).flags(COMMON).categories(&["connection"]).doc(
        Group::Server,
        "5.0.0",
        "Lists the forms of COMMAND.",
        "O(1)",
    ),
    Command::new("command|info", -2, info::info)
        .flags(COMMON)
        .categories(&["connection"])
        .tips(UNORDERED)
        .history(&[("7.0.0", "Without a name it returns all commands.")])
        .doc(
            Group::Server,
            "2.8.13",
            "Returns details of commands.",
            "O(N), N being the number of commands looked up",
        )
        .syntax("[command-name...]"),
    Command::new("command|list", -2, list)
        .flags(COMMON)
        .categories(&["connection"])
        .tips(UNORDERED)
        .doc(Group::Server, "7.0.0", "Returns the names of commands.", "O(N), N being the number of commands")
        .syntax("[FILTERBY (MODULE module-name | ACLCAT category | PATTERN pattern:pattern)]"),
];

/// The row called `name`, a subcommand being called `container|subcommand`.
pub(crate) fn look_up(table: &CommandTable, name: &[u8]) -> Option<Entry> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let container = table.find(parts.next()?)?;
    match parts.next() {
        None => Some(container),
        Some(subcommand) => table.find_subcommand(container.command, subcommand),
    }
}

/// All rows but subcommands, in the order of the table's families.
fn top_level(table: &CommandTable) -> Vec<&'static Command> {
    let mut entries: Vec<Entry> = table.commands().map(|(_, entry)| entry).collect();
    entries.sort_by_key(|entry| entry.index);
    entries.into_iter().map(|entry| entry.command).collect()
}

fn command(call: &mut Call<'_>) -> Result<(), CommandError> {
    // A first argument that is a subcommand never comes here.
    if let Some(word) = call.args.get(1) {
        return Err(CommandError::unknown_subcommand(call.entry.command.name, word));
    }
    info::write_all(call);
    Ok(())
}

fn count(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.count(call.core.table.commands().count());
    Ok(())
}

/// Which commands COMMAND LIST names.
enum Filter<'a> {
    All,
    /// Of a module: there are none.
    Module,
    Category(String),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn selects(&self, command: &Command) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(name) => categories(command).contains(&name.as_str()),
            Filter::Pattern(pattern) => matches(pattern, command.full_name.as_bytes(), Case::Insensitive),
        }
    }
}

fn list(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let filter = match args.len() {
        2 => Filter::All,
        5 if call.is_word(2, "FILTERBY") => {
            let value = &args[4];
            match &args[3] {
                kind if is_word(kind, "MODULE") => Filter::Module,
                kind if is_word(kind, "ACLCAT") => {
                    Filter::Category(String::from_utf8_lossy(value).to_ascii_lowercase())
                }
                kind if is_word(kind, "PATTERN") => Filter::Pattern(value),
                _ => return Err(CommandError::SYNTAX),
            }
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let table = &call.core.table;
    let commands = top_level(table);
    call.reply.deferred(Aggregate::Array, |reply| {
        let all = commands
            .into_iter()
            .flat_map(|command| std::iter::once(command).chain(table.subcommands(command)));
        let selected = all.filter(|command| filter.selects(command));
        Ok(selected.map(|command| reply.bulk(command.full_name.as_bytes())).count())
    })
}

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Details of all commands.",
    "COUNT",
    "    The number of commands.",
    "LIST [FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]",
    "    The names of commands.",
    "INFO [<command-name> ...]",
    "    Details of commands, of all of them if none is named.",
    "DOCS [<command-name> ...]",
    "    Documentation of commands, of all of them if none is named.",
    "GETKEYS <full-command>",
    "    The keys in a whole command.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys in a whole command, and how it uses each.",
    "HELP",
    "    This text.",
];

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.array(HELP.len());
    HELP.iter().for_each(|line| call.reply.simple(line));
    Ok(())
}

/// A set of words as simple strings.
fn write_words<'a>(reply: &mut Reply, words: impl ExactSizeIterator<Item = &'a str>) {
    reply.set(words.len());
    words.for_each(|word| reply.simple(word));
}

#[cfg(test)]
mod tests;
