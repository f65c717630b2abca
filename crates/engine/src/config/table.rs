//! The table of directives: every directive of Redis 7.2, one row each, in sections.
//!
//! A row is a constructor for its shape (`yes_no`, `integer`, …), its name, its home (`field!`, `moot`,
//! `later`) and one sentence, then what is particular about it. The order is that of CONFIG GET and
//! docs/configuration.md. A directive whose feature arrives gets a field in [`Config`](super::Config) and changes `later`
//! into `field!`.

mod checks;
mod clients;
mod cluster;
mod data;
mod general;
mod memory;
mod network;
mod observing;
mod persistence;
mod replication;
mod security;
mod tls;

use super::directive::{Directive, Flags, Home};
use super::kind::Kind;

/// Directives that belong together.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) rows: &'static [Directive],
}

pub(super) static SECTIONS: &[Section] = &[
    Section { title: "Network", rows: network::ROWS },
    Section { title: "General", rows: general::ROWS },
    Section { title: "Snapshots and the append-only file", rows: persistence::ROWS },
    Section { title: "Replication", rows: replication::ROWS },
    Section { title: "Security", rows: security::ROWS },
    Section { title: "Clients", rows: clients::ROWS },
    Section { title: "Memory", rows: memory::ROWS },
    Section { title: "Data", rows: data::ROWS },
    Section { title: "Slow log and latency", rows: observing::ROWS },
    Section { title: "TLS", rows: tls::ROWS },
    Section { title: "Cluster", rows: cluster::ROWS },
];

/// All directives, in the order of the documentation.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    SECTIONS.iter().flat_map(|section| section.rows)
}

const MAX_I32: i128 = i32::MAX as i128;
const MIN_I32: i128 = i32::MIN as i128;
const MAX_U32: i128 = u32::MAX as i128;
const MAX_I64: i128 = i64::MAX as i128;
const MAX_U64: i128 = u64::MAX as i128;
const MAX_PORT: i128 = u16::MAX as i128;

/// The field of [`Config`](super::Config) that holds a directive's value.
macro_rules! field {
    ($field:ident) => {
        crate::config::directive::Home::Field {
            get: |config| crate::config::value::Stored::load(&config.$field),
            set: |config, value| config.$field = crate::config::value::Stored::store(value),
        }
    };
}
use field;

/// The functions of a directive with a syntax of its own.
macro_rules! own {
    ($syntax:ident) => {
        crate::config::directive::Home::Own {
            show: crate::config::lists::$syntax::show,
            set: crate::config::lists::$syntax::set,
            lines: crate::config::lists::$syntax::lines,
        }
    };
}
use own;

const fn moot(default: &'static str, reason: &'static str) -> Home {
    Home::Moot { default, reason }
}

const fn needless(default: &'static str, reason: &'static str) -> Home {
    Home::Needless { default, reason }
}

const fn later(default: &'static str, feature: &'static str) -> Home {
    Home::Later { default, feature, also: &[] }
}

const fn row(name: &'static str, kind: Kind, home: Home, doc: &'static str) -> Directive {
    let flags = Flags {
        immutable: false,
        hidden: false,
        sensitive: false,
        protected: false,
        denied_while_loading: false,
        many: matches!(kind, Kind::Words(_) | Kind::Own(_)),
    };
    Directive { name, aliases: &[], doc, flags, kind, home }
}

const fn yes_no(name: &'static str, home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Bool, home, doc)
}

/// An integer from 0 up to what Redis takes.
const fn count(name: &'static str, home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Integer { min: 0, max: MAX_I32 }, home, doc)
}

const fn port(name: &'static str, home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Integer { min: 0, max: MAX_PORT }, home, doc)
}

const fn integer(name: &'static str, range: (i128, i128), home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Integer { min: range.0, max: range.1 }, home, doc)
}

const fn bytes(name: &'static str, range: (i128, i128), home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Memory { min: range.0, max: range.1 }, home, doc)
}

const fn one_of(
    name: &'static str,
    words: &'static [&'static str],
    home: Home,
    doc: &'static str,
) -> Directive {
    row(name, Kind::Word(words), home, doc)
}

const fn text(name: &'static str, home: Home, doc: &'static str) -> Directive {
    row(name, Kind::Text(checks::any), home, doc)
}

const fn checked(
    name: &'static str,
    check: fn(&str) -> Result<(), &'static str>,
    home: Home,
    doc: &'static str,
) -> Directive {
    row(name, Kind::Text(check), home, doc)
}

impl Directive {
    const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn immutable(mut self) -> Self {
        self.flags.immutable = true;
        self
    }

    const fn hidden(mut self) -> Self {
        self.flags.hidden = true;
        self
    }

    const fn sensitive(mut self) -> Self {
        self.flags.sensitive = true;
        self
    }

    const fn protected(mut self) -> Self {
        self.flags.protected = true;
        self
    }

    const fn denied_while_loading(mut self) -> Self {
        self.flags.denied_while_loading = true;
        self
    }
}
