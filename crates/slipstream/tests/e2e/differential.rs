//! The same random commands to Slipstream and to Redis: equal replies, and at the end equal data.
//!
//! Keys, members and numbers come from small pools, so that commands meet keys of every type, missing ones and
//! wrong arguments. Where Redis promises no order both replies are sorted. Left out is what is random by its nature,
//! what depends on the moment (relative expiry), and OBJECT ENCODING, since Redis 7.0 has other encodings than 7.2,
//! which Slipstream follows. `SLIPSTREAM_SEED` plays another game.

use std::env;

use fastrand::Rng;
use redis::{Cmd, RedisResult, Value};

use crate::content::Content;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::all_found;
use crate::server::Server;

const COMMANDS: usize = 20_000;
/// So many commands at once: one round trip.
const BATCH: usize = 200;

/// Commands with the kinds of their arguments, one letter each: `k` a key, `z` a sorted set of one score (ranges of members mean nothing in others), `m` a member or field, `v` a value, `i` an
/// integer, `f` a score, `r` a bound of ranks, `s` a bound of scores, `l` a bound of members, `c` a small count, `o` a
/// direction. A word in capitals stands for itself.
const SHAPES: &[&str] = &[
    "SET k v",
    "SET k v NX",
    "SET k v XX GET",
    "SET k v KEEPTTL",
    "SET k i PXAT 4102444800123",
    "SETNX k v",
    "GET k",
    "GETSET k v",
    "GETDEL k",
    "GETEX k PERSIST",
    "GETRANGE k r r",
    "SETRANGE k c v",
    "APPEND k v",
    "STRLEN k",
    "INCR k",
    "DECR k",
    "INCRBY k i",
    "DECRBY k i",
    "INCRBYFLOAT k f",
    "MSET k v k v",
    "MSETNX k v k v",
    "MGET k k k",
    "LCS k k",
    "LCS k k LEN",
    "LCS k k IDX",
    "SUBSTR k r r",
    "LPUSH k v m",
    "RPUSH k v m i",
    "LPUSHX k v",
    "RPUSHX k v",
    "LPOP k",
    "RPOP k",
    "LPOP k c",
    "RPOP k c",
    "LLEN k",
    "LINDEX k r",
    "LSET k r v",
    "LRANGE k r r",
    "LTRIM k r r",
    "LREM k r m",
    "LINSERT k BEFORE m v",
    "LINSERT k AFTER m v",
    "LPOS k m",
    "LPOS k m RANK r COUNT c",
    "LPOS k m COUNT c MAXLEN c",
    "LMOVE k k o o",
    "RPOPLPUSH k k",
    "LMPOP 2 k k o COUNT c",
    "SADD k m m i",
    "SADD k i i",
    "SREM k m i",
    "SISMEMBER k m",
    "SMISMEMBER k m i",
    "SCARD k",
    "SMEMBERS k",
    "SMOVE k k m",
    "SINTER k k",
    "SUNION k k",
    "SDIFF k k",
    "SINTERSTORE k k k",
    "SUNIONSTORE k k k",
    "SDIFFSTORE k k k",
    "SINTERCARD 2 k k",
    "SINTERCARD 2 k k LIMIT c",
    "HSET k m v",
    "HSET k m v m i",
    "HSETNX k m v",
    "HGET k m",
    "HMGET k m m",
    "HMSET k m v",
    "HDEL k m m",
    "HEXISTS k m",
    "HLEN k",
    "HSTRLEN k m",
    "HKEYS k",
    "HVALS k",
    "HGETALL k",
    "HINCRBY k m i",
    "HINCRBYFLOAT k m f",
    "ZADD k f m",
    "ZADD k f m f m",
    "ZADD k NX f m",
    "ZADD k XX CH f m",
    "ZADD k GT CH f m",
    "ZADD k LT f m",
    "ZADD k INCR f m",
    "ZINCRBY k f m",
    "ZREM k m m",
    "ZSCORE k m",
    "ZMSCORE k m m",
    "ZCARD k",
    "ZCOUNT k s s",
    "ZADD z 0 m 0 m 0 m",
    "ZLEXCOUNT z l l",
    "ZRANK k m",
    "ZREVRANK k m",
    "ZRANGE k r r",
    "ZRANGE k r r REV WITHSCORES",
    "ZRANGE k s s BYSCORE",
    "ZRANGE k s s BYSCORE LIMIT c c",
    "ZRANGE z l l BYLEX",
    "ZRANGE k s s BYSCORE REV",
    "ZRANGEBYSCORE k s s WITHSCORES",
    "ZREVRANGEBYSCORE k s s LIMIT c r",
    "ZRANGEBYLEX z l l",
    "ZREVRANGEBYLEX z l l",
    "ZREVRANGE k r r WITHSCORES",
    "ZPOPMIN k",
    "ZPOPMAX k c",
    "ZREMRANGEBYRANK k r r",
    "ZREMRANGEBYSCORE k s s",
    "ZREMRANGEBYLEX z l l",
    "ZUNION 2 k k WITHSCORES",
    "ZINTER 2 k k WITHSCORES",
    "ZDIFF 2 k k WITHSCORES",
    "ZUNIONSTORE k 2 k k",
    "ZINTERSTORE k 2 k k WEIGHTS c f",
    "ZUNIONSTORE k 2 k k AGGREGATE MAX",
    "ZDIFFSTORE k 2 k k",
    "ZRANGESTORE k k r r",
    "ZINTERCARD 2 k k",
    "ZMPOP 2 k k MIN COUNT c",
    "DEL k k",
    "UNLINK k",
    "EXISTS k k k",
    "TYPE k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k",
    "COPY k k REPLACE",
    "TOUCH k k",
    "EXPIREAT k 4102444800",
    "EXPIREAT k 4102444900 GT",
    "EXPIREAT k 4102444700 LT",
    "EXPIREAT k 4102444600 NX",
    "PEXPIREAT k 4102444800000",
    "EXPIRETIME k",
    "PERSIST k",
    "EXPIRE k -1",
    "DBSIZE",
    "KEYS *",
    "MOVE k 1",
    "SELECT c",
    "SORT k ALPHA",
    "SORT k LIMIT c c ALPHA DESC",
    "SORT k",
    "SORT_RO k BY * GET #",
    "SORT k ALPHA STORE k",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH k",
    "UNWATCH",
    "GET",
    "ZADD k NX GT f m",
    "SET k v NX XX",
    "HSET k m",
    "NOSUCHCOMMAND k",
    "LPOP k i",
    "SINTERCARD i k",
    "ZRANGE k m m BYSCORE",
];

