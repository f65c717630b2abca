//! COMMAND: the facts of a few rows, the keys of whole commands.

use crate::script::Script;

const READ_ZSET: &str = "[zrange :-4 [+readonly] :1 :1 :1 [+@read +@sortedset +@slow] [] \
     [[flags [+RO +access] begin_search [type index spec [index :1]] \
     find_keys [type range spec [lastkey :0 keystep :1 limit :0]]]] []]";

#[test]
fn info_has_ten_elements_and_null_for_what_is_unknown() {
    let mut s = Script::new();
    s.check_read("COMMAND INFO zrange nosuch", &format!("[{READ_ZSET} $-1]"));
    s.check_read(
        "COMMAND INFO ping",
        "[[ping :-1 [+fast] :0 :0 :0 [+@fast +@connection] [request_policy:all_shards \
         response_policy:all_succeeded] [] []]]",
    );
    let count = s.ask("COMMAND COUNT");
    let names = s.ask("COMMAND LIST");
    let top_level = names.split(' ').filter(|name| !name.contains('|')).count();
    assert_eq!(count, format!(":{top_level}"));
}

#[test]
fn info_joins_ranges_and_marks_movable_keys() {
    let mut s = Script::new();
    let reply = s.ask("COMMAND INFO zunionstore");
    let begin = "[[zunionstore :-4 [+write +denyoom +movablekeys] :1 :1 :1 [+@write +@sortedset +@slow] []";
    assert!(reply.starts_with(begin), "{reply}");
    let keynum = "find_keys [type keynum spec [keynumidx :0 firstkey :1 keystep :1]]";
    assert!(reply.contains(keynum), "{reply}");
    let reply = s.ask("COMMAND INFO zrangestore");
    assert!(reply.starts_with("[[zrangestore :-5 [+write +denyoom] :1 :2 :1"), "{reply}");
}

#[test]
fn a_subcommand_is_named_with_its_container() {
    let mut s = Script::new();
    let reply = s.ask("COMMAND INFO command|count");
    assert_eq!(reply, "[[command|count :2 [+loading +stale] :0 :0 :0 [+@slow +@connection] [] [] []]]");
    assert!(s.ask("COMMAND INFO command").contains(&reply[1..reply.len() - 1]));
}

#[test]
fn docs_show_the_tree_of_arguments() {
    let mut s = Script::resp3();
    s.check_read(
        "COMMAND DOCS zscore nosuch",
        "%[zscore %[summary \"Tells the score of a member.\" since 1.2.0 group sorted-set complexity O(1) \
         arguments [%[name key type key display_text key key_spec_index :0] \
         %[name member type string display_text member]]]]",
    );
    let reply = s.ask("COMMAND DOCS zrange");
    let limit = "%[name limit type block token LIMIT since 6.2.0 flags ~[+optional] arguments \
         [%[name offset type integer display_text offset] %[name count type integer display_text count]]]";
    assert!(reply.contains(limit), "{reply}");
    let reply = s.ask("COMMAND DOCS zrevrange");
    assert!(reply.contains("doc_flags ~[+deprecated] deprecated_since 6.2.0 replaced_by"), "{reply}");
}

#[test]
fn a_list_is_filtered_by_category_and_pattern() {
    let mut s = Script::new();
    s.check_read("COMMAND LIST FILTERBY PATTERN ZUNION*", "[zunion zunionstore]");
    s.check_read("COMMAND LIST FILTERBY MODULE x", "[]");
    s.check_read("COMMAND LIST FILTERBY ACLCAT nosuch", "[]");
    assert!(s.ask("COMMAND LIST FILTERBY ACLCAT sortedset").contains("zadd"));
    s.check_read("COMMAND LIST FILTERBY NAME x", "-ERR syntax error");
    s.check_read("COMMAND LIST FILTERBY PATTERN", "-ERR syntax error");
}

#[test]
fn getkeys_follows_the_key_specs() {
    let mut s = Script::new();
    s.check_read("COMMAND GETKEYS ZADD z 1 a", "[z]");
    s.check_read("COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2", "[d a b]");
    s.check_read("COMMAND GETKEYS WATCH a b c", "[a b c]");
    s.check_read("COMMAND GETKEYSANDFLAGS ZRANGESTORE d s 0 1", "[[d [+OW +update]] [s [+RO +access]]]");
    s.check_read("COMMAND GETKEYS NOSUCH", "-ERR Invalid command specified");
    s.check_read("COMMAND GETKEYS PING", "-ERR The command has no key arguments");
    s.check_read("COMMAND GETKEYS ZADD z", "-ERR Invalid number of arguments specified for command");
    s.check_read("COMMAND GETKEYS ZUNION x a", "-ERR Invalid arguments specified for command");
    s.check_read("COMMAND GETKEYS ZUNION 3 a b", "-ERR Invalid arguments specified for command");
    s.check_read("COMMAND GETKEYS ZUNION 0 a b", "-ERR Invalid arguments specified for command");
}
