//! A primary, its replicas and the sentinels that watch them, and the question what they agree on.

use std::collections::BTreeMap;

use redis::RedisResult;

use crate::client::Client;
use crate::copies::{follow, wait_until_linked};
use crate::peer::Kind;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::wait::{wait_for, wait_until};

/// What the sentinels call the group.
pub(super) const NAME: &str = "mymaster";

/// Redis' sentinels count from the moment a link is made, and send the first PING over it a second later: with less than
/// that, whoever has just been promoted may be called down.
pub(super) const DOWN_AFTER_MS: u64 = 1500;

/// For so long a sentinel has known the primary that is settled.
const SETTLED_MS: u64 = 1200;

/// What a group is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The first is the primary.
    pub(super) servers: Vec<Kind>,
    pub(super) sentinels: Vec<Kind>,
    pub(super) down_after_ms: u64,
    /// More lines of each sentinel's file; those of the group in the form `sentinel OPTION mymaster VALUE`.
    pub(super) lines: Vec<String>,
    /// More arguments of each server.
    pub(super) arguments: Vec<String>,
    /// Whether everybody reaches a server through a proxy, which can cut it off.
    pub(super) is_proxied: bool,
    /// Whether the sentinels ask and tell more often than once in some seconds, and give up sooner.
    pub(super) is_hasty: bool,
    /// The primary's address in the sentinels' files.
    pub(super) host: &'static str,
}

impl Plan {
    pub(super) fn new(servers: &[Kind], sentinels: &[Kind]) -> Self {
        Self {
            servers: servers.to_vec(),
            sentinels: sentinels.to_vec(),
            down_after_ms: DOWN_AFTER_MS,
            lines: Vec::new(),
            arguments: Vec::new(),
            is_proxied: false,
            is_hasty: false,
            host: "127.0.0.1",
        }
    }

    /// A group for a situation that is not about time: its servers are ours.
    pub(super) fn situation(servers: usize, sentinels: &[Kind]) -> Self {
        Self { is_hasty: true, down_after_ms: 1000, ..Self::new(&vec![Kind::Ours; servers], sentinels) }
    }

    /// Whether all servers and sentinels are.
    pub(super) fn are_ours(&self) -> bool {
        self.servers.iter().chain(&self.sentinels).all(|&kind| kind == Kind::Ours)
    }

    pub(super) fn with_line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    pub(super) fn with_argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }
}

/// One of the servers.
pub(super) struct Node {
    pub(super) server: Server,
    pub(super) proxy: Option<Proxy>,
}

impl Node {
    fn start(kind: Kind, plan: &Plan) -> Self {
        let arguments: Vec<&str> = plan.arguments.iter().map(String::as_str).collect();
        let mut server = Server::start(kind, &arguments);
        let proxy = plan.is_proxied.then(|| Proxy::start(server.port));
        if let Some(proxy) = &proxy {
            server.client().call::<()>(&format!("CONFIG SET replica-announce-port {}", proxy.port));
            server.set(&format!("--replica-announce-port {}", proxy.port));
        }
        Self { server, proxy }
    }

    /// Where others reach it.
    pub(super) fn address(&self) -> u16 {
        self.proxy.as_ref().map_or(self.server.port, |proxy| proxy.port)
    }

    fn role(&self) -> Option<String> {
        Client::try_connect(self.server.port).ok()?.info("replication", "role")
    }

    /// Which port it follows, if it does and has all there is.
    fn linked_to(&self) -> Option<u16> {
        let mut client = Client::try_connect(self.server.port).ok()?;
        let is_up = client.info("replication", "master_link_status")? == "up";
        is_up.then(|| client.info("replication", "master_port")?.parse().ok()).flatten()
    }
}

pub(super) struct Group {
    pub(super) nodes: Vec<Node>,
    pub(super) sentinels: Vec<Server>,
}

impl Group {
    /// Starts all and waits until every sentinel knows all the others and all servers.
    #[track_caller]
    pub(super) fn start(plan: &Plan) -> Self {
        let nodes: Vec<Node> = plan.servers.iter().map(|&kind| Node::start(kind, plan)).collect();
        for node in &nodes[1..] {
            follow(&node.server, nodes[0].address());
            wait_until_linked(&node.server);
        }
        // Redis begins to send the stream with the first acknowledgement, up to a second after the link is up.
        let mut primary = nodes[0].server.client();
        primary.call::<()>("SET group made");
        let others = nodes.len() - 1;
        assert_eq!(primary.call::<usize>(&format!("WAIT {others} 60000")), others, "all take writes");
        let lines = lines(plan, nodes[0].address());
        let start = |&kind| Server::start_sentinel(kind, &lines);
        let sentinels: Vec<Server> = plan.sentinels.iter().map(start).collect();
        if plan.is_hasty {
            sentinels.iter().for_each(hasten);
        }
        let group = Self { nodes, sentinels };
        group.wait_until_known();
        group
    }

    /// From now on servers fence themselves. Before their sentinels are there, the primary would take no write.
    #[track_caller]
    pub(super) fn fence(&mut self) {
        for Node { server, .. } in &mut self.nodes {
            server.client().call::<()>("CONFIG SET sentinel-fencing yes");
            server.set("--sentinel-fencing yes");
        }
        let mut client = self.nodes[0].server.client();
        wait_until("the sentinels let the primary write", || client.try_call::<()>("SET key value").is_ok());
    }

