//! Full syncs over two connections, with Valkey 9 in both roles and among our own.

use std::fs;

use crate::copies::{assert_same, check_attach_and_cut, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

const TWO_LINKS: &str = "--dual-channel-replication-enabled yes";

#[test]
fn valkey_9_takes_our_snapshot_beside_the_stream() {
    check(Ours, Valkey9);
}

#[test]
fn our_replica_takes_the_snapshot_of_valkey_9_beside_the_stream() {
    check(Valkey9, Ours);
}

#[test]
fn our_replica_takes_our_snapshot_beside_the_stream() {
    check(Ours, Ours);
}

#[test]
fn the_loss_of_either_connection_does_no_harm() {
    for (primary, replica) in [(Ours, Ours), (Ours, Valkey9), (Valkey9, Ours)] {
        for connection in [0, 1] {
            check_loss(primary, replica, connection);
        }
    }
}

/// One of both connections breaks while the snapshot is prepared.
#[track_caller]
fn check_loss(primary: Kind, replica: Kind, connection: usize) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let primary = Server::start(primary, &[TWO_LINKS]);
    dataset::fill(&mut primary.client());
    primary.client().call::<()>("CONFIG SET repl-diskless-sync-delay 1");
    let traffic = Traffic::start(&primary);
    let proxy = Proxy::start(primary.port);
    let replica = Server::start(replica, &[TWO_LINKS]);
    follow(&replica, proxy.port);
    wait_until("there are both connections", || proxy.connections() >= 2);
    proxy.cut_one(connection);
    wait_until_linked(&replica);
    traffic.let_some_pass();
    traffic.stop();
    assert_same(&primary, &replica);
}

/// A replica is attached over two connections while clients write; then the link is cut, and continues.
#[track_caller]
fn check(primary: Kind, replica: Kind) {
    let arguments = [TWO_LINKS, "--repl-backlog-size 64mb"];
    let Some(primary) = check_attach_and_cut(primary, replica, &arguments) else { return };
    let log = fs::read_to_string(primary.folder.join("log")).expect("the server has a log");
    assert!(log.contains("dedicated RDB channel"), "it was one connection:\n{log}");
}
