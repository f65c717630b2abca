//! Clients that ask a sentinel where the primary is, write there, and ask again when that fails.
//!
//! Each waits for one answer at a time, and for none for ever.

use slipstream_resp::Value;

use super::World;
use crate::checker::witness::DATABASE;
use crate::client::Client;
use crate::environment::Event;
use crate::network::{Place, Side, WireId};
use crate::options::GROUP;
use crate::process::machine;

/// How many there are; the last one sends anything, the others numbers.
pub(super) const CALLERS: usize = 3;

/// How long a caller waits for anything, in microseconds.
const PATIENCE: u64 = 1_500_000;

/// What one knows.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// Where the primary is, as a sentinel said.
    primary: Option<usize>,
    /// Since when it waits for an answer or a connection.
    since: u64,
    /// Its connections so far, each with a key of its own.
    connections: u64,
    number: u64,
}

impl Caller {
    fn key(&self, index: usize) -> String {
        format!("caller:{index}:{}", self.connections)
    }
}

impl World {
    /// A client begins, or goes on.
    pub(super) fn begin_call(&mut self, index: usize) {
        if self.clients.len() <= index {
            let sizes = (self.env.options.keys, self.env.options.value_len);
            self.clients.push(Client::new(index, true, sizes));
            self.callers.push(Caller::default());
        }
        self.env.after_delay(Event::Client(index));
    }

    pub(super) fn caller_acts(&mut self, index: usize) {
        if self.commands_left == 0 {
            return;
        }
        let is_late = self.env.now() - self.callers[index].since > PATIENCE;
        let client = &self.clients[index];
        match client.wire {
            _ if (client.connecting || !client.is_idle()) && !is_late => {}
            None if client.connecting => self.give_up_call(index),
            Some(_) if !client.is_idle() => self.give_up_call(index),
            None => self.call(index),
            Some(wire) => self.ask_on(index, wire),
        }
        let pause = self.env.draw(&self.env.options.client_pause.clone());
        self.env.after(pause, Event::Client(index));
    }

    fn give_up_call(&mut self, index: usize) {
        self.disconnect_client(index);
        self.callers[index].primary = None;
    }

    fn call(&mut self, index: usize) {
        // Where that leads nowhere, a sentinel is asked anew.
        let to = match self.callers[index].primary.take() {
            Some(primary) => primary,
            None => self.env.rng.usize(self.sentinels()),
        };
        self.callers[index].since = self.env.now();
        let client = &mut self.clients[index];
        client.connecting = true;
        client.attempt += 1;
        let attempt = client.attempt;
        self.env.after_delay(Event::Knock { from: Place::Client(index), attempt, to });
    }

    fn ask_on(&mut self, index: usize, wire: WireId) {
        let Some(Place::Node(to)) = self.env.network.place(wire, Side::Server) else { return };
        let (client, caller) = (&mut self.clients[index], &mut self.callers[index]);
        caller.since = self.env.now();
        if to >= self.topology.len() {
            client.say(&[&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {GROUP}")]);
        } else if index + 1 == CALLERS {
            client.ask(&mut self.env.rng);
        } else {
            if client.replies.is_empty() {
                client.say(&[&format!("SELECT {DATABASE}")]);
                caller.connections += 1;
                caller.number = 0;
                self.acknowledged.begin(caller.key(index));
            }
            caller.number += 1;
            client.say(&[&format!("SET {} {}", caller.key(index), caller.number)]);
        }
        self.send_client(index);
    }

    /// Replies arrive.
    pub(super) fn caller_hears(&mut self, index: usize, wire: WireId, bytes: &[u8]) {
        let Some(Place::Node(from)) = self.env.network.place(wire, Side::Server) else { return };
        let (client, caller) = (&mut self.clients[index], &mut self.callers[index]);
        let heard = client.replies.len();
        client.received(bytes);
        if client.replies.len() == heard {
            return;
        }
        if from >= self.topology.len() {
            if let Some(Value::Array(parts)) = client.replies.last() {
                caller.primary = parts.first().map(|host| machine(&host.text()));
            }
            self.disconnect_client(index);
            return;
        }
        if client.replies[heard..].iter().any(is_reason_to_ask_again) {
            return self.give_up_call(index);
        }
        // The first reply is to SELECT.
        let (key, number) = (caller.key(index), caller.number);
        if index + 1 < CALLERS
            && self.clients[index].replies.len() > usize::try_from(number).expect("it is small")
        {
            let is_coming = self.elections.is_coming(from);
            self.acknowledged.is_answered((&key, number), (from, is_coming));
        }
    }
}

/// A reply that sends clients to the sentinels.
fn is_reason_to_ask_again(reply: &Value) -> bool {
    let Value::Error(text) = reply else { return false };
    ["READONLY", "LOADING", "MASTERDOWN", "NOREPLACK", "MISCONF", "UNBLOCKED"]
        .iter()
        .any(|word| text.starts_with(word))
}
