//! Commands that wait for keys: who is served, with what, in which order, and what is propagated.

use std::time::Duration;

use slipstream_engine::{Flow, SessionId};
use slipstream_resp::encode_request;

use crate::script::Script;

/// A command that waits, what comes to its keys, its answer, and what is propagated for that.
const WAITERS: &[(&str, &str, &str, &str)] = &[
    ("BLPOP a x 0", "RPUSH x 1 2", "[x 1]", "LPOP x"),
    ("BRPOP a x 0", "RPUSH x 1 2", "[x 2]", "RPOP x"),
    ("BLMPOP 0 2 a x LEFT COUNT 5", "RPUSH x 1 2", "[x [1 2]]", "LPOP x 2"),
    ("BLMPOP 0 1 x RIGHT", "RPUSH x 1 2", "[x [2]]", "RPOP x 1"),
    ("BLMOVE x y left RIGHT 0", "RPUSH x 1 2", "1", "LMOVE x y left RIGHT"),
    ("BRPOPLPUSH x y 0", "RPUSH x 1 2", "2", "RPOPLPUSH x y"),
    ("BZPOPMIN a z 0", "ZADD z 2 m 1 n", "[z n 1]", "ZPOPMIN z"),
    ("BZPOPMAX z 0", "ZADD z 2 m 1 n", "[z m 2]", "ZPOPMAX z"),
    ("BZMPOP 0 1 z MIN COUNT 5", "ZADD z 2 m 1 n", "[z [[n 1] [m 2]]]", "ZPOPMIN z 2"),
    ("BZMPOP 0 2 a z MAX", "ZADD z 2 m 1 n", "[z [[m 2]]]", "ZPOPMAX z 1"),
    ("XREAD BLOCK 0 STREAMS a s $ $", "XADD s 1-1 f v", "[[s [[1-1 [f v]]]]]", ""),
];

/// A further client, and a request of it that is not answered yet.
#[track_caller]
fn block(script: &mut Script, request: &str) -> SessionId {
    let client = script.connect();
    block_as(script, client, request);
    client
}

#[track_caller]
fn block_as(script: &mut Script, client: SessionId, request: &str) {
    assert_eq!(script.ask_as(client, request), "", "{request} waits");
    assert_eq!(script.propagated(), "", "{request} does nothing yet");
}

fn joined(first: &str, second: &str) -> String {
    [first, second].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join("; ")
}

#[test]
fn whoever_waits_gets_what_comes_and_the_plain_command_is_propagated_behind_it() {
    for (request, comes, answer, effect) in WAITERS {
        let mut script = Script::new();
        let client = block(&mut script, request);
        script.ask(comes);
        assert_eq!(script.propagated(), joined(comes, effect), "{request}");
        assert_eq!(script.received(client), *answer, "{request}");
        assert_eq!(script.ask_as(client, "PING"), "+PONG", "{request}");
    }
}

#[test]
fn what_is_there_is_answered_at_once() {
    for (request, comes, answer, effect) in WAITERS {
        let mut script = Script::new();
        script.ask(comes);
        script.propagated();
        let request = request.replace("$ $", "0 0");
        script.check(&request, answer, effect);
    }
}

#[test]
fn nothing_is_answered_where_nobody_waits_and_when_the_time_is_over() {
    for (request, ..) in WAITERS {
        let timed = match request.split_once(' ').unwrap() {
            ("XREAD", rest) => format!("XREAD {}", rest.replace("BLOCK 0", "BLOCK 100")),
            (name @ ("BLMPOP" | "BZMPOP"), rest) => format!("{name} 0.1{}", &rest[1..]),
            (name, rest) => format!("{name} {}0.1", &rest[..rest.len() - 1]),
        };
        for (mut script, at_end) in [(Script::new(), "*-1"), (Script::resp3(), "_")] {
            let client = script.client();
            script.ask("MULTI");
            script.ask(request);
            let moves = request.starts_with("BLMOVE") || request.starts_with("BRPOPLPUSH");
            let in_multi = if moves && at_end == "*-1" { "[$-1]" } else { &format!("[{at_end}]") };
            script.check_read("EXEC", in_multi);
            block_as(&mut script, client, &timed);
            assert_eq!(script.node.core.config.hz, 10);
            script.advance(99);
            script.node.tick();
            assert_eq!(script.received(client), "", "{timed}");
            assert_eq!(script.node.time_left().as_millis(), 1, "the loop wakes for it");
            script.advance(1);
            script.node.tick();
            assert_eq!(script.received(client), at_end, "{timed}");
            assert_eq!(script.ask("PING"), "+PONG");
        }
    }
}

