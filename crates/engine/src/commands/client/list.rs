//! The lines of CLIENT LIST and CLIENT INFO, one per client, and which clients there are.
//!
//! Besides the sessions of clients, replicas and monitors this is the link to
//! this node's primary, once its stream flows. The session whose command runs
//! is out of its place meanwhile and comes from the call.

use slipstream_replication::Moment;
use slipstream_replication::replicas::ReplicaId;
use slipstream_resp::{Protocol, Reply};

use crate::call::Call;
use crate::node::Core;
use crate::pubsub;
use crate::session::{Endpoint, Flow, Role, Session, SessionId};
use crate::tracking::Tracker;

/// What TYPE asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Primary,
    Replica,
    PubSub,
}

impl Kind {
    pub(super) fn parse(word: &[u8]) -> Option<Kind> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Some(Kind::Normal),
            b"master" | b"primary" => Some(Kind::Primary),
            b"replica" | b"slave" => Some(Kind::Replica),
            b"pubsub" => Some(Kind::PubSub),
            _ => None,
        }
    }

    fn of(session: &Session) -> Kind {
        match session.role {
            Role::Client | Role::Monitor if session.is_subscribed() => Kind::PubSub,
            Role::Client | Role::Monitor => Kind::Normal,
            Role::Replica | Role::ReturningReplica => Kind::Replica,
            Role::Primary => Kind::Primary,
        }
    }
}

/// One client as it is shown.
pub(super) struct Client<'a> {
    pub(super) session: Seen<'a>,
    /// Whose rules hold for it.
    user: Option<&'a [u8]>,
    /// Bytes received and not taken up; of the running command with its own.
    input: usize,
    /// Its replies.
    output: &'a Reply,
    /// Whether its replies cannot be sent at once.
    stuck: bool,
    /// Bytes of the log that it, a replica, has not been sent.
    unsent: u64,
    /// How it tracks keys.
    tracker: Option<&'a Tracker>,
    /// Memory that the session does not know of: the running command holds its buffers.
    lent: usize,
}

/// A session in its place, or one made to describe the link to the primary.
pub(super) enum Seen<'a> {
    Here(&'a Session),
    Made(Box<Session>),
}

impl std::ops::Deref for Seen<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Seen::Here(session) => session,
            Seen::Made(session) => session,
        }
    }
}

impl Client<'_> {
    pub(super) fn is(&self, kind: Kind) -> bool {
        Kind::of(&self.session) == kind
    }
}

/// All clients in the order in which they connected.
pub(super) fn clients<'a>(call: &'a Call<'_>) -> Vec<Client<'a>> {
    let core = &*call.core;
    let mut all: Vec<Client<'a>> = core.sessions.iter().map(|session| other(core, session)).collect();
    all.push(running(call));
    all.extend(primary(core));
    all.sort_by_key(|client| client.session.id);
    all
}

/// The client whose command runs.
pub(super) fn running<'a>(call: &'a Call<'_>) -> Client<'a> {
    let session = Seen::Here(call.session);
    let lent = call.reply.capacity() + call.session.in_hand;
    let tracker = call.core.tracking.of(call.session.id);
    Client {
        user: call.core.user_name(call.session),
        input: call.session.in_hand,
        output: call.reply,
        stuck: false,
        unsent: 0,
        tracker,
        lent,
        session,
    }
}

fn other<'a>(core: &'a Core, session: &'a Session) -> Client<'a> {
    let replica = core.replication.replicas.get(ReplicaId(session.id.0));
    let cursor = replica.and_then(|replica| replica.cursor());
    Client {
        user: core.user_name(session),
        input: session.input_len(),
        output: &session.output,
        stuck: !session.output.is_empty(),
        unsent: cursor.map_or(0, |cursor| core.log.end().since(cursor)),
        tracker: core.tracking.of(session.id),
        lent: 0,
        session: Seen::Here(session),
    }
}

