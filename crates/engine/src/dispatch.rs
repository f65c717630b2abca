//! From a request to a running command: look-up, gates, queue, execution.
//!
//! [`GATES`] is the ordered list of reasons to refuse; a refusal inside MULTI
//! dooms the transaction. What the stream of a primary brings passes no gate
//! ([`crate::apply`]). [`Machine::execute`] is the one way any command runs: it counts,
//! times, logs slow ones, feeds monitors and hands the effects to propagation.

use slipstream_keyspace::{Keyspace, UnixMillis};
use slipstream_log::Offset;
use slipstream_replication::replicas::ReplicaId;
use slipstream_resp::{Args, OwnedRequest, Reply};

use crate::acl::Context;
use crate::call::{Call, Outcome};
use crate::command::{Command, flag};
use crate::commands::client::describe;
use crate::commands::introspection::keys_of;
use crate::config::ProtectedAction;
use crate::db::Db;
use crate::errors::CommandError;
use crate::event::class;
use crate::host::Level;
use crate::node::{Core, Phase};
use crate::session::{Endpoint, Flow, Role, Session, Wait};
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

/// A request at the gates.
struct Candidate<'a> {
    core: &'a Core,
    session: &'a Session,
    entry: Entry,
    args: &'a Args<'a>,
    /// The command's flags; for EXEC together with those of all it would run.
    flags: u32,
    is_resp3: bool,
}

/// Whether this is a replica, and the client would rather ask its primary.
fn is_for_primary(core: &Core, session: &Session, flags: u32) -> bool {
    session.follows_redirects
        && session.role == Role::Client
        && core.is_replica()
        && (flags & flag::WRITE != 0 || (flags & flag::READONLY != 0 && !session.reads_replicas))
}

type Gate = fn(&Candidate<'_>) -> Result<(), CommandError>;

/// In the order in which reasons are reported.
const GATES: &[Gate] = &[
    protected_commands_are_enabled,
    the_client_is_authenticated,
    the_user_may,
    the_primary_is_here,
    memory_is_left,
    the_disk_takes_writes,
    enough_replicas_are_in_step,
    a_read_only_replica_takes_no_writes,
    a_fenced_primary_takes_no_writes,
    a_subscriber_in_resp2_only_listens,
    stale_data_is_served,
    what_is_read_is_young_enough,
    the_data_is_here,
    the_data_is_loaded,
    no_script_runs,
    a_replica_leaves_the_keyspace_alone,
];

fn protected_commands_are_enabled(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if candidate.flags & flag::PROTECTED == 0 {
        return Ok(());
    }
    let name = candidate.entry.command.full_name.split('|').next().unwrap_or_default();
    let (allow, directive) = match name {
        "debug" => (candidate.core.config.enable_debug_command, "enable-debug-command"),
        _ => (candidate.core.config.enable_module_command, "enable-module-command"),
    };
    let local = match &candidate.session.peer {
        Endpoint::Tcp(ip, _) => ip.is_loopback(),
        Endpoint::Unix(_) | Endpoint::Internal => true,
    };
    match allow {
        ProtectedAction::Yes => Ok(()),
        ProtectedAction::Local if local => Ok(()),
        ProtectedAction::Local | ProtectedAction::No => {
            Err(CommandError::protected(&name.to_uppercase(), directive))
        }
    }
}

fn the_client_is_authenticated(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let is_open = !candidate.core.is_locked(candidate.session);
    if is_open || candidate.flags & flag::NO_AUTH != 0 { Ok(()) } else { Err(CommandError::NOAUTH) }
}

fn the_user_may(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let Candidate { core, session, entry, args, .. } = *candidate;
    core.permits(session, entry, *args).map_err(|denied| core.denial(session, entry, denied))
}

/// A client that goes where it is sent is sent to the primary.
fn the_primary_is_here(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let core = candidate.core;
    if !is_for_primary(core, candidate.session, candidate.flags) || core.replication.failover.is_in_progress()
    {
        return Ok(());
    }
    match core.replication.link.primary() {
        Some(primary) => Err(CommandError::redirect(&primary.host, primary.port)),
        None => Ok(()),
    }
}

/// What is queued takes memory too, whatever it does.
fn memory_is_left(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if !candidate.core.eviction.is_exhausted() {
        return Ok(());
    }
    let gets_on = matches!(candidate.entry.command.name, "exec" | "discard" | "quit" | "reset");
    let queued = candidate.session.in_transaction() && !gets_on;
    if queued || candidate.flags & flag::DENYOOM != 0 { Err(CommandError::OOM) } else { Ok(()) }
}

fn the_disk_takes_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let concerned = candidate.flags & flag::WRITE != 0 || is_question_of_life(candidate.entry.command);
    match candidate.core.disk_refusal().filter(|_| concerned) {
        Some(refusal) => Err(refusal.error()),
        None => Ok(()),
    }
}

/// What a sentinel asks, to whom such a primary is as good as dead.
fn is_question_of_life(command: &Command) -> bool {
    matches!(command.full_name, "ping" | "replica|lease")
}

fn enough_replicas_are_in_step(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let writes = candidate.flags & flag::WRITE != 0;
    if writes && candidate.core.lacks_replicas() { Err(CommandError::NOREPLICAS) } else { Ok(()) }
}

