//! Bitmaps.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const OFFSET: &str = "-ERR bit offset is not an integer or out of range";
const BIT: &str = "-ERR bit is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";

fn with_list() -> Script {
    let mut script = Script::new();
    script.check_write("RPUSH list x", ":1");
    script
}

#[test]
fn setbit_answers_the_old_bit_and_counts_from_the_highest() {
    let mut script = with_list();
    script.check_write("SETBIT k 7 1", ":0");
    script.check_read("GET k", r#""\x01""#);
    script.check_write("SETBIT k 7 0", ":1");
    script.check_write("SETBIT k 23 1", ":0");
    script.check_read("GET k", r#""\x00\x00\x01""#);
    script.check_read("OBJECT ENCODING k", "raw");
    script.check_write("SET n 1", "+OK");
    script.check_write("SETBIT n 6 1", ":0");
    script.check_read("GET n", "3");
    script.check_read("SETBIT list 0 1", WRONG_TYPE);
    script.check_read("SETBIT k 0", "-ERR wrong number of arguments for 'setbit' command");
}

#[test]
fn a_bit_that_is_as_it_was_changes_nothing_unless_the_string_grows() {
    let mut script = Script::new();
    script.check_write("SETBIT k 3 0", ":0");
    script.check_read("SETBIT k 5 0", ":0");
    script.check_write("SETBIT k 8 0", ":0");
    script.check_read("STRLEN k", ":2");
    script.check_write("SETBIT k 5 1", ":0");
    script.check_read("SETBIT k 5 1", ":1");
}

#[test]
fn setbit_keeps_the_deadline() {
    let mut script = Script::new();
    script.check_write("SET k a PXAT 30000", "+OK");
    script.check_write("SETBIT k 0 1", ":0");
    script.check_read("PEXPIRETIME k", ":30000");
}

#[test]
fn bits_that_cannot_be_addressed_are_refused() {
    let mut script = Script::new();
    for offset in ["-1", "a", "4294967296", "9223372036854775807", "01"] {
        script.check_read(&format!("SETBIT k {offset} 1"), OFFSET);
        script.check_read(&format!("GETBIT k {offset}"), OFFSET);
    }
    for bit in ["2", "-1", "a", "01"] {
        script.check_read(&format!("SETBIT k 0 {bit}"), BIT);
    }
    script.check_read("CONFIG SET proto-max-bulk-len 1mb", "+OK");
    script.check_read("SETBIT k 8388608 1", OFFSET);
    script.check_write("SETBIT k 8388607 1", ":0");
    script.check_read("STRLEN k", ":1048576");
}

#[test]
fn getbit_finds_clear_bits_behind_the_end() {
    let mut script = with_list();
    script.check_write("SET k a", "+OK");
    for (offset, bit) in [(0, 0), (1, 1), (2, 1), (7, 1), (8, 0), (4_000_000_000_u32, 0)] {
        script.check_read(&format!("GETBIT k {offset}"), &format!(":{bit}"));
    }
    script.check_write("SET n 12", "+OK");
    script.check_read("GETBIT n 2", ":1");
    script.check_read("GETBIT n 16", ":0");
    script.check_read("GETBIT nokey 5", ":0");
    script.check_read("GETBIT list 0", WRONG_TYPE);
}

#[test]
fn bitcount_counts_bytes_or_bits_of_a_range() {
    let mut script = with_list();
    script.check_write("SET k foobar", "+OK");
    for (range, count) in [
        ("", 26),
        ("0 0", 4),
        ("1 1", 6),
        ("0 -1", 26),
        ("1 1 BYTE", 6),
        ("5 30 BIT", 17),
        ("0 -1 bit", 26),
        ("-7 -1 BIT", 4),
        ("3 2", 0),
        ("-1 -5", 0),
        ("-1 -5 NOUNIT", 0),
        ("-100 100", 26),
        ("6 6", 0),
        ("-9223372036854775808 9223372036854775807", 26),
    ] {
        script.check_read(&format!("BITCOUNT k {range}"), &format!(":{count}"));
    }
    script.check_write("SET n 123", "+OK");
    script.check_read("BITCOUNT n", ":10");
    script.check_read("BITCOUNT nokey", ":0");
    script.check_read("BITCOUNT nokey 0 0", ":0");
    script.check_read("BITCOUNT k 0", SYNTAX);
    script.check_read("BITCOUNT k 0 1 2 3", SYNTAX);
    script.check_read("BITCOUNT k 0 1 NOUNIT", SYNTAX);
    script.check_read("BITCOUNT k a 1", NOT_INTEGER);
    script.check_read("BITCOUNT k 0 b", NOT_INTEGER);
    script.check_read("BITCOUNT list", WRONG_TYPE);
}

#[test]
fn bitpos_finds_the_first_bit_of_a_range() {
    let mut script = with_list();
    script.check_write(r#"SET k "\xff\xf0\x00""#, "+OK");
    for (request, place) in [
        ("0", 12),
        ("1", 0),
        ("0 0", 12),
        ("0 0 0", -1),
        ("1 2", -1),
        ("0 2", 16),
        ("1 1 1", 8),
        ("1 -2", 8),
        ("0 3", -1),
        ("1 7 15 BIT", 7),
        ("0 7 11 BIT", -1),
        ("0 7 12 BIT", 12),
        ("1 12 -1 BIT", -1),
        ("0 0 -1 BYTE", 12),
        ("0 -1 -3 BIT", -1),
    ] {
        script.check_read(&format!("BITPOS k {request}"), &format!(":{place}"));
    }
}

#[test]
fn only_without_an_end_is_a_string_followed_by_clear_bits() {
    let mut script = Script::new();
    script.check_write(r#"SET k "\xff\xff\xff""#, "+OK");
    script.check_read("BITPOS k 0", ":24");
    script.check_read("BITPOS k 0 1", ":24");
    script.check_read("BITPOS k 0 0 -1", ":-1");
    script.check_read("BITPOS k 0 3", ":-1");
    script.check_read("BITPOS nokey 0", ":0");
    script.check_read("BITPOS nokey 1", ":-1");
    script.check_read("BITPOS nokey 0 0 -1", ":0");
    script.check_write("SET k ''", "+OK");
    script.check_read("BITPOS k 0", ":-1");
    script.check_read("BITPOS k 1", ":-1");
}

#[test]
fn bitpos_refuses_what_is_no_bit_or_range() {
    let mut script = with_list();
    script.check_write("SET k a", "+OK");
    script.check_read("BITPOS k 2", "-ERR The bit argument must be 1 or 0.");
    script.check_read("BITPOS k a", NOT_INTEGER);
    script.check_read("BITPOS k 1 a", NOT_INTEGER);
    script.check_read("BITPOS k 1 0 a", NOT_INTEGER);
    script.check_read("BITPOS k 1 0 a NOUNIT", SYNTAX);
    script.check_read("BITPOS k 1 0 1 BIT x", SYNTAX);
    script.check_read("BITPOS list 1", WRONG_TYPE);
}

#[test]
fn bitop_stores_what_the_strings_give() {
    let mut script = with_list();
    script.check_write("SET a abcde", "+OK");
    script.check_write("SET b ABC", "+OK");
    script.check_write("BITOP AND d a b", ":5");
    script.check_read("GET d", r#""ABC\x00\x00""#);
    script.check_write("BITOP or d a b", ":5");
    script.check_read("GET d", "abcde");
    script.check_write("BITOP XOR d a b", ":5");
    script.check_read("GET d", r#""   de""#);
    script.check_write("BITOP XOR d a nokey", ":5");
    script.check_read("GET d", "abcde");
    script.check_write("BITOP AND d a nokey", ":5");
    script.check_read("GET d", r#""\x00\x00\x00\x00\x00""#);
    script.check_write("BITOP NOT b b", ":3");
    script.check_read("GET b", r#""\xbe\xbd\xbc""#);
    script.check_write("SET n 12", "+OK");
    script.check_write("BITOP OR d n", ":2");
    script.check_read("GET d", "12");
    script.check_read("OBJECT ENCODING d", "raw");
}

#[test]
fn bitop_replaces_its_destination_with_its_deadline() {
    let mut script = with_list();
    script.check_write("SET a x", "+OK");
    script.check_write("BITOP OR list a", ":1");
    script.check_read("TYPE list", "+string");
    script.check_write("SET d y PXAT 30000", "+OK");
    script.check_write("BITOP OR d a", ":1");
    script.check_read("PEXPIRETIME d", ":-1");
    script.check_write("BITOP OR d nokey", ":0");
    script.check_read("EXISTS d", ":0");
    script.check_read("BITOP OR d nokey", ":0");
}

#[test]
fn bitop_refuses_what_it_cannot_combine() {
    let mut script = with_list();
    script.check_write("SET a x", "+OK");
    script.check_read("BITOP NOT d a a", "-ERR BITOP NOT must be called with a single source key.");
    script.check_read("BITOP NAND d a", SYNTAX);
    script.check_read("BITOP OR d a list", WRONG_TYPE);
    script.check_read("BITOP OR d", "-ERR wrong number of arguments for 'bitop' command");
}

#[test]
fn bitfield_runs_its_operations_in_order() {
    let mut script = with_list();
    script.check_write("BITFIELD k SET u8 0 255 GET u8 0 INCRBY i5 100 1 GET u4 0", "[:0 :255 :1 :15]");
    script.check_read("STRLEN k", ":14");
    script.check_write("BITFIELD k SET i8 #1 -5 GET i8 #1 GET u8 8", "[:0 :-5 :251]");
    script.check_write("BITFIELD k INCRBY u2 4 1", "[:0]");
    script.check_read("BITFIELD k GET u8 0 GET i8 0", "[:243 :-13]");
    script.check_read("BITFIELD k", "[]");
    script.check_read("BITFIELD nokey GET u8 0", "[:0]");
    script.check_read("BITFIELD_RO k GET u8 0 GET u8 4000", "[:243 :0]");
    script.check_read("BITFIELD_RO nokey GET i64 0", "[:0]");
    script.check_write("SET n 12", "+OK");
    script.check_read("BITFIELD n GET u8 0", "[:49]");
    script.check_write("BITFIELD n SET u8 #1 51", "[:50]");
    script.check_read("GET n", "13");
    script.check_read("BITFIELD list GET u8 0", WRONG_TYPE);
    script.check_read("BITFIELD list SET u8 0 1", WRONG_TYPE);
}

#[test]
fn overflow_holds_for_what_follows_it() {
    let mut script = Script::new();
    script.check_write("SET k \"\\xff\\xff\"", "+OK");
    script.check_write(
        "BITFIELD k INCRBY u4 0 1 OVERFLOW SAT INCRBY u4 4 1 OVERFLOW FAIL INCRBY u4 8 1",
        "[:0 :15 $-1]",
    );
    script.check_read("GET k", r#""\x0f\xff""#);
    script.use_resp3();
    script.check_read("BITFIELD k OVERFLOW FAIL INCRBY u4 8 1", "[_]");
}

#[test]
fn what_changes_nothing_is_not_propagated_but_growing_is_a_change() {
    let mut script = Script::new();
    script.check_write("BITFIELD k SET u8 0 7", "[:0]");
    script.check_read("BITFIELD k SET u8 0 7", "[:7]");
    script.check_read("BITFIELD k OVERFLOW FAIL SET u8 0 256", "[$-1]");
    script.check_write("BITFIELD k OVERFLOW FAIL SET u8 8 256", "[$-1]");
    script.check_read("STRLEN k", ":2");
    script.check_write("BITFIELD new OVERFLOW FAIL SET u8 0 256", "[$-1]");
    script.check_read("STRLEN new", ":1");
}

#[test]
fn bitfield_refuses_what_it_cannot_read_before_it_does_anything() {
    let mut script = Script::new();
    let no_type =
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    for encoding in ["u64", "i65", "u0", "x8", "8", "u", "u08", "U8"] {
        script.check_read(&format!("BITFIELD k SET u8 0 1 GET {encoding} 0"), no_type);
    }
    for offset in ["-1", "#-1", "a", "#", "4294967296", "#536870912", "#9223372036854775807"] {
        script.check_read(&format!("BITFIELD k GET u8 {offset}"), OFFSET);
    }
    for words in ["GET", "GET u8", "SET u8 0", "INCRBY u8 0", "OVERFLOW", "NOSUCH u8 0"] {
        script.check_read(&format!("BITFIELD k {words}"), SYNTAX);
    }
    script.check_read("BITFIELD k OVERFLOW NOSUCH", "-ERR Invalid OVERFLOW type specified");
    script.check_read("BITFIELD k SET u8 0 a", NOT_INTEGER);
    script
        .check_read("BITFIELD_RO k GET u8 0 SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand");
    script.check_read("EXISTS k", ":0");
}

#[test]
fn bitfield_reads_or_writes_its_key_by_its_words() {
    let mut script = Script::new();
    let ask = |script: &mut Script, words: &str| script.ask(&format!("COMMAND GETKEYSANDFLAGS {words}"));
    assert_eq!(ask(&mut script, "BITFIELD k GET u8 0"), "[[k [+RO +access]]]");
    assert_eq!(ask(&mut script, "BITFIELD k OVERFLOW SAT"), "[[k [+RO +access]]]");
    assert_eq!(ask(&mut script, "BITFIELD k GET u8 0 SET u8 0 1"), "[[k [+RW +access +update]]]");
    assert_eq!(ask(&mut script, "BITOP AND d a"), "[[d [+OW +update]] [a [+RO +access]]]");
}
