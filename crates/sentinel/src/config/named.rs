//! What a configuration names outside of itself: programs, servers, other sentinels. Somebody may go and look.
//! The machine itself never does.

use super::line::ConfigLine;
use super::options::GroupOption;
use crate::{Address, Sentinel};

/// A program that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedScript {
    /// The line's number.
    pub number: usize,
    /// The line.
    pub line: String,
    /// The program.
    pub path: String,
    /// What to say if it cannot be run.
    pub complaint: &'static str,
}

/// All that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Each group.
    pub groups: Vec<NamedGroup>,
    /// How to log in at other sentinels; empty for not at all.
    pub sentinel_user: String,
    /// Its password.
    pub sentinel_pass: String,
    /// This sentinel's id.
    pub id: String,
    /// `sentinel state-file`.
    pub state_file: Option<String>,
}

/// What it names for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGroup {
    /// Its name.
    pub name: String,
    /// How many sentinels must see the primary down.
    pub quorum: u32,
    /// `down-after-milliseconds`.
    pub down_after: u64,
    /// How to log in at its servers; empty for not at all.
    pub auth_user: String,
    /// Its password.
    pub auth_pass: String,
    /// Who takes the writes.
    pub primary: Address,
    /// Further servers to ask.
    pub seeds: Vec<Address>,
    /// Known replicas.
    pub replicas: Vec<Address>,
    /// Known sentinels, by id.
    pub sentinels: Vec<(String, Address)>,
}

impl Sentinel {
    /// The programs that lines of a configuration name. Whether they can be run is the shell's to see.
    pub fn scripts_named(lines: &[ConfigLine]) -> Vec<NamedScript> {
        let script = |line: &ConfigLine| {
            let [name, _, path] = line.words.as_slice() else { return None };
            let row = GroupOption::find(name)?;
            let named = |complaint| NamedScript {
                number: line.number,
                line: line.line.clone(),
                path: path.clone(),
                complaint,
            };
            row.script.filter(|_| !path.is_empty()).map(named)
        };
        lines.iter().filter_map(script).collect()
    }

    /// Servers and sentinels that the configuration names.
    pub fn named(&self) -> Named {
        let globals = &self.core.globals;
        let group = |group: &crate::group::Group| {
            let address = |id: &String| Some((id.clone(), self.peers.get(id)?.contact.address.clone()));
            let options = group.options.clone();
            NamedGroup {
                name: group.name.clone(),
                quorum: options.quorum,
                down_after: options.down_after,
                auth_user: options.auth_user,
                auth_pass: options.auth_pass,
                primary: group.primary.contact.address.clone(),
                seeds: options.seeds,
                replicas: group.replicas.keys().cloned().collect(),
                sentinels: group.members.keys().filter_map(address).collect(),
            }
        };
        Named {
            groups: self.groups.values().map(group).collect(),
            sentinel_user: globals.sentinel_user.clone(),
            sentinel_pass: globals.sentinel_pass.clone(),
            id: self.core.id.clone(),
            state_file: globals.state_file.clone(),
        }
    }
}
