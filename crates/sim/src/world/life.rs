//! The parts of a seed's life: faults while clients write, then healing until all are equal.
//!
//! Safety is checked at each step of the first part; liveness is what the second must show within its bounds. In
//! the end nothing may happen by itself.

use slipstream_engine::{Node, Phase};

use super::World;
use crate::checker::{difference, picture, position, print};
use crate::client::Client;
use crate::environment::Event;

/// How long the healed group may take to become equal, in seconds of its time.
const HEALING_SECONDS: u64 = 300;

/// The first clients write, those behind them read, and the next is the witness.
const WRITERS: usize = 3;
const WITNESS: usize = 4;

/// Then comes one that adds to a list, and those who take from it.
const GIVER: usize = 5;
const CLIENTS: usize = 8;

/// How long clients may take to send all their commands, in hours.
const MOST_HOURS: u64 = 1;

/// How many full syncs healing may take, for each node.
const MOST_FULL_SYNCS: u64 = 6;

/// After so long the healed nodes are told once more whom to follow, in microseconds.
const REMINDER: u64 = 15_000_000;

/// How long all is watched in the end, in milliseconds.
const QUIET_MS: u64 = 20_000;

/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 200;

/// The parts of a seed's life.
impl World {
    /// Clients write and things go wrong, until all commands are sent.
    pub(super) fn attack(&mut self) {
        let sizes = (self.env.options.keys, self.env.options.value_len);
        self.is_attacked = true;
        for index in 0..CLIENTS {
            self.clients.push(Client::new(index, !(WRITERS..GIVER).contains(&index), sizes));
            self.env.after_delay(Event::Client(index));
        }
        self.witness.client = Some(WITNESS);
        self.takings.giver = Some(GIVER);
        self.witness.wanted = usize::try_from(self.env.options.min_replicas_to_ack).expect("it is small");
        self.env.after(0, Event::Fault);
        while self.commands_left > 0 {
            assert!(self.env.now() < MOST_HOURS * 3_600_000_000, "clients get nowhere");
            let event = self.env.next(u64::MAX).expect("clients go on until the last command");
            self.happen(event);
        }
    }

    /// Ends all faults and runs until all are equal. Fails if that takes too long.
    pub fn heal(&mut self) {
        self.env.tell("--", "healed");
        self.is_attacked = false;
        self.commands_left = 0;
        self.witness.client = None;
        self.takings.giver = None;
        let before = self.full_syncs;
        self.env.network.unblock_all();
        self.env.options.bad_loads = 0;
        for index in 0..self.clients.len() {
            self.disconnect_client(index);
        }
        // What they sent last comes yet.
        self.run_until(|world| !world.env.network.brings_requests());
        for node in 0..self.processes.len() {
            self.go_on(node);
            let now = self.env.now();
            self.processes[node].disk.mend(now);
            self.processes[node].stop_guarding(&mut self.env);
            self.observe(node);
            if self.processes[node].node.is_none() {
                self.start(node);
            }
            self.order(node, self.topology.parent(node));
            // A handover that was under way may yet end in roles that nobody means any more.
            self.env.after(REMINDER, Event::Remind(node));
        }
        self.slow_verification();
        self.converge();
        let (count, most) = (self.full_syncs - before, MOST_FULL_SYNCS * self.processes.len() as u64);
        assert!(count <= most, "{count} full syncs until all were equal");
    }

    /// At the end of a long and slow chain the marks of one verification must have come before those of the next begin,
    /// or all nodes are never at the same place.
    fn slow_verification(&mut self) {
        if self.env.options.verify_interval == 1 {
            self.env.options.verify_interval = 4;
            let order = "CONFIG SET replica-verify-interval 4";
            (0..self.processes.len()).for_each(|node| _ = self.command(node, order));
        }
    }

    /// Runs until all nodes are equal. Fails if that takes too long.
    pub fn converge(&mut self) {
        let deadline = self.env.now() + HEALING_SECONDS * 1_000_000;
        let mut trouble = self.trouble();
        while let Some(reason) = trouble {
            assert!(self.env.now() < deadline, "not equal after {HEALING_SECONDS} s: {reason}");
            self.run(LOOK_MS);
            trouble = self.trouble();
        }
        self.compare_logs();
    }

