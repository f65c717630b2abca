//! A demoted primary joins the one that took its place, whose history forks before this one's end.
//!
//! What it has behind the fork was never copied. If that is pings only, nothing is lost and nothing is sent again; if
//! there are writes, they are kept in a file, and the keys that they wrote are taken from the new primary.

use fastrand::Rng;

use crate::client::Client;
use crate::content::Content;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

/// The backlog holds all that is written behind a fork, however long somebody takes.
const PINGS: &[&str] = &["--repl-ping-replica-period 1", "--repl-backlog-size 64mb"];

/// An old primary of ours, a replica that stays with it, and its successor, whose history forks before the end of
/// theirs. `diverge` makes the old one go on.
struct Parted {
    old: Server,
    sibling: Server,
    new: Server,
}

fn part(successor: Kind, diverge: impl FnOnce(&mut Client)) -> Parted {
    let [old, sibling] = [(); 2].map(|()| Server::start(Ours, PINGS));
    let new = Server::start(successor, &["--repl-backlog-size 64mb"]);
    let mut client = old.client();
    fill(&mut client);
    for replica in [&sibling, &new] {
        follow(replica, old.port);
        wait_until_linked(replica);
    }
    client.call::<()>("SET before fork");
    wait_until("the replica has what was written", || {
        new.client().try_call::<String>("GET before").is_ok_and(|value| value == "fork")
    });
    new.client().call::<()>("REPLICAOF NO ONE");
    let fork = new.client().info_number("replication", "second_repl_offset") - 1;
    diverge(&mut client);
    let written = client.info_number("replication", "master_repl_offset").max(fork);
    wait_until("the old primary has pinged behind the fork, and its replica has all of it", || {
        [&old, &sibling]
            .iter()
            .all(|node| node.client().info_number("replication", "master_repl_offset") > written)
    });
    new.client().call::<()>("SET after fork");
    Parted { old, sibling, new }
}

