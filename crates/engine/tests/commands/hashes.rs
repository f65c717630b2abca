//! Hashes.

use slipstream_keyspace::{Hash, UnixMillis, ValueMut};

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn fields_are_set_and_removed() {
    let mut script = Script::new();
    script.check_write("HSET h a 1 b 2", ":2");
    script.check_write("HSET h a 3 c 4", ":1");
    script.check_write("HMSET h d x", "+OK");
    script.check_write("HSETNX h e y", ":1");
    script.check_read("HSETNX h e z", ":0");
    script.check_read("HGETALL h", "[a 3 b 2 c 4 d x e y]");
    script.check_read("HKEYS h", "[a b c d e]");
    script.check_read("HVALS h", "[3 2 4 x y]");
    script.check_read("HLEN h", ":5");
    script.check_write("HDEL h a nosuch b", ":2");
    script.check_read("HDEL h a", ":0");
    script.check_write("HDEL h c d e e", ":3");
    assert!(!script.has("h"));
    script.check_read("HDEL h a", ":0");
    script.check_write("HSET h a 1 a 2", ":1");
    script.check_read("HSET h a", "-ERR wrong number of arguments for 'hset' command");
    script.check_read("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command");
    script.check_read("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command");
}

#[test]
fn fields_are_read() {
    let mut script = Script::new();
    script.check_write("HSET h a hello n 12345", ":2");
    for (request, reply) in [
        ("HGET h a", "hello"),
        ("HGET h n", "12345"),
        ("HGET h x", "$-1"),
        ("HGET nosuch a", "$-1"),
        ("HMGET h n x a", "[12345 $-1 hello]"),
        ("HMGET nosuch a b", "[$-1 $-1]"),
        ("HEXISTS h a", ":1"),
        ("HEXISTS h x", ":0"),
        ("HEXISTS nosuch a", ":0"),
        ("HSTRLEN h a", ":5"),
        ("HSTRLEN h n", ":5"),
        ("HSTRLEN h x", ":0"),
        ("HSTRLEN nosuch a", ":0"),
        ("HLEN nosuch", ":0"),
        ("HGETALL nosuch", "[]"),
        ("HKEYS nosuch", "[]"),
        ("HVALS nosuch", "[]"),
    ] {
        script.check_read(request, reply);
    }
}

#[test]
fn every_hash_command_refuses_other_types() {
    let mut script = Script::new();
    script.check_write("RPUSH l a", ":1");
    for request in [
        "HSET l a 1",
        "HMSET l a 1",
        "HSETNX l a 1",
        "HDEL l a",
        "HINCRBY l a 1",
        "HINCRBYFLOAT l a 1",
        "HGET l a",
        "HMGET l a",
        "HEXISTS l a",
        "HSTRLEN l a",
        "HLEN l",
        "HGETALL l",
        "HKEYS l",
        "HVALS l",
        "HSCAN l 0",
        "HRANDFIELD l",
        "HRANDFIELD l 0",
    ] {
        script.check_read(request, WRONG_TYPE);
    }
}

#[test]
fn hincrby_adds_to_integers() {
    let mut script = Script::new();
    script.check_write("HINCRBY h n 5", ":5");
    script.check_write("HINCRBY h n -7", ":-2");
    script.check_read("HGET h n", "-2");
    script.check_write("HSET h s x m 9223372036854775807 i \" 1\"", ":3");
    script.check_read("HINCRBY h s 1", "-ERR hash value is not an integer");
    script.check_read("HINCRBY h i 1", "-ERR hash value is not an integer");
    script.check_read("HINCRBY h m 1", "-ERR increment or decrement would overflow");
    script.check_read("HINCRBY h n -9223372036854775808", "-ERR increment or decrement would overflow");
    script.check_read("HINCRBY h n 1.5", "-ERR value is not an integer or out of range");
}

#[test]
fn hincrbyfloat_propagates_what_it_left() {
    let mut script = Script::new();
    script.check("HINCRBYFLOAT h f 10.5", "10.5", "HSET h f 10.5");
    script.check("HINCRBYFLOAT h f 0.1", "10.6", "HSET h f 10.6");
    script.check("HINCRBYFLOAT h f -10.6", "0", "HSET h f 0");
    script.check("HINCRBYFLOAT h f 5.0e3", "5000", "HSET h f 5000");
    script.check("HINCRBYFLOAT h g 3", "3", "HSET h g 3");
    script.check_write("HSET h s x big 1e4932", ":2");
    script.check_read("HINCRBYFLOAT h s 1", "-ERR hash value is not a float");
    script.check_read("HINCRBYFLOAT h f x", "-ERR value is not a valid float");
    script.check_read("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity");
    script.check_read("HINCRBYFLOAT h f nan", "-ERR value is not a valid float");
    script.check_read("HINCRBYFLOAT h big 1e4932", "-ERR increment would produce NaN or Infinity");
}

