//! Scripts and functions: EVAL and FCALL and their kin, SCRIPT, FUNCTION.
//!
//! The rows of the family; how a script runs is in [`crate::scripting`].

mod eval;
mod fcall;
mod function;
mod script;

use crate::command::{Command, Group, KeySpec, flag};

const RUNS: u32 =
    flag::RUNS_SCRIPT | flag::NOSCRIPT | flag::SKIP_MONITOR | flag::NO_MANDATORY_KEYS | flag::STALE;
const MAY_WRITE: u32 = RUNS | flag::MAY_REPLICATE;
const ONLY_READS: u32 = RUNS | flag::READONLY;

const ANY_USE: KeySpec = KeySpec::counted(2, &["RW", "access", "update"]);
const READ: KeySpec = KeySpec::counted(2, &["RO", "access"]);
const ANY_USE_ASSUMED: KeySpec =
    ANY_USE.notes("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE");
const READ_ASSUMED: KeySpec =
    READ.notes("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("eval", -3, eval::eval)
        .flags(MAY_WRITE)
        .keys(&[ANY_USE_ASSUMED])
        .doc(Group::Scripting, "2.6.0", "Runs a Lua script.", "Depends on the script that is executed.")
        .syntax("script numkeys:integer [key...] [arg...]"),
    Command::new("eval_ro", -3, eval::eval_ro)
        .flags(ONLY_READS)
        .keys(&[READ_ASSUMED])
        .doc(
            Group::Scripting,
            "7.0.0",
            "Runs a Lua script that only reads.",
            "Depends on the script that is executed.",
        )
        .syntax("script numkeys:integer [key...] [arg...]"),
    Command::new("evalsha", -3, eval::evalsha)
        .flags(MAY_WRITE)
        .keys(&[ANY_USE])
        .doc(
            Group::Scripting,
            "2.6.0",
            "Runs a Lua script that is known by its SHA-1 digest.",
            "Depends on the script that is executed.",
        )
        .syntax("sha1 numkeys:integer [key...] [arg...]"),
    Command::new("evalsha_ro", -3, eval::evalsha_ro)
        .flags(ONLY_READS)
        .keys(&[READ])
        .doc(
            Group::Scripting,
            "7.0.0",
            "Runs a Lua script that is known by its SHA-1 digest and only reads.",
            "Depends on the script that is executed.",
        )
        .syntax("sha1 numkeys:integer [key...] [arg...]"),
    Command::new("fcall", -3, fcall::fcall)
        .flags(MAY_WRITE)
        .keys(&[ANY_USE_ASSUMED])
        .doc(Group::Scripting, "7.0.0", "Runs a function.", "Depends on the function that is executed.")
        .syntax("function numkeys:integer [key...] [arg...]"),
    Command::new("fcall_ro", -3, fcall::fcall_ro)
        .flags(ONLY_READS)
        .keys(&[READ_ASSUMED])
        .doc(
            Group::Scripting,
            "7.0.0",
            "Runs a function that only reads.",
            "Depends on the function that is executed.",
        )
        .syntax("function numkeys:integer [key...] [arg...]"),
    Command::container("function", -2, FUNCTION).doc(
        Group::Scripting,
        "7.0.0",
        "The libraries of functions.",
        "Depends on subcommand.",
    ),
    Command::container("script", -2, SCRIPT).doc(
        Group::Scripting,
        "2.6.0",
        "The scripts that are known.",
        "Depends on subcommand.",
    ),
];

