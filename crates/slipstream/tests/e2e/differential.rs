//! The same random commands to Slipstream and to Redis: equal replies, and at the end equal data.
//!
//! Keys, members and numbers come from small pools, so that commands meet keys of their own type, of another one and
//! missing ones, and wrong arguments. Where Redis promises no order both replies are sorted. Left out is what is random
//! by its nature, what depends on the moment (relative expiry), and OBJECT ENCODING, since Redis 7.0 has other
//! encodings than 7.2, which Slipstream follows. `SLIPSTREAM_SEED` plays another game.

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

/// Commands with the kinds of their arguments, one letter each: `k` a key, mostly of the family's own, `m` a member or
/// field, `v` a value, `i` an integer, `f` a score, `r` a bound of ranks, `s` of scores, `l` of members, `c` a small
/// count, `o` a direction, `d` the id of an entry, `n` one for a new entry, `e` a bound of ids, `a` the place of a bit,
/// `b` a bit, `t` the type of a field, `g` an offset in such fields, `h` an element of a HyperLogLog, `y` a longitude, `z` a
/// latitude, `w` a distance, `u` its unit, `p` a consumer group, `j` a consumer. Any other word stands for
/// itself.
const FAMILIES: [(&str, &str); 12] = [
    ("string", STRINGS),
    ("bitmap", BITMAPS),
    ("sketch", HYPERLOGLOGS),
    ("geo", PLACES),
    ("list", LISTS),
    ("set", SETS),
    ("hash", HASHES),
    ("zset", SORTED_SETS),
    ("lexical", LEXICAL),
    ("stream", STREAMS),
    ("group", GROUPS),
    ("any", KEYS),
];

const STRINGS: &str = "SET k v; SET k v NX; SET k v XX GET; SET k v KEEPTTL; SET k i PXAT 4102444800123; SET k v NX XX;
    SETNX k v; GET k; GETSET k v; GETDEL k; GETEX k PERSIST; GETRANGE k r r; SUBSTR k r r; SETRANGE k c v; APPEND k v;
    STRLEN k; INCR k; DECR k; INCRBY k i; DECRBY k i; INCRBYFLOAT k f; MSET k v k i; MSETNX k v k v; MGET k k k;
    LCS k k; LCS k k LEN; LCS k k IDX; GET";

const BITMAPS: &str = "SETBIT k a b; SETBIT k a b; SETBIT k a b; GETBIT k a; BITCOUNT k; BITCOUNT k r r; BITCOUNT k a a BIT;
    BITCOUNT k r r BIT; BITCOUNT k r r BYTE; BITCOUNT k r; BITCOUNT k r r x; BITPOS k b; BITPOS k b r; BITPOS k b r r;
    BITPOS k b a a BIT; BITPOS k b r r BIT; BITPOS k b r r BYTE; BITPOS k i; BITOP AND k k k; BITOP OR k k k k;
    BITOP XOR k k k; BITOP NOT k k; BITOP NOT k k k; BITFIELD k GET t g; BITFIELD k SET t g i; BITFIELD k INCRBY t g i;
    BITFIELD k OVERFLOW SAT INCRBY t g i SET t g i; BITFIELD k SET t g i OVERFLOW FAIL INCRBY t g i GET t g SET t g i;
    BITFIELD_RO k GET t g GET t g; BITFIELD_RO k SET t g i; BITFIELD k GET t; BITFIELD k; SET k v; APPEND k v;
    SETRANGE k c v; GET k; STRLEN k; SET k i";

/// Nobody else writes to these: servers may differ in what they make of a corrupt one.
const HYPERLOGLOGS: &str = "PFADD k h h h h h h h h; PFADD k h h h h h h h h h h h h; PFADD k h; PFADD k; PFCOUNT k; PFCOUNT k k;
    PFCOUNT k k k; PFMERGE k; PFMERGE k k; PFMERGE k k k; GET k; STRLEN k; PFDEBUG ENCODING k; PFDEBUG DECODE k;
    PFDEBUG TODENSE k; PFDEBUG x k; DEL k";

