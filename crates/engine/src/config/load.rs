//! A configuration text into a [`Config`]: lines, comments, quotes, included files.
//!
//! Later lines win, except that `save` lines add up. The first bad line ends it with an error in Redis'
//! shape that names the line. Files are read and listed by the caller through [`Files`].

use std::fmt;

use slipstream_resp::split_line;
use slipstream_sentinel::config::ConfigLine;

use super::REDIS_VERSION;
use super::directive::{Directive, Mode};
use super::values::Config;
use crate::acl::UserLine;
use crate::glob::{self, Case};
use crate::table;

/// A file that includes itself must not go on for ever.
const MAX_DEPTH: usize = 16;

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

/// What Redis still takes and has no use for.
const RETIRED: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// The caller's file system.
pub trait Files {
    /// The whole of a file, or why it cannot be read.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
    /// The names in a directory, in any order; none where it cannot be read.
    fn list(&mut self, directory: &str) -> Vec<String>;
}

/// Why a configuration is refused. Displayed as the lines for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A line is wrong.
    Line {
        /// From 1, in the text that holds it.
        number: usize,
        /// The line, without the spaces around it.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An included file cannot be read.
    File {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { number, line, reason } => {
                writeln!(out, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
                writeln!(out, "Reading the configuration file, at line {number}")?;
                writeln!(out, ">>> '{line}'")?;
                out.write_str(reason)
            }
            Self::File { path, reason } => {
                write!(out, "Fatal error, can't open config file '{path}': {reason}")
            }
        }
    }
}

/// Sets what `text` says. Where it fails, the configuration is changed in part and is to be thrown away.
///
/// The whole configuration is one text: the file's, then standard input's, then the command line's options.
pub fn load(config: &mut Config, text: &[u8], files: &mut dyn Files) -> Result<(), LoadError> {
    Loader { config, files, has_save_points: false }.load(text, 0)
}

struct Loader<'a> {
    config: &'a mut Config,
    files: &'a mut dyn Files,
    /// A `save` line has been seen: the next one adds to it instead of replacing the defaults.
    has_save_points: bool,
}

