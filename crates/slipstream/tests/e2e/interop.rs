//! Every pair of implementations replicates in both directions.
//!
//! One story for each pair: data of every type is there, a replica is attached while clients write, the link is
//! cut and restored, and in the end both hold the same, key by key.

use crate::copies::{assert_same, check_attach_and_cut, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;

/// Large enough that a cut link never costs a full sync in these tests.
const BACKLOG: &str = "--repl-backlog-size 64mb";

#[test]
fn our_replica_of_redis_7() {
    check(Redis7, Ours);
}

#[test]
fn our_replica_of_valkey_9() {
    check(Valkey9, Ours);
}

#[test]
fn redis_7_replica_of_ours() {
    check(Ours, Redis7);
}

#[test]
fn valkey_9_replica_of_ours() {
    check(Ours, Valkey9);
}

#[test]
fn our_replica_of_ours() {
    check(Ours, Ours);
}

/// Nothing of ours takes part: shows that the story itself is true.
#[test]
fn valkey_9_replica_of_redis_7() {
    check(Redis7, Valkey9);
}

/// A snapshot that a primary first writes to disk has a length, and no mark at its end.
#[test]
fn our_replica_takes_a_snapshot_of_known_length() {
    if !all_found(&[Redis7]) {
        return;
    }
    let primary = Server::start(Redis7, &["--repl-diskless-sync no"]);
    dataset::fill(&mut primary.client());
    let replica = Server::start(Ours, &[&format!("--replicaof localhost {}", primary.port)]);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}

#[track_caller]
fn check(primary: Kind, replica: Kind) {
    let Some(primary) = check_attach_and_cut(primary, replica, &[BACKLOG]) else { return };
    assert_eq!(primary.client().info_number("stats", "sync_partial_ok"), 1);
}
