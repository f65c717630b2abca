//! The table `redis` of scripts, and the smaller one that a library sees while it registers its functions.
//!
//! Each function checks its arguments with Redis' words, asks the [`server`] that is lent, and gives back what
//! Redis would. Nothing here decides what a command may do.

use std::rc::Rc;

use mlua::{Either, Lua, MultiValue, Table, Value};
use slipstream_resp::{Protocol, Reply, RequestBuffer, number};

use crate::arguments::{Arguments, as_number, as_string, truncate};
use crate::interpreter::Shared;
use crate::library;
use crate::random::Random;
use crate::replies;
use crate::server::{self, Level, Replication};
use crate::thrown::{self, ErrorReply, Thrown};

/// What `redis.REDIS_VERSION` says: the version whose behaviour is met.
const VERSION: &str = "7.2.4";
const VERSION_NUMBER: u32 = 0x0007_0204;

/// The table `redis` of scripts and functions.
pub(crate) fn for_runs(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    add_calls(lua, shared, &redis)?;
    add_replies(lua, &redis)?;
    add_replication(lua, &redis)?;
    add_log(lua, &redis)?;
    add_version(&redis)?;
    let setresp = Rc::clone(shared);
    redis.set("setresp", lua.create_function(move |lua, args| set_protocol(lua, &setresp, &args))?)?;
    redis.set("acl_check_cmd", lua.create_function(is_allowed)?)?;
    Ok(redis)
}

