//! Chains: Slipstream, Redis 7 and Valkey 9 in every position of three, and four of ours.
//!
//! A link is cut and continues, and those below notice nothing. Redis 7 cannot read what Valkey 9 writes, so no
//! chain has one directly below the other.

use std::sync::Mutex;
use std::thread;

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::traffic::Traffic;

/// No pings: an old primary that pings once more than its successor saw has a history of its own.
const ARGUMENTS: &[&str] = &["--repl-backlog-size 64mb", "--repl-ping-replica-period 3600"];

const AT_A_TIME: usize = 3;

const KINDS: [Kind; 3] = [Ours, Redis7, Valkey9];

#[test]
fn every_implementation_in_every_position_of_a_chain() {
    if !all_found(&KINDS) {
        return;
    }
    let chains: Vec<[Kind; 3]> = KINDS
        .iter()
        .flat_map(|&top| KINDS.map(|middle| [top, middle]))
        .flat_map(|[top, middle]| KINDS.map(|end| [top, middle, end]))
        .filter(|chain| chain.contains(&Ours) && !chain.windows(2).any(|pair| pair == [Valkey9, Redis7]))
        .collect();
    assert_eq!(chains.len(), 17);
    let left = Mutex::new(chains);
    let next = || left.lock().expect("nobody panics with it").pop();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(kinds) = next() {
                    check_chain(kinds);
                }
            });
        }
    });
}

/// Prints which chain it was when the check fails.
struct Named([Kind; 3]);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            crate::report(&format!("a chain of {:?}", self.0));
        }
    }
}

fn check_chain(kinds: [Kind; 3]) {
    let _named = Named(kinds);
    let [top, middle, end] = kinds.map(|kind| Server::start(kind, ARGUMENTS));
    dataset::fill_special(&mut top.client());
    let traffic = Traffic::start(&top);
    let proxy = Proxy::start(top.port);
    follow(&middle, proxy.port);
    wait_until_linked(&middle);
    follow(&end, middle.port);
    wait_until_linked(&end);

    proxy.cut();
    traffic.let_some_pass();
    proxy.restore();
    traffic.let_some_pass();
    traffic.stop();

    assert_same(&top, &middle);
    assert_same(&middle, &end);
    assert_eq!(syncs(&top), Syncs { full: 1, partial: 1 });
    assert_eq!(syncs(&middle), Syncs { full: 1, partial: 0 });
}

/// Each link is cut under load; then the second node is promoted, and the first goes on at the end.
#[test]
fn a_chain_of_four_is_cut_anywhere_and_turned() {
    let nodes = [(); 4].map(|()| Server::start(Ours, ARGUMENTS));
    dataset::fill(&mut nodes[0].client());
    let traffic = Traffic::start(&nodes[0]);
    let proxies: Vec<Proxy> = nodes.windows(2).map(|pair| Proxy::start(pair[0].port)).collect();
    for (node, proxy) in nodes[1..].iter().zip(&proxies) {
        follow(node, proxy.port);
        wait_until_linked(node);
    }
    for proxy in &proxies {
        proxy.cut();
        traffic.let_some_pass();
        proxy.restore();
        nodes[1..].iter().for_each(wait_until_linked);
    }
    traffic.stop();
    for pair in nodes.windows(2) {
        assert_same(&pair[0], &pair[1]);
        assert_eq!(syncs(&pair[0]).full, 1);
    }

    let [first, second, third, fourth] = &nodes;
    second.client().call::<()>("REPLICAOF NO ONE");
    follow(first, fourth.port);
    let traffic = Traffic::start(second);
    traffic.let_some_pass();
    [third, fourth, first].into_iter().for_each(wait_until_linked);
    traffic.stop();
    for pair in [[second, third], [third, fourth], [fourth, first]] {
        assert_same(pair[0], pair[1]);
    }
    assert_eq!(
        nodes.each_ref().map(|node| syncs(node).full),
        [1, 1, 1, 0],
        "nobody is sent everything again"
    );
}

/// How replicas of this server got here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Syncs {
    pub(crate) full: u64,
    pub(crate) partial: u64,
}

#[track_caller]
pub(crate) fn syncs(server: &Server) -> Syncs {
    let mut client = server.client();
    let full = client.info_number("stats", "sync_full");
    let partial = client.info_number("stats", "sync_partial_ok");
    Syncs { full, partial }
}
