//! Client libraries of other languages, unchanged: what they make of the replies.
//!
//! Their sessions lie in `clients`; a Python that has the library runs them.

use std::path::Path;
use std::process::Command;

use crate::peer::Kind::{Ours, Valkey9};
use crate::peer::{all_found, python};
use crate::server::Server;

/// Transactions, scans, streams, errors: over RESP2 and RESP3.
#[test]
fn valkey_py_works_unchanged() {
    let Some(python) = python("valkey") else { return };
    let server = Server::start(Ours, &[]);
    let output = run(&python, include_str!("clients/valkey_py.py"), &[&server.port.to_string()]);
    assert_eq!(output.trim(), "done");
}

#[test]
fn redis_py_makes_the_same_of_our_replies() {
    compare("sync");
}

#[test]
fn redis_py_makes_the_same_of_our_replies_with_asyncio() {
    compare("asyncio");
}

/// The same session at our server and at Valkey prints the same lines.
#[track_caller]
fn compare(way: &str) {
    let Some(python) = python("redis") else { return };
    if !all_found(&[Valkey9]) {
        return;
    }
    let servers = [Ours, Valkey9].map(|kind| Server::start(kind, &[]));
    for protocol in ["2", "3"] {
        let session = include_str!("clients/redis_py_session.py");
        let play = |server: &Server| run(&python, session, &[&server.port.to_string(), protocol, way]);
        let [ours, theirs] = servers.each_ref().map(play);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs, "RESP{protocol}");
        }
        assert!(ours.ends_with("done\n") && ours.lines().count() == theirs.lines().count(), "{ours}");
    }
}

/// What the session prints.
#[track_caller]
pub(crate) fn run(python: &Path, session: &str, arguments: &[&str]) -> String {
    let output = Command::new(python).args(["-c", session]).args(arguments).output();
    let output = output.expect("it was just found");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
