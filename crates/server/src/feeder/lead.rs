//! The replica that has the log first: the loop writes to its socket itself, before replies leave.
//!
//! What the sockets of a killed process have taken is sent all the same. So a reply to a write leaves when the socket
//! of one replica has taken the log up to it: that replica is then the one with the highest offset, which a failover
//! makes the primary. The others follow in the feeder's batches.
//!
//! A replica whose socket takes no more is the feeder's alone until that has caught up with it, and another one leads.
//! If none can, replies do not wait. Nor is one left to lead that is silent while others acknowledge.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slipstream_engine::SessionId;
use slipstream_log::{Log, Offset, ReplicationId};

use super::outlet::Outlet;

/// A replica's socket, which the feeder and the loop write to.
pub(super) type SharedOutlet = Arc<Mutex<Outlet>>;

/// One that has more to catch up with than this is left to the feeder.
const NEAR: u64 = 1 << 20;
/// Each other replica may acknowledge so often, on average, before a lead that does not is replaced.
const PATIENCE: usize = 3;

/// The loop's view of the sockets that the feeder serves.
#[derive(Debug, Default)]
pub(super) struct Lead {
    replicas: BTreeMap<SessionId, Replica>,
    lead: Option<SessionId>,
    /// Whose bytes the streams are. A change of the history ends them, but not at once.
    history: Option<ReplicationId>,
    /// Where the log ended when it was last offered.
    offered: Offset,
    /// What the others have acknowledged since the lead did.
    silence: usize,
    /// How far a socket is, if the node has not been told.
    sent: Option<(SessionId, Offset)>,
}

#[derive(Debug)]
struct Replica {
    outlet: SharedOutlet,
    /// Whether it has acknowledged anything: who merely listens is never promoted.
    has_acked: bool,
}

