//! Leases, hellos and time, as events in and whether the node may write out.

use super::*;

const DOWN_AFTER: u64 = 1000;

/// As a primary, held for one.
const PRIMARY: Held = Held { holds_for_primary: true, is_replica: false };
/// As a primary, held for a replica.
const TAKEN_FOR_REPLICA: Held = Held { holds_for_primary: false, is_replica: false };
/// As a replica, held for one.
const REPLICA: Held = Held { holds_for_primary: false, is_replica: true };

fn id(number: usize) -> SentinelId {
    SentinelId::parse(format!("{number:040x}").as_bytes()).unwrap()
}

fn fence() -> Fencing {
    Fencing::new(u64::MAX, 30_000)
}

/// What sentinel `number` of `sentinels` says that has had this token.
fn lease(number: usize, (quorum, sentinels): (u32, u32), token: u64) -> Lease {
    Lease { sentinel: id(number), quorum, sentinels, down_after_ms: DOWN_AFTER, token }
}

/// Leases of some sentinels of a group, all proved at a moment.
fn leased(group: (u32, u32), numbers: std::ops::Range<usize>, at: u64) -> Fencing {
    let mut fence = fence();
    renew(&mut fence, group, numbers, at);
    fence
}

fn renew(fence: &mut Fencing, group: (u32, u32), numbers: std::ops::Range<usize>, at: u64) {
    for number in numbers {
        let token = fence.token(Moment(at));
        fence.on_lease(Moment(at), lease(number, group, token), PRIMARY).unwrap();
    }
}

#[test]
fn an_id_is_forty_hexadecimal_digits() {
    let text = "0123456789abcdefABCDEF0123456789abcdef01";
    assert_eq!(SentinelId::parse(text.as_bytes()), SentinelId::parse(text.to_lowercase().as_bytes()));
    assert!(SentinelId::parse(text.as_bytes()).is_some());
    assert_eq!(SentinelId::parse(&text.as_bytes()[1..]), None);
    assert_eq!(SentinelId::parse(text.replace('0', "g").as_bytes()), None);
}

#[test]
fn who_is_watched_by_nobody_is_fenced() {
    let fence = fence();
    assert!(!fence.may_write(Moment(0)));
    assert_eq!((fence.running(Moment(0)), fence.len(), fence.needed()), (0, 0, 1));
}

#[test]
fn a_token_that_comes_back_proves_that_an_answer_arrived() {
    let mut fence = fence();
    fence.on_lease(Moment(100), lease(0, (1, 1), 0), PRIMARY).unwrap();
    assert!(!fence.may_write(Moment(100)), "it has had no answer");
    let token = fence.token(Moment(100));
    fence.on_lease(Moment(500), lease(0, (1, 1), token), PRIMARY).unwrap();
    assert!(fence.may_write(Moment(999)));
    assert!(!fence.may_write(Moment(1000)), "nine tenths of down-after since the token, not since it came");
    assert_eq!(fence.until(), Moment(1000));
}

#[test]
fn only_a_token_of_this_process_and_of_the_past_proves_anything() {
    let check = |what: &str, token: u64, proves: bool| {
        let mut fence = fence();
        fence.on_lease(Moment(500), lease(0, (1, 1), token), PRIMARY).unwrap();
        assert_eq!(fence.may_write(Moment(500)), proves, "{what}");
    };
    let own = fence();
    check("of now", own.token(Moment(500)), true);
    check("of the first moment", own.token(Moment(0)), true);
    check("of the future", own.token(Moment(501)), false);
    check("none", 0, false);
    check("of an earlier life", Fencing::new(1 << 20, 0).token(Moment(500)), false);
    check("any number", u64::MAX, false);
    assert!(i64::try_from(own.token(Moment(1 << 40))).is_ok(), "it is an integer on the wire");
}

#[test]
fn where_only_one_way_is_left_leases_run_out() {
    let mut fence = leased((1, 1), 0..1, 0);
    let old = fence.token(Moment(0));
    for now in (100..2000).step_by(100) {
        fence.on_lease(Moment(now), lease(0, (1, 1), old), PRIMARY).unwrap();
        assert_eq!(fence.may_write(Moment(now)), now < 900, "at {now}");
    }
}

