//! Lists.

use crate::script::Script;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn pushes_add_at_either_end_and_answer_the_length() {
    let mut script = Script::new();
    script.check_write("RPUSH l a b", ":2");
    script.check_write("LPUSH l 1 2", ":4");
    script.check_read("LRANGE l 0 -1", "[2 1 a b]");
    script.check_read("LPUSHX nosuch a", ":0");
    script.check_read("RPUSHX nosuch a", ":0");
    script.check_write("LPUSHX l x", ":5");
    script.check_write("RPUSHX l y z", ":7");
    script.check_read("LRANGE l 0 -1", "[x 2 1 a b y z]");
    script.check_read("LLEN l", ":7");
    script.check_read("LLEN nosuch", ":0");
    script.check_read("LPUSH l", "-ERR wrong number of arguments for 'lpush' command");
    script.check_read("RPUSHX l", "-ERR wrong number of arguments for 'rpushx' command");
}

#[test]
fn every_list_command_refuses_other_types() {
    let mut script = Script::new();
    script.check_write("SADD s a", ":1");
    script.check_write("RPUSH l a", ":1");
    for request in [
        "LPUSH s a",
        "RPUSHX s a",
        "LPOP s",
        "RPOP s 2",
        "LLEN s",
        "LINDEX s 0",
        "LSET s 0 a",
        "LRANGE s 0 1",
        "LTRIM s 0 1",
        "LPOS s a",
        "LREM s 0 a",
        "LINSERT s BEFORE a b",
        "LMPOP 2 nosuch s LEFT",
        "RPOPLPUSH s l",
        "LMOVE l s LEFT LEFT",
    ] {
        script.check_read(request, WRONG_TYPE);
    }
    script.check_read("LRANGE l 0 -1", "[a]");
}

#[test]
fn pops_take_from_either_end() {
    let mut script = Script::new();
    script.check_write("RPUSH l a 2 c d e f", ":6");
    script.check_write("LPOP l", "a");
    script.check_write("RPOP l", "f");
    script.check_write("LPOP l 2", "[2 c]");
    script.check_read("LPOP l 0", "[]");
    script.check_write("RPOP l 10", "[e d]");
    assert!(!script.has("l"));
    script.check_read("LPOP l", "$-1");
    script.check_read("LPOP l 0", "*-1");
    script.check_read("RPOP l 2", "*-1");
    script.check_read("LPOP l -1", "-ERR value is out of range, must be positive");
    script.check_read("LPOP l x", "-ERR value is out of range, must be positive");
    script.check_read("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command");
    script.use_resp3();
    script.check_read("RPOP l", "_");
    script.check_read("RPOP l 1", "_");
}

#[test]
fn lmpop_takes_from_the_first_list_and_propagates_a_pop() {
    let mut script = Script::new();
    script.check_write("RPUSH l1 a b c", ":3");
    script.check_write("RPUSH l2 x y", ":2");
    script.check("LMPOP 3 nosuch l1 l2 LEFT", "[l1 [a]]", "LPOP l1 1");
    script.check("LMPOP 2 l1 l2 RIGHT COUNT 10", "[l1 [c b]]", "RPOP l1 2");
    script.check("LMPOP 2 l1 l2 right count 1", "[l2 [y]]", "RPOP l2 1");
    script.check_read("LMPOP 1 l1 LEFT", "*-1");
    script.check_read("LMPOP 0 l1 LEFT", "-ERR numkeys should be greater than 0");
    script.check_read("LMPOP x l1 LEFT", "-ERR numkeys should be greater than 0");
    script.check_read("LMPOP 1 l1 MIDDLE", "-ERR syntax error");
    script.check_read("LMPOP 2 l1 LEFT", "-ERR syntax error");
    script.check_read("LMPOP 9223372036854775807 l1 LEFT", "-ERR syntax error");
    script.check_read("LMPOP 1 l1 LEFT COUNT", "-ERR syntax error");
    script.check_read("LMPOP 1 l1 LEFT COUNT 0", "-ERR count should be greater than 0");
    script.check_read("LMPOP 1 l1 LEFT COUNT 1 COUNT 2", "-ERR syntax error");
}

#[test]
fn moves_go_from_end_to_end() {
    let mut script = Script::new();
    script.check_write("RPUSH a 1 2 3", ":3");
    script.check_write("RPOPLPUSH a b", "3");
    script.check_write("LMOVE a b LEFT RIGHT", "1");
    script.check_read("LRANGE b 0 -1", "[3 1]");
    script.check_write("LMOVE b b LEFT RIGHT", "3");
    script.check_read("LRANGE b 0 -1", "[1 3]");
    script.check_write("RPOPLPUSH a a", "2");
    script.check_read("LRANGE a 0 -1", "[2]");
    script.check_write("LMOVE a b RIGHT LEFT", "2");
    assert!(!script.has("a"));
    script.check_read("LMOVE a b RIGHT LEFT", "$-1");
    script.check_read("RPOPLPUSH a b", "$-1");
    script.check_read("LMOVE b a UP LEFT", "-ERR syntax error");
    script.check_read("LMOVE b a LEFT DOWN", "-ERR syntax error");
}

#[test]
fn indexes_count_from_both_ends() {
    let mut script = Script::new();
    script.check_write("RPUSH l a b c", ":3");
    for (index, reply) in [("0", "a"), ("2", "c"), ("3", "$-1"), ("-1", "c"), ("-3", "a"), ("-4", "$-1")] {
        script.check_read(&format!("LINDEX l {index}"), reply);
    }
    script.check_read("LINDEX nosuch x", "$-1");
    script.check_read("LINDEX l x", "-ERR value is not an integer or out of range");
    script.check_write("LSET l 1 B", "+OK");
    script.check_write("LSET l -1 3", "+OK");
    script.check_read("LRANGE l 0 -1", "[a B 3]");
    script.check_read("LSET l 3 x", "-ERR index out of range");
    script.check_read("LSET l -4 x", "-ERR index out of range");
    script.check_read("LSET nosuch x x", "-ERR no such key");
    script.check_read("LSET l x x", "-ERR value is not an integer or out of range");
}

