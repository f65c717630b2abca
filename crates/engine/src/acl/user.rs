//! One user: whether and how to log in, and selectors. Rules change it one word at a time.
//! What it is shown as makes the same user of a new one.

use std::fmt;

use slipstream_resp::quoting::quoted;
use slipstream_resp::split_line;

use super::password::PasswordHash;
use super::selector::Selector;
use crate::config::Config;
use crate::table::CommandTable;

/// What the meaning of a rule depends on beside itself.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The commands there are.
    pub(crate) table: &'a CommandTable,
    /// `acl-pubsub-default`: whether what is new may use all channels.
    pub(crate) all_channels: bool,
}

impl<'a> Rules<'a> {
    /// As a node with these commands and this configuration reads them.
    pub(crate) fn new(table: &'a CommandTable, config: &Config) -> Rules<'a> {
        Rules { table, all_channels: config.acl_pubsub_default.are_all() }
    }
}

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleError {
    Syntax,
    UnknownCommand,
    FirstWordOfSubcommand,
    KeysAfterAll,
    ChannelsAfterAll,
    NoSuchPassword,
    BadHash,
}

impl fmt::Display for RuleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            RuleError::Syntax => "Syntax error",
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::FirstWordOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            RuleError::KeysAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
        })
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Whether anybody may log in.
    is_on: bool,
    /// Whether any password opens it.
    no_password: bool,
    /// `skip-sanitize-payload`.
    trusts_payloads: bool,
    passwords: Vec<PasswordHash>,
    /// The selector of rules outside of parentheses.
    pub(crate) root: Selector,
    pub(crate) others: Vec<Selector>,
}

impl User {
    /// One who is not allowed anything.
    pub(crate) fn new(rules: &Rules<'_>) -> User {
        User {
            is_on: false,
            no_password: false,
            trusts_payloads: false,
            passwords: Vec::new(),
            root: Selector::new(rules),
            others: Vec::new(),
        }
    }

    /// One who is allowed everything, without a password.
    pub(crate) fn unrestricted(rules: &Rules<'_>) -> User {
        let mut user = User::new(rules);
        for rule in ["on", "nopass", "allkeys", "allchannels", "allcommands"] {
            user.apply(rules, rule.as_bytes()).expect("these are rules");
        }
        user
    }

    /// Whether anybody may log in.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether any password opens it.
    pub(crate) fn needs_no_password(&self) -> bool {
        self.no_password
    }

    /// Whether this password opens it.
    pub(crate) fn opens_with(&self, password: &[u8]) -> bool {
        if !self.is_on || self.no_password {
            return self.is_on;
        }
        let given = PasswordHash::of(password);
        // All are looked at, so that time does not tell which one it was.
        self.passwords.iter().fold(false, |opens, own| own.matches(&given) | opens)
    }

    /// Whether one selector allows everything.
    pub(crate) fn is_unrestricted(&self, rules: &Rules<'_>) -> bool {
        self.selectors().any(|selector| selector.is_unrestricted(rules))
    }

    /// All selectors, the root first.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// `requirepass`: this password and no other, or none at all.
    pub(crate) fn set_password(&mut self, password: Option<&[u8]>) {
        self.no_password = password.is_none();
        self.passwords = password.map(PasswordHash::of).into_iter().collect();
    }

    /// Applies rules in turn: all of them, or `self` is to be thrown away. The error has the rule.
    pub(crate) fn apply_all<'a>(
        &mut self,
        rules: &Rules<'_>,
        words: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), (&'a [u8], RuleError)> {
        words.into_iter().try_for_each(|word| self.apply(rules, word).map_err(|error| (word, error)))
    }

    /// Applies one rule.
    pub(crate) fn apply(&mut self, rules: &Rules<'_>, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"skip-sanitize-payload" => self.trusts_payloads = true,
            b"sanitize-payload" => self.trusts_payloads = false,
            b"nopass" => (self.no_password, self.passwords) = (true, Vec::new()),
            b"resetpass" => (self.no_password, self.passwords) = (false, Vec::new()),
            b"clearselectors" => self.others.clear(),
            b"reset" => *self = User::new(rules),
            _ => return self.apply_other(rules, rule),
        }
        Ok(())
    }

    fn apply_other(&mut self, rules: &Rules<'_>, rule: &[u8]) -> Result<(), RuleError> {
        match rule {
            [b'>', password @ ..] => self.add(PasswordHash::of(password)),
            [b'#', hash @ ..] => self.add(PasswordHash::parse(hash).ok_or(RuleError::BadHash)?),
            [b'<', password @ ..] => self.remove(&PasswordHash::of(password))?,
            [b'!', hash @ ..] => self.remove(&PasswordHash::parse(hash).ok_or(RuleError::BadHash)?)?,
            [b'(', words @ .., b')'] => {
                let mut selector = Selector::new(rules);
                let words = split_line(words).ok_or(RuleError::Syntax)?;
                words.iter().try_for_each(|word| selector.apply(rules, word))?;
                self.others.push(selector);
            }
            _ => self.root.apply(rules, rule)?,
        }
        Ok(())
    }

    fn add(&mut self, password: PasswordHash) {
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
        self.no_password = false;
    }

    fn remove(&mut self, password: &PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|own| own == password).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// What is not about passwords, keys, channels and commands.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        flags.extend(self.no_password.then_some("nopass"));
        flags.push(if self.trusts_payloads { "skip-sanitize-payload" } else { "sanitize-payload" });
        flags
    }

    /// The hashes of its passwords.
    pub(crate) fn passwords(&self) -> Vec<String> {
        self.passwords.iter().map(PasswordHash::to_string).collect()
    }

    /// All of it as rules that make the same of a new user.
    pub(crate) fn rules(&self) -> Vec<Vec<u8>> {
        let mut rules: Vec<Vec<u8>> = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        rules.extend(self.passwords.iter().map(|own| format!("#{own}").into_bytes()));
        rules.extend(self.root.rules());
        let in_parentheses = |own: &Selector| {
            let words: Vec<_> = own.rules().into_iter().map(word_in_parentheses).collect();
            [b"(", words.join(&b' ').as_slice(), b")"].concat()
        };
        rules.extend(self.others.iter().map(in_parentheses));
        rules
    }

    /// The same as one text.
    pub(crate) fn describe(&self) -> Vec<u8> {
        self.rules().join(&b' ')
    }
}

/// Quotes count there, and nowhere else.
fn word_in_parentheses(word: Vec<u8>) -> Vec<u8> {
    if word.iter().any(|byte| matches!(byte, b'"' | b'\'')) { quoted(&word) } else { word }
}

/// Rules of which one selector is one: its parentheses may be spread over several words. The error is the word that
/// opens one which is never closed.
pub(super) fn join_selectors<'a>(
    words: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        open = match open {
            Some((first, so_far)) => {
                let all = [&so_far, b" ".as_slice(), word].concat();
                if word.ends_with(b")") {
                    joined.push(all);
                    None
                } else {
                    Some((first, all))
                }
            }
            None if word.starts_with(b"(") && !word.ends_with(b")") => Some((word, word.to_vec())),
            None => {
                joined.push(word.to_vec());
                None
            }
        };
    }
    match open {
        None => Ok(joined),
        Some((first, _)) => Err(first),
    }
}
