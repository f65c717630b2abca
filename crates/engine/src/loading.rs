//! Data from a file or a full sync into a node.
//!
//! Decoding runs on other threads into a keyspace of its own: on one ([`load`]),
//! or on two, one of which decodes while the other inserts ([`Loading`]). The
//! executor only takes the finished value in exchange for the old one. Until
//! then a starting node answers LOADING, and a replica goes on serving what it
//! has. A failed load leaves the data as it was.

use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

use slipstream_keyspace::{AccessPolicy, Encoding, Keyspace, UnixMillis};
use slipstream_rdb::{
    Decoder, Duplicates, Expired, Insertion, Loaded, Progress, ReadError, ReadOptions, Records, Shape, frames,
};

use crate::config::VersionCheck;
use crate::host::{Clock, Effect, Level, LoadedData};
use crate::node::{Core, Node, Phase};
use crate::reclaim::Content;
use crate::stored::Stored;

/// What a load needs to know of its node.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    databases: usize,
    seed: [u64; 4],
    encoding: Encoding,
    now: UnixMillis,
    /// Whether keys due by now are left out; a replica waits for its primary to delete them.
    drops_due: bool,
    /// Whether it may come in frames.
    from_primary: bool,
    access_policy: AccessPolicy,
    /// Whether a format of an unknown version is tried.
    all_versions: bool,
    /// `key-load-delay`, for whoever reads on a thread that may wait.
    pub key_delay: i32,
}

/// Where the data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, at the start.
    File,
    /// The base of an append-only file: what became of its keys stands behind it.
    LogBase,
    /// A full sync.
    Sync,
}

/// How far the load of what is stored is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredProgress {
    /// When it began.
    pub(crate) began: Clock,
    /// Bytes in all.
    pub(crate) size: u64,
    /// Bytes that are read.
    pub(crate) reached: u64,
}

impl StoredProgress {
    /// Percent of it.
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    pub(crate) fn percent(&self) -> f64 {
        if self.size == 0 { 0.0 } else { self.reached.min(self.size) as f64 * 100.0 / self.size as f64 }
    }

    /// About how many seconds are left, if it goes on as it went so far.
    pub(crate) fn seconds_left(&self, now: Clock) -> Option<u64> {
        let left = u128::from(self.size.saturating_sub(self.reached));
        let micros = u128::from(now.micros - self.began.micros);
        let left = (micros * left).checked_div(u128::from(self.reached))?.div_ceil(1_000_000);
        u64::try_from(left).ok()
    }
}

