//! The machine: what happened goes in, what is to be done comes out.

use std::collections::BTreeMap;

use slipstream_replication::Moment;

use crate::action::{Action, Event};
use crate::core::Core;
use crate::group::Group;
use crate::options::Globals;
use crate::peer::Peer;

/// One sentinel.
#[derive(Debug)]
pub struct Sentinel {
    pub(crate) core: Core,
    /// The groups it watches, by name.
    pub(crate) groups: BTreeMap<String, Group>,
    /// The other sentinels, by id.
    pub(crate) peers: BTreeMap<String, Peer>,
}

impl Sentinel {
    /// A sentinel that watches nothing yet. Its id is drawn from `rng` unless [`Sentinel::load`] brings one.
    pub fn new(now: Moment, globals: Globals, mut rng: fastrand::Rng) -> Sentinel {
        let id = std::iter::repeat_with(|| rng.digit(16))
            .map(|digit| digit.to_ascii_lowercase())
            .take(40)
            .collect();
        Sentinel { core: Core::new(now, id, globals, rng), groups: BTreeMap::new(), peers: BTreeMap::new() }
    }

    /// Something happened: does what it leads to, and all that is due.
    pub fn handle(&mut self, now: Moment, event: Event<'_>, actions: &mut Vec<Action>) {
        self.core.now = now;
        let _ = event;
        actions.append(&mut self.core.actions);
    }

    /// When to call [`Sentinel::handle`] with [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Moment {
        self.core.alarm
    }
}