fn a_read_only_replica_takes_no_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let core = candidate.core;
    // While nobody knows yet who the primary is, writes wait.
    let refuses =
        core.is_replica() && core.config.replica_read_only && !core.replication.failover.is_in_progress();
    if refuses && candidate.flags & flag::WRITE != 0 { Err(CommandError::READONLY) } else { Ok(()) }
}

/// Its sentinels may have promoted another.
fn a_fenced_primary_takes_no_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let writes = candidate.flags & flag::WRITE != 0;
    match candidate.core.fence_refusal().filter(|_| writes) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// It could not tell replies from messages.
fn a_subscriber_in_resp2_only_listens(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if !candidate.session.is_subscribed() || candidate.is_resp3 {
        return Ok(());
    }
    let command = candidate.entry.command;
    let is_allowed = command.has(flag::PUSHES) || matches!(command.name, "ping" | "quit" | "reset");
    if is_allowed { Ok(()) } else { Err(CommandError::subscribed(command.full_name)) }
}

fn stale_data_is_served(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let stale = candidate.core.refuses_stale_reads();
    if stale && candidate.flags & flag::STALE == 0 { Err(CommandError::MASTERDOWN) } else { Ok(()) }
}

fn what_is_read_is_young_enough(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let reads = candidate.flags & flag::READONLY != 0;
    if reads && candidate.core.is_too_old(candidate.session) { Err(CommandError::STALE) } else { Ok(()) }
}

/// A primary that started without its data is told who it is to be, and little else.
fn the_data_is_here(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if !candidate.core.is_awaiting_claim() {
        return Ok(());
    }
    let command = candidate.entry.command;
    let may_run =
        |command: &Command| command.has(flag::LOADING) || matches!(command.name, "replicaof" | "slaveof");
    let queued = candidate.session.transaction.iter().flat_map(|transaction| &transaction.entries);
    let runs_queued = command.name == "exec";
    if may_run(command) && (!runs_queued || queued.into_iter().all(|entry| may_run(entry.command))) {
        return Ok(());
    }
    Err(candidate.core.awaits_claim_error(command.name == "ping"))
}

fn the_data_is_loaded(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let refuses = match candidate.core.phase {
        Phase::Loading => flag::LOADING,
        Phase::Serving | Phase::ShuttingDown => return Ok(()),
    };
    if candidate.flags & refuses == 0 { Err(CommandError::LOADING) } else { Ok(()) }
}

/// Transactions may begin and grow while one does: else their second half alone might be taken.
fn no_script_runs(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    match &candidate.core.busy {
        Some(busy) if !candidate.entry.command.has(flag::ALLOW_BUSY) => Err(busy.refusal()),
        _ => Ok(()),
    }
}

fn a_replica_leaves_the_keyspace_alone(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let refused = match candidate.session.role {
        Role::Replica => flag::WRITE | flag::READONLY | flag::MAY_REPLICATE,
        // Nothing that it sends is held back, and it may have to take values of single keys from here.
        Role::ReturningReplica => flag::WRITE | flag::MAY_REPLICATE,
        Role::Client | Role::Monitor | Role::Primary => 0,
    };
    if candidate.flags & refused == 0 { Ok(()) } else { Err(CommandError::REPLICA_KEYSPACE) }
}

/// Why the disk takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskRefusal<'a> {
    /// The last snapshot failed.
    Snapshot,
    /// The append-only file cannot be written, for this reason.
    File(&'a str),
}

impl DiskRefusal<'_> {
    /// What a client is told.
    pub(crate) fn error(self) -> CommandError {
        match self {
            DiskRefusal::Snapshot => CommandError::MISCONF_RDB,
            DiskRefusal::File(reason) => CommandError::misconf_aof(reason),
        }
    }
}

/// What the state of this node refuses, to clients and to scripts.
impl Core {
    /// Why the disk takes no writes; those of a replica are its primary's.
    #[inline]
    pub(crate) fn disk_refusal(&self) -> Option<DiskRefusal<'_>> {
        if self.is_replica() {
            None
        } else if self.saving.blocks_writes(&self.config) {
            Some(DiskRefusal::Snapshot)
        } else {
            self.aof.refusal().map(DiskRefusal::File)
        }
    }

    /// Whether too few replicas are in step for this primary to write.
    #[inline]
    pub(crate) fn lacks_replicas(&self) -> bool {
        let wanted = self.config.min_replicas_to_write;
        let is_asked = wanted > 0 && self.config.min_replicas_max_lag > 0;
        is_asked && !self.is_replica() && self.good_replicas() < wanted as usize
    }

    /// Whether this replica has lost its primary and serves nothing meanwhile.
    #[inline]
    pub(crate) fn refuses_stale_reads(&self) -> bool {
        !self.config.replica_serve_stale_data && self.is_cut_off()
    }

    /// Whether memory was above its limit as the request came that runs.
    #[inline]
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.eviction.is_exhausted()
    }
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
        let error = GATES.iter().find_map(|gate| gate(&candidate).err())?;
        if error.is_denial() {
            self.core.note_denial(self.session, (entry, *args), Context::of(self.session));
        }
        Some(error)
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
