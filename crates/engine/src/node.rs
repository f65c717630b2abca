//! One node: everything but the I/O.
//!
//! The shell tells it what happened (`receive`, `tick`, `link_received`, …) and
//! afterwards takes what is to be done: replies in the marked sessions, blocks
//! in the log, and [`Effect`]s. One thread owns it. [`Core`] is all of it but
//! the data, so that a command can hold both.

use slipstream_keyspace::{Database, Encoding, Keyspace};
use slipstream_log::{DiskSize, Log};
use slipstream_replication::Moment;
use slipstream_replication::replicas::ReplicaId;
use slipstream_resp::{Args, DecodedRequests, Limits, OwnedRequest, Progress, ProtocolError, Reply};
use slipstream_sentinel::Sentinel;

use crate::acl::Users;
use crate::aof::Aof;
use crate::command::flag;
use crate::commands::monitor::Monitors;
use crate::config::Config;
use crate::delivery::Push;
use crate::dispatch::{Handled, Machine};
use crate::door::Door;
use crate::event;
use crate::eviction::Eviction;
use crate::expiry::Expiry;
use crate::fencing::Fence;
use crate::host::{Clock, Effect, Host, Level};
use crate::info::Rates;
use crate::latency::LatencyMonitor;
use crate::loading::StoredProgress;
use crate::local_expiry::LocalDeadlines;
use crate::look_ahead::{LookAhead, Received, Use};
use crate::migrating::Migrating;
use crate::pause::Pause;
use crate::propagate::{Propagation, deletion};
use crate::pubsub::PubSub;
use crate::reclaim::Reclaim;
use crate::redact::redacted;
use crate::reload::Present;
use crate::reload_log::LogReload;
use crate::replaying::Replaying;
use crate::replication::Replication;
use crate::saving::Saving;
use crate::scripting::Scripting;
use crate::scripting::busy::Busy;
use crate::sentinel::StoreWaits;
use crate::session::{Endpoint, Flow, ReplyMode, Role, Session, SessionId, Sessions};
use crate::shutdown::Shutdown;
use crate::slowlog::SlowLog;
use crate::stats::{CommandStats, Stats};
use crate::stored::LoadedLog;
use crate::table::{CommandTable, Entry, Mode};
use crate::touched::Observers;
use crate::tracking::Tracking;
use crate::transaction::Watches;
use crate::waiting::Waits;

/// Whether commands on the data are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The data is being loaded at the start.
    Loading,
    /// As usual.
    Serving,
    /// SHUTDOWN waits for replicas or the disk.
    ShuttingDown,
}

/// One node.
pub struct Node {
    /// The data.
    pub keyspace: Keyspace,
    /// Everything else.
    pub core: Core,
}

