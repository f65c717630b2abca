//! How long the files are, and when they have grown enough to be written anew.
//!
//! The writer tells the lengths; Redis' directives tell how much is enough.

use std::collections::BTreeMap;

use crate::config::Config;

/// Bytes of the files that the manifest names, or will.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    base: u64,
    /// Increments of earlier lives.
    earlier: u64,
    /// Increments of this one, by their numbers.
    increments: BTreeMap<u64, u64>,
    /// All that there was when a base was written last.
    at_rewrite: u64,
}

impl Sizes {
    /// What the start found.
    pub(super) fn found(base: u64, all: u64) -> Sizes {
        Sizes { base, earlier: all.saturating_sub(base), increments: BTreeMap::new(), at_rewrite: base }
    }

    /// What the first increment of this life already has is no more an earlier one's.
    pub(super) fn resumed(&mut self, number: u64, length: u64) {
        self.earlier = self.earlier.saturating_sub(length);
        self.increments.insert(number, length);
    }

    pub(super) fn set_increment(&mut self, number: u64, size: u64) {
        self.increments.insert(number, size);
    }

    /// A new base stands for all before the increment of this number.
    pub(super) fn rewritten(&mut self, base: u64, number: u64) {
        self.base = base;
        self.earlier = 0;
        self.increments = self.increments.split_off(&number);
        self.at_rewrite = self.all();
    }

    /// All files.
    pub(super) fn all(&self) -> u64 {
        self.base + self.earlier + self.increments.values().sum::<u64>()
    }

    /// All files, as they were after the last rewrite.
    pub(super) fn at_rewrite(&self) -> u64 {
        self.at_rewrite
    }

    /// The growth in percent, if it is enough for another rewrite.
    pub(super) fn due_growth(&self, config: &Config) -> Option<u64> {
        let percentage = u64::from(config.auto_aof_rewrite_percentage);
        let all = self.all();
        if percentage == 0 || all <= config.auto_aof_rewrite_min_size {
            return None;
        }
        let growth = (u128::from(all) * 100 / u128::from(self.at_rewrite.max(1))).saturating_sub(100);
        let growth = u64::try_from(growth).unwrap_or(u64::MAX);
        (growth >= percentage).then_some(growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_is_due_when_the_files_have_grown_enough() {
        let check = |percentage: u32, min: u64, (base, now): (u64, u64), expected: Option<u64>| {
            let mut config = Config::default();
            config.auto_aof_rewrite_percentage = percentage;
            config.auto_aof_rewrite_min_size = min;
            let mut sizes = Sizes::default();
            sizes.rewritten(base, 1);
            sizes.set_increment(1, now - base);
            assert_eq!(sizes.due_growth(&config), expected, "{percentage} {min} {base} {now}");
        };
        check(100, 100, (100, 199), None);
        check(100, 100, (100, 200), Some(100));
        check(100, 300, (100, 300), None);
        check(100, 300, (100, 301), Some(201));
        check(0, 0, (100, 1000), None);
        check(100, 10, (0, 11), Some(1000));
    }

    #[test]
    fn the_size_is_that_of_all_files() {
        let mut sizes = Sizes::found(10, 100);
        sizes.resumed(1, 30);
        sizes.set_increment(1, 35);
        sizes.set_increment(2, 7);
        assert_eq!((sizes.all(), sizes.at_rewrite()), (112, 10));
        sizes.rewritten(20, 2);
        assert_eq!((sizes.all(), sizes.at_rewrite()), (27, 27));
    }
}
