//! Directives on memory: limits, eviction, freeing, defragmentation.
//!
//! Much of what Redis leaves to choice is the rule here, and says so: big values are freed in the
//! background, and growth never rehashes.

use super::*;

pub(super) const LAZY: &str = "big values are always freed in the background";
const DEFRAG: &str = "there is no active defragmentation: the pages that hold keys compact themselves";

pub(super) const ROWS: &[Directive] = &[
    bytes(
        "maxmemory",
        (0, MAX_U64),
        field!(maxmemory),
        "Bytes of memory above which keys are evicted; 0 is no limit. The log that replicas read is not counted.",
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
        field!(maxmemory_policy),
        "Which keys are evicted.",
    ),
    integer(
        "maxmemory-samples",
        (1, MAX_I32),
        field!(maxmemory_samples),
        "Keys compared to find one to evict.",
    ),
    integer(
        "maxmemory-eviction-tenacity",
        (0, 100),
        field!(maxmemory_eviction_tenacity),
        "Time that eviction may take before a command.",
    ),
    count("lfu-log-factor", field!(lfu_log_factor), "Accesses that it takes to raise a key's frequency."),
    count("lfu-decay-time", field!(lfu_decay_time), "Minutes after which an idle key's frequency falls."),
    integer(
        "active-expire-effort",
        (1, 10),
        field!(active_expire_effort),
        "Share of the time that goes into removing due keys while others wait: 1 is 25 %, 10 is 43 %.",
    ),
    yes_no(
        "lazyfree-lazy-eviction",
        field!(lazyfree_lazy_eviction),
        "Tell replicas of evicted keys by UNLINK instead of DEL; either way big values are freed in the \
         background.",
    ),
    yes_no(
        "lazyfree-lazy-expire",
        field!(lazyfree_lazy_expire),
        "Tell replicas of expired keys by UNLINK instead of DEL; either way big values are freed in the \
         background.",
    ),
    yes_no(
        "lazyfree-lazy-server-del",
        field!(lazyfree_lazy_server_del),
        "Tell replicas of keys that SPOP emptied, or RESTORE removed, by UNLINK instead of DEL; either way big \
         values are freed in the background.",
    ),
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
        moot("yes", "freed memory is given back in the background, whichever allocator the build has"),
        "Let jemalloc give memory back from a thread of its own.",
    ),
    yes_no("activedefrag", needless("no", DEFRAG), "Move data to give fragmented memory back."),
    integer(
        "active-defrag-cycle-min",
        (1, 99),
        moot("1", DEFRAG),
        "Least share of the processor for it, in percent.",
    ),
    integer(
        "active-defrag-cycle-max",
        (1, 99),
        moot("25", DEFRAG),
        "Greatest share of the processor for it, in percent.",
    ),
    integer(
        "active-defrag-threshold-lower",
        (0, 1000),
        moot("10", DEFRAG),
        "Fragmentation from which it works, in percent.",
    ),
    integer(
        "active-defrag-threshold-upper",
        (0, 1000),
        moot("100", DEFRAG),
        "Fragmentation from which it works as hard as it may, in percent.",
    ),
    bytes(
        "active-defrag-ignore-bytes",
        (1, MAX_I64),
        moot("104857600", DEFRAG),
        "Waste below which it does not work.",
    ),
    integer(
        "active-defrag-max-scan-fields",
        (1, MAX_I64),
        moot("1000", DEFRAG),
        "Elements up to which a collection is moved in one go.",
    ),
];
