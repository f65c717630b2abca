//! The load of a full sync when something comes between: bad snapshots, orders, signals, lost links, a disk that fails;
//! and what is told of it meanwhile. The old data and the clients stay.

use std::fs;

use fastrand::Rng;

use crate::client::Client;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::forged::ForgedPrimary;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::wait::wait_until;

/// All ways of loading in which the old data stays until the new is there.
const BESIDE: [&str; 3] = ["disabled", "on-empty-db", "swapdb"];

/// More than fits into the buffers of a connection.
const KEYS: u64 = 100_000;

/// What a replica keeps between its connection and its loader at most, with room to spare.
const UNREAD: u64 = 6 << 20;

fn filled() -> Server {
    let primary = Server::start(Ours, &[]);
    primary.client().call::<()>(&format!("DEBUG POPULATE {KEYS} key 100"));
    dataset::fill(&mut primary.client());
    primary
}

/// A replica with a key of its own, and a client that stays connected.
fn replica_with_data(arguments: &[&str]) -> (Server, Client) {
    let replica = Server::start(Ours, arguments);
    let mut client = replica.client();
    client.call::<()>("SET old data");
    (replica, client)
}

/// The old data and nothing else, over the connection that was there before.
#[track_caller]
fn assert_old(client: &mut Client, what: &str) {
    assert_eq!(client.call::<String>("GET old"), "data", "{what}");
    assert_eq!(client.call::<u64>("DBSIZE"), 1, "{what}");
}

fn field(client: &mut Client, name: &str) -> Option<String> {
    client.info("replication", name)
}

/// A snapshot of some keys: as it is, with a wrong sum, with an unknown type at the end, and of an unknown version.
fn snapshots() -> [Vec<u8>; 4] {
    let source = Server::start(Ours, &["--rdbcompression no"]);
    source.client().call::<()>("DEBUG POPULATE 20000 key 100");
    source.client().call::<()>("SAVE");
    let whole = fs::read(source.folder.join("dump.rdb")).expect("it was saved");
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("not empty") ^= 1;
    let mut unknown = whole.clone();
    let end = unknown.len() - 9;
    unknown.splice(end..end, [200, 1, b'k', 1, b'v']);
    let mut future = whole.clone();
    future[5..9].copy_from_slice(b"9999");
    [whole, damaged, unknown, future]
}

#[test]
fn a_snapshot_that_cannot_be_loaded_leaves_the_old_data() {
    let [whole, damaged, unknown, future] = snapshots();
    let bad = [(damaged, "RDB CRC error"), (unknown, "type 200"), (future, "version 9999")];
    for load in BESIDE {
        for (snapshot, reason) in &bad {
            let way = format!("--repl-diskless-load {load}");
            let (replica, mut client) = replica_with_data(&[&way, "--replica-guard-shrink-percent 0"]);
            let id: u64 = client.call("CLIENT ID");
            let primary = ForgedPrimary::start(snapshot.clone());
            follow(&replica, primary.port);
            wait_until("the load has failed", || {
                replica.log().contains("Failed trying to load the MASTER synchronization DB")
            });
            assert!(replica.log().contains(reason), "{load}: {reason}");
            assert_old(&mut client, reason);
            drop(primary);
            let primary = ForgedPrimary::start(whole.clone());
            follow(&replica, primary.port);
            wait_until("the good one is loaded", || client.call::<u64>("DBSIZE") == 20_000);
            assert_eq!(client.call::<u64>("CLIENT ID"), id, "connections stay");
        }
    }
}

#[test]
fn nothing_is_flushed_before_the_version_is_known_to_be_right() {
    let [whole, damaged, _, future] = snapshots();
    let arguments = ["--repl-diskless-load flush-before-load", "--replica-guard-shrink-percent 0"];
    let (replica, mut client) = replica_with_data(&arguments);
    let has_failed = |reason: &str| replica.log().contains(reason);
    let primary = ForgedPrimary::start(future);
    follow(&replica, primary.port);
    wait_until("the version is refused", || has_failed("version 9999"));
    assert_old(&mut client, "of an unknown version");
    drop(primary);

    let primary = ForgedPrimary::start(damaged);
    follow(&replica, primary.port);
    wait_until("the load has failed", || has_failed("RDB CRC error"));
    wait_until("it serves, with nothing", || client.try_call::<u64>("DBSIZE").is_ok_and(|keys| keys == 0));
    drop(primary);

    let primary = ForgedPrimary::start(whole);
    follow(&replica, primary.port);
    wait_until("the good one is loaded", || {
        client.try_call::<u64>("DBSIZE").is_ok_and(|keys| keys == 20_000)
    });
}

#[test]
fn a_load_ends_at_any_moment_when_it_is_told_to_or_the_link_breaks() {
    let primary = filled();
    let mut random = Rng::with_seed(11);
    for load in BESIDE {
        let (replica, mut client) = replica_with_data(&[&format!("--repl-diskless-load {load}")]);
        let id: u64 = client.call("CLIENT ID");
        for breaks in [false, true] {
            let moment = random.u64(100..UNREAD);
            let proxy = Proxy::start_held(primary.port, moment);
            follow(&replica, proxy.port);
            wait_until("the sync is under way", || {
                field(&mut client, "master_sync_in_progress").as_deref() == Some("1")
            });
            let what = format!("{load}, {moment} bytes, breaks: {breaks}");
            assert_old(&mut client, &what);
            if breaks {
                proxy.cut();
                wait_until("the link is lost", || {
                    field(&mut client, "master_sync_in_progress").as_deref() == Some("0")
                });
            }
            client.call::<()>("REPLICAOF NO ONE");
            assert_old(&mut client, &what);
        }
        client.call::<()>("CONFIG SET replica-guard-shrink-percent 0");
        follow(&replica, primary.port);
        wait_until_linked(&replica);
        assert_same(&primary, &replica);
        assert_eq!(client.call::<u64>("CLIENT ID"), id, "connections stay");
    }
}