/// Why data cannot be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// Nothing can be read.
    Input(io::Error),
    /// What is read is no snapshot, or one that cannot be taken in.
    Snapshot(ReadError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Input(error) => error.fmt(f),
            LoadError::Snapshot(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

/// Decodes `input` into a keyspace of its own.
pub fn load(input: impl Read, options: LoadOptions) -> Result<LoadedData, LoadError> {
    let mut on_progress = |_| ControlFlow::Continue(());
    let mut loading = Loading::open(input, options, &mut on_progress)?;
    let mut keyspace = loading.keyspace();
    let mut insertion = loading.insertion(&mut keyspace);
    let mut records = Records::default();
    while loading.decode(&mut records)? {
        insertion.insert(&mut records).map_err(LoadError::Snapshot)?;
    }
    insertion.insert(&mut records).map_err(LoadError::Snapshot)?;
    while insertion.advance().map_err(LoadError::Snapshot)? {}
    let keys = insertion.keys();
    Ok(loading.finish(keyspace, keys))
}

/// A load whose halves whoever calls puts on threads: batches come out of [`decode`](Self::decode) and go into an
/// [`insertion`](Self::insertion) into the [`keyspace`](Self::keyspace).
pub struct Loading<'a, R: Read> {
    decoder: Decoder<'a, frames::Records<R>>,
    options: LoadOptions,
}

impl<'a, R: Read> Loading<'a, R> {
    /// Looks at the head of `input`. `progress` is told now and then what has been read, for the first time when the
    /// head has shown that it can be, and ends the load if it likes.
    pub fn open(input: R, mut options: LoadOptions, progress: Progress<'a>) -> Result<Self, LoadError> {
        let (input, key) = match options.from_primary {
            true => frames::open(input).map_err(LoadError::Input)?,
            false => (frames::Records::plain(input), None),
        };
        // Under the primary's key what comes is in the order in which it is stored.
        options.seed = key.unwrap_or(options.seed);
        let read = ReadOptions {
            expired: if options.drops_due { Expired::Drop } else { Expired::Keep },
            // Frames have sums of their own: then the snapshot's is not looked at.
            verify_checksum: key.is_none(),
            progress: Some(progress),
            all_versions: options.all_versions,
            ..ReadOptions::new(options.now)
        };
        let shape = Shape::of(&options.keyspace());
        let decoder = Decoder::open(input, shape, read).map_err(LoadError::Snapshot)?;
        Ok(Loading { decoder, options })
    }

    /// An empty keyspace for the data.
    pub fn keyspace(&self) -> Keyspace {
        self.options.keyspace()
    }

    /// Puts batches into that.
    pub fn insertion<'k>(&self, keyspace: &'k mut Keyspace) -> Insertion<'k> {
        Insertion::new(keyspace, self.options.now, Duplicates::Refuse)
    }

    /// Fills a batch; false when it is the last.
    pub fn decode(&mut self, records: &mut Records) -> Result<bool, LoadError> {
        self.decoder.fill(records).map_err(LoadError::Snapshot)
    }

    /// The data, when all batches are in `keyspace`, with so many keys.
    pub fn finish(self, keyspace: Keyspace, keys: u64) -> LoadedData {
        let loaded = Loaded { keys_loaded: keys, ..self.decoder.into_loaded() };
        LoadedData { keyspace, loaded, kept: None }
    }
}

impl LoadOptions {
    fn keyspace(&self) -> Keyspace {
        let mut keyspace = Keyspace::new(self.databases, self.seed, self.encoding);
        keyspace.set_access_policy(self.access_policy);
        keyspace.set_time(self.now);
        keyspace
    }
}

impl Node {
    /// What a load from `source` needs to know.
    pub fn load_options(&mut self, source: Source) -> LoadOptions {
        self.core.load_options(&self.keyspace, source)
    }

    /// Starts to serve: at once, or when what is stored is loaded. Whoever connects to a node without data is
    /// never told that it is loading.
    pub fn start(&mut self, stored: Stored) {
        match stored {
            Stored::Nothing => self.loaded_file(Ok(None)),
            Stored::Snapshot(size) => {
                self.core.begin_loading(size);
                self.core.effects.push(Effect::LoadFile);
            }
            Stored::Log { manifest, size } => {
                self.core.begin_loading(size);
                self.begin_replaying();
                self.core.effects.push(Effect::LoadLog(Box::new(manifest)));
            }
        }
    }

    /// The file is loaded (`None`: there is none), or cannot be.
    pub fn loaded_file(&mut self, result: Result<Option<LoadedData>, String>) {
        self.core.tick_clock();
        if let Some(present) = self.core.reloading.take() {
            return self.finish_reload(present, result);
        }
        let prepared = result.and_then(|data| {
            data.map(|data| self.core.prepare_libraries(&data.loaded.functions).map(|new| (data, new)))
                .transpose()
        });
        let mut expired = Vec::new();
        match prepared {
            Ok(None) => {}
            Ok(Some((data, libraries))) => {
                let seconds = self.core.clock.micros / 1000;
                let keys = data.loaded.keys_loaded;
                self.continue_history(&data);
                self.core.replace_libraries(libraries);
                expired = self.replace_data(data);
                self.core.notice(
                    Level::Notice,
                    &format!("DB loaded from disk: {keys} keys, {seconds} ms after the start"),
                );
            }
            Err(reason) => {
                self.core.notice(Level::Warning, &format!("Fatal error loading the DB: {reason}. Exiting."));
                self.core.effects.push(Effect::Exit(1));
                return;
            }
        }
        self.serve(&expired);
    }

