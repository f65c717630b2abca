//! HyperLogLogs. The bytes and estimates are those of Redis after the same commands.

use slipstream_engine::config::Config;

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";
/// The header of a sparse one whose cardinality is not known.
const HEADER: &str = r"HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80";

/// PFADD of `e0` to `e{count - 1}`, some at once.
fn add(script: &mut Script, key: &str, count: usize) {
    let elements: Vec<String> = (0..count).map(|number| format!("e{number}")).collect();
    for some in elements.chunks(100) {
        script.ask(&format!("PFADD {key} {}", some.join(" ")));
        script.propagated();
    }
}

#[test]
fn elements_make_the_bytes_that_redis_makes() {
    let mut script = Script::new();
    script.check_write("PFADD k a b c", ":1");
    script.check_read(
        "GET k",
        r#""HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ""#,
    );
    script.check_write("PFCOUNT k", ":3");
    script.check_read(
        "GET k",
        r#""HYLL\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00`\xf3\x80P\xb1\x84K\xfb\x80BZ""#,
    );
    script.check_read("PFADD k a", ":0");
    script.check_write("PFADD k '' xxxxxxxxxxxxxxxxxxxx 'hello world!'", ":1");
    script.check_read(
        "PFDEBUG DECODE k",
        r#""Z:3584 v:1,1 Z:2353 v:2,1 Z:2497 v:1,1 Z:279 v:3,1 Z:3994 v:2,1 Z:3068 v:1,1 Z:603""#,
    );
    script.check_read("OBJECT ENCODING k", "raw");
}

#[test]
fn estimates_are_those_of_redis() {
    let mut script = Script::new();
    for (count, estimate) in [(10, 10), (100, 100), (1000, 1008), (10_000, 9973)] {
        add(&mut script, "k", count);
        script.check_write("PFCOUNT k", &format!(":{estimate}"));
        script.check_read("PFCOUNT k", &format!(":{estimate}"));
        script.check_read("PFCOUNT k nokey", &format!(":{estimate}"));
    }
    script.check_read("PFDEBUG ENCODING k", "+dense");
    script.check_read("STRLEN k", ":12304");
}

