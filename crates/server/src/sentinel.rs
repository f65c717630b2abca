//! A sentinel's part of the shell: connections to whom it watches, names, its state on disk, scripts.
//!
//! Carries out what the machine wants done and keeps what happened until the loop takes it, so that the machine is
//! never told of one action before all that came with it are carried out. Decides nothing. Threads begin with the
//! first need for them: a node that is no sentinel has none of this.

mod lines;
mod names;
mod opening;
mod scripts;
mod store;

use std::collections::VecDeque;

use mio::Registry;
use slipstream_engine::config::Config;
use slipstream_sentinel::{Action, Event, LineId, ScriptEnd, Version};

pub(crate) use self::lines::Heard;
use self::lines::Lines;
use self::names::Answer;
use self::opening::Route;
use self::scripts::Scripts;
use self::store::Store;
pub(crate) use self::store::check_writable;
use crate::jobs::{Reporter, full_path};
use crate::net::Ready;

/// The status of a process that ends as SENTINEL SIMULATE-FAILURE wants it.
const CRASHED: i32 = 99;

/// What another thread tells.
#[derive(Debug)]
pub enum News {
    /// A name is looked up.
    Named(Answer),
    /// The state is on disk up to this version, or why not.
    Stored(Version, Result<(), String>),
    /// A script runs, as this process.
    ScriptStarted(u64, u32),
    /// A script ended.
    ScriptEnded(u64, ScriptEnd),
}

/// All that a sentinel has outside of its machine.
#[derive(Debug)]
pub(crate) struct SentinelShell {
    lines: Lines,
    store: Store,
    scripts: Scripts,
    /// What happened and was not told yet.
    told: VecDeque<Event<'static>>,
}

impl SentinelShell {
    /// Nothing yet; threads report to `reporter`, sockets are watched by `registry`.
    pub(crate) fn new(reporter: Reporter, registry: Registry) -> SentinelShell {
        SentinelShell {
            lines: Lines::new(reporter.clone(), registry),
            store: Store::new(reporter.clone()),
            scripts: Scripts::new(reporter),
            told: VecDeque::new(),
        }
    }

    /// Does what the machine wants done.
    pub(crate) fn perform(&mut self, action: Action, config: &Config) {
        match action {
            Action::Connect(line, address) => {
                let route = Route {
                    host: address.host,
                    port: address.port,
                    source: config.bind_source_addr.clone(),
                    keepalive: config.tcp_keepalive,
                };
                self.told.extend(self.lines.connect(line, route));
            }
            Action::LookUp(host) => self.told.extend(self.lines.look_up(host)),
            Action::Send(line, bytes) => self.told.extend(self.lines.send(line, &bytes)),
            Action::Close(line) => self.close(line),
            Action::RunScript { number, path, arguments } => {
                self.told.extend(self.scripts.run(number, path, arguments));
            }
            Action::KillScript(number) => self.scripts.kill(number),
            Action::Crash => std::process::exit(CRASHED),
            Action::Store(_) | Action::Publish { .. } | Action::Log(..) => {
                unreachable!("the node does these itself")
            }
        }
    }

    /// Replaces the file that holds the state.
    pub(crate) fn keep(&mut self, version: Version, path: &str, content: Vec<u8>) {
        self.store.replace(version, full_path(path), content);
    }

    /// Takes what another thread tells.
    pub(crate) fn take_news(&mut self, news: News) {
        match news {
            News::Named(answer) => self.told.extend(self.lines.named(answer)),
            News::Stored(version, result) => self.told.push_back(Event::Stored(version, result)),
            News::ScriptStarted(number, process) => {
                self.told.push_back(Event::ScriptStarted(number, process));
            }
            News::ScriptEnded(number, end) => {
                self.scripts.forget(number);
                self.told.push_back(Event::ScriptEnded(number, end));
            }
        }
    }

    /// A line's socket is ready: whether its connection came or broke by that is told next. Whether it is to be read.
    pub(crate) fn ready(&mut self, line: LineId, ready: &Ready) -> bool {
        self.told.extend(self.lines.ready(line, ready));
        ready.readable
    }

    /// Reads what a line brought.
    pub(crate) fn read(&mut self, line: LineId, buffer: &mut [u8]) -> Heard {
        let heard = self.lines.read(line, buffer);
        if let Heard::Failed(failure) = heard {
            self.told.push_back(Event::Failed(line, failure));
            return Heard::Nothing;
        }
        heard
    }

    /// What happened next.
    pub(crate) fn next(&mut self) -> Option<Event<'static>> {
        self.told.pop_front()
    }

    /// The process ends: waits until the state is on disk.
    pub(crate) fn finish(self) {
        self.store.finish();
    }

    /// The machine hears no more of a line.
    fn close(&mut self, line: LineId) {
        self.lines.close(line);
        self.told.retain(|event| match event {
            Event::Connected { line: told, .. } | Event::Failed(told, _) => *told != line,
            _ => true,
        });
    }
}
