//! `slipstream sentinel`: a server that is told to be a sentinel, and what it says of itself.
//!
//! Its command line is a server's.

use std::ffi::OsString;

use crate::sentinel_check;

/// Names under which the binary is a sentinel, whatever its first argument.
pub(super) const NAMES: &[&str] = &["redis-sentinel", "valkey-sentinel", "slipstream-sentinel"];

const USAGE: &str = "\
Usage: slipstream sentinel config-file [--directive value ...]
       slipstream sentinel --check config-file
       slipstream sentinel -v | --version
       slipstream sentinel -h | --help

Watches primaries and their replicas, agrees with other sentinels when one is
down, and promotes a replica. The file is one of redis-sentinel; it names the
primaries:

       sentinel monitor mymaster 192.0.2.1 6379 2

What a sentinel must not forget is written into the same file, by replacing it,
unless another is named for that:

       sentinel state-file /var/lib/slipstream/sentinel.state

Options are lines behind those of the file:

       slipstream sentinel sentinel.conf --sentinel down-after-milliseconds mymaster 1000

`slipstream server config-file --sentinel` does the same. With --check it only reads
the file as it would, looks for all that it names, and says what is wrong.
";

/// Runs a sentinel; the process's exit status.
pub(super) fn run(program: &str, arguments: &[OsString]) -> i32 {
    if arguments.first().is_some_and(|word| word == "-h" || word == "--help") {
        return super::say(USAGE.trim_end());
    }
    if let [word, rest @ ..] = arguments
        && word == "--check"
    {
        return sentinel_check::run(rest);
    }
    slipstream_server::run_sentinel(program, arguments)
}
