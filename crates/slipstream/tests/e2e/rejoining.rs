//! A demoted primary joins the one that took its place, whose history forks before this one's end.
//!
//! What it has behind the fork was never copied. If that is pings only, nothing is lost and nothing is sent again; if
//! there are writes, they are kept in a file.

use crate::client::Client;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

const PINGS: &[&str] = &["--repl-ping-replica-period 1"];

/// An old primary of ours, a replica that stays with it, and its successor, whose history forks before the end of
/// theirs. `diverge` makes the old one go on.
struct Parted {
    old: Server,
    sibling: Server,
    new: Server,
}

fn part(successor: Kind, diverge: impl FnOnce(&mut Client)) -> Parted {
    let [old, sibling] = [(); 2].map(|()| Server::start(Ours, PINGS));
    let new = Server::start(successor, &[]);
    dataset::fill(&mut old.client());
    for replica in [&sibling, &new] {
        follow(replica, old.port);
        wait_until_linked(replica);
    }
    let mut client = old.client();
    client.call::<()>("SET before fork");
    wait_until("the replica has what was written", || {
        new.client().try_call::<String>("GET before").is_ok_and(|value| value == "fork")
    });
    new.client().call::<()>("REPLICAOF NO ONE");
    let fork = new.client().info_number("replication", "second_repl_offset") - 1;
    diverge(&mut client);
    wait_until("the old primary has pinged behind the fork", || {
        [&old, &sibling]
            .iter()
            .all(|node| node.client().info_number("replication", "master_repl_offset") > fork)
    });
    new.client().call::<()>("SET after fork");
    Parted { old, sibling, new }
}

#[track_caller]
fn check_pings_are_dropped(successor: Kind) {
    if !all_found(&[successor]) {
        return;
    }
    let Parted { old, sibling, new } = part(successor, |_| {});
    let before = new.client().info_number("stats", "sync_full");
    for node in [&old, &sibling] {
        follow(node, new.port);
        wait_until_linked(node);
        assert_same(&new, node);
    }
    assert_eq!(new.client().info_number("stats", "sync_full"), before, "nothing is sent again");
    assert_eq!(new.client().info_number("stats", "sync_partial_ok"), 2);
}

#[test]
fn pings_behind_the_fork_of_ours_are_dropped() {
    check_pings_are_dropped(Ours);
}

#[test]
fn pings_behind_the_fork_of_redis_are_dropped() {
    check_pings_are_dropped(Redis7);
}

#[test]
fn pings_behind_the_fork_of_valkey_are_dropped() {
    check_pings_are_dropped(Valkey9);
}

#[test]
fn writes_behind_the_fork_are_kept_in_a_file() {
    let Parted { old, sibling, new } = part(Ours, |client| {
        client.call::<()>("SET lost 1");
        client.call::<()>("SELECT 3");
        client.call::<()>("RPUSH gone a b");
    });
    drop(sibling);
    let fork = new.client().info_number("replication", "second_repl_offset") - 1;
    follow(&old, new.port);
    wait_until_linked(&old);
    assert_same(&new, &old);
    let mut client = old.client();
    assert_eq!(client.info_number("replication", "last_divergence_writes"), 2);
    assert_eq!(client.info_number("replication", "last_divergence_offset"), fork);
    let name = client.info("replication", "last_divergence_file").expect("kept");
    assert!(name.ends_with(&format!("-{fork}.aof")), "{name}");
    let path = old.folder.join(name);
    wait_until("the file is there", || path.exists());
    let content = std::fs::read_to_string(path).expect("readable");
    let words: Vec<&str> = content.split("\r\n").filter(|part| !part.starts_with(['*', '$'])).collect();
    assert_eq!(words.join(" ").trim(), "SELECT 0 SET lost 1 SELECT 3 RPUSH gone a b");
}

#[test]
fn a_replica_that_was_promoted_by_mistake_comes_back_without_a_full_sync() {
    let primary = Server::start(Ours, PINGS);
    let replica = Server::start(Ours, &[]);
    dataset::fill(&mut primary.client());
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    replica.client().call::<()>("REPLICAOF NO ONE");
    primary.client().call::<()>("SET meanwhile x");
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
    assert_eq!(primary.client().info_number("stats", "sync_full"), 1);
    assert_eq!(primary.client().info_number("stats", "sync_partial_ok"), 1);
    assert_eq!(primary.client().info_number("stats", "sync_partial_err"), 0);
}
