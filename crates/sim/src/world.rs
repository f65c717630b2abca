//! The world: a few machines, a few clients, and everything that happens between them.
//!
//! [`survive`] is one seed from the beginning to the end: see `world/life.rs`. Scenarios use the verbs of [`World`] instead:
//! follow, promote, write, cut, isolate, kill, start, run. When a check fails, the seed and the story are
//! printed as the world goes down.

mod events;

mod clients;

mod life;

mod outcome;

mod verification;

mod callers;

mod watched;

use std::rc::Rc;

use self::callers::Caller;
pub use self::watched::survive_watched;
use slipstream_engine::Node;
use slipstream_resp::Value;

pub use self::outcome::Outcome;
use crate::checker::{Acknowledged, Announced, Checker, Elections, Scrutiny, Takings, Verdicts, Witness};
use crate::client::Client;
use crate::environment::{Environment, Event};
use crate::network::{Place, Side};
use crate::options::Options;
use crate::process::{Ears, PORT, Process, address};
use crate::topology::Topology;

/// An order to a node that cannot take it yet is repeated after so many microseconds.
const REPEAT_ORDER: u64 = 100_000;

/// Everything.
pub struct World {
    /// What drew it; none of a scenario.
    pub seed: Option<u64>,
    /// The machines.
    pub processes: Vec<Process>,
    pub(crate) env: Environment,
    /// Whom each node is meant to follow.
    pub(crate) topology: Topology,
    /// The client that checks what is promised under min-replicas-to-ack.
    pub(crate) witness: Witness,
    /// The clients behind it, who add to a list and take from it.
    takings: Takings,
    verdicts: Rc<Verdicts>,
    announced: Rc<Announced>,
    pub(crate) elections: Elections,
    acknowledged: Acknowledged,
    callers: Vec<Caller>,
    clients: Vec<Client>,
    commands_left: u32,
    /// Whether things go wrong.
    is_attacked: bool,
    pub(crate) checker: Checker,
    full_syncs: u64,
    continuations: u64,
    continuations_from_disk: u64,
    planted: u64,
    /// Primaries that were lost, and how long it took until others had taken their place.
    failovers: u64,
    failover_micros: u64,
    /// A node that is not to come back for now.
    lost: Option<usize>,
    /// How often an operator had to say who is the primary.
    helped: u64,
}

/// Runs the world of a seed: faults, then healing. Panics if a check fails.
pub fn survive(seed: u64, scrutiny: Scrutiny) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = Options::draw(&mut rng);
    let topology = Topology::draw(options.shape, options.nodes, &mut rng);
    let mut world = World::new(topology, options, rng);
    world.seed = Some(seed);
    world.checker.scrutiny = scrutiny;
    (0..world.processes.len()).for_each(|node| world.start(node));
    world.attack();
    world.env.network.flow_freely();
    world.heal();
    world.reconnect_everybody();
    if world.env.options.durable {
        world.lose_everybody();
    }
    world.verify_planted();
    world.stay_quiet();
    world.outcome()
}

impl World {
    /// Machines whose processes do not run yet.
    pub fn new(topology: Topology, options: Options, rng: fastrand::Rng) -> World {
        let commands_left = options.commands;
        let mut env = Environment::new(options, rng);
        let ears = Ears::default();
        let chance: Vec<fastrand::Rng> = (0..topology.len()).map(|_| env.rng.fork()).collect();
        let process = |(index, chance)| Process::new(index, &env.options, &ears, chance);
        let mut processes: Vec<Process> = chance.into_iter().enumerate().map(process).collect();
        let sentinels = env.options.watch.as_ref().map_or(0, |watch| watch.sentinels);
        for _ in 0..sentinels {
            let chance = env.rng.fork();
            processes.push(Process::sentinel(processes.len(), &env.options, &ears, chance));
        }
        World {
            seed: None,
            processes,
            env,
            topology,
            witness: Witness::default(),
            takings: Takings::default(),
            verdicts: ears.verdicts,
            announced: ears.announced,
            elections: Elections::default(),
            acknowledged: Acknowledged::default(),
            callers: Vec::new(),
            clients: Vec::new(),
            commands_left,
            is_attacked: false,
            checker: Checker::default(),
            full_syncs: 0,
            continuations: 0,
            continuations_from_disk: 0,
            planted: 0,
            failovers: 0,
            failover_micros: 0,
            lost: None,
            helped: 0,
        }
    }

