//! The newest blocks of the log, shared by all replicas: from the slowest one's cursor on, as far as the log has them
//! in memory.
//!
//! Invariant: the blocks are contiguous and reach to `end`. Who needs what lies before them reads it from disk.

use std::collections::VecDeque;

use slipstream_log::{Offset, Slice};

#[derive(Debug, Default)]
pub(super) struct Window {
    blocks: VecDeque<Slice>,
    end: Offset,
}

impl Window {
    /// Nothing, from an offset on.
    pub(super) fn empty_at(end: Offset) -> Window {
        Window { blocks: VecDeque::new(), end }
    }

    pub(super) fn blocks(&self) -> &VecDeque<Slice> {
        &self.blocks
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Offset {
        self.blocks.front().map_or(self.end, Slice::start)
    }

    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// Takes up blocks that reach to the log's end. The last one held may have grown and is replaced. If the log has
    /// given up blocks in between, those before them are on disk as well.
    pub(super) fn extend(&mut self, blocks: Vec<Slice>) {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return };
        let (first, end) = (first.start(), last.end());
        if first > self.end {
            self.blocks.clear();
        }
        let start = self.start();
        let earlier = blocks.partition_point(|block| !self.blocks.is_empty() && block.start() < start);
        let later = blocks[earlier..].first().map_or(end, Slice::start);
        while self.blocks.back().is_some_and(|last| last.start() >= later) {
            self.blocks.pop_back();
        }
        let mut blocks = blocks;
        self.blocks.extend(blocks.drain(earlier..));
        blocks.into_iter().rev().for_each(|block| self.blocks.push_front(block));
        self.end = end;
    }

    /// Forgets the blocks that lie wholly before `offset`.
    pub(super) fn release(&mut self, offset: Offset) {
        while self.blocks.front().is_some_and(|block| block.end() <= offset) {
            self.blocks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of the ranges, whose bytes are of no interest.
    fn blocks(ranges: &[(u64, u64)]) -> Vec<Slice> {
        let block = |(from, to): &(u64, u64)| {
            Slice::new(Offset(*from), vec![b'x'; usize::try_from(to - from).unwrap()])
        };
        ranges.iter().map(block).collect()
    }

    #[track_caller]
    fn check(held: &[(u64, u64)], more: &[(u64, u64)], expected: &[(u64, u64)]) {
        let mut window = Window::empty_at(Offset(held.first().map_or(50, |first| first.0)));
        window.extend(blocks(held));
        window.extend(blocks(more));
        let found: Vec<_> = window.blocks().iter().map(|block| (block.start().0, block.end().0)).collect();
        assert_eq!(found, expected);
        assert_eq!(window.end().0, expected.last().map_or(50, |last| last.1));
    }

    #[test]
    fn what_is_held_stays_whole() {
        check(&[], &[(50, 60)], &[(50, 60)]);
        check(&[(10, 20), (20, 30)], &[(30, 40)], &[(10, 20), (20, 30), (30, 40)]);
        check(&[(10, 20), (20, 30)], &[(20, 35), (35, 40)], &[(10, 20), (20, 35), (35, 40)]);
        check(&[(20, 30)], &[], &[(20, 30)]);
    }

    #[test]
    fn who_is_further_behind_brings_older_blocks() {
        check(
            &[(20, 30)],
            &[(0, 10), (10, 20), (20, 30), (30, 40)],
            &[(0, 10), (10, 20), (20, 30), (30, 40)],
        );
        check(&[(20, 30)], &[(0, 20), (20, 30)], &[(0, 20), (20, 30)]);
    }

    #[test]
    fn nothing_is_held_before_a_gap() {
        check(&[(20, 30)], &[(40, 50), (50, 60)], &[(40, 50), (50, 60)]);
    }
}
