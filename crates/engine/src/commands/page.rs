//! docs/commands.md, made from the rows.
//!
//! Owns the page's words and layout; what is said of a command is in its row.
//! The test in tests/docs.rs holds the committed page against it.

use std::fmt::Write as _;

use super::FAMILIES;
use crate::command::{Command, Group};
use crate::syntax::{parse, usage};

const HEAD: &str = "\
# Commands

<!-- Made from the rows in crates/engine/src/commands: cargo xtask docs -->

Commands behave as in Redis 7.2, in RESP2 and RESP3: options, replies, error texts, and what is sent to
replicas. The last column says where one differs or is discouraged. *Since* is the version of Redis that
brought it. `[…]` is optional, `<a | b>` one of several, `x [x ...]` repeatable. COMMAND INFO and COMMAND DOCS
tell the same to programs.
";

const SECTIONS: &[(Group, &str)] = &[
    (Group::Generic, "Keys"),
    (Group::String, "Strings"),
    (Group::Bitmap, "Bitmaps"),
    (Group::HyperLogLog, "HyperLogLogs"),
    (Group::List, "Lists"),
    (Group::Set, "Sets"),
    (Group::Hash, "Hashes"),
    (Group::SortedSet, "Sorted sets"),
    (Group::Stream, "Streams"),
    (Group::Geo, "Geo"),
    (Group::Transactions, "Transactions"),
    (Group::Scripting, "Scripts and functions"),
    (Group::PubSub, "Publish and subscribe"),
    (Group::Connection, "Connections"),
    (Group::Server, "Server"),
    (Group::Cluster, "Cluster"),
    (Group::Sentinel, "Sentinels"),
];

/// The page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for (group, title) in SECTIONS {
        let mut rows: Vec<&Command> = FAMILIES.iter().copied().flatten().flat_map(with_subcommands).collect();
        rows.retain(|row| row.group == *group);
        rows.sort_by_key(|row| row.full_name);
        if rows.is_empty() {
            continue;
        }
        write!(page, "\n## {title}\n\n| command | what it does | complexity | since | compatibility |\n")
            .expect("writing to a string");
        page.push_str("|---|---|---|---|---|\n");
        rows.into_iter().for_each(|row| line(&mut page, row));
    }
    page
}

/// A command and its subcommands; a container by itself does nothing and has no row.
fn with_subcommands(command: &'static Command) -> impl Iterator<Item = &'static Command> {
    command.run.is_some().then_some(command).into_iter().chain(command.subcommands)
}

fn line(page: &mut String, row: &Command) {
    let name = row.full_name.replace('|', " ").to_uppercase();
    let arguments = usage(&parse(row.syntax).expect("a test reads every row's notation"));
    let form = format!("{name} {arguments}");
    let form = form.trim_end().replace('|', "\\|");
    let Command { summary, complexity, since, differs, .. } = row;
    let mut notes = Vec::new();
    if let Some((version, instead)) = row.deprecated {
        notes.push(format!("discouraged since {version}: use {instead}"));
    }
    if !differs.is_empty() {
        notes.push((*differs).to_owned());
    }
    let notes = notes.join("; ").replace('|', "\\|");
    writeln!(page, "| `{form}` | {summary} | {complexity} | {since} | {notes} |")
        .expect("writing to a string");
}