/// Nobody else writes to these: what other scores mean as places is the processor's.
const PLACES: &str = "GEOADD k y z m; GEOADD k y z m y z m y z m; GEOADD k 12.5 41.25 m 12.5 41.25 m 12.5 41.25 m;
    GEOADD k NX CH y z m; GEOADD k XX y z m; GEOADD k y m; GEODIST k m m; GEODIST k m m u; GEOHASH k m m; GEOPOS k m m;
    GEOSEARCH k FROMMEMBER m BYRADIUS w u; GEOSEARCH k FROMMEMBER m BYBOX w w u DESC WITHDIST;
    GEOSEARCH k FROMLONLAT y z BYRADIUS w u ASC WITHCOORD; GEOSEARCH k FROMLONLAT y z BYBOX w w u COUNT c WITHHASH;
    GEOSEARCH k FROMLONLAT 12.5 41.25 BYRADIUS w u COUNT c; GEOSEARCH k BYBOX w w u FROMMEMBER m COUNT c ANY;
    GEORADIUS k y z w u WITHDIST WITHCOORD; GEORADIUS_RO k y z w u COUNT c DESC; GEORADIUS k y z w u STORE k;
    GEORADIUSBYMEMBER k m w u COUNT c STORE k; GEORADIUSBYMEMBER_RO k m w u; GEOSEARCH k BYRADIUS w u;
    GEOSEARCHSTORE k k FROMMEMBER m BYRADIUS w u; GEOSEARCHSTORE k k FROMLONLAT y z BYBOX w w u ASC COUNT c; ZREM k m";

const LISTS: &str = "LPUSH k v m; RPUSH k v m i; LPUSHX k v; RPUSHX k v; LPOP k; RPOP k; LPOP k c; RPOP k i; LLEN k;
    LINDEX k r; LSET k r v; LRANGE k r r; LTRIM k r r; LREM k r m; LINSERT k BEFORE m v; LINSERT k AFTER m v; LPOS k m;
    LPOS k m RANK r COUNT c; LPOS k m COUNT c MAXLEN c; LMOVE k k o o; RPOPLPUSH k k; LMPOP 2 k k o COUNT c;
    SORT k ALPHA; SORT k; SORT k LIMIT c c ALPHA DESC; SORT k ALPHA STORE k";

const SETS: &str = "SADD k m m i; SADD k i i; SADD k m m m m m; SREM k m i; SISMEMBER k m; SMISMEMBER k m i; SCARD k;
    SMEMBERS k; SMOVE k k m; SINTER k k; SUNION k k; SDIFF k k; SINTERSTORE k k k; SUNIONSTORE k k k; SDIFFSTORE k k k;
    SINTERCARD 2 k k; SINTERCARD 2 k k LIMIT c; SINTERCARD i k; SORT k ALPHA; SORT_RO k ALPHA DESC GET # GET x*";

const HASHES: &str = "HSET k m v; HSET k m v m i; HSET k m; HSETNX k m v; HGET k m; HMGET k m m; HMSET k m v;
    HDEL k m m; HEXISTS k m; HLEN k; HSTRLEN k m; HKEYS k; HVALS k; HGETALL k; HINCRBY k m i; HINCRBYFLOAT k m f";

const SORTED_SETS: &str = "ZADD k f m; ZADD k f m f m f m; ZADD k NX f m; ZADD k XX CH f m; ZADD k GT CH f m;
    ZADD k LT f m; ZADD k NX GT f m; ZADD k INCR f m; ZINCRBY k f m; ZREM k m m; ZSCORE k m; ZMSCORE k m m; ZCARD k;
    ZCOUNT k s s; ZRANK k m; ZREVRANK k m; ZRANGE k r r; ZRANGE k r r REV WITHSCORES; ZRANGE k s s BYSCORE;
    ZRANGE k s s BYSCORE LIMIT c c; ZRANGE k s s BYSCORE REV; ZRANGE k m m BYSCORE; ZRANGEBYSCORE k s s WITHSCORES;
    ZREVRANGEBYSCORE k s s LIMIT c r; ZREVRANGE k r r WITHSCORES; ZPOPMIN k; ZPOPMAX k c; ZREMRANGEBYRANK k r r;
    ZREMRANGEBYSCORE k s s; ZUNION 2 k k WITHSCORES; ZINTER 2 k k WITHSCORES; ZDIFF 2 k k WITHSCORES;
    ZUNIONSTORE k 2 k k; ZINTERSTORE k 2 k k WEIGHTS c f; ZUNIONSTORE k 2 k k AGGREGATE MAX; ZDIFFSTORE k 2 k k;
    ZRANGESTORE k k r r; ZINTERCARD 2 k k; ZMPOP 2 k k MIN COUNT c";

