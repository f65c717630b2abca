//! The machine: what happened goes in, what is to be done comes out.
//!
//! Each event touches one group or one other sentinel; that one is tended then: lines are opened, questions asked, those
//! who are down seen, a failover taken a step further. Whatever is to be looked at later sets the alarm of its group, so
//! nothing is looked at for nothing, and nothing waits for a tick.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_replication::{Level, Moment};
use slipstream_resp::Value;

use crate::action::{Action, Event, Failure, LineId, Version};
use crate::alarms::Alarms;
use crate::config::Fixed;
use crate::connecting::{self, HELLO_CHANNEL};
use crate::core::{Core, Owner};
use crate::failover::{Failover, Phase};
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::options::Globals;
use crate::peer::Peer;
use crate::talking::Pace;

/// Far away: nothing is due.
const NEVER: Moment = Moment(u64::MAX);
/// Between two ROLE in quiet times, while the primary is down, and while roles change.
const ROLE_PERIOD: (u64, u64, u64) = (1000, 100, 25);
/// Other sentinels are asked for the replicas they know that often, while the primary cannot be asked.
const TOPOLOGY_PERIOD: u64 = 2000;
/// What comes sooner than that behind its time is not told as a stall.
const PROMPT: u64 = 50;

/// One sentinel.
#[derive(Debug)]
pub struct Sentinel {
    pub(crate) core: Core,
    /// The groups it watches, by name.
    pub(crate) groups: BTreeMap<String, Group>,
    /// The other sentinels, by id.
    pub(crate) peers: BTreeMap<String, Peer>,
    /// What is said in files that are only read.
    pub(crate) fixed: Fixed,
    /// Groups that lines tell of, and none sets up.
    pub(crate) unset: BTreeSet<String>,
    /// When each group is to be looked at.
    alarms: Alarms,
    /// When each other sentinel is.
    peer_alarms: Alarms,
    /// When the rest is: the store, scripts, tilt.
    own_alarm: Moment,
}

impl Sentinel {
    /// A sentinel that watches nothing yet. Its id is drawn from `rng` unless [`Sentinel::load`] brings one.
    pub fn new(now: Moment, globals: Globals, mut rng: fastrand::Rng) -> Sentinel {
        let id = std::iter::repeat_with(|| rng.digit(16))
            .map(|digit| digit.to_ascii_lowercase())
            .take(40)
            .collect();
        Sentinel {
            core: Core::new(now, id, globals, rng),
            groups: BTreeMap::new(),
            peers: BTreeMap::new(),
            fixed: Fixed::default(),
            unset: BTreeSet::new(),
            alarms: Alarms::default(),
            peer_alarms: Alarms::default(),
            own_alarm: now,
        }
    }

    /// Something happened: does what it leads to, and all that is due.
    pub fn handle(&mut self, now: Moment, event: Event<'_>, actions: &mut Vec<Action>) {
        self.note_stall(now);
        self.core.now = now;
        match event {
            Event::Tick => {}
            Event::Connected { line, local, remote } => self.on_connected(line, (local, remote)),
            Event::Failed(line, failure) => self.on_failed(line, &failure),
            Event::Named(host, numbers) => self.core.on_named(&host, numbers),
            Event::Received(line, bytes) => self.on_received(line, bytes),
            Event::Stored(version, result) => self.on_stored(version, result),
            Event::ScriptStarted(number, process) => self.core.on_script_started(number, process),
            Event::ScriptEnded(number, end) => self.core.on_script_ended(number, &end),
        }
        self.tend_due();
        actions.append(&mut self.core.actions);
    }

