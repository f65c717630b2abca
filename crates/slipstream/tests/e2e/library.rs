//! The `redis` crate's own connection and typed commands over every type, in both versions of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use redis::geo::{Coord, RadiusOptions, RadiusSearchResult, Unit};
use redis::streams::{StreamPendingReply, StreamReadOptions, StreamReadReply};
use redis::{Commands, Connection, Direction, Script, Value};

use crate::client::command;
use crate::peer::Kind::Ours;
use crate::server::Server;

#[test]
fn typed_commands_work_over_resp2() {
    let server = Server::start(Ours, &[]);
    check(&mut connect(&server, ""));
    messages(&mut connect(&server, ""), &mut connect(&server, "")).expect("messages");
}

#[test]
fn typed_commands_work_over_resp3() {
    let server = Server::start(Ours, &[]);
    let mut connection = connect(&server, "?protocol=resp3");
    check(&mut connection);
    // What the library hides: the reply is of its own type.
    let mut reply = |line: &str| command(line).query::<Value>(&mut connection).expect("it is answered");
    assert!(matches!(reply("HGETALL hash"), Value::Map(_)));
    assert!(matches!(reply("SMEMBERS set"), Value::Set(_)));
    assert!(matches!(reply("ZSCORE zset a"), Value::Double(_)));
}

/// Without time limits, so that the library's reads survive that this process is stopped for a while.
#[track_caller]
fn connect(server: &Server, options: &str) -> Connection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/{options}", server.port));
    client.and_then(|client| client.get_connection()).expect("the server listens")
}

#[track_caller]
fn check(connection: &mut Connection) {
    strings(connection).expect("strings");
    collections(connection).expect("collections");
    scans(connection).expect("scans");
    transactions(connection).expect("transactions");
    waiting(connection).expect("commands that wait");
    streams(connection).expect("streams");
    places(connection).expect("places");
    bits_and_sketches(connection).expect("bitmaps and sketches");
    scripts(connection).expect("scripts");
    keys(connection).expect("keys");
    let refused = connection.incr::<_, _, i64>("list", 1).expect_err("it is a list");
    assert_eq!(refused.code(), Some("WRONGTYPE"));
}

fn strings(connection: &mut Connection) -> redis::RedisResult<()> {
    let binary: Vec<u8> = (0..=255).collect();
    let () = connection.set("binary", &binary)?;
    assert_eq!(connection.get::<_, Vec<u8>>("binary")?, binary);
    assert_eq!(connection.incr::<_, _, i64>("counter", 5)?, 5);
    assert_eq!(connection.incr::<_, _, f64>("fraction", 1.5)?, 1.5);
    let () = connection.set_ex("short", "lived", 100)?;
    assert!((1..=100).contains(&connection.ttl::<_, i64>("short")?));
    assert!(connection.expire::<_, bool>("counter", 100)?);
    assert_eq!(connection.get::<_, Option<String>>("missing")?, None);
    let () = connection.mset(&[("one", "1"), ("two", "2")])?;
    let both: (i64, i64) = connection.mget(&["one", "two"])?;
    assert_eq!(both, (1, 2));
    Ok(())
}

fn collections(connection: &mut Connection) -> redis::RedisResult<()> {
    let () = connection.rpush("list", &["a", "b", "c"])?;
    assert_eq!(connection.lrange::<_, Vec<String>>("list", 0, -1)?, ["a", "b", "c"]);
    assert_eq!(connection.lpop::<_, Vec<String>>("list", std::num::NonZeroUsize::new(2))?, ["a", "b"]);

    assert_eq!(connection.sadd::<_, _, i64>("set", &["a", "b", "a"])?, 2);
    let members: BTreeSet<String> = connection.smembers("set")?;
    assert_eq!(members, BTreeSet::from(["a".into(), "b".into()]));
    assert!(connection.sismember::<_, _, bool>("set", "a")?);

    let () = connection.hset_multiple("hash", &[("f", "1"), ("g", "2")])?;
    let fields: BTreeMap<String, i64> = connection.hgetall("hash")?;
    assert_eq!(fields, BTreeMap::from([("f".into(), 1), ("g".into(), 2)]));

    let () = connection.zadd_multiple("zset", &[(1.5, "a"), (f64::INFINITY, "b")])?;
    let scored: Vec<(String, f64)> = connection.zrange_withscores("zset", 0, -1)?;
    assert_eq!(scored, [("a".into(), 1.5), ("b".into(), f64::INFINITY)]);
    assert_eq!(connection.zscore::<_, _, Option<f64>>("zset", "a")?, Some(1.5));
    assert_eq!(connection.zrank::<_, _, Option<u32>>("zset", "b")?, Some(1));
    Ok(())
}

fn scans(connection: &mut Connection) -> redis::RedisResult<()> {
    let pairs: Vec<(String, u32)> = (0..1_000).map(|i| (format!("scanned:{i}"), i)).collect();
    let () = connection.mset(&pairs)?;
    let found: BTreeSet<String> = connection.scan_match("scanned:*")?.collect();
    assert_eq!(found.len(), 1_000);
    let fields: Vec<(String, String)> = connection.hscan("hash")?.collect();
    assert_eq!(fields.len(), 2);
    Ok(())
}

fn transactions(connection: &mut Connection) -> redis::RedisResult<()> {
    let (first, second): (i64, Vec<String>) =
        redis::transaction(connection, &["counter"], |connection, pipe| {
            let before: i64 = connection.get("counter")?;
            pipe.set("counter", before + 1).ignore().get("counter").lrange("list", 0, -1).query(connection)
        })?;
    assert_eq!((first, second), (6, vec!["c".to_owned()]));
    Ok(())
}

