//! The configuration of a node: its values, the table of directives, and the texts that set them.
//!
//! [`Config`] holds plain typed fields for the hot path. Everything that speaks of directives by name (files, the
//! command line, CONFIG GET, SET and REWRITE, docs/configuration.md) goes through the one table in `table`.
//! Nothing here reads a file or a clock: included files come through a callback, a rewritten file is a returned
//! text, and a change by CONFIG SET is a new `Config` that the caller takes once the outside world has agreed.
//!
//! Invariant: a value in `Config` has passed its row's check, and a directive whose feature does not exist yet
//! stands at its default.

mod values;

pub use values::{
    ClassLimits, Config, DisklessLoad, LogLevel, OutputLimit, ProtectedAction, SavePoint, ShutdownOn,
    Upstream,
};