/// A node without its data.
pub struct Core {
    /// The directives.
    pub config: Config,
    /// The commands.
    pub table: CommandTable,
    /// Who may do what.
    pub users: Users,
    /// The clients.
    pub sessions: Sessions,
    /// The log.
    pub log: Log,
    /// Changes on their way to it.
    pub propagation: Propagation,
    /// Replication, both sides.
    pub replication: Replication,
    /// Bytes of memory in which snapshots wait for replicas; the shell tells.
    pub spool_memory: u64,
    /// Watched keys.
    pub watches: Watches,
    /// Who wants to know of changed keys.
    pub(crate) observers: Observers,
    /// Who waits for what.
    pub(crate) waits: Waits,
    /// Who listens to which channels.
    pub pubsub: PubSub,
    /// Who keeps copies of which keys.
    pub(crate) tracking: Tracking,
    /// The session whose requests are being taken up: it is out of its place.
    pub(crate) running: Option<SessionId>,
    /// The one whose request is over and made others be served, who are `running` in turn: it is out of its place too.
    pub(crate) beneath: Option<SessionId>,
    /// What was pushed to them meanwhile.
    pub(crate) own_pushes: Vec<(SessionId, Push)>,
    /// The time at which everything runs that belongs together, a transaction or a script, in microseconds since 1970.
    pub(crate) frozen_time: Option<i64>,
    /// Counters.
    pub stats: Stats,
    /// Counters by command, by its index.
    pub command_stats: Vec<CommandStats>,
    /// SLOWLOG.
    pub slowlog: SlowLog,
    /// LATENCY.
    pub latency: LatencyMonitor,
    /// MONITOR.
    pub monitors: Monitors,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// MIGRATE.
    pub(crate) migrating: Migrating,
    /// Snapshots to disk.
    pub saving: Saving,
    /// The append-only file.
    pub aof: Aof,
    /// Whether commands on the data are served.
    pub phase: Phase,
    /// Keys that make room.
    pub eviction: Eviction,
    /// Data on its way to be dropped.
    pub reclaim: Reclaim,
    /// Both times, as of the running command's begin.
    pub clock: Clock,
    /// The source of all chance.
    pub rng: fastrand::Rng,
    /// The process.
    pub host: Box<dyn Host>,
    /// What the shell is to do.
    pub effects: Vec<Effect>,
    /// INFO run_id.
    pub run_id: String,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// Where active expiry stands.
    pub(crate) expiry: Expiry,
    /// Keys that only this node knows to be due at some time.
    pub(crate) local_deadlines: LocalDeadlines,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    /// DEBUG RELOAD NOSAVE under way.
    pub(crate) reloading: Option<Present>,
    /// DEBUG LOADAOF under way.
    pub(crate) log_reload: Option<LogReload>,
    /// How far the load of what was stored is.
    pub(crate) loading: Option<StoredProgress>,
    /// An append-only file that is being loaded.
    pub(crate) replaying: Option<Replaying>,
    /// One that is loaded, until its writer goes on from it.
    pub loaded_log: Option<LoadedLog>,
    /// A shutdown under way.
    pub shutdown: Option<Shutdown>,
    /// Who watches this node.
    pub(crate) fence: Fence,
    /// Scripts and what runs them.
    pub scripting: Scripting,
    /// What a sentinel knows and does: the node holds no data then, and serves only what a sentinel does.
    pub sentinel: Option<Box<Sentinel>>,
    /// Who waits until that is on disk.
    pub(crate) stores: StoreWaits,
    /// A script that has run for so long that others are told.
    pub(crate) busy: Option<Box<Busy>>,
    /// Keys that the last load brought, and those it left out since they were due.
    pub loaded: (u64, u64),
    /// Commands and bytes per second.
    pub rates: Rates,
    /// Bytes in use before there was any data.
    pub startup_memory: usize,
    /// When the periodic work is due.
    pub(crate) next_cron: Moment,
    /// When the turn began.
    pub(crate) turn_began: u64,
    /// What the thread had spent on a processor by then, if latency is monitored.
    pub(crate) turn_began_on_processor: Option<u64>,
    /// Whether a client or the primary sent something in this turn.
    pub(crate) turn_has_input: bool,
    /// What the replicas' side wants done, once the running command is over.
    pub(crate) deferred_replica_actions: Vec<slipstream_replication::replicas::Action>,
    /// Reads ahead for requests that came together.
    pub(crate) look_ahead: LookAhead,
    /// Those that were decoded by that.
    pub(crate) decoded: DecodedRequests,
    /// Sessions that go on, in this order: those of them that are in [`Flow::Woken`].
    woken: Vec<SessionId>,
}

