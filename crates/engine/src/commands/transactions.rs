//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! The queue and the watched keys are the session's and the node's; here are only the commands
//! that open, run and drop them.

use slipstream_keyspace::UnixMillis;

use crate::acl::Context;
use crate::call::Call;
use crate::command::{Command, Group, KeySpec, flag};
use crate::dispatch::Machine;
use crate::errors::CommandError;
use crate::host::Clock;
use crate::node::Core;
use crate::session::Session;
use crate::touched::Observers;
use crate::transaction::Transaction;

const CONTROL: u32 =
    flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY | flag::NOT_QUEUED;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("multi", 1, multi).flags(CONTROL).categories(&["transaction"]).doc(
        Group::Transactions,
        "1.2.0",
        "Begins a transaction: what follows is queued until EXEC.",
        "O(1)",
    ),
    Command::new("exec", 1, exec)
        .flags(CONTROL & !flag::FAST & !flag::ALLOW_BUSY | flag::SKIP_SLOWLOG)
        .categories(&["transaction"])
        .doc(
            Group::Transactions,
            "1.2.0",
            "Runs all queued commands, with nothing in between.",
            "Depends on the queued commands",
        ),
    Command::new("discard", 1, discard_command).flags(CONTROL).categories(&["transaction"]).doc(
        Group::Transactions,
        "2.0.0",
        "Gives up a transaction.",
        "O(N), N being the number of queued commands",
    ),
    Command::new("watch", -2, watch)
        .flags(CONTROL)
        .categories(&["transaction"])
        .keys(&[KeySpec::range(1, -1, &["RO"])])
        .doc(
            Group::Transactions,
            "2.2.0",
            "Makes the next EXEC run nothing if one of these keys changes before.",
            "O(1) for every key",
        )
        .syntax("key..."),
    Command::new("unwatch", 1, unwatch)
        .flags(flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY)
        .categories(&["transaction"])
        .doc(Group::Transactions, "2.2.0", "Forgets all watched keys.", "O(1)"),
];

fn multi(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.session.in_transaction() {
        return Err(CommandError::NESTED_MULTI);
    }
    call.session.transaction = Some(Transaction::default());
    call.reply.ok();
    Ok(())
}

fn discard_command(call: &mut Call<'_>) -> Result<(), CommandError> {
    if !call.session.in_transaction() {
        return Err(CommandError::DISCARD_WITHOUT_MULTI);
    }
    discard(call.core, call.session);
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.session.in_transaction() {
        return Err(CommandError::WATCH_IN_MULTI);
    }
    for key in call.args.iter().skip(1) {
        let place = (call.db.index, Box::from(key));
        if !call.session.watched.contains(&place) {
            // A key that is due already goes before it is watched, or it would break the transaction by going.
            call.db.contains(key);
            call.core.collect_expired(call.db.keyspace);
            call.core.watches.add(place.0, key, call.session.id);
            call.core.observers.set(Observers::WATCHES, true);
            call.session.watched.push(place);
        }
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut Call<'_>) -> Result<(), CommandError> {
    forget_watches(call.core, call.session);
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some(transaction) = call.session.transaction.take() else {
        return Err(CommandError::EXEC_WITHOUT_MULTI);
    };
    // Looking at the watched keys removes those that are due, which breaks their watches.
    for (db, key) in call.session.watched.clone() {
        let now = call.db.now;
        call.db.keyspace.db_mut(db).get(&key, now);
    }
    call.core.collect_expired(call.db.keyspace);
    call.core.break_watches(call.session);
    let broken = call.session.watch_broken;
    forget_watches(call.core, call.session);
    if transaction.doomed {
        return Err(CommandError::EXECABORT);
    }
    if broken {
        call.reply.null_array();
        return Ok(());
    }
    call.core.propagation.begin_group();
    let outer = call.core.freeze_time();
    call.reply.array(transaction.requests.len());
    for (request, entry) in transaction.requests.iter().zip(&transaction.entries) {
        if let Some(busy) = &call.core.busy {
            // The process ends with the script before it.
            call.reply.error(busy.refusal().as_str());
            continue;
        }
        if let Err(denied) = call.core.permits(call.session, *entry, request.args()) {
            call.core.note_denial(call.session, (*entry, request.args()), Context::Multi);
            let error = CommandError::denied_since(denied);
            call.core.stats.count_error(error.code());
            call.reply.error(error.as_str());
            continue;
        }
        let mut machine =
            Machine { keyspace: call.db.keyspace, core: call.core, session: call.session, reply: call.reply };
        machine.run(*entry, request.args());
    }
    let core = &mut *call.core;
    core.frozen_time = outer;
    core.propagation.end_group(&mut core.log);
    Ok(())
}

impl Core {
    /// Lets time stand still, or goes on standing; what stood before, to be put back.
    pub(crate) fn freeze_time(&mut self) -> Option<i64> {
        let now = self.frozen_time.unwrap_or(self.clock.unix_micros);
        self.frozen_time.replace(now)
    }

    /// The time for a command that began then.
    pub(crate) fn now_of(&self, began: Clock) -> UnixMillis {
        self.frozen_time.map_or_else(|| began.unix(), |micros| UnixMillis(micros.div_euclid(1000)))
    }
}

/// Gives up an open transaction and forgets its watches: DISCARD, RESET, a refusal at EXEC, a closed connection.
pub(crate) fn discard(core: &mut Core, session: &mut Session) {
    session.transaction = None;
    forget_watches(core, session);
}

fn forget_watches(core: &mut Core, session: &mut Session) {
    for (db, key) in session.watched.drain(..) {
        core.watches.remove(db, &key, session.id);
    }
    core.observers.set(Observers::WATCHES, !core.watches.is_empty());
    session.watch_broken = false;
}
