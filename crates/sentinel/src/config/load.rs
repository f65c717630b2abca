//! Lines of a file into the machine.
//!
//! Lines may be in any order: what counts for all comes first, then the groups, then what counts for one of them. The
//! first bad line ends it. A file of state is read after the configuration: it says how far things were, and what was
//! set at run time; a group that the configuration does not name any more is passed over with all that is said of it.

use super::globals::GlobalOption;
use super::line::{ConfigError, ConfigLine};
use super::options::{GroupOption, Place};
use super::words::{self, check_words};
use super::{Configured, is_host, is_statement};
use crate::contact::Contact;
use crate::group::Group;
use crate::hello::LAST_EPOCH;
use crate::info::Role;
use crate::peer::{Member, Peer};
use crate::server::Server;
use crate::{Address, Sentinel};

const NO_SUCH_GROUP: &str = "No such master with specified name.";
const UNKNOWN: &str = "Unrecognized sentinel configuration statement.";
const WRONG_NUMBER: &str = "Wrong number of arguments.";
const UNRESOLVED: &str = "Can't resolve instance hostname.";
const BAD_PORT: &str = "Invalid port number.";

/// Which file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Configuration,
    State,
}

/// In which order lines are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// What counts for all.
    Whole,
    /// The groups.
    Groups,
    /// What counts for one group.
    Rest,
}

type Outcome = Result<(), String>;

impl Sentinel {
    /// Takes the lines of the configuration file. Where that fails, the machine is changed in part and is to be thrown
    /// away.
    pub fn load(&mut self, lines: &[ConfigLine]) -> Result<(), ConfigError> {
        self.take_lines(lines, Source::Configuration)?;
        if self.core.globals.state_file.is_some() {
            let groups = self.groups.values().map(|group| (group.name.clone(), group.options.clone()));
            self.configured =
                Some(Configured { globals: self.core.globals.clone(), groups: groups.collect() });
        }
        Ok(())
    }

    /// Takes the lines of the file of `sentinel state-file`, after those of the configuration.
    pub fn load_state(&mut self, lines: &[ConfigLine]) -> Result<(), ConfigError> {
        self.take_lines(lines, Source::State)?;
        let groups = &self.groups;
        self.peers.retain(|id, _| groups.values().any(|group| group.members.contains_key(id)));
        Ok(())
    }

    fn take_lines(&mut self, lines: &[ConfigLine], source: Source) -> Result<(), ConfigError> {
        for turn in [Turn::Whole, Turn::Groups, Turn::Rest] {
            for line in lines {
                let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
                check_words(&words).map_err(|refused| line.refused(refused.reason))?;
                let [name, values @ ..] = words.as_slice() else { return Err(line.refused(UNKNOWN)) };
                let name = name.to_ascii_lowercase();
                if turn_of(&name, values) == turn {
                    self.take(&name, values, source).map_err(|reason| line.refused(reason))?;
                }
            }
        }
        self.wake_all();
        // An id that was just drawn is to be kept, and hellos tell of what is on disk.
        self.core.changed();
        Ok(())
    }

    fn take(&mut self, name: &str, values: &[&str], source: Source) -> Outcome {
        match (name, values) {
            ("myid", [id]) => self.take_id(id),
            ("current-epoch", [epoch]) => {
                self.core.epoch = self.core.epoch.max(epoch_of(epoch)?);
                Ok(())
            }
            ("monitor", [group, host, port, quorum]) => self.monitor(group, (host, port), quorum, source),
            ("current-primary", [group, host, port]) if source == Source::State => {
                self.current_primary(group, host, port)
            }
            ("config-epoch", [group, epoch]) => {
                let epoch = epoch_of(epoch)?;
                self.core.epoch = self.core.epoch.max(epoch);
                self.with_group(group, source, |group| group.config_epoch = epoch)
            }
            ("leader-epoch", [group, epoch]) => {
                let epoch = epoch_of(epoch)?;
                self.with_group(group, source, |group| group.vote.epoch = epoch)
            }
            ("known-replica" | "known-slave", [group, host, port]) => {
                self.known_replica(group, (host, port), source)
            }
            // The form before Redis 2.8.1, which does not say who it is.
            ("known-sentinel", [_, _, _]) => Ok(()),
            ("known-sentinel", [group, host, port, id]) => {
                self.known_sentinel(group, (host, port), id, source)
            }
            _ if is_statement(name) => Err(WRONG_NUMBER.to_owned()),
            _ => self.take_option(name, values, source),
        }
    }

    fn take_option(&mut self, name: &str, values: &[&str], source: Source) -> Outcome {
        if let Some(row) = GlobalOption::find(name) {
            let [value] = values else { return Err(WRONG_NUMBER.to_owned()) };
            return row.set(&mut self.core.globals, value).map_err(|refused| refused.reason.to_owned());
        }
        let is_taken = |row: &&GroupOption| source == Source::State || row.place != Place::Set;
        let row = GroupOption::find(name).filter(is_taken).ok_or(UNKNOWN)?;
        if row.is_for_all && values.len() == row.values {
            let options = &mut self.core.globals.for_groups;
            return row.set(options, values).map_err(|refused| refused.reason.to_owned());
        }
        let Some((group, values)) = values.split_first().filter(|(_, rest)| rest.len() == row.values) else {
            return Err(WRONG_NUMBER.to_owned());
        };
        if row.name == "seed" {
            check_host(&self.core.globals, values[0])?;
        }
        let mut outcome = Ok(());
        self.with_group(group, source, |group| {
            let is_twice = row.name == "rename-command"
                && source == Source::Configuration
                && group.options.renamed_commands.contains_key(&values[0].to_ascii_uppercase());
            outcome = if is_twice {
                Err("Same command renamed multiple times with rename-command.".to_owned())
            } else {
                row.set(&mut group.options, values).map_err(|refused| refused.reason.to_owned())
            };
        })?;
        outcome
    }

