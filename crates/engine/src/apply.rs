//! A primary's stream, applied: step 12 of a write's way.
//!
//! Whole commands are executed without gates and without a reply, and the same
//! bytes are appended to this node's own log, so that both logs are equal at
//! each offset. A transaction is applied when its EXEC is there, and counts
//! then. A command that is unknown or fails stops replication: going on would
//! make the copy differ in silence. What needs a stale key is left
//! out: `replication/restoring.rs`. A line that ends the history in place of a
//! command is none of its bytes.

use std::ops::Range;

use slipstream_keyspace::Keyspace;
use slipstream_log::Log;
use slipstream_replication::wire;
use slipstream_resp::{Args, Limits, OwnedRequest, Progress, Reply, RequestDecoder};

use crate::command::flag;
use crate::dispatch::Machine;
use crate::host::Effect;
use crate::look_ahead::{Received, Use};
use crate::node::Core;
use crate::pubsub::Kind;
use crate::session::{Endpoint, Role, Session, SessionId};
use crate::table::Entry;

/// What a primary may send: a value may be as long as its own limits allow.
const LIMITS: Limits = Limits { max_bulk: 4 << 30, max_args: 1 << 30, authenticated: true };

/// While CLIENT PAUSE holds the stream back, the link is read until so many bytes wait.
const MAX_HELD: usize = 1 << 20;

/// The part of the stream that has come and is not applied.
#[derive(Debug, Default)]
pub struct Stream {
    rest: Vec<u8>,
    decoder: RequestDecoder,
    /// An open MULTI: its bytes and commands so far.
    group: Option<Group>,
    /// The database that the stream has selected.
    db: usize,
    /// Whether CLIENT PAUSE holds back what comes next.
    is_held: bool,
    /// The name of the last command, for CLIENT LIST.
    last_command: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    /// The commands; a message to subscribers has no row.
    requests: Vec<(OwnedRequest, Option<Entry>)>,
}

/// Why no more is applied for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// What comes next is not here yet, or not to be applied yet.
    Incomplete,
    /// The history ends here, and the primary is to be asked how it goes on.
    HistoryChanged,
}

/// Why the stream cannot go on.
pub(crate) struct Refusal {
    /// The command that cannot be applied; `None` if it is none.
    pub(crate) command: Option<String>,
    pub(crate) reason: String,
    /// Where it begins in what was to be applied.
    pub(crate) position: usize,
    /// Whether a part of a transaction has been applied: the data is that of no offset.
    torn: bool,
}

impl Refusal {
    /// `args` cannot be applied.
    fn of(args: Args<'_>, reason: &str) -> Refusal {
        let command = Some(String::from_utf8_lossy(&args[0]).into_owned());
        Refusal { command, reason: reason.to_owned(), position: 0, torn: false }
    }
}

impl Stream {
    /// A stream that begins with database `db` selected.
    pub fn starting_in(db: usize) -> Stream {
        Stream { db, ..Stream::default() }
    }

    /// The database that is selected at the end of what is applied.
    pub fn database(&self) -> usize {
        self.db
    }

    /// The last command that was applied.
    pub(crate) fn last_command(&self) -> &'static str {
        self.last_command.unwrap_or("NULL")
    }

    /// Bytes that are no whole command yet.
    pub(crate) fn waiting(&self) -> usize {
        self.rest.len()
    }

    /// Whether more is held back than this node keeps.
    fn is_full(&self) -> bool {
        self.is_held && self.rest.len() >= MAX_HELD
    }

    /// Forgets what is not applied: it is asked for again.
    pub fn forget_rest(&mut self) {
        *self = Stream::starting_in(self.db);
    }
}

impl Core {
    /// Takes in the next bytes of the stream.
    pub(crate) fn apply(&mut self, keyspace: &mut Keyspace, bytes: &[u8]) {
        if self.replication.stream.is_held {
            self.replication.stream.rest.extend_from_slice(bytes);
        } else {
            self.apply_next(keyspace, bytes);
        }
        if self.replication.stream.is_full() {
            self.effects.push(Effect::LinkPause);
        }
    }

