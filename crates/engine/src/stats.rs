//! Counters: what INFO stats, commandstats, errorstats and LATENCY report.
//!
//! Plain numbers, changed by the executor alone. Durations are in microseconds.

use std::collections::BTreeMap;

/// Counters of the node since its start or CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections_received: u64,
    /// Connections refused by `maxclients`.
    pub connections_rejected: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes received from clients.
    pub net_input: u64,
    /// Bytes sent to clients.
    pub net_output: u64,
    /// Bytes of the replication link and to replicas.
    pub repl_input: u64,
    /// Bytes sent to replicas.
    pub repl_output: u64,
    /// Keys removed because their time came.
    pub expired_keys: u64,
    /// Fields of hashes removed because their time came.
    pub expired_subkeys: u64,
    /// Time spent in active expiry.
    pub expire_micros: u64,
    /// Active expiry ended early for lack of time.
    pub expired_time_cap_reached: u64,
    /// Keys that made room.
    pub evicted_keys: u64,
    /// Clients that were closed to make room.
    pub evicted_clients: u64,
    /// Microseconds for which memory was above its limit, in times that are over.
    pub eviction_exceeded_micros: u64,
    /// Reads that found their key.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// Errors answered.
    pub error_replies: u64,
    /// Inputs read and outputs written.
    pub reads_processed: u64,
    /// Outputs written.
    pub writes_processed: u64,
    /// Clients cut off since their unread replies exceeded the limits.
    pub output_limit_disconnections: u64,
    /// Clients cut off since their unfinished request exceeded the limit.
    pub query_limit_disconnections: u64,
    /// Authentications that failed.
    pub auth_failures: u64,
    /// Requests refused since their user may not run the command.
    pub denied_commands: u64,
    /// The same for a key.
    pub denied_keys: u64,
    /// The same for a channel.
    pub denied_channels: u64,
    /// Commands refused as unexpected while the stream was applied.
    pub unexpected_error_replies: u64,
    /// Turns of the event loop.
    pub turns: u64,
    /// Time spent in them.
    pub turn_micros: u64,
    /// Time spent in commands.
    pub command_micros: u64,
    /// Time spent in turns with periodic work, on all that is due.
    pub cron_micros: u64,
    /// Time spent on handing the log over to the append-only file's writer.
    pub aof_micros: u64,
    /// Commands that had run when this turn began.
    pub commands_before_turn: u64,
    /// The most commands that ran in one turn.
    pub most_commands_in_turn: u64,
    /// The longest turn.
    pub longest_turn_micros: u64,
    /// The most that one took on a processor, among those while latency was monitored.
    pub longest_turn_on_processor: u64,
    /// Errors by their first word.
    pub errors: BTreeMap<String, u64>,
}

/// Most different error codes that are counted apart.
const MAX_ERROR_CODES: usize = 128;

impl Stats {
    /// Counts an error that a client was answered with.
    pub fn count_error(&mut self, code: &str) {
        self.error_replies += 1;
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < MAX_ERROR_CODES {
            self.errors.insert(code.to_owned(), 1);
        }
    }
}

/// Counters of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    /// How often it ran.
    pub calls: u64,
    /// How long in all.
    pub micros: u64,
    /// How often a gate refused it.
    pub rejected: u64,
    /// How often it answered an error.
    pub failed: u64,
    /// How long, as a distribution.
    pub latency: Histogram,
}

/// A distribution of durations: a bucket per power of two, split in eight.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// Adds one duration in nanoseconds' resolution of its caller's unit.
    #[inline]
    pub fn record(&mut self, value: u64) {
        let index = bucket(value);
        if index >= self.buckets.len() {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
        self.count += 1;
    }

    /// How many durations it holds.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value below which `percent` of all durations lie, to about 6 %.
    pub fn percentile(&self, percent: f64) -> u64 {
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "a share of counts")]
            if seen as f64 >= self.count as f64 * percent / 100.0 && seen > 0 {
                return bucket_end(index);
            }
        }
        0
    }

    /// How many durations were at most each power of two, up to the largest seen.
    pub fn cumulative_powers(&self) -> Vec<(u64, u64)> {
        let mut rows = Vec::new();
        let mut seen = 0;
        let mut power = 1u64;
        for (index, count) in self.buckets.iter().enumerate() {
            while bucket_end(index) > power {
                if rows.last().map_or(0, |(_, known)| *known) != seen {
                    rows.push((power, seen));
                }
                power *= 2;
            }
            seen += count;
        }
        if rows.last().map_or(0, |(_, known)| *known) != seen {
            rows.push((power, seen));
        }
        rows
    }
}

fn bucket(value: u64) -> usize {
    let index = match value {
        0..8 => value,
        _ => {
            let power = value.ilog2();
            u64::from(power - 2) * 8 + ((value >> (power - 3)) & 7)
        }
    };
    usize::try_from(index).expect("at most 500 buckets")
}

fn bucket_end(index: usize) -> u64 {
    let index = index as u64;
    if index < 8 {
        return index;
    }
    let shift = index / 8 - 1;
    ((8 + index % 8 + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_all_values_in_order() {
        let mut last = 0;
        for value in (0..2000).chain([1 << 20, 1 << 40, u64::MAX >> 1]) {
            let index = bucket(value);
            assert!(index >= last, "{value}");
            assert!(bucket_end(index) >= value, "{value} in {index}");
            assert!(index == 0 || bucket_end(index - 1) < value, "{value} in {index}");
            last = index;
        }
    }

    #[test]
    fn percentiles_and_powers_come_from_the_buckets() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|value| histogram.record(value));
        assert!((47..=53).contains(&histogram.percentile(50.0)), "{}", histogram.percentile(50.0));
        assert!((95..=103).contains(&histogram.percentile(99.0)), "{}", histogram.percentile(99.0));
        let powers = histogram.cumulative_powers();
        assert_eq!(powers.last().unwrap().1, 100);
        assert!(powers.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
    }
}
