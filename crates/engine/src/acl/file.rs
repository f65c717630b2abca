//! The text of `aclfile`: a line for each user, `user NAME RULES…`, and empty lines.
//!
//! All of it counts, or nothing does. Comments are no lines of it, since ACL SAVE would lose them.

use std::collections::BTreeMap;

use slipstream_resp::quoting::word;

use super::user::{RuleError, Rules, User, join_selectors};
use super::users::{Users, has_bad_name};
use crate::table::{CommandTable, Mode};

/// All that is wrong with a file, in the order of its lines.
pub(crate) struct FileProblems(Vec<String>);

impl FileProblems {
    /// As one text.
    pub(crate) fn into_text(self) -> String {
        let ending =
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        self.0.concat() + ending
    }
}

/// The users of the file `path`, whose text this is.
pub(crate) fn read_file(
    rules: &Rules<'_>,
    path: &str,
    text: &[u8],
) -> Result<BTreeMap<Vec<u8>, User>, FileProblems> {
    let mut users = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let place = format!("{path}:{}", index + 1);
        match read_line(rules, &place, line) {
            Ok((name, _)) if users.contains_key(name) => {
                let name = String::from_utf8_lossy(name);
                problems.push(format!("WARNING: Duplicate user '{name}' found on line {}. ", index + 1));
            }
            Ok((name, user)) => {
                users.insert(name.to_vec(), user);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(users) } else { Err(FileProblems(problems)) }
}

fn read_line<'a>(rules: &Rules<'_>, place: &str, line: &'a [u8]) -> Result<(&'a [u8], User), String> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(b"user"), Some(name)) = (words.next(), words.next()) else {
        return Err(format!("{place} should start with user keyword followed by the username. "));
    };
    if has_bad_name(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("'{place}: username '{name}' contains invalid characters. "));
    }
    let words = join_selectors(words)
        .map_err(|_| format!("{place}: Unmatched parenthesis in selector definition."))?;
    let mut user = User::new(rules);
    user.apply_all(rules, words.iter().map(|word| word.trim_ascii())).map_err(
        |(rule, error)| match error {
            // No other rule may be shown: it could be a password.
            RuleError::UnknownCommand => {
                let rule = String::from_utf8_lossy(rule);
                format!("{place}: Error in applying operation '{rule}': {error}. ")
            }
            _ => format!("{place}: {error}. "),
        },
    )?;
    Ok((name, user))
}

/// The text of a file of these users.
pub(crate) fn write_file(users: &Users) -> Vec<u8> {
    let line = |(name, user): (&[u8], &User)| [b"user ", name, b" ", &user.describe(), b"\n"].concat();
    users.iter().flat_map(line).collect()
}

/// A line `user NAME RULES…` of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    /// Whom it is about.
    pub name: Vec<u8>,
    /// The words behind that.
    pub rules: Vec<Vec<u8>>,
}

impl UserLine {
    /// Whether a node of this kind can make a user of it, but for what depends on other lines.
    ///
    /// # Errors
    /// The first rule that is none.
    pub(crate) fn check(&self, mode: Mode) -> Result<(), String> {
        let table = CommandTable::new(mode, &[]).expect("nothing is renamed");
        self.user(&Rules { table: &table, all_channels: false }).map(drop)
    }

    /// As it stands in a file, behind `user `.
    pub(crate) fn text(&self) -> Vec<u8> {
        // A rule in parentheses is several words.
        let rules = self.rules.iter().flat_map(|rule| rule.split(|byte| *byte == b' '));
        std::iter::once(self.name.as_slice()).chain(rules).map(word).collect::<Vec<_>>().join(&b' ')
    }

    /// Whom it makes.
    ///
    /// # Errors
    /// The first rule that is none.
    pub(crate) fn user(&self, rules: &Rules<'_>) -> Result<User, String> {
        let refused = |word: &[u8], reason: &dyn std::fmt::Display| {
            let word = String::from_utf8_lossy(word);
            format!("Error in user declaration '{word}': {reason}")
        };
        if has_bad_name(&self.name) {
            return Err("Spaces not allowed in ACL usernames".to_owned());
        }
        let words = join_selectors(self.rules.iter().map(Vec::as_slice))
            .map_err(|first| refused(first, &"Unmatched parenthesis in acl selector"))?;
        let mut user = User::new(rules);
        user.apply_all(rules, words.iter().map(Vec::as_slice))
            .map_err(|(rule, error)| refused(rule, &error))?;
        Ok(user)
    }
}