fn waiting(connection: &mut Connection) -> redis::RedisResult<()> {
    let () = connection.rpush("queue", &[1, 2, 3, 4])?;
    let taken: (String, i64) = connection.blpop(&["nothing", "queue"], 1.0)?;
    assert_eq!(taken, ("queue".to_owned(), 1));
    let moved: i64 = connection.blmove("queue", "done", Direction::Right, Direction::Left, 1.0)?;
    let (key, rest): (String, Vec<i64>) = connection.blmpop(1.0, 1, "queue", Direction::Left, 5)?;
    assert_eq!((moved, key, rest), (4, "queue".to_owned(), vec![2, 3]));
    let nothing: Option<(String, i64)> = connection.brpop("queue", 0.01)?;
    let () = connection.zadd("scores", "m", 2)?;
    let popped: (String, String, f64) = connection.bzpopmin("scores", 1.0)?;
    assert_eq!((nothing, popped), (None, ("scores".to_owned(), "m".to_owned(), 2.0)));
    Ok(())
}

fn streams(connection: &mut Connection) -> redis::RedisResult<()> {
    for id in ["1-1", "2-1", "3-1"] {
        let () = connection.xadd("stream", id, &[("field", id)])?;
    }
    let () = connection.xgroup_create("stream", "group", "0")?;
    let options = StreamReadOptions::default().group("group", "reader").count(2).block(1);
    let read: Option<StreamReadReply> = connection.xread_options(&["stream"], &[">"], &options)?;
    let ids: Vec<String> =
        read.into_iter().flat_map(|read| read.keys).flat_map(|key| key.ids).map(|id| id.id).collect();
    assert_eq!(ids, ["1-1", "2-1"]);
    assert_eq!(connection.xack::<_, _, _, i64>("stream", "group", &["1-1"])?, 1);
    let StreamPendingReply::Data(pending) =
        connection.xpending::<_, _, StreamPendingReply>("stream", "group")?
    else {
        panic!("one is pending");
    };
    assert_eq!(
        (pending.count, pending.start_id.as_str(), pending.consumers[0].name.as_str()),
        (1, "2-1", "reader")
    );
    let info: redis::streams::StreamInfoStreamReply = connection.xinfo_stream("stream")?;
    assert_eq!((info.length, info.groups, info.last_generated_id.as_str()), (3, 1, "3-1"));
    assert_eq!(connection.xdel::<_, _, i64>("stream", &["1-1"])?, 1);
    Ok(())
}

fn places(connection: &mut Connection) -> redis::RedisResult<()> {
    let cities = [
        (Coord::lon_lat(13.361_389, 38.115_556), "Palermo"),
        (Coord::lon_lat(15.087_269, 37.502_669), "Catania"),
    ];
    assert_eq!(connection.geo_add::<_, _, i64>("places", &cities)?, 2);
    assert_eq!(
        connection.geo_dist::<_, _, _, f64>("places", "Palermo", "Catania", Unit::Kilometers)?,
        166.2742
    );
    let options = RadiusOptions::default().with_dist().limit(1);
    let near: Vec<RadiusSearchResult> =
        connection.geo_radius("places", 15.0, 37.0, 200.0, Unit::Kilometers, options)?;
    assert_eq!((near[0].name.as_str(), near[0].dist), ("Catania", Some(56.4413)));
    Ok(())
}

fn bits_and_sketches(connection: &mut Connection) -> redis::RedisResult<()> {
    assert!(!connection.setbit::<_, bool>("bits", 7, true)?);
    let () = connection.bit_not("inverse", "bits")?;
    assert_eq!((connection.bitcount::<_, i64>("bits")?, connection.bitcount::<_, i64>("inverse")?), (1, 7));
    assert!(connection.pfadd::<_, _, bool>("sketch", &["a", "b", "c"])?);
    let () = connection.pfmerge("both", &["sketch", "none"])?;
    assert_eq!(connection.pfcount::<_, i64>("both")?, 3);
    Ok(())
}

fn scripts(connection: &mut Connection) -> redis::RedisResult<()> {
    let script = Script::new("redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])");
    // Unknown by its digest, so the library loads it.
    let kept: String = script.key("scripted").arg("value").invoke(connection)?;
    let again: String = script.key("scripted").arg("other").invoke(connection)?;
    assert_eq!((kept.as_str(), again.as_str()), ("value", "other"));
    let failed = Script::new("return redis.error_reply('MINE to tell')").invoke::<()>(connection);
    assert_eq!(failed.expect_err("it fails").code(), Some("MINE"));
    Ok(())
}

fn keys(connection: &mut Connection) -> redis::RedisResult<()> {
    assert!(connection.copy::<_, _, _, bool>("hash", "copied", redis::CopyOptions::default())?);
    assert!(connection.rename_nx::<_, _, bool>("copied", "renamed")?);
    assert_eq!(connection.object_encoding::<_, Option<String>>("renamed")?.as_deref(), Some("listpack"));
    assert_eq!(connection.unlink::<_, i64>(&["renamed", "none"])?, 1);
    assert_eq!(connection.key_type::<_, String>("zset")?, "zset");
    Ok(())
}

fn messages(listener: &mut Connection, sender: &mut Connection) -> redis::RedisResult<()> {
    let mut listener = listener.as_pubsub();
    listener.subscribe("news")?;
    listener.psubscribe("n*")?;
    assert_eq!(sender.publish::<_, _, i64>("news", "hello")?, 2);
    for pattern in [None, Some("n*".to_owned())] {
        let message = listener.get_message()?;
        assert_eq!(message.get_payload::<String>()?, "hello");
        assert_eq!(message.get_pattern::<Option<String>>()?, pattern);
    }
    listener.unsubscribe("news")
}
