//! Values of options: what a word must be, and why it is refused.
//! Every check is here, so that a file, SENTINEL SET and CONFIG SET take the same.

/// Why values are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Which of them, from 0.
    pub(crate) index: usize,
    /// What is wrong with it, as a configuration file's error says it.
    pub(crate) reason: &'static str,
}

const CONTROL: Refused = Refused { index: 0, reason: "Control characters are not allowed." };

/// The longest time that can be set: beyond it, sums of times would not be safe. It is some 9000 years.
const LONGEST_MS: u64 = 1 << 48;

/// A word with a control character could become a line of its own in a file, and is never taken.
pub(crate) fn check_words(words: &[&str]) -> Result<(), Refused> {
    match words.iter().position(|word| word.contains(char::is_control)) {
        Some(index) => Err(Refused { index, ..CONTROL }),
        None => Ok(()),
    }
}

/// The longest name of a group: hellos that hold it must be short enough to be read.
const LONGEST_NAME: usize = 255;

/// The name of a group.
pub(crate) fn is_group_name(word: &str) -> bool {
    is_name(word) && word.len() <= LONGEST_NAME
}

/// A name or an id: it stands in messages whose parts commas and spaces end.
pub(crate) fn is_name(word: &str) -> bool {
    let ends_it = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | '"' | '\'');
    !word.is_empty() && !word.contains(ends_it)
}

pub(crate) fn number(word: &str) -> Result<u64, Refused> {
    word.parse().map_err(|_| Refused { index: 0, reason: "value is not a number, or is negative." })
}

/// A count of at least one.
pub(crate) fn positive(word: &str) -> Result<u32, Refused> {
    let refused = Refused { index: 0, reason: "value must be 1 or greater." };
    word.parse().ok().filter(|count| *count > 0).ok_or(refused)
}

/// Milliseconds.
pub(crate) fn time(word: &str) -> Result<u64, Refused> {
    let refused = Refused { index: 0, reason: "negative time parameter." };
    word.parse().ok().filter(|ms| *ms <= LONGEST_MS).ok_or(refused)
}

/// Milliseconds, at least one.
pub(crate) fn positive_time(word: &str) -> Result<u64, Refused> {
    let refused = Refused { index: 0, reason: "negative or zero time parameter." };
    time(word).ok().filter(|ms| *ms > 0).ok_or(refused)
}

/// A port that somebody can listen on.
pub(crate) fn port(word: &str) -> Result<u16, Refused> {
    word.parse().ok().filter(|port| *port > 0).ok_or(Refused { index: 1, reason: "Invalid port number." })
}

pub(crate) fn yes_or_no(word: &str) -> Result<bool, Refused> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Refused { index: 0, reason: "Please specify yes or no." }),
    }
}

pub(crate) fn word_of(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