    /// A calm world whose nodes run: 0 is the primary, the others follow the node that `parents` names.
    pub fn calm(parents: &[usize]) -> World {
        World::with_options(parents, Options::calm())
    }

    /// The same with other settings.
    pub fn with_options(parents: &[usize], options: Options) -> World {
        let mut world = World::new(Topology::of(parents), options, fastrand::Rng::with_seed(7));
        world.checker.scrutiny = Scrutiny::Every;
        (0..world.processes.len()).for_each(|node| world.start(node));
        world.heal();
        world
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
        let upstream = match self.env.options.watch {
            Some(_) => self.upstream_at_start(node),
            None => self.topology.parent(node),
        };
        self.processes[node].start(&mut self.env, upstream);
        self.observe(node);
    }

    /// Ends a process without warning, and without a word to anybody.
    pub fn vanish(&mut self, node: usize) {
        self.observe(node);
        self.processes[node].vanish(&mut self.env);
    }

    /// Ends a process without warning.
    pub fn kill(&mut self, node: usize) {
        self.observe(node);
        self.processes[node].kill(&mut self.env);
    }

    /// Makes a node follow another.
    pub fn follow(&mut self, node: usize, primary: usize) {
        self.topology.set(node, Some(primary));
        self.order(node, Some(primary));
    }

    /// Makes a node a primary.
    pub fn promote(&mut self, node: usize) {
        self.topology.set(node, None);
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
        std::mem::take(&mut self.clients[client].replies).iter().map(Value::text).collect()
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

    /// Breaks the connection of a replica to its primary, and the primary is not told.
    pub fn cut_silently(&mut self, replica: usize) {
        if let Some(link) = &self.processes[replica].link {
            self.env.network.sever(link.wire, Side::Caller);
        }
    }

    /// A node reads so many bytes a second of each connection; `None` for as many as come.
    pub fn limit_reading(&mut self, node: usize, rate: Option<u64>) {
        self.env.network.set_rate(Place::Node(node), rate);
    }

    /// Lets nothing pass between a node and all others, or lets it pass again. Nobody is told.
    pub fn isolate(&mut self, node: usize, isolated: bool) {
        for other in (0..self.processes.len()).filter(|other| *other != node) {
            self.separate(node, other, isolated);
        }
    }

    /// Lets nothing pass between two machines, or lets it pass again. Nobody is told.
    pub fn separate(&mut self, one: usize, other: usize, are_separate: bool) {
        let (a, b) = (Place::Node(one), Place::Node(other));
        for (from, to) in [(a, b), (b, a)] {
            match are_separate {
                true => self.env.network.block(from, to),
                false => self.env.network.unblock(from, to),
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

    /// How many targets of planned failovers took over with everything.
    pub fn handed_over(&self) -> u64 {
        self.checker.handovers.complete
    }

    /// How many of the reconnects needed what lies on disk.
    pub fn continuations_from_disk(&self) -> u64 {
        self.continuations_from_disk
    }

    /// How many reconnects went without one.
    pub fn continuations(&self) -> u64 {
        self.continuations
    }

    /// The node that is meant to be the primary.
    pub fn primary(&self) -> usize {
        self.topology.root()
    }

    /// The node, which must run.
    #[track_caller]
    pub fn node(&self, node: usize) -> &Node {
        self.processes[node].node.as_ref().expect("the process runs")
    }

    /// An order arrives. Once all is healed, only what is meant still counts.
    pub(crate) fn order(&mut self, node: usize, primary: Option<usize>) {
        let is_late = !self.is_attacked && self.topology.parent(node) != primary;
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

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "the story of a failure goes to whoever reads the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\nat {} µs", self.story(), self.env.now());
            if let Some(seed) = self.seed {
                let kind = if self.env.options.watch.is_some() { "--sentinels " } else { "" };
                eprintln!("seed {seed}; once more: cargo xtask sim {kind}--seed {seed}");
            }
        }
    }
}
