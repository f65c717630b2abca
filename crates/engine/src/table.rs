//! The command table: from a name to its row, and a number for its counters.
//!
//! Collects the rows of [`crate::commands`], applies `rename-command` and
//! answers look-ups in any case of letters with one probe in the common case.
//! Every row and every subcommand's row has an index for statistics.

use std::collections::BTreeMap;

use slipstream_resp::Args;

use crate::command::{Command, flag};
use crate::commands;
use crate::config::Config;
use crate::errors::CommandError;

/// A row and the index of its counters.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The row.
    pub command: &'static Command,
    /// Its number, dense from 0.
    pub index: usize,
}

/// What a node is, and so which commands it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It holds data.
    Server,
    /// It watches servers.
    Sentinel,
}

impl Mode {
    /// What a node with this configuration is.
    pub fn of(config: &Config) -> Mode {
        if config.sentinel.is_some() { Mode::Sentinel } else { Mode::Server }
    }

    fn has(self, command: &Command) -> bool {
        match self {
            Mode::Server => !command.has(flag::ONLY_SENTINEL),
            Mode::Sentinel => command.has(flag::SENTINEL),
        }
    }
}

/// All commands of a node by name.
#[derive(Debug)]
pub struct CommandTable {
    slots: Vec<Option<(Name, Entry)>>,
    subcommands: BTreeMap<&'static str, Entry>,
    entries: Vec<Entry>,
}

/// A name in both cases: as nearly all clients write one of them.
#[derive(Clone, Debug)]
struct Name {
    upper: Box<[u8]>,
    lower: Box<[u8]>,
    ends: u64,
    /// Whether no other name of this length has these [`ends`]: it is all of letters, and they are all of it.
    is_told_by_ends: bool,
}

impl Name {
    fn new(name: &[u8]) -> Self {
        let (upper, lower) = (name.to_ascii_uppercase().into(), name.to_ascii_lowercase().into());
        let is_told_by_ends = name.len() <= 8 && name.iter().all(u8::is_ascii_alphabetic);
        Name { upper, lower, ends: ends(name), is_told_by_ends }
    }

    /// Whether it is `name`, which has these [`ends`].
    #[inline]
    fn is(&self, name: &[u8], ends: u64) -> bool {
        self.lower.len() == name.len() && self.ends == ends && (self.is_told_by_ends || self.is_spelled(name))
    }

    fn is_spelled(&self, name: &[u8]) -> bool {
        *self.upper == *name || *self.lower == *name || self.lower.eq_ignore_ascii_case(name)
    }
}

/// The first and the last four letters of a name, whatever their case, or all of a shorter one: names are looked up
/// for every request, and few of one length share these.
#[inline]
fn ends(name: &[u8]) -> u64 {
    let (first, last) = match name {
        [] => ([0; 4], [0; 4]),
        [first, ..] if name.len() < 4 => ([*first; 4], [name[name.len() / 2], name[name.len() - 1], 0, 0]),
        _ => (*name.first_chunk().expect("four at least"), *name.last_chunk().expect("four at least")),
    };
    /// What upper and lower case of a letter differ in.
    const CASE: u32 = 0x2020_2020;
    let [first, last] = [first, last].map(|letters| u64::from(u32::from_le_bytes(letters) | CASE));
    first << 32 | last
}

/// The slot to begin with for a name of so many bytes with these ends.
#[inline]
fn home(ends: u64, length: usize) -> usize {
    let mixed = ends.wrapping_add(length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> SLOT_SHIFT).expect("ten bits")
}

const SLOTS: usize = 1024;
/// What is left of 64 bits is the number of a slot.
const SLOT_SHIFT: u32 = 64 - SLOTS.trailing_zeros();

