//! Full syncs that are struck: either side is killed or frozen, or the link breaks, at moments drawn from a seed.
//!
//! A moment is a number of bytes that have passed to the replica; there the proxy holds the link up until the blow
//! has fallen, or lets go just before. Whatever was struck comes back, and then both sides hold the same. Meanwhile
//! somebody watches the replica: it shows what it had, or nothing, or all of the new data, and never a part.

use fastrand::Rng;

use crate::background::Background;
use crate::client::Client;
use crate::copies::{assert_same_strings, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::wait_until;

/// What they make is more than fits into the buffers of a connection.
const KEYS: usize = 60_000;
const VALUE_BYTES: usize = 200;

/// Less than a snapshot of them has, so that the proxy comes to hold it.
const REACHED: u64 = (KEYS * VALUE_BYTES) as u64;

const TURNS_OF_A_FREEZE: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    KillReplica,
    KillPrimary,
    FreezeReplica,
    FreezePrimary,
    CutLink,
}

const BLOWS: [Blow; 5] =
    [Blow::KillReplica, Blow::KillPrimary, Blow::FreezeReplica, Blow::FreezePrimary, Blow::CutLink];

const ONE_LINK: &str = "--dual-channel-replication-enabled no";
const TWO_LINKS: &str = "--dual-channel-replication-enabled yes";

#[test]
fn copies_of_ours_stay_whole_over_one_link() {
    check([Ours, Ours], &[ONE_LINK]);
}

#[test]
fn copies_of_ours_stay_whole_over_two_links() {
    check([Ours, Ours], &[TWO_LINKS]);
}

#[test]
fn a_redis_copy_of_ours_stays_whole() {
    check([Ours, Redis7], &[]);
}

#[test]
fn our_copy_of_redis_stays_whole() {
    check([Redis7, Ours], &[]);
}

#[test]
fn a_valkey_copy_of_ours_stays_whole_over_one_link() {
    check([Ours, Valkey9], &[ONE_LINK]);
}

#[test]
fn a_valkey_copy_of_ours_stays_whole_over_two_links() {
    check([Ours, Valkey9], &[TWO_LINKS]);
}

#[test]
fn our_copy_of_valkey_stays_whole_over_one_link() {
    check([Valkey9, Ours], &[ONE_LINK]);
}

#[test]
fn our_copy_of_valkey_stays_whole_over_two_links() {
    check([Valkey9, Ours], &[TWO_LINKS]);
}

#[track_caller]
fn check(kinds: [Kind; 2], arguments: &[&str]) {
    if !all_found(&kinds) {
        return;
    }
    let seed = Seed::new(7);
    let mut random = seed.random();
    let arguments = [arguments, &["--rdbcompression no"]].concat();
    let [mut primary, mut replica] = kinds.map(|kind| Server::start(kind, &arguments));
    let mut client = primary.client();
    dataset::fill_noise(&mut client, &mut random, KEYS, VALUE_BYTES);
    client.call::<()>("SET counter 0");
    // What it comes back with when it is killed.
    client.call::<()>("SAVE");

    let counting = Background::start(primary.port, |client| client.try_call::<()>("INCR counter").is_ok());
    let watching = Background::start(replica.port, shows_no_part);
    let mut blows = BLOWS;
    random.shuffle(&mut blows);
    for blow in blows {
        let _proxy = strike(blow, &mut primary, &mut replica, &mut random);
        wait_until_linked(&replica);
    }
    counting.stop();
    watching.stop();
    follow(&replica, primary.port);
    assert_same_strings(&primary, &replica);
    assert_eq!(replica.client().call::<usize>("DBSIZE"), KEYS + 1);
}

/// What any answer must be while the replica's old key, nothing, or all of the primary's keys are shown.
fn shows_no_part(client: &mut Client) -> bool {
    let Ok(keys) = client.try_call::<usize>("DBSIZE") else { return false };
    assert!([0, 1, KEYS + 1].contains(&keys), "{keys} keys are a part of the data");
    true
}

/// Begins a full sync, and strikes when so many bytes of it have come as the source of chance says.
#[track_caller]
fn strike(blow: Blow, primary: &mut Server, replica: &mut Server, random: &mut Rng) -> Proxy {
    begin_anew(replica);
    let proxy = Proxy::start_held(primary.port, random.u64(..REACHED));
    follow(replica, proxy.port);
    wait_until("so much of the data has come", || proxy.is_holding());
    if random.bool() {
        proxy.release();
    }
    match blow {
        Blow::KillReplica => {
            replica.kill();
            proxy.release();
            replica.restart();
            follow(replica, proxy.port);
        }
        Blow::KillPrimary => {
            primary.kill();
            proxy.release();
            primary.restart();
        }
        Blow::FreezeReplica => freeze(replica, primary, &proxy),
        Blow::FreezePrimary => freeze(primary, replica, &proxy),
        Blow::CutLink => {
            proxy.cut();
            proxy.release();
            proxy.restore();
        }
    }
    proxy
}

/// A history of its own, which no primary can continue.
#[track_caller]
pub(crate) fn begin_anew(replica: &Server) {
    let mut client = replica.client();
    client.call::<()>("REPLICAOF NO ONE");
    client.call::<()>("FLUSHALL");
    client.call::<()>("SET old data");
}

/// For as long as the other side has so many turns.
#[track_caller]
fn freeze(frozen: &Server, other: &Server, proxy: &Proxy) {
    frozen.signal("STOP");
    proxy.release();
    let mut client = other.client();
    for _ in 0..TURNS_OF_A_FREEZE {
        client.try_call::<String>("PING").map(drop).unwrap_or_default();
    }
    frozen.signal("CONT");
}
