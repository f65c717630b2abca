//! From a request to a running command: look-up, gates, queue, execution.
//!
//! The gates are the reasons to refuse ([`crate::gates`]); a refusal inside MULTI
//! dooms the transaction. What the stream of a primary brings passes no gate
//! ([`crate::apply`]). [`Machine::execute`] is the one way any command runs: it counts,
//! times, logs slow ones, feeds monitors and hands the effects to propagation.

use slipstream_keyspace::{Keyspace, UnixMillis};
use slipstream_log::Offset;
use slipstream_replication::replicas::ReplicaId;
use slipstream_resp::{Args, OwnedRequest, Reply};

use crate::acl::Context;
use crate::call::{Call, Outcome};
use crate::command::flag;
use crate::commands::client::describe;
use crate::commands::introspection::keys_of;
use crate::db::Db;
use crate::errors::CommandError;
use crate::event::class;
use crate::gates::{Candidate, is_for_primary};
use crate::host::Level;
use crate::node::Core;
use crate::session::{Flow, Role, Session, Wait};
use crate::table::Entry;
use crate::touched::Observers;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handled {
    /// It was answered, queued or its client waits.
    Done,
    /// It was not taken up: CLIENT PAUSE holds it back.
    Postponed,
}

/// The parts of a node that run a command.
pub(crate) struct Machine<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) core: &'a mut Core,
    pub(crate) session: &'a mut Session,
    pub(crate) reply: &'a mut Reply,
}

/// The first word of a line that an HTTP request with a body has.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

