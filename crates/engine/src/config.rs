//! The configuration of a node: its values, the table of directives, and the texts that set them.
//!
//! [`Config`] holds plain typed fields for the hot path. Everything that speaks of directives by name
//! (files, the command line, CONFIG GET, SET and REWRITE, docs/configuration.md) goes through the one table
//! in `table`. Nothing here reads a file or a clock: included files come through [`Files`], a rewritten
//! file is a returned text, and a change by CONFIG SET is a new [`Config`] that the caller takes once the
//! outside world has agreed.
//!
//! Invariant: a value in `Config` has passed its row's check, and a directive whose feature does not exist
//! yet stands at its default, or at a value that amounts to it.

mod values;

mod table;

mod directive;
mod kind;
mod lists;
mod text;
pub mod title;
mod value;

mod change;
pub mod command_line;
pub mod docs;
mod load;
mod rewrite;

#[cfg(test)]
mod tests;

pub use change::{Change, Circumstances, SetError, get, set};
pub use directive::{Directive, Flags};
pub(crate) use kind::parse_memory;
pub use load::{Files, LoadError, load};
pub use rewrite::{Additions, rewrite};
pub(crate) use rewrite::{rewrite_one, rewrite_users};
pub use table::directives;
pub use values::{
    AppendFsync, ChannelsByDefault, ClassLimits, Compression, Config, DisklessLoad, EvictionPolicy, LogLevel,
    OomScoreAdj, OutputLimit, ProtectedAction, SavePoint, ShutdownHandover, ShutdownOn, Upstream,
    VersionCheck,
};

/// The version of Redis whose behaviour is shown to clients.
pub const REDIS_VERSION: &str = "7.2.4";
