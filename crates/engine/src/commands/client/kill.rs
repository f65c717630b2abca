//! CLIENT KILL: which clients, and how each kind of connection is closed.
//!
//! The caller's own closes behind its reply, the link to the primary through its
//! machine, which connects again; all others by the shell.

use crate::acl::{UserId, Users};
use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::host::Effect;
use crate::session::{Flow, SessionId};

use super::list::{self, Client, Kind};

/// What a client must be like to be closed.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    kind: Option<Kind>,
    peer: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    user: Option<UserId>,
    spares_self: bool,
}

pub(super) fn kill(call: &mut Call<'_>) -> Result<(), CommandError> {
    let by_address = call.args.len() == 3;
    let filter = match by_address {
        true => Filter { peer: Some(call.args[2].to_vec()), ..Filter::default() },
        false => Filter::parse(call)?,
    };
    let own = call.session.id;
    let matching =
        |client: &Client<'_>| filter.admits(client) && !(filter.spares_self && client.session.id == own);
    let found: Vec<SessionId> = list::clients(call)
        .iter()
        .filter(|client| matching(client))
        .map(|client| client.session.id)
        .collect();
    match (by_address, found.len()) {
        (true, 0) => return Err(CommandError::fixed("ERR No such client")),
        (true, _) => call.reply.ok(),
        (false, count) => call.reply.count(count),
    }
    found.into_iter().for_each(|id| call.close_client(id));
    Ok(())
}

impl Filter {
    fn parse(call: &Call<'_>) -> Result<Filter, CommandError> {
        let mut filter = Filter { spares_self: true, ..Filter::default() };
        let mut options = call.args.from(2).iter();
        while let Some(option) = options.next() {
            let value = options.next().ok_or(CommandError::SYNTAX)?;
            filter.set(&call.core.users, option, value)?;
        }
        Ok(filter)
    }

    fn set(&mut self, users: &Users, option: &[u8], value: &[u8]) -> Result<(), CommandError> {
        if is_word(option, "ID") {
            let id = integer(value).ok().and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
            self.id = Some(id.ok_or(CommandError::CLIENT_ID_NOT_POSITIVE)?);
        } else if is_word(option, "TYPE") {
            self.kind = Some(Kind::parse(value).ok_or_else(|| CommandError::unknown_client_type(value))?);
        } else if is_word(option, "ADDR") {
            self.peer = Some(value.to_vec());
        } else if is_word(option, "LADDR") {
            self.local = Some(value.to_vec());
        } else if is_word(option, "USER") {
            self.user = Some(users.find(value).ok_or_else(|| CommandError::no_such_user(value))?);
        } else if is_word(option, "SKIPME") && is_word(value, "YES") {
            self.spares_self = true;
        } else if is_word(option, "SKIPME") && is_word(value, "NO") {
            self.spares_self = false;
        } else {
            return Err(CommandError::SYNTAX);
        }
        Ok(())
    }

    fn admits(&self, client: &Client<'_>) -> bool {
        let session = &*client.session;
        let is_at = |wanted: &Option<Vec<u8>>, end: &crate::session::Endpoint| {
            wanted.as_ref().is_none_or(|wanted| end.to_string().as_bytes() == wanted)
        };
        self.id.is_none_or(|id| session.id.0 == id)
            && self.kind.is_none_or(|kind| client.is(kind))
            && is_at(&self.peer, &session.peer)
            && is_at(&self.local, &session.local)
            && (self.user.is_none() || session.user == self.user)
    }
}

impl Call<'_> {
    /// Closes a connection: that of the client who asks for it behind its reply.
    pub(crate) fn close_client(&mut self, id: SessionId) {
        if id == self.session.id {
            self.session.flow = Flow::Closing;
        } else if Some(id) == self.core.primary_client() {
            let mut actions = Vec::new();
            self.core.replication.link.reconnect(self.core.clock.moment(), &mut actions);
            self.core.perform_link(self.db.keyspace, actions);
        } else if let Some(session) = self.core.sessions.get_mut(id) {
            // Nothing more of it is taken up, and it is given nothing that it waits for.
            session.flow = Flow::Closing;
            self.core.forget_wait(id);
            // A replica counts as gone from here on, whatever this transaction still does.
            self.core.lose_replica(id);
            self.core.effects.push(Effect::Disconnect(id));
        }
    }
}
