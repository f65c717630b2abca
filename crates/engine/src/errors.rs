//! Every error a client can be answered with, as the exact text on the wire.
//!
//! One file, so that a text is written once and can be held against a real
//! server's. The first word is the code that clients react to and that INFO
//! errorstats counts. Sections follow the command families.

use std::borrow::Cow;
use std::fmt;

use crate::acl::Denied;

/// A client's mistake, or a state of this node that refuses it. Displays as the wire text without its `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError(Cow<'static, str>);

impl CommandError {
    /// An error with a fixed text.
    pub const fn fixed(text: &'static str) -> Self {
        CommandError(Cow::Borrowed(text))
    }

    /// An error whose text names what was wrong.
    pub fn text(text: impl Into<String>) -> Self {
        CommandError(Cow::Owned(text.into()))
    }

    /// The first word: `ERR`, `WRONGTYPE`, …
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// The wire text without its `-`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommandError {}

/// Arguments and types, shared by all families.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const WRONG_TYPE: Self =
        Self::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const SYNTAX: Self = Self::fixed("ERR syntax error");
    pub const NOT_INTEGER: Self = Self::fixed("ERR value is not an integer or out of range");
    pub const NOT_FLOAT: Self = Self::fixed("ERR value is not a valid float");
    pub const OUT_OF_RANGE: Self = Self::fixed("ERR value is out of range");
    pub const NOT_POSITIVE: Self = Self::fixed("ERR value is out of range, must be positive");
    pub const NUMKEYS_NOT_POSITIVE: Self = Self::fixed("ERR numkeys should be greater than 0");
    pub const TOO_MANY_KEYS: Self = Self::fixed("ERR Number of keys can't be greater than number of args");
    pub const LIMIT_NEGATIVE: Self = Self::fixed("ERR LIMIT can't be negative");
    pub const COUNT_NOT_POSITIVE: Self = Self::fixed("ERR count should be greater than 0");
    pub const COUNT_OUT_OF_LONG: Self = Self::fixed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    pub const INDEX_OUT_OF_RANGE: Self = Self::fixed("ERR index out of range");
    pub const INCREMENT_OVERFLOW: Self = Self::fixed("ERR increment or decrement would overflow");
    pub const NOT_FINITE: Self = Self::fixed("ERR increment would produce NaN or Infinity");
    pub const NO_SUCH_KEY: Self = Self::fixed("ERR no such key");
    pub const SAME_OBJECT: Self = Self::fixed("ERR source and destination objects are the same");
    pub const TIMEOUT_NEGATIVE: Self = Self::fixed("ERR timeout is negative");
    pub const TIMEOUT_OUT_OF_RANGE: Self = Self::fixed("ERR timeout is out of range");
    pub const TIMEOUT_NOT_FLOAT: Self = Self::fixed("ERR timeout is not a float or out of range");
    pub const TIMEOUT_NOT_INTEGER: Self = Self::fixed("ERR timeout is not an integer or out of range");
    pub const NO_BACKGROUND_SAVE: Self =
        Self::fixed("ERR Background saving is currently not in progress or scheduled");
    pub const NOT_A_BIT: Self = Self::fixed("ERR value is out of range, value must between 0 and 1");
    pub const STRING_TOO_LONG: Self =
        Self::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

    /// A write to a primary that is fenced. Clients take this word for a replica's, and ask their sentinels anew.
    pub fn fenced(reason: &str) -> Self {
        Self::text(format!("READONLY This primary is fenced (sentinel-fencing): {reason}"))
    }

    /// No command of that name.
    pub fn unknown_command(name: &[u8], args: slipstream_resp::Args<'_>) -> Self {
        let mut quoted = String::new();
        for arg in args.iter().skip(1) {
            if quoted.len() >= 128 {
                break;
            }
            let shown = &arg[..arg.len().min(128 - quoted.len())];
            quoted.push('\'');
            quoted.push_str(&String::from_utf8_lossy(shown));
            quoted.push_str("' ");
        }
        let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
        Self::text(format!("ERR unknown command '{name}', with args beginning with: {quoted}"))
    }

