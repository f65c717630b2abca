//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites.
//!
//! Each name is answered by a push of its own: what was done, the name, and how
//! many subscriptions the client has; shard channels are counted apart.

use crate::call::Call;
use crate::errors::CommandError;
use crate::pubsub::Kind;

pub(super) fn subscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    listen(call, Kind::Channel, b"subscribe")
}

pub(super) fn psubscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    listen(call, Kind::Pattern, b"psubscribe")
}

/// One reply for each request is what EXEC promises. The older commands keep being allowed there.
pub(super) fn ssubscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.in_exec() {
        return Err(CommandError::SSUBSCRIBE_DENIED);
    }
    listen(call, Kind::Shard, b"ssubscribe")
}

pub(super) fn unsubscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    listen_no_more(call, Kind::Channel, b"unsubscribe")
}

pub(super) fn punsubscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    listen_no_more(call, Kind::Pattern, b"punsubscribe")
}

pub(super) fn sunsubscribe(call: &mut Call<'_>) -> Result<(), CommandError> {
    listen_no_more(call, Kind::Shard, b"sunsubscribe")
}

fn listen(call: &mut Call<'_>, kind: Kind, word: &[u8]) -> Result<(), CommandError> {
    for name in call.args.iter().skip(1) {
        call.core.pubsub.subscribe(call.session, kind, name);
        confirm(call, kind, word, Some(name));
    }
    Ok(())
}

/// Without names, all of the kind; if there is none, that is told without a name.
fn listen_no_more(call: &mut Call<'_>, kind: Kind, word: &[u8]) -> Result<(), CommandError> {
    if call.args.len() > 1 {
        for name in call.args.iter().skip(1) {
            call.core.pubsub.unsubscribe(call.session, kind, name);
            confirm(call, kind, word, Some(name));
        }
        return Ok(());
    }
    let names = call.session.subscriptions.as_ref().map(|own| own.names(kind)).unwrap_or_default();
    for name in &names {
        call.core.pubsub.unsubscribe(call.session, kind, name);
        confirm(call, kind, word, Some(name));
    }
    if names.is_empty() {
        confirm(call, kind, word, None);
    }
    Ok(())
}

fn confirm(call: &mut Call<'_>, kind: Kind, word: &[u8], name: Option<&[u8]>) {
    let session = &*call.session;
    let count = match kind {
        Kind::Shard => session.subscribed(Kind::Shard),
        _ => session.subscribed(Kind::Channel) + session.subscribed(Kind::Pattern),
    };
    call.reply.push(3);
    call.reply.bulk(word);
    call.reply.optional_bulk(name);
    call.reply.count(count);
}
