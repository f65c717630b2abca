//! The replica's side of replication: one link to one primary.
//!
//! The link connects, introduces the node, asks to continue where the data stands, receives a snapshot if
//! that is not possible, and then hands on the stream. It knows bytes and offsets, never commands: the engine
//! finds the commands in the stream, applies them, and reports how far it came. Nothing here opens a socket;
//! everything the link wants done is an [`Action`], in the order in which it must happen.
//!
//! Two offsets are kept apart. *Received* counts bytes of the stream as they come; *applied* moves only at
//! the end of a command outside a transaction. What lies between is forgotten with the connection and asked
//! for again.
//!
//! Contract with the shell: there is one connection at a time. After [`Action::Close`] or the next
//! [`Action::Connect`], no event of an earlier connection is delivered.

mod phase;

mod greeting;

mod answers;

mod lines;

use std::borrow::Cow;
use std::fmt;

use slipstream_log::{Offset, ReplicationId};

use self::answers::{Decision, Head};
use self::greeting::Step;
use self::phase::{Connection, Extent, Phase, Receiving, Streaming};
use crate::mark::MarkFinder;
use crate::{Level, Moment, wire};

pub use self::phase::State;

/// Longest wait for an answer of the handshake, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 5000;

/// Acknowledgements while streaming and signs of life while loading, in milliseconds.
const BEAT_MS: u64 = 1000;

/// Attempts to connect start at most this often, in milliseconds.
const ATTEMPT_MS: u64 = 1000;

/// After a failed full sync the wait doubles from [`ATTEMPT_MS`] at most so many times: a snapshot that
/// cannot be read costs the primary as much as one that can.
const MAX_DOUBLINGS: u32 = 6;

/// What the operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `masteruser`.
    pub user: Option<Vec<u8>>,
    /// `masterauth`.
    pub password: Option<Vec<u8>>,
    /// The port that the primary reports for this node: `replica-announce-port`, or the one that it listens
    /// on.
    pub announced_port: u16,
    /// `replica-announce-ip`.
    pub announced_ip: Option<String>,
    /// `repl-timeout` in milliseconds.
    pub timeout_ms: u64,
}

/// Where a primary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An address or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A place in a history: everything of `id` up to `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub id: ReplicationId,
    /// The end of what is known of it.
    pub offset: Offset,
}

/// What the link wants done. `'a` is the input of the call that produced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Open a connection; report `on_connected` or `on_closed`.
    Connect(Endpoint),
    /// Write to the connection.
    Send(Vec<u8>),
    /// Close the connection, and report nothing of it any more.
    Close,
    /// Stop reading the connection: what comes next cannot be applied yet.
    PauseReading,
    /// Read the connection again.
    ResumeReading,
    /// A snapshot comes. `position` is where the stream joins it, unknown after SYNC; `length` is known with
    /// length framing only.
    SnapshotBegin {
        /// What the data will be a copy of.
        position: Option<Position>,
        /// Its size in bytes.
        length: Option<u64>,
    },
    /// A part of the snapshot.
    SnapshotBytes(Cow<'a, [u8]>),
    /// The snapshot is complete. Load it; report `on_loaded` or `on_load_failed`.
    SnapshotEnd,
    /// The snapshot will not be completed, or not be wanted. Forget it, and report nothing of it.
    SnapshotAbort,
    /// The data stays and the stream goes on from where it stands, under this id if it has changed. (Then
    /// replicas of this node must be told: disconnect them.)
    Continue {
        /// The id of the history from here on; `None` from a primary that does not say.
        id: Option<ReplicationId>,
    },
    /// Bytes of the stream. Apply the complete commands in them and keep the rest; when the connection is
    /// gone, forget the rest.
    Apply(Cow<'a, [u8]>),
    /// A line for the log.
    Log(Level, String),
}

/// A transfer that is under way, for INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes of the snapshot received so far.
    pub received: u64,
    /// Bytes of the whole snapshot, if the primary said so.
    pub total: Option<u64>,
}

