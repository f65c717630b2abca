//! RDB files cross between implementations.

use std::fs;

use crate::content::Content;
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;

#[test]
fn redis_7_loads_our_file() {
    check(Ours, Redis7);
}

#[test]
fn valkey_9_loads_our_file() {
    check(Ours, Valkey9);
}

#[test]
fn we_load_the_file_of_redis_7() {
    check(Redis7, Ours);
}

#[test]
fn we_load_the_file_of_valkey_9() {
    check(Valkey9, Ours);
}

#[test]
fn we_load_our_own_file() {
    check(Ours, Ours);
}

#[track_caller]
fn check(writer: Kind, reader: Kind) {
    if !all_found(&[writer, reader]) {
        return;
    }
    let writer = Server::start(writer, &[]);
    dataset::fill(&mut writer.client());
    writer.client().call::<()>("SAVE");

    let mut reader = Server::start(reader, &[]);
    reader.kill();
    fs::copy(writer.folder.join("dump.rdb"), reader.folder.join("dump.rdb")).expect("SAVE wrote the file");
    reader.restart();

    let (expected, found) = (Content::read(&mut writer.client()), Content::read(&mut reader.client()));
    assert!(expected.len() > 20_000, "the writer holds {} keys", expected.len());
    expected.assert_equal(&found);
}
