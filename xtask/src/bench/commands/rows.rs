//! The table of what is measured: a name, what is there before, and what redis-benchmark sends.
//!
//! Whatever takes elements away finds as many as there are requests.

use Step::{Each, EachRequest, Once};

/// One command under measure.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// So many without pipelining, about half a second's worth.
    pub(super) requests: u32,
    /// So many times as many with pipelining.
    pub(super) pipelined: u32,
    pub(super) before: &'static [Step],
    pub(super) arguments: &'static [&'static str],
}

/// What is done before a run, without being measured.
pub(super) enum Step {
    /// One command, as a line of words.
    Once(&'static str),
    /// One command for so many elements, whose words may have `#` for the element's number.
    Each(u32, &'static str),
    /// The same for as many elements as there will be requests.
    EachRequest(&'static str),
}

impl Step {
    pub(super) fn commands(&self, requests: u32) -> impl Iterator<Item = Vec<String>> + use<> {
        let (count, line) = match *self {
            Once(line) => (1, line),
            Each(count, line) => (count, line),
            EachRequest(line) => (requests, line),
        };
        (0..count)
            .map(move |number| line.split(' ').map(|word| word.replace('#', &number.to_string())).collect())
    }
}

const LIST: &[Step] = &[Once("DEL mylist"), Each(1000, "RPUSH mylist VXK")];
const LIST_OF_ALL: &[Step] = &[Once("DEL mylist"), EachRequest("RPUSH mylist VXK")];
const NO_LIST: &[Step] = &[Once("DEL mylist")];

const fn row(name: &'static str, before: &'static [Step], arguments: &'static [&'static str]) -> Row {
    Row { name, requests: 60_000, pipelined: 7, before, arguments }
}

impl Row {
    const fn times(self, requests: u32, pipelined: u32) -> Row {
        Row { requests, pipelined, ..self }
    }
}

pub(super) const ROWS: &[Row] = &[
    row("PING_INLINE", &[], &["-t", "ping_inline"]),
    row("PING_MBULK", &[], &["-t", "ping_mbulk"]),
    row("SET", &[], &["-t", "set"]),
    row("GET", &[], &["-t", "get"]),
    row("INCR", &[], &["-t", "incr"]),
    row("LPUSH", NO_LIST, &["-t", "lpush"]),
    row("RPUSH", NO_LIST, &["-t", "rpush"]),
    row("LPOP", LIST_OF_ALL, &["-t", "lpop"]),
    row("RPOP", LIST_OF_ALL, &["-t", "rpop"]),
    row("SADD", &[], &["-t", "sadd"]),
    row("HSET", &[], &["-t", "hset"]),
    row("SPOP", &[Once("DEL myset"), EachRequest("SADD myset element:#")], &["-t", "spop"]).times(60_000, 4),
    row("ZADD", &[], &["-t", "zadd"]).times(60_000, 5),
    row("ZPOPMIN", &[Once("DEL myzset"), EachRequest("ZADD myzset # element:#")], &["-t", "zpopmin"])
        .times(60_000, 4),
    row("LRANGE_100", LIST, &["LRANGE", "mylist", "0", "99"]).times(40_000, 3),
    row("LRANGE_300", LIST, &["LRANGE", "mylist", "0", "299"]).times(25_000, 2),
    row("LRANGE_500", LIST, &["LRANGE", "mylist", "0", "499"]).times(20_000, 2),
    row("LRANGE_600", LIST, &["LRANGE", "mylist", "0", "599"]).times(20_000, 2),
    row("MSET", &[], &["-t", "mset"]).times(40_000, 3),
    row(
        "ZRANGE_100",
        &[Once("DEL scores"), Each(100, "ZADD scores # member:#")],
        &["ZRANGE", "scores", "0", "99"],
    )
    .times(40_000, 3),
    row("HGETALL_50", &[Once("DEL fields"), Each(50, "HSET fields field:# value:#")], &["HGETALL", "fields"])
        .times(40_000, 3),
    row(
        "SINTER_1000",
        &[
            Once("DEL one other"),
            Each(1000, "SADD one member:#"),
            Each(500, "SADD other other:#"),
            Each(500, "SADD other member:#"),
        ],
        &["SINTER", "one", "other"],
    )
    .times(4_000, 2),
    row("XADD", &[Once("DEL entries")], &["XADD", "entries", "MAXLEN", "~", "1000", "*", "field", "value"]),
    row(
        "XREADGROUP",
        &[
            Once("DEL read"),
            Once("XGROUP CREATE read group 0 MKSTREAM"),
            EachRequest("XADD read * field value"),
        ],
        &["XREADGROUP", "GROUP", "group", "consumer", "COUNT", "1", "STREAMS", "read", ">"],
    )
    .times(60_000, 4),
    row("EVAL_RETURN", &[], &["EVAL", "return 1", "0"]).times(60_000, 5),
    row("EVAL_GET", &[], &["EVAL", "return redis.call('GET',KEYS[1])", "1", "key:__rand_int__"])
        .times(60_000, 4),
];
