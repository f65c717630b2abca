//! Elections of sentinels: who may lead, and whom they promote.
//!
//! - Whoever is elected has the votes of a majority and of the quorum, and nobody else is elected in that epoch.
//! - An epoch has one promotion.
//! - Nobody calls the primary objectively down of whom a quorum has not called it subjectively down.
//!
//! A failover that an operator forces asks nobody, and none of this is promised of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Said;
use crate::options::Watch;

/// For so long an opinion of another sentinel counts, and so long it may be on its way, in microseconds.
const FRESH: u64 = 5_100_000;

/// Why a replica became primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The one before was down.
    Down,
    /// An operator wanted it, without a loss.
    Planned,
    /// An operator wanted it at any price.
    Forced,
}

/// A replica is the primary, as the sentinel that led that has on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The node's number.
    pub node: usize,
    /// Why.
    pub cause: Cause,
    /// In which epoch.
    pub epoch: u64,
    /// When it began to be chosen, in microseconds.
    pub selected: u64,
}

/// What one sentinel is at.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    epoch: u64,
    cause: Cause,
    selected: u64,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Elections {
    /// Which machine has which id.
    ids: BTreeMap<usize, String>,
    /// Who voted for whom, by epoch.
    votes: BTreeMap<u64, BTreeSet<(usize, String)>>,
    /// Who was elected.
    leaders: BTreeMap<u64, usize>,
    promoted: BTreeMap<u64, usize>,
    attempts: BTreeMap<usize, Attempt>,
    /// Promotions that only their leader knows of, and from which version of its state on they are kept.
    pending: BTreeMap<usize, (Promotion, Option<u64>)>,
    /// Who calls the primary down: until when that counts.
    down: BTreeMap<usize, u64>,
    /// Elections that were won.
    pub won: u64,
    /// Promotions.
    pub promotions: u64,
}

impl Elections {
    /// A sentinel has this id.
    pub fn introduce(&mut self, machine: usize, id: String) {
        self.ids.insert(machine, id);
    }

    /// A sentinel said or kept something; the promotion that it led, if that is on its disk now.
    pub fn hear(&mut self, said: &Said, watch: &Watch) -> Option<Promotion> {
        let Said { at, machine, text } = said;
        let mut words = text.split(' ');
        match words.next()? {
            "+vote-for-leader" => {
                let (id, epoch) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
                if self.ids.get(machine) == Some(&id)
                    && let Some(attempt) = self.attempts.get_mut(machine)
                {
                    attempt.epoch = epoch;
                }
                self.votes.entry(epoch).or_default().insert((*machine, id));
            }
            "+try-failover" => {
                let attempt = Attempt { epoch: 0, cause: Cause::Down, selected: 0 };
                self.attempts.insert(*machine, attempt);
            }
            "A" if text.starts_with("A forced failover") => self.note_cause(*machine, Cause::Forced),
            "mymaster:" if text.contains("writes wait at offset") => {
                self.note_cause(*machine, Cause::Planned)
            }
            "+elected-leader" => self.elect(*machine, watch),
            "+failover-state-select-slave" => {
                self.attempts.get_mut(machine)?.selected = *at;
            }
            "+promoted-slave" => {
                let node = text.split(' ').nth(3)?.rsplit('.').next()?.parse::<usize>().ok()? - 1;
                self.promote(*machine, node);
            }
            "+sdown" if words.next() == Some("master") => drop(self.down.insert(*machine, u64::MAX)),
            "-sdown" if words.next() == Some("master") => drop(self.down.insert(*machine, at + FRESH)),
            "+switch-master" => self.forget_down(*at, *machine),
            "ordered" => {
                let (_, version) = self.pending.get_mut(machine)?;
                *version = version.or(words.next()?.parse().ok());
            }
            "stored" => {
                let stored: u64 = words.next()?.parse().ok()?;
                let (promotion, _) =
                    self.pending.get(machine).filter(|(_, kept)| kept.is_some_and(|kept| kept <= stored))?;
                let promotion = *promotion;
                self.pending.remove(machine);
                return Some(promotion);
            }
            "+odown" => self.agree(*at, *machine, watch),
            _ => {}
        }
        None
    }

    /// Whether a sentinel has promoted a node and not kept that yet.
    pub fn is_coming(&self, node: usize) -> bool {
        self.pending.values().any(|(promotion, _)| promotion.node == node)
    }

    /// A sentinel is gone, and what it said may still be on its way. Of a promotion that it had not kept, nobody knows.
    pub fn end(&mut self, at: u64, machine: usize) {
        self.pending.remove(&machine);
        self.forget_down(at, machine);
    }

