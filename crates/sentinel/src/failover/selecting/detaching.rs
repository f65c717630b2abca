//! Replicas leave their primary before they say where they stand, and stay away until they are turned.
//!
//! What a replica has told must stay all that the old primary can count on, or a write that is acknowledged in between is
//! lost. REPLICA DETACH keeps it away for a while only, in case that nobody is left to let it go. So that is said again
//! and again, from the choice until the replica is told whom to follow, and an answer counts only while the replica is
//! known to be away since before it was given.

use slipstream_replication::Moment;

use crate::core::Core;
use crate::group::Group;
use crate::line::Awaited;
use crate::options::GroupOptions;
use crate::server::Server;

/// For so long a replica is kept away from its primary, unless that is said again, milliseconds.
const LENGTH: u64 = 10_000;

/// How a replica is kept away from its primary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detachment {
    /// Whether it is to stay away.
    is_wanted: bool,
    /// When it was told so last over this connection.
    asked_at: Option<Moment>,
    /// It has said that it stays away, until then at least.
    until: Option<Moment>,
}

impl Group {
    /// Replicas of ours leave their primary.
    pub(super) fn detach_replicas(&mut self, core: &mut Core, epoch: u64) {
        for replica in self.replicas.values_mut() {
            replica.detachment.is_wanted = replica.report.is_ours;
        }
        self.keep_detached(core, epoch);
    }

    /// Whoever was told to leave stays away.
    pub(in crate::failover) fn keep_detached(&mut self, core: &mut Core, epoch: u64) {
        let Group { replicas, options, .. } = self;
        let wanted = |replica: &&mut Server| replica.detachment.is_wanted && replica.contact.is_up();
        for replica in replicas.values_mut().filter(wanted) {
            let asked_at = replica.detachment.asked_at;
            if asked_at.is_none_or(|at| core.is_due(at.after_ms(LENGTH / 3))) {
                replica.detach(core, options, (LENGTH, epoch));
                replica.detachment.asked_at = Some(core.now);
                core.is_due(core.now.after_ms(LENGTH / 3));
            }
        }
    }

    /// Nobody is chosen: replicas may go to their primary again.
    pub(in crate::failover) fn let_go(&mut self, core: &mut Core, epoch: u64) {
        let Group { replicas, options, .. } = self;
        for replica in replicas.values_mut() {
            if std::mem::take(&mut replica.detachment).is_wanted && replica.contact.is_up() {
                replica.detach(core, options, (0, epoch));
            }
        }
    }
}

impl Server {
    /// Keeps it away from its primary for so long, or no longer if 0.
    fn detach(&mut self, core: &mut Core, options: &GroupOptions, (ms, epoch): (u64, u64)) {
        let (ms, epoch) = (ms.to_string(), epoch.to_string());
        let request = [options.command("REPLICA"), "DETACH", &ms, &epoch];
        self.contact.order(core, &request, Awaited::Detachment(core.now));
    }

    /// It has left its primary, or goes on to stay away; it was asked for that then.
    pub(crate) fn note_detached(&mut self, core: &Core, asked_at: Moment) {
        // It may have been back in between: then it has to say again where it is.
        if !self.is_detached(core) {
            self.selected_at = None;
        }
        self.detachment.until = Some(asked_at.after_ms(LENGTH));
    }

    /// Whether it is known to be away from its primary.
    pub(super) fn is_detached(&self, core: &Core) -> bool {
        self.detachment.until.is_some_and(|until| core.now < until)
    }

    /// What it was told over another connection may not have reached it.
    pub(crate) fn forget_answers(&mut self) {
        self.selected_at = None;
        (self.detachment.asked_at, self.detachment.until) = (None, None);
    }
}
