//! The live table as text: a row per node, and what became of the writes.
//!
//! Pure: readings in, lines out. No line is wider than the narrowest common terminal.

use super::load::Tally;
use super::reading::{Reading, Role};

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// One node, as the table shows it.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) port: u16,
    pub(super) reading: Option<&'a Reading>,
}

/// Whether the lines may hold colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    Coloured,
}

/// The table's lines. `primary_offset` is what the replicas' lag is counted from.
pub(super) fn lines(rows: &[Row<'_>], primary_offset: u64, tally: Tally, ink: Ink) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<6}  {:<7}  {:<15}  {:<4}  {:>11}  {:>8}  {:>7}  {:>8}",
        "node", "role", "address", "link", "offset", "lag", "keys", "memory"
    )];
    lines.extend(rows.iter().map(|row| line(row, primary_offset, ink)));
    let (acknowledged, failed) = (grouped(tally.acknowledged), grouped(tally.failed));
    lines.push(format!("writes: {acknowledged} acknowledged, {failed} failed"));
    lines
}

fn line(row: &Row<'_>, primary_offset: u64, ink: Ink) -> String {
    let address = format!("127.0.0.1:{}", row.port);
    let Some(reading) = row.reading else {
        return format!("{:<6}  {:<7}  {address:<15}  -", row.name, "-");
    };
    let (role, link, lag) = match reading.role {
        Role::Primary => ("primary", "-", "-".to_owned()),
        Role::Replica { is_linked } => {
            let lag = bytes(primary_offset.saturating_sub(reading.offset));
            ("replica", if is_linked { "up" } else { "down" }, lag)
        }
    };
    format!(
        "{:<6}  {role:<7}  {address:<15}  {}  {:>11}  {lag:>8}  {:>7}  {:>8}",
        row.name,
        coloured(link, ink),
        grouped(reading.offset),
        grouped(reading.keys),
        bytes(reading.memory),
    )
}

/// Padded before it is coloured: colours take no room on the screen.
fn coloured(link: &str, ink: Ink) -> String {
    match (link, ink) {
        ("up", Ink::Coloured) => format!("{GREEN}{link:<4}{PLAIN}"),
        ("down", Ink::Coloured) => format!("{RED}{link:<4}{PLAIN}"),
        _ => format!("{link:<4}"),
    }
}

/// Whom the sentinels name as the primary, and how many of them do. `None` is one that does not answer.
pub(super) fn word_of_sentinels(named: &[Option<&str>]) -> String {
    let mut names: Vec<&str> = named.iter().copied().flatten().collect();
    names.sort_unstable();
    names.dedup();
    let count = |name| named.iter().filter(|&&other| other == Some(name)).count();
    let votes = names.iter().map(|name| format!("{name} ({} of {})", count(name), named.len()));
    let votes: Vec<String> = votes.collect();
    format!(
        "primary by the sentinels' word: {}",
        if votes.is_empty() { "-".to_owned() } else { votes.join(", ") }
    )
}

/// `1,234,567`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `812 B`, `1.2 MB`: powers of 1024, as redis-cli says it.
pub(super) fn bytes(count: u64) -> String {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match units.into_iter().find(|&(_, size)| count >= size) {
        Some((unit, size)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Syncs;
    use super::*;

    #[track_caller]
    fn check(reading: Option<Reading>, ink: Ink, expected: &str) {
        let rows = [Row { name: "node-1", port: 7001, reading: reading.as_ref() }];
        assert_eq!(lines(&rows, 2_000, Tally::default(), ink)[1], expected);
    }

    fn reading(role: Role) -> Option<Reading> {
        Some(Reading { role, offset: 1_234, keys: 5, memory: 1_500_000, syncs: Syncs::default() })
    }

    #[test]
    fn a_row_says_how_a_node_is() {
        let down = reading(Role::Replica { is_linked: false });
        let up = reading(Role::Replica { is_linked: true });
        check(
            reading(Role::Primary),
            Ink::Black,
            "node-1  primary  127.0.0.1:7001   -           1,234         -        5    1.4 MB",
        );
        check(
            down,
            Ink::Black,
            "node-1  replica  127.0.0.1:7001   down        1,234     766 B        5    1.4 MB",
        );
        check(
            up,
            Ink::Coloured,
            "node-1  replica  127.0.0.1:7001   \x1b[32mup  \x1b[0m        1,234     766 B        5    1.4 MB",
        );
        check(None, Ink::Coloured, "node-1  -        127.0.0.1:7001   -");
    }

    #[test]
    fn sentinels_that_differ_are_counted_apart() {
        let check = |named: &[Option<&str>], votes: &str| {
            assert_eq!(word_of_sentinels(named), format!("primary by the sentinels' word: {votes}"));
        };
        check(&[Some("node-2"); 3], "node-2 (3 of 3)");
        check(&[Some("node-2"), None, Some("node-1")], "node-1 (1 of 3), node-2 (1 of 3)");
        check(&[None; 3], "-");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1_023, 1_024, 3 << 30].map(bytes), ["0 B", "1023 B", "1.0 KB", "3.0 GB"]);
    }
}
