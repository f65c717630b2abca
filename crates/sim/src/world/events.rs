//! What happens next: bytes that arrive, connections that are asked for, orders, faults.
//!
//! One event is one step, and whoever it concerns is looked at after it. What concerns a node that stands still
//! waits until that goes on.

use super::{REPEAT_ORDER, World};
use crate::checker::{Answer, Judgement, Scrutiny, handovers};
use crate::disk::Crash;
use crate::environment::Event;
use crate::network::{Arrival, Place, Side, WireId};
use crate::process::Process;

/// Events.
impl World {
    pub(super) fn happen(&mut self, event: Event) {
        let Some(event) = self.unless_stalled(event) else { return };
        match event {
            Event::Arrive(wire, side) => self.arrive(wire, side),
            Event::Knock { from, attempt, to } => self.knock(from, attempt, to),
            Event::Refused { from: Place::Node(node), attempt, is_answer } => {
                self.processes[node].refused(&mut self.env, attempt, is_answer);
                self.observe(node);
            }
            Event::Refused { from: Place::Client(client), attempt, .. } => {
                if self.clients[client].attempt == attempt {
                    self.clients[client].disconnected();
                }
            }
            Event::Inside { node, life, what } => {
                if self.processes[node].life == life && self.processes[node].node.is_some() {
                    self.processes[node].on_inside(&mut self.env, what);
                    self.observe(node);
                }
            }
            Event::Held(_, event) => self.happen(*event),
            // A start that was planned while things went wrong.
            Event::Start(node) if self.lost == Some(node) => {}
            Event::Start(node) => {
                if self.processes[node].node.is_none() {
                    self.start(node);
                } else if self.node(node).core.shutdown.is_some() {
                    self.env.after(REPEAT_ORDER, Event::Start(node));
                }
            }
            Event::Client(client) if self.env.options.watch.is_some() => self.caller_acts(client),
            Event::Client(client) => self.client_acts(client),
            Event::Block(from, to, length) => {
                if self.is_attacked {
                    self.env.silence(from, to, length);
                }
            }
            Event::Unblock(from, to) => {
                let now = self.env.now();
                self.env.network.end_block(from, to, now);
            }
            Event::EndLoss(from, to) => {
                let now = self.env.now();
                self.env.network.end_loss(from, to, now);
            }
            Event::FullSpeed(node) => self.env.network.set_rate(Place::Node(node), None),
            Event::Order(node, primary) => self.order(node, primary),
            Event::Remind(node) => self.order(node, self.topology.parent(node)),
            Event::Command(node, line) => {
                if self.is_attacked && self.processes[node].node.is_some() {
                    self.command(node, line);
                }
            }
            Event::Fault => {
                if self.is_attacked {
                    match self.env.options.watch {
                        Some(_) => self.strike(),
                        None => self.fault(),
                    }
                    (0..self.processes.len()).for_each(|node| self.observe(node));
                    let pause = self.env.draw(&self.env.options.fault_pause.clone());
                    self.env.after(pause, Event::Fault);
                }
            }
        }
    }

    /// What concerns a node that stands still happens when it goes on.
    fn unless_stalled(&mut self, event: Event) -> Option<Event> {
        let node = match &event {
            Event::Arrive(wire, side) => match self.env.network.place(*wire, *side) {
                Some(Place::Node(node)) => node,
                _ => return Some(event),
            },
            Event::Knock { to: node, .. } | Event::Inside { node, .. } => *node,
            Event::Order(node, _) | Event::Remind(node) | Event::Command(node, _) => *node,
            _ => return Some(event),
        };
        let until = self.processes[node].stalled_until;
        match until.checked_sub(self.env.now()) {
            Some(wait) if wait > 0 => {
                self.env.after(wait, Event::Held(node, Box::new(event)));
                None
            }
            _ => Some(event),
        }
    }

    /// A node that stands still goes on before its time.
    pub(super) fn go_on(&mut self, node: usize) {
        self.processes[node].stalled_until = 0;
        self.env.release(node);
    }

    pub(crate) fn observe(&mut self, node: usize) {
        let process = &self.processes[node];
        if process.is_sentinel() {
            // What it said last comes before its end.
            let is_gone = process.node.is_none();
            self.hear_sentinels();
            if is_gone {
                self.elections.end(self.env.now(), node);
            }
            return;
        }
        if self.env.options.watch.is_some() {
            self.acknowledged.observe(self.env.now(), process);
        }
        self.checker.observe(process, &self.env);
        self.witness.observe(process);
        let above = process.link.as_ref().and_then(|link| self.env.network.place(link.wire, Side::Server));
        if let Some(Place::Node(primary)) = above
            && process.link.as_ref().is_some_and(|link| self.processes[primary].serves(link.wire))
        {
            self.checker.observe_pair(process, &self.processes[primary]);
        }
    }

