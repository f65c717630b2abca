//! A few nodes and the connections between them, all in memory and on a virtual clock.
//!
//! Each node has what an engine would have: data, a log, one link and its replicas. The data is simply
//! everything that was ever written, and a command is a line; lines between `multi` and `exec` are applied
//! together. Bytes travel in pieces of random size. What the machines want done is done here as an engine
//! would do it.

use std::collections::BTreeMap;

use slipstream_log::{Log, Offset};
use slipstream_replication::link::{Endpoint, Position, Rewound, Standing};
use slipstream_replication::replicas::{
    Answer, Change, JobId, Newcomer, OutputLimit, ReplicaId, Request, Role, SnapshotSent, SyncJob,
    SyncMember, Turn,
};
use slipstream_replication::{Link, Moment, Replicas, link, replicas, wire};
use slipstream_resp::{Args, Limits, Progress, RequestDecoder};

const REPLICAS: replicas::Settings = replicas::Settings {
    timeout_ms: 10_000,
    ping_period_ms: 2_000,
    sync_delay_ms: 500,
    two_links: true,
    sync_max_replicas: None,
    backlog_ttl_ms: None,
    pacing: true,
    output_limit: OutputLimit { hard: 0, soft: 0, soft_ms: 0 },
};

/// One node, as its engine sees it.
pub(crate) struct Node {
    pub(crate) data: Vec<u8>,
    pub(crate) log: Log,
    pub(crate) link: Link,
    pub(crate) replicas: Replicas,
    /// Snapshots that were loaded.
    pub(crate) loads: u32,
    /// The connection of the link.
    upstream: Option<u64>,
    /// Bytes of the stream that are no complete command yet.
    partial: Vec<u8>,
    /// The snapshot that is being received, and what it is a copy of.
    incoming: (Vec<u8>, Option<Position>),
    /// A complete snapshot, loaded when the time has come.
    loading_until: Option<Moment>,
    /// Snapshots that may be joined.
    spools: BTreeMap<JobId, Vec<u8>>,
    /// Snapshots that are being sent: what is left, by replica.
    outgoing: BTreeMap<ReplicaId, (JobId, Vec<u8>)>,
    /// Streams: the cursor of each replica.
    streams: BTreeMap<ReplicaId, Offset>,
}

