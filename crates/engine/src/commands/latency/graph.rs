//! The samples of one event as a picture of characters: a column for each, the latest to the right.
//!
//! ```text
//! command - high 400 ms, low 20 ms (all time high 400 ms)
//! --------------------------------------------------------------------------------
//!   #
//!   |
//!  _|
//! _||
//!
//! 432
//! sss
//! ```
//! Below each column stands how long ago it was.

use crate::latency::EventHistory;

const COLUMNS: usize = 80;
const ROWS: u64 = 4;

/// Draws the latest samples, `now` being in seconds since 1970.
pub(super) fn draw(event: &str, history: &EventHistory, now: i64) -> String {
    let skipped = history.samples.len().saturating_sub(COLUMNS);
    let samples: Vec<(i64, u64)> = history.samples.iter().skip(skipped).copied().collect();
    let high = samples.iter().map(|(_, millis)| *millis).max().unwrap_or(0);
    let low = samples.iter().map(|(_, millis)| *millis).min().unwrap_or(0);
    let worst = history.worst;
    let mut text = format!("{event} - high {high} ms, low {low} ms (all time high {worst} ms)\n");
    text += &"-".repeat(COLUMNS);
    text.push('\n');
    let heights: Vec<u64> = samples.iter().map(|(_, millis)| height(*millis, low, high)).collect();
    for row in (1..=ROWS).rev() {
        line(&mut text, heights.iter().map(|height| mark(*height, row)));
    }
    text.push('\n');
    let labels: Vec<Vec<char>> = samples.iter().map(|(second, _)| age(now - second)).collect();
    let longest = labels.iter().map(Vec::len).max().unwrap_or(0);
    for index in 0..longest {
        line(&mut text, labels.iter().map(|label| label.get(index).copied().unwrap_or(' ')));
    }
    text
}

/// From 1 for the lowest sample to [`ROWS`] for the highest.
fn height(millis: u64, low: u64, high: u64) -> u64 {
    if high == low { 1 } else { 1 + (millis - low) * (ROWS - 1) / (high - low) }
}

fn mark(height: u64, row: u64) -> char {
    match height {
        _ if row > height => ' ',
        _ if row < height => '|',
        ROWS => '#',
        _ => '_',
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = char>) {
    let cells: String = cells.collect();
    text.push_str(cells.trim_end());
    text.push('\n');
}

fn age(seconds: i64) -> Vec<char> {
    let text = match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    text.chars().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_sample_reaches_the_top_and_ages_stand_below() {
        let samples = [(1, 20), (10, 100), (100, 400)].into_iter().collect();
        let text = draw("command", &EventHistory { samples, worst: 500 }, 101);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 400 ms, low 20 ms (all time high 500 ms)");
        assert_eq!(lines[1].len(), COLUMNS);
        assert_eq!(lines[2..], ["  #", "  |", "  |", "__|", "", "111", "mms"]);
    }
}