    /// When to call [`Sentinel::handle`] with [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Moment {
        let alarms = [self.alarms.earliest(), self.peer_alarms.earliest()];
        alarms.into_iter().flatten().fold(self.own_alarm, Moment::min)
    }

    /// Takes what a command led to: what is to be done, besides its reply.
    pub fn take_actions(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.handle(now, Event::Tick, actions);
    }

    /// A group is to be looked at now, or soon if it is a big one.
    pub(crate) fn wake(&mut self, name: &str) {
        let pause = self.groups.get(name).map_or(0, Group::pause);
        self.alarms.bring_forward(name, self.core.now.after_ms(pause));
    }

    /// Another sentinel is to be looked at now.
    pub(crate) fn wake_peer(&mut self, id: &str) {
        self.peer_alarms.set(id, self.core.now);
    }

    /// Everything is to be looked at now: a configuration was read.
    pub(crate) fn wake_all(&mut self) {
        self.groups.keys().for_each(|name| self.alarms.set(name, self.core.now));
        self.wake_peers();
    }

    /// All other sentinels are to be looked at now.
    pub(crate) fn wake_peers(&mut self) {
        self.peers.keys().for_each(|id| self.peer_alarms.set(id, self.core.now));
    }

    /// Orders what has changed to be stored, before anything that depends on it is answered.
    pub(crate) fn settle(&mut self) {
        self.core.order_store(&self.groups);
    }

    /// The process stood still: whatever was in flight is given that time.
    fn note_stall(&mut self, now: Moment) {
        let late = now.ms_since(self.deadline());
        if late < PROMPT {
            return;
        }
        self.core.now = now;
        for group in self.groups.values_mut() {
            group.servers_mut().for_each(|server| server.contact.shift(late));
            group.give_up_after_stall(&mut self.core, late);
        }
        self.peers.values_mut().for_each(|peer| peer.contact.shift(late));
        self.core.tell_stall(late);
    }

    fn on_connected(&mut self, id: LineId, ends: (String, String)) {
        let Some(owner) = self.core.lines.get(&id).cloned() else { return };
        let core = &mut self.core;
        match owner {
            Owner::Commands(name, number) => {
                let Some(group) = self.groups.get_mut(&name) else { return };
                let options = group.options.clone();
                let Some((server, _)) = group.server_mut(number) else { return };
                server.contact.on_connected(core, id, ends);
                let command = |word: &str| options.command(word).to_owned();
                server.contact.introduce(core, (&options.auth_user, &options.auth_pass), command);
                (server.info_asked_at, server.role_asked_at, server.hello_at) = (None, None, None);
                (server.has_lease, server.has_token) = (false, false);
                server.forget_answers();
                self.wake(&name);
            }
            Owner::Messages(name, number) => {
                let Some(group) = self.groups.get_mut(&name) else { return };
                let options = group.options.clone();
                if let Some((server, _)) = group.server_mut(number) {
                    server.on_messages_connected(core, id, &options);
                }
            }
            Owner::Peer(peer_id) => {
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                peer.contact.on_connected(core, id, ends);
                let (user, password) = core.peer_login();
                peer.contact.introduce(core, (&user, &password), str::to_owned);
                peer.hello_at = None;
                self.peer_alarms.set(&peer_id, self.core.now);
            }
        }
    }

    fn on_failed(&mut self, id: LineId, failure: &Failure) {
        let Some(owner) = self.core.forget_line(id) else { return };
        let core = &mut self.core;
        match owner {
            Owner::Commands(name, number) => {
                if let Some((server, _)) =
                    self.groups.get_mut(&name).and_then(|group| group.server_mut(number))
                {
                    server.contact.on_failed(core, failure);
                    self.wake(&name);
                }
            }
            Owner::Messages(name, number) => {
                if let Some((server, _)) =
                    self.groups.get_mut(&name).and_then(|group| group.server_mut(number))
                {
                    connecting::on_failed(core, &mut server.messages, failure, server.contact.lost_at);
                    self.wake(&name);
                }
            }
            Owner::Peer(peer_id) => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.contact.on_failed(core, failure);
                    self.peer_alarms.set(&peer_id, self.core.now);
                }
            }
        }
    }

    fn on_received(&mut self, id: LineId, bytes: &[u8]) {
        let Some(owner) = self.core.lines.get(&id).cloned() else { return };
        let limits = owner.limits();
        let Some(line) = self.line_mut(&owner) else { return };
        let mut is_broken = line.receive(bytes, limits).is_err();
        let mut is_answered = false;
        while !is_broken {
            // What a reply leads to may close the line.
            let Some(line) = self.line_mut(&owner).filter(|line| line.up() == Some(id)) else { break };
            match line.next(limits) {
                Ok(Some(reply)) => {
                    is_answered = true;
                    let awaited = line.awaited.pop_front();
                    self.on_reply(&owner, awaited, reply);
                }
                Ok(None) => {
                    let unfinished = line.unfinished();
                    self.core.unfinished.note(id, unfinished);
                    break;
                }
                Err(_) => is_broken = true,
            }
        }
        if is_broken {
            self.give_up_line(id, "what came is no reply");
        }
        while let Some(largest) = self.core.unfinished.excess() {
            self.give_up_line(largest, "replies that do not end take too much memory");
        }
        match owner {
            Owner::Commands(name, _) | Owner::Messages(name, _) if is_answered => self.wake(&name),
            _ => {}
        }
    }

    fn give_up_line(&mut self, id: LineId, reason: &str) {
        self.core.actions.push(Action::Close(id));
        self.on_failed(id, &Failure::Other(reason.to_owned()));
    }

    fn line_mut(&mut self, owner: &Owner) -> Option<&mut crate::line::Line> {
        match owner {
            Owner::Commands(name, number) => {
                let (server, _) = self.groups.get_mut(name)?.server_mut(*number)?;
                Some(&mut server.contact.line)
            }
            Owner::Messages(name, number) => {
                Some(&mut self.groups.get_mut(name)?.server_mut(*number)?.0.messages)
            }
            Owner::Peer(id) => Some(&mut self.peers.get_mut(id)?.contact.line),
        }
    }

    fn on_reply(&mut self, owner: &Owner, awaited: Option<Awaited>, reply: Value) {
        match owner {
            Owner::Messages(name, number) => self.on_message(name, *number, (awaited, &reply)),
            Owner::Commands(name, number) => {
                if let (Some(group), Some(awaited)) = (self.groups.get_mut(name), awaited) {
                    group.on_reply(&mut self.core, *number, (awaited, reply));
                }
            }
            Owner::Peer(id) => self.on_peer_reply(id, awaited, &reply),
        }
    }

    fn on_peer_reply(&mut self, id: &str, awaited: Option<Awaited>, reply: &Value) {
        let peer = self.peers.get_mut(id).zip(awaited.as_ref());
        if let Some(news) = peer.and_then(|(peer, awaited)| peer.contact.note_answer(awaited, reply)) {
            self.core.log(Level::Warning, format!("The sentinel {news}"));
        }
        match awaited {
            Some(Awaited::Ping) => {
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.contact.on_pong(&mut self.core, reply);
                }
                let groups =
                    self.groups.values().filter(|group| group.members.contains_key(id) && group.is_down());
                let names: Vec<String> = groups.map(|group| group.name.clone()).collect();
                names.iter().for_each(|name| self.wake(name));
            }
            Some(Awaited::Opinion(group, asked_at)) => {
                self.on_opinion(id, (&group, reply), asked_at);
                self.wake(&group);
            }
            Some(Awaited::Topology(group)) => {
                self.on_topology((&group, reply));
                self.wake(&group);
            }
            _ => {}
        }
    }

    /// `message`, the channel, the text; whatever else comes over that line answers what was asked for.
    fn on_message(&mut self, name: &str, number: u64, (awaited, reply): (Option<Awaited>, &Value)) {
        if let (Some(group), Some(awaited)) = (self.groups.get_mut(name), awaited) {
            group.note_answer(&mut self.core, number, (&awaited, reply));
        }
        let Value::Array(parts) = reply else { return };
        let [Value::Bulk(kind), Value::Bulk(channel), Value::Bulk(text)] = parts.as_slice() else { return };
        if let Some((server, _)) = self.groups.get_mut(name).and_then(|group| group.server_mut(number)) {
            server.heard_at = self.core.now;
        }
        if kind == b"message" && channel == HELLO_CHANNEL.as_bytes() {
            self.hear_hello(&String::from_utf8_lossy(text));
        }
    }

    fn on_stored(&mut self, version: Version, result: Result<(), String>) {
        let is_news = self.core.on_stored(version, result);
        let names: Vec<String> = self.groups.keys().cloned().collect();
        names.iter().for_each(|name| self.wake(name));
        if is_news {
            self.groups.values_mut().flat_map(Group::servers_mut).for_each(|server| server.hello_at = None);
            for (id, peer) in &mut self.peers {
                peer.hello_at = None;
                self.peer_alarms.set(id, self.core.now);
            }
        }
    }

    /// Looks at whatever has become due.
    fn tend_due(&mut self) {
        let now = self.core.now;
        // Each is looked at once: what that leads to for another is due in the next turn, which is now.
        let groups: Vec<String> = std::iter::from_fn(|| self.alarms.take_due(now)).collect();
        for name in groups {
            self.tend_group(&name);
        }
        let peers: Vec<String> = std::iter::from_fn(|| self.peer_alarms.take_due(now)).collect();
        for id in peers {
            self.tend_peer(&id);
        }
        self.core.alarm = NEVER;
        self.core.order_store(&self.groups);
        self.core.run_scripts();
        self.core.end_tilt();
        self.own_alarm = self.core.alarm;
    }

    fn tend_group(&mut self, name: &str) {
        // It is out of its place meanwhile, so that it can be changed beside what all share.
        let Some(mut group) = self.groups.remove(name) else { return };
        let core = &mut self.core;
        core.alarm = NEVER;
        let peers = &mut self.peers;
        group.detect(core, peers);
        group.fail_over(core);
        group.correct(core);
        group.forget(core);
        group.look_around(core);
        group.tend_servers(core);
        group.ask_peers(core, peers);
        self.alarms.set(name, core.alarm.max(core.now.after_ms(group.pause())));
        self.groups.insert(name.to_owned(), group);
    }

    fn tend_peer(&mut self, id: &str) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let core = &mut self.core;
        core.alarm = NEVER;
        let groups: Vec<&Group> =
            self.groups.values().filter(|group| group.members.contains_key(id)).collect();
        let shortest = groups.iter().map(|group| group.options.down_after).min();
        let down_after = shortest.unwrap_or(core.timings.default_down_after);
        peer.contact.keep_open(core, Owner::Peer(id.to_owned()), down_after);
        if peer.contact.is_up() {
            peer.talk(core, down_after, groups.iter().map(|group| group.name.as_str()));
            peer.contact.give_up_silent(core, down_after);
        }
        self.peer_alarms.set(id, core.alarm);
    }
}

