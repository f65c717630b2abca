//! Keys of any type. The clock stands at 1000 milliseconds.

use crate::script::Script;

/// DUMP of the list 3, 1, 2, of the hash f: 1, g: 2, of the set 1, 2, 3 and of the sorted set b, c, a.
const LIST: &str = r#""\x12\x01\x02\r\r\x00\x00\x00\x03\x00\x03\x01\x01\x01\x02\x01\xff\n\x00\x8a\xbeY\xd5\xc4\xcc\xdc\x02""#;
const HASH: &str = r#""\x10\x11\x11\x00\x00\x00\x04\x00\x81f\x02\x01\x01\x81g\x02\x02\x01\xff\n\x00\xdc\xe0\x88\xc5x\xacl+""#;
const SET: &str =
    r#""\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5\x02\\\xe2mnM\x1b""#;
const SORTED_SET: &str = r#""\x11\x16\x16\x00\x00\x00\x06\x00\x81b\x02\x01\x01\x81c\x02\x02\x01\x81a\x02\x03\x01\xff\n\x00q\xc4u\xcd~\x1e\x94\xda""#;

/// A script with a key of each type: `list`, `hash`, `set`, `zset` and the string `string`.
fn with_all_types() -> Script {
    let mut script = Script::new();
    for (key, payload) in [("list", LIST), ("hash", HASH), ("set", SET), ("zset", SORTED_SET)] {
        assert_eq!(script.ask(&format!("RESTORE {key} 0 {payload}")), "+OK");
    }
    assert_eq!(script.ask("SET string 1"), "+OK");
    script.propagated();
    script
}

#[test]
fn keys_are_looked_for_and_deleted() {
    let mut script = with_all_types();
    script.check_read("EXISTS list list nokey", ":2");
    script.check_read("TOUCH list nokey", ":1");
    for (key, name) in [("list", "list"), ("hash", "hash"), ("zset", "zset"), ("nokey", "none")] {
        script.check_read(&format!("TYPE {key}"), &format!("+{name}"));
    }
    script.check_write("DEL list nokey list", ":1");
    script.check_read("DEL list", ":0");
    script.check_write("UNLINK hash set", ":2");
    script.check_read("DBSIZE", ":2");
}

#[test]
fn a_deadline_is_propagated_whatever_the_unit() {
    let mut script = with_all_types();
    script.check("EXPIRE string 10", ":1", "PEXPIREAT string 11000");
    script.check("PEXPIRE string 10 LT", ":1", "PEXPIREAT string 1010 LT");
    script.check("EXPIREAT string 20 XX GT", ":1", "PEXPIREAT string 20000 XX GT");
    script.check("PEXPIREAT string 30000", ":1", "PEXPIREAT string 30000");
    script.check_read("TTL string", ":29");
    script.check_read("PTTL string", ":29000");
    script.check_read("EXPIRETIME string", ":30");
    script.check_read("PEXPIRETIME string", ":30000");
    script.check_write("PERSIST string", ":1");
    script.check_read("PERSIST string", ":0");
    script.check_read("TTL string", ":-1");
    script.check_read("PEXPIRETIME nokey", ":-2");
    script.check_read("EXPIRE nokey 10", ":0");
}

#[test]
fn a_deadline_that_has_passed_deletes_the_key() {
    let mut script = with_all_types();
    script.check("EXPIRE list 0", ":1", "DEL list");
    script.check("EXPIRE hash -1 XX", ":0", "");
    script.check("EXPIRE hash -1 LT", ":1", "DEL hash");
    script.check("PEXPIREAT set 1000", ":1", "DEL set");
    script.check_read("EXISTS list hash set", ":0");
}

#[test]
fn a_due_key_is_deleted_before_the_command_that_meets_it() {
    let mut script = Script::new();
    let renew = |script: &mut Script| {
        assert_eq!(script.ask("SET k v PX 10"), "+OK");
        script.propagated();
        script.advance(11);
    };
    for (request, reply) in [
        ("GET k", "$-1"),
        ("EXISTS k", ":0"),
        ("TTL k", ":-2"),
        ("DEL k", ":0"),
        ("PERSIST k", ":0"),
        ("TYPE k", "+none"),
        ("SCAN 0", "[0 []]"),
        ("RANDOMKEY", "$-1"),
    ] {
        renew(&mut script);
        script.check(request, reply, "DEL k");
    }
    renew(&mut script);
    script.check("INCR k", ":1", "MULTI; DEL k; INCR k; EXEC");
    renew(&mut script);
    script.check_write("SET k v", "+OK");
}

