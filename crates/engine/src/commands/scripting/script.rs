//! SCRIPT: the scripts that are known by their digests.
//!
//! Nothing of this is propagated: each node knows scripts of its own.

use slipstream_scripting::Purpose;

use crate::call::Call;
use crate::errors::CommandError;
use crate::scripting::cache::Origin;

/// A debugger would need a copy of this process to run the script in.
pub(super) fn debug(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.is_word(2, "NO") {
        call.reply.ok();
        return Ok(());
    }
    let asks_for_one = call.is_word(2, "YES") || call.is_word(2, "SYNC");
    Err(if asks_for_one { CommandError::NO_DEBUGGER } else { CommandError::SCRIPT_DEBUG_MODE })
}

pub(super) fn exists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let digests = call.args.from(2);
    call.reply.array(digests.len());
    for digest in digests.iter() {
        call.reply.integer(i64::from(call.core.scripting.scripts.contains(digest)));
    }
    Ok(())
}

/// SYNC and ASYNC are one: no other thread may touch what an interpreter holds.
pub(super) fn flush(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        2 => {}
        3 if call.is_word(2, "SYNC") || call.is_word(2, "ASYNC") => {}
        _ => return Err(CommandError::SCRIPT_FLUSH_MODE),
    }
    call.core.scripting.forget_scripts();
    call.reply.ok();
    Ok(())
}

pub(super) fn kill(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.core.kill_script(Purpose::Scripts)?;
    call.reply.ok();
    Ok(())
}

pub(super) fn load(call: &mut Call<'_>) -> Result<(), CommandError> {
    let body = &call.args[2];
    let script = match call.core.scripting.scripts.by_body(body) {
        Some(script) => script,
        None => call.core.compile_script(body, Origin::Loaded)?,
    };
    call.core.scripting.scripts.keep(&script);
    call.reply.bulk(script.name.as_bytes());
    Ok(())
}

pub(super) fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "DEBUG (YES|SYNC|NO)",
        "    Whether scripts run in a debugger. There is none: only NO is accepted.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Tells for each digest whether that script is known.",
        "FLUSH [ASYNC|SYNC]",
        "    Forgets all scripts. Both modes do the same.",
        "KILL",
        "    Ends the script that runs, if it has written nothing.",
        "LOAD <script>",
        "    Takes in a script without running it.",
    ]);
    Ok(())
}
