//! EVAL, EVALSHA and their forms that only read.
//!
//! Here is how a script is found; how it runs is in [`crate::scripting::running`].

use std::rc::Rc;

use slipstream_scripting::Purpose;

use crate::call::Call;
use crate::errors::CommandError;
use crate::scripting::cache::{Origin, Script};
use crate::scripting::running::{self, Order};

pub(super) fn eval(call: &mut Call<'_>) -> Result<(), CommandError> {
    run_text(call, false)
}

pub(super) fn eval_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run_text(call, true)
}

pub(super) fn evalsha(call: &mut Call<'_>) -> Result<(), CommandError> {
    run_known(call, false)
}

pub(super) fn evalsha_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run_known(call, true)
}

fn run_text(call: &mut Call<'_>, only_reads: bool) -> Result<(), CommandError> {
    show_to_monitors(call);
    let keys = key_count(call)?;
    let body = &call.args[1];
    let script = match call.core.scripting.scripts.by_body(body) {
        Some(script) => script,
        None => call.core.compile_script(body, Origin::Evaled)?,
    };
    run(call, &script, keys, only_reads)
}

fn run_known(call: &mut Call<'_>, only_reads: bool) -> Result<(), CommandError> {
    show_to_monitors(call);
    let digest = &call.args[1];
    if digest.len() != 40 {
        return Err(CommandError::NOSCRIPT);
    }
    let keys = key_count(call)?;
    let script = call.core.scripting.scripts.by_digest(digest).ok_or(CommandError::NOSCRIPT)?;
    run(call, &script, keys, only_reads)
}

fn run(call: &mut Call<'_>, script: &Rc<Script>, keys: usize, only_reads: bool) -> Result<(), CommandError> {
    let (program, name, flags) = (&script.program, script.name.as_str(), script.flags);
    running::run(call, &Order { purpose: Purpose::Scripts, program, name, flags, only_reads, keys })
}

/// What a script does is shown behind what runs it.
pub(super) fn show_to_monitors(call: &mut Call<'_>) {
    if !call.core.monitors.is_empty() {
        call.core.feed_monitors(call.session, call.args);
    }
}

/// How many of the arguments are keys.
fn key_count(call: &Call<'_>) -> Result<usize, CommandError> {
    checked_key_count(call, call.integer(2)?)
}

pub(super) fn checked_key_count(call: &Call<'_>, count: i64) -> Result<usize, CommandError> {
    match usize::try_from(count) {
        Ok(count) if count > call.args.len() - 3 => Err(CommandError::TOO_MANY_KEYS),
        Ok(count) => Ok(count),
        Err(_) if count < 0 => Err(CommandError::NUMKEYS_NEGATIVE),
        Err(_) => Err(CommandError::TOO_MANY_KEYS),
    }
}
