//! One vote per epoch and group, on disk before it is told.
//! No vote is taken back: a later epoch is the only way to another leader.

use slipstream_replication::Level;

use crate::action::Version;
use crate::core::Core;
use crate::group::{Group, Vote};
use crate::peer::Member;

impl Group {
    /// Votes for a candidate, unless this sentinel has voted in that epoch or a later one. Its vote, and the version of
    /// the state that holds it if that is not on disk yet.
    pub(crate) fn vote(&mut self, core: &mut Core, (candidate, epoch): (&str, u64)) -> Option<Version> {
        core.see_epoch(epoch, &self.options.notification_script);
        // Epochs are common to all groups, votes are not: who stands for another group is no rival.
        if self.vote.epoch >= epoch || self.config_epoch >= epoch || core.epoch < epoch {
            return None;
        }
        // A vote that cannot be stored would be told to nobody.
        if core.durability.failure.is_some() {
            return None;
        }
        self.vote = Vote { leader: candidate.to_owned(), epoch };
        self.voted_at = Some(core.now);
        let version = core.changed();
        let message = format!("{candidate} {epoch}");
        self.tell_plainly(core, (Level::Warning, "+vote-for-leader"), message);
        Some(version)
    }

    /// Votes that were cast for this sentinel in an epoch, its own among them.
    pub(crate) fn votes_for_us(&self, core: &Core, epoch: u64) -> usize {
        let is_ours = |leader: &str, in_epoch: u64| leader == core.id && in_epoch == epoch;
        let others = self.members.values().filter_map(|member| member.vote.as_ref());
        let others = others.filter(|(leader, in_epoch)| is_ours(leader, *in_epoch)).count();
        others + usize::from(is_ours(&self.vote.leader, self.vote.epoch))
    }

    /// Votes that may still be cast for this sentinel in an epoch: of those who can be asked and have not voted in it.
    pub(crate) fn votes_open(&self, epoch: u64) -> usize {
        let is_open = |member: &&Member| {
            member.is_reachable && member.vote.as_ref().is_none_or(|(_, in_epoch)| *in_epoch < epoch)
        };
        self.members.values().filter(is_open).count()
    }
}