/// A signal that ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Node {
    /// A node without data. `seed` decides everything that is left to chance.
    pub fn new(config: Config, mut host: Box<dyn Host>, seed: u64) -> Result<Node, String> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let keyspace = new_keyspace(&config, &mut rng);
        let table = CommandTable::new(Mode::of(&config), &config.renamed_commands)?;
        let users = Users::configured(&config, &table, &mut *host)?;
        let clock = host.clock();
        let mut core = Core {
            users,
            sessions: new_sessions(&config),
            // A number of its own, and all others stay what they are without it.
            fence: Fence::new(&config, rng.clone().u64(..)),
            log: new_log(&config, &mut rng),
            propagation: Propagation::default(),
            replication: Replication::new(&config, clock.moment(), rng.fork()),
            watches: Watches::default(),
            observers: Observers::default(),
            waits: Waits::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            running: None,
            beneath: None,
            own_pushes: Vec::new(),
            frozen_time: None,
            stats: Stats::default(),
            command_stats: vec![CommandStats::default(); table.entries().len()],
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            monitors: Monitors::default(),
            pause: Pause::default(),
            migrating: Migrating::default(),
            saving: Saving::new(clock),
            aof: Aof::default(),
            phase: Phase::Serving,
            eviction: Eviction::default(),
            reclaim: Reclaim::default(),
            clock,
            run_id: (0..40).map(|_| char::from(b"0123456789abcdef"[rng.usize(..16)])).collect(),
            rng,
            effects: Vec::new(),
            active_expire: true,
            expiry: Expiry::default(),
            local_deadlines: LocalDeadlines::default(),
            cron_paused: false,
            spool_memory: 0,
            reloading: None,
            log_reload: None,
            loading: None,
            replaying: None,
            loaded_log: None,
            shutdown: None,
            scripting: Scripting::default(),
            sentinel: None,
            stores: StoreWaits::default(),
            busy: None,
            loaded: (0, 0),
            rates: Rates::default(),
            startup_memory: host.used_memory(),
            next_cron: clock.moment(),
            turn_began: clock.micros,
            turn_began_on_processor: None,
            turn_has_input: false,
            deferred_replica_actions: Vec::new(),
            look_ahead: LookAhead::default(),
            decoded: DecodedRequests::default(),
            woken: Vec::new(),
            table,
            config,
            host,
        };
        core.observe_events();
        core.become_sentinel()?;
        Ok(Node { keyspace, core })
    }

    /// Where clients come in, and their replies go out.
    pub fn door(&mut self) -> Door<'_> {
        self.core.tick_clock();
        self.core.door().0
    }

    /// A client connected; its number, or the text to refuse it with.
    pub fn accept(
        &mut self,
        peer: Endpoint,
        local: Endpoint,
        descriptor: i64,
    ) -> Result<SessionId, &'static str> {
        self.door().accept(peer, local, descriptor)
    }

    /// A client sent bytes.
    pub fn receive(&mut self, id: SessionId, bytes: &[u8]) {
        self.core.receive(&mut self.keyspace, id, bytes);
        self.settle_replicas();
        self.run_woken();
    }

    /// Takes up requests of sessions that go on. Whom these wake in turn is taken up the next time: two clients may
    /// wake each other for as long as their pipelines go, and all others would wait for that.
    pub(crate) fn run_woken(&mut self) {
        let woken = std::mem::take(&mut self.core.woken);
        if woken.is_empty() {
            return;
        }
        for id in woken {
            let is_woken = |session: &Session| session.flow == Flow::Woken;
            if !self.core.sessions.get(id).is_some_and(is_woken) {
                continue;
            }
            let Some(mut session) = self.core.sessions.take(id) else { continue };
            session.flow = Flow::Ready;
            self.core.process_buffered(&mut self.keyspace, &mut session);
            self.core.put_back(session);
        }
        self.settle_replicas();
    }

    /// A client's connection is gone.
    pub fn closed(&mut self, id: SessionId) {
        self.core.tick_clock();
        // A script that ran for long may have been told already: what follows is still to do.
        self.core.closed(id);
        self.settle_replicas();
        self.verification_lost(ReplicaId(id.0));
    }
}

