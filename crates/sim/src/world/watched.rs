//! A seed's life where sentinels decide: faults, healing, and then a primary that is lost and one that is moved.
//!
//! Nobody gives orders to nodes here. What the sentinels agree on in the end is what is meant.

use std::collections::BTreeSet;

use super::World;
use super::callers::CALLERS;
use crate::checker::elections::Cause;
use crate::checker::{Promotion, Scrutiny};
use crate::environment::Event;
use crate::network::Place;
use crate::options::{GROUP, LONG_WAIT, Options, Watch};
use crate::process::machine;
use crate::topology::{Shape, Topology};
use crate::world::Outcome;

/// How long it may take until all sentinels know each other, and until all agree after faults, in seconds.
const MEETING_SECONDS: u64 = 60;
const AGREEING_SECONDS: u64 = 300;

/// So long before the end of that an operator helps, in seconds.
const HELP_SECONDS: u64 = 150;

/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 100;

/// What a failover may take beyond down-after, in milliseconds, and in times that bytes travel.
const FAILOVER_MS: u64 = 8000;
const FAILOVER_DELAYS: u64 = 100;

/// How often an operator tries to move the primary, which may be given up when a replica is late.
const MOST_TRIES: u32 = 5;
const TRY_MS: u64 = 8000;

/// What a sentinel thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    primary: usize,
    config_epoch: u64,
    replicas: usize,
    sentinels: usize,
}

/// Runs the world with sentinels of a seed. Panics if a check fails.
pub fn survive_watched(seed: u64, scrutiny: Scrutiny) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = Options::draw_watched(&mut rng);
    let topology = Topology::draw(Shape::Star, options.nodes, &mut rng);
    let mut world = World::new(topology, options, rng);
    world.seed = Some(seed);
    world.checker.scrutiny = scrutiny;
    world.meet();
    world.strike_all();
    world.env.network.flow_freely();
    world.agree();
    world.lose_primary();
    world.move_primary();
    world.stay_quiet();
    world.outcome()
}

impl World {
    /// A calm world with sentinels that know each other.
    pub fn watched(parents: &[usize], options: Options) -> World {
        let watch = Some(options.watch.clone().unwrap_or_else(Watch::calm));
        let options = Options { watch, nodes: parents.len() + 1, ..options };
        let mut world = World::new(Topology::of(parents), options, fastrand::Rng::with_seed(7));
        world.checker.scrutiny = Scrutiny::Every;
        world.meet();
        world
    }

    /// The machines with sentinels.
    pub fn sentinels(&self) -> std::ops::Range<usize> {
        self.topology.len()..self.processes.len()
    }

    fn watch(&self) -> &Watch {
        self.env.options.watch.as_ref().expect("this world has sentinels")
    }

    /// Whom a process follows when it starts: as its configuration file says.
    pub(super) fn upstream_at_start(&mut self, machine_of_it: usize) -> Option<usize> {
        if machine_of_it >= self.topology.len() {
            return None;
        }
        let kept = self.processes[machine_of_it].upstream.filter(|_| self.watch().keeps_roles);
        let upstream = kept.unwrap_or((machine_of_it > 0).then_some(0));
        if upstream.is_none() {
            self.acknowledged.start_anew(machine_of_it);
        }
        upstream
    }

    /// All processes start, and the sentinels find each other.
    pub fn meet(&mut self) {
        (0..self.processes.len()).for_each(|machine| self.start(machine));
        for sentinel in self.sentinels() {
            let node = self.node(sentinel);
            let id = node.core.sentinel.as_ref().map(|own| own.state_lines()[0].words[1].clone());
            self.elections.introduce(sentinel, id.expect("it is a sentinel"));
        }
        // A replica that cannot load what it gets is not found.
        let bad_loads = std::mem::take(&mut self.env.options.bad_loads);
        let (replicas, others) = (self.topology.len() - 1, self.watch().sentinels - 1);
        let deadline = self.env.now() + MEETING_SECONDS * 1_000_000;
        let has_met = |view: &View| view.replicas == replicas && view.sentinels == others;
        while !self.sentinels().all(|sentinel| self.view(sentinel).is_some_and(|view| has_met(&view))) {
            assert!(self.env.now() < deadline, "the sentinels have not found everybody");
            self.run(LOOK_MS);
        }
        // All that is on disk, too, and the primary is known by its INFO.
        self.run(3000);
        self.env.options.bad_loads = bad_loads;
    }

