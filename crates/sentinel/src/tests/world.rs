//! The world: machines with servers and sentinels, a network with a delay of a millisecond, and time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slipstream_replication::Moment;
use slipstream_resp::{Protocol, Reply, decode_value};

use super::model::{Model, words};
use crate::asking::Opinion;
use crate::options::GroupOptions;
use crate::*;

/// Ports of sentinels begin here.
const SENTINELS: u16 = 26000;
/// Servers' ports begin here; the first is the primary.
pub(super) const SERVERS: u16 = 7000;

enum Happening {
    Connect(usize, LineId, u16),
    /// From a sentinel to whoever listens at a port.
    Request(usize, LineId, Vec<u8>),
    Bytes(usize, LineId, Vec<u8>),
    Failed(usize, LineId, Failure),
    Named(usize, String),
    Stored(usize, Version, Option<Box<Disk>>),
    /// A vote that was not on disk when it was asked for.
    Again(usize, usize, LineId, Vec<String>),
}

/// What a sentinel has on disk.
#[derive(Clone, Default)]
struct Disk {
    id: String,
    epoch: u64,
    config_epoch: u64,
    vote: group::Vote,
    copies_told: u32,
    quorum: u32,
    primary: u16,
    replicas: Vec<u16>,
    members: Vec<(String, u16)>,
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) servers: Vec<Model>,
    pub(super) sentinels: Vec<Option<Sentinel>>,
    /// What sentinels published: when, who, channel, message.
    pub(super) events: Vec<(u64, usize, &'static str, String)>,
    /// Which disks fail.
    pub(super) broken_disks: BTreeSet<usize>,
    /// Ports that are silent: nothing goes there or comes from there.
    pub(super) silent: BTreeSet<u16>,
    /// Ports that no sentinel reaches; servers reach each other.
    pub(super) hidden: BTreeSet<u16>,
    /// Ports that stand still: what comes waits.
    pub(super) frozen: BTreeSet<u16>,
    /// Servers whose offset grows.
    pub(super) writes: bool,
    lines: BTreeMap<(usize, LineId), u16>,
    subscribers: BTreeSet<(usize, LineId)>,
    /// Lines whose next reply waits for a disk.
    blocked: BTreeSet<(usize, LineId)>,
    partial: BTreeMap<(usize, LineId), Vec<u8>>,
    queue: BTreeMap<(u64, u64), Happening>,
    held: VecDeque<Happening>,
    sequence: u64,
    disks: Vec<Disk>,
    pub(super) acknowledged: u64,
    /// Connections that sentinels have tried to make.
    pub(super) attempts: u64,
    /// Names that stand for the host of all servers.
    pub(super) names: BTreeSet<&'static str>,
    /// Whether a message has waited with the writes that wait.
    pub(super) has_held_message: bool,
    /// What sentinels logged.
    pub(super) log: Vec<String>,
    /// A command that all sentinels refuse, and how.
    pub(super) sentinels_refuse: (&'static str, &'static str),
}

impl World {
    /// A primary with replicas and sentinels that know the primary alone.
    pub(super) fn new(servers: u16, sentinels: usize, seed: u64) -> World {
        let mut world = World {
            now: 1000,
            servers: (0..servers)
                .map(|index| Model::new(SERVERS + index, (index > 0).then_some(SERVERS)))
                .collect(),
            sentinels: Vec::new(),
            events: Vec::new(),
            broken_disks: BTreeSet::new(),
            silent: BTreeSet::new(),
            hidden: BTreeSet::new(),
            frozen: BTreeSet::new(),
            writes: true,
            lines: BTreeMap::new(),
            subscribers: BTreeSet::new(),
            blocked: BTreeSet::new(),
            partial: BTreeMap::new(),
            queue: BTreeMap::new(),
            held: VecDeque::new(),
            sequence: 0,
            disks: vec![Disk::default(); sentinels],
            acknowledged: 0,
            attempts: 0,
            names: BTreeSet::new(),
            has_held_message: false,
            log: Vec::new(),
            sentinels_refuse: ("nothing", ""),
        };
        for index in 0..sentinels {
            let port = SENTINELS + u16::try_from(index).unwrap();
            let globals = Globals { port, ..Globals::default() };
            let rng = fastrand::Rng::with_seed(seed * 100 + index as u64);
            let mut sentinel = Sentinel::new(Moment(world.now), globals, rng);
            let quorum = u32::try_from(sentinels).unwrap() / 2 + 1;
            sentinel.core.now = Moment(world.now);
            sentinel.add_group("mymaster", Address::new("127.0.0.1", SERVERS), quorum);
            let options = &mut sentinel.groups.get_mut("mymaster").unwrap().options;
            options.down_after = 1000;
            options.failover_timeout = 10_000;
            world.sentinels.push(Some(sentinel));
        }
        world
    }

