//! Rates of the last second and a half: commands, bytes and turns of the loop per second, and how long a turn took.
//!
//! Counters are sampled on every tenth of a second; a rate is the mean of the
//! last sixteen samples, as exporters of Redis expect.

use slipstream_replication::Moment;

use crate::stats::Stats;

const SAMPLES: usize = 16;
const PERIOD_MS: u64 = 100;

/// What is counted: commands, bytes in and out, bytes of replication in and out, turns.
const COUNTERS: usize = 6;

/// The last samples of the counters.
#[derive(Debug, Default)]
pub struct Rates {
    at: Moment,
    last: [u64; COUNTERS],
    samples: [[u64; COUNTERS]; SAMPLES],
    /// Time spent in turns until the last sample, and a turn's mean time in each.
    turn_micros: u64,
    turns: [u64; SAMPLES],
    next: usize,
}

impl Rates {
    /// Takes a sample if one is due.
    pub fn sample(&mut self, now: Moment, stats: &Stats) {
        let elapsed = now.0.saturating_sub(self.at.0);
        if elapsed < PERIOD_MS {
            return;
        }
        let counters = [
            stats.commands,
            stats.net_input,
            stats.net_output,
            stats.repl_input,
            stats.repl_output,
            stats.turns,
        ];
        let turns = stats.turns.saturating_sub(self.last[COUNTERS - 1]);
        let micros = stats.turn_micros.saturating_sub(self.turn_micros);
        self.turns[self.next] = micros.checked_div(turns).unwrap_or(0);
        self.turn_micros = stats.turn_micros;
        for (index, value) in counters.into_iter().enumerate() {
            // CONFIG RESETSTAT makes a counter smaller.
            let grown = value.saturating_sub(self.last[index]);
            self.samples[self.next][index] = grown * 1000 / elapsed;
        }
        self.last = counters;
        self.at = now;
        self.next = (self.next + 1) % SAMPLES;
    }

    /// The mean time of a turn.
    pub fn micros_a_turn(&self) -> u64 {
        self.turns.iter().sum::<u64>() / SAMPLES as u64
    }

    /// Per second: commands, bytes in and out, bytes of replication in and out, turns.
    pub fn per_second(&self) -> [u64; COUNTERS] {
        std::array::from_fn(|index| {
            self.samples.iter().map(|sample| sample[index]).sum::<u64>() / SAMPLES as u64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_after_the_window_is_full() {
        let (mut rates, mut stats) = (Rates::default(), Stats::default());
        for tick in 1..=40 {
            stats.commands += 50;
            stats.turns += 2;
            stats.turn_micros += 60;
            rates.sample(Moment(tick * 100), &stats);
        }
        assert_eq!((rates.per_second()[0], rates.per_second()[5]), (500, 20));
        assert_eq!(rates.micros_a_turn(), 30);
    }

    #[test]
    fn reset_counters_are_no_huge_rate() {
        let (mut rates, mut stats) = (Rates::default(), Stats::default());
        stats.commands = 1000;
        rates.sample(Moment(100), &stats);
        rates.sample(Moment(200), &Stats::default());
        assert_eq!(rates.samples[1][0], 0);
    }
}
