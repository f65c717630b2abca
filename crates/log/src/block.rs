//! Pieces of the log that readers share.
//!
//! A block is written only while nobody but the log holds it, so that a reader on any thread may keep a
//! [`Slice`] as long as it likes and never sees it change. This needs no lock: sharing is what the reference
//! count says.

use std::ops::{Deref, Range};

use triomphe::Arc;

use crate::Offset;

/// Room that a new block starts with, and the length below which a block that a reader holds is copied rather
/// than left behind half empty. Bounds both the copying per append and the number of blocks.
const OPENING: usize = 4 << 10;

/// A run of the log's bytes, starting at an offset.
#[derive(Debug)]
pub(crate) struct Block {
    start: Offset,
    bytes: Arc<Vec<u8>>,
}

impl Block {
    pub(crate) fn new(start: Offset) -> Block {
        Block::with_room(start, OPENING)
    }

    /// A block that is expected to hold so many bytes.
    pub(crate) fn with_room(start: Offset, bytes: usize) -> Block {
        Block { start, bytes: Arc::new(Vec::with_capacity(bytes.max(OPENING))) }
    }

    pub(crate) fn start(&self) -> Offset {
        self.start
    }

    pub(crate) fn end(&self) -> Offset {
        self.start.advanced(self.bytes.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is allocated for it, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + size_of::<Block>()
    }

    /// Whether bytes may be appended. A short block that a reader holds is copied to make it so.
    pub(crate) fn make_writable(&mut self) -> bool {
        // Only the log clones it, so what is nobody else's stays so.
        if self.bytes.is_unique() {
            return true;
        }
        let is_short = self.bytes.len() < OPENING;
        if is_short {
            let mut copy = Vec::with_capacity(OPENING);
            copy.extend_from_slice(&self.bytes);
            self.bytes = Arc::new(copy);
        }
        is_short
    }

    /// The bytes to append to, after [`Block::make_writable`].
    pub(crate) fn writable(&mut self) -> &mut Vec<u8> {
        Arc::get_mut(&mut self.bytes).expect("made writable before")
    }

    /// A block of its own with the bytes before `end`, which lies in this one.
    pub(crate) fn up_to(&self, end: Offset) -> Block {
        let length = usize::try_from(end.since(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        let mut bytes = Vec::with_capacity(OPENING.max(length));
        bytes.extend_from_slice(&self.bytes[..length]);
        Block { start: self.start, bytes: Arc::new(bytes) }
    }

    /// The part of this block from `from` on; all of it when `from` is before it.
    pub(crate) fn slice_from(&self, from: Offset) -> Slice {
        let skipped = usize::try_from(from.since(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        Slice {
            start: self.start.advanced(skipped),
            range: skipped..self.bytes.len(),
            bytes: self.bytes.clone(),
        }
    }
}

/// Bytes of the log at an offset, shared with it and immutable. May be sent to other threads.
#[derive(Clone, Debug)]
pub struct Slice {
    start: Offset,
    range: Range<usize>,
    bytes: Arc<Vec<u8>>,
}

impl Slice {
    /// A piece that was read from somewhere else: `bytes` at `start`.
    pub fn new(start: Offset, bytes: Vec<u8>) -> Slice {
        Slice { start, range: 0..bytes.len(), bytes: Arc::new(bytes) }
    }

    /// Where in the log the first byte lies.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The offset after the last byte.
    pub fn end(&self) -> Offset {
        self.start.advanced(self.range.len())
    }

    /// The part before `end`; all of it when it ends before that.
    pub fn up_to(&self, end: Offset) -> Slice {
        let length = usize::try_from(end.since(self.start)).unwrap_or(usize::MAX).min(self.range.len());
        let range = self.range.start..self.range.start + length;
        Slice { start: self.start, range, bytes: self.bytes.clone() }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Slice) -> bool {
        self.start == other.start && **self == **other
    }
}

impl Eq for Slice {}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_slice_never_changes() {
        let mut block = Block::new(Offset(10));
        block.writable().extend_from_slice(b"abc");
        let held = block.slice_from(Offset(11));
        assert!(block.make_writable(), "short, so copied");
        block.writable().extend_from_slice(b"def");
        assert_eq!((&*held, held.start(), held.end()), (&b"bc"[..], Offset(11), Offset(13)));
        assert_eq!(&*block.slice_from(Offset(0)), b"abcdef");
    }

    #[test]
    fn a_long_block_that_is_read_is_left_alone() {
        let mut block = Block::new(Offset(0));
        block.writable().resize(OPENING, b'x');
        let held = block.slice_from(Offset(0));
        assert!(!block.make_writable());
        drop(held);
        assert!(block.make_writable());
    }

    #[test]
    fn a_slice_may_end_earlier() {
        let slice = Slice::new(Offset(10), b"abcdef".to_vec());
        let check = |end: u64, expected: &[u8]| {
            let part = slice.up_to(Offset(end));
            assert_eq!((part.start(), &*part), (Offset(10), expected), "up to {end}");
        };
        check(9, b"");
        check(10, b"");
        check(13, b"abc");
        check(99, b"abcdef");
        assert_eq!(&*Block::new(Offset(0)).slice_from(Offset(0)).up_to(Offset(5)), b"");
    }

    #[test]
    fn slices_cross_threads() {
        fn sendable<T: Send + Sync + 'static>(_: &T) {}
        sendable(&Block::new(Offset(0)).slice_from(Offset(0)));
    }
}
