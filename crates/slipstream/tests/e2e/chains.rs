//! A replica of a replica keeps its connection when the history above it changes.
//!
//! Three of ours in a row, top, middle and bottom. What must hold: the middle lists the bottom under the same number
//! afterwards, the bottom has tried to connect once, and nobody is sent more than the change takes.

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::Ours;
use crate::positions::{Syncs, syncs};
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

/// The bottom's connection, as the middle numbers it.
fn connection(middle: &Server, bottom: &Server) -> String {
    let port = bottom.port;
    let replica = format!("port={port},");
    assert!(middle.client().info("replication", "slave0").is_some_and(|listed| listed.contains(&replica)));
    let list: String = middle.client().call("CLIENT LIST TYPE replica");
    let number = list.split(' ').next().expect("it is listed");
    assert!(number.starts_with("id="), "{list}");
    number.to_owned()
}

fn chain(arguments: &[&str]) -> [Server; 3] {
    let [top, middle, bottom] = [(); 3].map(|()| Server::start(Ours, arguments));
    dataset::fill(&mut top.client());
    for (replica, primary) in [(&middle, &top), (&bottom, &middle)] {
        follow(replica, primary.port);
        wait_until_linked(replica);
    }
    assert_same(&top, &bottom);
    [top, middle, bottom]
}

/// The bottom has come to the history of the middle, and over the connection of that number.
#[track_caller]
fn check_kept(middle: &Server, bottom: &Server, number: &str) {
    let history = |server: &Server| server.client().info("replication", "master_replid");
    wait_until("the bottom has the middle's history", || history(bottom) == history(middle));
    assert_same(middle, bottom);
    let list: String = middle.client().call("CLIENT LIST TYPE replica");
    assert!(list.lines().any(|line| line.starts_with(&format!("{number} "))), "{number} is not in {list}");
    assert_eq!(bottom.client().info_number("replication", "master_total_sync_attempts"), 1);
}

#[test]
fn the_bottom_stays_when_the_middle_takes_over() {
    let [top, middle, bottom] = chain(&["--repl-backlog-size 64mb"]);
    let number = connection(&middle, &bottom);
    let order = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 50000", middle.port);
    let mut client = top.client();
    wait_until("the middle is a replica in good standing", || client.try_call::<()>(&order).is_ok());
    wait_until("it has taken over", || {
        middle.client().info("replication", "role").as_deref() == Some("master")
    });
    let traffic = Traffic::start(&middle);
    traffic.let_some_pass();
    traffic.stop();
    check_kept(&middle, &bottom, &number);
    wait_until("the old top continues", || syncs(&middle).partial == 2);
    assert_same(&middle, &top);
    assert_eq!(syncs(&middle), Syncs { full: 1, partial: 2 }, "the bottom's beginning, and two that went on");
}

#[test]
fn the_bottom_stays_when_the_middle_loads_other_data() {
    check_other_data(&["--repl-diskless-sync-delay 0"]);
}

#[test]
fn the_bottom_stays_when_other_data_comes_over_a_second_connection() {
    check_other_data(&["--repl-diskless-sync-delay 0", "--dual-channel-replication-enabled yes"]);
}

#[track_caller]
fn check_other_data(arguments: &[&str]) {
    let [_top, middle, bottom] = chain(arguments);
    let number = connection(&middle, &bottom);
    let other = Server::start(Ours, arguments);
    dataset::fill(&mut other.client());
    let traffic = Traffic::start(&other);
    traffic.let_some_pass();
    follow(&middle, other.port);
    wait_until("the middle has the other's history", || {
        let history = |server: &Server| server.client().info("replication", "master_replid");
        history(&middle) == history(&other)
    });
    traffic.let_some_pass();
    traffic.stop();
    check_kept(&middle, &bottom, &number);
    assert_same(&other, &bottom);
    assert_eq!(syncs(&middle), Syncs { full: 2, partial: 0 }, "each time all the data");
    assert_eq!(syncs(&other), Syncs { full: 1, partial: 0 });
}
