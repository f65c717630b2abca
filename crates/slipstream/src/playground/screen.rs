//! Where the play is shown: on a terminal as captions with a live table below them, elsewhere as plain lines.
//!
//! On a terminal the table is drawn over itself: what was drawn last is erased, a new caption printed in its
//! place, and the table drawn again below. Captions stay, so the terminal's own history holds the whole story.

use std::io::{self, IsTerminal, Stdout, Write};
use std::time::Instant;

use super::table::Ink;

const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
/// A line that is too long for the terminal is cut off while this holds, so that the table's height is known.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    is_live: bool,
    ink: Ink,
    started: Instant,
    /// The table below the captions, as it was drawn last.
    table: Vec<String>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let is_live = out.is_terminal();
        // https://no-color.org
        let is_coloured = is_live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let ink = if is_coloured { Ink::Coloured } else { Ink::Black };
        Self { out, is_live, ink, started: Instant::now(), table: Vec::new() }
    }

    /// Whether somebody watches a table that changes.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    pub(super) fn ink(&self) -> Ink {
        self.ink
    }

    /// The title of a chapter.
    pub(super) fn open_chapter(&mut self, title: &str) -> io::Result<()> {
        match self.ink {
            Ink::Coloured => self.print(&format!("\n{BOLD}{title}{PLAIN}\n")),
            Ink::Black => self.print(&format!("\n{title}\n")),
        }
    }

    /// A line that stays, with the seconds since the start.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        let seconds = self.started.elapsed().as_secs_f32();
        self.print(&format!("{seconds:5.1} s  {text}\n"))
    }

    /// Shows the table as it is now: in place on a terminal, as lines elsewhere.
    pub(super) fn show(&mut self, table: Vec<String>) -> io::Result<()> {
        if !self.is_live {
            return self.print(&indented(&table));
        }
        let erase = self.erase();
        self.table = table;
        self.write(&format!("{erase}{}", self.drawn()))
    }

    /// Leaves the captions alone on the screen.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let erase = self.erase();
        self.table.clear();
        self.write(&erase)
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("{}{text}{}", self.erase(), self.drawn()))
    }

    /// What removes the table: up to its first line, and all below it.
    fn erase(&self) -> String {
        match self.table.len() {
            0 => String::new(),
            // An empty line stands above the table.
            lines => format!("\r\x1b[{}A\x1b[J", lines + 1),
        }
    }

    fn drawn(&self) -> String {
        if self.table.is_empty() {
            return String::new();
        }
        format!("{WRAP_OFF}\n{}{WRAP_ON}", indented(&self.table))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn indented(table: &[String]) -> String {
    table.iter().map(|line| format!("  {line}\n")).collect()
}
