//! What operators and other sentinels ask of this one.
//! They come in the middle of a turn; what they lead to is taken with [`Sentinel::take_actions`].

use slipstream_replication::{Level, Moment};
use slipstream_resp::Value;

use crate::Address;
use crate::action::Version;
use crate::config::is_host;
use crate::contact::Contact;
use crate::failover::{Cause, Failover};
use crate::group::{Group, Vote};
use crate::hello::Hello;
use crate::info::Role;
use crate::notices::Subject;
use crate::peer::Peer;
use crate::sentinel::Sentinel;
use crate::server::Server;
use crate::topology::MOST_MEMBERS;

/// The most sentinels that are talked with, for all groups.
pub(crate) const MOST_PEERS: usize = 4096;

/// The most that a primary gets no hello while another sentinel may let its writes wait, milliseconds.
const LONGEST_QUIET: u64 = 10_000;

/// Why a failover that was asked for does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailoverRefused {
    /// No group has this name.
    NoSuchGroup,
    /// One is under way.
    InProgress,
    /// There is no replica to promote.
    NoGoodReplica,
}

/// What SENTINEL IS-MASTER-DOWN-BY-ADDR answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// The vote is not on disk yet: ask again when something was stored.
    Later,
    /// This is it.
    Now {
        /// Whether this sentinel sees the primary down.
        is_down: bool,
        /// Whom it voted for in the candidate's epoch or a later one, and in which.
        vote: Option<(String, u64)>,
    },
}

impl Sentinel {
    /// Begins a failover that an operator wants: a planned switchover, or whatever the price if it is forced.
    pub(crate) fn start_failover(&mut self, name: &str, is_forced: bool) -> Result<(), FailoverRefused> {
        let core = &mut self.core;
        let group = self.groups.get_mut(name).ok_or(FailoverRefused::NoSuchGroup)?;
        // A failover that is only being thought of makes room for an order, and one that waits for an order by force.
        let makes_room = |failover: &Failover| {
            failover.epoch == 0
                || (is_forced && failover.cause != Cause::Forced && failover.may_be_given_up())
        };
        if group.failover.as_ref().is_some_and(|failover| !makes_room(failover)) {
            return Err(FailoverRefused::InProgress);
        }
        let is_good = |replica: &Server| {
            replica.contact.is_up()
                && replica.down_since.is_none()
                && replica.report.priority > 0
                && replica.info_at.is_some()
        };
        if !group.replicas.values().any(is_good) {
            return Err(FailoverRefused::NoGoodReplica);
        }
        // Writes of a primary that does not answer cannot be made to wait.
        let is_reachable = group.primary.contact.is_up() && !group.is_down();
        let cause = match (is_forced, is_reachable) {
            (true, _) => Cause::Forced,
            (false, true) => Cause::Planned,
            (false, false) => Cause::Wanted,
        };
        core.log(Level::Warning, format!("Executing user requested FAILOVER of '{name}'"));
        if let Some(failover) = group.failover.take_if(|failover| failover.epoch > 0) {
            group.give_up(core, &failover, "an operator wants one by force");
        }
        group.begin(core, cause);
        self.wake(name);
        Ok(())
    }

    /// Another sentinel asks whether the primary at an address is down, and, if it is a candidate, for a vote.
    pub(crate) fn opinion(&mut self, host: &str, port: u16, epoch: u64, candidate: Option<&str>) -> Opinion {
        let address = Address::new(host, port);
        let Some(group) = self.groups.values_mut().find(|group| group.primary.contact.is_at(&address)) else {
            return Opinion::Now { is_down: false, vote: None };
        };
        let is_down = group.is_down();
        let Some(candidate) = candidate else { return Opinion::Now { is_down, vote: None } };
        let has_new_vote = group.vote(&mut self.core, (candidate, epoch)).is_some();
        if group.vote.leader == candidate && group.vote.epoch == epoch {
            group.let_others_try(&mut self.core);
            let pause = group.options.switchover_timeout.min(LONGEST_QUIET / 2) * 2;
            group.quiet_until = self.core.now.after_ms(pause);
        }
        let vote = group.vote.clone();
        let name = group.name.clone();
        if has_new_vote {
            self.settle();
            self.wake(&name);
        }
        self.answer(is_down, vote)
    }

