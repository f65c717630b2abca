//! The world: a few machines, a few clients, and everything that happens between them.
//!
//! [`survive`] is one seed from the beginning to the end. Scenarios use the verbs of [`World`] instead:
//! follow, promote, write, cut, isolate, kill, start, run. When a check fails, the seed and the story are
//! printed as the world goes down.

use slipstream_engine::{Node, Phase};
use slipstream_resp::Value;

use crate::checker::{Answer, Checker, Judgement, Scrutiny, difference, picture, position};
use crate::client::{Client, Verdict};
use crate::environment::{Environment, Event};
use crate::network::{Arrival, Place, Side, WireId};
use crate::options::Options;
use crate::process::{PORT, Process, address};

/// How long the healed group may take to become equal, in seconds of its time.
const HEALING_SECONDS: u64 = 300;

/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 200;

/// An order to a node that cannot take it yet is repeated after so many microseconds.
const REPEAT_ORDER: u64 = 100_000;

/// Everything.
pub struct World {
    /// What drew it.
    pub seed: u64,
    /// The machines.
    pub processes: Vec<Process>,
    pub(crate) env: Environment,
    /// Whom each node is meant to follow.
    pub(crate) parents: Vec<Option<usize>>,
    clients: Vec<Client>,
    commands_left: u32,
    checker: Checker,
    full_syncs: u64,
    continuations: u64,
}

/// What a seed has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Full syncs.
    pub full_syncs: u64,
    /// Reconnects that needed none.
    pub continuations: u64,
    /// Pictures of different nodes at equal positions that were compared.
    pub compared: u64,
    /// Virtual time in microseconds.
    pub micros: u64,
}

impl Outcome {
    /// Adds what another seed has shown.
    pub fn add(&mut self, other: Outcome) {
        self.full_syncs += other.full_syncs;
        self.continuations += other.continuations;
        self.compared += other.compared;
        self.micros += other.micros;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { full_syncs, continuations, compared, micros } = self;
        let hours = micros / 3_600_000_000;
        write!(
            f,
            "{hours} hours of virtual time, {full_syncs} full syncs, {continuations} partial ones, \
             {compared} times two nodes compared"
        )
    }
}

/// Runs the world of a seed: faults, then healing. Panics if a check fails.
pub fn survive(seed: u64, scrutiny: Scrutiny) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = Options::draw(&mut rng);
    let mut world = World::new(4, options, rng, seed);
    world.checker.scrutiny = scrutiny;
    world.parents = vec![None, Some(0), Some(0), Some(2)];
    (0..4).for_each(|node| world.start(node));
    world.attack();
    world.heal();
    world.reconnect_everybody();
    world.outcome()
}

impl World {
    /// Machines whose processes do not run yet.
    pub fn new(nodes: usize, options: Options, rng: fastrand::Rng, seed: u64) -> World {
        let commands_left = options.commands;
        let env = Environment::new(options, rng);
        let processes = (0..nodes).map(|index| Process::new(index, &env.options)).collect();
        World {
            seed,
            processes,
            env,
            parents: vec![None; nodes],
            clients: Vec::new(),
            commands_left,
            checker: Checker::default(),
            full_syncs: 0,
            continuations: 0,
        }
    }

    /// A calm world whose nodes run: 0 is the primary, the others follow the node that `parents` names.
    pub fn calm(parents: &[usize]) -> World {
        World::with_options(parents, Options::calm())
    }

    /// The same with other settings.
    pub fn with_options(parents: &[usize], options: Options) -> World {
        let mut world = World::new(parents.len() + 1, options, fastrand::Rng::with_seed(7), 7);
        world.start(0);
        for (index, parent) in parents.iter().enumerate() {
            world.parents[index + 1] = Some(*parent);
            world.start(index + 1);
        }
        world.heal();
        world
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            full_syncs: self.full_syncs,
            continuations: self.continuations,
            compared: self.checker.compared,
            micros: self.env.now(),
        }
    }

    /// What has happened so far, as text.
    pub fn story(&self) -> String {
        self.env.story.text()
    }
}

/// The verbs.
impl World {
    /// Starts a node as what it is meant to be.
    pub fn start(&mut self, node: usize) {
        self.processes[node].start(&mut self.env, self.parents[node]);
        self.observe(node);
    }