/// How a primary broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    LineTooLong,
    BadFullResync,
    BadHead(String),
    SnapshotAborted(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::LineTooLong => f.write_str("Master sent a line that is too long during the handshake"),
            Violation::BadFullResync => f.write_str("Master replied with wrong +FULLRESYNC syntax."),
            Violation::BadHead(line) => write!(
                f,
                "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), \
                 are you sure the host and port are right?"
            ),
            Violation::SnapshotAborted(line) => {
                write!(f, "MASTER aborted replication with an error: {line}")
            }
        }
    }
}

/// The link of one node to its primary.
#[derive(Debug)]
pub struct Link {
    settings: Settings,
    /// Whom to follow; present exactly unless the phase is idle.
    primary: Option<Endpoint>,
    phase: Phase,
    /// When the latest attempt to connect began.
    attempted: Option<Moment>,
    /// When the primary last sent anything.
    heard: Option<Moment>,
    /// Since when there is no stream; `None` while there is.
    down_since: Option<Moment>,
    /// Full syncs in a row that were begun and not finished.
    failed_syncs: u32,
}

impl Link {
    /// A link that follows nobody.
    pub fn new(settings: Settings) -> Link {
        Link {
            settings,
            primary: None,
            phase: Phase::Idle,
            attempted: None,
            heard: None,
            down_since: None,
            failed_syncs: 0,
        }
    }

    /// Changes the settings; they count from the next use on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Follows a primary, instead of another if there was one. Starts to connect at once.
    pub fn follow(&mut self, now: Moment, primary: Endpoint, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        *self = Link::new(self.settings.clone());
        self.down_since = Some(now);
        self.primary = Some(primary);
        self.connect(now, actions);
    }

    /// Follows nobody any more.
    pub fn stop(&mut self, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        *self = Link::new(self.settings.clone());
    }

    /// Closes the connection and begins anew, as if it had been lost.
    pub fn reconnect(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        self.lose(now, actions);
    }

    /// Stops following without forgetting whom: the stream cannot be applied, and going on would make the
    /// copy differ in silence. Only `follow` ends this.
    pub fn halt(&mut self, now: Moment, reason: String, actions: &mut Vec<Action<'_>>) {
        actions.push(Action::Log(Level::Warning, format!("Replication stopped: {reason}")));
        self.leave(actions);
        self.down_since.get_or_insert(now);
        self.phase = Phase::Halted { reason };
    }

    /// The connection is open. `resume` is what this node's data is a copy of, if of anything.
    pub fn on_connected(&mut self, now: Moment, resume: Option<Position>, actions: &mut Vec<Action<'_>>) {
        assert!(matches!(self.phase, Phase::Connecting), "connected without having been asked to connect");
        actions.push(notice("Non blocking connect for SYNC fired the event."));
        actions.push(Action::Send(wire::request(&[b"PING"])));
        self.phase = Phase::Greeting { resume, lines: Default::default(), since: now };
    }

