//! Files of real servers, looked at by `slipstream check`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::client::Client;
use crate::commandline::run;
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;

fn keys(client: &mut Client) -> u64 {
    let mut count = |db| {
        client.call::<()>(&format!("SELECT {db}"));
        client.call::<u64>("DBSIZE")
    };
    (0..16).map(&mut count).sum()
}

/// A snapshot file of this kind of server, checked by the name that scripts use.
#[track_caller]
fn check_snapshot(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    let server = Server::start(kind, &["--dbfilename kept.rdb"]);
    let mut client = server.client();
    dataset::fill(&mut client);
    // Some keys expire soon: there are never more than before.
    let before = keys(&mut client);
    client.call::<()>("SAVE");
    let after = keys(&mut client);

    let checker = server.folder.join("redis-check-rdb");
    symlink(env!("CARGO_BIN_EXE_slipstream"), &checker).expect("the folder is ours");
    let file = server.folder.join("kept.rdb");
    let checked = run(&checker, &[&file.display().to_string()], "");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for line in ["\\o/ RDB looks OK! \\o/", "[info] type zset:"] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    let number = |line: &str| line.strip_prefix("[info] ")?.strip_suffix(" keys read")?.parse::<u64>().ok();
    let read = said.lines().find_map(number).expect("the number of keys is said");
    assert!((after..=before).contains(&read), "{read} of {after} to {before} keys in\n{said}");

    let content = fs::read(&file).expect("just checked");
    let torn = server.folder.join("torn.rdb");
    fs::write(&torn, &content[..content.len() / 2]).expect("the folder is ours");
    let program = Path::new(env!("CARGO_BIN_EXE_slipstream"));
    let paths = [&file, &torn].map(|path| path.display().to_string());
    let checked = run(program, &["check", "rdb", &paths[0], &paths[1]], "");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    for line in ["\\o/ RDB looks OK! \\o/", "Unexpected EOF reading RDB file"] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
}

#[test]
fn a_snapshot_of_ours_is_checked() {
    check_snapshot(Ours);
}

#[test]
fn a_snapshot_of_redis_is_checked() {
    check_snapshot(Redis7);
}

#[test]
fn a_snapshot_of_valkey_is_checked() {
    check_snapshot(Valkey9);
}

#[test]
fn a_wrong_command_line_of_the_checker_is_refused() {
    let program = Path::new(env!("CARGO_BIN_EXE_slipstream"));
    for arguments in [&["check"][..], &["check", "rdb"], &["check", "tape", "x"]] {
        let refused = run(program, arguments, "");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("Usage: slipstream check"), "{said}");
    }
    let missing = run(program, &["check", "rdb", "/nowhere/at.all"], "");
    let said = String::from_utf8_lossy(&missing.stdout);
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(said.contains("Cannot open /nowhere/at.all"), "{said}");
}
