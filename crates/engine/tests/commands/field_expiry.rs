//! Deadlines of hash fields. The clock stands at 1000 ms at the beginning.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NEGATIVE: &str = "-ERR invalid expire time, must be >= 0";
const NO_FIELDS: &str = "-ERR Mandatory argument FIELDS is missing or not at the right position";
const MISCOUNTED: &str = "-ERR The `numfields` parameter must match the number of arguments";
const NOT_POSITIVE: &str = "-ERR Number of fields must be a positive integer";

/// A script with a hash of fields a to d.
fn with_hash() -> Script {
    let mut script = Script::new();
    script.check_write("HSET h a 1 b 2 c 3 d 4", ":4");
    script
}

#[test]
fn a_time_to_live_is_propagated_as_its_end() {
    let mut script = with_hash();
    script.check("HEXPIRE h 10 FIELDS 1 a", "[:1]", "HPEXPIREAT h 11000 FIELDS 1 a");
    script.check("HPEXPIRE h 10 FIELDS 2 x b", "[:-2 :1]", "HPEXPIREAT h 1010 FIELDS 1 b");
    script.check("HEXPIREAT h 12 FIELDS 2 c c", "[:1 :1]", "HPEXPIREAT h 12000 FIELDS 2 c c");
    script.check_write("HPEXPIREAT h 13000 FIELDS 1 d", "[:1]");
    script.check_read("HPEXPIRETIME h FIELDS 5 a b c d x", "[:11000 :1010 :12000 :13000 :-2]");
    script.check_read("HEXPIRETIME h FIELDS 2 a b", "[:11 :2]");
    script.check_read("HPTTL h FIELDS 2 a b", "[:10000 :10]");
    script.check_read("HTTL h FIELDS 2 a b", "[:10 :1]");
    script.check_read("HEXPIRE nosuch 10 FIELDS 2 a b", "[:-2 :-2]");
    script.check_read("HTTL nosuch FIELDS 2 a b", "[:-2 :-2]");
}

#[test]
fn a_deadline_that_is_past_removes_the_field() {
    let mut script = with_hash();
    script.check("HPEXPIRE h 0 FIELDS 3 a x a", "[:2 :-2 :-2]", "HDEL h a");
    script.check("HEXPIREAT h 1 FIELDS 1 b", "[:2]", "HDEL h b");
    script.check("HPEXPIREAT h 0 FIELDS 2 c d", "[:2 :2]", "HDEL h c d");
    assert!(!script.has("h"));
    script.check_read("HPEXPIRE h 0 FIELDS 1 a", "[:-2]");
}

#[test]
fn conditions_look_at_each_field() {
    let mut script = with_hash();
    script.check("HPEXPIRE h 10 NX FIELDS 1 a", "[:1]", "HPEXPIREAT h 1010 FIELDS 1 a");
    script.check("HPEXPIRE h 20 nx fields 2 a b", "[:0 :1]", "HPEXPIREAT h 1020 FIELDS 1 b");
    script.check("HPEXPIRE h 30 XX FIELDS 2 a c", "[:1 :0]", "HPEXPIREAT h 1030 FIELDS 1 a");
    script.check("HPEXPIRE h 25 GT FIELDS 3 a b c", "[:0 :1 :0]", "HPEXPIREAT h 1025 FIELDS 1 b");
    script.check("HPEXPIRE h 25 LT FIELDS 3 a b c", "[:1 :0 :1]", "HPEXPIREAT h 1025 FIELDS 2 a c");
    script.check_read("HPEXPIRE h 25 GT FIELDS 1 a", "[:0]");
    script.check_read("HPEXPIRE h 25 XX LT FIELDS 1 d", "[:0]");
    script.check_read("HPEXPIRE h 0 XX FIELDS 1 d", "[:0]");
    script.check("HPEXPIRE h 0 LT FIELDS 1 a", "[:2]", "HDEL h a");
    let error = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    script.check_read("HPEXPIRE h 1 NX XX FIELDS 1 a", error);
}