impl Group {
    fn tend_servers(&mut self, core: &mut Core) {
        let turning = matches!(
            self.failover.as_ref().map(|failover| &failover.phase),
            Some(Phase::SteppingDown { .. } | Phase::Promoting { .. } | Phase::Turning { .. })
        );
        let role = match (turning, self.is_down()) {
            (true, _) => ROLE_PERIOD.2,
            (false, true) => ROLE_PERIOD.1,
            (false, false) => ROLE_PERIOD.0,
        };
        let is_urgent = self.failover.is_some() || self.agreed_down_since.is_some();
        let sentinels = self.members.len() + 1;
        // One that says nothing would be taken for a sentinel that knows no leases.
        let held_for = if self.may_lease(core) { Role::Primary } else { Role::Replica };
        let Group { name, primary, replicas, options, .. } = self;
        let watched_as = Role::Primary;
        let pace = Pace { is_urgent, role, sentinels, watched_as, held_for, may_publish: true };
        let holds_writes = self.failover.as_ref().is_some_and(Failover::holds_writes);
        let may_publish = core.is_due(self.quiet_until) && !holds_writes;
        primary.keep_open(core, name, options);
        primary.talk(core, (name, options), Pace { may_publish, ..pace });
        for replica in replicas.values_mut() {
            replica.keep_open(core, name, options);
            let (watched_as, held_for) = (Role::Replica, Role::Replica);
            replica.talk(core, (name, options), Pace { watched_as, held_for, ..pace });
        }
    }