#[test]
fn resp3_answers_maps_and_pairs() {
    let mut script = Script::resp3();
    script.check_write("HSET h a 1", ":1");
    script.check_read("HGETALL h", "%[a 1]");
    script.check_read("HGETALL nosuch", "%[]");
    script.check_read("HKEYS h", "[a]");
    script.check_read("HVALS h", "[1]");
    script.check_read("HGET h x", "_");
    script.check_read("HRANDFIELD h", "a");
    script.check_read("HRANDFIELD h 2", "[a]");
    script.check_read("HRANDFIELD h 2 WITHVALUES", "[[a 1]]");
    script.check_read("HRANDFIELD h -2 WITHVALUES", "[[a 1] [a 1]]");
    script.check_read("HRANDFIELD nosuch", "_");
    script.check_read("HRANDFIELD nosuch 1", "[]");
    script.check_read("HSCAN h 0", "[0 [a 1]]");
}

#[test]
fn hrandfield_answers_by_the_sign_of_its_count() {
    let mut script = Script::new();
    let fields: Vec<String> = (0..300).map(|n| format!("f{n} {n}")).collect();
    for (key, size) in [("small", 60), ("big", 300)] {
        script.check_write(&format!("HSET {key} {}", fields[..size].join(" ")), &format!(":{size}"));
        for (count, answered, different) in [(0, 0, 0), (3, 3, 3), (50, 50, 50), (900, size, size)] {
            let reply = script.ask(&format!("HRANDFIELD {key} {count}"));
            assert_eq!(distinct(&reply), (answered, different), "{key} {count}");
            let reply = script.ask(&format!("HRANDFIELD {key} {count} WITHVALUES"));
            assert_eq!(distinct(&reply), (answered * 2, different * 2), "{key} {count}");
        }
        assert_eq!(distinct(&script.ask(&format!("HRANDFIELD {key} -900"))).0, 900);
    }
    script.check_write("HSET one a 1", ":1");
    script.check_read("HRANDFIELD one", "a");
    script.check_read("HRANDFIELD one -2 WITHVALUES", "[a 1 a 1]");
    script.check_read("HRANDFIELD nosuch", "$-1");
    script.check_read("HRANDFIELD nosuch 1 WITHVALUES", "[]");
    script.check_read("HRANDFIELD one x", "-ERR value is not an integer or out of range");
    script.check_read("HRANDFIELD one 1 WITHSCORES", "-ERR syntax error");
    script.check_read("HRANDFIELD one 1 WITHVALUES 2", "-ERR syntax error");
    script.check_read("HRANDFIELD one 9223372036854775807 WITHVALUES", "-ERR value is out of range");
    let least = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    script.check_read("HRANDFIELD one -9223372036854775808", least);
}

fn distinct(reply: &str) -> (usize, usize) {
    let words = reply.trim_matches(['[', ']']).split(' ').filter(|word| !word.is_empty());
    let all: Vec<&str> = words.collect();
    (all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len())
}

#[test]
fn hscan_walks_all_fields_with_their_values() {
    let mut script = Script::new();
    script.check_write("HSET h a 1 bb 2 b 3", ":3");
    script.check_read("HSCAN h 0", "[0 [a 1 bb 2 b 3]]");
    script.check_read("HSCAN h 0 MATCH b* COUNT 1", "[0 [bb 2 b 3]]");
    script.check_read("HSCAN nosuch 0 NOSUCH", "[0 []]");
    script.check_read("HSCAN h -", "-ERR invalid cursor");
    script.check_read("HSCAN h 0 NOSUCH", "-ERR syntax error");
    script.check_read("HSCAN h 0 COUNT -1", "-ERR syntax error");
}

