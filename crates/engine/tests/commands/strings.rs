//! Strings. The clock stands at 1000 milliseconds.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
/// DUMP of a list of one element.
const LIST: &str = r#""\x12\x01\x02\t\t\x00\x00\x00\x01\x00\x01\x01\xff\n\x00\x10\x82\x8f\x92\t\xb3\xf4F""#;

fn with_list() -> Script {
    let mut script = Script::new();
    assert_eq!(script.ask(&format!("RESTORE list 0 {LIST}")), "+OK");
    script.propagated();
    script
}

#[test]
fn set_stores_whatever_the_key_held() {
    let mut script = with_list();
    script.check_write("SET list x", "+OK");
    script.check_read("GET list", "x");
    script.check_read("GET nokey", "$-1");
    script.check_read("SET k", "-ERR wrong number of arguments for 'set' command");
}

#[test]
fn a_time_to_live_is_propagated_as_its_end() {
    let mut script = Script::new();
    script.check("SET k v EX 10", "+OK", "SET k v PXAT 11000");
    script.check("SET k v PX 10 NX", "$-1", "");
    script.check("SET k v PX 10 XX", "+OK", "SET k v PXAT 1010");
    script.check("SET k v EXAT 20", "+OK", "SET k v PXAT 20000");
    script.check("SET k v pxat 20000", "+OK", "SET k v pxat 20000");
    script.check("SET k v PXAT 30000 GET", "v", "SET k v PXAT 30000");
    script.check("SETEX k 10 v", "+OK", "SET k v PXAT 11000");
    script.check("PSETEX k 10 v", "+OK", "SET k v PXAT 1010");
    script.check_write("SET k w KEEPTTL", "+OK");
    script.check_read("PTTL k", ":10");
    script.check_write("SET k w", "+OK");
    script.check_read("TTL k", ":-1");
}

#[test]
fn set_refuses_times_that_are_none() {
    let mut script = Script::new();
    let invalid = "-ERR invalid expire time in 'set' command";
    for time in ["EX 0", "PX -1", "EX 9223372036854775", "PX 9223372036854775807", "EXAT 9223372036854775807"]
    {
        script.check_read(&format!("SET k v {time}"), invalid);
    }
    script.check_read("SET k v EX a", "-ERR value is not an integer or out of range");
    script.check_read("SETEX k 0 v", "-ERR invalid expire time in 'setex' command");
    for options in ["EX", "EX 1 PX 1", "EX 1 KEEPTTL", "KEEPTTL EX 1", "NX XX", "XX NX", "PERSIST", "FOO"] {
        script.check_read(&format!("SET k v {options}"), "-ERR syntax error");
    }
    script.check("SET k v EX 1 EX 2", "+OK", "SET k v PXAT 3000");
}

#[test]
fn set_get_answers_the_old_value() {
    let mut script = with_list();
    script.check("SET k 1 GET", "$-1", "SET k 1");
    script.check("SET k 2 get XX", "1", "SET k 2 XX");
    script.check("SET k 3 NX GET", "2", "");
    script.check("SET k 3 GET EX 5", "2", "SET k 3 PXAT 6000");
    script.check_read("SET list x GET", WRONG_TYPE);
    script.check("GETSET k 4", "3", "SET k 4");
    script.check_read("GETSET list 4", WRONG_TYPE);
    let mut script = Script::resp3();
    script.check("GETSET k 4", "_", "SET k 4");
}

#[test]
fn setnx_and_msetnx_need_absent_keys() {
    let mut script = Script::new();
    script.check_write("SETNX a 1", ":1");
    script.check_read("SETNX a 2", ":0");
    script.check_read("MSETNX b 1 a 2", ":0");
    script.check_write("MSETNX b 1 c 2 b 3", ":1");
    script.check_read("MGET a b c nokey", "[1 3 2 $-1]");
    script.check_read("MSETNX d", "-ERR wrong number of arguments for 'msetnx' command");
}

#[test]
fn mset_and_mget_take_several_keys() {
    let mut script = with_list();
    script.check_write("MSET a 1 b two", "+OK");
    script.check_read("MGET a b list nokey", "[1 two $-1 $-1]");
    script.check_read("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command");
    let mut script = Script::resp3();
    script.check_read("MGET nokey", "[_]");
}

#[test]
fn getdel_is_propagated_as_del() {
    let mut script = with_list();
    script.check_write("SET k v", "+OK");
    script.check("GETDEL k", "v", "DEL k");
    script.check("GETDEL k", "$-1", "");
    script.check_read("GETDEL list", WRONG_TYPE);
}

#[test]
fn getex_is_propagated_by_its_effect() {
    let mut script = with_list();
    script.check_write("SET k v", "+OK");
    script.check_read("GETEX k", "v");
    script.check("GETEX k EX 10", "v", "PEXPIREAT k 11000");
    script.check("GETEX k PXAT 5000", "v", "PEXPIREAT k 5000");
    script.check("GETEX k PERSIST", "v", "PERSIST k");
    script.check("GETEX k PERSIST", "v", "");
    script.check_read("GETEX k EX 0", "-ERR invalid expire time in 'getex' command");
    script.check_read("GETEX k EX 1 PERSIST", "-ERR syntax error");
    script.check_read("GETEX k KEEPTTL", "-ERR syntax error");
    script.check_read("GETEX nokey EX 0", "$-1");
    script.check_read("GETEX list EX 0", WRONG_TYPE);
    script.check("GETEX k EXAT 1", "v", "DEL k");
    script.check_read("EXISTS k", ":0");
}

