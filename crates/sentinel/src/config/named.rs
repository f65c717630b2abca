//! What a configuration names outside of itself: programs, servers, other sentinels. Somebody may go and look.
//! The machine itself never does.

use slipstream_replication::Moment;

use super::line::{ConfigError, ConfigLine};
use super::options::GroupOption;
use crate::{Address, Globals, GroupOptions, Sentinel};

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
    /// Groups that lines tell of, and none sets up.
    pub unset: Vec<String>,
    /// Groups that it sets up, and that are not watched since SENTINEL REMOVE.
    pub removed: Vec<String>,
    /// How to log in at other sentinels: user and password; empty for not at all.
    pub login: (String, String),
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
    /// What is set for it.
    pub options: GroupOptions,
    /// Who takes the writes.
    pub primary: Address,
    /// Known replicas.
    pub replicas: Vec<Address>,
    /// Known sentinels, by id.
    pub sentinels: Vec<(String, Address)>,
}

impl Named {
    /// What a configuration names, and a state that is kept beside it; `requirepass` is this sentinel's own. Nothing
    /// is watched.
    pub fn read(
        configuration: &[ConfigLine],
        state: &[ConfigLine],
        requirepass: &str,
    ) -> Result<Named, ConfigError> {
        let globals = Globals { requirepass: requirepass.to_owned(), ..Globals::default() };
        let mut sentinel = Sentinel::new(Moment(0), globals, fastrand::Rng::with_seed(0));
        sentinel.load(configuration)?;
        sentinel.load_state(state)?;
        Ok(sentinel.named())
    }
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

    pub(super) fn named(&self) -> Named {
        let globals = &self.core.globals;
        let group = |group: &crate::group::Group| {
            let address = |id: &String| Some((id.clone(), self.peers.get(id)?.contact.address.clone()));
            NamedGroup {
                name: group.name.clone(),
                options: group.options.clone(),
                primary: group.primary.contact.address.clone(),
                replicas: group.replicas.keys().cloned().collect(),
                sentinels: group.members.keys().filter_map(address).collect(),
            }
        };
        Named {
            groups: self.groups.values().map(group).collect(),
            unset: self.unset.iter().cloned().collect(),
            removed: self.removed().filter(|name| !self.unset.contains(*name)).map(str::to_owned).collect(),
            login: self.core.peer_login(),
            id: self.core.id.clone(),
            state_file: globals.state_file.clone(),
        }
    }
}
