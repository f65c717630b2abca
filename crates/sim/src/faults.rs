//! What goes wrong: connections, machines, clocks, and what an operator does about it.
//!
//! Each fault is one step with its own end planned, so that any of them overlap. The operator's orders reach
//! the nodes late and one by one, as in life.

use slipstream_resp::Value;

use crate::environment::Event;
use crate::network::Place;
use crate::process::{PORT, address};
use crate::world::World;

impl World {
    /// Something goes wrong.
    pub(crate) fn fault(&mut self) {
        let node = self.env.rng.usize(..self.processes.len());
        match self.env.rng.u32(..100) {
            0..30 => self.cut_something(),
            30..45 => self.silence(node),
            45..60 => self.crash(node),
            60..66 => self.terminate(node),
            66..74 => self.stall(node),
            74..80 => self.save(node),
            80..88 => self.fail_over(node),
            88..92 => self.move_replica(node),
            92..95 => self.hand_over(node),
            _ => self.jump_clock(node),
        }
    }

    fn fault_length(&mut self) -> u64 {
        self.env.draw(&self.env.options.fault_length.clone())
    }

    fn cut_something(&mut self) {
        let wires = self.env.network.wires();
        if !wires.is_empty() {
            let wire = wires[self.env.rng.usize(..wires.len())];
            self.env.tell("--", format_args!("cut: {wire:?}"));
            self.env.network.cut(wire);
        }
    }

    /// One direction, or both, between two nodes.
    fn silence(&mut self, node: usize) {
        let other = self.env.rng.usize(..self.processes.len());
        let length = self.fault_length();
        let (a, b) = (Place::Node(node), Place::Node(other));
        self.env.tell("--", format_args!("silence from {a} to {b} for {length} µs"));
        self.env.network.block(a, b);
        self.env.after(length, Event::Unblock(a, b));
        if self.env.rng.bool() {
            self.env.network.block(b, a);
            self.env.after(length, Event::Unblock(b, a));
        }
    }

    fn crash(&mut self, node: usize) {
        if self.processes[node].node.is_none() {
            return;
        }
        self.processes[node].kill(&mut self.env);
        if self.env.rng.u32(..4) == 0 {
            self.env.tell(Place::Node(node), "--- loses its disk");
            self.processes[node].dump = None;
        }
        let length = self.fault_length();
        self.env.after(length, Event::Start(node));
    }

    fn terminate(&mut self, node: usize) {
        if !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        let length = self.fault_length();
        self.processes[node].terminate(&mut self.env);
        self.observe(node);
        // It may take a while to end; the start waits for that.
        self.env.after(length, Event::Start(node));
    }

    fn stall(&mut self, node: usize) {
        let length = self.fault_length();
        self.env.tell(Place::Node(node), format_args!("--- stands still for {length} µs"));
        self.processes[node].stalled_until = self.env.now() + length;
    }

    fn save(&mut self, node: usize) {
        if self.processes[node].is_serving(self.env.now()) {
            self.processes[node].command(&mut self.env, &["BGSAVE"]);
        }
    }

    fn jump_clock(&mut self, node: usize) {
        let most = self.env.options.skew;
        let skew = self.env.rng.i64(-most..=most);
        self.env.tell(Place::Node(node), format_args!("--- its wall clock is {skew} µs off"));
        self.processes[node].skew.set(skew);
    }

    /// A replica takes the primary's place; the others follow it, directly or through each other.
    fn fail_over(&mut self, node: usize) {
        if self.parents[node].is_none() || !self.processes[node].is_serving(self.env.now()) {
            return;
        }
        self.parents[node] = None;
        self.env.after(0, Event::Order(node, None));
        let mut attached = vec![node];
        let mut others: Vec<usize> = (0..self.processes.len()).filter(|other| *other != node).collect();
        self.env.rng.shuffle(&mut others);
        for other in others {
            let parent = attached[self.env.rng.usize(..attached.len())];
            attached.push(other);
            self.parents[other] = Some(parent);
            let delay = self.fault_length();
            self.env.after(delay, Event::Order(other, Some(parent)));
        }
    }

    /// The primary hands over to one of its replicas, if it can.
    fn hand_over(&mut self, target: usize) {
        let Some(old) = self.parents[target] else { return };
        if self.parents[old].is_some() || !self.processes[old].is_serving(self.env.now()) {
            return;
        }
        self.env.tell(Place::Node(old), format_args!("--- is told to hand over to n{target}"));
        let timeout = self.env.rng.u32(1..5000).to_string();
        let (host, port) = (address(target).to_string(), PORT.to_string());
        let words = ["FAILOVER", "TO", &host, &port, "TIMEOUT", &timeout];
        let reply = self.processes[old].command(&mut self.env, &words);
        self.observe(old);
        if matches!(reply, Value::Error(_)) {
            return;
        }
        // What is meant from now on, whether or not it succeeds.
        self.parents[target] = None;
        self.parents[old] = Some(target);
    }

    /// A replica follows another node than before.
    fn move_replica(&mut self, node: usize) {
        let parent = self.env.rng.usize(..self.processes.len());
        if self.parents[node].is_none() || self.descends(parent, node) {
            return;
        }
        self.parents[node] = Some(parent);
        self.env.after(0, Event::Order(node, Some(parent)));
    }
}