/// A hash whose field `a` is due at 2 s and `b` at 3 s, as an RDB file may bring it.
fn hash_with_deadlines(script: &mut Script) {
    script.check_write("HSET h a 1 b 2 c 3", ":3");
    script.on_both(|keyspace| {
        let (db, encoding) = keyspace.db_and_encoding(0);
        let hash = db.get_mut(b"h", UnixMillis(0)).and_then(ValueMut::typed::<Hash<'_>>);
        let mut hash = hash.expect("there is a hash");
        hash.set_deadline(b"a", UnixMillis(2000), encoding);
        hash.set_deadline(b"b", UnixMillis(3000), encoding);
        drop(hash);
        db.note_fields(b"h");
    });
}

#[test]
fn due_fields_are_dropped_by_whatever_looks_at_the_hash() {
    for (request, reply) in [
        ("HGET h a", "$-1"),
        ("HMGET h a b", "[$-1 2]"),
        ("HEXISTS h a", ":0"),
        ("HSTRLEN h a", ":0"),
        ("HLEN h", ":2"),
        ("HGETALL h", "[b 2 c 3]"),
        ("HKEYS h", "[b c]"),
        ("HVALS h", "[2 3]"),
        ("HSCAN h 0", "[0 [b 2 c 3]]"),
        ("HRANDFIELD h 5", "[b c]"),
        ("HDEL h a", ":0"),
        ("HGETDEL h FIELDS 1 a", "[$-1]"),
        ("HGETEX h FIELDS 1 a", "[$-1]"),
        ("HPERSIST h FIELDS 1 a", "[:-2]"),
        ("HEXPIRE h 10 FIELDS 1 a", "[:-2]"),
        ("HSETEX h FXX FIELDS 1 a 1", ":0"),
        ("HTTL h FIELDS 3 a b c", "[:-2 :1 :-1]"),
    ] {
        let mut script = Script::new();
        hash_with_deadlines(&mut script);
        script.advance(1000);
        script.check_read("HLEN h", ":3");
        script.advance(1);
        script.check(request, reply, "HDEL h a");
        script.check_read("HLEN h", ":2");
    }
}

#[test]
fn due_fields_go_before_the_command_itself() {
    let mut script = Script::new();
    hash_with_deadlines(&mut script);
    script.advance(5000);
    script.check("HSET h a 4", ":1", "MULTI; HDEL h a; HSET h a 4; EXEC");
    script.check("HGETALL h", "[c 3 a 4]", "HDEL h b");
}

#[test]
fn a_change_removes_no_due_fields_but_those_it_names() {
    let mut script = Script::new();
    hash_with_deadlines(&mut script);
    script.advance(5000);
    script.check_read("HSETNX h c x", ":0");
    script.check_write("HDEL h c", ":1");
    script.check_read("EXISTS h", ":1");
    script.check("HSETNX h b 9", ":1", "MULTI; HDEL h b; HSETNX h b 9; EXEC");
    script.check("HINCRBY h a 4", ":4", "MULTI; HDEL h a; HINCRBY h a 4; EXEC");
    script.check_read("HGETALL h", "[b 9 a 4]");
}

#[test]
fn a_sort_by_fields_does_not_see_those_that_are_due() {
    let mut script = Script::new();
    hash_with_deadlines(&mut script);
    script.check_write("RPUSH l h", ":1");
    script.check_read("SORT l BY nosuch GET *->a GET *->b", "[1 2]");
    script.advance(1001);
    let sorted = "MULTI; HDEL h a; SORT l BY nosuch GET \"*->a\" GET \"*->b\" STORE to; EXEC";
    script.check("SORT l BY nosuch GET *->a GET *->b STORE to", ":2", sorted);
    script.check_read("LRANGE to 0 -1", "[\"\" 2]");
}

#[test]
fn a_replica_hides_due_fields_and_removes_none() {
    for (request, reply) in [
        ("HGET h a", "$-1"),
        ("HMGET h a b", "[$-1 2]"),
        ("HEXISTS h a", ":0"),
        ("HSTRLEN h a", ":0"),
        ("HLEN h", ":2"),
        ("HGETALL h", "[b 2 c 3]"),
        ("HKEYS h", "[b c]"),
        ("HVALS h", "[2 3]"),
        ("HSCAN h 0", "[0 [b 2 c 3]]"),
        ("HRANDFIELD h 5", "[b c]"),
        ("HTTL h FIELDS 2 a b", "[:-2 :1]"),
        ("SORT_RO l BY nosuch GET *->a GET *->b", "[$-1 2]"),
    ] {
        let mut script = Script::new();
        script.check_write("RPUSH l h", ":1");
        hash_with_deadlines(&mut script);
        script.ask("REPLICAOF 127.0.0.1 1");
        script.propagated();
        script.advance(1001);
        script.check_read(request, reply);
        script.advance(2000);
        script.check_read("HGETALL h", "[c 3]");
        script.check_read("HRANDFIELD h -3", "[c c c]");
    }
}

#[test]
fn a_hash_goes_with_its_last_due_field() {
    let mut script = Script::new();
    hash_with_deadlines(&mut script);
    script.check_write("HDEL h c", ":1");
    script.advance(5000);
    script.check("HGETALL h", "[]", "HDEL h a b");
    assert!(!script.has("h"));
}

#[test]
fn overwriting_a_field_clears_its_deadline_and_counting_keeps_it() {
    let mut script = Script::new();
    hash_with_deadlines(&mut script);
    script.check_write("HSET h a 9", ":0");
    script.check_write("HINCRBY h b 1", ":3");
    let kept = "MULTI; HSET h b 3.5; HPEXPIREAT h 3000 FIELDS 1 b; EXEC";
    script.check("HINCRBYFLOAT h b 0.5", "3.5", kept);
    script.advance(5000);
    script.check("HGETALL h", "[a 9 c 3]", "HDEL h b");
}