#[test]
fn ranges_are_cut_to_the_list() {
    let mut script = Script::new();
    script.check_write("RPUSH l a b c d e", ":5");
    for (range, reply) in [
        ("0 -1", "[a b c d e]"),
        ("1 2", "[b c]"),
        ("-2 -1", "[d e]"),
        ("-100 1", "[a b]"),
        ("3 100", "[d e]"),
        ("5 6", "[]"),
        ("3 1", "[]"),
        ("0 -6", "[]"),
        ("-9223372036854775808 9223372036854775807", "[a b c d e]"),
    ] {
        script.check_read(&format!("LRANGE l {range}"), reply);
    }
    script.check_read("LRANGE nosuch 0 -1", "[]");
    script.check_read("LRANGE l a 1", "-ERR value is not an integer or out of range");
    script.check_read("LTRIM l 0 -1", "+OK");
    script.check_write("LTRIM l 1 -2", "+OK");
    script.check_read("LRANGE l 0 -1", "[b c d]");
    script.check_write("LTRIM l 5 6", "+OK");
    assert!(!script.has("l"));
    script.check_read("LTRIM l 0 0", "+OK");
    script.check_read("LTRIM l 0 x", "-ERR value is not an integer or out of range");
}

#[test]
fn lrem_counts_from_the_end_its_sign_names() {
    let mut script = Script::new();
    script.check_write("RPUSH l a 1 a 1 a 1", ":6");
    script.check_write("LREM l 1 a", ":1");
    script.check_read("LRANGE l 0 -1", "[1 a 1 a 1]");
    script.check_write("LREM l -2 1", ":2");
    script.check_read("LRANGE l 0 -1", "[1 a a]");
    script.check_read("LREM l 0 x", ":0");
    script.check_write("LREM l 0 a", ":2");
    script.check_write("LREM l -9223372036854775808 1", ":1");
    assert!(!script.has("l"));
    script.check_read("LREM l 0 a", ":0");
    script.check_read("LREM l x a", "-ERR value is not an integer or out of range");
}

#[test]
fn linsert_puts_beside_the_first_pivot() {
    let mut script = Script::new();
    script.check_write("RPUSH l a 7 a", ":3");
    script.check_write("LINSERT l BEFORE a x", ":4");
    script.check_write("LINSERT l after 7 y", ":5");
    script.check_read("LRANGE l 0 -1", "[x a 7 y a]");
    script.check_read("LINSERT l BEFORE nosuch z", ":-1");
    script.check_read("LINSERT nosuch AFTER a z", ":0");
    script.check_read("LINSERT l BESIDE a z", "-ERR syntax error");
}

#[test]
fn lpos_searches_by_rank_count_and_length() {
    let mut script = Script::new();
    script.check_write("RPUSH l a b c 1 2 3 c c", ":8");
    for (rest, reply) in [
        ("c", ":2"),
        ("3", ":5"),
        ("c RANK 2", ":6"),
        ("c RANK -1", ":7"),
        ("c RANK -3", ":2"),
        ("c RANK 4", "$-1"),
        ("c COUNT 2", "[:2 :6]"),
        ("c COUNT 0", "[:2 :6 :7]"),
        ("c COUNT 2 RANK -1", "[:7 :6]"),
        ("c RANK -2 COUNT 0", "[:6 :2]"),
        ("c COUNT 0 MAXLEN 3", "[:2]"),
        ("c COUNT 0 MAXLEN 2", "[]"),
        ("c MAXLEN 2", "$-1"),
        ("c MAXLEN 0", ":2"),
        ("c RANK -1 MAXLEN 2 COUNT 0", "[:7 :6]"),
        ("x", "$-1"),
        ("x COUNT 1", "[]"),
        ("c RANK", "-ERR syntax error"),
        ("c FIRST 1", "-ERR syntax error"),
        ("c RANK x", "-ERR value is not an integer or out of range"),
        ("c COUNT -1", "-ERR COUNT can't be negative"),
        ("c COUNT x", "-ERR COUNT can't be negative"),
        ("c MAXLEN -1", "-ERR MAXLEN can't be negative"),
    ] {
        script.check_read(&format!("LPOS l {rest}"), reply);
    }
    script.check_read("LPOS nosuch a", "$-1");
    script.check_read("LPOS nosuch a COUNT 1", "[]");
    let zero = "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                or use negative to start from the end of the list";
    script.check_read("LPOS l c RANK 0", zero);
    let least = "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    script.check_read("LPOS l c RANK -9223372036854775808", least);
}

#[test]
fn an_element_too_big_for_a_packed_list_changes_the_encoding_even_if_it_finds_no_place() {
    let big = "x".repeat(9000);
    for request in [format!("LINSERT l BEFORE nosuch {big}"), format!("LSET l 9 {big}")] {
        let mut script = Script::new();
        script.check_write("RPUSH l a", ":1");
        script.check_read("OBJECT ENCODING l", "listpack");
        script.ask(&request);
        script.check_read("OBJECT ENCODING l", "quicklist");
    }
}

#[test]
fn an_element_that_moves_is_one_change() {
    let mut script = Script::new();
    script.ask("RPUSH a 1 2");
    let before = script.node.core.saving.changes;
    script.ask("LMOVE a b LEFT LEFT");
    script.ask("RPOPLPUSH a b");
    assert_eq!(script.node.core.saving.changes, before + 2);
}
