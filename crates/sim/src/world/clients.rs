//! What the clients of a world do when it is their turn.
//!
//! They look for the node that is meant to be the primary, now and then for any other, and give up whoever does not
//! answer. The witness among them asks one thing at a time.

use slipstream_resp::Value;

use super::World;
use crate::checker::{Scrutiny, witness};
use crate::client::Verdict;
use crate::environment::Event;
use crate::network::{Place, Side, WireId};

/// Clients.
impl World {
    /// How many there are.
    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn client_acts(&mut self, index: usize) {
        if self.commands_left == 0 {
            return;
        }
        let now = self.env.now();
        let client = &mut self.clients[index];
        if client.wire.is_some() && client.has_lost_patience(now) {
            self.disconnect_client(index);
        } else if client.wire.is_some() && self.witness.client == Some(index) {
            self.witness_acts(index);
        } else if client.wire.is_some() && self.takings.is_of(index) {
            self.taker_acts(index);
        } else if client.wire.is_some() {
            let asked = client.ask(&mut self.env.rng);
            self.commands_left = self.commands_left.saturating_sub(asked);
            if asked > 0 && self.checker.scrutiny == Scrutiny::Every {
                self.env.tell(Place::Client(index), format_args!("asks {}", client.unsent.escape_ascii()));
            }
            self.send_client(index);
        } else if !client.connecting {
            client.connecting = true;
            client.attempt += 1;
            let attempt = client.attempt;
            let writes = client.writes || self.witness.client == Some(index);
            let lost = self.env.rng.u32(..10) == 0;
            let to =
                if writes && !lost { self.primary() } else { self.env.rng.usize(..self.processes.len()) };
            self.env.after_delay(Event::Knock { from: Place::Client(index), attempt, to });
        }
        if self.commands_left > 0 {
            let pause = self.env.draw(&self.env.options.client_pause.clone());
            self.env.after(pause, Event::Client(index));
        }
    }

    /// The witness sends its next number when the last was answered.
    fn witness_acts(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if !client.is_idle() {
            return;
        }
        if client.replies.is_empty() {
            client.say(&[&format!("SELECT {}", witness::DATABASE)]);
        }
        self.witness.asked = self.env.now();
        let request = self.witness.ask();
        client.say(&[&request]);
        self.send_client(index);
    }

    /// Who adds to a list, or takes from it, does so again when the last request was answered.
    fn taker_acts(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(wire) = client.wire.filter(|_| client.is_idle()) else { return };
        let Some(Place::Node(node)) = self.env.network.place(wire, Side::Server) else { return };
        if client.replies.is_empty() {
            client.say(&[&format!("SELECT {}", witness::DATABASE)]);
        } else {
            let now = self.env.now();
            let request = self.takings.ask(index, &self.processes[node], &mut self.env.rng, now);
            client.say(&[&request]);
        }
        self.send_client(index);
    }

    /// A reply to who takes.
    fn taker_hears(&mut self, index: usize, wire: WireId) {
        let Some(Place::Node(primary)) = self.env.network.place(wire, Side::Server) else { return };
        let process = &self.processes[primary];
        let (Some(node), Some(reply)) = (&process.node, self.clients[index].replies.last()) else { return };
        let from = (process, node, process.last_write(wire));
        if let Some(given) = self.takings.hear(index, from, reply) {
            self.checker.check_given(primary, &given, self.witness.wanted);
        }
    }

    /// Replies arrive.
    pub(super) fn client_hears(&mut self, index: usize, wire: WireId, bytes: &[u8]) {
        let client = &mut self.clients[index];
        client.heard(self.env.now());
        let heard = client.replies.len();
        let verdict = client.received(bytes);
        if self.witness.client == Some(index) {
            let is_set = client.replies.len() >= 2 && client.replies.len() > heard;
            let is_ok = client.replies.last() == Some(&Value::Simple("OK".to_owned()));
            if let Some(Place::Node(primary)) = self.env.network.place(wire, Side::Server)
                && is_set
                && is_ok
            {
                self.witness.is_answered(primary, &self.processes);
                self.checker.durability.is_answered(primary, self.witness.sent, self.witness.asked);
            }
        }
        if self.takings.is_of(index) && self.clients[index].replies.len() > heard {
            self.taker_hears(index, wire);
        }
        if verdict == Verdict::WrongNode {
            self.disconnect_client(index);
        }
    }

    pub(super) fn send_client(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if let Some(wire) = client.wire {
            let count = self.env.network.write(wire, Side::Caller, &client.unsent);
            client.unsent.drain(..count);
        }
    }

    pub(super) fn disconnect_client(&mut self, index: usize) {
        if let Some(wire) = self.clients[index].wire {
            self.env.network.close(wire, Side::Caller);
        }
        self.clients[index].disconnected();
    }
}
