//! Clients: random commands on few keys, pipelined, over connections that break.
//!
//! Commands come from a table of templates. A word in braces stands for something drawn: a key of a type
//! (now and then of a wrong one), a value, a number. Replies are read and checked for being possible.

use slipstream_resp::{Value, decode_value, encode_request};

use crate::network::WireId;

/// Most replies that a client waits for.
const MOST_OUTSTANDING: usize = 64;

/// A client waits so long for an answer, in microseconds.
const PATIENCE: u64 = 10_000_000;

/// Errors that random commands may well get; everything else is a bug.
const POSSIBLE_ERRORS: &[&str] = &[
    "WRONGTYPE ",
    "LOADING ",
    "READONLY ",
    "EXECABORT ",
    "MISCONF ",
    "ERR value is not ",
    "ERR hash value is not ",
    "ERR increment ",
    "ERR increment or decrement would overflow",
    "ERR no such key",
    "ERR index out of range",
    "ERR string exceeds ",
    "ERR EXEC without MULTI",
    "ERR DISCARD without MULTI",
    "ERR MULTI calls can not be nested",
    "ERR WATCH inside MULTI is not allowed",
    "ERR WAIT cannot be used with replica",
    "ERR resulting score is not a number",
    "ERR source and destination objects are the same",
    "ERR The bit is out of range",
    "ERR invalid expire time",
    "ERR Errors trying to SHUTDOWN",
    "ERR The ID specified in XADD is equal or smaller",
    "UNBLOCKED ",
    "NOREPLACK ",
    "MASTERDOWN ",
    "INPROG ",
    "NODATA ",
    "ERR Function not found",
    "BUSYGROUP ",
    "NOGROUP ",
    "INVALIDOBJ ",
    "ERR The XGROUP subcommand requires the key to exist",
    "ERR bit offset is not",
    "ERR could not perform this operation on a key that",
    "ERR could not decode requested zset member",
    "ERR One or more scores can't be converted into double",
];

/// A script with several effects.
const SCRIPT: &str = "local length = redis.call('rpush', KEYS[1], ARGV[1]) \
    redis.call('incr', KEYS[2]) redis.call('pexpire', KEYS[1], ARGV[2]) return length";
/// The same as a function.
const LIBRARY: &str = "#!lua name=lib\n\
    redis.register_function('several', function(KEYS, ARGV) \
    redis.call('rpush', KEYS[1], ARGV[1]) return redis.call('incr', KEYS[2]) end)";

