//! A line `sentinel …` of a configuration file, and why it is refused.
//! The reason names the line, since an operator has to find it.

use std::fmt;

use slipstream_resp::split_line;

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
    let line = line.strip_prefix(b"\"").or_else(|| line.strip_prefix(b"'")).unwrap_or(line);
    let Some((word, rest)) = line.split_at_checked(b"sentinel".len()) else { return false };
    word.eq_ignore_ascii_case(b"sentinel")
        && rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
}
