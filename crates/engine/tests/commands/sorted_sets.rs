//! Sorted sets: requests, replies in both protocols, and what is propagated.

use crate::script::Script;

/// A node with `z` = a 1, b 2, c 3, d 3.
fn filled() -> Script {
    let mut script = Script::new();
    script.check_write("ZADD z 1 a 2 b 3 c 3 d", ":4");
    script
}

#[test]
fn zadd_counts_what_is_new_or_with_ch_what_changed() {
    let mut s = filled();
    s.check_write("ZADD z 5 a 6 e", ":1");
    s.check_write("ZADD z CH 1 a 7 f 2 b", ":2");
    s.check_read("ZADD z 1 a", ":0");
    s.check_read("ZADD z XX 1 nosuch", ":0");
    s.check_read("ZADD nokey XX 1 a", ":0");
    s.check_read("ZADD z NX CH 9 a", ":0");
}

#[test]
fn zadd_keeps_scores_that_gt_and_lt_protect() {
    let mut s = filled();
    s.check_read("ZADD z GT 0 a", ":0");
    s.check_write("ZADD z GT CH 2 a", ":1");
    s.check_read("ZADD z LT CH 3 a", ":0");
    s.check_write("ZADD z LT 1 a 4 new", ":1");
    s.check_write("ZADD z XX GT CH 10 a 10 other", ":1");
}

#[test]
fn zadd_incr_answers_the_score_or_null() {
    let mut s = filled();
    s.check_write("ZADD z INCR 1.5 a", "2.5");
    s.check_read("ZADD z NX INCR 1 a", "$-1");
    s.check_read("ZADD z XX INCR 1 nosuch", "$-1");
    s.check_read("ZADD z LT INCR 1 a", "$-1");
    s.check_write("ZINCRBY z -2.5 a", "0");
    s.check_read("ZINCRBY z 0 a", "0");
    s.check_write("ZADD z inf i", ":1");
    s.check_read("ZINCRBY z -inf i", "-ERR resulting score is not a number (NaN)");
    s.use_resp3();
    s.check_write("ZINCRBY z 1.5 a", ",1.5");
    s.check_read("ZADD z NX INCR 1 a", "_");
}

#[test]
fn minus_zero_loses_its_sign_in_a_small_set_and_whole_scores_print_in_full() {
    let mut s = Script::new();
    s.check_write("ZADD z -0 a 1e17 b 1e19 c 0.1 d", ":4");
    s.check_read("ZRANGE z 0 -1 WITHSCORES", "[a 0 d 0.1 b 100000000000000000 c 1e+19]");
    s.check_read("ZSCAN z 0 MATCH b", "[0 [b 100000000000000000]]");
    s.check_read("ZUNION 1 z WEIGHTS -1 WITHSCORES", "[c -1e+19 b -100000000000000000 d -0.1 a -0]");
}

#[test]
fn zadd_refuses_before_it_changes_anything() {
    let mut s = filled();
    s.check_read("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible");
    for options in ["GT LT", "GT NX", "LT NX"] {
        let error = "-ERR GT, LT, and/or NX options at the same time are not compatible";
        s.check_read(&format!("ZADD z {options} 1 a"), error);
    }
    s.check_read("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair");
    s.check_read("ZADD z 9 a x b", "-ERR value is not a valid float");
    s.check_read("ZADD z nan a", "-ERR value is not a valid float");
    s.check_read("ZADD z 1 a 2", "-ERR syntax error");
    s.check_read("ZADD z NX CH", "-ERR syntax error");
    s.check_read("ZADD z", "-ERR wrong number of arguments for 'zadd' command");
    s.check_read("ZSCORE z a", "1");
}