impl CommandTable {
    /// All rows of a node in this mode, with some renamed; an empty new name removes a command.
    pub fn new(mode: Mode, renames: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, String> {
        let mut table =
            CommandTable { slots: vec![None; SLOTS], subcommands: BTreeMap::new(), entries: Vec::new() };
        for command in commands::FAMILIES.iter().copied().flatten().filter(|command| mode.has(command)) {
            let entry = table.number(command);
            for subcommand in command.subcommands.iter().filter(|subcommand| mode.has(subcommand)) {
                let entry = table.number(subcommand);
                table.subcommands.insert(subcommand.full_name, entry);
            }
            table.insert(command.name.as_bytes(), entry);
        }
        for (from, to) in renames {
            table.rename(from, to)?;
        }
        Ok(table)
    }

    fn number(&mut self, command: &'static Command) -> Entry {
        let entry = Entry { command, index: self.entries.len() };
        self.entries.push(entry);
        entry
    }

    fn insert(&mut self, name: &[u8], entry: Entry) {
        let mut slot = home(ends(name), name.len());
        while self.slots[slot].is_some() {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = Some((Name::new(name), entry));
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), String> {
        let entry = self.find(from).ok_or("No such command in rename-command")?;
        if !to.is_empty() && self.find(to).is_some() {
            return Err("Target command name already exists".into());
        }
        let mut rest: Vec<_> =
            std::mem::replace(&mut self.slots, vec![None; SLOTS]).into_iter().flatten().collect();
        rest.retain(|(name, _)| !name.is(from, ends(from)));
        for (name, entry) in rest {
            self.insert(&name.lower, entry);
        }
        if !to.is_empty() {
            self.insert(to, entry);
        }
        Ok(())
    }

    /// The row called `name`, whatever the case of its letters.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Entry> {
        let ends = ends(name);
        let mut slot = home(ends, name.len());
        loop {
            match &self.slots[slot] {
                None => return None,
                Some((known, entry)) if known.is(name, ends) => return Some(*entry),
                Some(_) => slot = (slot + 1) % SLOTS,
            }
        }
    }

    /// The row for a request: the subcommand's where there is one. Arity is not checked.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<Entry, CommandError> {
        match self.find(&args[0]) {
            Some(found) if found.command.subcommands.is_empty() => Ok(found),
            found => self.resolve_subcommand(found, args),
        }
    }

    #[inline(never)]
    fn resolve_subcommand(&self, found: Option<Entry>, args: Args<'_>) -> Result<Entry, CommandError> {
        let found = found.ok_or_else(|| CommandError::unknown_command(&args[0], args))?;
        let Some(word) = args.get(1) else { return Ok(found) };
        match self.find_subcommand(found.command, word) {
            Some(entry) => Ok(entry),
            None if found.command.run.is_some() => Ok(found),
            None => Err(CommandError::unknown_subcommand(found.command.name, word)),
        }
    }

    /// The row of `container`'s subcommand `name`.
    pub fn find_subcommand(&self, container: &'static Command, name: &[u8]) -> Option<Entry> {
        let row = container.subcommands.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))?;
        self.subcommands.get(row.full_name).copied()
    }

    /// The subcommands of a command that this node has.
    pub fn subcommands(&self, command: &'static Command) -> impl Iterator<Item = &'static Command> {
        command.subcommands.iter().filter(|row| self.subcommands.contains_key(row.full_name))
    }

    /// All commands under the names they answer to, containers without their subcommands.
    pub fn commands(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        self.slots.iter().flatten().map(|(name, entry)| (&*name.lower, *entry))
    }

    /// All rows, subcommands included, by index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name() {
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        let is_here = |command: &&Command| Mode::Server.has(command);
        for command in commands::FAMILIES.iter().copied().flatten().filter(is_here) {
            let found = table.find(command.name.to_uppercase().as_bytes()).unwrap();
            assert_eq!(found.command.full_name, command.full_name);
        }
        assert!(table.find(b"nosuchcommand").is_none());
    }

    #[test]
    fn a_name_is_found_in_any_case_and_nothing_else_for_it() {
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        let known: BTreeMap<Vec<u8>, usize> =
            table.commands().map(|(name, entry)| (name.to_vec(), entry.index)).collect();
        for name in known.keys() {
            for (at, byte) in (0..name.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let asked = [&name[..at], &[byte], &name[at + 1..]].concat();
                let found = table.find(&asked).map(|entry| entry.index);
                assert_eq!(found, known.get(&asked.to_ascii_lowercase()).copied(), "{asked:?}");
            }
        }
    }

    #[test]
    fn a_sentinel_has_what_redis_gives_it() {
        let table = CommandTable::new(Mode::Sentinel, &[]).unwrap();
        let mut names: Vec<String> =
            table.commands().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        assert_eq!(
            names.join(" "),
            "acl auth client command hello info ping psubscribe publish punsubscribe role sentinel shutdown \
             subscribe unsubscribe"
        );
        let client = table.find(b"client").unwrap().command;
        assert!(table.find_subcommand(client, b"setname").is_some());
        assert!(table.find_subcommand(client, b"no-touch").is_none());
        assert!(CommandTable::new(Mode::Server, &[]).unwrap().find(b"sentinel").is_none());
    }

    #[test]
    fn a_renamed_command_answers_only_to_its_new_name() {
        let rename = |from: &str, to: &str| CommandTable::new(Mode::Server, &[(from.into(), to.into())]);
        let table = rename("get", "fetch").unwrap();
        assert!(table.find(b"get").is_none());
        assert_eq!(table.find(b"FETCH").unwrap().command.name, "get");
        assert!(rename("get", "").unwrap().find(b"get").is_none());
        assert!(rename("nosuch", "x").is_err());
        assert!(rename("get", "set").is_err());
    }
}