#[test]
fn fewer_than_a_quorum_may_be_silent() {
    let check = |(quorum, sentinels): (u32, u32), needed: usize| {
        for running in 0..=sentinels as usize {
            let mut fence = leased((quorum, sentinels), 0..sentinels as usize, 0);
            renew(&mut fence, (quorum, sentinels), 0..running, 500);
            let what = format!("{running} of {sentinels}, quorum {quorum}");
            assert_eq!(fence.may_write(Moment(1000)), running >= needed, "{what}");
            assert_eq!(fence.needed(), needed, "{what}");
            assert_eq!(fence.running(Moment(1000)), running, "{what}");
        }
    };
    check((1, 1), 1);
    check((2, 2), 1);
    check((2, 3), 2);
    check((1, 3), 3);
    check((3, 3), 1);
    check((3, 5), 3);
    check((2, 5), 4);
    // A quorum that nobody can reach.
    check((5, 3), 1);
}

#[test]
fn the_largest_group_and_the_smallest_quorum_count() {
    let mut fence = leased((3, 5), 0..1, 0);
    renew(&mut fence, (2, 3), 1..4, 0);
    assert_eq!(fence.needed(), 4);
    assert!(fence.may_write(Moment(0)));
    renew(&mut fence, (2, 3), 0..1, 0);
    assert_eq!(fence.needed(), 2, "what one says takes the place of what it said before");
}

#[test]
fn a_shorter_down_after_shortens_the_lease() {
    let mut fence = leased((1, 1), 0..1, 0);
    let told = Lease { down_after_ms: 100, ..lease(0, (1, 1), fence.token(Moment(0))) };
    fence.on_lease(Moment(10), told, PRIMARY).unwrap();
    assert_eq!(fence.until(), Moment(90));
}

#[test]
fn an_older_token_takes_nothing_back() {
    let mut fence = leased((1, 1), 0..1, 500);
    let old = fence.token(Moment(100));
    fence.on_lease(Moment(600), lease(0, (1, 1), old), PRIMARY).unwrap();
    assert_eq!(fence.until(), Moment(1400));
}

#[test]
fn who_holds_a_primary_for_a_replica_does_not_let_it_write() {
    let check = |what: &str, role: Held, counts: bool| {
        let mut fence = fence();
        let token = fence.token(Moment(0));
        fence.on_lease(Moment(0), lease(0, (1, 1), token), role).unwrap();
        assert_eq!(fence.may_write(Moment(0)), counts, "{what}");
        let mut fence = self::fence();
        fence.on_hello(Moment(0), id(0), role).unwrap();
        fence.on_sign_of_life(Moment(10), (id(0), Moment(5)), role.is_replica);
        assert_eq!(fence.may_write(Moment(10)), counts, "{what}, by signs of life");
    };
    check("an old primary that came back", TAKEN_FOR_REPLICA, false);
    check("a replica, to be promoted", REPLICA, true);
    check("a primary", PRIMARY, true);
    check("a primary that hands over", Held { holds_for_primary: true, is_replica: true }, true);
}

#[test]
fn leases_of_a_replica_carry_it_over_its_promotion() {
    let mut fence = fence();
    for number in 0..3 {
        let token = fence.token(Moment(0));
        fence.on_lease(Moment(0), lease(number, (2, 3), token), REPLICA).unwrap();
    }
    // Promoted; two of the sentinels do not know yet.
    for number in 1..3 {
        let token = fence.token(Moment(100));
        fence.on_lease(Moment(100), lease(number, (2, 3), token), TAKEN_FOR_REPLICA).unwrap();
    }
    assert_eq!(fence.until(), Moment(900), "they neither take back nor renew");
    assert_eq!(fence.holding_for_replica(), 3);
}

#[test]
fn a_silent_sentinel_is_forgotten_while_others_are_enough() {
    let mut fence = leased((2, 3), 0..3, 0);
    for now in (500..=10_000).step_by(500) {
        renew(&mut fence, (2, 3), 0..2, now);
        assert_eq!(fence.len(), 3, "at {now}");
    }
    renew(&mut fence, (2, 3), 0..2, 10_001);
    assert_eq!(fence.len(), 2);
    assert_eq!(fence.needed(), 2, "the others still count it");
}

#[test]
fn a_partition_does_not_shrink_the_group() {
    let mut fence = leased((2, 3), 0..3, 0);
    // The one on this side was reset, and knows nobody else.
    for now in (500..100_000).step_by(500) {
        renew(&mut fence, (2, 1), 0..1, now);
    }
    assert_eq!((fence.len(), fence.needed()), (3, 2));
    assert!(!fence.may_write(Moment(99_500)));
    // The others are back, and all know each other.
    renew(&mut fence, (2, 3), 0..3, 100_000);
    assert!(fence.may_write(Moment(100_000)));
}

