//! LATENCY DOCTOR: all events in words, each with what is known to help.
//!
//! Reads samples and directives; whoever knows a remedy adds it to [`advice`].

use crate::config::Config;
use crate::latency::{EventHistory, LatencyMonitor};

/// The report of all events.
pub(super) fn write(monitor: &LatencyMonitor, config: &Config) -> String {
    let threshold = config.latency_monitor_threshold;
    if monitor.events.is_empty() {
        return match threshold {
            0 => "Latency is not being watched. CONFIG SET latency-monitor-threshold <milliseconds> begins to.\n".into(),
            _ => format!("Nothing took {threshold} ms or longer so far.\n"),
        };
    }
    let mut text = String::new();
    for (number, (event, history)) in (1..).zip(&monitor.events) {
        text += &format!("{number}. {event}: {}\n", describe(history));
    }
    text.push('\n');
    for advice in monitor.events.keys().filter_map(|event| advice(event, config)) {
        text += &format!("- {advice}\n");
    }
    text
}

fn describe(history: &EventHistory) -> String {
    let count = u64::try_from(history.samples.len()).unwrap_or(u64::MAX).max(1);
    let average = history.samples.iter().map(|(_, millis)| *millis).sum::<u64>() / count;
    let deviation = history.samples.iter().map(|(_, millis)| millis.abs_diff(average)).sum::<u64>() / count;
    let ends = history.samples.front().zip(history.samples.back());
    let period = ends.map_or(0, |((first, _), (last, _))| last.abs_diff(*first)) / count;
    format!(
        "{count} samples, {average} ms on average (mean deviation {deviation} ms), one in {period} s; the worst ever took {} ms.",
        history.worst
    )
}

fn advice(event: &str, config: &Config) -> Option<String> {
    match event {
        "command" => {
            let threshold = i64::try_from(config.latency_monitor_threshold).unwrap_or(i64::MAX);
            let slower_than = config.slowlog_log_slower_than;
            Some(if slower_than < 0 || slower_than / 1000 > threshold {
                format!("SLOWLOG would tell which commands they were: CONFIG SET slowlog-log-slower-than {}.", threshold.saturating_mul(1000))
            } else {
                "SLOWLOG GET tells which commands they were. Split what touches many elements at once.".into()
            })
        }
        "fast-command" => Some(
            "Commands of constant time do not take long by themselves: the system gave this process no time. Look for swapping, other processes and a busy host.".into(),
        ),
        _ => None,
    }
}
