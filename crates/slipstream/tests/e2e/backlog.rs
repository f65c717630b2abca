//! The log and its many readers: a part of it on disk, replicas that come and go, and one that does not read.

use std::fs;

use redis::Cmd;

use crate::client::Client;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::all_found;
use crate::proxy::Proxy;
use crate::raw::Raw;
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

const MEBIBYTE: usize = 1 << 20;

/// Writes so many bytes, in values that replace each other.
fn write(client: &mut Client, bytes: usize) {
    let value = "x".repeat(10_000);
    for batch in 0..bytes.div_ceil(MEBIBYTE) {
        let set = |key: usize| -> Cmd {
            let mut command = redis::cmd("SET");
            command.arg(format!("key:{key}")).arg(format!("{batch}:{value}"));
            command
        };
        client.pipeline::<()>((0..MEBIBYTE / 10_000).map(set));
    }
}

fn number(server: &Server, field: &str) -> u64 {
    server.client().info_number("replication", field)
}

#[test]
fn a_replica_away_longer_than_memory_reaches_continues_from_disk() {
    let arguments = ["--repl-backlog-size 64kb", "--repl-backlog-disk-size 64mb"];
    let primary = Server::start(Ours, &arguments);
    let mut client = primary.client();
    write(&mut client, MEBIBYTE);
    let proxy = Proxy::start(primary.port);
    let replicas = if all_found(&[Redis7]) { vec![Ours, Redis7] } else { vec![Ours] };
    let replicas: Vec<Server> = replicas.into_iter().map(|kind| Server::start(kind, &[])).collect();
    for replica in &replicas {
        follow(replica, proxy.port);
        wait_until_linked(replica);
    }

    proxy.cut();
    write(&mut client, 24 * MEBIBYTE);
    wait_until("memory holds no more than its share", || {
        number(&primary, "repl_backlog_histlen") < 400_000
            && number(&primary, "repl_backlog_disk_histlen") > 20_000_000
    });
    proxy.restore();
    let traffic = Traffic::start(&primary);
    replicas.iter().for_each(wait_until_linked);
    traffic.let_some_pass();
    traffic.stop();

    for replica in &replicas {
        assert_same(&primary, replica);
    }
    let syncs = ["sync_full", "sync_partial_ok"].map(|field| client.info_number("stats", field));
    assert_eq!(syncs, [replicas.len() as u64; 2]);
    let files = || fs::read_dir(&primary.folder).expect("it is there").flatten();
    let is_segment = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("backlog-");
    assert!(files().any(|entry| is_segment(&entry)));
    client.call::<()>("CONFIG SET repl-backlog-disk-size 0");
    wait_until("the files are gone", || !files().any(|entry| is_segment(&entry)));
}

#[test]
fn a_failing_disk_costs_the_tier_and_nothing_else() {
    let arguments =
        ["--repl-backlog-size 64kb", "--repl-backlog-disk-size 64mb", "--enable-protected-configs yes"];
    let primary = Server::start(Ours, &arguments);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    let folder = primary.folder.join("volume");
    fs::create_dir(&folder).expect("the test's folder is writable");
    let mut client = primary.client();
    client.call::<()>(&format!("CONFIG SET dir {}", folder.display()));
    fs::remove_dir(&folder).expect("nothing is in it");

    write(&mut client, 4 * MEBIBYTE);
    wait_until("the disk is given up", || {
        client.info("replication", "repl_backlog_disk_status").as_deref() == Some("failed")
    });
    write(&mut client, MEBIBYTE);
    assert_same(&primary, &replica);
    assert_eq!(primary.log().matches("is given up").count(), 1, "one line tells of it");
    assert_eq!(client.info_number("stats", "sync_full"), 1);
    // What a trial of the disk writes counts until it has failed.
    wait_until("nothing is on disk", || number(&primary, "repl_backlog_disk_histlen") == 0);

    client.call::<()>(&format!("CONFIG SET dir {}", primary.folder.display()));
    write(&mut client, 4 * MEBIBYTE);
    wait_until("the disk is used again", || {
        write(&mut client, MEBIBYTE);
        client.info("replication", "repl_backlog_disk_status").as_deref() == Some("ok")
    });
    assert!(number(&primary, "repl_backlog_disk_histlen") > 0);
    assert_eq!(primary.log().matches("is given up").count(), 1, "trials are not told of");
    assert_eq!(primary.log().matches("on disk is written again").count(), 1);
}

#[test]
fn eight_replicas_of_which_some_die_under_load() {
    let primary = Server::start(Ours, &[]);
    write(&mut primary.client(), MEBIBYTE);
    let upstream = format!("--replicaof 127.0.0.1 {}", primary.port);
    let mut replicas: Vec<Server> = (0..8).map(|_| Server::start(Ours, &[&upstream])).collect();
    replicas.iter().for_each(wait_until_linked);
    let traffic = Traffic::start(&primary);
    traffic.let_some_pass();
    for index in [1, 4, 6] {
        replicas[index].kill();
        traffic.let_some_pass();
    }
    wait_until("the dead are not served any more", || number(&primary, "connected_slaves") == 5);
    for index in [1, 4, 6] {
        replicas[index].restart();
    }
    replicas.iter().for_each(wait_until_linked);
    traffic.let_some_pass();
    traffic.stop();
    assert_eq!(primary.client().call::<u32>("WAIT 8 120000"), 8);
    for replica in &replicas {
        assert_same(&primary, replica);
    }
}

#[test]
fn a_replica_that_does_not_read_is_cut_off_and_continues() {
    let primary =
        Server::start(Ours, &["--repl-backlog-size 64kb", "--client-output-buffer-limit replica 1mb 1mb 1"]);
    let mut client = primary.client();
    write(&mut client, MEBIBYTE);
    let reader = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&reader);
    // It continues where the reader is and then reads nothing.
    let mut idler = Raw::connect(&primary);
    let id = client.info("replication", "master_replid").expect("a primary has an id");
    let asks = |next: u64| format!("PSYNC {id} {next}\r\n");
    let next = number(&primary, "master_repl_offset") + 1;
    idler.send(asks(next).as_bytes());
    idler.expect("+CONTINUE\r\n");
    wait_until("it is a replica", || number(&primary, "connected_slaves") == 2);

    write(&mut client, 24 * MEBIBYTE);
    wait_until("it is cut off", || number(&primary, "connected_slaves") == 1);
    assert!(primary.log().contains("overcoming of output buffer limits"));
    assert_same(&primary, &reader);
    assert_eq!(client.info_number("stats", "sync_full"), 1, "the reader was not disturbed");
    let mut again = Raw::connect(&primary);
    again.send(asks(next).as_bytes());
    again.expect("+CONTINUE\r\n*");
}