#[test]
fn arguments_are_refused_as_redis_does() {
    let mut script = Script::new();
    script.ask("SET string x");
    script.ask("RPUSH list 1");
    script.propagated();
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (request, error) in [
        ("BLPOP k abc", "-ERR timeout is not a float or out of range"),
        ("BRPOP k -1", "-ERR timeout is negative"),
        ("BLPOP k 1e300", "-ERR timeout is out of range"),
        ("BLPOP k 9223372036854775", "-ERR timeout is out of range"),
        ("BLPOP k", "-ERR wrong number of arguments for 'blpop' command"),
        ("BLMPOP abc 0 k LEFT", "-ERR numkeys should be greater than 0"),
        ("BLMPOP abc 1 k UP", "-ERR syntax error"),
        ("BLMPOP abc 1 k LEFT", "-ERR timeout is not a float or out of range"),
        ("BLMPOP -1 1 k LEFT COUNT 0", "-ERR count should be greater than 0"),
        ("BLMPOP 0 1 k LEFT COUNT 1 COUNT 2", "-ERR syntax error"),
        ("BLMPOP 0 5 k LEFT", "-ERR syntax error"),
        ("BZMPOP abc 0 k MIN", "-ERR numkeys should be greater than 0"),
        ("BZMPOP abc 1 k MIN", "-ERR timeout is not a float or out of range"),
        ("BZMPOP 0 1 k MIN COUNT 1 x", "-ERR syntax error"),
        ("BLMOVE a b UP LEFT x", "-ERR syntax error"),
        ("BLMOVE a b LEFT LEFT x", "-ERR timeout is not a float or out of range"),
        ("BRPOPLPUSH a b -1", "-ERR timeout is negative"),
        ("BLPOP k string 0", WRONG_TYPE),
        ("BLMOVE string b LEFT LEFT 0", WRONG_TYPE),
        ("BLMOVE list string LEFT LEFT 0", WRONG_TYPE),
        ("BZPOPMIN list 0", WRONG_TYPE),
        ("XREAD BLOCK 0 STREAMS list $", WRONG_TYPE),
    ] {
        script.check_read(request, error);
    }
}

#[test]
fn scores_are_doubles_in_resp3() {
    let mut script = Script::resp3();
    let client = script.client();
    block_as(&mut script, client, "BZPOPMIN z 0");
    let other = script.connect();
    script.ask_as(other, "ZADD z 1.5 m");
    assert_eq!(script.received(client), "[z m ,1.5]");
}

#[test]
fn who_has_waited_longest_is_served_first() {
    let mut script = Script::new();
    let waiting: Vec<SessionId> = ["a x x", "x", "b x", "x"]
        .into_iter()
        .map(|keys| block(&mut script, &format!("BLPOP {keys} 0")))
        .collect();
    script.check("RPUSH x 1 2 3", ":3", "RPUSH x 1 2 3; LPOP x; LPOP x; LPOP x");
    let got: Vec<String> = waiting.iter().map(|client| script.received(*client)).collect();
    assert_eq!(got, ["[x 1]", "[x 2]", "[x 3]", ""]);
    assert!(!script.has("x"));
}

#[test]
fn what_one_is_served_may_serve_another() {
    let mut script = Script::new();
    let first = block(&mut script, "BLMOVE x y left left 0");
    let second = block(&mut script, "BRPOP y 0");
    script.check("RPUSH x 1", ":1", "RPUSH x 1; LMOVE x y left left; RPOP y");
    assert_eq!((script.received(first), script.received(second)), ("1".into(), "[y 1]".into()));
    let turning = block(&mut script, "BLMOVE x x LEFT RIGHT 0");
    script.check("RPUSH x 1 2", ":2", "RPUSH x 1 2; LMOVE x x LEFT RIGHT");
    assert_eq!(script.received(turning), "1");
}

