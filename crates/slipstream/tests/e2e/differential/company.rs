//! Several clients at once: some work, some wait for keys, one listens to everything, one is told what it may no longer
//! keep.
//!
//! A game is many short cases of the kind that conform files hold, so a peer decides what is right: replies, pushes and
//! what is propagated. A case that differs is made as short as it can be before it is shown; the lines shown are a
//! case of a conform file. The peer is Valkey 9: Redis 7.0 serves who waits by other rules than 7.2.

use std::fmt::Write as _;

use fastrand::Rng;
use slipstream_conform::{Difference, Pair, script};

use super::words::{self, Family, Keys};
use crate::peer::Kind::{Ours, Valkey9};
use crate::peer::all_found;
use crate::seed::Seed;
use crate::server::Server;

const CASES: usize = 120;
const STEPS: usize = 40;
const KEYS: Keys = Keys { each: 3, shared: &["string", "list", "zset", "stream"] };

const WORKERS: [usize; 3] = [1, 2, 3];
const WAITERS: [usize; 4] = [4, 5, 6, 7];
/// Reads, and is told what changed.
const KEEPER: usize = 8;
/// Is told with RESP2 what the keeper may no longer keep.
const TOLD: usize = 9;
/// Is told every message and event.
const LISTENER: usize = 10;

/// What wakes others, and what takes away what they wait for.
const WORK: [Family; 7] = [
    (
        "list",
        "LPUSH k v; RPUSH k v m; RPUSH k v v v; LPUSHX k v; LPOP k; RPOP k c; LMOVE k k o o; RPOPLPUSH k k;
        LTRIM k 1 -2; LINSERT k BEFORE m v; LMPOP 2 k k o COUNT c; DEL k; LRANGE k 0 -1",
    ),
    (
        "zset",
        "ZADD k f m; ZADD k f m f m f m; ZADD k NX CH f m; ZINCRBY k f m; ZREM k m m; ZPOPMAX k; ZMPOP 2 k k MIN;
        ZREMRANGEBYRANK k r r; DEL k; ZRANGE k 0 -1",
    ),
    (
        "stream",
        "XADD k n m v; XADD k n m v; XADD k MAXLEN c n m v; XADD k NOMKSTREAM n m v; XDEL k d; XTRIM k MAXLEN c; DEL k;
        XREAD COUNT c STREAMS k k d d; XREAD STREAMS k $",
    ),
    ("stream", "XGROUP DESTROY k p; XGROUP SETID k p d; XACK k p d d; XREADGROUP GROUP p j COUNT c STREAMS k >; XADD k n m v"),
    ("string", "SET k v; APPEND k v; INCR k; SETRANGE k c v; GETDEL k; MSET k v k v; GET k; BITOP OR k k k"),
    (
        "any",
        "DEL k k; UNLINK k; RENAME k k; RENAMENX k k; COPY k k REPLACE; EXPIREAT k 4102444800; PERSIST k;
        MOVE k b; SELECT b; PUBLISH news v; SPUBLISH shard v; CLIENT UNBLOCK %id4%; CLIENT UNBLOCK %id5% ERROR;
        CLIENT UNBLOCK %id6% TIMEOUT; TYPE k; EXISTS k k",
    ),
    ("list", "MULTI; MULTI; EXEC; EXEC; EXEC; DISCARD; WATCH k k; UNWATCH"),
];

/// Beside those, where nobody keeps anything: Redis forgets to tell the keeper of these.
const WHOLE: [Family; 1] = [("any", "SWAPDB 0 1; SWAPDB b b; FLUSHDB")];

