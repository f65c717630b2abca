//! Deadlines of hash fields cross between Slipstream and Valkey 9 in both directions.
//!
//! In a snapshot, in the stream, and as deletions when they are due. Redis 7.0 knows no such deadlines.

use redis::Value;

use crate::client::Client;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

const BIG: usize = 600;

/// What is there when the replica comes.
const BEFORE: &[&str] = &[
    "HSET packed a 1 b 2 c 3 d 4",
    "HPEXPIREAT packed 4102444800123 FIELDS 2 a d",
    "HSET short a 1 b 2 c 3",
    "HPEXPIRE short 300 FIELDS 2 a b",
    "HSET gone a 1",
    "HPEXPIRE gone 300 FIELDS 1 a",
];

/// What happens while it follows.
const DURING: &[&str] = &[
    "HSETEX packed PXAT 4102444800789 FIELDS 3 e 1 f 2 g 3",
    "HSETEX packed KEEPTTL FIELDS 2 a 9 h 1",
    "HSETEX packed FXX FIELDS 1 h 2",
    "HSETEX fresh EX 100000 FIELDS 2 a 1 b 2",
    "HEXPIRE big 100000 NX FIELDS 2 f1 f599",
    "HPEXPIREAT big 4102444800000 GT FIELDS 2 f1 f599",
    "HGETEX packed PXAT 4102444800999 FIELDS 2 b nosuch",
    "HGETEX packed PERSIST FIELDS 1 e",
    "HGETDEL packed FIELDS 2 c nosuch",
    "HPERSIST packed FIELDS 2 d b",
    "HINCRBY packed a 1",
    "HSET packed f 5",
    "COPY packed copy",
    "RENAME fresh renamed",
    "HSETEX later PX 20 FIELDS 1 a 1",
    "HSETEX never PXAT 1 FIELDS 1 a 1",
    "HPEXPIRE big 20 FIELDS 3 f2 f3 f4",
];

#[test]
fn our_replica_of_valkey_9_takes_field_deadlines() {
    check(Valkey9, Ours, DURING);
}

#[test]
fn valkey_9_replica_of_ours_takes_field_deadlines() {
    check(Ours, Valkey9, DURING);
}

/// Valkey itself loses a deadline on its replicas here.
#[test]
fn adding_to_a_field_keeps_its_deadline_on_replicas() {
    check(Ours, Valkey9, &["HINCRBYFLOAT packed a 0.5", "HSETEX later PX 20 FIELDS 1 a 1"]);
    check(Ours, Ours, DURING);
}

#[track_caller]
fn check(primary: Kind, replica: Kind, during: &[&str]) {
    if !all_found(&[primary, replica]) {
        return;
    }
    let primary = Server::start(primary, &[]);
    let mut client = primary.client();
    run(&mut client, BEFORE);
    let fields: Vec<String> = (0..BIG).map(|number| format!("f{number}")).collect();
    let timed = fields[..BIG / 2].join(" ");
    run(
        &mut client,
        &[
            &format!("HSET big {} value", fields.join(" value ")),
            &format!("HPEXPIREAT big 4102444800456 FIELDS {} {timed}", BIG / 2),
        ],
    );
    let replica = Server::start(replica, &[]);
    follow(&replica, primary.port);
    wait_until_linked(&replica);
    run(&mut client, during);
    wait_until("what lives shortly is gone", || {
        client.call::<usize>("EXISTS gone later never") == 0 && client.call::<usize>("HLEN short") == 1
    });

    assert_same(&primary, &replica);
    let expected = deadlines(&mut client);
    assert!(expected.len() > BIG / 2, "{expected:?}");
    assert_eq!(deadlines(&mut replica.client()), expected);
}

#[track_caller]
fn run(client: &mut Client, lines: &[&str]) {
    lines.iter().for_each(|line| drop(client.call::<Value>(line)));
}

/// Every field that has a deadline.
#[track_caller]
fn deadlines(client: &mut Client) -> Vec<(String, String, i64)> {
    let mut keys: Vec<String> = client.call("KEYS *");
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let mut fields: Vec<String> = client.call(&format!("HKEYS {key}"));
        fields.sort();
        let ask = format!("HPEXPIRETIME {key} FIELDS {} {}", fields.len(), fields.join(" "));
        let deadlines: Vec<i64> = client.call(&ask);
        let timed = fields.into_iter().zip(deadlines).filter(|(_, deadline)| *deadline >= 0);
        all.extend(timed.map(|(field, deadline)| (key.clone(), field, deadline)));
    }
    all
}