#[test]
fn nobody_is_served_in_the_middle_of_a_transaction() {
    let mut script = Script::new();
    let client = block(&mut script, "BLMPOP 0 2 x y LEFT");
    for request in ["MULTI", "RPUSH x 1", "DEL x", "RPUSH y 1", "DEL y"] {
        script.ask(request);
    }
    script.ask("EXEC");
    assert_eq!(script.received(client), "");
    for request in ["MULTI", "RPUSH y 1", "RPUSH x 2"] {
        script.ask(request);
    }
    script.propagated();
    script.check("EXEC", "[:1 :1]", "MULTI; RPUSH y 1; RPUSH x 2; EXEC; LPOP x 1");
    assert_eq!(script.received(client), "[x [2]]", "the first of its own order");
}

#[test]
fn every_way_in_which_a_key_comes_to_be_serves_those_who_wait() {
    for request in [
        "RENAME l x",
        "COPY l x",
        "SORT l STORE x",
        "LMOVE l x LEFT LEFT",
        "LPUSH x 1",
        "MOVE x 0",
        "SWAPDB 0 1",
    ] {
        let mut script = Script::new();
        script.ask("RPUSH l 1");
        script.ask("SELECT 1");
        script.ask("RPUSH x 1");
        let db = if request.starts_with("MOVE") { 1 } else { 0 };
        script.ask(&format!("SELECT {db}"));
        script.propagated();
        let client = block(&mut script, "BLPOP x 0");
        script.ask(request);
        assert_eq!(script.received(client), "[x 1]", "{request}");
        script.propagated();
    }
}

#[test]
fn another_database_and_another_type_wake_nobody() {
    let mut script = Script::new();
    let client = block(&mut script, "BLPOP x 0");
    for request in ["SELECT 1", "RPUSH x 1", "SELECT 0", "SET x string", "DEL x", "ZADD x 1 m", "DEL x"] {
        script.ask(request);
        assert_eq!(script.received(client), "", "{request}");
    }
    script.ask("RPUSH x 1");
    assert_eq!(script.received(client), "[x 1]");
}

#[test]
fn an_error_may_be_what_a_client_waited_for() {
    let mut script = Script::new();
    let client = block(&mut script, "BLMOVE x y LEFT LEFT 0");
    script.ask("SET y string");
    script.ask("RPUSH x 1");
    let error = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(script.received(client), error);
    assert_eq!(script.ask("LRANGE x 0 -1"), "[1]");
}

#[test]
fn what_is_pipelined_behind_runs_when_all_are_served() {
    let mut script = Script::new();
    let first = script.connect();
    script.node.receive(first, b"BLPOP x 0\r\nLPOP x\r\nPING\r\n");
    let second = block(&mut script, "BLPOP x 0");
    script.ask("RPUSH x 1 2");
    assert_eq!(script.received(first), "[x 1] $-1 +PONG");
    assert_eq!(script.received(second), "[x 2]");
}

#[test]
fn a_try_in_vain_costs_neither_the_place_nor_the_time() {
    let mut script = Script::new();
    let client = block(&mut script, "XREAD BLOCK 100 STREAMS s 5-0");
    let second = block(&mut script, "XREAD BLOCK 100 STREAMS s $");
    script.advance(60);
    script.ask("XADD s 1-1 f v");
    assert_eq!(script.received(client), "");
    assert_eq!(script.received(second), "[[s [[1-1 [f v]]]]]");
    script.advance(40);
    script.node.tick();
    assert_eq!(script.received(client), "*-1");
}

