//! Stale keys: those that are not yet what they are in the history that this node has joined.
//!
//! A node that had writes of its own has gone back to the fork in its log, and has the primary's values of the keys
//! that it wrote, each as of an offset behind the fork. Until the stream is there, a command that needs a stale key
//! is not executed, and what it writes is stale too; one that replaces a stale key by what is not ends that.
//!
//! ```text
//!  fork ─── SET a ─── INCR stale ─── SET b ───┬─── INCR stale ──►
//!           applied   left out       applied  │    applied
//!                                             └─ the value of `stale` from the primary takes its place
//! ```
//! Until then the data is that of no offset: the link counts as down, nothing is acknowledged, nobody is served the
//! log, a file names no offset. The set outlives the connection: the next one asks for values again.
//! Invariant: at the log's end, every key that is not in the set is what it is in the log's history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slipstream_keyspace::{Keyspace, UnixMillis};
use slipstream_log::Offset;
use slipstream_replication::Level;
use slipstream_replication::link::{Content, Fetched, Key, Position};
use slipstream_replication::replicas::Change;
use slipstream_resp::Args;

use super::touched::{Place, Touched};
use crate::command::Command;
use crate::db::Db;
use crate::node::Core;

/// Values are asked for so often before the data is taken anew: keys may become stale faster than they are
/// fetched.
const MAX_ROUNDS: u32 = 10;

/// Keys that are stale, and what is on its way for them.
#[derive(Debug, Default)]
pub(crate) struct Restoring {
    stale: BTreeMap<usize, BTreeSet<Vec<u8>>>,
    count: usize,
    /// The primary's values, in the order of their offsets.
    fetched: VecDeque<Fetched>,
    /// Whether the stream flows that leads there.
    is_under_way: bool,
    /// Up to here everything has been applied.
    since: Offset,
    /// The database that is selected at the fork.
    database: usize,
    /// Why it cannot go on.
    failure: Option<String>,
    rounds: u32,
    restored: Restored,
}

/// What was taken from the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Keys that took its value, or were deleted.
    pub(crate) keys: u64,
    /// Bytes of the values, as DUMP gives them.
    pub(crate) bytes: u64,
}

impl Restoring {
    /// How many keys are stale.
    pub(crate) fn stale_keys(&self) -> usize {
        self.count
    }

    /// The stale keys.
    pub(super) fn stale(&self) -> impl Iterator<Item = Key> {
        let of = |(db, names): (&usize, &BTreeSet<Vec<u8>>)| {
            let db = *db;
            names.iter().map(move |name| Key { db, name: name.clone() }).collect::<Vec<_>>()
        };
        self.stale.iter().flat_map(of)
    }

    /// The stream will go on in this database.
    pub(super) fn plan(&mut self, database: usize) {
        self.database = database;
    }

    /// The connection is lost, or another begins.
    pub(super) fn stop(&mut self) {
        self.fetched.clear();
        self.is_under_way = false;
        self.failure = None;
    }

    fn is_stale(&self, (db, name): &Place<'_>) -> bool {
        self.stale.get(db).is_some_and(|names| names.contains(*name))
    }

    fn add(&mut self, (db, name): Place<'_>) {
        self.count += usize::from(self.stale.entry(db).or_default().insert(name.to_vec()));
    }

    fn remove(&mut self, (db, name): &Place<'_>) {
        let is_removed = self.stale.get_mut(db).is_some_and(|names| names.remove(*name));
        self.count -= usize::from(is_removed);
    }
}

impl Core {
    /// Whether the data is not that of the log's end.
    #[inline]
    pub fn has_stale_keys(&self) -> bool {
        self.replication.restoring.count > 0
    }

    /// Whether the primary's values of some keys wait for their offsets.
    #[inline]
    pub(crate) fn is_restoring(&self) -> bool {
        self.replication.restoring.is_under_way
    }

    /// Up to where everything has been applied, if some keys are stale.
    pub fn stale_since(&self) -> Option<Offset> {
        self.has_stale_keys().then_some(self.replication.restoring.since)
    }

    /// The primary continues from the fork on and gave its values of the keys that this node wrote behind it.
    pub(super) fn begin_restoring(&mut self, to: Position, fetched: Vec<Fetched>) {
        let database = self.replication.restoring.database;
        let since = self.stale_since().unwrap_or(to.offset).min(to.offset);
        let is_there = self.go_back(to, Some(database));
        let restoring = &mut self.replication.restoring;
        restoring.stop();
        restoring.is_under_way = true;
        restoring.since = since;
        restoring.rounds += 1;
        for (key, _) in fetched.iter().flat_map(|portion| &portion.values) {
            restoring.add((key.db, &key.name));
        }
        restoring.fetched = fetched.into();
        if !is_there {
            restoring.failure = Some("the log does not reach back to the fork any more".to_owned());
        }
    }