    /// Ends a process without warning.
    pub fn kill(&mut self, node: usize) {
        self.processes[node].kill(&mut self.env);
    }

    /// Makes a node follow another.
    pub fn follow(&mut self, node: usize, primary: usize) {
        self.parents[node] = Some(primary);
        self.order(node, Some(primary));
    }

    /// Makes a node a primary.
    pub fn promote(&mut self, node: usize) {
        self.parents[node] = None;
        self.order(node, None);
    }

    /// Runs a command on a node; its reply as text.
    pub fn command(&mut self, node: usize, line: &str) -> String {
        self.pipeline(node, &[line]).pop().expect("a command has a reply")
    }

    /// Runs several commands of one client on a node, in one turn; their replies.
    pub fn pipeline(&mut self, node: usize, lines: &[&str]) -> Vec<String> {
        let requests: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
        let replies = self.processes[node].commands(&mut self.env, &requests);
        self.observe(node);
        replies.iter().map(Value::text).collect()
    }

    /// Connects a client to a node.
    pub fn connect_client(&mut self, node: usize) -> usize {
        let index = self.clients.len();
        self.clients.push(Client::new(index, true, (1, 1)));
        self.env.after_delay(Event::Knock { from: Place::Client(index), attempt: 0, to: node });
        self.run_until(|world| world.clients[index].wire.is_some());
        index
    }

    /// Sends requests of a client, all at once.
    pub fn client_sends(&mut self, client: usize, lines: &[&str]) {
        self.clients[client].say(lines);
        self.send_client(client);
    }

    /// What it got since the last look.
    pub fn client_gets(&mut self, client: usize) -> Vec<String> {
        std::mem::take(&mut self.clients[client].replies)
    }

    /// Ends a process as an operator would: it saves, and exits when that is done.
    pub fn shut_down(&mut self, node: usize) {
        self.processes[node].terminate(&mut self.env);
        self.observe(node);
        self.run_until(|world| world.processes[node].node.is_none());
    }

    /// Breaks the connection of a replica to its primary.
    pub fn cut(&mut self, replica: usize) {
        if let Some(link) = &self.processes[replica].link {
            self.env.network.cut(link.wire);
        }
    }

    /// Lets nothing pass between a node and all others, or lets it pass again. Nobody is told.
    pub fn isolate(&mut self, node: usize, isolated: bool) {
        for other in (0..self.processes.len()).filter(|other| *other != node) {
            let (a, b) = (Place::Node(node), Place::Node(other));
            for (from, to) in [(a, b), (b, a)] {
                if isolated {
                    self.env.network.block(from, to);
                } else {
                    self.env.network.unblock(from, to);
                }
            }
        }
    }

    /// Moves the wall clock of a machine.
    pub fn shift_clock(&mut self, node: usize, millis: i64) {
        let skew = &self.processes[node].skew;
        skew.set(skew.get() + millis * 1000);
    }

    /// Lets time pass.
    pub fn run(&mut self, millis: u64) {
        let until = self.env.now() + millis * 1000;
        while let Some(event) = self.env.next(until) {
            self.happen(event);
        }
        self.env.time.set(until);
    }

    /// Lets things happen, one by one, until something is so. Fails if it does not become so in a minute.
    #[track_caller]
    pub fn run_until(&mut self, condition: impl Fn(&World) -> bool) {
        let deadline = self.env.now() + 60_000_000;
        while !condition(self) {
            let event = self.env.next(deadline).expect("it happens within a minute");
            self.happen(event);
        }
    }

    /// How many full syncs there have been, all nodes together.
    pub fn full_syncs(&self) -> u64 {
        self.full_syncs
    }

    /// How often an answer was seen that promised replicas to have a write.
    pub fn promises(&self) -> u64 {
        self.checker.promises
    }

    /// How many reconnects went without one.
    pub fn continuations(&self) -> u64 {
        self.continuations
    }

    /// The node, which must run.
    #[track_caller]
    pub fn node(&self, node: usize) -> &Node {
        self.processes[node].node.as_ref().expect("the process runs")
    }

    /// Whether a node is another, or is meant to follow it by however many steps.
    pub(crate) fn descends(&self, node: usize, ancestor: usize) -> bool {
        node == ancestor || self.parents[node].is_some_and(|parent| self.descends(parent, ancestor))
    }

