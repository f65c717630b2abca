//! The conform files against our engine alone: it answers in whole replies, its copy stays equal, each command is there.
//!
//! What the answers must be is asked from a real Redis elsewhere: `cargo xtask conform` and the end-to-end test of the
//! same name play these files to one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "the scripts of single commands use more of it")]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use slipstream_conform::Reply;
use slipstream_conform::script::{Case, Kept, Step, parse};
use slipstream_engine::session::SessionId;
use slipstream_engine::table::{CommandTable, Mode};
use slipstream_resp::{Protocol, encode_request};

use script::Script;

/// Commands that no file can send, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("client|capa", "ours and Valkey's alone"),
    ("client|durability", "ours alone"),
    ("client|maxlag", "ours alone"),
    ("client|offset", "ours alone"),
    ("replica|help", "ours alone"),
    ("replica|detach", "ours alone"),
    ("replica|lease", "ours alone"),
    ("replica|verify", "ours alone"),
    ("waitoffset", "ours alone"),
];

/// The files by their names.
fn files() -> Vec<(String, Vec<Case>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conform");
    let mut files: Vec<(String, Vec<Case>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let cases = parse(&fs::read_to_string(&path).unwrap());
            let cases = cases.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, cases)
        })
        .collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}

#[test]
fn every_request_is_answered_in_whole_replies_and_the_copy_follows() {
    for (name, cases) in files() {
        for case in &cases {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                Player::new(protocol).play(&name, case);
            }
        }
    }
}

#[test]
fn every_command_is_in_some_file() {
    let table = CommandTable::new(Mode::Server, &[]).unwrap();
    let files = files();
    let steps = files.iter().flat_map(|(_, cases)| cases).flat_map(|case| &case.steps);
    let sent: BTreeSet<String> = steps.flat_map(names).collect();
    let left_out: BTreeMap<&str, &str> = LEFT_OUT.iter().copied().collect();
    let rows = table.entries().iter().map(|entry| entry.command).filter(|command| command.run.is_some());
    let names: BTreeSet<&str> = rows.map(|command| command.full_name).collect();
    let missing: Vec<&&str> =
        names.iter().filter(|name| !sent.contains(**name) && !left_out.contains_key(**name)).collect();
    assert!(missing.is_empty(), "no conform file has {missing:?}");
    for name in left_out.keys() {
        assert!(names.contains(name) && !sent.contains(*name), "{name} is not left out");
    }
}

/// The row's name, as of a command and as of a subcommand.
fn names(step: &Step) -> Vec<String> {
    let words = step.words(&Kept::new());
    let words: Vec<String> =
        words.iter().take(2).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    match words.as_slice() {
        [] => Vec::new(),
        [name] => vec![name.clone()],
        [name, subcommand, ..] => vec![name.clone(), format!("{name}|{subcommand}")],
    }
}

/// A node, its copy and the clients of a case.
struct Player {
    script: Script,
    protocol: Protocol,
    clients: BTreeMap<usize, SessionId>,
    kept: Kept,
}

impl Player {
    fn new(protocol: Protocol) -> Self {
        Self { script: Script::with_debug(), protocol, clients: BTreeMap::new(), kept: Kept::new() }
    }

    #[track_caller]
    fn play(&mut self, file: &str, case: &Case) {
        for step in &case.steps {
            let replies = self.step(step);
            let Some(replies) = replies else {
                panic!("{file}, line {}: {}: a broken reply", step.line, step.text)
            };
            if let (Some(name), Some(reply)) = (&step.keep, replies.last()) {
                self.kept.insert(name.clone(), reply.bytes().to_vec());
            }
            // Applies it to the copy, and compares.
            self.script.propagated();
        }
    }

    /// What the client was sent; `None` if that is not made of whole replies.
    fn step(&mut self, step: &Step) -> Option<Vec<Reply>> {
        let client = self.client(step.client);
        let words = step.words(&self.kept);
        let node = &mut self.script.node;
        if !words.is_empty() {
            let mut bytes = Vec::new();
            encode_request(&mut bytes, words.iter().map(Vec::as_slice));
            node.receive(client, &bytes);
        }
        let Some(session) = node.core.sessions.get_mut(client) else { return Some(Vec::new()) };
        let sent = session.sendable().to_vec();
        session.output.consume(sent.len());
        let mut rest = sent.as_slice();
        let mut replies = Vec::new();
        while !rest.is_empty() {
            replies.push(Reply::read(&mut rest).ok()?);
        }
        Some(replies)
    }

    fn client(&mut self, number: usize) -> SessionId {
        let sessions = &mut self.script.node.core.sessions;
        if let Some(id) = self.clients.get(&number).copied().filter(|id| sessions.get_mut(*id).is_some()) {
            return id;
        }
        let id = self.script.connect();
        let session = self.script.node.core.sessions.get_mut(id).unwrap();
        session.output.set_protocol(self.protocol);
        self.kept.insert(format!("id{number}"), id.0.to_string().into_bytes());
        self.clients.insert(number, id);
        id
    }
}
