//! Directives on memory: limits, eviction, freeing, defragmentation.
//!
//! Much of what Redis leaves to choice is the rule here, and says so: big values are freed in the
//! background, and growth never rehashes.

use super::*;

pub(super) const EVICTION: &str = "eviction";
pub(super) const LAZY: &str = "big values are always freed in the background";
const DEFRAG: &str = "active defragmentation";

pub(super) const ROWS: &[Directive] = &[
    bytes(
        "maxmemory",
        (0, MAX_U64),
        later("0", EVICTION),
        "Bytes of data above which keys are evicted; 0 is no limit.",
    ),
    one_of(
        "maxmemory-policy",
        &[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ],
        later("noeviction", EVICTION),
        "Which keys are evicted.",
    ),
    integer("maxmemory-samples", (1, MAX_I32), later("5", EVICTION), "Keys compared to find one to evict."),
    integer(
        "maxmemory-eviction-tenacity",
        (0, 100),
        later("10", EVICTION),
        "Time that eviction may take before a command.",
    ),
    count("lfu-log-factor", later("10", EVICTION), "Accesses that it takes to raise a key's frequency."),
    count("lfu-decay-time", later("1", EVICTION), "Minutes after which an idle key's frequency falls."),
    integer(
        "active-expire-effort",
        (1, 10),
        field!(active_expire_effort),
        "Share of the time that goes into removing due keys while others wait: 1 is 25 %, 10 is 43 %.",
    ),
    yes_no("lazyfree-lazy-eviction", moot("no", LAZY), "Free evicted keys in the background."),
    yes_no("lazyfree-lazy-expire", moot("no", LAZY), "Free expired keys in the background."),
    yes_no("lazyfree-lazy-server-del", moot("no", LAZY), "Free overwritten values in the background."),
    yes_no("lazyfree-lazy-user-del", moot("no", LAZY), "Let DEL free in the background, as UNLINK does."),
    yes_no(
        "lazyfree-lazy-user-flush",
        moot("no", LAZY),
        "Let FLUSHALL and FLUSHDB free in the background by default.",
    ),
    yes_no(
        "activerehashing",
        moot("yes", "the keyspace grows by splitting one small segment at a time: there is no rehashing"),
        "Rehash while idle.",
    ),
    yes_no(
        "jemalloc-bg-thread",
        moot("yes", "the allocator is not jemalloc"),
        "Let jemalloc give memory back from a thread of its own.",
    ),
    yes_no("activedefrag", later("no", DEFRAG), "Move data to give fragmented memory back."),
    integer(
        "active-defrag-cycle-min",
        (1, 99),
        later("1", DEFRAG),
        "Least share of the processor for it, in percent.",
    ),
    integer(
        "active-defrag-cycle-max",
        (1, 99),
        later("25", DEFRAG),
        "Greatest share of the processor for it, in percent.",
    ),
    integer(
        "active-defrag-threshold-lower",
        (0, 1000),
        later("10", DEFRAG),
        "Fragmentation from which it works, in percent.",
    ),
    integer(
        "active-defrag-threshold-upper",
        (0, 1000),
        later("100", DEFRAG),
        "Fragmentation from which it works as hard as it may, in percent.",
    ),
    bytes(
        "active-defrag-ignore-bytes",
        (1, MAX_I64),
        later("104857600", DEFRAG),
        "Waste below which it does not work.",
    ),
    integer(
        "active-defrag-max-scan-fields",
        (1, MAX_I64),
        later("1000", DEFRAG),
        "Elements up to which a collection is moved in one go.",
    ),
];