const SCRIPT: &[Command] = &[
    Command::new("script|debug", 3, script::debug)
        .flags(flag::NOSCRIPT)
        .doc(Group::Scripting, "3.2.0", "Sets whether scripts run in a debugger.", "O(1)")
        .syntax("mode:(YES | SYNC | NO)")
        .differs("There is no debugger: only NO is accepted."),
    Command::new("script|exists", -3, script::exists)
        .flags(flag::NOSCRIPT)
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .doc(
            Group::Scripting,
            "2.6.0",
            "Tells which scripts are known.",
            "O(N), N being the number of scripts",
        )
        .syntax("sha1..."),
    Command::new("script|flush", -2, script::flush)
        .flags(flag::NOSCRIPT)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[("6.2.0", "ASYNC and SYNC.")])
        .doc(Group::Scripting, "2.6.0", "Forgets all scripts.", "O(N), N being the number of scripts")
        .syntax("flush-type:[ASYNC | SYNC]!6.2.0"),
    Command::new("script|help", 2, script::help).flags(flag::LOADING | flag::STALE).doc(
        Group::Scripting,
        "5.0.0",
        "Tells what the subcommands do.",
        "O(1)",
    ),
    Command::new("script|kill", 2, script::kill)
        .flags(flag::NOSCRIPT | flag::ALLOW_BUSY)
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .doc(Group::Scripting, "2.6.0", "Ends the script that runs, if it has written nothing.", "O(1)"),
    Command::new("script|load", 3, script::load)
        .flags(flag::NOSCRIPT | flag::STALE)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            Group::Scripting,
            "2.6.0",
            "Takes in a script without running it.",
            "O(N), N being the length of the script",
        )
        .syntax("script"),
];

const ON_ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

const FUNCTION: &[Command] = &[
    Command::new("function|delete", 3, function::delete)
        .flags(flag::NOSCRIPT | flag::WRITE)
        .tips(ON_ALL_SHARDS)
        .doc(Group::Scripting, "7.0.0", "Deletes a library and its functions.", "O(1)")
        .syntax("library-name"),
    Command::new("function|dump", 2, function::dump).flags(flag::NOSCRIPT).doc(
        Group::Scripting,
        "7.0.0",
        "Returns all libraries as one payload.",
        "O(N), N being the number of functions",
    ),
    Command::new("function|flush", -2, function::flush)
        .flags(flag::NOSCRIPT | flag::WRITE)
        .tips(ON_ALL_SHARDS)
        .doc(Group::Scripting, "7.0.0", "Deletes all libraries.", "O(N), N being the number of functions")
        .syntax("flush-type:[ASYNC|SYNC]"),
    Command::new("function|help", 2, function::help).flags(flag::LOADING | flag::STALE).doc(
        Group::Scripting,
        "7.0.0",
        "Tells what the subcommands do.",
        "O(1)",
    ),
    Command::new("function|kill", 2, function::kill)
        .flags(flag::NOSCRIPT | flag::ALLOW_BUSY)
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .doc(Group::Scripting, "7.0.0", "Ends the function that runs, if it has written nothing.", "O(1)"),
    Command::new("function|list", -2, function::list)
        .flags(flag::NOSCRIPT)
        .tips(&["nondeterministic_output_order"])
        .doc(Group::Scripting, "7.0.0", "Describes the libraries.", "O(N), N being the number of functions")
        .syntax("[LIBRARYNAME library-name-pattern] [WITHCODE]"),
    Command::new("function|load", -3, function::load)
        .flags(flag::NOSCRIPT | flag::WRITE | flag::DENYOOM)
        .tips(ON_ALL_SHARDS)
        .doc(Group::Scripting, "7.0.0", "Takes in a library.", "O(1), compiling it aside")
        .syntax("[REPLACE] function-code"),
    Command::new("function|restore", -3, function::restore)
        .flags(flag::NOSCRIPT | flag::WRITE | flag::DENYOOM)
        .tips(ON_ALL_SHARDS)
        .doc(
            Group::Scripting,
            "7.0.0",
            "Takes in the libraries of a payload.",
            "O(N), N being the number of functions in the payload",
        )
        .syntax("serialized-value policy:[FLUSH|APPEND|REPLACE]"),
    Command::new("function|stats", 2, function::stats)
        .flags(flag::NOSCRIPT | flag::ALLOW_BUSY)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc(Group::Scripting, "7.0.0", "Tells which function runs, and how many there are.", "O(1)"),
];