    fn take_id(&mut self, id: &str) -> Outcome {
        if id.len() != 40 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("Malformed Sentinel id in myid option.".to_owned());
        }
        id.clone_into(&mut self.core.id);
        Ok(())
    }

    fn monitor(&mut self, name: &str, (host, port): (&str, &str), quorum: &str, source: Source) -> Outcome {
        let quorum = words::positive(quorum).map_err(|_| "Quorum must be 1 or greater.")?;
        if !words::is_name(name) {
            return Err("Invalid name of a master: no spaces, quotes or commas.".to_owned());
        }
        if self.groups.contains_key(name) {
            // In a file of state: it was monitored at run time, and is in the configuration by now.
            return match source {
                Source::Configuration => Err("Duplicate master name.".to_owned()),
                Source::State => self.current_primary(name, host, port),
            };
        }
        check_host(&self.core.globals, host)?;
        let address = Address::new(host, words::port(port).map_err(|_| BAD_PORT)?);
        let primary = Server::new(self.core.number(), address, Role::Primary, self.core.now);
        let options = self.core.globals.group_options(quorum, &self.core.timings);
        self.groups.insert(name.to_owned(), Group::new(name, primary, options));
        Ok(())
    }

    /// Where the primary is now, whatever the configuration says. What that knows of the group is older still.
    fn current_primary(&mut self, name: &str, host: &str, port: &str) -> Outcome {
        check_host(&self.core.globals, host)?;
        let address = Address::new(host, words::port(port).map_err(|_| BAD_PORT)?);
        let Some(group) = self.groups.get_mut(name) else { return Ok(()) };
        if group.primary.contact.address != address {
            group.primary = Server::new(self.core.number(), address, Role::Primary, self.core.now);
        }
        group.replicas.clear();
        group.members.clear();
        Ok(())
    }

    fn known_replica(&mut self, name: &str, (host, port): (&str, &str), source: Source) -> Outcome {
        let address = Address::new(host, port.parse().map_err(|_| BAD_PORT)?);
        // A name that was learned, and is not to be resolved any more, is learned again if it matters.
        let is_usable = is_host(&self.core.globals, host) && address.port != 0;
        let replica = Server::new(self.core.number(), address.clone(), Role::Replica, self.core.now);
        let mut is_known = false;
        self.with_group(name, source, |group| {
            is_known = group.replicas.contains_key(&address);
            if is_usable && !group.primary.contact.is_at(&address) {
                group.replicas.insert(address, replica);
            }
        })?;
        if is_known { Err("Duplicate hostname and port for replica.".to_owned()) } else { Ok(()) }
    }

    fn known_sentinel(&mut self, name: &str, place: (&str, &str), id: &str, source: Source) -> Outcome {
        let is_usable = is_host(&self.core.globals, place.0);
        let address = Address::new(place.0, place.1.parse().map_err(|_| BAD_PORT)?);
        if !words::is_name(id) {
            return Err("Malformed Sentinel id in known-sentinel option.".to_owned());
        }
        let now = self.core.now;
        // Whose file was copied knows itself.
        let is_self = self.core.id == id;
        let mut is_new = false;
        let mut is_known = false;
        self.with_group(name, source, |group| {
            is_known = group.members.contains_key(id);
            is_new = is_usable && !is_self && !is_known;
            if is_new {
                group.members.insert(id.to_owned(), Member::new(now));
            }
        })?;
        if is_known {
            return Err("Duplicate runid for sentinel.".to_owned());
        }
        if is_new {
            self.peers.entry(id.to_owned()).or_insert_with(|| Peer::new(Contact::new(address, now)));
        }
        Ok(())
    }

    /// Changes a group. A file of state may tell of one that is not there any more.
    fn with_group(&mut self, name: &str, source: Source, change: impl FnOnce(&mut Group)) -> Outcome {
        match self.groups.get_mut(name) {
            Some(group) => change(group),
            None if source == Source::State => {}
            None => return Err(NO_SUCH_GROUP.to_owned()),
        }
        Ok(())
    }
}

fn turn_of(name: &str, values: &[&str]) -> Turn {
    match name {
        "monitor" | "current-primary" => Turn::Groups,
        "myid" | "current-epoch" => Turn::Whole,
        _ if GlobalOption::find(name).is_some() => Turn::Whole,
        _ if GroupOption::find(name).is_some_and(|row| row.is_for_all && row.values == values.len()) => {
            Turn::Whole
        }
        _ => Turn::Rest,
    }
}

fn epoch_of(word: &str) -> Result<u64, String> {
    let epoch = word.parse().ok().filter(|epoch| *epoch <= LAST_EPOCH);
    epoch.ok_or_else(|| "Invalid epoch.".to_owned())
}

fn check_host(globals: &crate::Globals, host: &str) -> Outcome {
    if is_host(globals, host) { Ok(()) } else { Err(UNRESOLVED.to_owned()) }
}
