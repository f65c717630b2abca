//! REPLICA: a primary's questions to its replicas, and what sentinels say to both.
//!
//! VERIFY begins a verification and waits for what it finds; the work is done in
//! `replication/verifying.rs`. LEASE is counted in `fencing.rs`; DETACH is the link's.

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::replication::verifying::write_report;
use crate::session::Wait;

use slipstream_replication::fencing::{Lease, SentinelId};
use slipstream_replication::link::KeptByAnother;

const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT;
/// The version of Redis beyond which this goes: it has no such command.
const SINCE: &str = "7.2.4";

/// A replica is kept away from its primary for so many milliseconds at most.
const LONGEST_DETACHMENT: u64 = 600_000;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("replica", -2, REPLICA).doc(
    Group::Server,
    SINCE,
    "What goes beyond Redis between a node, its replicas and its sentinels.",
    "Depends on the subcommand",
)];

const REPLICA: &[Command] = &[
    Command::new("replica|verify", -2, verify)
        .flags(ADMIN | flag::NO_ASYNC_LOADING)
        .doc(
            Group::Server,
            SINCE,
            "Compares the data of the replicas with this node's at one offset, and names what differs.",
            "O(N) on other threads, N being the number of elements of all keys",
        )
        .syntax("[replica]"),
    Command::new("replica|lease", -7, lease)
        .flags(ADMIN | flag::LOADING | flag::STALE | flag::FAST)
        .doc(
            Group::Server,
            SINCE,
            "How a sentinel proves that it watches this node (`sentinel-fencing`). The reply is the token to come with \
             next time.",
            "O(N log N), N being the number of sentinels",
        )
        .syntax(
            "sentinel-id quorum:integer sentinels:integer down-after:integer token:integer [role:(PRIMARY | REPLICA)]",
        ),
    Command::new("replica|detach", 4, detach)
        .flags(ADMIN | flag::NO_ASYNC_LOADING | flag::STALE | flag::FAST)
        .doc(
            Group::Server,
            SINCE,
            "Keeps a replica away from its primary for so many milliseconds, or with 0 no longer: whoever chooses a new \
             primary asks it where it stands meanwhile.",
            "O(1)",
        )
        .syntax("milliseconds:integer epoch:integer"),
    Command::new("replica|help", 2, replica_help).flags(flag::LOADING | flag::STALE).doc(
        Group::Server,
        SINCE,
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn verify(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() > 3 {
        return Err(call.arity_error());
    }
    if call.session.in_transaction() || call.in_exec() {
        return Err(CommandError::NOT_IN_MULTI);
    }
    let whom = call.args.get(2).map(|name| String::from_utf8_lossy(name).into_owned());
    match call.core.verify_replicas(call.db.keyspace, whom.as_deref())? {
        Some(report) => write_report(call.reply, &report),
        None => call.wait(Wait::Verification, None),
    }
    Ok(())
}

fn lease(call: &mut Call<'_>) -> Result<(), CommandError> {
    let holds_for_primary = match call.args.len() {
        7 => true,
        8 if call.is_word(7, "PRIMARY") => true,
        8 if call.is_word(7, "REPLICA") => false,
        8 => return Err(CommandError::SYNTAX),
        _ => return Err(call.arity_error()),
    };
    let sentinel = SentinelId::parse(&call.args[2]);
    let lease = Lease {
        sentinel: sentinel.ok_or(CommandError::fixed("ERR a sentinel's id is 40 hexadecimal digits"))?,
        quorum: positive(call, 3)?,
        sentinels: positive(call, 4)?,
        down_after_ms: positive(call, 5)?,
        token: u64::try_from(call.integer(6)?).map_err(|_| CommandError::OUT_OF_RANGE)?,
    };
    let token = call.core.on_lease(call.session, lease, holds_for_primary)?;
    call.reply.integer(i64::try_from(token).unwrap_or(i64::MAX));
    Ok(())
}

fn detach(call: &mut Call<'_>) -> Result<(), CommandError> {
    let ms = u64::try_from(call.integer(2)?).ok().filter(|ms| *ms <= LONGEST_DETACHMENT);
    let ms = ms.ok_or(CommandError::fixed("ERR a replica is kept away for 0 to 600000 milliseconds"))?;
    let epoch = u64::try_from(call.integer(3)?).map_err(|_| CommandError::OUT_OF_RANGE)?;
    if !call.core.is_replica() {
        return Err(CommandError::fixed("ERR this node follows no primary"));
    }
    let result = call.core.detach(call.db.keyspace, (ms, epoch));
    result.map_err(|KeptByAnother| CommandError::fixed("ERR a later epoch keeps this replica away"))?;
    call.reply.ok();
    Ok(())
}

/// An argument that is an integer of at least 1.
fn positive<T: TryFrom<i64>>(call: &Call<'_>, index: usize) -> Result<T, CommandError> {
    let number = Some(call.integer(index)?).filter(|number| *number > 0);
    number.and_then(|number| T::try_from(number).ok()).ok_or(CommandError::NOT_POSITIVE)
}

fn replica_help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "VERIFY [<host>:<port>]",
        "    Compare the data of all replicas, or of one, with this node's at one offset.",
        "LEASE <sentinel-id> <quorum> <sentinels> <down-after> <token> [PRIMARY|REPLICA]",
        "    A sentinel proves that it watches this node.",
        "DETACH <milliseconds> <epoch>",
        "    Keep this replica away from its primary for a while; with 0 no longer.",
    ]);
    Ok(())
}
