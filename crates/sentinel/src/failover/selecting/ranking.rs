//! How candidates are compared, and which of them is the best.
//! It looks at what they have told only; who may be a candidate is decided by whoever asks.

use std::cmp::Reverse;

/// What counts of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) number: u64,
    pub(super) priority: u32,
    pub(super) zone: &'a str,
    pub(super) offset: u64,
    pub(super) run_id: &'a str,
    /// Of which history its data is.
    pub(super) history: &'a str,
}

/// How candidates are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranking<'a> {
    pub(super) max_lag: u64,
    pub(super) zone: &'a str,
    /// The primary's history; offsets of another cannot be compared with it.
    pub(super) history: &'a str,
    /// Whether no acknowledged write may be lost.
    pub(super) is_safe: bool,
}

/// Why nobody was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoChoice {
    /// There is none that may be promoted.
    None,
    /// One that may not be promoted is further than all that may.
    BehindUnpromotable,
}

/// The best of the candidates.
pub(super) fn best(candidates: &[Candidate<'_>], ranking: Ranking<'_>) -> Result<u64, NoChoice> {
    let is_same = |candidate: &&Candidate<'_>| candidate.history == ranking.history;
    let has_same = candidates.iter().any(|candidate| is_same(&candidate));
    let candidates: Vec<&Candidate<'_>> =
        candidates.iter().filter(|candidate| !has_same || is_same(candidate)).collect();
    let furthest = candidates.iter().map(|candidate| candidate.offset).max().unwrap_or(0);
    let rank = |candidate: &&&Candidate<'_>| {
        let lag = furthest - candidate.offset;
        (
            ranking.is_safe && lag > 0,
            candidate.priority,
            ranking.max_lag > 0 && lag > ranking.max_lag,
            !ranking.zone.is_empty() && candidate.zone != ranking.zone,
            Reverse(candidate.offset),
            candidate.run_id.to_owned(),
        )
    };
    let promotable = candidates.iter().filter(|candidate| candidate.priority > 0);
    let best = promotable.min_by_key(rank).ok_or(NoChoice::None)?;
    if ranking.is_safe && best.offset < furthest {
        return Err(NoChoice::BehindUnpromotable);
    }
    Ok(best.number)
}

#[cfg(test)]
mod tests;
