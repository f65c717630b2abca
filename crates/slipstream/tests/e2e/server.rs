//! A server process of a test: on loopback, on a port from the system that stays its own, in a folder of its own.
//!
//! It is ended by its own process id when the value is dropped. Its folder goes too, unless the test failed: then
//! it stays, and the end of its log is printed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::panicking;

use redis::RedisResult;

use crate::client::Client;
use crate::peer::Kind;
use crate::ports::Port;
use crate::wait::wait_for;

/// What every server of the tests is started with, before its own arguments.
const BASE: &[&str] = &[
    "--bind 127.0.0.1",
    "--save ''",
    "--enable-debug-command yes",
    "--repl-diskless-sync yes",
    "--repl-diskless-sync-delay 0",
];

const LOG_LINES_SHOWN: usize = 40;

pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    /// Where it runs and keeps its files; its log is `log` in there.
    pub(crate) folder: PathBuf,
    arguments: Vec<String>,
    /// Which clients must say first.
    password: Option<String>,
    child: Child,
    /// Nobody else gets the port while the server is down.
    _port: Port,
}

impl Server {
    /// Starts a server and returns once it answers. Each argument is a directive as on the command line,
    /// `--name value`; a value of `''` is empty. One without dashes is the path of a configuration file.
    #[track_caller]
    pub(crate) fn start(kind: Kind, arguments: &[&str]) -> Self {
        let arguments: Vec<String> =
            BASE.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
        Self::start_in(kind, new_folder(kind), arguments, None)
    }

    /// Starts a sentinel, whose file `sentinel.conf` has these lines, and returns once it answers.
    #[track_caller]
    pub(crate) fn start_sentinel(kind: Kind, lines: &[String]) -> Self {
        let folder = new_folder(kind);
        let file = folder.join("sentinel.conf");
        fs::write(&file, lines.join("\n") + "\n").expect("the folder is ours");
        let file = file.to_str().expect("cargo's folder has a plain name").to_owned();
        let password = lines.iter().find_map(|line| line.strip_prefix("requirepass ")).map(str::to_owned);
        let arguments = vec![file, "--bind 127.0.0.1".to_owned(), "--sentinel".to_owned()];
        Self::start_in(kind, folder, arguments, password)
    }

    #[track_caller]
    fn start_in(kind: Kind, folder: PathBuf, arguments: Vec<String>, password: Option<String>) -> Self {
        let port = Port::reserve();
        let child = spawn(kind, &folder, port.number, &arguments);
        let mut server = Self { kind, port: port.number, folder, arguments, password, child, _port: port };
        assert!(server.comes_up(), "{kind:?} ended while starting");
        server
    }

    /// Waits until this very process answers and has loaded its file: false when it ends before.
    #[track_caller]
    fn comes_up(&mut self) -> bool {
        wait_for("the server answers or ends", || {
            if self.child.try_wait().expect("the process is our child").is_some() {
                return Some(false);
            }
            let mut client = self.try_client().ok()?;
            let pid: u32 = client.info("server", "process_id")?.parse().ok()?;
            // A sentinel has nothing to load.
            let loaded = client.info("persistence", "loading").is_none_or(|loading| loading == "0");
            (pid == self.child.id() && loaded).then_some(true)
        })
    }

    /// Starts it again after it ended, on the same port and files.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.start_again();
        assert!(self.comes_up(), "{:?} does not start again", self.kind);
    }

    /// From its next start on it has this argument too.
    pub(crate) fn set(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    /// As [`Server::restart`], of one that is not expected to come up.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.kind, &self.folder, self.port, &self.arguments);
    }

    /// Ends the process without warning.
    pub(crate) fn kill(&mut self) {
        // An error means that it ended by itself, which is as good.
        self.child.kill().unwrap_or_default();
        self.child.wait().expect("the process is our child");
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is part of every system").success());
    }

    /// The process's number.
    pub(crate) fn id(&self) -> i32 {
        self.child.id().try_into().expect("the system's numbers are that small")
    }

    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("the server ends", || self.child.try_wait().expect("the process is our child"))
    }

    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("no connection to port {}: {error}", self.port))
    }

    fn try_client(&self) -> RedisResult<Client> {
        let mut client = Client::try_connect(self.port)?;
        if let Some(password) = &self.password {
            client.try_call::<()>(&format!("AUTH {password}"))?;
        }
        Ok(client)
    }

    /// All that the server has logged since it was started last.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if panicking() {
            let folder = self.folder.display();
            crate::report(&format!(
                "{:?} on port {}, kept in {folder}:\n{}",
                self.kind,
                self.port,
                end_of(&self.log())
            ));
        } else {
            fs::remove_dir_all(&self.folder).expect("nobody else uses the folder");
        }
    }
}

/// A new folder below cargo's own for tests. Whoever asks for one removes it.
pub(crate) fn new_folder(kind: Kind) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{kind:?}-{}-{count}", std::process::id()).to_lowercase();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
    folder
}

fn spawn(kind: Kind, folder: &Path, port: u16, arguments: &[String]) -> Child {
    let log = File::create(folder.join("log")).expect("the folder is ours");
    let mut command = kind.start_command();
    let (directives, files): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--"));
    command.args(files).args(["--port", &port.to_string(), "--dir"]).arg(folder);
    for directive in directives {
        command.args(directive.split(' ').map(|word| if word == "''" { "" } else { word }));
    }
    let errors = log.try_clone().expect("a file can be cloned");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("the binary was found")
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
