//! A run of a script or a function, from its command's checks to what it leaves behind.
//!
//! While it runs, the script speaks as a session of its own, time stands still, and the effects of all that it
//! calls are one group in the log, unless EXEC has one open. A script that fails keeps what it did.

use slipstream_replication::Moment;
use slipstream_scripting::{Flags, Outcome, Program, Purpose, Run};

use crate::call::Call;
use crate::errors::CommandError;
use crate::gates::DiskRefusal;
use crate::node::Core;
use crate::scripting::calling::Runner;
use crate::session::{Endpoint, Flow, Role, Session, SessionId};

/// What is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) program: &'a Program,
    /// What errors call it: a script's digest, a function's name.
    pub(crate) name: &'a str,
    /// What it declares; `None` for a script without a shebang.
    pub(crate) flags: Option<Flags>,
    /// Whether its command is one of those that only read.
    pub(crate) only_reads: bool,
    /// How many of its arguments are keys.
    pub(crate) keys: usize,
}

impl Order<'_> {
    /// Whether it declares `flag`.
    pub(super) fn declares(&self, flag: Flags) -> bool {
        self.flags.is_some_and(|flags| flags.contains(flag))
    }

    /// Whether it may not write.
    pub(super) fn is_read_only(&self) -> bool {
        self.only_reads || self.declares(Flags::NO_WRITES)
    }
}

/// Runs it and writes what it returned, or the error that ended it.
///
/// # Errors
/// The state of this node, or its command, does not let it run.
pub(crate) fn run(call: &mut Call<'_>, order: &Order<'_>) -> Result<(), CommandError> {
    match order.flags {
        Some(flags) => check(call, flags, order.only_reads)?,
        None if call.core.refuses_stale_reads() => return Err(CommandError::MASTERDOWN),
        None => {}
    }
    let mut interpreter = call.core.scripting.take(order.purpose, &mut call.core.rng);
    let mut session = call.core.begin_script(call.session);
    let is_inner = call.core.propagation.is_grouping();
    if !is_inner {
        call.core.propagation.begin_group();
    }
    let outer_time = call.core.freeze_time();
    let start = call.reply.len();
    let run =
        Run { program: order.program, name: order.name, arguments: call.args.from(3), keys: order.keys };
    let began = call.core.clock.micros;
    let mut runner = Runner {
        keyspace: call.db.keyspace,
        core: call.core,
        session: &mut session,
        order,
        request: call.args,
        began,
        has_written: false,
    };
    let outcome = interpreter.run(&run, &mut runner, call.reply);
    call.core.end_busy();
    call.core.frozen_time = outer_time;
    call.core.propagation.mute(false);
    if !is_inner {
        let core = &mut *call.core;
        core.propagation.end_group(&mut core.log);
    }
    call.core.scripting.put_back(order.purpose, interpreter);
    call.core.end_script(call.session, session);
    count_errors(call, &outcome, start);
    call.propagate_nothing();
    Ok(())
}

/// Whether a script that declares what it does may do that now. Its command's gates have looked at most of this,
/// but not where EXEC runs what was queued before.
fn check(call: &Call<'_>, declared: Flags, only_reads: bool) -> Result<(), CommandError> {
    let core = &*call.core;
    let obeys = call.session.role == Role::Primary;
    if core.refuses_stale_reads() && !declared.contains(Flags::ALLOW_STALE) {
        return Err(CommandError::SCRIPT_CUT_OFF);
    }
    if declared.contains(Flags::NO_WRITES) {
        return Ok(());
    }
    if !obeys {
        if core.is_replica() && core.config.replica_read_only {
            return Err(CommandError::SCRIPT_READONLY);
        }
        match core.disk_refusal() {
            Some(DiskRefusal::Snapshot) => return Err(CommandError::SCRIPT_MISCONF_RDB),
            Some(DiskRefusal::File(reason)) => return Err(CommandError::script_misconf_aof(reason)),
            None => {}
        }
    }
    if only_reads {
        return Err(CommandError::SCRIPT_WRITES);
    }
    if core.lacks_replicas() {
        return Err(CommandError::NOREPLICAS);
    }
    if let Some(refusal) = core.fence_refusal() {
        return Err(refusal);
    }
    if core.is_out_of_memory() && !obeys && !declared.contains(Flags::ALLOW_OOM) {
        return Err(CommandError::SCRIPT_OOM);
    }
    Ok(())
}

/// Errors that the script made itself are counted here; those of the commands that it called are already.
fn count_errors(call: &mut Call<'_>, outcome: &Outcome, start: usize) {
    let errors = outcome.errors.iter();
    errors.for_each(|error| call.core.stats.count_error(error.split(' ').next().unwrap_or_default()));
    let is_error = call.reply.as_bytes().get(start) == Some(&b'-');
    if is_error || !outcome.errors.is_empty() {
        call.core.command_stats[call.entry.index].failed += 1;
    }
}

impl Core {
    /// The session that a script of `caller` speaks as.
    fn begin_script(&mut self, caller: &Session) -> Box<Session> {
        let mut session = self.scripting.session.take().unwrap_or_else(|| {
            let (peer, local) = (Endpoint::Internal, Endpoint::Internal);
            let mut session = Box::new(Session::new(SessionId::default(), peer, local, Moment::default()));
            session.authenticated = true;
            session.is_script = true;
            session
        });
        session.id = caller.id;
        session.user = caller.user;
        session.last_command = caller.last_command;
        session.role = if caller.role == Role::Primary { Role::Primary } else { Role::Client };
        session.db = caller.db;
        session.flow = Flow::Ready;
        session.watch_broken = caller.watch_broken;
        session.no_touch = caller.no_touch;
        session.sees_due = caller.sees_due;
        session.max_lag_ms = caller.max_lag_ms;
        if session.peer != caller.peer {
            session.peer.clone_from(&caller.peer);
        }
        if session.name != caller.name {
            session.name.clone_from(&caller.name);
        }
        session
    }

    fn end_script(&mut self, caller: &mut Session, session: Box<Session>) {
        caller.watch_broken = session.watch_broken;
        self.scripting.session = Some(session);
    }
}