    /// The connection could not be opened, or is gone.
    pub fn on_closed(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        match &mut self.phase {
            // The snapshot is here: it is loaded, and then the stream is asked for from its end.
            Phase::Loading { connection, .. } => {
                *connection = Connection::Lost;
                return;
            }
            Phase::Streaming(_) => actions.push(warning("Connection with master lost.")),
            Phase::Receiving(_) => {
                actions.push(warning(format!("I/O error trying to sync with MASTER: {reason}")));
                actions.push(Action::SnapshotAbort);
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Halted { .. } => return,
            _ => actions.push(warning(format!("Error condition on socket for SYNC: {reason}"))),
        }
        self.lose(now, actions);
    }

    /// The primary sent something.
    pub fn on_received<'a>(&mut self, now: Moment, input: &'a [u8], actions: &mut Vec<Action<'a>>) {
        self.heard = Some(now);
        let mut rest = input;
        while !rest.is_empty() {
            let step = match &mut self.phase {
                Phase::Greeting { lines, .. }
                | Phase::Introducing { lines, .. }
                | Phase::AwaitingDecision { lines, .. }
                | Phase::AwaitingHead { lines, .. } => lines.push(rest).and_then(|(line, rest)| {
                    if let Some(line) = line.filter(|line| !line.is_empty()) {
                        self.on_line(now, &line, actions)?;
                    }
                    Ok(rest)
                }),
                Phase::Receiving(receiving) => {
                    let rest = receiving.push(rest, actions);
                    if receiving.is_complete() {
                        self.on_snapshot_complete(actions);
                    }
                    Ok(rest)
                }
                Phase::Loading { connection: Connection::Open { early }, .. } => {
                    early.extend_from_slice(rest);
                    return;
                }
                Phase::Streaming(streaming) => {
                    streaming.received = streaming.received.advanced(rest.len());
                    actions.push(Action::Apply(Cow::Borrowed(rest)));
                    return;
                }
                // Closed on the way: what else came with it is of no use.
                _ => return,
            };
            match step {
                Ok(left) => rest = left,
                Err(violation) => return self.fail(now, violation.to_string(), actions),
            }
        }
    }

    /// The snapshot is loaded and the data stands at `offset` (its own choice after SYNC).
    pub fn on_loaded(&mut self, now: Moment, offset: Offset, actions: &mut Vec<Action<'_>>) {
        let Phase::Loading { position, connection, .. } = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            panic!("loaded a snapshot that is not complete or was aborted");
        };
        actions.push(notice("MASTER <-> REPLICA sync: Finished with success"));
        self.failed_syncs = 0;
        match connection {
            Connection::Lost => {
                actions.push(warning("Connection with master lost."));
                self.lose(now, actions);
            }
            Connection::Open { early } => {
                actions.push(Action::ResumeReading);
                self.start_stream(now, offset, position.is_some(), actions);
                if !early.is_empty() {
                    self.on_early(early, actions);
                }
            }
        }
    }

    /// The snapshot cannot be loaded. The data is as it was before, or empty; the engine knows.
    pub fn on_load_failed(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        assert!(self.phase.has_snapshot(), "failed to load a snapshot that was aborted");
        let text = format!("Failed trying to load the MASTER synchronization DB: {reason}");
        actions.push(warning(text));
        if self.phase.has_connection() {
            actions.push(Action::Close);
        }
        self.lose(now, actions);
    }

    /// The stream has been applied up to `offset`, the end of a command outside a transaction.
    pub fn on_applied(&mut self, offset: Offset) {
        if let Phase::Streaming(streaming) = &mut self.phase {
            streaming.applied = offset;
        }
    }

    /// The stream asked for an acknowledgement. `offset` is the one before that request.
    pub fn on_getack(&mut self, offset: Offset, actions: &mut Vec<Action<'_>>) {
        if let Phase::Streaming(streaming) = &mut self.phase {
            streaming.applied = offset;
            streaming.acknowledge(actions);
        }
    }

    /// When `on_deadline` is due.
    pub fn deadline(&self) -> Option<Moment> {
        let silence = self.silence_deadline();
        let beat = match &self.phase {
            Phase::Waiting { until } => Some(*until),
            phase => phase.next_beat(),
        };
        [silence, beat].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        if self.silence_deadline().is_some_and(|deadline| deadline <= now) {
            return self.on_silence(now, actions);
        }
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => self.connect(now, actions),
            phase if phase.next_beat().is_some_and(|beat| beat <= now) => phase.beat(now, actions),
            _ => {}
        }
    }
}

/// What can be asked of a link, for INFO and ROLE.
impl Link {
    /// Whom it follows.
    pub fn primary(&self) -> Option<&Endpoint> {
        self.primary.as_ref()
    }