/// Scripts over two keys of a family. A consumer that is made by reading is told to replicas here, and not by Valkey: so
/// groups come with theirs.
const SCRIPTS: [Family; 9] = [
    ("list", "redis.pcall('lpush', KEYS[1], 'a', 'b') return redis.pcall('rpush', KEYS[2], 'c')"),
    ("list", "redis.pcall('rpush', KEYS[1], 'a') return redis.pcall('del', KEYS[1])"),
    ("list", "redis.pcall('del', KEYS[1]) return redis.pcall('sort', KEYS[2], 'alpha', 'store', KEYS[1])"),
    ("list", "redis.pcall('set', KEYS[1], 'x') return redis.pcall('lpush', KEYS[1], 'y')"),
    ("any", "redis.pcall('del', KEYS[1]) return redis.pcall('lpush', KEYS[2], 'z')"),
    ("zset", "redis.pcall('zadd', KEYS[1], 1, 'a', 2, 'b') return redis.pcall('zadd', KEYS[2], 3, 'c')"),
    ("zset", "redis.pcall('del', KEYS[1]) return redis.pcall('zunionstore', KEYS[1], 1, KEYS[2])"),
    ("stream", GROUP),
    ("stream", GROUP),
];

const GROUP: &str = "for _, g in ipairs({'p0', 'p1'}) do redis.pcall('xgroup', 'create', KEYS[1], g, '0', 'mkstream')
    for _, w in ipairs({'w0', 'w1', 'w2', 'w3'}) do redis.pcall('xgroup', 'createconsumer', KEYS[1], g, w) end end";

const WAITING: [Family; 4] = [
    (
        "list",
        "BLPOP k 0; BRPOP k 0; BLPOP k k 0; BRPOP k k k 0; BLMOVE k k o o 0; BRPOPLPUSH k k 0; BLMPOP 0 2 k k o COUNT c;
        BLMPOP 0 1 k o",
    ),
    ("zset", "BZPOPMIN k 0; BZPOPMAX k k 0; BZMPOP 0 2 k k MIN COUNT c; BZMPOP 0 1 k MAX"),
    (
        "stream",
        "XREAD BLOCK 0 STREAMS k $; XREAD BLOCK 0 STREAMS k k $ $; XREAD COUNT c BLOCK 0 STREAMS k d;
        XREAD BLOCK 0 STREAMS k 9-0",
    ),
    (
        "stream",
        "XREADGROUP GROUP p j BLOCK 0 STREAMS k >; XREADGROUP GROUP p j BLOCK 0 STREAMS k k > >",
    ),
];

const READING: [Family; 4] = [
    ("string", "GET k; MGET k k; STRLEN k"),
    ("list", "LRANGE k 0 -1; LLEN k"),
    ("zset", "ZRANGE k 0 -1 WITHSCORES; ZSCORE k m"),
    ("stream", "XRANGE k - +; XLEN k"),
];

/// How the keeper asks to be told, one of these by each protocol.
const KEEPING: [(&str, &str); 3] = [
    ("CLIENT TRACKING ON", "CLIENT TRACKING ON REDIRECT %id9%"),
    ("CLIENT TRACKING ON BCAST", "CLIENT TRACKING ON BCAST REDIRECT %id9%"),
    ("CLIENT TRACKING ON BCAST PREFIX list:", "CLIENT TRACKING ON BCAST PREFIX list: REDIRECT %id9%"),
];

#[test]
fn several_clients_are_served_as_valkey_serves_them() {
    if !all_found(&[Valkey9]) {
        return;
    }
    let seed = Seed::new(13);
    let servers = [Ours, Valkey9].map(|kind| Server::start(kind, &["--repl-timeout 3600"]));
    let mut table = Table(Pair::connect(servers[0].port, servers[1].port).expect("both have just answered"));
    let mut random = seed.random();
    for number in 0..CASES {
        let protocol = if number % 2 == 0 { 2 } else { 3 };
        let moves = game(protocol, &mut random);
        if table.difference(&moves, protocol).is_some() {
            let shortest = table.shortest(moves, protocol);
            let difference = table.difference(&shortest, protocol).map(|found| found.to_string());
            panic!("case {number}:\n{}{}", text(&shortest), difference.unwrap_or_default());
        }
    }
}

