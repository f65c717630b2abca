//! An append-only file whose disk or folder fails: full, not usable, removed.
//!
//! A limit on the size of files stands for a full disk; it holds for root too. What is refused says which file it is,
//! reads go on, what was acknowledged is there afterwards, and nothing half-written is taken for whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::background::Background;
use crate::client::Client;
use crate::dataset;
use crate::disk_full::limit_files;
use crate::peer::Kind::Ours;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::wait_until;

const ALWAYS: &[&str] = &["--appendonly yes", "--appendfsync always", "--auto-aof-rewrite-percentage 0"];

/// What is left of the disk when it is said to be full.
const ROOM: u64 = 4000;

fn folder(server: &Server) -> PathBuf {
    server.folder.join("appendonlydir")
}

fn is_named(folder: &Path) -> bool {
    folder.join("appendonly.aof.manifest").exists()
}

/// Waits until the disk has what was written, and with it the first base.
fn wait_for_disk(client: &mut Client) {
    client.call::<()>("SET before 1");
    wait_until("the disk has it", || client.call::<Vec<u64>>("WAITAOF 1 0 1000") == [1, 0]);
}

/// The increment that is appended to.
fn increment(server: &Server) -> String {
    let manifest = fs::read_to_string(folder(server).join("appendonly.aof.manifest")).expect("it is named");
    let last = manifest.lines().last().and_then(|line| line.split(' ').nth(1));
    last.expect("it names an increment").to_owned()
}

/// A client that counts, and what it was told last. It is refused now and then.
struct Counting {
    background: Background,
    answered: Arc<AtomicU64>,
}

impl Counting {
    fn start(server: &Server) -> Counting {
        let answered = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&answered);
        let background = Background::start(server.port, move |client| {
            let reply = client.try_call::<u64>("INCR count");
            if let Ok(count) = reply {
                told.store(count, Ordering::Relaxed);
            }
            !reply.is_err_and(|error| error.is_io_error())
        });
        Counting { background, answered }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn wait_for_more(&self) {
        let before = self.answered();
        wait_until("writes are answered", || self.answered() > before);
    }
}

/// A server whose disk is full, with a client that tries to write.
fn full(arguments: &[&str]) -> (Server, Counting) {
    let server = Server::start(Ours, arguments);
    let mut client = server.client();
    wait_for_disk(&mut client);
    let name = increment(&server);
    let counting = Counting::start(&server);
    counting.wait_for_more();
    let length = fs::metadata(folder(&server).join(&name)).expect("it is named").len();
    limit_files(&server, Some(length + ROOM));
    wait_until("it is seen", || {
        client.info("persistence", "aof_last_write_status").as_deref() == Some("err")
    });
    let refused = client.try_call::<()>("SET more 1").expect_err("there is no room").to_string();
    assert!(refused.contains("MISCONF") || refused.contains("Errors writing to the AOF file"), "{refused}");
    assert!(refused.contains(&name) && refused.contains("File too large"), "{refused}");
    assert_eq!(client.call::<u64>("GET before"), 1);
    assert!(server.log().contains(&format!("Error writing to the AOF file: {name}: ")), "{}", server.log());
    (server, counting)
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    for policy in ["always", "everysec"] {
        let (mut server, counting) = full(&[
            "--appendonly yes",
            "--auto-aof-rewrite-percentage 0",
            &format!("--appendfsync {policy}"),
        ]);
        limit_files(&server, None);
        let mut client = server.client();
        // An answer that the counting client has been given is no sign: it may be of the time before.
        wait_until("writes are taken", || client.try_call::<()>("SET behind 1").is_ok());
        counting.wait_for_more();
        counting.background.stop();
        wait_until("the disk has it", || client.call::<Vec<u64>>("WAITAOF 1 0 1000") == [1, 0]);
        let count: u64 = client.call("GET count");
        server.kill();
        server.restart();
        assert_eq!(server.client().call::<u64>("GET count"), count, "{policy}");
        assert_eq!(server.client().call::<u64>("GET behind"), 1);
    }
}

#[test]
fn a_full_disk_and_a_kill_leave_what_was_answered() {
    let (mut server, counting) = full(ALWAYS);
    server.kill();
    let Counting { background, answered } = counting;
    background.stop();
    server.restart();
    assert!(server.client().call::<u64>("GET count") >= answered.load(Ordering::Relaxed));
}

#[test]
fn a_rewrite_without_room_fails_and_the_files_before_it_go_on() {
    let mut server = Server::start(Ours, &[ALWAYS, &["--rdbcompression no"]].concat());
    let mut client = server.client();
    wait_for_disk(&mut client);
    dataset::fill_noise(&mut client, &mut Seed::new(31).random(), 10_000, 200);
    client.call::<String>("BGREWRITEAOF");
    let status = |client: &mut Client| {
        let mut field = |name| client.info("persistence", name).unwrap_or_default();
        (
            field("aof_rewrite_in_progress") + &field("aof_rewrite_scheduled"),
            field("aof_last_bgrewrite_status"),
        )
    };
    let is = |client: &mut Client, expected: &str| status(client) == ("00".to_owned(), expected.to_owned());
    wait_until("it is written anew", || is(&mut client, "ok"));

    limit_files(&server, Some(1 << 20));
    client.call::<String>("BGREWRITEAOF");
    wait_until("there is no room", || is(&mut client, "err"));
    let log = server.log();
    assert!(log.contains("Background AOF rewrite failed: ") && log.contains(".base.rdb: "), "{log}");
    client.call::<()>("SET behind 1");
    let digest: String = client.call("DEBUG DIGEST");
    server.kill();
    server.restart();
    let mut client = server.client();
    assert_eq!(client.call::<String>("DEBUG DIGEST"), digest);
    client.call::<String>("BGREWRITEAOF");
    wait_until("there is room", || {
        client.info_number("persistence", "aof_rewrites") > 0 && is(&mut client, "ok")
    });
}

#[test]
fn a_folder_that_was_removed_is_made_anew_by_the_next_rewrite() {
    let mut server = Server::start(Ours, ALWAYS);
    let mut client = server.client();
    wait_for_disk(&mut client);
    fs::remove_dir_all(folder(&server)).expect("the folder is ours");
    client.call::<String>("BGREWRITEAOF");
    wait_until("there are files again", || is_named(&folder(&server)));
    wait_until("writes are taken", || client.try_call::<()>("SET behind 1").is_ok());
    server.kill();
    server.restart();
    let both: Vec<u64> = server.client().call("MGET before behind");
    assert_eq!(both, [1, 1]);
}

#[test]
fn a_server_whose_folder_cannot_be_used_does_not_start() {
    let mut server = Server::start(Ours, &["--appendonly no"]);
    server.kill();
    let refuse = |server: &mut Server| {
        server.start_again();
        assert!(!server.wait_for_end().success());
        let log = server.log();
        assert!(log.contains("appendonlydir: ") || log.contains("appendonlydir/"), "{log}");
    };
    fs::write(server.folder.join("appendonlydir"), "no folder").expect("the folder is ours");
    server.set("--appendonly yes");
    refuse(&mut server);
    fs::remove_file(folder(&server)).expect("the folder is ours");
    // A name that leads nowhere is taken, and nothing can be made there.
    std::os::unix::fs::symlink("nowhere/at/all", folder(&server)).expect("the folder is ours");
    refuse(&mut server);
    fs::remove_file(folder(&server)).expect("the folder is ours");
    server.restart();
    wait_for_disk(&mut server.client());
}
