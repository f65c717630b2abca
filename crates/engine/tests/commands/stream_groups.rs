//! Consumer groups of streams.

use slipstream_engine::config::Config;
use slipstream_engine::session::Role;

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const BAD_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";

/// A script with entries `1-0` to `count-0` at `s`, a group `g` at its beginning, and a string at `text`.
fn filled(count: usize) -> Script {
    let mut script = Script::new();
    for ms in 1..=count {
        script.check_write(&format!("XADD s {ms}-0 f {ms}"), &format!("{ms}-0"));
    }
    script.check_write("XGROUP CREATE s g 0 MKSTREAM", "+OK");
    script.check_write("SET text v", "+OK");
    script
}

/// What an entry of `s` that is pending with `consumer` is propagated as.
fn claim(consumer: &str, ms: u64, time: u64, count: u64, last: u64) -> String {
    format!("XCLAIM s g {consumer} 0 {ms}-0 TIME {time} RETRYCOUNT {count} FORCE JUSTID LASTID {last}-0")
}

/// The same of the first delivery of an entry.
fn first(consumer: &str, ms: u64, time: u64) -> String {
    claim(consumer, ms, time, 1, ms)
}

fn transaction(effects: &[String]) -> String {
    format!("MULTI; {}; EXEC", effects.join("; "))
}

fn position(ms: u64, read: i64) -> String {
    format!("XGROUP SETID s g {ms}-0 ENTRIESREAD {read}")
}

#[test]
fn groups_are_made_moved_and_removed() {
    let mut script = filled(3);
    script.check_read("XGROUP CREATE s g $", "-BUSYGROUP Consumer Group name already exists");
    script.check_write("XGROUP CREATE s end $", "+OK");
    script.check_write("XGROUP CREATE s mid 2 ENTRIESREAD 2", "+OK");
    script.check_write("xgroup create new g $ mkstream entriesread -1", "+OK");
    script.check_read("XLEN new", ":0");
    script.check_read(
        "XINFO GROUPS s",
        "[[name end consumers :0 pending :0 last-delivered-id 3-0 entries-read $-1 lag :0] [name g consumers :0 pending :0 last-delivered-id 0-0 entries-read $-1 lag :3] [name mid consumers :0 pending :0 last-delivered-id 2-0 entries-read :2 lag :1]]",
    );
    script.check_write("XGROUP SETID s g 1-5", "+OK");
    script.check_write("XGROUP SETID s mid $ ENTRIESREAD 7", "+OK");
    script.check_write("XGROUP SETID s end -", "+OK");
    script.check_read(
        "XINFO GROUPS s",
        "[[name end consumers :0 pending :0 last-delivered-id 0-0 entries-read $-1 lag :3] [name g consumers :0 pending :0 last-delivered-id 1-5 entries-read $-1 lag $-1] [name mid consumers :0 pending :0 last-delivered-id 3-0 entries-read :7 lag :-4]]",
    );
    script.check_write("XGROUP SETID s end +", "+OK");
    script.check_write("XGROUP DESTROY s end", ":1");
    script.check_read("XGROUP DESTROY s end", ":0");
    script.check_read("XINFO STREAM new", "[length :0 radix-tree-keys :0 radix-tree-nodes :1 last-generated-id 0-0 max-deleted-entry-id 0-0 entries-added :0 recorded-first-entry-id 0-0 groups :1 first-entry $-1 last-entry $-1]");
}

