//! The tables that are printed.
//!
//! Markdown, as docs/performance.md takes them; one cell per figure, with the digits that matter.

use std::io::Write;

/// A table under way.
pub(crate) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let text = format!("| {title} | {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(columns.len()));
        Table { columns: columns.len(), text }
    }

    pub(crate) fn row(&mut self, name: &str, cells: &[f64]) {
        assert_eq!(cells.len(), self.columns, "{name} has a cell for each column");
        let cells: Vec<String> = cells.iter().map(|cell| shown(*cell)).collect();
        self.text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }

    pub(crate) fn print(self) {
        say(&self.text);
    }
}

/// Three digits that matter, and no more.
fn shown(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => String::from("–"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints a line. A reader that went away is no error of the benchmark.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap_or_default();
}