impl Machine<'_> {
    /// Takes up one request of a client. A replica gets no replies: they would be part of its stream.
    pub(crate) fn dispatch(&mut self, args: Args<'_>) -> Handled {
        let is_replica = self.session.role == Role::Replica;
        let start = self.reply.len();
        let handled = self.take_up(args);
        let is_over = handled == Handled::Done && self.session.flow != Flow::Waiting(Wait::Keys);
        if is_over && self.core.observers.has(Observers::TRACKING) {
            self.core.end_caching(self.session, args);
        }
        if self.core.waits.has_ready() {
            self.core.serve_ready(self.keyspace);
            self.core.break_watches(self.session);
        }
        if !self.core.own_pushes.is_empty() {
            self.core.write_own_pushes(self.session, self.reply);
        }
        if is_replica && self.reply.len() > start {
            let name = self.session.last_command;
            if let Some(error) = self.reply.as_bytes()[start..].strip_prefix(b"-") {
                let error = String::from_utf8_lossy(error).trim_end().to_owned();
                let text = "== CRITICAL == This master is sending an error to its replica";
                let text = format!("{text}: '{error}' after processing the command '{name}'");
                self.core.notice(Level::Warning, &text);
            }
            self.reply.truncate(start);
            let client = describe(self.core, self.session);
            let text = format!("Replica generated a reply to command '{name}', disconnecting it: {client}");
            self.core.cut_off(self.session, &text);
        }
        handled
    }

    fn take_up(&mut self, args: Args<'_>) -> Handled {
        self.session.last_active = self.core.clock.moment();
        if self.session.role == Role::ReturningReplica {
            // What it asks for may take it long.
            let (now, id) = (self.session.last_active, ReplicaId(self.session.id.0));
            self.core.replication.replicas.on_sign_of_life(now, id);
        }
        let entry = match self.resolve(args) {
            Ok(entry) => entry,
            Err((_, None)) if is_http(&args[0]) => return self.hang_up(),
            Err((error, entry)) => return self.reject(entry, &error),
        };
        self.session.last_command = entry.command.full_name;
        let flags = self.effective_flags(entry, args);
        if let Some(error) = self.refusal(entry, &args, flags) {
            return self.reject(Some(entry), &error);
        }
        // Two replicas would send their clients to each other while neither is the primary.
        let waits_for_primary = is_for_primary(self.core, self.session, flags);
        let is_held = waits_for_primary || self.core.pause.holds(flags) || self.core.is_paced(flags);
        if is_held && matches!(self.session.role, Role::Client | Role::Monitor) {
            self.session.flow = Flow::Paused;
            self.core.pause.hold();
            return Handled::Postponed;
        }
        if self.session.in_transaction() && entry.command.flags & flag::NOT_QUEUED == 0 {
            return self.queue(entry, args, flags);
        }
        let (start, end) = (self.reply.len(), self.core.log.end());
        self.execute(entry, args);
        if flags & flag::NOT_QUEUED != 0 {
            self.follow_as_ordered();
        }
        // What a script does is seen when it is done.
        let wrote = flags & flag::RUNS_SCRIPT != 0 && self.core.log.end() != end;
        if wrote || flags & flag::WRITE != 0 {
            self.core.hold_reply(self.session, self.reply, (start, end));
        }
        Handled::Done
    }

    /// A transaction is over that had a REPLICAOF in it.
    fn follow_as_ordered(&mut self) {
        if let Some(order) = self.core.replication.ordered.take() {
            self.core.obey(self.keyspace, order);
            self.session.last_write = Offset(0);
        }
    }

    /// What went to make room is told before the reply: the client must not take what it keeps for valid.
    #[cold]
    fn forget_tracked(&mut self) {
        self.core.limit_tracking();
        self.core.write_own_pushes(self.session, self.reply);
    }

    /// Why a command does not run, if it does not. Room is made for it first.
    #[inline]
    pub(crate) fn refusal(&mut self, entry: Entry, args: &Args<'_>, flags: u32) -> Option<CommandError> {
        if self.core.config.maxmemory != 0 && self.core.busy.is_none() {
            self.core.make_room(self.keyspace);
        }
        // Who runs a script that is busy could not be told.
        if self.core.observers.has(Observers::TRACKING) && self.core.busy.is_none() {
            self.forget_tracked();
        }
        let is_resp3 = self.reply.is_resp3();
        let candidate = Candidate { core: self.core, session: self.session, entry, args, flags, is_resp3 };
        match candidate.pass() {
            Ok(()) => None,
            Err(error) => Some(self.noted(entry, args, error)),
        }
    }

    /// What a gate says, noted for ACL LOG if that is for.
    #[cold]
    fn noted(&mut self, entry: Entry, args: &Args<'_>, error: CommandError) -> CommandError {
        if error.is_denial() {
            self.core.note_denial(self.session, (entry, *args), Context::of(self.session));
        }
        error
    }

    /// A browser that was tricked into talking to this port must not have its request's body obeyed.
    fn hang_up(&mut self) -> Handled {
        let text = "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.";
        self.core.notice(Level::Warning, text);
        self.session.flow = Flow::Closing;
        Handled::Done
    }

    /// The command that is asked for, or why there is none; a wrong number of arguments counts against its row.
    fn resolve(&self, args: Args<'_>) -> Result<Entry, (CommandError, Option<Entry>)> {
        let entry = self.core.table.resolve(args).map_err(|error| (error, None))?;
        if !entry.command.accepts(args.len()) || entry.command.run.is_none() {
            return Err((CommandError::arity(entry.command.full_name), Some(entry)));
        }
        Ok(entry)
    }

    /// EXEC may do what any of its commands may, and runs only where all of them run. Scripts may say what they do.
    fn effective_flags(&mut self, entry: Entry, args: Args<'_>) -> u32 {
        const ANY: u32 =
            flag::WRITE | flag::READONLY | flag::DENYOOM | flag::MAY_REPLICATE | flag::RUNS_SCRIPT;
        const ALL: u32 = flag::LOADING | flag::STALE;
        match &self.session.transaction {
            Some(transaction) if entry.command.name == "exec" => {
                let common = entry.command.flags & (transaction.common_flags | !ALL);
                common | (transaction.flags & ANY)
            }
            _ if entry.command.has(flag::RUNS_SCRIPT) => self.core.script_flags(entry.command, args),
            _ => entry.command.flags,
        }
    }

    pub(crate) fn reject(&mut self, entry: Option<Entry>, error: &CommandError) -> Handled {
        self.core.stats.count_error(error.code());
        if let Some(entry) = entry {
            self.core.command_stats[entry.index].rejected += 1;
        }
        let start = self.reply.len();
        if entry.is_some_and(|entry| entry.command.name == "exec") {
            crate::commands::transactions::discard(self.core, self.session);
            self.reply.error(CommandError::exec_aborted(error).as_str());
        } else {
            if let Some(transaction) = &mut self.session.transaction {
                transaction.doomed = true;
            }
            self.reply.error(error.as_str());
        }
        self.suppress(start);
        Handled::Done
    }

    fn queue(&mut self, entry: Entry, args: Args<'_>, flags: u32) -> Handled {
        if entry.command.has(flag::NO_MULTI) {
            return self.reject(Some(entry), &CommandError::NOT_IN_MULTI);
        }
        let transaction = self.session.transaction.as_mut().expect("the caller looked");
        transaction.queue(OwnedRequest::new(args), entry, flags);
        let start = self.reply.len();
        self.reply.simple("QUEUED");
        self.suppress(start);
        Handled::Done
    }

    /// Runs one command and sends its effects on their way.
    pub(crate) fn execute(&mut self, entry: Entry, args: Args<'_>) {
        let (start, end) = (self.reply.len(), self.core.log.end());
        self.run(entry, args);
        if self.core.log.end() != end {
            self.session.last_write = self.core.log.end();
        }
        // The reply of a client that waits is suppressed when it is written.
        if !matches!(self.session.flow, Flow::Waiting(_)) {
            let is_pushed = entry.command.has(flag::PUSHES);
            self.suppress(if is_pushed { self.reply.len() } else { start });
        }
        self.session.commands += 1;
    }

    /// Runs one command: alone, as part of EXEC, or from a primary's stream.
    pub(crate) fn run(&mut self, entry: Entry, args: Args<'_>) {
        let Some(micros) = self.perform(entry, args) else { return };
        if self.session.flow == Flow::Waiting(Wait::Keys) {
            // It counts when it is answered.
            self.core.waits.tried(self.session.id, micros);
            return self.core.show(self.session, entry, args);
        }
        self.core.account(entry, micros);
        self.core.observe(self.session, entry, args, micros);
    }

    /// Runs one command and propagates its effects. Returns how many microseconds that took; nothing where its client
    /// was served in an earlier life.
    #[inline]
    pub(crate) fn perform(&mut self, entry: Entry, args: Args<'_>) -> Option<u64> {
        let began = self.core.clock;
        let now = self.core.now_of(began);
        let (result, outcome) = self.call(entry, args, now);
        if let Err(error) = &result {
            self.reply.error(error.as_str());
            self.core.stats.count_error(error.code());
            self.core.command_stats[entry.index].failed += 1;
        }
        self.propagate(args, outcome);
        // What it found due went before.
        if self.core.observers.has(Observers::TRACKING) {
            self.core.remember_read(entry.command, args);
        }
        if outcome.changes > 0 {
            self.list_deadlines(entry, args);
        }
        if self.core.is_replaying() {
            return None;
        }
        self.core.tick_clock();
        Some(self.core.clock.micros - began.micros)
    }

    fn call(&mut self, entry: Entry, args: Args<'_>, now: UnixMillis) -> (Result<(), CommandError>, Outcome) {
        let run = entry.command.run.expect("a container is never executed");
        let sees_all = self.session.role == Role::Primary || self.session.sees_due;
        let visible = if sees_all { UnixMillis(i64::MIN) } else { now };
        // TOUCH is there to touch, whatever CLIENT NO-TOUCH says.
        let quiet = self.session.no_touch && entry.command.name != "touch";
        if quiet {
            self.keyspace.set_quiet(true);
        }
        let absent = if self.core.observers.has(Observers::EVENTS) {
            self.absent_keys(entry, args, visible)
        } else {
            Vec::new()
        };
        let mut call = Call {
            args,
            entry,
            db: Db { index: self.session.db, keyspace: self.keyspace, now: visible },
            reply: self.reply,
            session: self.session,
            core: self.core,
            now,
            outcome: Outcome::default(),
            absent,
        };
        let result = run(&mut call);
        let outcome = call.outcome;
        if quiet {
            self.keyspace.set_quiet(false);
        }
        (result, outcome)
    }

    /// The keys that a write names and that are not there, if it is told which come to be.
    #[cold]
    fn absent_keys(&self, entry: Entry, args: Args<'_>, now: UnixMillis) -> Vec<Box<[u8]>> {
        let is_told = self.core.config.notify_keyspace_events & class::NEW != 0;
        if !is_told || !entry.command.has(flag::WRITE) {
            return Vec::new();
        }
        let found = keys_of(entry.command, args).unwrap_or_default();
        let named = found.iter().filter_map(|(at, _)| args.get(*at));
        let database = self.keyspace.db(self.session.db);
        named.filter(|key| !database.contains(key, now)).map(Box::from).collect()
    }

    /// Expired keys first, then the command or the effects it named.
    fn propagate(&mut self, args: Args<'_>, outcome: Outcome) {
        self.core.collect_expired(self.keyspace);
        self.core.saving.changes += outcome.changes;
        if outcome.changes > 0 && !outcome.effects_named && self.core.log_takes_effects() {
            self.core.propagation.push_request(&mut self.core.log, self.session.db, args);
        }
        self.core.break_watches(self.session);
        if self.core.log_takes_effects() {
            let core = &mut *self.core;
            if outcome.changes == 0 && !outcome.effects_named {
                core.propagation.flush_each(&mut core.log);
            } else {
                core.propagation.flush(&mut core.log);
            }
        }
    }

    fn suppress(&mut self, start: usize) {
        self.session.suppress_reply(self.reply, start);
    }
}