#[test]
fn sentinels_that_were_replaced_do_not_stand_in_the_way() {
    let mut fence = leased((2, 3), 0..3, 0);
    renew(&mut fence, (2, 3), 3..6, 50_000);
    assert!(fence.may_write(Moment(50_000)));
    assert_eq!(fence.len(), 3);
}

#[test]
fn stock_sentinels_count_by_their_signs_of_life() {
    let mut fence = Fencing::new(0, 1000);
    for number in 0..3 {
        fence.on_hello(Moment(0), id(number), PRIMARY).unwrap();
    }
    assert!(!fence.may_write(Moment(0)), "who knows when the hellos were sent?");
    for number in 0..3 {
        fence.on_sign_of_life(Moment(200), (id(number), Moment(100)), false);
    }
    assert_eq!((fence.needed(), fence.until()), (2, Moment(1000)));
    fence.on_sign_of_life(Moment(600), (id(1), Moment(500)), false);
    assert_eq!(fence.until(), Moment(1000), "one of three is not enough");
    fence.on_sign_of_life(Moment(600), (id(2), Moment(500)), false);
    assert_eq!(fence.until(), Moment(1400));
    fence.set_greeting_ms(Moment(600), 2000);
    assert_eq!(fence.until(), Moment(2300));
    fence.on_sign_of_life(Moment(600), (id(9), Moment(600)), false);
    assert_eq!(fence.len(), 3, "only who said hello is a sentinel");
}

#[test]
fn who_proves_is_not_taken_at_its_signs_of_life() {
    let mut fence = leased((1, 1), 0..1, 0);
    fence.on_hello(Moment(500), id(0), PRIMARY).unwrap();
    fence.on_sign_of_life(Moment(800), (id(0), Moment(700)), false);
    assert_eq!(fence.until(), Moment(900));
    // And the other way about: what was taken for a lease is none once it could prove it.
    let mut fence = Fencing::new(0, 1000);
    fence.on_hello(Moment(0), id(0), PRIMARY).unwrap();
    fence.on_sign_of_life(Moment(100), (id(0), Moment(50)), false);
    fence.on_lease(Moment(200), lease(0, (1, 1), 0), PRIMARY).unwrap();
    assert!(!fence.may_write(Moment(200)));
}

#[test]
fn mixed_groups_count_both_kinds() {
    let mut fence = leased((2, 3), 0..1, 0);
    for number in 1..3 {
        fence.on_hello(Moment(0), id(number), PRIMARY).unwrap();
    }
    assert_eq!(fence.needed(), 2);
    assert!(!fence.may_write(Moment(0)));
    fence.on_sign_of_life(Moment(10), (id(1), Moment(0)), false);
    assert_eq!(fence.until(), Moment(900));
}

#[test]
fn only_so_many_sentinels_are_known() {
    let mut fence = leased((2, 3), 0..MOST, 0);
    let one_more = lease(MOST, (2, 3), 0);
    assert_eq!(fence.on_lease(Moment(1), one_more, PRIMARY), Err(TooMany));
    assert_eq!(fence.on_hello(Moment(1), id(MOST), PRIMARY), Err(TooMany));
    assert_eq!(fence.on_lease(Moment(1), lease(0, (2, 3), 0), PRIMARY), Ok(()));
}

#[test]
fn a_node_is_watched_if_most_sentinels_prove_it() {
    let check = |what: &str, proving: usize, greeting: usize, watched: bool| {
        let mut fence = leased((2, 3), 0..proving, 0);
        for number in proving..proving + greeting {
            fence.on_hello(Moment(0), id(number), PRIMARY).unwrap();
            fence.on_sign_of_life(Moment(10), (id(number), Moment(0)), false);
        }
        assert_eq!(fence.is_watched(Moment(10)), watched, "{what}");
        assert!(!fence.is_watched(Moment(900)), "{what}: no longer than the leases run");
    };
    check("nobody", 0, 0, false);
    check("one of three", 1, 0, false);
    check("two of three", 2, 0, true);
    check("two and a stock one", 2, 1, true);
    check("stock ones", 0, 3, false);
}
