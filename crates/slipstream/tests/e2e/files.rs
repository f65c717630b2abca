//! RDB files cross between implementations, as they are or converted.

use std::fs;
use std::path::Path;

use crate::commandline::run;
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

#[test]
fn redis_7_loads_a_converted_file_of_valkey_9() {
    check_through(Valkey9, Some("redis-7.0"), Redis7);
}

#[test]
fn valkey_9_loads_a_converted_file_of_redis_7() {
    check_through(Redis7, Some("valkey-9"), Valkey9);
}

#[track_caller]
fn check(writer: Kind, reader: Kind) {
    check_through(writer, None, reader);
}

/// The file goes through `slipstream convert` if there is a format.
#[track_caller]
fn check_through(writer: Kind, format: Option<&str>, reader: Kind) {
    if !all_found(&[writer, reader]) {
        return;
    }
    let writer = Server::start(writer, &[]);
    dataset::fill(&mut writer.client());
    writer.client().call::<()>("SAVE");

    let mut reader = Server::start(reader, &[]);
    reader.kill();
    let [from, to] = [&writer, &reader].map(|server| server.folder.join("dump.rdb"));
    match format {
        None => _ = fs::copy(from, to).expect("SAVE wrote the file"),
        Some(format) => {
            let program = Path::new(env!("CARGO_BIN_EXE_slipstream"));
            let [from, to] = [from, to].map(|path| path.display().to_string());
            let converted = run(program, &["convert", &from, "--to", format, &to], "");
            assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
        }
    }
    reader.restart();

    let (expected, found) = (Content::read(&mut writer.client()), Content::read(&mut reader.client()));
    assert!(expected.len() > 20_000, "the writer holds {} keys", expected.len());
    expected.assert_equal(&found);
}
