//! The conform files of the engine's tests to our server and to a peer: equal replies, equal streams.

use std::fs;
use std::path::PathBuf;

use slipstream_conform::{Pair, script};

use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;

/// A replica that acknowledges nothing reads the streams.
const PATIENT: &str = "--repl-timeout 3600";

#[test]
fn redis_and_we_answer_the_same() {
    check(Redis7);
}

#[test]
fn valkey_and_we_answer_the_same() {
    check(Valkey9);
}

#[track_caller]
fn check(peer: Kind) {
    if !all_found(&[peer]) {
        return;
    }
    let mut differences = Vec::new();
    for path in files() {
        let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("it was just listed");
        let cases = script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let servers = [Ours, peer].map(|kind| Server::start(kind, &[PATIENT]));
        for protocol in [2, 3] {
            let pair = Pair::connect(servers[0].port, servers[1].port);
            let played = pair.expect("both have just answered").play(&cases, protocol);
            differences.extend(played.differences.iter().map(|difference| format!("{name}:{difference}")));
        }
    }
    assert!(differences.is_empty(), "{peer:?}:\n{}", differences.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/conform");
    let entries = fs::read_dir(folder).expect("the files are part of the project");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is listed").path()).collect();
    files.sort();
    files
}
