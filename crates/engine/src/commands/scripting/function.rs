//! FUNCTION: the libraries of functions.
//!
//! What changes them is propagated as it came: each node runs a library's code by itself. FLUSHALL leaves them.

use slipstream_rdb::{FunctionsError, dump_functions, restore_functions};
use slipstream_resp::reply::Aggregate;
use slipstream_scripting::{Purpose, Registered};

use crate::call::{Call, is_word};
use crate::errors::CommandError;
use crate::glob::{self, Case};
use crate::scripting::libraries::{Libraries, Library};
use crate::session::Role;

pub(super) fn load(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (args, last) = (call.args, call.args.len() - 1);
    let mut options = args.iter().take(last).skip(2);
    let replace = options.len() > 0;
    if let Some(unknown) = options.find(|word| !is_word(word, "REPLACE")) {
        return Err(CommandError::unknown_load_option(unknown));
    }
    let obeys = call.session.role == Role::Primary;
    let name = call.core.load_library(&args[last], replace, obeys)?;
    call.outcome.changes += 1;
    call.reply.bulk(name.as_bytes());
    Ok(())
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<(), CommandError> {
    let removed = call.core.scripting.libraries.remove(&call.args[2]);
    removed.ok_or(CommandError::NO_SUCH_LIBRARY)?;
    call.outcome.changes += 1;
    call.reply.ok();
    Ok(())
}

/// SYNC and ASYNC are one: no other thread may touch what an interpreter holds.
pub(super) fn flush(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        2 => {}
        3 if call.is_word(2, "SYNC") || call.is_word(2, "ASYNC") => {}
        3 => return Err(CommandError::FUNCTION_FLUSH_MODE),
        _ => return Err(CommandError::unknown_subcommand_or_arguments("function", &call.args[1])),
    }
    call.core.scripting.forget_libraries();
    call.outcome.changes += 1;
    call.reply.ok();
    Ok(())
}

pub(super) fn dump(call: &mut Call<'_>) -> Result<(), CommandError> {
    let libraries = call.core.scripting.libraries.iter();
    let payload = dump_functions(libraries.map(|library| &*library.code));
    call.reply.bulk(&payload);
    Ok(())
}

/// What becomes of the libraries that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Append,
    Replace,
    Flush,
}

pub(super) fn restore(call: &mut Call<'_>) -> Result<(), CommandError> {
    let policy = match call.args.len() {
        3 => Policy::Append,
        4 if call.is_word(3, "APPEND") => Policy::Append,
        4 if call.is_word(3, "REPLACE") => Policy::Replace,
        4 if call.is_word(3, "FLUSH") => Policy::Flush,
        4 => return Err(CommandError::RESTORE_POLICY),
        _ => return Err(CommandError::unknown_subcommand_or_arguments("function", &call.args[1])),
    };
    let refuse = |error: FunctionsError| CommandError::text(format!("ERR {error}"));
    let codes = restore_functions(&call.args[2]).map_err(refuse)?;
    let restored = call.core.run_libraries(&codes, call.session.role == Role::Primary)?;
    let present = &mut call.core.scripting.libraries;
    *present = match policy {
        Policy::Flush => restored,
        Policy::Append | Policy::Replace => present.joined(restored, policy == Policy::Replace)?,
    };
    call.outcome.changes += 1;
    call.reply.ok();
    Ok(())
}

pub(super) fn list(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (pattern, with_code) = list_options(call)?;
    let libraries: &Libraries = &call.core.scripting.libraries;
    let reply = &mut *call.reply;
    reply.deferred(Aggregate::Array, |reply| {
        let is_asked =
            |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Insensitive));
        let mut listed = 0;
        for library in libraries.iter().filter(|library| is_asked(library.name.as_bytes())) {
            describe(reply, library, with_code);
            listed += 1;
        }
        Ok(listed)
    })
}

fn list_options<'a>(call: &Call<'a>) -> Result<(Option<&'a [u8]>, bool), CommandError> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = call.args.from(2).iter();
    while let Some(word) = words.next() {
        if !with_code && is_word(word, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && is_word(word, "LIBRARYNAME") {
            pattern = Some(words.next().ok_or(CommandError::LIBRARY_NAME_MISSING)?);
        } else {
            return Err(CommandError::unknown_list_argument(word));
        }
    }
    Ok((pattern, with_code))
}

fn describe(reply: &mut slipstream_resp::Reply, library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    library.functions.iter().for_each(|function| describe_function(reply, function));
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn describe_function(reply: &mut slipstream_resp::Reply, function: &Registered) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.name.as_bytes());
    reply.bulk(b"description");
    reply.optional_bulk(function.description.as_deref());
    reply.bulk(b"flags");
    reply.set(function.flags.names().count());
    function.flags.names().for_each(|name| reply.simple(name));
}

pub(super) fn kill(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.kill_script(Purpose::Libraries)?;
    call.reply.ok();
    Ok(())
}

pub(super) fn stats(call: &mut Call<'_>) -> Result<(), CommandError> {
    let busy = call.core.busy.as_ref();
    if let Some(script) = busy.filter(|busy| busy.purpose == Purpose::Scripts) {
        return Err(script.refusal());
    }
    let libraries = &call.core.scripting.libraries;
    let counts = [("libraries_count", libraries.len()), ("functions_count", libraries.functions_len())];
    let reply = &mut *call.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match busy {
        None => reply.null(),
        Some(busy) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(busy.name.as_bytes());
            reply.bulk(b"command");
            let request = busy.request.args();
            reply.array(request.len());
            request.iter().for_each(|arg| reply.bulk(arg));
            reply.bulk(b"duration_ms");
            reply.count(usize::try_from((call.core.clock.micros - busy.began) / 1000).unwrap_or(usize::MAX));
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(counts.len());
    for (name, count) in counts {
        reply.bulk(name.as_bytes());
        reply.count(count);
    }
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Runs the code of a library, which registers its functions.",
        "DELETE <LIBRARY NAME>",
        "    Deletes a library and its functions.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Describes all libraries, or those whose names match; with their code if asked for.",
        "STATS",
        "    Tells which function runs, its request and for how many milliseconds, and how many there are.",
        "KILL",
        "    Ends the function that runs, if it has written nothing.",
        "FLUSH [ASYNC|SYNC]",
        "    Deletes all libraries. Both modes do the same.",
        "DUMP",
        "    Returns all libraries as one payload.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Adds the libraries of a payload. What is there goes before (FLUSH), refuses them (APPEND, the",
        "    default), or gives way where the name is the same (REPLACE).",
    ]);
    Ok(())
}
