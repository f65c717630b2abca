//! Command scripts: a request, its reply and the bytes it put into the log.
//!
//! A [`Script`] is a node with a fake process around it: its clock stands at
//! one second after 1970 until [`Script::advance`] moves it, its chance is
//! seeded, its log is active. Each propagated byte is also applied to a second
//! node, the copy; after each request both hold equal data, or the check fails.
//!
//! Replies are written as one line of RESP without line breaks: `+OK`,
//! `-ERR syntax error`, `:3`, `$-1`, `*-1`, `_`, `,1.5`, `#t`; a bulk string is its text, in
//! quotes where it could be mistaken; aggregates are `[…]`, `~[…]` (set),
//! `%[…]` (map, keys and values in turn), `>[…]` (push).
//! Propagated commands are their words, with `; ` between two of them.

mod text;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use slipstream_engine::config::{Config, ProtectedAction};
use slipstream_engine::host::{Clock, Effect, Host, Level, ProcessFacts, Refused};
use slipstream_engine::session::{Endpoint, Role, SessionId};
use slipstream_engine::{Arrival, Door, Node, Shipment, Shipped};
use slipstream_keyspace::{Keyspace, ScoreFormat, UnixMillis, Value, dataset_digest, digest_ranges};
use slipstream_log::Offset;
use slipstream_resp::{Protocol, encode_request, split_line};

/// A process without sockets and files, whose clock stands still.
struct FakeHost {
    micros: Arc<AtomicU64>,
    /// How far the wall clock is off, in microseconds.
    skew: Arc<AtomicI64>,
    /// How far the clock moves each time that it is read.
    pace: Arc<AtomicU64>,
    memory: Arc<AtomicUsize>,
    /// What comes while a script runs, each time that this is looked at.
    arrivals: Arrivals,
    /// How often nothing came.
    looks: usize,
    /// What becomes of shipments that the process waits for.
    outcomes: Outcomes,
    files: Files,
}

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The configuration file, if a test puts one there.
const CONFIG_FILE: &str = "redis.conf";

type Outcomes = Arc<Mutex<VecDeque<Shipped>>>;

type Arrivals = Arc<Mutex<VecDeque<Arrival>>>;

impl Host for FakeHost {
    fn clock(&mut self) -> Clock {
        let micros = self.micros.fetch_add(self.pace.load(Ordering::Relaxed), Ordering::Relaxed);
        let unix_micros = i64::try_from(micros).unwrap() + self.skew.load(Ordering::Relaxed);
        Clock { unix_micros, micros }
    }

    /// All its time.
    fn processor_micros(&mut self) -> u64 {
        self.micros.load(Ordering::Relaxed)
    }

    fn facts(&mut self) -> ProcessFacts {
        ProcessFacts { pid: 1, used_memory: self.used_memory(), ..ProcessFacts::default() }
    }

