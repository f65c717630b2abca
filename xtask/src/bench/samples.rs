//! What the measures recorded, and the tables that are made of it.
//!
//! A figure has a metric (one table each), a row, and one value per contender and round. Ratios are taken within a
//! round, where both sides saw the same machine, and then the median of them.

/// All values of one measure.
pub(super) struct Samples {
    contenders: Vec<&'static str>,
    current: usize,
    figures: Vec<Figure>,
}

struct Figure {
    metric: &'static str,
    row: String,
    /// By contender, then by round.
    values: Vec<Vec<f64>>,
}

impl Samples {
    pub(super) fn of(contenders: impl Iterator<Item = &'static str>) -> Self {
        Self { contenders: contenders.collect(), current: 0, figures: Vec::new() }
    }

    /// What is recorded from here on is of this contender.
    pub(super) fn turn_to(&mut self, name: &str) {
        self.current = self.contenders.iter().position(|known| *known == name).expect("it takes part");
    }

    pub(super) fn record(&mut self, metric: &'static str, row: impl Into<String>, value: f64) {
        let row = row.into();
        let known = self.figures.iter().position(|figure| figure.metric == metric && figure.row == row);
        let at = known.unwrap_or_else(|| {
            let values = vec![Vec::new(); self.contenders.len()];
            self.figures.push(Figure { metric, row, values });
            self.figures.len() - 1
        });
        self.figures[at].values[self.current].push(value);
    }

    /// One Markdown table per metric, in the order in which they were first recorded.
    pub(super) fn tables(&self) -> String {
        let mut metrics: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !metrics.contains(&figure.metric) {
                metrics.push(figure.metric);
            }
        }
        let tables: Vec<String> = metrics.into_iter().map(|metric| self.table(metric)).collect();
        tables.join("\n")
    }

    fn table(&self, metric: &str) -> String {
        let (first, others) = self.contenders.split_first().expect("there is a contender");
        let ratios = others.iter().map(|other| format!("{other} / {first}"));
        let header: Vec<String> =
            self.contenders.iter().map(|name| (*name).to_owned()).chain(ratios).collect();
        let mut text = format!("| {metric} | {} |\n", header.join(" | "));
        text.push_str(&format!("|---|{}\n", "---:|".repeat(header.len())));
        for figure in self.figures.iter().filter(|figure| figure.metric == metric) {
            text.push_str(&format!("| {} | {} |\n", figure.row, figure.cells().join(" | ")));
        }
        text
    }
}

impl Figure {
    fn cells(&self) -> Vec<String> {
        let medians = self.values.iter().map(|rounds| shown(median(rounds)));
        let base = &self.values[0];
        let ratios = self.values[1..].iter().map(|rounds| {
            let by_round: Vec<f64> = rounds.iter().zip(base).map(|(value, base)| value / base).collect();
            shown_ratio(median(&by_round))
        });
        medians.chain(ratios).collect()
    }
}

/// What a contender has not told.
const NOTHING: &str = "–";

/// Three digits that matter, and no more.
fn shown(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => NOTHING.to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn shown_ratio(value: f64) -> String {
    if value.is_nan() { NOTHING.to_owned() } else { format!("{value:.2}") }
}

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both_middles() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn what_one_does_not_tell_is_a_dash() {
        let mut samples = Samples::of(["redis", "slipstream"].into_iter());
        samples.turn_to("slipstream");
        samples.record("turns", "BGSAVE", 5.0);
        let table = "| turns | redis | slipstream | slipstream / redis |\n|---|---:|---:|---:|\n| BGSAVE | – | 5.00 | – |\n";
        assert_eq!(samples.tables(), table);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut samples = Samples::of(["redis", "slipstream"].into_iter());
        // The machine was twice as slow in the second round.
        for (first, second) in [(10.0, 5.0), (20.0, 10.0), (10.0, 6.0)] {
            samples.turn_to("redis");
            samples.record("CPU", "SET", first);
            samples.turn_to("slipstream");
            samples.record("CPU", "SET", second);
        }
        assert_eq!(
            samples.tables(),
            "| CPU | redis | slipstream | slipstream / redis |\n\
             |---|---:|---:|---:|\n\
             | SET | 10.0 | 6.00 | 0.50 |\n"
        );
    }
}