impl Loader<'_> {
    fn load(&mut self, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            let bad = |reason: String| LoadError::Line {
                number: index + 1,
                line: String::from_utf8_lossy(line).into_owned(),
                reason,
            };
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let words = split(line).map_err(bad)?;
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match words.as_slice() {
                [] => {}
                [name, path] if name.eq_ignore_ascii_case(b"include") => {
                    let path = str::from_utf8(path).map_err(|_| bad("argument must be UTF-8".to_owned()))?;
                    if depth == MAX_DEPTH {
                        return Err(bad(format!("include goes deeper than {MAX_DEPTH} files")));
                    }
                    self.include(path, depth)?;
                }
                [name, _, ..] if name.eq_ignore_ascii_case(b"sentinel") => {
                    let mut line = ConfigLine::parse(index + 1, line).map_err(|error| bad(error.reason))?;
                    line.iter_mut().for_each(|line| line.is_included = depth > 0);
                    self.line_of_sentinel(line).map_err(bad)?;
                }
                // What `--sentinel` is in a list of options.
                [name] if name.eq_ignore_ascii_case(b"sentinel") => {}
                [name, args @ ..] => self.line(name, args).map_err(bad)?,
            }
        }
        Ok(())
    }

    fn include(&mut self, path: &str, depth: usize) -> Result<(), LoadError> {
        let mut text = Vec::new();
        for path in expand(path, self.files) {
            match self.files.read(&path) {
                Ok(part) => append(&mut text, &part),
                Err(reason) => return Err(LoadError::File { path, reason }),
            }
        }
        self.load(&text, depth + 1)
    }

    fn line(&mut self, name: &[u8], args: &[&[u8]]) -> Result<(), String> {
        let Some(row) = Directive::find(name) else { return self.line_of_files_only(name, args) };
        let mode = if row.name == "save" && self.has_save_points { Mode::Add } else { Mode::Replace };
        self.has_save_points |= row.name == "save";
        match args {
            // Several arguments may come as one, as on a command line: `--save "3600 1"`.
            [one] if row.flags.many && !one.is_empty() => {
                let words = split(one)?;
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                row.set(self.config, &words, mode)
            }
            _ => row.set(self.config, args, mode),
        }
    }

    /// The sentinel reads it when all lines are there.
    fn line_of_sentinel(&mut self, line: Option<ConfigLine>) -> Result<(), String> {
        let lines = self.config.sentinel.as_mut();
        lines.ok_or("sentinel directive while not in sentinel mode")?.extend(line);
        Ok(())
    }

    /// A user is named once. Its rules are looked at once more when all lines are there.
    fn line_of_user(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<(), String> {
        if self.config.users.iter().any(|known| known.name == name) {
            let name = String::from_utf8_lossy(name);
            return Err(format!(
                "Error in user declaration '{name}': Duplicate user found. A user can only be defined once in config files"
            ));
        }
        let line = UserLine { name: name.to_vec(), rules: rules.iter().map(|rule| rule.to_vec()).collect() };
        line.check(table::Mode::of(self.config))?;
        self.config.users.push(line);
        Ok(())
    }

    /// Lines that are no directives to CONFIG.
    fn line_of_files_only(&mut self, name: &[u8], args: &[&[u8]]) -> Result<(), String> {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let not_yet = |feature: &str| Err(format!("not supported yet ({feature})"));
        match (name.as_str(), args) {
            ("rename-command", [old, new]) => {
                self.config.renamed_commands.push((old.to_vec(), new.to_vec()));
                Ok(())
            }
            ("user", [name, rules @ ..]) => self.line_of_user(name, rules),
            ("loadmodule", [_, ..]) => not_yet("modules"),
            (retired, [_]) if RETIRED.contains(&retired) => Ok(()),
            (module, []) if module.contains('.') => Err("Module config specified without value".to_owned()),
            (module, _) if module.contains('.') => not_yet("modules"),
            _ => Err(BAD_DIRECTIVE.to_owned()),
        }
    }
}

/// Puts a text behind another, on a line of its own.
pub(super) fn append(text: &mut Vec<u8>, more: &[u8]) {
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    text.extend(more);
}

/// Whether files may have lines of this name, though the table does not know it.
pub(super) fn is_known_to_files(name: &[u8]) -> bool {
    let known = ["include", "rename-command", "user", "loadmodule", "sentinel"];
    known.iter().chain(&RETIRED).any(|own| own.as_bytes().eq_ignore_ascii_case(name))
}

fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    split_line(line).ok_or_else(|| "Unbalanced quotes in configuration line".to_owned())
}

/// The files that a path with wildcards stands for, in order; a path without any is itself.
///
/// As a shell does: wildcards stay within a directory, and none stands for a leading dot.
fn expand(path: &str, files: &mut dyn Files) -> Vec<String> {
    if !has_wildcard(path) {
        return vec![path.to_owned()];
    }
    let mut found = vec![if path.starts_with('/') { "/".to_owned() } else { String::new() }];
    let mut is_literal = true;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        is_literal &= !has_wildcard(part);
        let mut next = Vec::new();
        for base in found {
            let directory = if base.is_empty() { "." } else { &base };
            let names = if is_literal { vec![part.to_owned()] } else { files.list(directory) };
            let separator = if base.is_empty() || base.ends_with('/') { "" } else { "/" };
            let names = names.into_iter().filter(|name| is_match(part, name));
            next.extend(names.map(|name| format!("{base}{separator}{name}")));
        }
        next.sort();
        found = next;
    }
    found
}

fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn is_match(part: &str, name: &str) -> bool {
    if !has_wildcard(part) {
        return part == name;
    }
    (part.starts_with('.') || !name.starts_with('.'))
        && glob::matches(part.as_bytes(), name.as_bytes(), Case::Sensitive)
}
