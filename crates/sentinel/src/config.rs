//! The configuration: the `sentinel` lines of a file into a machine, and a machine into such lines.
//!
//! Owns what the lines mean and how a text is changed so that it says what is so; reading and writing files is the
//! shell's part. Options are tables: [`options`] for a group, [`globals`] for the whole.
//!
//! ```text
//! configuration file ──► Sentinel::load ──► Sentinel::state_lines ──► rewrite ──► the same file
//! included files ──────►                                 (are never written)
//!
//! with `sentinel state-file`:
//! configuration file ──► Sentinel::load                              (is never written)
//! file of state ───────► Sentinel::load_state ──► Sentinel::state_lines ──► state_text ──► file of state
//! ```

mod fixed;
pub(crate) mod globals;
mod line;
mod load;
mod named;
pub(crate) mod options;
mod rewrite;
mod state;
pub(crate) mod words;

pub(crate) use fixed::Fixed;
pub(crate) use globals::{GLOBAL_OPTIONS, GlobalOption};
pub use line::{ConfigError, ConfigLine};
pub use named::{Named, NamedGroup, NamedScript};
pub(crate) use options::GroupOption;
pub use rewrite::{rewrite, state_text};
pub use state::StateLine;

use crate::address::is_number;
use crate::options::Globals;

/// Whether a host can be taken: names only with `sentinel resolve-hostnames yes`.
pub(crate) fn is_host(globals: &Globals, host: &str) -> bool {
    is_number(host) || (globals.resolve_hostnames && words::is_name(host) && host.len() <= LONGEST_HOST)
}

/// The longest name of a host.
const LONGEST_HOST: usize = 255;

/// Lines that are no options.
const STATEMENTS: [&str; 11] = [
    "myid",
    "current-epoch",
    "monitor",
    "config-epoch",
    "leader-epoch",
    "known-replica",
    "known-slave",
    "known-sentinel",
    "known-min-replicas-to-ack",
    "current-primary",
    "removed",
];

fn is_statement(name: &str) -> bool {
    STATEMENTS.contains(&name)
}

#[cfg(test)]
mod tests;
