//! The append-only file: what a kill leaves of it, and that stock servers load it.
//!
//! What was answered under `appendfsync always` is there afterwards; that is waited for by the answer alone.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::content::Content;
use crate::copies::assert_same;
use crate::dataset;
use crate::ledger::Writers;
use crate::peer::Kind::{Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

const ALWAYS: &[&str] = &["--appendonly yes", "--appendfsync always"];

fn wait_for_base(client: &mut Client) {
    wait_until("a base is named", || {
        client.info_number("persistence", "aof_rewrite_in_progress") == 0
            && client.info_number("persistence", "aof_rewrites") > 0
    });
}

#[test]
fn what_was_answered_under_always_is_there_after_a_kill() {
    let mut server = Server::start(Ours, ALWAYS);
    for round in 1..=3 {
        let mut client = server.client();
        for _ in 0..20 {
            client.call::<u64>("INCR count");
        }
        server.kill();
        server.restart();
        assert_eq!(server.client().call::<u64>("GET count"), 20 * round);
    }
}

#[test]
fn stock_servers_load_the_folder() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let mut server = Server::start(Ours, ALWAYS);
    let mut client = server.client();
    wait_for_base(&mut client);
    client.call::<()>("SET before 1");
    client.call::<()>("BGREWRITEAOF");
    dataset::fill(&mut client);
    wait_until("the short-lived key is gone", || client.call::<u32>("EXISTS short:gone") == 0);
    let content = Content::read(&mut client);
    server.kill();
    assert_stock_servers_load(&server, &content);
}

/// A replica's increments have what only a primary's stream has: PING, PUBLISH, SELECT, transactions.
#[test]
fn stock_servers_load_the_folder_of_their_replica() {
    check_folder_of_replica("--repl-diskless-load swapdb");
}

#[test]
fn stock_servers_load_the_folder_of_a_replica_that_received_a_file() {
    check_folder_of_replica("--repl-diskless-load disabled");
}

#[track_caller]
fn check_folder_of_replica(load: &str) {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let primary = Server::start(Redis7, &[]);
    let mut client = primary.client();
    client.call::<()>("SET before 1");
    let following = format!("--replicaof 127.0.0.1 {}", primary.port);
    let mut server = Server::start(Ours, &[ALWAYS, &[&following, load]].concat());
    wait_until("it writes behind a base", || {
        server.client().info_number("persistence", "aof_durable_offset") > 0
    });
    let writes = ["SELECT 3", "MULTI", "SET other 1", "PUBLISH news 1", "RPUSH list a b", "EXEC", "SELECT 0"];
    for line in writes.into_iter().chain(["PUBLISH news 2", "SET behind 1", "MULTI", "INCR behind", "EXEC"]) {
        client.call::<redis::Value>(line);
    }
    assert_same(&primary, &server);
    wait_until("its disk has it", || {
        let mut client = server.client();
        client.info_number("persistence", "aof_durable_offset")
            >= primary.client().info_number("replication", "master_repl_offset")
    });
    server.kill();
    let log = server.log();
    assert!(log.contains("The snapshot from master becomes the base of the append only file"), "{log}");
    assert!(!log.contains("Background append only file rewriting started"), "{log}");
    let written: Vec<u8> = fs::read_dir(server.folder.join("appendonlydir"))
        .expect("it made one")
        .flatten()
        .flat_map(|file| fs::read(file.path()).expect("it is there"))
        .collect();
    for word in ["PUBLISH", "MULTI", "EXEC"] {
        let is_there = written.windows(word.len()).any(|bytes| bytes.eq_ignore_ascii_case(word.as_bytes()));
        assert!(is_there, "{word}");
    }
    assert_stock_servers_load(&server, &Content::read(&mut client));
    server.restart();
    assert_same(&primary, &server);
    assert_eq!(client.info_number("stats", "sync_full"), 1);
}

/// Starts them with a copy of its folder.
#[track_caller]
fn assert_stock_servers_load(server: &Server, content: &Content) {
    for kind in [Redis7, Valkey9] {
        let mut peer = Server::start(kind, &["--appendonly yes"]);
        peer.kill();
        let theirs = peer.folder.join("appendonlydir");
        fs::remove_dir_all(&theirs).expect("it made one");
        copy(&server.folder.join("appendonlydir"), &theirs);
        peer.restart();
        content.assert_equal(&Content::read(&mut peer.client()));
    }
}

#[test]
fn it_is_switched_on_and_off_under_load() {
    let mut server = Server::start(Ours, &["--appendfsync always"]);
    let mut client = server.client();
    let writers = Writers::start(&server);
    for _ in 0..2 {
        writers.let_pass(200);
        switch_on(&mut client);
        writers.let_pass(200);
        client.call::<String>("BGREWRITEAOF");
        writers.let_pass(200);
        client.call::<()>("CONFIG SET appendonly no");
    }
    switch_on(&mut client);
    writers.let_pass(200);
    server.set("--appendonly yes");
    server.kill();
    let tallies = writers.stop();
    server.restart();
    tallies.iter().for_each(|tally| tally.assert_answered(&mut server.client()));
}

/// Returns when a base is named.
fn switch_on(client: &mut Client) {
    client.call::<()>("CONFIG SET appendonly yes");
    wait_until("the disk has what is written", || {
        client.try_call::<Vec<u64>>("WAITAOF 1 0 1000").is_ok_and(|disks| disks == [1, 0])
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the folder is ours");
    for file in fs::read_dir(from).expect("it is there").flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("there is room");
    }
}