/// What scripts have and functions have not. Without a debugger, and since effects are what is replicated, these
/// do nothing.
pub(crate) fn add_for_scripts(lua: &Lua, redis: &Table) -> mlua::Result<()> {
    redis.set("breakpoint", lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    redis.set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    redis.set("replicate_commands", lua.create_function(|_, _: MultiValue| Ok(true))?)
}

/// The table `redis` while a library is loaded.
pub(crate) fn for_libraries(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let shared = Rc::clone(shared);
    let register = move |lua: &Lua, args: MultiValue| library::register(lua, &shared, args);
    redis.set("register_function", lua.create_function(register)?)?;
    add_log(lua, &redis)?;
    add_version(&redis)?;
    Ok(redis)
}

/// `math.random` and `math.randomseed`.
pub(crate) fn add_random(lua: &Lua, shared: &Rc<Shared>, functions: &Table) -> mlua::Result<()> {
    let state = Rc::clone(shared);
    functions.set("random", lua.create_function(move |lua, args| random(lua, &state, args))?)?;
    let state = Rc::clone(shared);
    let seed = move |lua: &Lua, args: MultiValue| {
        state.random.set(Random::new(Arguments::new(lua, "randomseed", args).int(1)?));
        Ok(())
    };
    functions.set("randomseed", lua.create_function(seed)?)
}

fn random(lua: &Lua, shared: &Shared, args: MultiValue) -> mlua::Result<f64> {
    let args = Arguments::new(lua, "random", args);
    let mut state = shared.random.get();
    let next = state.next();
    shared.random.set(state);
    let (low, high) = match args.len() {
        0 => return Ok(next),
        1 => (1, args.int(1)?),
        2 => (args.int(1)?, args.int(2)?),
        _ => return Err(thrown::text(lua, "wrong number of arguments")),
    };
    if low > high {
        return Err(args.error(args.len(), "interval is empty"));
    }
    // As in C, the span of two far ends wraps.
    let span = high.wrapping_sub(low).wrapping_add(1);
    Ok((next * f64::from(span)).floor() + f64::from(low))
}

fn add_calls(lua: &Lua, shared: &Rc<Shared>, redis: &Table) -> mlua::Result<()> {
    let state = Rc::clone(shared);
    let call = move |lua: &Lua, args: MultiValue| {
        call(lua, &state, |request| write_request(&args, request))?.or_throw()
    };
    redis.set("call", lua.create_function(call)?)?;
    let state = Rc::clone(shared);
    let pcall = move |lua: &Lua, args: MultiValue| {
        self::call(lua, &state, |request| write_request(&args, request))?.or_table(lua)
    };
    redis.set("pcall", lua.create_function(pcall)?)
}

/// `call` and `pcall` for more arguments than the binding has slots: a list of them, and how many they are.
pub(crate) fn calls_by_list(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let calls = lua.create_table()?;
    let state = Rc::clone(shared);
    let call = move |lua: &Lua, (list, count): (Table, usize)| {
        call(lua, &state, |request| write_listed(&list, count, request))?.or_throw()
    };
    calls.set("call", lua.create_function(call)?)?;
    let state = Rc::clone(shared);
    let pcall = move |lua: &Lua, (list, count): (Table, usize)| {
        self::call(lua, &state, |request| write_listed(&list, count, request))?.or_table(lua)
    };
    calls.set("pcall", lua.create_function(pcall)?)?;
    Ok(calls)
}

/// What a command replied. The binding takes a text without a slot for a value between.
type Returned = Either<String, Value>;

enum Called {
    Returned(Returned),
    Error(ErrorReply),
}

impl Called {
    fn or_throw(self) -> mlua::Result<Returned> {
        match self {
            Called::Returned(returned) => Ok(returned),
            Called::Error(error) => Err(Thrown::Reply(error).into()),
        }
    }

    fn or_table(self, lua: &Lua) -> mlua::Result<Returned> {
        match self {
            Called::Returned(returned) => Ok(returned),
            Called::Error(error) => error.to_table(lua).map(|table| Either::Right(Value::Table(table))),
        }
    }
}

/// Whether the arguments of a call are words, or what is wrong with them.
type Words = Result<(), &'static str>;

/// Runs a command. An error is what it replied, or what is wrong with the arguments.
fn call(lua: &Lua, shared: &Shared, write: impl FnOnce(&mut RequestBuffer) -> Words) -> mlua::Result<Called> {
    let mut request = shared.request.borrow_mut();
    if let Err(text) = write(&mut request) {
        return Ok(Called::Error(ErrorReply::parse(text.as_bytes(), false)));
    }
    let mut reply = shared.reply.borrow_mut();
    // A reply that could not be read in full may have been left here.
    reply.clear();
    let asked = server::reach(|server| server.call(request.args(), &mut reply));
    if asked.is_none() {
        return Ok(Called::Error(ErrorReply::parse(NOT_RUNNING.as_bytes(), false)));
    }
    let called = match reply.as_bytes() {
        [b'-', ..] => Called::Error(error_of(&reply)),
        bytes => Called::Returned(match replies::read_text(bytes) {
            Some(text) => Either::Left(text.to_owned()),
            None => Either::Right(replies::read(lua, bytes)?),
        }),
    };
    reply.clear();
    Ok(called)
}

const NOT_RUNNING: &str = "redis.call can only be called inside a script invocation";

fn error_of(reply: &Reply) -> ErrorReply {
    ErrorReply::parse(reply.as_bytes(), true)
}

/// Writes the words of a command.
fn write_request(args: &MultiValue, request: &mut RequestBuffer) -> Words {
    request.clear();
    if args.is_empty() {
        return Err("Please specify at least one argument for this redis lib call");
    }
    args.iter().try_for_each(|value| write_word(value, request))
}

/// The same, holding one of the list's values at a time.
fn write_listed(list: &Table, count: usize, request: &mut RequestBuffer) -> Words {
    request.clear();
    (1..=count).try_for_each(|index| write_word(&list.raw_get(index).unwrap_or(Value::Nil), request))
}

/// Numbers are written as short as they can be.
fn write_word(value: &Value, request: &mut RequestBuffer) -> Words {
    match value {
        Value::String(text) => request.push(&text.as_bytes()),
        Value::Integer(number) => request.push(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Number(value) => request.push(&number::format_f64(*value)),
        _ => return Err("Lua redis lib command arguments must be strings or integers"),
    }
    Ok(())
}

fn add_replies(lua: &Lua, redis: &Table) -> mlua::Result<()> {
    redis.set(
        "status_reply",
        lua.create_function(|lua, args: MultiValue| {
            let Some(text) = only_string(&args) else { return wrong_type(lua) };
            let table = lua.create_table()?;
            table.raw_set("ok", text)?;
            Ok(table)
        })?,
    )?;
    redis.set(
        "error_reply",
        lua.create_function(|lua, args: MultiValue| {
            let Some(text) = only_string(&args) else { return wrong_type(lua) };
            let text = text.as_bytes();
            let dash: &[u8] = if text.starts_with(b"-") { b"" } else { b"-" };
            ErrorReply::parse(&[dash, &text].concat(), false).to_table(lua)
        })?,
    )?;
    redis.set("sha1hex", lua.create_function(sha1hex)?)
}

fn only_string(args: &MultiValue) -> Option<&mlua::String> {
    match args.front() {
        Some(Value::String(text)) if args.len() == 1 => Some(text),
        _ => None,
    }
}

/// This error is returned, not thrown.
fn wrong_type(lua: &Lua) -> mlua::Result<Table> {
    ErrorReply::parse(b"wrong number or type of arguments", false).to_table(lua)
}

fn sha1hex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    let Some(value) = args.front().filter(|_| args.len() == 1) else {
        return Err(thrown::reply("wrong number of arguments"));
    };
    let text = as_string(lua, value)?;
    let digest = match &text {
        Some(text) => sha1_smol::Sha1::from(&*text.as_bytes()).digest(),
        None => sha1_smol::Sha1::new().digest(),
    };
    Ok(digest.to_string())
}

fn add_replication(lua: &Lua, redis: &Table) -> mlua::Result<()> {
    for (name, value) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        redis.set(name, value)?;
    }
    redis.set("set_repl", lua.create_function(set_replication)?)
}

