//! Where a snapshot of unknown length ends.
//!
//! The primary announces 40 random characters and repeats them behind the snapshot. It sends nothing more
//! until the replica has answered, so the transfer is over when what has arrived ends with the mark; looking
//! at the end alone is enough and costs nothing per byte.
//!
//! ```text
//! $EOF:<mark>\r\n  <snapshot, any number of bytes>  <mark>
//! ```

use std::fmt;

/// The 40 characters that end a snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; Mark::LEN]);

impl Mark {
    /// Length in bytes.
    pub const LEN: usize = 40;

    /// A fresh mark.
    pub fn random(rng: &mut fastrand::Rng) -> Mark {
        Mark(std::array::from_fn(|_| b"0123456789abcdef"[rng.usize(..16)]))
    }

    /// Takes 40 bytes from the wire as they are.
    pub fn parse(text: &[u8]) -> Option<Mark> {
        Some(Mark(text.try_into().ok()?))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8; Mark::LEN] {
        &self.0
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({})", self.0.escape_ascii())
    }
}

/// Finds the mark at the end of what has arrived, whatever the pieces.
///
/// Holds back the bytes that may be the start of the mark. Those are the first `held` bytes of the mark
/// itself, so only their number is kept.
#[derive(Debug)]
pub(crate) struct MarkFinder {
    mark: Mark,
    held: usize,
}

/// What one piece of input turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Bytes held back before that are data after all; they precede `data`.
    pub(crate) released: Vec<u8>,
    /// Data of this piece.
    pub(crate) data: &'a [u8],
    /// Whether the mark is complete.
    pub(crate) ended: bool,
}

impl MarkFinder {
    pub(crate) fn new(mark: Mark) -> MarkFinder {
        MarkFinder { mark, held: 0 }
    }

    pub(crate) fn push<'a>(&mut self, input: &'a [u8]) -> Piece<'a> {
        let held = self.held;
        self.held = self.longest_start_at_end(input);
        let data = held + input.len() - self.held;
        Piece {
            released: self.mark.0[..held.min(data)].to_vec(),
            data: &input[..data.saturating_sub(held)],
            ended: self.held == Mark::LEN,
        }
    }

    /// The length of the longest start of the mark with which the held bytes and `input` end.
    fn longest_start_at_end(&self, input: &[u8]) -> usize {
        let known = self.held + input.len();
        (1..=known.min(Mark::LEN)).rev().find(|len| self.ends_with_start(input, *len)).unwrap_or(0)
    }

    fn ends_with_start(&self, input: &[u8], len: usize) -> bool {
        let start = &self.mark.0[..len];
        match len.checked_sub(input.len()) {
            None | Some(0) => input.ends_with(start),
            Some(before) => start.ends_with(input) && self.mark.0[..self.held].ends_with(&start[..before]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &[u8; 40] = b"0123456789abcdef0123456789abcdef01234567";

    fn feed(finder: &mut MarkFinder, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut data = Vec::new();
        for (at, input) in pieces.iter().enumerate() {
            let piece = finder.push(input);
            data.extend_from_slice(&piece.released);
            data.extend_from_slice(piece.data);
            if piece.ended {
                assert_eq!(at + 1, pieces.len(), "ends at the last byte only");
                return (data, true);
            }
        }
        (data, false)
    }

    fn finder() -> MarkFinder {
        MarkFinder::new(Mark(*MARK))
    }

    #[test]
    fn the_mark_is_found_at_every_split() {
        let body = [b"snapshot 0123456789abcdef0123".as_slice(), MARK].concat();
        for first in 0..=body.len() {
            for second in first..=body.len() {
                let pieces = [&body[..first], &body[first..second], &body[second..]];
                let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
                let found = feed(&mut finder(), &pieces);
                assert_eq!(found, (b"snapshot 0123456789abcdef0123".to_vec(), true), "{first} {second}");
            }
        }
    }

    #[test]
    fn single_bytes_are_enough() {
        let body = [b"0123456789abcdef0123456789abcdef0".as_slice(), MARK].concat();
        let pieces: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(feed(&mut finder(), &pieces), (b"0123456789abcdef0123456789abcdef0".to_vec(), true));
    }

    #[test]
    fn an_empty_snapshot_is_only_a_mark() {
        assert_eq!(feed(&mut finder(), &[MARK]), (Vec::new(), true));
    }

    #[test]
    fn a_start_that_does_not_go_on_is_data() {
        let (data, ended) = feed(&mut finder(), &[b"ab01234", b"5678", b"zz"]);
        assert_eq!((data.as_slice(), ended), (&b"ab012345678zz"[..], false));
    }

    #[test]
    fn a_mark_that_repeats_itself_is_found_too() {
        let body = [b'a'; 100];
        let mut finder = MarkFinder::new(Mark([b'a'; 40]));
        let piece = finder.push(&body);
        assert_eq!((piece.data.len(), piece.ended), (60, true));
    }
}