#[test]
fn integers_are_counted_up_and_down() {
    let mut script = with_list();
    script.check_write("INCR i", ":1");
    script.check_write("INCRBY i 10", ":11");
    script.check_write("DECR i", ":10");
    script.check_write("DECRBY i 15", ":-5");
    script.check_read("OBJECT ENCODING i", "int");
    script.check_read("INCRBY i a", "-ERR value is not an integer or out of range");
    script.check_read("DECRBY i -9223372036854775808", "-ERR decrement would overflow");
    script.check_write("SET i 9223372036854775807", "+OK");
    script.check_read("INCR i", "-ERR increment or decrement would overflow");
    script.check_write("SET i 012", "+OK");
    script.check_read("INCR i", "-ERR value is not an integer or out of range");
    script.check_read("INCR list", WRONG_TYPE);
}

#[test]
fn counting_keeps_the_time_to_live() {
    let mut script = Script::new();
    script.check("SET i 1 PX 500", "+OK", "SET i 1 PXAT 1500");
    script.check_write("INCR i", ":2");
    script.check("INCRBYFLOAT i 0.5", "2.5", "SET i 2.5 KEEPTTL");
    script.check_write("APPEND i 1", ":4");
    script.check_write("SETRANGE i 0 9", ":4");
    script.check_read("PTTL i", ":500");
}

#[test]
fn incrbyfloat_is_propagated_as_its_result() {
    let mut script = with_list();
    script.check("INCRBYFLOAT f 3.0e3", "3000", "SET f 3000 KEEPTTL");
    script.check("INCRBYFLOAT f 0.1", "3000.10000000000000009", "SET f 3000.10000000000000009 KEEPTTL");
    script.check_read("INCRBYFLOAT f a", "-ERR value is not a valid float");
    script.check_read("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity");
    script.check_read("INCRBYFLOAT list 1", WRONG_TYPE);
    script.check_read("OBJECT ENCODING f", "embstr");
}

#[test]
fn an_expired_key_is_deleted_before_the_effect_that_makes_it_anew() {
    let mut script = Script::new();
    script.check("SET f 1 PX 10", "+OK", "SET f 1 PXAT 1010");
    script.advance(20);
    script.check("INCRBYFLOAT f 0.5", "0.5", "MULTI; DEL f; SET f 0.5 KEEPTTL; EXEC");
}

#[test]
fn append_and_setrange_grow_a_string() {
    let mut script = with_list();
    script.check_write("APPEND a 12", ":2");
    script.check_read("OBJECT ENCODING a", "int");
    script.check_write("APPEND a 3", ":3");
    script.check_read("OBJECT ENCODING a", "raw");
    script.check_write("SETRANGE r 2 x", ":3");
    script.check_read("GET r", r#""\x00\x00x""#);
    script.check_read("SETRANGE r 9 ''", ":3");
    script.check_read("SETRANGE nokey 9 ''", ":0");
    script.check_read("SETRANGE r -1 x", "-ERR offset is out of range");
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    script.check_read("SETRANGE r 536870912 x", too_long);
    script.check_read("SETRANGE r 9223372036854775807 x", too_long);
    script.check_read("APPEND list x", WRONG_TYPE);
    script.check_read("SETRANGE list 0 ''", WRONG_TYPE);
}

#[test]
fn parts_and_lengths_are_read() {
    let mut script = with_list();
    script.check_write("SET s 'Hello World'", "+OK");
    script.check_read("GETRANGE s 0 4", "Hello");
    script.check_read("SUBSTR s -5 -1", "World");
    script.check_read("GETRANGE nokey 0 4", r#""""#);
    script.check_read("GETRANGE s a 4", "-ERR value is not an integer or out of range");
    script.check_read("GETRANGE list 0 4", WRONG_TYPE);
    script.check_read("STRLEN s", ":11");
    script.check_read("STRLEN nokey", ":0");
    script.check_read("STRLEN list", WRONG_TYPE);
}

#[test]
fn lcs_answers_the_subsequence_its_length_or_its_place() {
    let mut script = with_list();
    script.check_write("MSET a ohmytext b mynewtext", "+OK");
    script.check_read("LCS a b", "mytext");
    script.check_read("LCS a b LEN", ":6");
    script.check_read("LCS a b IDX", "[matches [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] len :6]");
    script.check_read("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "[matches [[[:4 :7] [:5 :8] :4]] len :6]");
    script.check_read("LCS a nokey", r#""""#);
    script
        .check_read("LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX.");
    script.check_read("LCS a b MINMATCHLEN", "-ERR syntax error");
    script.check_read("LCS a list", "-ERR The specified keys must contain string values");
    script.use_resp3();
    script.check_read("LCS a b IDX MINMATCHLEN 5", "%[matches [] len :6]");
}
