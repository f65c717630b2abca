//! What a running script asks of the node: `redis.call` and its kin.
//!
//! A command that a script calls passes checks of its own in place of the gates: what the state of the node
//! forbids is forbidden to its first write only, since a script is not to end halfway. Then it runs as any
//! command does.

use slipstream_keyspace::Keyspace;
use slipstream_resp::{Args, Reply};
use slipstream_scripting::{Flags, Level, Replication, Server, Tick};

use crate::acl::Context;
use crate::call::is_word;
use crate::command::{Command, flag};
use crate::commands::debug;
use crate::dispatch::Machine;
use crate::errors::CommandError;
use crate::node::Core;
use crate::scripting::busy::{self, Running};
use crate::scripting::running::Order;
use crate::session::{Role, Session};
use crate::table::Entry;

/// What one run has of the node.
pub(crate) struct Runner<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) core: &'a mut Core,
    /// The session that the script speaks as.
    pub(crate) session: &'a mut Session,
    /// What runs.
    pub(crate) order: &'a Order<'a>,
    /// The request that runs it.
    pub(crate) request: Args<'a>,
    /// When it began, in microseconds since the process did.
    pub(crate) began: u64,
    /// Whether it called a command that writes.
    pub(crate) has_written: bool,
}

impl Server for Runner<'_> {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) {
        let entry = match self.permitted(args) {
            Ok(entry) => entry,
            Err((entry, error)) => {
                self.core.stats.count_error(error.code());
                if let Some(entry) = entry {
                    self.core.command_stats[entry.index].rejected += 1;
                }
                return reply.error(error.as_str());
            }
        };
        self.has_written |= entry.command.has(flag::WRITE);
        Machine { keyspace: self.keyspace, core: self.core, session: self.session, reply }.run(entry, args);
    }

    fn log(&mut self, level: Level, text: &[u8]) {
        self.core.log_of_script(level, text);
    }

    fn is_allowed(&mut self, args: Args<'_>) -> Option<bool> {
        self.known(args).map(|entry| self.core.permits(self.session, entry, args).is_ok())
    }

    /// What goes to replicas and what goes to the file is the same log: effects are in both or in none.
    fn set_replication(&mut self, replication: Replication) {
        self.core.propagation.mute(!replication.to_file && !replication.to_replicas);
    }

    fn clock(&mut self) -> f64 {
        self.core.processor_seconds()
    }

    fn tick(&mut self) -> Tick {
        let running = Running {
            purpose: self.order.purpose,
            name: self.order.name,
            request: self.request,
            began: self.began,
            has_written: self.has_written,
            obeys: self.session.role == Role::Primary,
        };
        busy::tick(self.keyspace, self.core, &running)
    }
}

impl Core {
    /// What a script writes into the log.
    pub(super) fn log_of_script(&mut self, level: Level, text: &[u8]) {
        let level = match level {
            Level::Debug => crate::host::Level::Debug,
            Level::Verbose => crate::host::Level::Verbose,
            Level::Notice => crate::host::Level::Notice,
            Level::Warning => crate::host::Level::Warning,
        };
        self.notice(level, &String::from_utf8_lossy(text));
    }

    /// What `os.clock` tells.
    pub(super) fn processor_seconds(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "285 years are exact")]
        let micros = self.host.processor_micros() as f64;
        micros / 1_000_000.0
    }
}

type Refusal = (Option<Entry>, CommandError);

impl Runner<'_> {
    /// The row of what a script calls, if it may call that.
    fn permitted(&mut self, args: Args<'_>) -> Result<Entry, Refusal> {
        let entry = self.known(args).ok_or((None, CommandError::SCRIPT_UNKNOWN_COMMAND))?;
        match self.refusal(entry, args) {
            Some(error) => Err((Some(entry), error)),
            None => Ok(entry),
        }
    }

    fn known(&self, args: Args<'_>) -> Option<Entry> {
        self.core.table.resolve(args).ok()
    }

    /// Why a script may not call this, the first reason first.
    fn refusal(&mut self, entry: Entry, args: Args<'_>) -> Option<CommandError> {
        let command = entry.command;
        if !command.accepts(args.len()) || command.run.is_none() {
            return Some(CommandError::SCRIPT_ARITY);
        }
        if command.has(flag::NOSCRIPT) && !self.may_debug(command, args) {
            return Some(CommandError::SCRIPT_FORBIDS);
        }
        if !command.has(flag::STALE) && self.core.refuses_stale_reads() {
            return Some(CommandError::SCRIPT_STALE);
        }
        if let Err(denied) = self.core.permits(self.session, entry, args) {
            self.core.note_denial(self.session, (entry, args), Context::Script);
            let user = self.core.user_name(self.session).unwrap_or_default();
            return Some(CommandError::denied_to_script(user, command.full_name, denied));
        }
        if command.has(flag::READONLY) && self.core.is_too_old(self.session) {
            return Some(CommandError::STALE);
        }
        if self.order.is_read_only() && command.has(flag::WRITE | flag::MAY_REPLICATE) {
            return Some(CommandError::SCRIPT_ONLY_READS);
        }
        if self.has_written {
            return None;
        }
        self.first_write_refusal(command)
    }

    /// Whether tests may have this one all the same: it looks, or waits, and leaves the script's run alone.
    fn may_debug(&self, command: &Command, args: Args<'_>) -> bool {
        let is_harmless =
            || command.name == "debug" && debug::FOR_SCRIPTS.iter().any(|name| is_word(&args[1], name));
        self.core.scripting.may_debug && (command.full_name == "client|list" || is_harmless())
    }

    fn first_write_refusal(&self, command: &Command) -> Option<CommandError> {
        let core = &*self.core;
        let obeys = self.session.role == Role::Primary;
        if command.has(flag::WRITE) && !obeys {
            if core.is_replica() && core.config.replica_read_only {
                return Some(CommandError::READONLY);
            }
            if let Some(refusal) = core.disk_refusal() {
                return Some(refusal.error());
            }
        }
        if command.has(flag::WRITE) && core.lacks_replicas() {
            return Some(CommandError::NOREPLICAS);
        }
        if let Some(refusal) = core.fence_refusal().filter(|_| command.has(flag::WRITE)) {
            return Some(refusal);
        }
        let is_short = command.has(flag::DENYOOM) && core.is_out_of_memory();
        (is_short && !self.order.declares(Flags::ALLOW_OOM) && !obeys).then_some(CommandError::OOM)
    }
}
