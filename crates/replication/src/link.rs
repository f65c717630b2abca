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
//! Contract with the shell: there is one connection at a time, and during a full sync perhaps a side connection
//! for the snapshot. After [`Action::Close`] or the next [`Action::Connect`], no event of an earlier connection
//! is delivered; the same holds for the side connection.

mod action;

mod phase;

mod steps;

mod greeting;

mod answers;

mod lines;

mod replies;

mod changing;

mod detached;

mod fetching;

mod pairing;

mod refusing;

mod freshness;

mod takeover;

mod tries;
mod upstream;

use std::borrow::Cow;

use slipstream_log::{Offset, ReplicationId};

use self::changing::Changes;
use self::detached::Detachment;
use self::fetching::Fetching;
use self::freshness::Freshness;
use self::phase::{Connection, Phase};
use self::refusing::Blocked;
use self::takeover::Asking;
use self::upstream::Parent;
use crate::events::Events;
use crate::{Moment, wire};

pub use self::action::{
    Action, Content, Endpoint, Fetched, Key, Position, Rewound, Settings, Standing, Takeover, Transfer,
};
pub use self::detached::KeptByAnother;
pub use self::phase::State;
pub use self::tries::Tries;

/// Longest wait for an answer of the handshake, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 5000;

/// Acknowledgements while streaming and signs of life while loading, in milliseconds.
const BEAT_MS: u64 = 1000;

/// For so long acknowledgements go out unasked when one was asked for, in milliseconds. A primary that goes on
/// waiting asks again before.
pub(crate) const EAGER_MS: u64 = 1000;

/// Attempts to connect start at most this often, in milliseconds.
const ATTEMPT_MS: u64 = 1000;

/// After a failed full sync the wait doubles from [`ATTEMPT_MS`] at most so many times: a snapshot that
/// cannot be read costs the primary as much as one that can.
const MAX_DOUBLINGS: u32 = 6;

