//! docs/configuration.md, made from the table.
//!
//! Owns the page's words and layout; each row's words are in the table. The test in tests/docs.rs holds the
//! committed page against it.

use std::fmt::Write as _;

use super::directive::{Directive, Home};
use super::table::SECTIONS;

const HEAD: &str = "\
# Configuration

<!-- Made from the table in crates/engine/src/config/table: cargo xtask docs -->

Slipstream reads Redis' configuration files, and takes every directive as a command line option
(`--port 7000`) and in CONFIG GET, SET and REWRITE. A file is lines of a name and its arguments, apart by
spaces; `#` begins a comment line, `\"…\"` holds spaces and the escapes `\\n`, `\\r`, `\\t`, `\\a`, `\\b` and `\\xHH`,
`'…'` holds anything. Where a directive stands twice the later line wins, except that lines of `save` and the
classes of `client-output-buffer-limit` add up. Memory is in bytes or with a unit: `k`, `m`, `g` are powers of
1000, `kb`, `mb`, `gb` powers of 1024.

Every directive of Redis 7.2 is known, and what the sample files of Redis 7.2 and Valkey 9 set. **No
effect** marks one whose question does not arise here: any value is accepted; **Needless** one that is
refused with that reason unless it is set to its default. **Later** marks one whose
feature this version does not have: it is refused unless it is set to its default, so nothing is ever
accepted and then ignored. *At start* marks one that CONFIG SET cannot change, *hidden* one that CONFIG GET
shows by its exact name only, *protected* one that CONFIG SET changes only where `enable-protected-configs`
allows it.

Three defaults differ from Redis: `repl-backlog-size` is 64 MiB instead of 1 MiB, so that a short break of a
link does not end in a full sync; `repl-diskless-sync-delay` is 0 instead of 5, since a replica that comes late
needs no other fork; `repl-diskless-load` is `swapdb` instead of `disabled`, since old data is served meanwhile.

## In files only

| line | meaning |
|---|---|
| `include path` | Read another file at this place; a path with `*`, `?` or `[…]` stands for every file that matches, also for none. |
| `rename-command name new-name` | Give a command another name; `\"\"` removes it. |
| `loadmodule …` | **Later**: modules. |
";

/// The page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        let title = section.title;
        write!(page, "\n## {title}\n\n| directive | default | values | meaning |\n|---|---|---|---|\n")
            .expect("writing to a string");
        for row in section.rows {
            line(&mut page, row);
        }
    }
    page
}

fn line(page: &mut String, row: &Directive) {
    let names: Vec<_> = row.names().map(|name| format!("`{name}`")).collect();
    let default = String::from_utf8(row.default()).expect("defaults are texts");
    let default = if default.is_empty() { "`\"\"`".to_owned() } else { format!("`{default}`") };
    let marks =
        [(row.flags.immutable, "At start"), (row.flags.hidden, "Hidden"), (row.flags.protected, "Protected")];
    let marks: String =
        marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| format!(" *{mark}.*")).collect();
    let status = match row.home {
        Home::Moot { reason, .. } => format!(" **No effect**: {reason}."),
        Home::Needless { reason, .. } => format!(" **Needless**: {reason}."),
        Home::Later { feature, .. } => format!(" **Later**: {feature}."),
        Home::Field { .. } | Home::Own { .. } => String::new(),
    };
    let (names, syntax, doc) = (names.join(", "), row.kind.syntax(), row.doc);
    writeln!(page, "| {names} | {default} | {syntax} | {doc}{marks}{status} |").expect("writing to a string");
}
