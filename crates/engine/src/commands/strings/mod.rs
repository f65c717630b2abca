//! Strings: the rows of the family, and its plain reads.
//!
//! Writes lie beside this file by what they do: [`set`] stores whole values and reads with an effect,
//! [`number`] counts, [`range`] works on parts, [`lcs`] compares two values.
//! GET, SET, INCR, MGET and MSET are the hot path: each finds its key once, and a value goes from the
//! keyspace into the reply without a copy between.

mod lcs;
mod number;
mod range;
mod set;

use slipstream_keyspace::Value;

use crate::call::Call;
use crate::command::{
    Command, Group, INSERT_KEY, INSPECT_KEY, KeySpec, OVERWRITE_KEY, READ_KEY, TAKE_KEY, UPDATE_KEY, flag,
};
use crate::errors::CommandError;

const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const FAST_WRITE: u32 = WRITE | flag::FAST;
const FAST_READ: u32 = flag::READONLY | flag::FAST;
const STRING: &[&str] = &["string"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("append", 3, range::append)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(INSERT_KEY)
        .doc(Group::String, "2.0.0", "Adds bytes at the end of a string, which it creates if missing.", "O(1) amortised")
        .syntax("key value"),
    Command::new("decr", 2, number::decr)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "1.0.0", "Takes one from an integer; a missing key counts as 0.", "O(1)")
        .syntax("key"),
    Command::new("decrby", 3, number::decrby)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "1.0.0", "Takes a number from an integer; a missing key counts as 0.", "O(1)")
        .syntax("key decrement:integer"),
    Command::new("get", 2, get)
        .flags(FAST_READ)
        .categories(STRING)
        .keys(READ_KEY)
        .doc(Group::String, "1.0.0", "Answers a key's string.", "O(1)")
        .syntax("key"),
    Command::new("getdel", 2, set::getdel)
        .flags(flag::WRITE | flag::FAST)
        .categories(STRING)
        .keys(TAKE_KEY)
        .doc(Group::String, "6.2.0", "Answers a key's string and deletes the key.", "O(1)")
        .syntax("key"),
    Command::new("getex", -2, set::getex)
        .flags(flag::WRITE | flag::FAST)
        .categories(STRING)
        .keys(&[KeySpec::at(1, &["RW", "access", "update"]).notes("Written to since its time to live may change")])
        .doc(Group::String, "6.2.0", "Answers a key's string and sets or removes its time to live.", "O(1)")
        .syntax("key expiration:[EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST]"),
    Command::new("getrange", 4, range::getrange)
        .flags(flag::READONLY)
        .categories(STRING)
        .keys(READ_KEY)
        .doc(Group::String, "2.4.0", "Answers a part of a string.", "O(N), N being the length of the part")
        .syntax("key start:integer end:integer"),
    Command::new("getset", 3, set::getset)
        .deprecated("6.2.0", "`SET` with `GET`")
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "1.0.0", "Stores a string and answers the one it replaced.", "O(1)")
        .syntax("key value"),
    Command::new("incr", 2, number::incr)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "1.0.0", "Adds one to an integer; a missing key counts as 0.", "O(1)")
        .syntax("key"),
    Command::new("incrby", 3, number::incrby)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "1.0.0", "Adds a number to an integer; a missing key counts as 0.", "O(1)")
        .syntax("key increment:integer"),
    Command::new("incrbyfloat", 3, number::incrbyfloat)
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(UPDATE_KEY)
        .doc(Group::String, "2.6.0", "Adds a fraction to a number; a missing key counts as 0.", "O(1)")
        .syntax("key increment:double"),
    Command::new("lcs", -3, lcs::lcs)
        .flags(flag::READONLY)
        .categories(STRING)
        .keys(&[KeySpec::range(1, 1, &["RO", "access"])])
        .doc(Group::String, "7.0.0", "Finds the longest sequence of bytes that two strings share.", "O(N*M), N and M being their lengths")
        .syntax("key1:key key2:key@0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]"),
    Command::new("mget", -2, mget)
        .flags(FAST_READ)
        .categories(STRING)
        .keys(&[KeySpec::range(1, -1, &["RO", "access"])])
        .tips(&["request_policy:multi_shard"])
        .doc(Group::String, "1.0.0", "Answers the strings of several keys.", "O(N), N being the number of keys")
        .syntax("key..."),
    Command::new("mset", -3, set::mset)
        .flags(WRITE)
        .categories(STRING)
        .keys(&[KeySpec::stepped(1, 2, &["OW", "update"])])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .doc(Group::String, "1.0.1", "Stores strings at several keys, all at once.", "O(N), N being the number of keys")
        .syntax("data:(key value)..."),
    Command::new("msetnx", -3, set::msetnx)
        .flags(WRITE)
        .categories(STRING)
        .keys(&[KeySpec::stepped(1, 2, &["OW", "insert"])])
        .doc(Group::String, "1.0.1", "Stores strings at several keys unless one of them exists.", "O(N), N being the number of keys")
        .syntax("data:(key value)..."),
    Command::new("psetex", 4, set::psetex)
        .deprecated("2.6.12", "`SET` with `PX`")
        .flags(WRITE)
        .categories(STRING)
        .keys(OVERWRITE_KEY)
        .doc(Group::String, "2.6.0", "Stores a string with a time to live in milliseconds.", "O(1)")
        .syntax("key milliseconds:integer value"),
    Command::new("set", -3, set::set)
        .flags(WRITE)
        .categories(STRING)
        .keys(&[KeySpec::at(1, &["RW", "access", "update", "variable_flags"]).notes("Read only with the option GET")])
        .history(&[
            ("2.6.12", "EX, PX, NX and XX."),
            ("6.0.0", "KEEPTTL."),
            ("6.2.0", "GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET can be combined."),
        ])
        .doc(Group::String, "1.0.0", "Stores a string, whatever the key held before.", "O(1)")
        .syntax("key value condition:[NX | XX]!2.6.12 [GET]!6.2.0 expiration:[(EX seconds:integer)!2.6.12 | (PX milliseconds:integer)!2.6.12 | (EXAT unix-time-seconds:unix-time)!6.2.0 | (PXAT unix-time-milliseconds:unix-time)!6.2.0 | (KEEPTTL)!6.0.0]"),
    Command::new("setex", 4, set::setex)
        .deprecated("2.6.12", "`SET` with `EX`")
        .flags(WRITE)
        .categories(STRING)
        .keys(OVERWRITE_KEY)
        .doc(Group::String, "2.0.0", "Stores a string with a time to live in seconds.", "O(1)")
        .syntax("key seconds:integer value"),
    Command::new("setnx", 3, set::setnx)
        .deprecated("2.6.12", "`SET` with `NX`")
        .flags(FAST_WRITE)
        .categories(STRING)
        .keys(&[KeySpec::at(1, &["OW", "insert"])])
        .doc(Group::String, "1.0.0", "Stores a string unless the key exists.", "O(1)")
        .syntax("key value"),
    Command::new("setrange", 4, range::setrange)
        .flags(WRITE)
        .categories(STRING)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(Group::String, "2.2.0", "Overwrites a part of a string, which it creates if missing.", "O(N), N being the length of the part")
        .syntax("key offset:integer value"),
    Command::new("strlen", 2, range::strlen)
        .flags(FAST_READ)
        .categories(STRING)
        .keys(INSPECT_KEY)
        .doc(Group::String, "2.2.0", "Answers the length of a string in bytes.", "O(1)")
        .syntax("key"),
    Command::new("substr", 4, range::getrange)
        .deprecated("2.0.0", "`GETRANGE`")
        .flags(flag::READONLY)
        .categories(STRING)
        .keys(READ_KEY)
        .doc(Group::String, "1.0.0", "Answers a part of a string.", "O(N), N being the length of the part")
        .syntax("key start:integer end:integer"),
];

fn get(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    reply_value(call, &args[1]).map(|_| ())
}

/// Answers the string at `key`, or null; whether there is one.
fn reply_value(call: &mut Call<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let value = call.db.get(key);
    let found = value.is_some();
    match value {
        None => call.reply.null(),
        Some(Value::String(value)) => call.reply.bulk(value.bytes(&mut itoa::Buffer::new())),
        Some(_) => {
            call.count_lookup(key, true);
            return Err(CommandError::WRONG_TYPE);
        }
    }
    call.count_lookup(key, found);
    Ok(found)
}

fn mget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let keys = call.args.from(1);
    call.reply.array(keys.len());
    for key in keys.iter() {
        let value = call.db.get(key);
        let found = value.is_some();
        match value {
            Some(Value::String(value)) => call.reply.bulk(value.bytes(&mut itoa::Buffer::new())),
            Some(_) | None => call.reply.null(),
        }
        call.count_lookup(key, found);
    }
    Ok(())
}
