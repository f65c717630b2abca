//! Whose replies go together when the disk was asked once: under `appendfsync always` the fewer times it is asked, the
//! more clients it serves.
//!
//! Clients write again as soon as they are answered. Were the disk asked at the first of those writes, all others would
//! wait for it twice: until it is done with the few, and then for their own. So a group waits until as many replies
//! are in it as were held back at once lately, but no longer than half of what the disk took the last time; a client
//! that is alone waits for nobody. A swift disk is asked at once: while it is busy with some clients the others are
//! served, and that is worth more. Pure: who asks the disk tells how long that took.

use std::time::Duration;

use slipstream_engine::aof::Order;

/// A disk that takes no longer than this is asked at once.
const SWIFT: Duration = Duration::from_micros(500);

/// A slow disk makes nobody wait longer than this.
const LONGEST: Duration = Duration::from_millis(2);

/// What is to be brought to disk together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Replies that wait for it.
    replies: usize,
    /// The most that were held back at once, as the group was gathered and the one before.
    crowds: [usize; 2],
    limit: Duration,
    /// What the disk took the last time.
    took: Duration,
}

impl Group {
    pub(super) fn add(&mut self, order: &Order) {
        if let Order::Append { replies, held, .. } = order {
            self.replies += replies;
            self.crowds[0] = self.crowds[0].max(*held);
        }
    }

    /// Whether nobody is missing, as far as one can know.
    pub(super) fn is_whole(&self) -> bool {
        self.replies == 0 || self.crowds.iter().all(|crowd| self.replies >= *crowd)
    }

    /// How long it waits for those who are missing.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// It is on disk, which took so long: the next one begins.
    pub(super) fn close(&mut self, took: Duration) {
        // Who was not let run meanwhile takes the disk for slow.
        let least = took.min(self.took);
        let limit = if least > SWIFT { (least / 2).min(LONGEST) } else { Duration::ZERO };
        *self = Group { replies: 0, crowds: [0, self.crowds[0]], limit, took };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Duration = Duration::from_millis(1);

    fn append(replies: usize, held: usize) -> Order {
        Order::Append { blocks: Vec::new(), timestamp: None, replies, held }
    }

    #[test]
    fn a_client_that_is_alone_waits_for_nobody() {
        let mut group = Group::default();
        for _ in 0..3 {
            group.add(&append(1, 1));
            assert!(group.is_whole());
            group.close(DISK);
        }
    }

    #[test]
    fn who_wrote_first_waits_for_as_many_as_there_were() {
        let mut group = Group::default();
        group.close(DISK);
        group.add(&append(30, 30));
        group.close(DISK);
        // They came while the disk was busy with those before.
        group.add(&append(20, 50));
        assert!(!group.is_whole(), "the thirty will write again");
        assert_eq!(group.limit(), DISK / 2);
        group.add(&append(30, 50));
        assert!(group.is_whole());
        group.close(DISK);
        group.add(&append(1, 1));
        assert!(!group.is_whole(), "all fifty will");
    }

    #[test]
    fn those_who_stay_away_are_waited_for_once() {
        let mut group = Group::default();
        group.add(&append(50, 50));
        group.close(DISK);
        group.add(&append(2, 2));
        assert!(!group.is_whole());
        group.close(DISK);
        group.add(&append(2, 2));
        assert!(group.is_whole());
    }

    #[test]
    fn writes_whose_replies_are_not_held_wait_for_nothing() {
        let mut group = Group::default();
        group.add(&append(0, 0));
        assert!(group.is_whole());
    }

    #[test]
    fn neither_a_swift_disk_nor_a_slow_one_makes_anybody_wait_long() {
        let mut group = Group::default();
        group.close(SWIFT);
        assert_eq!(group.limit(), Duration::ZERO);
        group.close(Duration::from_secs(3));
        assert_eq!(group.limit(), Duration::ZERO, "once is no sign");
        group.close(Duration::from_secs(3));
        assert_eq!(group.limit(), LONGEST);
    }
}
