//! Lines of a file into the machine.
//!
//! Lines may be in any order: what counts for all comes first, then the groups, then what counts for one of them. The
//! first bad line ends it. A file of state is read after the configuration: it says how far things were, and what was
//! set at run time; a group that the configuration does not name any more is passed over with all that is said of it. A
//! configuration file that includes others is to those what a file of state is to it, as far as groups are theirs.

use std::collections::BTreeSet;

use super::fixed::{Fixed, group_of};
use super::globals::GlobalOption;
use super::line::{ConfigError, ConfigLine};
use super::options::{GroupOption, Place};
use super::words::{self, check_words};
use super::{is_host, is_statement};
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
    /// Where they are by now, and which are none any more.
    Moves,
    /// What counts for one group.
    Rest,
}

type Outcome = Result<(), String>;

/// What is read, and what has to be known of all lines to read one of them.
struct Reading<'a> {
    source: Source,
    /// What included files say.
    included: Fixed,
    /// Groups that were moved since they were set up, that are not watched any more, and whose state is told: by lines
    /// that are not included.
    moved: BTreeSet<&'a str>,
    removed: BTreeSet<&'a str>,
    told: BTreeSet<&'a str>,
}

impl<'a> Reading<'a> {
    fn new(lines: &'a [ConfigLine], source: Source) -> Reading<'a> {
        let groups = |statement: &str| {
            let own = lines.iter().filter(|line| !line.is_included);
            let told = own
                .filter(|line| line.words.first().is_some_and(|word| word.eq_ignore_ascii_case(statement)));
            told.filter_map(|line| group_of(&line.words)).collect()
        };
        Reading {
            source,
            included: Fixed::of(lines.iter().filter(|line| line.is_included)),
            moved: groups("current-primary"),
            removed: groups("removed"),
            told: groups("config-epoch"),
        }
    }

    /// Whether a line says nothing, since what is not included knows better.
    fn passes_over(&self, line: &ConfigLine, name: &str) -> bool {
        let is_old = |group| self.removed.contains(group) || (is_state(name) && self.told.contains(group));
        line.is_included && group_of(&line.words).is_some_and(is_old)
    }

    /// Whether it may be that a group is not there.
    fn may_lack(&self, group: &str) -> bool {
        self.source == Source::State || self.moved.contains(group)
    }

    /// Whether a line may say where a group is that another line has set up.
    fn may_move(&self, group: &str) -> bool {
        self.source == Source::State || self.included.monitors(group)
    }
}

/// Whether a line tells what changes by itself.
fn is_state(name: &str) -> bool {
    matches!(name, "config-epoch" | "leader-epoch") || name.starts_with("known-")
}

impl Sentinel {
    /// Takes the lines of the configuration file. Where that fails, the machine is changed in part and is to be thrown
    /// away.
    pub fn load(&mut self, lines: &[ConfigLine]) -> Result<(), ConfigError> {
        self.take_lines(lines, Source::Configuration)?;
        let is_all_fixed = self.core.globals.state_file.is_some();
        let is_fixed = |line: &&ConfigLine| {
            // Lines of a group that a file included once say nothing.
            let is_said = || group_of(&line.words).is_none_or(|group| self.groups.contains_key(group));
            line.is_included || (is_all_fixed && is_said())
        };
        self.fixed = Fixed::of(lines.iter().filter(is_fixed));
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
        let reading = &Reading::new(lines, source);
        for turn in [Turn::Whole, Turn::Groups, Turn::Moves, Turn::Rest] {
            for line in lines {
                let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
                check_words(&words).map_err(|refused| line.refused(refused.reason))?;
                let [name, values @ ..] = words.as_slice() else { return Err(line.refused(UNKNOWN)) };
                let name = name.to_ascii_lowercase();
                if turn_of(&name, values) == turn && !reading.passes_over(line, &name) {
                    let taken = self.take((&name, values), line.is_included, reading);
                    taken.map_err(|reason| line.refused(reason))?;
                }
            }
        }
        self.wake_all();
        // An id that was just drawn is to be kept, and hellos tell of what is on disk.
        self.core.changed();
        Ok(())
    }

