//! A trial of the primary's place: which writes were acknowledged, and the longest time without one.
//!
//! While it lasts, each write is in a transaction with a note of its number, a bit of a key: whatever holds the bit
//! holds the write. That way a primary's copy can be held against every single acknowledgement.

use std::time::{Duration, Instant};

/// What the writer knows of a trial.
#[derive(Debug)]
pub(super) struct Trial {
    /// The key of the notes.
    key: &'static str,
    /// The number of its first write.
    first: u64,
    /// In the order of SETBIT: the highest bit of the first byte is the first write's.
    acknowledged: Vec<u8>,
    last: Instant,
    longest_pause: Duration,
}

/// What was seen in a trial.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: &'static str,
    acknowledged: Vec<u8>,
    /// The longest time without an acknowledgement.
    pub(super) longest_pause: Duration,
}

impl Trial {
    pub(super) fn new(key: &'static str, first: u64, now: Instant) -> Self {
        Self { key, first, acknowledged: Vec::new(), last: now, longest_pause: Duration::ZERO }
    }

    /// The requests that make the write of this number, the last of which has the reply that counts.
    pub(super) fn transaction(&self, number: u64, write: Vec<String>) -> [Vec<String>; 4] {
        let note = ["SETBIT", self.key, &self.index(number).to_string(), "1"].map(str::to_owned);
        [vec!["MULTI".to_owned()], write, note.to_vec(), vec!["EXEC".to_owned()]]
    }

    fn index(&self, number: u64) -> u64 {
        number - self.first
    }

    /// The write of this number is acknowledged.
    pub(super) fn note(&mut self, number: u64, now: Instant) {
        let index = usize::try_from(self.index(number)).expect("trials are short");
        let byte = index / 8;
        if byte >= self.acknowledged.len() {
            self.acknowledged.resize(byte + 1, 0);
        }
        self.acknowledged[byte] |= 0x80 >> (index % 8);
        self.note_pause(now);
        self.last = now;
    }

    fn note_pause(&mut self, now: Instant) {
        self.longest_pause = self.longest_pause.max(now.duration_since(self.last));
    }

    pub(super) fn end(mut self, now: Instant) -> Record {
        self.note_pause(now);
        Record { key: self.key, acknowledged: self.acknowledged, longest_pause: self.longest_pause }
    }
}

impl Record {
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// How many of the acknowledged writes are not among the notes.
    pub(super) fn lost(&self, notes: &[u8]) -> u64 {
        let notes = notes.iter().copied().chain(std::iter::repeat(0));
        self.acknowledged.iter().zip(notes).map(|(byte, noted)| u64::from((byte & !noted).count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_longest_pause_counts_also_at_the_ends() {
        let start = Instant::now();
        let mut trial = Trial::new("k", 0, start);
        trial.note(0, start + SECOND);
        trial.note(1, start + SECOND * 4);
        trial.note(2, start + SECOND * 5);
        assert_eq!(trial.end(start + SECOND * 6).longest_pause, SECOND * 3);
        assert_eq!(Trial::new("k", 0, start).end(start + SECOND).longest_pause, SECOND);
    }

    #[test]
    fn lost_is_what_was_acknowledged_and_is_not_noted() {
        let start = Instant::now();
        let mut trial = Trial::new("k", 100, start);
        for number in [100, 101, 110] {
            trial.note(number, start);
        }
        let record = trial.end(start);
        assert_eq!(record.acknowledged(), 3);
        assert_eq!(record.lost(&[0b1100_0000, 0b0010_0000]), 0);
        assert_eq!(record.lost(&[0b1110_0000]), 1, "what happened without an acknowledgement is no loss");
        assert_eq!(record.lost(&[]), 3);
    }

    #[test]
    fn a_write_and_its_note_are_one_transaction() {
        let trial = Trial::new("k", 100, Instant::now());
        let lines =
            trial.transaction(110, vec!["LPOP".to_owned(), "q".to_owned()]).map(|words| words.join(" "));
        assert_eq!(lines, ["MULTI", "LPOP q", "SETBIT k 10 1", "EXEC"]);
    }
}