#[test]
fn conditions_compare_the_old_and_the_new_deadline() {
    let mut script = Script::new();
    script.check_write("SET k v", "+OK");
    for (request, reply, deadline) in [
        ("PEXPIREAT k 5000 XX", ":0", ":-1"),
        ("PEXPIREAT k 5000 GT", ":0", ":-1"),
        ("PEXPIREAT k 5000 LT", ":1", ":5000"),
        ("PEXPIREAT k 6000 NX", ":0", ":5000"),
        ("PEXPIREAT k 5000 GT", ":0", ":5000"),
        ("PEXPIREAT k 6000 gt xx", ":1", ":6000"),
        ("PEXPIREAT k 7000 LT", ":0", ":6000"),
    ] {
        assert_eq!(script.ask(request), reply, "{request}");
        assert_eq!(script.ask("PEXPIRETIME k"), deadline, "{request}");
    }
    let others = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    for (options, error) in [
        ("NX XX", others),
        ("NX GT", others),
        ("NX LT", others),
        ("GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("FOO", "-ERR Unsupported option FOO"),
    ] {
        assert_eq!(script.ask(&format!("EXPIRE k 1 {options}")), error);
    }
    script.propagated();
    script.check_read("EXPIRE k a", "-ERR value is not an integer or out of range");
    script.check_read("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command");
    script.check_read("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command");
}

#[test]
fn a_renamed_key_keeps_its_deadline() {
    let mut script = with_all_types();
    script.check("PEXPIRE list 500", ":1", "PEXPIREAT list 1500");
    script.check_write("RENAME list string", "+OK");
    script.check_read("PTTL string", ":500");
    script.check_read("TYPE string", "+list");
    script.check_read("RENAME nokey a", "-ERR no such key");
    script.check_read("RENAME string string", "+OK");
    script.check_read("RENAMENX string string", ":0");
    script.check_read("RENAMENX string hash", ":0");
    script.check_write("RENAMENX string other", ":1");
}

#[test]
fn keys_move_and_are_copied_between_databases() {
    let mut script = with_all_types();
    script.check_write("MOVE list 3", ":1");
    script.check_read("MOVE list 3", ":0");
    script.check_write("COPY hash hash2", ":1");
    script.check_read("COPY hash hash2", ":0");
    script.check_write("COPY string hash2 REPLACE", ":1");
    script.check_write("COPY string string DB 3", ":1");
    script.check_read("MOVE string 3", ":0");
    script.check_read("COPY nokey a REPLACE", ":0");
    let same = "-ERR source and destination objects are the same";
    let range = "-ERR DB index is out of range";
    for (request, error) in [
        ("MOVE string 0", same),
        ("COPY string string", same),
        ("MOVE string 16", range),
        ("COPY string a DB -1", range),
        ("MOVE string a", "-ERR value is not an integer or out of range"),
        (
            "MOVE string 99999999999",
            "-ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        ("SELECT a", "-ERR value is not an integer or out of range"),
        ("SELECT -1", range),
        ("COPY string a FOO", "-ERR syntax error"),
        ("COPY string a DB", "-ERR syntax error"),
    ] {
        script.check_read(request, error);
    }
}

#[test]
fn swapdb_exchanges_all_keys_and_breaks_watches() {
    let mut script = with_all_types();
    let other = script.connect();
    script.ask_as(other, "WATCH string");
    script.check_write("SWAPDB 0 1", "+OK");
    script.check_read("DBSIZE", ":0");
    script.ask_as(other, "MULTI");
    script.ask_as(other, "PING");
    assert_eq!(script.ask_as(other, "EXEC"), "*-1");
    script.check_write("SWAPDB 0 1", "+OK");
    script.check_read("DBSIZE", ":5");
    script.check_read("SWAPDB 0 99", "-ERR DB index is out of range");
    script.check_read("SWAPDB a 0", "-ERR invalid first DB index");
    script.check_read("SWAPDB 0 a", "-ERR invalid second DB index");
}

#[test]
fn a_flush_is_propagated_even_where_there_is_nothing() {
    let mut script = with_all_types();
    script.check_write("MOVE list 3", ":1");
    script.check_write("FLUSHDB", "+OK");
    script.check_read("DBSIZE", ":0");
    script.check_write("FLUSHDB ASYNC", "+OK");
    script.check_write("FLUSHALL SYNC", "+OK");
    script.check("SELECT 3", "+OK", "");
    script.check_read("DBSIZE", ":0");
    script.check_read("FLUSHALL FOO", "-ERR syntax error");
    script.check_read("FLUSHDB SYNC ASYNC", "-ERR syntax error");
}

#[test]
fn keys_and_scan_filter_by_pattern_and_type() {
    let mut script = with_all_types();
    script.check_read("KEYS *ash", "[hash]");
    script.check_read("KEYS nokey", "[]");
    script.check_read("SCAN 0 TYPE hash", "[0 [hash]]");
    script.check_read("SCAN 0 MATCH zs* COUNT 100", "[0 [zset]]");
    script.check_read("SCAN 0 TYPE nonsense", "[0 []]");
    script.check_read("SCAN a", "-ERR invalid cursor");
    script.check_read("SCAN 0 COUNT 0", "-ERR syntax error");
    script.check_read("SCAN 0 COUNT a", "-ERR value is not an integer or out of range");
    script.check_read("SCAN 0 FOO 1", "-ERR syntax error");
}

#[test]
fn a_scan_sees_every_key_once() {
    let mut script = Script::new();
    for index in 0..1000 {
        script.ask(&format!("SET key:{index} {index}"));
    }
    let mut cursor = "0".to_owned();
    let mut keys = Vec::new();
    loop {
        let reply = script.ask(&format!("SCAN {cursor} COUNT 20"));
        let (next, found) = reply[1..].split_once(" [").unwrap();
        keys.extend(found.trim_end_matches(']').split(' ').map(str::to_owned));
        next.clone_into(&mut cursor);
        if cursor == "0" {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 1000);
}

#[test]
fn object_tells_what_lies_behind_a_key() {
    let mut script = with_all_types();
    for (key, name) in [("list", "listpack"), ("set", "intset"), ("string", "int"), ("nokey", "$-1")] {
        script.check_read(&format!("OBJECT ENCODING {key}"), name);
    }
    script.advance(5000);
    script.check_read("OBJECT IDLETIME list", ":5");
    script.check_read("OBJECT REFCOUNT list", ":1");
    assert!(script.ask("OBJECT FREQ list").starts_with("-ERR An LFU maxmemory policy is not selected"));
    script.check_read("OBJECT FREQ nokey", "$-1");
    script.check_read("OBJECT FOO", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.");
    script.check_read("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command");
}

#[test]
fn a_dumped_value_is_restored() {
    let mut script = with_all_types();
    for key in ["list", "hash", "set", "zset", "string"] {
        let payload = script.ask(&format!("DUMP {key}"));
        script.check_write(&format!("RESTORE copy 0 {payload} REPLACE"), "+OK");
        assert_eq!(script.ask(&format!("DUMP {key}")), script.ask("DUMP copy"));
    }
    script.check_read("DUMP nokey", "$-1");
}

#[test]
fn restore_is_propagated_with_an_absolute_time() {
    let mut script = Script::new();
    script.check(
        &format!("RESTORE k 500 {HASH} IDLETIME 7"),
        "+OK",
        &format!("RESTORE k 1500 {HASH} IDLETIME 7 ABSTTL"),
    );
    script.check_read("OBJECT IDLETIME k", ":7");
    script.check_read(&format!("RESTORE k 0 {HASH}"), "-BUSYKEY Target key name already exists.");
    script.check_write(&format!("RESTORE k 5000 {HASH} REPLACE ABSTTL"), "+OK");
    script.check_read("PTTL k", ":4000");
    script.check(&format!("RESTORE k 10 {HASH} REPLACE ABSTTL"), "+OK", "DEL k");
    script.check(&format!("RESTORE k 10 {HASH} ABSTTL"), "+OK", "");
}

#[test]
fn restore_refuses_what_is_no_dump() {
    let mut script = Script::new();
    for (arguments, error) in [
        ("0 x", "-ERR DUMP payload version or checksum are wrong"),
        ("-1 x", "-ERR Invalid TTL value, must be >= 0"),
        ("0 x FOO", "-ERR syntax error"),
        ("0 x IDLETIME", "-ERR syntax error"),
        ("0 x IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0"),
        ("0 x FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("0 x FREQ 1 IDLETIME 1", "-ERR syntax error"),
    ] {
        script.check_read(&format!("RESTORE k {arguments}"), error);
    }
}

#[test]
fn sort_orders_by_number_or_by_text() {
    let mut script = with_all_types();
    for (request, reply) in [
        ("SORT list", "[1 2 3]"),
        ("SORT list DESC LIMIT 0 2", "[3 2]"),
        ("SORT list LIMIT 5 1", "[]"),
        ("SORT list BY nosort", "[3 1 2]"),
        ("SORT list BY nosort DESC LIMIT 1 2", "[1 3]"),
        ("SORT set DESC", "[3 2 1]"),
        ("SORT zset ALPHA", "[a b c]"),
        ("SORT zset BY nosort", "[b c a]"),
        ("SORT zset", "-ERR One or more scores can't be converted into double"),
        ("SORT hash", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("SORT nokey", "[]"),
        ("SORT list LIMIT 1", "-ERR syntax error"),
        ("SORT_RO list", "[1 2 3]"),
        ("SORT_RO list STORE x", "-ERR syntax error"),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn sort_looks_at_other_keys() {
    let mut script = with_all_types();
    script.check_write("MSET w_1 30 w_2 20 w_3 10 o_1 x o_2 y", "+OK");
    assert_eq!(script.ask(&format!("RESTORE h_1 0 {HASH}")), "+OK");
    script.propagated();
    script.check_read("SORT list BY w_*", "[3 2 1]");
    script.check_read("SORT list BY w_* GET # GET o_*", "[3 $-1 2 y 1 x]");
    script.check_read("SORT list GET h_*->f", "[1 $-1 $-1]");
    script.check_read("SORT list BY o_*", "-ERR One or more scores can't be converted into double");
    script.check_read("SORT list BY o_* ALPHA DESC", "[2 1 3]");
}

#[test]
fn sort_stores_a_list_or_deletes_the_key() {
    let mut script = with_all_types();
    script.check_write("SORT list DESC STORE sorted", ":3");
    script.check_read("SORT sorted BY nosort", "[3 2 1]");
    script.check_write("SORT set BY nosort STORE sorted", ":3");
    script.check_read("SORT sorted BY nosort", "[1 2 3]");
    script.check_write("SADD words c b d a", ":4");
    script.check_write("SORT words BY nokey_* ALPHA STORE sorted", ":4");
    script.check_read("SORT sorted BY nosort", "[a b c d]");
    script.check_write("SORT words BY nosort DESC STORE sorted", ":4");
    script.check_read("SORT sorted BY nosort", "[d c b a]");
    script.check_write("SORT list GET nokey_* STORE sorted", ":3");
    script.check_read("SORT sorted BY nosort", r#"["" "" ""]"#);
    script.check_write("SORT nokey STORE sorted", ":0");
    script.check_read("SORT nokey STORE sorted", ":0");
    script.check_read("EXISTS sorted", ":0");
}

/// Lengths at which a key is stored in another way, and beyond all of them.
#[test]
fn keys_of_any_length_are_keys() {
    for length in [1, 253, 254, 255, 256, 497, 512, 4096, 65_535, 65_536, 1 << 20] {
        let mut script = Script::new();
        let (key, other) = ("k".repeat(length), format!("{}o", "k".repeat(length - 1)));
        script.check_write(&format!("SET {key} 1"), "+OK");
        script.check_write(&format!("INCR {key}"), ":2");
        script.check_write(&format!("APPEND {key} {}", "v".repeat(700)), ":701");
        script.check_read(&format!("STRLEN {key}"), ":701");
        script.check_write(&format!("PEXPIREAT {key} 4102444800000"), ":1");
        script.check_write(&format!("RENAME {key} {other}"), "+OK");
        script.check_read(&format!("EXISTS {key} {other}"), ":1");
        script.check_read(&format!("PEXPIRETIME {other}"), ":4102444800000");
        script.check_write(&format!("RPUSH {key} a b"), ":2");
        script.check_write(&format!("COPY {key} {other} REPLACE"), ":1");
        script.check_read(&format!("LRANGE {other} 0 -1"), "[a b]");
        script.check_write(&format!("DEL {other}"), ":1");
        script.check_read("SCAN 0", &format!("[0 [{key}]]"));
        script.check_read("RANDOMKEY", &key);
        script.check_write(&format!("LPOP {key} 2"), "[a b]");
        script.check_read("DBSIZE", ":0");
    }
}
