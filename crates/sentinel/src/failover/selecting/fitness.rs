//! Who may be promoted at all, whatever it has: one that is in order, and whose data is not old.
//! Which of those is the best, and whether enough have answered, is not decided here.

use slipstream_replication::Level;

use crate::core::Core;
use crate::failover::Cause;
use crate::group::Group;
use crate::info::{Report, Role};
use crate::server::Server;

impl Group {
    /// Why a replica that answered may not be promoted at all.
    pub(super) fn unfitness(&self, core: &Core, cause: Cause, replica: &Server) -> Option<&'static str> {
        // One that has just come back and not answered PING yet is none to trust.
        if replica.report.is_stopped || replica.down_since.is_some() {
            return Some("it is not in order");
        }
        if cause == Cause::Forced || replica.report.is_link_up {
            return None;
        }
        // As in Redis: whose link had been down long before the primary was has old data.
        let longest = self.options.down_after.saturating_mul(10).saturating_add(self.gone_for(core));
        (replica.report.link_down_ms > longest)
            .then_some("its link had been down long before the primary was")
    }

    /// Says in the log why each of them is not promoted.
    pub(super) fn tell_who_is_unfit(&self, core: &mut Core, cause: Cause) {
        for replica in self.replicas.values() {
            let reason = match replica.selected_at {
                None => Some("it has not answered"),
                Some(_) if replica.report.priority == 0 => Some("its replica-priority is 0"),
                Some(_) => self.unfitness(core, cause, replica),
            };
            if let Some(reason) = reason {
                let text = format!("{}: {} is not promoted: {reason}.", self.name, replica.contact.address);
                core.log(Level::Warning, text);
            }
        }
    }

    /// For how long the primary has been none, as far as can be known, in milliseconds.
    fn gone_for(&self, core: &Core) -> u64 {
        let primary = &self.primary;
        // One that says it is a replica is none to copy from since then, and is called down later.
        let gone_since = match primary.role {
            Role::Primary => primary.down_since,
            Role::Replica => primary.down_since.map(|since| since.min(primary.role_since)),
        };
        let seen = gone_since.map_or(0, |since| core.now.ms_since(since));
        // One that waits for another to take its place has been no use since it was started.
        let waited =
            if primary.report.awaits_claim { primary.report.uptime.saturating_add(1) * 1000 } else { 0 };
        let seen = seen.max(waited);
        if primary.contact.has_answered {
            return seen;
        }
        // It was gone before this sentinel began to look: at the latest when the last replica lost it. Stock ones tell no
        // time if they have never been linked.
        let was_linked = |replica: &&Server| {
            let Report { is_ours, was_link_up, link_down_ms, .. } = replica.report;
            self.is_named_by(replica) && if is_ours { was_link_up } else { link_down_ms > 0 }
        };
        let lost = self.replicas.values().filter(was_linked).map(|replica| replica.report.link_down_ms).min();
        lost.map_or(seen, |lost| lost.max(seen))
    }
}
