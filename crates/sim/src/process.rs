//! One machine: a node, the shell around it, and its disk.
//!
//! Does what the server's event loop does, in the same order: one event is a turn, then what is due, the
//! effects, the log for the replicas, the replies. A machine outlives its node: the disk, the wall clock and
//! the configuration stay when the process is killed; connections and unfinished jobs do not.
//!
//! Read on in `process/serving.rs` (clients and replicas), `process/following.rs` (the primary) and
//! `process/storing.rs` and `process/appending.rs` (the disk). A machine may run a sentinel instead:
//! `process/watching.rs`.

mod serving;

mod following;

mod storing;

mod appending;

mod watching;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use slipstream_engine::aof::Report;
use slipstream_engine::config::{Config, OutputLimit, SavePoint, ShutdownHandover, Upstream};
use slipstream_engine::{Effect, Endpoint, Node, Phase, SessionId, Shipped, Signal, Stored, Trouble};
use slipstream_log::{Offset, ReplicationId};
use slipstream_resp::{Value, decode_value, encode_request};

use self::appending::{Appender, LogLoad};
use self::following::send_over;
pub use self::following::{Asked, Link};
use self::serving::Stream;
use self::watching::Watching;
use crate::checker::{Announced, Verdicts, position};
use crate::disk::{Crash, Disk, STATE};
use crate::environment::{Environment, Event, Inside};
use crate::host::SimulatedHost;
use crate::network::{Place, Side, WireId};
use crate::options::Options;
use crate::transfer::{Load, Outgoing, Spool};

/// All nodes listen here.
pub const PORT: u16 = 6379;

/// How long it takes until a broken file is taken away, in microseconds.
const REPAIR: u64 = 500_000;

/// Turns in a row that may find that something is due at once.
const MOST_SPINS: u32 = 50;

/// Who hears what processes say in their logs.
#[derive(Clone, Debug, Default)]
pub struct Ears {
    /// Of verifications.
    pub verdicts: Rc<Verdicts>,
    /// Of sentinels.
    pub announced: Rc<Announced>,
}

/// One machine.
pub struct Process {
    /// Its number.
    pub index: usize,
    /// The node, while the process runs.
    pub node: Option<Node>,
    /// How often it was started.
    pub life: u32,
    /// What it keeps beyond a life.
    pub disk: Disk,
    /// When and how the last life ended that had loaded its data, and how those after it ended.
    pub crashed: Option<(u64, Crash)>,
    /// A place that the log of a primary reached between two looks at it: where it ended, or where a snapshot was taken.
    pub(crate) wrote: Option<(ReplicationId, Offset)>,
    /// How far the wall clock is off.
    pub skew: Rc<Cell<i64>>,
    /// Until when nothing runs, if it stands still.
    pub stalled_until: u64,
    /// The same when the life ended that `crashed` tells of.
    pub was_stalled_until: u64,
    /// Snapshots that were loaded from a primary, in all lives.
    pub loads: u32,
    /// Where the link's connection is.
    pub link: Option<Link>,
    /// Where the side connection to the primary is.
    side: Option<Link>,
    /// Which attempt to connect is the current one.
    pub attempt: u64,
    /// The same for the side connection.
    side_attempt: u64,
    /// How many there were.
    attempts: u64,
    /// The node's number for the link's connection, and for the side connection.
    connection: u64,
    side_connection: u64,
    pub(crate) config: Config,
    /// Whom the last life followed when it ended, if there was one: what CONFIG REWRITE has kept.
    pub(crate) upstream: Option<Option<usize>>,
    verdicts: Rc<Verdicts>,
    sessions: BTreeMap<SessionId, WireId>,
    callers: BTreeMap<WireId, SessionId>,
    /// Sessions of this life that the other side ended.
    pub(crate) left: BTreeSet<SessionId>,
    pub(crate) spools: BTreeMap<u64, Spool>,
    pub(crate) outgoing: BTreeMap<SessionId, Outgoing>,
    /// Replicas whose stream is to begin when all before it is sent.
    starting: BTreeMap<SessionId, Offset>,
    /// Replicas whose stream flows.
    streams: BTreeMap<SessionId, Stream>,
    pub(crate) load: Option<Load>,
    pub(crate) load_number: u64,
    newest_save: u64,
    newest_base: u64,
    appender: Option<Appender>,
    log_load: Option<LogLoad>,
    /// What a sentinel has outside of its machine.
    watching: Watching,
    announced: Rc<Announced>,
    wake_at: Option<u64>,
    spins: u32,
}