/// A connection from the link of one node to the replicas of another.
struct Connection {
    client: usize,
    server: usize,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    paused: bool,
    requests: RequestDecoder,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: Moment,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rng: fastrand::Rng,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Nodes that nobody can reach and that reach nobody.
    pub(crate) isolated: Vec<bool>,
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let node = |rng: &mut fastrand::Rng| Node {
            data: Vec::new(),
            log: Log::new(64 << 10, rng),
            link: Link::new(link::Settings {
                user: None,
                password: None,
                announced_port: 6379,
                announced_ip: None,
                timeout_ms: 10_000,
                two_links: false,
                buffer_limit: 0,
            }),
            replicas: Replicas::new(Moment(0), REPLICAS, rng.fork()),
            loads: 0,
            upstream: None,
            partial: Vec::new(),
            incoming: (Vec::new(), None),
            loading_until: None,
            spools: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            streams: BTreeMap::new(),
        };
        World {
            seed,
            now: Moment(0),
            nodes: (0..nodes).map(|_| node(&mut rng)).collect(),
            rng,
            connections: BTreeMap::new(),
            next_connection: 1,
            isolated: vec![false; nodes],
        }
    }

    /// Makes `replica` follow `primary`.
    pub(crate) fn follow(&mut self, replica: usize, primary: usize) {
        let endpoint = Endpoint { host: primary.to_string(), port: 6379 };
        self.link(replica, |link, now, actions| link.follow(now, endpoint, actions));
        self.update_role(replica);
    }

    /// Whether a node is another, or follows it by however many steps.
    pub(crate) fn descends(&self, node: usize, ancestor: usize) -> bool {
        let mut above = Some(node);
        while let Some(at) = above {
            if at == ancestor {
                return true;
            }
            above = self.nodes[at]
                .link
                .primary()
                .map(|endpoint| endpoint.host.parse().expect("hosts are numbers"));
        }
        false
    }

    /// Makes a node a primary, as REPLICAOF NO ONE does.
    pub(crate) fn promote(&mut self, node: usize) {
        self.link(node, |link, _, actions| link.stop(actions));
        self.nodes[node].log.promote(&mut self.rng);
        self.change_history(node, Change::Renamed);
        self.update_role(node);
    }

    /// A client of a primary writes.
    pub(crate) fn write(&mut self, node: usize, commands: &str) {
        assert!(self.nodes[node].link.primary().is_none(), "only primaries write");
        self.nodes[node].data.extend_from_slice(commands.as_bytes());
        self.nodes[node].log.append(commands.as_bytes());
    }

    /// The connections of some nodes to their primaries.
    pub(crate) fn connections_of(&self, nodes: &[usize]) -> Vec<Option<u64>> {
        nodes.iter().map(|node| self.nodes[*node].upstream).collect()
    }

    /// Lets a node's log begin anew, so that nobody may continue with it.
    pub(crate) fn forget_log(&mut self, node: usize) {
        self.change_history(node, Change::Replaced);
        self.nodes[node].log.deactivate(&mut self.rng);
        self.nodes[node].log.activate(&mut self.rng);
    }

    /// Loses the connection of a node to its primary.
    pub(crate) fn cut(&mut self, node: usize) {
        if let Some(connection) = self.nodes[node].upstream {
            self.lose(connection);
        }
    }

    pub(crate) fn isolate(&mut self, node: usize, isolated: bool) {
        self.isolated[node] = isolated;
        let touched = |c: &Connection| c.client == node || c.server == node;
        let lost: Vec<u64> = self.connections.iter().filter(|(_, c)| touched(c)).map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|connection| self.lose(connection));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now.after_ms(ms);
        while self.now < end {
            self.now = self.now.after_ms(50);
            self.carry_bytes();
            for node in 0..self.nodes.len() {
                self.turn(node);
            }
        }
    }

    fn turn(&mut self, node: usize) {
        if self.nodes[node].loading_until.is_some_and(|until| until <= self.now) {
            self.finish_loading(node);
        }
        self.link(node, |link, now, actions| link.on_turn(now, actions));
        self.update_role(node);
        self.replicas(node, |replicas, turn, actions| replicas.on_turn(turn, actions));
        self.feed_streams(node);
        let node = &mut self.nodes[node];
        node.log.trim(node.replicas.oldest_needed());
    }

    fn change_history(&mut self, node: usize, change: Change) {
        self.replicas(node, |replicas, turn, actions| replicas.change_history(turn, change, actions));
    }

    fn update_role(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let role = match node.link.primary() {
            None => Role::Primary,
            Some(_) => Role::Replica { link_up: node.link.is_up() },
        };
        node.replicas.set_role(self.now, role);
    }
}