/// The link to the primary as if it were a client's session.
fn primary(core: &Core) -> Option<Client<'static>> {
    const NO_REPLIES: &Reply = &Reply::new(Protocol::Resp2);
    let link = &core.replication.link;
    let opened = core.replication.opened.as_ref().filter(|_| link.is_up())?;
    let mut session = Session::new(opened.id, opened.peer.clone(), opened.local.clone(), opened.since);
    session.role = Role::Primary;
    session.user = None;
    session.descriptor = opened.descriptor;
    session.last_active = link.last_heard().unwrap_or(opened.since);
    session.db = core.replication.stream.database();
    session.last_command = core.replication.stream.last_command();
    let input = core.replication.stream.waiting();
    let session = Seen::Made(Box::new(session));
    Some(Client {
        session,
        user: None,
        input,
        output: NO_REPLIES,
        stuck: false,
        unsent: 0,
        tracker: None,
        lent: input,
    })
}

impl Core {
    /// The number under which the link to the primary is listed.
    pub(super) fn primary_client(&self) -> Option<SessionId> {
        primary(self).map(|client| client.session.id)
    }
}

/// A client of which no command runs, as a line.
pub(crate) fn describe(core: &Core, session: &Session) -> String {
    line(&other(core, session), core.clock.moment())
}

/// One line, without its end.
pub(super) fn line(client: &Client<'_>, now: Moment) -> String {
    let session = &*client.session;
    let seconds_since = |moment: Moment| now.0.saturating_sub(moment.0) / 1000;
    let text = String::from_utf8_lossy;
    let queued =
        session.transaction.as_ref().map_or_else(|| "-1".into(), |open| open.requests.len().to_string());
    let waiting = if client.output.is_empty() { 0 } else { client.output.capacity() as u64 };
    // Arguments are not copied, hence argv-mem; all replies are in one buffer, hence oll. The most that this
    // buffer held of late is what it has kept allocated, hence rbp.
    [
        format!("id={}", session.id.0),
        format!("addr={}", session.peer),
        format!("laddr={}", session.local),
        format!("fd={}", session.descriptor),
        format!("name={}", text(&session.name)),
        format!("age={}", seconds_since(session.since)),
        format!("idle={}", seconds_since(session.last_active)),
        format!("flags={}", flags(client)),
        format!("db={}", session.db),
        format!("sub={}", session.subscribed(pubsub::Kind::Channel)),
        format!("psub={}", session.subscribed(pubsub::Kind::Pattern)),
        format!("ssub={}", session.subscribed(pubsub::Kind::Shard)),
        format!("multi={queued}"),
        format!("qbuf={}", client.input),
        format!("qbuf-free={}", session.input_capacity().saturating_sub(client.input)),
        "argv-mem=0".into(),
        format!("multi-mem={}", session.transaction_memory()),
        format!("rbs={0} rbp={0}", client.output.capacity()),
        format!("obl={}", client.output.len()),
        "oll=0".into(),
        format!("omem={}", waiting + client.unsent),
        format!("tot-mem={}", (session.memory() + client.lent) as u64 + client.unsent),
        format!("events=r{}", if client.stuck { "w" } else { "" }),
        format!("cmd={}", session.last_command),
        format!("user={}", client.user.map_or("(superuser)".into(), text)),
        format!("redir={}", client.tracker.map_or(-1, Tracker::shown_redirect)),
        format!("resp={}", if client.output.is_resp3() { 3 } else { 2 }),
        format!("lib-name={}", text(&session.library.0)),
        format!("lib-ver={}", text(&session.library.1)),
    ]
    .join(" ")
}

fn flags(client: &Client<'_>) -> String {
    let (session, tracker) = (&*client.session, client.tracker);
    let marks = [
        (session.role == Role::Monitor, 'O'),
        (session.role.is_replica(), 'S'),
        (session.role == Role::Primary, 'M'),
        (session.is_subscribed(), 'P'),
        (session.in_transaction(), 'x'),
        (matches!(session.flow, Flow::Waiting(_) | Flow::Paused), 'b'),
        (tracker.is_some(), 't'),
        (tracker.is_some_and(|tracker| tracker.is_broken), 'R'),
        (tracker.is_some_and(|tracker| tracker.mode.is_broadcast()), 'B'),
        (session.watch_broken, 'd'),
        (session.flow == Flow::Closing, 'c'),
        (matches!(session.peer, Endpoint::Unix(_)), 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let set: String = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark).collect();
    if set.is_empty() { "N".into() } else { set }
}
