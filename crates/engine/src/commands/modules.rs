//! MODULE: there are no modules here, and none can be loaded.
//!
//! The rows are those of Redis, so that clients and COMMAND find them. Whoever asks which modules there are gets an
//! empty list; whoever would load one is refused with that reason, once `enable-module-command` lets him ask.

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT;
const CHANGE: u32 = ADMIN | flag::NO_ASYNC_LOADING | flag::PROTECTED;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("module", -2, SUBCOMMANDS).doc(
    Group::Server,
    "4.0.0",
    "Modules, of which there are none.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("module|help", 2, help).flags(flag::LOADING | flag::STALE).doc(
        Group::Server,
        "5.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
    Command::new("module|list", 2, list).flags(ADMIN).tips(&["nondeterministic_output_order"]).doc(
        Group::Server,
        "4.0.0",
        "Lists the modules.",
        "O(N), N being the number of modules",
    ),
    Command::new("module|load", -3, load)
        .flags(CHANGE)
        .doc(Group::Server, "4.0.0", "Would load a module.", "O(1)")
        .syntax("path [arg]..."),
    Command::new("module|loadex", -3, load)
        .flags(CHANGE)
        .doc(Group::Server, "7.0.0", "Would load a module with settings.", "O(1)")
        .syntax("path configs:[CONFIG name value]... [ARGS args...]"),
    Command::new("module|unload", 3, unload)
        .flags(CHANGE)
        .doc(Group::Server, "4.0.0", "Would remove a module.", "O(1)")
        .syntax("name"),
];

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "LIST",
        "    Lists the modules: there are none.",
        "LOAD <path> [<arg> ...]",
        "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
        "UNLOAD <name>",
        "    Are refused: this server is one program without modules.",
    ]);
    Ok(())
}

fn list(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.reply.array(0);
    Ok(())
}

fn load(_: &mut Call<'_>) -> Result<(), CommandError> {
    Err(CommandError::fixed("ERR Error loading the extension. This server loads no modules."))
}

fn unload(_: &mut Call<'_>) -> Result<(), CommandError> {
    Err(CommandError::fixed("ERR Error unloading module: no such module with that name"))
}
