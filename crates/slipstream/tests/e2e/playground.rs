//! `slipstream playground`: its story comes true, and whatever ends it leaves no process and no file behind.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use crate::client::Client;
use crate::peer::Kind::Ours;
use crate::server::new_folder;
use crate::wait::wait_until;

/// A playground without a terminal, whose temporary files go to a folder of the test's.
struct Playground {
    child: Child,
    folder: PathBuf,
    output: Lines<BufReader<ChildStdout>>,
    nodes: Vec<Node>,
}

/// What a line of the output says: `node-1 starts at 127.0.0.1:PORT, process NUMBER.`
struct Node {
    port: u16,
    process: String,
}

impl Playground {
    fn start(arguments: &[&str]) -> Self {
        let folder = new_folder(Ours);
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipstream"))
            .arg("playground")
            .args(arguments)
            .env("TMPDIR", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("our binary is built");
        let output = BufReader::new(child.stdout.take().expect("the output is piped")).lines();
        Self { child, folder, output, nodes: Vec::new() }
    }

    /// Reads up to the first line that holds `text`, or to the end.
    #[track_caller]
    fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        for line in self.output.by_ref() {
            let line = line.expect("the output is text");
            self.nodes.extend(node(&line));
            read += &format!("{line}\n");
            if line.contains(text) {
                break;
            }
        }
        assert!(read.contains(text), "{read}");
        read
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is part of every system").success());
    }

    /// Waits until it has ended, and until its nodes and its files are gone.
    #[track_caller]
    fn leaves_nothing(mut self) -> ExitStatus {
        let status = self.child.wait().expect("the process is our child");
        wait_until("all nodes have ended", || !self.nodes.iter().any(is_alive));
        wait_until("its files are gone", || {
            fs::read_dir(&self.folder).expect("the folder is ours").next().is_none()
        });
        status
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        // It goes on only where the test failed; its nodes follow it.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

fn node(line: &str) -> Option<Node> {
    let (_, rest) = line.split_once(" starts at 127.0.0.1:")?;
    let (port, process) = rest.split_once(", process ")?;
    Some(Node { port: port.parse().ok()?, process: process.trim_end_matches('.').to_owned() })
}

/// Another test's server may have taken the port since.
fn is_alive(node: &Node) -> bool {
    let Ok(mut client) = Client::try_connect(node.port) else { return false };
    client.info("server", "process_id") == Some(node.process.clone())
}

#[test]
fn the_story_ends_with_equal_copies() {
    let mut playground = Playground::start(&["--seconds", "8"]);
    let output = playground.read_until("All copies are equal");
    assert_eq!(output.matches("by partial resync").count(), 2, "{output}");
    assert!(!output.contains('\x1b'), "no terminal, no colours: {output}");
    assert_eq!(playground.nodes.len(), 8, "three servers, two of them twice, and three sentinels: {output}");
    let (_, planned) = output.split_once("A switchover is asked for").expect("it is told");
    let (planned, killed) = planned.split_once("5. The primary is killed").expect("it comes next");
    assert!(planned.contains(" acknowledged writes 0 were lost."), "{output}");
    assert!(killed.contains(" s no write was accepted. Of "), "{output}");
    assert!(killed.contains("primary by the sentinels' word: node-"), "{output}");
    assert!(killed.contains("(3 of 3)"), "{output}");
    assert_eq!(playground.leaves_nothing().code(), Some(0), "{output}");
}

#[test]
fn copies_that_differ_are_named_and_end_in_status_1() {
    let mut playground = Playground::start(&["--seconds", "12"]);
    // The primary will be killed and come back empty: one of the replicas takes its place, with what it has.
    playground.read_until("by the word of all three, ");
    for server in &playground.nodes[..3] {
        let mut client = Client::connect(server.port);
        if client.info("replication", "role").as_deref() == Some("master") {
            continue;
        }
        client.call::<()>("CONFIG SET replica-read-only no");
        client.call::<()>(&format!("SET stray {}", server.port));
    }
    let output = playground.read_until("stray has another value");
    assert!(output.contains("The copies are NOT equal"), "{output}");
    assert_eq!(playground.leaves_nothing().code(), Some(1));
}

#[test]
fn a_signal_ends_the_playground_and_all_it_started() {
    let mut playground = Playground::start(&["--seconds", "8"]);
    playground.read_until("have found the rest");
    let alive: Vec<&Node> = playground.nodes.iter().filter(|&node| is_alive(node)).collect();
    assert_eq!(alive.len(), 6, "three servers and three sentinels");
    playground.signal("TERM");
    assert_eq!(playground.leaves_nothing().code(), Some(128 + 15));
}

#[test]
fn a_killed_playground_takes_its_nodes_along() {
    let mut playground = Playground::start(&["--seconds", "8"]);
    playground.read_until("have found the rest");
    playground.signal("KILL");
    assert_eq!(playground.leaves_nothing().code(), None);
}
