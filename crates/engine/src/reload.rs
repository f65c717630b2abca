//! DEBUG RELOAD: the data through the snapshot format and back.
//!
//! Plain, the data is encoded in memory and decoded into a keyspace that takes
//! its place within the command, and then written to disk. With NOSAVE the file
//! on disk is loaded instead: other clients are answered LOADING meanwhile, and
//! replicas copy this node anew, since the log knows nothing of the exchange.
//! A reload that fails leaves the data as it was.

use slipstream_keyspace::Keyspace;
use slipstream_rdb::WriteOptions;

use slipstream_replication::replicas::Change;

use crate::host::{Effect, Level, LoadedData};
use crate::loading::{Source, load};
use crate::node::{Core, Node, Phase};
use crate::session::Wait;

/// What becomes of the data that is there when a file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    /// It goes.
    Replaced,
    /// It stays; a key that is in the file too is an error.
    Kept,
    /// It stays; a key that is in the file too takes its value from there.
    Merged,
}

const FAILED: &str = "ERR Error trying to load the RDB dump, check server logs.";

impl Core {
    /// Encodes the data and takes in its stead what is decoded again.
    pub(crate) fn reload(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let job = self.snapshot_job(keyspace);
        let write = WriteOptions {
            target: job.disk_target(),
            compress: self.config.rdbcompression,
            checksum: self.config.rdbchecksum,
        };
        let mut bytes = Vec::new();
        slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes)
            .map_err(|error| error.to_string())?;
        let options = self.load_options(keyspace, Source::File);
        let data = load(bytes.as_slice(), options).map_err(|error| error.to_string())?;
        let libraries = self.prepare_libraries(&data.loaded.functions)?;
        self.replace_libraries(libraries);
        let expired = self.replace_data(keyspace, data);
        self.propagate_expired(&expired);
        self.notice(Level::Notice, "DB reloaded by DEBUG RELOAD");
        Ok(())
    }

    /// Whether a DEBUG RELOAD or LOADAOF is under way that others wait for.
    pub(crate) fn is_reloading(&self) -> bool {
        self.reloading.is_some() || self.log_reload.is_some()
    }

    /// Begins to load the file on disk.
    pub(crate) fn begin_reload(&mut self, present: Present) {
        self.phase = Phase::Loading;
        self.reloading = Some(present);
        self.effects.push(Effect::LoadFile);
    }

    /// The data is another than the log says: whoever follows must copy it anew, and so must this node.
    fn leave_history(&mut self, keyspace: &mut Keyspace) {
        self.change_history(Change::Replaced);
        if self.log.is_active() {
            self.log.deactivate(&mut self.rng);
            self.log.activate(&mut self.rng);
            self.propagation.select_again();
        }
        if self.is_replica() {
            let mut actions = Vec::new();
            self.replication.link.reconnect(self.clock.moment(), &mut actions);
            self.perform_link(keyspace, actions);
        }
    }
}

impl Node {
    /// The file for a DEBUG RELOAD is loaded, or cannot be.
    pub(crate) fn finish_reload(&mut self, present: Present, result: Result<Option<LoadedData>, String>) {
        self.core.phase = self.core.phase_after_load();
        let outcome = result
            .and_then(|data| data.ok_or_else(|| "there is no file".to_owned()))
            .and_then(|data| self.take_in(present, data));
        if let Err(reason) = &outcome {
            self.core.notice(Level::Warning, &format!("DEBUG RELOAD failed: {reason}"));
        } else {
            self.core.leave_history(&mut self.keyspace);
            self.core.notice(Level::Notice, "DB reloaded by DEBUG RELOAD");
        }
        self.core.finish_waits(Wait::Reload, |reply| match outcome {
            Ok(()) => reply.ok(),
            Err(_) => reply.error(FAILED),
        });
        self.settle_replicas();
        self.run_woken();
    }

    fn take_in(&mut self, present: Present, data: LoadedData) -> Result<(), String> {
        if present == Present::Replaced {
            let libraries = self.core.prepare_libraries(&data.loaded.functions)?;
            self.core.replace_libraries(libraries);
            // Whoever follows copies the data anew: there is nobody to be told what was left out.
            self.replace_data(data);
            return Ok(());
        }
        let loaded = data.keyspace.snapshot();
        if present == Present::Kept && self.shares_key(&data.keyspace) {
            return Err("a key of the file is there already".to_owned());
        }
        self.core.join_libraries(&data.loaded.functions, present == Present::Merged)?;
        for (index, database) in loaded.databases().enumerate() {
            for (key, value, deadline) in database.iter() {
                self.keyspace.db_mut(index).insert(key, value.into_owned(), deadline);
            }
        }
        self.core.all_keys_changed();
        self.core.tell_broken_watches();
        Ok(())
    }

    fn shares_key(&self, other: &Keyspace) -> bool {
        let (ours, theirs) = (self.keyspace.snapshot(), other.snapshot());
        let shared = |index: usize| {
            let ours = ours.db(index);
            theirs.db(index).iter().any(|(key, _, _)| ours.get(key).is_some())
        };
        (0..other.databases()).any(shared)
    }
}