/// Nothing of it is left to be deleted when it is due: that would be a write.
fn fill(client: &mut Client) {
    dataset::fill(client);
    Content::read(client);
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

/// Writes of every type, over what is there and beside it, in several databases.
const DIVERGENCE: &[&str] = &[
    "SET before lost",
    "SET string:int 0 PX 100000000",
    "DEL list:short hash:listpack",
    "RPUSH list:long lost",
    "SADD set:int16 77",
    "HSET hash:hashtable field:1 lost",
    "ZADD zset:skiplist 1 lost",
    "XADD stream:short 9-9 lost lost",
    "RENAME set:int32 lost:set",
    "PERSIST expires:string",
    "MOVE plain:1 5",
    "SELECT 15",
    "SET last lost",
    "COPY last lost DB 3",
];

#[track_caller]
fn check_written_keys_are_taken(successor: Kind) {
    if !all_found(&[successor]) {
        return;
    }
    let Parted { old, sibling, new } = part(successor, |client| {
        DIVERGENCE.iter().for_each(|line| client.call::<()>(line));
    });
    let mut client = new.client();
    for line in
        ["APPEND before more", "PEXPIREAT list:short 4102444800000", "HSET plain:1x a 1", "SET after gone"]
    {
        client.call::<()>(line);
    }
    let before = client.info_number("stats", "sync_full");
    for node in [&old, &sibling] {
        follow(node, new.port);
        wait_until_linked(node);
        client.call::<()>("INCR n");
        assert_same(&new, node);
        let mut client = node.client();
        assert_eq!(client.info_number("replication", "last_divergence_writes"), 13);
        assert_eq!(client.info_number("replication", "last_divergence_restored_keys"), 16);
        let name = client.info("replication", "last_divergence_file").expect("kept");
        wait_until("the file is there", || node.folder.join(&name).exists());
    }
    assert_eq!(client.info_number("stats", "sync_full"), before, "nothing is sent again");
}

#[test]
fn keys_written_behind_the_fork_of_ours_are_taken_from_it() {
    check_written_keys_are_taken(Ours);
}

#[test]
fn keys_written_behind_the_fork_of_redis_are_taken_from_it() {
    check_written_keys_are_taken(Redis7);
}

#[test]
fn keys_written_behind_the_fork_of_valkey_are_taken_from_it() {
    check_written_keys_are_taken(Valkey9);
}

/// The link is held up where the values come, and where the stream comes that leads to them; the node is killed there,
/// with a file that it saved just then, and comes back.
#[test]
fn who_is_killed_while_it_takes_the_keys_ends_with_all_data() {
    for (reached, is_back) in [(60_000, false), (600_000, true)] {
        let Parted { mut old, sibling, new } = part(Ours, |client| {
            DIVERGENCE.iter().for_each(|line| client.call::<()>(line));
        });
        drop(sibling);
        let mut random = Rng::with_seed(reached);
        dataset::fill_noise(&mut new.client(), &mut random, 30, 50_000);
        let proxy = Proxy::start_held(new.port, reached);
        follow(&old, proxy.port);
        wait_until("so much of it has come", || proxy.is_holding());
        let mut client = old.client();
        assert_eq!(client.info("replication", "master_link_status").as_deref(), Some("down"));
        assert_eq!(client.info_number("replication", "last_divergence_writes"), 13);
        wait_until("it has gone back to the fork if it has all values", || {
            client.info("replication", "stale_keys").is_some() == is_back
        });
        client.call::<()>("SAVE");
        old.kill();
        proxy.release();
        old.restart();
        follow(&old, new.port);
        wait_until_linked(&old);
        new.client().call::<()>("SET later x");
        assert_same(&new, &old);
    }
}

/// Both sides write the same keys, by commands that read some and write others.
#[track_caller]
fn check_keys_are_taken_under_load(successor: Kind) {
    if !all_found(&[successor]) {
        return;
    }
    let Parted { old, sibling, new } = part(successor, |client| client.call::<()>("SET only here"));
    drop(sibling);
    let traffic = Traffic::start(&old);
    traffic.let_some_pass();
    traffic.stop();
    let before = new.client().info_number("stats", "sync_full");
    let traffic = Traffic::start(&new);
    traffic.let_some_pass();
    follow(&old, new.port);
    wait_until_linked(&old);
    traffic.let_some_pass();
    traffic.stop();
    assert_same(&new, &old);
    assert_eq!(new.client().info_number("stats", "sync_full"), before, "nothing is sent again");
    assert!(old.client().info_number("replication", "last_divergence_restored_keys") > 0);
}

#[test]
fn keys_are_taken_from_ours_while_it_is_written_to() {
    check_keys_are_taken_under_load(Ours);
}

#[test]
fn keys_are_taken_from_redis_while_it_is_written_to() {
    check_keys_are_taken_under_load(Redis7);
}

#[test]
fn keys_are_taken_from_valkey_while_it_is_written_to() {
    check_keys_are_taken_under_load(Valkey9);
}

#[test]
fn a_replica_of_the_one_that_comes_back_takes_the_keys_from_that() {
    let Parted { old, sibling, new } = part(Ours, |client| {
        DIVERGENCE.iter().for_each(|line| client.call::<()>(line));
    });
    let before = [&old, &new].map(|node| node.client().info_number("stats", "sync_full"));
    follow(&old, new.port);
    wait_until_linked(&old);
    new.client().call::<()>("SET later x");
    assert_same(&new, &old);
    wait_until("the replica of the old primary has what came later", || {
        sibling.client().try_call::<String>("GET later").is_ok_and(|value| value == "x")
    });
    assert_same(&old, &sibling);
    let after = [&old, &new].map(|node| node.client().info_number("stats", "sync_full"));
    assert_eq!(after, before, "nothing is sent again");
    assert_eq!(sibling.client().info_number("replication", "last_divergence_restored_keys"), 16);
}

#[test]
fn a_replica_that_was_promoted_by_mistake_comes_back_without_a_full_sync() {
    let primary = Server::start(Ours, PINGS);
    let replica = Server::start(Ours, &[]);
    fill(&mut primary.client());
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