    /// How far it has come.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// Whether the stream flows (`master_link_status:up`).
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Streaming(_))
    }

    /// Whether a full sync is under way (`master_sync_in_progress`).
    pub fn is_syncing(&self) -> bool {
        matches!(self.phase, Phase::AwaitingHead { .. } | Phase::Receiving(_) | Phase::Loading { .. })
    }

    /// The transfer that is under way.
    pub fn transfer(&self) -> Option<Transfer> {
        match &self.phase {
            Phase::AwaitingHead { .. } => Some(Transfer { received: 0, total: None }),
            Phase::Receiving(receiving) => Some(receiving.transfer()),
            Phase::Loading { transfer, .. } => Some(*transfer),
            _ => None,
        }
    }

    /// When the primary last sent anything; `None` while there is no connection
    /// (`master_last_io_seconds_ago:-1`).
    pub fn last_heard(&self) -> Option<Moment> {
        self.heard
    }

    /// Since when there is no stream (`master_link_down_since_seconds`).
    pub fn down_since(&self) -> Option<Moment> {
        self.down_since
    }

    /// How much of the stream has come, and how much of it is applied (`slave_read_repl_offset`,
    /// `slave_repl_offset`).
    pub fn offsets(&self) -> Option<(Offset, Offset)> {
        match &self.phase {
            Phase::Streaming(streaming) => Some((streaming.received, streaming.applied)),
            _ => None,
        }
    }

    /// Why replication has stopped, if it has.
    pub fn halted(&self) -> Option<&str> {
        match &self.phase {
            Phase::Halted { reason } => Some(reason),
            _ => None,
        }
    }
}

/// One method per step of the way.
impl Link {
    fn connect(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let primary = self.primary.clone().expect("only an idle link follows nobody");
        actions.push(notice(format!("Connecting to MASTER {primary}")));
        actions.push(Action::Connect(primary));
        actions.push(notice("MASTER <-> REPLICA sync started"));
        self.attempted = Some(now);
        self.phase = Phase::Connecting;
    }

