//! A bar on a terminal for files that take a while.
//!
//! On standard error, so that what is said of the file can go into another one; nothing at all where that is no
//! terminal, or the file is short.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Files below this are read in a moment.
const LONG_FILE: u64 = 64 << 20;
/// How often the bar is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// How wide it is, in characters.
const WIDTH: usize = 40;

/// The bar of one file.
#[derive(Debug)]
pub(crate) struct Bar {
    length: u64,
    drawn: Option<Instant>,
}

impl Bar {
    /// For a file of so many bytes.
    pub(crate) fn new(length: u64) -> Bar {
        let is_shown = length >= LONG_FILE && io::stderr().is_terminal();
        Bar { length, drawn: is_shown.then(Instant::now) }
    }

    /// So much of it is read.
    pub(crate) fn reached(&mut self, bytes: u64) {
        if self.drawn.is_some_and(|at| at.elapsed() >= INTERVAL) {
            self.drawn = Some(Instant::now());
            show(&line(bytes, self.length));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            show(&format!("\r{:1$}\r", "", line(0, self.length).len()));
        }
    }
}

fn show(text: &str) {
    // A terminal that is gone shows nothing.
    io::stderr().write_all(text.as_bytes()).ok();
}

fn line(bytes: u64, length: u64) -> String {
    let bytes = bytes.min(length);
    let percent = u128::from(bytes) * 100 / u128::from(length.max(1));
    let percent = usize::try_from(percent).unwrap_or(100);
    let full = percent * WIDTH / 100;
    format!("\r[{:=<full$}{:rest$}] {:>3} %", "", "", percent, rest = WIDTH - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_what_is_read() {
        let empty = format!("\r[{}]   0 %", " ".repeat(40));
        let half = format!("\r[{}{}]  50 %", "=".repeat(20), " ".repeat(20));
        let full = format!("\r[{}] 100 %", "=".repeat(40));
        for (bytes, expected) in [(0, &empty), (500, &half), (1000, &full), (5000, &full)] {
            assert_eq!(&line(bytes, 1000), expected, "{bytes} of 1000");
        }
    }
}
