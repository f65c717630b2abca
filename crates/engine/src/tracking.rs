//! CLIENT TRACKING: which clients keep copies of which keys, and who is told when one is no longer valid.
//!
//! By default a key that a client reads is remembered here until it changes: then its readers are told and it is
//! forgotten. Clients that broadcast are told of every key with one of their prefixes instead, once at the end of a
//! turn. Keys are names without a database, as in Redis: a change in any of them counts. Whatever is told goes to the
//! client itself over RESP3, or to another one that it names, over RESP2 as a message if that one listens to channels.
//!
//! The state of a client is here and not in its session, which is out of its place while its request runs. Clients that
//! left are still among the readers of their keys until those change; their numbers never come again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use slipstream_resp::{Args, Protocol, Reply};

use crate::command::{BeginSearch, Command, FindKeys, flag};
use crate::commands::introspection::keys_of;
use crate::delivery::Push;
use crate::node::Core;
use crate::session::{Session, SessionId};
use crate::touched::Observers;

/// Keys that are forgotten at once if there are too many; the more often that was too few, the more.
const SWEEP: usize = 100;

/// What a prefix takes beside its bytes, on both sides.
const PREFIX_SIZE: usize = 160;

/// What clients keep copies of.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    /// The clients that track.
    trackers: BTreeMap<SessionId, Tracker>,
    /// Who read a key since it changed, by number.
    readers: BTreeMap<Box<[u8]>, Vec<SessionId>>,
    /// How many readers of keys there are.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Whether a key with one of them changed in this turn.
    has_news: bool,
    /// The key that was forgotten last for want of room.
    swept: Box<[u8]>,
    /// How many sweeps in a row left too many.
    sweeps: usize,
}

/// How one client tracks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracker {
    pub(crate) mode: Mode,
    /// It is not told of its own changes.
    pub(crate) no_loop: bool,
    /// Who is told in its place.
    pub(crate) redirect: Option<SessionId>,
    /// That one was gone when it was to be told.
    pub(crate) is_broken: bool,
    /// CLIENT CACHING was said for the request that comes.
    pub(crate) caching: bool,
}

/// Of which keys it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those that it read.
    #[default]
    Default,
    /// Those that it read behind CLIENT CACHING YES.
    OptIn,
    /// Those that it read but for behind CLIENT CACHING NO.
    OptOut,
    /// Those with a prefix, read or not.
    Broadcast(BTreeSet<Box<[u8]>>),
}

impl Mode {
    pub(crate) fn is_broadcast(&self) -> bool {
        matches!(self, Mode::Broadcast(_))
    }
}

impl Tracker {
    /// Whether what it reads now is remembered.
    fn remembers(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast(_) => false,
        }
    }

    /// Who is told in its place, as clients are shown it: 0 is nobody.
    pub(crate) fn shown_redirect(&self) -> i64 {
        self.redirect.map_or(0, |id| i64::try_from(id.0).unwrap_or(i64::MAX))
    }

    /// The prefixes, if it broadcasts.
    pub(crate) fn prefixes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        static NONE: BTreeSet<Box<[u8]>> = BTreeSet::new();
        let prefixes = if let Mode::Broadcast(prefixes) = &self.mode { prefixes } else { &NONE };
        prefixes.iter().map(|prefix| &**prefix)
    }
}

/// The clients that are told of keys with one prefix.
#[derive(Debug, Default)]
struct Prefix {
    trackers: BTreeSet<SessionId>,
    /// Keys that changed in this turn, with the client that changed each last.
    changed: BTreeMap<Box<[u8]>, Option<SessionId>>,
}

impl Prefix {
    /// The keys that a client is told of: all but those that `but` changed.
    fn news(&self, but: Option<SessionId>) -> Option<Push> {
        let told = |by: &Option<SessionId>| but.is_none() || *by != but;
        let count = self.changed.values().filter(|by| told(by)).count();
        if count == 0 {
            return None;
        }
        let mut keys = Reply::new(Protocol::Resp3);
        keys.array(count);
        self.changed.iter().filter(|(_, by)| told(by)).for_each(|(key, _)| keys.bulk(key));
        Some(Push::invalidation(Some(keys.as_bytes())))
    }
}