/// What one client does.
#[derive(Clone)]
struct Move {
    client: usize,
    waits: bool,
    words: String,
}

fn game(protocol: u8, random: &mut Rng) -> Vec<Move> {
    let one = |client, words: &str| Move { client, waits: false, words: words.to_owned() };
    let mut moves = vec![
        one(1, "CONFIG SET notify-keyspace-events KEA"),
        one(LISTENER, "*2 PSUBSCRIBE [^_]* __key*"),
        one(TOLD, "*1 SUBSCRIBE __redis__:invalidate"),
    ];
    let keeps = random.bool();
    if keeps {
        let (resp3, resp2) = KEEPING[random.usize(..KEEPING.len())];
        moves.push(one(KEEPER, if protocol == 2 { resp2 } else { resp3 }));
    }
    for _ in 0..STEPS {
        moves.push(match random.u8(..20) {
            0..4 => {
                let client = WAITERS[random.usize(..WAITERS.len())];
                Move { client, waits: true, words: drawn(&WAITING, random) }
            }
            // Within a transaction nobody waits.
            4 => Move { client: WORKERS[0], waits: true, words: drawn(&WAITING, random) },
            5 => one(WORKERS[random.usize(..2)], &script(random)),
            6..9 if keeps => one(KEEPER, &drawn(&READING, random)),
            6 => one(WORKERS[1], &drawn(&WHOLE, random)),
            _ => one(WORKERS[random.usize(..WORKERS.len())], &drawn(&WORK, random)),
        });
    }
    moves
}

fn drawn(families: &[Family], random: &mut Rng) -> String {
    let words = words::line(families, KEYS, random);
    let quoted = words.iter().map(|word| if word.is_empty() { "\"\"" } else { word.as_str() });
    quoted.collect::<Vec<_>>().join(" ")
}

fn script(random: &mut Rng) -> String {
    let (family, script) = SCRIPTS[random.usize(..SCRIPTS.len())];
    let keys = words::line(&[(family, "k k")], KEYS, random).join(" ");
    let script = script.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("EVAL \"{script}\" 2 {keys}")
}

/// The lines of a conform file. Who sleeps does nothing any more; within a transaction nobody falls asleep, and what is
/// refused there in words of each make is left out.
fn text(moves: &[Move]) -> String {
    let mut lines = String::new();
    let mut collecting = [false; LISTENER + 1];
    let mut asleep = [false; LISTENER + 1];
    for Move { client, waits, words } in moves {
        let refused = collecting[*client] && ["MULTI", "WATCH"].iter().any(|name| words.starts_with(name));
        if asleep[*client] || refused {
            continue;
        }
        match words.as_str() {
            "MULTI" => collecting[*client] = true,
            "EXEC" | "DISCARD" => collecting[*client] = false,
            _ => {}
        }
        asleep[*client] = *waits && !collecting[*client];
        let mark = if asleep[*client] { "& " } else { "" };
        writeln!(lines, "{client}> {mark}{words}").expect("a string takes everything");
    }
    lines
}

struct Table(Pair);

impl Table {
    fn difference(&mut self, moves: &[Move], protocol: u8) -> Option<Difference> {
        let cases = script::parse(&text(moves)).expect("lines of a conform file");
        self.0.play(&cases, protocol).differences.into_iter().next()
    }

    /// Leaves out what is not needed for a difference: long runs first, then single moves, until none can go.
    fn shortest(&mut self, mut moves: Vec<Move>, protocol: u8) -> Vec<Move> {
        let mut run = moves.len() / 2;
        while run > 0 {
            let before = moves.len();
            let mut at = 0;
            while at < moves.len() {
                let end = moves.len().min(at + run);
                let without = [&moves[..at], &moves[end..]].concat();
                if self.difference(&without, protocol).is_some() {
                    moves = without;
                } else {
                    at = end;
                }
            }
            if moves.len() == before || run > 1 {
                run /= 2;
            }
        }
        moves
    }
}
