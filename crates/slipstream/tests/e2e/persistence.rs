//! What is on disk when a server ends, by order, by signal or by force, and what it has when it starts again.

use std::fs;
use std::path::Path;

use crate::client::{Client, command};
use crate::content::Content;
use crate::copies::wait_until_linked;
use crate::dataset;
use crate::peer::Kind::Ours;
use crate::server::Server;
use crate::wait::wait_until;

const SAVES: &str = "--save 3600 1";

#[test]
fn a_restart_after_a_signal_has_every_key() {
    let mut server = Server::start(Ours, &[SAVES]);
    let mut client = server.client();
    dataset::fill(&mut client);
    wait_until("the short-lived key is gone", || client.call::<u32>("EXISTS short:gone") == 0);
    let before = Content::read(&mut client);
    server.signal("TERM");
    assert!(server.wait_for_end().success(), "{}", server.log());
    server.restart();
    before.assert_equal(&Content::read(&mut server.client()));
}

#[test]
fn a_save_is_what_a_kill_leaves() {
    let mut server = Server::start(Ours, &[SAVES]);
    let mut client = server.client();
    client.call::<()>("SET saved 1");
    client.call::<()>("SAVE");
    client.call::<()>("SET lost 1");
    server.kill();
    server.restart();
    assert_eq!(server.client().call::<Vec<String>>("KEYS *"), ["saved"]);
}

#[test]
fn a_kill_while_saving_leaves_the_old_file() {
    let mut server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.call::<()>("SET first 1");
    client.call::<()>("SAVE");
    let file = server.folder.join("dump.rdb");
    let saved = fs::read(&file).expect("SAVE wrote it");
    client.call::<()>("DEBUG POPULATE 1000 key 100");
    // It takes longer than anybody waits.
    client.call::<()>("CONFIG SET rdb-key-save-delay 1000000");
    client.call::<()>("BGSAVE");
    wait_until("it writes", || temporary_files(&server.folder) == 1);
    server.kill();
    assert_eq!(fs::read(&file).expect("nobody removed it"), saved);
    server.restart();
    assert_eq!(server.client().call::<u32>("DBSIZE"), 1);
}

#[test]
fn a_cancelled_save_replaces_nothing() {
    let mut server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.call::<()>("SET first 1");
    // Both in one turn: it cannot end in between.
    let replies: Vec<String> = client.pipeline(["BGSAVE", "BGSAVE CANCEL"].map(command));
    assert_eq!(replies, ["Background saving started", "Background saving cancelled"]);
    client.call::<()>("SET second 2");
    client.call::<()>("SAVE");
    assert_eq!(client.info_number("persistence", "rdb_saves"), 1);
    wait_until("no file is left of it", || temporary_files(&server.folder) == 0);
    server.kill();
    server.restart();
    assert_eq!(server.client().call::<u32>("DBSIZE"), 2);
}

#[test]
fn a_background_save_reports_how_it_went() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    let before: i64 = client.call("LASTSAVE");
    client.call::<()>("SET a 1");
    assert_eq!(client.info_number("persistence", "rdb_changes_since_last_save"), 1);
    assert_eq!(client.call::<String>("BGSAVE"), "Background saving started");
    wait_until("it is saved", || client.info_number("persistence", "rdb_changes_since_last_save") == 0);
    assert_eq!(client.info("persistence", "rdb_last_bgsave_status").as_deref(), Some("ok"));
    assert!(client.call::<i64>("LASTSAVE") >= before);
    assert!(server.folder.join("dump.rdb").exists());
    assert_eq!(temporary_files(&server.folder), 0);
}

/// A folder in the place of the file: nothing can be saved.
#[test]
fn a_save_that_fails_keeps_the_server_alive() {
    let mut server = Server::start(Ours, &[SAVES]);
    fs::create_dir(server.folder.join("dump.rdb")).expect("the folder is ours");
    let mut client = server.client();
    client.call::<()>("SET a 1");
    client.try_call::<()>("SAVE").expect_err("there is a folder in its place");
    assert_eq!(temporary_files(&server.folder), 0, "what could not be completed is removed");

    client.try_call::<()>("BGSAVE").expect("it only begins");
    wait_until("it fails", || client.info("persistence", "rdb_last_bgsave_status").as_deref() == Some("err"));
    let refused = client.try_call::<()>("SET a 2").expect_err("stop-writes-on-bgsave-error");
    assert_eq!(refused.code(), Some("MISCONF"));

    let refused = client.try_call::<()>("SHUTDOWN").expect_err("it cannot save");
    assert_eq!(refused.detail(), Some("Errors trying to SHUTDOWN. Check logs."));
    assert_eq!(client.call::<String>("GET a"), "1");
    client.try_call::<()>("SHUTDOWN FORCE").expect_err("the connection ends with the server");
    assert!(server.wait_for_end().success());
}

