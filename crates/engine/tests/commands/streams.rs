//! Streams.

use slipstream_engine::config::Config;
use slipstream_engine::session::Role;

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const BAD_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const BELOW_TOP: &str = "-ERR The ID specified in XADD is equal or smaller than the target stream top item";

/// A script whose streams have blocks of so many entries.
fn with_blocks_of(entries: usize) -> Script {
    let mut config = Config::default();
    config.stream_node_max_entries = entries;
    Script::with_config(config)
}

/// A script with `count` entries `1-0` to `count-0` at `s`, in blocks of three.
fn filled(count: usize) -> Script {
    let mut script = with_blocks_of(3);
    for ms in 1..=count {
        script.check_write(&format!("XADD s {ms}-0 f {ms}"), &format!("{ms}-0"));
    }
    script
}

#[test]
fn added_entries_are_propagated_with_the_ids_they_got() {
    let mut script = Script::new();
    script.check("XADD s * f v", "1000-0", "XADD s 1000-0 f v");
    script.check("XADD s * f v g w", "1000-1", "XADD s 1000-1 f v g w");
    script.advance(5);
    script.check("xadd s * f 1", "1005-0", "xadd s 1005-0 f 1");
    script.check("XADD s 1005-* f v", "1005-1", "XADD s 1005-1 f v");
    script.check("XADD s 2000-* f v", "2000-0", "XADD s 2000-0 f v");
    script.check("XADD s * f v", "2000-1", "XADD s 2000-1 f v");
    script.check_write("XADD s 2001 f v", "2001-0");
    script.check_write("XADD s 2001-7 f v", "2001-7");
    script.check_read("XLEN s", ":8");
    script.check_read("XLEN nosuch", ":0");
    script.check("XADD new 0-* f v", "0-1", "XADD new 0-1 f v");
    script.check_read("TYPE s", "+stream");
    script.check_read("OBJECT ENCODING s", "stream");
    script.check_read("SCAN 0 TYPE stream COUNT 100 MATCH s", "[0 [s]]");
}

#[test]
fn ids_only_grow() {
    let mut script = Script::new();
    script.check_write("XADD s 5-5 f v", "5-5");
    for id in ["5-5", "5-4", "4-*", "4", "0-1"] {
        script.check_read(&format!("XADD s {id} f v"), BELOW_TOP);
    }
    for key in ["s", "nosuch"] {
        script.check_read(
            &format!("XADD {key} 0-0 f v"),
            "-ERR The ID specified in XADD must be greater than 0-0",
        );
    }
    for id in ["x", "-", "+", "5-", "5-x", "5-6-7", "18446744073709551616", "*-5"] {
        script.check_read(&format!("XADD s {id} f v"), BAD_ID);
    }
    script.check_write(
        "XADD s 18446744073709551615-18446744073709551614 f v",
        "18446744073709551615-18446744073709551614",
    );
    script.check(
        "XADD s * f v",
        "18446744073709551615-18446744073709551615",
        "XADD s 18446744073709551615-18446744073709551615 f v",
    );
    script.check_read(
        "XADD s * f v",
        "-ERR The stream has exhausted the last possible ID, unable to add more items",
    );
    assert!(!script.has("nosuch"));
}

