//! Which commands a selector allows: a bit for each row of the table, and the rules that made them.
//!
//! The rules are kept as they came, less those that a later one makes superfluous, since that is what ACL LIST shows
//! and files hold: with commands that are still to come they mean more than the bits of today.

use std::collections::BTreeMap;

use super::category::Category;
use super::user::RuleError;
use crate::command::Command;
use crate::table::{CommandTable, Entry};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    /// By the index of a row.
    allowed: Vec<u64>,
    /// Whether the rules begin with all commands.
    begins_with_all: bool,
    /// Each with its sign, in small letters.
    rules: Vec<String>,
    /// First arguments with which a command is allowed that is not.
    first_words: BTreeMap<usize, Vec<Box<[u8]>>>,
}

impl Commands {
    /// Whether a command may run whatever its arguments.
    #[inline]
    pub(super) fn allows(&self, entry: Entry) -> bool {
        self.allowed.get(entry.index / 64).is_some_and(|word| word >> (entry.index % 64) & 1 == 1)
    }

    /// Whether one may run that may not otherwise, since this is its first argument.
    pub(super) fn allows_with(&self, entry: Entry, first: Option<&[u8]>) -> bool {
        let words = self.first_words.get(&entry.index);
        first.is_some_and(|first| words.is_some_and(|words| words.iter().any(|word| is_same(word, first))))
    }

    /// Whether every command may run.
    pub(super) fn allows_all(&self, table: &CommandTable) -> bool {
        self.begins_with_all && table.entries().iter().all(|entry| self.allows(*entry))
    }

    /// `+@all` or `-@all`.
    pub(super) fn set_all(&mut self, table: &CommandTable, allow: bool) {
        let word = if allow { u64::MAX } else { 0 };
        let allowed = vec![word; table.entries().len().div_ceil(64)];
        *self = Commands { allowed, begins_with_all: allow, ..Commands::default() };
    }

    /// `+` or `-` and what stands behind it; nothing of `@all`.
    pub(super) fn apply(&mut self, table: &CommandTable, allow: bool, name: &[u8]) -> Result<(), RuleError> {
        if let Some(name) = name.strip_prefix(b"@") {
            let category = Category::find(name).ok_or(RuleError::UnknownCommand)?;
            let members = table.entries().iter().filter(|entry| category.has(entry.command));
            members.for_each(|entry| self.change(table, *entry, allow));
            self.note(allow, &format!("@{}", category.name()));
            return Ok(());
        }
        if let Some(entry) = find(table, name) {
            self.change(table, entry, allow);
            self.note(allow, entry.command.full_name);
            return Ok(());
        }
        let bar = name.iter().rposition(|byte| *byte == b'|').filter(|_| allow);
        let (container, word) = name.split_at(bar.ok_or(RuleError::UnknownCommand)?);
        self.allow_with(find(table, container).ok_or(RuleError::UnknownCommand)?, &word[1..])
    }

    /// `+select|0`.
    fn allow_with(&mut self, entry: Entry, first: &[u8]) -> Result<(), RuleError> {
        if entry.command.full_name.contains('|') {
            return Err(RuleError::FirstWordOfSubcommand);
        }
        if first.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !entry.command.subcommands.is_empty() {
            return Err(RuleError::UnknownCommand);
        }
        let words = self.first_words.entry(entry.index).or_default();
        if !words.iter().any(|word| is_same(word, first)) {
            words.push(first.into());
        }
        let first = String::from_utf8_lossy(first);
        self.note(true, &format!("{}|{first}", entry.command.full_name));
        Ok(())
    }

    /// A container stands for all its subcommands.
    fn change(&mut self, table: &CommandTable, entry: Entry, allow: bool) {
        self.set(entry.index, allow);
        self.first_words.remove(&entry.index);
        if !entry.command.subcommands.is_empty() {
            let is_own = |other: &&Entry| is_subcommand(other.command, entry.command);
            table.entries().iter().filter(is_own).for_each(|entry| self.set(entry.index, allow));
        }
    }

    fn set(&mut self, index: usize, allow: bool) {
        let (word, bit) = (index / 64, 1 << (index % 64));
        if word >= self.allowed.len() {
            self.allowed.resize(word + 1, 0);
        }
        if allow {
            self.allowed[word] |= bit;
        } else {
            self.allowed[word] &= !bit;
        }
    }

    /// Puts a rule behind the others, in place of older ones on the same or on a part of it.
    fn note(&mut self, allow: bool, subject: &str) {
        let subject = subject.to_ascii_lowercase();
        let is_covered = |rule: &str| {
            rule[1..].strip_prefix(&subject).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        };
        self.rules.retain(|rule| !is_covered(rule));
        self.rules.push(format!("{}{subject}", if allow { '+' } else { '-' }));
    }

    /// All of it as rules.
    pub(super) fn describe(&self) -> String {
        let begin = if self.begins_with_all { "+@all" } else { "-@all" };
        std::iter::once(begin).chain(self.rules.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

/// By their own names, whatever `rename-command` says, so that rules mean the same on every server.
fn find(table: &CommandTable, name: &[u8]) -> Option<Entry> {
    table.entries().iter().find(|entry| is_same(entry.command.full_name.as_bytes(), name)).copied()
}

fn is_subcommand(command: &Command, container: &Command) -> bool {
    let rest = command.full_name.strip_prefix(container.full_name);
    rest.is_some_and(|rest| rest.starts_with('|'))
}

fn is_same(word: &[u8], other: &[u8]) -> bool {
    word.eq_ignore_ascii_case(other)
}
