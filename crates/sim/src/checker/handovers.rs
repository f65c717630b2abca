//! What a planned failover promises: nothing is lost, and nobody needs a snapshot.
//!
//! From its beginning on the primary's data stands still. When the target takes over, by the primary's own request and
//! by nothing else, its history forks exactly where the primary stands, with the same data, and the primary continues
//! there. With FORCE and a target that was late, what the target lacks is lost, and that is meant.

use std::collections::BTreeMap;

use slipstream_engine::Node;

use super::{Print, position, print};
use crate::network::WireId;
use crate::process::Process;

/// Failovers that wait for their target, and how many came to their end.
#[derive(Debug, Default)]
pub struct Handovers {
    /// What primaries held when their writes were stopped, by machine and life.
    stopped: BTreeMap<(usize, u32), Print>,
    /// Who was told to hand over whatever the target has.
    forced: BTreeMap<usize, u32>,
    /// Targets that took over with everything.
    pub complete: u64,
}

impl Handovers {
    /// A primary begins to hand over.
    pub(crate) fn begin(&mut self, process: &Process, is_forced: bool) {
        self.stopped.remove(&(process.index, process.life));
        if is_forced {
            self.forced.insert(process.index, process.life);
        } else {
            self.forced.remove(&process.index);
        }
    }

    /// Looks at a node after something happened to it.
    pub(crate) fn observe(&mut self, process: &Process, node: &Node) {
        let place = (process.index, process.life);
        let failover = &node.core.replication.failover;
        if !failover.is_under_way() || failover.is_in_progress() {
            self.stopped.remove(&place);
        } else {
            let now = print(node);
            let before = *self.stopped.entry(place).or_insert(now);
            assert!(before == now, "{} is written to while it hands over", process.place());
        }
    }

    /// After a request of `old`: `before` is what `new` was then, if `old` asked it to take over.
    pub(crate) fn check(&mut self, old: &Process, (new, before): (&Process, Option<Asked>)) {
        let (Some(primary), Some(target), Some(before)) = (&old.node, &new.node, before) else { return };
        let (Some((id, end)), false) = (position(primary), target.core.is_replica()) else { return };
        let fork = target.core.log.history().previous;
        if self.forced.get(&old.index) == Some(&old.life) && fork.is_some_and(|(_, fork)| fork < end) {
            return;
        }
        let (old, new) = (old.place(), new.place());
        assert_eq!(fork, Some((id, end)), "{new} takes over from {old}, which stands at {end} of {id}");
        assert!(print(primary) == before.print, "{new} takes over with other data than {old} has");
        let full_syncs = target.core.replication.replicas.counters().full;
        assert_eq!(full_syncs, before.full_syncs, "{old} needs a snapshot to follow {new}");
        self.complete += 1;
    }
}

/// A replica that is asked to take over.
#[derive(Debug)]
pub(crate) struct Asked {
    print: Print,
    full_syncs: u64,
}

impl Asked {
    /// If that is what a connection from `old` to `new` is for.
    pub(crate) fn of(old: &Process, new: &Process, wire: WireId) -> Option<Asked> {
        let (primary, target) = (old.node.as_ref()?, new.node.as_ref()?);
        let is_link = old.link.as_ref().is_some_and(|link| link.wire == wire);
        let asks = is_link && primary.core.replication.link.asks_to_take_over() && target.core.is_replica();
        let full_syncs = target.core.replication.replicas.counters().full;
        asks.then(|| Asked { print: print(target), full_syncs })
    }
}