#[test]
fn bad_forms_of_xadd_are_refused() {
    let mut script = Script::new();
    let arity = "-ERR wrong number of arguments for 'xadd' command";
    for request in ["XADD s *", "XADD s * f", "XADD s * f v g", "XADD s MAXLEN 5 *", "XADD s NOMKSTREAM * f"]
    {
        script.check_read(request, arity);
    }
    for (options, error) in [
        ("MAXLEN 5 MINID 5", "syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("MAXLEN ~ 5 MAXLEN 5", "syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("MAXLEN x", "value is not an integer or out of range"),
        ("MAXLEN -1", "The MAXLEN argument must be >= 0."),
        ("MINID x", "Invalid stream ID specified as stream command argument"),
        ("MAXLEN ~ 5 LIMIT -1", "The LIMIT argument must be >= 0."),
        ("MAXLEN 5 LIMIT 5", "syntax error, LIMIT cannot be used without the special ~ option"),
        ("MAXLEN = 5 LIMIT 0", "syntax error, LIMIT cannot be used without the special ~ option"),
        ("LIMIT 5", "syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("LIMIT 0", "syntax error, LIMIT cannot be used without the special ~ option"),
    ] {
        script.check_read(&format!("XADD s {options} * f v"), &format!("-ERR {error}"));
    }
    script.check_read("XADD s NOMKSTREAM * f v", "$-1");
    script.check_write("SET text v", "+OK");
    script.check_read("XADD text * f v", WRONG_TYPE);
    script.check_read("XADD text NOMKSTREAM * f v", WRONG_TYPE);
    assert!(!script.has("s"));
    script.check_read("XADD s NOMKSTREAM_ 1-0 f v", BAD_ID);
}

#[test]
fn adding_trims_and_propagates_what_stayed() {
    let mut script = filled(7);
    script.check_write("XADD s MAXLEN 5 8-0 f v", "8-0");
    script.check_read("XRANGE s - + COUNT 1", "[[4-0 [f 4]]]");
    script.check("XADD s MAXLEN ~ 4 9-0 f v", "9-0", "XADD s MAXLEN = 6 9-0 f v");
    script.check("XADD s MAXLEN ~ 2 LIMIT 100 * f v", "1000-0", "XADD s MAXLEN = 4 LIMIT 100 1000-0 f v");
    script.check("XADD s MINID ~ 1000 1001-0 f v", "1001-0", "XADD s MINID = 1000-0 1001-0 f v");
    script.check(
        "XADD s NOMKSTREAM MINID = 1001 1002-* f v",
        "1002-0",
        "XADD s NOMKSTREAM MINID = 1001 1002-0 f v",
    );
    script.check_write("XADD s MAXLEN 0 1003-0 f v", "1003-0");
    script.check_read("XLEN s", ":0");
    script.check("XADD s MAXLEN ~ 0 1004-0 f v", "1004-0", "XADD s MAXLEN = 0 1004-0 f v");
    script.check(
        "XADD s MINID ~ 5000 1005-0 f v",
        "1005-0",
        "XADD s MINID = 18446744073709551615-18446744073709551615 1005-0 f v",
    );
    assert!(script.has("s"));
}

#[test]
fn xtrim_goes_by_length_or_id() {
    let mut script = filled(10);
    script.check_read("XTRIM s MAXLEN 10", ":0");
    script.check_read("XTRIM s MAXLEN ~ 8", ":0");
    script.check("XTRIM s MAXLEN ~ 6", ":3", "XTRIM s MAXLEN = 7");
    script.check("XTRIM s MINID ~ 8-0 LIMIT 3", ":3", "XTRIM s MINID = 7-0 LIMIT 3");
    script.check_read("XTRIM s MINID ~ 9-0 LIMIT 2", ":0");
    script.check_write("XTRIM s MINID 9-0", ":2");
    script.check_read("XRANGE s - +", "[[9-0 [f 9]] [10-0 [f 10]]]");
    script.check_write("XTRIM s MAXLEN = 1", ":1");
    script.check("XTRIM s MAXLEN ~ 0", ":1", "XTRIM s MAXLEN = 0");
    script.check_read("XTRIM s MAXLEN 0", ":0");
    script.check_read("XTRIM nosuch MAXLEN 0", ":0");
    assert!(script.has("s"));
    for (options, error) in [
        ("LIMIT 0", "syntax error, XTRIM must be called with a trimming strategy"),
        ("LIMIT 1", "syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("MAXLEN 1 LIMIT 1", "syntax error, LIMIT cannot be used without the special ~ option"),
        ("MAXLEN 1 NOMKSTREAM", "syntax error"),
        ("MAXLEN = ~", "value is not an integer or out of range"),
        ("MINID -", "Invalid stream ID specified as stream command argument"),
    ] {
        script.check_read(&format!("XTRIM s {options}"), &format!("-ERR {error}"));
    }
    script.check_read("XTRIM s MAXLEN", "-ERR wrong number of arguments for 'xtrim' command");
    script.check_write("SET text v", "+OK");
    script.check_read("XTRIM text MAXLEN 1", WRONG_TYPE);
}

#[test]
fn a_primarys_stream_may_limit_an_exact_trimming() {
    let mut script = filled(4);
    // The copy applies what such a trimming is propagated as.
    script.check("XTRIM s MAXLEN ~ 1 LIMIT 3", ":3", "XTRIM s MAXLEN = 1 LIMIT 3");
    script.check_read(
        "XTRIM s MAXLEN = 1 LIMIT 3",
        "-ERR syntax error, LIMIT cannot be used without the special ~ option",
    );
}

#[test]
fn many_blocks_are_dropped_elsewhere() {
    let mut script = with_blocks_of(1);
    for ms in 1..=200 {
        script.ask(&format!("XADD s {ms}-0 f v"));
    }
    script.propagated();
    script.check_write("XTRIM s MAXLEN 1", ":199");
    script.check_read("XRANGE s - +", "[[200-0 [f v]]]");
    script.check_write("DEL s", ":1");
}

#[test]
fn xdel_removes_what_is_there() {
    let mut script = filled(7);
    script.check_write("XDEL s 2-0 5-0 9-0 2-0", ":2");
    script.check_read("XDEL s 2-0 77", ":0");
    script.check_read("XDEL nosuch x", ":0");
    script.check_read("XDEL s 1-0 x", BAD_ID);
    script.check_read("XDEL s -", BAD_ID);
    script.check_read("XLEN s", ":5");
    script.check_read("XRANGE s - + COUNT 2", "[[1-0 [f 1]] [3-0 [f 3]]]");
    script.check_write("XDEL s 1 3 4 6 7", ":5");
    script.check_read("XLEN s", ":0");
    assert!(script.has("s"));
    script.check_read("XADD s 7-0 f v", BELOW_TOP);
    script.check_write("SET text v", "+OK");
    script.check_read("XDEL text x", WRONG_TYPE);
}

#[test]
fn ranges_are_read_in_both_directions() {
    let mut script = filled(7);
    script.check_write("XADD s 7-1 \"\" 7 long \"a b\"", "7-1");
    for (range, reply) in [
        ("- + COUNT 2", "[[1-0 [f 1]] [2-0 [f 2]]]"),
        ("7 +", "[[7-0 [f 7]] [7-1 [\"\" 7 long \"a b\"]]]"),
        ("6 7", "[[6-0 [f 6]] [7-0 [f 7]] [7-1 [\"\" 7 long \"a b\"]]]"),
        ("6 7-0", "[[6-0 [f 6]] [7-0 [f 7]]]"),
        ("(6 (7-1", "[[7-0 [f 7]]]"),
        ("3 2", "[]"),
        ("8 +", "[]"),
        ("- + COUNT 0", "*-1"),
        ("- + COUNT -5", "*-1"),
        ("- 1 COUNT 5 COUNT 1", "[[1-0 [f 1]]]"),
    ] {
        script.check_read(&format!("XRANGE s {range}"), reply);
    }
    script.check_read("XREVRANGE s + - COUNT 2", "[[7-1 [\"\" 7 long \"a b\"]] [7-0 [f 7]]]");
    script.check_read("XREVRANGE s (4 (2", "[[4-0 [f 4]] [3-0 [f 3]]]");
    script.check_read("XREVRANGE s (4-0 (2-0", "[[3-0 [f 3]]]");
    script.check_read("XREVRANGE s 2 4", "[]");
    script.check_read("XRANGE nosuch - + COUNT 0", "[]");
    for (request, error) in [
        ("XRANGE s x +", "Invalid stream ID specified as stream command argument"),
        ("XRANGE s (- +", "Invalid stream ID specified as stream command argument"),
        ("XRANGE s ( +", "Invalid stream ID specified as stream command argument"),
        ("XRANGE s (18446744073709551615-18446744073709551615 +", "invalid start ID for the interval"),
        ("XRANGE s - (0-0", "invalid end ID for the interval"),
        ("XRANGE s - + COUNT", "syntax error"),
        ("XRANGE s - + COUNT x", "value is not an integer or out of range"),
        ("XREVRANGE s - + LIMIT 1", "syntax error"),
    ] {
        script.check_read(request, &format!("-ERR {error}"));
    }
    script.check_write("SET text v", "+OK");
    script.check_read("XRANGE text - +", WRONG_TYPE);
    script.check_read("XREVRANGE text + -", WRONG_TYPE);
    script.use_resp3();
    script.check_read("XRANGE s 1 1", "[[1-0 [f 1]]]");
    script.check_read("XRANGE s - + COUNT 0", "_");
}

#[test]
fn xread_answers_what_comes_after_the_ids() {
    let mut script = filled(3);
    script.check_write("XADD t 9-9 g w", "9-9");
    script.check_read("XREAD STREAMS s 0", "[[s [[1-0 [f 1]] [2-0 [f 2]] [3-0 [f 3]]]]]");
    script.check_read("XREAD COUNT 1 STREAMS s t 1 9-8", "[[s [[2-0 [f 2]]]] [t [[9-9 [g w]]]]]");
    script.check_read("XREAD COUNT 0 STREAMS nosuch s 0 2-0", "[[s [[3-0 [f 3]]]]]");
    script.check_read("XREAD COUNT -1 STREAMS s 2-0", "[[s [[3-0 [f 3]]]]]");
    script.check_read("XREAD STREAMS s t $ $", "*-1");
    script.check_read("XREAD STREAMS s 18446744073709551615-18446744073709551615", "*-1");
    script.check_write("XDEL s 3-0", ":1");
    script.check_read("XREAD STREAMS s 2-0", "*-1");
    script.use_resp3();
    script.check_read("XREAD STREAMS s t 1 0", "%[s [[2-0 [f 2]]] t [[9-9 [g w]]]]");
    script.check_read("XREAD STREAMS nosuch 0", "_");
}

#[test]
fn bad_forms_of_xread_are_refused() {
    let mut script = filled(1);
    script.check_write("SET text v", "+OK");
    for (request, error) in [
        ("XREAD COUNT 1 BLOCK", "ERR syntax error"),
        ("XREAD COUNT x STREAMS s 0", "ERR value is not an integer or out of range"),
        ("XREAD s 0 1", "ERR syntax error"),
        ("XREAD COUNT 1 COUNT 2", "ERR syntax error"),
        (
            "XREAD STREAMS s t 0",
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
        ),
        (
            "XREAD GROUP g c STREAMS s 0",
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "XREAD NOACK STREAMS s 0",
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            "XREAD STREAMS s >",
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("XREAD STREAMS s +", "ERR Invalid stream ID specified as stream command argument"),
        ("XREAD STREAMS s text 0 x", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
        ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
        ("XREAD BLOCK 9223372036854775807 STREAMS s 0", "ERR timeout is out of range"),
    ] {
        script.check_read(request, &format!("-{error}"));
    }
}

#[test]
fn xread_does_not_wait_within_multi() {
    let mut script = filled(1);
    script.check_read("XREAD BLOCK 0 STREAMS s 0", "[[s [[1-0 [f 1]]]]]");
    script.check_read("MULTI", "+OK");
    script.check_read("XREAD BLOCK 0 STREAMS s $", "+QUEUED");
    script.check_read("XREAD BLOCK 0 STREAMS s 0", "+QUEUED");
    script.check_read("EXEC", "[*-1 [[s [[1-0 [f 1]]]]]]");
}

#[test]
fn xsetid_keeps_ids_growing() {
    let mut script = filled(3);
    script.check_write("XSETID s 5-0", "+OK");
    script.check_read("XADD s 5-0 f v", BELOW_TOP);
    script.check_write("XSETID s 4-0 ENTRIESADDED 10 MAXDELETEDID 2-0", "+OK");
    for (request, error) in [
        ("XSETID s 2-0", "The ID specified in XSETID is smaller than the target stream top item"),
        ("XSETID s 1-0", "The ID specified in XSETID is smaller than current max_deleted_entry_id"),
        (
            "XSETID s 4-0 ENTRIESADDED 2",
            "The entries_added specified in XSETID is smaller than the target stream length",
        ),
        ("XSETID s 4-0 ENTRIESADDED -1", "entries_added must be positive"),
        (
            "XSETID s 4-0 MAXDELETEDID 5-0",
            "The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XSETID s 4-0 ENTRIESADDED", "syntax error"),
        ("XSETID s -", "Invalid stream ID specified as stream command argument"),
        ("XSETID nosuch 1-0", "no such key"),
    ] {
        script.check_read(request, &format!("-ERR {error}"));
    }
    script.check_write("SET text v", "+OK");
    script.check_read("XSETID text 1-0", WRONG_TYPE);
}

#[test]
fn streams_move_and_are_copied_like_any_value() {
    let mut script = filled(5);
    script.check_write("XDEL s 5-0", ":1");
    script.check_write("COPY s t", ":1");
    script.check_write("XADD t 6-0 f 6", "6-0");
    script.check_read("XLEN s", ":4");
    script.check_read("XRANGE t 4 +", "[[4-0 [f 4]] [6-0 [f 6]]]");
    script.check_write("RENAME s u", "+OK");
    script.check_read("XADD u 5-0 f v", BELOW_TOP);
    script.check_write("DEL t u", ":2");
    script.check_write("XADD e MAXLEN 0 1-1 f v", "1-1");
    script.check_read("XLEN e", ":0");
}

#[test]
fn the_limits_of_a_block_are_directives() {
    let mut script = Script::new();
    script.check_read(
        "CONFIG GET stream-node-max-*",
        "[stream-node-max-bytes 4096 stream-node-max-entries 100]",
    );
    script.check_read("CONFIG SET stream-node-max-entries 2 stream-node-max-bytes 1kb", "+OK");
    for ms in 1..=5 {
        script.check_write(&format!("XADD s {ms}-0 f v"), &format!("{ms}-0"));
    }
    script.check("XTRIM s MAXLEN ~ 2", ":2", "XTRIM s MAXLEN = 3");
    script.check_read("CONFIG SET stream-node-max-entries 0", "+OK");
    script.check("XTRIM s MAXLEN ~ 0", ":3", "XTRIM s MAXLEN = 0");
}

#[test]
fn entries_come_where_deleted_ones_were_after_xsetid() {
    let mut script = filled(1);
    script.check_write("XADD s 5-0 f v", "5-0");
    script.check_write("XADD s 6-0 f v", "6-0");
    script.check_write("XDEL s 5-0 6-0", ":2");
    script.check_write("XSETID s 9-0 MAXDELETEDID 1-0", "+OK");
    script.check_write("XSETID s 3-0", "+OK");
    script.check_write("XADD s 4-0 f 2", "4-0");
    script.check_write("XADD s 6-0 f 3", "6-0");
    script.check_read("XRANGE s - +", "[[1-0 [f 1]] [4-0 [f 2]] [6-0 [f 3]]]");
    script.check_read("XREVRANGE s 5-0 -", "[[4-0 [f 2]] [1-0 [f 1]]]");
    script.check_write("XDEL s 6-0", ":1");
}

#[test]
fn an_id_below_deleted_ones_is_taken_from_a_primary() {
    let mut script = Script::new();
    for id in ["1-0", "5-0"] {
        script.check_write(&format!("XADD s {id} f v"), id);
    }
    script.check_write("XDEL s 5-0", ":1");
    script.check_read(
        "XSETID s 2-0",
        "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
    );
    let stream = script.connect();
    script.node.core.sessions.get_mut(stream).unwrap().role = Role::Primary;
    script.ask_as(stream, "XSETID s 2-0");
    assert_eq!(script.ask("XADD s 3-0 f v"), "3-0");
}