    fn knock(&mut self, from: Place, attempt: u64, to: usize) {
        let place = Place::Node(to);
        if !self.env.network.is_passable(from, place) || self.has_no_power(to) {
            // Nobody answers: the caller gives up when its time is over.
            let timeout = u64::from(self.env.options.timeout) * 1_000_000;
            return self.env.after(timeout, Event::Refused { from, attempt, is_answer: false });
        }
        let Some(wire) = self.processes[to].accept(&mut self.env, from) else {
            return self.env.after_delay(Event::Refused { from, attempt, is_answer: true });
        };
        self.observe(to);
        match from {
            Place::Node(node) => {
                self.processes[node].connected(&mut self.env, attempt, wire);
                self.observe(node);
            }
            Place::Client(client) if self.clients[client].attempt == attempt => {
                self.clients[client].connected(wire)
            }
            Place::Client(_) => self.env.network.close(wire, Side::Caller),
        }
    }

    /// Whether nobody answers for a machine. Where no sentinel tells the difference, its process is just not there.
    fn has_no_power(&self, machine: usize) -> bool {
        let process = &self.processes[machine];
        let has_vanished = matches!(process.crashed, Some((_, Crash::PowerLost)));
        self.env.options.watch.is_some() && process.node.is_none() && has_vanished
    }

    fn arrive(&mut self, wire: WireId, side: Side) {
        let (place, writer) =
            (self.env.network.place(wire, side), self.env.network.place(wire, side.other()));
        let arrival = self.env.network.take(wire, side);
        let Some(place) = place else { return };
        match (arrival, place, side) {
            (Arrival::Nothing, ..) => return,
            (Arrival::Bytes(bytes, has_room), ..) => {
                self.deliver(wire, (place, side), &bytes);
                if let Some(writer) = writer.filter(|_| has_room) {
                    self.writable(writer, wire);
                }
            }
            (Arrival::End, Place::Client(client), _) => {
                if self.clients[client].wire == Some(wire) {
                    self.disconnect_client(client);
                }
            }
            (Arrival::End, Place::Node(node), Side::Caller) => {
                self.processes[node].link_ended(&mut self.env, wire)
            }
            (Arrival::End, Place::Node(node), Side::Server) => {
                self.processes[node].ended(&mut self.env, wire)
            }
        }
        if let Place::Node(node) = place {
            self.observe(node);
        }
    }

    fn deliver(&mut self, wire: WireId, (place, side): (Place, Side), bytes: &[u8]) {
        match (place, side) {
            (Place::Client(client), _) => {
                if self.checker.scrutiny == Scrutiny::Every {
                    self.env.tell(place, format_args!("gets {}", bytes.escape_ascii()));
                }
                if self.clients[client].wire != Some(wire) {
                    return;
                }
                if self.env.options.watch.is_some() {
                    self.caller_hears(client, wire, bytes);
                } else {
                    self.client_hears(client, wire, bytes);
                }
            }
            (Place::Node(node), Side::Caller) => {
                self.processes[node].link_received(&mut self.env, wire, bytes);
            }
            (Place::Node(node), Side::Server) => self.serve(node, wire, bytes),
        }
    }

    /// A node gets bytes from a caller. If that is a replica that asks for data, the answer is judged.
    fn serve(&mut self, node: usize, wire: WireId, bytes: &[u8]) {
        let caller = match self.env.network.place(wire, Side::Caller) {
            Some(Place::Node(caller)) => caller,
            _ => return self.processes[node].received(&mut self.env, wire, bytes),
        };
        let asking = |process: &Process| process.link.as_ref().filter(|link| link.wire == wire)?.asked;
        let judgement =
            asking(&self.processes[caller]).and_then(|asked| Judgement::of(&self.processes[node], asked));
        let asked = handovers::Asked::of(&self.processes[caller], &self.processes[node], wire);
        self.processes[node].received(&mut self.env, wire, bytes);
        self.checker.handovers.check(&self.processes[caller], (&self.processes[node], asked));
        let (Some(judgement), Some(primary)) = (judgement, &self.processes[node].node) else { return };
        if let Some(answer) = judgement.check(primary) {
            match answer {
                Answer::FullSync => self.full_syncs += 1,
                Answer::Continuation => self.continuations += 1,
                Answer::ContinuationFromDisk => {
                    self.continuations += 1;
                    self.continuations_from_disk += 1;
                }
            }
            if let Some(link) = &mut self.processes[caller].link {
                link.asked = None;
            }
        }
    }

    fn writable(&mut self, writer: Place, wire: WireId) {
        match writer {
            Place::Client(client) => self.send_client(client),
            Place::Node(node) => {
                self.processes[node].writable(&mut self.env, wire);
                self.observe(node);
            }
        }
    }
}
