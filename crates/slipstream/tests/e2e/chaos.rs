//! Groups of real servers under random faults: a topology, clients and blows from a seed; then all is healed, and
//! all must hold the same.
//!
//! The simulator does this with whole nodes on a virtual network, and far more often. Here are real sockets, signals,
//! threads and disks, and Redis and Valkey among the nodes. `cargo xtask chaos` runs it for as long as wanted, from
//! one seed to the next; as a test it is one short story. A seed decides what happens, not when: a failure may need
//! several runs of its seed.

use std::env;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::background::Background;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::{End, Proxy};
use crate::seed::Seed;
use crate::server::Server;
use crate::traffic;
use crate::wait::wait_until;

const ARGUMENTS: &[&str] = &["--repl-backlog-size 1mb"];

/// A primary that lost its data is part of the story, and that its replicas then keep theirs, or that it waits for them,
/// is another.
const OURS: &[&str] =
    &["--replica-guard-shrink-percent 0", "--repl-backlog-disk-size 4mb", "--primary-empty-start-wait 0"];

const BLOWS_IN_A_STORY: usize = 12;

#[test]
fn a_random_group_holds_the_same_in_the_end() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let seconds = env::var("SLIPSTREAM_CHAOS_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| text.parse().expect("SLIPSTREAM_CHAOS_SECONDS is a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut number = Seed::new(12).number();
    loop {
        let seed = Seed::exactly(number);
        story(&mut seed.random());
        if Instant::now() >= end {
            return;
        }
        crate::report(&format!("chaos: seed {number} is fine"));
        number += 1;
    }
}

/// One server, and the link to the one it follows.
struct Node {
    server: Server,
    /// The node that it follows, and the proxy in between; the primary has none.
    upstream: Option<(usize, Proxy)>,
}

struct Group {
    nodes: Vec<Node>,
}

fn story(random: &mut Rng) {
    let mut group = Group::start(random);
    for _ in 0..BLOWS_IN_A_STORY / 4 {
        let primary = group.primary();
        let writing = start_writing(&group.nodes[primary].server, random.fork());
        for _ in 0..4 {
            group.strike(random);
        }
        writing.stop();
        group.converge();
        if random.bool() {
            group.hand_over(random);
        }
    }
}

/// Writes as [`traffic`] does, and connects anew for as long as it is not stopped.
fn start_writing(server: &Server, mut random: Rng) -> Background {
    Background::start(server.port, move |client| {
        let batch = traffic::storm(&mut random);
        let ends_well = |reply: &redis::RedisResult<redis::Value>| {
            !reply.as_ref().is_err_and(redis::RedisError::is_io_error)
        };
        client.replies(&batch).iter().all(ends_well)
    })
}

/// Redis 7 cannot read what Valkey 9 writes.
fn may_follow(replica: Kind, primary: Kind) -> bool {
    (replica, primary) != (Redis7, Valkey9)
}

