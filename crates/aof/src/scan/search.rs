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
/// Batches looked at at the same time; they lie within each other only where seals are forged.
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
        let new = text.len();
        text.extend_from_slice(bytes);
        if self.open.iter_mut().any(|candidate| candidate.take(&text[new..])) {
            return true;
        }
        self.open.retain(|candidate| candidate.missing > 0);
        let mut from = 0;
        while let Some(start) = find(&text, from) {
            let rest = &text[start..];
            let Some(end) = rest.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
                if rest.len() < MAX_LINE {
                    self.carry = rest.to_vec();
                    return false;
                }
                from = start + 1;
                continue;
            };
            if self.line(rest[..end].trim_ascii_end(), &rest[end + 1..]) {
                return true;
            }
            from = start + 1;
        }
        let kept = text.len().min(MARK.len() - 1).min(text.len().saturating_sub(from));
        self.carry = text[text.len() - kept..].to_vec();
        false
    }

    fn line(&mut self, line: &[u8], behind: &[u8]) -> bool {
        match Annotation::parse(line) {
            Ok(Annotation::End(offset)) => offset > self.beyond,
            Ok(Annotation::Sum(sum)) if sum.durable > self.beyond && sum.length > 0 => {
                self.candidate(sum, behind)
            }
            _ => false,
        }
    }

    fn candidate(&mut self, sum: Sum, behind: &[u8]) -> bool {
        let mut candidate = Candidate { hasher: sum.hasher(), missing: sum.length, crc: sum.crc };
        if candidate.take(behind) {
            return true;
        }
        if candidate.missing > 0 && self.open.len() < MAX_OPEN {
            self.open.push(candidate);
        }
        false
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