    fn used_memory(&mut self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    fn release_memory(&mut self) {}

    fn allocator_report(&mut self) -> Option<String> {
        None
    }

    fn log(&mut self, _: Level, _: bool, _: &str) {}

    fn apply(&mut self, _: &mut Config, _: &[&'static str]) -> Result<(), Refused> {
        Ok(())
    }

    fn act_as(&mut self, _: bool) {}

    fn read_config(&mut self) -> Result<String, String> {
        let text = self.read_file(CONFIG_FILE)?.ok_or("no configuration file")?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn write_config(&mut self, text: &[u8]) -> Result<(), String> {
        self.write_file(CONFIG_FILE, text)
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files.lock().unwrap().get(path).cloned())
    }

    fn write_file(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        self.files.lock().unwrap().insert(path.to_owned(), content.to_vec());
        Ok(())
    }

    fn fill_secret(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        bytes.fill(0xab);
        Ok(())
    }

    fn is_program(&mut self, path: &str) -> bool {
        path.starts_with("/bin/")
    }

    fn stall(&mut self, micros: u64) {
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn while_busy(&mut self, door: &mut Door<'_>) -> Vec<Arrival> {
        let arrival = self.arrivals.lock().unwrap().pop_front();
        if let Some(Arrival::Bytes(id, _)) = &arrival {
            assert!(door.serves(*id), "{arrival:?} is to wait");
        }
        self.looks += usize::from(arrival.is_none());
        assert!(self.looks < 20_000, "nobody ends the script");
        arrival.into_iter().collect()
    }

    fn ship(&mut self, _: Box<Shipment>) -> Shipped {
        self.outcomes.lock().unwrap().pop_front().expect("the test says what becomes of it")
    }
}

/// A node under test, a client of it and a copy fed from its log.
pub(crate) struct Script {
    /// The node, for what no command can show.
    pub(crate) node: Node,
    client: SessionId,
    copy: Node,
    stream: SessionId,
    read: Offset,
    micros: Arc<AtomicU64>,
    skew: Arc<AtomicI64>,
    pace: Arc<AtomicU64>,
    memory: Arc<AtomicUsize>,
    arrivals: Arrivals,
    outcomes: Outcomes,
    files: Files,
}

impl Script {
    /// A node with the default configuration and a RESP2 client.
    pub(crate) fn new() -> Self {
        Self::with_config(Config::default())
    }

    /// The same with a RESP3 client.
    pub(crate) fn resp3() -> Self {
        let mut script = Self::new();
        script.use_resp3();
        script
    }

    /// A node with this configuration and a RESP2 client.
    pub(crate) fn with_config(config: Config) -> Self {
        Self::with_files(config, &[])
    }

    /// The same beside these files.
    pub(crate) fn with_files(config: Config, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()));
        let files: Files = Arc::new(Mutex::new(files.collect()));
        let micros = Arc::new(AtomicU64::new(1_000_000));
        let skew = Arc::new(AtomicI64::new(0));
        let pace = Arc::new(AtomicU64::new(0));
        let memory = Arc::new(AtomicUsize::new(0));
        let arrivals = Arrivals::default();
        let outcomes = Outcomes::default();
        let node = |seed, memory: &Arc<AtomicUsize>, arrivals: &Arrivals| {
            let host = FakeHost {
                micros: micros.clone(),
                skew: skew.clone(),
                pace: pace.clone(),
                memory: memory.clone(),
                arrivals: arrivals.clone(),
                looks: 0,
                outcomes: outcomes.clone(),
                files: files.clone(),
            };
            Node::new(config.clone(), Box::new(host), seed).unwrap()
        };
        // The copy never makes room by itself.
        let (mut node, mut copy) =
            (node(1, &memory, &arrivals), node(2, &Arc::default(), &Arrivals::default()));
        let client = node.accept(Endpoint::Internal, Endpoint::Internal, 8).unwrap();
        let stream = copy.accept(Endpoint::Internal, Endpoint::Internal, 8).unwrap();
        let primary = copy.core.sessions.get_mut(stream).unwrap();
        (primary.role, primary.user) = (Role::Primary, None);
        copy.keyspace.set_deletes_due(false);
        node.core.log.activate(&mut fastrand::Rng::with_seed(3));
        // Scripts show a SELECT only where a command itself leaves database 0.
        node.core.propagation.set_selected(Some(0));
        let read = node.core.log.end();
        Script { node, client, copy, stream, read, micros, skew, pace, memory, arrivals, outcomes, files }
    }

    /// The text of a file.
    pub(crate) fn file(&self, path: &str) -> String {
        String::from_utf8(self.files.lock().unwrap()[path].clone()).unwrap()
    }

    /// Replaces a file.
    pub(crate) fn put_file(&self, path: &str, text: &str) {
        self.files.lock().unwrap().insert(path.to_owned(), text.as_bytes().to_vec());
    }

    /// The process around the node, for another node.
    pub(crate) fn into_host(self) -> Box<dyn Host> {
        self.node.core.host
    }

    /// A node that allows DEBUG.
    pub(crate) fn with_debug() -> Self {
        let mut script = Self::new();
        script.node.core.config.enable_debug_command = ProtectedAction::Yes;
        script
    }

    /// Makes the client speak RESP3.
    pub(crate) fn use_resp3(&mut self) {
        let session = self.node.core.sessions.get_mut(self.client).unwrap();
        session.output.set_protocol(Protocol::Resp3);
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, millis: u64) {
        self.micros.fetch_add(millis * 1000, Ordering::Relaxed);
    }

    /// Makes time pass while the node works: so much whenever it looks at the clock.
    pub(crate) fn run_clock(&mut self, micros: u64) {
        self.pace.store(micros, Ordering::Relaxed);
    }

    /// Sets the wall clock forward or back; the time since the start goes on as before.
    pub(crate) fn jump(&mut self, millis: i64) {
        self.skew.fetch_add(millis * 1000, Ordering::Relaxed);
    }

    /// Sets what the process holds to have allocated.
    pub(crate) fn set_memory(&mut self, bytes: usize) {
        self.memory.store(bytes, Ordering::Relaxed);
    }

    /// What comes in while a script runs, one by one.
    pub(crate) fn arrives_while_busy(&mut self, arrivals: impl IntoIterator<Item = Arrival>) {
        self.arrivals.lock().unwrap().extend(arrivals);
    }

    /// What becomes of the next shipment for which the process waits.
    pub(crate) fn ships_at_once(&mut self, shipped: Shipped) {
        self.outcomes.lock().unwrap().push_back(shipped);
    }

    /// The client that [`Script::ask`] speaks as.
    pub(crate) fn client(&self) -> SessionId {
        self.client
    }

    /// A further client; use it with [`Script::ask_as`].
    pub(crate) fn connect(&mut self) -> SessionId {
        self.node.accept(Endpoint::Internal, Endpoint::Internal, 8).unwrap()
    }

    /// A replica that continues from where the log stands, and has not said yet what it has.
    pub(crate) fn attach(&mut self) -> SessionId {
        let replica = self.connect();
        let log = &self.node.core.log;
        let request = format!("PSYNC {} {}", log.history().id, log.end().next_byte());
        self.ask_as(replica, &request);
        self.received(replica);
        replica
    }

    /// Sends a request, in the words of an inline command, and expects its reply and what it propagates.
    #[track_caller]
    pub(crate) fn check(&mut self, request: &str, reply: &str, propagated: &str) {
        assert_eq!(self.ask(request), reply, "the reply to {request}");
        assert_eq!(self.propagated(), propagated, "what {request} propagates");
    }

    /// Sends a request that propagates nothing and expects its reply.
    #[track_caller]
    pub(crate) fn check_read(&mut self, request: &str, reply: &str) {
        self.check(request, reply, "");
    }

    /// Sends a request that is propagated as it came and expects its reply.
    #[track_caller]
    pub(crate) fn check_write(&mut self, request: &str, reply: &str) {
        let words = split_line(request.as_bytes()).unwrap();
        self.check(request, reply, &text::command(&words));
    }

    /// Whether database 0 holds a key, due or not: an empty collection under a key would be seen here.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node.keyspace.db(0).contains(key.as_bytes(), UnixMillis(i64::MIN))
    }