impl Group {
    fn start(random: &mut Rng) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for index in 0..random.usize(3..=6) {
            let kind =
                if index % 2 == 0 { Ours } else { random.choice([Ours, Redis7, Valkey9]).expect("three") };
            let arguments = if kind == Ours { [ARGUMENTS, OURS].concat() } else { ARGUMENTS.to_vec() };
            nodes.push(Node { server: Server::start(kind, &arguments), upstream: None });
        }
        let mut group = Self { nodes };
        dataset::fill_special(&mut group.nodes[0].server.client());
        for index in 1..group.nodes.len() {
            let kind = group.nodes[index].server.kind;
            let allowed: Vec<usize> =
                (0..index).filter(|&above| may_follow(kind, group.nodes[above].server.kind)).collect();
            group.attach(index, random.choice(allowed).expect("the first is ours"));
        }
        group
    }

    fn primary(&self) -> usize {
        self.nodes.iter().position(|node| node.upstream.is_none()).expect("somebody follows nobody")
    }

    fn attach(&mut self, index: usize, above: usize) {
        let proxy = Proxy::start(self.nodes[above].server.port);
        follow(&self.nodes[index].server, proxy.port);
        self.nodes[index].upstream = Some((above, proxy));
    }

    /// Whether `index` is `above`, or follows it over however many others.
    fn is_below(&self, index: usize, above: usize) -> bool {
        index == above
            || self.nodes[index].upstream.as_ref().is_some_and(|(next, _)| self.is_below(*next, above))
    }

    fn strike(&mut self, random: &mut Rng) {
        let any = random.usize(..self.nodes.len());
        match random.u8(..10) {
            0 => self.restart(any),
            1 => self.freeze(any, random.usize(..200)),
            2 => self.each_link(any, |proxy| {
                proxy.cut();
                proxy.restore();
            }),
            3 => self.each_link(any, |proxy| proxy.half_close(End::Near)),
            4 => self.each_link(any, |proxy| proxy.half_close(End::Far)),
            5 => self.each_link(any, |proxy| {
                proxy.silence();
                proxy.release();
            }),
            6 => self.say(any, &["CLIENT KILL TYPE replica", "CLIENT KILL TYPE master"]),
            7 => self.say(any, &["BGSAVE", "CONFIG SET repl-backlog-size 20kb"]),
            8 => self.move_elsewhere(any, random),
            _ => self.say(any, &["REPLICA VERIFY", "CONFIG SET repl-backlog-size 10mb"]),
        }
    }

    /// A primary comes back with what it saved; a replica with what it happens to have.
    fn restart(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.upstream.is_none() {
            // Refused while a save is under way: it then comes back with that, or with nothing.
            node.server.client().try_call::<()>("SAVE").unwrap_or_default();
        }
        node.server.kill();
        node.server.restart();
        if let Some((_, proxy)) = &node.upstream {
            follow(&node.server, proxy.port);
        }
    }

    /// For as long as another node has so many turns.
    fn freeze(&self, index: usize, turns: usize) {
        let other = &self.nodes[(index + 1) % self.nodes.len()].server;
        self.nodes[index].server.signal("STOP");
        let mut client = other.client();
        for _ in 0..turns {
            client.try_call::<String>("PING").map(drop).unwrap_or_default();
        }
        self.nodes[index].server.signal("CONT");
    }

    /// The link that the node follows by, and of the primary all that lead to it.
    fn each_link(&self, index: usize, act: impl Fn(&Proxy)) {
        match &self.nodes[index].upstream {
            Some((_, proxy)) => act(proxy),
            None => {
                self.nodes.iter().filter_map(|node| node.upstream.as_ref()).for_each(|(_, proxy)| act(proxy))
            }
        }
    }

    /// Some of it may be refused: by who is busy, or does not know it.
    fn say(&self, index: usize, lines: &[&str]) {
        let mut client = self.nodes[index].server.client();
        lines.iter().for_each(|line| client.try_call::<redis::Value>(line).map(drop).unwrap_or_default());
    }

    fn move_elsewhere(&mut self, index: usize, random: &mut Rng) {
        let kind = self.nodes[index].server.kind;
        let allowed: Vec<usize> = (0..self.nodes.len())
            .filter(|&above| !self.is_below(above, index) && may_follow(kind, self.nodes[above].server.kind))
            .collect();
        if let (Some(above), true) = (random.choice(allowed), self.nodes[index].upstream.is_some()) {
            self.attach(index, above);
        }
    }

    /// A direct replica of the primary takes over, if all could follow it; the others stay where they are.
    fn hand_over(&mut self, random: &mut Rng) {
        let old = self.primary();
        let kind = self.nodes[old].server.kind;
        let is_direct = |index: &usize| {
            let node = &self.nodes[*index];
            node.upstream.as_ref().is_some_and(|(above, _)| *above == old)
                && may_follow(kind, node.server.kind)
        };
        let Some(new) = random.choice((0..self.nodes.len()).filter(is_direct).collect::<Vec<_>>()) else {
            return;
        };
        let order = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 120000", self.nodes[new].server.port);
        let mut client = self.nodes[old].server.client();
        wait_until("the target is in good standing", || client.try_call::<()>(&order).is_ok());
        let mut client = self.nodes[new].server.client();
        wait_until("it has taken over", || client.info("replication", "role").as_deref() == Some("master"));
        self.nodes[new].upstream = None;
        // Through a proxy again, so that links can be struck.
        wait_until_linked(&self.nodes[old].server);
        self.attach(old, new);
    }

    /// Every node has what the primary has. Nobody writes meanwhile.
    fn converge(&self) {
        let primary = &self.nodes[self.primary()].server;
        primary.client().call::<()>("SET last write");
        // From above to below: who waits for one that is itself not linked would wait in vain.
        for depth in 1..self.nodes.len() {
            for node in self.nodes.iter().filter(|node| self.depth(node) == depth) {
                wait_until_linked(&node.server);
                assert_same(primary, &node.server);
            }
        }
    }

    fn depth(&self, node: &Node) -> usize {
        node.upstream.as_ref().map_or(0, |(above, _)| 1 + self.depth(&self.nodes[*above]))
    }
}
