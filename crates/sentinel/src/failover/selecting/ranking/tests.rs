//! Who is promoted, as a table.

use super::*;

const PLAIN: Ranking<'_> = Ranking { max_lag: 0, zone: "", history: "h", is_safe: false };

/// Candidates as (priority, zone, offset, run id, history); the first has number 0.
fn check(rows: &[(u32, &str, u64, &str, &str)], ranking: Ranking<'_>, expected: Result<u64, NoChoice>) {
    let mut candidates = Vec::new();
    for (number, (priority, zone, offset, run_id, history)) in (0..).zip(rows) {
        let (priority, offset) = (*priority, *offset);
        candidates.push(Candidate { number, priority, zone, offset, run_id, history });
    }
    assert_eq!(best(&candidates, ranking), expected, "{rows:?} {ranking:?}");
}

#[test]
fn the_lowest_priority_then_the_furthest_then_the_lowest_id() {
    check(&[], PLAIN, Err(NoChoice::None));
    check(&[(0, "", 9, "a", "h")], PLAIN, Err(NoChoice::None));
    check(&[(100, "", 9, "a", "h"), (50, "", 1, "b", "h")], PLAIN, Ok(1));
    check(&[(100, "", 1, "a", "h"), (100, "", 9, "b", "h")], PLAIN, Ok(1));
    check(&[(100, "", 9, "b", "h"), (100, "", 9, "a", "h")], PLAIN, Ok(1));
}

#[test]
fn lag_and_zone_come_between() {
    let zone = Ranking { zone: "x", ..PLAIN };
    check(&[(100, "", 9, "a", "h"), (100, "x", 5, "b", "h")], zone, Ok(1));
    check(&[(10, "", 9, "a", "h"), (100, "x", 9, "b", "h")], zone, Ok(0));
    let both = Ranking { max_lag: 3, ..zone };
    check(&[(100, "", 9, "a", "h"), (100, "x", 5, "b", "h")], both, Ok(0));
    check(&[(100, "", 9, "a", "h"), (100, "x", 6, "b", "h")], both, Ok(1));
}

#[test]
fn nothing_acknowledged_is_lost_where_that_is_asked_for() {
    let safe = Ranking { is_safe: true, ..PLAIN };
    check(&[(100, "", 9, "a", "h"), (50, "", 8, "b", "h")], safe, Ok(0));
    check(&[(0, "", 9, "a", "h"), (50, "", 8, "b", "h")], safe, Err(NoChoice::BehindUnpromotable));
    check(&[(0, "", 8, "a", "h"), (50, "", 8, "b", "h")], safe, Ok(1));
}

#[test]
fn another_history_counts_only_where_nobody_has_the_primarys() {
    check(&[(100, "", 99, "a", "old"), (100, "", 1, "b", "h")], PLAIN, Ok(1));
    check(&[(100, "", 99, "a", "old"), (100, "", 1, "b", "older")], PLAIN, Ok(0));
}