    /// An order arrives. Once all is healed, only what is meant still counts.
    fn order(&mut self, node: usize, primary: Option<usize>) {
        let is_late = self.commands_left == 0 && self.parents[node] != primary;
        if self.processes[node].node.is_none() || is_late {
            return;
        }
        let words = match primary {
            None => ["REPLICAOF", "NO", "ONE"].map(str::to_owned),
            Some(primary) => ["REPLICAOF".to_owned(), address(primary).to_string(), PORT.to_string()],
        };
        self.env.tell(Place::Node(node), format_args!("--- is told {}", words.join(" ")));
        let reply = self.processes[node].command(&mut self.env, &words);
        let is_early = |text: &str| text.starts_with("LOADING") || text.ends_with("while failing over.");
        if matches!(&reply, Value::Error(text) if is_early(text)) {
            self.env.after(REPEAT_ORDER, Event::Order(node, primary));
        }
        self.observe(node);
    }
}

/// The parts of a seed's life.
impl World {
    /// Clients write and things go wrong, until all commands are sent.
    fn attack(&mut self) {
        let sizes = (self.env.options.keys, self.env.options.value_len);
        for index in 0..4 {
            self.clients.push(Client::new(index, index < 3, sizes));
            self.env.after_delay(Event::Client(index));
        }
        self.env.after(0, Event::Fault);
        while self.commands_left > 0 {
            let event = self.env.next(u64::MAX).expect("clients go on until the last command");
            self.happen(event);
        }
    }

    /// Ends all faults and runs until all are equal. Fails if that takes too long.
    pub fn heal(&mut self) {
        self.env.tell("--", "healed");
        self.env.network.unblock_all();
        self.env.options.bad_loads = 0;
        for index in 0..self.clients.len() {
            self.disconnect_client(index);
        }
        for node in 0..self.processes.len() {
            self.processes[node].stalled_until = 0;
            self.processes[node].stop_guarding(&mut self.env);
            self.observe(node);
            if self.processes[node].node.is_none() {
                self.start(node);
            }
            self.order(node, self.parents[node]);
        }
        self.converge();
    }

    /// Runs until all nodes are equal. Fails if that takes too long.
    pub fn converge(&mut self) {
        let deadline = self.env.now() + HEALING_SECONDS * 1_000_000;
        let mut trouble = self.trouble();
        while let Some(reason) = trouble {
            assert!(self.env.now() < deadline, "not equal after {HEALING_SECONDS} s: {reason}");
            self.run(LOOK_MS);
            trouble = self.trouble();
        }
        self.compare_logs();
    }

    /// Once all are equal, the loss of a connection costs nobody a snapshot.
    fn reconnect_everybody(&mut self) {
        let before = self.full_syncs;
        let primary = self.primary();
        for replica in 0..self.processes.len() {
            self.cut(replica);
            self.command(primary, &format!("SET last {replica}"));
        }
        self.converge();
        assert_eq!(self.full_syncs, before, "a full sync although all logs hold everything");
    }

    /// Why the nodes are not all equal, if they are not.
    fn trouble(&self) -> Option<String> {
        let primary = self.primary();
        let (Some(first), replicas) = (&self.processes[primary].node, &self.processes) else {
            return Some("the primary does not run".to_owned());
        };
        if first.core.phase != Phase::Serving {
            return Some("the primary does not serve".to_owned());
        }
        let Some(place) = position(first) else {
            return Some(format!("n{primary} keeps no log"));
        };
        let own = picture(first);
        for process in replicas.iter().filter(|process| process.index != primary) {
            let who = process.place();
            let Some(node) = &process.node else { return Some(format!("{who} does not run")) };
            if node.core.phase != Phase::Serving {
                return Some(format!("{who} does not serve"));
            }
            if !node.core.replication.link.is_up() {
                return Some(format!("{who} has no link: {:?}", node.core.replication.link.state()));
            }
            if position(node) != Some(place) {
                return Some(format!("{who} is at {:?}, the primary at {place:?}", position(node)));
            }
            let other = picture(node);
            assert!(own == other, "{who} differs from the primary: {}", difference(&own, &other));
        }
        None
    }

    /// What two logs both hold is the same, byte for byte.
    fn compare_logs(&self) {
        let first = &self.node(self.primary()).core.log;
        for process in &self.processes {
            let log = &self.node(process.index).core.log;
            let from = first.start().max(log.start());
            let bytes = |log: &slipstream_log::Log| -> Vec<u8> {
                let slices = log.slices_from(from).expect("both hold it");
                slices.flat_map(|slice| slice.to_vec()).collect()
            };
            assert!(bytes(first) == bytes(log), "the log of {} differs from {from} on", process.place());
        }
    }

