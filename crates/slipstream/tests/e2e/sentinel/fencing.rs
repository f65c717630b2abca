//! `sentinel-fencing` under stock sentinels: who is not watched takes no writes, nor who was replaced while it stood still.

use std::thread;

use super::group::{Group, Plan};
use super::with_each_kind;
use crate::client::Client;
use crate::peer::Kind;
use crate::wait::wait_until;

/// A group whose servers fence themselves, from when their sentinels are there.
fn fenced(servers: usize, kind: Kind) -> Group {
    let plan = Plan::situation(servers, &[kind; 3]).with_argument("--sentinel-fencing-timeout 1000");
    let mut group = Group::start(&plan);
    group.fence();
    group
}

/// Whether a write is taken; if not, it is refused in the words that clients of sentinels know.
#[track_caller]
fn takes_write(client: &mut Client) -> bool {
    let Err(error) = client.try_call::<()>("SET key other") else { return true };
    assert!(error.is_io_error() || error.code() == Some("READONLY"), "{error}");
    false
}

#[test]
fn a_primary_takes_no_writes_while_its_sentinels_are_silent() {
    with_each_kind(|kind| {
        let group = fenced(1, kind);
        let mut client = group.nodes[0].server.client();
        group.sentinels[1..].iter().for_each(|sentinel| sentinel.signal("STOP"));
        wait_until("the fence falls", || !takes_write(&mut client));
        let told = |client: &mut Client, name: &str| client.info("replication", name).unwrap_or_default();
        assert_eq!(told(&mut client, "sentinel_fenced"), "1");
        assert_eq!(told(&mut client, "sentinel_leases"), "1/3");
        group.sentinels[1..].iter().for_each(|sentinel| sentinel.signal("CONT"));
        wait_until("it is up again", || takes_write(&mut client));
    });
}

#[test]
fn an_old_primary_takes_no_write_when_it_wakes() {
    with_each_kind(|kind| {
        let group = fenced(2, kind);
        let old = &group.nodes[0].server;
        let mut waiting = old.client();
        old.signal("STOP");
        let write = thread::spawn(move || takes_write(&mut waiting));
        assert_eq!(group.wait_until_moved_from(0), 1);
        old.signal("CONT");
        assert!(!write.join().expect("it is refused or its client is closed"));
        // Until the sentinels turn it, and then too.
        wait_until("it is a replica", || {
            let mut client = old.client();
            assert!(!takes_write(&mut client));
            client.info("replication", "role").as_deref() == Some("slave")
        });
        let mut new = group.nodes[1].server.client();
        wait_until("the new primary is let write", || takes_write(&mut new));
    });
}
