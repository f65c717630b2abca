//! A line `sentinel …` of a configuration file, and why it is refused.
//! The reason names the line, since an operator has to find it.

use std::fmt;

use slipstream_resp::split_line;

/// Bytes of a line that is nothing that are shown.
const LONGEST_SHOWN: usize = 80;

/// A line that begins with `sentinel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLine {
    /// From 1, in the text that holds it.
    pub number: usize,
    /// As it stands, without the spaces around it.
    pub line: String,
    /// The words behind `sentinel`.
    pub words: Vec<String>,
    /// It stands in an included file, which is only read.
    pub is_included: bool,
}

/// Why a configuration is refused. Displayed as Redis' lines for standard error, without the first, which names the
/// version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1.
    pub number: usize,
    /// As it stands, without the spaces around it.
    pub line: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Reading the configuration file, at line {}", self.number)?;
        writeln!(f, ">>> '{}'", self.line)?;
        f.write_str(&self.reason)
    }
}

impl ConfigLine {
    /// The lines of a text that begin with `sentinel`; the others are not looked at.
    pub fn all(text: &[u8]) -> Result<Vec<ConfigLine>, ConfigError> {
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        lines.filter_map(|(index, line)| ConfigLine::parse(index + 1, line).transpose()).collect()
    }

    /// The lines of a file of state, which is whole or empty: whatever took parts of it away took votes.
    pub fn all_of_state(text: &[u8]) -> Result<Vec<ConfigLine>, ConfigError> {
        let refused = |number: usize, line: &[u8], reason: &str| ConfigError {
            number,
            line: String::from_utf8_lossy(&line[..line.len().min(LONGEST_SHOWN)]).into_owned(),
            reason: format!("{reason}: without this file the sentinel does not know its votes."),
        };
        let lines = ConfigLine::all(text)?;
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            let is_known = line.is_empty()
                || line.starts_with(b"#")
                || is_line_of(line, "sentinel")
                || is_line_of(line, "loglevel");
            if !is_known {
                return Err(refused(index + 1, line, "This is no state"));
            }
        }
        let has = |name: &str| lines.iter().any(|line| line.words.first().is_some_and(|word| word == name));
        let is_whole = has("myid") && has("current-epoch");
        if !text.is_empty() && !is_whole {
            let count = text.split(|byte| *byte == b'\n').count();
            return Err(refused(count, b"", "myid or current-epoch is missing"));
        }
        Ok(lines)
    }

    /// One line of a text; nothing if it does not begin with `sentinel`.
    pub fn parse(number: usize, line: &[u8]) -> Result<Option<ConfigLine>, ConfigError> {
        let line = line.trim_ascii();
        if !is_ours(line) {
            return Ok(None);
        }
        let refused = |reason: &str| ConfigError {
            number,
            line: String::from_utf8_lossy(line).into_owned(),
            reason: reason.to_owned(),
        };
        let words = split_line(line).ok_or_else(|| refused("Unbalanced quotes in configuration line"))?;
        let words: Result<Vec<String>, _> = words.into_iter().skip(1).map(String::from_utf8).collect();
        let words = words.map_err(|_| refused("argument must be UTF-8"))?;
        let line = String::from_utf8_lossy(line).into_owned();
        Ok(Some(ConfigLine { number, line, words, is_included: false }))
    }

    pub(super) fn refused(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError { number: self.number, line: self.line.clone(), reason: reason.into() }
    }
}

/// Whether the first word is `sentinel`, quoted or not.
fn is_ours(line: &[u8]) -> bool {
    is_line_of(line, "sentinel")
}

fn is_line_of(line: &[u8], name: &str) -> bool {
    let line = line.strip_prefix(b"\"").or_else(|| line.strip_prefix(b"'")).unwrap_or(line);
    let Some((word, rest)) = line.split_at_checked(name.len()) else { return false };
    word.eq_ignore_ascii_case(name.as_bytes())
        && rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
}