    /// A vote is told when it is on disk, and not at all while nothing can be stored.
    fn answer(&self, is_down: bool, vote: Vote) -> Opinion {
        if !self.core.is_stored() {
            return match self.core.durability.failure {
                Some(_) => Opinion::Now { is_down, vote: None },
                None => Opinion::Later,
            };
        }
        // Whom it voted for before it was started again, it does not know.
        let vote = (!vote.leader.is_empty()).then_some((vote.leader, vote.epoch));
        Opinion::Now { is_down, vote }
    }

    /// The version of the state that holds all that has changed: it is on disk, on its way, or ordered next.
    pub fn newest(&self) -> Version {
        self.core.newest()
    }

    /// A hello, from a server's channel or from another sentinel itself.
    pub(crate) fn hear_hello(&mut self, text: &str) {
        let Some(hello) = Hello::parse(text) else { return };
        if hello.id == self.core.id || !self.groups.contains_key(&hello.group) {
            return;
        }
        // What could not be read again after a restart is not taken.
        let is_readable = |address: &Address| is_host(&self.core.globals, &address.host);
        if !is_readable(&hello.sentinel) || !is_readable(&hello.primary) {
            return;
        }
        if !self.has_room(&hello) {
            return;
        }
        // What hellos repeat, again and again, leads to nothing.
        let known = |sentinel: &Sentinel| {
            let group = sentinel.groups.get(&hello.group)?;
            let named = group.members.get(&hello.id).map(|member| member.names_primary.clone());
            let address = sentinel.peers.get(&hello.id).map(|peer| peer.contact.address.clone());
            Some((sentinel.core.epoch, group.config_epoch, group.members.len(), named, address))
        };
        let before = known(self);
        self.meet(&hello);
        let core = &mut self.core;
        let Some(group) = self.groups.get_mut(&hello.group) else { return };
        let is_followed = core.see_epoch(hello.epoch, &group.options.notification_script);
        if group.add_member(core, &hello.id)
            && let Some(peer) = self.peers.get(&hello.id)
        {
            group.tell(core, (Level::Notice, "+sentinel"), Subject::Sentinel(&hello.id, &peer.contact), "");
        }
        if let Some(member) = group.members.get_mut(&hello.id) {
            member.heard_at = core.now;
            member.names_primary = Some(hello.primary.clone());
        }
        if is_followed {
            group.hear_configuration(core, &hello);
        }
        if known(self) != before {
            self.wake(&hello.group);
        }
    }

    /// Whether the sentinel that says hello is known, or is one more that may be.
    fn has_room(&self, hello: &Hello) -> bool {
        let Some(group) = self.groups.get(&hello.group) else { return false };
        group.members.contains_key(&hello.id)
            || (group.members.len() < MOST_MEMBERS
                && (self.peers.contains_key(&hello.id) || self.peers.len() < MOST_PEERS))
    }

    /// A sentinel is at the address that its hello tells, and nobody else is.
    fn meet(&mut self, hello: &Hello) {
        let core = &mut self.core;
        let is_new_place = match self.peers.get(&hello.id) {
            Some(peer) => peer.contact.address != hello.sentinel,
            None => true,
        };
        if !is_new_place {
            return;
        }
        let same_place = |(id, peer): (&String, &Peer)| {
            (peer.contact.is_at(&hello.sentinel) && *id != hello.id).then(|| id.clone())
        };
        let replaced: Vec<String> = self.peers.iter().filter_map(same_place).collect();
        let contact = Contact::new(hello.sentinel.clone(), core.now);
        if let Some(mut moved) = self.peers.remove(&hello.id) {
            crate::connecting::close(core, &mut moved.contact.line, 0);
            if let Some(group) = self.groups.get(&hello.group) {
                let Address { host, port } = &hello.sentinel;
                let place = format!("ip {host} port {port} for {}", hello.id);
                group.tell(core, (Level::Notice, "+sentinel-address-switch"), Subject::Primary, &place);
            }
        }
        for id in replaced {
            if let Some((group, old)) = self.groups.get(&hello.group).zip(self.peers.get(&id)) {
                let subject = Subject::Sentinel(&id, &old.contact);
                group.tell(&mut self.core, (Level::Notice, "+sentinel-invalid-addr"), subject, "");
            }
            self.forget_sentinel(&id);
        }
        self.peers.insert(hello.id.clone(), Peer::new(contact));
        self.wake_peer(&hello.id);
        self.core.changed();
    }

    /// A sentinel is not there any more: another one is at its address.
    pub(crate) fn forget_sentinel(&mut self, id: &str) {
        if let Some(mut peer) = self.peers.remove(id) {
            crate::connecting::close(&mut self.core, &mut peer.contact.line, 0);
        }
        for group in self.groups.values_mut() {
            group.members.remove(id);
        }
        self.core.changed();
    }