    /// A container command without such a subcommand.
    pub fn unknown_subcommand(container: &str, name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
        Self::text(format!("ERR unknown subcommand '{name}'. Try {} HELP.", container.to_uppercase()))
    }

    /// As answered by commands that look at their subcommand themselves.
    pub fn unknown_subcommand_or_arguments(container: &str, name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
        Self::text(format!(
            "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {} HELP.",
            container.to_uppercase()
        ))
    }

    /// Too few or too many arguments.
    pub fn arity(full_name: &str) -> Self {
        Self::text(format!("ERR wrong number of arguments for '{full_name}' command"))
    }

    /// `EXPIRE`-like times that overflow or are not positive where they must be.
    pub fn invalid_expire(full_name: &str) -> Self {
        Self::text(format!("ERR invalid expire time in '{full_name}' command"))
    }
}

/// Gates: what the state of the node or session refuses.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const NO_CLUSTER: Self = Self::fixed("ERR This instance has cluster support disabled");
    pub const NOAUTH: Self = Self::fixed("NOAUTH Authentication required.");
    pub const DEFAULT_USER_STAYS: Self = Self::fixed("ERR The 'default' user cannot be removed");
    pub const BAD_USER_NAME: Self = Self::fixed("ERR Usernames can't contain spaces or null characters");
    pub const NO_ACL_FILE: Self = Self::fixed(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.",
    );
    pub const ACL_NOT_SAVED: Self = Self::fixed(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
    );
    pub const GENPASS_BITS: Self = Self::fixed(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
    );
    pub const SORT_BY_DENIED: Self =
        Self::fixed("ERR BY option of SORT denied due to insufficient ACL permissions.");
    pub const SORT_GET_DENIED: Self =
        Self::fixed("ERR GET option of SORT denied due to insufficient ACL permissions.");
    pub const WRONGPASS: Self = Self::fixed("WRONGPASS invalid username-password pair or user is disabled.");
    pub const AUTH_WITHOUT_PASSWORD: Self = Self::fixed(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
    pub const LOADING: Self = Self::fixed("LOADING Redis is loading the dataset in memory");
    /// The client is to ask the primary, as in Valkey.
    pub fn redirect(host: &str, port: u16) -> Self {
        Self::text(format!("REDIRECT {host}:{port}"))
    }

    /// A primary without its data, or perhaps without writes that were answered, waits for a replica that has them. A
    /// sentinel takes LOADING for a sign of life, and PING is to give it none.
    pub fn awaits_claim(is_ping: bool, (lacks_data, seconds): (bool, u64)) -> Self {
        let code = if is_ping { "NODATA" } else { "LOADING" };
        let what = match lacks_data {
            true => "started without the data that its replicas have",
            false => "may have started without writes that its replicas have",
        };
        Self::text(format!(
            "{code} This primary {what}. It waits {seconds} s for one of them to take its place; REPLICAOF NO ONE \
             starts it as it is"
        ))
    }

    pub const READONLY: Self = Self::fixed("READONLY You can't write against a read only replica.");
    pub const MASTERDOWN: Self =
        Self::fixed("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    pub const TOO_MANY_SENTINELS: Self = Self::fixed("ERR too many sentinels are known already");
    pub const NOREPLICAS: Self = Self::fixed("NOREPLICAS Not enough good replicas to write.");
    pub const REWRITE_RUNS: Self =
        Self::fixed("ERR Background append only file rewriting already in progress");
    pub const OTHER_JOB: Self = Self::fixed(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
    );
    pub fn misconf_aof(reason: &str) -> Self {
        Self::text(format!("MISCONF Errors writing to the AOF file: {reason}"))
    }
    pub const MISCONF_RDB: Self = Self::fixed(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
    );
    pub const OOM: Self = Self::fixed("OOM command not allowed when used memory > 'maxmemory'.");
    pub const REPLICA_KEYSPACE: Self = Self::fixed("ERR Replica can't interact with the keyspace");

    /// A command that `enable-debug-command` and its like keep off.
    pub fn protected(command: &str, directive: &str) -> Self {
        Self::text(format!(
            "ERR {command} command not allowed. If the {directive} option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
        ))
    }
}

/// Transactions.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const NESTED_MULTI: Self = Self::fixed("ERR MULTI calls can not be nested");
    pub const EXEC_WITHOUT_MULTI: Self = Self::fixed("ERR EXEC without MULTI");
    pub const DISCARD_WITHOUT_MULTI: Self = Self::fixed("ERR DISCARD without MULTI");
    pub const WATCH_IN_MULTI: Self = Self::fixed("ERR WATCH inside MULTI is not allowed");
    pub const NOT_IN_MULTI: Self = Self::fixed("ERR Command not allowed inside a transaction");
    pub const EXECABORT: Self = Self::fixed("EXECABORT Transaction discarded because of previous errors.");

    /// A transaction that a gate refused as a whole at EXEC, or the number of EXEC's arguments: that goes without its code.
    pub fn exec_aborted(reason: &CommandError) -> Self {
        let reason = reason.as_str();
        let reason = reason.strip_prefix("ERR ").unwrap_or(reason);
        Self::text(format!("EXECABORT Transaction discarded because of: {reason}"))
    }
}

