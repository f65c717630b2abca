//! One client's connection, as the node sees it.
//!
//! Owns what lasts longer than a request: the selected database, the protocol,
//! authentication, an open MULTI, bytes that are not a whole request yet and
//! replies not yet sent. Knows nothing of sockets; the shell moves the bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use slipstream_log::Offset;
use slipstream_replication::Moment;
use slipstream_replication::fencing::SentinelId;
use slipstream_resp::{Reply, RequestDecoder};

use crate::acl::UserId;
use crate::held::Held;
use crate::input::Input;
use crate::marked::Marked;
use crate::pubsub::Subscriptions;
use crate::transaction::Transaction;

/// A connection's number, as CLIENT ID tells it: never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Where a connection comes from and where it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Tcp(IpAddr, u16),
    /// A socket in the file system.
    Unix(String),
    /// None: a session of the node itself.
    Internal,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Tcp(IpAddr::V6(ip), port) => write!(f, "[{ip}]:{port}"),
            Endpoint::Tcp(ip, port) => write!(f, "{ip}:{port}"),
            Endpoint::Unix(path) => write!(f, "{path}:0"),
            Endpoint::Internal => f.write_str(":0"),
        }
    }
}

/// What a session is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An ordinary client.
    Client,
    /// A replica that asked for the log.
    Replica,
    /// A replica that was told that the history it knows has ended: it asks again, and is answered.
    ReturningReplica,
    /// A client that watches all commands.
    Monitor,
    /// The stream of this node's own primary.
    Primary,
}

impl Role {
    /// Whether it is listed and treated as a replica.
    pub fn is_replica(self) -> bool {
        matches!(self, Role::Replica | Role::ReturningReplica)
    }
}

/// Whether requests of a session are taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// As they come.
    Ready,
    /// Not before what it waits for happens.
    Waiting(Wait),
    /// Not before CLIENT PAUSE is over.
    Paused,
    /// Soon: it waits no more, or has had its share of the turn, and stands in the queue of those who go on.
    Woken,
    /// No more: it is closed once its replies are sent.
    Closing,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// BLPOP, XREAD and the like: one of its keys has something.
    Keys,
    /// WAIT: enough replicas have what it wrote.
    Replicas,
    /// WAITAOF: the disks of enough replicas have it.
    Files,
    /// WAITOFFSET: this node has come so far.
    Offset,
    /// SAVE: the snapshot is on disk.
    Save,
    /// SHUTDOWN: it succeeds by never answering.
    Shutdown,
    /// REPLICA VERIFY: the copies are compared.
    Verification,
    /// DEBUG RELOAD: the file is loaded.
    Reload,
    /// MIGRATE: the target has the keys.
    Migration,
    /// SENTINEL: the state is on disk.
    Store,
}

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// None until further notice.
    Off,
    /// Not the one to CLIENT REPLY SKIP itself, nor the next.
    SkipNext,
    /// Not the current one.
    Skip,
}

