//! A full sync over two connections, from the primary's answer until the snapshot is here and the stream flows.
//!
//! ```text
//!  side connection:  Connecting ──► Introducing ──► AwaitingPoint ──► AwaitingHead ──► Receiving ──► Complete
//!                                   (REPLCONF)   (SYNC or PSYNC)        │ the snapshot's offset is known
//!                                                                      ▼
//!  main connection, Valkey:   Waiting ────────────────────────────► Naming ──► Asking ──► Streaming
//!  main connection, Redis 8:  Streaming                             (REPLCONF) (PSYNC)
//! ```
//!
//! When both are at their end the snapshot is said to be complete and the link goes on as over one connection,
//! in `Loading`, only that the main one is read meanwhile. What it brings is kept, up to a limit; then it is
//! not read any more, so that the primary keeps the rest. The primary is the one that closes the side
//! connection or hears that it is closed; what is lost before the end is lost with both.

use std::collections::VecDeque;

use slipstream_log::{Offset, ReplicationId};

use super::action::{Action, Position, Transfer, Violation};
use super::answers::{Decision, Head};
use super::lines::LineReader;
use super::phase::{Connection, Phase, Receiving};
use super::{BEAT_MS, Link, greeting};
use crate::{Moment, wire};

/// Pieces of the stream that are kept are about so big: one is applied in a turn.
const PIECE: usize = 64 << 10;

/// Full syncs over two connections that may fail in a row before one is tried.
pub(super) const MAX_FAILURES: u32 = 2;

/// Whose way it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `+DUALCHANNELSYNC`.
    Valkey,
    /// `+RDBCHANNELSYNC`, with the primary's number for the main connection.
    Redis { main: u64 },
}

/// Both connections.
#[derive(Debug)]
pub(super) struct Pairing {
    way: Way,
    main: Main,
    side: Side,
    /// Where the stream joins the snapshot, once that is known.
    position: Option<Position>,
    early: Early,
    /// When what is awaited was last heard.
    heard: Moment,
    pub(super) next_beat: Moment,
}

#[derive(Debug)]
enum Main {
    Waiting,
    Naming(LineReader),
    Asking(LineReader),
    Streaming,
}

#[derive(Debug)]
enum Side {
    Connecting,
    /// So many answers are awaited.
    Introducing(usize, LineReader),
    AwaitingPoint(LineReader),
    AwaitingHead(LineReader),
    Receiving(Receiving),
    Complete(Transfer),
}

/// What of the stream came before the data is loaded that it belongs to.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) pieces: VecDeque<Vec<u8>>,
    pub(super) length: u64,
    /// Whether the connection is read meanwhile.
    pub(super) is_read: bool,
}

impl Early {
    pub(super) fn new(is_read: bool) -> Early {
        Early { pieces: VecDeque::new(), length: 0, is_read }
    }

    /// Keeps more of the stream; at the limit reading ends.
    pub(super) fn keep(&mut self, bytes: &[u8], limit: u64, actions: &mut Vec<Action<'_>>) {
        match self.pieces.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE => last.extend_from_slice(bytes),
            _ => self.pieces.push_back(bytes.to_vec()),
        }
        self.length += bytes.len() as u64;
        if self.is_read && self.length >= limit {
            self.is_read = false;
            actions.push(Action::notice("Replication buffer limit reached, stopping buffering."));
            actions.push(Action::PauseReading);
        }
    }
}

impl Pairing {
    pub(super) fn has_snapshot(&self) -> bool {
        matches!(self.side, Side::Receiving(_) | Side::Complete(_))
    }

    /// Whether the side connection is open or being opened.
    pub(super) fn has_side(&self) -> bool {
        !matches!(self.side, Side::Complete(_))
    }

    pub(super) fn transfer(&self) -> Transfer {
        match &self.side {
            Side::Receiving(receiving) => receiving.transfer(),
            Side::Complete(transfer) => *transfer,
            _ => Transfer { received: 0, total: None },
        }
    }

    pub(super) fn buffered(&self) -> u64 {
        self.early.length
    }

    /// Whether the primary knows the main connection as a replica's, which may send signs of life.
    pub(super) fn is_streaming(&self) -> bool {
        matches!(self.main, Main::Streaming) && self.position.is_some()
    }

    pub(super) fn silence_deadline(&self, timeout_ms: u64) -> Moment {
        self.heard.after_ms(timeout_ms)
    }

    pub(super) fn hear_side(&mut self, now: Moment) {
        self.heard = now;
    }
}

