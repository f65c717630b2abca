//! A node's tie to its playground: when the playground is gone, however it went, so is the node.
//!
//! A node is our own binary started as `slipstream playground-node FOLDER [server arguments]`: a server or a
//! sentinel with a thread that reads standard input, a pipe of which the playground alone holds the other end. The system closes
//! that end even when the playground is killed. The node then removes the files that a node has, and no others,
//! since the folder is whatever the command line says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io, process, thread};

/// The argument that makes the binary a node of a playground.
pub(crate) const COMMAND: &str = "playground-node";

/// Where a node's standard output goes, in its folder.
pub(super) const LOG_FILE: &str = "log";
/// A sentinel's, in its folder. It replaces the file by way of the other.
pub(super) const SENTINEL_FILE: &str = "sentinel.conf";
const SENTINEL_TEMPORARY: &str = "sentinel.conf.tmp";
/// Left there only if somebody asks a node for SAVE.
const SNAPSHOT_FILE: &str = "dump.rdb";
const STATE_FILE: &str = "dump.rdb.state";
/// All but one whose name depends on the process.
const FILES: &[&str] = &[LOG_FILE, SNAPSHOT_FILE, STATE_FILE, SENTINEL_FILE, SENTINEL_TEMPORARY];
/// The node still runs, and may write a file between the removal of all files and that of their folder.
const ATTEMPTS: usize = 10;

/// Runs a node; returns the process's exit status.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    let Some((folder, server_arguments)) = arguments.split_first() else {
        return super::tell(io::stderr(), "slipstream playground-node: started by the playground alone", 2);
    };
    let folder = PathBuf::from(folder);
    thread::spawn(move || end_with_playground(&folder));
    slipstream_server::run("slipstream server", server_arguments)
}

fn end_with_playground(folder: &Path) {
    // An error ends the reading as well as the other end's closing does.
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop).unwrap_or_default();
    let temporary = format!("{STATE_FILE}.{}.tmp", process::id());
    for _ in 0..ATTEMPTS {
        for file in FILES.iter().chain([&temporary.as_str()]) {
            fs::remove_file(folder.join(file)).unwrap_or_default();
        }
        if fs::remove_dir(folder).is_ok() {
            break;
        }
    }
    if let Some(shared) = folder.parent() {
        // Fails for all nodes but the last.
        fs::remove_dir(shared).unwrap_or_default();
    }
    process::exit(0);
}
