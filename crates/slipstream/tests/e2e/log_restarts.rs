//! Servers with an append-only file that end, by order or by force, and go on replicating from where they were.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::commandline::run;
use crate::copies::{assert_same, wait_until_linked};
use crate::peer::Kind::Ours;
use crate::server::Server;

const ARGUMENTS: &[&str] = &["--appendonly yes", "--repl-ping-replica-period 3600"];

/// A primary with data and a linked replica; the disks of both have everything.
struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    fn start() -> Pair {
        let primary = Server::start(Ours, ARGUMENTS);
        primary.client().call::<()>("SET before:the:replica 1");
        let following = format!("--replicaof 127.0.0.1 {}", primary.port);
        let replica = Server::start(Ours, &[ARGUMENTS, &[&following]].concat());
        wait_until_linked(&replica);
        primary.client().call::<()>("DEBUG POPULATE 1000 key 100");
        let pair = Pair { primary, replica };
        pair.write("SET behind:the:replica 1");
        pair
    }

    /// Writes, and waits until both disks have it.
    fn write(&self, line: &str) {
        let mut client = self.primary.client();
        client.call::<()>(line);
        assert_eq!(client.call::<Vec<u64>>("WAITAOF 1 1 0"), [1, 1]);
    }

    /// Both hold the same, and the primary's process counts full and partial syncs like this.
    #[track_caller]
    fn assert_synced(&self, full: u64, partial: u64) {
        wait_until_linked(&self.replica);
        self.write("SET behind:the:restart 1");
        assert_same(&self.primary, &self.replica);
        let mut client = self.primary.client();
        let counts = ["sync_full", "sync_partial_ok"].map(|field| client.info_number("stats", field));
        assert_eq!(counts, [full, partial]);
    }
}

#[test]
fn a_killed_primary_offers_its_replica_to_continue() {
    let mut pair = Pair::start();
    pair.primary.kill();
    pair.primary.restart();
    pair.assert_synced(0, 1);
}

#[test]
fn a_killed_replica_continues_behind_its_last_byte() {
    let mut pair = Pair::start();
    pair.replica.kill();
    pair.primary.client().call::<()>("SET meanwhile 1");
    pair.replica.restart();
    pair.assert_synced(1, 1);
}

#[test]
fn a_primary_that_ended_as_it_should_begins_a_history_that_forks_there() {
    let mut pair = Pair::start();
    let id = |server: &Server| server.client().info("replication", "master_replid");
    let before = id(&pair.primary);
    pair.primary.signal("TERM");
    assert!(pair.primary.wait_for_end().success());
    pair.primary.restart();
    assert_ne!(id(&pair.primary), before);
    assert_eq!(pair.primary.client().info("replication", "master_replid2"), before);
    pair.assert_synced(0, 1);
}

#[test]
fn a_torn_tail_is_named_and_cut_off_and_a_damaged_middle_is_refused() {
    let mut server = Server::start(Ours, &["--appendonly yes", "--appendfsync always"]);
    for number in 0..20 {
        server.client().call::<()>(&format!("SET key:{number} 1"));
    }
    server.kill();
    let folder = server.folder.join("appendonlydir");
    let manifest = fs::read_to_string(folder.join("appendonly.aof.manifest")).expect("it wrote one");
    let last =
        manifest.lines().last().and_then(|line| line.split(' ').nth(1)).expect("it names an increment");
    let (file, manifest) = (folder.join(last), folder.join("appendonly.aof.manifest"));
    let whole = fs::read(&file).expect("the manifest names it");
    let mut appended = OpenOptions::new().append(true).open(&file).expect("the folder is ours");
    appended.write_all(b"#SLIPSTREAM SUM 1").expect("the folder is ours");
    let program = Path::new(env!("CARGO_BIN_EXE_slipstream"));
    let checked = run(program, &["check", "aof", "--fix", &manifest.display().to_string()], "n\n");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("with 17 bytes, to {} bytes", whole.len())), "{said}");
    server.restart();
    assert_eq!(server.client().call::<u64>("DBSIZE"), 20);
    assert!(server.log().contains("17 bytes are cut off, with 0 whole commands"), "{}", server.log());
    server.kill();
    let mut damaged = whole;
    let key = damaged.windows(5).position(|bytes| bytes == b"key:3").expect("it was written");
    damaged[key] ^= 1;
    fs::write(&file, &damaged).expect("the folder is ours");
    server.start_again();
    assert!(!server.wait_for_end().success());
    let log = server.log();
    let place = format!("Bad file format reading the append only file {last} at offset");
    assert!(log.contains(&place) && log.contains("slipstream check aof"), "{log}");
    assert_eq!(fs::read(&file).expect("nobody removed it"), damaged);
}

#[test]
fn a_reload_from_the_append_only_file_is_no_matter_to_the_replica() {
    let pair = Pair::start();
    let mut client = pair.primary.client();
    client.call::<()>("SET due:soon 1 PX 100000");
    client.call::<()>("EVAL redis.call('incr','a');redis.call('incr','a') 0");
    let digest: String = client.call("DEBUG DIGEST");
    assert_eq!(client.call::<String>("DEBUG LOADAOF"), "OK");
    assert_eq!(client.call::<String>("DEBUG DIGEST"), digest);
    pair.assert_synced(1, 0);
    client.call::<()>("BGREWRITEAOF");
    pair.write("SET behind:the:base 1");
    pair.assert_synced(1, 0);
}

#[test]
fn without_an_append_only_file_there_is_nothing_to_reload() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.call::<()>("SET a 1");
    let refused = client.try_call::<()>("DEBUG LOADAOF").expect_err("there is no file");
    assert!(refused.to_string().contains("Error trying to load the AOF files"), "{refused}");
    assert!(server.log().contains("there is no append-only file that holds the data"));
    assert_eq!(client.call::<String>("GET a"), "1");
}