/// Strings.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const DECREMENT_OVERFLOW: Self = Self::fixed("ERR decrement would overflow");
    pub const OFFSET_OUT_OF_RANGE: Self = Self::fixed("ERR offset is out of range");
    pub const LCS_NOT_STRINGS: Self = Self::fixed("ERR The specified keys must contain string values");
    pub const LCS_LEN_AND_IDX: Self =
        Self::fixed("ERR If you want both the length and indexes, please just use IDX.");
    pub const LCS_TOO_LONG: Self = Self::fixed("ERR String too long for LCS");
    pub const LCS_EXCEEDS_LIMIT: Self =
        Self::fixed("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    pub const LCS_NO_MEMORY: Self =
        Self::fixed("ERR Insufficient memory, failed allocating transient memory for LCS");
}

/// Databases and keys.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const NOT_INT32: Self =
        Self::fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    pub const FIRST_DB_INDEX: Self = Self::fixed("ERR invalid first DB index");
    pub const SECOND_DB_INDEX: Self = Self::fixed("ERR invalid second DB index");
    pub const EXPIRE_NX_AND_OTHERS: Self =
        Self::fixed("ERR NX and XX, GT or LT options at the same time are not compatible");
    pub const EXPIRE_GT_AND_LT: Self =
        Self::fixed("ERR GT and LT options at the same time are not compatible");
    pub const BUSY_KEY: Self = Self::fixed("BUSYKEY Target key name already exists.");
    pub const INVALID_TTL: Self = Self::fixed("ERR Invalid TTL value, must be >= 0");
    pub const INVALID_IDLETIME: Self = Self::fixed("ERR Invalid IDLETIME value, must be >= 0");
    pub const INVALID_FREQ: Self = Self::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
    pub const DUMP_FOOTER: Self = Self::fixed("ERR DUMP payload version or checksum are wrong");
    pub const DUMP_FORMAT: Self = Self::fixed("ERR Bad data format");
    pub const NOT_LFU: Self = Self::fixed(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const NOT_LRU: Self = Self::fixed(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const SORT_NOT_FLOAT: Self = Self::fixed("ERR One or more scores can't be converted into double");
    pub const DB_INDEX: Self = Self::fixed("ERR DB index is out of range");
    pub const INVALID_CURSOR: Self = Self::fixed("ERR invalid cursor");
}

/// Sorted sets.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const BOUND_NOT_FLOAT: Self = Self::fixed("ERR min or max is not a float");
    pub const BOUND_NOT_LEX: Self = Self::fixed("ERR min or max not valid string range item");
    pub const SCORE_NAN: Self = Self::fixed("ERR resulting score is not a number (NaN)");
    pub const ZADD_XX_AND_NX: Self = Self::fixed("ERR XX and NX options at the same time are not compatible");
    pub const ZADD_GT_LT_NX: Self =
        Self::fixed("ERR GT, LT, and/or NX options at the same time are not compatible");
    pub const ZADD_INCR_PAIRS: Self = Self::fixed("ERR INCR option supports a single increment-element pair");
    pub const LIMIT_BY_RANK: Self =
        Self::fixed("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    pub const WITHSCORES_BY_LEX: Self =
        Self::fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    pub const WEIGHT_NOT_FLOAT: Self = Self::fixed("ERR weight value is not a float");

    /// A union, intersection or difference of nothing.
    pub fn no_input_keys(command: &str) -> Self {
        Self::text(format!("ERR at least 1 input key is needed for '{command}' command"))
    }
}

/// COMMAND.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const INVALID_COMMAND: Self = Self::fixed("ERR Invalid command specified");
    pub const NO_KEY_ARGUMENTS: Self = Self::fixed("ERR The command has no key arguments");
    pub const INVALID_ARGUMENT_COUNT: Self =
        Self::fixed("ERR Invalid number of arguments specified for command");
    pub const INVALID_ARGUMENTS: Self = Self::fixed("ERR Invalid arguments specified for command");
}

