//! Commandstats, Errorstats, Latencystats.
//!
//! One line per command or error that has occurred; others are left out.

use super::{Fields, Subject};
use crate::command::Command;
use crate::stats::CommandStats;

pub(super) fn command_stats(subject: &Subject<'_>, fields: &mut Fields) {
    for (command, stats) in used(subject) {
        #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
        let mean = if stats.calls == 0 { 0.0 } else { stats.micros as f64 / stats.calls as f64 };
        let line = format!(
            "calls={},usec={},usec_per_call={mean:.2},rejected_calls={},failed_calls={}",
            stats.calls, stats.micros, stats.rejected, stats.failed
        );
        fields.add(&format!("cmdstat_{}", command.full_name), line);
    }
}

pub(super) fn latency_stats(subject: &Subject<'_>, fields: &mut Fields) {
    let percentiles = &subject.core.config.latency_tracking_info_percentiles;
    for (command, stats) in used(subject).filter(|(_, stats)| stats.latency.count() > 0) {
        let shares: Vec<String> = percentiles
            .iter()
            .map(|percent| {
                let micros = stats.latency.percentile(*percent);
                format!("p{percent}={micros}.{:03}", 0)
            })
            .collect();
        fields.add(&format!("latency_percentiles_usec_{}", command.full_name), shares.join(","));
    }
}

pub(super) fn error_stats(subject: &Subject<'_>, fields: &mut Fields) {
    for (code, count) in &subject.core.stats.errors {
        fields.add(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

/// Commands that ran or were refused.
fn used<'a>(subject: &'a Subject<'_>) -> impl Iterator<Item = (&'static Command, &'a CommandStats)> {
    let rows = subject.core.table.entries().iter().map(|entry| entry.command);
    rows.zip(&subject.core.command_stats).filter(|(_, stats)| stats.calls + stats.rejected + stats.failed > 0)
}