impl Tracking {
    /// How a client tracks, if it does.
    pub(crate) fn of(&self, id: SessionId) -> Option<&Tracker> {
        self.trackers.get(&id)
    }

    pub(crate) fn of_mut(&mut self, id: SessionId) -> Option<&mut Tracker> {
        self.trackers.get_mut(&id)
    }

    /// How many clients track.
    pub(crate) fn clients(&self) -> usize {
        self.trackers.len()
    }

    /// How many keys are remembered.
    pub(crate) fn keys(&self) -> usize {
        self.readers.len()
    }

    /// How many readers of them.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    /// How many prefixes clients name.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether somebody is to be told at the end of the turn.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    fn remember(&mut self, key: &[u8], id: SessionId) {
        if let Some(readers) = self.readers.get_mut(key) {
            if let Err(place) = readers.binary_search(&id) {
                readers.insert(place, id);
                self.items += 1;
            }
            return;
        }
        self.readers.insert(key.into(), vec![id]);
        self.items += 1;
    }

    fn forget(&mut self, key: &[u8]) -> Vec<SessionId> {
        let readers = self.readers.remove(key).unwrap_or_default();
        self.items -= readers.len();
        readers
    }

    fn forget_all(&mut self) {
        self.readers.clear();
        self.items = 0;
        self.sweeps = 0;
    }

    /// A key to forget for want of room: they take turns.
    fn next_to_forget(&self) -> Option<Box<[u8]>> {
        let behind = (Bound::Excluded(&*self.swept), Bound::Unbounded);
        let next = self.readers.range::<[u8], _>(behind).next().or_else(|| self.readers.iter().next());
        next.map(|(key, _)| key.clone())
    }

    fn note_for_prefixes(&mut self, key: &[u8], by: Option<SessionId>) {
        for (_, prefix) in self.prefixes.iter_mut().filter(|(prefix, _)| key.starts_with(prefix)) {
            prefix.changed.insert(key.into(), by);
            self.has_news = true;
        }
    }

    fn leave_prefixes(&mut self, id: SessionId, tracker: &Tracker) {
        for name in tracker.prefixes() {
            let Some(prefix) = self.prefixes.get_mut(name) else { continue };
            prefix.trackers.remove(&id);
            if prefix.trackers.is_empty() {
                self.prefixes.remove(name);
            }
        }
    }
}

impl Core {
    /// A client tracks from now on, or in another way.
    pub(crate) fn start_tracking(&mut self, session: &mut Session, tracker: Tracker) {
        let id = session.id;
        for name in tracker.prefixes() {
            if let Some(prefix) = self.tracking.prefixes.get_mut(name) {
                prefix.trackers.insert(id);
            } else {
                let prefix = Prefix { trackers: BTreeSet::from([id]), ..Prefix::default() };
                self.tracking.prefixes.insert(name.into(), prefix);
            }
        }
        session.tracked_prefixes = tracker.prefixes().map(|prefix| prefix.len() + PREFIX_SIZE).sum();
        self.tracking.trackers.insert(id, tracker);
        self.observers.set(Observers::TRACKING, true);
    }

    /// A client tracks no more.
    pub(crate) fn stop_tracking(&mut self, session: &mut Session) {
        let Some(tracker) = self.tracking.trackers.remove(&session.id) else { return };
        self.tracking.leave_prefixes(session.id, &tracker);
        session.tracked_prefixes = 0;
        if self.tracking.trackers.is_empty() {
            self.tracking = Tracking::default();
            self.observers.set(Observers::TRACKING, false);
        }
    }

    /// The running client read keys, by a command that may be one of a script or a transaction.
    #[cold]
    pub(crate) fn remember_read(&mut self, command: &'static Command, args: Args<'_>) {
        // What a script reads, its commands read.
        let reads =
            command.has(flag::READONLY) && !matches!(command.name, "eval_ro" | "evalsha_ro" | "fcall_ro");
        let Some(id) = self.running.filter(|_| reads) else { return };
        if !self.tracking.of(id).is_some_and(Tracker::remembers) {
            return;
        }
        if let [spec] = command.keys
            && let BeginSearch::Index(at) = spec.begin
            && let FindKeys::Range { last: 0, .. } = spec.find
            && let Some(key) = args.get(at)
        {
            return self.tracking.remember(key, id);
        }
        for (at, _) in keys_of(command, args).unwrap_or_default() {
            self.tracking.remember(&args[at], id);
        }
    }