/// Bitmaps.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const BIT_OFFSET: Self = Self::fixed("ERR bit offset is not an integer or out of range");
    pub const BIT_VALUE: Self = Self::fixed("ERR bit is not an integer or out of range");
    pub const BIT_ARGUMENT: Self = Self::fixed("ERR The bit argument must be 1 or 0.");
    pub const BITOP_NOT_KEYS: Self = Self::fixed("ERR BITOP NOT must be called with a single source key.");
    pub const BITFIELD_TYPE: Self = Self::fixed(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    pub const BITFIELD_OVERFLOW: Self = Self::fixed("ERR Invalid OVERFLOW type specified");
    pub const BITFIELD_READ_ONLY: Self = Self::fixed("ERR BITFIELD_RO only supports the GET subcommand");
}

/// HyperLogLogs.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const NO_HYPERLOGLOG: Self = Self::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
    pub const CORRUPT_HYPERLOGLOG: Self = Self::fixed("INVALIDOBJ Corrupted HLL object detected");
    pub const NO_SUCH_HYPERLOGLOG: Self = Self::fixed("ERR The specified key does not exist");
    pub const HYPERLOGLOG_IS_DENSE: Self = Self::fixed("ERR HLL encoding is not sparse");

    /// A word behind PFDEBUG that says nothing.
    pub fn unknown_pfdebug(name: &[u8]) -> Self {
        Self::text(format!("ERR Unknown PFDEBUG subcommand '{}'", String::from_utf8_lossy(name)))
    }

    /// PFSELFTEST found something.
    pub fn self_test_failed(reason: &str) -> Self {
        Self::text(format!("ERR TESTFAILED {reason}"))
    }
}

/// Geo.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const GEO_UNIT: Self = Self::fixed("ERR unsupported unit provided. please use M, KM, FT, MI");
    pub const GEO_RADIUS: Self = Self::fixed("ERR need numeric radius");
    pub const GEO_RADIUS_NEGATIVE: Self = Self::fixed("ERR radius cannot be negative");
    pub const GEO_WIDTH: Self = Self::fixed("ERR need numeric width");
    pub const GEO_HEIGHT: Self = Self::fixed("ERR need numeric height");
    pub const GEO_BOX_NEGATIVE: Self = Self::fixed("ERR height or width cannot be negative");
    pub const GEO_MEMBER: Self = Self::fixed("ERR could not decode requested zset member");
    pub const GEO_COUNT: Self = Self::fixed("ERR COUNT must be > 0");
    pub const GEO_ANY: Self = Self::fixed("ERR the ANY argument requires COUNT argument");

    /// A place that is not on the map.
    pub fn no_place(longitude: f64, latitude: f64) -> Self {
        Self::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    }

    /// What is stored has no room for what `command` is asked to tell.
    pub fn stores_only(command: &str) -> Self {
        Self::text(format!("ERR {command} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"))
    }

    /// A search without a centre, or without an area.
    pub fn exactly_one_of(choice: &str, command: &[u8]) -> Self {
        let command = String::from_utf8_lossy(command);
        Self::text(format!("ERR exactly one of {choice} can be specified for {command}"))
    }
}

/// Lists.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const COUNT_NEGATIVE: Self = Self::fixed("ERR COUNT can't be negative");
    pub const MAXLEN_NEGATIVE: Self = Self::fixed("ERR MAXLEN can't be negative");
    pub const RANK_ZERO: Self = Self::fixed(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
    );
}

