//! Full syncs over two connections: the snapshot on one, the stream on the other, which keeps it meanwhile.
//!
//! ```text
//!  main connection                                            carrier
//!
//!  as Valkey speaks:
//!  PSYNC ─► +DUALCHANNELSYNC
//!                                                             REPLCONF rdb-only 1 rdb-channel 1, SYNC
//!                                                             ─► $ENDOFF:offset id database carrier, snapshot
//!  REPLCONF set-rdb-client-id carrier, PSYNC ─► +CONTINUE, stream
//!
//!  as Redis 8 speaks:
//!  PSYNC ─► +RDBCHANNELSYNC main
//!                                                             REPLCONF … main-ch-client-id main, PSYNC
//!  ─► stream, without another word                            ─► +FULLRESYNC id offset, snapshot
//! ```
//!
//! The main connection is the replica: it is listed and counted, the carrier is not. A carrier whose main
//! connection is not known keeps the log from its snapshot on, and for a moment after it is done.
//!
//! Invariant: from the moment a carrier is told its offset, the log is kept from there until the main
//! connection reads it, is gone, or is late by more than [`GRACE_MS`].

use slipstream_log::Offset;
use slipstream_resp::number::parse_i64;

use super::arrival::{self, Newcomer, NoContinuation, Request, SyncRefused};
use super::profile::TwoLinks;
use super::replica::{Phase, Replica, Stage};
use super::{Action, Profile, ReplconfError, ReplicaId, Replicas, Turn};
use crate::Moment;

/// How long a main connection may still ask for its stream when its carrier is done.
const GRACE_MS: u64 = 5000;

/// The log behind a snapshot that was sent, for a main connection that has not asked for its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) from: Offset,
    until: Moment,
}

/// What can be asked of full syncs over two connections.
impl Replicas {
    /// Whether that session is a replica that was told to fetch its snapshot over another connection. It is
    /// still a client then: it gets replies, and may ask for its stream.
    pub fn is_redirected(&self, id: ReplicaId) -> bool {
        self.replicas.get(&id).is_some_and(|replica| replica.phase == Phase::Redirected)
    }

    /// Snapshots whose main connection has not asked for its stream (`replicas_waiting_psync`).
    pub fn waiting_for_main(&self) -> usize {
        let waits = |replica: &&Replica| {
            let profile = &replica.profile;
            profile.carries_snapshot && profile.main.is_none() && replica.job().is_some()
        };
        self.kept.len() + self.replicas.values().filter(waits).count()
    }
}

impl Replicas {
    /// Takes in what a session says of its other connection, or of being one.
    pub(super) fn check_link(
        &self,
        own: ReplicaId,
        option: &[u8],
        value: &[u8],
    ) -> Result<(), ReplconfError> {
        let id = || parse_i64(value).ok_or(ReplconfError::NotAnInteger);
        let session = |id: i64| u64::try_from(id).ok().map(ReplicaId);
        let is_known = match option.to_ascii_lowercase().as_slice() {
            // Who waits for a carrier is none, and not its own.
            b"main-ch-client-id" => {
                session(id()?).is_some_and(|id| self.is_redirected(id)) && !self.is_redirected(own)
            }
            b"set-rdb-client-id" => session(id()?).is_some_and(|id| self.is_carrier(id)),
            _ => return Ok(()),
        };
        if is_known { Ok(()) } else { Err(ReplconfError::UnknownLink(id()?)) }
    }

    fn is_carrier(&self, id: ReplicaId) -> bool {
        let is_carrier = |replica: &Replica| replica.profile.carries_snapshot && replica.job().is_some();
        self.kept.contains_key(&id) || self.replicas.get(&id).is_some_and(is_carrier)
    }

    /// A carrier that names its main connection is refused when that does not wait for it.
    pub(super) fn check_main(&self, id: ReplicaId) -> Result<(), SyncRefused> {
        let main = self.profile(id).and_then(|profile| profile.main);
        if main.is_none_or(|main| self.is_redirected(main)) { Ok(()) } else { Err(SyncRefused::NoMain) }
    }

    /// Whether a newcomer who needs a snapshot is to fetch it over another connection, and in which way.
    pub(super) fn redirection(&self, newcomer: &Newcomer<'_>, profile: &Profile) -> Option<TwoLinks> {
        let can = self.settings.two_links && !profile.snapshot_only && !profile.carries_snapshot;
        profile.two_links.filter(|_| can && matches!(newcomer.request, Request::Psync { .. }))
    }

    pub(super) fn redirect(
        &mut self,
        turn: Turn<'_>,
        replica: &mut Replica,
        (way, why): (TwoLinks, NoContinuation),
        actions: &mut Vec<Action>,
    ) {
        self.explain_full_sync(turn, replica, why, actions);
        let text = "is capable of dual channel synchronization, and partial sync isn't possible. Full sync will \
                    continue with dedicated RDB channel.";
        actions.push(Action::notice(format!("Replica {replica} {text}")));
        let answer = match way {
            TwoLinks::Valkey => "+DUALCHANNELSYNC\r\n".to_owned(),
            TwoLinks::Redis => format!("+RDBCHANNELSYNC {}\r\n", replica.id.0),
        };
        replica.phase = Phase::Redirected;
        actions.push(Action::Send { replica: replica.id, bytes: answer.into_bytes() });
    }