/// Events of the side connection.
impl Link {
    /// The side connection is open.
    pub fn on_side_connected(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let Phase::Pairing(pairing) = &mut self.phase else { return };
        let main = match pairing.way {
            Way::Valkey => None,
            Way::Redis { main } => Some(main),
        };
        let (requests, answers) = greeting::side_introduction(&self.settings, main, self.dialect);
        actions.push(Action::SendSide(requests));
        pairing.heard = now;
        pairing.side = Side::Introducing(answers, LineReader::default());
    }

    /// The side connection could not be opened, or is gone.
    pub fn on_side_closed(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        if !matches!(&self.phase, Phase::Pairing(pairing) if pairing.has_side()) {
            return;
        }
        actions.push(Action::warning(format!("Dual channel sync: the snapshot's connection: {reason}")));
        if self.phase.has_snapshot() {
            actions.push(Action::SnapshotAbort);
        }
        actions.push(Action::Close);
        self.lose(now, actions);
    }

    /// The primary sent something over the side connection.
    pub fn on_side_received<'a>(&mut self, now: Moment, input: &'a [u8], actions: &mut Vec<Action<'a>>) {
        self.heard = Some(now);
        let mut rest = input;
        while !rest.is_empty() {
            let Phase::Pairing(pairing) = &mut self.phase else { return };
            pairing.heard = now;
            let step = match &mut pairing.side {
                Side::Introducing(_, lines) | Side::AwaitingPoint(lines) | Side::AwaitingHead(lines) => {
                    lines.push(rest).and_then(|(line, rest)| {
                        if let Some(line) = line.filter(|line| !line.is_empty()) {
                            self.on_side_line(now, &line, actions)?;
                        }
                        Ok(rest)
                    })
                }
                Side::Receiving(receiving) => {
                    rest = receiving.push(rest, actions);
                    if receiving.is_complete() {
                        self.on_side_complete(now, actions);
                    }
                    continue;
                }
                Side::Connecting | Side::Complete(_) => return,
            };
            match step {
                Ok(left) => rest = left,
                Err(violation) => return self.fail(now, violation.to_string(), actions),
            }
        }
    }
}

/// The way from one step to the next.
impl Link {
    /// The primary wants to send the snapshot over another connection.
    pub(super) fn begin_pairing(&mut self, now: Moment, way: Way, actions: &mut Vec<Action<'_>>) {
        let primary = self.primary.clone().expect("only an idle link follows nobody");
        actions
            .push(Action::notice("MASTER <-> REPLICA sync: the snapshot comes over a connection of its own"));
        actions.push(Action::ConnectSide(primary));
        // Counted as failed until it has succeeded.
        self.failed_syncs = self.failed_syncs.saturating_add(1);
        let main = match way {
            Way::Valkey => Main::Waiting,
            Way::Redis { .. } => Main::Streaming,
        };
        self.phase = Phase::Pairing(Pairing {
            way,
            main,
            side: Side::Connecting,
            position: None,
            early: Early::new(true),
            heard: now,
            next_beat: now.after_ms(BEAT_MS),
        });
    }

    fn on_side_line(
        &mut self,
        now: Moment,
        line: &str,
        actions: &mut Vec<Action<'_>>,
    ) -> Result<(), Violation> {
        let pairing = self.phase.pairing();
        match &mut pairing.side {
            _ if line.starts_with('-') => {
                let text = format!("Dual channel sync refused by the master: {line}");
                self.fail(now, text, actions);
            }
            Side::Introducing(awaited @ 2.., _) => *awaited -= 1,
            Side::Introducing(..) => {
                actions.push(Action::SendSide(match pairing.way {
                    Way::Valkey => b"SYNC\r\n".to_vec(),
                    Way::Redis { .. } => wire::request(&[b"PSYNC", b"?", b"-1"]),
                }));
                pairing.side = Side::AwaitingPoint(LineReader::default());
            }
            Side::AwaitingPoint(_) => {
                let (position, carrier) = parse_point(pairing.way, line)?;
                self.on_point(now, (position, carrier), actions);
            }
            Side::AwaitingHead(_) => {
                let (position, head) = (pairing.position, Head::parse(line)?);
                let receiving = Receiving::begin(now, position, head, actions);
                let is_empty = receiving.is_complete();
                pairing.side = Side::Receiving(receiving);
                if is_empty {
                    self.on_side_complete(now, actions);
                }
            }
            side => unreachable!("no line is read in {side:?}"),
        }
        Ok(())
    }

