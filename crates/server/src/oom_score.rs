//! `oom-score-adj`: whom the kernel kills first when memory runs out.
//!
//! The score that the process was started with is remembered while the directive is on, and comes back when it is
//! turned off. Only Linux has such scores.

use std::fs;
use std::io;

use slipstream_engine::config::{Config, OomScoreAdj};

const FILE: &str = "/proc/self/oom_score_adj";
/// The scores that the kernel takes.
const RANGE: (i32, i32) = (-1000, 1000);

/// The process's score, and what it is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OomScore {
    is_replica: bool,
    policy: OomScoreAdj,
    values: [i32; 3],
    /// The score before the directive was turned on.
    base: Option<i32>,
}

impl OomScore {
    /// Nothing is done yet.
    pub(crate) fn new(config: &Config) -> OomScore {
        OomScore {
            is_replica: config.replicaof.is_some(),
            policy: config.oom_score_adj,
            values: config.oom_score_adj_values,
            base: None,
        }
    }

    /// Takes up new values.
    pub(crate) fn configure(&mut self, config: &Config) -> io::Result<()> {
        self.change(|score| {
            (score.policy, score.values) = (config.oom_score_adj, config.oom_score_adj_values)
        })
    }

    /// Takes up a role.
    pub(crate) fn act_as(&mut self, is_replica: bool) -> io::Result<()> {
        self.change(|score| score.is_replica = is_replica)
    }

    /// Goes back to what was before a change.
    pub(crate) fn restore(&mut self, before: OomScore) -> io::Result<()> {
        self.change(|score| (score.policy, score.values) = (before.policy, before.values))
    }

    /// Where the new score cannot be set, everything is as before.
    fn change(&mut self, change: impl FnOnce(&mut OomScore)) -> io::Result<()> {
        let mut new = *self;
        change(&mut new);
        if new.policy != OomScoreAdj::No && new.base.is_none() {
            new.base = Some(read()?);
        }
        if let Some(base) = new.base {
            write(new.score(base))?;
        }
        if new.policy == OomScoreAdj::No {
            new.base = None;
        }
        *self = new;
        Ok(())
    }

    fn score(&self, base: i32) -> i32 {
        let [primary, replica, _] = self.values;
        let value = if self.is_replica { replica } else { primary };
        match self.policy {
            OomScoreAdj::No => base,
            OomScoreAdj::Relative => (base + value).clamp(RANGE.0, RANGE.1),
            OomScoreAdj::Absolute => value.clamp(RANGE.0, RANGE.1),
        }
    }
}

fn read() -> io::Result<i32> {
    let text = fs::read_to_string(FILE)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no number"))
}

fn write(score: i32) -> io::Result<()> {
    fs::write(FILE, score.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_chooses_the_value_and_the_policy_what_it_counts_from() {
        let score = |policy, is_replica, values| OomScore { is_replica, policy, values, base: None }.score(5);
        let values = [10, 200, 800];
        assert_eq!(score(OomScoreAdj::No, false, values), 5);
        assert_eq!(score(OomScoreAdj::Relative, false, values), 15);
        assert_eq!(score(OomScoreAdj::Relative, true, values), 205);
        assert_eq!(score(OomScoreAdj::Absolute, true, values), 200);
        assert_eq!(score(OomScoreAdj::Relative, true, [0, 2000, 0]), 1000);
        assert_eq!(score(OomScoreAdj::Absolute, false, [-2000, 0, 0]), -1000);
    }
}
