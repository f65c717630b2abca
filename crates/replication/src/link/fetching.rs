//! The primary's values of single keys, asked for before PSYNC.
//!
//! A node that wrote behind the fork goes back there without a snapshot, with the primary's values of the keys that
//! it wrote. Each portion is a transaction: its values and the offset that INFO tells in it are of one moment.
//!
//! ```text
//! MULTI                                     +OK
//! INFO replication                          +QUEUED
//! SELECT 0 | DUMP key | PEXPIRETIME key     +QUEUED each
//! EXEC                                      *<number>, then what INFO, SELECT, DUMP and PEXPIRETIME answer
//! ```
//! Each request has exactly one reply, whatever the primary makes of it: PSYNC can follow the last. A primary that
//! refuses one, or does not know PEXPIRETIME (Redis before 7), gives nothing, and that is no failure. Nor does a
//! replica of another project: it hides keys that are due and are in its log still.

use std::collections::VecDeque;

use slipstream_log::ReplicationId;

use super::action::{Action, Content, Fetched, Key, Position, Violation};
use super::replies::{Reply, ReplyReader};
use super::upstream::{Data, Upstream};
use crate::{Moment, wire};

/// The most that a primary may send in all, in bytes: what one would rather keep of the log than send a snapshot.
const LIMIT: usize = 64 << 20;

/// What a portion that is not the answer of this moment begins with, behind its `-`. It is asked for again later.
const PASSING: [&str; 4] = ["LOADING", "MASTERDOWN", "BUSY", "NOMASTERLINK"];

/// What is asked for, and what has come.
#[derive(Debug)]
pub(super) struct Fetching {
    resume: Position,
    fork: Position,
    id: ReplicationId,
    /// Whether the primary shows what is due, as nodes of this project do to each other.
    shows_due: bool,
    portions: VecDeque<Vec<Key>>,
    fetched: Vec<Fetched>,
    answer: Answer,
    left: usize,
    since: Moment,
}

/// The values, for when the primary continues the stream.
#[derive(Debug)]
pub(super) struct Restoration {
    /// The history that they are from.
    pub(super) id: ReplicationId,
    pub(super) fetched: Vec<Fetched>,
}

/// The replies to one portion.
#[derive(Debug)]
struct Answer {
    reader: ReplyReader,
    /// How many replies come before that of EXEC.
    queued: usize,
    /// Members of EXEC's reply that are still to come, once its head is there.
    members: Option<usize>,
    values: VecDeque<Reply>,
    refusal: Option<String>,
}

/// How a portion ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its values are here; the next is to be asked for.
    More,
    /// All values are here.
    All,
    /// The primary does not give them now.
    NotNow(String),
    /// It does not give them.
    Refused(String),
}

impl Fetching {
    pub(super) fn new(
        now: Moment,
        (resume, fork): (Position, Position),
        (id, shows_due): (ReplicationId, bool),
        portions: Vec<Vec<Key>>,
    ) -> Fetching {
        let portions = VecDeque::from(portions);
        let answer = Answer::to(&portions, LIMIT);
        Fetching {
            resume,
            fork,
            id,
            shows_due,
            portions,
            fetched: Vec::new(),
            answer,
            left: LIMIT,
            since: now,
        }
    }

    /// When it was begun.
    pub(super) fn since(&self) -> Moment {
        self.since
    }

    /// Where the node stands.
    pub(super) fn resume(&self) -> Position {
        self.resume
    }

