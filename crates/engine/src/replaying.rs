//! Loading an append-only file: its base becomes the data, its increments are applied as a primary's stream is.
//!
//! ```text
//! start ──► base (a snapshot, or commands) ──► increments ──► loaded ──► serving
//!                 │ repl-id, repl-offset           │ AT: the log stands there
//!                 ▼                                ▼ batch: the same bytes are in the log again
//!             the log stands there            plain commands: no place is known any more
//! ```
//!
//! So the memory backlog is as full after a start as before the end, and a replica goes on from where it was. Where
//! no place is known, the log keeps nothing and a new history begins.
//!
//! Keys do not expire meanwhile: what became of them stands in what is still to come.

use slipstream_aof::At;
use slipstream_log::Offset;

use crate::apply::{Refusal, Stream};
use crate::host::{Effect, Level, LoadedData};
use crate::node::{Core, Node};
use crate::stored::LoadedLog;

/// How much is applied at a time, in bytes: the shell looks after other things in between.
const SLICE: usize = 64 << 10;

/// Offsets are signed numbers for some of those that they are told to. None is ever so high, and what comes behind it
/// can be counted.
const LAST_OFFSET: Offset = Offset(i64::MAX.unsigned_abs());

/// A load under way.
#[derive(Debug, Default)]
pub(crate) struct Replaying {
    /// What is read and not applied: a transaction that is open.
    stream: Stream,
}

/// Why what is in an append-only file cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// Where the command begins in the bytes that were to be applied.
    pub position: usize,
    /// The command; `None` if it is none.
    pub command: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// What a piece of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Bytes of the stream that the log has just come to.
    Stream,
    /// Commands that are at no known place of a stream.
    Plain,
}

impl Core {
    /// Whether an append-only file is being loaded.
    #[inline]
    pub(crate) fn is_replaying(&self) -> bool {
        self.replaying.is_some()
    }
}

impl Node {
    /// Begins to load an append-only file.
    pub(crate) fn begin_replaying(&mut self) {
        self.core.replaying = Some(Replaying::default());
        self.core.rest_or_expire(&mut self.keyspace);
    }

    /// The base is a snapshot, and this is its data.
    pub fn replay_base(&mut self, data: LoadedData) {
        if let Some(second) = self.reads_into() {
            return second.replay_base(data);
        }
        self.core.tick_clock();
        match self.core.prepare_libraries(&data.loaded.functions) {
            Ok(libraries) => self.core.replace_libraries(libraries),
            Err(reason) => {
                self.core.notice(Level::Warning, &format!("Fatal error loading the DB: {reason}. Exiting."));
                return self.core.effects.push(Effect::Exit(1));
            }
        }
        self.stand_where_loaded(&data);
        let database = data.loaded.aux.replication().map_or(0, |point| point.stream_database);
        self.replace_data(data);
        if let Some(replaying) = &mut self.core.replaying {
            replaying.stream = Stream::starting_in(database);
        }
    }

    /// A file begins: with database 0 selected, whatever the one before selected.
    pub fn replay_file(&mut self) {
        if let Some(second) = self.reads_into() {
            return second.replay_file();
        }
        if let Some(replaying) = &mut self.core.replaying {
            replaying.stream = Stream::default();
        }
    }

    /// What follows begins at a place of the stream. An error says why it cannot.
    pub fn replay_at(&mut self, at: &At) -> Result<(), String> {
        if let Some(second) = self.reads_into() {
            return second.replay_at(at);
        }
        self.core.tick_clock();
        self.core.stand_at(at)
    }

    /// The next whole commands. Applies some of them, and returns how many bytes these took.
    pub fn replay(&mut self, what: Replayed, bytes: &[u8]) -> Result<usize, ReplayError> {
        if let Some(second) = self.reads_into() {
            return second.replay(what, bytes);
        }
        self.core.tick_clock();
        let core = &mut self.core;
        if what == Replayed::Plain && core.log.is_active() {
            core.log.deactivate(&mut core.rng);
        }
        let Some(replaying) = &mut core.replaying else { return Ok(bytes.len()) };
        let mut stream = std::mem::take(&mut replaying.stream);
        let outcome = core.apply_commands(&mut self.keyspace, &mut stream, bytes, SLICE);
        if let Some(replaying) = &mut core.replaying {
            replaying.stream = stream;
        }
        match outcome {
            Ok((0, _)) if !bytes.is_empty() => {
                let reason = "a batch that ends within a command".to_owned();
                Err(ReplayError { position: 0, command: None, reason })
            }
            Ok((applied, _)) => Ok(applied),
            Err(Refusal { position, command, reason, .. }) => Err(ReplayError { position, command, reason }),
        }
    }

