//! The gates: why a command does not run, in the order in which reasons are reported.
//!
//! Asked before each request of a client, and before one that waited is answered; what the stream of a primary
//! brings passes none ([`crate::apply`]). What the state of this node refuses is asked here for scripts as well.

use slipstream_resp::Args;

use crate::command::{Command, flag};
use crate::config::ProtectedAction;
use crate::errors::CommandError;
use crate::node::{Core, Phase};
use crate::session::{Endpoint, Role, Session};
use crate::table::Entry;

/// A request at the gates.
pub(crate) struct Candidate<'a> {
    pub(crate) core: &'a Core,
    pub(crate) session: &'a Session,
    pub(crate) entry: Entry,
    pub(crate) args: &'a Args<'a>,
    /// The command's flags; for EXEC together with those of all it would run.
    pub(crate) flags: u32,
    pub(crate) is_resp3: bool,
}

/// Whether this is a replica, and the client would rather ask its primary.
#[inline]
pub(crate) fn is_for_primary(core: &Core, session: &Session, flags: u32) -> bool {
    session.follows_redirects
        && session.role == Role::Client
        && core.is_replica()
        && (flags & flag::WRITE != 0 || (flags & flag::READONLY != 0 && !session.reads_replicas))
}

impl Candidate<'_> {
    /// Asks all gates, in the order in which reasons are reported. They are called by name and not out of a list:
    /// each becomes a test or two in here, which is what every request of every client pays for them.
    #[inline]
    pub(crate) fn pass(&self) -> Result<(), CommandError> {
        protected_commands_are_enabled(self)?;
        the_client_is_authenticated(self)?;
        the_user_may(self)?;
        the_primary_is_here(self)?;
        memory_is_left(self)?;
        the_disk_takes_writes(self)?;
        enough_replicas_are_in_step(self)?;
        a_read_only_replica_takes_no_writes(self)?;
        a_fenced_primary_takes_no_writes(self)?;
        a_subscriber_in_resp2_only_listens(self)?;
        stale_data_is_served(self)?;
        what_is_read_is_young_enough(self)?;
        the_data_is_here(self)?;
        the_data_is_loaded(self)?;
        no_script_runs(self)?;
        a_replica_leaves_the_keyspace_alone(self)
    }

    fn writes(&self) -> bool {
        self.flags & flag::WRITE != 0
    }
}

fn protected_commands_are_enabled(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if candidate.flags & flag::PROTECTED == 0 { Ok(()) } else { a_directive_allows(candidate) }
}

#[cold]
fn a_directive_allows(candidate: &Candidate<'_>) -> Result<(), CommandError> {
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
    let Candidate { core, session, flags, .. } = *candidate;
    if is_for_primary(core, session, flags) { stays_or_goes(core) } else { Ok(()) }
}

#[cold]
fn stays_or_goes(core: &Core) -> Result<(), CommandError> {
    match core.replication.link.primary() {
        Some(primary) if !core.replication.failover.is_in_progress() => {
            Err(CommandError::redirect(&primary.host, primary.port))
        }
        _ => Ok(()),
    }
}

/// What is queued takes memory too, whatever it does.
fn memory_is_left(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if candidate.core.is_out_of_memory() && takes_memory(candidate) { Err(CommandError::OOM) } else { Ok(()) }
}

#[cold]
fn takes_memory(candidate: &Candidate<'_>) -> bool {
    let gets_on = matches!(candidate.entry.command.name, "exec" | "discard" | "quit" | "reset");
    let is_queued = candidate.session.in_transaction() && !gets_on;
    is_queued || candidate.flags & flag::DENYOOM != 0
}

fn the_disk_takes_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    match candidate.core.disk_refusal() {
        Some(refusal) if candidate.writes() || is_question_of_life(candidate.entry.command) => {
            Err(refusal.error())
        }
        _ => Ok(()),
    }
}

/// What a sentinel asks, to whom such a primary is as good as dead.
#[cold]
fn is_question_of_life(command: &Command) -> bool {
    matches!(command.full_name, "ping" | "replica|lease")
}

fn enough_replicas_are_in_step(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let refuses = candidate.writes() && candidate.core.lacks_replicas();
    if refuses { Err(CommandError::NOREPLICAS) } else { Ok(()) }
}

fn a_read_only_replica_takes_no_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let core = candidate.core;
    // While nobody knows yet who the primary is, writes wait.
    let refuses = candidate.writes()
        && core.is_replica()
        && core.config.replica_read_only
        && !core.replication.failover.is_in_progress();
    if refuses { Err(CommandError::READONLY) } else { Ok(()) }
}

/// Its sentinels may have promoted another.
fn a_fenced_primary_takes_no_writes(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    match candidate.writes().then(|| candidate.core.fence_refusal()).flatten() {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// It could not tell replies from messages.
fn a_subscriber_in_resp2_only_listens(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if candidate.session.is_subscribed() && !candidate.is_resp3 { only_listens(candidate) } else { Ok(()) }
}

#[cold]
fn only_listens(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let command = candidate.entry.command;
    let is_allowed = command.has(flag::PUSHES) || matches!(command.name, "ping" | "quit" | "reset");
    if is_allowed { Ok(()) } else { Err(CommandError::subscribed(command.full_name)) }
}

fn stale_data_is_served(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let refuses = candidate.core.refuses_stale_reads() && candidate.flags & flag::STALE == 0;
    if refuses { Err(CommandError::MASTERDOWN) } else { Ok(()) }
}

fn what_is_read_is_young_enough(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    let refuses = candidate.core.is_too_old(candidate.session) && candidate.flags & flag::READONLY != 0;
    if refuses { Err(CommandError::STALE) } else { Ok(()) }
}

/// A primary that started without its data is told who it is to be, and little else.
fn the_data_is_here(candidate: &Candidate<'_>) -> Result<(), CommandError> {
    if candidate.core.is_awaiting_claim() { no_data_is_needed(candidate) } else { Ok(()) }
}

#[cold]
fn no_data_is_needed(candidate: &Candidate<'_>) -> Result<(), CommandError> {
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
    #[cold]
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