    /// Whether a command of the stream can be executed although keys are stale. If not, what it writes is stale too.
    pub(crate) fn can_apply(&mut self, command: &Command, args: Args<'_>, db: usize) -> bool {
        let restoring = &mut self.replication.restoring;
        if restoring.failure.is_some() {
            // The rest of the same transaction: all data is taken anew behind it.
            return false;
        }
        match Touched::by(command, args, db) {
            Touched::Nothing | Touched::All => true,
            Touched::Keys(keys) => {
                let mut needed = keys.read.iter().chain(&keys.changed);
                let is_current = !keys.reads_others && !needed.any(|place| restoring.is_stale(place));
                if is_current {
                    keys.replaced.iter().for_each(|place| restoring.remove(place));
                } else {
                    keys.written().for_each(|place| restoring.add(*place));
                }
                is_current
            }
            Touched::Unknown => {
                let text = format!("nobody can say which keys '{}' touches", command.full_name);
                restoring.failure.get_or_insert(text);
                false
            }
        }
    }

    /// Values whose offset the log has reached take their places. Whether the stream can go on.
    pub(crate) fn install_due(&mut self, keyspace: &mut Keyspace) -> bool {
        let end = self.log.end();
        let is_due = |fetched: &VecDeque<Fetched>| fetched.front().is_some_and(|first| first.at <= end);
        while is_due(&self.replication.restoring.fetched) {
            let fetched = &mut self.replication.restoring.fetched;
            let portion = fetched.pop_front().expect("it was just looked at");
            if portion.at < end {
                let text = format!("no command of the stream ends at offset {}", portion.at);
                self.replication.restoring.failure.get_or_insert(text);
                break;
            }
            for (key, content) in portion.values {
                self.install(keyspace, &key, content);
            }
        }
        self.replication.restoring.failure.is_none()
    }

    fn install(&mut self, keyspace: &mut Keyspace, key: &Key, content: Option<Content>) {
        let bytes = content.as_ref().map_or(0, |content| content.payload.len());
        // As the stream does: what is due is there until the primary deletes it.
        let mut db = Db { index: key.db, keyspace, now: UnixMillis(i64::MIN) };
        match content {
            None => {
                db.remove(&key.name);
            }
            Some(content) => match slipstream_rdb::restore(&content.payload, &db.encoding()) {
                Ok(value) => db.insert(&key.name, value, content.deadline_ms.map(UnixMillis)),
                Err(error) => {
                    let text = format!("a value cannot be read: {error:?}");
                    self.replication.restoring.failure.get_or_insert(text);
                    return;
                }
            },
        }
        self.local_deadlines.forget(key.db, &key.name);
        self.touched(key.db, &key.name);
        self.saving.changes += 1;
        let restoring = &mut self.replication.restoring;
        restoring.remove(&(key.db, &key.name));
        restoring.restored.keys += 1;
        restoring.restored.bytes += bytes as u64;
    }

    /// All of the stream that has come is applied: goes on with what is restored, begins again with what became
    /// stale meanwhile, or takes the data anew.
    pub(crate) fn settle_restoring(&mut self, keyspace: &mut Keyspace) {
        if !self.replication.restoring.is_under_way {
            return;
        }
        self.install_due(keyspace);
        self.tell_broken_watches();
        let restoring = &mut self.replication.restoring;
        if let Some(reason) = restoring.failure.take() {
            return self.give_up_restoring(keyspace, &reason);
        }
        match (restoring.fetched.is_empty(), restoring.count) {
            (_, 0) => self.end_restoring(keyspace),
            (false, _) => {}
            (true, _) if restoring.rounds == MAX_ROUNDS => {
                self.give_up_restoring(keyspace, "other keys become stale faster than they are fetched");
            }
            (true, left) => {
                let text = format!("{left} more keys depend on them: asking for those as well");
                self.notice(Level::Notice, &text);
                self.ask_anew(keyspace);
            }
        }
    }

    fn end_restoring(&mut self, keyspace: &mut Keyspace) {
        let Restored { keys, bytes } = std::mem::take(&mut self.replication.restoring).restored;
        let end = self.log.end();
        let text = format!(
            "{keys} keys that this node wrote behind the fork are restored from the primary, {bytes} bytes: its \
             data is the primary's at offset {end}"
        );
        self.notice(Level::Notice, &text);
        if let Some(divergence) = &mut self.replication.divergence {
            divergence.restored = Restored { keys, bytes };
        }
        let mut actions = Vec::new();
        self.replication.link.on_restored(self.clock.moment(), end, &mut actions);
        self.perform_link(keyspace, actions);
    }

    fn give_up_restoring(&mut self, keyspace: &mut Keyspace, reason: &str) {
        let text =
            format!("The keys written behind the fork are not restored: {reason}. All data is taken anew.");
        self.notice(Level::Warning, &text);
        self.forget_position();
        self.ask_anew(keyspace);
    }

    fn ask_anew(&mut self, keyspace: &mut Keyspace) {
        self.replication.restoring.stop();
        let mut actions = Vec::new();
        self.replication.link.reconnect_at_once(self.clock.moment(), &mut actions);
        self.perform_link(keyspace, actions);
    }

    /// The data is a copy of nothing any more: nobody may continue from here, neither this node nor one that follows
    /// it.
    pub(crate) fn forget_position(&mut self) {
        self.change_history(Change::Replaced);
        self.log.deactivate(&mut self.rng);
        self.replication.restoring = Restoring::default();
    }
}
