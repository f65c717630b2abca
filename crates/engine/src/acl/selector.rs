//! A selector: commands, keys and channels that go together. What a user may do, all of one selector allows.
//! Knows patterns of keys and channels; commands are in [`super::commands`].

use super::commands::Commands;
use super::user::{RuleError, Rules};
use crate::glob::{self, Case};

/// What a command does with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) reads: bool,
    pub(super) writes: bool,
}

impl Access {
    const ALL: Access = Access { reads: true, writes: true };
    pub(super) const READ: Access = Access { reads: true, writes: false };

    /// By the flags of a key spec. Who only looks whether a key is there does neither.
    pub(super) fn of(flags: &[&str]) -> Access {
        let has = |names: &[&str]| flags.iter().any(|flag| names.contains(flag));
        Access { reads: has(&["access"]), writes: has(&["insert", "delete", "update"]) }
    }

    fn covers(self, wanted: Access) -> bool {
        (self.reads || !wanted.reads) && (self.writes || !wanted.writes)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    pattern: Box<[u8]>,
    access: Access,
}

/// Commands, keys and channels that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(super) commands: Commands,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

impl Selector {
    /// One that allows nothing, but for all channels if `acl-pubsub-default` says so.
    pub(super) fn new(rules: &Rules<'_>) -> Selector {
        let mut selector = Selector { all_channels: rules.all_channels, ..Selector::default() };
        selector.commands.set_all(rules.table, false);
        selector
    }

    /// Whether it allows everything.
    pub(super) fn is_unrestricted(&self, rules: &Rules<'_>) -> bool {
        self.all_keys && self.all_channels && self.commands.allows_all(rules.table)
    }

    /// Whether it allows this with a key.
    pub(super) fn allows_key(&self, key: &[u8], access: Access) -> bool {
        let suits =
            |own: &KeyPattern| own.access.covers(access) && glob::matches(&own.pattern, key, Case::Sensitive);
        self.all_keys || self.keys.iter().any(suits)
    }

    /// Whether it allows this with every key.
    pub(super) fn allows_all_keys(&self, access: Access) -> bool {
        let is_all = |own: &KeyPattern| own.access.covers(access) && *own.pattern == *b"*";
        self.all_keys || self.keys.iter().any(is_all)
    }

    /// Whether it says anything of keys but that all are allowed.
    pub(super) fn has_all_keys(&self) -> bool {
        self.all_keys
    }

    /// Whether it allows a channel, or a pattern of channels: only as one that a rule names.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let suits = |own: &[u8]| match is_pattern {
            true => own == channel,
            false => glob::matches(own, channel, Case::Sensitive),
        };
        self.all_channels || self.channels.iter().any(|own| suits(own))
    }

    pub(super) fn apply(&mut self, rules: &Rules<'_>, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => (self.all_keys, self.keys) = (true, Vec::new()),
            b"resetkeys" => (self.all_keys, self.keys) = (false, Vec::new()),
            b"allchannels" | b"&*" => (self.all_channels, self.channels) = (true, Vec::new()),
            b"resetchannels" => (self.all_channels, self.channels) = (false, Vec::new()),
            b"allcommands" | b"+@all" => self.commands.set_all(rules.table, true),
            b"nocommands" | b"-@all" => self.commands.set_all(rules.table, false),
            _ => return self.apply_pattern(rules, rule),
        }
        Ok(())
    }

    fn apply_pattern(&mut self, rules: &Rules<'_>, rule: &[u8]) -> Result<(), RuleError> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, Access::ALL),
            [b'%', rest @ ..] if self.all_keys => self.add_keys(rest, Access::ALL),
            [b'%', rest @ ..] => {
                let (access, pattern) = split_access(rest).ok_or(RuleError::Syntax)?;
                self.add_keys(pattern, access)
            }
            [b'&', pattern @ ..] => self.add_channels(pattern),
            [b'+', name @ ..] => self.commands.apply(rules.table, true, name),
            [b'-', name @ ..] => self.commands.apply(rules.table, false, name),
            _ => Err(RuleError::Syntax),
        }
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAfterAll);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|own| *own.pattern == *pattern) {
            Some(own) => {
                own.access.reads |= access.reads;
                own.access.writes |= access.writes;
            }
            None => self.keys.push(KeyPattern { pattern: pattern.into(), access }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAfterAll);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|own| **own == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    /// Its keys as rules.
    pub(crate) fn key_rules(&self) -> Vec<Vec<u8>> {
        if self.all_keys {
            return vec![b"~*".to_vec()];
        }
        let rule = |own: &KeyPattern| match own.access {
            Access { reads: true, writes: true } => [b"~", &*own.pattern].concat(),
            Access { reads: true, .. } => [b"%R~", &*own.pattern].concat(),
            Access { .. } => [b"%W~", &*own.pattern].concat(),
        };
        self.keys.iter().map(rule).collect()
    }

    /// Its channels as rules.
    pub(crate) fn channel_rules(&self) -> Vec<Vec<u8>> {
        if self.all_channels {
            return vec![b"&*".to_vec()];
        }
        self.channels.iter().map(|own| [b"&", &**own].concat()).collect()
    }

    /// Its commands as rules.
    pub(crate) fn command_rules(&self) -> String {
        self.commands.describe()
    }

    /// All of it as rules.
    pub(super) fn rules(&self) -> Vec<Vec<u8>> {
        let mut rules = self.key_rules();
        if !self.all_channels {
            rules.push(b"resetchannels".to_vec());
        }
        rules.extend(self.channel_rules());
        rules.extend(self.command_rules().split(' ').map(|rule| rule.as_bytes().to_vec()));
        rules
    }
}

/// `RW~pattern`: letters in any case and order, each once.
fn split_access(rule: &[u8]) -> Option<(Access, &[u8])> {
    let mut access = Access::default();
    for (at, byte) in rule.iter().enumerate() {
        match byte.to_ascii_uppercase() {
            b'R' if !access.reads => access.reads = true,
            b'W' if !access.writes => access.writes = true,
            b'~' if access != Access::default() => return Some((access, &rule[at + 1..])),
            _ => return None,
        }
    }
    None
}

/// What would not read back from a file.
pub(super) fn has_spaces(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0))
}
