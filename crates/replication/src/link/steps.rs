//! The way of a link from one phase to the next: what each answer of the primary leads to.
//!
//! One method per step; each leaves a phase and enters the next. Whatever goes wrong ends in `fail` (we give
//! the connection up) or `lose` (it is gone), and both lead to the next attempt.

use std::borrow::Cow;

use slipstream_log::{Offset, ReplicationId};

use super::action::{Action, Position, Violation};
use super::answers::{Decision, Head};
use super::fetching::{End, Restoration};
use super::greeting::{self, Step};
use super::pairing::{Early, MAX_FAILURES};
use super::phase::{Connection, Phase, Receiving, Streaming};
use super::replies::Reply;
use super::takeover::Asking;
use super::upstream::Upstream;
use super::{ANSWER_TIMEOUT_MS, ATTEMPT_MS, BEAT_MS, Link, MAX_DOUBLINGS};
use crate::{Moment, wire};

impl Link {
    pub(super) fn connect(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let primary = self.primary.clone().expect("only an idle link follows nobody");
        actions.push(Action::notice(format!("Connecting to MASTER {primary}")));
        actions.push(Action::Connect(primary));
        actions.push(Action::notice("MASTER <-> REPLICA sync started"));
        self.attempted = Some(now);
        self.tries.on_attempt();
        (self.dialect, self.writes_log) = (false, false);
        self.freshness.on_connected();
        self.phase = Phase::Connecting;
    }

    pub(super) fn on_line<'a>(
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

    pub(super) fn on_greeting_answer(&mut self, now: Moment, line: &str, actions: &mut Vec<Action<'_>>) {
        if !greeting::is_welcome(line) {
            return self.fail(now, format!("Error reply to PING from master: '{line}'"), actions);
        }
        let Phase::Greeting { resume, .. } = self.phase else { unreachable!("called in this phase") };
        actions.push(Action::notice("Master replied to PING, replication can continue..."));
        let (requests, steps) = greeting::introduction(&self.settings, self.may_take_two_links());
        actions.push(Action::Send(requests));
        let awaited = steps.into();
        self.phase = Phase::Introducing { resume, awaited, lines: Default::default(), since: now };
    }

    /// What fails twice over two connections may work over one.
    pub(super) fn may_take_two_links(&self) -> bool {
        self.settings.two_links && self.failed_syncs < MAX_FAILURES
    }

    pub(super) fn on_introduction_answer(&mut self, now: Moment, line: &str, actions: &mut Vec<Action<'_>>) {
        let Phase::Introducing { resume, awaited, since, .. } = &mut self.phase else {
            unreachable!("called in this phase")
        };
        let step = awaited.pop_front().expect("left when nothing is awaited");
        *since = now;
        if step == Step::Capabilities {
            self.dialect = greeting::speaks_dialect(line);
            if let Some(clock) = greeting::clock(line).filter(|_| self.dialect) {
                self.writes_log = true;
                self.freshness.on_greeted(now, clock);
            }
        }
        if line.starts_with('-') {
            if step == Step::Auth {
                return self.fail(now, format!("Unable to AUTH to MASTER: {line}"), actions);
            }
            let option = step.option();
            let text = format!("(Non critical) Master does not understand REPLCONF {option}: {line}");
            actions.push(Action::notice(text));
        }
        if awaited.is_empty() {
            let resume = *resume;
            match resume {
                resume if self.asks_for_history(resume) => self.inquire(now, resume, false, actions),
                resume => self.ask_for_data(now, resume, actions),
            }
        }
    }

    fn asks_for_history(&self, resume: Option<Position>) -> bool {
        let may_have_parted = resume.is_some() && self.is_stranger;
        self.asking == Asking::No && (may_have_parted || self.refused_history().is_some())
    }

