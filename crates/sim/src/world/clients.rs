//! What the clients of a world do when it is their turn.

use super::World;
use crate::checker::Scrutiny;
use crate::environment::Event;
use crate::network::{Place, Side};

/// Clients.
impl World {
    pub(super) fn client_acts(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.wire.is_some() {
            let asked = client.ask(&mut self.env.rng);
            self.commands_left = self.commands_left.saturating_sub(asked);
            if asked > 0 && self.checker.scrutiny == Scrutiny::Every {
                self.env.tell(Place::Client(index), format_args!("asks {}", client.unsent.escape_ascii()));
            }
            self.send_client(index);
        } else if !client.connecting {
            client.connecting = true;
            client.attempt += 1;
            let (attempt, writes) = (client.attempt, client.writes);
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