/// Commands that change data, and how often they are drawn.
const WRITES: &[(u32, &str)] = &[
    (10, "SET {string} {value}"),
    (4, "SET {string} {value} PX {ms}"),
    (2, "SET {string} {number} KEEPTTL GET"),
    (2, "SET {string} {value} NX EX {seconds}"),
    (1, "SETEX {string} {seconds} {value}"),
    (2, "GETEX {string} PX {ms}"),
    (1, "GETDEL {string}"),
    (6, "APPEND {string} {value}"),
    (2, "SETRANGE {string} {number} {value}"),
    (8, "INCR {string}"),
    (3, "INCRBYFLOAT {string} 0.1"),
    (2, "MSET {string} {value} {string} {value}"),
    (4, "PEXPIRE {any} {ms}"),
    (1, "EXPIRE {any} {seconds}"),
    (1, "PEXPIRE {any} 0"),
    (1, "PERSIST {any}"),
    (4, "DEL {any}"),
    (1, "UNLINK {any} {any}"),
    (1, "RENAME {any} {any}"),
    (1, "COPY {any} {any} REPLACE"),
    (1, "MOVE {any} {db}"),
    (5, "RPUSH {list} {value} {number} {value}"),
    (3, "LPUSH {list} {value}"),
    (2, "LPOP {list} {number}"),
    (2, "RPOP {list}"),
    (1, "LSET {list} {number} {value}"),
    (1, "LINSERT {list} BEFORE {number} {value}"),
    (1, "LREM {list} {number} {number}"),
    (1, "LTRIM {list} 0 {number}"),
    (2, "LMOVE {list} {list} LEFT RIGHT"),
    (2, "BLPOP {list} {list} 0.3"),
    (1, "BRPOP {list} 0.05"),
    (2, "BLMOVE {list} {list} RIGHT LEFT 0.2"),
    (1, "BRPOPLPUSH {list} {list} 0.2"),
    (1, "BLMPOP 0.2 2 {list} {list} LEFT COUNT 2"),
    (5, "SADD {set} {number} {member} {member}"),
    (2, "SREM {set} {member} {number}"),
    (3, "SPOP {set} {number}"),
    (2, "SPOP {set}"),
    (1, "SMOVE {set} {set} {member}"),
    (1, "SUNIONSTORE {set} {set} {set}"),
    (1, "SINTERSTORE {set} {set} {set}"),
    (5, "HSET {hash} {member} {value} {member} {number}"),
    (2, "HDEL {hash} {member}"),
    (3, "HINCRBY {hash} {member} {number}"),
    (1, "HINCRBYFLOAT {hash} {member} 1.5"),
    (1, "HSETNX {hash} {member} {value}"),
    (3, "HPEXPIRE {hash} {ms} FIELDS 2 {member} {member}"),
    (1, "HPEXPIRE {hash} {ms} GT FIELDS 1 {member}"),
    (1, "HEXPIRE {hash} {seconds} NX FIELDS 1 {member}"),
    (1, "HPEXPIRE {hash} 0 FIELDS 1 {member}"),
    (1, "HPERSIST {hash} FIELDS 2 {member} {member}"),
    (2, "HSETEX {hash} PX {ms} FIELDS 1 {member} {value}"),
    (1, "HSETEX {hash} FNX KEEPTTL FIELDS 1 {member} {value}"),
    (1, "HGETEX {hash} PX {ms} FIELDS 1 {member}"),
    (1, "HGETDEL {hash} FIELDS 2 {member} {member}"),
    (5, "ZADD {zset} {number} {member} 0.5 {member}"),
    (2, "ZADD {zset} GT CH {number} {member}"),
    (2, "ZINCRBY {zset} 0.25 {member}"),
    (2, "ZREM {zset} {member}"),
    (2, "ZPOPMIN {zset} {number}"),
    (1, "ZPOPMAX {zset}"),
    (1, "BZPOPMIN {zset} {zset} 0.2"),
    (1, "BZMPOP 0.2 1 {zset} MAX COUNT 2"),
    (1, "ZREMRANGEBYRANK {zset} 0 {number}"),
    (1, "ZREMRANGEBYSCORE {zset} 0 {number}"),
    (1, "ZUNIONSTORE {zset} 2 {zset} {set} WEIGHTS 2 1"),
    (1, "ZRANGESTORE {zset} {zset} 0 {number}"),
    (5, "XADD {stream} * {member} {value}"),
    (2, "XADD {stream} MAXLEN ~ {number} * {member} {value} {member} {number}"),
    (3, "XADD {stream} NOMKSTREAM MINID {number} {ms} {member} {value}"),
    (2, "XDEL {stream} {ms} {ms}"),
    (1, "XTRIM {stream} MAXLEN {number}"),
    (2, "XGROUP CREATE {stream} {group} 0 MKSTREAM"),
    (1, "XGROUP CREATE {stream} {group} $"),
    (1, "XGROUP SETID {stream} {group} 0"),
    (1, "XGROUP DESTROY {stream} {group}"),
    (1, "XGROUP DELCONSUMER {stream} {group} {member}"),
    (4, "XREADGROUP GROUP {group} {member} COUNT 3 STREAMS {stream} >"),
    (2, "XREADGROUP GROUP {group} {member} BLOCK {ms} STREAMS {stream} {stream} > >"),
    (1, "XREADGROUP GROUP {group} {member} STREAMS {stream} 0"),
    (1, "XREADGROUP GROUP {group} {member} NOACK STREAMS {stream} >"),
    (2, "XAUTOCLAIM {stream} {group} {member} {ms} - COUNT {count}"),
    (3, "SETBIT {string} {ms} 1"),
    (1, "BITOP XOR {string} {string} {string}"),
    (1, "BITFIELD {string} INCRBY u8 {ms} {number} SET i16 #{number} {ms}"),
    (3, "PFADD {string} {member} {value}"),
    (1, "PFMERGE {string} {string}"),
    (2, "GEOADD {zset} 13.{ms} 38.{ms} {member}"),
    (1, "GEOSEARCHSTORE {zset} {zset} FROMLONLAT 13.5 38.5 BYRADIUS {ms} km"),
    (1, "SORT {list} ALPHA STORE {list}"),
    (2, "PUBLISH news {value}"),
    (1, "SPUBLISH news {value}"),
    (2, "EVAL {script} 2 {list} {string} {value} {ms}"),
    (1, "FUNCTION LOAD REPLACE {library}"),
    (2, "FCALL several 2 {list} {string} {value}"),
    (1, "FLUSHDB"),
    (1, "SWAPDB {db} {db}"),
];

