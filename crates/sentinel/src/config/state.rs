//! The machine as lines: what must be there after a restart.
//!
//! Without `sentinel state-file` that is all that the configuration file has to say of it. With it, the file of state
//! has what changes by itself (id, epochs, where the primary is, who is known), what was set at run time and differs
//! from the configuration, and groups that were added or removed at run time. Where a file is included, the
//! configuration file has of what that says no more either.

use super::globals::GLOBAL_OPTIONS;
use super::options::{GROUP_OPTIONS, GroupOption, Place};
use super::rewrite::meaning;
use crate::Sentinel;
use crate::group::Group;
use crate::options::{Globals, GroupOptions, Timings};

/// A line that is to be in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLine {
    /// The words behind `sentinel`.
    pub words: Vec<String>,
    /// It says what would be so without it: it stays or takes the place of another, and is never added.
    pub is_default: bool,
    /// A file that is only read says otherwise: it has to stand behind that.
    pub overrules: bool,
}

impl StateLine {
    fn needed(words: &[&str]) -> StateLine {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        StateLine { words, is_default: false, overrules: false }
    }
}

impl Sentinel {
    /// Where the state is kept instead of the configuration file.
    pub fn state_file(&self) -> Option<&str> {
        self.core.globals.state_file.as_deref()
    }

    /// What is to be on disk: for [`super::rewrite()`] of the configuration file, or with [`Sentinel::state_file`] for
    /// [`super::state_text`].
    pub fn state_lines(&self) -> Vec<StateLine> {
        let mut lines = vec![StateLine::needed(&["myid", &self.core.id])];
        self.globals_as_lines(&mut lines);
        for group in self.groups.values() {
            let name = group.name.as_str();
            let (host, port) = (&group.primary.contact.address.host, &group.primary.contact.address.port);
            if self.fixed.monitors(name) {
                lines.push(StateLine::needed(&["current-primary", name, host, &port.to_string()]));
            } else {
                let quorum = group.options.quorum.to_string();
                lines.push(StateLine::needed(&["monitor", name, host, &port.to_string(), &quorum]));
            }
            self.options_of(&mut lines, group);
            self.state_of(&mut lines, group);
        }
        lines.extend(self.removed().map(|name| StateLine::needed(&["removed", name])));
        lines.push(StateLine::needed(&["current-epoch", &self.core.epoch.to_string()]));
        lines
    }

    /// Groups that files which are only read have lines of, and that are not watched: SENTINEL REMOVE.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &str> {
        self.fixed.groups().into_iter().filter(|name| !self.groups.contains_key(*name))
    }

    fn globals_as_lines(&self, lines: &mut Vec<StateLine>) {
        let (globals, plain) = (&self.core.globals, Globals::default());
        for row in GLOBAL_OPTIONS {
            let value = row.show(globals);
            let is_default = value == row.show(&plain);
            lines.push(self.option_line(vec![row.name.to_owned(), value], is_default));
        }
        let plain = GroupOptions::new(1, &Timings::default());
        for row in GROUP_OPTIONS.iter().filter(|row| row.is_for_all) {
            let is_default = row.show(&globals.for_groups) == row.show(&plain);
            for values in row.show(&globals.for_groups) {
                lines.push(self.option_line([vec![row.name.to_owned()], values].concat(), is_default));
            }
        }
    }

    /// A line of an option; `is_default` if it says what would be so if no line spoke of it.
    fn option_line(&self, words: Vec<String>, is_default: bool) -> StateLine {
        match meaning(&words).and_then(|meaning| self.fixed.says(&meaning)) {
            Some(is_said) => StateLine { words, is_default: is_said, overrules: !is_said },
            None => StateLine { words, is_default, overrules: false },
        }
    }

    /// All options of a group, and what takes back an option that a file which is only read gives it.
    fn options_of(&self, lines: &mut Vec<StateLine>, group: &Group) {
        // Elsewhere the quorum stands with the group's address.
        let has_quorum = self.fixed.monitors(&group.name);
        for row in GROUP_OPTIONS.iter().filter(|row| has_quorum || row.place != Place::Set) {
            let now = row.show(&group.options);
            let is_default = now == row.show(&self.core.globals.for_groups);
            let of_group =
                |values: Vec<String>| [vec![row.name.to_owned(), group.name.clone()], values].concat();
            let neutral =
                self.fixed.of_option(row, &group.name).filter_map(|said| neutral(row, &said[2..], &now));
            let neutral: Vec<StateLine> =
                neutral.map(|values| self.option_line(of_group(values), false)).collect();
            lines.extend(now.into_iter().map(|values| self.option_line(of_group(values), is_default)));
            lines.extend(neutral);
        }
    }

    /// What changes by itself.
    fn state_of(&self, lines: &mut Vec<StateLine>, group: &Group) {
        let name = group.name.as_str();
        lines.push(StateLine::needed(&["config-epoch", name, &group.config_epoch.to_string()]));
        lines.push(StateLine::needed(&["leader-epoch", name, &group.vote.epoch.to_string()]));
        // Primaries of others have none, so that a file which is for others too has no such line.
        let copies = StateLine::needed(&["known-min-replicas-to-ack", name, &group.copies_told.to_string()]);
        if group.copies_told > 0 || self.fixed.says(&copies.words).is_some() {
            lines.push(copies);
        }
        for address in group.replicas.keys() {
            lines.push(StateLine::needed(&["known-replica", name, &address.host, &address.port.to_string()]));
        }
        for id in group.members.keys() {
            let Some(peer) = self.peers.get(id) else { continue };
            let address = &peer.contact.address;
            let port = address.port.to_string();
            lines.push(StateLine::needed(&["known-sentinel", name, &address.host, &port, id]));
        }
    }
}

/// The values that take back what was said of an option, if it is not so any more and no other line says so.
fn neutral(row: &GroupOption, said: &[String], now: &[Vec<String>]) -> Option<Vec<String>> {
    match said {
        // A command renamed to itself is not renamed.
        [command, _] if row.name == "rename-command" => {
            let is_gone = now.iter().all(|line| line[0] != *command);
            is_gone.then(|| vec![command.clone(), command.clone()])
        }
        [_] => now.is_empty().then(|| vec![String::new()]),
        // Seeds are not changed at run time.
        _ => None,
    }
}