    /// All of it is applied, or cannot be: then a start ends the process, as an operator has to look at it.
    pub fn loaded_log(&mut self, result: Result<LoadedLog, String>) {
        self.core.tick_clock();
        if self.ends_log_reload(&result) {
            return;
        }
        match result {
            Ok(loaded) => self.finish_replaying(loaded),
            Err(reason) => {
                self.core.notice(Level::Warning, &reason);
                self.core.effects.push(Effect::Exit(1));
            }
        }
    }

    fn finish_replaying(&mut self, loaded: LoadedLog) {
        let Some(replaying) = self.core.replaying.take() else { return };
        let keys = (0..self.keyspace.databases()).map(|db| self.keyspace.db(db).len()).sum::<usize>();
        let micros = self.core.clock.micros;
        let text = format!(
            "DB loaded from append only file: {keys} keys, {}.{:03} seconds after the start",
            micros / 1_000_000,
            micros / 1000 % 1000
        );
        self.core.notice(Level::Notice, &text);
        self.core.loaded = (keys as u64, 0);
        self.core.go_on_from(replaying.stream.database());
        self.core.loaded_log = Some(loaded);
        self.core.all_keys_changed();
        self.core.tell_broken_watches();
        self.core.rest_or_expire(&mut self.keyspace);
        self.serve(&[]);
    }
}

impl Core {
    /// The log stands at `at` from now on: where it stands already, or, where no place is known, somewhere of which
    /// nothing before is held. Something between what was read and what follows may be missing else.
    fn stand_at(&mut self, at: &At) -> Result<(), String> {
        let (end, id) = (self.log.end(), self.log.history().id);
        if at.database >= self.config.databases {
            return Err(format!("it selects database {}", at.database));
        }
        if at.offset > LAST_OFFSET {
            return Err(format!("it goes on at {}, where no stream comes to", at.offset));
        }
        if !self.log.is_active() {
            self.log.adopt_snapshot(at.history.id, at.offset);
        } else if at.offset != end {
            return Err(format!("it goes on at {}, and what was read before ends at {end}", at.offset));
        } else if at.history.id != id {
            if at.history.previous != Some((id, end)) {
                let other = at.history.id;
                return Err(format!(
                    "it goes on in history {other}, and what was read before ends at {end} of {id}"
                ));
            }
            self.log.adopt_id(at.history.id);
        }
        if let Some((parent, fork)) = at.history.previous {
            self.log.remember(parent, fork);
        }
        if let Some(replaying) = &mut self.replaying {
            replaying.stream = Stream::starting_in(at.database);
        }
        self.propagation.note_selected(at.offset, at.database);
        Ok(())
    }

    /// What is loaded is all there is: the stream goes on from it.
    fn go_on_from(&mut self, database: usize) {
        if !self.log.is_active() {
            return;
        }
        let end = self.log.end();
        self.propagation.note_selected(end, database);
        if self.config.replicaof.is_some() {
            self.replication.stream = Stream::starting_in(database);
        }
    }

    /// The data is that of a snapshot's place in the stream, if it tells.
    fn stand_at_snapshot(&mut self, id: slipstream_log::ReplicationId, offset: Offset, database: usize) {
        self.log.adopt_snapshot(id, offset);
        self.propagation.note_selected(offset, database);
    }
}

impl Node {
    fn stand_where_loaded(&mut self, data: &LoadedData) {
        let Some(point) = data.loaded.aux.replication() else { return };
        let Some(id) = slipstream_log::ReplicationId::parse(&point.id) else { return };
        let offset = Offset(u64::try_from(point.offset).unwrap_or(0));
        self.core.stand_at_snapshot(id, offset, point.stream_database);
    }
}