    pub(super) fn notice(&self) -> Action<'static> {
        let keys: usize = self.portions.iter().map(Vec::len).sum();
        Action::notice(format!("Asking master for its values of {keys} keys, to continue at the fork"))
    }

    /// The requests of the next portion.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut bytes = wire::request(&[b"MULTI"]);
        wire::push_request(&mut bytes, &[b"INFO", b"replication"]);
        for step in steps(self.portion()) {
            match step {
                Step::Select(db) => wire::push_request(&mut bytes, &[b"SELECT", db.to_string().as_bytes()]),
                Step::Key(key) => {
                    wire::push_request(&mut bytes, &[b"DUMP", &key.name]);
                    wire::push_request(&mut bytes, &[b"PEXPIRETIME", &key.name]);
                }
            }
        }
        wire::push_request(&mut bytes, &[b"EXEC"]);
        bytes
    }

    fn portion(&self) -> &[Key] {
        self.portions.front().map_or(&[], Vec::as_slice)
    }

    /// Takes input up to the end of a portion. Gives how that ended, once it has, and the rest.
    pub(super) fn push<'a>(&mut self, mut input: &'a [u8]) -> Result<(Option<End>, &'a [u8]), Violation> {
        while !input.is_empty() {
            let before = input.len();
            let (reply, rest) = self.answer.reader.push(input)?;
            input = rest;
            self.left = self.left.checked_sub(before - rest.len()).ok_or(Violation::ReplyTooLong)?;
            if let Some(reply) = reply
                && self.answer.take(reply)
            {
                return Ok((Some(self.end_portion()), input));
            }
        }
        Ok((None, input))
    }

    fn end_portion(&mut self) -> End {
        let answer = std::mem::replace(&mut self.answer, Answer::to(&VecDeque::new(), 0));
        if let Some(refusal) = answer.refusal {
            let passes =
                PASSING.iter().any(|word| refusal.strip_prefix('-').is_some_and(|r| r.starts_with(word)));
            return if passes { End::NotNow(refusal) } else { End::Refused(refusal) };
        }
        let portion = self.portions.pop_front().expect("one is being answered");
        match self.read(portion, answer.values) {
            Ok(fetched) => self.fetched.push(fetched),
            Err(end) => return end,
        }
        self.answer = Answer::to(&self.portions, self.left);
        if self.portions.is_empty() { End::All } else { End::More }
    }

    /// Reads EXEC's members.
    fn read(&self, portion: Vec<Key>, mut members: VecDeque<Reply>) -> Result<Fetched, End> {
        let odd = || End::Refused("its answer is not what was asked for".to_owned());
        let upstream = match members.pop_front() {
            Some(Reply::Text(text)) => Upstream::parse(&text),
            _ => None,
        };
        let upstream = upstream.ok_or_else(odd)?;
        let at = upstream.end.ok_or_else(odd)?;
        match upstream.standing {
            _ if upstream.id != self.id => return Err(End::NotNow("its history is another".to_owned())),
            Data::Doubtful => return Err(End::NotNow("it has no link to its own primary".to_owned())),
            Data::Copied if !self.shows_due => return Err(End::Refused("it is a replica itself".to_owned())),
            Data::Own | Data::Copied => {}
        }
        let mut contents = Vec::with_capacity(portion.len());
        for step in steps(&portion) {
            match step {
                Step::Select(_) => drop(members.pop_front().ok_or_else(odd)?),
                Step::Key(_) => {
                    let (dumped, deadline) = (members.pop_front(), members.pop_front());
                    contents.push(content(dumped, deadline).ok_or_else(odd)?);
                }
            }
        }
        if !members.is_empty() {
            return Err(odd());
        }
        Ok(Fetched { at, values: portion.into_iter().zip(contents).collect() })
    }

    /// Everything that has come, and the fork.
    pub(super) fn into_restoration(self) -> (Position, Restoration) {
        (self.fork, Restoration { id: self.id, fetched: self.fetched })
    }
}

impl Answer {
    fn to(portions: &VecDeque<Vec<Key>>, limit: usize) -> Answer {
        let requests = |step: Step<'_>| if matches!(step, Step::Key(_)) { 2 } else { 1 };
        let asked: usize = steps(portions.front().map_or(&[], Vec::as_slice)).map(requests).sum();
        Answer {
            reader: ReplyReader::new(limit),
            queued: 2 + asked,
            members: None,
            values: VecDeque::new(),
            refusal: None,
        }
    }

    /// Takes one reply; whether it was the last.
    fn take(&mut self, reply: Reply) -> bool {
        if let Reply::Line(line) = &reply
            && line.starts_with('-')
        {
            self.refusal.get_or_insert_with(|| line.clone());
        }
        match &mut self.members {
            None if self.queued > 0 => self.queued -= 1,
            None => {
                let head = match &reply {
                    Reply::Line(line) => line.strip_prefix('*').and_then(|number| number.parse().ok()),
                    Reply::Text(_) => None,
                };
                if head.is_none() {
                    self.refusal.get_or_insert_with(|| "EXEC was not answered".to_owned());
                }
                self.members = Some(head.unwrap_or(0));
            }
            Some(left) => {
                *left -= 1;
                self.values.push_back(reply);
            }
        }
        self.members == Some(0)
    }
}

/// What is asked for a portion, in this order.
enum Step<'a> {
    Select(usize),
    Key(&'a Key),
}

/// The databases change as rarely as the order of the keys allows.
fn steps(portion: &[Key]) -> impl Iterator<Item = Step<'_>> {
    let mut selected = None;
    portion.iter().flat_map(move |key| {
        let changes = selected.replace(key.db) != Some(key.db);
        [changes.then_some(Step::Select(key.db)), Some(Step::Key(key))].into_iter().flatten()
    })
}

/// What is at a key; `None` if that is no answer.
fn content(dumped: Option<Reply>, deadline: Option<Reply>) -> Option<Option<Content>> {
    let Some(Reply::Line(deadline)) = deadline else { return None };
    let deadline: i64 = deadline.strip_prefix(':')?.parse().ok()?;
    match dumped? {
        Reply::Text(payload) => {
            let deadline_ms = Some(deadline).filter(|deadline| *deadline >= 0);
            Some(Some(Content { payload, deadline_ms }))
        }
        Reply::Line(line) => (line == "$-1" || line == "_").then_some(None),
    }
}