    /// The node that is meant to be the primary.
    pub fn primary(&self) -> usize {
        self.parents.iter().position(Option::is_none).expect("the tree has a root")
    }
}

/// Events.
impl World {
    fn happen(&mut self, event: Event) {
        let Some(event) = self.unless_stalled(event) else { return };
        match event {
            Event::Arrive(wire, side) => self.arrive(wire, side),
            Event::Knock { from, attempt, to } => self.knock(from, attempt, to),
            Event::Refused { from: Place::Node(node), attempt } => {
                self.processes[node].refused(&mut self.env, attempt);
                self.observe(node);
            }
            Event::Refused { from: Place::Client(client), attempt } => {
                if self.clients[client].attempt == attempt {
                    self.clients[client].disconnected();
                }
            }
            Event::Inside { node, life, what } => {
                if self.processes[node].life == life && self.processes[node].node.is_some() {
                    self.processes[node].on_inside(&mut self.env, what);
                    self.observe(node);
                }
            }
            Event::Start(node) => {
                if self.processes[node].node.is_none() {
                    self.start(node);
                } else if self.node(node).core.phase == Phase::ShuttingDown {
                    self.env.after(REPEAT_ORDER, Event::Start(node));
                }
            }
            Event::Client(client) => self.client_acts(client),
            Event::Unblock(from, to) => self.env.network.unblock(from, to),
            Event::Order(node, primary) => self.order(node, primary),
            Event::Fault => {
                if self.commands_left > 0 {
                    self.fault();
                    (0..self.processes.len()).for_each(|node| self.observe(node));
                    let pause = self.env.draw(&self.env.options.fault_pause.clone());
                    self.env.after(pause, Event::Fault);
                }
            }
        }
    }

    /// What concerns a node that stands still happens when it goes on.
    fn unless_stalled(&mut self, event: Event) -> Option<Event> {
        let node = match &event {
            Event::Arrive(wire, side) => match self.env.network.place(*wire, *side) {
                Some(Place::Node(node)) => node,
                _ => return Some(event),
            },
            Event::Knock { to: node, .. } | Event::Inside { node, .. } | Event::Order(node, _) => *node,
            _ => return Some(event),
        };
        let until = self.processes[node].stalled_until;
        match until.checked_sub(self.env.now()) {
            Some(wait) if wait > 0 => {
                self.env.after(wait, event);
                None
            }
            _ => Some(event),
        }
    }

    pub(crate) fn observe(&mut self, node: usize) {
        let process = &self.processes[node];
        self.checker.observe(process, &self.env);
        let above = process.link.as_ref().and_then(|link| self.env.network.place(link.wire, Side::Server));
        if let Some(Place::Node(primary)) = above
            && process.link.as_ref().is_some_and(|link| self.processes[primary].serves(link.wire))
        {
            self.checker.observe_pair(process, &self.processes[primary]);
        }
    }

    fn knock(&mut self, from: Place, attempt: u64, to: usize) {
        let place = Place::Node(to);
        if !self.env.network.is_passable(from, place) {
            // Nobody answers: the caller gives up when its time is over.
            let timeout = u64::from(self.env.options.timeout) * 1_000_000;
            return self.env.after(timeout, Event::Refused { from, attempt });
        }
        let Some(wire) = self.processes[to].accept(&mut self.env, from) else {
            return self.env.after_delay(Event::Refused { from, attempt });
        };
        self.observe(to);
        match from {
            Place::Node(node) => {
                self.processes[node].connected(&mut self.env, attempt, wire);
                self.observe(node);
            }
            Place::Client(client) if self.clients[client].attempt == attempt => {
                self.clients[client].connected(wire)
            }
            Place::Client(_) => self.env.network.close(wire, Side::Caller),
        }
    }