    /// Goes on with what CLIENT PAUSE held back, if it is over.
    pub(crate) fn apply_held(&mut self, keyspace: &mut Keyspace) {
        let stream = &mut self.replication.stream;
        if !stream.is_held {
            return;
        }
        let was_full = stream.is_full();
        if self.pause.until().is_some() {
            if was_full {
                // The link is not read: its silence is ours.
                self.replication.link.on_load_progress(self.clock.moment());
            }
            return;
        }
        stream.is_held = false;
        if was_full {
            self.effects.push(Effect::LinkResume);
        }
        self.apply_next(keyspace, &[]);
    }

    fn apply_next(&mut self, keyspace: &mut Keyspace, bytes: &[u8]) {
        let mut stream = std::mem::take(&mut self.replication.stream);
        let outcome = if stream.rest.is_empty() {
            self.apply_commands(keyspace, &mut stream, bytes, usize::MAX).map(|(applied, stop)| {
                stream.rest.extend_from_slice(&bytes[applied..]);
                stop
            })
        } else {
            let mut rest = std::mem::take(&mut stream.rest);
            rest.extend_from_slice(bytes);
            self.apply_commands(keyspace, &mut stream, &rest, usize::MAX).map(|(applied, stop)| {
                rest.drain(..applied);
                stream.rest = rest;
                stop
            })
        };
        self.replication.stream = stream;
        self.replication.link.on_applied(self.log.end());
        match outcome {
            Ok(Stop::Incomplete) => self.settle_restoring(keyspace),
            Ok(Stop::HistoryChanged) => {
                self.settle_restoring(keyspace);
                self.ask_again(keyspace);
            }
            Err(refusal) => self.halt_link(keyspace, refusal),
        }
    }

    /// Whether CLIENT PAUSE holds back a command of the stream. A transaction is taken for one that writes.
    #[cold]
    fn is_paused(&self, stream: &Stream, args: Args<'_>) -> bool {
        let flags = match self.table.resolve(args) {
            _ if self.is_replaying() => return false,
            _ if stream.group.is_some() || args.is_empty() || message(args).is_some() => flag::WRITE,
            Ok(entry) if entry.command.name == "multi" => flag::WRITE,
            Ok(entry) => entry.command.flags,
            Err(_) => 0,
        };
        self.pause.holds_stream(flags)
    }

    fn halt_link(&mut self, keyspace: &mut Keyspace, Refusal { command, reason, torn, .. }: Refusal) {
        let offset = self.log.end();
        let reason = match command {
            Some(name) => {
                format!("cannot apply '{name}' from the primary's stream at offset {offset}: {reason}")
            }
            None => format!("the stream is broken at offset {offset}: {reason}"),
        };
        self.stats.unexpected_error_replies += 1;
        let mut actions = Vec::new();
        self.replication.link.halt(self.clock.moment(), reason, &mut actions);
        self.perform_link(keyspace, actions);
        if torn {
            // Nobody may continue from here, neither this node nor one that follows it.
            self.forget_position();
        }
    }

    /// Whether what stands in the place of the next command ends the history: the whole line, or its beginning.
    fn end_of_history(&self, stream: &Stream, bytes: &[u8]) -> Option<Progress> {
        let line = wire::HISTORY_CHANGED;
        let begins = bytes.first() == line.first() && line.starts_with(&bytes[..bytes.len().min(line.len())]);
        if !begins || stream.group.is_some() || !self.replication.link.may_be_told() {
            return None;
        }
        let is_whole = bytes.len() >= line.len();
        Some(if is_whole { Progress::Complete { consumed: line.len() } } else { Progress::Incomplete })
    }

