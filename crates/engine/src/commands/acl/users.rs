//! Users themselves: WHOAMI, USERS, LIST, GETUSER, SETUSER, DELUSER, DRYRUN, LOAD, SAVE.
//! Writes replies and closes whom a change shuts out; what rules mean is in [`crate::acl`].

use slipstream_resp::Reply;

use crate::acl::{Denied, Selector, Users, has_bad_name};
use crate::call::Call;
use crate::errors::CommandError;
use crate::host::Level;

pub(super) fn whoami(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.optional_bulk(call.core.user_name(call.session));
    Ok(())
}

pub(super) fn users(call: &mut Call<'_>) -> Result<(), CommandError> {
    let users = call.core.users.iter();
    call.reply.array(users.len());
    users.for_each(|(name, _)| call.reply.bulk(name));
    Ok(())
}

pub(super) fn list(call: &mut Call<'_>) -> Result<(), CommandError> {
    let users = call.core.users.iter();
    call.reply.array(users.len());
    users.for_each(|(name, user)| call.reply.bulk(&[b"user ", name, b" ", &user.describe()].concat()));
    Ok(())
}

pub(super) fn getuser(call: &mut Call<'_>) -> Result<(), CommandError> {
    let Some(id) = call.core.users.find(&call.args[2]) else {
        call.reply.null();
        return Ok(());
    };
    let user = call.core.users.get(id);
    let reply = &mut *call.reply;
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().len());
    user.flags().iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    let passwords = user.passwords();
    reply.array(passwords.len());
    passwords.iter().for_each(|password| reply.bulk(password.as_bytes()));
    write_selector(reply, &user.root);
    reply.bulk(b"selectors");
    reply.array(user.others.len());
    for selector in &user.others {
        reply.map(3);
        write_selector(reply, selector);
    }
    Ok(())
}

fn write_selector(reply: &mut Reply, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(selector.command_rules().as_bytes());
    reply.bulk(b"keys");
    reply.bulk(&selector.key_rules().join(&b' '));
    reply.bulk(b"channels");
    reply.bulk(&selector.channel_rules().join(&b' '));
}

pub(super) fn setuser(call: &mut Call<'_>) -> Result<(), CommandError> {
    let name = &call.args[2];
    if has_bad_name(name) {
        return Err(CommandError::BAD_USER_NAME);
    }
    let changed = call.core.users.changed(&call.core.acl_rules(), name, call.args.from(3).iter());
    let user = changed.map_err(|reason| CommandError::text(format!("ERR {reason}")))?;
    let closed = call.core.put_user(name, user, call.session);
    call.reply.ok();
    closed.into_iter().for_each(|id| call.close_client(id));
    Ok(())
}

pub(super) fn deluser(call: &mut Call<'_>) -> Result<(), CommandError> {
    let names = call.args.from(2);
    if names.iter().any(|name| name == Users::DEFAULT_NAME) {
        return Err(CommandError::DEFAULT_USER_STAYS);
    }
    let gone: Vec<_> = names.iter().filter_map(|name| call.core.users.remove(name)).collect();
    call.reply.count(gone.len());
    let closed = call.core.sessions_of(&gone, call.session);
    closed.into_iter().for_each(|id| call.close_client(id));
    Ok(())
}

pub(super) fn dryrun(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (name, request) = (&call.args[2], call.args.from(3));
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let missing = || CommandError::text(format!("ERR User '{}' not found", text(name)));
    let id = call.core.users.find(name).ok_or_else(missing)?;
    let unknown = |_| CommandError::text(format!("ERR Command '{}' not found", text(&request[0])));
    let entry = call.core.table.resolve(request).map_err(unknown)?;
    let command = entry.command.full_name;
    if !entry.command.accepts(request.len()) {
        return Err(CommandError::arity(command));
    }
    match call.core.users.get(id).check(entry, request) {
        Ok(()) => call.reply.ok(),
        Err(denied) => {
            let object = match denied {
                Denied::Command => command.as_bytes(),
                Denied::Key(at) | Denied::Channel(at) => &request[at],
            };
            let reason = CommandError::would_be_denied(name, command, denied, object);
            call.reply.bulk(reason.as_bytes());
        }
    }
    Ok(())
}

pub(super) fn load(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.config.aclfile.is_empty() {
        return Err(CommandError::NO_ACL_FILE);
    }
    let failed = |reason: String| CommandError::text(format!("ERR {reason}"));
    let closed = call.core.load_users(call.session).map_err(failed)?;
    call.reply.ok();
    closed.into_iter().for_each(|id| call.close_client(id));
    Ok(())
}

pub(super) fn save(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.core.config.aclfile.is_empty() {
        return Err(CommandError::NO_ACL_FILE);
    }
    if let Err(reason) = call.core.save_users() {
        call.core.notice(Level::Warning, &format!("ACL SAVE: {reason}"));
        return Err(CommandError::ACL_NOT_SAVED);
    }
    call.reply.ok();
    Ok(())
}
