//! CONFIG GET and CONFIG SET.
//!
//! A change is made on a copy: it is returned whole, or an error is, so there is nothing to roll back. The
//! caller acts on the world first (ports, directories) and takes the new configuration when that has
//! succeeded.

use std::fmt;

use super::directive::{Directive, Mode};
use super::table::directives;
use super::values::{Config, ProtectedAction};
use crate::glob::{self, Case};

/// The pairs of CONFIG GET: for each pattern the directives whose names match, each name once.
///
/// A name without wildcards is answered as it was asked, and is the only way to see a hidden directive.
pub fn get(config: &Config, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], row: &Directive| {
        if !pairs.iter().any(|(shown, _)| shown.eq_ignore_ascii_case(name)) {
            pairs.push((name.to_vec(), row.show(config)));
        }
    };
    for pattern in patterns {
        if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
            if let Some(row) = Directive::find(pattern) {
                add(pattern, row);
            }
            continue;
        }
        for row in directives().filter(|row| !row.flags.hidden) {
            for name in row.names().filter(|name| glob::matches(pattern, name.as_bytes(), Case::Insensitive))
            {
                add(name.as_bytes(), row);
            }
        }
    }
    pairs
}

/// Who asks for a change, and when.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The client is on this machine.
    pub is_local: bool,
    /// A dataset is being loaded.
    pub is_loading: bool,
}

/// What CONFIG SET comes to.
pub struct Change {
    /// The configuration as it is to be.
    pub config: Config,
    /// The directives whose values differ from before, in the order given.
    pub changed: Vec<&'static Directive>,
}

/// Why CONFIG SET is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No such directive.
    Unknown(Vec<u8>),
    /// Not while a dataset is loaded: the answer is the usual LOADING error.
    Loading,
    /// The directive cannot be set to that.
    Failed {
        /// The directive, as the client or the table calls it.
        argument: Vec<u8>,
        /// What is wrong.
        reason: String,
    },
}

impl SetError {
    /// For a value that was good but that the world did not allow.
    pub fn failed(directive: &Directive, reason: impl Into<String>) -> Self {
        Self::Failed { argument: directive.name.into(), reason: reason.into() }
    }
}

/// The text behind `ERR `.
impl fmt::Display for SetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let name = String::from_utf8_lossy(name);
                write!(out, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Loading => out.write_str("not while loading the dataset"),
            Self::Failed { argument, reason } => {
                let argument = String::from_utf8_lossy(argument);
                write!(out, "CONFIG SET failed (possibly related to argument '{argument}') - {reason}")
            }
        }
    }
}

/// The change that CONFIG SET with these names and values asks for.
pub fn set(config: &Config, pairs: &[(&[u8], &[u8])], when: Circumstances) -> Result<Change, SetError> {
    let rows = find_rows(config, pairs, when)?;
    let mut new = config.clone();
    for (row, (_, value)) in rows.iter().zip(pairs) {
        set_one(&mut new, row, value).map_err(|reason| SetError::failed(row, reason))?;
    }
    let changed = rows.into_iter().filter(|row| row.show(config) != row.show(&new)).collect();
    Ok(Change { config: new, changed })
}

/// The rows of all names, if each may be set now.
fn find_rows(
    config: &Config,
    pairs: &[(&[u8], &[u8])],
    when: Circumstances,
) -> Result<Vec<&'static Directive>, SetError> {
    let mut rows: Vec<&'static Directive> = Vec::with_capacity(pairs.len());
    for (name, _) in pairs {
        let row = Directive::find(name).ok_or_else(|| SetError::Unknown(name.to_vec()))?;
        let refuse =
            |reason: &str| Err(SetError::Failed { argument: name.to_vec(), reason: reason.to_owned() });
        if row.flags.immutable {
            return refuse("can't set immutable config");
        }
        if row.flags.protected && !is_allowed(config.enable_protected_configs, when) {
            return refuse("can't set protected config");
        }
        if row.flags.denied_while_loading && when.is_loading {
            return Err(SetError::Loading);
        }
        if rows.iter().any(|earlier| earlier.name == row.name) {
            return refuse("duplicate parameter");
        }
        rows.push(row);
    }
    Ok(rows)
}

fn is_allowed(action: ProtectedAction, when: Circumstances) -> bool {
    match action {
        ProtectedAction::No => false,
        ProtectedAction::Yes => true,
        ProtectedAction::Local => when.is_local,
    }
}

/// Several arguments come as one value, apart by single spaces.
fn set_one(config: &mut Config, row: &Directive, value: &[u8]) -> Result<(), String> {
    let args: Vec<&[u8]> = match (row.flags.many, value) {
        (true, b"") => Vec::new(),
        (true, _) => value.split(|byte| *byte == b' ').collect(),
        (false, _) => vec![value],
    };
    row.set(config, &args, Mode::Replace)
}
