//! Links that are bad without being down: bytes that come one by one, ends that hear of a close alone, links that
//! an operator kills, and a stream of commands that turn whole databases over meanwhile.
//!
//! None of it may cost a full sync, or a difference.

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::{End, Proxy};
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

const BACKLOG: &str = "--repl-backlog-size 64mb";

#[test]
fn dribbling_and_half_closes_cost_nothing_between_ours() {
    check_dribble([Ours, Ours], 1);
}

#[test]
fn dribbling_and_half_closes_cost_nothing_with_redis() {
    check_dribble([Ours, Redis7], 2);
    check_dribble([Redis7, Ours], 3);
}

#[test]
fn dribbling_and_half_closes_cost_nothing_with_valkey() {
    check_dribble([Ours, Valkey9], 3);
    check_dribble([Valkey9, Ours], 2);
}

/// Handshake, snapshot and stream come in pieces of so many bytes.
#[track_caller]
fn check_dribble(kinds: [Kind; 2], bytes: usize) {
    if !all_found(&kinds) {
        return;
    }
    let [primary, replica] = kinds.map(|kind| Server::start(kind, &[BACKLOG]));
    let traffic = Traffic::start(&primary);
    traffic.let_some_pass();
    traffic.stop();
    let proxy = Proxy::start_dribbling(primary.port, bytes);
    follow(&replica, proxy.port);
    wait_until_linked(&replica);
    for end in [End::Near, End::Far] {
        let before = partial_syncs(&primary);
        proxy.half_close(end);
        wait_until("the stream goes on", || partial_syncs(&primary) > before);
        wait_until_linked(&replica);
        primary.client().call::<()>(&format!("RPUSH told {end:?}"));
    }
    assert_same(&primary, &replica);
    assert_eq!(full_syncs(&primary), 1);
}

#[test]
fn killed_links_of_ours_continue_while_databases_turn_over() {
    check_kills(Ours, &[Ours, Redis7, Valkey9]);
}

#[test]
fn killed_links_to_redis_continue_while_databases_turn_over() {
    check_kills(Redis7, &[Ours]);
}

#[test]
fn killed_links_to_valkey_continue_while_databases_turn_over() {
    check_kills(Valkey9, &[Ours]);
}

/// CLIENT KILL on either side, under SWAPDB, FLUSHALL and transactions.
#[track_caller]
fn check_kills(primary: Kind, kinds: &[Kind]) {
    if !all_found(&[&[primary], kinds].concat()) {
        return;
    }
    let primary = Server::start(primary, &[BACKLOG]);
    let replicas: Vec<Server> = kinds.iter().map(|&kind| Server::start(kind, &[BACKLOG])).collect();
    let traffic = Traffic::start_storm(&primary);
    for replica in &replicas {
        follow(replica, primary.port);
        wait_until_linked(replica);
    }
    let expected = full_syncs(&primary);
    for _ in 0..3 {
        let before = partial_syncs(&primary);
        primary.client().call::<()>("CLIENT KILL TYPE replica");
        wait_until("a stream goes on", || partial_syncs(&primary) > before);
        for replica in &replicas {
            wait_until_linked(replica);
            replica.client().call::<()>("CLIENT KILL TYPE master");
        }
        traffic.let_some_pass();
        replicas.iter().for_each(wait_until_linked);
    }
    traffic.stop();
    primary.client().call::<()>("SET last write");
    for replica in &replicas {
        assert_same(&primary, replica);
    }
    assert_eq!(full_syncs(&primary), expected);
}

fn full_syncs(primary: &Server) -> u64 {
    primary.client().info_number("stats", "sync_full")
}

fn partial_syncs(primary: &Server) -> u64 {
    primary.client().info_number("stats", "sync_partial_ok")
}
