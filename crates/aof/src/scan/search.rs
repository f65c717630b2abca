//! Whether what lies behind a fault was known to be on disk.
//!
//! A crash loses what the disk had not got, and it may have got later blocks before earlier ones. So a good batch
//! behind a bad one tells nothing by itself; but a batch tells what was durable when it was written, and if that
//! lies beyond the fault, then the fault is in bytes that the disk had, and has damaged. All of the rest is looked
//! through, in pieces of any size, and no more is kept of it than a line.
//!
//! Bytes of values are searched too: who stores forged seals can make a torn tail look like damage, never the other
//! way round.

use slipstream_log::Offset;

use crate::annotation::{Annotation, MAX_LINE, Sum};

const MARK: &[u8] = b"#SLIPSTREAM ";
/// Batches looked at at the same time; they lie within each other only where seals are forged. Where there are more,
/// the longest are given up: what is forged can be of any length.
const MAX_OPEN: usize = 64;

/// Looks for proof that `beyond` was durable.
#[derive(Debug)]
pub struct Search {
    beyond: Offset,
    /// The end of what came, which may be the beginning of a line.
    carry: Vec<u8>,
    open: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    hasher: crc32fast::Hasher,
    missing: u64,
    crc: u32,
}

impl Search {
    /// Looks for a seal that says that more than `beyond` of the stream was on disk.
    pub fn new(beyond: Offset) -> Search {
        Search { beyond, carry: Vec::new(), open: Vec::new() }
    }

    /// Takes the next bytes in; whether there is such a seal.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let mut text = std::mem::take(&mut self.carry);
        // Candidates have taken in what was carried over.
        let mut taken = text.len();
        text.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(start) = find(&text, from) {
            let rest = &text[start..];
            let Some(end) = rest.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
                if rest.len() < MAX_LINE {
                    self.carry = rest.to_vec();
                    return self.take(&text[taken..]);
                }
                from = start + 1;
                continue;
            };
            // All of them take in the same bytes, so that each byte costs no more than so many candidates there are.
            let behind = start + end + 1;
            if self.take(&text[taken..behind]) || self.line(rest[..end].trim_ascii_end()) {
                return true;
            }
            (taken, from) = (behind, start + 1);
        }
        let kept = text.len().min(MARK.len() - 1).min(text.len().saturating_sub(from));
        self.carry = text[text.len() - kept..].to_vec();
        self.take(&text[taken..])
    }

    /// Whether a line that ends here is proof by itself; a batch may begin behind it.
    fn line(&mut self, line: &[u8]) -> bool {
        match Annotation::parse(line) {
            Ok(Annotation::End(offset)) => return offset > self.beyond,
            Ok(Annotation::Sum(sum)) if sum.durable > self.beyond && sum.length > 0 => self.open(&sum),
            _ => {}
        }
        false
    }

    fn open(&mut self, sum: &Sum) {
        if self.open.len() == MAX_OPEN {
            let longest = (0..MAX_OPEN).max_by_key(|index| self.open[*index].missing);
            if let Some(index) = longest.filter(|index| self.open[*index].missing > sum.length) {
                self.open.swap_remove(index);
            }
        }
        if self.open.len() < MAX_OPEN {
            self.open.push(Candidate { hasher: sum.hasher(), missing: sum.length, crc: sum.crc });
        }
    }

    /// Takes in what comes next; whether one of the batches is whole and good.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let is_proven = self.open.iter_mut().any(|candidate| candidate.take(bytes));
        self.open.retain(|candidate| candidate.missing > 0);
        is_proven
    }
}

impl Candidate {
    /// Takes bytes in; whether the batch is whole and good.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let most = usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len());
        self.hasher.update(&bytes[..most]);
        self.missing -= most as u64;
        self.missing == 0 && self.hasher.clone().finalize() == self.crc
    }
}

fn find(text: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    loop {
        start += text.get(start..)?.iter().position(|byte| *byte == MARK[0])?;
        if text[start..].starts_with(MARK) {
            return Some(start);
        }
        start += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sealing;

    fn batch(bytes: &[u8], durable: u64) -> Vec<u8> {
        let mut sealing = Sealing::default();
        sealing.push(bytes);
        let mut sealed = sealing.seal(Offset(0), Offset(durable));
        sealed.extend_from_slice(bytes);
        sealed
    }

    /// Whether there is proof, which does not depend on how the bytes come.
    fn is_proven(bytes: &[u8]) -> bool {
        let found = |step: usize| {
            let mut search = Search::new(Offset(10));
            bytes.chunks(step).any(|chunk| search.push(chunk))
        };
        let whole = found(bytes.len());
        for step in [1, 13, 1000] {
            assert_eq!(found(step), whole, "in steps of {step}");
        }
        whole
    }

    #[test]
    fn a_good_batch_is_found_behind_more_forged_ones_than_are_looked_at() {
        let forged = |length: usize| format!("#SLIPSTREAM SUM 0 {length} 99 00000000\r\n").into_bytes();
        let many: Vec<u8> = (0..200).flat_map(|index| forged(1_000_000 + index)).collect();
        assert!(!is_proven(&many));
        assert!(!is_proven(&[&many[..], &batch(b"*1\r\n$4\r\nPING\r\n", 10)].concat()));
        assert!(is_proven(&[&many[..], &batch(b"*1\r\n$4\r\nPING\r\n", 11)].concat()));
        // Seals within its values are shorter than the batch, and end within it.
        let inner: Vec<u8> = (0..50).flat_map(|index| forged(index + 1)).collect();
        assert!(is_proven(&[&many[..], &batch(&inner, 11), &many[..]].concat()));
    }
}