/// The network.
impl World {
    fn carry_bytes(&mut self) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.send_snapshot(id);
            for _ in 0..3 {
                self.carry_to_client(id);
                self.carry_to_server(id);
            }
        }
    }

    fn carry_to_client(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.paused) else { return };
        let client = connection.client;
        let len = self.rng.usize(..=connection.to_client.len().min(5000));
        let bytes: Vec<u8> = connection.to_client.drain(..len).collect();
        if !bytes.is_empty() {
            self.link(client, |link, now, actions| link.on_received(now, &bytes, actions));
        }
    }

    fn carry_to_server(&mut self, id: u64) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let server = connection.server;
            let mut requests = std::mem::take(&mut connection.requests);
            let Ok(Progress::Complete { consumed }) =
                requests.decode(&connection.to_server, &Limits::default())
            else {
                connection.requests = requests;
                return;
            };
            let buffer: Vec<u8> = connection.to_server.drain(..consumed).collect();
            self.serve(id, server, requests.args(&buffer));
        }
    }

    /// What the commands of the engine would do.
    fn serve(&mut self, connection: u64, server: usize, args: Args<'_>) {
        let id = ReplicaId(connection);
        let answer = match args.iter().next() {
            None => {
                self.nodes[server].replicas.on_sign_of_life(self.now, id);
                return;
            }
            Some(b"PING") => "+PONG\r\n".to_owned(),
            Some(b"INFO") => {
                let history = self.nodes[server].log.history();
                let (previous, fork) = match history.previous {
                    Some((id, fork)) => (id.to_string(), i64::try_from(fork.0).expect("small") + 1),
                    None => ("0".repeat(40), -1),
                };
                let text = format!(
                    "master_replid:{}\r\nmaster_replid2:{previous}\r\nsecond_repl_offset:{fork}\r\n",
                    history.id
                );
                format!("${}\r\n{text}\r\n", text.len())
            }
            Some(b"REPLCONF") => {
                let mut answer = Ok(Answer::Silence);
                self.replicas(server, |replicas, turn, actions| {
                    answer = replicas.on_replconf(turn, id, args.from(1), actions);
                });
                match answer {
                    Ok(Answer::Ok(text)) => format!("+{text}\r\n"),
                    Ok(Answer::Dialect(_)) => "+OK slipstream1\r\n".to_owned(),
                    Ok(Answer::Silence) => return,
                    Err(error) => format!("-{error}\r\n"),
                }
            }
            Some(b"PSYNC") => {
                let next_byte = slipstream_resp::number::parse_i64(&args[2]).expect("a link sends numbers");
                let newcomer = Newcomer { id, peer: "", request: Request::Psync { id: &args[1], next_byte } };
                let mut refused = None;
                self.replicas(server, |replicas, turn, actions| {
                    refused = replicas.on_sync(turn, newcomer, actions).err();
                });
                let Some(refused) = refused else { return };
                format!("-{refused}\r\n")
            }
            Some(other) => panic!("{}", other.escape_ascii()),
        };
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.to_client.extend_from_slice(answer.as_bytes());
        }
    }

    /// A connection breaks: both sides learn of it.
    fn lose(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.nodes[connection.client].upstream = None;
        self.nodes[connection.client].partial.clear();
        self.link(connection.client, |link, now, actions| link.on_closed(now, "connection lost", actions));
        self.forget_session(connection.server, id);
    }

    fn forget_session(&mut self, server: usize, id: u64) {
        self.nodes[server].streams.remove(&ReplicaId(id));
        self.nodes[server].outgoing.remove(&ReplicaId(id));
        self.replicas(server, |replicas, turn, actions| {
            replicas.on_closed(turn.now, ReplicaId(id), actions);
        });
    }

    fn send_snapshot(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (server, replica) = (connection.server, ReplicaId(id));
        let Some((_, rest)) = self.nodes[server].outgoing.get_mut(&replica) else { return };
        let len = self.rng.usize(..=rest.len().min(5000));
        let piece: Vec<u8> = rest.drain(..len).collect();
        let is_done = rest.is_empty();
        self.connections.get_mut(&id).expect("looked up above").to_client.extend_from_slice(&piece);
        self.replicas(server, |replicas, turn, actions| {
            replicas.on_snapshot_progress(turn.now, replica, SnapshotSent::default(), actions);
        });
        if is_done {
            self.nodes[server].outgoing.remove(&replica);
            self.replicas(server, |replicas, turn, actions| {
                replicas.on_snapshot_sent(turn, replica, actions);
            });
        }
    }

    fn feed_streams(&mut self, server: usize) {
        let node = &mut self.nodes[server];
        for (replica, cursor) in &mut node.streams {
            let connection = self.connections.get_mut(&replica.0).expect("forgotten with its connection");
            for slice in node.log.slices_from(*cursor).expect("kept while a replica needs it") {
                connection.to_client.extend_from_slice(&slice);
            }
            *cursor = node.log.end();
            node.replicas.on_sent(*replica, *cursor);
        }
    }
}

