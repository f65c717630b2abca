//! Ranges of a sorted set: by rank, by score, by bytes.
//!
//! A [`Range`] is read from two arguments; [`Range::window`] finds the ranks it
//! covers, so that replies, removals and copies all work on one kind of range.

use slipstream_keyspace::{LexBound, ScoreBound, SortedSet};
use slipstream_resp::number::parse_f64;

use crate::call::integer;
use crate::errors::CommandError;

/// What the two ends of a range are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// A range whose lower end stands first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range<'a> {
    /// Ranks from one end, negative ones from the other.
    Rank(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound<'a>, LexBound<'a>),
}

/// Members that lie side by side: the rank of the first in ascending order, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl<'a> Range<'a> {
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        match by {
            By::Rank => Ok(Range::Rank(integer(min)?, integer(max)?)),
            By::Score => match (score_bound(min), score_bound(max)) {
                (Some(min), Some(max)) => Ok(Range::Score(min, max)),
                _ => Err(CommandError::BOUND_NOT_FLOAT),
            },
            By::Lex => match (lex_bound(min), lex_bound(max)) {
                (Some(min), Some(max)) => Ok(Range::Lex(min, max)),
                _ => Err(CommandError::BOUND_NOT_LEX),
            },
        }
    }

    /// The members in the range; `reverse` counts the ranks of a rank range from the greatest member.
    pub(super) fn window(&self, set: &SortedSet<'_>, reverse: bool) -> Window {
        let (first, after) = match *self {
            Range::Rank(start, stop) => return rank_window(start, stop, set.len(), reverse),
            Range::Score(min, max) => (set.rank_of_first_score(min), set.rank_after_last_score(max)),
            Range::Lex(min, max) => (set.rank_of_first_lex(min), set.rank_after_last_lex(max)),
        };
        Window { first, count: after.saturating_sub(first) }
    }
}

impl Window {
    /// What LIMIT leaves of it, walked in the given direction. A negative offset leaves nothing, a
    /// negative count takes all.
    pub(super) fn limit(self, offset: i64, count: i64, reverse: bool) -> Window {
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(self.count);
        let left = self.count - skipped;
        let taken = usize::try_from(count).unwrap_or(usize::MAX).min(left);
        let first = if reverse { self.first + left - taken } else { self.first + skipped };
        Window { first, count: taken }
    }
}

fn rank_window(start: i64, stop: i64, len: usize, reverse: bool) -> Window {
    let length = i64::try_from(len).expect("a length fits 63 bits");
    let from_end = |rank: i64| if rank < 0 { rank.saturating_add(length) } else { rank };
    let start = from_end(start).max(0);
    let stop = from_end(stop).min(length - 1);
    if start > stop {
        return Window { first: 0, count: 0 };
    }
    let count = usize::try_from(stop - start + 1).expect("positive, and at most the length");
    let first = usize::try_from(start).expect("not negative, and below the length");
    Window { first: if reverse { len - first - count } else { first }, count }
}

fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    match text {
        [b'(', rest @ ..] => leading_double(rest).map(ScoreBound::Exclusive),
        _ => leading_double(text).map(ScoreBound::Inclusive),
    }
}

/// A double as C's `strtod` takes it: an empty text is zero, spaces may precede, what is too great
/// is infinite. Scores of members are read more strictly.
fn leading_double(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !b" \t\n\x0b\x0c\r".contains(byte))?;
    let text = &text[start..];
    parse_f64(text).or_else(|| {
        let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        (!value.is_nan()).then_some(value)
    })
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Min),
        b"+" => Some(LexBound::Max),
        [b'(', rest @ ..] => Some(LexBound::Exclusive(rest)),
        [b'[', rest @ ..] => Some(LexBound::Inclusive(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_ranks(start: i64, stop: i64, reverse: bool, expected: (usize, usize)) {
        let window = rank_window(start, stop, 5, reverse);
        assert_eq!((window.first, window.count), expected, "{start} {stop} {reverse}");
    }

    #[test]
    fn ranks_count_from_either_end_and_are_cut_to_the_set() {
        check_ranks(0, -1, false, (0, 5));
        check_ranks(1, 2, false, (1, 2));
        check_ranks(1, 2, true, (2, 2));
        check_ranks(-2, 100, false, (3, 2));
        check_ranks(-100, 0, true, (4, 1));
        check_ranks(3, 1, false, (0, 0));
        check_ranks(5, 9, false, (0, 0));
        check_ranks(0, -6, false, (0, 0));
        check_ranks(i64::MIN, i64::MAX, false, (0, 5));
    }

    #[test]
    fn a_limit_skips_and_takes_in_the_direction_of_the_walk() {
        let window = Window { first: 10, count: 5 };
        let check = |offset, count, reverse, first, taken| {
            assert_eq!(window.limit(offset, count, reverse), Window { first, count: taken });
        };
        check(1, 2, false, 11, 2);
        check(1, 2, true, 12, 2);
        check(0, -1, true, 10, 5);
        check(4, 9, false, 14, 1);
        assert_eq!(window.limit(-1, 2, false).count, 0);
        assert_eq!(window.limit(5, 2, true).count, 0);
        assert_eq!(window.limit(0, 0, false).count, 0);
    }

    #[test]
    fn score_ends_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("1.5", Some(ScoreBound::Inclusive(1.5))),
            ("(1.5", Some(ScoreBound::Exclusive(1.5))),
            ("-inf", Some(ScoreBound::Inclusive(f64::NEG_INFINITY))),
            ("(+inf", Some(ScoreBound::Exclusive(f64::INFINITY))),
            ("", Some(ScoreBound::Inclusive(0.0))),
            (" 2", Some(ScoreBound::Inclusive(2.0))),
            ("1e999", Some(ScoreBound::Inclusive(f64::INFINITY))),
            ("nan", None),
            (" ", None),
            ("1 ", None),
            ("[1", None),
        ] {
            assert_eq!(score_bound(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn ends_by_bytes_say_whether_they_belong_to_the_range() {
        assert_eq!(lex_bound(b"-"), Some(LexBound::Min));
        assert_eq!(lex_bound(b"+"), Some(LexBound::Max));
        assert_eq!(lex_bound(b"["), Some(LexBound::Inclusive(b"")));
        assert_eq!(lex_bound(b"(a"), Some(LexBound::Exclusive(b"a")));
        assert_eq!(lex_bound(b"a"), None);
        assert_eq!(lex_bound(b"+a"), None);
        assert_eq!(lex_bound(b""), None);
    }
}