/// What clients send and how they go: also while a command of another one runs.
impl Core {
    /// A client sent bytes.
    pub(crate) fn receive(&mut self, keyspace: &mut Keyspace, id: SessionId, bytes: &[u8]) {
        self.tick_clock();
        self.notice_stall();
        self.turn_has_input = true;
        let Some(mut session) = self.sessions.take(id) else { return };
        let received = bytes.len() as u64;
        self.stats.net_input += received;
        self.stats.reads_processed += 1;
        session.traffic.0 += received;
        session.last_active = self.clock.moment();
        if session.sentinel.is_some() {
            self.on_sentinel_sent(&session);
        }
        if session.flow == Flow::Woken {
            session.flow = Flow::Ready;
        }
        if session.input.is_empty() && session.flow == Flow::Ready {
            let consumed = self.process(keyspace, &mut session, bytes, bytes.len());
            session.input.push(&bytes[consumed..]);
        } else {
            session.input.push(bytes);
            self.process_buffered(keyspace, &mut session);
        }
        if let Some(missing) = session.decoder.missing_bytes(session.input.len()) {
            // Room for what was announced, but not more at once than has proved to arrive.
            session.input.reserve(missing.min(session.input.len().max(64 * 1024)));
        }
        self.put_back(session);
    }

    fn process_buffered(&mut self, keyspace: &mut Keyspace, session: &mut Session) {
        let mut input = std::mem::take(&mut session.input);
        let consumed = self.process(keyspace, session, input.as_slice(), SHARE);
        input.take(consumed);
        session.input = input;
        if consumed >= SHARE && session.flow == Flow::Ready && !session.input.is_empty() {
            // It has had its share, and goes on when others have had theirs.
            session.flow = Flow::Woken;
            self.woken.push(session.id);
        }
    }

    fn put_back(&mut self, mut session: Box<Session>) {
        if !session.held.is_empty() && self.is_replica() {
            self.give_up_held(&mut session);
        }
        self.check_limits(&mut session);
        if !session.output.is_empty() || session.flow == Flow::Closing {
            self.sessions.mark(session.id);
        }
        self.sessions.insert(session);
    }

    /// Runs the whole requests that begin within the first `most` bytes of `input`; returns how many bytes they took.
    fn process(
        &mut self,
        keyspace: &mut Keyspace,
        session: &mut Session,
        input: &[u8],
        most: usize,
    ) -> usize {
        let mut decoder = std::mem::take(&mut session.decoder);
        let mut reply = std::mem::take(&mut session.output);
        let (mut consumed, mut noticed) = (0, 0);
        let mut decoded = self.begin_look_ahead();
        self.running = Some(session.id);
        while session.flow == Flow::Ready && consumed < input.len().min(most) {
            let (args, length) = if let Some(known) = decoded.next_at(consumed, input) {
                known
            } else {
                let limits = self.request_limits(session);
                let length = match decoder.decode(&input[consumed..], &limits) {
                    Ok(Progress::Incomplete) => break,
                    Ok(Progress::Complete { consumed: length }) => length,
                    Err(error) => {
                        self.refuse(session, &mut reply, error);
                        consumed = input.len();
                        break;
                    }
                };
                let first = (decoder.args(&input[consumed..]), length);
                if consumed >= noticed {
                    let received = Received { bytes: input, from: consumed, first, limits: &limits };
                    let database = keyspace.db(session.db);
                    noticed = self.look_ahead((database, Use::Any), &received, &mut decoded);
                }
                first
            };
            session.in_hand = input.len() - consumed;
            if args.is_empty() {
                self.sign_of_life(session);
            } else {
                let mut machine = Machine { keyspace, core: self, session, reply: &mut reply };
                if machine.dispatch(args) == Handled::Postponed {
                    break;
                }
            }
            consumed += length;
        }
        self.decoded = decoded;
        self.running = None;
        session.decoder = decoder;
        session.output = reply;
        if session.flow == Flow::Closing { input.len() } else { consumed }
    }