/// What an engine does with the actions of a link.
impl World {
    fn link<'a>(&mut self, node: usize, event: impl FnOnce(&mut Link, Moment, &mut Vec<link::Action<'a>>)) {
        let mut actions = Vec::new();
        event(&mut self.nodes[node].link, self.now, &mut actions);
        for action in actions {
            self.do_for_link(node, action);
        }
    }

    fn do_for_link(&mut self, at: usize, action: link::Action<'_>) {
        use link::Action;
        let node = &mut self.nodes[at];
        match action {
            Action::Connect(endpoint) => self.connect(at, endpoint.host.parse().expect("hosts are numbers")),
            Action::Send(bytes) => self.upstream(at).to_server.extend_from_slice(&bytes),
            Action::Close => {
                node.partial.clear();
                let Some(id) = node.upstream.take() else { return };
                let connection = self.connections.remove(&id).expect("was open");
                self.forget_session(connection.server, id);
            }
            Action::PauseReading => self.upstream(at).paused = true,
            Action::ResumeReading => self.upstream(at).paused = false,
            Action::SnapshotBegin { position, .. } => {
                node.incoming = (Vec::new(), position);
                self.change_history(at, Change::Replaced);
                self.nodes[at].log.deactivate(&mut self.rng);
            }
            Action::SnapshotBytes(bytes) => node.incoming.0.extend_from_slice(&bytes),
            Action::SnapshotEnd => node.loading_until = Some(self.now.after_ms(self.rng.u64(..2000))),
            Action::SnapshotAbort => node.loading_until = None,
            // The commands of this world all change data: there is no way back.
            Action::Rewind { .. } => {
                self.link(at, |link, now, actions| link.on_rewound(now, Rewound::Refused, actions))
            }
            Action::Restore { .. } | Action::Forget => unreachable!("no key is ever stale here"),
            Action::Continue { id } => {
                let id = id.unwrap_or(node.log.history().id);
                if id != node.log.history().id {
                    node.log.adopt_id(id);
                    self.change_history(at, Change::Renamed);
                }
            }
            Action::Apply(bytes) => {
                node.partial.extend_from_slice(&bytes);
                self.apply(at);
            }
            Action::ConnectSide(_) | Action::SendSide(_) | Action::CloseSide => {
                unreachable!("nobody says that two connections will do")
            }
            Action::Log(..) | Action::Takeover(_) => {}
        }
    }

    fn upstream(&mut self, node: usize) -> &mut Connection {
        let id = self.nodes[node].upstream.expect("the link knows that it has a connection");
        self.connections.get_mut(&id).expect("lost together")
    }

    fn connect(&mut self, client: usize, server: usize) {
        if self.isolated[client] || self.isolated[server] {
            return self
                .link(client, |link, now, actions| link.on_closed(now, "Connection refused", actions));
        }
        let id = self.next_connection;
        self.next_connection += 1;
        let (to_server, to_client, requests) = Default::default();
        let connection = Connection { client, server, to_server, to_client, paused: false, requests };
        self.connections.insert(id, connection);
        self.nodes[client].upstream = Some(id);
        let standing = self.nodes[client].standing();
        self.link(client, |link, now, actions| link.on_connected(now, standing, actions));
    }

    fn finish_loading(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.loading_until = None;
        node.loads += 1;
        let (data, position) = std::mem::take(&mut node.incoming);
        let position = position.expect("nobody needs SYNC here");
        node.data = data;
        node.log.adopt_snapshot(position.id, position.offset);
        self.link(at, |link, now, actions| link.on_loaded(now, position.offset, actions));
    }

    /// Applies what is complete: a line, or everything from `multi` to `exec`.
    fn apply(&mut self, at: usize) {
        while let Some(len) = complete_command(&self.nodes[at].partial) {
            let command: Vec<u8> = self.nodes[at].partial.drain(..len).collect();
            if command == wire::HISTORY_CHANGED {
                let standing = self.nodes[at].standing();
                return self.link(at, |link, now, actions| link.on_history_changed(now, standing, actions));
            }
            if command == b"getack\n" {
                self.link(at, |link, now, _| link.on_getack(now));
            }
            let node = &mut self.nodes[at];
            node.data.extend_from_slice(&command);
            node.log.append(&command);
            node.link.on_applied(node.log.end());
        }
    }
}