/// One client's connection.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// The client's end.
    pub peer: Endpoint,
    /// This node's end.
    pub local: Endpoint,
    /// What it is to this node.
    pub role: Role,
    /// The selected database.
    pub db: usize,
    /// Whether it may run commands that need a login.
    pub authenticated: bool,
    /// Whose rules hold for it; none of anybody's where it is the node itself that speaks.
    pub user: Option<UserId>,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME and LIB-VER.
    pub library: (Vec<u8>, Vec<u8>),
    /// An open MULTI.
    pub transaction: Option<Transaction>,
    /// Keys under WATCH, with their database.
    pub watched: Vec<(usize, Box<[u8]>)>,
    /// Whether a watched key changed.
    pub watch_broken: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT CAPA REDIRECT: its client goes where it is sent.
    pub follows_redirects: bool,
    /// READONLY: it reads from a replica all the same.
    pub reads_replicas: bool,
    /// Whether it sees keys that are due and not yet deleted, as a node of this project that is about to follow.
    pub sees_due: bool,
    /// Which sentinel it is, if it said so.
    pub(crate) sentinel: Option<Box<SentinelId>>,
    /// The turn in which a write of its was last answered.
    pub(crate) wrote_in: Option<u64>,
    /// Whether a script speaks as it.
    pub(crate) is_script: bool,
    /// Whether requests are taken up.
    pub flow: Flow,
    /// When it connected.
    pub since: Moment,
    /// When it last sent something.
    pub last_active: Moment,
    /// Since when its unsent replies exceed the soft limit.
    pub over_soft_limit_since: Option<Moment>,
    /// The last command, for CLIENT LIST.
    pub last_command: &'static str,
    /// The offset behind its last write, what WAIT waits for.
    pub last_write: Offset,
    /// Commands it ran.
    pub commands: u64,
    /// Bytes received from it and sent to it.
    pub traffic: (u64, u64),
    /// The file descriptor, shown by CLIENT LIST.
    pub descriptor: i64,
    /// Bytes received and not taken up: an unfinished request, or what comes behind one that waits.
    pub(crate) input: Input,
    pub(crate) decoder: RequestDecoder,
    /// Bytes received and not done with as the running command began, its own included.
    pub(crate) in_hand: usize,
    /// Encoded replies. Those that may be sent are [`sendable`](Session::sendable).
    pub output: Reply,
    /// Which of them are held back until replicas have what was written.
    pub(crate) held: Held,
    /// CLIENT DURABILITY: how many replicas must have a write before it is answered; `None` as the directive
    /// says.
    pub durability: Option<usize>,
    /// The last write whose reply was held and let go: its end, and how many replicas had it.
    pub promised: Option<(Offset, usize)>,
    /// What it listens to.
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
    /// What the prefixes take in memory of whose keys it is told.
    pub(crate) tracked_prefixes: usize,
    /// CLIENT MAXLAG: how old what it reads may be, in milliseconds.
    pub max_lag_ms: Option<u64>,
    /// Bytes that a command holds which waits for keys.
    pub(crate) wait_memory: usize,
    /// What [`Sessions`] counts of its memory.
    counted: usize,
}

impl Session {
    /// Whether all that was received is done with: no request is half read, and none waits.
    pub fn is_between_requests(&self) -> bool {
        self.input.is_empty()
    }

    /// A new client.
    pub fn new(id: SessionId, peer: Endpoint, local: Endpoint, now: Moment) -> Self {
        Session {
            id,
            peer,
            local,
            role: Role::Client,
            db: 0,
            authenticated: false,
            user: Some(UserId::DEFAULT),
            name: Vec::new(),
            library: (Vec::new(), Vec::new()),
            transaction: None,
            watched: Vec::new(),
            watch_broken: false,
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            follows_redirects: false,
            reads_replicas: false,
            sees_due: false,
            sentinel: None,
            wrote_in: None,
            is_script: false,
            flow: Flow::Ready,
            since: now,
            last_active: now,
            over_soft_limit_since: None,
            last_command: "NULL",
            last_write: Offset(0),
            commands: 0,
            traffic: (0, 0),
            descriptor: -1,
            input: Input::default(),
            decoder: RequestDecoder::default(),
            in_hand: 0,
            output: Reply::default(),
            held: Held::default(),
            durability: None,
            promised: None,
            max_lag_ms: None,
            subscriptions: None,
            tracked_prefixes: 0,
            wait_memory: 0,
            counted: 0,
        }
    }

    /// Bytes received that are not a whole request yet.
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Bytes allocated for input.
    pub fn input_capacity(&self) -> usize {
        self.input.capacity()
    }

    /// Whether it is inside MULTI.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Bytes held by queued commands.
    pub fn transaction_memory(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.memory)
    }

    /// What this session holds in memory, roughly.
    pub fn memory(&self) -> usize {
        let watched: usize = self.watched.iter().map(|(_, key)| key.len() + WATCH_SIZE).sum();
        let names = self.name.capacity() + self.library.0.capacity() + self.library.1.capacity();
        let replies = self.output.capacity() + self.held.memory();
        let requests = self.transaction_memory() + self.wait_memory;
        let buffers = self.input.capacity() + replies + requests;
        let subscriptions = self.subscriptions.as_ref().map_or(0, |own| own.memory());
        size_of::<Session>() + names + buffers + watched + subscriptions + self.tracked_prefixes
    }

    /// Bytes of replies and pushes that are not sent yet.
    pub(crate) fn unsent(&self) -> u64 {
        (self.output.len() + self.held.memory()) as u64
    }

    /// The replies that may be sent.
    pub fn sendable(&self) -> &[u8] {
        let bytes = self.output.as_bytes();
        let Some(hold) = self.held.first() else { return bytes };
        let length = usize::try_from(hold.place.start - self.output.front());
        &bytes[..length.expect("a reply that is held is in memory")]
    }

    /// Takes up no more requests and has nothing more to say.
    pub(crate) fn close(&mut self) {
        self.flow = Flow::Closing;
        self.held.clear();
        self.input = Input::default();
        self.output = Reply::new(self.output.protocol());
    }
}