    /// Waits until every sentinel knows all the others and all servers, and finds no fault with any.
    #[track_caller]
    pub(super) fn wait_until_known(&self) {
        for sentinel in &self.sentinels {
            let mut client = sentinel.client();
            wait_until("a sentinel knows all", || self.is_known_to(&mut client));
        }
    }

    /// Waits until the sentinels have been at it for a while: what has just been connected is not missed as soon.
    #[track_caller]
    pub(super) fn wait_until_settled(&self) {
        for sentinel in &self.sentinels {
            wait_until("a sentinel has settled", || {
                state(sentinel)["role-reported-time"].parse::<u64>().is_ok_and(|ms| ms > SETTLED_MS)
            });
        }
    }

    fn is_known_to(&self, sentinel: &mut Client) -> bool {
        let list = |client: &mut Client, what: &str| maps(client, &format!("SENTINEL {what} {NAME}"));
        let replicas = list(sentinel, "REPLICAS");
        let others = list(sentinel, "SENTINELS");
        map(sentinel, &format!("SENTINEL MASTER {NAME}"))["flags"] == "master"
            && replicas.len() == self.nodes.len() - 1
            && replicas.iter().all(|map| map["flags"] == "slave" && map["master-link-status"] == "ok")
            && others.len() == self.sentinels.len() - 1
            && others.iter().all(|map| map["flags"] == "sentinel")
    }

    /// The node that all sentinels name, if they agree.
    pub(super) fn agreed(&self) -> Option<usize> {
        let mut named = self.sentinels.iter().map(|sentinel| self.index_of(primary_named_by(sentinel)?));
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    fn index_of(&self, port: u16) -> Option<usize> {
        self.nodes.iter().position(|node| node.address() == port)
    }

    /// Waits until all sentinels name another than this one, and says whom.
    #[track_caller]
    pub(super) fn wait_until_moved_from(&self, old: usize) -> usize {
        wait_for("another primary", || self.agreed().filter(|&new| new != old))
    }

    /// Waits until one of the nodes is a primary, and all others follow it and have all there is.
    #[track_caller]
    pub(super) fn wait_until_converged(&self) -> usize {
        wait_for("one primary that all follow", || {
            let primary = self.agreed()?;
            self.is_followed_by_all(primary, |_| true).then_some(primary)
        })
    }

    /// Waits until all but one of the others follow it.
    #[track_caller]
    pub(super) fn wait_until_followed(&self, primary: usize, without: usize) {
        wait_until("the others follow", || self.is_followed_by_all(primary, |index| index != without));
    }

    fn is_followed_by_all(&self, primary: usize, counts: impl Fn(usize) -> bool) -> bool {
        let port = self.nodes[primary].address();
        self.nodes.iter().enumerate().filter(|&(index, _)| counts(index)).all(|(index, node)| {
            if index == primary {
                node.role().as_deref() == Some("master")
            } else {
                node.linked_to() == Some(port)
            }
        })
    }

    /// How many full syncs those have given that were replicas at first.
    pub(super) fn full_syncs(&self) -> u64 {
        self.nodes[1..].iter().map(|node| node.server.client().info_number("stats", "sync_full")).sum()
    }
}

/// Redis' sentinels wait for four times the period of hellos before they turn a primary that nobody promoted into a
/// replica, and ask for INFO each second during a failover: less than this, and they turn one that was.
fn hasten(sentinel: &Server) {
    let periods = "info-period 100 ping-period 100 ask-period 100 publish-period 500";
    sentinel.client().call::<()>(&format!("SENTINEL DEBUG {periods}"));
}

fn lines(plan: &Plan, primary: u16) -> Vec<String> {
    let quorum = plan.sentinels.len() / 2 + 1;
    let mut lines = vec![
        format!("sentinel monitor {NAME} {} {primary} {quorum}", plan.host),
        format!("sentinel down-after-milliseconds {NAME} {}", plan.down_after_ms),
        format!("sentinel failover-timeout {NAME} {}", if plan.is_hasty { 3000 } else { 10_000 }),
    ];
    // Those without the group's name must come before it is named.
    let (of_group, global): (Vec<&String>, Vec<&String>) =
        plan.lines.iter().partition(|line| line.contains(NAME));
    lines.extend(of_group.into_iter().cloned());
    global.into_iter().cloned().chain(lines).collect()
}

/// The port of the primary that a sentinel names.
pub(super) fn primary_named_by(sentinel: &Server) -> Option<u16> {
    let mut client = Client::try_connect(sentinel.port).ok()?;
    primary_named_to(&mut client)
}

pub(super) fn primary_named_to(client: &mut Client) -> Option<u16> {
    let address: RedisResult<(String, u16)> =
        client.try_call(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
    Some(address.ok()?.1)
}

/// What a sentinel says of the group.
#[track_caller]
pub(super) fn state(sentinel: &Server) -> BTreeMap<String, String> {
    map(&mut sentinel.client(), &format!("SENTINEL MASTER {NAME}"))
}

#[track_caller]
pub(super) fn replicas(sentinel: &Server) -> Vec<BTreeMap<String, String>> {
    maps(&mut sentinel.client(), &format!("SENTINEL REPLICAS {NAME}"))
}

#[track_caller]
pub(super) fn map(client: &mut Client, line: &str) -> BTreeMap<String, String> {
    client.call(line)
}

#[track_caller]
pub(super) fn maps(client: &mut Client, line: &str) -> Vec<BTreeMap<String, String>> {
    client.call(line)
}
