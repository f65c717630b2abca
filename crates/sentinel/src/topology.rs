//! Who belongs to a group, and what becomes of it when the primary changes.
//! Who is primary changes in one place only, [`Group::switch_primary`].

use slipstream_replication::{Level, Moment};

use crate::Address;
use crate::config::is_host;
use crate::core::Core;
use crate::group::Group;
use crate::hello::Hello;
use crate::info::Role;
use crate::notices::Subject;
use crate::peer::Member;
use crate::server::{Deposed, Led, Server, Turning, YOUNG};

/// A server that says it is a primary, though none that this sentinel made, is turned back after so many publish
/// periods: by then a newer configuration would have been heard of.
const HELLOS_TO_HEAR: u64 = 4;
/// A replica of another primary is turned after failover-timeout, or this if that is longer.
const LONGEST_STRAY: u64 = 20_000;
/// For so long the primary is waited for before others are asked in its place.
const BLIND_FOR: u64 = 500;
/// The most replicas, and the most sentinels, that a group knows.
pub(crate) const MOST_MEMBERS: usize = 1024;

impl Group {
    /// A replica that was not known.
    pub(crate) fn add_replica(&mut self, core: &mut Core, address: Address) -> bool {
        let is_known = self.replicas.contains_key(&address)
            || self.servers().any(|server| server.contact.is_at(&address));
        if is_known || self.replicas.len() >= MOST_MEMBERS || !is_host(&core.globals, &address.host) {
            return false;
        }
        let replica = Server::new(core.number(), address.clone(), Role::Replica, core.now);
        self.tell(core, (Level::Notice, "+slave"), Subject::Replica(&replica), "");
        self.replicas.insert(address, replica);
        core.changed();
        true
    }

    /// A sentinel that was not known in this group.
    pub(crate) fn add_member(&mut self, core: &mut Core, id: &str) -> bool {
        if self.members.contains_key(id) || self.members.len() >= MOST_MEMBERS || id == core.id {
            return false;
        }
        self.members.insert(id.to_owned(), Member::new(core.now));
        core.changed();
        true
    }

    /// Another server is the primary from now on. The old one is a replica to be, which takes no writes once it is seen.
    pub(crate) fn switch_primary(&mut self, core: &mut Core, address: &Address, is_leader: bool) {
        let known = self.replicas.iter().find(|(_, replica)| replica.contact.is_at(address));
        let key = known.map(|(key, _)| key.clone());
        let next = key.and_then(|key| self.replicas.remove(&key));
        let mut next =
            next.unwrap_or_else(|| Server::new(core.number(), address.clone(), Role::Primary, core.now));
        // What it said of itself was said before.
        next.role = Role::Primary;
        (next.role_since, next.role_heard_at) = (core.now, None);
        (next.role_asked_at, next.info_asked_at) = (None, None);
        next.down_since = None;
        next.deposed = None;
        if let Some(at) = next.info_at {
            next.led = Some(Led::of(&next.report, at));
        }
        next.rebooted_at = None;
        next.turning = Turning::No;
        let names = core.globals.announce_hostnames;
        let (new_host, new_port) = (next.contact.shown_host(names).to_owned(), next.contact.address.port);
        let mut old = std::mem::replace(&mut self.primary, next);
        let (old_host, old_port) = (old.contact.shown_host(names).to_owned(), old.contact.address.port);
        old.deposed = Some(Deposed {
            since: core.now,
            run_id: old.report.run_id.clone(),
            was_loading: old.report.is_loading,
            history: old.report.history.clone(),
        });
        old.down_since = None;
        old.turning = Turning::No;
        self.replicas.insert(old.contact.address.clone(), old);
        for replica in self.replicas.values_mut() {
            (replica.may_have, replica.is_covered, replica.is_known_gone) = (None, false, false);
            replica.corrected_at = None;
            replica.follows_since = core.now;
        }
        for member in self.members.values_mut() {
            member.sees_down = None;
        }
        self.agreed_down_since = None;
        (self.called_down_at, self.voted_at) = (None, None);
        core.changed();
        let message = format!("{} {old_host} {old_port} {new_host} {new_port}", self.name);
        self.tell_plainly(core, (Level::Warning, "+switch-master"), message);
        self.run_reconfiguration_script(
            core,
            is_leader,
            [&old_host, &old_port.to_string(), &new_host, &new_port.to_string()],
        );
    }

