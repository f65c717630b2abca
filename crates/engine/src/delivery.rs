//! Pushes: what a session is sent without having asked for it with this request.
//!
//! A push to another session goes behind its replies at once. One to the
//! session whose request runs waits until that is answered: its reply is being
//! written meanwhile, and not even its protocol stands where others look for
//! it. CLIENT REPLY holds no push back.

use slipstream_resp::{Protocol, Reply};

use crate::node::Core;
use crate::session::{Flow, Role, Session, SessionId};

/// An encoded push whose members look alike in both protocols.
#[derive(Clone, Debug)]
pub(crate) struct Push(Vec<u8>);

/// What an aggregate or a bulk string takes beside its bytes, or more.
const HEADER: usize = 24;

impl Push {
    /// One of bulk strings.
    pub(crate) fn bulks(parts: &[&[u8]]) -> Push {
        let size = HEADER + parts.iter().map(|part| HEADER + part.len()).sum::<usize>();
        let mut reply = Reply::with_capacity(Protocol::Resp3, size);
        reply.push(parts.len());
        parts.iter().for_each(|part| reply.bulk(part));
        Push(reply.into_bytes())
    }

    /// Writes it; RESP2 has arrays in place of pushes.
    pub(crate) fn write(&self, output: &mut Reply) {
        if output.is_resp3() {
            return output.raw(&self.0);
        }
        output.raw(b"*");
        output.raw(&self.0[1..]);
    }
}

impl Core {
    /// Sends a push to a session, if it is a client that still takes any.
    pub(crate) fn deliver(&mut self, id: SessionId, push: &Push) {
        if self.running == Some(id) {
            self.own_pushes.push(push.clone());
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !takes_pushes(session) {
            return;
        }
        push.write(&mut session.output);
        let limit = self.config.client_output_buffer_limit.of_client(session.is_subscribed());
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
        let pushes = std::mem::take(&mut self.own_pushes);
        if takes_pushes(session) {
            pushes.iter().for_each(|push| push.write(reply));
        }
    }
}

fn takes_pushes(session: &Session) -> bool {
    session.flow != Flow::Closing && matches!(session.role, Role::Client | Role::Monitor)
}