#[test]
fn shutdown_saves_as_told() {
    for (save, command, saved) in [
        ("--save ''", "SHUTDOWN", false),
        (SAVES, "SHUTDOWN", true),
        (SAVES, "SHUTDOWN NOSAVE", false),
        ("--save ''", "SHUTDOWN SAVE", true),
        (SAVES, "SHUTDOWN NOW FORCE", true),
    ] {
        let mut server = Server::start(Ours, &[save]);
        let mut client = server.client();
        for wrong in ["SHUTDOWN SAVE NOSAVE", "SHUTDOWN SOON", "SHUTDOWN ABORT NOW"] {
            let refused = client.try_call::<()>(wrong).expect_err("it makes no sense");
            assert_eq!(refused.detail(), Some("syntax error"), "{wrong}");
        }
        let refused = client.try_call::<()>("SHUTDOWN ABORT").expect_err("there is none");
        assert_eq!(refused.detail(), Some("No shutdown in progress."));
        client.call::<()>("SET a 1");
        client.try_call::<()>(command).expect_err("the connection ends with the server");
        assert!(server.wait_for_end().success(), "{save}, {command}");
        assert_eq!(server.folder.join("dump.rdb").exists(), saved, "{save}, {command}");
    }
}

/// The replica is stopped, so the primary waits for it until it is asked a second time.
#[test]
fn a_second_signal_forces() {
    let mut primary = Server::start(Ours, &["--shutdown-timeout 1000"]);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    let mut client = primary.client();
    client.call::<()>("SET a 0");
    wait_until("the replica acknowledges", || client.call::<usize>("WAIT 1 1000") == 1);
    replica.signal("STOP");
    client.call::<()>("SET a 1");
    primary.signal("TERM");
    wait_until("it waits", || primary.log().contains("Waiting for replicas before shutting down"));
    assert_eq!(client.call::<String>("GET a"), "1", "reads are served meanwhile");
    client.call::<()>("SHUTDOWN ABORT");
    client.call::<()>("SET a 2");
    primary.signal("TERM");
    let waits = || primary.log().matches("Waiting for replicas before shutting down").count();
    wait_until("it waits again", || waits() == 2);
    primary.signal("INT");
    assert_eq!(primary.wait_for_end().code(), Some(1));
    replica.signal("CONT");
}

#[test]
fn a_signal_while_loading_leaves_the_file() {
    // With the file it takes longer than anybody waits.
    let mut server = Server::start(Ours, &[SAVES, "--key-load-delay 10000"]);
    server.client().call::<()>("DEBUG POPULATE 100000 key 100");
    server.client().call::<()>("SAVE");
    let file = server.folder.join("dump.rdb");
    let saved = fs::read(&file).expect("SAVE wrote it");
    server.kill();
    server.start_again();
    wait_until("it loads", || {
        Client::try_connect(server.port)
            .is_ok_and(|mut client| client.info("persistence", "loading").as_deref() == Some("1"))
    });
    server.signal("TERM");
    assert!(server.wait_for_end().success());
    assert!(fs::read(&file).expect("nobody removed it") == saved, "the file was changed");
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let mut server = Server::start(Ours, &[]);
    dataset::fill(&mut server.client());
    server.client().call::<()>("SAVE");
    server.kill();
    let file = server.folder.join("dump.rdb");
    let good = fs::read(&file).expect("SAVE wrote it");
    let flipped = {
        let mut bytes = good.clone();
        bytes[good.len() / 2] ^= 1;
        bytes
    };
    for damaged in [&flipped[..], &good[..good.len() / 2], &b"REDIS9999"[..], b"not a snapshot"] {
        fs::write(&file, damaged).expect("the folder is ours");
        server.start_again();
        assert_eq!(server.wait_for_end().code(), Some(1));
        let log = server.log();
        let line = log.lines().find(|line| line.contains("# Fatal error loading the DB: "));
        assert!(line.is_some_and(|line| line.contains("dump.rdb: at offset ")), "{log}");
        assert!(fs::read(&file).expect("nobody removed it") == damaged, "the file was changed");
    }
    fs::write(&file, good).expect("the folder is ours");
    server.restart();
}

/// What interrupted saves leave is not taken for data.
fn temporary_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("the folder is ours").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("temp-")).count()
}