#[test]
fn bad_forms_of_xgroup_are_refused() {
    let mut script = filled(1);
    let form = |word: &str| {
        format!("-ERR unknown subcommand or wrong number of arguments for '{word}'. Try XGROUP HELP.")
    };
    let no_key = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    let no_group = "-NOGROUP No such consumer group 'x' for key name 's'";
    for (request, reply) in [
        ("XGROUP CREATE s h", "-ERR wrong number of arguments for 'xgroup|create' command".into()),
        ("XGROUP CREATE s h 0 ENTRIESREAD", form("CREATE")),
        ("XGROUP CREATE s h 0 ENTRIESREAD x", NOT_INTEGER.into()),
        ("XGROUP CREATE s h 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1".into()),
        ("XGROUP CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", form("CREATE")),
        ("XGROUP create s h x", BAD_ID.into()),
        ("XGROUP CREATE s h -", BAD_ID.into()),
        ("XGROUP CREATE nosuch h 0", no_key.into()),
        ("XGROUP CREATE text h 0 MKSTREAM", WRONG_TYPE.into()),
        ("XGROUP SETID s g 0 MKSTREAM", form("SETID")),
        ("XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 2", form("SETID")),
        ("XGROUP SETID s x y", no_group.into()),
        ("XGROUP SETID nosuch x 0", no_key.into()),
        ("XGROUP DESTROY nosuch g", no_key.into()),
        ("XGROUP DESTROY text g", WRONG_TYPE.into()),
        ("XGROUP CREATECONSUMER s x c", no_group.into()),
        ("XGROUP CREATECONSUMER nosuch x c", no_key.into()),
        ("XGROUP DELCONSUMER s x c", no_group.into()),
        ("XGROUP DELCONSUMER s g", "-ERR wrong number of arguments for 'xgroup|delconsumer' command".into()),
        ("XGROUP NOSUCH s", "-ERR unknown subcommand 'NOSUCH'. Try XGROUP HELP.".into()),
    ] {
        script.check_read(request, &reply);
    }
    assert!(script.ask("XGROUP HELP").starts_with("[+XGROUP <subcommand>"));
    assert!(!script.has("nosuch"));
}

#[test]
fn consumers_come_and_go_with_what_is_pending() {
    let mut script = filled(3);
    script.check_write("XGROUP CREATECONSUMER s g bob", ":1");
    script.check_read("XGROUP CREATECONSUMER s g bob", ":0");
    script.check(
        "XREADGROUP GROUP g bob COUNT 2 STREAMS s >",
        "[[s [[1-0 [f 1]] [2-0 [f 2]]]]]",
        &transaction(&[first("bob", 1, 1000), first("bob", 2, 1000), position(2, 2)]),
    );
    script.advance(7);
    script.check_read("XINFO CONSUMERS s g", "[[name bob pending :2 idle :7 inactive :7]]");
    script.check_write("XGROUP DELCONSUMER s g bob", ":2");
    script.check_read("XGROUP DELCONSUMER s g bob", ":0");
    script.check_read("XPENDING s g", "[:0 $-1 $-1 *-1]");
    script.check_read("XINFO CONSUMERS s g", "[]");
}

#[test]
fn new_entries_are_pending_until_they_are_acknowledged() {
    let mut script = filled(3);
    script.check(
        "XREADGROUP GROUP g a COUNT 1 STREAMS s >",
        "[[s [[1-0 [f 1]]]]]",
        &transaction(&[first("a", 1, 1000), position(1, 1)]),
    );
    script.advance(5);
    script.check(
        "XREADGROUP GROUP g b STREAMS s >",
        "[[s [[2-0 [f 2]] [3-0 [f 3]]]]]",
        &transaction(&[first("b", 2, 1005), first("b", 3, 1005), position(3, 3)]),
    );
    script.check_read("XREADGROUP GROUP g a STREAMS s >", "*-1");
    script.check_read("XPENDING s g", "[:3 1-0 3-0 [[a 1] [b 2]]]");
    script.check_write("XACK s g 1-0 3 9-9 3-0", ":2");
    script.check_read("XACK s g 1-0", ":0");
    script.check_read("XPENDING s g", "[:1 2-0 2-0 [[b 1]]]");
    script.check_read("XACK s nosuch x", ":0");
    script.check_read("XACK nosuch g x", ":0");
    script.check_read("XACK s g 2-0 x", BAD_ID);
    script.check_read("XACK text g 1-0", WRONG_TYPE);
    script.check_read("XPENDING s g - + 9", "[[2-0 b :0 :1]]");
}