fn set_replication(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    let Some(value) = args.front().filter(|_| args.len() == 1) else {
        return Err(thrown::reply("redis.set_repl() requires one argument."));
    };
    let flags = as_number(lua, value).map_or(0, truncate);
    if flags & !3 != 0 {
        return Err(thrown::reply(
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    let replication = Replication { to_file: flags & 1 != 0, to_replicas: flags & 2 != 0 };
    server::reach(|server| server.set_replication(replication));
    Ok(())
}

fn set_protocol(lua: &Lua, shared: &Shared, args: &MultiValue) -> mlua::Result<()> {
    let Some(value) = args.front().filter(|_| args.len() == 1) else {
        return Err(thrown::reply("redis.setresp() requires one argument."));
    };
    let protocol = match as_number(lua, value).map(truncate) {
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        _ => return Err(thrown::reply("RESP version must be 2 or 3.")),
    };
    shared.reply.borrow_mut().set_protocol(protocol);
    Ok(())
}

fn is_allowed(_: &Lua, args: MultiValue) -> mlua::Result<bool> {
    let mut request = RequestBuffer::default();
    write_request(&args, &mut request).map_err(thrown::reply)?;
    let allowed = server::reach(|server| server.is_allowed(request.args())).flatten();
    allowed.ok_or_else(|| thrown::reply("Invalid command passed to redis.acl_check_cmd()"))
}

fn add_log(lua: &Lua, redis: &Table) -> mlua::Result<()> {
    for (name, value) in [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)] {
        redis.set(name, value)?;
    }
    redis.set("log", lua.create_function(log)?)
}

fn log(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    let mut args = args.into_iter();
    let (Some(level), 1..) = (args.next(), args.len()) else {
        return Err(thrown::reply("redis.log() requires two arguments or more."));
    };
    let Some(level) = as_number(lua, &level) else {
        return Err(thrown::reply("First argument must be a number (log level)."));
    };
    let level = match truncate(level) {
        0 => Level::Debug,
        1 => Level::Verbose,
        2 => Level::Notice,
        3 => Level::Warning,
        _ => return Err(thrown::reply("Invalid debug level.")),
    };
    let mut line = Vec::new();
    for (index, value) in args.enumerate() {
        if let Some(text) = as_string(lua, &value)? {
            if index > 0 {
                line.push(b' ');
            }
            line.extend_from_slice(&text.as_bytes());
        }
    }
    server::reach(|server| server.log(level, &line));
    Ok(())
}

fn add_version(redis: &Table) -> mlua::Result<()> {
    redis.set("REDIS_VERSION", VERSION)?;
    redis.set("REDIS_VERSION_NUM", VERSION_NUMBER)
}
