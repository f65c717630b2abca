//! What happened, line by line, for whoever has to understand a failure.
//!
//! The log lines of the nodes, the faults and the orders of the operator, each with its virtual time.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

/// A shared list of lines.
#[derive(Clone, Debug, Default)]
pub struct Story {
    lines: Rc<RefCell<Vec<String>>>,
}

impl Story {
    /// Adds a line: at `micros`, `who` says or suffers `what`.
    pub fn tell(&self, micros: u64, who: impl Display, what: impl Display) {
        let line = format!("{:>5}.{:06} {who} {what}", micros / 1_000_000, micros % 1_000_000);
        self.lines.borrow_mut().push(line);
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.lines.borrow().join("\n")
    }
}
