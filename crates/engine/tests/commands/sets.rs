//! Sets.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn members_are_added_and_removed_once() {
    let mut script = Script::new();
    script.check_write("SADD s 3 1 2 1", ":3");
    script.check_read("SADD s 1 2", ":0");
    script.check_read("SMEMBERS s", "[1 2 3]");
    script.check_read("SCARD s", ":3");
    script.check_write("SREM s 1 x 3", ":2");
    script.check_read("SREM s 1", ":0");
    script.check_write("SREM s 2 2", ":1");
    assert!(!script.has("s"));
    script.check_read("SREM s 2", ":0");
    script.check_read("SCARD s", ":0");
    script.check_read("SMEMBERS s", "[]");
    script.check_read("SADD s", "-ERR wrong number of arguments for 'sadd' command");
}

#[test]
fn every_set_command_refuses_other_types() {
    let mut script = Script::new();
    script.check_write("RPUSH l a", ":1");
    script.check_write("SADD s a", ":1");
    for request in [
        "SADD l a",
        "SREM l a",
        "SMOVE l s a",
        "SMOVE s l a",
        "SCARD l",
        "SISMEMBER l a",
        "SMISMEMBER l a",
        "SMEMBERS l",
        "SPOP l",
        "SPOP l 0",
        "SRANDMEMBER l",
        "SRANDMEMBER l 0",
        "SSCAN l 0",
        "SUNION s l",
        "SDIFF nosuch l",
        "SINTER nosuch l",
        "SINTERCARD 2 nosuch l",
        "SUNIONSTORE d s l",
        "SDIFFSTORE d l s",
        "SINTERSTORE d nosuch l",
    ] {
        script.check_read(request, WRONG_TYPE);
    }
}

#[test]
fn membership_is_answered_one_by_one() {
    let mut script = Script::new();
    script.check_write("SADD s a 1", ":2");
    script.check_read("SISMEMBER s a", ":1");
    script.check_read("SISMEMBER s 01", ":0");
    script.check_read("SISMEMBER nosuch a", ":0");
    script.check_read("SMISMEMBER s a b 1", "[:1 :0 :1]");
    script.check_read("SMISMEMBER nosuch a b", "[:0 :0]");
}

#[test]
fn smove_moves_what_is_there() {
    let mut script = Script::new();
    script.check_write("SADD a 1 2", ":2");
    script.check_write("SADD b 2", ":1");
    script.check_write("SMOVE a b 1", ":1");
    script.check_read("SMOVE a b 1", ":0");
    script.check_read("SMOVE a a 2", ":1");
    script.check_read("SMOVE a a 3", ":0");
    script.check_write("SMOVE a b 2", ":1");
    assert!(!script.has("a"));
    script.check_read("SMOVE a b 2", ":0");
    script.check_read("SMEMBERS b", "[1 2]");
    script.check_write("SMOVE b c 1", ":1");
    script.check_read("SMEMBERS c", "[1]");
}