    fn arrive(&mut self, wire: WireId, side: Side) {
        let (place, writer) =
            (self.env.network.place(wire, side), self.env.network.place(wire, side.other()));
        let arrival = self.env.network.take(wire, side);
        let Some(place) = place else { return };
        match (arrival, place, side) {
            (Arrival::Nothing, ..) => return,
            (Arrival::Bytes(bytes, has_room), ..) => {
                self.deliver(wire, (place, side), &bytes);
                if let Some(writer) = writer.filter(|_| has_room) {
                    self.writable(writer, wire);
                }
            }
            (Arrival::End, Place::Client(client), _) => {
                if self.clients[client].wire == Some(wire) {
                    self.disconnect_client(client);
                }
            }
            (Arrival::End, Place::Node(node), Side::Caller) => {
                self.processes[node].link_ended(&mut self.env, wire)
            }
            (Arrival::End, Place::Node(node), Side::Server) => {
                self.processes[node].ended(&mut self.env, wire)
            }
        }
        if let Place::Node(node) = place {
            self.observe(node);
        }
    }

    fn deliver(&mut self, wire: WireId, (place, side): (Place, Side), bytes: &[u8]) {
        match (place, side) {
            (Place::Client(client), _) => {
                if self.checker.scrutiny == Scrutiny::Every {
                    self.env.tell(place, format_args!("gets {}", bytes.escape_ascii()));
                }
                if self.clients[client].wire == Some(wire)
                    && self.clients[client].received(bytes) == Verdict::WrongNode
                {
                    self.disconnect_client(client);
                }
            }
            (Place::Node(node), Side::Caller) => {
                self.processes[node].link_received(&mut self.env, wire, bytes);
            }
            (Place::Node(node), Side::Server) => self.serve(node, wire, bytes),
        }
    }

    /// A node gets bytes from a caller. If that is a replica that asks for data, the answer is judged.
    fn serve(&mut self, node: usize, wire: WireId, bytes: &[u8]) {
        let caller = match self.env.network.place(wire, Side::Caller) {
            Some(Place::Node(caller)) => caller,
            _ => return self.processes[node].received(&mut self.env, wire, bytes),
        };
        let asking = |process: &Process| process.link.as_ref().filter(|link| link.wire == wire)?.asked;
        let judgement = match (asking(&self.processes[caller]), &self.processes[node].node) {
            (Some(asked), Some(primary)) => Some(Judgement::of(primary, asked)),
            _ => None,
        };
        self.processes[node].received(&mut self.env, wire, bytes);
        let (Some(judgement), Some(primary)) = (judgement, &self.processes[node].node) else { return };
        if let Some(answer) = judgement.check(primary) {
            match answer {
                Answer::FullSync => self.full_syncs += 1,
                Answer::Continuation => self.continuations += 1,
            }
            if let Some(link) = &mut self.processes[caller].link {
                link.asked = None;
            }
        }
    }

    fn writable(&mut self, writer: Place, wire: WireId) {
        match writer {
            Place::Client(client) => self.send_client(client),
            Place::Node(node) => {
                self.processes[node].writable(&mut self.env, wire);
                self.observe(node);
            }
        }
    }
}

/// Clients.
impl World {
    fn client_acts(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.wire.is_some() {
            let asked = client.ask(&mut self.env.rng);
            self.commands_left = self.commands_left.saturating_sub(asked);
            if asked > 0 && self.checker.scrutiny == Scrutiny::Every {
                self.env.tell(Place::Client(index), format_args!("asks {}", client.unsent.escape_ascii()));
            }
            self.send_client(index);
        } else if !client.connecting {
            client.connecting = true;
            client.attempt += 1;
            let (attempt, writes) = (client.attempt, client.writes);
            let lost = self.env.rng.u32(..10) == 0;
            let to =
                if writes && !lost { self.primary() } else { self.env.rng.usize(..self.processes.len()) };
            self.env.after_delay(Event::Knock { from: Place::Client(index), attempt, to });
        }
        if self.commands_left > 0 {
            let pause = self.env.draw(&self.env.options.client_pause.clone());
            self.env.after(pause, Event::Client(index));
        }
    }

    fn send_client(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if let Some(wire) = client.wire {
            let count = self.env.network.write(wire, Side::Caller, &client.unsent);
            client.unsent.drain(..count);
        }
    }

    fn disconnect_client(&mut self, index: usize) {
        if let Some(wire) = self.clients[index].wire {
            self.env.network.close(wire, Side::Caller);
        }
        self.clients[index].disconnected();
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "the story of a failure goes to whoever reads the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\nseed {} at {} µs", self.story(), self.seed, self.env.now());
        }
    }
}