    fn run_reconfiguration_script(&self, core: &mut Core, is_leader: bool, places: [&str; 4]) {
        let script = &self.options.client_reconfig_script;
        if script.is_empty() {
            return;
        }
        let role = if is_leader { "leader" } else { "observer" };
        let arguments = [self.name.as_str(), role, "start"].into_iter().chain(places);
        core.schedule_script(script, arguments.map(str::to_owned).collect());
    }

    /// Another sentinel says which primary the group has, and since which epoch.
    pub(crate) fn hear_configuration(&mut self, core: &mut Core, hello: &Hello) {
        if !self.is_news(core, hello) {
            return;
        }
        self.config_epoch = hello.config_epoch;
        core.changed();
        if self.primary.contact.is_at(&hello.primary) {
            return;
        }
        let contact = crate::contact::Contact::new(hello.sentinel.clone(), core.now);
        self.tell(core, (Level::Warning, "+config-update-from"), Subject::Sentinel(&hello.id, &contact), "");
        if let Some(failover) = self.failover.take() {
            let text = format!(
                "The failover of {} in epoch {} ends: a newer one is done.",
                self.name, failover.epoch
            );
            core.log(Level::Notice, text);
        }
        self.lost_attempts = 0;
        self.switch_primary(core, &hello.primary, false);
    }

    /// Whether a configuration is another and counts more. Two of one epoch may be there after failovers that asked for no
    /// votes: the lower address counts, for everybody.
    fn is_news(&self, core: &Core, hello: &Hello) -> bool {
        if hello.config_epoch != self.config_epoch {
            return hello.config_epoch > self.config_epoch;
        }
        let (host, port) = self.primary_place(core);
        let is_same = self.primary.contact.is_at(&hello.primary);
        self.config_epoch > 0 && !is_same && (&hello.primary.host, hello.primary.port) < (&host, port)
    }

    /// Puts right what a switch, a restart or an operator left: primaries that should be replicas, and replicas of
    /// somebody else.
    pub(crate) fn correct(&mut self, core: &mut Core) {
        if self.failover.as_ref().is_some_and(|failover| !failover.may_be_given_up()) {
            return;
        }
        let numbers: Vec<u64> = self.replicas.values().map(|replica| replica.number).collect();
        for number in numbers {
            let Some(replica) = self.server(number) else { continue };
            if let Some(event) = self.correction(core, replica) {
                self.turn(core, (number, event));
                if let Some((replica, _)) = self.server_mut(number) {
                    replica.turning = Turning::No;
                }
            }
        }
    }