    /// Applies the whole commands at the beginning of `bytes` until they are `most` bytes; returns how many bytes
    /// they took, and why it ended.
    pub(crate) fn apply_commands(
        &mut self,
        keyspace: &mut Keyspace,
        stream: &mut Stream,
        bytes: &[u8],
        most: usize,
    ) -> Result<(usize, Stop), Refusal> {
        let databases = keyspace.databases();
        if stream.db >= databases {
            let reason = format!("it goes on in database {}, and there are {databases} here", stream.db);
            return Err(Refusal { command: None, reason, position: 0, torn: false });
        }
        let mut decoder = std::mem::take(&mut stream.decoder);
        let mut decoded = self.begin_look_ahead();
        let mut session = primary_session(stream.db, self);
        let mut reply = Reply::default();
        let (mut position, mut noticed) = (0, 0);
        let mut unlogged = Unlogged::new(bytes, self.is_replaying() && !self.is_restoring());
        let outcome = loop {
            match self.end_of_history(stream, &bytes[position..]) {
                None => {}
                Some(Progress::Incomplete) => break Ok((position, Stop::Incomplete)),
                Some(Progress::Complete { consumed }) => {
                    break Ok((position + consumed, Stop::HistoryChanged));
                }
            }
            let (args, length) = if let Some(known) = decoded.next_at(position, bytes) {
                known
            } else {
                let length = match decoder.decode(&bytes[position..], &LIMITS) {
                    Ok(Progress::Incomplete) => break Ok((position, Stop::Incomplete)),
                    Ok(Progress::Complete { consumed }) => consumed,
                    Err(error) => {
                        let reason = error.to_string();
                        break Err(Refusal { command: None, reason, position, torn: false });
                    }
                };
                let first = (decoder.args(&bytes[position..]), length);
                if position >= noticed {
                    let received = Received { bytes, from: position, first, limits: &LIMITS };
                    noticed = self.look_ahead((keyspace.db(session.db), Use::Write), &received, &mut decoded);
                }
                first
            };
            if self.pause.until().is_some() && self.is_paused(stream, args) {
                stream.is_held = true;
                break Ok((position, Stop::Incomplete));
            }
            let raw = position..position + length;
            let mut machine = Machine { keyspace, core: self, session: &mut session, reply: &mut reply };
            if let Err(refusal) = machine.apply_one(&mut stream.group, args, raw, &mut unlogged) {
                break Err(Refusal { position, ..refusal });
            }
            stream.last_command = Some(session.last_command);
            position += length;
            if session.db != stream.db {
                stream.db = session.db;
                unlogged.append(&mut self.log);
                self.propagation.note_selected(self.log.end(), session.db);
            }
            if position >= most || self.is_restoring() && !self.install_due(keyspace) {
                break Ok((position, Stop::Incomplete));
            }
        };
        unlogged.append(&mut self.log);
        self.decoded = decoded;
        stream.db = session.db;
        stream.decoder = decoder;
        outcome
    }
}

/// What is applied and not in the log yet. Bytes of a file are appended many commands at a time: nobody sees the log
/// in between. Those of a primary's stream are appended by the command, since what comes next may ask where the log
/// ends.
struct Unlogged<'a> {
    bytes: &'a [u8],
    range: Range<usize>,
    gathers: bool,
}

