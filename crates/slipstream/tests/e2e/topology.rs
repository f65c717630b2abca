//! Promotion and restarts, across implementations.
//!
//! What must hold in both: nobody who has the history is sent the data again.

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::positions::{Syncs, syncs};
use crate::server::Server;
use crate::traffic::Traffic;

/// No pings: an old primary that pings once more than its successor saw has a history of its own.
const ARGUMENTS: &[&str] = &["--repl-backlog-size 64mb", "--repl-ping-replica-period 3600"];

#[test]
fn ours_takes_over_from_redis() {
    check_promotion([Redis7, Ours, Redis7]);
}

#[test]
fn ours_takes_over_from_valkey() {
    check_promotion([Valkey9, Ours, Valkey9]);
}

#[test]
fn redis_takes_over_from_ours() {
    check_promotion([Ours, Redis7, Ours]);
}

#[test]
fn ours_takes_over_from_ours() {
    check_promotion([Ours, Ours, Ours]);
}

/// The first replica is promoted; its sibling and the old primary continue with it where they are.
#[track_caller]
fn check_promotion(kinds: [Kind; 3]) {
    if !all_found(&kinds) {
        return;
    }
    let [old, new, sibling] = kinds.map(|kind| Server::start(kind, ARGUMENTS));
    dataset::fill(&mut old.client());
    for replica in [&new, &sibling] {
        follow(replica, old.port);
        wait_until_linked(replica);
    }
    let traffic = Traffic::start(&old);
    traffic.let_some_pass();
    traffic.stop();
    assert_same(&old, &new);
    assert_same(&old, &sibling);

    new.client().call::<()>("REPLICAOF NO ONE");
    follow(&sibling, new.port);
    follow(&old, new.port);
    let traffic = Traffic::start(&new);
    traffic.let_some_pass();
    wait_until_linked(&sibling);
    wait_until_linked(&old);
    traffic.stop();

    assert_same(&new, &sibling);
    assert_same(&new, &old);
    assert_eq!(syncs(&new), Syncs { full: 0, partial: 2 });
}

#[test]
fn our_replica_of_redis_restarts_and_continues() {
    check_restart(Redis7, Ours);
}

#[test]
fn a_redis_replica_of_ours_restarts_and_continues() {
    check_restart(Ours, Redis7);
}

#[test]
fn our_replica_of_ours_restarts_and_continues() {
    check_restart(Ours, Ours);
}

/// A replica that saves when it ends comes back with its data and its place in the stream.
#[track_caller]
fn check_restart(primary: Kind, replica: Kind) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let primary = Server::start(primary, ARGUMENTS);
    dataset::fill(&mut primary.client());
    let following = format!("--replicaof 127.0.0.1 {}", primary.port);
    let mut replica = Server::start(replica, &[ARGUMENTS, &[&following, "--save 3600 1"]].concat());
    wait_until_linked(&replica);
    let traffic = Traffic::start(&primary);
    traffic.let_some_pass();

    replica.signal("TERM");
    assert!(replica.wait_for_end().success());
    traffic.let_some_pass();
    replica.restart();
    wait_until_linked(&replica);
    traffic.stop();

    assert_same(&primary, &replica);
    assert_eq!(syncs(&primary), Syncs { full: 1, partial: 1 });
}

/// Either directive alone is a link over plain TCP.
#[test]
fn a_link_over_multipath_tcp_carries_the_stream() {
    let Some(before) = multipath_handshakes() else {
        return crate::report("skipped: this system has no Multipath TCP");
    };
    let primary = Server::start(Ours, &["--mptcp yes"]);
    dataset::fill(&mut primary.client());
    let replica = Server::start(Ours, &["--repl-mptcp yes"]);
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    primary.client().call::<()>("SET written later");
    assert_same(&primary, &replica);
    assert!(multipath_handshakes() > Some(before), "the connections are of that kind");

    let stock = Server::start(Ours, &[]);
    let replica =
        Server::start(Ours, &["--repl-mptcp yes", &format!("--replicaof 127.0.0.1 {}", stock.port)]);
    wait_until_linked(&replica);
}

/// Connections of Multipath TCP that this system has seen; `None` if it takes part in none.
fn multipath_handshakes() -> Option<u64> {
    let enabled = std::fs::read_to_string("/proc/sys/net/mptcp/enabled").ok()?;
    let counters = std::fs::read_to_string("/proc/net/netstat").ok()?;
    let mut rows = counters.lines().filter(|line| line.starts_with("MPTcpExt:"));
    let (names, values) = (rows.next()?.split(' '), rows.next()?.split(' '));
    let (_, value) = names.zip(values).find(|(name, _)| *name == "MPCapableACKRX")?;
    (enabled.trim() == "1").then(|| value.parse().ok()).flatten()
}