    /// An empty line: a replica says that it is still loading.
    fn sign_of_life(&mut self, session: &Session) {
        if session.role.is_replica() {
            let now = self.clock.moment();
            self.replication.replicas.on_sign_of_life(now, ReplicaId(session.id.0));
        }
    }

    /// A session's connection is gone.
    pub(crate) fn closed(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(id) else { return };
        self.leave(&mut session);
        self.replica_closed(id);
    }
}

/// When requests of so many bytes were taken up, others come first. It is more than what is read of a client at once.
const SHARE: usize = 128 * 1024;

fn new_keyspace(config: &Config, rng: &mut fastrand::Rng) -> Keyspace {
    let keys = std::array::from_fn(|_| rng.u64(..));
    let mut encoding = Encoding::default();
    config.update_encoding(&mut encoding);
    let mut keyspace = Keyspace::new(config.databases, keys, encoding);
    keyspace.set_access_policy(config.access_policy());
    keyspace
}

fn new_sessions(config: &Config) -> Sessions {
    let mut sessions = Sessions::default();
    sessions.count_marked(config.client_memory_limit().is_some());
    sessions
}

fn new_log(config: &Config, rng: &mut fastrand::Rng) -> Log {
    let mut log = Log::new(config.repl_backlog_size, rng);
    log.set_disk_size(log_disk_size(config));
    log
}

fn log_disk_size(config: &Config) -> DiskSize {
    DiskSize { kept: config.repl_backlog_disk_size, most: config.repl_backlog_spill_size }
}

impl Core {
    /// Asks the host for the time.
    #[inline]
    pub fn tick_clock(&mut self) {
        self.clock = self.host.clock();
    }

    /// Takes over a changed configuration.
    pub fn reconfigure(&mut self, keyspace: &mut Keyspace, config: Config) {
        let old = std::mem::replace(&mut self.config, config);
        if self.config.requirepass != old.requirepass {
            self.change_default_password();
        }
        self.configure_fence(old.sentinel_fencing);
        self.limit_changed(keyspace, &old);
        self.sessions.count_marked(self.config.client_memory_limit().is_some());
        keyspace.set_access_policy(self.config.access_policy());
        self.log.set_backlog_size(self.config.repl_backlog_size);
        self.log.set_disk_size(log_disk_size(&self.config));
        self.replication.set_config(&self.config);
        self.config.update_encoding(keyspace.encoding_mut());
        self.slowlog.shorten(self.config.slowlog_max_len);
        self.observe_events();
    }

    /// Whether effects of commands go into this node's log: not where the log is a primary's, or may be that of whoever
    /// takes this node's place, nor while what is applied comes from it.
    #[inline]
    pub fn log_takes_effects(&self) -> bool {
        self.log.is_active() && !self.is_replica() && !self.is_replaying() && !self.is_awaiting_claim()
    }

    /// The wait of a session is over, and so nothing else answers it: its requests are taken up again soon.
    pub(crate) fn wake(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(id)
            && !matches!(session.flow, Flow::Closing | Flow::Woken)
        {
            session.flow = Flow::Woken;
            self.woken.push(id);
        }
    }

    /// Whether sessions are to be taken up again.
    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// What was held back is taken up again, unless something still holds it. Who is to migrate comes last, since that
    /// holds back the others again.
    pub(crate) fn wake_held(&mut self) {
        if self.pause.is_active() || !self.pause.take_held() {
            return;
        }
        let paused = self.sessions.iter().filter(|session| session.flow == Flow::Paused);
        let mut paused: Vec<(bool, SessionId)> =
            paused.map(|session| (session.last_command == "migrate", session.id)).collect();
        paused.sort_unstable();
        paused.into_iter().for_each(|(_, id)| self.wake(id));
    }

    /// Keys that are due are removed where this node decides on its data, and not while that stands still.
    pub(crate) fn rest_or_expire(&self, keyspace: &mut Keyspace) {
        let rests = self.pause.is_active() || self.is_fenced() || self.is_awaiting_claim();
        keyspace.set_deletes_due(!self.is_replica() && !rests && !self.is_replaying());
    }