    fn on_line<'a>(
        &mut self,
        now: Moment,
        line: &str,
        actions: &mut Vec<Action<'a>>,
    ) -> Result<(), Violation> {
        match &self.phase {
            Phase::Greeting { .. } => self.on_greeting_answer(now, line, actions),
            Phase::Introducing { .. } => self.on_introduction_answer(now, line, actions),
            Phase::AwaitingDecision { .. } => self.on_decision(now, line, actions)?,
            Phase::AwaitingHead { position, .. } => {
                let (position, head) = (*position, Head::parse(line)?);
                self.on_head(now, position, head, actions);
            }
            phase => unreachable!("no line is read in {phase:?}"),
        }
        Ok(())
    }

    fn on_greeting_answer(&mut self, now: Moment, line: &str, actions: &mut Vec<Action<'_>>) {
        if !greeting::is_welcome(line) {
            return self.fail(now, format!("Error reply to PING from master: '{line}'"), actions);
        }
        let Phase::Greeting { resume, .. } = self.phase else { unreachable!("called in this phase") };
        actions.push(notice("Master replied to PING, replication can continue..."));
        let (requests, steps) = greeting::introduction(&self.settings);
        actions.push(Action::Send(requests));
        let awaited = steps.into();
        self.phase = Phase::Introducing { resume, awaited, lines: Default::default(), since: now };
    }

    fn on_introduction_answer(&mut self, now: Moment, line: &str, actions: &mut Vec<Action<'_>>) {
        let Phase::Introducing { resume, awaited, since, .. } = &mut self.phase else {
            unreachable!("called in this phase")
        };
        let step = awaited.pop_front().expect("left when nothing is awaited");
        *since = now;
        if line.starts_with('-') {
            if step == Step::Auth {
                return self.fail(now, format!("Unable to AUTH to MASTER: {line}"), actions);
            }
            let option = step.option();
            let text = format!("(Non critical) Master does not understand REPLCONF {option}: {line}");
            actions.push(notice(text));
        }
        if awaited.is_empty() {
            let resume = *resume;
            self.ask_for_data(now, resume, actions);
        }
    }

    fn ask_for_data(&mut self, now: Moment, resume: Option<Position>, actions: &mut Vec<Action<'_>>) {
        let (id, number) = match &resume {
            Some(Position { id, offset }) => (id.to_string(), offset.next_byte().to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        actions.push(match resume {
            Some(_) => notice(format!("Trying a partial resynchronization (request {id}:{number}).")),
            None => notice("Partial resynchronization not possible (no cached master)"),
        });
        actions.push(Action::Send(wire::request(&[b"PSYNC", id.as_bytes(), number.as_bytes()])));
        self.phase = Phase::AwaitingDecision { resume, lines: Default::default(), since: now };
    }

    fn on_decision(
        &mut self,
        now: Moment,
        line: &str,
        actions: &mut Vec<Action<'_>>,
    ) -> Result<(), Violation> {
        let Phase::AwaitingDecision { resume, .. } = self.phase else { unreachable!("called in this phase") };
        match (Decision::parse(line)?, resume) {
            (Decision::FullSync { id, offset }, _) => {
                actions.push(notice(format!("Full resync from master: {id}:{offset}")));
                self.await_head(now, Some(Position { id, offset }));
            }
            (Decision::Continue { id }, Some(resume)) => self.on_continue(now, id, resume, actions),
            (Decision::Continue { .. }, None) => {
                let text = "Master continues a stream that was not asked for".to_owned();
                self.fail(now, text, actions);
            }
            (Decision::NotNow, _) => {
                let text = "Master is currently unable to PSYNC but should be in the future";
                self.fail(now, format!("{text}: {line}"), actions);
            }
            (Decision::Unsupported, _) => {
                let text = "Master does not support PSYNC or is in error state";
                actions.push(notice(format!("{text} (reply: {line})")));
                actions.push(notice("Retrying with SYNC..."));
                actions.push(Action::Send(b"SYNC\r\n".to_vec()));
                self.await_head(now, None);
            }
        }
        Ok(())
    }

    fn on_continue(
        &mut self,
        now: Moment,
        id: Option<ReplicationId>,
        resume: Position,
        actions: &mut Vec<Action<'_>>,
    ) {
        actions.push(notice("Successful partial resynchronization with master."));
        if let Some(id) = id.filter(|id| *id != resume.id) {
            actions.push(notice(format!("Master replication ID changed to {id}")));
        }
        actions.push(Action::Continue { id });
        self.failed_syncs = 0;
        self.start_stream(now, resume.offset, true, actions);
    }

    fn await_head(&mut self, now: Moment, position: Option<Position>) {
        // Counted as failed until it has succeeded.
        self.failed_syncs = self.failed_syncs.saturating_add(1);
        self.phase = Phase::AwaitingHead { position, lines: Default::default(), since: now };
    }

    fn on_head(
        &mut self,
        now: Moment,
        position: Option<Position>,
        head: Head,
        actions: &mut Vec<Action<'_>>,
    ) {
        let (extent, length, what) = match head {
            Head::Length(length) => (Extent::Length(length), Some(length), format!("{length} bytes")),
            Head::Marked(mark) => {
                let finder = MarkFinder::new(mark);
                (Extent::Marked { finder, found: false }, None, "streamed RDB".to_owned())
            }
        };
        actions.push(notice(format!("MASTER <-> REPLICA sync: receiving {what} from master")));
        actions.push(Action::SnapshotBegin { position, length });
        let receiving = Receiving { position, extent, received: 0, next_beat: now.after_ms(BEAT_MS) };
        let is_empty = receiving.is_complete();
        self.phase = Phase::Receiving(receiving);
        if is_empty {
            self.on_snapshot_complete(actions);
        }
    }

    fn on_snapshot_complete(&mut self, actions: &mut Vec<Action<'_>>) {
        let Phase::Receiving(receiving) = &self.phase else { unreachable!("called in this phase") };
        actions.push(Action::PauseReading);
        actions.push(Action::SnapshotEnd);
        self.phase = Phase::Loading {
            position: receiving.position,
            transfer: receiving.transfer(),
            connection: Connection::Open { early: Vec::new() },
            next_beat: receiving.next_beat,
        };
    }

    fn start_stream(&mut self, now: Moment, at: Offset, acknowledges: bool, actions: &mut Vec<Action<'_>>) {
        self.heard = Some(now);
        self.down_since = None;
        let next_beat = now.after_ms(BEAT_MS);
        let streaming = Streaming { received: at, applied: at, acknowledges, next_beat };
        streaming.acknowledge(actions);
        self.phase = Phase::Streaming(streaming);
    }

    /// Stream bytes that came in one piece with the end of the snapshot.
    fn on_early(&mut self, early: Vec<u8>, actions: &mut Vec<Action<'_>>) {
        let Phase::Streaming(streaming) = &mut self.phase else {
            unreachable!("the stream has just started")
        };
        streaming.received = streaming.received.advanced(early.len());
        actions.push(Action::Apply(Cow::Owned(early)));
    }

    /// When the primary's silence is too long.
    fn silence_deadline(&self) -> Option<Moment> {
        let timeout = self.settings.timeout_ms;
        let heard = self.heard.or(self.attempted)?;
        match &self.phase {
            Phase::Connecting => Some(self.attempted?.after_ms(timeout)),
            Phase::Greeting { since, .. } | Phase::Introducing { since, .. } => {
                Some(since.after_ms(timeout.min(ANSWER_TIMEOUT_MS)))
            }
            Phase::AwaitingDecision { since, .. } | Phase::AwaitingHead { since, .. } => {
                Some(heard.max(*since).after_ms(timeout))
            }
            Phase::Receiving(_) | Phase::Streaming(_) => Some(heard.after_ms(timeout)),
            Phase::Idle | Phase::Waiting { .. } | Phase::Loading { .. } | Phase::Halted { .. } => None,
        }
    }

    fn on_silence(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let text = match &self.phase {
            Phase::Connecting => "Timeout connecting to the MASTER...",
            Phase::Greeting { .. } | Phase::Introducing { .. } => {
                "Master did not respond to command during SYNC handshake"
            }
            Phase::AwaitingDecision { .. } => "Master did not reply to PSYNC, will try later",
            Phase::Streaming(_) => "MASTER timeout: no data nor PING received...",
            _ => {
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' \
                 parameter to a larger value."
            }
        };
        self.fail(now, text.to_owned(), actions);
    }

    /// Gives the connection up, with a reason.
    fn fail(&mut self, now: Moment, text: String, actions: &mut Vec<Action<'_>>) {
        actions.push(warning(text));
        self.leave(actions);
        self.lose(now, actions);
    }

    /// Closes what is open.
    fn leave(&mut self, actions: &mut Vec<Action<'_>>) {
        if self.phase.has_snapshot() {
            actions.push(Action::SnapshotAbort);
        }
        if self.phase.has_connection() {
            actions.push(Action::Close);
        }
    }

    /// There is no connection any more: tries again, at once unless the last attempt was a moment ago.
    fn lose(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.heard = None;
        self.down_since.get_or_insert(now);
        let until = match self.failed_syncs {
            0 => self.attempted.map_or(now, |attempted| attempted.after_ms(ATTEMPT_MS)),
            failed => now.after_ms(ATTEMPT_MS << (failed - 1).min(MAX_DOUBLINGS)),
        };
        if until <= now {
            self.connect(now, actions);
        } else {
            self.phase = Phase::Waiting { until };
        }
    }
}

fn notice(text: impl Into<String>) -> Action<'static> {
    Action::Log(Level::Notice, text.into())
}

fn warning(text: impl Into<String>) -> Action<'static> {
    Action::Log(Level::Warning, text.into())
}