#[test]
fn random_commands_are_answered_as_redis_answers_them() {
    if !all_found(&[Redis7]) {
        return;
    }
    let seed = env::var("SLIPSTREAM_SEED").map_or(7, |seed| seed.parse().expect("a seed is a number"));
    let servers = [Ours, Redis7].map(|kind| Server::start(kind, &[]));
    let mut clients = [servers[0].client(), servers[1].client()];
    let mut random = Rng::with_seed(seed);
    for _ in 0..COMMANDS / BATCH {
        let lines: Vec<Vec<String>> = (0..BATCH).map(|_| line(&mut random)).collect();
        let commands: Vec<Cmd> = lines.iter().map(|line| command(line)).collect();
        let answers = clients.each_mut().map(|client| client.replies(&commands));
        for (line, (found, expected)) in lines.iter().zip(answers[0].iter().zip(&answers[1])) {
            let (found, expected) = (comparable(line, found), comparable(line, expected));
            assert_eq!(found, expected, "seed {seed}: {}", line.join(" "));
        }
    }
    let [ours, redis] = clients.each_mut().map(|client| {
        // One may be open.
        client.replies(&[redis::cmd("DISCARD")]);
        Content::read(client)
    });
    ours.assert_equal(&redis);
}

fn command(line: &[String]) -> Cmd {
    let mut command = redis::cmd(&line[0]);
    for word in &line[1..] {
        command.arg(word);
    }
    command
}

fn line(random: &mut Rng) -> Vec<String> {
    let shape = random.choice(SHAPES).expect("there are shapes");
    shape.split(' ').map(|word| argument(word, random)).collect()
}

fn argument(kind: &str, random: &mut Rng) -> String {
    match kind {
        "k" => format!("key:{}", random.u8(..24)),
        "z" => format!("members:{}", random.u8(..3)),
        "m" => format!("m{}", random.u8(..30)),
        "v" => match random.u8(..4) {
            0 => random.i32(-20..20).to_string(),
            1 => "x".repeat(random.usize(..80)),
            2 => format!("{}.5", random.u8(..10)),
            _ => format!("m{}", random.u8(..30)),
        },
        "i" => match random.u8(..12) {
            0 => i64::MAX.to_string(),
            1 => "abc".to_owned(),
            _ => random.i32(-300..300).to_string(),
        },
        "f" => match random.u8(..12) {
            0 => "inf".to_owned(),
            1 => "-inf".to_owned(),
            2 => "1e3".to_owned(),
            3 => "nan".to_owned(),
            _ => format!("{}", f64::from(random.i32(-40..40)) / 4.0),
        },
        "r" => random.i32(-12..12).to_string(),
        "s" => match random.u8(..6) {
            0 => "-inf".to_owned(),
            1 => "+inf".to_owned(),
            _ => format!("{}{}", ["", "("][random.usize(..2)], f64::from(random.i32(-40..40)) / 4.0),
        },
        "l" => match random.u8(..6) {
            0 => "-".to_owned(),
            1 => "+".to_owned(),
            2 => "m1".to_owned(),
            _ => format!("{}m{}", ["[", "("][random.usize(..2)], random.u8(..30)),
        },
        "c" => random.u8(..5).to_string(),
        "o" => ["LEFT", "RIGHT"][random.usize(..2)].to_owned(),
        word => word.to_owned(),
    }
}

/// The reply as text, its elements sorted where their order means nothing.
fn comparable(line: &[String], reply: &RedisResult<Value>) -> String {
    let unordered = ["SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL", "KEYS"];
    match (line[0].as_str(), reply) {
        (_, Err(error)) => error.to_string(),
        ("EXEC", Ok(Value::Array(replies))) => replies.iter().map(sorted).collect::<Vec<_>>().join("; "),
        (name, Ok(reply)) if unordered.contains(&name) => sorted(reply),
        (_, Ok(reply)) => format!("{reply:?}"),
    }
}

fn sorted(reply: &Value) -> String {
    let Value::Array(elements) = reply else { return format!("{reply:?}") };
    let mut elements: Vec<String> = elements.iter().map(|element| format!("{element:?}")).collect();
    elements.sort();
    elements.join(", ")
}