/// Hashes.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const HASH_NOT_INTEGER: Self = Self::fixed("ERR hash value is not an integer");
    pub const NAN_OR_INFINITY: Self = Self::fixed("ERR value is NaN or Infinity");
    pub const HASH_NOT_FLOAT: Self = Self::fixed("ERR hash value is not a float");
    pub const FIELD_EXPIRE_NEGATIVE: Self = Self::fixed("ERR invalid expire time, must be >= 0");
    pub const FIELDS_MISSING: Self =
        Self::fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
    pub const NUMFIELDS_NOT_POSITIVE: Self =
        Self::fixed("ERR Parameter `numFields` should be greater than 0");
    pub const FIELDS_NOT_POSITIVE: Self = Self::fixed("ERR Number of fields must be a positive integer");
    pub const FIELDS_MISCOUNTED: Self =
        Self::fixed("ERR The `numfields` parameter must match the number of arguments");
    pub const HSETEX_FIELD_COUNT: Self = Self::fixed("ERR invalid number of fields");
    pub const HSETEX_NO_EXPIRE_TIME: Self = Self::fixed("ERR missing expire time");
    pub const HSETEX_CONDITIONS: Self = Self::fixed("ERR Only one of FXX or FNX arguments can be specified");
    pub const HSETEX_EXPIRATIONS: Self =
        Self::fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

    /// A word that is no option.
    pub fn unknown_argument(word: &[u8]) -> Self {
        Self::text(format!("ERR unknown argument: {}", String::from_utf8_lossy(word)))
    }
}