    fn correction(&self, core: &mut Core, replica: &Server) -> Option<&'static str> {
        let may_be = replica.contact.is_up()
            && !replica.report.is_loading
            // One that waits for another to take its place serves nobody, and so is down, until it is told.
            && (replica.down_since.is_none() || is_returning(replica) || replica.report.awaits_claim)
            && replica.role_heard_at.is_some_and(|at| at >= replica.contact.line.since)
            && replica.may_be_corrected(core);
        if !may_be {
            return None;
        }
        let is_sane = self.is_primary_sane(core);
        match replica.role {
            // A primary that says it is a replica may follow this very server.
            Role::Primary if is_returning(replica) && self.primary.role == Role::Primary => {
                Some("+convert-to-slave")
            }
            Role::Primary if replica.waits_to_be_told(core) => is_sane.then_some("+convert-to-slave"),
            Role::Primary => {
                let since = replica.role_since.max(replica.contact.line.since);
                let is_stable = core.is_due(since.after_ms(core.timings.publish_period * HELLOS_TO_HEAR));
                (is_stable && is_sane).then_some("+convert-to-slave")
            }
            Role::Replica => {
                let patience = self.options.failover_timeout.min(LONGEST_STRAY);
                let strays = replica.report.primary.is_some() && !self.is_named_by(replica);
                let is_due = self.is_misplaced_at_start(core, replica)
                    || core.is_due(replica.follows_since.after_ms(patience));
                (strays && is_due && is_sane).then_some("+fix-slave-config")
            }
        }
    }

    /// Whether a process that has just begun follows another replica of the group, as its command line or file has it: that
    /// was primary once. What an operator tells a process that runs is given more time.
    fn is_misplaced_at_start(&self, core: &Core, replica: &Server) -> bool {
        let follows = |other: &Server| other.number != replica.number && replica.follows(&other.contact);
        replica.is_new(core) && self.replicas.values().any(follows)
    }

    /// Whether the primary is one as far as can be seen: whom to follow is clear then.
    fn is_primary_sane(&self, core: &Core) -> bool {
        let primary = &self.primary;
        let is_fresh = |at: Moment| core.now.ms_since(at) < core.timings.info_period * 2;
        primary.role == Role::Primary
            && primary.down_since.is_none()
            && primary.role_heard_at.is_some_and(is_fresh)
    }

    /// Who cannot ask the primary asks those who were replicas before a RESET, and the seeds if no replica is known.
    pub(crate) fn look_around(&mut self, core: &mut Core) {
        if !self.never_heard_primary() && !self.replicas.is_empty() {
            // It has named those that there are by now.
            self.remembered.clear();
            return;
        }
        let waits_for = self.primary.contact.last_valid.after_ms(BLIND_FOR);
        if self.primary.contact.is_up() || !core.is_due(waits_for) {
            return;
        }
        let seeds = if self.replicas.is_empty() { self.options.seeds.clone() } else { Vec::new() };
        for seed in [seeds, std::mem::take(&mut self.remembered)].concat() {
            self.add_replica(core, seed);
        }
    }

    /// Whether the primary has not said which replicas it has, since this sentinel began, was reset or switched to it: for a
    /// moment behind a switch others are asked as well, and all that they know is taken.
    pub(crate) fn never_heard_primary(&self) -> bool {
        self.primary.role_heard_at.is_none()
    }

    /// Forgets replicas that nobody has seen for long.
    pub(crate) fn forget(&mut self, core: &mut Core) {
        let after = self.options.forget_after;
        let is_gone = |core: &mut Core, replica: &Server| {
            after > 0 && replica.down_since.is_some() && core.is_due(replica.seen_at.after_ms(after))
        };
        let gone: Vec<Address> = self
            .replicas
            .iter()
            .filter(|(_, replica)| is_gone(core, replica))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            core.log(
                Level::Notice,
                format!("{}: the replica {key} is forgotten: nobody has seen it for {after} ms.", self.name),
            );
            self.remove_replica(core, &key);
        }
    }

    /// A replica does not belong to the group any more.
    pub(crate) fn remove_replica(&mut self, core: &mut Core, key: &Address) {
        if let Some(mut replica) = self.replicas.remove(key) {
            Group::close_lines(core, &mut replica);
            core.changed();
        }
    }

    /// Each server is known by the number that its name stood for last.
    pub(crate) fn take_numbers(&mut self, core: &mut Core) {
        self.primary.contact.take_number();
        for mut replica in std::mem::take(&mut self.replicas).into_values() {
            replica.contact.take_number();
            let is_known = |known: &Server| known.contact.address == replica.contact.address;
            if self.servers().any(is_known) {
                Group::close_lines(core, &mut replica);
            } else {
                self.replicas.insert(replica.contact.address.clone(), replica);
            }
        }
    }

    /// A process is known by its run id: whatever else had that id was an older address of it.
    pub(crate) fn drop_aliases(&mut self, core: &mut Core, number: u64) {
        let Some(run_id) = self.server(number).map(|server| server.report.run_id.clone()) else { return };
        if run_id.is_empty() {
            return;
        }
        let is_alias = |server: &Server| server.number != number && server.report.run_id == run_id;
        let aliases: Vec<Address> = self
            .replicas
            .iter()
            .filter(|(_, replica)| is_alias(replica))
            .map(|(key, _)| key.clone())
            .collect();
        for key in aliases {
            core.log(
                Level::Notice,
                format!("{}: {key} is another address of a server that is known.", self.name),
            );
            self.remove_replica(core, &key);
        }
        let is_replica = self.primary.number != number;
        if is_replica && is_alias(&self.primary) {
            let key = self
                .replicas
                .iter()
                .find(|(_, replica)| replica.number == number)
                .map(|(key, _)| key.clone());
            key.into_iter().for_each(|key| self.remove_replica(core, &key));
        }
    }
}

/// Whether a server that was deposed has come back as the primary it was: the same process with the same history, or a
/// new process that nobody can have made a primary since: what takes long to load has been a stray for long by then.
fn is_returning(replica: &Server) -> bool {
    let Some(deposed) = &replica.deposed else { return false };
    let report = &replica.report;
    let since = deposed.since.max(replica.contact.line.since);
    let has_told =
        [replica.info_at, replica.role_heard_at].iter().all(|told| told.is_some_and(|at| at > since));
    let is_same = report.run_id == deposed.run_id && report.history == deposed.history;
    let is_new = report.run_id != deposed.run_id || deposed.was_loading;
    has_told && (is_same || is_new && report.uptime < YOUNG)
}