#[test]
fn a_key_without_elements_is_made_once() {
    let mut script = Script::new();
    script.check_write("PFADD k", ":1");
    script.check_read("GET k", &format!(r#""{HEADER}\x7f\xff""#));
    script.check_read("PFADD k", ":0");
    script.check_write("PFCOUNT k", ":0");
    script.check_read("PFCOUNT nokey", ":0");
    script.check_write("PFMERGE new", "+OK");
    script.check_read("GET new", &format!(r#""{HEADER}\x7f\xff""#));
}

#[test]
fn pfadd_keeps_the_deadline() {
    let mut script = Script::new();
    script.check_write("PFADD k a", ":1");
    script.check_write("PEXPIREAT k 30000", ":1");
    script.check_write("PFADD k b", ":1");
    script.check_write("PFCOUNT k", ":2");
    script.check_read("PEXPIRETIME k", ":30000");
}

#[test]
fn pfmerge_includes_its_destination() {
    let mut script = Script::new();
    script.check_write("PFADD a 1 2 3", ":1");
    script.check_write("PFADD b 3 4", ":1");
    script.check_write("PFADD d 5", ":1");
    script.check_write("PFMERGE d a b nokey", "+OK");
    script.check_read("PFDEBUG ENCODING d", "+sparse");
    script.check_write("PFCOUNT d", ":5");
    script.check_read("PFCOUNT a b", ":4");
    add(&mut script, "many", 3000);
    script.check_read("PFDEBUG ENCODING many", "+dense");
    script.check_write("PFMERGE d many", "+OK");
    script.check_read("PFDEBUG ENCODING d", "+dense");
    script.check_write("PFMERGE d a", "+OK");
    script.check_read("PFDEBUG ENCODING d", "+dense");
}

#[test]
fn the_largest_sparse_one_is_a_directive() {
    for (most, encoding) in [(30, "+sparse"), (25, "+dense")] {
        let mut config = Config::default();
        config.hll_sparse_max_bytes = most;
        let mut script = Script::with_config(config);
        script.check_write("PFADD k a b c", ":1");
        script.check_read("PFDEBUG ENCODING k", encoding);
        script.check_write("PFCOUNT k", ":3");
        let limit = format!("[hll-sparse-max-bytes {most}]");
        script.check_read("CONFIG GET hll-sparse-max-bytes", &limit);
    }
}

#[test]
fn other_strings_are_refused() {
    let mut script = Script::new();
    script.check_write("RPUSH list x", ":1");
    script.check_write("SET text hello", "+OK");
    script.check_write("SET number 123", "+OK");
    script.check_write(r#"SET short "HYLL\x01\x00""#, "+OK");
    script.check_write(r#"SET encoding "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80""#, "+OK");
    script.check_write(r#"SET dense "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80""#, "+OK");
    for key in ["text", "number", "short", "encoding", "dense", "list"] {
        let error = if key == "list" { WRONG_TYPE } else { NONE };
        for request in
            ["PFADD k a", "PFCOUNT k", "PFCOUNT new k", "PFMERGE new k", "PFMERGE k", "PFDEBUG TODENSE k"]
        {
            script.check_read(&request.replace('k', key), error);
        }
    }
    script.check_read("EXISTS new", ":0");
}

#[test]
fn corrupt_ones_are_refused_and_left_as_they_are() {
    let mut script = Script::new();
    for tail in ["", r"\x7f", r"\x7f\xfe", r"\x7f\xff\x00", r"\x7f\xff\x84", r"\x7f\xffhello"] {
        script.check_write(&format!(r#"SET k "{HEADER}{tail}""#), "+OK");
        for request in [
            "PFCOUNT k",
            "PFCOUNT k k",
            "PFMERGE new k",
            "PFMERGE k",
            "PFDEBUG GETREG k",
            "PFDEBUG TODENSE k",
        ] {
            script.check_read(request, CORRUPT);
        }
    }
    // Its first runs are sound and the last one is cut off: what comes before is not added either.
    script.check_write(&format!(r#"SET k "{HEADER}\x60\x00\x50""#), "+OK");
    script.check_read("PFADD k c a b", CORRUPT);
    script.check_read("GET k", &format!(r#""{HEADER}`\x00P""#));
    script.check_read("PFDEBUG DECODE k", CORRUPT);
    script.check_read("EXISTS new", ":0");
}

#[test]
fn a_replica_estimates_without_keeping_it() {
    let mut script = Script::new();
    script.check_write("PFADD k a b", ":1");
    let before = script.ask("GET k");
    script.check_read("CONFIG SET replica-read-only no", "+OK");
    assert_eq!(script.ask("REPLICAOF 127.0.0.1 1"), "+OK");
    assert_eq!(script.ask("PFCOUNT k"), ":2");
    assert_eq!(script.ask("GET k"), before);
}

#[test]
fn pfdebug_shows_and_converts() {
    let mut script = Script::new();
    script.check_read("PFDEBUG ENCODING nokey", "-ERR The specified key does not exist");
    script.check_write("PFADD k a", ":1");
    script.check_read("PFDEBUG FOO k", "-ERR Unknown PFDEBUG subcommand 'FOO'");
    script.check_read("PFDEBUG encoding k", "+sparse");
    script.check_write("PFDEBUG TODENSE k", ":1");
    script.check_read("PFDEBUG TODENSE k", ":0");
    script.check_read("PFDEBUG DECODE k", "-ERR HLL encoding is not sparse");
    script.check_write("PFADD k2 a", ":1");
    let registers = script.ask("PFDEBUG GETREG k2");
    assert_eq!(script.propagated(), "PFDEBUG GETREG k2");
    assert_eq!(registers.split(' ').count(), 16_384);
    assert_eq!(registers, script.ask("PFDEBUG GETREG k"));
}

#[test]
fn pfselftest_passes() {
    Script::new().check_read("PFSELFTEST", "+OK");
}