    /// What a sentinel thinks, if it runs.
    fn view(&self, machine_of_it: usize) -> Option<View> {
        let sentinel = self.processes[machine_of_it].node.as_ref()?.core.sentinel.as_ref()?;
        let mut view = View { primary: usize::MAX, config_epoch: 0, replicas: 0, sentinels: 0 };
        for line in sentinel.state_lines() {
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["current-primary", GROUP, host, _] => view.primary = machine(host),
                ["config-epoch", GROUP, epoch] => view.config_epoch = epoch.parse().expect("it is a number"),
                ["known-replica", ..] => view.replicas += 1,
                ["known-sentinel", ..] => view.sentinels += 1,
                _ => {}
            }
        }
        Some(view)
    }

    /// The primary that the sentinels which run agree on, and its epoch.
    pub fn agreed(&self) -> Option<(usize, u64)> {
        let views = self.sentinels().filter_map(|sentinel| self.view(sentinel));
        let all: BTreeSet<(usize, u64)> = views.map(|view| (view.primary, view.config_epoch)).collect();
        all.first().copied().filter(|_| all.len() == 1)
    }

    /// What sentinels have said since the last look.
    pub(super) fn hear_sentinels(&mut self) {
        for said in self.announced.take() {
            let Some(watch) = &self.env.options.watch else { return };
            if let Some(promotion) = self.elections.hear(&said, watch) {
                self.acknowledged.promoted(promotion);
            }
        }
    }

    /// Clients write and things go wrong, for as long as it was drawn.
    fn strike_all(&mut self) {
        self.begin_calls();
        self.is_attacked = true;
        self.env.after(0, Event::Fault);
        self.run(self.watch().attack);
        self.is_attacked = false;
    }

    /// Clients ask the sentinels for the primary, and write there.
    pub fn begin_calls(&mut self) {
        let options = &self.env.options;
        self.acknowledged.wanted = usize::try_from(options.min_replicas_to_ack).expect("it is small");
        self.acknowledged.waits = options.empty_start_wait >= LONG_WAIT;
        (self.acknowledged.is_safe, self.acknowledged.fencing) = (self.watch().safe, self.watch().fencing);
        self.commands_left = 1;
        (0..CALLERS).for_each(|index| self.begin_call(index));
    }

    fn end_calls(&mut self) {
        self.commands_left = 0;
        (0..self.clients.len()).for_each(|index| self.disconnect_client(index));
        self.run_until(|world| !world.env.network.brings_requests());
    }

    /// Ends all faults, and waits until sentinels and nodes agree and all nodes are equal.
    fn agree(&mut self) {
        self.env.tell("--", "healed");
        self.end_calls();
        let highest = self.highest_epoch();
        self.mend_all();
        self.settle_down();
        let (_, epoch) = self.agreed().expect("they agree");
        assert!(epoch >= highest, "they agree on epoch {epoch}, and {highest} was known");
    }

    /// What the sentinels say, for whoever has to understand a failure.
    fn opinions(&mut self) -> String {
        let mut text = String::new();
        for sentinel in
            self.sentinels().filter(|sentinel| self.processes[*sentinel].node.is_some()).collect::<Vec<_>>()
        {
            for what in ["MASTER", "SENTINELS", "REPLICAS"] {
                let reply = self.command(sentinel, &format!("SENTINEL {what} {GROUP}"));
                text += &format!("n{sentinel} {what}: {reply}\n");
            }
        }
        text
    }

    /// How many promotions there were.
    pub fn promotions(&self) -> u64 {
        self.elections.promotions
    }

    /// How many answers clients got.
    pub fn answers(&self) -> u64 {
        self.acknowledged.answers
    }

    /// Takes promises for given that nobody has made: a planted fault, which the checks must find.
    pub fn believe(&mut self, is_safe: bool, fencing: bool) {
        (self.acknowledged.is_safe, self.acknowledged.fencing) = (is_safe, fencing);
    }

    /// Takes a node for one that an operator has moved the primary to: a planted fault, which the checks must find.
    pub fn believe_moved(&mut self, node: usize) {
        let (cause, selected) = (Cause::Planned, self.env.now());
        self.acknowledged.promoted(Promotion { node, cause, epoch: 1, selected });
    }

    fn highest_epoch(&self) -> u64 {
        let views = self.sentinels().filter_map(|sentinel| self.view(sentinel));
        views.map(|view| view.config_epoch).max().unwrap_or(0)
    }

    fn mend_all(&mut self) {
        self.env.network.unblock_all();
        self.env.options.bad_loads = 0;
        for machine in 0..self.processes.len() {
            self.go_on(machine);
            let now = self.env.now();
            self.processes[machine].disk.mend(now);
            if machine < self.topology.len() {
                self.processes[machine].stop_guarding(&mut self.env);
            }
            self.observe(machine);
            if self.processes[machine].node.is_none() {
                self.start(machine);
            } else if self.processes[machine].is_sentinel() {
                // It forgets all modes that it was told before.
                self.command(machine, "SENTINEL SIMULATE-FAILURE help");
            }
        }
    }

    /// Waits until sentinels and nodes agree, and all nodes are equal.
    pub fn settle_down(&mut self) {
        let deadline = self.env.now() + AGREEING_SECONDS * 1_000_000;
        let mut is_helped = false;
        while let Some(reason) = self.disagreement() {
            if !is_helped && self.env.now() + HELP_SECONDS * 1_000_000 >= deadline {
                is_helped = true;
                self.help();
            }
            if self.env.now() >= deadline {
                panic!("no agreement after {AGREEING_SECONDS} s: {reason}\n{}", self.opinions());
            }
            self.run(LOOK_MS);
        }
        self.compare_logs();
        let primary = self.primary();
        self.acknowledged.check_end(&self.processes[primary]);
    }

    /// Where no replica counts as fit, since the links of all were down for too long before the primary was, and the
    /// primary is none itself, an operator must say who is: as with Redis.
    fn help(&mut self) {
        let Some((primary, _)) = self.agreed() else { return };
        if self.processes[primary].node.as_ref().is_some_and(|node| node.core.is_replica()) {
            self.env.tell(Place::Node(primary), "--- is told by an operator that it is the primary");
            self.command(primary, "REPLICAOF NO ONE");
            self.helped += 1;
        }
    }

    fn disagreement(&mut self) -> Option<String> {
        let Some((primary, _)) =
            self.agreed().filter(|_| self.sentinels().all(|sentinel| self.view(sentinel).is_some()))
        else {
            return Some("the sentinels differ".to_owned());
        };
        // What they agree on is what is meant.
        for node in 0..self.topology.len() {
            self.topology.set(node, (node != primary).then_some(primary));
        }
        let node = self.processes[primary].node.as_ref();
        if node.is_some_and(|node| node.core.is_replica()) {
            return Some(format!("n{primary} is a replica"));
        }
        let strays = |node: &usize| {
            let follows =
                self.processes[*node].node.as_ref().and_then(|node| node.core.config.replicaof.as_ref());
            follows.map(|upstream| machine(&upstream.host)) != self.topology.parent(*node)
        };
        match (0..self.topology.len()).find(strays) {
            Some(stray) => Some(format!("n{stray} does not follow n{primary}")),
            None => self.trouble(),
        }
    }

    /// The primary is gone: a majority of connected sentinels promotes another in time.
    pub fn lose_primary(&mut self) {
        self.begin_calls();
        self.run(1000);
        let Some((old, _)) = self.agreed() else { panic!("they agreed and nothing has happened") };
        // As many sentinels may be gone as are not needed.
        let spare = self.watch().sentinels - self.watch().votes_needed();
        let gone = if spare > 0 { self.env.rng.usize(..=spare) } else { 0 };
        let gone: Vec<usize> = self.sentinels().take(gone).collect();
        gone.iter().for_each(|sentinel| self.kill(*sentinel));
        let began = self.env.now();
        match self.env.rng.u32(..4) {
            0 => self.kill(old),
            1 => self.vanish(old),
            2 => self.isolate(old, true),
            _ => self.processes[old].stalled_until = began + 1000 * (self.failover_bound() + LOOK_MS),
        }
        self.observe(old);
        self.lost = Some(old);
        let bound = self.failover_bound();
        while !self.is_replaced(old) {
            let late = self.env.now() > began + bound * 1000;
            if late {
                panic!("n{old} is gone, and nobody took its place within {bound} ms\n{}", self.opinions());
            }
            self.run(LOOK_MS);
        }
        self.failover_micros += self.env.now() - began;
        self.failovers += 1;
        self.lost = None;
        self.isolate(old, false);
        self.run((self.processes[old].stalled_until.saturating_sub(self.env.now())) / 1000);
        self.mend_all();
        self.end_calls();
        self.settle_down();
    }

    fn failover_bound(&self) -> u64 {
        self.watch().down_after + FAILOVER_MS + FAILOVER_DELAYS * self.env.options.delay.end() / 1000
    }

    /// Whether those sentinels that run agree on another primary, which is one.
    fn is_replaced(&self, old: usize) -> bool {
        self.agreed().is_some_and(|(primary, _)| {
            let node = self.processes[primary].node.as_ref();
            primary != old && node.is_some_and(|node| !node.core.is_replica())
        })
    }

    /// An operator moves the primary, while clients write.
    pub fn move_primary(&mut self) {
        self.begin_calls();
        self.run(1000);
        let Some((old, _)) = self.agreed() else { panic!("they agreed and nothing has happened") };
        let mut tries = 0;
        while !self.is_replaced(old) {
            assert!(tries < MOST_TRIES, "n{old} is still the primary after {tries} tries to move it");
            tries += 1;
            let lot = self.env.rng.usize(self.sentinels());
            let reply = self.command(lot, &format!("SENTINEL FAILOVER {GROUP}"));
            self.env.tell(Place::Node(lot), format_args!("--- is told to move n{old}: {reply}"));
            self.run(TRY_MS);
        }
        self.end_calls();
        self.settle_down();
    }
}