    /// A world whose sentinels know everybody.
    pub(super) fn ready(servers: u16, sentinels: usize, seed: u64) -> World {
        let mut world = World::new(servers, sentinels, seed);
        let (replicas, others) = (usize::from(servers) - 1, sentinels - 1);
        world.run_until(60_000, |world| {
            world.groups().all(|group| group.replicas.len() == replicas && group.members.len() == others)
        });
        world.run(3000);
        world.events.clear();
        world
    }

    /// Its servers are of ours, and each write is on one replica before it is acknowledged.
    pub(super) fn with_acknowledgements(mut self) -> World {
        for server in &mut self.servers {
            (server.is_ours, server.min_replicas_to_ack) = (true, 1);
        }
        self.run(12_000);
        self
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &group::Group> {
        self.sentinels.iter().flatten().map(|sentinel| &sentinel.groups["mymaster"])
    }

    pub(super) fn sentinel(&mut self, index: usize) -> &mut Sentinel {
        self.sentinels[index].as_mut().unwrap()
    }

    /// Sets something at all sentinels.
    pub(super) fn set_options<T>(&mut self, set: impl Fn(&mut GroupOptions) -> T) {
        for sentinel in self.sentinels.iter_mut().flatten() {
            set(&mut sentinel.groups.get_mut("mymaster").unwrap().options);
        }
    }

    pub(super) fn server(&mut self, port: u16) -> &mut Model {
        self.servers.iter_mut().find(|server| server.port == port).unwrap()
    }

    /// The primary that every sentinel names; `None` while they differ.
    pub(super) fn primary(&self) -> Option<u16> {
        let ports: BTreeSet<u16> = self.groups().map(|group| group.primary.contact.address.port).collect();
        (ports.len() == 1).then(|| *ports.first().unwrap())
    }

    pub(super) fn has_event(&self, channel: &str) -> bool {
        self.events.iter().any(|event| event.2 == channel)
    }

    /// How often something was logged that has this in it.
    pub(super) fn logged(&self, text: &str) -> usize {
        self.log.iter().filter(|line| line.contains(text)).count()
    }

    pub(super) fn count(&self, channel: &str) -> usize {
        self.events.iter().filter(|event| event.2 == channel).count()
    }

    pub(super) fn story(&self) -> String {
        self.events
            .iter()
            .map(|(at, who, channel, message)| format!("{at} s{who} {channel} {message}\n"))
            .collect()
    }

    /// The line of a sentinel's commands to a server.
    pub(super) fn line_to(&mut self, sentinel: usize, port: u16) -> LineId {
        let group = &self.sentinel(sentinel).groups["mymaster"];
        let server = group.servers().find(|server| server.contact.address.port == port).unwrap();
        server.contact.line.id().expect("there is one")
    }

    /// Nothing passes over a line any more, and nobody is told.
    pub(super) fn drop_in_silence(&mut self, sentinel: usize, line: LineId) {
        self.lines.remove(&(sentinel, line));
    }

    pub(super) fn server_is_detached(&self, port: u16) -> bool {
        self.servers.iter().any(|server| server.port == port && server.detached_until > self.now)
    }

    /// Ends a server: who is connected is told at once.
    pub(super) fn kill(&mut self, port: u16) {
        self.server(port).is_alive = false;
        self.break_lines(port);
    }

    fn break_lines(&mut self, port: u16) {
        let lines: Vec<_> = self.lines.iter().filter(|(_, to)| **to == port).map(|(line, _)| *line).collect();
        for (sentinel, line) in lines {
            self.lines.remove(&(sentinel, line));
            self.subscribers.remove(&(sentinel, line));
            self.after(1, Happening::Failed(sentinel, line, Failure::Closed));
        }
    }

    /// Starts a server again, as the primary it was configured as.
    pub(super) fn restart(&mut self, port: u16) {
        let now = self.now;
        let server = self.server(port);
        server.is_alive = true;
        server.run_id = format!("{:040}", u64::from(port) + now);
        server.uptime_from = now;
        server.was_linked = false;
        server.follows = None;
        server.history = format!("new{now}");
    }

    /// Starts a sentinel again with what it had on disk.
    pub(super) fn restart_sentinel(&mut self, index: usize) {
        if self.sentinels[index].is_some() {
            return;
        }
        let before = self.disks[index].clone();
        let port = SENTINELS + u16::try_from(index).unwrap();
        let rng = fastrand::Rng::with_seed(self.now);
        let mut sentinel = Sentinel::new(Moment(self.now), Globals { port, ..Globals::default() }, rng);
        sentinel.core.now = Moment(self.now);
        sentinel.core.id = before.id;
        sentinel.core.epoch = before.epoch;
        sentinel.add_group("mymaster", Address::new("127.0.0.1", before.primary), before.quorum);
        let group = sentinel.groups.get_mut("mymaster").unwrap();
        group.options.down_after = 1000;
        group.options.failover_timeout = 10_000;
        (group.config_epoch, group.vote) = (before.config_epoch, before.vote);
        group.copies_told = before.copies_told;
        for port in before.replicas {
            group.add_replica(&mut sentinel.core, Address::new("127.0.0.1", port));
        }
        for (id, port) in before.members {
            let contact = contact::Contact::new(Address::new("127.0.0.1", port), Moment(self.now));
            group.add_member(&mut sentinel.core, &id);
            sentinel.peers.insert(id, peer::Peer::new(contact));
        }
        sentinel.wake_all();
        self.sentinels[index] = Some(sentinel);
    }

    /// A sentinel's disk is as new.
    pub(super) fn forget_disk(&mut self, index: usize) {
        let quorum = self.disks[index].quorum;
        let id = format!("{index:040}");
        self.disks[index] = Disk { id, quorum, primary: SERVERS, ..Disk::default() };
    }

    fn picture(&self, index: usize) -> Option<Disk> {
        let sentinel = self.sentinels[index].as_ref()?;
        let group = &sentinel.groups["mymaster"];
        let port = |id: &String| sentinel.peers.get(id).map(|peer| (id.clone(), peer.contact.address.port));
        Some(Disk {
            id: sentinel.core.id.clone(),
            epoch: sentinel.core.epoch,
            config_epoch: group.config_epoch,
            vote: group.vote.clone(),
            copies_told: group.copies_told,
            quorum: group.options.quorum,
            primary: group.primary.contact.address.port,
            replicas: group.replicas.keys().map(|key| key.port).collect(),
            members: group.members.keys().filter_map(port).collect(),
        })
    }

    /// Ends a sentinel.
    pub(super) fn kill_sentinel(&mut self, index: usize) {
        self.sentinels[index] = None;
        let port = SENTINELS + u16::try_from(index).unwrap();
        self.lines.retain(|(sentinel, _), _| *sentinel != index);
        self.break_lines(port);
    }

    pub(super) fn thaw(&mut self, port: u16) {
        self.frozen.remove(&port);
        self.release();
    }

    /// Whatever is silent is so no more.
    pub(super) fn unsilence(&mut self) {
        self.silent.clear();
        self.release();
    }

    fn release(&mut self) {
        for happening in std::mem::take(&mut self.held) {
            self.after(1, happening);
        }
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + ms, self.sequence), happening);
    }

    #[track_caller]
    pub(super) fn run_until(&mut self, ms: u64, condition: impl Fn(&World) -> bool) -> u64 {
        let (start, end) = (self.now, self.now + ms);
        while !condition(self) {
            assert!(self.now < end, "not within {ms} ms\n{}", self.story());
            self.step(end);
        }
        self.now - start
    }

    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.step(end);
        }
    }

    /// To the next moment at which something happens.
    fn step(&mut self, end: u64) {
        let next = self.queue.first_key_value().map_or(end, |(key, _)| key.0);
        let deadline =
            self.sentinels.iter().flatten().map(|sentinel| sentinel.deadline().0).min().unwrap_or(end);
        let to = next.min(deadline).clamp(self.now, end).max(if deadline <= self.now { self.now } else { 0 });
        self.flow(to - self.now);
        self.now = to;
        while self.queue.first_key_value().is_some_and(|(key, _)| key.0 <= self.now) {
            let (_, happening) = self.queue.pop_first().unwrap();
            self.happen(happening);
        }
        for index in 0..self.sentinels.len() {
            if self.sentinels[index].as_ref().is_some_and(|sentinel| sentinel.deadline().0 <= self.now) {
                self.tell(index, Event::Tick);
            }
        }
    }

    /// Whether a server copies from a primary, by however many steps.
    fn leads_to_a_primary(&self, port: u16) -> bool {
        let above = |port: &u16| self.servers.iter().find(|server| server.port == *port)?.follows;
        std::iter::successors(Some(port), above).take(self.servers.len() + 1).count() <= self.servers.len()
    }

    /// Writes come, and replicas get them.
    fn flow(&mut self, ms: u64) {
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            let is_writable = server.is_alive && server.follows.is_none() && self.now >= server.paused_until;
            if self.writes && is_writable && !server.is_short && !self.frozen.contains(&server.port) {
                self.servers[index].offset += ms * 10;
            }
        }
        for index in 0..self.servers.len() {
            let Some(above) = self.servers[index].follows else { continue };
            let primary = self.servers.iter().find(|server| server.port == above).cloned();
            let Some(primary) = primary else { continue };
            let passes = primary.is_alive
                && !primary.is_short
                && !(primary.is_empty && primary.follows.is_none())
                && self.leads_to_a_primary(above)
                && self.servers[index].is_alive
                && self.now >= self.servers[index].detached_until.max(self.servers[index].syncs_until)
                && !self.servers[index].is_empty
                && ![above, self.servers[index].port]
                    .iter()
                    .any(|port| self.silent.contains(port) || self.frozen.contains(port));
            self.servers[index].is_linked = passes;
            if passes {
                self.servers[index].linked_at = self.now;
            }
            if passes && self.now >= self.servers[index].stands_until {
                self.servers[index].offset = primary.offset;
            }
        }
        self.acknowledge();
    }

    /// Clients are told of what is on so many replicas as primaries want.
    fn acknowledge(&mut self) {
        for primary in self.servers.iter().filter(|server| server.is_alive && server.follows.is_none()) {
            let mut copies: Vec<u64> = self
                .servers
                .iter()
                .filter(|server| server.is_linked && server.follows == Some(primary.port))
                .map(|server| server.offset)
                .collect();
            copies.sort_unstable_by_key(|offset| std::cmp::Reverse(*offset));
            let wanted = usize::try_from(primary.min_replicas_to_ack).unwrap();
            let told = match wanted {
                0 => Some(primary.offset),
                _ => copies.get(wanted - 1).copied(),
            };
            self.acknowledged = self.acknowledged.max(told.unwrap_or(0));
        }
    }

    pub(super) fn tell(&mut self, index: usize, event: Event<'_>) {
        let Some(sentinel) = &mut self.sentinels[index] else { return };
        let mut actions = Vec::new();
        sentinel.handle(Moment(self.now), event, &mut actions);
        for action in actions {
            self.perform(index, action);
        }
    }

    fn perform(&mut self, index: usize, action: Action) {
        match action {
            Action::Connect(line, address) => {
                self.attempts += 1;
                self.after(1, Happening::Connect(index, line, address.port));
            }
            Action::LookUp(host) => self.after(1, Happening::Named(index, host)),
            Action::Send(line, bytes) => self.after(1, Happening::Request(index, line, bytes)),
            Action::Close(line) => {
                self.lines.remove(&(index, line));
                self.subscribers.remove(&(index, line));
            }
            Action::Store(version) => {
                let disk = self.picture(index).map(Box::new);
                self.after(1, Happening::Stored(index, version, disk));
            }
            Action::Publish { channel, message } => self.events.push((self.now, index, channel, message)),
            Action::Crash => self.kill_sentinel(index),
            Action::Log(_, text) => self.log.push(text),
            Action::RunScript { .. } | Action::KillScript(_) => {}
        }
    }

    fn is_silent(&self, sentinel: usize, port: u16) -> bool {
        self.silent.contains(&port)
            || self.hidden.contains(&port)
            || self.silent.contains(&(SENTINELS + u16::try_from(sentinel).unwrap()))
    }

    fn is_alive(&self, port: u16) -> bool {
        match self.servers.iter().find(|server| server.port == port) {
            Some(server) => server.is_alive,
            None => self.sentinels.get(usize::from(port - SENTINELS)).is_some_and(Option::is_some),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Connect(index, _, port) if self.is_silent(index, port) => {}
            Happening::Connect(index, line, port) if self.is_alive(port) => {
                self.lines.insert((index, line), port);
                let number = "127.0.0.1".to_owned();
                self.tell(index, Event::Connected { line, local: number.clone(), remote: number });
            }
            Happening::Connect(index, line, _) => self.tell(index, Event::Failed(line, Failure::Refused)),
            Happening::Request(index, line, bytes) => {
                let Some(port) = self.lines.get(&(index, line)).copied() else { return };
                // What is sent into a silence arrives when that is over, as the transport has it.
                if self.is_silent(index, port) || self.frozen.contains(&port) {
                    return self.held.push_back(Happening::Request(index, line, bytes));
                }
                if self.blocked.contains(&(index, line)) {
                    return self.after(1, Happening::Request(index, line, bytes));
                }
                self.serve((index, line), port, &bytes);
            }
            Happening::Bytes(index, line, bytes) => {
                let Some(port) = self.lines.get(&(index, line)).copied() else { return };
                if self.is_silent(index, port) {
                    return self.held.push_back(Happening::Bytes(index, line, bytes));
                }
                self.tell(index, Event::Received(line, &bytes));
            }
            Happening::Named(index, host) => {
                let is_known = self.names.contains(host.as_str());
                let numbers = is_known.then(|| "127.0.0.1".to_owned()).into_iter().collect();
                self.tell(index, Event::Named(host, numbers));
            }
            Happening::Failed(index, line, failure) => self.tell(index, Event::Failed(line, failure)),
            // What was on its way when the process ended may be on disk or not: not, here.
            Happening::Stored(index, ..) if self.sentinels[index].is_none() => {}
            Happening::Stored(index, version, disk) => {
                if let Some(disk) = disk.filter(|_| !self.broken_disks.contains(&index)) {
                    self.disks[index] = *disk;
                }
                let result = match self.broken_disks.contains(&index) {
                    true => Err("no space left".to_owned()),
                    false => Ok(()),
                };
                self.tell(index, Event::Stored(version, result));
            }
            Happening::Again(at, index, line, words) => {
                let mut out = Reply::with_capacity(Protocol::Resp2, 64);
                self.blocked.remove(&(index, line));
                self.ask_sentinel(at, (index, line), &words, &mut out);
                self.after(1, Happening::Bytes(index, line, out.into_bytes()));
            }
        }
    }

    fn serve(&mut self, from: (usize, LineId), port: u16, bytes: &[u8]) {
        let mut buffer = self.partial.remove(&from).unwrap_or_default();
        buffer.extend_from_slice(bytes);
        let mut out = Reply::with_capacity(Protocol::Resp2, 1024);
        while let Some((request, length)) = decode_value(&buffer).unwrap() {
            let words = words(&request);
            if words[0] == "PUBLISH" && port < SENTINELS && self.server(port).paused_until > self.now {
                // As in Redis: it is a write, and whatever comes behind it waits, too.
                self.has_held_message = true;
                self.after(1, Happening::Request(from.0, from.1, Vec::new()));
                break;
            }
            buffer.drain(..length);
            if port >= SENTINELS {
                self.ask_sentinel(usize::from(port - SENTINELS), from, &words, &mut out);
            } else if words[0] == "SUBSCRIBE" && !self.server(port).refuses(&words) {
                self.subscribers.insert(from);
            } else if !(self.subscribers.contains(&from)) {
                let models = self.servers.clone();
                let now = self.now;
                let hello = self.server(port).answer(now, &words, &models, &mut out);
                hello.into_iter().for_each(|hello| self.publish(port, &hello));
            }
        }
        self.partial.insert(from, buffer);
        self.after(1, Happening::Bytes(from.0, from.1, out.into_bytes()));
    }

    fn publish(&mut self, port: u16, hello: &str) {
        let mut out = Reply::with_capacity(Protocol::Resp2, 256);
        out.array(3);
        out.bulk(b"message");
        out.bulk(b"__sentinel__:hello");
        out.bulk(hello.as_bytes());
        let bytes = out.into_bytes();
        for (index, line) in self.subscribers.clone() {
            if self.lines.get(&(index, line)) == Some(&port) {
                self.after(1, Happening::Bytes(index, line, bytes.clone()));
            }
        }
    }

    fn ask_sentinel(&mut self, at: usize, from: (usize, LineId), words: &[String], out: &mut Reply) {
        let now = self.now;
        let mut again = None;
        let Some(sentinel) = &mut self.sentinels[at] else { return };
        sentinel.core.now = Moment(now);
        if words.join(" ").starts_with(self.sentinels_refuse.0) {
            return out.error(self.sentinels_refuse.1);
        }
        match (words[0].as_str(), words.get(1).map_or("", String::as_str)) {
            ("PUBLISH", _) => {
                sentinel.hear_hello(&words[2]);
                out.integer(1);
            }
            ("SENTINEL", "is-master-down-by-addr") => {
                let candidate = Some(words[5].as_str()).filter(|candidate| *candidate != "*");
                let (port, epoch) = (words[3].parse().unwrap(), words[4].parse().unwrap());
                match sentinel.opinion(&words[2], port, epoch, candidate) {
                    Opinion::Later => {
                        self.blocked.insert(from);
                        again = Some(Happening::Again(at, from.0, from.1, words.to_vec()));
                    }
                    Opinion::Now { is_down, vote } => {
                        let (leader, epoch) = vote.unwrap_or(("*".to_owned(), 0));
                        out.array(3);
                        out.integer(is_down.into());
                        out.bulk(leader.as_bytes());
                        out.integer(epoch.cast_signed());
                    }
                }
            }
            ("SENTINEL", "REPLICAS") => {
                let replicas: Vec<_> = sentinel.groups["mymaster"].replicas.values().cloned().collect();
                out.array(replicas.len());
                for replica in replicas {
                    out.array(6);
                    out.bulk(b"ip");
                    out.bulk(replica.contact.address.host.as_bytes());
                    out.bulk(b"port");
                    out.bulk(replica.contact.address.port.to_string().as_bytes());
                    out.bulk(b"flags");
                    out.bulk(if replica.down_since.is_some() { b"s_down,slave" } else { b"slave" });
                }
            }
            ("PING", _) => out.simple("PONG"),
            _ => out.ok(),
        }
        let mut actions = Vec::new();
        sentinel.take_actions(Moment(now), &mut actions);
        again.into_iter().for_each(|again| self.after(1, again));
        for action in actions {
            self.perform(at, action);
        }
    }
}
