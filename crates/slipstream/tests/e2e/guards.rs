//! What protects the data and its copies: passwords, read-only replicas, and writes that need enough good replicas.
//!
//! The rules themselves are tested where they are made; here real processes meet them, with Redis on either side.

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Redis7};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

#[test]
fn our_replica_logs_in_at_redis() {
    check_login(Redis7, Ours);
}

#[test]
fn a_redis_replica_logs_in_at_ours() {
    check_login(Ours, Redis7);
}

#[track_caller]
fn check_login(primary: Kind, replica: Kind) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let primary = Server::start(primary, &[]);
    let replica = Server::start(replica, &["--masterauth secret"]);
    let mut client = primary.client();
    client.call::<()>("CONFIG SET requirepass secret");
    client.call::<()>("SET key value");
    let refused = primary.client().try_call::<String>("GET key").expect_err("nobody logged in");
    assert_eq!(refused.code(), Some("NOAUTH"));

    follow(&replica, primary.port);
    wait_until_linked(&replica);
    assert_eq!(replica.client().call::<String>("GET key"), "value");
}

#[test]
fn a_replica_takes_no_writes() {
    let primary = Server::start(Ours, &[]);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    let refused = replica.client().try_call::<()>("SET key value").expect_err("it follows a primary");
    assert_eq!(refused.code(), Some("READONLY"));
    assert_eq!(refused.detail(), Some("You can't write against a read only replica."));
}

#[test]
fn a_write_is_answered_when_redis_has_acknowledged_it() {
    check_acknowledged(Redis7);
}

#[test]
fn a_write_is_answered_when_our_replica_has_acknowledged_it() {
    check_acknowledged(Ours);
}

#[track_caller]
fn check_acknowledged(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    let primary = Server::start(Ours, &["--min-replicas-to-ack 1", "--min-replicas-ack-timeout 20"]);
    let mut client = primary.client();
    let late = client.try_call::<()>("SET key 1").expect_err("there is no replica");
    assert_eq!(late.code(), Some("NOREPLACK"));
    let replica = Server::start(kind, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    client.call::<()>("CONFIG SET min-replicas-ack-timeout 120000");
    for number in 2..50 {
        client.call::<()>(&format!("SET key {number}"));
        assert_eq!(replica.client().call::<u32>("GET key"), number, "it was there before the answer");
    }
    assert_same(&primary, &replica);
}

#[test]
fn wait_counts_the_replicas_that_have_it() {
    let primary = Server::start(Ours, &["--min-replicas-to-write 1"]);
    let mut client = primary.client();
    let refused = client.try_call::<()>("SET key value").expect_err("there is no replica");
    assert_eq!(refused.code(), Some("NOREPLICAS"));

    let kinds = if all_found(&[Redis7]) { [Ours, Redis7] } else { [Ours, Ours] };
    let replicas =
        kinds.map(|kind| Server::start(kind, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]));
    replicas.iter().for_each(wait_until_linked);
    wait_until("a good replica is known", || client.try_call::<()>("SET key value").is_ok());
    assert_eq!(client.call::<u32>("WAIT 2 120000"), 2);
    assert_eq!(client.call::<u32>("WAIT 3 20"), 2, "there is no third");
    for replica in &replicas {
        assert_same(&primary, replica);
    }
}