    /// Once all are equal, the loss of a connection costs nobody a snapshot.
    pub(super) fn reconnect_everybody(&mut self) {
        // Who waits between two attempts for longer than a log is kept without a replica needs one.
        (0..self.processes.len()).for_each(|node| _ = self.command(node, "CONFIG SET repl-backlog-ttl 3600"));
        let before = self.full_syncs;
        let primary = self.primary();
        for replica in 0..self.processes.len() {
            self.cut(replica);
            // Held back while a handover ends, it is of no use and does no harm.
            self.pipeline(primary, &[&format!("SET last {replica}")]);
        }
        self.converge();
        assert_eq!(self.full_syncs, before, "a full sync although all logs hold everything");
    }

    /// While nothing happens, nothing happens: all stay linked and equal.
    pub(super) fn stay_quiet(&mut self) {
        let before = (self.full_syncs, self.continuations);
        self.run(QUIET_MS);
        self.converge();
        assert_eq!((self.full_syncs, self.continuations), before, "a link broke though all was well");
    }

    /// All are gone at once, and what is on their disks is all there is.
    pub(super) fn lose_everybody(&mut self) {
        // Until then all that can be on disk is.
        self.run(3000 + 8 * self.env.options.sync_time.end() / 1000);
        let by_power = self.env.rng.bool();
        for node in 0..self.processes.len() {
            match by_power {
                true => self.vanish(node),
                false => self.kill(node),
            }
        }
        (0..self.processes.len()).for_each(|node| self.start(node));
        self.converge();
    }

    /// Why the nodes are not all equal, if they are not.
    pub(super) fn trouble(&self) -> Option<String> {
        let primary = self.primary();
        let (Some(first), replicas) = (&self.processes[primary].node, &self.processes) else {
            return Some("the primary does not run".to_owned());
        };
        if first.core.phase != Phase::Serving {
            return Some("the primary does not serve".to_owned());
        }
        if let Some(reason) = unwhole(first) {
            return Some(format!("the primary has no whole append-only file: {reason}"));
        }
        let Some(place) = position(first) else {
            return Some(format!("n{primary} keeps no log"));
        };
        let replicas = &replicas[..self.topology.len()];
        for process in replicas.iter().filter(|process| process.index != primary) {
            let who = process.place();
            let Some(node) = &process.node else { return Some(format!("{who} does not run")) };
            if node.core.phase != Phase::Serving {
                return Some(format!("{who} does not serve"));
            }
            if !node.core.replication.link.is_up() {
                return Some(format!("{who} has no link: {:?}", node.core.replication.link.state()));
            }
            if let Some(reason) = unwhole(node) {
                return Some(format!("{who} has no whole append-only file: {reason}"));
            }
            if position(node) != Some(place) {
                return Some(format!("{who} is at {:?}, the primary at {place:?}", position(node)));
            }
        }
        self.compare_data(first);
        None
    }

    /// All that stand where the primary stands hold what it holds.
    fn compare_data(&self, primary: &Node) {
        let own = print(primary);
        for process in &self.processes[..self.topology.len()] {
            let node = self.node(process.index);
            let difference = || difference(&picture(primary), &picture(node));
            let who = process.place();
            assert!(print(node) == own, "{who} differs from the primary: {}", difference());
        }
    }

    /// What two logs both hold is the same, byte for byte.
    pub(super) fn compare_logs(&self) {
        let first = &self.node(self.primary()).core.log;
        for process in &self.processes[..self.topology.len()] {
            let log = &self.node(process.index).core.log;
            let from = first.start().max(log.start());
            let bytes = |log: &slipstream_log::Log| -> Vec<u8> {
                let slices = log.slices_from(from).expect("both hold it");
                slices.flat_map(|slice| slice.to_vec()).collect()
            };
            assert!(bytes(first) == bytes(log), "the log of {} differs from {from} on", process.place());
        }
    }
}

/// What is wrong with the append-only file of a node, if it is to have one.
fn unwhole(node: &Node) -> Option<String> {
    let aof = &node.core.aof;
    let is_well = !node.core.config.appendonly || aof.is_on() && aof.failure().is_none();
    (!is_well).then(|| aof.failure().unwrap_or("it is not there yet").to_owned())
}
