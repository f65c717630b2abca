//! One node: a process of our own binary, a server or a sentinel, its port, its folder and a connection to it.
//!
//! The process is in a group of its own, so that Ctrl-C reaches the playground alone, and ends by its own process
//! id when the value is dropped. An answer counts only if it is of the very process that was started.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use slipstream_resp::Value;

use super::reading::Reading;
use super::{sentinel, tether};
use crate::client::{Client, ClientError};

/// Every server is started with these: fresh copies in memory alone, full syncs without a wait for more replicas,
/// and a backlog that holds whatever is missed during the story.
const SERVER_DIRECTIVES: &[(&str, &str)] = &[
    ("--bind", "127.0.0.1"),
    ("--save", ""),
    ("--enable-debug-command", "local"),
    ("--repl-diskless-sync-delay", "0"),
    ("--repl-backlog-size", "64mb"),
];

const LOG_LINES_SHOWN: usize = 10;

/// How long a node that does not answer is asked again.
const LIMIT: Duration = Duration::from_secs(30);

/// What a process is started as. The numbers are ports of loopback.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Of its own: it follows nobody until it is told to.
    Primary,
    Replica {
        of: u16,
    },
    Sentinel {
        watching: u16,
    },
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) port: u16,
    folder: PathBuf,
    child: Option<Child>,
    client: Option<Client>,
}

impl Node {
    /// A node that is not started yet.
    pub(super) fn new(name: &'static str, folder: PathBuf, port: u16) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self { name, port, folder, child: None, client: None })
    }

    /// Starts the process.
    pub(super) fn start(&mut self, part: Part) -> io::Result<()> {
        let log = File::create(self.folder.join(tether::LOG_FILE))?;
        let errors = log.try_clone()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(tether::COMMAND).arg(&self.folder);
        if let Part::Sentinel { watching } = part {
            let file = self.folder.join(tether::SENTINEL_FILE);
            fs::write(&file, sentinel::file(self.port, watching))?;
            command.arg(file).arg("--sentinel");
        } else {
            command.args(SERVER_DIRECTIVES.iter().flat_map(|&(name, value)| [name, value]));
            command.args(["--port", &self.port.to_string()]);
        }
        if let Part::Replica { of } = part {
            command.args(["--replicaof", "127.0.0.1", &of.to_string()]);
        }
        command.arg("--dir").arg(&self.folder);
        let child = command.process_group(0).stdin(Stdio::piped()).stdout(log).stderr(errors).spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// The number of its process, if there is one.
    pub(super) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the process ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL: the process has no chance to say goodbye.
    pub(super) fn kill(&mut self) {
        self.client = None;
        if let Some(mut child) = self.child.take() {
            // Both fail only if it is gone already.
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }

    /// Sends one request over the kept connection, making it if there is none.
    pub(super) fn call(&mut self, words: &[&str]) -> Result<Value, ClientError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.port)?,
        };
        let reply = client.call(words);
        if matches!(reply, Ok(_) | Err(ClientError::Refused(_))) {
            self.client = Some(client);
        }
        reply
    }

    /// As [`Node::call`], again while it does not answer in time.
    pub(super) fn call_patiently(&mut self, words: &[&str]) -> Result<Value, ClientError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.call(words) {
                Err(ClientError::Connection(error)) if is_late(&error) && Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }

    /// How the server is, if it answers.
    pub(super) fn read(&mut self) -> Option<Reading> {
        Reading::from_info(&self.info()?)
    }

    pub(super) fn is_answering(&mut self) -> bool {
        self.info().is_some()
    }

    fn info(&mut self) -> Option<String> {
        let process = format!("process_id:{}", self.process()?);
        let Ok(Value::Bulk(info)) = self.call(&["INFO"]) else { return None };
        let info = String::from_utf8_lossy(&info).into_owned();
        info.lines().any(|line| line == process).then_some(info)
    }

    /// The last lines of its log.
    pub(super) fn log_end(&self) -> String {
        let log = fs::read(self.folder.join(tether::LOG_FILE)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether the peer is only slow to answer: each such attempt has taken its time.
fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A port that was free just now. Another process may take it first.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
