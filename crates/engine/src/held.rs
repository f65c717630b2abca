//! Replies of one client that are held back until enough replicas, or the disk, have what was written.
//!
//! The replies stay where they were written, in the client's output, and what comes behind them queues there
//! too: held is a mark in that output up to which bytes may go. Later commands of the client run meanwhile.
//! Owns the places of held replies; who acknowledged what is asked of the caller.
//!
//! Invariant: places ascend and do not overlap, and so do the offsets.

use std::collections::VecDeque;
use std::ops::Range;

use slipstream_log::Offset;
use slipstream_replication::Moment;
use slipstream_resp::Reply;

/// One reply that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Where it is among all that its client is ever sent.
    pub(crate) place: Range<u64>,
    /// The end of what was written.
    pub(crate) offset: Offset,
    /// How many replicas must have that.
    pub(crate) replicas: usize,
    /// Whether it must be on this node's disk.
    pub(crate) on_disk: bool,
    /// When an error takes its place; `None` for never.
    pub(crate) until: Option<Moment>,
}

impl Hold {
    /// Whether it waits for others than this node's disk.
    pub(crate) fn needs_replicas(&self) -> bool {
        self.replicas > 0
    }
}

/// All that are.
#[derive(Debug, Default)]
pub(crate) struct Held {
    queue: VecDeque<Hold>,
    /// The last that went because it was acknowledged: its offset, and by how many.
    kept: Option<(Offset, usize)>,
}

impl Held {
    /// The last that went because it was acknowledged, since the last call.
    pub(crate) fn take_kept(&mut self) -> Option<(Offset, usize)> {
        self.kept.take()
    }

    /// Holds back one more reply, the last one written.
    pub(crate) fn push(&mut self, hold: Hold) {
        self.queue.push_back(hold);
    }

    /// The one that all others wait behind.
    pub(crate) fn first(&self) -> Option<&Hold> {
        self.queue.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many replies are held.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes allocated, without those of the replies.
    pub(crate) fn memory(&self) -> usize {
        self.queue.capacity() * size_of::<Hold>()
    }

    /// Forgets all: their client gets nothing any more.
    pub(crate) fn clear(&mut self) {
        self.queue = VecDeque::new();
    }

    /// Changes those that are held.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Hold> {
        self.queue.iter_mut()
    }

    /// Lets those go that are acknowledged, up to `mark` by as many replicas as it is asked for, and on disk, up to
    /// `durable`, if they wait for that; puts `error` in the place of those whose replicas took too long. Returns how
    /// many these were.
    pub(crate) fn settle(
        &mut self,
        now: Moment,
        (mark, durable): (impl Fn(usize) -> Option<Offset>, Offset),
        (reply, error): (&mut Reply, &str),
    ) -> usize {
        let mut known: Option<(usize, Option<Offset>)> = None;
        let mut failed = Vec::new();
        while let Some(hold) = self.queue.front() {
            let mark = match known {
                Some((replicas, mark)) if replicas == hold.replicas => mark,
                _ => known.insert((hold.replicas, mark(hold.replicas))).1,
            };
            if mark < Some(hold.offset) {
                if hold.until.is_none_or(|until| until > now) {
                    break;
                }
                failed.push(hold.place.clone());
            } else if hold.on_disk && durable < hold.offset {
                break;
            } else if hold.replicas > 0 {
                self.kept = Some((hold.offset, hold.replicas));
            }
            self.queue.pop_front();
        }
        self.replace(&failed, (reply, error));
        if self.queue.is_empty() {
            self.queue.shrink_to(KEPT);
        }
        failed.len()
    }

    /// Puts `error` in the place of those for which `fails` holds. Returns how many they were.
    pub(crate) fn fail(
        &mut self,
        fails: impl Fn(&Hold) -> bool,
        (reply, error): (&mut Reply, &str),
    ) -> usize {
        let (failed, kept): (VecDeque<Hold>, VecDeque<Hold>) = self.queue.drain(..).partition(fails);
        self.queue = kept;
        let places: Vec<Range<u64>> = failed.into_iter().map(|hold| hold.place).collect();
        self.replace(&places, (reply, error));
        places.len()
    }

    /// Each that is held moves by what became longer or shorter before it.
    fn replace(&mut self, places: &[Range<u64>], (reply, error): (&mut Reply, &str)) {
        if places.is_empty() {
            return;
        }
        let before = reply.position();
        reply.replace_with_error(places, error);
        let replaced: u64 = places.iter().map(|place| place.end - place.start).sum();
        let error_len = (reply.position() + replaced - before) / places.len() as u64;
        let mut places = places.iter().peekable();
        let (mut added, mut removed) = (0, 0);
        for hold in &mut self.queue {
            while let Some(place) = places.next_if(|place| place.end <= hold.place.start) {
                added += error_len;
                removed += place.end - place.start;
            }
            let moved = |position: u64| position + added - removed;
            hold.place = moved(hold.place.start)..moved(hold.place.end);
        }
    }
}

