//! Streams cross between implementations with all that belongs to them, and come back as they were.
//!
//! A full sync takes them from a peer to Slipstream and from there to another peer of the same kind. Whether consumer
//! groups, pending entries, counters and even the blocks of entries survive is told by the two peers.

use redis::Value;

use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;

/// Groups that are behind, up to date, and ahead of nothing; entries that are pending with two consumers, were
/// claimed, acknowledged, or deleted meanwhile; a consumer without entries; a stream that never had any.
const GROUPS: &[&str] = &[
    "XADD s 1-1 f v",
    "XADD s 2-1 f v",
    "XADD s 3-1 f v g 1",
    "XADD s 4-1 f v",
    "XADD s 5-1 f v",
    "XDEL s 2-1",
    "XGROUP CREATE s all 0",
    "XGROUP CREATE s new $",
    "XGROUP CREATE s some 3-1 ENTRIESREAD 3",
    "XREADGROUP GROUP all ann COUNT 2 STREAMS s >",
    "XREADGROUP GROUP all bob COUNT 1 STREAMS s >",
    "XREADGROUP GROUP all ann COUNT 2 STREAMS s 0",
    "XACK s all 1-1",
    "XGROUP CREATECONSUMER s new idle",
    "XCLAIM s all cy 0 3-1",
    "XDEL s 4-1",
    "XGROUP CREATE empty g $ MKSTREAM",
    "XGROUP CREATECONSUMER empty g c",
    "XADD bare 9-9 f v",
    "XDEL bare 9-9",
    "XSETID bare 20-0 ENTRIESADDED 7 MAXDELETEDID 9-9",
];

/// What Slipstream applies of the stream.
const DURING: &[&str] = &[
    "XADD s * f v",
    "XADD s MAXLEN 3 7000000000000-* f v g 2",
    "XDEL s 5-1",
    "XADD long MAXLEN ~ 1000 7000000000000-1 f 1",
    "XTRIM long MINID ~ 900-0",
    "XSETID empty 3-3",
    "XACK s all 3-1",
    "XGROUP SETID s some 4-1 ENTRIESREAD 3",
    "XGROUP DELCONSUMER s all ann",
    "XGROUP CREATE s late 1-1",
    "XGROUP DESTROY empty g",
];

const STREAMS: &[&str] = &["s", "empty", "bare", "long"];

#[test]
fn what_belongs_to_a_stream_of_redis_7_comes_back_to_it() {
    check(Redis7);
}

#[test]
fn what_belongs_to_a_stream_of_valkey_9_comes_back_to_it() {
    check(Valkey9);
}

#[test]
fn groups_of_ours_are_the_same_on_redis_7_by_stream_and_by_snapshot() {
    check_ours(Redis7);
}

#[test]
fn groups_of_ours_are_the_same_on_valkey_9_by_stream_and_by_snapshot() {
    check_ours(Valkey9);
}

/// One replica follows while the groups are made and read, another comes afterwards. When a consumer was seen is
/// each node's own; everything else is the same.
#[track_caller]
fn check_ours(peer: Kind) {
    if !all_found(&[peer]) {
        return;
    }
    let [ours, early, late] = [Ours, peer, peer].map(|kind| Server::start(kind, &[]));
    follow(&early, ours.port);
    wait_until_linked(&early);
    let mut client = ours.client();
    GROUPS.iter().for_each(|line| drop(client.call::<Value>(line)));
    for line in [
        "XREADGROUP GROUP all dan NOACK COUNT 1 STREAMS s >",
        "XREADGROUP GROUP new eve STREAMS s >",
        "XAUTOCLAIM s all fay 0 - COUNT 1",
    ] {
        drop(client.call::<Value>(line));
    }
    follow(&late, ours.port);
    wait_until_linked(&late);
    assert_same(&ours, &early);
    assert_same(&ours, &late);
    for ask in ["XINFO GROUPS s", "XINFO STREAM s", "XPENDING s all", "XPENDING s new", "XINFO GROUPS empty"]
    {
        let answers = [&ours, &early, &late].map(|server| server.client().call::<Value>(ask));
        assert_eq!([&answers[0]; 2], [&answers[1], &answers[2]], "{ask}");
    }
}

#[track_caller]
fn check(peer: Kind) {
    if !all_found(&[peer]) {
        return;
    }
    let [top, middle, end] = [peer, Ours, peer].map(|kind| Server::start(kind, &[]));
    let mut client = top.client();
    GROUPS.iter().for_each(|line| drop(client.call::<Value>(line)));
    for number in 1..=1_500 {
        client.call::<()>(&format!("XADD long {number}-0 number {number}"));
    }
    client.call::<()>("XDEL long 1000-0 1001-0 1500-0");
    client.call::<()>("XTRIM long MAXLEN 1234");
    follow(&middle, top.port);
    wait_until_linked(&middle);
    follow(&end, middle.port);
    wait_until_linked(&end);
    assert_all_equal([&top, &middle, &end]);

    DURING.iter().for_each(|line| drop(client.call::<Value>(line)));
    assert_all_equal([&top, &middle, &end]);
}

/// There are no sorted sets, so even the digests of different implementations are equal.
#[track_caller]
fn assert_all_equal(servers: [&Server; 3]) {
    let [top, middle, end] = servers;
    assert_same(top, middle);
    assert_same(middle, end);
    let digests = servers.map(|server| server.client().call::<String>("DEBUG DIGEST"));
    assert_eq!([&digests[0]; 2], [&digests[1], &digests[2]]);
    let [mut before, mut after] = [top.client(), end.client()];
    for stream in STREAMS {
        let ask = format!("XINFO STREAM {stream} FULL COUNT 0");
        assert_eq!(before.call::<Value>(&ask), after.call::<Value>(&ask), "{stream}");
    }
}