/// The address of a machine.
pub fn address(index: usize) -> IpAddr {
    let last = u8::try_from(index + 1).expect("a world has few machines");
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// The machine with that address.
pub(crate) fn machine(host: &str) -> usize {
    let last = host.rsplit('.').next().and_then(|last| last.parse::<usize>().ok());
    last.expect("hosts are addresses of machines") - 1
}

fn config(index: usize, options: &Options) -> Config {
    let mut config = Config::default();
    config.protected_mode = false;
    config.databases = 4;
    config.hz = options.hz;
    config.repl_backlog_size = options.backlog;
    config.repl_backlog_disk_size = options.disk_backlog;
    config.repl_backlog_spill_size = options.disk_spill;
    config.repl_backlog_ttl = options.backlog_ttl;
    config.repl_diskless_sync = options.diskless_sync;
    config.repl_diskless_sync_delay = options.sync_delay;
    config.repl_diskless_load = options.diskless_load;
    config.dual_channel_replication_enabled = options.two_links >> index & 1 == 1;
    config.replica_full_sync_buffer_limit = options.sync_buffer;
    config.repl_timeout = options.timeout;
    config.repl_ping_replica_period = options.ping_period;
    config.repl_pacing = options.pacing;
    config.replica_verify_interval = options.verify_interval;
    config.replica_serve_stale_data = options.serves_stale;
    config.shutdown_timeout = 2;
    config.shutdown_handover = if options.hands_over { ShutdownHandover::Yes } else { ShutdownHandover::No };
    config.replica_guard_shrink_percent = options.guard;
    config.primary_empty_start_wait = options.empty_start_wait;
    config.latency_tracking = false;
    config.min_replicas_to_ack = options.min_replicas_to_ack;
    config.min_replicas_ack_timeout = options.ack_timeout;
    config.appendonly = options.appendonly >> index & 1 == 1;
    config.appendfsync = options.appendfsync;
    config.auto_aof_rewrite_min_size = options.rewrite_size;
    config.aof_use_rdb_preamble = options.snapshot_bases;
    config.aof_timestamp_enabled = options.timestamps;
    config.no_appendfsync_on_rewrite = options.lax_rewrites;
    config.save = if options.saves { vec![SavePoint { seconds: 5, changes: 20 }] } else { Vec::new() };
    config.client_output_buffer_limit.replica =
        OutputLimit { hard: options.output_limit, soft: 0, soft_seconds: 0 };
    config.sentinel_fencing = options.watch.as_ref().is_some_and(|watch| watch.fencing);
    config
}

impl Process {
    /// A machine without data whose process does not run yet.
    pub fn new(index: usize, options: &Options, ears: &Ears, chance: fastrand::Rng) -> Process {
        Process {
            index,
            node: None,
            life: 0,
            disk: Disk::new(options.sync_time.clone(), chance),
            crashed: None,
            wrote: None,
            skew: Rc::default(),
            stalled_until: 0,
            was_stalled_until: 0,
            loads: 0,
            link: None,
            side: None,
            attempt: 0,
            side_attempt: 0,
            attempts: 0,
            connection: 0,
            side_connection: 0,
            config: config(index, options),
            upstream: None,
            verdicts: Rc::clone(&ears.verdicts),
            announced: Rc::clone(&ears.announced),
            watching: Watching::default(),
            sessions: BTreeMap::new(),
            callers: BTreeMap::new(),
            left: BTreeSet::new(),
            spools: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            starting: BTreeMap::new(),
            streams: BTreeMap::new(),
            load: None,
            load_number: 0,
            newest_save: 0,
            newest_base: 0,
            appender: None,
            log_load: None,
            wake_at: None,
            spins: 0,
        }
    }

    /// Its name in the story.
    pub fn place(&self) -> Place {
        Place::Node(self.index)
    }

    /// Starts the process, to follow `primary` if that is given.
    pub fn start(&mut self, env: &mut Environment, primary: Option<usize>) {
        self.life += 1;
        env.tell(self.place(), format_args!("--- starts, life {}", self.life));
        let upstream = |primary| Upstream { host: address(primary).to_string(), port: PORT };
        self.config.replicaof = primary.map(upstream);
        let host = SimulatedHost {
            name: self.place().to_string(),
            time: env.time.clone(),
            started: env.now(),
            skew: self.skew.clone(),
            story: env.story.clone(),
            verdicts: Rc::clone(&self.verdicts),
            sentinel: self.is_sentinel().then(|| self.sentinel_at_start(env.now())),
        };
        let node = Node::new(self.config.clone(), Box::new(host), env.rng.u64(..));
        self.node = Some(node.expect("no command is renamed"));
        self.appender = Some(Appender::new(self.disk.hand(env.now())));
        if self.is_sentinel() {
            return self.turn(env, |node| node.start(Stored::Nothing));
        }
        let (state, stored) = (self.disk.read(env.now(), STATE), self.find_stored(env));
        self.turn(env, |node| {
            node.remember(Ok(state));
            node.start(stored);
        });
    }

    /// From now on any primary is obeyed, and writes are taken whatever has become of the last save.
    pub fn stop_guarding(&mut self, env: &mut Environment) {
        self.config.replica_guard_shrink_percent = 0;
        self.config.stop_writes_on_bgsave_error = false;
        if self.node.is_some() {
            // In one turn: a node whose shutdown was waiting may end with it.
            let settings = ["replica-guard-shrink-percent", "0", "stop-writes-on-bgsave-error", "no"];
            self.command(env, &[["CONFIG", "SET"].as_slice(), &settings].concat());
        }
    }

    /// Ends the process at once. Whoever is connected finds out, unless the network is silent.
    pub fn kill(&mut self, env: &mut Environment) {
        env.tell(self.place(), "--- is gone");
        for (wire, own) in self.ends(env) {
            env.network.cut(wire);
            env.network.close(wire, own);
        }
        self.end(env, Crash::Killed);
    }

    /// The machine is gone at once, and nobody is told.
    pub fn vanish(&mut self, env: &mut Environment) {
        env.tell(self.place(), "--- has no power");
        for (wire, own) in self.ends(env) {
            env.network.sever(wire, own);
            env.network.close(wire, own);
        }
        self.end(env, Crash::PowerLost);
    }

    /// The connections that end here, and which side of each this is.
    fn ends(&self, env: &Environment) -> Vec<(WireId, Side)> {
        let side = |wire| match env.network.place(wire, Side::Caller) == Some(self.place()) {
            true => Side::Caller,
            false => Side::Server,
        };
        env.network.wires_of(self.place()).into_iter().map(|wire| (wire, side(wire))).collect()
    }

    /// Whatever a life has is gone.
    fn end(&mut self, env: &Environment, crash: Crash) {
        let node = self.node.take();
        if let Some(node) = &node {
            let upstream = node.core.config.replicaof.as_ref();
            self.upstream = Some(upstream.map(|upstream| machine(&upstream.host)));
        }
        // One that ends by itself while its log is loaded has left that phase.
        let is_loading = |node: &Node| node.core.phase == Phase::Loading || self.log_load.is_some();
        let was_loading = node.as_ref().is_some_and(is_loading);
        if let Some(node) = node.filter(|node| !was_loading && !node.core.is_replica()) {
            self.wrote = position(&node);
        }
        (self.link, self.side) = (None, None);
        (self.attempt, self.side_attempt) = (self.next_attempt(), self.next_attempt());
        self.sessions.clear();
        self.callers.clear();
        self.left.clear();
        self.spools.clear();
        self.outgoing.clear();
        self.starting.clear();
        self.streams.clear();
        self.watching = Watching::default();
        self.load = None;
        (self.appender, self.log_load) = (None, None);
        self.disk.crash(env.now(), crash);
        self.crashed = match self.crashed {
            Some((at, worst)) if was_loading => Some((at, worst.max(crash))),
            _ => {
                self.was_stalled_until = self.stalled_until;
                Some((env.now(), crash))
            }
        };
        self.wake_at = None;
        self.spins = 0;
    }

    /// Asks the process to end.
    pub fn terminate(&mut self, env: &mut Environment) {
        env.tell(self.place(), "--- SIGTERM");
        self.turn(env, |node| node.signal(Signal::Terminate));
    }

    /// Runs a command as a client on the same machine; its reply. The node must run.
    pub fn command<T: AsRef<[u8]>>(&mut self, env: &mut Environment, words: &[T]) -> Value {
        let reply = self.commands(env, &[words]).pop();
        reply.expect("a node that runs replies")
    }

    /// Runs several, in one turn; their replies.
    pub fn commands<T: AsRef<[u8]>>(
        &mut self,
        env: &mut Environment,
        requests: &[impl AsRef<[T]>],
    ) -> Vec<Value> {
        let mut input = Vec::new();
        for words in requests {
            encode_request(&mut input, words.as_ref().iter().map(AsRef::as_ref));
        }
        let mut output = Vec::new();
        self.turn(env, |node| {
            let local = || Endpoint::Unix("/operator".to_owned());
            let session = node.accept(local(), local(), -1).expect("a world has few connections");
            node.receive(session, &input);
            let replies = node.core.sessions.get(session).expect("nobody closed it");
            output.extend_from_slice(replies.output.as_bytes());
            node.closed(session);
        });
        let mut values = Vec::new();
        while let Some((value, length)) = decode_value(&output).expect("replies are well-formed") {
            output.drain(..length);
            values.push(value);
        }
        values
    }

    /// A turn of the loop: `input` happens, and then everything that it leads to.
    pub(crate) fn turn(&mut self, env: &mut Environment, input: impl FnOnce(&mut Node)) {
        let Some(node) = &mut self.node else { return };
        node.begin_turn();
        if let Some(progress) = self.appender.as_mut().and_then(|appender| appender.take_progress(env.now()))
        {
            node.aof_reported(Report::Progress(progress));
        }
        input(node);
        self.settle(env);
    }

    fn settle(&mut self, env: &mut Environment) {
        if let Some(node) = &mut self.node {
            node.tick();
        }
        self.perform_all(env);
        if self.feed_replicas(env)
            && let Some(node) = &mut self.node
        {
            // The server's feeder wakes its loop for that.
            node.tick();
            self.perform_all(env);
        }
        self.flush_marked(env);
        if let Some(node) = &mut self.node {
            node.end_turn();
        }
        self.order_from_disk(env);
        // Whom the end of the turn closes is gone before the next one.
        self.perform_all(env);
        self.flush_marked(env);
        let Some(node) = &mut self.node else { return };
        let left = u64::try_from(node.time_left().as_micros()).expect("deadlines are near");
        self.spins = if left == 0 { self.spins + 1 } else { 0 };
        assert!(self.spins < MOST_SPINS, "{} spins: what is due is not done", self.place());
        self.wake(env, left.max(1000));
    }

    fn perform_all(&mut self, env: &mut Environment) {
        while let Some(node) = &mut self.node {
            let effects = node.take_effects();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.perform(env, effect);
            }
        }
    }

    /// A node that is woken too early finds nothing to do, so one planned event is enough.
    fn wake(&mut self, env: &mut Environment, micros: u64) {
        let at = env.now() + micros;
        if self.wake_at.is_none_or(|planned| at < planned) {
            self.wake_at = Some(at);
            self.later(env, micros, Inside::Wake);
        }
    }

    pub(crate) fn later(&self, env: &mut Environment, micros: u64, what: Inside) {
        env.after(micros, Event::Inside { node: self.index, life: self.life, what });
    }

    /// Something that was planned within this life happens.
    pub(crate) fn on_inside(&mut self, env: &mut Environment, what: Inside) {
        match what {
            Inside::Wake if self.wake_at.is_none_or(|at| at > env.now()) => {}
            Inside::Wake => {
                self.wake_at = None;
                self.turn(env, |_| {});
            }
            Inside::Save(number, bytes) => self.write_save(env, number, &bytes),
            Inside::Saved(number, result) => self.turn(env, |node| node.saved(number, result)),
            Inside::AofTurn => self.aof_turn(env),
            Inside::AofReport(report) => self.turn(env, |node| node.aof_reported(report)),
            Inside::AofWake => self.turn(env, |_| {}),
            Inside::AofBase(number, path, bytes) => self.write_base(env, (number, &path), &bytes),
            Inside::AofBaseWritten(number, result) => {
                self.turn(env, |node| node.aof_base_written(number, result));
            }
            Inside::LogLoadTurn => self.log_load_turn(env),
            Inside::Digested(digested) => self.turn(env, |node| node.digested(*digested)),
            Inside::LoadedFile(result) => {
                self.turn(env, |node| node.loaded_file(result.map(|data| data.map(|data| *data))));
            }
            Inside::LoadedSync(number, result) if number == self.load_number => {
                self.loads += u32::from(result.is_ok());
                self.load = None;
                self.turn(env, |node| node.loaded_sync(number, result.map(|data| *data)));
            }
            Inside::LoadedSync(..) => {}
            Inside::LoadProgress(number) => self.progressed(env, number),
            Inside::SyncOutgrown(job, failure) => self.turn(env, |node| node.sync_outgrown(job, failure)),
            Inside::SyncEncoded(job, length) => self.turn(env, |node| node.sync_encoded(job, Ok(length))),
            Inside::SendPiece(session) => self.send_piece(env, session),
            Inside::SyncSent(session, result) => self.sync_sent(env, session, result),
            Inside::DiskTurn => self.disk_turn(env),
            Inside::DiskRead(session) => self.disk_read(env, session),
            Inside::KeepState => self.write_state(env),
            Inside::KeptState(result) => self.kept_state(env, result),
            Inside::KeepFile(name, content) => self.keep_file(env, &name, &content),
            Inside::KeptFile(result) => self.turn(env, |node| node.kept_file(result)),
            Inside::KeepVotes => self.write_votes(env),
            Inside::KeptVotes(version, result) => self.kept_votes(env, version, result),
        }
    }

    fn sync_sent(&mut self, env: &mut Environment, session: SessionId, result: Result<(), String>) {
        self.outgoing.remove(&session);
        let is_connected = self.sessions.contains_key(&session);
        self.turn(env, |node| {
            node.sync_sent(session, result);
            if !is_connected {
                node.closed(session);
            }
        });
    }
}