    /// Watches a group from now on. Its name, and that its primary can be looked up, is the caller's to check.
    pub(crate) fn add_group(&mut self, name: &str, address: Address, quorum: u32) {
        let core = &mut self.core;
        let primary = Server::new(core.number(), address, Role::Primary, core.now);
        let group = Group::new(name, primary, core.globals.group_options(quorum, &core.timings));
        group.tell(core, (Level::Warning, "+monitor"), Subject::Primary, &format!("quorum {quorum}"));
        self.groups.insert(name.to_owned(), group);
        core.changed();
        self.wake(name);
    }

    /// Stops watching a group; whether there was one.
    pub(crate) fn remove_group(&mut self, name: &str) -> bool {
        let Some(mut group) = self.groups.remove(name) else { return false };
        let core = &mut self.core;
        group.tell(core, (Level::Warning, "-monitor"), Subject::Primary, "");
        group.servers_mut().for_each(|server| Group::close_lines(core, server));
        core.changed();
        self.drop_strangers();
        true
    }

    /// Forgets what was learned of a group: its replicas and sentinels are found again.
    pub(crate) fn reset_group(&mut self, name: &str) -> bool {
        let core = &mut self.core;
        let Some(group) = self.groups.get_mut(name) else { return false };
        group.remembered = group.replicas.keys().cloned().collect();
        for key in group.remembered.clone() {
            group.remove_replica(core, &key);
        }
        group.members.clear();
        group.failover = None;
        group.agreed_down_since = None;
        group.not_before = core.now;
        let address = group.primary.contact.address.clone();
        Group::close_lines(core, &mut group.primary);
        group.primary = Server::new(core.number(), address, Role::Primary, core.now);
        group.tell(core, (Level::Warning, "+reset-master"), Subject::Primary, "");
        core.changed();
        self.drop_strangers();
        self.wake(name);
        true
    }

    /// Sentinels that no group knows are not talked with any more.
    pub(crate) fn drop_strangers(&mut self) {
        let is_known = |id: &String| self.groups.values().any(|group| group.members.contains_key(id));
        let strangers: Vec<String> = self.peers.keys().filter(|id| !is_known(id)).cloned().collect();
        for id in strangers {
            if let Some(mut peer) = self.peers.remove(&id) {
                crate::connecting::close(&mut self.core, &mut peer.contact.line, 0);
            }
        }
    }

    /// What another sentinel thought of a primary when it was asked, or later: `[down, leader, epoch]`.
    pub(crate) fn on_opinion(&mut self, id: &str, (group, reply): (&str, &Value), asked_at: Moment) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let Some(member) = group.members.get_mut(id) else { return };
        let Value::Array(parts) = reply else { return };
        let [Value::Integer(down), leader, Value::Integer(epoch)] = parts.as_slice() else { return };
        // Whatever was said before this one went down may be of another primary, or of another time.
        if group.primary.down_since.is_none_or(|since| asked_at >= since) {
            member.sees_down = Some((*down == 1, asked_at));
        }
        let leader = leader.text();
        let epoch = u64::try_from(*epoch).unwrap_or(0);
        // Whoever has voted in a later epoch votes again in one behind that, so this sentinel has to stand there.
        if leader != "*" && self.core.see_epoch(epoch, &group.options.notification_script) {
            member.vote = Some((leader, epoch));
        }
    }

    /// The replicas that another sentinel knows: SENTINEL REPLICAS. Those that it sees down may have been told of a write all
    /// the same; whoever has heard the primary knows by itself which of them count.
    pub(crate) fn on_topology(&mut self, (group, reply): (&str, &Value)) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let Value::Array(rows) = reply else { return };
        let takes_all = group.never_heard_primary();
        for row in rows {
            let Value::Array(fields) = row else { continue };
            let field = |name: &str| {
                let mut pairs = fields.chunks_exact(2);
                pairs.find(|pair| pair[0].text() == name).map(|pair| pair[1].text())
            };
            let flags = field("flags").unwrap_or_default();
            let is_alive = !flags.contains("s_down") && !flags.contains("disconnected");
            let port = field("port").and_then(|port| port.parse().ok());
            if let (Some(host), Some(port), true) = (field("ip"), port, is_alive || takes_all) {
                group.add_replica(&mut self.core, Address::new(host, port));
            }
        }
    }
}