#[test]
fn a_replica_ends_in_the_middle_of_a_load() {
    let primary = filled();
    for load in BESIDE {
        for (order, saves) in [("TERM", false), ("SHUTDOWN SAVE", true), ("SHUTDOWN NOSAVE", false)] {
            let (mut replica, mut client) = replica_with_data(&[&format!("--repl-diskless-load {load}")]);
            let proxy = Proxy::start_held(primary.port, 2 << 20);
            follow(&replica, proxy.port);
            wait_until("it receives", || {
                let read = field(&mut client, "master_sync_read_bytes");
                read.and_then(|bytes| bytes.parse().ok()).is_some_and(|bytes: u64| bytes > 1 << 20)
            });
            match order {
                "TERM" => replica.signal(order),
                order => client.try_call::<()>(order).unwrap_or_default(),
            }
            assert!(replica.wait_for_end().success(), "{load}, {order}");
            let left: Vec<String> = fs::read_dir(&replica.folder)
                .expect("it is there")
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| name.starts_with("temp-"))
                .collect();
            assert!(left.is_empty(), "{load}, {order}: {left:?}");
            replica.restart();
            assert_eq!(replica.client().call::<u64>("DBSIZE"), u64::from(saves), "{load}, {order}");
        }
    }
}

#[test]
fn without_a_disk_a_load_through_a_file_fails_and_the_primary_goes_on() {
    let primary = filled();
    let arguments = ["--repl-diskless-load disabled", "--enable-protected-configs yes"];
    let (replica, mut client) =
        replica_with_data(&[&arguments[..], &["--replica-guard-shrink-percent 0"]].concat());
    let volume = replica.folder.join("volume");
    fs::create_dir(&volume).expect("the folder is ours");
    client.call::<()>(&format!("CONFIG SET dir {}", volume.display()));
    fs::remove_dir(&volume).expect("nothing is in it");
    follow(&replica, primary.port);
    wait_until("it says why it cannot", || replica.log().contains("the snapshot cannot be put on disk"));
    assert_old(&mut client, "without a disk");
    primary.client().call::<()>("SET written meanwhile");
    client.call::<()>(&format!("CONFIG SET dir {}", replica.folder.display()));
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}

#[test]
fn without_a_disk_a_snapshot_goes_at_the_pace_of_who_takes_it() {
    let primary = Server::start(Ours, &["--repl-diskless-sync no", "--enable-protected-configs yes"]);
    // More than is held in memory.
    let mut client = primary.client();
    client.call::<()>("DEBUG POPULATE 80000 key 1000");
    let volume = primary.folder.join("volume");
    fs::create_dir(&volume).expect("the folder is ours");
    client.call::<()>(&format!("CONFIG SET dir {}", volume.display()));
    fs::remove_dir(&volume).expect("nothing is in it");
    let replica = Server::start(Ours, &[]);
    let proxy = Proxy::start_held(primary.port, 1 << 20);
    follow(&replica, proxy.port);
    wait_until("it says so", || primary.log().contains("A snapshot has no room on the disk"));
    proxy.release();
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}

#[test]
fn both_sides_tell_how_far_a_full_sync_is() {
    let primary = filled();
    let keys: u64 = primary.client().call("DBSIZE");
    // Over two connections the primary is done when all is sent, and much fits into the buffers of one.
    let replica = Server::start(Ours, &["--dual-channel-replication-enabled no"]);
    let mut client = replica.client();
    let proxy = Proxy::start_held(primary.port, 8 << 20);
    follow(&replica, proxy.port);
    wait_until("keys are loaded", || {
        field(&mut client, "master_sync_loaded_keys").is_some_and(|keys| keys != "0")
    });
    assert_eq!(field(&mut client, "master_sync_phase").as_deref(), Some("receiving"));
    let total: u64 =
        field(&mut client, "master_sync_total_keys").and_then(|keys| keys.parse().ok()).unwrap_or(0);
    assert!(total >= keys, "{total} of {keys}: those of all databases, under a mark too");
    assert!(field(&mut client, "master_sync_perc").is_some());
    assert_eq!(field(&mut client, "master_sync_left_bytes"), None, "nobody knows");
    let line = field(&mut primary.client(), "replica_sync0").expect("one replica has one");
    assert!(
        ["sending", "loading"].iter().any(|phase| line.contains(&format!(",phase={phase},sent_bytes="))),
        "{line}"
    );
    proxy.release();
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
    // The replica knows before its primary does.
    wait_until("it is over", || field(&mut primary.client(), "replica_sync0").is_none());
    let told = |log: String, text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(told(replica.log(), " keys are loaded, "), 1);
    assert_eq!(told(primary.log(), ": all of it is sent, "), 1);
}

#[test]
fn of_a_stock_primary_keys_are_told_by_its_databases() {
    if !all_found(&[Redis7]) {
        return;
    }
    let primary = Server::start(Redis7, &[]);
    primary.client().call::<()>(&format!("DEBUG POPULATE {KEYS} key 100"));
    let replica = Server::start(Ours, &[]);
    let mut client = replica.client();
    let proxy = Proxy::start_held(primary.port, 2 << 20);
    follow(&replica, proxy.port);
    let total = KEYS.to_string();
    wait_until("the size of the database is read", || {
        field(&mut client, "master_sync_total_keys").as_deref() == Some(&total)
    });
    proxy.release();
    wait_until_linked(&replica);
    assert_same(&primary, &replica);
}