    /// What was stored is loaded; these keys of it were due, and left out.
    pub(crate) fn serve(&mut self, expired: &[(usize, Vec<u8>)]) {
        // A shutdown that was begun meanwhile goes on.
        if self.core.phase == Phase::Loading {
            self.core.phase = Phase::Serving;
        }
        self.core.loading = None;
        match self.core.lack(&self.keyspace) {
            Some(lack) => self.core.await_claim(&mut self.keyspace, lack),
            None if self.core.config.replicaof.is_none() => {
                self.core.lead();
                self.core.propagate_expired(expired);
                self.core.return_if_watched(&mut self.keyspace);
            }
            None => {}
        }
        let loaded = self.core.loaded_log.clone();
        self.core.begin_aof(loaded);
        self.follow_configured();
        self.core.forget_last_life();
        self.core.notice(Level::Notice, "Ready to accept connections");
    }

    /// So many bytes of what is stored are read.
    pub fn load_reached(&mut self, bytes: u64) {
        if let Some(loading) = &mut self.core.loading {
            loading.reached = bytes;
        }
    }

    /// Exchanges the data for what was loaded; the old one is dropped elsewhere. Returns what was left out.
    pub(crate) fn replace_data(&mut self, data: LoadedData) -> Vec<(usize, Vec<u8>)> {
        let expired = self.core.replace_data(&mut self.keyspace, data);
        self.core.tell_broken_watches();
        expired
    }
}

impl Core {
    fn begin_loading(&mut self, size: u64) {
        self.phase = Phase::Loading;
        self.loading = Some(StoredProgress { began: self.clock, size, reached: 0 });
    }

    /// Replicas that continue from before the restart still have what was left out.
    pub(crate) fn propagate_expired(&mut self, expired: &[(usize, Vec<u8>)]) {
        for (db, key) in expired {
            self.key_expired(*db, key);
            self.propagation.flush(&mut self.log);
        }
    }

    /// What a load from `source` needs to know.
    pub(crate) fn load_options(&mut self, keyspace: &Keyspace, source: Source) -> LoadOptions {
        // A node that is about to follow a primary is as good as a replica: it has no link yet.
        let follows = self.is_replica() || self.config.replicaof.is_some();
        let keeps_due = source != Source::File || follows || self.may_await_claim();
        LoadOptions {
            databases: self.config.databases,
            seed: std::array::from_fn(|_| self.rng.u64(..)),
            encoding: *keyspace.encoding(),
            now: self.clock.unix(),
            drops_due: !keeps_due,
            from_primary: source == Source::Sync,
            access_policy: self.config.access_policy(),
            all_versions: self.config.rdb_version_check == VersionCheck::Relaxed,
            key_delay: self.config.key_load_delay,
        }
    }

    /// Exchanges the data for what was loaded; the old one is dropped elsewhere. Returns what was left out.
    pub(crate) fn replace_data(
        &mut self,
        keyspace: &mut Keyspace,
        data: LoadedData,
    ) -> Vec<(usize, Vec<u8>)> {
        let old = std::mem::replace(keyspace, data.keyspace);
        self.rest_or_expire(keyspace);
        // CONFIG SET may have changed the thresholds since the load began.
        self.config.update_encoding(keyspace.encoding_mut());
        let expired = data.loaded.expired;
        self.loaded = (data.loaded.keys_loaded, expired.len() as u64);
        let count = |keyspace: &Keyspace| (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
        let (gone, new): (usize, usize) = (count(&old), count(keyspace));
        self.discard_keys(Content::Keyspace(old), gone, gone + new);
        keyspace.set_access_policy(self.config.access_policy());
        self.all_keys_changed();
        expired
    }

    /// Every key may have changed: each watched one breaks its transaction, each awaited one is looked at.
    pub(crate) fn all_keys_changed(&mut self) {
        self.invalidate_all();
        for db in 0..self.config.databases {
            let keys: Vec<Box<[u8]>> = self.observed_keys(db).map(Box::from).collect();
            for key in keys {
                self.touched(db, &key);
            }
        }
    }

    /// Tells sessions whose watched keys changed; where a command runs, its end does.
    pub(crate) fn tell_broken_watches(&mut self) {
        for id in self.watches.take_broken() {
            if let Some(session) = self.sessions.get_mut(id) {
                session.watch_broken = true;
            }
        }
    }
}