/// On sorted sets of one score only: in others a range of members means nothing. So other families leave them alone.
const LEXICAL: &str = "ZADD k 0 m 0 m 0 m; ZLEXCOUNT k l l; ZRANGEBYLEX k l l; ZREVRANGEBYLEX k l l;
    ZRANGE k l l BYLEX LIMIT c c; ZREMRANGEBYLEX k l l; ZRANGE k l l BYLEX REV; ZREM k m";

const STREAMS: &str = "XADD k n m v; XADD k n m v m i m v; XADD k n m i; XADD k n m v m; XADD k NOMKSTREAM n m v;
    XADD k MAXLEN c n m v; XADD k MAXLEN ~ c n m v; XADD k MINID d n m v; XADD k MINID ~ d LIMIT c n m v; XLEN k;
    XRANGE k - +; XRANGE k e e; XRANGE k e e COUNT r; XREVRANGE k + -; XREVRANGE k e e; XREVRANGE k e e COUNT c;
    XREAD STREAMS k d; XREAD COUNT c STREAMS k k d d; XREAD STREAMS k $; XREAD COUNT i STREAMS k d;
    XDEL k d; XDEL k d d d; XTRIM k MAXLEN c; XTRIM k MAXLEN ~ c; XTRIM k MAXLEN ~ c LIMIT r; XTRIM k MAXLEN = i;
    XTRIM k MINID d; XTRIM k MINID ~ d; XTRIM k MAXLEN c LIMIT c";

/// Idle times are 0 or longer than ever: what lies between depends on the moment. Redis 7.0 makes a consumer when it
/// is first given something, 7.2 when it is first named, so how many there are is left out.
const GROUPS: &str = "XADD k n m v; XADD k n m v; XADD k n m v; XADD k MAXLEN c n m v; XDEL k d; XGROUP CREATE k p d;
    XGROUP CREATE k p $ MKSTREAM; XGROUP CREATE k p d ENTRIESREAD r MKSTREAM; XGROUP CREATE k p e; XGROUP SETID k p e;
    XGROUP SETID k p $; XGROUP SETID k p d ENTRIESREAD i; XGROUP DESTROY k p; XGROUP DELCONSUMER k p j;
    XGROUP x k p; XREADGROUP GROUP p j COUNT c STREAMS k >;
    XREADGROUP GROUP p j COUNT c STREAMS k >; XREADGROUP GROUP p j STREAMS k k > >;
    XREADGROUP GROUP p j COUNT c NOACK STREAMS k >; XREADGROUP GROUP p j COUNT r STREAMS k d;
    XREADGROUP GROUP p j STREAMS k k 0 >; XREADGROUP GROUP p j STREAMS k d; XREADGROUP GROUP p j STREAMS k $;
    XACK k p d d d d; XACK k p d; XPENDING k p; XPENDING k p; XPENDING k p e e r; XPENDING k p IDLE 0 - + c j;
    XPENDING k p - + i j; XPENDING k p IDLE 4102444800000 - + 9; XCLAIM k p j 0 d d d; XCLAIM k p j 0 d d JUSTID;
    XCLAIM k p j 0 d d FORCE RETRYCOUNT r; XCLAIM k p j 0 d FORCE; XCLAIM k p j -5 d LASTID d;
    XCLAIM k p j 4102444800000 d d FORCE JUSTID; XCLAIM k p j 0 d IDLE i TIME i; XCLAIM k p j x d;
    XAUTOCLAIM k p j 0 e COUNT c; XAUTOCLAIM k p j 0 - JUSTID; XAUTOCLAIM k p j 4102444800000 d; XINFO GROUPS k;
    XINFO GROUPS k; XINFO STREAM k; XINFO STREAM k; XINFO CONSUMERS k nosuch; XTRIM k MINID d";

