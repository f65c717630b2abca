//! Reads that a client can trust: tokens of offsets, and limits on the age of what is read.
//!
//! A token is a history and an offset in it, as CLIENT OFFSET tells it: `<id>:<offset>`. Whoever stands at that
//! offset of that history, or behind its fork to a later one, has all that the client had written. WAITOFFSET
//! waits for it: waits are kept in the order of their offsets, and looked at again when the node learns of
//! another history. Owns who waits, and which limits of age clients have set.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::{Log, Offset, ReplicationId};
use slipstream_replication::link;

use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{Session, SessionId};

/// A primary is asked for its clock so many times in the shortest age that a client allows.
const BEATS: u64 = 4;

/// Bounds of what is asked for, in milliseconds.
const BEAT_MS: std::ops::RangeInclusive<u64> = 10..=1000;

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: ReplicationId,
    pub(crate) offset: Offset,
}

impl Token {
    pub(crate) fn parse(text: &[u8]) -> Option<Token> {
        let (id, rest) = text.split_at_checked(ReplicationId::LEN)?;
        let digits = rest.strip_prefix(b":")?;
        let offset = slipstream_resp::number::parse_i64(digits)?;
        Some(Token { id: ReplicationId::parse(id)?, offset: Offset(u64::try_from(offset).ok()?) })
    }

    /// Whether a log has come that far.
    fn is_reached(self, log: &Log) -> Reached {
        let known =
            self.id == log.history().id || log.forks().any(|(id, fork)| self.id == id && self.offset <= fork);
        match known {
            true if self.offset <= log.end() => Reached::Yes,
            true => Reached::NotYet,
            false => Reached::Unknown,
        }
    }
}

/// Where a log stands to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Yes,
    NotYet,
    /// Another history, or a part of it that did not last.
    Unknown,
}

/// Clients that wait for offsets.
#[derive(Debug, Default)]
pub(super) struct TokenWaits {
    all: BTreeMap<SessionId, Token>,
    by_offset: BTreeSet<(Offset, SessionId)>,
    /// The history and whether more could be learned of it, when all were last looked at.
    seen: Option<(ReplicationId, bool)>,
}

impl TokenWaits {
    fn insert(&mut self, id: SessionId, token: Token) {
        self.all.insert(id, token);
        self.by_offset.insert((token.offset, id));
    }

    fn remove(&mut self, id: SessionId) {
        if let Some(token) = self.all.remove(&id) {
            self.by_offset.remove(&(token.offset, id));
        }
    }
}

/// Tokens.
impl Core {
    /// Where the last write of a session is, or all that this node has if it wrote nothing.
    pub(crate) fn token(&self, session: &Session) -> String {
        let offset = if session.last_write == Offset(0) { self.log.end() } else { session.last_write };
        format!("{}:{offset}", self.log.history().id)
    }

    /// What WAITOFFSET answers, if that is known by now. A replica without a link may yet learn of a history.
    pub(crate) fn look_for(&self, token: Token) -> Option<Result<i64, CommandError>> {
        match token.is_reached(&self.log) {
            Reached::Yes if self.has_stale_keys() => None,
            Reached::Yes => Some(Ok(1)),
            Reached::Unknown if !self.is_cut_off() => Some(Err(CommandError::UNKNOWN_HISTORY)),
            Reached::NotYet | Reached::Unknown => None,
        }
    }

    pub(crate) fn await_token(&mut self, id: SessionId, token: Token) {
        self.replication.token_waits.insert(id, token);
    }

    pub(crate) fn forget_token(&mut self, id: SessionId) {
        self.replication.token_waits.remove(id);
    }

    /// Answers those who have what they waited for, or never will.
    pub(super) fn end_token_waits(&mut self) {
        let waits = &mut self.replication.token_waits;
        if waits.all.is_empty() {
            return;
        }
        let end = self.log.end();
        let seen = Some((self.log.history().id, self.replication.link.is_up()));
        let all = std::mem::replace(&mut waits.seen, seen) != seen;
        let far = |(offset, _): &&(Offset, SessionId)| all || *offset <= end;
        let ids: Vec<SessionId> = waits.by_offset.iter().take_while(far).map(|(_, id)| *id).collect();
        for id in ids {
            let Some(token) = self.replication.token_waits.all.get(&id).copied() else { continue };
            let Some(answer) = self.look_for(token) else { continue };
            self.finish_wait(id, |reply| match answer {
                Ok(reached) => reply.integer(reached),
                Err(error) => reply.error(error.as_str()),
            });
        }
    }
}

/// Ages.
impl Core {
    /// CLIENT MAXLAG: a session reads nothing older than so many milliseconds from now on.
    pub(crate) fn limit_age(&mut self, session: &mut Session, limit_ms: Option<u64>) {
        let limits = &mut self.replication.age_limits;
        if let Some(old) = std::mem::replace(&mut session.max_lag_ms, limit_ms)
            && let Some(count) = limits.get_mut(&old)
        {
            *count -= 1;
            if *count == 0 {
                limits.remove(&old);
            }
        }
        if let Some(limit) = limit_ms {
            *limits.entry(limit).or_default() += 1;
        }
    }

    /// Whether what a session may read here is too old for it.
    #[inline]
    pub(crate) fn is_too_old(&self, session: &Session) -> bool {
        session.max_lag_ms.is_some_and(|limit| self.is_replica() && self.is_older_than(limit))
    }

    #[cold]
    fn is_older_than(&self, limit_ms: u64) -> bool {
        self.replication.link.age_ms(self.clock.moment()).is_none_or(|age| age > limit_ms)
    }

    /// Has the primary tell its clock as often as clients need it, here and at replicas of this node.
    pub(super) fn follow_age_limits(&mut self, actions: &mut Vec<link::Action<'_>>) {
        let shortest = self.replication.age_limits.first_key_value();
        let own = shortest.map(|(limit, _)| (limit / BEATS).clamp(*BEAT_MS.start(), *BEAT_MS.end()));
        let wanted = [own, self.replication.replicas.wanted_beat()].into_iter().flatten().min();
        self.replication.link.set_beat(wanted, actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: u8) -> ReplicationId {
        ReplicationId::parse(&[digit; 40]).unwrap()
    }

    #[test]
    fn a_token_is_an_id_and_an_offset() {
        let a = "a".repeat(40);
        let check = |text: String, expected| assert_eq!(Token::parse(text.as_bytes()), expected, "{text}");
        check(format!("{a}:17"), Some(Token { id: id(b'a'), offset: Offset(17) }));
        for text in [format!("{a}:"), format!("{a}:-1"), format!("{a}17"), a[1..].to_owned() + ":17", a] {
            check(text, None);
        }
    }

    #[test]
    fn a_log_has_reached_what_lies_before_its_end_and_before_its_fork() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut log = Log::new(1 << 20, &mut rng);
        log.adopt_snapshot(id(b'a'), Offset(100));
        log.adopt_id(id(b'b'));
        log.append(&[b'x'; 50]);
        for (digit, offset, expected) in [
            (b'b', 150, Reached::Yes),
            (b'b', 151, Reached::NotYet),
            (b'b', 10, Reached::Yes),
            (b'a', 100, Reached::Yes),
            (b'a', 101, Reached::Unknown),
            (b'c', 1, Reached::Unknown),
        ] {
            let token = Token { id: id(digit), offset: Offset(offset) };
            assert_eq!(token.is_reached(&log), expected, "{offset} of {}", char::from(digit));
        }
    }
}
