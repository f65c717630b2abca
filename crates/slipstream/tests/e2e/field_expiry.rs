//! Deadlines of hash fields cross between Slipstream and Valkey 9 in both directions.
//!
//! In a snapshot, in the stream, and as deletions when they are due. Redis 7.0 knows no such deadlines, so what the
//! commands answer is held against Valkey 9 as well.

use fastrand::Rng;
use redis::{Cmd, Value};

use crate::client::{Client, command};
use crate::content::Content;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
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

#[test]
fn field_deadlines_survive_a_restart() {
    let mut server = Server::start(Ours, &[]);
    let mut client = server.client();
    run(&mut client, BEFORE);
    wait_until("what lives shortly is gone", || client.call::<usize>("EXISTS gone") == 0);
    let before = Content::read(&mut client);
    assert_eq!(before.field_deadlines(), 2);
    run(&mut client, &["HSET later a 1", "HPEXPIRE later 100 FIELDS 1 a", "SAVE"]);
    server.kill();
    server.restart();
    let mut client = server.client();
    wait_until("what came due meanwhile is gone", || client.call::<usize>("EXISTS later") == 0);
    Content::read(&mut client).assert_equal(&before);
}

#[test]
fn a_replica_without_field_deadlines_waits_until_there_are_none() {
    if !all_found(&[Redis7]) {
        return;
    }
    let primary = Server::start(Ours, &[]);
    run(&mut primary.client(), &["HSETEX h EX 100000 FIELDS 1 a 1"]);
    let replica = Server::start(Redis7, &[]);
    follow(&replica, primary.port);
    wait_until("the full sync is refused", || primary.log().contains("expiry of hash fields"));
    run(&mut primary.client(), &["HPERSIST h FIELDS 1 a"]);
    wait_until_linked(&replica);
    run(
        &mut primary.client(),
        &["HSETEX h FXX FIELDS 1 a 2", "HSETEX h FIELDS 1 b 2", "HGETDEL h FIELDS 1 a"],
    );
    assert_same(&primary, &replica);
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
    assert!(Content::read(&mut client).field_deadlines() > BIG / 2);
}

/// Commands that Valkey answers as Redis does. `k` stands for a key, `m` for a field, `t` for a moment.
const SHAPES: &[&str] = &[
    "HSET k m v m v",
    "HSET k m v",
    "HDEL k m m",
    "HINCRBY k m 1",
    "HSETNX k m 5",
    "HPEXPIREAT k t FIELDS 2 m m",
    "HPEXPIREAT k t NX FIELDS 3 m m m",
    "HPEXPIREAT k t XX FIELDS 2 m m",
    "HPEXPIREAT k t GT FIELDS 2 m m",
    "HPEXPIREAT k t LT FIELDS 2 m m",
    "HPEXPIREAT k 1 FIELDS 1 m",
    "HPEXPIRE k 0 XX FIELDS 2 m m",
    "HPEXPIRETIME k FIELDS 3 m m m",
    "HPERSIST k FIELDS 2 m m",
    "HGETEX k PXAT t FIELDS 2 m m",
    "HGETEX k PERSIST FIELDS 2 m m",
    "HGETEX k FIELDS 1 m",
    "HGETEX k PX 0 FIELDS 1 m",
    "HGETDEL k FIELDS 2 m m",
    "HSETEX k FIELDS 2 m 1 m 2",
    "HSETEX k PXAT t FIELDS 2 m 1 m 2",
    "HSETEX k FNX PXAT t FIELDS 2 m 1 m 2",
    "HSETEX k FXX KEEPTTL FIELDS 2 m 1 m 2",
    "HSETEX k NX FIELDS 1 m 1",
    "COPY k k REPLACE",
    "RENAME k k",
    "DEL k",
    "HLEN k",
    "EXISTS k",
    "HTTL string FIELDS 1 m",
    "HGETEX string PERSIST FIELDS 1 m",
];

#[test]
fn random_commands_on_deadlines_are_answered_as_valkey_answers_them() {
    if !all_found(&[Valkey9]) {
        return;
    }
    let servers = [Ours, Valkey9].map(|kind| Server::start(kind, &[]));
    let mut clients = [servers[0].client(), servers[1].client()];
    clients.iter_mut().for_each(|client| run(client, &["SET string x"]));
    let mut random = Rng::with_seed(7);
    for _ in 0..100 {
        let lines: Vec<String> = (0..100).map(|_| line(&mut random)).collect();
        let commands: Vec<Cmd> = lines.iter().map(|line| command(line)).collect();
        let [ours, valkey] = clients.each_mut().map(|client| client.replies(&commands));
        for (line, (found, expected)) in lines.iter().zip(ours.iter().zip(&valkey)) {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{line}");
        }
    }
}

fn line(random: &mut Rng) -> String {
    let shape = SHAPES[random.usize(..SHAPES.len())];
    let words = shape.split(' ').map(|word| match word {
        "k" => format!("hash{}", random.u8(..4)),
        "m" => format!("m{}", random.u8(..6)),
        "t" => (4_102_444_800_000 + random.u64(..5)).to_string(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn run(client: &mut Client, lines: &[&str]) {
    lines.iter().for_each(|line| drop(client.call::<Value>(line)));
}
