//! Directives on what is recorded of commands and pauses.
//!
//! What is recorded lives in the engine's statistics; here are the thresholds.

use super::*;

pub(super) const ROWS: &[Directive] = &[
    integer(
        "slowlog-log-slower-than",
        (-1, MAX_I64),
        field!(slowlog_log_slower_than),
        "Microseconds of work from which a command enters the slow log; -1 logs none.",
    ),
    integer("slowlog-max-len", (0, MAX_I64), field!(slowlog_max_len), "Entries that the slow log keeps."),
    integer(
        "latency-monitor-threshold",
        (0, MAX_I64),
        field!(latency_monitor_threshold),
        "Milliseconds from which a pause enters the latency monitor; 0 switches it off.",
    ),
    yes_no(
        "latency-tracking",
        field!(latency_tracking),
        "Record how long each command takes, for LATENCY HISTOGRAM.",
    ),
    row(
        "latency-tracking-info-percentiles",
        Kind::Own("numbers from 0 to 100"),
        own!(percentiles),
        "Percentiles of them that INFO shows; `\"\"` shows none.",
    ),
];
