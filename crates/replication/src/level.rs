//! How loud a log line is.
//!
//! The machines say what happened and how loudly; where it is written is not their business.

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
