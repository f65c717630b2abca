//! Full syncs that are disturbed: held up, shared, killed on either side, given up.
//!
//! A proxy that stops in the middle of a snapshot stands for a slow link, and keeps the moment until the test has
//! seen what holds meanwhile.

use std::fs;

use fastrand::Rng;

use crate::client::Client;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::wait::wait_until;

/// What they make is more than fits into the buffers of a connection.
const KEYS: usize = 40_000;
const VALUE_BYTES: usize = 200;

/// In the middle of what those make.
const MIDDLE: u64 = 3 << 20;

fn filled(arguments: &[&str]) -> Server {
    let primary = Server::start(Ours, arguments);
    dataset::fill_noise(&mut primary.client(), &mut Rng::with_seed(3), KEYS, VALUE_BYTES);
    dataset::fill_special(&mut primary.client());
    primary
}

fn times_logged(server: &Server, text: &str) -> usize {
    let log = fs::read_to_string(server.folder.join("log")).expect("the server logs");
    log.lines().filter(|line| line.contains(text)).count()
}

#[track_caller]
fn wait_until_receiving(replica: &mut Client) {
    wait_until("the replica receives", || {
        let received = replica.info("replication", "master_sync_read_bytes");
        received.and_then(|bytes| bytes.parse().ok()).is_some_and(|bytes: u64| bytes > 1 << 20)
    });
}

#[test]
fn replicas_of_every_pace_share_one_snapshot() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let primary = filled(&["--repl-diskless-sync no"]);
    let proxy = Proxy::start_held(primary.port, MIDDLE);
    let [slow, fast, late] = [0; 3].map(|_| Server::start(Ours, &[]));
    follow(&slow, proxy.port);
    wait_until_receiving(&mut slow.client());
    follow(&fast, primary.port);
    wait_until_linked(&fast);
    primary.client().call::<()>("SET written later");
    follow(&late, primary.port);
    wait_until_linked(&late);
    assert_eq!(slow.client().info("replication", "master_link_status").as_deref(), Some("down"));
    proxy.release();
    wait_until_linked(&slow);
    for replica in [&slow, &fast, &late] {
        assert_same(&primary, replica);
    }
    assert_eq!(times_logged(&primary, "Starting BGSAVE for SYNC"), 1);
    assert_eq!(times_logged(&primary, "joins a snapshot that is there"), 2);
    for kind in [Redis7, Valkey9] {
        let stock = Server::start(kind, &[]);
        follow(&stock, primary.port);
        wait_until_linked(&stock);
        assert_same(&primary, &stock);
    }
}

#[test]
fn a_replica_killed_in_a_full_sync_begins_again() {
    let primary = filled(&[]);
    let mut random = Rng::with_seed(4);
    let mut replica = Server::start(Ours, &[]);
    for _ in 0..3 {
        let proxy = Proxy::start_held(primary.port, random.u64(1000..2 * MIDDLE));
        follow(&replica, proxy.port);
        wait_until("it is sent data", || proxy.is_holding());
        replica.kill();
        replica.restart();
    }
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}

#[test]
fn a_primary_killed_in_a_full_sync_leaves_the_old_data() {
    for load in ["swapdb", "disabled", "on-empty-db"] {
        let mut primary = filled(&[]);
        let replica = Server::start(Ours, &[&format!("--repl-diskless-load {load}")]);
        let mut client = replica.client();
        client.call::<()>("SET old data");
        let proxy = Proxy::start_held(primary.port, MIDDLE);
        follow(&replica, proxy.port);
        wait_until_receiving(&mut client);
        assert_eq!(client.call::<String>("GET old"), "data", "{load}: while the new data comes");
        primary.kill();
        proxy.release();
        wait_until("the link is lost", || {
            client.info("replication", "master_sync_in_progress").as_deref() == Some("0")
        });
        assert_eq!(client.call::<String>("GET old"), "data", "{load}");
        assert_eq!(client.call::<u64>("DBSIZE"), 1, "{load}: nothing of the new data");
    }
}

#[test]
fn a_load_can_be_given_up_at_any_moment() {
    let primary = filled(&[]);
    let replica = Server::start(Ours, &[]);
    let mut client = replica.client();
    client.call::<()>("SET old data");
    let proxy = Proxy::start_held(primary.port, MIDDLE);
    follow(&replica, proxy.port);
    wait_until_receiving(&mut client);
    client.call::<()>("REPLICAOF NO ONE");
    client.call::<()>("SET new data");
    assert_eq!(client.call::<u64>("DBSIZE"), 2);
    proxy.release();
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}

#[test]
fn flush_before_load_holds_one_dataset_at_a_time() {
    let primary = filled(&[]);
    let arguments = ["--repl-diskless-load flush-before-load", "--replica-guard-shrink-percent 0"];
    let replica = Server::start(Ours, &arguments);
    let mut client = replica.client();
    client.call::<()>("SET old data");
    let proxy = Proxy::start_held(primary.port, MIDDLE);
    follow(&replica, proxy.port);
    wait_until("clients are told to wait", || {
        client.try_call::<String>("GET old").is_err_and(|error| error.code() == Some("LOADING"))
    });
    proxy.release();
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}