/// Commands that do not.
const READS: &[(u32, &str)] = &[
    (8, "GET {string}"),
    (4, "LRANGE {list} 0 -1"),
    (4, "SMEMBERS {set}"),
    (4, "HGETALL {hash}"),
    (2, "HPTTL {hash} FIELDS 2 {member} {member}"),
    (2, "HRANDFIELD {hash} {number}"),
    (4, "ZRANGE {zset} 0 -1 WITHSCORES"),
    (4, "XRANGE {stream} - +"),
    (1, "XREAD COUNT {number} STREAMS {stream} 0"),
    (2, "XREAD BLOCK {ms} STREAMS {stream} $"),
    (1, "XPENDING {stream} {group}"),
    (1, "BITCOUNT {string}"),
    (1, "PFCOUNT {string} {string}"),
    (1, "GEOSEARCH {zset} FROMMEMBER {member} BYRADIUS {ms} km ASC"),
    (4, "TTL {any}"),
    (4, "EXISTS {any} {any}"),
    (2, "TYPE {any}"),
    (2, "DBSIZE"),
    (1, "PING"),
    (1, "INFO replication"),
    (1, "ROLE"),
];

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub index: usize,
    /// Whether it writes.
    pub writes: bool,
    /// Its connection.
    pub wire: Option<WireId>,
    /// Which attempt to connect is the current one; it waits while there is one.
    pub attempt: u64,
    /// Whether it waits for a connection.
    pub connecting: bool,
    input: Vec<u8>,
    /// Requests that the connection has no room for yet.
    pub(crate) unsent: Vec<u8>,
    outstanding: usize,
    /// When it last heard of its node, or began to wait.
    heard: u64,
    in_transaction: bool,
    keys: usize,
    value_len: usize,
    /// The replies of a client in a scenario, not read yet.
    pub(crate) replies: Vec<Value>,
}

/// What a reply means for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Fine,
    /// This is no primary: look for another.
    WrongNode,
}

impl Client {
    /// A client that is not connected.
    pub fn new(index: usize, writes: bool, (keys, value_len): (usize, usize)) -> Client {
        Client {
            index,
            writes,
            wire: None,
            attempt: 0,
            connecting: false,
            input: Vec::new(),
            unsent: Vec::new(),
            outstanding: 0,
            heard: 0,
            in_transaction: false,
            keys,
            value_len,
            replies: Vec::new(),
        }
    }

    /// A connection stands.
    pub fn connected(&mut self, wire: WireId) {
        self.wire = Some(wire);
        self.connecting = false;
    }

    /// There is no connection any more.
    pub fn disconnected(&mut self) {
        self.wire = None;
        self.connecting = false;
        self.attempt += 1;
        self.input.clear();
        self.unsent.clear();
        self.outstanding = 0;
        self.in_transaction = false;
        self.replies.clear();
    }

    /// Appends some requests to `unsent`; how many.
    pub fn ask(&mut self, rng: &mut fastrand::Rng) -> u32 {
        if self.outstanding > MOST_OUTSTANDING || !self.unsent.is_empty() {
            return 0;
        }
        self.replies.clear();
        let count = rng.u32(1..8);
        for _ in 0..count {
            let template = self.template(rng);
            let words: Vec<Vec<u8>> = template.split(' ').map(|word| self.word(rng, word)).collect();
            encode_request(&mut self.unsent, words.iter().map(Vec::as_slice));
            self.outstanding += 1;
        }
        count
    }