    /// Asks the other sentinels what they think of the primary, and which replicas they know while it cannot be asked.
    fn ask_peers(&mut self, core: &mut Core, peers: &mut BTreeMap<String, Peer>) {
        let is_electing = self.failover.as_ref().is_some_and(|failover| failover.is_electing());
        let candidacy = self.failover.as_ref().and_then(|failover| failover.candidacy());
        let period = self.ask_period(core);
        let primary = &self.primary.contact;
        let port = primary.address.port.to_string();
        let (epoch, candidate) = match candidacy {
            Some(epoch) => (epoch.to_string(), core.id.clone()),
            None => (core.epoch.to_string(), "*".to_owned()),
        };
        let is_blind = self.replicas.is_empty() || !self.primary.contact.is_up();
        let asks = self.is_down() || is_electing;
        for (id, member) in &mut self.members {
            let Some(peer) = peers.get_mut(id) else { continue };
            if !peer.contact.is_up() {
                continue;
            }
            if asks && member.asked_at.is_none_or(|at| core.is_due(at.after_ms(period))) {
                // It knows the primary as it says itself, and else most likely by number.
                let told = member.names_primary.as_ref().filter(|address| primary.is_at(address));
                let host = told.map_or(primary.shown_host(false), |address| &address.host);
                let words = ["SENTINEL", "is-master-down-by-addr", host, &port, &epoch, &candidate];
                peer.contact.ask(core, &words, Awaited::Opinion(self.name.clone(), core.now));
                member.asked_at = Some(core.now);
                core.is_due(core.now.after_ms(period));
            }
            if is_blind && member.topology_asked_at.is_none_or(|at| core.is_due(at.after_ms(TOPOLOGY_PERIOD)))
            {
                let words = ["SENTINEL", "REPLICAS", &self.name];
                peer.contact.ask(core, &words, Awaited::Topology(self.name.clone()));
                member.topology_asked_at = Some(core.now);
            }
        }
    }
}

impl Core {
    /// How to log in at other sentinels: where nothing is set for that, as they log in here.
    pub(crate) fn peer_login(&self) -> (String, String) {
        let Globals { sentinel_user, sentinel_pass, requirepass, .. } = &self.globals;
        if sentinel_pass.is_empty() {
            (String::new(), requirepass.clone())
        } else {
            (sentinel_user.clone(), sentinel_pass.clone())
        }
    }

    fn tell_stall(&mut self, late: u64) {
        if late < self.timings.tilt_trigger {
            return;
        }
        self.log(
            Level::Warning,
            format!("This process stood still for {late} ms; what was in flight is given that time."),
        );
        if self.tilt.since.is_none() {
            self.tilt.total += 1;
            self.notify(Level::Warning, "+tilt", "#tilt mode entered".to_owned(), "");
        }
        self.tilt.since = Some(self.now);
    }

    /// All who answer have answered by then.
    fn end_tilt(&mut self) {
        let length = self.timings.ping_period.min(self.timings.tilt_period);
        if self.tilt.since.is_some_and(|since| self.is_due(since.after_ms(length))) {
            self.tilt.since = None;
            self.notify(Level::Warning, "-tilt", "#tilt mode exited".to_owned(), "");
        }
    }
}
