//! The `redis` crate's own connection and typed commands over every type, in both versions of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Commands, Connection, Value};

use crate::client::command;
use crate::peer::Kind::Ours;
use crate::server::Server;

#[test]
fn typed_commands_work_over_resp2() {
    let server = Server::start(Ours, &[]);
    check(&mut connect(&server, ""));
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
