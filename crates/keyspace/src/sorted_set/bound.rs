//! The order of members, the ends of score ranges and of ranges by member.
//!
//! A bound only compares; where it falls in a sorted set is found by the set.

use std::cmp::Ordering;

/// By score, then member; minus zero equals zero.
pub(super) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).expect("no score is NaN").then_with(|| a.1.cmp(b.1))
}

/// One end of a score range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// The score itself is in the range.
    Inclusive(f64),
    /// The score itself is not.
    Exclusive(f64),
}

impl ScoreBound {
    /// As a lower end: whether `score` is too small.
    pub fn is_above(self, score: f64) -> bool {
        match self {
            ScoreBound::Inclusive(bound) => score < bound,
            ScoreBound::Exclusive(bound) => score <= bound,
        }
    }

    /// As an upper end: whether `score` is too great.
    pub fn is_below(self, score: f64) -> bool {
        match self {
            ScoreBound::Inclusive(bound) => score > bound,
            ScoreBound::Exclusive(bound) => score >= bound,
        }
    }
}

/// One end of a range by member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Below every member.
    Min,
    /// Above every member.
    Max,
    /// The member itself is in the range.
    Inclusive(&'a [u8]),
    /// The member itself is not.
    Exclusive(&'a [u8]),
}

impl LexBound<'_> {
    /// As a lower end: whether `member` is too small.
    pub fn is_above(self, member: &[u8]) -> bool {
        match self {
            LexBound::Min => false,
            LexBound::Max => true,
            LexBound::Inclusive(bound) => member < bound,
            LexBound::Exclusive(bound) => member <= bound,
        }
    }

    /// As an upper end: whether `member` is too great.
    pub fn is_below(self, member: &[u8]) -> bool {
        match self {
            LexBound::Min => true,
            LexBound::Max => false,
            LexBound::Inclusive(bound) => member > bound,
            LexBound::Exclusive(bound) => member >= bound,
        }
    }
}
