//! Replication by command: REPLICAOF, ROLE, and what replicas say (REPLCONF,
//! PSYNC, SYNC).

use slipstream_log::Offset;
use slipstream_replication::Level;
use slipstream_replication::link::Endpoint;
use slipstream_replication::replicas::{ReplicaId, Request};

use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::replication::FollowOrder;
use crate::session::Role;

const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT;
const PEER: u32 = ADMIN | flag::NO_ASYNC_LOADING | flag::NO_MULTI;

/// The rows.
pub const COMMANDS: &[Command] =
    &[
        Command::new("replicaof", -3, replicaof)
            .flags(ADMIN | flag::STALE | flag::NO_ASYNC_LOADING)
            .doc(Group::Server, "5.0.0", "Follows a primary, or with NO ONE becomes one.", "O(1)")
            .syntax("args:((host port:integer [FORCE]) | (NO ONE))"),
        Command::new("slaveof", -3, replicaof)
            .flags(ADMIN | flag::STALE | flag::NO_ASYNC_LOADING)
            .doc(Group::Server, "1.0.0", "The old name of REPLICAOF.", "O(1)")
            .deprecated("5.0.0", "`REPLICAOF`")
            .syntax("args:((host port:integer [FORCE]) | (NO ONE))"),
        Command::new("role", 1, role)
            .flags(flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::SENTINEL)
            .categories(&["admin", "dangerous"])
            .doc(Group::Server, "2.8.12", "Tells the role in replication, and the peers.", "O(1)"),
        Command::new("replconf", -1, replconf)
            .flags(ADMIN | flag::LOADING | flag::STALE | flag::ALLOW_BUSY)
            .doc(Group::Server, "3.0.0", "What replicas tell their primary of themselves.", "O(1)"),
        Command::new("psync", -3, psync)
            .flags(PEER)
            .doc(Group::Server, "2.8.0", "Asks for the log from an offset on, or for a snapshot.", "")
            .syntax("replicationid offset:integer"),
        Command::new("sync", 1, sync).flags(PEER).doc(
            Group::Server,
            "1.0.0",
            "Asks for a snapshot and the log behind it.",
            "",
        ),
    ];

fn replicaof(call: &mut Call<'_>) -> Result<(), CommandError> {
    let force = match call.args.len() {
        3 => false,
        4 if call.is_word(3, "FORCE") => true,
        4 => return Err(CommandError::SYNTAX),
        _ => return Err(call.arity_error()),
    };
    if call.core.replication.failover.is_under_way() {
        return Err(CommandError::fixed("ERR REPLICAOF not allowed while failing over."));
    }
    if call.session.role.is_replica() {
        return Err(CommandError::fixed("ERR Command is not valid when client is a replica."));
    }
    let client = format!("{}", call.session.peer);
    if !force && call.is_word(1, "NO") && call.is_word(2, "ONE") {
        call.core.replication.ordered = None;
        call.core.config.replicaof = None;
        if call.core.is_replica() {
            call.core.promote(call.db.keyspace);
            let text = format!("MASTER MODE enabled (user request from '{client}')");
            call.core.notice(Level::Notice, &text);
        }
        let why = format!("user request from '{client}'");
        call.core.serve_unclaimed(call.db.keyspace, &why);
        call.core.end_return(&why);
        call.reply.ok();
        return Ok(());
    }
    let primary = endpoint(&call.args[1], &call.args[2])?;
    let link = &call.core.replication.link;
    // One that goes on to ask its target to take over, though nobody waits for that any more, is to follow it as it is.
    let anew = link.halted().is_some() || link.asks_to_take_over() || (force && !link.is_up());
    if link.primary() == Some(&primary) && !anew {
        call.core.end_detachment(call.db.keyspace);
        call.reply.simple("OK Already connected to specified master");
        return Ok(());
    }
    call.core.config.replicaof =
        Some(crate::config::Upstream { host: primary.host.clone(), port: primary.port });
    let order = FollowOrder { primary, force, client };
    if call.core.propagation.is_grouping() && !call.core.is_replica() {
        call.core.replication.ordered = Some(order);
    } else {
        call.core.obey(call.db.keyspace, order);
        call.session.last_write = Offset(0);
    }
    call.reply.ok();
    Ok(())
}

fn endpoint(host: &[u8], port: &[u8]) -> Result<Endpoint, CommandError> {
    let port = integer(port).ok().and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(CommandError::fixed("ERR Invalid master port"))?;
    Ok(Endpoint { host: String::from_utf8_lossy(host).into_owned(), port })
}