    /// Writes a log line.
    pub fn notice(&mut self, level: Level, text: &str) {
        let replica = self.is_replica();
        self.host.log(level, replica, text);
    }

    /// Room for requests that are decoded ahead of their turn; it is to be put back.
    pub(crate) fn begin_look_ahead(&mut self) -> DecodedRequests {
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        decoded
    }

    /// Reads ahead the keys of requests that came together, as [`LookAhead::read`].
    #[inline]
    pub(crate) fn look_ahead(
        &mut self,
        for_what: (&Database, Use),
        received: &Received<'_>,
        decoded: &mut DecodedRequests,
    ) -> usize {
        self.look_ahead.read(for_what, &self.table, received, decoded)
    }

    /// What a session sent is no request.
    fn refuse(&mut self, session: &mut Session, reply: &mut Reply, error: ProtocolError) {
        reply.error(&format!("ERR {error}"));
        self.stats.count_error("ERR");
        self.notice(Level::Verbose, &format!("{error} from client: {}", session.peer));
        session.flow = Flow::Closing;
    }

    /// Limits of what a session may send.
    fn request_limits(&self, session: &Session) -> Limits {
        Limits {
            max_bulk: self.config.proto_max_bulk_len,
            authenticated: !self.is_locked(session),
            ..Limits::default()
        }
    }

    /// Counts a command that ran.
    #[inline]
    pub(crate) fn account(&mut self, entry: Entry, micros: u64) {
        let stats = &mut self.command_stats[entry.index];
        stats.calls += 1;
        stats.micros += micros;
        if self.config.latency_tracking {
            stats.latency.record(micros);
        }
        self.stats.commands += 1;
        self.stats.command_micros += micros;
    }

    /// Shows a command that ran to those who watch: slow log, latency events, monitors.
    #[inline]
    pub(crate) fn observe(&mut self, session: &Session, entry: Entry, args: Args<'_>, micros: u64) {
        self.note_slow(session, entry, args, micros);
        self.show(session, entry, args);
    }

    /// Notes a command that took long.
    #[inline]
    pub(crate) fn note_slow(&mut self, session: &Session, entry: Entry, args: Args<'_>, micros: u64) {
        let is_slow = u64::try_from(self.config.slowlog_log_slower_than).is_ok_and(|slow| micros >= slow);
        if is_slow && !entry.command.has(flag::SKIP_SLOWLOG) {
            self.log_slow(session, entry, args, micros);
        }
        let latency = self.config.latency_monitor_threshold;
        if latency > 0 && micros >= latency * 1000 {
            let event = if entry.command.has(flag::FAST) { "fast-command" } else { "command" };
            self.latency.record(event, micros / 1000, self.clock);
        }
    }

    #[cold]
    fn log_slow(&mut self, session: &Session, entry: Entry, args: Args<'_>, micros: u64) {
        let redacted = redacted(entry.command, args);
        let args = redacted.as_ref().map_or(args, OwnedRequest::args);
        self.slowlog.record(session, args, micros, self.clock);
        self.slowlog.shorten(self.config.slowlog_max_len);
    }

    /// Shows a command to monitors.
    #[inline]
    pub(crate) fn show(&mut self, session: &Session, entry: Entry, args: Args<'_>) {
        if !self.monitors.is_empty() && !entry.command.has(flag::SKIP_MONITOR | flag::ADMIN) {
            self.show_to_monitors(session, entry, args);
        }
    }

    #[cold]
    fn show_to_monitors(&mut self, session: &Session, entry: Entry, args: Args<'_>) {
        let redacted = redacted(entry.command, args);
        self.feed_monitors(session, redacted.as_ref().map_or(args, OwnedRequest::args));
    }