/// After so many connections that were lost while values of single keys were asked for, all data is asked for.
const MAX_FAILED_FETCHES: u32 = 2;

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
    /// No connection is made before that: a new primary is being chosen.
    detached: Option<Detachment>,
    /// Whether the primary of the present connection has said that it speaks this project's dialect.
    dialect: bool,
    /// Whether it has told the clock of whoever writes the log: it is that node itself.
    writes_log: bool,
    /// Whether the histories of both sides may have parted: since this primary is followed, it has not sent the
    /// stream.
    is_stranger: bool,
    /// Whether the link counts as up although the stream stands still: it is asked for again over the connection
    /// that it came over.
    stays_up: bool,
    changes: Changes,
    /// What this node has, as of the present connection.
    standing: Standing,
    /// Connections that were lost while values of single keys were asked for.
    failed_fetches: u32,
    /// Full syncs in a row that were begun and not finished.
    failed_syncs: u32,
    /// Whether the other end is to become the primary first.
    asking: Asking,
    /// Whether the target of a takeover is to have all that this node has.
    needs_all: bool,
    freshness: Freshness,
    /// How often the primary is to tell its clock, in milliseconds.
    beat_ms: Option<u64>,
    /// This node's rank in a failover, if the primary is to know it.
    priority: Option<u32>,
    /// Up to where everything is on disk here, if there is an append-only file.
    durable: Option<Offset>,
    events: Events,
    tries: Tries,
    /// A history whose data the engine will not have.
    blocked: Option<Blocked>,
    /// What a primary's history goes on from, by its own word.
    parent: Option<Parent>,
    buffered_peak: u64,
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
            detached: None,
            dialect: false,
            writes_log: false,
            is_stranger: true,
            stays_up: false,
            changes: Changes::default(),
            standing: Standing::default(),
            failed_fetches: 0,
            failed_syncs: 0,
            asking: Asking::No,
            needs_all: false,
            freshness: Freshness::default(),
            beat_ms: None,
            priority: None,
            durable: None,
            events: Events::default(),
            tries: Tries::default(),
            blocked: None,
            parent: None,
            buffered_peak: 0,
        }
    }

    /// Changes the settings; they count from the next use on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Follows a primary, instead of another if there was one. Starts to connect at once.
    pub fn follow(&mut self, now: Moment, primary: Endpoint, actions: &mut Vec<Action<'_>>) {
        self.begin(now, primary, Asking::No, actions);
    }

    /// Follows what has been a replica of this node, once it has taken over: `PSYNC … FAILOVER`.
    /// If `needs_all`, only with everything that this node has: the target may have lost some since it was chosen.
    pub fn hand_over(
        &mut self,
        now: Moment,
        (target, needs_all): (Endpoint, bool),
        actions: &mut Vec<Action<'_>>,
    ) {
        self.begin(now, target, Asking::Wanted, actions);
        self.needs_all = needs_all;
    }

    fn begin(&mut self, now: Moment, primary: Endpoint, asking: Asking, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        self.forget_primary();
        self.asking = asking;
        self.down_since = Some(now);
        self.primary = Some(primary);
        self.connect(now, actions);
    }

    /// Follows nobody any more.
    pub fn stop(&mut self, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        self.forget_primary();
    }

    fn forget_primary(&mut self) {
        let new = Link::new(self.settings.clone());
        let Link { beat_ms, priority, events, .. } = std::mem::replace(self, new);
        (self.beat_ms, self.priority) = (beat_ms, priority);
        self.events = events;
    }

    /// Closes the connection and begins anew, as if it had been lost.
    pub fn reconnect(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.leave(actions);
        self.lose(now, actions);
    }

    /// The same, and not at the pace of attempts: the primary is there, and time would make it worse.
    pub fn reconnect_at_once(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.attempted = None;
        self.reconnect(now, actions);
    }

    /// Stops following without forgetting whom: the stream cannot be applied, and going on would make the
    /// copy differ in silence. Only `follow` ends this.
    pub fn halt(&mut self, now: Moment, reason: String, actions: &mut Vec<Action<'_>>) {
        actions.push(Action::warning(format!("== CRITICAL == Replication stopped: {reason}")));
        self.events.note(now, format!("stopped: {reason}"));
        self.leave(actions);
        self.down_since.get_or_insert(now);
        self.tries.on_down();
        self.phase = Phase::Halted { reason };
    }

    /// The connection is open.
    pub fn on_connected(&mut self, now: Moment, standing: Standing, actions: &mut Vec<Action<'_>>) {
        self.standing = standing;
        assert!(matches!(self.phase, Phase::Connecting), "connected without having been asked to connect");
        actions.push(Action::notice("Non blocking connect for SYNC fired the event."));
        actions.push(Action::Send(wire::request(&[b"PING"])));
        self.phase = Phase::Greeting { resume: standing.resume, lines: Default::default(), since: now };
    }

    /// The connection could not be opened, or is gone.
    pub fn on_closed(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        if self.phase.has_connection() {
            self.events.note(now, format!("closed: {reason}"));
        }
        match &mut self.phase {
            // The snapshot is here: it is loaded, and then the stream is asked for from its end.
            Phase::Loading { connection, .. } => {
                *connection = Connection::Lost;
                return;
            }
            Phase::Streaming(_) => actions.push(Action::warning("Connection with master lost.")),
            phase @ (Phase::Receiving(_) | Phase::Pairing(_)) => {
                actions.push(Action::warning(format!("I/O error trying to sync with MASTER: {reason}")));
                if phase.has_snapshot() {
                    actions.push(Action::SnapshotAbort);
                }
                if phase.has_side() {
                    actions.push(Action::CloseSide);
                }
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Halted { .. } => return,
            _ => actions.push(Action::warning(format!("Error condition on socket for SYNC: {reason}"))),
        }
        self.lose(now, actions);
    }

    /// The primary sent something.
    pub fn on_received<'a>(&mut self, now: Moment, input: &'a [u8], actions: &mut Vec<Action<'a>>) {
        self.heard = Some(now);
        self.take_in(now, input, actions);
        self.note_end_of_stay(now);
    }

    fn take_in<'a>(&mut self, now: Moment, input: &'a [u8], actions: &mut Vec<Action<'a>>) {
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
                Phase::Inquiring { answer, .. } => answer.push(rest).map(|(answer, rest)| {
                    if let Some(answer) = answer {
                        self.on_inquiry_answer(now, &answer, actions);
                    }
                    rest
                }),
                Phase::Fetching(fetching) => fetching.push(rest).map(|(end, rest)| {
                    if let Some(end) = end {
                        self.on_portion(now, end, actions);
                    }
                    rest
                }),
                Phase::Receiving(receiving) => {
                    let rest = receiving.push(rest, actions);
                    if receiving.is_complete() {
                        self.on_snapshot_complete(actions);
                    }
                    Ok(rest)
                }
                Phase::Pairing(_) => self.on_main_received(now, rest, actions),
                Phase::Loading { connection: Connection::Open { early }, .. } => {
                    early.keep(rest, self.settings.buffer_limit, actions);
                    return;
                }
                Phase::Streaming(streaming) => {
                    streaming.received = streaming.received.advanced(rest.len());
                    if !streaming.replay.is_empty() {
                        // Read before reading was to end.
                        return streaming.replay.push_back(rest.to_vec());
                    }
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

    /// The loader took in some of the snapshot. While it is slower than the connection and nothing is read,
    /// this keeps the silence from being held against the primary.
    pub fn on_load_progress(&mut self, now: Moment) {
        self.heard = Some(now);
        if let Phase::Pairing(pairing) = &mut self.phase {
            pairing.hear_side(now);
        }
    }

    /// What came of [`Action::Rewind`].
    pub fn on_rewound(&mut self, now: Moment, outcome: Rewound, actions: &mut Vec<Action<'_>>) {
        let Phase::Rewinding { resume, upstream, fork } = self.phase else {
            panic!("went back without being asked to")
        };
        match outcome {
            Rewound::There => self.ask_for_data(now, Some(fork), actions),
            Rewound::Needs(portions) if self.failed_fetches < MAX_FAILED_FETCHES => {
                let fetching = Fetching::new(now, (resume, fork), (upstream, self.dialect), portions);
                actions.push(fetching.notice());
                actions.push(Action::Send(fetching.request()));
                self.phase = Phase::Fetching(fetching);
            }
            Rewound::Needs(_) | Rewound::Refused => self.ask_as_it_is(now, resume, actions),
        }
    }

    /// No key is stale any more, and the stream has been applied up to `offset`.
    pub fn on_restored(&mut self, now: Moment, offset: Offset, actions: &mut Vec<Action<'_>>) {
        let Phase::Streaming(streaming) = &mut self.phase else { return };
        assert!(streaming.is_restoring, "restored what was not stale");
        streaming.is_restoring = false;
        streaming.applied = offset;
        streaming.acknowledge(actions);
        self.events.note(now, format!("restored at {offset}"));
        self.come_up(now, actions);
    }

    /// The snapshot is loaded and the data stands at `offset` (its own choice after SYNC).
    pub fn on_loaded(&mut self, now: Moment, offset: Offset, actions: &mut Vec<Action<'_>>) {
        self.buffered_peak = self.buffered_peak();
        let Phase::Loading { position, connection, .. } = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            panic!("loaded a snapshot that is not complete or was aborted");
        };
        actions.push(Action::notice("MASTER <-> REPLICA sync: Finished with success"));
        self.tries.on_synced(now);
        self.events.note(now, "snapshot loaded");
        self.failed_syncs = 0;
        self.blocked = None;
        match connection {
            Connection::Lost => {
                actions.push(Action::warning("Connection with master lost."));
                self.lose(now, actions);
            }
            Connection::Open { early } => {
                match (early.is_read, early.pieces.len() > 1) {
                    (true, true) => actions.push(Action::PauseReading),
                    (false, false) => actions.push(Action::ResumeReading),
                    (true, false) | (false, true) => {}
                }
                self.start_stream(now, offset, position.is_some(), actions);
                self.on_early(early, actions);
            }
        }
    }

    /// The snapshot cannot be loaded. The data is as it was before, or empty; the engine knows.
    pub fn on_load_failed(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        assert!(self.phase.has_snapshot(), "failed to load a snapshot that was aborted");
        let text = format!("Failed trying to load the MASTER synchronization DB: {reason}");
        actions.push(Action::warning(text));
        self.events.note(now, format!("snapshot not loaded: {reason}"));
        if self.phase.has_side() {
            actions.push(Action::CloseSide);
        }
        if self.phase.has_connection() {
            actions.push(Action::Close);
        }
        self.lose(now, actions);
    }

    /// The stream has been applied up to `offset`, the end of a command outside a transaction.
    pub fn on_applied(&mut self, offset: Offset) {
        if let Phase::Streaming(streaming) = &mut self.phase
            && !streaming.is_restoring
        {
            streaming.applied = offset;
            if let Some(heard) = self.heard.filter(|_| streaming.applied == streaming.received) {
                self.freshness.on_all_applied(heard);
            }
        }
    }

    /// The stream told the clock of whoever writes it, at this point.
    pub fn on_clock(&mut self, now: Moment, clock: Moment) {
        if self.is_up() {
            self.freshness.on_stamp(now, clock);
        }
    }

    /// Says how often the primary is to tell its clock; `None` as it likes. One that does not speak this
    /// project's dialect is not asked.
    pub fn set_beat(&mut self, beat_ms: Option<u64>, actions: &mut Vec<Action<'_>>) {
        if self.beat_ms != beat_ms {
            self.beat_ms = beat_ms;
            self.ask_for_beat(actions);
        }
    }

    fn ask_for_beat(&self, actions: &mut Vec<Action<'_>>) {
        if self.dialect && self.is_up() {
            let beat = self.beat_ms.unwrap_or(0).to_string();
            actions.push(Action::Send(wire::request(&[b"REPLCONF", b"beat", beat.as_bytes()])));
        }
    }

    /// Says which rank this node has in a failover: to a primary that hands over by itself. One that does not speak
    /// this project's dialect is not told.
    pub fn set_priority(&mut self, priority: u32, actions: &mut Vec<Action<'_>>) {
        if self.priority != Some(priority) {
            self.priority = Some(priority);
            self.tell_priority(actions);
        }
    }

    fn tell_priority(&self, actions: &mut Vec<Action<'_>>) {
        if let Some(priority) = self.priority.filter(|_| self.dialect && self.is_up()) {
            let priority = priority.to_string();
            actions.push(Action::Send(wire::request(&[b"REPLCONF", b"priority", priority.as_bytes()])));
        }
    }

    /// Says up to where everything is on disk here: acknowledgements tell it. `None` without an append-only file.
    pub fn set_durable(&mut self, durable: Option<Offset>) {
        self.durable = durable;
        if let Phase::Streaming(streaming) = &mut self.phase {
            streaming.durable = durable;
        }
    }

    /// The stream asked for an acknowledgement. It goes out at the end of the turn, with all that is applied by
    /// then and the request itself. Redis' replicas answer with the offset before the request; a Redis that waits
    /// to shut down hears from them that nothing is missing with their next beat only.
    ///
    /// A primary of this project gets further ones unasked for a while, whenever something was applied: somebody
    /// there waits for them.
    pub fn on_getack(&mut self, now: Moment) {
        if let Phase::Streaming(streaming) = &mut self.phase {
            streaming.owed = true;
            if self.dialect {
                streaming.eager_until = Some(now.after_ms(EAGER_MS));
            }
        }
    }

    /// A turn of the loop ends: acknowledges what was applied in it, if that is waited for, and does what is
    /// due.
    pub fn on_turn(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        if let Phase::Streaming(streaming) = &mut self.phase
            && streaming.owes_ack(now)
        {
            streaming.acknowledge(actions);
        }
        self.on_deadline(now, actions);
    }

    /// When `on_deadline` is due.
    pub fn deadline(&self) -> Option<Moment> {
        let silence = self.silence_deadline();
        let beat = match &self.phase {
            Phase::Waiting { until } | Phase::Refusing { until, .. } => Some(*until),
            Phase::Streaming(streaming) if !streaming.replay.is_empty() => self.heard,
            phase => phase.next_beat(),
        };
        [silence, beat].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        if self.silence_deadline().is_some_and(|deadline| deadline <= now) {
            return self.on_silence(now, actions);
        }
        if let Phase::Streaming(streaming) = &mut self.phase
            && !streaming.replay.is_empty()
        {
            self.heard = Some(now);
            streaming.replay(actions);
        }
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => self.connect(now, actions),
            Phase::Refusing { resume, until } if *until <= now => {
                let resume = *resume;
                self.inquire(now, resume, true, actions);
            }
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
        if self.staying_at().is_some() { State::Connected } else { self.phase.state() }
    }

    /// Whether the stream flows, or stands still while it is asked for again over the same connection
    /// (`master_link_status:up`).
    pub fn is_up(&self) -> bool {
        match &self.phase {
            Phase::Streaming(streaming) => !streaming.is_restoring,
            _ => self.staying_at().is_some(),
        }
    }

    /// Whether a full sync is under way (`master_sync_in_progress`).
    pub fn is_syncing(&self) -> bool {
        self.state() == State::Sync
    }

    /// Whether the snapshot has come to its end and is being loaded.
    pub fn is_loading(&self) -> bool {
        matches!(self.phase, Phase::Loading { .. })
    }

    /// The transfer that is under way.
    pub fn transfer(&self) -> Option<Transfer> {
        match &self.phase {
            Phase::AwaitingHead { .. } => Some(Transfer { received: 0, total: None }),
            Phase::Receiving(receiving) => Some(receiving.transfer()),
            Phase::Pairing(pairing) => Some(pairing.transfer()),
            Phase::Loading { transfer, .. } => Some(*transfer),
            _ => None,
        }
    }

    /// Bytes of the stream that wait for the snapshot to be loaded, or to be applied after that
    /// (`replicas_repl_buffer_size`).
    pub fn buffered(&self) -> u64 {
        match &self.phase {
            Phase::Pairing(pairing) => pairing.buffered(),
            Phase::Loading { connection: Connection::Open { early }, .. } => early.length,
            Phase::Streaming(streaming) => streaming.replay.iter().map(|piece| piece.len() as u64).sum(),
            _ => 0,
        }
    }

    /// The most that there was of these since the node began (`replicas_repl_buffer_peak`).
    pub fn buffered_peak(&self) -> u64 {
        self.buffered_peak.max(self.buffered())
    }

    /// When the primary last sent anything; `None` while there is no connection
    /// (`master_last_io_seconds_ago:-1`).
    pub fn last_heard(&self) -> Option<Moment> {
        self.heard
    }

    /// How often it was tried, and how long it was down.
    pub fn tries(&self) -> Tries {
        self.tries
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
            _ => self.staying_at().map(|offset| (offset, offset)),
        }
    }

    /// Milliseconds since the data was as current as the primary's; `None` if it never was.
    pub fn age_ms(&self, now: Moment) -> Option<u64> {
        self.freshness.age_ms(now)
    }

    /// The clock of whoever writes the log, as far as it is known here, for replicas of this node; `None` if that
    /// does not tell it.
    pub fn primary_clock(&self, now: Moment) -> Option<Moment> {
        self.freshness.clock(now)
    }

    /// What happened to the link of late.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Whether the primary speaks this project's dialect and writes the log itself, as far as it has said by now:
    /// what the stream asks of its replicas is asked of this node. It comes through a node in the middle of a
    /// chain as well, which would not know what to do with an answer.
    pub fn is_asked_by_stream(&self) -> bool {
        self.dialect && self.writes_log
    }

    /// The history of this node's that history `id` goes on from, and where: a primary said so that has all of
    /// what this node had then. A primary that restarted from its file is one.
    pub fn parent_of(&self, id: ReplicationId) -> Option<Position> {
        let parent = self.parent.filter(|parent| parent.child == id)?;
        Some(Position { id: parent.id, offset: parent.fork })
    }

    /// Why replication has stopped, if it has.
    pub fn halted(&self) -> Option<&str> {
        match &self.phase {
            Phase::Halted { reason } => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