    /// Whether it has waited too long for an answer.
    pub(crate) fn has_lost_patience(&mut self, now: u64) -> bool {
        if self.is_idle() {
            self.heard = now;
        }
        now - self.heard > PATIENCE
    }

    /// Something came from its node.
    pub(crate) fn heard(&mut self, now: u64) {
        self.heard = now;
    }

    /// Whether all that was asked is answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding == 0 && self.unsent.is_empty()
    }

    /// Appends requests of a scenario.
    pub fn say(&mut self, lines: &[&str]) {
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            encode_request(&mut self.unsent, words.into_iter());
            self.outstanding += 1;
        }
    }

    fn template(&mut self, rng: &mut fastrand::Rng) -> &'static str {
        match rng.u32(..100) {
            0..3 => "SELECT {db}",
            3 => "WATCH {any}",
            4 if self.writes => "WAIT 1 200",
            5 => "UNWATCH",
            6..12 if self.writes && !self.in_transaction => {
                self.in_transaction = true;
                "MULTI"
            }
            6..40 if self.in_transaction => {
                self.in_transaction = false;
                if rng.u32(..8) == 0 { "DISCARD" } else { "EXEC" }
            }
            _ if self.writes => weighted(rng, WRITES),
            _ => weighted(rng, READS),
        }
    }

    fn word(&self, rng: &mut fastrand::Rng, word: &str) -> Vec<u8> {
        const TYPES: &[&str] = &["string", "list", "set", "hash", "zset", "stream"];
        let Some((before, kind)) = word.strip_suffix('}').and_then(|word| word.split_once('{')) else {
            return word.as_bytes().to_vec();
        };
        if !before.is_empty() {
            return [before.as_bytes(), &self.word(rng, &word[before.len()..])].concat();
        }
        match kind {
            "value" => vec![rng.u8(b'a'..=b'z'); rng.usize(..=self.value_len)],
            "number" => rng.u32(..5).to_string().into_bytes(),
            "group" => format!("g{}", rng.u32(..2)).into_bytes(),
            "count" => rng.u32(1..4).to_string().into_bytes(),
            "member" => format!("m{}", rng.u32(..12)).into_bytes(),
            "ms" => rng.u32(1..3000).to_string().into_bytes(),
            "seconds" => rng.u32(1..20).to_string().into_bytes(),
            "script" => SCRIPT.into(),
            "library" => LIBRARY.into(),
            "db" => rng.u32(..3).to_string().into_bytes(),
            kind => {
                let strays = kind == "any" || rng.u32(..40) == 0;
                let kind = if strays { TYPES[rng.usize(..TYPES.len())] } else { kind };
                format!("{kind}{}", rng.usize(..self.keys)).into_bytes()
            }
        }
    }

    /// Takes in replies.
    pub fn received(&mut self, bytes: &[u8]) -> Verdict {
        self.input.extend_from_slice(bytes);
        let mut verdict = Verdict::Fine;
        while let Some((reply, length)) = decode_value(&self.input).expect("replies are well-formed") {
            self.input.drain(..length);
            assert!(self.outstanding > 0, "c{} gets a reply that it did not ask for: {reply:?}", self.index);
            self.outstanding -= 1;
            if let Value::Error(text) = &reply {
                let possible = POSSIBLE_ERRORS.iter().any(|error| text.starts_with(error));
                assert!(possible, "c{} gets an impossible error: {text}", self.index);
                if text.starts_with("READONLY") {
                    verdict = Verdict::WrongNode;
                }
            }
            self.replies.push(reply);
        }
        verdict
    }
}

fn weighted(rng: &mut fastrand::Rng, table: &[(u32, &'static str)]) -> &'static str {
    let total: u32 = table.iter().map(|(weight, _)| weight).sum();
    let mut lot = rng.u32(..total);
    for (weight, template) in table {
        match lot.checked_sub(*weight) {
            Some(left) => lot = left,
            None => return template,
        }
    }
    unreachable!("the lot is less than the sum of all weights")
}
