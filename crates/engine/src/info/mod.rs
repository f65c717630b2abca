//! INFO: what a node tells about itself, section by section.
//!
//! A section is a row of [`SECTIONS`] and a function that writes its fields in
//! the order and under the names of Redis 7.2, which exporters and Sentinel
//! read. A figure that this node cannot measure is left out, never made up.

use std::fmt::{Display, Write};

use slipstream_keyspace::Keyspace;

use crate::host::ProcessFacts;
use crate::node::Core;

mod commands;
mod debug;
mod keyspace;
pub(crate) mod memory;
mod persistence;
mod process;
mod rates;
mod replication;
mod sentinel;
mod stats;

pub use rates::Rates;

/// Everything that sections are written from.
pub struct Subject<'a> {
    /// The node without its data.
    pub core: &'a Core,
    /// The data.
    pub keyspace: &'a Keyspace,
    /// The process.
    pub facts: ProcessFacts,
}

/// The fields of one section.
#[derive(Debug, Default)]
pub struct Fields(String);

impl Fields {
    /// Adds `name:value`.
    pub fn add(&mut self, name: &str, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("a String takes everything");
    }

    /// Adds a byte count and the same for people.
    pub fn add_bytes(&mut self, name: &str, bytes: usize) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }

    /// Adds a switch as 0 or 1.
    pub fn add_switch(&mut self, name: &str, on: bool) {
        self.add(name, u8::from(on));
    }
}

type Fill = fn(&Subject<'_>, &mut Fields);

/// A section: its name, which requests show it, and its fields.
struct Section {
    name: &'static str,
    shown: Shown,
    fill: Fill,
}

impl Section {
    /// A sentinel tells what Redis' tells, and nothing of data.
    fn is_here(&self, is_sentinel: bool) -> bool {
        let is_common = matches!(self.name, "Server" | "Clients" | "Stats" | "CPU");
        is_common || is_sentinel == (self.name == "Sentinel")
    }
}

/// Which requests show a section, besides those that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// INFO without arguments.
    ByDefault,
    /// INFO ALL.
    WithAll,
    /// None.
    ByName,
}

const SECTIONS: &[Section] = &[
    Section { name: "Server", shown: Shown::ByDefault, fill: process::server },
    Section { name: "Clients", shown: Shown::ByDefault, fill: process::clients },
    Section { name: "Memory", shown: Shown::ByDefault, fill: memory::memory },
    Section { name: "Persistence", shown: Shown::ByDefault, fill: persistence::persistence },
    Section { name: "Stats", shown: Shown::ByDefault, fill: stats::stats },
    Section { name: "Replication", shown: Shown::ByDefault, fill: replication::replication },
    Section { name: "CPU", shown: Shown::ByDefault, fill: process::cpu },
    Section { name: "Modules", shown: Shown::ByDefault, fill: process::modules },
    Section { name: "Commandstats", shown: Shown::WithAll, fill: commands::command_stats },
    Section { name: "Errorstats", shown: Shown::ByDefault, fill: commands::error_stats },
    Section { name: "Latencystats", shown: Shown::WithAll, fill: commands::latency_stats },
    Section { name: "Cluster", shown: Shown::ByDefault, fill: process::cluster },
    Section { name: "Sentinel", shown: Shown::ByDefault, fill: sentinel::sentinel },
    Section { name: "Keyspace", shown: Shown::ByDefault, fill: keyspace::keyspace },
    Section { name: "Debug", shown: Shown::ByName, fill: debug::debug },
];

/// The text of the sections asked for: none named means the usual ones, `all` and `everything` all.
pub fn text(subject: &Subject<'_>, wanted: &[&[u8]]) -> String {
    let is = |word: &str| wanted.iter().any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
    let (all, usual) = (is("all") || is("everything"), wanted.is_empty() || is("default"));
    let mut out = String::new();
    let is_sentinel = subject.core.sentinel.is_some();
    for section in SECTIONS.iter().filter(|section| section.is_here(is_sentinel)) {
        let is_asked_for = match section.shown {
            Shown::ByDefault => all || usual,
            Shown::WithAll => all,
            Shown::ByName => false,
        };
        if is_asked_for || is(section.name) {
            let mut fields = Fields::default();
            (section.fill)(subject, &mut fields);
            if !out.is_empty() {
                out.push_str("\r\n");
            }
            write!(out, "# {}\r\n{}", section.name, fields.0).expect("a String takes everything");
        }
    }
    out
}

/// A byte count for people: `1.50M`.
pub fn human(bytes: usize) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

/// A share with two decimals.
fn ratio(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let value = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    format!("{value:.2}")
}