#[test]
fn what_is_not_to_be_acknowledged_only_moves_the_group() {
    let mut script = filled(3);
    script.check(
        "XREADGROUP GROUP g a NOACK COUNT 2 STREAMS s >",
        "[[s [[1-0 [f 1]] [2-0 [f 2]]]]]",
        &transaction(&["XGROUP CREATECONSUMER s g a".into(), position(2, 2)]),
    );
    script.check("XREADGROUP GROUP g a NOACK STREAMS s >", "[[s [[3-0 [f 3]]]]]", &position(3, 3));
    script.check_read("XPENDING s g", "[:0 $-1 $-1 *-1]");
    script.check_read("XINFO CONSUMERS s g", "[[name a pending :0 idle :0 inactive :-1]]");
}

#[test]
fn a_consumer_that_gets_nothing_is_on_every_copy() {
    let mut script = filled(0);
    let created = |name: &str| format!("XGROUP CREATECONSUMER s g {name}");
    script.check("XREADGROUP GROUP g a STREAMS s >", "*-1", &created("a"));
    script.check("XREADGROUP GROUP g b STREAMS s 0", "[[s []]]", &created("b"));
    script.check("XCLAIM s g c 0 1-1 FORCE", "[]", &created("c"));
    script.check("XAUTOCLAIM s g d 0 -", "[0-0 [] []]", &created("d"));
    script.check_read("XREADGROUP GROUP g a NOACK STREAMS s >", "*-1");
    script.check_read("XREADGROUP GROUP g a STREAMS s 5", "[[s []]]");
}