    /// A key changed, by the command of a client or by the node itself.
    #[cold]
    pub(crate) fn invalidate(&mut self, key: &[u8], by: Option<SessionId>) {
        self.tracking.note_for_prefixes(key, by);
        self.tell_readers(key, by);
    }

    fn tell_readers(&mut self, key: &[u8], by: Option<SessionId>) {
        let readers = self.tracking.forget(key);
        if readers.is_empty() {
            return;
        }
        let mut keys = Reply::new(Protocol::Resp3);
        keys.array(1);
        keys.bulk(key);
        let push = Push::invalidation(Some(keys.as_bytes()));
        for id in readers {
            let is_left_out =
                |tracker: &Tracker| tracker.mode.is_broadcast() || (tracker.no_loop && by == Some(id));
            let is_told = self.tracking.of(id).is_some_and(|tracker| !is_left_out(tracker));
            if is_told {
                self.tell_tracker(id, &push);
            }
        }
    }

    /// All data is gone or another: no copy is valid.
    pub(crate) fn invalidate_all(&mut self) {
        if !self.observers.has(Observers::TRACKING) {
            return;
        }
        self.tracking.forget_all();
        let trackers: Vec<SessionId> = self.tracking.trackers.keys().copied().collect();
        trackers.into_iter().for_each(|id| self.tell_tracker(id, &Push::invalidation(None)));
    }

    /// Tells a client that tracks, or the one in its place.
    fn tell_tracker(&mut self, id: SessionId, push: &Push) {
        let Some(tracker) = self.tracking.trackers.get_mut(&id) else { return };
        let Some(target) = tracker.redirect else { return self.deliver(id, push) };
        if [self.running, self.beneath].contains(&Some(target)) || self.sessions.get(target).is_some() {
            return self.deliver(target, &push.redirected());
        }
        tracker.is_broken = true;
        self.deliver(id, &Push::BrokenRedirect(target));
    }

    /// At the end of a turn: tells of the keys that changed in it by their prefixes.
    pub(crate) fn broadcast(&mut self) {
        if !std::mem::take(&mut self.tracking.has_news) {
            return;
        }
        let names: Vec<Box<[u8]>> = self.tracking.prefixes.keys().cloned().collect();
        for name in names {
            let Some(prefix) = self.tracking.prefixes.get_mut(&name) else { continue };
            let changed = std::mem::take(&mut prefix.changed);
            if changed.is_empty() {
                continue;
            }
            let told = Prefix { trackers: prefix.trackers.clone(), changed };
            let all = told.news(None);
            for id in &told.trackers {
                let leaves_out_own = self.tracking.of(*id).is_some_and(|tracker| tracker.no_loop);
                let own = leaves_out_own.then(|| told.news(Some(*id)));
                if let Some(push) = own.as_ref().unwrap_or(&all) {
                    self.tell_tracker(*id, push);
                }
            }
        }
    }

    /// Forgets keys if more are remembered than may be, a limited number at once; who read them is told.
    pub(crate) fn limit_tracking(&mut self) {
        let most = self.config.tracking_table_max_keys;
        if most == 0 || self.tracking.keys() <= most {
            self.tracking.sweeps = 0;
            return;
        }
        self.tracking.sweeps += 1;
        for _ in 0..SWEEP * self.tracking.sweeps {
            let Some(key) = self.tracking.next_to_forget() else { return };
            self.tell_readers(&key, None);
            self.tracking.swept = key;
            if self.tracking.keys() <= most {
                self.tracking.sweeps = 0;
                return;
            }
        }
    }

    /// A request is done: CLIENT CACHING was for that one, or for the transaction that it ended.
    #[cold]
    pub(crate) fn end_caching(&mut self, session: &Session, args: Args<'_>) {
        if session.in_transaction() || args[0].eq_ignore_ascii_case(b"client") {
            return;
        }
        if let Some(tracker) = self.tracking.of_mut(session.id) {
            tracker.caching = false;
        }
    }
}