#[test]
fn sets_are_united_subtracted_and_intersected() {
    let mut script = Script::new();
    script.check_write("SADD a 1 2 3 4", ":4");
    script.check_write("SADD b 3 4 5", ":3");
    script.check_write("SADD c 4", ":1");
    for (request, reply) in [
        ("SUNION a b c", "[1 2 3 4 5]"),
        ("SUNION a nosuch", "[1 2 3 4]"),
        ("SUNION nosuch", "[]"),
        ("SDIFF a b c", "[1 2]"),
        ("SDIFF a nosuch c", "[1 2 3]"),
        ("SDIFF c a b", "[]"),
        ("SDIFF a a", "[]"),
        ("SDIFF nosuch a", "[]"),
        ("SINTER a b", "[3 4]"),
        ("SINTER a a", "[1 2 3 4]"),
        ("SINTER a b c", "[4]"),
        ("SINTER a nosuch", "[]"),
        ("SINTERCARD 2 a b", ":2"),
        ("SINTERCARD 2 a b LIMIT 1", ":1"),
        ("SINTERCARD 2 a b limit 0", ":2"),
        ("SINTERCARD 1 a LIMIT 9 LIMIT 3", ":3"),
        ("SINTERCARD 2 a nosuch", ":0"),
        ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD x a", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args"),
        ("SINTERCARD 1 a LIMIT", "-ERR syntax error"),
        ("SINTERCARD 1 a b", "-ERR syntax error"),
        ("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative"),
        ("SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative"),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn results_are_stored_over_whatever_was_there() {
    let mut script = Script::new();
    script.check_write("SADD a 1 2 3", ":3");
    script.check_write("SADD b 2 3 4", ":3");
    script.check_write("RPUSH d x", ":1");
    script.check_write("SUNIONSTORE d a b", ":4");
    script.check_read("SMEMBERS d", "[1 2 3 4]");
    script.check_write("SINTERSTORE d a b", ":2");
    script.check_read("SMEMBERS d", "[2 3]");
    script.check_write("SDIFFSTORE a a b", ":1");
    script.check_read("SMEMBERS a", "[1]");
    script.check_write("SDIFFSTORE d a a", ":0");
    assert!(!script.has("d"));
    script.check_read("SDIFFSTORE d a a", ":0");
    script.check_read("SINTERSTORE d a nosuch", ":0");
    script.check_write("SUNIONSTORE b nosuch", ":0");
    assert!(!script.has("b"));
}

#[test]
fn resp3_answers_sets() {
    let mut script = Script::resp3();
    script.check_write("SADD s 1 2", ":2");
    script.check_read("SMEMBERS s", "~[1 2]");
    script.check_read("SINTER s s", "~[1 2]");
    script.check_read("SUNION s", "~[1 2]");
    script.check_read("SDIFF s", "~[1 2]");
    script.check_read("SINTER s nosuch", "~[]");
    script.check_read("SMEMBERS nosuch", "~[]");
    script.check_read("SPOP nosuch", "_");
    script.check_read("SPOP nosuch 1", "~[]");
    script.check_read("SRANDMEMBER nosuch", "_");
    script.check_read("SRANDMEMBER nosuch 1", "[]");
    script.check_read("SRANDMEMBER s 5", "[1 2]");
    script.check("SPOP s 5", "~[1 2]", "DEL s");
}

#[test]
fn spop_propagates_what_it_took() {
    let mut script = Script::new();
    script.check_write("SADD s a", ":1");
    script.check("SPOP s", "a", "SREM s a");
    assert!(!script.has("s"));
    script.check_write("SADD s 1 2 3", ":3");
    let taken = script.ask("SPOP s");
    assert_eq!(script.propagated(), format!("SREM s {taken}"));
    let taken = script.ask("SPOP s 1");
    assert_eq!(script.propagated(), format!("SREM s {}", taken.trim_matches(['[', ']'])));
    script.check_read("SPOP s 0", "[]");
    let last = script.ask("SMEMBERS s");
    script.check("SPOP s 2", &last, "DEL s");
    script.check_read("SPOP s", "$-1");
    script.check_read("SPOP s 1", "[]");
    script.check_read("SPOP s -1", "-ERR value is out of range, must be positive");
    script.check_read("SPOP s x", "-ERR value is out of range, must be positive");
    script.check_read("SPOP s 1 2", "-ERR syntax error");
}

/// Both ways of choosing (those that go, those that stay) and both encodings; the copy proves the effects.
#[test]
fn spop_of_many_is_propagated_in_chunks() {
    for (taken, chunks) in [(100, 1), (1024, 1), (1025, 2), (2900, 3)] {
        for prefix in ["", "m"] {
            let mut script = Script::new();
            let members: Vec<String> = (0..3000).map(|n| format!("{prefix}{n}")).collect();
            script.check_write(&format!("SADD s {}", members.join(" ")), ":3000");
            let reply = script.ask(&format!("SPOP s {taken}"));
            assert_eq!(reply.split(' ').count(), taken);
            let propagated = script.propagated();
            assert_eq!(propagated.matches("SREM s ").count(), chunks);
            assert_eq!(propagated.starts_with("MULTI; "), chunks > 1);
            script.check_read("SCARD s", &format!(":{}", 3000 - taken));
        }
    }
}

#[test]
fn srandmember_answers_by_the_sign_of_its_count() {
    let mut script = Script::new();
    let members: Vec<String> = (0..200).map(|n| format!("m{n}")).collect();
    script.check_write(&format!("SADD s {}", members.join(" ")), ":200");
    for (count, answered, different) in
        [(0, 0, 0), (5, 5, 5), (150, 150, 150), (200, 200, 200), (900, 200, 200)]
    {
        let reply = script.ask(&format!("SRANDMEMBER s {count}"));
        assert_eq!(distinct(&reply), (answered, different), "{count}");
    }
    assert_eq!(distinct(&script.ask("SRANDMEMBER s -900")).0, 900);
    script.check_write("SADD one a", ":1");
    script.check_read("SRANDMEMBER one", "a");
    script.check_read("SRANDMEMBER one -3", "[a a a]");
    script.check_read("SRANDMEMBER nosuch", "$-1");
    script.check_read("SRANDMEMBER nosuch -3", "[]");
    script.check_read("SRANDMEMBER one x", "-ERR value is not an integer or out of range");
    script.check_read("SRANDMEMBER one 1 2", "-ERR syntax error");
}

fn distinct(reply: &str) -> (usize, usize) {
    let words = reply.trim_matches(['[', ']']).split(' ').filter(|word| !word.is_empty());
    let all: Vec<&str> = words.collect();
    (all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len())
}

#[test]
fn every_member_is_drawn_equally_often() {
    for size in [10, 400] {
        let mut script = Script::new();
        let members: Vec<String> = (0..size).map(|n| format!("m{n}")).collect();
        script.check_write(&format!("SADD s {}", members.join(" ")), &format!(":{size}"));
        let mut times = std::collections::BTreeMap::new();
        for _ in 0..200 * size / 4 {
            let reply = script.ask("SRANDMEMBER s 4");
            for member in reply.trim_matches(['[', ']']).split(' ') {
                *times.entry(member.to_owned()).or_insert(0) += 1;
            }
        }
        assert_eq!(times.len(), size);
        assert!(times.values().all(|times| (120..280).contains(times)), "{times:?}");
    }
}

#[test]
fn sscan_walks_all_members() {
    let mut script = Script::new();
    script.check_write("SADD s 1 2 30", ":3");
    script.check_read("SSCAN s 0", "[0 [1 2 30]]");
    script.check_read("SSCAN s 0 COUNT 1", "[0 [1 2 30]]");
    script.check_read("SSCAN s 0 MATCH 3* COUNT 100", "[0 [30]]");
    script.check_read("SSCAN s \"\" MATCH *", "[0 [1 2 30]]");
    script.check_read("SSCAN nosuch 0 NOSUCH", "[0 []]");
    script.check_read("SSCAN s x", "-ERR invalid cursor");
    script.check_read("SSCAN s 18446744073709551616", "-ERR invalid cursor");
    script.check_read("SSCAN s 0 COUNT 0", "-ERR syntax error");
    script.check_read("SSCAN s 0 COUNT x", "-ERR value is not an integer or out of range");
    script.check_read("SSCAN s 0 COUNT", "-ERR syntax error");
    script.check_read("SSCAN s 0 TYPE string", "-ERR syntax error");
    let members: Vec<String> = (0..1000).map(|n| format!("m{n}")).collect();
    script.check_write(&format!("SADD big {}", members.join(" ")), ":1000");
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::from("0");
    loop {
        let reply = script.ask(&format!("SSCAN big {cursor}"));
        let (next, members) = reply.trim_matches(['[', ']']).split_once(" [").unwrap();
        seen.extend(members.split(' ').map(str::to_owned));
        if next == "0" {
            break;
        }
        cursor = next.to_owned();
    }
    assert_eq!(seen.len(), 1000);
}
