//! A disk that takes no more: saves, snapshots that go through a file, the log's part on disk.
//!
//! A limit on the size of files stands for it, which the test sets and lifts while the server runs. The primary goes
//! on, says so once, and its replicas lose nothing.

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::client::Client;
use crate::copies::{assert_same_strings, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::Ours;
use crate::proxy::Proxy;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::wait_until;

const LIMIT: u64 = 1 << 20;

/// No file of the server's may grow beyond that; `None` lifts it.
pub(crate) fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.id()).expect("a process has a number");
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(pid), Resource::Fsize, limit).expect("the process is our child");
}

fn times_logged(server: &Server, text: &str) -> usize {
    server.log().matches(text).count()
}

fn filled(arguments: &[&str], keys: usize, bytes: usize) -> (Server, Client) {
    let seed = Seed::new(5);
    let server = Server::start(Ours, arguments);
    let mut client = server.client();
    dataset::fill_noise(&mut client, &mut seed.random(), keys, bytes);
    (server, client)
}

#[test]
fn a_full_disk_fails_a_save_and_the_next_succeeds_when_there_is_room() {
    let (primary, mut client) = filled(&[], 10_000, 200);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    client.call::<()>("SAVE");
    limit_files(&primary, Some(LIMIT));
    client.call::<()>("SET written later");
    client.call::<()>("BGSAVE");
    let mut status = || client.info("persistence", "rdb_last_bgsave_status");
    wait_until("it fails", || status().as_deref() == Some("err"));
    client.try_call::<()>("SAVE").expect_err("there is no room");
    client.call::<()>("SET written again");
    assert_same_strings(&primary, &replica);

    limit_files(&primary, None);
    client.call::<()>("BGSAVE");
    wait_until("it is saved", || {
        client.info("persistence", "rdb_last_bgsave_status").as_deref() == Some("ok")
    });
    assert_eq!(client.info_number("stats", "sync_full"), 1);
}

#[test]
fn a_full_disk_leaves_the_last_good_snapshot() {
    let (mut server, mut client) = filled(&["--rdbcompression no"], 10_000, 200);
    client.call::<()>("SAVE");
    let digest: String = client.call("DEBUG DIGEST");
    client.call::<()>("SET written later");
    limit_files(&server, Some(LIMIT));
    client.call::<()>("BGSAVE");
    wait_until("it fails", || client.info("persistence", "rdb_last_bgsave_status").as_deref() == Some("err"));
    assert!(server.log().contains("File too large"), "{}", server.log());
    server.kill();
    let rest: Vec<_> = std::fs::read_dir(&server.folder).expect("it is there").flatten().collect();
    assert!(!rest.iter().any(|file| file.file_name().to_string_lossy().starts_with("temp-")), "{rest:?}");
    server.restart();
    assert_eq!(server.client().call::<String>("DEBUG DIGEST"), digest);
}

#[test]
fn a_full_disk_costs_the_log_its_part_on_disk() {
    let (primary, mut client) =
        filled(&["--repl-backlog-size 64kb", "--repl-backlog-disk-size 64mb"], 10, 200);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    limit_files(&primary, Some(LIMIT));
    let seed = Seed::new(6);
    let mut random = seed.random();
    // Less at a time than memory keeps: a replica that still read from the disk would lose its place with it.
    wait_until("the disk is given up", || {
        dataset::fill_noise(&mut client, &mut random, 100, 400);
        client.call::<u32>("WAIT 1 60000");
        client.info("replication", "repl_backlog_disk_status").as_deref() == Some("failed")
    });
    dataset::fill_noise(&mut client, &mut random, 50, 400);
    assert_same_strings(&primary, &replica);
    assert!(times_logged(&primary, "is given up") > 0);
    assert_eq!(client.info_number("stats", "sync_full"), 1);
}

/// What is held of a snapshot beyond memory, and of the log behind it, has nowhere to go.
#[test]
fn a_full_disk_holds_a_snapshot_up_and_not_its_primary() {
    let arguments = ["--repl-diskless-sync no", "--rdbcompression no", "--repl-backlog-size 1mb"];
    let (primary, mut client) = filled(&arguments, 2_000, 50_000);
    limit_files(&primary, Some(LIMIT));
    let replica = Server::start(Ours, &[]);
    let proxy = Proxy::start_held(primary.port, 10 << 20);
    follow(&replica, proxy.port);
    wait_until("its snapshot is held up", || proxy.is_holding());
    dataset::fill_noise(&mut client, &mut Seed::new(9).random(), 2_000, 50_000);
    proxy.release();
    wait_until_linked(&replica);
    assert_same_strings(&primary, &replica);
}
