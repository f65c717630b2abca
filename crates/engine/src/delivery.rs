//! Pushes: what a session is sent without having asked for it with this request.
//!
//! A push to another session goes behind its replies at once. One to the
//! session whose request runs waits until that is answered: its reply is being
//! written meanwhile, and not even its protocol stands where others look for
//! it. CLIENT REPLY holds no push back.

use slipstream_resp::{Protocol, Reply};

use crate::node::Core;
use crate::session::{Flow, Role, Session, SessionId};

/// A push, of which so much is encoded as is alike for all who take it.
#[derive(Clone, Debug)]
pub(crate) enum Push {
    /// Bulk strings.
    Words(Vec<u8>),
    /// Copies of keys are not valid any more.
    Invalidation {
        /// Those keys, as an array; `None` is all keys.
        keys: Option<Box<[u8]>>,
        /// Whether it is told in another client's place.
        is_redirected: bool,
    },
    /// The client in whose place it was to be told is gone.
    BrokenRedirect(SessionId),
}

/// What an aggregate or a bulk string takes beside its bytes, or more.
const HEADER: usize = 24;

impl Push {
    /// One of bulk strings.
    pub(crate) fn bulks(parts: &[&[u8]]) -> Push {
        let size = HEADER + parts.iter().map(|part| HEADER + part.len()).sum::<usize>();
        let mut reply = Reply::with_capacity(Protocol::Resp3, size);
        reply.push(parts.len());
        parts.iter().for_each(|part| reply.bulk(part));
        Push::Words(reply.into_bytes())
    }

    /// Tells that copies of these keys, an encoded array, are not valid any more.
    pub(crate) fn invalidation(keys: Option<&[u8]>) -> Push {
        Push::Invalidation { keys: keys.map(Box::from), is_redirected: false }
    }

    /// The same for whom it is redirected to.
    pub(crate) fn redirected(&self) -> Push {
        match self {
            Push::Invalidation { keys, .. } => Push::Invalidation { keys: keys.clone(), is_redirected: true },
            other => other.clone(),
        }
    }

    /// Writes it. RESP2 has arrays in place of pushes, and knows of none but messages: to a client that listens to
    /// none nothing is told of copies.
    pub(crate) fn write(&self, output: &mut Reply, is_subscribed: bool) {
        match self {
            Push::Words(bytes) if output.is_resp3() => output.raw(bytes),
            Push::Words(bytes) => {
                output.raw(b"*");
                output.raw(&bytes[1..]);
            }
            Push::Invalidation { keys, is_redirected } => {
                if output.is_resp3() {
                    output.push(2);
                    output.bulk(b"invalidate");
                } else if *is_redirected && is_subscribed {
                    output.push(3);
                    output.bulk(b"message");
                    output.bulk(b"__redis__:invalidate");
                } else {
                    return;
                }
                match keys {
                    Some(keys) => output.raw(keys),
                    None => output.null(),
                }
            }
            Push::BrokenRedirect(target) if output.is_resp3() => {
                output.push(2);
                output.bulk(b"tracking-redir-broken");
                output.integer(i64::try_from(target.0).unwrap_or(i64::MAX));
            }
            Push::BrokenRedirect(_) => {}
        }
    }
}

impl Core {
    /// Sends a push to a session, if it is a client that still takes any.
    pub(crate) fn deliver(&mut self, id: SessionId, push: &Push) {
        if [self.running, self.beneath].contains(&Some(id)) {
            self.own_pushes.push((id, push.clone()));
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !takes_pushes(session) {
            return;
        }
        let is_subscribed = session.is_subscribed();
        push.write(&mut session.output, is_subscribed);
        let limit = self.config.client_output_buffer_limit.of_client(is_subscribed);
        let is_much = limit.is_passed(session.unsent());
        self.sessions.mark(id);
        if is_much && let Some(mut session) = self.sessions.take(id) {
            self.check_limits(&mut session);
            self.sessions.insert(session);
        }
    }

    /// Writes behind a reply what was pushed meanwhile to the session that it is for.
    #[cold]
    pub(crate) fn write_own_pushes(&mut self, session: &Session, reply: &mut Reply) {
        let is_own = |(id, _): &mut (SessionId, Push)| *id == session.id;
        let pushes: Vec<_> = self.own_pushes.extract_if(.., is_own).collect();
        if takes_pushes(session) {
            pushes.iter().for_each(|(_, push)| push.write(reply, session.is_subscribed()));
        }
    }
}

fn takes_pushes(session: &Session) -> bool {
    session.flow != Flow::Closing && matches!(session.role, Role::Client | Role::Monitor)
}
