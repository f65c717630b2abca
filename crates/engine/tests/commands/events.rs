//! Keyspace notifications: which events each command tells, in order.

use slipstream_engine::config::{Config, EvictionPolicy};
use slipstream_engine::event::class;
use slipstream_engine::session::SessionId;

use crate::script::Script;

/// A node that tells these classes, and a client that hears all.
fn listening(classes: &str) -> (Script, SessionId) {
    let mut config = Config::default();
    config.notify_keyspace_events = class::parse(classes).unwrap();
    let mut script = Script::with_config(config);
    let listener = script.connect();
    script.ask_as(listener, "PSUBSCRIBE __key*");
    (script, listener)
}

/// What was heard since the last call: of each event its name and its key.
fn heard(script: &mut Script, listener: SessionId) -> String {
    let received = script.received(listener);
    let messages = received.split(['[', ']']).filter(|part| part.starts_with("pmessage"));
    let shown = messages.map(|message| {
        let words: Vec<&str> = message.split(' ').map(|word| word.trim_matches('"')).collect();
        let (channel, name) = words[2].split_once("__:").unwrap();
        match channel.strip_prefix("__keyevent@") {
            Some("0") => format!("{name} {}", words[3]),
            Some(db) => format!("{name} {}@{db}", words[3]),
            None => format!("{}: {}", words[2], words[3]),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// What comes before, separated by `;`, the request, and the events of the request.
const EVENTS: &[(&str, &str, &str)] = &[
    ("", "SET k v", "set k"),
    ("", "SET k v EX 100", "set k, expire k"),
    ("SET k v", "SET k v NX", ""),
    ("", "SETEX k 100 v", "set k, expire k"),
    ("", "PSETEX k 100000 v", "set k, expire k"),
    ("", "SETNX k v", "set k"),
    ("", "MSET a 1 b 2", "set a, set b"),
    ("", "MSETNX a 1 b 2", "set a, set b"),
    ("", "GETSET k v", "set k"),
    ("SET k v", "GETDEL k", "del k"),
    ("SET k v", "GETEX k", ""),
    ("SET k v", "GETEX k EX 100", "expire k"),
    ("SET k v EX 100", "GETEX k PERSIST", "persist k"),
    ("SET k v", "GETEX k PXAT 1", "del k"),
    ("", "APPEND k v", "append k"),
    ("", "SETRANGE k 1 v", "setrange k"),
    ("", "INCR k", "incrby k"),
    ("", "DECRBY k 2", "incrby k"),
    ("", "INCRBYFLOAT k 1.5", "incrbyfloat k"),
    ("SET a 1; SET b 2", "DEL a b c", "del a, del b"),
    ("SET a 1", "UNLINK a", "del a"),
    ("SET a 1", "RENAME a b", "rename_from a, rename_to b"),
    ("SET a 1", "RENAMENX a b", "rename_from a, rename_to b"),
    ("SET a 1", "MOVE a 3", "move_from a, move_to a@3"),
    ("SET a 1", "COPY a b", "copy_to b"),
    ("SET a 1", "COPY a b DB 2", "copy_to b@2"),
    ("SET a 1", "EXPIRE a 100", "expire a"),
    ("SET a 1", "PEXPIREAT a 1", "del a"),
    ("SET a 1 EX 100", "PERSIST a", "persist a"),
    ("SET a 1", "PERSIST a", ""),
    ("RPUSH l 1 2", "SORT l STORE d", "sortstore d"),
    ("SET d 1", "SORT none STORE d", "del d"),
    ("SET a 1", "FLUSHDB", ""),
    ("SET a 1", "SWAPDB 0 1", ""),
    ("", "LPUSH l a b", "lpush l"),
    ("", "RPUSH l a", "rpush l"),
    ("RPUSH l a", "RPUSHX l b", "rpush l"),
    ("", "LPUSHX l a", ""),
    ("RPUSH l a b", "LPOP l", "lpop l"),
    ("RPUSH l a", "RPOP l", "rpop l, del l"),
    ("RPUSH l a b", "LPOP l 2", "lpop l, del l"),
    ("RPUSH l a b", "LMPOP 2 x l RIGHT COUNT 5", "rpop l, del l"),
    ("RPUSH l a b", "LSET l 0 c", "lset l"),
    ("RPUSH l a b", "LINSERT l BEFORE a c", "linsert l"),
    ("RPUSH l a b", "LREM l 0 a", "lrem l"),
    ("RPUSH l a", "LREM l 0 a", "lrem l, del l"),
    ("RPUSH l a", "LREM l 0 z", ""),
    ("RPUSH l a b c", "LTRIM l 1 1", "ltrim l"),
    ("RPUSH l a b c", "LTRIM l 0 -1", "ltrim l"),
    ("RPUSH l a b c", "LTRIM l 5 9", "ltrim l, del l"),
    ("RPUSH l a b", "LMOVE l m LEFT RIGHT", "rpush m, lpop l"),
    ("RPUSH l a", "RPOPLPUSH l m", "lpush m, rpop l, del l"),
    ("RPUSH l a", "LMOVE l l LEFT RIGHT", "rpush l, lpop l"),
    ("", "SADD s a b", "sadd s"),
    ("SADD s a", "SADD s a", ""),
    ("SADD s a b", "SREM s a", "srem s"),
    ("SADD s a", "SREM s a", "srem s, del s"),
    ("SADD s a b", "SPOP s", "spop s"),
    ("SADD s a", "SPOP s", "spop s, del s"),
    ("SADD s a b c", "SPOP s 2", "spop s"),
    ("SADD s a b", "SPOP s 9", "spop s, del s"),
    ("SADD s a b", "SMOVE s t a", "srem s, sadd t"),
    ("SADD s a; SADD t a", "SMOVE s t a", "srem s, del s"),
    ("SADD s a; SADD t a b", "SINTERSTORE d s t", "sinterstore d"),
    ("SADD s a; SADD t b", "SUNIONSTORE d s t", "sunionstore d"),
    ("SADD s a; SADD t b", "SDIFFSTORE d s t", "sdiffstore d"),
    ("SADD d a", "SINTERSTORE d x y", "del d"),
    ("", "SINTERSTORE d x y", ""),
    ("", "ZADD z 1 a", "zadd z"),
    ("ZADD z 1 a", "ZADD z 1 a", ""),
    ("", "ZADD z INCR 1 a", "zincr z"),
    ("", "ZINCRBY z 1 a", "zincr z"),
    ("ZADD z 1 a 2 b", "ZREM z a", "zrem z"),
    ("ZADD z 1 a", "ZREM z a", "zrem z, del z"),
    ("ZADD z 1 a 2 b", "ZREMRANGEBYRANK z 0 0", "zremrangebyrank z"),
    ("ZADD z 1 a", "ZREMRANGEBYSCORE z 1 1", "zremrangebyscore z, del z"),
    ("ZADD z 0 a", "ZREMRANGEBYLEX z - +", "zremrangebylex z, del z"),
    ("ZADD z 1 a 2 b", "ZPOPMIN z", "zpopmin z"),
    ("ZADD z 1 a", "ZPOPMAX z", "zpopmax z, del z"),
    ("ZADD z 1 a 2 b", "ZMPOP 1 z MAX", "zpopmax z"),
    ("ZADD z 1 a", "ZUNIONSTORE d 1 z", "zunionstore d"),
    ("ZADD z 1 a", "ZINTERSTORE d 1 z", "zinterstore d"),
    ("ZADD z 1 a", "ZDIFFSTORE d 1 z", "zdiffstore d"),
    ("ZADD z 1 a", "ZRANGESTORE d z 0 -1", "zrangestore d"),
    ("ZADD d 1 a", "ZRANGESTORE d none 0 -1", "del d"),
    ("", "HSET h f v", "hset h"),
    ("", "HMSET h f v", "hset h"),
    ("", "HSETNX h f v", "hset h"),
    ("HSET h f v", "HSETNX h f v", ""),
    ("", "HINCRBY h f 1", "hincrby h"),
    ("", "HINCRBYFLOAT h f 1.5", "hincrbyfloat h"),
    ("HSET h f v g w", "HDEL h f", "hdel h"),
    ("HSET h f v", "HDEL h f", "hdel h, del h"),
    ("", "XADD x 1-1 f v", "xadd x"),
    ("XADD x 1-1 f v", "XADD x MAXLEN 1 1-2 f v", "xadd x, xtrim x"),
    ("XADD x 1-1 f v", "XTRIM x MAXLEN 0", "xtrim x"),
    ("XADD x 1-1 f v", "XDEL x 1-1", "xdel x"),
    ("XADD x 1-1 f v", "XSETID x 5-1", "xsetid x"),
    ("", "SETBIT k 3 1", "setbit k"),
    ("", "BITFIELD k SET u8 0 5 INCRBY u8 8 1", "setbit k"),
    ("SET k v", "BITFIELD k GET u8 0", ""),
    ("SET k v", "BITOP NOT d k", "set d"),
    ("SET d v", "BITOP AND d none", "del d"),
    ("", "PFADD p a b", "pfadd p"),
    ("PFADD p a", "PFADD p a", ""),
    ("PFADD p a", "PFMERGE d p", "pfadd d"),
    ("PFADD p a", "PFCOUNT p", ""),
    ("", "GEOADD g 1 1 a", "zadd g"),
    ("GEOADD g 1 1 a", "GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m", "geosearchstore d"),
    ("GEOADD g 1 1 a", "GEORADIUS g 1 1 1 m STORE d", "georadiusstore d"),
    ("GEOADD d 1 1 a", "GEORADIUS none 1 1 1 m STORE d", "del d"),
    ("", "GET none", ""),
];

#[test]
fn each_change_is_told_by_its_events_in_order() {
    for (before, request, events) in EVENTS {
        let (mut script, listener) = listening("AE");
        before.split(';').filter(|line| !line.is_empty()).for_each(|line| {
            script.ask(line.trim());
        });
        script.received(listener);
        let reply = script.ask(request);
        assert_eq!(heard(&mut script, listener), *events, "{before}; {request}: {reply}");
        script.propagated();
    }
}

/// The same for commands that Redis has since 7.4 and 8.0.
#[test]
fn changes_of_fields_deadlines_are_told() {
    for (before, request, events) in [
        ("HSET h f v g w", "HEXPIRE h 100 FIELDS 1 f", "hexpire h"),
        ("HSET h f v g w", "HPEXPIREAT h 1 FIELDS 1 f", "hdel h"),
        ("HSET h f v", "HPEXPIREAT h 1 FIELDS 1 f", "hdel h, del h"),
        ("HSETEX h EX 100 FIELDS 1 f v", "HPERSIST h FIELDS 1 f", "hpersist h"),
        ("", "HSETEX h EX 100 FIELDS 1 f v", "hset h, hexpire h"),
        ("HSET h f v", "HGETDEL h FIELDS 1 f", "hdel h, del h"),
        ("HSET h f v", "HGETEX h EX 100 FIELDS 1 f", "hexpire h"),
    ] {
        let (mut script, listener) = listening("AE");
        script.ask(if before.is_empty() { "PING" } else { before });
        script.received(listener);
        script.ask(request);
        assert_eq!(heard(&mut script, listener), events, "{before}; {request}");
    }
    let (mut script, listener) = listening("AE");
    script.ask("HSET h f v");
    script.ask("HPEXPIRE h 100 FIELDS 1 f");
    script.received(listener);
    script.advance(200);
    script.ask("HGETALL h");
    assert_eq!(heard(&mut script, listener), "hexpired h, del h");
}

#[test]
fn the_channel_of_the_key_comes_before_that_of_the_event() {
    let (mut script, listener) = listening("KEA");
    script.ask("SET k v");
    assert_eq!(heard(&mut script, listener), "__keyspace@0__:k: set, set k");
    script.ask("CONFIG SET notify-keyspace-events KA");
    script.ask("SET k v");
    assert_eq!(heard(&mut script, listener), "__keyspace@0__:k: set");
    script.ask("CONFIG SET notify-keyspace-events E$");
    script.ask("SET k v EX 5");
    script.ask("DEL k");
    assert_eq!(heard(&mut script, listener), "set k");
    for silent in ["A", "KE", ""] {
        script.ask(&format!("CONFIG SET notify-keyspace-events \"{silent}\""));
        script.ask("SET k v");
        assert_eq!(heard(&mut script, listener), "", "{silent}");
    }
}

#[test]
fn keys_that_come_to_be_are_told_before_what_was_done_to_them() {
    for (before, request, events) in [
        ("", "SET k v", "new k, set k"),
        ("SET k v", "SET k w", "set k"),
        ("", "MSET a 1 a 2", "new a, set a, set a"),
        ("", "LPUSH l a", "new l, lpush l"),
        ("RPUSH l a", "LMOVE l m LEFT LEFT", "new m, lpush m, lpop l, del l"),
        ("SET a 1", "RENAME a b", "new b, rename_from a, rename_to b"),
        ("SET a 1", "MOVE a 2", "new a@2, move_from a, move_to a@2"),
        ("SET a 1", "COPY a b", "new b, copy_to b"),
        ("SADD s a", "SMOVE s t a", "srem s, del s, new t, sadd t"),
        ("SADD s a", "SUNIONSTORE s s", "sunionstore s"),
        ("", "INCRBYFLOAT k 1", "new k, incrbyfloat k"),
    ] {
        let (mut script, listener) = listening("AEn");
        script.ask(if before.is_empty() { "PING" } else { before });
        script.received(listener);
        script.ask(request);
        assert_eq!(heard(&mut script, listener), events, "{before}; {request}");
    }
}

#[test]
fn reads_that_find_no_key_are_told_and_after_its_end_if_it_was_due() {
    for (request, events) in [
        ("GET k", "keymiss k"),
        ("MGET k l", "keymiss k, keymiss l"),
        ("EXISTS k", "keymiss k"),
        ("TYPE k", "keymiss k"),
        ("TTL k", "keymiss k"),
        ("HGET k f", "keymiss k"),
        ("ZSCORE k m", "keymiss k"),
        ("LRANGE k 0 -1", "keymiss k"),
        ("SMEMBERS k", "keymiss k"),
        ("XLEN k", "keymiss k"),
        ("GETBIT k 1", "keymiss k"),
        ("BITCOUNT k", "keymiss k"),
        ("PFCOUNT k", "keymiss k"),
        ("GEOPOS k m", "keymiss k"),
        ("OBJECT ENCODING k", ""),
        ("DEL k", ""),
        ("LPOP k", ""),
    ] {
        let (mut script, listener) = listening("AEm");
        script.ask(request);
        assert_eq!(heard(&mut script, listener), events, "{request}");
        script.ask("SET k v PX 10");
        script.received(listener);
        script.advance(20);
        script.ask(request);
        let expected =
            if events.is_empty() { "expired k".to_owned() } else { format!("expired k, {events}") };
        assert_eq!(heard(&mut script, listener), expected, "{request}, when it is due");
    }
    let (mut script, listener) = listening("AEn");
    script.ask("SET k v PX 10");
    script.received(listener);
    script.advance(20);
    script.ask("LPUSH k a");
    assert_eq!(heard(&mut script, listener), "expired k, new k, lpush k");
}

#[test]
fn evicted_keys_are_told() {
    let (mut script, listener) = listening("AE");
    script.ask("SET k v");
    script.received(listener);
    script.node.core.config.maxmemory = 1 << 20;
    script.node.core.config.maxmemory_policy = EvictionPolicy::AllKeysRandom;
    script.set_memory(2 << 20);
    script.ask("PING");
    assert_eq!(heard(&mut script, listener), "evicted k");
}

#[test]
fn what_a_transaction_did_is_told_as_it_did_it() {
    let (mut script, listener) = listening("AE");
    script.ask("MULTI");
    script.ask("SET a 1");
    script.ask("RPUSH l x");
    script.ask("DEL a");
    script.ask("EXEC");
    assert_eq!(heard(&mut script, listener), "set a, rpush l, del a");
    // Nothing of it travels.
    assert_eq!(script.propagated(), "MULTI; SET a 1; RPUSH l x; DEL a; EXEC");
}
