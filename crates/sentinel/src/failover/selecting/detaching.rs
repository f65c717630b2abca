//! Replicas leave their primary before they say where they stand, and stay away until they are turned.
//!
//! What a replica has told must stay all that the old primary can count on, or a write that is acknowledged in between is
//! lost. REPLICA DETACH keeps it away for a while only, in case that nobody is left to let it go. So that is said again
//! and again, from the choice until the replica is told whom to follow, and an answer counts only while the replica is
//! known to be away since before it was given.

use slipstream_replication::Moment;
use slipstream_resp::Value;

use crate::core::Core;
use crate::group::Group;
use crate::info::{Report, Role};
use crate::line::Awaited;
use crate::options::GroupOptions;
use crate::refusals::is_unable;
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
    /// It does not take such orders from this sentinel.
    is_impossible: bool,
}

impl Group {
    /// Replicas of ours leave their primary.
    pub(super) fn detach_replicas(&mut self, core: &mut Core, epoch: u64) {
        for replica in self.replicas.values_mut() {
            let follows = replica.report.role == Some(Role::Replica);
            replica.detachment.is_wanted = replica.report.is_ours && follows;
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

    /// A replica was told to keep away, then.
    pub(crate) fn on_detachment(&mut self, core: &Core, number: u64, (asked_at, reply): (Moment, &Value)) {
        let Some((replica, _)) = self.server_mut(number) else { return };
        match reply {
            Value::Simple(_) => replica.note_detached(core, asked_at),
            Value::Error(reason) if is_unable(reason) => replica.detachment.is_impossible = true,
            _ => {}
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
    fn note_detached(&mut self, core: &Core, asked_at: Moment) {
        // It may have been back in between: then it has to say again where it is.
        if !self.is_detached(core) {
            self.selected_at = None;
        }
        self.detachment.until = Some(asked_at.after_ms(LENGTH));
    }

    /// Whether it is known to be away from its primary.
    fn is_detached(&self, core: &Core) -> bool {
        self.detachment.until.is_some_and(|until| core.now < until)
    }

    /// Whether it may copy more from its primary than it has told. Others than ours cannot be kept from that.
    pub(super) fn may_copy(&self, core: &Core) -> bool {
        let Report { is_ours, is_link_up, role, .. } = &self.report;
        let is_loose = !self.is_detached(core) && !self.detachment.is_impossible;
        *is_ours && *role == Some(Role::Replica) && (*is_link_up || is_loose)
    }

    /// What it was told over another connection may not have reached it.
    pub(crate) fn forget_answers(&mut self) {
        self.selected_at = None;
        (self.detachment.asked_at, self.detachment.until) = (None, None);
    }
}