#[test]
fn a_consumer_reads_its_history_again() {
    let mut script = filled(4);
    script.ask("XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    script.ask("XREADGROUP GROUP g b STREAMS s >");
    script.propagated();
    script.check_write("XDEL s 2-0", ":1");
    script.advance(10);
    script.check(
        "XREADGROUP GROUP g a STREAMS s 0",
        "[[s [[1-0 [f 1]] [2-0 *-1] [3-0 [f 3]]]]]",
        &transaction(&[claim("a", 1, 1010, 2, 4), claim("a", 3, 1010, 2, 4)]),
    );
    script.check(
        "XREADGROUP GROUP g a COUNT 1 STREAMS s 2-0",
        "[[s [[3-0 [f 3]]]]]",
        &claim("a", 3, 1010, 3, 4),
    );
    script.check_read("XREADGROUP GROUP g a STREAMS s 3-0", "[[s []]]");
    script.advance(1);
    script.check_read("XPENDING s g - + 9 a", "[[1-0 a :1 :2] [2-0 a :11 :1] [3-0 a :1 :3]]");
    script.check(
        "XREADGROUP GROUP g b NOACK STREAMS s 0-0",
        "[[s [[4-0 [f 4]]]]]",
        &claim("b", 4, 1011, 2, 4),
    );
}

#[test]
fn history_and_transactions_never_wait() {
    let mut script = filled(1);
    script.check_write("XGROUP CREATECONSUMER s g a", ":1");
    script.check_read("XREADGROUP GROUP g a BLOCK 0 STREAMS s 0", "[[s []]]");
    script.ask("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
    script.propagated();
    script.check_read("MULTI", "+OK");
    script.check_read("XREADGROUP GROUP g a BLOCK 0 STREAMS s >", "+QUEUED");
    script.check_read("EXEC", "[*-1]");
    for request in [
        "XREAD', 'BLOCK', 0, 'STREAMS', 's', '$",
        "XReadGroup', 'GROUP', 'g', 'a', 'BLOCK', 0, 'STREAMS', 's', '>",
    ] {
        let name = request.split('\'').next().unwrap();
        let error = format!("-ERR {name} command is not allowed with BLOCK option from scripts");
        script.check_read(&format!("EVAL \"return redis.pcall('{request}')\" 0"), &error);
    }
}

#[test]
fn a_waiting_reader_makes_its_consumer_known_and_is_given_what_comes() {
    let mut script = filled(0);
    let reader = script.connect();
    assert_eq!(script.ask_as(reader, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), "");
    assert_eq!(script.propagated(), "XGROUP CREATECONSUMER s g a");
    script.advance(5);
    assert_eq!(script.ask("XADD s 1-0 f v"), "1-0");
    assert_eq!(script.received(reader), "[[s [[1-0 [f v]]]]]");
    let served = transaction(&[first("a", 1, 1005), position(1, 1)]);
    assert_eq!(script.propagated(), format!("XADD s 1-0 f v; {served}"));
}

#[test]
fn several_streams_are_read_at_once() {
    let mut script = filled(1);
    script.check_write("XADD t 9-9 h w", "9-9");
    script.check_write("XGROUP CREATE t g 0", "+OK");
    script.check_write("XGROUP CREATE empty g 0 MKSTREAM", "+OK");
    let reply = "[[s [[1-0 [f 1]]]] [t []]]";
    script.ask("XGROUP CREATECONSUMER empty g a");
    script.propagated();
    assert_eq!(script.ask("XREADGROUP GROUP g a STREAMS s empty t > > 0"), reply);
    script.propagated();
    script.use_resp3();
    assert_eq!(script.ask("XREADGROUP GROUP g a STREAMS t s > 0"), "%[t [[9-9 [h w]]] s [[1-0 [f 1]]]]");
    script.propagated();
    script.check_read("XREADGROUP GROUP g a STREAMS s t > >", "_");
    script.check_write("XDEL s 1-0", ":1");
    script.check_read("XREADGROUP GROUP g a STREAMS s 0", "%[s [[1-0 _]]]");
    script.check_read("XPENDING empty g", "[:0 _ _ _]");
}

#[test]
fn bad_forms_of_xreadgroup_are_refused_before_anything_is_done() {
    let mut script = filled(1);
    for (request, reply) in [
        ("XREADGROUP GROUP g a STREAMS s", "-ERR wrong number of arguments for 'xreadgroup' command"),
        (
            "XREADGROUP GROUP g a STREAMS s t >",
            "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        ("XREADGROUP COUNT 1 NOACK NOACK STREAMS s >", "-ERR Missing GROUP option for XREADGROUP"),
        ("XREADGROUP GROUP g a COUNT x STREAMS s >", NOT_INTEGER),
        ("XREADGROUP GROUP g a COUNT 1 NOACK NOACK", SYNTAX),
        ("XREADGROUP GROUP g a LIMIT 1 STREAMS s >", SYNTAX),
        (
            "XREADGROUP GROUP x a STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option",
        ),
        (
            "XREADGROUP GROUP g a STREAMS s nosuch > >",
            "-NOGROUP No such key 'nosuch' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        ("XREADGROUP GROUP g a STREAMS text >", WRONG_TYPE),
        ("XREADGROUP GROUP g a STREAMS s x", BAD_ID),
        (
            "XREADGROUP GROUP g a STREAMS s $",
            "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        ),
    ] {
        script.check_read(request, reply);
    }
    script.check_read("XINFO CONSUMERS s g", "[]");
    script.check_read("COMMAND GETKEYS XREADGROUP GROUP STREAMS STREAMS NOACK STREAMS a b > 0", "[a b]");
}

#[test]
fn reading_counts_what_was_read_until_entries_are_deleted() {
    let mut script = filled(5);
    script.ask("XREADGROUP GROUP g a COUNT 1 STREAMS s >");
    script.propagated();
    script.check_write("XDEL s 4-0", ":1");
    script.check(
        "XREADGROUP GROUP g a COUNT 1 STREAMS s >",
        "[[s [[2-0 [f 2]]]]]",
        &transaction(&[first("a", 2, 1000), position(2, -1)]),
    );
    script.check(
        "XREADGROUP GROUP g a STREAMS s >",
        "[[s [[3-0 [f 3]] [5-0 [f 5]]]]]",
        &transaction(&[first("a", 3, 1000), first("a", 5, 1000), position(5, 5)]),
    );
}

#[test]
fn claiming_changes_the_owner() {
    let mut script = filled(4);
    script.ask("XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    script.propagated();
    script.advance(100);
    script.check("XCLAIM s g b 50 1-0 7-7", "[[1-0 [f 1]]]", &claim("b", 1, 1100, 2, 3));
    script.check_read("XCLAIM s g b 50 1-0", "[]");
    script.check("XCLAIM s g b 0 2-0 JUSTID", "[2-0]", &claim("b", 2, 1100, 1, 3));
    script.check("XCLAIM s g a 0 2-0 IDLE 30 RETRYCOUNT 9", "[[2-0 [f 2]]]", &claim("a", 2, 1070, 9, 3));
    script.check("XCLAIM s g a 0 2-0 TIME 500 JUSTID", "[2-0]", &claim("a", 2, 500, 9, 3));
    // Times that cannot be are now.
    script.check("XCLAIM s g a 0 2-0 TIME 5000 JUSTID", "[2-0]", &claim("a", 2, 1100, 9, 3));
    script.check("XCLAIM s g a 0 2-0 IDLE 5000 JUSTID", "[2-0]", &claim("a", 2, 1100, 9, 3));
    script.check_read("XPENDING s g - + 9", "[[1-0 b :0 :2] [2-0 a :0 :9] [3-0 a :100 :1]]");
    script.check_read("XCLAIM s g a 0 4-0", "[]");
    script.check("XCLAIM s g a 99999 4-0 FORCE", "[[4-0 [f 4]]]", &claim("a", 4, 1100, 2, 3));
    script.check_read("XCLAIM s g a 0 9-0 FORCE", "[]");
    script.check("XCLAIM s g b 0 9-0 LASTID 4-0", "[]", "XGROUP SETID s g 4-0 ENTRIESREAD 3");
    script.check_read("XCLAIM s g b 0 9-0 LASTID 2-0", "[]");
    script.check("XCLAIM s g b 0 4-0 LASTID 8-0 JUSTID", "[4-0]", &claim("b", 4, 1100, 2, 8));
}

#[test]
fn what_is_gone_ceases_to_be_pending_when_it_is_claimed() {
    let mut script = filled(4);
    script.ask("XREADGROUP GROUP g a STREAMS s >");
    script.propagated();
    script.check_write("XDEL s 1-0 3-0", ":2");
    script.check(
        "XCLAIM s g b 0 1-0",
        "[]",
        &transaction(&[claim("a", 1, 1000, 1, 4), "XGROUP CREATECONSUMER s g b".into()]),
    );
    script.check(
        "XAUTOCLAIM s g b 0 0 JUSTID",
        "[0-0 [2-0 4-0] [3-0]]",
        &transaction(&[claim("b", 2, 1000, 1, 4), claim("a", 3, 1000, 1, 4), claim("b", 4, 1000, 1, 4)]),
    );
    script.check_read("XPENDING s g", "[:2 2-0 4-0 [[b 2]]]");
}

#[test]
fn a_sweep_says_where_the_next_begins() {
    let mut script = filled(6);
    script.ask("XREADGROUP GROUP g a STREAMS s >");
    script.propagated();
    script.advance(10);
    script.check(
        "XAUTOCLAIM s g b 10 - COUNT 2",
        "[3-0 [[1-0 [f 1]] [2-0 [f 2]]] []]",
        &transaction(&[claim("b", 1, 1010, 2, 6), claim("b", 2, 1010, 2, 6)]),
    );
    script.check("XAUTOCLAIM s g b 10 (3-0 COUNT 1", "[5-0 [[4-0 [f 4]]] []]", &claim("b", 4, 1010, 2, 6));
    script.check_read("XAUTOCLAIM s g b 11 -", "[0-0 [] []]");
    script.check_write("XDEL s 5-0", ":1");
    script.check("XAUTOCLAIM s g b 0 5 COUNT 1", "[6-0 [] [5-0]]", &claim("a", 5, 1000, 1, 6));
    script.check("XAUTOCLAIM s g b 0 6", "[0-0 [[6-0 [f 6]]] []]", &claim("b", 6, 1010, 2, 6));
    // No more than ten times the count are looked at.
    let mut script = filled(15);
    script.ask("XREADGROUP GROUP g a STREAMS s >");
    script.propagated();
    script.check("XAUTOCLAIM s g a 1 - COUNT 1", "[11-0 [] []]", "");
}

#[test]
fn bad_forms_of_claiming_are_refused() {
    let mut script = filled(1);
    let no_group =
        |key: &str, group: &str| format!("-NOGROUP No such key '{key}' or consumer group '{group}'");
    let count = "-ERR COUNT must be > 0";
    for (request, reply) in [
        ("XCLAIM s x c y z", no_group("s", "x")),
        ("XCLAIM nosuch g c 0 1-0", no_group("nosuch", "g")),
        ("XCLAIM text g c 0 1-0", WRONG_TYPE.into()),
        ("XCLAIM s g c x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM".into()),
        ("XCLAIM s g c 0 1-0 x", "-ERR Unrecognized XCLAIM option 'x'".into()),
        ("XCLAIM s g c 0 1-0 FORCE 2-0", "-ERR Unrecognized XCLAIM option '2-0'".into()),
        ("XCLAIM s g c 0 1-0 IDLE", "-ERR Unrecognized XCLAIM option 'IDLE'".into()),
        ("XCLAIM s g c 0 1-0 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM".into()),
        ("XCLAIM s g c 0 1-0 TIME x", "-ERR Invalid TIME option argument for XCLAIM".into()),
        ("XCLAIM s g c 0 1-0 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM".into()),
        ("XCLAIM s g c 0 1-0 LASTID x", BAD_ID.into()),
        ("XAUTOCLAIM s x c 0 -", no_group("s", "x")),
        ("XAUTOCLAIM nosuch g c 0 -", no_group("nosuch", "g")),
        ("XAUTOCLAIM text g c 0 -", WRONG_TYPE.into()),
        ("XAUTOCLAIM text g c x -", "-ERR Invalid min-idle-time argument for XAUTOCLAIM".into()),
        ("XAUTOCLAIM s g c 0 x", BAD_ID.into()),
        (
            "XAUTOCLAIM s g c 0 (18446744073709551615-18446744073709551615",
            "-ERR invalid start ID for the interval".into(),
        ),
        ("XAUTOCLAIM s g c 0 - COUNT", SYNTAX.into()),
        ("XAUTOCLAIM s g c 0 - LIMIT 1", SYNTAX.into()),
        ("XAUTOCLAIM s g c 0 - COUNT 0", count.into()),
        ("XAUTOCLAIM s g c 0 - COUNT x", count.into()),
        ("XAUTOCLAIM s g c 0 - COUNT 8070450532247928833", count.into()),
    ] {
        script.check_read(request, &reply);
    }
    script.check_read("XINFO CONSUMERS s g", "[]");
}

#[test]
fn pending_entries_are_listed_by_range_consumer_and_idle_time() {
    let mut script = filled(5);
    script.ask("XREADGROUP GROUP g a COUNT 2 STREAMS s >");
    script.advance(20);
    script.ask("XREADGROUP GROUP g b STREAMS s >");
    script.propagated();
    script.advance(1);
    for (range, reply) in [
        ("- + 9", "[[1-0 a :21 :1] [2-0 a :21 :1] [3-0 b :1 :1] [4-0 b :1 :1] [5-0 b :1 :1]]"),
        ("(2 4 9", "[[3-0 b :1 :1] [4-0 b :1 :1]]"),
        ("2 (4-0 1", "[[2-0 a :21 :1]]"),
        ("- + 9 a", "[[1-0 a :21 :1] [2-0 a :21 :1]]"),
        ("- + 9 nobody", "[]"),
        ("- + 0", "[]"),
        ("- + -1", "[]"),
        ("5 1 9", "[]"),
        ("IDLE 20 - + 9", "[[1-0 a :21 :1] [2-0 a :21 :1]]"),
        ("IDLE 20 - + 9 b", "[]"),
        ("idle 22 - + 9", "[]"),
    ]
    .map(|(range, reply)| (format!("XPENDING s g {range}"), reply))
    {
        script.check_read(&range, reply);
    }
    script.jump(-1000);
    script.check_read("XPENDING s g 1 1 1", "[[1-0 a :0 :1]]");
    for (request, reply) in [
        ("XPENDING s g -", SYNTAX),
        ("XPENDING s g - +", SYNTAX),
        ("XPENDING s g IDLE 1 - +", SYNTAX),
        ("XPENDING s g IDLE x - +", NOT_INTEGER),
        ("XPENDING s g - + x", NOT_INTEGER),
        ("XPENDING s g x + 1", BAD_ID),
        ("XPENDING s g - (0-0 1", "-ERR invalid end ID for the interval"),
        ("XPENDING s x", "-NOGROUP No such key 's' or consumer group 'x'"),
        ("XPENDING nosuch g", "-NOGROUP No such key 'nosuch' or consumer group 'g'"),
        ("XPENDING text g", WRONG_TYPE),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn xinfo_tells_all_there_is() {
    let mut config = Config::default();
    config.stream_node_max_entries = 2;
    let mut script = Script::with_config(config);
    for ms in 1..=5 {
        script.check_write(&format!("XADD s {ms}-0 f {ms}"), &format!("{ms}-0"));
    }
    script.check_write("XGROUP CREATE s g 0", "+OK");
    script.check_write("XGROUP CREATE s h $", "+OK");
    script.ask("XREADGROUP GROUP g a COUNT 2 STREAMS s >");
    script.advance(3);
    script.ask("XREADGROUP GROUP g b NOACK COUNT 1 STREAMS s >");
    script.propagated();
    script.check_write("XDEL s 1-0", ":1");
    script.check_read(
        "XINFO STREAM s",
        "[length :4 radix-tree-keys :3 radix-tree-nodes :8 last-generated-id 5-0 max-deleted-entry-id 1-0 entries-added :5 recorded-first-entry-id 2-0 groups :2 first-entry [2-0 [f 2]] last-entry [5-0 [f 5]]]",
    );
    let group = "name g last-delivered-id 3-0 entries-read :3 lag :2 pel-count :2 pending [[1-0 a :1000 :1]] consumers [%[name a seen-time :1000 active-time :1000 pel-count :2 pending [[1-0 :1000 :1]]] %[name b seen-time :1003 active-time :-1 pel-count :0 pending []]]";
    script.use_resp3();
    script.check_read(
        "XINFO STREAM s FULL COUNT 1",
        &format!("%[length :4 radix-tree-keys :3 radix-tree-nodes :8 last-generated-id 5-0 max-deleted-entry-id 1-0 entries-added :5 recorded-first-entry-id 2-0 entries [[2-0 [f 2]]] groups [%[{group}] %[name h last-delivered-id 5-0 entries-read _ lag :0 pel-count :0 pending [] consumers []]]]"),
    );
    assert!(
        script.ask("XINFO STREAM s FULL COUNT 0").contains("entries [[2-0 [f 2]] [3-0 [f 3]] [4-0 [f 4]]")
    );
    script.check_read(
        "XINFO CONSUMERS s g",
        "[%[name a pending :2 idle :3 inactive :3] %[name b pending :0 idle :0 inactive :-1]]",
    );
    let form = "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.";
    for (request, reply) in [
        ("XINFO STREAM s FULL COUNT", form),
        ("XINFO STREAM s PART", form),
        ("XINFO STREAM s FULL LIMIT 1", form),
        ("XINFO STREAM s FULL COUNT x", NOT_INTEGER),
        ("XINFO STREAM nosuch", "-ERR no such key"),
        ("XINFO GROUPS nosuch", "-ERR no such key"),
        ("XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'"),
        ("XINFO NOSUCH s", "-ERR unknown subcommand 'NOSUCH'. Try XINFO HELP."),
    ] {
        script.check_read(request, reply);
    }
    assert!(script.ask("XINFO HELP").starts_with("[+XINFO <subcommand>"));
    script.check_write("SET text v", "+OK");
    script.check_read("XINFO STREAM text", WRONG_TYPE);
}

#[test]
fn what_happens_to_groups_breaks_no_watch_but_a_new_stream_does() {
    let mut script = filled(2);
    let other = script.connect();
    for (request, is_broken) in [
        ("XREADGROUP GROUP g a COUNT 1 STREAMS s >", false),
        ("XACK s g 1-0", false),
        ("XGROUP CREATE s h 0", false),
        ("XGROUP DESTROY s h", false),
        ("XGROUP CREATE new h 0 MKSTREAM", true),
    ] {
        script.check_read("WATCH s new", "+OK");
        script.ask_as(other, request);
        script.propagated();
        script.check_read("MULTI", "+OK");
        script.check_read("XLEN s", "+QUEUED");
        script.check_read("EXEC", if is_broken { "*-1" } else { "[:2]" });
    }
}

#[test]
fn what_a_primary_claims_ahead_of_this_clock_is_taken_as_it_is() {
    let mut script = filled(1);
    let stream = script.connect();
    script.node.core.sessions.get_mut(stream).unwrap().role = Role::Primary;
    script.ask_as(stream, "XCLAIM s g a 0 1-0 TIME 5000 RETRYCOUNT 3 FORCE JUSTID LASTID 1-0");
    script.advance(4007);
    assert_eq!(script.ask("XPENDING s g - + 1"), "[[1-0 a :7 :3]]");
}

#[test]
fn groups_are_copied_with_their_stream() {
    let mut script = filled(3);
    script.ask("XREADGROUP GROUP g a COUNT 2 STREAMS s >");
    script.propagated();
    script.check_write("COPY s t", ":1");
    script.check_write("XACK t g 1-0", ":1");
    script.check_read("XPENDING s g", "[:2 1-0 2-0 [[a 2]]]");
    script.check_read("XPENDING t g", "[:1 2-0 2-0 [[a 1]]]");
    script.check_write("XGROUP DESTROY s g", ":1");
    script.check_read("XINFO GROUPS s", "[]");
    script.check_read("XPENDING t g", "[:1 2-0 2-0 [[a 1]]]");
}

#[test]
fn groups_tell_their_events() {
    let mut script = filled(2);
    script.check_read("CONFIG SET notify-keyspace-events Etn", "+OK");
    let listener = script.connect();
    script.ask_as(listener, "PSUBSCRIBE *");
    for (request, told) in [
        ("XGROUP CREATE s h 0", "xgroup-create s"),
        ("XGROUP CREATE new h 0 MKSTREAM", "new new xgroup-create new"),
        ("XGROUP SETID s h 0", "xgroup-setid s"),
        ("XGROUP CREATECONSUMER s h a", "xgroup-createconsumer s"),
        ("XGROUP CREATECONSUMER s h a", ""),
        ("XGROUP DELCONSUMER s h a", "xgroup-delconsumer s"),
        ("XREADGROUP GROUP h b COUNT 1 STREAMS s >", "xgroup-createconsumer s"),
        ("XREADGROUP GROUP h b STREAMS s >", ""),
        ("XCLAIM s h c 0 1-0", "xgroup-createconsumer s"),
        ("XAUTOCLAIM s h d 0 -", "xgroup-createconsumer s"),
        ("XACK s h 1-0", ""),
        ("XGROUP DESTROY s h", "xgroup-destroy s"),
    ] {
        script.ask(request);
        script.propagated();
        let received = script.received(listener);
        let events: Vec<&str> = received
            .split("[pmessage * ")
            .skip(1)
            .map(|message| message.trim_end().trim_end_matches(']'))
            .collect();
        let events = events.join(" ").replace("__keyevent@0__:", "").replace('"', "");
        assert_eq!(events, told, "{request}");
    }
}
