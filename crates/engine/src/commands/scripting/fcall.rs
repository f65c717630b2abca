//! FCALL and FCALL_RO: a function of a library.
//!
//! Here is how a function is found; how it runs is in [`crate::scripting::running`].

use std::rc::Rc;

use slipstream_scripting::Purpose;

use super::eval::show_to_monitors;
use crate::call::Call;
use crate::errors::CommandError;
use crate::scripting::running::{self, Order};

pub(super) fn fcall(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, false)
}

pub(super) fn fcall_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    run(call, true)
}

fn run(call: &mut Call<'_>, only_reads: bool) -> Result<(), CommandError> {
    show_to_monitors(call);
    let found = call.core.scripting.libraries.function(&call.args[1]);
    let function = Rc::clone(found.ok_or(CommandError::NO_SUCH_FUNCTION)?);
    let count = call.integer(2).map_err(|_| CommandError::FUNCTION_NUMKEYS)?;
    let keys = super::eval::checked_key_count(call, count)?;
    let order = Order {
        purpose: Purpose::Libraries,
        program: &function.program,
        name: &function.name,
        flags: Some(function.flags),
        only_reads,
        keys,
    };
    running::run(call, &order)
}