    pub(super) fn on_inquiry_answer(&mut self, now: Moment, answer: &Reply, actions: &mut Vec<Action<'_>>) {
        let Phase::Inquiring { resume, again, .. } = self.phase else { unreachable!("called in this phase") };
        let upstream = match answer {
            Reply::Text(text) => Upstream::parse(text),
            Reply::Line(_) => None,
        };
        self.parent = resume.and_then(|resume| upstream?.parent(&resume)).or(self.parent);
        if upstream.is_some_and(|upstream| self.would_refuse(&upstream, resume.as_ref())) {
            return self.wait_for_another_history(now, resume, again, actions);
        }
        let Some(resume) = resume else { return self.ask_for_data(now, None, actions) };
        let Some((upstream, fork)) = upstream.and_then(|upstream| {
            let fork = upstream.fork_behind(&resume, self.standing.earlier.as_ref());
            let here = || {
                Some(resume).filter(|_| self.standing.stale_since.is_some() && upstream.continues(&resume))
            };
            Some((upstream, fork.or_else(here)?))
        }) else {
            return self.ask_as_it_is(now, resume, actions);
        };
        let tail = resume.offset.0.saturating_sub(fork.offset.0);
        if fork != resume {
            actions.push(Action::notice(format!(
                "Master's history forks at offset {}, {tail} bytes before the end of this node's",
                fork.offset
            )));
        }
        self.phase = Phase::Rewinding { resume, upstream: upstream.id, fork };
        actions.push(Action::Rewind { to: fork });
    }

    /// Asks to continue where the node stands. With stale keys it stands nowhere.
    pub(super) fn ask_as_it_is(&mut self, now: Moment, resume: Position, actions: &mut Vec<Action<'_>>) {
        if self.standing.stale_since.is_some() {
            actions.push(Action::Forget);
        }
        self.ask_for_data(now, Some(resume).filter(|_| self.standing.stale_since.is_none()), actions);
    }

    pub(super) fn ask_for_data(
        &mut self,
        now: Moment,
        resume: Option<Position>,
        actions: &mut Vec<Action<'_>>,
    ) {
        let Some(position) = resume else {
            actions.push(Action::notice("Partial resynchronization not possible (no cached master)"));
            actions.push(Action::Send(wire::request(&[b"PSYNC", b"?", b"-1"])));
            return self.await_decision(now, resume);
        };
        let (id, number) = (position.id, position.offset.next_byte());
        let text = format!("Trying a partial resynchronization (request {id}:{number}).");
        actions.push(Action::notice(text));
        let words = self.ask_to_take_over(actions);
        self.send_psync(now, position, words, actions);
    }

    /// A portion of the values that were asked for has come, or will not.
    pub(super) fn on_portion(&mut self, now: Moment, end: End, actions: &mut Vec<Action<'_>>) {
        let Phase::Fetching(fetching) = &self.phase else { unreachable!("called in this phase") };
        match end {
            End::More => actions.push(Action::Send(fetching.request())),
            End::All => {
                let Phase::Fetching(fetching) = std::mem::replace(&mut self.phase, Phase::Idle) else {
                    unreachable!("just looked")
                };
                let (fork, values) = fetching.into_restoration();
                self.ask_for_data(now, Some(fork), actions);
                if let Phase::AwaitingDecision { restoration, .. } = &mut self.phase {
                    *restoration = Some(values);
                }
            }
            End::NotNow(reason) => {
                let failed = self.failed_fetches;
                self.fail(now, format!("Master does not give values now: {reason}"), actions);
                self.failed_fetches = failed;
            }
            End::Refused(reason) => {
                let resume = fetching.resume();
                actions.push(Action::notice(format!("Master does not give values of single keys: {reason}")));
                self.ask_as_it_is(now, resume, actions);
            }
        }
    }

    pub(super) fn await_decision(&mut self, now: Moment, resume: Option<Position>) {
        self.phase =
            Phase::AwaitingDecision { resume, lines: Default::default(), since: now, restoration: None };
    }