/// Streams.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const INVALID_STREAM_ID: Self =
        Self::fixed("ERR Invalid stream ID specified as stream command argument");
    pub const INVALID_RANGE_START: Self = Self::fixed("ERR invalid start ID for the interval");
    pub const INVALID_RANGE_END: Self = Self::fixed("ERR invalid end ID for the interval");
    pub const XADD_ZERO_ID: Self = Self::fixed("ERR The ID specified in XADD must be greater than 0-0");
    pub const XADD_BELOW_TOP: Self =
        Self::fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    pub const STREAM_EXHAUSTED: Self =
        Self::fixed("ERR The stream has exhausted the last possible ID, unable to add more items");
    pub const STREAM_ELEMENTS_TOO_LARGE: Self = Self::fixed("ERR Elements are too large to be stored");
    pub const TRIM_TWICE: Self =
        Self::fixed("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    pub const TRIM_LENGTH_NEGATIVE: Self = Self::fixed("ERR The MAXLEN argument must be >= 0.");
    pub const TRIM_LIMIT_NEGATIVE: Self = Self::fixed("ERR The LIMIT argument must be >= 0.");
    pub const TRIM_LIMIT_ALONE: Self =
        Self::fixed("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    pub const TRIM_LIMIT_EXACT: Self =
        Self::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
    pub const TRIM_MISSING: Self =
        Self::fixed("ERR syntax error, XTRIM must be called with a trimming strategy");
    pub const ENTRIES_ADDED_NEGATIVE: Self = Self::fixed("ERR entries_added must be positive");
    pub const XSETID_BELOW_GIVEN_DELETED: Self =
        Self::fixed("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
    pub const XSETID_BELOW_DELETED: Self =
        Self::fixed("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    pub const XSETID_BELOW_TOP: Self =
        Self::fixed("ERR The ID specified in XSETID is smaller than the target stream top item");
    pub const XSETID_BELOW_LENGTH: Self =
        Self::fixed("ERR The entries_added specified in XSETID is smaller than the target stream length");
    pub const XREAD_GROUP: Self =
        Self::fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
    pub const XREAD_NOACK: Self =
        Self::fixed("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    pub const XREAD_NEW_ID: Self = Self::fixed(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    pub const XREADGROUP_LAST_ID: Self = Self::fixed(
        "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
    );
    pub const XREADGROUP_NO_GROUP: Self = Self::fixed("ERR Missing GROUP option for XREADGROUP");
    pub const GROUP_EXISTS: Self = Self::fixed("BUSYGROUP Consumer Group name already exists");
    pub const GROUP_WITHOUT_KEY: Self = Self::fixed(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
    );
    pub const ENTRIES_READ_NEGATIVE: Self = Self::fixed("ERR value for ENTRIESREAD must be positive or -1");
    pub const XAUTOCLAIM_MIN_IDLE: Self = Self::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    pub const XAUTOCLAIM_COUNT: Self = Self::fixed("ERR COUNT must be > 0");

    /// A script asks to wait. Says the command as the script wrote it.
    pub fn block_in_script(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name);
        Self::text(format!("ERR {name} command is not allowed with BLOCK option from scripts"))
    }

    /// As many keys as ids.
    pub fn unbalanced_streams(command: &str, symbol: char) -> Self {
        Self::text(format!(
            "ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be specified."
        ))
    }

    /// A stream without this group.
    pub fn no_group(group: &[u8], key: &[u8]) -> Self {
        let [group, key] = [group, key].map(String::from_utf8_lossy);
        Self::text(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
    }

    /// The same, or no key.
    pub fn no_key_or_group(key: &[u8], group: &[u8]) -> Self {
        let [group, key] = [group, key].map(String::from_utf8_lossy);
        Self::text(format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
    }

    /// The same as XREADGROUP says it.
    pub fn no_group_to_read(key: &[u8], group: &[u8]) -> Self {
        Self::text(format!("{} in XREADGROUP with GROUP option", Self::no_key_or_group(key, group)))
    }

    /// What the target of MIGRATE said.
    pub fn migrate_refused(words: &str) -> Self {
        Self::text(format!("ERR Target instance replied with error: {words}"))
    }

    /// An argument of XCLAIM that is no number.
    pub fn invalid_claim(what: &str) -> Self {
        Self::text(format!("ERR Invalid {what} argument for XCLAIM"))
    }

    /// A word of XCLAIM that is neither an id nor an option.
    pub fn unknown_claim_option(word: &[u8]) -> Self {
        Self::text(format!("ERR Unrecognized XCLAIM option '{}'", String::from_utf8_lossy(word)))
    }
}

/// Clients that wait for replicas.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const WAIT_ON_REPLICA: Self = Self::fixed(
        "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
    );
    pub const WAITAOF_ON_REPLICA: Self = Self::fixed(
        "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
    );
    pub const WAITAOF_WITHOUT_FILE: Self =
        Self::fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    /// Stands in place of the reply of a write: the write is done, here at least.
    pub const NOT_ACKNOWLEDGED: Self =
        Self::fixed("NOREPLACK The write was done here, but too few replicas acknowledged it in time.");
    pub const NOT_ACKNOWLEDGED_BY_ROLE: Self = Self::fixed(
        "NOREPLACK The write was done here, but this node became a replica before enough replicas acknowledged it.",
    );
    pub const NOT_ACKNOWLEDGED_BY_FENCE: Self = Self::fixed(
        "NOREPLACK The write was done here, but this primary was fenced before it could be answered.",
    );
    pub const NOT_ON_DISK: Self = Self::fixed(
        "NOREPLACK The write was done here, but the append-only file was switched off before it was on disk.",
    );
    pub const STALE: Self = Self::fixed("STALE The data of this replica is older than CLIENT MAXLAG allows.");
    pub const INVALID_TOKEN: Self = Self::fixed("ERR Invalid token, CLIENT OFFSET tells what one looks like");
    pub const UNKNOWN_HISTORY: Self =
        Self::fixed("UNKNOWNHISTORY This node does not continue the history of that token as far as that.");
    pub const BUSY_SCRIPT: Self =
        Self::fixed("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");
    pub const BUSY_FUNCTION: Self = Self::fixed(
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
    );
    pub const NOT_BUSY: Self = Self::fixed("NOTBUSY No scripts in execution right now.");
    pub const UNKILLABLE_BY_PRIMARY: Self = Self::fixed(
        "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.",
    );
    pub const UNKILLABLE_BY_WRITES: Self = Self::fixed(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
    );
    pub const SHUTDOWN_FAILED: Self = Self::fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    pub const MIGRATE_TWO_KEYS: Self =
        Self::fixed("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
    pub const MIGRATE_CONNECTING: Self = Self::fixed("IOERR error or timeout connecting to the client");
    pub const MIGRATE_WRITING: Self = Self::fixed("IOERR error or timeout writing to target instance");
    pub const MIGRATE_READING: Self = Self::fixed("IOERR error or timeout reading to target instance");
    pub const UNBLOCKED: Self = Self::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    pub const UNBLOCKED_BY_ROLE: Self = Self::fixed(
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    );
}

/// Scripts and functions.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const NOSCRIPT: Self = Self::fixed("NOSCRIPT No matching script. Please use EVAL.");
    pub const NUMKEYS_NEGATIVE: Self = Self::fixed("ERR Number of keys can't be negative");
    pub const SCRIPT_FLUSH_MODE: Self = Self::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    pub const SCRIPT_DEBUG_MODE: Self = Self::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO");
    pub const NO_DEBUGGER: Self =
        Self::fixed("ERR There is no debugger: it would need a copy of this process to run the script in");
    pub const SCRIPT_UNKNOWN_COMMAND: Self = Self::fixed("ERR Unknown Redis command called from script");
    pub const SCRIPT_ARITY: Self = Self::fixed("ERR Wrong number of args calling Redis command from script");
    pub const SCRIPT_FORBIDS: Self = Self::fixed("ERR This Redis command is not allowed from script");
    pub const SCRIPT_STALE: Self = Self::fixed("ERR Can not execute the command on a stale replica");
    pub const SCRIPT_ONLY_READS: Self =
        Self::fixed("ERR Write commands are not allowed from read-only scripts.");
    pub const SCRIPT_WRITES: Self =
        Self::fixed("ERR Can not execute a script with write flag using *_ro command.");
    pub const SCRIPT_CUT_OFF: Self = Self::fixed(
        "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.",
    );
    pub const SCRIPT_READONLY: Self =
        Self::fixed("READONLY Can not run script with write flag on readonly replica");
    pub const SCRIPT_MISCONF_RDB: Self = Self::fixed(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts.",
    );
    pub const SCRIPT_OOM: Self = Self::fixed(
        "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
    );

    /// The append-only file cannot be written.
    pub fn script_misconf_aof(reason: &str) -> Self {
        Self::text(format!(
            "MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: {reason}"
        ))
    }

    pub const NO_SUCH_LIBRARY: Self = Self::fixed("ERR Library not found");
    pub const NO_SUCH_FUNCTION: Self = Self::fixed("ERR Function not found");
    pub const FUNCTION_NUMKEYS: Self = Self::fixed("ERR Bad number of keys provided");
    pub const FUNCTION_FLUSH_MODE: Self = Self::fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    pub const LIBRARY_NAME_MISSING: Self = Self::fixed("ERR library name argument was not given");
    pub const RESTORE_POLICY: Self =
        Self::fixed("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");

    /// FUNCTION LOAD of what is there.
    pub fn library_exists(name: &str) -> Self {
        Self::text(format!("ERR Library '{name}' already exists"))
    }

    /// FUNCTION RESTORE of what is there.
    pub fn library_exists_already(name: &str) -> Self {
        Self::text(format!("ERR Library {name} already exists"))
    }

    /// Another library has it.
    pub fn function_exists(name: &str) -> Self {
        Self::text(format!("ERR Function {name} already exists"))
    }

    /// A word before the code that FUNCTION LOAD does not know.
    pub fn unknown_load_option(word: &[u8]) -> Self {
        Self::text(format!("ERR Unknown option given: {}", String::from_utf8_lossy(word)))
    }

    /// A word that FUNCTION LIST does not know.
    pub fn unknown_list_argument(word: &[u8]) -> Self {
        Self::text(format!("ERR Unknown argument {}", String::from_utf8_lossy(word)))
    }

    /// Code that is no Lua.
    pub fn script_compilation(message: &str) -> Self {
        Self::text(format!("ERR Error compiling script (new function): {message}"))
    }
}

/// Clients and what watches them.
#[expect(missing_docs, reason = "each text says what it means")]
impl CommandError {
    pub const INVALID_CLIENT_ID: Self = Self::fixed("ERR Invalid client ID");
    pub const CLIENT_ID_NOT_POSITIVE: Self = Self::fixed("ERR client-id should be greater than 0");
    pub const SSUBSCRIBE_DENIED: Self =
        Self::fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    pub const TRACKING_REDIRECTS_TWICE: Self =
        Self::fixed("ERR A client can only redirect to a single other client");
    pub const TRACKING_REDIRECTS_TO_NOBODY: Self =
        Self::fixed("ERR The client ID you want redirect to does not exist");
    pub const TRACKING_PREFIX_WITHOUT_BCAST: Self =
        Self::fixed("ERR PREFIX option requires BCAST mode to be enabled");
    pub const TRACKING_SWITCHES_BCAST: Self = Self::fixed(
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
    );
    pub const TRACKING_OPTS_WITH_BCAST: Self =
        Self::fixed("ERR OPTIN and OPTOUT are not compatible with BCAST");
    pub const TRACKING_OPTIN_AND_OPTOUT: Self =
        Self::fixed("ERR You can't specify both OPTIN mode and OPTOUT mode");
    pub const TRACKING_SWITCHES_OPTS: Self = Self::fixed(
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
    );
    pub const CACHING_WITHOUT_TRACKING: Self = Self::fixed(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    );
    pub const CACHING_YES: Self =
        Self::fixed("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    pub const CACHING_NO: Self =
        Self::fixed("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    pub const SLOWLOG_COUNT: Self = Self::fixed("ERR count should be greater than or equal to -1");

    pub const STATE_NOT_STORED: Self = Self::fixed("ERR Failed to save config file. Check server logs.");

    /// What a RESP2 client asks for that listens to channels.
    pub fn subscribed(command: &str) -> Self {
        Self::text(format!(
            "ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        ))
    }

    /// Two prefixes of one client that a key may both have.
    pub fn prefix_overlaps(prefix: &[u8], which: &str, other: &[u8]) -> Self {
        let text = String::from_utf8_lossy;
        Self::text(format!(
            "ERR Prefix '{}' overlaps with {which} '{}'. Prefixes for a single client must not overlap.",
            text(prefix),
            text(other)
        ))
    }

    /// A TYPE that no client has.
    pub fn unknown_client_type(name: &[u8]) -> Self {
        Self::text(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name)))
    }

    /// A request that its user may not run, as its client is told: without the names of keys and channels.
    pub(crate) fn denied(user: &[u8], command: &str, denied: Denied) -> Self {
        Self::text(match denied {
            Denied::Command => format!("NOPERM {}", Self::without_command(user, command)),
            Denied::Key(_) => "NOPERM No permissions to access a key".to_owned(),
            Denied::Channel(_) => "NOPERM No permissions to access a channel".to_owned(),
        })
    }

    /// The same to somebody who asks about it, and so with the key or channel.
    pub(crate) fn would_be_denied(user: &[u8], command: &str, denied: Denied, object: &[u8]) -> String {
        let kind = match denied {
            Denied::Command => return Self::without_command(user, command),
            Denied::Key(_) => "key",
            Denied::Channel(_) => "channel",
        };
        let (user, object) = (String::from_utf8_lossy(user), String::from_utf8_lossy(object));
        format!("User {user} has no permissions to access the '{object}' {kind}")
    }

    /// The same of what a script calls.
    pub(crate) fn denied_to_script(user: &[u8], command: &str, denied: Denied) -> Self {
        let reason = Self::denied(user, command, denied);
        let reason = reason.as_str().trim_start_matches("NOPERM ");
        Self::text(format!("ERR ACL failure in script: {reason}"))
    }

    /// The same of what was queued when it was allowed.
    pub(crate) fn denied_since(denied: Denied) -> Self {
        let reason = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        Self::text(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {reason}"
        ))
    }

    fn without_command(user: &[u8], command: &str) -> String {
        let user = String::from_utf8_lossy(user);
        format!("User {user} has no permissions to run the '{command}' command")
    }

    /// Whether it tells that a user may not do something.
    pub(crate) fn is_denial(&self) -> bool {
        self.code() == "NOPERM"
    }

    /// A USER that does not exist.
    pub fn no_such_user(name: &[u8]) -> Self {
        Self::text(format!("ERR No such user '{}'", String::from_utf8_lossy(name)))
    }
}