#[test]
fn scores_and_ranks_are_told_by_name() {
    let mut s = filled();
    s.check_read("ZCARD z", ":4");
    s.check_read("ZCARD nokey", ":0");
    s.check_read("ZSCORE z b", "2");
    s.check_read("ZSCORE z x", "$-1");
    s.check_read("ZMSCORE z a x c", "[1 $-1 3]");
    s.check_read("ZMSCORE nokey a", "[$-1]");
    s.check_read("ZRANK z c", ":2");
    s.check_read("ZREVRANK z c", ":1");
    s.check_read("ZRANK z x", "$-1");
    s.check_read("ZRANK z c WITHSCORE", "[:2 3]");
    s.check_read("ZRANK z x WITHSCORE", "*-1");
    s.check_read("ZREVRANK nokey x WITHSCORE", "*-1");
    s.check_read("ZRANK z c NO", "-ERR syntax error");
    s.check_read("ZRANK z c WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command");
    s.use_resp3();
    s.check_read("ZSCORE z b", ",2");
    s.check_read("ZMSCORE z a x", "[,1 _]");
    s.check_read("ZRANK z x WITHSCORE", "_");
    s.check_read("ZREVRANK z a WITHSCORE", "[:3 ,1]");
}

#[test]
fn zrem_removes_the_key_with_its_last_member() {
    let mut s = filled();
    s.check_write("ZREM z a x b a", ":2");
    s.check_read("ZREM z x", ":0");
    s.check_read("ZREM nokey x", ":0");
    s.check_write("ZREM z c d", ":2");
    s.check_read("ZCARD z", ":0");
    assert!(s.node.keyspace.db(0).is_empty());
}

#[test]
fn zrange_by_rank_counts_from_both_ends() {
    let mut s = filled();
    s.check_read("ZRANGE z 0 -1", "[a b c d]");
    s.check_read("ZRANGE z 1 2 WITHSCORES", "[b 2 c 3]");
    s.check_read("ZRANGE z -2 100 REV", "[b a]");
    s.check_read("ZREVRANGE z 0 1 WITHSCORES", "[d 3 c 3]");
    s.check_read("ZRANGE z 5 9", "[]");
    s.check_read("ZRANGE nokey 0 -1", "[]");
    s.check_read("ZRANGE z 0 -1 LIMIT 0 -1", "[a b c d]");
    s.check_read("ZRANGE z 0 -1 LIMIT 2 -1", "[a b c d]");
    let error = "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    s.check_read("ZRANGE z 0 -1 LIMIT 0 1", error);
    s.check_read("ZRANGE z 0 x", "-ERR value is not an integer or out of range");
    s.check_read("ZRANGE z 0 -1 LIMIT 0", "-ERR syntax error");
    s.check_read("ZREVRANGE z 0 -1 REV", "-ERR syntax error");
    s.use_resp3();
    s.check_read("ZRANGE z 0 1 WITHSCORES", "[[a ,1] [b ,2]]");
    s.check_read("ZRANGE z 0 1", "[a b]");
}

