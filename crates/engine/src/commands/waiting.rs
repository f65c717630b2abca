//! Commands that wait for replication: WAIT, WAITAOF and WAITOFFSET.
//!
//! What they wait for is the machine's ([`Replicas::on_wait`]); here the arguments are read, and answered is
//! whoever need not or must not wait. Inside MULTI nobody waits: what is so by then is the answer.
//!
//! [`Replicas::on_wait`]: slipstream_replication::Replicas::on_wait

use slipstream_replication::Moment;
use slipstream_replication::replicas::{self, WaiterId};

use crate::aof::FileWait;
use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;
use crate::replication::Token;
use crate::session::Wait;

const TIPS: &[&str] = &["request_policy:all_shards", "response_policy:agg_min"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("wait", 3, wait)
        .categories(&["connection"])
        .tips(TIPS)
        .doc(Group::Generic, "3.0.0", "Waits until enough replicas have what this connection wrote.", "O(1)")
        .syntax("numreplicas:integer timeout:integer"),
    Command::new("waitaof", 4, waitaof)
        .flags(flag::NOSCRIPT)
        .categories(&["connection"])
        .tips(TIPS)
        .doc(
            Group::Generic,
            "7.2.0",
            "Waits until what this connection wrote is on the disks of this node and of enough replicas.",
            "O(1)",
        )
        .syntax("numlocal:integer numreplicas:integer timeout:integer"),
    Command::new("waitoffset", 3, waitoffset)
        .flags(flag::NOSCRIPT | flag::STALE)
        .categories(&["connection"])
        .doc(
            Group::Generic,
            "7.2.4",
            "Waits until this node has what was written up to a token of CLIENT OFFSET.",
            "O(log N), N being the number of clients that wait so",
        )
        .syntax("token timeout:integer"),
];

fn wait(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.is_replica() {
        return Err(CommandError::WAIT_ON_REPLICA);
    }
    let wanted = usize::try_from(call.integer(1)?).unwrap_or(0);
    let until = call.until_millis(2)?;
    wait_for(call, Wait::Replicas, wanted, until);
    Ok(())
}

fn waitaof(call: &mut Call<'_>) -> Result<(), CommandError> {
    let local = match call.integer(1)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::NOT_A_BIT),
    };
    let wanted = call.integer(2).ok().and_then(|number| usize::try_from(number).ok());
    let wanted = wanted.ok_or(CommandError::NOT_POSITIVE)?;
    let until = call.until_millis(3)?;
    if call.core.is_replica() {
        return Err(CommandError::WAITAOF_ON_REPLICA);
    }
    if local && !call.core.config.appendonly {
        return Err(CommandError::WAITAOF_WITHOUT_FILE);
    }
    let offset = call.session.last_write;
    let waits_for_disk = local && !call.core.is_on_disk(offset);
    if waits_for_disk && call.may_wait() {
        call.core.await_disk(call.session.id, FileWait { offset, replicas: wanted });
        call.wait(Wait::Files, until);
        if call.core.replication.replicas.reported(Wait::Files.measure(), offset) >= wanted {
            return Ok(());
        }
    }
    wait_for(call, Wait::Files, wanted, until);
    Ok(())
}

fn waitoffset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let token = Token::parse(&call.args[1]).ok_or(CommandError::INVALID_TOKEN)?;
    let until = call.until_millis(2)?;
    let answer = call.core.look_for(token).transpose()?;
    if answer.is_some() || !call.may_wait() {
        call.reply.integer(answer.unwrap_or(0));
        return Ok(());
    }
    call.core.await_token(call.session.id, token);
    call.wait(Wait::Offset, until);
    Ok(())
}

/// Answers at once if enough replicas have reported, or waiting is out of the question.
fn wait_for(call: &mut Call<'_>, what: Wait, wanted: usize, until: Option<Moment>) {
    let (offset, measure) = (call.session.last_write, what.measure());
    let reported = call.core.replication.replicas.reported(measure, offset);
    if reported >= wanted || !call.may_wait() {
        let is_durable = call.core.is_on_disk(offset);
        return what.answer(call.reply, is_durable, reported);
    }
    let wait = replicas::Wait { offset, replicas: wanted, measure, until: None };
    // Nothing is over yet, so nothing is to be done.
    call.core.replication.replicas.on_wait(WaiterId::Command(call.session.id.0), wait, &mut Vec::new());
    call.wait(what, until);
}