/// Places for so many are kept once none is held.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's output of these replies; those with an offset are held until one replica has it.
    fn output(replies: &[(&str, Option<u64>)]) -> (Reply, Held) {
        let (mut reply, mut held) = (Reply::default(), Held::default());
        for (text, offset) in replies {
            let start = reply.position();
            reply.simple(text);
            if let Some(offset) = offset {
                let place = start..reply.position();
                let until = Some(Moment(*offset));
                held.push(Hold { place, offset: Offset(*offset), replicas: 1, on_disk: false, until });
            }
        }
        (reply, held)
    }

    /// What may go and what may not, when one replica has everything up to `mark`, at a time.
    fn check(now: u64, mark: u64, goes: &str, stays: &str) {
        let replies =
            [("a", None), ("b", Some(10)), ("c", None), ("d", Some(20)), ("e", Some(30)), ("f", None)];
        let (mut reply, mut held) = output(&replies);
        reply.consume("+a\r\n".len());
        held.settle(Moment(now), (|_| Some(Offset(mark)), Offset(0)), (&mut reply, "LATE"));
        let all = String::from_utf8(reply.as_bytes().to_vec()).unwrap().replace("\r\n", " ");
        let split = held
            .first()
            .map_or(reply.len(), |hold| usize::try_from(hold.place.start - reply.front()).unwrap());
        let sent = String::from_utf8(reply.as_bytes()[..split].to_vec()).unwrap().replace("\r\n", " ");
        assert_eq!((sent.trim_end(), all[sent.len()..].trim_end()), (goes, stays), "at {now}, acked {mark}");
    }

    #[test]
    fn what_comes_behind_a_held_reply_waits_with_it() {
        check(0, 9, "", "+b +c +d +e +f");
        check(0, 10, "+b +c", "+d +e +f");
        check(0, 29, "+b +c +d", "+e +f");
        check(0, 30, "+b +c +d +e +f", "");
    }

    #[test]
    fn an_error_takes_the_place_of_a_reply_whose_time_is_over() {
        check(10, 9, "-LATE +c", "+d +e +f");
        check(20, 9, "-LATE +c -LATE", "+e +f");
        check(20, 10, "+b +c -LATE", "+e +f");
        check(30, 0, "-LATE +c -LATE -LATE +f", "");
    }

    #[test]
    fn a_reply_that_waits_for_the_disk_goes_when_both_have_it() {
        let check = |replicas: usize, (acked, durable): (u64, u64), goes: bool| {
            let (mut reply, mut held) = output(&[("a", Some(10))]);
            for hold in held.iter_mut() {
                *hold = Hold { replicas, on_disk: true, ..hold.clone() };
            }
            let mark = |wanted: usize| if wanted == 0 { Some(Offset(u64::MAX)) } else { Some(Offset(acked)) };
            held.settle(Moment(0), (mark, Offset(durable)), (&mut reply, "LATE"));
            assert_eq!(held.is_empty(), goes, "{replicas} replicas, acked {acked}, durable {durable}");
            assert_eq!(held.take_kept().is_some(), goes && replicas > 0);
        };
        check(0, (0, 9), false);
        check(0, (0, 10), true);
        check(1, (10, 9), false);
        check(1, (9, 10), false);
        check(1, (10, 10), true);
    }

    #[test]
    fn those_that_fail_give_way_to_errors_and_the_others_stay_where_they_are() {
        let replies = [("a", None), ("b", Some(1)), ("long", Some(2)), ("c", Some(3)), ("d", None)];
        let (mut reply, mut held) = output(&replies);
        assert_eq!(held.fail(|hold| hold.offset != Offset(2), (&mut reply, "GONE")), 2);
        assert_eq!(reply.as_bytes(), b"+a\r\n-GONE\r\n+long\r\n-GONE\r\n+d\r\n");
        let kept = held.first().unwrap().place.clone();
        let kept = usize::try_from(kept.start).unwrap()..usize::try_from(kept.end).unwrap();
        assert_eq!(&reply.as_bytes()[kept], b"+long\r\n");
        assert_eq!(held.fail(|_| true, (&mut reply, "GONE")), 1);
        assert!(held.is_empty());
    }
}
