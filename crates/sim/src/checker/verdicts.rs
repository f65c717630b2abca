//! What the nodes' own verifications say, wherever they run.
//!
//! `replica-verify-interval` has them run through all faults; what a primary finds stands in its log. As long as
//! nobody has planted a difference, none may be found.

use std::cell::Cell;

/// How a verification is told in the log.
const PREFIX: &str = "Verification of replica ";

/// Heard so far.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Whether a difference was planted.
    pub planted: Cell<bool>,
    /// How often a replica was found equal.
    pub equal: Cell<u64>,
}

impl Verdicts {
    /// A node says something in its log.
    pub fn hear(&self, text: &str) {
        let Some((replica, verdict)) = text.strip_prefix(PREFIX).and_then(|text| text.split_once(": "))
        else {
            return;
        };
        if verdict == "equal" {
            self.equal.set(self.equal.get() + 1);
        }
        let is_different = verdict.starts_with("DIFFERENT");
        assert!(self.planted.get() || !is_different, "{replica} is called different, and nobody changed it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_are_equal_are_counted() {
        let verdicts = Verdicts::default();
        verdicts.hear("Verification of replica 10.0.0.2:6379: equal");
        verdicts.hear("Verification of replica 10.0.0.2:6379: not compared: it is gone");
        verdicts.hear("something else");
        assert_eq!(verdicts.equal.get(), 1);
    }

    #[test]
    #[should_panic(expected = "10.0.0.2:6379 is called different, and nobody changed it")]
    fn a_difference_that_nobody_planted_is_a_failure() {
        Verdicts::default().hear("Verification of replica 10.0.0.2:6379: DIFFERENT in 1 ranges of keys");
    }
}