/// Access to an outlet.
pub(super) fn lock(outlet: &Mutex<Outlet>) -> MutexGuard<'_, Outlet> {
    // A cursor is right whatever happened to a thread that moved it.
    outlet.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lead {
    pub(super) fn add(&mut self, id: SessionId, outlet: SharedOutlet) {
        self.replicas.insert(id, Replica { outlet, has_acked: false });
        self.offered = Offset(0);
    }

    /// Its stream or its socket ends; whether it was here.
    pub(super) fn remove(&mut self, id: SessionId) -> bool {
        self.lead.take_if(|lead| *lead == id);
        self.sent.take_if(|sent| sent.0 == id);
        self.offered = Offset(0);
        self.replicas.remove(&id).is_some()
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.replicas.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// All streams that the log's history has ended are removed.
    pub(super) fn follow(&mut self, log: &Log) {
        self.history = Some(log.history().id);
    }

    /// Whether nobody else needs what is in the log: there is one replica, and its socket has taken it all.
    pub(super) fn has_all(&self, log: &Log) -> bool {
        self.replicas.len() == 1 && self.lead.is_some() && self.offered == log.end()
    }

    /// Offers what is new in the log to the lead, or to another one that takes it all, and then leads.
    pub(super) fn send(&mut self, log: &Log) {
        if self.offered == log.end() || self.replicas.is_empty() || self.history != Some(log.history().id) {
            return;
        }
        let before = std::mem::replace(&mut self.offered, log.end());
        if !self.lead.is_some_and(|lead| self.catches_up(lead, log)) {
            self.silence = 0;
            self.lead = self.candidates(before).into_iter().find(|id| self.catches_up(*id, log));
        }
        self.sent = self.lead.map(|lead| (lead, log.end())).or(self.sent);
    }

    /// How far the lead is, if that is news.
    pub(super) fn take_sent(&mut self) -> Option<(SessionId, Offset)> {
        self.sent.take()
    }

    /// A replica acknowledged something.
    pub(super) fn heard(&mut self, id: SessionId) {
        let all = self.replicas.len();
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        replica.has_acked = true;
        let Some(lead) = self.lead else { return };
        if lead == id {
            self.silence = 0;
            return;
        }
        self.silence += 1;
        if self.silence > PATIENCE * all || !self.replicas.get(&lead).is_some_and(|lead| lead.has_acked) {
            self.silence = 0;
            self.lead = Some(id);
        }
    }

    /// While a replica leads, the feeder has next to nothing to write to it: who waits here waits for a reading.
    fn catches_up(&self, id: SessionId, log: &Log) -> bool {
        self.replicas.get(&id).is_some_and(|replica| lock(&replica.outlet).catch_up(log))
    }

    /// Who may lead, the best first; `end` is where the log ended a moment ago. Whose socket the feeder is busy with
    /// has a lot to catch up with.
    fn candidates(&self, end: Offset) -> Vec<SessionId> {
        let mut candidates: Vec<_> = self
            .replicas
            .iter()
            .filter_map(|(id, replica)| {
                let outlet = replica.outlet.try_lock().ok()?;
                let is_near = end.since(outlet.cursor) <= NEAR;
                (outlet.takes() && is_near).then_some((replica.has_acked, outlet.cursor, *id))
            })
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().rev().map(|(_, _, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::connection::Socket;

    /// Replicas' ends of their connections, with no feeder behind.
    struct Story {
        lead: Lead,
        log: Log,
        theirs: BTreeMap<u64, UnixStream>,
    }

    impl Story {
        fn new(replicas: u64) -> Story {
            let mut rng = fastrand::Rng::with_seed(1);
            let mut log = Log::new(1 << 30, &mut rng);
            log.activate(&mut rng);
            let mut lead = Lead::default();
            lead.follow(&log);
            let mut story = Story { lead, log, theirs: BTreeMap::new() };
            for id in 1..=replicas {
                let (ours, theirs) = UnixStream::pair().unwrap();
                [&ours, &theirs].into_iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
                let socket = Socket::Unix(mio::net::UnixStream::from_std(ours));
                let outlet = Outlet::new(SessionId(id), socket, story.log.end());
                story.lead.add(SessionId(id), Arc::new(Mutex::new(outlet)));
                story.theirs.insert(id, theirs);
            }
            story
        }

        fn write(&mut self, bytes: &[u8]) {
            self.log.append(bytes);
            self.lead.send(&self.log);
        }

        /// What came at a replica's end since the last call.
        fn read(&mut self, id: u64) -> Vec<u8> {
            let mut all = Vec::new();
            let end = self.theirs.get_mut(&id).unwrap().read_to_end(&mut all);
            assert_eq!(end.unwrap_err().kind(), ErrorKind::WouldBlock);
            all
        }

        fn lead(&self) -> Option<u64> {
            self.lead.lead.map(|id| id.0)
        }
    }

    #[test]
    fn one_replica_has_what_was_written_and_the_others_wait_for_the_feeder() {
        let mut story = Story::new(2);
        story.write(b"one ");
        assert_eq!((story.read(1), story.read(2), story.lead()), (vec![], b"one ".to_vec(), Some(2)));
        assert_eq!(story.lead.take_sent(), Some((SessionId(2), story.log.end())));
        assert_eq!(story.lead.take_sent(), None);
        story.write(b"two");
        assert_eq!((story.read(1), story.read(2)), (vec![], b"two".to_vec()));
        assert!(!story.lead.has_all(&story.log), "the other one needs it");
        story.lead.remove(SessionId(2));
        story.write(b"!");
        assert_eq!((story.read(1), story.lead()), (b"one two!".to_vec(), Some(1)));
        assert!(story.lead.has_all(&story.log));
    }

    #[test]
    fn a_full_socket_gives_way_to_another_and_nobody_waits_for_it() {
        let mut story = Story::new(2);
        story.write(b"x");
        story.write(&[b'x'; 900_000]);
        assert_eq!(story.lead(), None, "neither takes so much");
        assert!(!story.lead.has_all(&story.log));
        let (first, second) = (story.read(1).len(), story.read(2).len());
        assert!(first > 0 && second > first && second < 900_001, "{first}, {second}");
        story.write(b"x");
        assert_eq!((story.read(1), story.read(2)), (vec![], vec![]), "the feeder is to find room");
        // It does.
        lock(&story.lead.replicas[&SessionId(1)].outlet).writable = true;
        let mut rest = 0;
        while story.lead() != Some(1) {
            story.write(b"x");
            rest += story.read(1).len();
            lock(&story.lead.replicas[&SessionId(1)].outlet).writable = true;
        }
        assert_eq!((first + rest) as u64, story.log.end().0);
    }

    #[test]
    fn who_is_far_behind_is_left_to_the_feeder() {
        let mut story = Story::new(1);
        story.log.append(&[b'x'; 1 << 21]);
        story.lead.offered = story.log.end();
        story.write(b"x");
        assert_eq!((story.read(1), story.lead()), (vec![], None));
    }

    #[test]
    fn a_lead_that_is_silent_while_others_acknowledge_is_replaced() {
        let mut story = Story::new(2);
        story.write(b"x");
        story.lead.heard(SessionId(1));
        assert_eq!(story.lead(), Some(1), "the other has never acknowledged anything");
        (0..6).for_each(|_| story.lead.heard(SessionId(2)));
        story.lead.heard(SessionId(1));
        (0..6).for_each(|_| story.lead.heard(SessionId(2)));
        assert_eq!(story.lead(), Some(1), "it is as alive");
        story.lead.heard(SessionId(2));
        assert_eq!(story.lead(), Some(2));
        story.write(b"y");
        assert_eq!(story.read(2), b"xy");
    }

    #[test]
    fn who_acknowledges_leads_before_who_merely_listens() {
        let mut story = Story::new(3);
        story.lead.heard(SessionId(2));
        story.write(b"x");
        assert_eq!(story.lead(), Some(2));
    }

    #[test]
    fn a_stream_gets_nothing_of_another_history() {
        let mut story = Story::new(1);
        story.write(b"x");
        story.log.promote(&mut fastrand::Rng::with_seed(2));
        story.write(b"y");
        assert_eq!(story.read(1), b"x", "its end is still to be told");
        story.lead.follow(&story.log);
        story.write(b"z");
        assert_eq!(story.read(1), b"yz");
    }

    #[test]
    fn a_stream_that_ends_is_not_gone_on_with() {
        let mut story = Story::new(1);
        story.write(b"x");
        lock(&story.lead.replicas[&SessionId(1)].outlet).end(Vec::new(), Offset(1));
        story.write(b"y");
        assert_eq!((story.read(1), story.lead()), (b"x".to_vec(), None));
    }
}
