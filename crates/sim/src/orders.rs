//! What the operator does: promotions, moves, directives. Some of it is a mistake.
//!
//! What is meant changes at once; the orders reach the nodes late and one by one, as in life.

use slipstream_resp::Value;

use crate::checker::position;
use crate::environment::Event;
use crate::network::Place;
use crate::process::{PORT, address};
use crate::world::World;

/// What may be changed while a node runs.
const CHANGES: &[(&str, &[&str])] = &[
    ("repl-backlog-size", &["16384", "65536", "1048576"]),
    ("repl-backlog-disk-size", &["0", "1048576"]),
    ("repl-backlog-spill-size", &["0", "1048576"]),
    ("min-replicas-ack-timeout", &["50", "5000"]),
    ("repl-diskless-sync-delay", &["0", "1"]),
    ("dual-channel-replication-enabled", &["yes", "no"]),
    ("repl-diskless-sync", &["yes", "no"]),
    ("repl-pacing", &["yes", "no"]),
    ("repl-ping-replica-period", &["1", "3"]),
];

/// The same, of the append-only file.
const AOF_CHANGES: &[(&str, &[&str])] = &[
    ("appendonly", &["yes", "no"]),
    ("appendonly", &["yes"]),
    ("appendfsync", &["always", "everysec", "no"]),
    ("appendfsync", &["always"]),
    ("auto-aof-rewrite-percentage", &["0", "10", "100"]),
];

impl World {
    /// What the topology says reaches a node at once, or later.
    fn give_orders(&mut self) {
        for node in 0..self.topology.len() {
            let delay = if self.topology.parent(node).is_none() { 0 } else { self.fault_length() };
            self.env.after(delay, Event::Order(node, self.topology.parent(node)));
        }
    }

    /// A replica takes the primary's place, and the others follow it, directly or through each other.
    pub(crate) fn promote_any(&mut self, node: usize) {
        if self.topology.parent(node).is_none() || !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        self.topology.rehang(node, &mut self.env.rng);
        self.give_orders();
    }

    /// The primary is gone for good, and the replica that has most of its history takes its place: what was
    /// acknowledged is there, if any of those that had it can be asked.
    pub(crate) fn replace_primary(&mut self) {
        let old = self.topology.root();
        let Some((history, _)) = self.processes[old].node.as_ref().and_then(position) else { return };
        if self.node(old).core.is_replica() {
            return;
        }
        let now = self.env.now();
        let asked: Vec<usize> = (0..self.processes.len())
            .filter(|node| *node != old && self.processes[*node].is_serving(now))
            .collect();
        let offset = |node: &usize| {
            position(self.node(*node)).filter(|(id, _)| *id == history).map(|(_, offset)| (offset, *node))
        };
        let Some((_, new)) = asked.iter().filter_map(offset).max() else { return };
        self.env.tell("--", format_args!("n{new} is to replace n{old}"));
        let silently = self.env.rng.bool();
        self.crash(old, silently);
        self.witness.check_successor((old, new), &asked, &self.processes, history);
        self.topology.rehang(new, &mut self.env.rng);
        self.give_orders();
    }

    /// A replica is told to be a primary, though nobody is to follow it.
    pub(crate) fn promote_by_mistake(&mut self, node: usize) {
        if self.topology.parent(node).is_none() || !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        self.order(node, None);
        let length = self.fault_length();
        self.env.after(length, Event::Remind(node));
    }

    /// The primary hands over to one of its replicas, if it can. Perhaps that is called off.
    pub(crate) fn hand_over(&mut self, target: usize) {
        let old = self.topology.root();
        if target == old || !self.processes[old].is_serving(self.env.now()) {
            return;
        }
        let timeout = self.env.rng.u32(1..5000).to_string();
        let (host, port) = (address(target).to_string(), PORT.to_string());
        let forms: [&[&str]; 4] = [
            &["FAILOVER", "TO", &host, &port, "TIMEOUT", &timeout],
            &["FAILOVER", "TO", &host, &port],
            &["FAILOVER", "TO", &host, &port, "FORCE", "TIMEOUT", &timeout],
            &["FAILOVER", "TIMEOUT", &timeout],
        ];
        let words = forms[self.env.rng.usize(..forms.len())];
        self.env.tell(Place::Node(old), format_args!("--- is told {}", words.join(" ")));
        let reply = self.processes[old].command(&mut self.env, words);
        if matches!(reply, Value::Error(_)) {
            return self.observe(old);
        }
        self.checker.handovers.begin(&self.processes[old], words.contains(&"FORCE"));
        self.observe(old);
        let length = self.fault_length();
        if self.env.rng.u32(..4) == 0 {
            self.env.after(length / 2, Event::Command(old, "FAILOVER ABORT"));
        }
        if words.contains(&"TO") && self.topology.parent(target) == Some(old) {
            // What is meant from now on, whether or not it succeeds.
            self.topology.set(target, None);
            self.topology.set(old, Some(target));
        }
        (0..self.topology.len()).for_each(|node| self.env.after(length, Event::Remind(node)));
    }

    /// A replica follows another node than before.
    pub(crate) fn move_replica(&mut self, node: usize) {
        let parent = self.env.rng.usize(..self.processes.len());
        if self.topology.parent(node).is_none() || self.topology.descends(parent, node) {
            return;
        }
        self.topology.set(node, Some(parent));
        self.env.after(0, Event::Order(node, Some(parent)));
    }

    /// Two replicas change places; for a while they may follow each other.
    pub(crate) fn swap_replicas(&mut self, node: usize) {
        let Some(other) = self.topology.swap_with_parent(node) else { return };
        for replica in [node, other] {
            let delay = self.fault_length();
            self.env.after(delay, Event::Order(replica, self.topology.parent(replica)));
        }
    }

    /// A directive is changed on a node that runs.
    pub(crate) fn configure(&mut self, node: usize) {
        if !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        let changes = if self.env.options.durable && self.env.rng.bool() { AOF_CHANGES } else { CHANGES };
        let (name, values) = changes[self.env.rng.usize(..changes.len())];
        let value = values[self.env.rng.usize(..values.len())];
        self.env.tell(Place::Node(node), format_args!("--- CONFIG SET {name} {value}"));
        let reply = self.processes[node].command(&mut self.env, &["CONFIG", "SET", name, value]);
        assert!(!matches!(reply, Value::Error(_)), "n{node}: CONFIG SET {name} {value}: {reply:?}");
        if name == "appendonly" {
            // The configuration file is changed as well.
            self.processes[node].config.appendonly = value == "yes";
        }
        self.observe(node);
    }
}
