//! CLIENT: connections, seen and steered by clients.
//!
//! The lines of LIST and INFO are in [`list`], KILL is in [`kill`]; the rest
//! changes one field of a session or the node's pause.

mod kill;
mod list;
mod tracking;

use slipstream_replication::Moment;

use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, flag};
use crate::commands::connection::checked_name;
use crate::errors::CommandError;
use crate::session::{ReplyMode, Session, SessionId};
use crate::waiting::Ending;

pub(crate) use list::describe;
use list::{Kind, line};

const HELP: u32 = flag::LOADING | flag::STALE;
const COMMON: u32 = HELP | flag::NOSCRIPT;
const ADMIN: u32 = COMMON | flag::ADMIN;

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("client", -2, SUBCOMMANDS).flags(flag::SENTINEL).doc(
    Group::Connection,
    "2.4.0",
    "Shows and steers connections.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("client|id", 2, id).flags(COMMON | flag::SENTINEL).doc(
        Group::Connection,
        "5.0.0",
        "Tells the number of this connection.",
        "O(1)",
    ),
    Command::new("client|info", 2, info).flags(COMMON | flag::SENTINEL).tips(&["nondeterministic_output"]).doc(
        Group::Connection,
        "6.2.0",
        "Tells about this connection.",
        "O(1)",
    ),
    Command::new("client|list", -2, client_list)
        .flags(ADMIN | flag::SENTINEL)
        .tips(&["nondeterministic_output"])
        .history(&[
            ("2.8.12", "Tells the number of each connection."),
            ("5.0.0", "Knows TYPE."),
            ("6.0.0", "Tells the user."),
            ("6.2.0", "Knows ID; tells `argv-mem`, `tot-mem`, `laddr` and `redir`."),
            ("7.0.0", "Tells `resp`, `multi-mem`, `rbs` and `rbp`."),
            ("7.0.3", "Tells `ssub`."),
        ])
        .doc(
            Group::Connection,
            "2.4.0",
            "Tells about connections, a line for each.",
            "O(N), N being their number",
        )
        .syntax("client-type:[TYPE (normal:pure-token | master:pure-token | replica:pure-token | pubsub:pure-token)]!5.0.0 [ID client-id:integer...]!6.2.0"),
    Command::new("client|kill", -3, kill::kill)
        .flags(ADMIN | flag::SENTINEL)
        .history(&[
            ("2.8.12", "Takes options, ID and TYPE among them."),
            ("3.2.0", "TYPE knows MASTER."),
            ("5.0.0", "TYPE knows REPLICA, which SLAVE means too."),
            ("6.2.0", "Knows LADDR."),
        ])
        .doc(Group::Connection, "2.4.0", "Closes connections.", "O(N), N being the number of connections")
        .syntax(KILL),
    Command::new("client|setname", 3, setname)
        .flags(COMMON | flag::SENTINEL)
        .tips(EVERYWHERE)
        .doc(Group::Connection, "2.6.9", "Names this connection.", "O(1)")
        .syntax("connection-name"),
    Command::new("client|getname", 2, getname).flags(COMMON | flag::SENTINEL).doc(
        Group::Connection,
        "2.6.9",
        "Tells the name of this connection.",
        "O(1)",
    ),
    Command::new("client|setinfo", 4, setinfo)
        .flags(COMMON | flag::SENTINEL)
        .tips(EVERYWHERE)
        .doc(Group::Connection, "7.2.0", "Tells the server which library the client uses.", "O(1)")
        .syntax("attr:((lib-name:pure-token libname) | (lib-ver:pure-token libver))"),
    Command::new("client|pause", -3, pause)
        .flags(ADMIN | flag::SENTINEL)
        .history(&[("6.2.0", "Knows WRITE.")])
        .doc(Group::Connection, "3.0.0", "Holds back commands, or writes only, for a while.", "O(1)")
        .syntax("timeout:integer mode:[WRITE | ALL]!6.2.0"),
    Command::new("client|unpause", 2, unpause).flags(ADMIN | flag::SENTINEL).doc(
        Group::Connection,
        "6.2.0",
        "Takes up what CLIENT PAUSE held back.",
        "O(N), N being the number of clients held back",
    ),
    Command::new("client|no-evict", 3, no_evict)
        .flags(ADMIN | flag::SENTINEL)
        .doc(Group::Connection, "7.0.0", "Keeps this connection whatever memory it takes.", "O(1)")
        .syntax("enabled:(ON | OFF)"),
    Command::new("client|no-touch", 3, no_touch)
        .flags(COMMON)
        .doc(Group::Connection, "7.2.0", "Makes what this connection reads look untouched.", "O(1)")
        .syntax("enabled:(ON | OFF)"),
    Command::new("client|capa", -3, capa)
        .flags(COMMON)
        .doc(Group::Connection, "7.2.4", "Tells what the client can do: REDIRECT, of Valkey 8.", "O(1)")
        .syntax("capability..."),
    Command::new("client|durability", 3, durability)
        .flags(COMMON)
        .doc(
            Group::Connection,
            "7.2.4",
            "Says how many replicas must have a write of this connection before it is answered.",
            "O(1)",
        )
        .syntax("count:(replicas:integer | DEFAULT)"),
    Command::new("client|offset", 2, offset).flags(COMMON).doc(
        Group::Connection,
        "7.2.4",
        "Tells where the last write of this connection is, as a token for WAITOFFSET.",
        "O(1)",
    ),
    Command::new("client|maxlag", 3, maxlag)
        .flags(COMMON)
        .doc(
            Group::Connection,
            "7.2.4",
            "Refuses reads of this connection on a replica whose data is older; 0 refuses none.",
            "O(1)",
        )
        .syntax("milliseconds:integer"),
    Command::new("client|reply", 3, reply)
        .flags(COMMON | flag::SENTINEL)
        .doc(Group::Connection, "3.2.0", "Says whether this connection wants replies.", "O(1)")
        .syntax("action:(ON | OFF | SKIP)"),
    tracking::TRACKING,
    tracking::CACHING,
    tracking::TRACKINGINFO,
    tracking::GETREDIR,
    Command::new("client|unblock", -3, unblock)
        .flags(ADMIN | flag::SENTINEL)
        .doc(
            Group::Connection,
            "5.0.0",
            "Ends the wait of a blocked client.",
            "O(log N), N being the number of connections",
        )
        .syntax("client-id:integer [unblock-type:(TIMEOUT | ERROR)]"),
    Command::new("client|help", 2, help).flags(HELP | flag::SENTINEL).doc(
        Group::Connection,
        "5.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

const KILL: &str = "filter:((old-format/ip:port:string)^2.8.12 | new-format:([ID client-id:integer]!2.8.12 | client-type:[TYPE (normal:pure-token | (master:pure-token)!3.2.0 | slave:pure-token | (replica:pure-token)!5.0.0 | pubsub:pure-token)]!2.8.12 | [USER username] | [ADDR addr/ip:port:string] | [LADDR laddr/ip:port:string]!6.2.0 | [SKIPME (YES | NO)])...)";

fn id(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.integer(i64::try_from(call.session.id.0).unwrap_or(i64::MAX));
    Ok(())
}

fn info(call: &mut Call<'_>) -> Result<(), CommandError> {
    let text = line(&list::running(call), call.core.clock.moment()) + "\n";
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn client_list(call: &mut Call<'_>) -> Result<(), CommandError> {
    let clients = list::clients(call);
    let count = call.args.len();
    let shown: Vec<&list::Client<'_>> = if count == 4 && call.is_word(2, "TYPE") {
        let word = &call.args[3];
        let kind = Kind::parse(word).ok_or_else(|| CommandError::unknown_client_type(word))?;
        clients.iter().filter(|client| client.is(kind)).collect()
    } else if count > 3 && call.is_word(2, "ID") {
        let ids: Vec<i64> = call
            .args
            .from(3)
            .iter()
            .map(integer)
            .collect::<Result<_, _>>()
            .map_err(|_| CommandError::INVALID_CLIENT_ID)?;
        let find = |id| clients.iter().find(|client| i64::try_from(client.session.id.0) == Ok(id));
        ids.into_iter().filter_map(find).collect()
    } else if count == 2 {
        clients.iter().collect()
    } else {
        return Err(CommandError::SYNTAX);
    };
    let now = call.core.clock.moment();
    let text: String = shown.into_iter().map(|client| line(client, now) + "\n").collect();
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn setname(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.session.name = checked_name(&call.args[2])?;
    call.reply.ok();
    Ok(())
}

fn getname(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.session.name.is_empty() {
        true => call.reply.null(),
        false => call.reply.bulk(&call.session.name),
    }
    Ok(())
}

fn setinfo(call: &mut Call<'_>) -> Result<(), CommandError> {
    let attribute = String::from_utf8_lossy(&call.args[2]);
    let place = if is_word(&call.args[2], "LIB-NAME") {
        &mut call.session.library.0
    } else if is_word(&call.args[2], "LIB-VER") {
        &mut call.session.library.1
    } else {
        return Err(CommandError::text(format!("ERR Unrecognized option '{attribute}'")));
    };
    *place = checked_name(&call.args[3]).map_err(|_| {
        CommandError::text(format!("ERR {attribute} cannot contain spaces, newlines or special characters."))
    })?;
    call.reply.ok();
    Ok(())
}

fn pause(call: &mut Call<'_>) -> Result<(), CommandError> {
    let all = match call.args.len() {
        3 => true,
        4 if call.is_word(3, "WRITE") => false,
        4 if call.is_word(3, "ALL") => true,
        4 => return Err(CommandError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(wrong_arguments(call)),
    };
    let timeout = call.integer(2).map_err(|_| CommandError::TIMEOUT_NOT_INTEGER)?;
    let timeout = u64::try_from(timeout).map_err(|_| CommandError::TIMEOUT_NEGATIVE)?;
    let now = call.core.clock.moment();
    let until = now.0.checked_add(timeout).filter(|until| i64::try_from(*until).is_ok());
    let until = Moment(until.ok_or(CommandError::TIMEOUT_OUT_OF_RANGE)?);
    call.core.pause.start(now, until, all);
    call.core.rest_or_expire(call.db.keyspace);
    call.reply.ok();
    Ok(())
}

fn unpause(call: &mut Call<'_>) -> Result<(), CommandError> {
    // The end of the turn takes up what was held back.
    call.core.pause.end();
    call.core.rest_or_expire(call.db.keyspace);
    call.reply.ok();
    Ok(())
}

fn wrong_arguments(call: &Call<'_>) -> CommandError {
    CommandError::unknown_subcommand_or_arguments("client", &call.args[1])
}

fn no_evict(call: &mut Call<'_>) -> Result<(), CommandError> {
    switch(call, |session| &mut session.no_evict)
}

fn no_touch(call: &mut Call<'_>) -> Result<(), CommandError> {
    switch(call, |session| &mut session.no_touch)
}

fn switch(call: &mut Call<'_>, field: fn(&mut Session) -> &mut bool) -> Result<(), CommandError> {
    let on = call.is_word(2, "ON");
    if !on && !call.is_word(2, "OFF") {
        return Err(CommandError::SYNTAX);
    }
    *field(call.session) = on;
    call.reply.ok();
    Ok(())
}

/// What is not known is let pass: a client may be newer than this server.
fn capa(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.from(2).iter().any(|word| is_word(word, "REDIRECT")) {
        call.session.follows_redirects = true;
    }
    call.reply.ok();
    Ok(())
}

fn durability(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.session.durability = if call.is_word(2, "DEFAULT") {
        None
    } else {
        Some(usize::try_from(call.integer(2)?).map_err(|_| CommandError::NOT_POSITIVE)?)
    };
    call.reply.ok();
    Ok(())
}

fn offset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let token = call.core.token(call.session);
    call.reply.bulk(token.as_bytes());
    Ok(())
}

fn maxlag(call: &mut Call<'_>) -> Result<(), CommandError> {
    let limit = u64::try_from(call.integer(2)?).map_err(|_| CommandError::NOT_POSITIVE)?;
    call.core.limit_age(call.session, Some(limit).filter(|limit| *limit > 0));
    call.reply.ok();
    Ok(())
}

fn reply(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.is_word(2, "ON") {
        call.session.reply_mode = ReplyMode::On;
        call.reply.ok();
    } else if call.is_word(2, "OFF") {
        call.session.reply_mode = ReplyMode::Off;
    } else if call.is_word(2, "SKIP") {
        if call.session.reply_mode != ReplyMode::Off {
            call.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::SYNTAX);
    }
    Ok(())
}

fn unblock(call: &mut Call<'_>) -> Result<(), CommandError> {
    let with_error = match call.args.len() {
        3 => false,
        4 if call.is_word(3, "TIMEOUT") => false,
        4 if call.is_word(3, "ERROR") => true,
        4 => return Err(CommandError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(wrong_arguments(call)),
    };
    let id = SessionId(u64::try_from(call.integer(2)?).unwrap_or(0));
    let ending = if with_error { Ending::Failed(CommandError::UNBLOCKED) } else { Ending::TimedOut };
    let ended = call.core.end_wait(id, ending);
    call.reply.integer(i64::from(ended));
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CACHING (YES|NO)",
        "    Says whether the keys of the next request are remembered, by OPTIN or OPTOUT.",
        "CAPA <capability> [<capability> ...]",
        "    Tells what the client can do; REDIRECT: go to the primary when a replica says so.",
        "DURABILITY (<replicas>|DEFAULT)",
        "    Says how many replicas must have a write before it is answered.",
        "GETNAME",
        "    Tells the name of this connection.",
        "GETREDIR",
        "    Tells where invalidations are redirected to; -1 without tracking.",
        "ID",
        "    Tells the number of this connection.",
        "INFO",
        "    Tells about this connection.",
        "KILL <ip:port>",
        "    Closes the connection from this address.",
        "KILL <option> <value> [<option> <value> ...]",
        "    Closes all connections that suit all of these:",
        "    ADDR <ip:port>, LADDR <ip:port>: the client's end, the server's end.",
        "    ID <id>, USER <name>: its number, its user.",
        "    TYPE (NORMAL|MASTER|PRIMARY|REPLICA|PUBSUB): its kind.",
        "    SKIPME (YES|NO): whether this connection is spared; it is by default.",
        "LIST [TYPE (NORMAL|MASTER|PRIMARY|REPLICA|PUBSUB)] [ID <id> ...]",
        "    Tells about connections, a line for each.",
        "MAXLAG <milliseconds>",
        "    Refuses reads on a replica whose data is older; 0 refuses none.",
        "NO-EVICT (ON|OFF)",
        "    Keeps this connection whatever memory it takes.",
        "NO-TOUCH (ON|OFF)",
        "    Makes what this connection reads look untouched.",
        "OFFSET",
        "    Tells where the last write of this connection is, for WAITOFFSET.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Holds back all commands, or those that write.",
        "REPLY (ON|OFF|SKIP)",
        "    Says whether this connection wants replies; SKIP spares the next.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tells the server which library the client uses.",
        "SETNAME <name>",
        "    Names this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [PREFIX <prefix> ...]] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Says whether this connection, or another one, is told when keys change that it read.",
        "TRACKINGINFO",
        "    Tells how this connection tracks keys.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    Ends the wait of a blocked client, as if by time or with an error.",
        "UNPAUSE",
        "    Takes up what PAUSE held back.",
    ]);
    Ok(())
}