    /// Changes the data of the node and of the copy past all commands, as loading a file does.
    pub(crate) fn on_both(&mut self, change: impl Fn(&mut Keyspace)) {
        change(&mut self.node.keyspace);
        change(&mut self.copy.keyspace);
    }

    /// Sends a request and returns its reply as text.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.ask_as(self.client, request)
    }

    /// Sends a request as another client and returns its reply as text.
    #[track_caller]
    pub(crate) fn ask_as(&mut self, client: SessionId, request: &str) -> String {
        let words = split_line(request.as_bytes()).expect("quotes close");
        self.ask_words(client, &words)
    }

    /// Sends a request of any bytes and returns its reply as text.
    pub(crate) fn ask_words<T: AsRef<[u8]>>(&mut self, client: SessionId, words: &[T]) -> String {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, words.iter().map(AsRef::as_ref));
        self.node.receive(client, &bytes);
        self.received(client)
    }

    /// What a client was sent and has not read yet, as text.
    pub(crate) fn received(&mut self, client: SessionId) -> String {
        let session = self.node.core.sessions.get_mut(client).unwrap();
        let (text, length) = (text::replies(session.sendable()), session.sendable().len());
        session.output.consume(length);
        text
    }

    /// What was propagated since the last call, as text. Applies it to the copy and compares.
    #[track_caller]
    pub(crate) fn propagated(&mut self) -> String {
        let slices = self.node.core.log.slices_from(self.read).expect("the log keeps all of a script");
        let bytes: Vec<u8> = slices.flat_map(|slice| slice.to_vec()).collect();
        self.read = self.node.core.log.end();
        self.copy.receive(self.stream, &bytes);
        assert_eq!(self.copy.core.stats.error_replies, 0, "the copy refuses {}", text::commands(&bytes));
        assert_eq!(
            digest(&self.node),
            digest(&self.copy),
            "the copy differs after {}",
            text::commands(&bytes)
        );
        // These know the groups of streams, too.
        let [ours, theirs] = [&self.node, &self.copy].map(|node| digest_ranges(&node.keyspace.snapshot()));
        assert!(ours == theirs, "the copy differs beyond its values after {}", text::commands(&bytes));
        assert_eq!(
            field_deadlines(&self.node),
            field_deadlines(&self.copy),
            "after {}",
            text::commands(&bytes)
        );
        text::commands(&bytes)
    }

    /// The effects the node asked for since the last call.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.node.core.effects)
    }

    /// The sessions that the node wants to be closed; all other effects are passed over.
    pub(crate) fn disconnected(&mut self) -> Vec<SessionId> {
        let disconnected = |effect| match effect {
            Effect::Disconnect(id) => Some(id),
            _ => None,
        };
        self.effects().into_iter().filter_map(disconnected).collect()
    }
}

/// Every field that has a deadline. The databases know how many hashes have such fields.
fn field_deadlines(node: &Node) -> Vec<(Vec<u8>, Vec<u8>, UnixMillis)> {
    let mut all = Vec::new();
    for index in 0..node.keyspace.databases() {
        let mut hashes = 0;
        for (key, value, _) in node.keyspace.db(index).iter() {
            let Value::Hash(hash) = value else { continue };
            hashes += usize::from(hash.has_deadlines());
            let timed = hash.iter().filter_map(|(field, _)| {
                let field = field.to_vec();
                hash.deadline(&field).map(|deadline| (key.to_vec(), field, deadline))
            });
            all.extend(timed);
        }
        assert_eq!(node.keyspace.db(index).hashes_with_deadlines(), hashes, "in database {index}");
    }
    all.sort_unstable();
    all
}

fn digest(node: &Node) -> String {
    dataset_digest(&node.keyspace.snapshot(), ScoreFormat::default()).to_string()
}
