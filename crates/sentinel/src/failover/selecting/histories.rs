//! Which history the primary was on at last, by what it said itself and by what its replicas say.
//!
//! The leader may not have heard the primary since its history changed, because it was promoted or started again. A
//! replica that has had its stream since knows better: its history goes on from the one that is known, or the primary was
//! there for it at a later time.

use slipstream_replication::Moment;

/// A history, as somebody has told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) history: &'a str,
    /// What it goes on from.
    pub(super) before: &'a str,
    /// Where it does: the first offset that is its own; 0 if that is not told.
    pub(super) fork: u64,
    /// When the primary was known to be on it.
    pub(super) at: Moment,
}

/// Times that are told in seconds are that much too late at most, in milliseconds.
const COARSE: u64 = 1000;

/// The last history of the primary.
pub(super) fn last<'a>(primary: Told<'a>, replicas: &[Told<'a>]) -> Told<'a> {
    let mut last = primary;
    // Each step leads to another of them; a circle of lies ends, too.
    for _ in 0..replicas.len() {
        let past = past(last, replicas);
        let goes_on = |told: &&Told<'a>| told.history != last.history && told.before == last.history;
        let is_later = |told: &&Told<'a>| !past.contains(&told.history) && told.at > last.at.after_ms(COARSE);
        let next = replicas
            .iter()
            .find(goes_on)
            .or_else(|| replicas.iter().filter(is_later).max_by_key(|told| told.at));
        let Some(next) = next else { break };
        last = Told { at: next.at.max(last.at), ..*next };
    }
    last
}

/// A history, and what it is known to go on from. Who stood still may name an old one with a link that it takes for up.
fn past<'a>(last: Told<'a>, replicas: &[Told<'a>]) -> Vec<&'a str> {
    let mut past = vec![last.history, last.before];
    for _ in 0..replicas.len() {
        let further = |told: &&Told<'a>| past.contains(&told.history) && !past.contains(&told.before);
        let Some(further) = replicas.iter().find(further) else { break };
        past.push(further.before);
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Histories as (history, what it goes on from, when the primary was on it).
    fn check(primary: (&str, &str, u64), replicas: &[(&str, &str, u64)], expected: &str) {
        let primary = Told { history: primary.0, before: primary.1, fork: 0, at: Moment(primary.2) };
        let rows: Vec<Told<'_>> = replicas
            .iter()
            .map(|(history, before, at)| Told { history, before, fork: 0, at: Moment(*at) })
            .collect();
        assert_eq!(last(primary, &rows).history, expected, "{primary:?} {rows:?}");
    }

    #[test]
    fn what_the_primary_said_unless_a_replica_knows_better() {
        check(("b", "a", 9000), &[], "b");
        check(("b", "a", 9000), &[("b", "a", 9900)], "b");
        check(("b", "a", 9000), &[("a", "0", 99_000)], "b");
        check(("b", "a", 9000), &[("c", "b", 5000)], "c");
        check(("b", "a", 9000), &[("c", "b", 0), ("d", "c", 0), ("b", "a", 9500)], "d");
    }

    #[test]
    fn where_nothing_leads_from_one_to_the_other_the_later_one_counts() {
        check(("b", "a", 9000), &[("d", "c", 99_000)], "d");
        check(("b", "a", 9000), &[("d", "c", 9900)], "b");
        check(("b", "a", 9000), &[("d", "c", 50_000), ("f", "e", 99_000)], "f");
        check(("b", "a", 9000), &[("d", "c", 50_000), ("e", "d", 1000)], "e");
        check(("", "", 0), &[("d", "c", 5000)], "d");
    }

    #[test]
    fn what_others_have_gone_on_from_is_past_whoever_names_it() {
        check(("c", "b", 9000), &[("a", "z", 99_000), ("b", "a", 5000)], "c");
        check(("d", "c", 9000), &[("a", "z", 99_000), ("b", "a", 5000), ("c", "b", 5000)], "d");
        check(("d", "c", 9000), &[("a", "z", 99_000), ("b", "a", 5000)], "b");
    }

    #[test]
    fn a_circle_of_lies_ends() {
        check(("b", "a", 9000), &[("a", "b", 0), ("b", "a", 0)], "b");
    }
}
