//! A primary that comes back without its data: its replicas keep theirs, whoever the primary is.

use std::fs;

use crate::content::Content;
use crate::copies::{assert_same, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::{wait_for, wait_until};

#[test]
fn our_replica_keeps_its_data_when_our_primary_restarts_empty() {
    check_empty_restart(Ours);
}

#[test]
fn our_replica_keeps_its_data_when_redis_restarts_empty() {
    check_empty_restart(Redis7);
}

#[test]
fn our_replica_keeps_its_data_when_valkey_restarts_empty() {
    check_empty_restart(Valkey9);
}

#[track_caller]
fn check_empty_restart(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    let at_once = ["--primary-empty-start-wait 0"];
    let mut primary = Server::start(kind, if kind == Ours { &at_once } else { &[] });
    dataset::fill(&mut primary.client());
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
    let content = Content::read(&mut replica.client());

    primary.kill();
    primary.restart();
    let mut client = replica.client();
    let reason = wait_for("the replica refuses", || client.info("replication", "sync_blocked_reason"));
    assert!(reason.contains("FORCE"), "{reason}");
    assert_eq!(client.info("replication", "master_link_status").as_deref(), Some("down"));
    primary.client().call::<()>("SET after restart");
    content.assert_equal(&Content::read(&mut client));

    client.call::<()>(&format!("REPLICAOF 127.0.0.1 {} FORCE", primary.port));
    wait_until("the operator is obeyed", || client.call::<usize>("DBSIZE") == 1);
    assert_same(&primary, &replica);
}

#[test]
fn our_replica_notices_that_our_primary_has_its_data_again() {
    check_return(Ours);
}

#[test]
fn our_replica_notices_that_redis_has_its_data_again() {
    check_return(Redis7);
}

#[test]
fn our_replica_notices_that_valkey_has_its_data_again() {
    check_return(Valkey9);
}

/// The primary comes back without its file and then with it. The replica is restarted in between.
#[track_caller]
fn check_return(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    // A ping behind its file would be a part of the history that it has lost when it comes back.
    let no_pings = "--repl-ping-replica-period 3600";
    let at_once = [no_pings, "--primary-empty-start-wait 0"];
    let mut primary = Server::start(kind, if kind == Ours { &at_once } else { &at_once[..1] });
    dataset::fill(&mut primary.client());
    let mut replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
    primary.client().call::<()>("SAVE");
    let (file, kept) = (primary.folder.join("dump.rdb"), primary.folder.join("kept.rdb"));
    fs::rename(&file, &kept).expect("SAVE wrote it");
    primary.kill();
    primary.restart();
    wait_for("the replica refuses", || replica.client().info("replication", "sync_blocked_reason"));
    let state = replica.folder.join("dump.rdb.state");
    wait_until("that is written down", || {
        fs::read_to_string(&state).is_ok_and(|text| text.contains("\nrefused "))
    });
    replica.client().call::<()>("SAVE");
    replica.kill();
    let syncs = primary.client().info_number("stats", "sync_full");
    replica.restart();
    wait_until("it has asked again", || replica.log().contains("Full resync refused again: "));
    assert_eq!(primary.client().info_number("stats", "sync_full"), syncs, "no snapshot is taken for nothing");

    primary.kill();
    fs::rename(&kept, &file).expect("nobody else has it");
    primary.restart();
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
    assert_eq!(replica.client().info("replication", "sync_blocked_reason"), None);
    assert_eq!(primary.client().info_number("stats", "sync_full"), 0, "it continues where it was");
}
