//! A node that is a sentinel: what the machine of `slipstream-sentinel` is told, and what becomes of its actions.
//!
//! Events go to those who subscribed here, lines to the log; what is to be on disk becomes the text of a file, and
//! everything else leaves as an [`Effect`]. Never decides anything about groups.

use slipstream_replication::Moment;
use slipstream_sentinel::{Action, Event, Globals, Sentinel, Version};

use crate::host::Effect;
use crate::node::{Core, Node};
use crate::pubsub::Kind;

impl Node {
    /// Something happened that the sentinel waits for: a connection, bytes, a file, a script.
    pub fn sentinel_event(&mut self, event: Event<'_>) {
        self.core.tick_clock();
        self.core.tell_sentinel(event);
    }

    /// Does what is due.
    pub(crate) fn sentinel_turn(&mut self) {
        if self.core.sentinel_deadline().is_some_and(|at| at <= self.core.clock.moment()) {
            self.core.tell_sentinel(Event::Tick);
        }
    }
}

impl Core {
    /// Makes the sentinel that the configuration asks for, if it asks for one.
    pub(crate) fn become_sentinel(&mut self) -> Result<(), String> {
        if self.config.sentinel.is_none() {
            return Ok(());
        }
        let globals = Globals {
            port: self.config.port,
            requirepass: self
                .config
                .requirepass
                .clone()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default(),
            ..Globals::default()
        };
        let sentinel = Sentinel::new(self.clock.moment(), globals, self.rng.fork());
        self.sentinel = Some(Box::new(sentinel));
        Ok(())
    }

    /// When the sentinel has something to do.
    pub(crate) fn sentinel_deadline(&self) -> Option<Moment> {
        self.sentinel.as_ref().map(|sentinel| sentinel.deadline())
    }

    fn tell_sentinel(&mut self, event: Event<'_>) {
        let now = self.clock.moment();
        let Some(sentinel) = &mut self.sentinel else { return };
        let mut actions = Vec::new();
        sentinel.handle(now, event, &mut actions);
        self.carry_out(actions);
    }

    /// Does what the sentinel wants done, in this order.
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Publish { channel, message } => {
                    self.publish(Kind::Channel, channel.as_bytes(), message.as_bytes());
                }
                Action::Log(level, text) => self.notice(level, &text),
                Action::Store(version) => self.store_sentinel(version),
                other => self.effects.push(Effect::Sentinel(other)),
            }
        }
    }

    fn store_sentinel(&mut self, version: Version) {
        let effect = Effect::SentinelStore { version, path: String::new(), content: Vec::new() };
        self.effects.push(effect);
    }
}
