//! Full syncs over two connections, with Valkey 9 in both roles and among our own.

use std::fs;

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::traffic::Traffic;

const TWO_LINKS: &str = "--dual-channel-replication-enabled yes";

#[test]
fn valkey_9_takes_our_snapshot_beside_the_stream() {
    check(Ours, Valkey9);
}

/// A replica is attached over two connections while clients write; then the link is cut, and continues.
#[track_caller]
fn check(primary: Kind, replica: Kind) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let arguments = [TWO_LINKS, "--repl-backlog-size 64mb"];
    let primary = Server::start(primary, &arguments);
    dataset::fill(&mut primary.client());
    let traffic = Traffic::start(&primary);
    let proxy = Proxy::start(primary.port);
    let replica = Server::start(replica, &arguments);

    follow(&replica, proxy.port);
    traffic.let_some_pass();
    wait_until_linked(&replica);
    let log = fs::read_to_string(primary.folder.join("log")).expect("the server has a log");
    assert!(log.contains("dedicated RDB channel"), "it was one connection:\n{log}");

    proxy.cut();
    traffic.let_some_pass();
    proxy.restore();
    traffic.let_some_pass();
    traffic.stop();

    assert_same(&primary, &replica);
    let mut primary = primary.client();
    assert_eq!(primary.info_number("stats", "sync_full"), 1);
    assert_eq!(primary.info_number("replication", "connected_slaves"), 1);
}
