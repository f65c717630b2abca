//! What is different where a sentinel starts: it holds no data, and must be able to keep its state.
//!
//! Seen before the process detaches and before it listens, so that whoever starts it is told.

use std::path::Path;

use slipstream_engine::config::Config;
use slipstream_engine::config::command_line::Sources;

use super::read_config;
use crate::jobs::full_path;
use crate::sentinel::check_writable;

/// Leaves out what is about data: a sentinel has none to keep.
pub(super) fn without_data(config: &mut Config) {
    config.appendonly = false;
    config.save.clear();
}

/// What a sentinel would read of a file, for whoever wants to look at it without running one.
///
/// # Errors
///
/// Why it would not start with it.
pub fn sentinel_config(path: &Path) -> Result<Config, String> {
    let sources = Sources { is_sentinel: true, ..Sources::default() };
    let config = read_config(&sources, Some(path), &[])?;
    config.check_sentinel()?;
    Ok(config)
}

/// Whether the state can be kept, in the configuration file or where `sentinel state-file` says.
///
/// # Errors
///
/// Why not, and what would help.
pub(super) fn check_state(config: &Config, config_file: Option<&Path>) -> Result<(), String> {
    let lines = config.sentinel.as_deref().unwrap_or_default();
    let state_file = lines.iter().rev().find_map(|line| match line.words.as_slice() {
        [name, path] if name.eq_ignore_ascii_case("state-file") => Some(path.as_str()),
        _ => None,
    });
    match (state_file.filter(|path| !path.is_empty()), config_file) {
        (Some(path), _) => {
            let path = full_path(path);
            check_writable(&path).map_err(|reason| {
                format!("Sentinel state file {} is not writable: {reason}. Exiting...", path.display())
            })
        }
        (None, Some(path)) => check_writable(path).map_err(|reason| {
            format!(
                "Sentinel config file {} is not writable: {reason}. Exiting...\n\
                 It is replaced as a whole, so its folder must be writable, too. With 'sentinel state-file <path>' in \
                 it, the state is kept elsewhere and this file is only read.",
                path.display()
            )
        }),
        (None, None) => {
            Err("Sentinel needs config file on disk in order to save state. Exiting...".to_owned())
        }
    }
}