#[test]
fn what_is_wrong_is_reported_in_redis_order() {
    let mut script = with_hash();
    script.check_write("SET s v", "+OK");
    for (request, reply) in [
        ("HEXPIRE s x FIELDS 1 a", WRONG_TYPE),
        ("HTTL s FIELDS 1 a", WRONG_TYPE),
        ("HPERSIST s NOFIELDS 1 a", WRONG_TYPE),
        ("HGETDEL s x 1 a", WRONG_TYPE),
        ("HGETEX s x 1 a", WRONG_TYPE),
        ("HSETEX s FIELDS 1 a 1", WRONG_TYPE),
        ("HEXPIRE h x FIELDS 1 a", NOT_INTEGER),
        ("HEXPIRE h -1 FIELDS 1 a", NEGATIVE),
        ("HPEXPIREAT h -1 FIELDS 1 a", NEGATIVE),
        ("HEXPIRE h 70368744177 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("HEXPIRE h 1 FIELD 1 a", NO_FIELDS),
        ("HEXPIRE h 1 YY FIELDS 1 a", NO_FIELDS),
        ("HEXPIRE h 1 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 1 FIELDS x a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 1 FIELDS 2 a", MISCOUNTED),
        ("HEXPIRE h 1 FIELDS 1 a b", MISCOUNTED),
        ("HEXPIRE h 1 NX FIELDS 1", MISCOUNTED),
        ("HEXPIRE h 1 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command"),
        ("HTTL h FIELD 1 a", NO_FIELDS),
        ("HTTL h FIELDS -1 a", NOT_POSITIVE),
        ("HPERSIST h FIELDS x a", NOT_POSITIVE),
        ("HPERSIST h FIELDS 2 a", MISCOUNTED),
        ("HGETDEL h FIELDS 2 a", MISCOUNTED),
        ("HGETEX h EX 10 FIELDS", NOT_POSITIVE),
        ("HGETEX h EX FIELDS 1 a", NOT_INTEGER),
        ("HGETEX h KEEPTTL FIELDS 1 a", NO_FIELDS),
        ("HGETEX h PX -1 FIELDS 1 a", NEGATIVE),
        ("HSETEX h FIELDS 0 a 1", "-ERR invalid number of fields"),
        ("HSETEX h FIELDS 2147483648 a 1", "-ERR invalid number of fields"),
        ("HSETEX h FIELDS 2 a 1", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FIELDS 1 a 1 b", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FXX FNX FIELDS 1", "-ERR Only one of FXX or FNX arguments can be specified"),
        (
            "HSETEX h EX 1 KEEPTTL FIELDS 1 a 1",
            "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        (
            "HSETEX h FXX KEEPTTL XX EX",
            "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        ("HSETEX h FXX NX FXX EX", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX h FXX NX EX 1", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX h FXX NX 1 EX", "-ERR unknown argument: 1"),
        ("HSETEX h EX -1 FIELDS 1 a 1", NEGATIVE),
    ] {
        script.check_read(request, reply);
    }
    script.check("HPEXPIREAT h 70368744177663 FIELDS 1 a", "[:1]", "HPEXPIREAT h 70368744177663 FIELDS 1 a");
}

#[test]
fn hpersist_takes_deadlines_away() {
    let mut script = with_hash();
    script.ask("HPEXPIRE h 10 FIELDS 2 a b");
    script.propagated();
    script.check("HPERSIST h FIELDS 4 a b c x", "[:1 :1 :-1 :-2]", "HPERSIST h FIELDS 2 a b");
    script.check_read("HPERSIST h FIELDS 2 a a", "[:-1 :-1]");
    script.check_read("HPERSIST nosuch FIELDS 1 a", "[:-2]");
    script.advance(11);
    script.check_read("HLEN h", ":4");
}

#[test]
fn hgetdel_is_propagated_as_a_removal() {
    let mut script = with_hash();
    script.check("HGETDEL h FIELDS 3 a x a", "[1 $-1 $-1]", "HDEL h a");
    script.check_read("HGETDEL h FIELDS 1 a", "[$-1]");
    script.check("HGETDEL h FIELDS 3 b c d", "[2 3 4]", "HDEL h b c d");
    assert!(!script.has("h"));
    script.check_read("HGETDEL h FIELDS 2 a b", "[$-1 $-1]");
}

#[test]
fn hgetex_is_propagated_as_what_it_did() {
    let mut script = with_hash();
    script.check_read("HGETEX h FIELDS 3 a x b", "[1 $-1 2]");
    script.check("HGETEX h EX 10 FIELDS 2 a x", "[1 $-1]", "HPEXPIREAT h 11000 FIELDS 1 a");
    script.check("HGETEX h PX 10 FIELDS 1 b", "[2]", "HPEXPIREAT h 1010 FIELDS 1 b");
    script.check("HGETEX h EXAT 12 FIELDS 1 c", "[3]", "HPEXPIREAT h 12000 FIELDS 1 c");
    script.check("HGETEX h pxat 13000 FIELDS 1 d", "[4]", "HPEXPIREAT h 13000 FIELDS 1 d");
    script.check("HGETEX h PERSIST FIELDS 2 a x", "[1 $-1]", "HPERSIST h FIELDS 1 a");
    script.check_read("HGETEX h PERSIST FIELDS 1 a", "[1]");
    script.check("HGETEX h PX 0 FIELDS 2 a a", "[1 $-1]", "HDEL h a");
    script.check("HGETEX h EXAT 1 FIELDS 3 b c d", "[2 3 4]", "HDEL h b c d");
    assert!(!script.has("h"));
    script.check_read("HGETEX h EX 1 FIELDS 1 a", "[$-1]");
}

#[test]
fn hsetex_is_propagated_as_values_and_deadlines() {
    let mut script = Script::new();
    script.check("HSETEX h FIELDS 1 a 1", ":1", "HSET h a 1");
    let timed = |field: &str, value: u8, at: u32| {
        format!("MULTI; HSET h {field} {value}; HPEXPIREAT h {at} FIELDS 1 {field}; EXEC")
    };
    script.check("HSETEX h EX 10 FIELDS 1 a 2", ":1", &timed("a", 2, 11000));
    script.check("HSETEX h PX 10 FIELDS 1 b 3", ":1", &timed("b", 3, 1010));
    script.check("HSETEX h EXAT 12 FIELDS 1 c 4", ":1", &timed("c", 4, 12000));
    script.check("HSETEX h PXAT 13000 FIELDS 1 d 5", ":1", &timed("d", 5, 13000));
    script.check_read("HGETALL h", "[a 2 b 3 c 4 d 5]");
    let kept = "MULTI; HSET h a 6 b 7 e 8; HPEXPIREAT h 1010 FIELDS 1 b; HPEXPIREAT h 11000 FIELDS 1 a; EXEC";
    script.check("HSETEX h KEEPTTL FIELDS 3 a 6 b 7 e 8", ":1", kept);
    script.check("HSETEX h FIELDS 1 a 9", ":1", "HSET h a 9");
    script.check_read("HTTL h FIELDS 2 a e", "[:-1 :-1]");
    script.check("HSETEX h PXAT 1 FIELDS 2 a 1 x 1", ":1", "HDEL h a");
    script.check_read("HSETEX nosuch PX 0 FIELDS 1 a 1", ":1");
    assert!(!script.has("nosuch"));
}

#[test]
fn hsetex_asks_for_all_fields_or_none() {
    let mut script = with_hash();
    script.check_read("HSETEX h FNX FIELDS 2 x 1 a 1", ":0");
    script.check_read("HSETEX h FXX FIELDS 2 a 1 x 1", ":0");
    script.check_read("HSETEX nosuch FXX FIELDS 1 a 1", ":0");
    script.check_read("HSETEX h NX FIELDS 1 a 1", ":0");
    script.check_read("HSETEX nosuch XX FIELDS 1 a 1", ":0");
    assert!(!script.has("nosuch"));
    script.check("HSETEX h FXX FIELDS 2 a 5 b 6", ":1", "HSET h a 5 b 6");
    script.check("HSETEX h XX FNX FIELDS 1 e 5", ":1", "HSET h e 5");
    script.check("HSETEX i NX FNX FIELDS 1 e 5", ":1", "HSET i e 5");
    script.check("HPEXPIRE h 10 FIELDS 1 a", "[:1]", "HPEXPIREAT h 1010 FIELDS 1 a");
    script.advance(11);
    script.check("HSETEX h FNX FIELDS 1 a 7", ":1", "MULTI; HDEL h a; HSET h a 7; EXEC");
}

#[test]
fn deadlines_go_where_their_hash_goes() {
    let mut script = with_hash();
    script.ask("HPEXPIRE h 10 FIELDS 1 a");
    script.propagated();
    script.check_write("COPY h i", ":1");
    script.check_write("RENAME h j", "+OK");
    script.check_write("MOVE j 1", ":1");
    script.check_read("HPTTL i FIELDS 2 a b", "[:10 :-1]");
    script.check("SELECT 1", "+OK", "");
    script.check_read("HPTTL j FIELDS 2 a b", "[:10 :-1]");
    script.advance(11);
    script.check("HLEN j", ":3", "SELECT 1; HDEL j a");
}

#[test]
fn overwriting_a_hash_forgets_its_deadlines() {
    for request in [
        "DEL h",
        "SET h x",
        "RENAME other h",
        "COPY other h REPLACE",
        "RPOP list",
        "SINTERSTORE h nosuch",
        "HDEL h a",
        "HGETDEL h FIELDS 1 a",
        "HSET h a 1",
        "HMSET h a 1",
        "HSETEX h FIELDS 1 a 1",
        "HPERSIST h FIELDS 1 a",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 1",
    ] {
        let mut script = with_hash();
        script.ask("HPEXPIRE h 10 FIELDS 1 a");
        script.ask("HSET other a 1");
        script.propagated();
        script.ask(request);
        // What databases know of deadlines is held against the hashes here.
        script.propagated();
    }
}