    /// What a carrier did not say of the replica it belongs to, as far as that is known.
    pub(super) fn complete_carrier(&self, carrier: &mut Replica) {
        if !carrier.profile.carries_snapshot {
            return;
        }
        let belongs = |replica: &&Replica| match carrier.profile.main {
            Some(main) => replica.id == main,
            None => replica.peer == carrier.peer && replica.profile.port == carrier.profile.port,
        };
        let mains: Vec<&Replica> =
            self.replicas.values().filter(|r| r.phase == Phase::Redirected).filter(belongs).collect();
        // Behind one address there may be several: what all of them read is right for each.
        let version = mains.iter().map(|main| main.profile.version).min().flatten();
        carrier.profile.version = carrier.profile.version.or(version);
        if let [main] = mains.as_slice() {
            carrier.profile.address = main.profile.address.clone();
        }
    }

    /// A redirected replica asks again: its carrier has told it from where.
    pub(super) fn on_second_request(
        &mut self,
        turn: Turn<'_>,
        newcomer: Newcomer<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), SyncRefused> {
        let id = newcomer.id;
        let mut replica = self.replicas.remove(&id).expect("it is redirected");
        match (arrival::continuation(&newcomer.request, turn.log), replica.profile.two_links) {
            (Ok(from), _) => self.attach_main(turn, &mut replica, from, actions),
            (Err(why), Some(way)) if newcomer.request != Request::Sync => {
                self.redirect(turn, &mut replica, (way, why), actions);
            }
            (Err(why), _) => {
                replica.phase = Phase::Queued { since: turn.now, not_before: turn.now };
                self.queue_full_sync(turn, &replica, why, actions);
            }
        }
        self.replicas.insert(id, replica);
        Ok(())
    }

    fn attach_main(
        &mut self,
        turn: Turn<'_>,
        replica: &mut Replica,
        from: Offset,
        actions: &mut Vec<Action>,
    ) {
        let id = replica.id;
        if let Some(carrier) = replica.profile.carrier {
            self.kept.remove(&carrier);
            if let Some(carrier) = self.replicas.get_mut(&carrier) {
                carrier.profile.main = Some(id);
                carrier.profile.address.clone_from(&replica.profile.address);
            }
        }
        let bytes = match replica.profile.takes_new_ids {
            true => format!("+CONTINUE {}\r\n", turn.log.history().id),
            false => "+CONTINUE\r\n".to_owned(),
        };
        actions.push(Action::Send { replica: id, bytes: bytes.into_bytes() });
        replica.start_buffering(turn.now, from, actions);
    }

    /// A carrier has been told its offset: the stream of the main connection that it named begins there, if that
    /// still waits for it.
    pub(super) fn begin_main(
        &mut self,
        now: Moment,
        carrier: ReplicaId,
        from: Offset,
        actions: &mut Vec<Action>,
    ) {
        let main = self.replicas[&carrier].profile.main.filter(|main| self.is_redirected(*main));
        if let Some(main) = main.and_then(|main| self.replicas.get_mut(&main)) {
            main.start_buffering(now, from, actions);
        }
    }

    /// The carrier of a main connection makes progress: the replica lives.
    pub(super) fn hear_main(&mut self, now: Moment, main: Option<ReplicaId>) {
        if let Some(main) = main.and_then(|main| self.replicas.get_mut(&main)) {
            main.heard = now;
        }
    }

    /// A carrier is done, or closed by a replica that may have everything.
    pub(super) fn keep_for_main(&mut self, now: Moment, carrier: ReplicaId) {
        let replica = &self.replicas[&carrier];
        let Phase::Syncing { from, stage: Stage::Sending { .. }, .. } = replica.phase else { return };
        match replica.profile.main {
            _ if !replica.profile.carries_snapshot => {}
            Some(main) => self.hear_main(now, Some(main)),
            None => drop(self.kept.insert(carrier, Kept { from, until: now.after_ms(GRACE_MS) })),
        }
    }

    pub(super) fn expire_kept(&mut self, now: Moment) {
        self.kept.retain(|_, kept| now < kept.until);
    }

    pub(super) fn kept_deadline(&self) -> Option<Moment> {
        self.kept.values().map(|kept| kept.until).min()
    }

    pub(super) fn carriers_of(&self, main: ReplicaId) -> Vec<ReplicaId> {
        let carriers = self.replicas.values().filter(|replica| replica.profile.main == Some(main));
        carriers.map(|replica| replica.id).collect()
    }
}

impl Replica {
    fn start_buffering(&mut self, now: Moment, from: Offset, actions: &mut Vec<Action>) {
        self.phase = Phase::Buffering { cursor: from };
        self.heard = now;
        let first = from.next_byte();
        let text = format!("Sending the stream from offset {first} to replica {self} beside its snapshot");
        actions.push(Action::notice(text));
        actions.push(Action::StartStream { replica: self.id, from });
    }
}
