//! The machine as lines: what must be there after a restart.
//!
//! Without `sentinel state-file` that is all that the configuration file has to say of it. With it, the file of state
//! has what changes by itself (id, epochs, where the primary is, who is known), what was set at run time and differs
//! from the configuration, and groups that were added at run time.

use super::globals::GLOBAL_OPTIONS;
use super::options::{GROUP_OPTIONS, GroupOption, Place};
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
}

impl StateLine {
    fn needed(words: &[&str]) -> StateLine {
        StateLine { words: words.iter().map(|word| (*word).to_owned()).collect(), is_default: false }
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
        match &self.configured {
            Some(configured) => global_changes(&mut lines, &self.core.globals, &configured.globals),
            None => global_lines(&mut lines, &self.core.globals),
        }
        for group in self.groups.values() {
            let name = group.name.as_str();
            let (host, port) = (&group.primary.contact.address.host, &group.primary.contact.address.port);
            let configured = self.configured.as_ref().and_then(|all| all.groups.get(name));
            if let Some(configured) = configured {
                lines.push(StateLine::needed(&["current-primary", name, host, &port.to_string()]));
                changes(&mut lines, group, configured);
            } else {
                let quorum = group.options.quorum.to_string();
                lines.push(StateLine::needed(&["monitor", name, host, &port.to_string(), &quorum]));
                let may_be_default = self.configured.is_none();
                let options = option_lines(group, &self.core.globals.for_groups).into_iter();
                lines.extend(options.filter(|line| may_be_default || !line.is_default));
            }
            self.state_of(&mut lines, group);
        }
        lines.push(StateLine::needed(&["current-epoch", &self.core.epoch.to_string()]));
        lines
    }

    /// What changes by itself.
    fn state_of(&self, lines: &mut Vec<StateLine>, group: &Group) {
        let name = group.name.as_str();
        lines.push(StateLine::needed(&["config-epoch", name, &group.config_epoch.to_string()]));
        lines.push(StateLine::needed(&["leader-epoch", name, &group.vote.epoch.to_string()]));
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

fn global_lines(lines: &mut Vec<StateLine>, globals: &Globals) {
    let plain = Globals::default();
    for row in GLOBAL_OPTIONS {
        let value = row.show(globals);
        let is_default = value == row.show(&plain);
        lines.push(StateLine { words: vec![row.name.to_owned(), value], is_default });
    }
    let plain = GroupOptions::new(1, &Timings::default());
    for row in GROUP_OPTIONS.iter().filter(|row| row.is_for_all) {
        let is_default = row.show(&globals.for_groups) == row.show(&plain);
        for values in row.show(&globals.for_groups) {
            let words = [vec![row.name.to_owned()], values].concat();
            lines.push(StateLine { words, is_default });
        }
    }
}

fn global_changes(lines: &mut Vec<StateLine>, globals: &Globals, before: &Globals) {
    for row in GLOBAL_OPTIONS {
        let value = row.show(globals);
        if value != row.show(before) {
            lines.push(StateLine::needed(&[row.name, &value]));
        }
    }
}

/// All options of a group, for a file that names the group; the quorum stands with the group's address.
fn option_lines(group: &Group, plain: &GroupOptions) -> Vec<StateLine> {
    let mut lines = Vec::new();
    for row in GROUP_OPTIONS.iter().filter(|row| row.place != Place::Set) {
        let is_default = row.show(&group.options) == row.show(plain);
        for values in row.show(&group.options) {
            lines.push(StateLine { words: of_group(row, group, values), is_default });
        }
    }
    lines
}

/// What was set at run time, so that it gives the group what it has, whatever the configuration said before.
fn changes(lines: &mut Vec<StateLine>, group: &Group, before: &GroupOptions) {
    for row in GROUP_OPTIONS.iter().filter(|row| row.place != Place::Files) {
        let (now, before) = (row.show(&group.options), row.show(before));
        let mut values: Vec<Vec<String>> =
            now.iter().filter(|line| !before.contains(line)).cloned().collect();
        if row.values == 1 {
            if now.is_empty() && !before.is_empty() {
                values.push(vec![String::new()]);
            }
        } else {
            // A command renamed to itself is not renamed.
            let gone = before.into_iter().filter(|line| now.iter().all(|other| other[0] != line[0]));
            values.extend(gone.map(|line| vec![line[0].clone(), line[0].clone()]));
        }
        for values in values {
            lines.push(StateLine { words: of_group(row, group, values), is_default: false });
        }
    }
}

fn of_group(row: &GroupOption, group: &Group, values: Vec<String>) -> Vec<String> {
    [vec![row.name.to_owned(), group.name.clone()], values].concat()
}