const KEYS: &str = "DEL k; UNLINK k; EXISTS k k k; TYPE k; RENAME k k; RENAMENX k k; COPY k k; COPY k k REPLACE;
    TOUCH k k; EXPIREAT k 4102444800; EXPIREAT k 4102444900 GT; EXPIREAT k 4102444700 LT; EXPIREAT k 4102444600 NX;
    PEXPIREAT k 4102444800000; EXPIRETIME k; PEXPIRETIME k; PERSIST k; EXPIRE k -1; DBSIZE; KEYS *; MOVE k 1; SELECT c;
    WATCH k; UNWATCH; EXEC; NOSUCHCOMMAND k v";

#[test]
fn random_commands_are_answered_as_redis_answers_them() {
    if !all_found(&[Redis7]) {
        return;
    }
    let seed = env::var("SLIPSTREAM_SEED").map_or(7, |seed| seed.parse().expect("a seed is a number"));
    // Blocks of few entries, so that approximate trimming has whole ones to take, and HyperLogLogs that turn dense soon.
    let servers = [Ours, Redis7]
        .map(|kind| Server::start(kind, &["--stream-node-max-entries 5", "--hll-sparse-max-bytes 400"]));
    let mut clients = [servers[0].client(), servers[1].client()];
    let mut random = Rng::with_seed(seed);
    for _ in 0..COMMANDS / BATCH {
        let lines = batch(&mut random);
        let commands: Vec<Cmd> = lines.iter().map(|line| command(line)).collect();
        let answers = clients.each_mut().map(|client| client.replies(&commands));
        for (line, (found, expected)) in lines.iter().zip(answers[0].iter().zip(&answers[1])) {
            let (found, expected) = (comparable(line, found), comparable(line, expected));
            assert_eq!(found, expected, "seed {seed}: {}", line.join(" "));
        }
    }
    let [ours, redis] = clients.each_mut().map(Content::read);
    assert!(redis.len() > 50, "only {} keys are left", redis.len());
    ours.assert_equal(&redis);
}

/// Single commands and whole transactions.
fn batch(random: &mut Rng) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < BATCH {
        if random.u8(..30) > 0 {
            lines.push(line(random));
            continue;
        }
        lines.push(vec!["MULTI".to_owned()]);
        lines.extend((0..random.u8(1..6)).map(|_| line(random)));
        lines.push(vec![["EXEC", "EXEC", "EXEC", "DISCARD"][random.usize(..4)].to_owned()]);
    }
    lines
}

fn command(line: &[String]) -> Cmd {
    let mut command = redis::cmd(&line[0]);
    for word in &line[1..] {
        command.arg(word);
    }
    command
}

fn line(random: &mut Rng) -> Vec<String> {
    let (family, shapes) = FAMILIES[random.usize(..FAMILIES.len())];
    let shapes: Vec<&str> = shapes.split(';').collect();
    let shape = shapes[random.usize(..shapes.len())];
    shape.split_whitespace().map(|kind| argument(kind, family, random)).collect()
}

fn key(family: &str, random: &mut Rng) -> String {
    const SHARED: [&str; 7] = ["string", "bitmap", "list", "set", "hash", "zset", "stream"];
    let stays = ["lexical", "sketch", "geo"].contains(&family) || (family != "any" && random.u8(..8) > 0);
    let family = if stays { family } else { SHARED[random.usize(..SHARED.len())] };
    format!("{family}:{}", random.u8(..12))
}

