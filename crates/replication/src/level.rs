//! How loud a log line is.
//!
//! The machines only say it; whether a line is written is the shell's decision.

/// The levels of Redis' log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For developers.
    Debug,
    /// Much, but rarely useful.
    Verbose,
    /// State transitions and connections.
    Notice,
    /// What an operator must see.
    Warning,
}
