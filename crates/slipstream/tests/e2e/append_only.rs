//! The append-only file: what a kill leaves of it, and that stock servers load it.
//!
//! What was answered under `appendfsync always` is there afterwards; that is waited for by the answer alone.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::content::Content;
use crate::dataset;
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

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the folder is ours");
    for file in fs::read_dir(from).expect("it is there").flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("there is room");
    }
}
