//! Names of hosts, looked up on threads: the loop never waits for a resolver.
//!
//! A name that is being looked up is looked up once for all who wait for it. Nothing is kept of an answer, since names
//! move. A resolver that does not answer holds its threads, and then names wait; numbers never come here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use slipstream_sentinel::LineId;

use super::News;
use super::opening::{Numbers, words};
use crate::jobs::{Report, Reporter, spawn_or_report};
use crate::kernel::Claim;

/// Lookups at a time.
const MOST_THREADS: usize = 4;
/// Who waits for names, and names that somebody waited for.
const MOST_WAITING: usize = 4096;

/// Who waits for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// A line that is to be opened.
    Line(LineId),
    /// The machine, which wants to know what the name stands for.
    Machine,
}

/// A host and a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    host: String,
    source: Option<String>,
}

/// What became of a lookup.
#[derive(Debug)]
pub struct Answer {
    question: Question,
    numbers: Result<Numbers, String>,
}

/// Who waits for which name.
#[derive(Debug)]
pub(super) struct Names {
    reporter: Reporter,
    waiting: BTreeMap<Question, Vec<Waiter>>,
    /// What no thread has taken up yet.
    queue: VecDeque<Question>,
    threads: usize,
}

impl Names {
    pub(super) fn new(reporter: Reporter) -> Names {
        Names { reporter, waiting: BTreeMap::new(), queue: VecDeque::new(), threads: 0 }
    }

    /// Has names looked up for somebody; whether there is room for it.
    pub(super) fn ask(&mut self, waiter: Waiter, host: &str, source: Option<&str>) -> bool {
        let waiters: usize = self.waiting.values().map(Vec::len).sum();
        if waiters.max(self.waiting.len()) >= MOST_WAITING {
            return false;
        }
        let question = Question { host: host.to_owned(), source: source.map(str::to_owned) };
        self.waiting
            .entry(question)
            .or_insert_with_key(|question| {
                self.queue.push_back(question.clone());
                Vec::new()
            })
            .push(waiter);
        self.begin();
        true
    }

    /// A line waits no more.
    pub(super) fn forget(&mut self, line: LineId) {
        self.waiting.values_mut().for_each(|lines| lines.retain(|waiter| *waiter != Waiter::Line(line)));
        // What a thread works on stays, for whoever asks next.
        self.queue.retain(|question| {
            let is_wanted = self.waiting.get(question).is_some_and(|lines| !lines.is_empty());
            if !is_wanted {
                self.waiting.remove(question);
            }
            is_wanted
        });
    }

    /// A lookup has ended: of which host, for whom, and how.
    pub(super) fn answered(&mut self, answer: Answer) -> (String, Vec<Waiter>, Result<Numbers, String>) {
        self.threads -= 1;
        let waiters = self.waiting.remove(&answer.question).unwrap_or_default();
        self.begin();
        (answer.question.host, waiters, answer.numbers)
    }

    fn begin(&mut self) {
        while self.threads < MOST_THREADS
            && let Some(question) = self.queue.pop_front()
        {
            self.threads += 1;
            let asked = question.clone();
            let report = move |numbers| Report::Sentinel(News::Named(Answer { question: asked, numbers }));
            let failed = {
                let report = report.clone();
                move |reason| report(Err(reason))
            };
            let work = move |reporter: Reporter| reporter.report(report(question.look_up()));
            spawn_or_report(("sentinel-names", Claim::Full), self.reporter.clone(), failed, work);
        }
    }
}

impl Question {
    fn look_up(&self) -> Result<Numbers, String> {
        let explain = |name: &str, error: io::Error| format!("{name}: {}", words(&error));
        let targets = addresses(&self.host).map_err(|error| explain(&self.host, error))?;
        let sources = match &self.source {
            Some(source) => addresses(source).map_err(|error| explain(source, error))?,
            None => Vec::new(),
        };
        Ok(Numbers { targets, sources })
    }
}

/// What a name stands for, in the system's order.
fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<_> = (name, 0).to_socket_addrs()?.collect();
    addresses.dedup();
    Ok(addresses)
}
