//! COMMAND DOCS: what a command is for and which arguments it takes.
//!
//! Every word of it comes from the commands' rows; a text is written once, there.

use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use super::{look_up, top_level, write_words};
use crate::call::Call;
use crate::command::Command;
use crate::errors::CommandError;
use crate::syntax::{Argument, Kind, parse};
use crate::table::CommandTable;

/// What is for the server's own use.
const SYSTEM: &[&str] = &["debug", "pfdebug", "pfselftest", "replconf", "restore-asking"];

pub(super) fn docs(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let commands: Vec<&'static Command> = if args.len() == 2 {
        top_level(&call.core.table)
    } else {
        let named = args.iter().skip(2).filter_map(|name| look_up(&call.core.table, name));
        named.map(|entry| entry.command).collect()
    };
    write_all(call.reply, &call.core.table, &commands);
    Ok(())
}

fn write_all(reply: &mut Reply, table: &CommandTable, commands: &[&'static Command]) {
    reply.map(commands.len());
    for command in commands {
        reply.bulk(command.full_name.as_bytes());
        write(reply, table, command);
    }
}

/// Writes a map whose size is known only behind it.
fn write_map(reply: &mut Reply, write: impl FnOnce(&mut Reply) -> usize) {
    let written: Result<(), std::convert::Infallible> =
        reply.deferred(Aggregate::Map, |reply| Ok(write(reply)));
    written.expect("nothing in it can fail");
}

fn write(reply: &mut Reply, table: &CommandTable, command: &'static Command) {
    write_map(reply, |reply| {
        let mut pairs = 0;
        let texts = [
            ("summary", command.summary),
            ("since", command.since),
            ("group", command.group.name()),
            ("complexity", command.complexity),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            pairs += write_text(reply, name, text);
        }
        if SYSTEM.contains(&command.full_name) {
            reply.bulk(b"doc_flags");
            write_words(reply, ["syscmd"].into_iter());
            pairs += 1;
        }
        if let Some((since, instead)) = command.deprecated {
            reply.bulk(b"doc_flags");
            write_words(reply, ["deprecated"].into_iter());
            pairs += 1 + write_text(reply, "deprecated_since", since);
            pairs += write_text(reply, "replaced_by", instead);
        }
        if !command.history.is_empty() {
            pairs += write_history(reply, command.history);
        }
        let arguments = parse(command.syntax).expect("a test reads every row's notation");
        if !arguments.is_empty() {
            reply.bulk(b"arguments");
            write_arguments(reply, &arguments);
            pairs += 1;
        }
        if !command.subcommands.is_empty() {
            reply.bulk(b"subcommands");
            write_all(reply, table, &table.subcommands(command).collect::<Vec<_>>());
            pairs += 1;
        }
        pairs
    });
}

/// Writes a name and a text; returns that this was one pair.
fn write_text(reply: &mut Reply, name: &str, text: &str) -> usize {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
    1
}

fn write_history(reply: &mut Reply, history: &[(&str, &str)]) -> usize {
    reply.bulk(b"history");
    reply.set(history.len());
    for (version, change) in history {
        reply.array(2);
        reply.bulk(version.as_bytes());
        reply.bulk(change.as_bytes());
    }
    1
}

fn write_arguments(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(reply, argument));
}

fn write_argument(reply: &mut Reply, argument: &Argument) {
    let is_group = matches!(argument.kind, Kind::OneOf | Kind::Block);
    write_map(reply, |reply| {
        let mut pairs = write_text(reply, "name", &argument.name);
        pairs += write_text(reply, "type", argument.kind.name());
        if !is_group {
            pairs += write_text(reply, "display_text", argument.shown());
        }
        if let Some(spec) = argument.key_spec {
            reply.bulk(b"key_spec_index");
            reply.count(spec);
            pairs += 1;
        }
        if let Some(token) = &argument.token {
            pairs += write_text(reply, "token", token);
        }
        for (name, version) in [("since", &argument.since), ("deprecated_since", &argument.deprecated_since)]
        {
            pairs += version.as_ref().map_or(0, |version| write_text(reply, name, version));
        }
        let marks = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ];
        let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if !marks.is_empty() {
            reply.bulk(b"flags");
            write_words(reply, marks.into_iter());
            pairs += 1;
        }
        if is_group {
            reply.bulk(b"arguments");
            write_arguments(reply, &argument.children);
            pairs += 1;
        }
        pairs
    });
}