    /// The end of the snapshot is known: the stream can join it.
    fn on_point(
        &mut self,
        now: Moment,
        (position, carrier): (Position, Option<u64>),
        actions: &mut Vec<Action<'_>>,
    ) {
        if self.is_blocked(position.id) {
            return self.on_blocked(now, actions);
        }
        let Position { id, offset } = position;
        actions.push(Action::notice(format!("Full resync from master: {id}:{offset}")));
        self.events.note(now, format!("full resync at {offset}, over two connections"));
        let pairing = self.phase.pairing();
        pairing.position = Some(position);
        pairing.side = Side::AwaitingHead(LineReader::default());
        if let Some(carrier) = carrier {
            let number = carrier.to_string();
            let request = wire::request(&[b"REPLCONF", b"set-rdb-client-id", number.as_bytes()]);
            actions.push(Action::Send(request));
            pairing.main = Main::Naming(LineReader::default());
        }
    }

    /// The primary sent something over the main connection.
    pub(super) fn on_main_received<'a>(
        &mut self,
        now: Moment,
        input: &'a [u8],
        actions: &mut Vec<Action<'a>>,
    ) -> Result<&'a [u8], Violation> {
        let limit = self.settings.buffer_limit;
        let pairing = self.phase.pairing();
        if !pairing.has_side() {
            pairing.heard = now;
        }
        match &mut pairing.main {
            Main::Streaming => {
                pairing.early.keep(input, limit, actions);
                Ok(&[])
            }
            Main::Waiting if input.iter().all(u8::is_ascii_whitespace) => Ok(&[]),
            Main::Waiting => Err(Violation::NotAsked),
            Main::Naming(lines) | Main::Asking(lines) => {
                let (line, rest) = lines.push(input)?;
                if let Some(line) = line.filter(|line| !line.is_empty()) {
                    self.on_main_line(now, &line, actions)?;
                }
                Ok(rest)
            }
        }
    }

    fn on_main_line(
        &mut self,
        now: Moment,
        line: &str,
        actions: &mut Vec<Action<'_>>,
    ) -> Result<(), Violation> {
        let pairing = self.phase.pairing();
        let position = pairing.position.expect("known before the main connection asks");
        match &pairing.main {
            Main::Naming(_) if line.starts_with('+') => {
                let (id, next_byte) = (position.id.to_string(), position.offset.next_byte().to_string());
                actions.push(Action::Send(wire::request(&[b"PSYNC", id.as_bytes(), next_byte.as_bytes()])));
                pairing.main = Main::Asking(LineReader::default());
            }
            Main::Asking(_) if matches!(Decision::parse(line)?, Decision::Continue { .. }) => {
                pairing.main = Main::Streaming;
                self.load_if_paired(actions);
            }
            _ => self.fail(now, format!("Dual channel sync refused by the master: {line}"), actions),
        }
        Ok(())
    }

    fn on_side_complete(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let pairing = self.phase.pairing();
        pairing.heard = now;
        pairing.side = Side::Complete(pairing.transfer());
        actions.push(Action::CloseSide);
        self.load_if_paired(actions);
    }

    /// Once the snapshot is here and the stream is on its way, all is as over one connection.
    fn load_if_paired(&mut self, actions: &mut Vec<Action<'_>>) {
        let pairing = self.phase.pairing();
        let (Side::Complete(transfer), Main::Streaming) = (&pairing.side, &pairing.main) else { return };
        let early = std::mem::replace(&mut pairing.early, Early::new(true));
        actions.push(Action::SnapshotEnd);
        self.phase = Phase::Loading {
            position: pairing.position,
            transfer: *transfer,
            connection: Connection::Open { early },
            next_beat: pairing.next_beat,
        };
    }
}

/// Where the stream joins the snapshot; and in Valkey's way the primary's number for the side connection.
fn parse_point(way: Way, line: &str) -> Result<(Position, Option<u64>), Violation> {
    match way {
        Way::Valkey => {
            let (position, carrier) =
                parse_end_offset(line).ok_or_else(|| Violation::BadEndOffset(line.to_owned()))?;
            Ok((position, Some(carrier)))
        }
        Way::Redis { .. } => match Decision::parse(line)? {
            Decision::FullSync { id, offset } => Ok((Position { id, offset }, None)),
            _ => Err(Violation::BadFullResync),
        },
    }
}

/// `$ENDOFF:<offset> <id> <database> <client>`. The snapshot itself tells the database.
fn parse_end_offset(line: &str) -> Option<(Position, u64)> {
    let mut words = line.strip_prefix("$ENDOFF:")?.split_ascii_whitespace();
    let offset = words.next()?.parse::<u64>().ok().filter(|offset| i64::try_from(*offset).is_ok())?;
    let id = ReplicationId::parse(words.next()?.as_bytes())?;
    let carrier = words.nth(1)?.parse().ok()?;
    Some((Position { id, offset: Offset(offset) }, carrier))
}