    fn take(&mut self, (name, values): (&str, &[&str]), is_included: bool, reading: &Reading<'_>) -> Outcome {
        match (name, values) {
            ("myid", [id]) => self.take_id(id),
            ("current-epoch", [epoch]) => {
                self.core.epoch = self.core.epoch.max(epoch_of(epoch)?);
                Ok(())
            }
            ("monitor", [group, host, port, quorum]) => self.monitor(group, (host, port), quorum, reading),
            _ if is_included && matches!(name, "current-primary" | "removed") => Err(UNKNOWN.to_owned()),
            ("current-primary", [group, ..])
                if !reading.may_move(group) && self.groups.contains_key(*group) =>
            {
                Err(UNKNOWN.to_owned())
            }
            ("current-primary", [group, host, port]) => self.current_primary(group, host, port),
            ("removed", [group]) => {
                // Of one that is not included, the line that sets it up counts.
                if reading.source == Source::State {
                    self.groups.remove(*group);
                }
                Ok(())
            }
            ("config-epoch", [group, epoch]) => {
                let epoch = epoch_of(epoch)?;
                self.core.epoch = self.core.epoch.max(epoch);
                self.with_group(group, reading, |group| group.config_epoch = epoch)
            }
            ("leader-epoch", [group, epoch]) => {
                let epoch = epoch_of(epoch)?;
                self.with_group(group, reading, |group| group.vote.epoch = epoch)
            }
            ("known-min-replicas-to-ack", [group, copies]) => {
                let copies = copies.parse().map_err(|_| "Invalid number of replicas.")?;
                self.with_group(group, reading, |group| group.copies_told = copies)
            }
            ("known-replica" | "known-slave", [group, host, port]) => {
                self.known_replica(group, (host, port), reading)
            }
            // The form before Redis 2.8.1, which does not say who it is.
            ("known-sentinel", [_, _, _]) => Ok(()),
            ("known-sentinel", [group, host, port, id]) => {
                self.known_sentinel(group, (host, port), id, reading)
            }
            _ if is_statement(name) => Err(WRONG_NUMBER.to_owned()),
            _ => self.take_option((name, values), is_included, reading),
        }
    }

    fn take_option(
        &mut self,
        (name, values): (&str, &[&str]),
        is_included: bool,
        reading: &Reading<'_>,
    ) -> Outcome {
        if let Some(row) = GlobalOption::find(name) {
            let [value] = values else { return Err(WRONG_NUMBER.to_owned()) };
            return row.set(&mut self.core.globals, value).map_err(|refused| refused.reason.to_owned());
        }
        let may_be_set = !is_included && values.first().is_some_and(|group| reading.may_lack(group));
        let is_taken = |row: &&GroupOption| row.place != Place::Set || may_be_set;
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
        self.with_group(group, reading, |group| {
            let is_said = || {
                reading
                    .included
                    .of_option(row, &group.name)
                    .any(|said| said[2].eq_ignore_ascii_case(values[0]))
            };
            let is_twice = row.name == "rename-command"
                && reading.source == Source::Configuration
                && group.options.renamed_commands.contains_key(&values[0].to_ascii_uppercase())
                && (is_included || !is_said());
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

    fn monitor(
        &mut self,
        name: &str,
        (host, port): (&str, &str),
        quorum: &str,
        reading: &Reading<'_>,
    ) -> Outcome {
        let quorum = words::positive(quorum).map_err(|_| "Quorum must be 1 or greater.")?;
        if !words::is_group_name(name) {
            return Err("Invalid name of a master: no spaces, quotes or commas.".to_owned());
        }
        if self.groups.contains_key(name) {
            // In a file of state: it was monitored at run time, and is in the configuration by now.
            return match reading.source {
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
        let Some(group) = self.groups.get_mut(name) else {
            self.unset.insert(name.to_owned());
            return Ok(());
        };
        if group.primary.contact.address != address {
            group.primary = Server::new(self.core.number(), address, Role::Primary, self.core.now);
        }
        group.replicas.clear();
        group.members.clear();
        Ok(())
    }

    fn known_replica(&mut self, name: &str, (host, port): (&str, &str), reading: &Reading<'_>) -> Outcome {
        let address = Address::new(host, port.parse().map_err(|_| BAD_PORT)?);
        // A name that was learned, and is not to be resolved any more, is learned again if it matters.
        let is_usable = is_host(&self.core.globals, host) && address.port != 0;
        let replica = Server::new(self.core.number(), address.clone(), Role::Replica, self.core.now);
        let mut is_known = false;
        self.with_group(name, reading, |group| {
            is_known = group.replicas.contains_key(&address);
            if is_usable && !group.primary.contact.is_at(&address) {
                group.replicas.insert(address, replica);
            }
        })?;
        if is_known { Err("Duplicate hostname and port for replica.".to_owned()) } else { Ok(()) }
    }

    fn known_sentinel(
        &mut self,
        name: &str,
        place: (&str, &str),
        id: &str,
        reading: &Reading<'_>,
    ) -> Outcome {
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
        self.with_group(name, reading, |group| {
            is_known = group.members.contains_key(id);
            is_new = is_usable && !is_self && !is_known;
            if is_new {
                group.members.insert(id.to_owned(), Member::new(now));
            }
        })?;
        if is_known {
            return Err("Duplicate runid for sentinel.".to_owned());
        }
        // A file of state is newer than what a configuration says of the same sentinel.
        if is_new && (reading.source == Source::State || !self.peers.contains_key(id)) {
            self.peers.insert(id.to_owned(), Peer::new(Contact::new(address, now)));
        }
        Ok(())
    }

    /// Changes a group, unless it is one that need not be there.
    fn with_group(&mut self, name: &str, reading: &Reading<'_>, change: impl FnOnce(&mut Group)) -> Outcome {
        match self.groups.get_mut(name) {
            Some(group) => change(group),
            None if reading.may_lack(name) => {
                self.unset.insert(name.to_owned());
            }
            None => return Err(NO_SUCH_GROUP.to_owned()),
        }
        Ok(())
    }
}

fn turn_of(name: &str, values: &[&str]) -> Turn {
    match name {
        "monitor" => Turn::Groups,
        "current-primary" | "removed" => Turn::Moves,
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