#[test]
fn all_readers_of_a_stream_get_the_same() {
    let mut script = Script::new();
    script.ask("XADD s 1-1 f v");
    script.propagated();
    let readers = ["STREAMS s $", "STREAMS s 1-1", "COUNT 1 STREAMS t s $ 1-1"];
    let readers = readers.map(|streams| block(&mut script, &format!("XREAD BLOCK 0 {streams}")));
    for request in ["MULTI", "XADD s 2-1 f v", "XADD s 3-1 f v", "EXEC"] {
        script.ask(request);
    }
    let both = "[[s [[2-1 [f v]] [3-1 [f v]]]]]";
    assert_eq!(readers.map(|client| script.received(client)), [both, both, "[[s [[2-1 [f v]]]]]"]);
}

#[test]
fn each_entry_goes_to_one_reader_of_a_group() {
    let mut script = Script::new();
    script.ask("XGROUP CREATE s g $ MKSTREAM");
    script.propagated();
    let readers = ["a", "b"].map(|name| {
        let client = script.connect();
        let request = format!("XREADGROUP GROUP g {name} BLOCK 0 STREAMS s >");
        assert_eq!(script.ask_as(client, &request), "");
        script.propagated();
        client
    });
    script.ask("XADD s 1-1 f v");
    assert_eq!(readers.map(|client| script.received(client)), ["[[s [[1-1 [f v]]]]]", ""]);
    script.ask("XADD s 2-1 f v");
    assert_eq!(readers.map(|client| script.received(client)), ["", "[[s [[2-1 [f v]]]]]"]);
    script.propagated();
}