#[test]
fn zrange_by_score_takes_open_ends_and_limits() {
    let mut s = filled();
    s.check_read("ZRANGE z (1 3 BYSCORE", "[b c d]");
    s.check_read("ZRANGE z 3 (1 BYSCORE REV", "[d c b]");
    s.check_read("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "[b c]");
    s.check_read("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2 WITHSCORES", "[c 3 b 2]");
    s.check_read("ZRANGE z 3 1 BYSCORE", "[]");
    s.check_read("ZRANGE z 0 9 BYSCORE LIMIT -1 2", "[]");
    s.check_read("ZRANGEBYSCORE z 2 (3 WITHSCORES", "[b 2]");
    s.check_read("ZREVRANGEBYSCORE z 3 2 LIMIT 0 -5", "[d c b]");
    s.check_read("ZRANGEBYSCORE z a 1", "-ERR min or max is not a float");
    s.check_read("ZRANGE z 1 2 BYSCORE BYLEX", "-ERR syntax error");
    s.check_read("ZCOUNT z (1 3", ":3");
    s.check_read("ZCOUNT z 3 1", ":0");
    s.check_read("ZCOUNT nokey 1 2", ":0");
    s.check_read("ZCOUNT z x 1", "-ERR min or max is not a float");
}

#[test]
fn zrange_by_lex_compares_bytes() {
    let mut s = Script::new();
    s.check_write("ZADD l 0 a 0 aa 0 b 0 c", ":4");
    s.check_read("ZRANGE l - + BYLEX", "[a aa b c]");
    s.check_read("ZRANGE l [aa (c BYLEX", "[aa b]");
    s.check_read("ZRANGE l + (a BYLEX REV LIMIT 1 2", "[b aa]");
    s.check_read("ZRANGE l + - BYLEX", "[]");
    s.check_read("ZRANGEBYLEX l (a [b", "[aa b]");
    s.check_read("ZREVRANGEBYLEX l [b -", "[b aa a]");
    s.check_read("ZLEXCOUNT l [aa +", ":3");
    s.check_read("ZLEXCOUNT l + -", ":0");
    s.check_read("ZLEXCOUNT l aa +", "-ERR min or max not valid string range item");
    let error = "-ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    s.check_read("ZRANGEBYLEX l - + WITHSCORES", error);
    s.check_write("ZREMRANGEBYLEX l (a [b", ":2");
    s.check_read("ZRANGE l 0 -1", "[a c]");
}

#[test]
fn ranges_are_removed_and_the_key_with_the_last_member() {
    let mut s = filled();
    s.check_write("ZREMRANGEBYRANK z 0 0", ":1");
    s.check_read("ZREMRANGEBYRANK z 9 12", ":0");
    s.check_write("ZREMRANGEBYSCORE z (2 3", ":2");
    s.check_read("ZREMRANGEBYSCORE z 5 6", ":0");
    s.check_write("ZREMRANGEBYRANK z 0 -1", ":1");
    assert!(s.node.keyspace.db(0).is_empty());
    s.check_read("ZREMRANGEBYRANK z 0 -1", ":0");
    s.check_read("ZREMRANGEBYRANK z 0 x", "-ERR value is not an integer or out of range");
    s.check_read("ZREMRANGEBYLEX z 0 1", "-ERR min or max not valid string range item");
}

#[test]
fn zpopmin_and_zpopmax_are_flat_but_for_a_count_in_resp3() {
    let mut s = filled();
    s.check_write("ZPOPMIN z", "[a 1]");
    s.check_write("ZPOPMAX z 2", "[d 3 c 3]");
    s.check_read("ZPOPMIN z 0", "[]");
    s.check_read("ZPOPMIN nokey", "[]");
    s.check_read("ZPOPMIN z -1", "-ERR value is out of range, must be positive");
    s.check_read("ZPOPMIN z x", "-ERR value is out of range, must be positive");
    s.check_read("ZPOPMIN z 1 2", "-ERR syntax error");
    s.check_write("ZADD z 4 e 5 f", ":2");
    s.use_resp3();
    s.check_write("ZPOPMAX z", "[f ,5]");
    s.check_write("ZPOPMAX z 9", "[[e ,4] [b ,2]]");
    assert!(s.node.keyspace.db(0).is_empty());
}

#[test]
fn zmpop_is_propagated_as_the_pop_it_became() {
    let mut s = filled();
    s.check("ZMPOP 2 none z MIN", "[z [[a 1]]]", "ZPOPMIN z 1");
    s.check("ZMPOP 1 z MAX COUNT 9", "[z [[d 3] [c 3] [b 2]]]", "ZPOPMAX z 3");
    s.check_read("ZMPOP 1 z MAX", "*-1");
    s.check_read("ZMPOP 0 z MAX", "-ERR numkeys should be greater than 0");
    s.check_read("ZMPOP 1 z MAX COUNT 0", "-ERR count should be greater than 0");
    s.check_read("ZMPOP 1 z MAX COUNT", "-ERR syntax error");
    s.check_read("ZMPOP 1 z MAX COUNT 1 COUNT 1", "-ERR syntax error");
    s.check_read("ZMPOP 9223372036854775807 z MAX", "-ERR syntax error");
    s.check_read("ZMPOP 2 z MAX", "-ERR syntax error");
}

#[test]
fn zrangestore_replaces_its_destination() {
    let mut s = filled();
    s.check_write("ZRANGESTORE d z 1 2", ":2");
    s.check_read("ZRANGE d 0 -1 WITHSCORES", "[b 2 c 3]");
    s.check_write("ZRANGESTORE z z (1 +inf BYSCORE LIMIT 1 1", ":1");
    s.check_read("ZRANGE z 0 -1", "[c]");
    s.check_write("ZRANGESTORE d none 0 -1", ":0");
    s.check_read("ZCARD d", ":0");
    s.check_read("ZRANGESTORE d none 0 -1", ":0");
    s.check_read("ZRANGESTORE d z 0 -1 WITHSCORES", "-ERR syntax error");
}

/// `x` = a 1, b 2; `y` = b 10, c 20.
fn two_sets() -> Script {
    let mut script = Script::new();
    script.check_write("ZADD x 1 a 2 b", ":2");
    script.check_write("ZADD y 10 b 20 c", ":2");
    script
}

#[test]
fn a_union_adds_up_weighted_scores() {
    let mut s = two_sets();
    s.check_read("ZUNION 2 x y WITHSCORES", "[a 1 b 12 c 20]");
    s.check_read("ZUNION 2 x y WEIGHTS 2 0.5 WITHSCORES", "[a 2 b 9 c 10]");
    s.check_read("ZUNION 2 x y AGGREGATE MAX WITHSCORES", "[a 1 b 10 c 20]");
    s.check_read("ZUNION 3 x y x AGGREGATE min", "[a b c]");
    s.check_write("ZUNIONSTORE d 3 x none y WEIGHTS 1 1 1", ":3");
    s.check_read("ZSCORE d b", "12");
    s.check_write("ZADD i inf m", ":1");
    s.check_write("ZADD j -inf m", ":1");
    s.check_read("ZUNION 2 i j WITHSCORES", "[m 0]");
    s.check_read("ZUNION 1 i WEIGHTS 0 WITHSCORES", "[m 0]");
    s.use_resp3();
    s.check_read("ZUNION 2 x y WITHSCORES", "[[a ,1] [b ,12] [c ,20]]");
}

#[test]
fn an_intersection_holds_what_all_sources_share() {
    let mut s = two_sets();
    s.check_read("ZINTER 2 x y WITHSCORES", "[b 12]");
    s.check_read("ZINTER 2 x x WITHSCORES", "[a 2 b 4]");
    s.check_read("ZINTER 2 x none", "[]");
    s.check_read("ZINTERCARD 2 x x", ":2");
    s.check_read("ZINTERCARD 2 x x LIMIT 1", ":1");
    s.check_read("ZINTERCARD 2 x x LIMIT 0", ":2");
    s.check_read("ZINTERCARD 1 x LIMIT -1", "-ERR LIMIT can't be negative");
    s.check_read("ZINTERCARD 1 x WITHSCORES", "-ERR syntax error");
    s.check_write("ZINTERSTORE x 2 x y AGGREGATE MIN", ":1");
    s.check_read("ZRANGE x 0 -1 WITHSCORES", "[b 2]");
    s.check_write("ZINTERSTORE x 2 x none", ":0");
    s.check_read("ZCARD x", ":0");
    s.check_read("ZINTERSTORE x 2 x none", ":0");
}

#[test]
fn a_difference_keeps_the_scores_of_the_first_source() {
    let mut s = two_sets();
    s.check_read("ZDIFF 2 x y WITHSCORES", "[a 1]");
    s.check_read("ZDIFF 2 none y", "[]");
    s.check_read("ZDIFF 1 x WEIGHTS 1", "-ERR syntax error");
    s.check_write("ZDIFFSTORE d 2 y x", ":1");
    s.check_read("ZRANGE d 0 -1 WITHSCORES", "[c 20]");
}

#[test]
fn what_several_sources_refuse() {
    let mut s = two_sets();
    s.check_read("ZUNION 0 x", "-ERR at least 1 input key is needed for 'zunion' command");
    s.check_read("ZUNIONSTORE d 0 x", "-ERR at least 1 input key is needed for 'zunionstore' command");
    s.check_read("ZUNION 2 x", "-ERR syntax error");
    s.check_read("ZUNION x y", "-ERR value is not an integer or out of range");
    s.check_read("ZUNION 1 x WEIGHTS a", "-ERR weight value is not a float");
    s.check_read("ZUNION 2 x y WEIGHTS 1", "-ERR syntax error");
    s.check_read("ZUNION 1 x AGGREGATE avg", "-ERR syntax error");
    s.check_read("ZUNIONSTORE d 1 x WITHSCORES", "-ERR syntax error");
}

#[test]
fn zrandmember_repeats_only_for_a_negative_count() {
    let mut s = filled();
    s.check_read("ZRANDMEMBER nokey", "$-1");
    s.check_read("ZRANDMEMBER nokey 3", "[]");
    s.check_read("ZRANDMEMBER z 0", "[]");
    assert!(["a", "b", "c", "d"].contains(&s.ask("ZRANDMEMBER z").as_str()));
    s.check_read("ZRANDMEMBER z 9 WITHSCORES", "[d 3 c 3 b 2 a 1]");
    assert_eq!(s.ask("ZRANDMEMBER z -9").split(' ').count(), 9);
    assert_eq!(s.ask("ZRANDMEMBER z 3").split(' ').count(), 3);
    s.check_read("ZRANDMEMBER z x", "-ERR value is not an integer or out of range");
    s.check_read("ZRANDMEMBER z 1 x", "-ERR syntax error");
    s.check_read("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range");
    let error = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    s.check_read("ZRANDMEMBER z -9223372036854775808", error);
    s.use_resp3();
    s.check_read("ZRANDMEMBER z 4 WITHSCORES", "[[d ,3] [c ,3] [b ,2] [a ,1]]");
}

#[test]
fn zscan_returns_members_and_scores_in_both_protocols_alike() {
    let mut s = filled();
    s.check_read("ZSCAN z 0", "[0 [a 1 b 2 c 3 d 3]]");
    s.check_read("ZSCAN z 0 MATCH [ab] COUNT 1", "[0 [a 1 b 2]]");
    s.check_read("ZSCAN nokey 0 NONSENSE", "[0 []]");
    s.check_read("ZSCAN z x", "-ERR invalid cursor");
    s.check_read("ZSCAN z 0 COUNT 0", "-ERR syntax error");
    s.check_read("ZSCAN z 0 TYPE zset", "-ERR syntax error");
    s.use_resp3();
    s.check_read("ZSCAN z 0 MATCH a", "[0 [a 1]]");
}

#[test]
fn a_big_set_is_scanned_step_by_step() {
    let mut s = Script::new();
    for number in 0..500 {
        s.ask(&format!("ZADD big {number}.1 m{number}"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), std::collections::BTreeSet::new());
    loop {
        let reply = s.ask(&format!("ZSCAN big {cursor} COUNT 50"));
        let (next, members) = reply[1..reply.len() - 2].split_once(" [").unwrap();
        let words: Vec<&str> = members.split(' ').collect();
        seen.extend(words.chunks(2).map(|pair| (pair[0].to_string(), pair[1].to_string())));
        cursor = next.to_string();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 500);
    assert!(seen.contains(&("m0".into(), "0.10000000000000001".into())));
}

#[test]
fn other_types_are_refused_but_sets_are_sources() {
    let mut s = two_sets();
    s.node.keyspace.db_mut(0).insert(b"s", set_of(b"b"), None);
    s.node.keyspace.db_mut(0).insert(
        b"str",
        slipstream_keyspace::Value::String(slipstream_keyspace::Str::from_int(1)),
        None,
    );
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(s.ask("ZUNION 2 x s WITHSCORES"), "[a 1 b 3]");
    assert_eq!(s.ask("ZINTER 2 x s WEIGHTS 1 5 WITHSCORES"), "[b 7]");
    assert_eq!(s.ask("ZDIFF 2 x s"), "[a]");
    for request in [
        "ZADD str 1 a",
        "ZINCRBY str 1 a",
        "ZREM str a",
        "ZCARD str",
        "ZSCORE str a",
        "ZMSCORE str a",
        "ZRANK str a",
        "ZRANGE str 0 -1",
        "ZCOUNT str 0 1",
        "ZREMRANGEBYRANK str 0 1",
        "ZPOPMIN str 0",
        "ZMPOP 1 str MIN",
        "ZRANDMEMBER str",
        "ZSCAN str 0 NONSENSE",
        "ZUNION 2 x str NONSENSE",
        "ZRANGESTORE d str 0 1",
        "ZRANGE s 0 -1",
    ] {
        assert_eq!(s.ask(request), wrong, "{request}");
    }
}

fn set_of(member: &[u8]) -> slipstream_keyspace::Value<'static> {
    let mut set = slipstream_keyspace::Set::new();
    set.insert(member, &slipstream_keyspace::Encoding::default());
    slipstream_keyspace::Value::Set(set)
}
