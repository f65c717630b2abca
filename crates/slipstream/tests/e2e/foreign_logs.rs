//! Append-only files that real Redis and Valkey wrote, loaded and checked here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::commandline::run;
use crate::content::Content;
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

/// A server of this kind that has ended, its content, and its append-only file: a base and an increment.
#[track_caller]
fn written(kind: Kind, preamble: &str) -> Option<(Server, Content)> {
    if !all_found(&[kind]) {
        return None;
    }
    let format = format!("--aof-use-rdb-preamble {preamble}");
    let mut server = Server::start(
        kind,
        &["--appendonly yes", "--appendfsync no", "--aof-timestamp-enabled yes", &format],
    );
    let mut client = server.client();
    dataset::fill_special(&mut client);
    wait_until("the short-lived key is gone", || client.call::<u32>("EXISTS short:gone") == 0);
    client.call::<()>("BGREWRITEAOF");
    wait_until("the file is rewritten", || is_rewritten(&mut client));
    client.call::<()>("SET behind:base 1");
    client.call::<()>("DEL behind:nothing");
    client.call::<Vec<String>>(
        "EVAL return{redis.call('INCR','behind:base'),redis.call('INCR','behind:base')} 0",
    );
    let content = Content::read(&mut client);
    server.signal("TERM");
    assert!(server.wait_for_end().success(), "{}", server.log());
    Some((server, content))
}

fn is_rewritten(client: &mut Client) -> bool {
    client.info("persistence", "aof_rewrite_in_progress").as_deref() == Some("0")
        && client.info("persistence", "aof_rewrite_scheduled").as_deref() == Some("0")
        && client.info_number("persistence", "aof_base_size") > 1000
}

/// Starts a server of ours on another's files.
#[track_caller]
fn take_over(folder: &Path) -> Server {
    Server::start(Ours, &["--appendonly yes", &format!("--dir {}", folder.display())])
}

#[track_caller]
fn check_loads(kind: Kind, preamble: &str) {
    let Some((server, content)) = written(kind, preamble) else { return };
    let manifest = server.folder.join("appendonlydir/appendonly.aof.manifest");
    let checked = run(&checker(&server.folder), &[&manifest.display().to_string()], "");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.ends_with("All AOF files and manifest are valid\n"), "{said}");
    let ours = take_over(&server.folder);
    content.assert_equal(&Content::read(&mut ours.client()));
}

/// The binary by the name that scripts use.
fn checker(folder: &Path) -> PathBuf {
    let path = folder.join("redis-check-aof");
    symlink(env!("CARGO_BIN_EXE_slipstream"), &path).expect("the folder is ours");
    path
}

#[test]
fn files_of_redis_with_a_snapshot_as_base_are_loaded() {
    check_loads(Redis7, "yes");
}

#[test]
fn files_of_redis_with_commands_as_base_are_loaded() {
    check_loads(Redis7, "no");
}

#[test]
fn files_of_valkey_with_a_snapshot_as_base_are_loaded() {
    check_loads(Valkey9, "yes");
}

#[test]
fn files_of_valkey_with_commands_as_base_are_loaded() {
    check_loads(Valkey9, "no");
}

#[test]
fn a_single_file_of_before_redis_7_is_taken_over() {
    for preamble in ["yes", "no"] {
        let Some((server, content)) = written(Redis7, preamble) else { return };
        let folder = server.folder.join("appendonlydir");
        let names = fs::read_to_string(folder.join("appendonly.aof.manifest")).expect("Redis wrote it");
        let names = names.lines().map(|line| line.split(' ').nth(1).expect("a name").to_owned());
        let whole: Vec<u8> =
            names.flat_map(|name| fs::read(folder.join(name)).expect("the manifest names it")).collect();
        fs::remove_dir_all(&folder).expect("the folder is ours");
        fs::write(server.folder.join("appendonly.aof"), whole).expect("the folder is ours");
        let mut ours = take_over(&server.folder);
        content.assert_equal(&Content::read(&mut ours.client()));
        assert!(folder.join("appendonly.aof").exists() && !server.folder.join("appendonly.aof").exists());
        assert!(ours.log().contains("Successfully migrated an old-style AOF file"), "{}", ours.log());
        ours.kill();
        ours.restart();
        content.assert_equal(&Content::read(&mut ours.client()));
    }
}