fn role(call: &mut Call<'_>) -> Result<(), CommandError> {
    let core = &*call.core;
    let reply = &mut *call.reply;
    if let Some(sentinel) = &core.sentinel {
        sentinel.role(reply);
        return Ok(());
    }
    let link = &core.replication.link;
    if let Some(primary) = link.primary() {
        let offset = link.offsets().map_or(-1, |(_, applied)| wire(applied.0));
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(primary.host.as_bytes());
        reply.integer(primary.port.into());
        reply.bulk(link.state().as_str().as_bytes());
        reply.integer(offset);
        return Ok(());
    }
    let replicas: Vec<_> = core.replication.replicas.iter().filter(|replica| replica.is_online()).collect();
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(wire(core.log.end().0));
    reply.array(replicas.len());
    for replica in replicas {
        reply.array(3);
        reply.bulk(replica.address().as_bytes());
        reply.bulk(replica.port().to_string().as_bytes());
        reply.bulk(replica.acked.0.to_string().as_bytes());
    }
    Ok(())
}

/// An offset as a reply's integer.
fn wire(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn replconf(call: &mut Call<'_>) -> Result<(), CommandError> {
    let replica = ReplicaId(call.session.id.0);
    let is_replica = call.core.replication.replicas.get(replica).is_some();
    if call.args.len() == 3 && call.is_word(1, "VERIFY") && is_replica {
        // No reply, as to an acknowledgement: whatever is said to a replica counts as stream.
        call.core.on_verify_message(call.db.keyspace, replica, &call.args[2]);
        return Ok(());
    }
    if let Some(answer) = call.core.replconf(call.session.id, call.args.from(1))? {
        // A node of this project is told more than OK. What it asks for of single keys is to be as in the log.
        call.session.sees_due |= answer != "OK";
        call.reply.simple(&answer);
    }
    Ok(())
}

fn psync(call: &mut Call<'_>) -> Result<(), CommandError> {
    let next_byte = call.integer(2).inspect_err(|_| {
        let text = format!("Replica {} asks for synchronization but with a wrong offset", call.session.peer);
        call.core.notice(Level::Warning, &text);
    })?;
    let id = call.args[1].to_vec();
    attach(call, Request::Psync { id: &id, next_byte })
}

fn sync(call: &mut Call<'_>) -> Result<(), CommandError> {
    attach(call, Request::Sync)
}

fn attach(call: &mut Call<'_>, request: Request<'_>) -> Result<(), CommandError> {
    if !matches!(call.session.role, Role::Client | Role::ReturningReplica) {
        return Ok(());
    }
    if !call.reply.is_empty() {
        return Err(CommandError::fixed(
            "ERR SYNC and PSYNC are invalid with pending output; wait for all replies first",
        ));
    }
    if call.args.get(3).is_some_and(|word| is_word(word, "FAILOVER")) {
        take_over(call)?;
    }
    if call.core.replication.failover.is_under_way() {
        return Err(CommandError::fixed("NOMASTERLINK Can't SYNC while failing over"));
    }
    call.core.attach_replica(call.session, request)
}

/// The primary hands over to this node, which has all of its data.
fn take_over(call: &mut Call<'_>) -> Result<(), CommandError> {
    let core = &mut *call.core;
    let id = &call.args[1];
    let text = format!("Failover request received for replid {}.", id.escape_ascii());
    core.notice(Level::Notice, &text);
    if !core.is_replica() {
        return Err(CommandError::fixed("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if !id.eq_ignore_ascii_case(core.log.history().id.as_bytes()) {
        return Err(CommandError::fixed("ERR PSYNC FAILOVER replid must match my replid."));
    }
    let theirs = integer(&call.args[2]).ok().and_then(Offset::from_next_byte);
    if call.args.get(4).is_some_and(|word| is_word(word, "COMPLETE")) && theirs > Some(core.log.end()) {
        // It was chosen since it had everything, and has lost some with its last life.
        return Err(CommandError::fixed("ERR PSYNC FAILOVER asks for more than this replica has."));
    }
    core.promote(call.db.keyspace);
    core.config.replicaof = None;
    let text = format!("MASTER MODE enabled (failover request from '{}')", call.session.peer);
    core.notice(Level::Notice, &text);
    Ok(())
}
