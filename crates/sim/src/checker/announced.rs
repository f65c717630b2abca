//! What sentinels say of elections and promotions in their logs, in the order in which they say it.
//! Understands nothing of it: `elections.rs` does.

use std::cell::RefCell;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, in microseconds.
    pub at: u64,
    /// Which machine.
    pub machine: usize,
    /// The line.
    pub text: String,
}

/// What was said and not looked at yet.
#[derive(Debug, Default)]
pub struct Announced {
    said: RefCell<Vec<Said>>,
}

impl Announced {
    /// A sentinel says something.
    pub fn hear(&self, at: u64, machine: usize, text: &str) {
        self.said.borrow_mut().push(Said { at, machine, text: text.to_owned() });
    }

    /// All that was said since the last time.
    pub fn take(&self) -> Vec<Said> {
        self.said.take()
    }
}
