//! What is said in files that this process only reads: the configuration, where the state has a file of its own, and
//! included files, where it has not.
//!
//! What is so without a line of ours needs none, and what is not so any more has to be overruled.

use std::collections::{BTreeMap, BTreeSet};

use super::line::ConfigLine;
use super::options::GroupOption;
use super::rewrite::{meaning, subject};
use super::{GlobalOption, is_statement};

/// What lines say, by what they speak of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fixed {
    sayings: BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

impl Fixed {
    /// What these lines say.
    pub(super) fn of<'a>(lines: impl Iterator<Item = &'a ConfigLine>) -> Fixed {
        let mut fixed = Fixed::default();
        for meaning in lines.filter_map(|line| meaning(&line.words)) {
            if let [name, group, _, _, quorum] = meaning.as_slice()
                && name == "monitor"
            {
                fixed.add(["quorum", group, quorum].map(str::to_owned).to_vec());
            }
            fixed.add(meaning);
        }
        fixed
    }

    fn add(&mut self, meaning: Vec<String>) {
        self.sayings.entry(subject(&meaning)).or_default().push(meaning);
    }

    /// Whether this is what is so by these lines; nothing if they do not speak of it.
    pub(super) fn says(&self, meaning: &[String]) -> Option<bool> {
        let said = self.sayings.get(&subject(meaning))?;
        // Seeds add up; of all else the later line counts.
        let from = if meaning[0] == "seed" { 0 } else { said.len() - 1 };
        Some(said[from..].iter().any(|one| one == meaning))
    }

    /// Whether they set up a group.
    pub(super) fn monitors(&self, group: &str) -> bool {
        self.sayings.contains_key(&["monitor", group].map(str::to_owned)[..])
    }

    /// What they say of an option of a group.
    pub(super) fn of_option<'a>(
        &'a self,
        row: &GroupOption,
        group: &str,
    ) -> impl Iterator<Item = &'a [String]> + use<'a> {
        let (name, group, length) = (row.name, group.to_owned(), row.values + 2);
        let all = self.sayings.values().filter_map(|said| said.last()).map(Vec::as_slice);
        all.filter(move |said| said.len() == length && said[0] == name && said[1] == group)
    }

    /// The groups that they name.
    pub(crate) fn groups(&self) -> BTreeSet<&str> {
        self.sayings.values().flatten().filter_map(|said| group_of(said)).collect()
    }

    /// A host that they call by a name.
    pub(crate) fn names_host(&self) -> Option<&str> {
        let hosts = self.sayings.values().flatten().filter_map(|said| match said.as_slice() {
            [name, _, host, ..] if name == "monitor" || name == "seed" => Some(host.as_str()),
            _ => None,
        });
        hosts.into_iter().find(|host| !crate::address::is_number(host))
    }
}

/// The group that a line names.
pub(super) fn group_of(words: &[String]) -> Option<&str> {
    let name = words.first()?.to_ascii_lowercase();
    let is_of_all = match name.as_str() {
        "myid" | "current-epoch" => true,
        _ if is_statement(&name) => false,
        _ if GlobalOption::find(&name).is_some() => true,
        _ => GroupOption::find(&name).is_some_and(|row| row.is_for_all && words.len() == row.values + 1),
    };
    words.get(1).filter(|_| !is_of_all).map(String::as_str)
}