    fn forget_down(&mut self, at: u64, machine: usize) {
        if let Some(until) = self.down.get_mut(&machine) {
            *until = (*until).min(at + FRESH);
        }
    }

    fn note_cause(&mut self, machine: usize, cause: Cause) {
        if let Some(attempt) = self.attempts.get_mut(&machine) {
            attempt.cause = cause;
        }
    }

    fn elect(&mut self, machine: usize, watch: &Watch) {
        let attempt = self.attempts.get(&machine).expect("whoever is elected has stood");
        if attempt.cause == Cause::Forced {
            return;
        }
        let epoch = attempt.epoch;
        let id = &self.ids[&machine];
        let votes = self.votes.get(&epoch).into_iter().flatten().filter(|(_, voted)| voted == id).count();
        let needed = watch.votes_needed();
        assert!(votes >= needed, "n{machine} leads epoch {epoch} with {votes} votes of {needed}");
        let other = self.leaders.insert(epoch, machine);
        assert!(other.is_none(), "n{machine} and n{other:?} lead epoch {epoch}");
        self.won += 1;
    }

    fn promote(&mut self, machine: usize, node: usize) {
        let Some(Attempt { epoch, cause, selected }) = self.attempts.get(&machine).copied() else { return };
        if cause != Cause::Forced {
            let other = self.promoted.insert(epoch, node);
            assert!(other.is_none(), "n{node} and n{other:?} are promoted in epoch {epoch}");
        }
        self.promotions += 1;
        self.pending.insert(machine, (Promotion { node, cause, epoch, selected }, None));
    }

    fn agree(&self, at: u64, machine: usize, watch: &Watch) {
        let down = self.down.values().filter(|until| **until >= at).count();
        let quorum = watch.quorum;
        assert!(down >= quorum, "n{machine} says that {quorum} sentinels see the primary down, {down} do");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [&str; 3] = ["a", "b", "c"];

    fn hear(lines: &[(usize, &str)]) -> Vec<Promotion> {
        let mut elections = Elections::default();
        ID.iter().enumerate().for_each(|(machine, id)| elections.introduce(machine, (*id).to_owned()));
        let watch = Watch::calm();
        let said =
            |(machine, text): &(usize, &str)| Said { at: 0, machine: *machine, text: (*text).to_owned() };
        lines.iter().map(said).filter_map(|said| elections.hear(&said, &watch)).collect()
    }

    const PROMOTED: &str = "+promoted-slave slave 10.0.0.2:6379 10.0.0.2 6379 @ mymaster 10.0.0.1 6379";
    const ELECTED: [(usize, &str); 4] = [
        (0, "+try-failover master mymaster 10.0.0.1 6379"),
        (0, "+vote-for-leader a 7"),
        (1, "+vote-for-leader a 7"),
        (0, "+elected-leader master mymaster 10.0.0.1 6379"),
    ];

    #[test]
    fn a_leader_with_votes_may_promote() {
        let promotions =
            hear(&[ELECTED.as_slice(), &[(0, PROMOTED), (0, "ordered 4"), (0, "stored 3")]].concat());
        assert_eq!(promotions, [], "nobody else knows");
        let promotions =
            hear(&[ELECTED.as_slice(), &[(0, PROMOTED), (0, "ordered 4"), (0, "stored 4")]].concat());
        assert_eq!(promotions, [Promotion { node: 1, cause: Cause::Down, epoch: 7, selected: 0 }]);
    }

    #[test]
    #[should_panic(expected = "n0 leads epoch 7 with 1 votes of 2")]
    fn a_leader_without_votes_is_found() {
        hear(&[ELECTED[0], ELECTED[1], ELECTED[3]]);
    }

    #[test]
    #[should_panic(expected = "lead epoch 7")]
    fn a_second_leader_is_found() {
        let second = [
            (2, "+try-failover master mymaster 10.0.0.1 6379"),
            (2, "+vote-for-leader c 7"),
            (1, "+vote-for-leader c 7"),
            (2, "+elected-leader master mymaster 10.0.0.1 6379"),
        ];
        hear(&[ELECTED, second].concat());
    }

    #[test]
    #[should_panic(expected = "are promoted in epoch 7")]
    fn a_second_promotion_is_found() {
        hear(&[ELECTED.as_slice(), &[(0, PROMOTED), (0, PROMOTED)]].concat());
    }

    #[test]
    #[should_panic(expected = "n0 says that 2 sentinels see the primary down, 1 do")]
    fn a_quorum_that_is_none_is_found() {
        hear(&[
            (0, "+sdown master mymaster 10.0.0.1 6379"),
            (0, "+odown master mymaster 10.0.0.1 6379 #quorum 2/2"),
        ]);
    }
}