    /// Deletions of keys whose time came, found by the running command or by the walk over due keys.
    #[inline]
    pub(crate) fn collect_expired(&mut self, keyspace: &mut Keyspace) {
        if keyspace.has_expired() {
            self.delete_expired(keyspace);
        }
    }

    #[cold]
    fn delete_expired(&mut self, keyspace: &mut Keyspace) {
        for (db, key) in keyspace.take_expired() {
            self.key_expired(db, &key);
        }
    }

    /// A key was removed since its time had come.
    pub(crate) fn key_expired(&mut self, db: usize, key: &[u8]) {
        self.stats.expired_keys += 1;
        self.faded(db, key);
        self.notify(db, key, event::EXPIRED);
        if self.log_takes_effects() {
            let name = deletion(self.config.lazyfree_lazy_expire);
            self.propagation.push_deletion(db, [name, key].into_iter());
        }
    }

    /// Tells sessions whose watched keys changed, the running one's included.
    #[inline]
    pub(crate) fn break_watches(&mut self, running: &mut Session) {
        if !self.watches.is_empty() {
            self.tell_watchers(running);
        }
    }

    #[cold]
    fn tell_watchers(&mut self, running: &mut Session) {
        for id in self.watches.take_broken() {
            if id == running.id {
                running.watch_broken = true;
            } else if self.beneath == Some(id) {
                self.watches.break_later(id);
            } else if let Some(session) = self.sessions.get_mut(id) {
                session.watch_broken = true;
            }
        }
    }

    /// Cuts off a client that reads too little or sends too much.
    pub(crate) fn check_limits(&mut self, session: &mut Session) {
        if session.flow == Flow::Closing {
            return;
        }
        if session.input.len() + session.transaction_memory() > self.config.client_query_buffer_limit {
            self.stats.query_limit_disconnections += 1;
            let text = format!("Closing client that reached max query buffer length: {}", session.peer);
            return self.cut_off(session, &text);
        }
        if session.role != Role::Replica && self.reads_too_little(session) {
            self.stats.output_limit_disconnections += 1;
            let text = format!("Client {} closed for overcoming of output buffer limits.", session.peer);
            self.cut_off(session, &text);
        }
    }

    fn reads_too_little(&self, session: &mut Session) -> bool {
        let limit = self.config.client_output_buffer_limit.of_client(session.is_subscribed());
        let used = session.unsent();
        let now = self.clock.moment();
        let is_over_soft = limit.soft > 0 && used > limit.soft;
        session.over_soft_limit_since = is_over_soft.then(|| session.over_soft_limit_since.unwrap_or(now));
        let overdue = session
            .over_soft_limit_since
            .is_some_and(|since| now.ms_since(since) > limit.soft_seconds * 1000);
        overdue || (limit.hard > 0 && used > limit.hard)
    }

    /// Closes a session without another word to its client.
    pub(crate) fn cut_off(&mut self, session: &mut Session, text: &str) {
        self.notice(Level::Warning, text);
        session.close();
        self.effects.push(Effect::Disconnect(session.id));
    }

    /// Looks again at clients beyond the soft limit: who neither reads nor asks is looked at nowhere else.
    pub(crate) fn check_slow_readers(&mut self) {
        let slow = self.sessions.iter().filter(|session| session.over_soft_limit_since.is_some());
        for id in slow.map(|session| session.id).collect::<Vec<_>>() {
            if let Some(mut session) = self.sessions.take(id) {
                self.check_limits(&mut session);
                self.sessions.insert(session);
            }
        }
    }
}

impl Session {
    /// Applies CLIENT REPLY to what was written behind `start`.
    #[inline]
    pub(crate) fn suppress_reply(&mut self, reply: &mut Reply, start: usize) {
        match self.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off => reply.truncate(start),
            ReplyMode::SkipNext => {
                reply.truncate(start);
                self.reply_mode = ReplyMode::Skip;
            }
            ReplyMode::Skip => {
                reply.truncate(start);
                self.reply_mode = ReplyMode::On;
            }
        }
    }
}