impl<'a> Unlogged<'a> {
    fn new(bytes: &'a [u8], gathers: bool) -> Unlogged<'a> {
        Unlogged { bytes, range: 0..0, gathers }
    }

    /// The commands in `range` are applied.
    fn push(&mut self, range: Range<usize>, log: &mut Log) {
        if range.start != self.range.end {
            self.append(log);
            self.range = range;
        } else {
            self.range.end = range.end;
        }
        if !self.gathers {
            self.append(log);
        }
    }

    /// Puts into the log what is not there.
    fn append(&mut self, log: &mut Log) {
        log.append(&self.bytes[self.range.clone()]);
        self.range.start = self.range.end;
    }
}

fn primary_session(db: usize, core: &Core) -> Session {
    let mut session = Session::new(SessionId(0), Endpoint::Internal, Endpoint::Internal, core.clock.moment());
    session.role = Role::Primary;
    session.authenticated = true;
    session.user = None;
    session.db = db;
    session
}

/// Where a message to subscribers goes, if a request is one. It changes no data, counts in the offset, and is told
/// whatever `rename-command` made of PUBLISH here. Sentinels publish on every primary that they watch.
fn message(args: Args<'_>) -> Option<Kind> {
    match &args[0] {
        _ if args.len() != 3 => None,
        name if name.eq_ignore_ascii_case(b"PUBLISH") => Some(Kind::Channel),
        name if name.eq_ignore_ascii_case(b"SPUBLISH") => Some(Kind::Shard),
        _ => None,
    }
}

impl Machine<'_> {
    /// Applies the command that lies in `range` of what is to be applied.
    fn apply_one(
        &mut self,
        group: &mut Option<Group>,
        args: Args<'_>,
        range: Range<usize>,
        unlogged: &mut Unlogged<'_>,
    ) -> Result<(), Refusal> {
        let raw = &unlogged.bytes[range.clone()];
        if args.is_empty() {
            unlogged.push(range, &mut self.core.log);
            return Ok(());
        }
        if message(args).is_some() {
            match group {
                Some(open) => {
                    open.bytes.extend_from_slice(raw);
                    open.requests.push((OwnedRequest::new(args), None));
                }
                None => {
                    self.tell(args);
                    unlogged.push(range, &mut self.core.log);
                }
            }
            return Ok(());
        }
        let entry = self.known(args)?;
        self.session.last_command = entry.command.full_name;
        // What a primary told its replicas in its life is not told to those of the next.
        let is_told = !self.core.is_replaying();
        match (entry.command.name, group.as_mut()) {
            ("multi", None) => *group = Some(Group { bytes: raw.to_vec(), requests: Vec::new() }),
            // Run inside, it would queue what follows instead of doing it.
            ("multi", Some(_)) => return Err(Refusal::of(args, "a transaction is open")),
            ("exec", Some(_)) => {
                let mut whole = group.take().expect("just matched");
                whole.bytes.extend_from_slice(raw);
                self.apply_group(&whole)?;
                unlogged.append(&mut self.core.log);
                self.core.log.append(&whole.bytes);
            }
            (_, Some(open)) => {
                open.bytes.extend_from_slice(raw);
                open.requests.push((OwnedRequest::new(args), Some(entry)));
            }
            ("replconf", None) => {
                if is_told && args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack")) {
                    self.core.replication.link.on_getack(self.core.clock.moment());
                }
                if is_told && let Some(clock) = wire::read_clock(args) {
                    self.core.replication.link.on_clock(self.core.clock.moment(), clock);
                }
                unlogged.push(range, &mut self.core.log);
            }
            ("ping", None) => {
                if is_told && let Some(message) = args.get(1) {
                    self.core.on_ping_message(self.keyspace, message);
                }
                unlogged.push(range, &mut self.core.log);
            }
            (_, None) => {
                self.apply_command(entry, args)?;
                unlogged.push(range, &mut self.core.log);
            }
        }
        Ok(())
    }

    /// Runs a transaction, at one time.
    fn apply_group(&mut self, group: &Group) -> Result<(), Refusal> {
        self.core.frozen_time = Some(self.core.clock.unix_micros);
        let applied = group.requests.iter().enumerate().try_for_each(|(index, (request, entry))| {
            match entry {
                Some(entry) => self.apply_command(*entry, request.args()),
                None => {
                    self.tell(request.args());
                    Ok(())
                }
            }
            .map_err(|refusal| Refusal { torn: index > 0, ..refusal })
        });
        self.core.frozen_time = None;
        applied
    }

    /// Gives a message to those who listen here; a file's was told in an earlier life.
    fn tell(&mut self, args: Args<'_>) {
        if let Some(kind) = message(args)
            && !self.core.is_replaying()
        {
            self.core.publish(kind, &args[1], &args[2]);
        }
    }

    fn known(&self, args: Args<'_>) -> Result<Entry, Refusal> {
        let entry = self.core.table.resolve(args).map_err(|error| Refusal::of(args, error.as_str()))?;
        if !entry.command.accepts(args.len()) || entry.command.run.is_none() {
            return Err(Refusal::of(args, "wrong number of arguments"));
        }
        // Redis propagates the one operator's command that changes how a value is kept.
        if entry.command.has(flag::ADMIN) && !matches!(entry.command.name, "replconf" | "pfdebug") {
            return Err(Refusal::of(args, "an operator's command is no change of the data"));
        }
        Ok(entry)
    }

    fn apply_command(&mut self, entry: Entry, args: Args<'_>) -> Result<(), Refusal> {
        if self.core.has_stale_keys() && !self.core.can_apply(entry.command, args, self.session.db) {
            return Ok(());
        }
        self.run(entry, args);
        let failed = self.reply.as_bytes().first() == Some(&b'-');
        let text = failed.then(|| String::from_utf8_lossy(self.reply.as_bytes()).trim_end().to_owned());
        self.reply.clear();
        match text {
            Some(text) => Err(Refusal::of(args, &text)),
            None => Ok(()),
        }
    }
}