/// What a watched key takes beside its bytes: here, and in the list of watched keys.
const WATCH_SIZE: usize = 96;

/// All sessions by number.
///
/// The one whose request runs is taken out meanwhile, so that its command can
/// look at all the others.
#[derive(Debug, Default)]
pub struct Sessions {
    /// None for one that is taken out: it will be back in its place.
    slots: BTreeMap<SessionId, Option<Box<Session>>>,
    /// How many are taken out.
    taken: usize,
    next: u64,
    /// Sessions whose replies wait to be sent: the shell's work list.
    marked: Marked,
    /// Memory of clients, as of when each was last counted.
    memory: usize,
    /// Sessions that were marked and are to be counted again, if that is asked for.
    to_recount: Option<Vec<SessionId>>,
}

impl Sessions {
    /// The number for the next connection.
    pub fn next_id(&mut self) -> SessionId {
        self.next += 1;
        SessionId(self.next)
    }

    /// Adds one, or puts one back.
    pub fn insert(&mut self, mut session: Box<Session>) {
        self.memory = counted_again(self.memory, &mut session);
        match self.slots.get_mut(&session.id) {
            Some(slot) => self.taken -= usize::from(slot.replace(session).is_none()),
            None => drop(self.slots.insert(session.id, Some(session))),
        }
    }

    /// Takes one out, until it is put back.
    pub fn take(&mut self, id: SessionId) -> Option<Box<Session>> {
        let session = self.slots.get_mut(&id)?.take()?;
        self.taken += 1;
        Some(session)
    }

    /// Takes one out for good.
    pub fn remove(&mut self, id: SessionId) -> Option<Box<Session>> {
        let session = self.take(id)?;
        self.taken -= 1;
        self.slots.remove(&id);
        self.memory -= session.counted;
        Some(session)
    }

    /// Memory of all clients. It is that of the last count for those that were not marked since, and without
    /// [`count_marked`](Self::count_marked) of the last request.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Whether sessions that are marked are to be counted again.
    pub(crate) fn count_marked(&mut self, count: bool) {
        self.to_recount = count.then(Vec::new);
    }

    /// Counts those again that were marked since the last time.
    pub(crate) fn recount_marked(&mut self) {
        let Some(mut marked) = self.to_recount.take() else { return };
        for id in marked.drain(..) {
            if let Some(Some(session)) = self.slots.get_mut(&id) {
                self.memory = counted_again(self.memory, session);
            }
        }
        self.to_recount = Some(marked);
    }

    /// Counts all of them again.
    pub(crate) fn recount_all(&mut self) {
        for session in self.slots.values_mut().flatten() {
            self.memory = counted_again(self.memory, session);
        }
    }

    /// Looks at one.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(&id)?.as_deref()
    }

    /// Changes one.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(&id)?.as_deref_mut()
    }

    /// All in the order they connected.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.values().filter_map(|session| session.as_deref())
    }

    /// All, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.slots.values_mut().filter_map(|session| session.as_deref_mut())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len() - self.taken
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that replies wait, or that its flow changed.
    pub fn mark(&mut self, id: SessionId) {
        self.marked.insert(id);
    }

    /// Whether there are sessions noted since then.
    pub fn has_marked(&self) -> bool {
        !self.marked.is_empty()
    }

    /// The sessions noted since the last call, in the order they connected.
    pub fn take_marked(&mut self) -> Vec<SessionId> {
        let marked = self.marked.take();
        if let Some(to_recount) = &mut self.to_recount {
            to_recount.extend(&marked);
        }
        marked
    }
}

/// The sum with a session's memory as it is now. Replicas have limits of their own.
fn counted_again(sum: usize, session: &mut Session) -> usize {
    let old = session.counted;
    session.counted = match session.role {
        Role::Client | Role::Monitor => session.memory(),
        Role::Replica | Role::ReturningReplica | Role::Primary => 0,
    };
    sum - old + session.counted
}
