//! ACL: users and what they may do, as operators see and change them.
//!
//! What rules mean is in [`crate::acl`]. Nothing here is propagated: each node has users of its own.

mod log;
mod users;

use crate::acl::{CATEGORIES, Category};
use crate::call::{Call, integer};
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

const HELP: u32 = flag::LOADING | flag::STALE | flag::SENTINEL;
const COMMON: u32 = HELP | flag::NOSCRIPT;
const ADMIN: u32 = COMMON | flag::ADMIN;

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const BY_RULES: &str = "O(N), N being the number of the user's rules";
const BY_USERS: &str = "O(N), N being the number of users";

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("acl", -2, SUBCOMMANDS).flags(flag::SENTINEL).doc(
    Group::Server,
    "6.0.0",
    "Shows and changes users.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("acl|cat", -2, cat)
        .flags(COMMON)
        .doc(Group::Server, "6.0.0", "Lists the categories of commands, or the commands of one.", "O(1)")
        .syntax("[category]"),
    Command::new("acl|deluser", -3, users::deluser)
        .flags(ADMIN)
        .tips(EVERYWHERE)
        .doc(Group::Server, "6.0.0", "Deletes users, and closes their connections.", BY_USERS)
        .syntax("username..."),
    Command::new("acl|dryrun", -4, users::dryrun)
        .flags(ADMIN)
        .doc(Group::Server, "7.0.0", "Tells whether a user may run a command, without running it.", "O(1)")
        .syntax("username command [arg...]"),
    Command::new("acl|genpass", -2, genpass)
        .flags(COMMON)
        .doc(Group::Server, "6.0.0", "Makes up a password.", "O(1)")
        .syntax("[bits:integer]"),
    Command::new("acl|getuser", 3, users::getuser)
        .flags(ADMIN)
        .history(&[
            ("6.2.0", "Tells channels."),
            ("7.0.0", "Tells selectors; keys and channels are told as rules."),
        ])
        .doc(Group::Server, "6.0.0", "Tells the rules of a user.", BY_RULES)
        .syntax("username"),
    Command::new("acl|list", 2, users::list).flags(ADMIN).doc(
        Group::Server,
        "6.0.0",
        "Lists all users with their rules, as lines of a file.",
        BY_USERS,
    ),
    Command::new("acl|load", 2, users::load).flags(ADMIN).doc(
        Group::Server,
        "6.0.0",
        "Puts the users of the ACL file in the place of all.",
        BY_USERS,
    ),
    Command::new("acl|log", -2, log::log)
        .flags(ADMIN)
        .history(&[("7.2.0", "Tells numbers of entries, and when they were made and last changed.")])
        .doc(Group::Server, "6.0.0", "Lists what was refused of late.", "O(N), N being the entries shown")
        .syntax("operation:[count:integer | RESET]"),
    Command::new("acl|save", 2, users::save).flags(ADMIN).tips(EVERYWHERE).doc(
        Group::Server,
        "6.0.0",
        "Writes all users into the ACL file.",
        BY_USERS,
    ),
    Command::new("acl|setuser", -3, users::setuser)
        .flags(ADMIN)
        .tips(EVERYWHERE)
        .history(&[("6.2.0", "Knows rules on channels."), ("7.0.0", "Knows selectors, and access to keys.")])
        .doc(Group::Server, "6.0.0", "Changes a user by rules, or makes a new one.", BY_RULES)
        .syntax("username [rule...]"),
    Command::new("acl|users", 2, users::users).flags(ADMIN).doc(
        Group::Server,
        "6.0.0",
        "Lists the names of all users.",
        BY_USERS,
    ),
    Command::new("acl|whoami", 2, users::whoami).flags(COMMON).doc(
        Group::Server,
        "6.0.0",
        "Tells whose rules hold for this connection.",
        "O(1)",
    ),
    Command::new("acl|help", 2, help).flags(HELP).doc(
        Group::Server,
        "6.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

fn wrong_arguments(call: &Call<'_>) -> CommandError {
    CommandError::unknown_subcommand_or_arguments("acl", &call.args[1])
}

fn cat(call: &mut Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        2 => {
            call.reply.array(CATEGORIES.len());
            CATEGORIES.iter().for_each(|name| call.reply.bulk(name.as_bytes()));
        }
        3 => {
            let category = Category::find(&call.args[2]).ok_or_else(|| {
                let name = String::from_utf8_lossy(&call.args[2]);
                CommandError::text(format!("ERR Unknown category '{name}'"))
            })?;
            let members = call.core.table.entries().iter().map(|entry| entry.command);
            let names: Vec<_> =
                members.filter(|row| category.has(row)).map(|command| command.full_name).collect();
            call.reply.array(names.len());
            names.iter().for_each(|name| call.reply.bulk(name.as_bytes()));
        }
        _ => return Err(wrong_arguments(call)),
    }
    Ok(())
}

fn genpass(call: &mut Call<'_>) -> Result<(), CommandError> {
    let bits = match call.args.len() {
        2 => 256,
        3 => integer(&call.args[2])?,
        _ => return Err(wrong_arguments(call)),
    };
    let bits = usize::try_from(bits).ok().filter(|bits| (1..=4096).contains(bits));
    let digits = bits.ok_or(CommandError::GENPASS_BITS)?.div_ceil(4);
    let mut secret = vec![0; digits.div_ceil(2)];
    let failed = |reason: String| CommandError::text(format!("ERR {reason}"));
    call.core.host.fill_secret(&mut secret).map_err(failed)?;
    let mut text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    call.reply.bulk(text.as_bytes());
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CAT [<category>]",
        "    The categories of commands; with <category> its commands.",
        "DELUSER <username> [<username> ...]",
        "    Deletes users, and closes their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether the user may run the command, which is not run.",
        "GENPASS [<bits>]",
        "    Makes up a password of 256 bits, or as many as are asked for.",
        "GETUSER <username>",
        "    The rules of a user.",
        "LIST",
        "    All users with their rules, as lines of a file.",
        "LOAD",
        "    Puts the users of the ACL file in the place of all.",
        "LOG [<count>|RESET]",
        "    What was refused of late, 10 entries unless told otherwise; RESET forgets it.",
        "SAVE",
        "    Writes all users into the ACL file.",
        "SETUSER <username> [<rule> ...]",
        "    Changes a user by rules, or makes a new one.",
        "USERS",
        "    The names of all users.",
        "WHOAMI",
        "    The user of this connection.",
    ]);
    Ok(())
}