fn complete_command(stream: &[u8]) -> Option<usize> {
    let end: &[u8] = if stream.starts_with(b"multi\n") { b"\nexec\n" } else { b"\n" };
    stream.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
}

/// What an engine does with the actions of its replicas.
impl World {
    fn replicas(
        &mut self,
        node: usize,
        event: impl FnOnce(&mut Replicas, Turn<'_>, &mut Vec<replicas::Action>),
    ) {
        let mut actions = Vec::new();
        let Node { replicas, log, .. } = &mut self.nodes[node];
        event(replicas, Turn { now: self.now, log }, &mut actions);
        for action in actions {
            self.do_for_replicas(node, action);
        }
    }

    fn do_for_replicas(&mut self, at: usize, action: replicas::Action) {
        use replicas::Action;
        let node = &mut self.nodes[at];
        match action {
            Action::ActivateLog => node.log.activate(&mut self.rng),
            Action::DeactivateLog => node.log.deactivate(&mut self.rng),
            Action::AppendPing => self.write(at, "ping\n"),
            Action::AppendGetAck => self.write(at, "getack\n"),
            Action::AppendClock => self.write(at, "clock\n"),
            Action::StartSync(job) => self.start_sync(at, &job),
            Action::JoinSync(member) => node.join_sync(&member),
            Action::SealSync(_) => {}
            Action::EndSync(job) => {
                node.outgoing.retain(|_, (own, _)| *own != job);
                node.spools.remove(&job);
            }
            Action::Send { replica, bytes } => {
                if let Some(connection) = self.connections.get_mut(&replica.0) {
                    connection.to_client.extend_from_slice(&bytes);
                }
            }
            Action::StartStream { replica, from } => {
                node.streams.insert(replica, from);
            }
            Action::EndStream { replica, rest, end } => {
                let cursor = node.streams.remove(&replica).expect("it has begun");
                let connection = self.connections.get_mut(&replica.0).expect("forgotten with its connection");
                for slice in rest {
                    let skipped = usize::try_from(cursor.since(slice.start())).expect("logs are small");
                    connection.to_client.extend_from_slice(slice.get(skipped..).unwrap_or_default());
                }
                node.replicas.on_stream_ended(replica, end);
            }
            Action::AskAgain(replica) => {
                if let Some(connection) = self.connections.get_mut(&replica.0) {
                    connection.to_client.extend_from_slice(wire::HISTORY_CHANGED);
                }
            }
            Action::Close(replica) => self.lose(replica.0),
            Action::WaitOver { .. } | Action::Log(..) => {}
        }
    }

    fn start_sync(&mut self, at: usize, job: &SyncJob) {
        let node = &mut self.nodes[at];
        assert_eq!(job.offset, node.log.end(), "a snapshot is taken where the log ends");
        node.spools.insert(job.id, node.data.clone());
        let (length, is_outgrown) = (node.data.len() as u64, self.rng.bool());
        self.replicas(at, |replicas, turn, actions| {
            replicas.on_sync_started(turn.now, job.id, 0, actions);
            if is_outgrown {
                replicas.on_sync_outgrown(job.id, actions);
            }
            replicas.on_sync_encoded(turn.now, job.id, length, actions);
        });
    }
}

impl Node {
    fn standing(&self) -> Standing {
        let log = &self.log;
        let resume = log.is_active().then(|| Position { id: log.history().id, offset: log.end() });
        Standing { resume, ..Standing::default() }
    }

    fn join_sync(&mut self, member: &SyncMember) {
        let data = &self.spools[&member.job];
        let head = member.framing.head(data.len() as u64);
        let body = [head.as_slice(), data, member.framing.tail()].concat();
        self.outgoing.insert(member.replica, (member.job, body));
    }
}