    pub(super) fn on_decision(
        &mut self,
        now: Moment,
        line: &str,
        actions: &mut Vec<Action<'_>>,
    ) -> Result<(), Violation> {
        let Phase::AwaitingDecision { resume, .. } = self.phase else { unreachable!("called in this phase") };
        let mut decision = Decision::parse(line)?;
        if let Some(resume) = resume.filter(|_| self.asking != Asking::No) {
            match self.on_takeover_answer(now, (line, decision), resume, actions) {
                Some(left) => decision = left,
                None => return Ok(()),
            }
        }
        match (decision, resume) {
            (Decision::FullSync { id, .. }, _) if self.is_blocked(id) => self.on_blocked(now, actions),
            (Decision::FullSync { id, offset }, _) => {
                actions.push(Action::notice(format!("Full resync from master: {id}:{offset}")));
                self.events.note(now, format!("full resync at {offset}"));
                self.await_head(now, Some(Position { id, offset }));
            }
            (Decision::AskAgain, _) => self.on_asked_again(now, actions),
            (Decision::TwoLinks(way), _) => self.begin_pairing(now, way, actions),
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
                actions.push(Action::notice(format!("{text} (reply: {line})")));
                actions.push(Action::notice("Retrying with SYNC..."));
                actions.push(Action::Send(b"SYNC\r\n".to_vec()));
                self.await_head(now, None);
            }
        }
        Ok(())
    }

    pub(super) fn on_continue(
        &mut self,
        now: Moment,
        id: Option<ReplicationId>,
        resume: Position,
        actions: &mut Vec<Action<'_>>,
    ) {
        let restoration = match &mut self.phase {
            Phase::AwaitingDecision { restoration, .. } => restoration.take(),
            phase => unreachable!("nothing is decided in {phase:?}"),
        };
        if let Some(values) = restoration.as_ref().filter(|values| Some(values.id) != id) {
            self.failed_fetches += 1;
            let text =
                format!("Master's history is not {} any more, from which values were fetched", values.id);
            return self.fail(now, text, actions);
        }
        actions.push(Action::notice("Successful partial resynchronization with master."));
        self.events.note(now, format!("partial resync from {}", resume.offset));
        if let Some(id) = id.filter(|id| *id != resume.id) {
            actions.push(Action::notice(format!("Master replication ID changed to {id}")));
        }
        self.failed_syncs = 0;
        let Some(Restoration { fetched, .. }) = restoration else {
            actions.push(Action::Continue { id });
            return self.start_stream(now, resume.offset, true, actions);
        };
        let applied = self.standing.stale_since.unwrap_or(resume.offset).min(resume.offset);
        self.begin_stream(now, applied, true, actions);
        if let Phase::Streaming(streaming) = &mut self.phase {
            streaming.received = resume.offset;
            streaming.is_restoring = true;
        }
        actions.push(Action::Restore { to: resume, fetched });
        // The last of them: the engine may have restored it all, or give up.
        actions.push(Action::Continue { id });
    }

    pub(super) fn await_head(&mut self, now: Moment, position: Option<Position>) {
        // Counted as failed until it has succeeded.
        self.failed_syncs = self.failed_syncs.saturating_add(1);
        self.tries.on_sync_began(now);
        self.phase = Phase::AwaitingHead { position, lines: Default::default(), since: now };
    }

    pub(super) fn on_head(
        &mut self,
        now: Moment,
        position: Option<Position>,
        head: Head,
        actions: &mut Vec<Action<'_>>,
    ) {
        let receiving = Receiving::begin(now, position, head, actions);
        let is_empty = receiving.is_complete();
        self.phase = Phase::Receiving(receiving);
        if is_empty {
            self.on_snapshot_complete(actions);
        }
    }

    pub(super) fn on_snapshot_complete(&mut self, actions: &mut Vec<Action<'_>>) {
        let Phase::Receiving(receiving) = &self.phase else { unreachable!("called in this phase") };
        actions.push(Action::PauseReading);
        actions.push(Action::SnapshotEnd);
        self.phase = Phase::Loading {
            position: receiving.position,
            transfer: receiving.transfer(),
            connection: Connection::Open { early: Early::new(false) },
            next_beat: receiving.next_beat,
        };
    }

    pub(super) fn start_stream(
        &mut self,
        now: Moment,
        at: Offset,
        acknowledges: bool,
        actions: &mut Vec<Action<'_>>,
    ) {
        self.begin_stream(now, at, acknowledges, actions);
        self.come_up(now, actions);
    }

    /// The data is the primary's, and the stream keeps it so.
    pub(super) fn come_up(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.is_stranger = false;
        self.failed_fetches = 0;
        if !std::mem::take(&mut self.stays_up) {
            self.tries.on_up(now, self.down_since.take());
        }
        self.blocked = None;
        if self.beat_ms.is_some() {
            self.ask_for_beat(actions);
        }
        self.tell_priority(actions);
    }

    fn begin_stream(&mut self, now: Moment, at: Offset, acknowledges: bool, actions: &mut Vec<Action<'_>>) {
        self.heard = Some(now);
        let next_beat = now.after_ms(BEAT_MS);
        let mut streaming = Streaming {
            received: at,
            applied: at,
            is_restoring: false,
            acknowledges,
            next_beat,
            told: at,
            durable: self.durable,
            told_durable: None,
            owed: false,
            eager_until: None,
            replay: Default::default(),
        };
        streaming.acknowledge(actions);
        self.phase = Phase::Streaming(streaming);
    }

    /// The stream has just started, with what came of it before. One piece is applied at once, more than that in
    /// turns of their own, so that others have theirs.
    pub(super) fn on_early(&mut self, early: Early, actions: &mut Vec<Action<'_>>) {
        let Phase::Streaming(streaming) = &mut self.phase else {
            unreachable!("the stream has just started")
        };
        streaming.received.0 += early.length;
        streaming.replay = early.pieces;
        match streaming.replay.len() {
            0 => {}
            1 => actions.extend(streaming.replay.pop_front().map(|piece| Action::Apply(Cow::Owned(piece)))),
            _ => streaming.replay(actions),
        }
    }

    /// When the primary's silence is too long.
    pub(super) fn silence_deadline(&self) -> Option<Moment> {
        let timeout = self.settings.timeout_ms;
        let heard = self.heard.or(self.attempted)?;
        match &self.phase {
            Phase::Connecting => Some(self.attempted?.after_ms(timeout)),
            Phase::Greeting { since, .. }
            | Phase::Introducing { since, .. }
            | Phase::Inquiring { since, .. } => Some(since.after_ms(timeout.min(ANSWER_TIMEOUT_MS))),
            Phase::Fetching(fetching) => Some(heard.max(fetching.since()).after_ms(timeout)),
            Phase::AwaitingDecision { since, .. } | Phase::AwaitingHead { since, .. } => {
                Some(heard.max(*since).after_ms(timeout))
            }
            Phase::Pairing(pairing) => Some(pairing.silence_deadline(timeout)),
            Phase::Receiving(_) | Phase::Streaming(_) => Some(heard.after_ms(timeout)),
            Phase::Idle | Phase::Waiting { .. } | Phase::Loading { .. } | Phase::Halted { .. } => None,
            Phase::Rewinding { .. } | Phase::Refusing { .. } => None,
        }
    }

    pub(super) fn on_silence(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let text = match &self.phase {
            Phase::Connecting | Phase::AwaitingDecision { .. } => "Timeout connecting to the MASTER...",
            Phase::Pairing(pairing) if !pairing.has_snapshot() => "Timeout connecting to the MASTER...",
            Phase::Greeting { .. }
            | Phase::Introducing { .. }
            | Phase::Inquiring { .. }
            | Phase::Fetching(_) => "Master did not respond to command during SYNC handshake",
            Phase::Streaming(_) => "MASTER timeout: no data nor PING received...",
            _ => {
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' \
                 parameter to a larger value."
            }
        };
        self.fail(now, text.to_owned(), actions);
    }

    /// Gives the connection up, with a reason.
    pub(super) fn fail(&mut self, now: Moment, text: String, actions: &mut Vec<Action<'_>>) {
        self.events.note(now, format!("given up: {text}"));
        actions.push(Action::warning(text));
        self.leave(actions);
        self.lose(now, actions);
    }

    /// Closes what is open.
    pub(super) fn leave(&mut self, actions: &mut Vec<Action<'_>>) {
        if self.phase.has_snapshot() {
            actions.push(Action::SnapshotAbort);
        }
        if self.phase.has_side() {
            actions.push(Action::CloseSide);
        }
        if self.phase.has_connection() {
            actions.push(Action::Close);
        }
    }

    /// There is no connection any more: tries again, at once unless the last attempt was a moment ago.
    pub(super) fn lose(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.buffered_peak = self.buffered_peak();
        self.heard = None;
        self.stays_up = false;
        self.failed_fetches += u32::from(matches!(self.phase, Phase::Fetching(_)));
        self.asking = self.asking.after_loss();
        self.down_since.get_or_insert(now);
        self.tries.on_down();
        // It may come back with less than it sent: a restart goes back to what was saved.
        self.is_stranger = true;
        let until = match self.failed_syncs {
            0 => self.attempted.map_or(now, |attempted| attempted.after_ms(ATTEMPT_MS)),
            failed => now.after_ms(ATTEMPT_MS << (failed - 1).min(MAX_DOUBLINGS)),
        };
        let until = self.detached.map_or(until, |detached| detached.until.max(until));
        if until <= now {
            self.connect(now, actions);
        } else {
            self.phase = Phase::Waiting { until };
        }
    }
}
