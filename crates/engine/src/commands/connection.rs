//! The connection itself: PING, ECHO, SELECT, AUTH, HELLO, QUIT, RESET.
//!
//! Nothing here is propagated: a connection's state is its session's, and a copy has none of it.

use slipstream_resp::Protocol;

use crate::acl::Users;
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group, flag};
use crate::commands::keys::database_index;
use crate::errors::CommandError;
use crate::session::{Flow, ReplyMode, Role};

/// What a client from another machine is told while no password is set.
pub const PROTECTED_MODE: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

const ALWAYS: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("ping", -1, ping)
        .flags(flag::FAST | flag::SENTINEL)
        .categories(&["connection"])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc(Group::Connection, "1.0.0", "Answers PONG, or the message given.", "O(1)")
        .syntax("[message]"),
    Command::new("echo", 2, echo)
        .flags(flag::LOADING | flag::STALE | flag::FAST)
        .categories(&["connection"])
        .doc(Group::Connection, "1.0.0", "Answers the message given.", "O(1)")
        .syntax("message"),
    Command::new("select", 2, select)
        .flags(flag::LOADING | flag::STALE | flag::FAST)
        .categories(&["connection"])
        .doc(Group::Connection, "1.0.0", "Selects the database of this connection.", "O(1)")
        .syntax("index:integer"),
    Command::new("auth", -2, auth)
        .flags(ALWAYS | flag::NO_AUTH | flag::SENTINEL)
        .categories(&["connection"])
        .history(&[("6.0.0", "Takes a user name before the password.")])
        .doc(
            Group::Connection,
            "1.0.0",
            "Logs this connection in.",
            "O(N), N being the number of passwords of the user",
        )
        .syntax("[username]!6.0.0 password"),
    Command::new("hello", -1, hello)
        .flags(ALWAYS | flag::NO_AUTH | flag::SENTINEL)
        .categories(&["connection"])
        .history(&[("6.2.0", "Without a version it answers without switching.")])
        .doc(Group::Connection, "6.0.0", "Tells who the server is and chooses the protocol.", "O(1)")
        .syntax("arguments:[protover:integer [AUTH username password] [SETNAME clientname]]"),
    Command::new("quit", -1, quit)
        .flags(ALWAYS | flag::NO_AUTH | flag::NOT_QUEUED)
        .categories(&["connection"])
        .doc(Group::Connection, "1.0.0", "Closes this connection once its replies are sent.", "O(1)")
        .deprecated("7.2.0", "closing the connection"),
    Command::new("reset", 1, reset)
        .flags(ALWAYS | flag::NO_AUTH | flag::NOT_QUEUED)
        .categories(&["connection"])
        .doc(Group::Connection, "6.2.0", "Makes this connection as it was when it was new.", "O(1)"),
];

fn ping(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.args.len() <= 2 && call.session.is_subscribed() && !call.reply.is_resp3() {
        // What a RESP2 client reads while it listens are arrays that begin with a word.
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(call.args.get(1).unwrap_or_default());
        return Ok(());
    }
    match (call.args.len(), call.args.get(1)) {
        (1, _) => call.reply.simple("PONG"),
        (2, Some(message)) => call.reply.bulk(message),
        _ => return Err(call.arity_error()),
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.bulk(&call.args[1]);
    Ok(())
}

fn select(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.session.db = database_index(call, &call.args[1])?;
    call.reply.ok();
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (user, password) = match call.args.len() {
        2 if call.core.users.needs_no_password() => return Err(CommandError::AUTH_WITHOUT_PASSWORD),
        2 => (Users::DEFAULT_NAME, &call.args[1]),
        3 => (&call.args[1], &call.args[2]),
        _ => return Err(CommandError::SYNTAX),
    };
    call.core.log_in(call.session, &call.args[0], (user, password))?;
    call.reply.ok();
    Ok(())
}

fn hello(call: &mut Call<'_>) -> Result<(), CommandError> {
    let version = match call.args.get(1) {
        None => None,
        Some(word) => match integer(word) {
            Ok(2) => Some(Protocol::Resp2),
            Ok(3) => Some(Protocol::Resp3),
            Ok(_) => return Err(CommandError::fixed("NOPROTO unsupported protocol version")),
            Err(_) => {
                return Err(CommandError::fixed("ERR Protocol version is not an integer or out of range"));
            }
        },
    };
    let HelloOptions { login, name } = HelloOptions::parse(call)?;
    if let Some(login) = login {
        call.core.log_in(call.session, &call.args[0], login)?;
    }
    if call.core.is_locked(call.session) {
        return Err(CommandError::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        call.session.name = name;
    }
    if let Some(version) = version {
        call.reply.set_protocol(version);
    }
    write_greeting(call);
    Ok(())
}

/// Of options that come more than once, the last counts.
#[derive(Default)]
struct HelloOptions<'a> {
    /// User and password.
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<Vec<u8>>,
}

impl<'a> HelloOptions<'a> {
    fn parse(call: &Call<'a>) -> Result<HelloOptions<'a>, CommandError> {
        let mut options = HelloOptions::default();
        let args = call.args;
        let mut index = 2;
        while let Some(word) = args.get(index) {
            let left = args.len() - index - 1;
            if is_word(word, "AUTH") && left >= 2 {
                options.login = args.get(index + 1).zip(args.get(index + 2));
                index += 3;
            } else if is_word(word, "SETNAME") && left >= 1 {
                options.name = args.get(index + 1).map(checked_name).transpose()?;
                index += 2;
            } else {
                let option = String::from_utf8_lossy(word);
                return Err(CommandError::text(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
        Ok(options)
    }
}

/// A connection's name: printable, so that CLIENT LIST stays one line per client.
pub(crate) fn checked_name(name: &[u8]) -> Result<Vec<u8>, CommandError> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(name.to_vec())
    } else {
        Err(CommandError::fixed("ERR Client names cannot contain spaces, newlines or special characters."))
    }
}

fn write_greeting(call: &mut Call<'_>) {
    let role = if call.core.is_replica() { "replica" } else { "master" };
    let is_sentinel = call.core.sentinel.is_some();
    let protocol = if call.reply.is_resp3() { 3 } else { 2 };
    let reply = &mut *call.reply;
    reply.map(if is_sentinel { 6 } else { 7 });
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(crate::REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(protocol);
    reply.bulk(b"id");
    reply.integer(i64::try_from(call.session.id.0).unwrap_or(i64::MAX));
    reply.bulk(b"mode");
    if is_sentinel {
        reply.bulk(b"sentinel");
    } else {
        reply.bulk(b"standalone");
        reply.bulk(b"role");
        reply.bulk(role.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

fn quit(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.ok();
    call.session.flow = Flow::Closing;
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.leave(call.session);
    let session = &mut *call.session;
    if session.role == Role::Monitor {
        session.role = Role::Client;
    }
    call.core.log_out(session);
    session.db = 0;
    session.name.clear();
    session.reply_mode = ReplyMode::On;
    session.no_evict = false;
    session.no_touch = false;
    session.reads_replicas = false;
    session.sees_due = false;
    session.durability = None;
    call.reply.set_protocol(Protocol::Resp2);
    call.reply.simple("RESET");
    Ok(())
}
