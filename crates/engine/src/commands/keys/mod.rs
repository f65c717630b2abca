//! Keys of any type: the rows of the family.
//!
//! The functions lie beside this file by what they are about: [`presence`] (is there such a key, and
//! remove it), [`expire`] (times to live), [`transfer`] (to another name or database), [`walk`] (all
//! keys), [`object`] (what lies behind a key), [`dump`] (values as bytes), [`migrate`] (to another server) and [`sort`].

mod dump;
mod expire;
mod migrate;
mod object;
mod presence;
mod sort;
mod transfer;
mod walk;

pub(super) use expire::{Conditions, has_passed};
pub(crate) use migrate::{is_secret as is_migrate_secret, places as migrate_keys};
pub(super) use transfer::database_index;

use crate::command::{
    BeginSearch, Command, FindKeys, Group, INSPECT_KEY, KeySpec, OVERWRITE_KEY, READ_KEY, UPDATE_KEY, flag,
};

const FAST_WRITE: u32 = flag::WRITE | flag::FAST;
const FAST_READ: u32 = flag::READONLY | flag::FAST;
const KEYSPACE: &[&str] = &["keyspace"];
const DANGEROUS: &[&str] = &["keyspace", "dangerous"];
const UPDATED: &[KeySpec] = &[KeySpec::at(1, &["RW", "update"])];
const OBJECT_KEY: &[KeySpec] = &[KeySpec::at(2, &["RO"])];
const INSPECT_KEYS: &[KeySpec] = &[KeySpec::range(1, -1, &["RO"])];
const REMOVE_KEYS: &[KeySpec] = &[KeySpec::range(1, -1, &["RM", "delete"])];
const SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const VARIES: &[&str] = &["nondeterministic_output"];
const EXPIRE_HISTORY: &[(&str, &str)] = &[("7.0.0", "NX, XX, GT and LT.")];
const TTL_HISTORY: &[(&str, &str)] = &[("2.8.0", "-2 for a missing key.")];
const FLUSH_HISTORY: &[(&str, &str)] = &[("4.0.0", "ASYNC."), ("6.2.0", "SYNC.")];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("copy", -3, transfer::copy)
        .flags(flag::WRITE | flag::DENYOOM)
        .categories(KEYSPACE)
        .keys(&[KeySpec::at(1, &["RO", "access"]), KeySpec::at(2, &["OW", "update"])])
        .doc(Group::Generic, "6.2.0", "Copies a key's value to another key.", "O(1), or O(N) for N elements")
        .syntax("source:key destination:key [DB destination-db:integer] [REPLACE]"),
    Command::new("dbsize", 1, walk::dbsize)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .doc(Group::Server, "1.0.0", "Counts the keys of the database.", "O(1)"),
    Command::new("del", -2, presence::del)
        .flags(flag::WRITE)
        .categories(KEYSPACE)
        .keys(REMOVE_KEYS)
        .tips(SUM)
        .doc(Group::Generic, "1.0.0", "Deletes keys.", "O(N), N being the number of keys and of their elements")
        .syntax("key..."),
    Command::new("dump", 2, dump::dump)
        .flags(flag::READONLY)
        .categories(KEYSPACE)
        .keys(READ_KEY)
        .tips(VARIES)
        .doc(Group::Generic, "2.6.0", "Answers a key's value as bytes that RESTORE takes.", "O(N), N being its size")
        .syntax("key"),
    Command::new("exists", -2, presence::exists)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(INSPECT_KEYS)
        .tips(SUM)
        .history(&[("3.0.3", "Several keys.")])
        .doc(Group::Generic, "1.0.0", "Counts which of the keys exist.", "O(N), N being the number of keys")
        .syntax("key..."),
    Command::new("expire", -3, expire::expire)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATED)
        .history(EXPIRE_HISTORY)
        .doc(Group::Generic, "1.0.0", "Sets a key's time to live in seconds.", "O(1)")
        .syntax("key seconds:integer condition:[NX | XX | GT | LT]!7.0.0"),
    Command::new("expireat", -3, expire::expireat)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATED)
        .history(EXPIRE_HISTORY)
        .doc(Group::Generic, "1.2.0", "Sets the second at which a key expires.", "O(1)")
        .syntax("key unix-time-seconds:unix-time condition:[NX | XX | GT | LT]!7.0.0"),
    Command::new("expiretime", 2, expire::expiretime)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(READ_KEY)
        .doc(Group::Generic, "7.0.0", "Answers the second at which a key expires.", "O(1)")
        .syntax("key"),
    Command::new("flushall", -1, walk::flushall)
        .flags(flag::WRITE)
        .categories(DANGEROUS)
        .tips(ALL_SHARDS)
        .history(FLUSH_HISTORY)
        .doc(Group::Server, "1.0.0", "Deletes all keys of all databases.", "O(N), N being the number of keys")
        .syntax("flush-type:[(ASYNC)!4.0.0 | (SYNC)!6.2.0]"),
    Command::new("flushdb", -1, walk::flushdb)
        .flags(flag::WRITE)
        .categories(DANGEROUS)
        .tips(ALL_SHARDS)
        .history(FLUSH_HISTORY)
        .doc(Group::Server, "1.0.0", "Deletes all keys of the database.", "O(N), N being the number of keys")
        .syntax("flush-type:[(ASYNC)!4.0.0 | (SYNC)!6.2.0]"),
    Command::new("keys", 2, walk::keys)
        .flags(flag::READONLY)
        .categories(DANGEROUS)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .doc(Group::Generic, "1.0.0", "Lists all keys that match a pattern.", "O(N), N being the number of keys")
        .syntax("pattern:pattern"),
    Command::new("migrate", -6, migrate::migrate)
        .flags(flag::WRITE | flag::MOVABLE_KEYS)
        .categories(DANGEROUS)
        .keys(&[KeySpec::at(3, &["RW", "access", "delete"]), MIGRATED_KEYS])
        .tips(VARIES)
        .history(&[("3.0.0", "COPY and REPLACE."), ("3.0.6", "KEYS."), ("4.0.7", "AUTH."), ("6.0.0", "AUTH2.")])
        .doc(Group::Generic, "2.6.0", "Moves keys to another server.", "O(N) for DUMP and DEL here and RESTORE there, N being the values' size")
        .differs("outside MULTI and scripts others read on meanwhile, and their writes wait")
        .syntax("host port:integer key-selector:(key | empty-string:(\"\")) destination-db:integer timeout:integer [COPY]!3.0.0 [REPLACE]!3.0.0 authentication:[(AUTH auth/password)!4.0.7 | (AUTH2 username password)!6.0.0] [KEYS keys/key:key...]!3.0.6"),
    Command::new("move", 3, transfer::move_key)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATE_KEY)
        .doc(Group::Generic, "1.0.0", "Moves a key to another database.", "O(1)")
        .syntax("key db:integer"),
    Command::container("object", -2, OBJECT).doc(
        Group::Generic,
        "2.2.3",
        "Groups the commands that look behind a key.",
        "Depends on the subcommand",
    ),
    Command::new("persist", 2, expire::persist)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATED)
        .doc(Group::Generic, "2.2.0", "Takes away a key's time to live.", "O(1)")
        .syntax("key"),
    Command::new("pexpire", -3, expire::pexpire)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATED)
        .history(EXPIRE_HISTORY)
        .doc(Group::Generic, "2.6.0", "Sets a key's time to live in milliseconds.", "O(1)")
        .syntax("key milliseconds:integer condition:[NX | XX | GT | LT]!7.0.0"),
    Command::new("pexpireat", -3, expire::pexpireat)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(UPDATED)
        .history(EXPIRE_HISTORY)
        .doc(Group::Generic, "2.6.0", "Sets the millisecond at which a key expires.", "O(1)")
        .syntax("key unix-time-milliseconds:unix-time condition:[NX | XX | GT | LT]!7.0.0"),
    Command::new("pexpiretime", 2, expire::pexpiretime)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(READ_KEY)
        .doc(Group::Generic, "7.0.0", "Answers the millisecond at which a key expires.", "O(1)")
        .syntax("key"),
    Command::new("pttl", 2, expire::pttl)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(READ_KEY)
        .tips(VARIES)
        .history(TTL_HISTORY)
        .doc(Group::Generic, "2.6.0", "Answers a key's time to live in milliseconds.", "O(1)")
        .syntax("key"),
    Command::new("randomkey", 1, walk::randomkey)
        .flags(flag::READONLY)
        .categories(KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .doc(Group::Generic, "1.0.0", "Answers any key of the database.", "O(1)"),
    Command::new("rename", 3, transfer::rename)
        .flags(flag::WRITE)
        .categories(KEYSPACE)
        .keys(&[KeySpec::at(1, &["RW", "access", "delete"]), KeySpec::at(2, &["OW", "update"])])
        .doc(Group::Generic, "1.0.0", "Gives a key another name, whatever had it before.", "O(1)")
        .syntax("key newkey:key"),
    Command::new("renamenx", 3, transfer::renamenx)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(&[KeySpec::at(1, &["RW", "access", "delete"]), KeySpec::at(2, &["OW", "insert"])])
        .history(&[("3.2.0", "The same name twice is no error any more.")])
        .doc(Group::Generic, "1.0.0", "Gives a key another name unless that is taken.", "O(1)")
        .syntax("key newkey:key"),
    Command::new("restore", -4, dump::restore)
        .flags(flag::WRITE | flag::DENYOOM)
        .categories(DANGEROUS)
        .keys(OVERWRITE_KEY)
        .history(&[("3.0.0", "REPLACE."), ("5.0.0", "ABSTTL."), ("5.0.0", "IDLETIME and FREQ.")])
        .doc(Group::Generic, "2.6.0", "Makes a key of what DUMP answered.", "O(N), N being the value's size")
        .syntax("key ttl:integer serialized-value [REPLACE]!3.0.0 [ABSTTL]!5.0.0 [IDLETIME seconds:integer]!5.0.0 [FREQ frequency:integer]!5.0.0"),
    Command::new("restore-asking", -4, dump::restore)
        .flags(flag::WRITE | flag::DENYOOM | flag::ASKING)
        .categories(DANGEROUS)
        .keys(OVERWRITE_KEY)
        .history(&[("3.0.0", "REPLACE."), ("5.0.0", "ABSTTL."), ("5.0.0", "IDLETIME and FREQ.")])
        .doc(Group::Generic, "3.0.0", "RESTORE, as a node of a cluster sends it.", "O(N), N being the value's size")
        .syntax("key ttl:integer serialized-value [REPLACE]!3.0.0 [ABSTTL]!5.0.0 [IDLETIME seconds:integer]!5.0.0 [FREQ frequency:integer]!5.0.0"),
    Command::new("scan", -2, walk::scan)
        .flags(flag::READONLY)
        .categories(KEYSPACE)
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .history(&[("6.0.0", "TYPE.")])
        .doc(Group::Generic, "2.8.0", "Lists the keys of the database step by step.", "O(1) for a step, O(N) for all")
        .syntax("cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]!6.0.0"),
    Command::new("sort", -2, sort::sort)
        .flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS)
        .categories(SORTED)
        .keys(&[KeySpec::at(1, &["RO", "access"]), SORT_PATTERNS, SORT_STORE])
        .doc(Group::Generic, "1.0.0", "Sorts a list, set or sorted set, and may store the result.", SORT_COMPLEXITY)
        .syntax("key [BY by-pattern/pattern:pattern@1] [LIMIT offset:integer count:integer] [GET get-pattern/pattern:pattern@1]... order:[ASC | DESC] sorting:[ALPHA] [STORE destination:key@2]"),
    Command::new("sort_ro", -2, sort::sort_ro)
        .flags(flag::READONLY | flag::MOVABLE_KEYS)
        .categories(SORTED)
        .keys(&[KeySpec::at(1, &["RO", "access"]), SORT_PATTERNS])
        .doc(Group::Generic, "7.0.0", "Sorts a list, set or sorted set.", SORT_COMPLEXITY)
        .syntax("key [BY by-pattern/pattern:pattern@1] [LIMIT offset:integer count:integer] [GET get-pattern/pattern:pattern@1]... order:[ASC | DESC] sorting:[ALPHA]"),
    Command::new("swapdb", 3, transfer::swapdb)
        .flags(FAST_WRITE)
        .categories(DANGEROUS)
        .doc(Group::Server, "4.0.0", "Exchanges two databases.", "O(N), N being the number of watched keys in both")
        .syntax("index1:integer index2:integer"),
    Command::new("touch", -2, presence::touch)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(INSPECT_KEYS)
        .tips(SUM)
        .doc(Group::Generic, "3.2.1", "Makes keys look just used.", "O(N), N being the number of keys")
        .syntax("key..."),
    Command::new("ttl", 2, expire::ttl)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(READ_KEY)
        .tips(VARIES)
        .history(TTL_HISTORY)
        .doc(Group::Generic, "1.0.0", "Answers a key's time to live in seconds.", "O(1)")
        .syntax("key"),
    Command::new("type", 2, presence::type_of)
        .flags(FAST_READ)
        .categories(KEYSPACE)
        .keys(INSPECT_KEY)
        .doc(Group::Generic, "1.0.0", "Answers the type of a key's value.", "O(1)")
        .syntax("key"),
    Command::new("unlink", -2, presence::del)
        .flags(FAST_WRITE)
        .categories(KEYSPACE)
        .keys(REMOVE_KEYS)
        .tips(SUM)
        .doc(Group::Generic, "4.0.0", "Deletes keys and frees big values in the background.", "O(N), N being the number of keys")
        .syntax("key..."),
];

