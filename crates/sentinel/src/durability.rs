//! What must not be forgotten: which version of it was ordered, which is on disk, and what others may be told of it.
//!
//! An epoch, a vote or a new primary leaves this process only when it is on disk: a sentinel that votes, crashes, and
//! votes again in the same epoch would give a group two leaders. One version is on its way to the disk at a time; what
//! changes meanwhile is in the next one, so that nothing piles up behind a disk that is slow or fails.

use std::collections::BTreeMap;

use slipstream_replication::{Level, Moment};

use crate::action::{Action, Version};
use crate::core::Core;
use crate::group::Group;
use crate::hello::Announced;

/// Before a store that failed is tried again.
const RETRY: u64 = 1000;

/// All that hellos tell of, at one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Picture {
    epoch: u64,
    groups: BTreeMap<String, Announced>,
}

/// Versions of the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durability {
    /// The newest that was ordered.
    ordered: Version,
    /// The newest that is on disk.
    pub(crate) stored: Version,
    /// Why the last attempt failed.
    pub(crate) failure: Option<String>,
    /// Something changed since the newest was ordered.
    is_dirty: bool,
    retry_at: Option<Moment>,
    /// What is on disk.
    picture: Picture,
    /// What is on its way there.
    under_way: Option<Picture>,
}

impl Durability {
    /// What is on disk of a group, and the epoch there.
    pub(crate) fn announced(&self, group: &str) -> Option<(u64, &Announced)> {
        self.picture.groups.get(group).map(|announced| (self.picture.epoch, announced))
    }
}

impl Core {
    /// Something that must not be forgotten has changed: the version that will hold it.
    pub(crate) fn changed(&mut self) -> Version {
        self.durability.is_dirty = true;
        self.newest()
    }

    /// The version that holds all that has changed.
    pub(crate) fn newest(&self) -> Version {
        Version(self.durability.ordered.0 + u64::from(self.durability.is_dirty))
    }

    /// Whether a version is on disk.
    pub(crate) fn has_stored(&self, version: Version) -> bool {
        self.durability.stored >= version
    }

    /// Whether nothing waits for the disk.
    pub(crate) fn is_stored(&self) -> bool {
        !self.durability.is_dirty && self.durability.stored == self.durability.ordered
    }

    /// Orders what has changed to be stored, unless something is being stored.
    pub(crate) fn order_store(&mut self, groups: &BTreeMap<String, Group>) {
        let is_retried = self.durability.retry_at.is_some_and(|at| self.is_due(at));
        if self.durability.under_way.is_some() || !(self.durability.is_dirty || is_retried) {
            return;
        }
        let names = self.globals.announce_hostnames;
        let announced = |group: &Group| {
            let contact = &group.primary.contact;
            let primary = (contact.shown_host(names).to_owned(), contact.address.port);
            (group.name.clone(), Announced { primary, config_epoch: group.config_epoch })
        };
        let picture = Picture { epoch: self.epoch, groups: groups.values().map(announced).collect() };
        let durability = &mut self.durability;
        durability.is_dirty = false;
        durability.retry_at = None;
        durability.ordered = Version(durability.ordered.0 + 1);
        durability.under_way = Some(picture);
        let action = Action::Store(durability.ordered);
        self.actions.push(action);
    }

    /// A version is on disk, or is not; whether others are to hear of it.
    pub(crate) fn on_stored(&mut self, version: Version, result: Result<(), String>) -> bool {
        let Some(picture) = self.durability.under_way.take_if(|_| version == self.durability.ordered) else {
            return false;
        };
        if let Err(reason) = result {
            if self.durability.failure.as_ref() != Some(&reason) {
                let text = format!("The state cannot be stored, so this sentinel does not vote: {reason}");
                self.log(Level::Warning, text);
            }
            self.durability.failure = Some(reason);
            self.durability.retry_at = Some(self.now.after_ms(RETRY));
            return false;
        }
        if self.durability.failure.take().is_some() {
            self.log(Level::Notice, "The state is stored again.");
        }
        let durability = &mut self.durability;
        durability.stored = version;
        let is_news = durability.picture != picture;
        durability.picture = picture;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Globals, Sentinel};

    #[test]
    fn one_version_is_on_its_way_at_a_time() {
        let mut sentinel = Sentinel::new(Moment(0), Globals::default(), fastrand::Rng::with_seed(1));
        let turn = |sentinel: &mut Sentinel| {
            let wanted = sentinel.core.changed();
            sentinel.settle();
            let actions = std::mem::take(&mut sentinel.core.actions);
            let is_store = |action: &Action| match action {
                Action::Store(version) => Some(*version),
                _ => None,
            };
            (wanted, actions.iter().find_map(is_store))
        };
        assert_eq!(turn(&mut sentinel), (Version(1), Some(Version(1))));
        assert_eq!(turn(&mut sentinel), (Version(2), None));
        assert_eq!(turn(&mut sentinel), (Version(2), None), "all that changes meanwhile is in the next one");
        sentinel.core.on_stored(Version(1), Ok(()));
        assert!(!sentinel.core.is_stored());
        sentinel.settle();
        sentinel.core.on_stored(Version(2), Ok(()));
        assert!(sentinel.core.is_stored() && sentinel.core.has_stored(Version(2)));
    }

    #[test]
    fn nothing_piles_up_while_the_disk_fails() {
        let mut sentinel = Sentinel::new(Moment(0), Globals::default(), fastrand::Rng::with_seed(1));
        for second in 1..1000 {
            sentinel.core.changed();
            sentinel.core.now = Moment(second * 1000);
            sentinel.settle();
            sentinel.core.on_stored(Version(second), Err("no space left".to_owned()));
            assert!(sentinel.core.durability.under_way.is_none() && !sentinel.core.is_stored());
        }
    }
}