#[test]
fn the_end_of_a_group_ends_the_wait_of_its_readers() {
    const NOGROUP: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (request, error) in [
        ("DEL s", NOGROUP),
        ("XGROUP DESTROY s g", NOGROUP),
        ("RENAME s t", NOGROUP),
        ("FLUSHALL", NOGROUP),
        ("SET s string", WRONG_TYPE),
    ] {
        let mut script = Script::new();
        script.ask("XGROUP CREATE s g $ MKSTREAM");
        let (client, reader) = (script.connect(), script.connect());
        assert_eq!(script.ask_as(client, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >"), "");
        assert_eq!(script.ask_as(reader, "XREAD BLOCK 0 STREAMS s $"), "");
        assert_eq!(field(&mut script, "total_blocking_keys_on_nokey"), 1);
        script.ask(request);
        assert_eq!(script.received(client), error, "{request}");
        assert_eq!(script.received(reader), "", "{request}");
        script.propagated();
    }
}

#[test]
fn a_stream_that_is_replaced_serves_its_readers_whatever_its_last_id() {
    const READ: &str = "XREAD BLOCK 0 STREAMS s 3-0";
    const READ_GROUP: &str = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
    const ENTRY: &str = "[[s [[5-0 [f v]]]]]";
    let emptied = ["XADD s 5-0 f v", "XDEL s 5-0", "XADD t 5-0 f v"];
    let read = ["XADD s 5-0 f v", "XGROUP CREATE s g $", "XADD t 5-0 f v", "XGROUP CREATE t g 0"];
    let anew: &[&str] = &["MULTI", "DEL s", "XADD s 5-0 f v", "XGROUP CREATE s g 0", "EXEC"];
    let group_anew: &[&str] = &["MULTI", "XGROUP DESTROY s g", "XGROUP CREATE s g 0", "EXEC"];
    for (before, request, acts) in [
        (&emptied[..], READ, anew),
        (&emptied, READ, &["RENAME t s"]),
        (&emptied, READ, &["COPY t s REPLACE"]),
        (&read, READ_GROUP, anew),
        (&read, READ_GROUP, group_anew),
        (&read, READ_GROUP, &["RENAME t s"]),
        (&read, READ_GROUP, &["COPY t s REPLACE"]),
    ] {
        let mut script = Script::new();
        before.iter().for_each(|request| drop(script.ask(request)));
        let reader = script.connect();
        assert_eq!(script.ask_as(reader, request), "", "{request}");
        acts.iter().for_each(|act| drop(script.ask(act)));
        assert_eq!(script.received(reader), ENTRY, "{request} {acts:?}");
        script.propagated();
    }
}

#[test]
fn what_gives_a_reader_nothing_does_not_try_it() {
    let mut script = Script::new();
    ["XADD s 1-0 f v", "XADD s 2-0 f v", "XGROUP CREATE s g $"].iter().for_each(|it| drop(script.ask(it)));
    let reader = script.connect();
    assert_eq!(script.ask_as(reader, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), "");
    // A try would be worth it, and nothing that gives less than before looks.
    script.ask("XGROUP SETID s g 0");
    for request in ["XDEL s 1-0", "XTRIM s MAXLEN 1", "EXPIRE s 100", "PERSIST s", "XSETID s 9-0"] {
        script.ask(request);
        assert_eq!(script.received(reader), "", "{request}");
    }
    script.ask("XADD s 10-0 f w");
    assert_eq!(script.received(reader), "[[s [[2-0 [f v]] [10-0 [f w]]]]]");
    script.propagated();
}

#[test]
fn client_unblock_ends_the_wait_for_a_key() {
    let mut script = Script::new();
    let client = block(&mut script, "BLPOP x 0");
    script.check_read("CLIENT UNBLOCK 2", ":1");
    assert_eq!(script.received(client), "*-1");
    script.check_read("CLIENT UNBLOCK 2", ":0");
    block_as(&mut script, client, "BLPOP x 0");
    script.check_read("CLIENT UNBLOCK 2 ERROR", ":1");
    assert_eq!(script.received(client), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    script.check_write("RPUSH x 1", ":1");
}

#[test]
fn who_is_gone_is_served_nothing() {
    let mut script = Script::new();
    let waiting: Vec<SessionId> = (0..4).map(|_| block(&mut script, "BLPOP x 0")).collect();
    script.node.closed(waiting[0]);
    script.check_read("CLIENT KILL ID 3", ":1");
    script.check("RPUSH x 1", ":1", "RPUSH x 1; LPOP x");
    assert_eq!([1, 2, 3].map(|index| script.received(waiting[index])), ["", "[x 1]", ""]);
}

#[test]
fn who_becomes_a_replica_closes_those_who_wait_for_keys() {
    let mut script = Script::new();
    let client = block(&mut script, "BLPOP x 0");
    script.ask("REPLICAOF other 1");
    let error =
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    assert_eq!(script.received(client), error);
    assert_eq!(script.node.core.sessions.get(client).unwrap().flow, Flow::Closing);
}

#[test]
fn a_replica_that_is_told_another_primary_closes_its_readers() {
    let mut script = Script::new();
    script.ask("REPLICAOF other 1");
    let client = script.connect();
    assert_eq!(script.ask_as(client, "XREAD BLOCK 0 STREAMS s $"), "");
    script.ask("REPLICAOF other 1");
    assert_eq!(script.received(client), "", "nothing changed");
    script.ask("REPLICAOF another 1");
    assert!(script.received(client).starts_with("-UNBLOCKED "));
    assert_eq!(script.node.core.sessions.get(client).unwrap().flow, Flow::Closing);
}

#[test]
fn pipelines_that_feed_each_other_leave_others_their_turn() {
    const PAIRS: usize = 100;
    let mut script = Script::new();
    let (left, right) = (script.connect(), script.connect());
    script.node.receive(left, "LPUSH a x\r\nBLPOP b 0\r\n".repeat(PAIRS).as_bytes());
    script.node.receive(right, "LPUSH b x\r\nBLPOP a 0\r\n".repeat(PAIRS).as_bytes());
    let left_to_do = |script: &Script| script.node.core.sessions.get(left).unwrap().input_len();
    assert!(left_to_do(&script) > 0);
    assert_eq!(script.node.time_left(), Duration::ZERO, "the next turn comes at once");
    assert_eq!(script.ask("PING"), "+PONG");
    assert!(left_to_do(&script) > 0);
    let mut turns = 0;
    while script.node.time_left().is_zero() {
        script.node.tick();
        turns += 1;
        assert!(turns <= PAIRS);
    }
    for (client, key) in [(left, "b"), (right, "a")] {
        assert_eq!(script.received(client), vec![format!(":1 [{key} x]"); PAIRS].join(" "));
    }
    script.propagated();
    script.check_read("EXISTS a b", ":0");
}

#[test]
fn what_comes_behind_a_wait_runs_in_shares() {
    let mut script = Script::new();
    let client = block(&mut script, "BLPOP x 0");
    let long = vec![b'v'; 1000];
    let mut requests = Vec::new();
    for _ in 0..500 {
        encode_request(&mut requests, [&b"SETRANGE"[..], b"k", b"0", &long].into_iter());
    }
    script.node.receive(client, &requests);
    let left = |script: &Script| script.node.core.sessions.get(client).unwrap().input_len();
    assert_eq!(left(&script), requests.len());
    script.ask("LPUSH x 1");
    let mut before = requests.len();
    while before > 0 {
        let now = left(&script);
        assert!((1..=200_000).contains(&(before - now)), "{before} to {now}");
        before = now;
        if now > 0 {
            assert!(script.node.time_left().is_zero());
            script.ask("PING");
        }
    }
    assert!(script.received(client).ends_with(":1000"));
}

#[test]
fn a_pause_holds_back_those_whose_keys_are_there() {
    let mut script = Script::new();
    let client = block(&mut script, "BLPOP x 0");
    for request in ["MULTI", "RPUSH x 1", "CLIENT PAUSE 100 WRITE", "EXEC"] {
        script.ask(request);
    }
    script.node.tick();
    assert_eq!(script.received(client), "");
    script.advance(100);
    script.node.tick();
    assert_eq!(script.received(client), "[x 1]");
}

fn field(script: &mut Script, name: &str) -> u64 {
    let info = script.ask("INFO");
    let value = info.split(&format!("{name}:")).nth(1).expect("it is told");
    value.split("\\r").next().unwrap().parse().unwrap()
}

#[test]
fn info_counts_those_who_wait_and_their_keys() {
    let mut script = Script::new();
    block(&mut script, "BLPOP x y 0");
    block(&mut script, "BZPOPMIN x 10");
    let timed = block(&mut script, "WAIT 1 10");
    let mut figures = || {
        ["blocked_clients", "clients_in_timeout_table", "total_blocking_keys", "total_blocking_keys_on_nokey"]
            .map(|name| field(&mut script, name))
    };
    assert_eq!(figures(), [3, 2, 2, 0]);
    assert!(script.ask("CLIENT LIST ID 2").contains("flags=b "), "as the list shows");
    script.node.closed(timed);
    script.ask("CLIENT UNBLOCK 2");
    script.ask("CLIENT UNBLOCK 3");
    let counted = ["blocked_clients", "clients_in_timeout_table", "total_blocking_keys"];
    assert_eq!(counted.map(|name| field(&mut script, name)), [0; 3]);
}

#[test]
fn a_command_that_waits_is_shown_once_and_counts_when_it_is_answered() {
    let mut script = Script::new();
    script.node.core.config.slowlog_log_slower_than = 0;
    let monitor = script.connect();
    script.ask_as(monitor, "MONITOR");
    let client = block(&mut script, "BLPOP x 0");
    assert!(!script.ask("INFO commandstats").contains("cmdstat_blpop:"), "it is not over");
    script.ask("RPUSH x 1");
    assert!(script.ask("INFO commandstats").contains("cmdstat_blpop:calls=1,"));
    assert_eq!(script.received(monitor).matches("BLPOP").count(), 1);
    assert_eq!(script.ask("SLOWLOG GET 100").matches("BLPOP").count(), 1);
    assert_eq!(script.received(client), "[x 1]");
    script.propagated();
    block_as(&mut script, client, "BLPOP x 0");
    script.ask("CLIENT UNBLOCK 3 ERROR");
    let stats = script.ask("INFO commandstats errorstats");
    assert!(stats.contains("cmdstat_blpop:calls=2,"), "{stats}");
    assert!(stats.contains("errorstat_UNBLOCKED:count=1"), "{stats}");
}

#[test]
fn a_request_that_waits_counts_as_memory_of_its_client() {
    let mut script = Script::new();
    let client = script.connect();
    let memory = |script: &Script| script.node.core.sessions.get(client).unwrap().memory();
    let before = memory(&script);
    let key = "k".repeat(10_000);
    block_as(&mut script, client, &format!("BLPOP {key} 0"));
    assert!(memory(&script) > before + 30_000);
    script.ask(&format!("RPUSH {key} 1"));
    script.received(client);
    assert!(memory(&script) < before + 30_000);
}

#[test]
fn client_reply_holds_for_what_is_served() {
    let mut script = Script::new();
    let client = script.connect();
    script.ask_as(client, "CLIENT REPLY SKIP");
    block_as(&mut script, client, "BLPOP x 0");
    script.ask("RPUSH x 1");
    assert_eq!(script.received(client), "");
    assert_eq!(script.ask_as(client, "PING"), "+PONG");
}

#[test]
fn who_makes_others_be_served_is_told_of_it_behind_its_own_reply() {
    let mut script = Script::resp3();
    script.ask("CONFIG SET notify-keyspace-events KEA");
    script.ask("SUBSCRIBE __keyevent@0__:rpush __keyevent@0__:lpop");
    let waiting = block(&mut script, "BLPOP x 0");
    assert_eq!(
        script.ask("RPUSH x 1"),
        r#":1 >[message "__keyevent@0__:rpush" x] >[message "__keyevent@0__:lpop" x]"#
    );
    assert_eq!(script.received(waiting), "[x 1]");
}

#[test]
fn what_is_served_breaks_the_watch_of_who_made_it_so() {
    let mut script = Script::new();
    block(&mut script, "BLMOVE x y LEFT LEFT 0");
    for request in ["WATCH y", "RPUSH x 1", "MULTI", "PING"] {
        script.ask(request);
    }
    assert_eq!(script.ask("EXEC"), "*-1");
}

#[test]
fn a_replica_serves_readers_of_streams_from_what_it_applies() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    script.node.tick();
    let client = script.connect();
    assert_eq!(script.ask_as(client, "XREAD BLOCK 0 STREAMS s $"), "");
    let readonly = "-READONLY You can't write against a read only replica.";
    assert_eq!(script.ask("BLPOP x 0"), readonly);
    script.node.link_received(1, b"*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$3\r\n1-1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    script.node.tick();
    assert_eq!(script.received(client), "[[s [[1-1 [f v]]]]]");
}

#[test]
fn a_read_does_not_wait_for_a_pause_that_holds_a_write_before_it() {
    let mut script = Script::new();
    let (worker, reader) = (script.connect(), script.connect());
    script.ask("XGROUP CREATE s g $ MKSTREAM");
    script.ask_as(worker, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    script.ask_as(reader, "XREAD BLOCK 0 STREAMS s $");
    for request in ["MULTI", "CLIENT PAUSE 2000 WRITE", "XADD s 1-1 f v", "EXEC"] {
        script.ask(request);
    }
    assert_eq!(script.received(worker), "");
    assert_eq!(script.received(reader), "[[s [[1-1 [f v]]]]]");
}

#[test]
fn who_waited_before_a_pause_comes_before_who_came_in_it() {
    let mut script = Script::new();
    let (first, second) = (script.connect(), script.connect());
    script.ask_as(first, "BLPOP x 0");
    for request in ["MULTI", "CLIENT PAUSE 500 WRITE", "RPUSH x 1 2", "EXEC"] {
        script.ask(request);
    }
    script.ask_as(second, "BLPOP x 0");
    script.advance(501);
    script.node.tick();
    assert_eq!((script.received(first), script.received(second)), ("[x 1]".to_owned(), "[x 2]".to_owned()));
}

#[test]
fn what_is_to_be_cached_is_said_of_the_read_that_waits() {
    let mut script = Script::resp3();
    let other = script.connect();
    script.ask("CLIENT TRACKING ON OPTIN");
    script.ask("CLIENT CACHING YES");
    script.ask("XREAD BLOCK 0 STREAMS s $");
    let client = script.client();
    script.ask_as(other, "XADD s 1-1 f v");
    assert!(script.received(client).contains("1-1"));
    script.ask_as(other, "XADD s 2-1 f v");
    assert!(script.received(client).contains("invalidate"));
}