const OBJECT: &[Command] =
    &[
        inspection("object|encoding", object::encoding, "2.2.3", "Answers how a value is encoded in memory."),
        inspection("object|freq", object::freq, "4.0.0", "Answers how often a key is used."),
        Command::new("object|help", 2, object::help)
            .flags(flag::LOADING | flag::STALE)
            .categories(KEYSPACE)
            .doc(Group::Generic, "6.2.0", "Lists the subcommands.", "O(1)"),
        inspection("object|idletime", object::idletime, "2.2.3", "Answers for how long a key was not used."),
        inspection("object|refcount", object::refcount, "2.2.3", "Answers how many references a value has."),
    ];

const fn inspection(
    full_name: &'static str,
    run: crate::command::Run,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::new(full_name, 3, run)
        .flags(flag::READONLY)
        .categories(KEYSPACE)
        .keys(OBJECT_KEY)
        .tips(VARIES)
        .doc(Group::Generic, since, summary, "O(1)")
        .syntax("key")
}

/// What stands before KEYS may be that word too.
const MIGRATED_KEYS: KeySpec = KeySpec {
    flags: &["RW", "access", "delete", "incomplete"],
    begin: BeginSearch::Keyword("KEYS", -2),
    find: FindKeys::Range { last: -1, step: 1, limit: 0 },
    notes: "",
};
const SORTED: &[&str] = &["set", "sortedset", "list", "dangerous"];
const SORT_COMPLEXITY: &str = "O(N+M*log(M)), N being the number of elements and M of those answered";
const SORT_PATTERNS: KeySpec = KeySpec {
    flags: &["RO", "access"],
    begin: BeginSearch::Unknown,
    find: FindKeys::Unknown,
    notes: "BY and GET name keys after the elements",
};
const SORT_STORE: KeySpec = KeySpec {
    flags: &["OW", "update"],
    begin: BeginSearch::Unknown,
    find: FindKeys::Unknown,
    notes: "STORE may stand anywhere",
};
