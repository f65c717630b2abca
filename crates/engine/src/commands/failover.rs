//! FAILOVER by command: what is asked for, and what ends it.
//!
//! The machine that decides is [`slipstream_replication::failover`]; `failover.rs` of this crate does what it wants.

use slipstream_replication::failover::Order;
use slipstream_replication::link::Endpoint;
use slipstream_resp::Args;

use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("failover", -1, failover)
    .flags(flag::ADMIN | flag::NOSCRIPT | flag::STALE)
    .doc(Group::Server, "6.2.0", "Hands the role of the primary over to a replica.", "O(1)")
    .syntax("target:[TO host port:integer [FORCE]] [ABORT] [TIMEOUT milliseconds:integer]")];

fn failover(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() == 2 && call.is_word(1, "ABORT") {
        if !call.core.abort_failover(call.db.keyspace, "Failover manually aborted") {
            return Err(CommandError::fixed("ERR No failover in progress."));
        }
        call.reply.ok();
        return Ok(());
    }
    let order = failover_order(call.args)?;
    call.core
        .begin_failover(call.db.keyspace, order)
        .map_err(|refusal| CommandError::text(refusal.to_string()))?;
    call.reply.ok();
    Ok(())
}

fn failover_order(args: Args<'_>) -> Result<Order, CommandError> {
    let mut order = Order::default();
    let mut at = 1;
    while let Some(word) = args.get(at) {
        let operands = args.len() - at - 1;
        if is_word(word, "TIMEOUT") && operands >= 1 && order.timeout_ms.is_none() {
            let timeout = u64::try_from(integer(&args[at + 1])?).ok().filter(|ms| *ms > 0);
            order.timeout_ms =
                Some(timeout.ok_or(CommandError::fixed("ERR FAILOVER timeout must be greater than 0"))?);
            at += 2;
        } else if is_word(word, "TO") && operands >= 2 && order.target.is_none() {
            // A port beyond all ports is nobody's: 0 finds no replica.
            let port = u16::try_from(integer(&args[at + 2])?).unwrap_or(0);
            let host = String::from_utf8_lossy(&args[at + 1]).into_owned();
            order.target = Some(Endpoint { host, port });
            at += 3;
        } else if is_word(word, "FORCE") && !order.force {
            order.force = true;
            at += 1;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(order)
}