/// Effects.
impl Process {
    fn perform(&mut self, env: &mut Environment, effect: Effect) {
        match effect {
            Effect::Disconnect(id) => {
                self.flush(env, id);
                self.drop_session(env, id);
            }
            Effect::Save { number, job } => self.save(env, number, &job),
            // No number is this.
            Effect::CancelSave => self.newest_save = 0,
            Effect::Aof(order) => self.order_aof(env, order),
            Effect::AofBase(order) => self.begin_base(env, *order),
            Effect::LoadFile => self.load_file(env),
            Effect::LoadLog(manifest) => self.load_log(env, *manifest),
            // The virtual network delivers pieces of any size.
            Effect::StartStream { replica, from, batch: _ } => drop(self.starting.insert(replica, from)),
            Effect::EndStream { replica, rest, end } => self.end_stream(replica, rest, end),
            Effect::StartSync(order) => self.start_sync(env, &order),
            Effect::JoinSync { job, replica, framing } => self.join_sync(env, job, replica, &framing),
            Effect::SealSync(job) => self.spools.get_mut(&job).expect("not ended yet").sealed = true,
            Effect::EndSync(job) => drop(self.spools.remove(&job)),
            Effect::Connect { number, host, .. } => self.connect(env, number, machine(&host)),
            Effect::SideConnect { number, host, .. } => self.connect_side(env, number, machine(&host)),
            Effect::SideSend(bytes) => send_over(&mut self.side, env, &bytes),
            Effect::SideClose => self.close_side(env),
            Effect::LinkSend(bytes) => self.link_send(env, &bytes),
            Effect::LinkClose => self.close_link(env),
            Effect::LinkPause => self.read_link(env, false),
            Effect::LinkResume => self.read_link(env, true),
            Effect::LoadBegin(order) => self.begin_load(order),
            Effect::LoadBytes(piece) => self.load_bytes(env, &piece),
            Effect::LoadEnd => self.end_load(env),
            Effect::LoadAbort => {
                self.load = None;
                self.load_number = 0;
            }
            Effect::KeepFile { name, content } => {
                let micros = env.draw(&env.options.disk_delay.clone());
                self.later(env, micros, Inside::KeepFile(name, content));
            }
            Effect::KeepState { content, .. } => self.keep_state(env, content),
            Effect::Digest(order) => {
                let micros = env.draw(&env.options.disk_delay.clone());
                self.later(env, micros, Inside::Digested(Box::new(order.run())));
            }
            Effect::Ship(shipment) => {
                if let Some(node) = &mut self.node {
                    node.shipped(shipment.number, Shipped::failed(Trouble::Connecting));
                }
            }
            Effect::Sentinel(action) => self.watch(env, action),
            Effect::SentinelStore { version, path, content } => {
                self.keep_votes(env, (version, path, content))
            }
            Effect::Reclaim(_) => {}
            Effect::Exit(status) => self.exit(env, status),
        }
    }

    fn exit(&mut self, env: &mut Environment, status: i32) {
        self.flush_marked(env);
        self.finish_aof(env);
        self.kill(env);
        if status != 0 && env.now() < self.disk.bad_until() {
            // What it could not cut off is cut off later.
            env.after(REPAIR, Event::Start(self.index));
        } else if self.disk.is_torn && status != 0 {
            // A file that cannot be read: whoever is in charge takes it away.
            self.disk.lose();
            env.after(REPAIR, Event::Start(self.index));
        } else {
            assert_eq!(status, 0, "{} gives up", self.place());
        }
    }
}
