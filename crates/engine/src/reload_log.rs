//! DEBUG LOADAOF: the append-only file is loaded as at a start, and its data takes the place of this node's.
//!
//! ```text
//! asked ──► Writing ── the file holds the whole log ──► Reading ── all is applied ──► the data is exchanged
//! ```
//!
//! A second node without a world applies what is read, by the code of a start. This one answers LOADING meanwhile and
//! gives its writer nothing. The log, the file and those who follow are not concerned: the data is that of the same
//! place. A load that fails leaves the data as it was. Libraries of functions stay too.

use slipstream_keyspace::Keyspace;
use slipstream_replication::Level;

use crate::call::Call;
use crate::config::Config;
use crate::door::{Arrival, Door};
use crate::errors::CommandError;
use crate::host::{Clock, Effect, Host, ProcessFacts, Refused};
use crate::migrating::{Shipment, Shipped, Trouble};
use crate::node::{Core, Node, Phase};
use crate::reclaim::Content;
use crate::session::Wait;
use crate::stored::LoadedLog;

/// How far it is.
pub(crate) enum LogReload {
    /// The writer writes what it has.
    Writing,
    /// The files are read, into this node.
    Reading(Box<Node>),
}

const FAILED: CommandError =
    CommandError::fixed("ERR Error trying to load the AOF files, check server logs.");

/// Begins it; its client waits.
pub(crate) fn begin(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.in_exec() {
        return Err(CommandError::NOT_IN_MULTI);
    }
    let core = &mut *call.core;
    let obstacle = match () {
        () if core.is_replica() => Some("this is a replica, whose data its primary tells"),
        () if core.phase != Phase::Serving => Some("this node loads already, or ends"),
        () if !core.aof.is_on() => Some("there is no append-only file that holds the data"),
        () if core.aof.is_rewriting() => Some("the file is being rewritten"),
        () => core.aof.failure().map(|_| "the file cannot be written"),
    };
    if let Some(reason) = obstacle {
        core.notice(Level::Warning, &format!("DEBUG LOADAOF failed: {reason}"));
        return Err(FAILED);
    }
    core.phase = Phase::Loading;
    core.log_reload = Some(LogReload::Writing);
    call.wait(Wait::Reload, None);
    Ok(())
}

impl Core {
    /// Whether the files are being read, and so must stay as they are.
    pub fn is_reading_its_log(&self) -> bool {
        matches!(self.log_reload, Some(LogReload::Reading(_)))
    }
}

impl Node {
    /// The node that what is read goes into, if it is not this one.
    pub(crate) fn reads_into(&mut self) -> Option<&mut Node> {
        match &mut self.core.log_reload {
            Some(LogReload::Reading(node)) => Some(node),
            Some(LogReload::Writing) | None => None,
        }
    }

    /// Begins to read once the file holds all of the log.
    pub(crate) fn read_written_log(&mut self) {
        if !matches!(self.core.log_reload, Some(LogReload::Writing)) {
            return;
        }
        self.core.feed_aof(true);
        if let Some(reason) = self.core.aof.failure().map(str::to_owned) {
            return self.end_log_reload(Err(reason));
        }
        if self.core.aof.written() < self.core.log.end() {
            return;
        }
        match self.second_node() {
            Ok(node) => {
                self.core.log_reload = Some(LogReload::Reading(Box::new(node)));
                let manifest = self.core.aof.manifest().clone();
                self.core.effects.push(Effect::LoadLog(Box::new(manifest)));
            }
            Err(reason) => self.end_log_reload(Err(reason)),
        }
    }

    fn second_node(&mut self) -> Result<Node, String> {
        let mut config = self.core.config.clone();
        (config.replicaof, config.appendonly) = (None, false);
        // It has no clients.
        (config.users, config.aclfile) = (Vec::new(), String::new());
        let world = Standstill { clock: self.core.clock };
        let mut node = Node::new(config, Box::new(world), self.core.rng.u64(..))?;
        node.core.phase = Phase::Loading;
        node.begin_replaying();
        Ok(node)
    }

    /// All is read, or cannot be; whether it was for a reload.
    pub(crate) fn ends_log_reload(&mut self, result: &Result<LoadedLog, String>) -> bool {
        let Some(LogReload::Reading(node)) = self.core.log_reload.take() else { return false };
        let outcome = result.as_ref().map(|_| node.keyspace).map_err(Clone::clone);
        self.end_log_reload(outcome);
        true
    }

    fn end_log_reload(&mut self, outcome: Result<Keyspace, String>) {
        let core = &mut self.core;
        core.log_reload = None;
        core.phase = core.phase_after_load();
        let failed = match outcome {
            Ok(keyspace) => {
                core.exchange_keyspace(&mut self.keyspace, keyspace);
                core.tell_broken_watches();
                core.notice(Level::Notice, "Append Only File loaded by DEBUG LOADAOF");
                false
            }
            Err(reason) => {
                core.notice(Level::Warning, &format!("DEBUG LOADAOF failed: {reason}"));
                true
            }
        };
        core.finish_waits(Wait::Reload, |reply| match failed {
            false => reply.ok(),
            true => reply.error(FAILED.as_str()),
        });
        self.run_woken();
    }
}

impl Core {
    /// The data goes elsewhere to be dropped, and `new` takes its place.
    fn exchange_keyspace(&mut self, keyspace: &mut Keyspace, new: Keyspace) {
        let count = |keyspace: &Keyspace| (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
        let old = std::mem::replace(keyspace, new);
        let (gone, left): (usize, usize) = (count(&old), count(keyspace));
        self.rest_or_expire(keyspace);
        self.discard_keys(Content::Keyspace(old), gone, gone + left);
        self.all_keys_changed();
    }
}

/// The world of the second node: its time stands still, and there is nothing to be had.
struct Standstill {
    clock: Clock,
}

impl Host for Standstill {
    fn clock(&mut self) -> Clock {
        self.clock
    }

    fn processor_micros(&mut self) -> u64 {
        0
    }

    fn facts(&mut self) -> ProcessFacts {
        ProcessFacts::default()
    }

    fn used_memory(&mut self) -> usize {
        0
    }

    fn release_memory(&mut self) {}

    fn allocator_report(&mut self) -> Option<String> {
        None
    }

    fn log(&mut self, _level: Level, _replica: bool, _text: &str) {}

    fn apply(&mut self, _config: &mut Config, _changed: &[&'static str]) -> Result<(), Refused> {
        Ok(())
    }

    fn act_as(&mut self, _is_replica: bool) {}

    fn read_config(&mut self) -> Result<String, String> {
        Err("there is no configuration file".to_owned())
    }

    fn write_config(&mut self, _text: &[u8]) -> Result<(), String> {
        Err("there is no configuration file".to_owned())
    }

    fn read_file(&mut self, _path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    fn write_file(&mut self, _path: &str, _content: &[u8]) -> Result<(), String> {
        Err("there are no files".to_owned())
    }

    fn fill_secret(&mut self, _bytes: &mut [u8]) -> Result<(), String> {
        Err("there are no secrets".to_owned())
    }

    fn is_program(&mut self, _path: &str) -> bool {
        false
    }

    fn stall(&mut self, _micros: u64) {}

    fn while_busy(&mut self, _door: &mut Door<'_>) -> Vec<Arrival> {
        Vec::new()
    }

    fn ship(&mut self, _shipment: Box<Shipment>) -> Shipped {
        Shipped::failed(Trouble::Connecting)
    }
}
