//! A machine that runs a sentinel: its lines to whom it watches, and its state on the disk.
//!
//! As the server does it: one writer replaces the file, and what it has not begun to write gives way to what came later.

use std::collections::{BTreeMap, VecDeque};

use slipstream_engine::config::Config;
use slipstream_sentinel::config::ConfigLine;
use slipstream_sentinel::{Action, Event as Happened, Failure, LineId, Version};

use super::{Ears, Link, Process, REPAIR, address, machine, send_over};
use crate::environment::{Environment, Event, Inside};
use crate::host::SentinelAtStart;
use crate::network::{Side, WireId};
use crate::options::{Options, Watch};

/// The file with its state.
const VOTES: &str = "sentinel.state";

/// How long it takes to hand a text to the writer, in microseconds.
const HANDING: u64 = 50;

/// What a sentinel has outside of its machine.
#[derive(Debug, Default)]
pub(super) struct Watching {
    lines: BTreeMap<LineId, Line>,
    /// What is to be written; the first is being written.
    texts: VecDeque<(Version, Vec<u8>)>,
    is_writing: bool,
}

#[derive(Debug)]
enum Line {
    /// It was asked for, by this attempt.
    Asked(u64),
    /// It is there.
    Open(Option<Link>),
}

impl Process {
    /// A machine whose process is a sentinel that knows the first primary and nothing else.
    pub fn sentinel(index: usize, options: &Options, ears: &Ears, chance: fastrand::Rng) -> Process {
        let sync_time = options.watch.as_ref().map_or(0, |watch| watch.sync_time);
        let options = &Options { sync_time: sync_time / 10..=sync_time, ..options.clone() };
        let mut process = Process::new(index, options, ears, chance);
        let lines = options.watch.iter().flat_map(Watch::lines);
        let line = |(number, line): (usize, String)| {
            let parsed = ConfigLine::parse(number + 1, line.as_bytes()).expect("it is well-formed");
            parsed.expect("it is a sentinel's")
        };
        let mut lines: Vec<ConfigLine> = lines.enumerate().map(line).collect();
        let state_file = format!("sentinel state-file {VOTES}");
        lines.push(line((lines.len(), state_file)));
        let config = &mut process.config;
        *config = Config::for_sentinel();
        (config.save, config.latency_tracking, config.sentinel) = (Vec::new(), false, Some(lines));
        process
    }

    /// Whether its process is a sentinel.
    pub(crate) fn is_sentinel(&self) -> bool {
        self.config.sentinel.is_some()
    }

    pub(super) fn sentinel_at_start(&self, now: u64) -> SentinelAtStart {
        let announced = self.announced.clone();
        SentinelAtStart { machine: self.index, announced, state: self.disk.read(now, VOTES) }
    }

    /// Does what the sentinel wants done.
    pub(super) fn watch(&mut self, env: &mut Environment, action: Action) {
        match action {
            Action::Connect(line, to) => {
                let attempt = self.next_attempt();
                self.watching.lines.insert(line, Line::Asked(attempt));
                env.after_delay(Event::Knock { from: self.place(), attempt, to: machine(&to.host) });
            }
            Action::Send(line, bytes) => self.send_line(env, line, &bytes),
            Action::Close(line) => self.close_line(env, line),
            Action::Crash => {
                self.kill(env);
                env.after(REPAIR, Event::Start(self.index));
            }
            Action::LookUp(_) | Action::RunScript { .. } | Action::KillScript(_) => {
                unreachable!("no names and no scripts are configured")
            }
            Action::Store(_) | Action::Publish { .. } | Action::Log(..) => {
                unreachable!("the node does these itself")
            }
        }
    }

    pub(super) fn send_line(&mut self, env: &mut Environment, line: LineId, bytes: &[u8]) {
        if let Some(Line::Open(link)) = self.watching.lines.get_mut(&line) {
            send_over(link, env, bytes);
        }
    }

    fn close_line(&mut self, env: &mut Environment, line: LineId) {
        if let Some(Line::Open(Some(link))) = self.watching.lines.remove(&line) {
            env.network.close(link.wire, Side::Caller);
        }
    }

    /// The line whose connection this is.
    pub(super) fn line_at(&self, wire: WireId) -> Option<LineId> {
        let mut lines = self.watching.lines.iter();
        let is_it = |line: &Line| matches!(line, Line::Open(Some(link)) if link.wire == wire);
        lines.find(|(_, line)| is_it(line)).map(|(id, _)| *id)
    }

    fn line_asked_by(&self, attempt: u64) -> Option<LineId> {
        let mut lines = self.watching.lines.iter();
        lines.find(|(_, line)| matches!(line, Line::Asked(own) if *own == attempt)).map(|(id, _)| *id)
    }

    pub(super) fn line_connected(&mut self, env: &mut Environment, attempt: u64, wire: WireId) {
        let Some(line) = self.line_asked_by(attempt) else {
            return env.network.close(wire, Side::Caller);
        };
        self.watching.lines.insert(line, Line::Open(Some(Link::to(wire))));
        let Some(server) = env.network.place(wire, Side::Server) else { return };
        let (local, remote) = (address(self.index).to_string(), address(server.index()).to_string());
        self.happened(env, Happened::Connected { line, local, remote });
    }

    pub(super) fn line_refused(&mut self, env: &mut Environment, attempt: u64, is_answer: bool) {
        let Some(line) = self.line_asked_by(attempt) else { return };
        self.watching.lines.remove(&line);
        let late = || Failure::Other("Connection timed out".to_owned());
        let failure = if is_answer { Failure::Refused } else { late() };
        self.happened(env, Happened::Failed(line, failure));
    }

    pub(super) fn line_received(&mut self, env: &mut Environment, line: LineId, bytes: &[u8]) {
        self.happened(env, Happened::Received(line, bytes));
    }

    pub(super) fn line_ended(&mut self, env: &mut Environment, line: LineId) {
        self.close_line(env, line);
        self.happened(env, Happened::Failed(line, Failure::Closed));
    }

    fn happened(&mut self, env: &mut Environment, event: Happened<'_>) {
        self.turn(env, |node| node.sentinel_event(event));
    }

    pub(super) fn keep_votes(
        &mut self,
        env: &mut Environment,
        (version, path, content): (Version, String, Vec<u8>),
    ) {
        assert_eq!(path, VOTES, "the state goes where it is configured to go");
        self.announced.hear(env.now(), self.index, &format!("ordered {}", version.0));
        self.watching.texts.push_back((version, content));
        if !self.watching.is_writing {
            self.watching.is_writing = true;
            self.later(env, HANDING, Inside::KeepVotes);
        }
    }

    pub(super) fn write_votes(&mut self, env: &mut Environment) {
        let newest = self.watching.texts.pop_back();
        self.watching.texts.clear();
        let Some((version, content)) = newest else {
            self.watching.is_writing = false;
            return;
        };
        let (micros, result) = self.replace(env, VOTES, &format!("{VOTES}.tmp"), &content);
        self.later(env, micros, Inside::KeptVotes(version, result));
    }

    pub(super) fn kept_votes(&mut self, env: &mut Environment, version: Version, result: Result<(), String>) {
        if result.is_ok() {
            self.announced.hear(env.now(), self.index, &format!("stored {}", version.0));
        }
        self.later(env, 0, Inside::KeepVotes);
        self.happened(env, Happened::Stored(version, result));
    }
}