fn argument(kind: &str, family: &str, random: &mut Rng) -> String {
    match kind {
        "k" => key(family, random),
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
        "d" | "n" | "e" => id(kind, random),
        "a" => match random.u8(..30) {
            0 => "-1".to_owned(),
            1 => "4294967296".to_owned(),
            2 => "9223372036854775807".to_owned(),
            _ => random.u16(..400).to_string(),
        },
        "b" => match random.u8(..20) {
            0 => "2".to_owned(),
            _ => random.u8(..2).to_string(),
        },
        "t" => match random.u8(..20) {
            0 => "u64".to_owned(),
            1 => "i64".to_owned(),
            _ => format!("{}{}", ["i", "u"][random.usize(..2)], random.u8(1..64)),
        },
        "g" => match random.u8(..3) {
            0 => format!("#{}", random.u8(..6)),
            _ => argument("a", family, random),
        },
        "h" => format!("e{}", random.u16(..3000)),
        "y" => degrees(180.0, 12.5, random),
        "z" => degrees(85.0, 41.25, random),
        "w" => match random.u8(..20) {
            0 => "0".to_owned(),
            1 => "-1".to_owned(),
            digits @ 2..8 => random.u32(..10_u32.pow(digits.into())).to_string(),
            _ => random.u32(..100_000).to_string(),
        },
        "u" => ["m", "km", "ft", "mi", "parsec"][random.usize(..5)].to_owned(),
        "p" => format!("p{}", random.u8(..3)),
        "j" => format!("w{}", random.u8(..4)),
        "o" => ["LEFT", "RIGHT"][random.usize(..2)].to_owned(),
        word => word.to_owned(),
    }
}

/// Most degrees are around one place, some beyond the map.
fn degrees(most: f64, usual: f64, random: &mut Rng) -> String {
    match random.u8(..20) {
        0 => "200".to_owned(),
        1..8 => format!("{:.6}", (random.f64() * 2.0 - 1.0) * most),
        _ => format!("{:.4}", usual + random.f64() * 3.0),
    }
}

/// Most ids are of one millisecond, behind whose last entry there is always room for another one.
fn id(kind: &str, random: &mut Rng) -> String {
    let ms = if random.bool() { 7 } else { random.u8(..8) };
    match (kind, random.u8(..12)) {
        ("e", 0) => "-".to_owned(),
        ("e", 1) => "+".to_owned(),
        ("e", 2 | 3) => format!("({ms}-{}", random.u8(..30)),
        ("n", 3..) => format!("{ms}-*"),
        (_, 4) => "x-1".to_owned(),
        (_, 5 | 6) => ms.to_string(),
        _ => format!("{ms}-{}", random.u8(..30)),
    }
}

/// The reply as text, its elements sorted where their order means nothing.
fn comparable(line: &[String], reply: &RedisResult<Value>) -> String {
    let unordered = ["SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL", "KEYS"];
    match (line[0].as_str(), reply) {
        (_, Err(error)) => error.to_string(),
        ("EXEC", Ok(Value::Array(replies))) => {
            replies.iter().map(|reply| sorted(&lasting(reply))).collect::<Vec<_>>().join("; ")
        }
        ("XPENDING" | "XINFO", Ok(reply)) => format!("{:?}", lasting(reply)),
        (name, Ok(reply)) if unordered.contains(&name) => sorted(reply),
        (_, Ok(reply)) => format!("{reply:?}"),
    }
}

/// A list of pending entries without the times since they were delivered, one of groups without how many consumers
/// they have.
fn lasting(reply: &Value) -> Value {
    let Value::Array(entries) = reply else { return reply.clone() };
    let without = |parts: &[Value], at: usize| Value::Array([&parts[..at], &parts[at + 1..]].concat());
    let shown = entries.iter().map(|entry| match entry {
        Value::Array(parts) if matches!(parts[..], [_, _, Value::Int(_), Value::Int(_)]) => without(parts, 2),
        Value::Array(parts) if parts.len() == 12 => without(parts, 3),
        other => other.clone(),
    });
    Value::Array(shown.collect())
}

fn sorted(reply: &Value) -> String {
    let Value::Array(elements) = reply else { return format!("{reply:?}") };
    let mut elements: Vec<String> = elements.iter().map(|element| format!("{element:?}")).collect();
    elements.sort();
    elements.join(", ")
}
