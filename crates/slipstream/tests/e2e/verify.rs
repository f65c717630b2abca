//! REPLICA VERIFY: replicas are compared with their primary at one offset, while writes go on.

use std::collections::BTreeMap;

use redis::Value;

use crate::copies::{follow, wait_until_linked, wait_until_online};
use crate::dataset;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::all_found;
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

/// One replica's part of the answer.
type Found = BTreeMap<String, Value>;

fn text(found: &Found, field: &str) -> String {
    redis::from_redis_value(&found[field]).expect("a text")
}

/// The keys that are named, with their databases and what is wrong.
fn named(found: &Found) -> Vec<(u32, String, String)> {
    let mut keys: Vec<(u32, String, String)> = redis::from_redis_value(&found["keys"]).expect("triples");
    keys.sort();
    keys
}

fn verify(primary: &Server, whom: &str) -> Vec<Found> {
    primary.client().call(&format!("REPLICA VERIFY {whom}"))
}

#[test]
fn equal_copies_are_equal_under_writes_and_each_planted_difference_is_named() {
    let arguments = ["--replica-read-only no"];
    let [primary, replica, sub] = [(); 3].map(|()| Server::start(Ours, &arguments));
    dataset::fill(&mut primary.client());
    primary.client().call::<()>("MSET still:1 a still:2 b still:3 c");
    let traffic = Traffic::start(&primary);
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    follow(&sub, replica.port);
    wait_until_linked(&sub);
    wait_until_online(&primary, 1);

    for _ in 0..3 {
        traffic.let_some_pass();
        let found = verify(&primary, "");
        assert_eq!(found.len(), 1, "a replica's replica is not this node's");
        assert_eq!(text(&found[0], "status"), "equal", "{found:?}");
    }
    // A writable replica is how to make a copy differ.
    let mut copy = replica.client();
    copy.call::<()>("SET still:1 other");
    copy.call::<()>("DEL still:2");
    copy.call::<()>("PEXPIREAT still:3 5000000000000");
    copy.call::<()>("SET planted x");
    traffic.let_some_pass();
    let found = verify(&primary, &format!("127.0.0.1:{}", replica.port));
    traffic.stop();
    assert_eq!(text(&found[0], "status"), "different");
    assert_eq!(text(&found[0], "complete"), "yes");
    let expected =
        [("planted", "extra"), ("still:1", "different"), ("still:2", "missing"), ("still:3", "different")];
    assert_eq!(named(&found[0]), expected.map(|(key, how)| (0, key.to_owned(), how.to_owned())));
    let mut client = primary.client();
    assert_eq!(client.info("replication", "replica_verify_last_status").as_deref(), Some("different"));
    assert_eq!(client.info_number("replication", "replica_verify_last_differing_keys"), 4);
}

#[test]
fn a_stock_replica_is_told_to_be_incapable_and_notices_nothing() {
    if !all_found(&[Redis7]) {
        return;
    }
    let primary = Server::start(Ours, &[]);
    let [stock, ours] = [Redis7, Ours].map(|kind| Server::start(kind, &[]));
    primary.client().call::<()>("SET k v");
    for replica in [&stock, &ours] {
        follow(replica, primary.port);
        wait_until_linked(replica);
    }
    wait_until_online(&primary, 2);
    let found = verify(&primary, "");
    let status_of = |server: &Server| {
        let name = format!("127.0.0.1:{}", server.port);
        let found =
            found.iter().find(|found| text(found, "replica") == name).expect("every replica is named");
        text(found, "status")
    };
    assert_eq!((status_of(&stock).as_str(), status_of(&ours).as_str()), ("incapable", "equal"));
    // The marks count in its offset like any PING, and it complains about none of them.
    let mut copy = stock.client();
    wait_until("the stock replica has it all", || {
        let end = primary.client().info_number("replication", "master_repl_offset");
        copy.info_number("replication", "slave_repl_offset") == end
    });
    assert_eq!(copy.info_number("stats", "unexpected_error_replies"), 0);
}

#[test]
fn verifications_begin_by_themselves_where_an_interval_is_set() {
    let [primary, replica] = [(); 2].map(|()| Server::start(Ours, &["--replica-verify-interval 1"]));
    primary.client().call::<()>("SET k v");
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    let mut client = primary.client();
    wait_until("a verification has been made", || {
        client.info("replication", "replica_verify_last_status").as_deref() == Some("equal")
    });
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let [primary, replica] = [(); 2].map(|()| Server::start(Ours, &[]));
    let refusal = |server: &Server, line: &str| {
        let outcome = server.client().try_call::<Value>(line);
        outcome.expect_err("refused").to_string()
    };
    assert!(refusal(&primary, "REPLICA VERIFY").contains("no such replica"));
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    assert!(refusal(&primary, "REPLICA VERIFY 127.0.0.1:1").contains("no such replica"));
    assert!(refusal(&replica, "REPLICA VERIFY").contains("is for a primary"));
    assert!(refusal(&primary, "REPLICA VERIFY a b").contains("wrong number of arguments"));
}
