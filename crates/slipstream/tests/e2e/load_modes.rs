//! Every mode of `repl-diskless-load` under a link that breaks in the middle of a snapshot.
//!
//! Ours serves the old data until the new data is complete, or, with `flush-before-load`, nothing; stock replicas do
//! as they always did. None shows a part of the new data, and all have it in the end.

use crate::client::Client;
use crate::copies::{assert_same_strings, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::seed::Seed;
use crate::server::Server;
use crate::strikes::begin_anew;
use crate::wait::wait_until;

const KEYS: usize = 20_000;
const VALUE_BYTES: usize = 200;

const OURS: &[&str] = &["disabled", "on-empty-db", "swapdb", "flush-before-load"];

#[test]
fn ours_behind_ours_shows_no_part_in_any_mode() {
    check([Ours, Ours], OURS);
}

#[test]
fn ours_behind_redis_shows_no_part_in_any_mode() {
    check([Redis7, Ours], OURS);
}

#[test]
fn ours_behind_valkey_shows_no_part_in_any_mode() {
    check([Valkey9, Ours], OURS);
}

#[test]
fn redis_behind_ours_recovers_in_any_mode() {
    check([Ours, Redis7], &["disabled", "on-empty-db", "swapdb"]);
}

#[test]
fn valkey_behind_ours_recovers_in_any_mode() {
    check([Ours, Valkey9], OURS);
}

#[track_caller]
fn check(kinds: [Kind; 2], modes: &[&str]) {
    if !all_found(&kinds) {
        return;
    }
    let seed = Seed::new(11);
    let mut random = seed.random();
    let [primary, replica] = kinds.map(|kind| Server::start(kind, &["--rdbcompression no"]));
    dataset::fill_noise(&mut primary.client(), &mut random, KEYS, VALUE_BYTES);
    let mut client = replica.client();
    for mode in modes {
        client.call::<()>(&format!("CONFIG SET repl-diskless-load {mode}"));
        begin_anew(&replica);
        let reached = random.usize(..KEYS * VALUE_BYTES);
        let proxy = Proxy::start_held(primary.port, u64::try_from(reached).expect("some megabytes"));
        follow(&replica, proxy.port);
        wait_until("so much of the data has come", || proxy.is_holding());
        assert_no_part(&mut client, replica.kind, mode);
        proxy.cut();
        assert_no_part(&mut client, replica.kind, mode);
        proxy.release();
        proxy.restore();
        wait_until_linked(&replica);
        assert_same_strings(&primary, &replica);
        assert_eq!(client.call::<usize>("DBSIZE"), KEYS, "{mode}");
    }
}

#[track_caller]
fn assert_no_part(client: &mut Client, kind: Kind, mode: &str) {
    // Stock replicas answer nobody while they wait for a snapshot's bytes.
    if kind != Ours {
        return;
    }
    // LOADING, or a number.
    let Ok(keys) = client.try_call::<usize>("DBSIZE") else { return };
    let allowed: &[usize] = if mode == "flush-before-load" { &[0, 1] } else { &[1] };
    assert!(allowed.contains(&keys), "{mode}: {keys} keys are shown");
}
