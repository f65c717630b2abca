//! The log: the only place where the offset advances.
//!
//! It owns the history, the blocks and the rule of retention. Like the backlog of Redis it is inactive until
//! the first reader asks: appending then does nothing and the offset stands still, so whoever was told the id
//! before could not tell what it missed; therefore activating makes a fresh id.
//!
//! Invariant: the blocks are contiguous, none is empty but perhaps the last, and the last one ends at
//! `end()`. At least `backlog_size` bytes are kept once written; more, while a reader still needs them. What is
//! older may go on to disk (`tier.rs`).

use std::collections::VecDeque;

use crate::tier::Tier;
use crate::{DiskAction, DiskSize, History, Offset, ReplicationId, Slice, block::Block};

/// The least that `repl-backlog-size` may be, in bytes.
pub const MIN_BACKLOG_SIZE: u64 = 16 << 10;

/// Blocks are a sixteenth of the backlog, within these bounds: small enough that trimming is fine-grained,
/// large enough that a reader gets by with few of them.
const BLOCK_LEN: std::ops::RangeInclusive<u64> = (16 << 10)..=(256 << 10);

/// So many histories are known besides this one and the one before it.
const MOST_ANCESTORS: usize = 8;

/// What is kept in memory for readers, at least, before it goes to disk; what the backlog keeps, if that is more.
const MEMORY_FOR_READERS: u64 = 64 << 20;

/// Why a reader cannot continue from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No log is being kept.
    Inactive,
    /// The id is neither the current one nor one that this goes on from.
    UnknownHistory,
    /// The id is one before, but the reader went on with it after the fork.
    PastFork,
    /// The bytes at that offset are no longer held.
    Gone,
    /// The offset lies beyond the end: the reader has bytes that this node never wrote.
    Ahead,
}

/// The stream of changes of one node.
#[derive(Debug)]
pub struct Log {
    history: History,
    /// What the history before this one goes on from, the oldest first: ids, and up to where each is the same. A node
    /// that starts several times in a row has several.
    ancestors: VecDeque<(ReplicationId, Offset)>,
    /// The offset after the last byte.
    end: Offset,
    backlog_size: u64,
    /// As long as a block gets, by the size of the backlog.
    block_len: usize,
    kept: Kept,
    /// Memory of all blocks but the last, in bytes.
    filled: usize,
    disk: Tier,
    breaks: u64,
}

/// What is kept of the stream.
#[derive(Debug)]
enum Kept {
    /// Nothing, since nobody reads. The offset stands.
    Nothing,
    /// The newest blocks; at least one.
    Blocks(VecDeque<Block>),
}

impl Kept {
    fn empty_from(offset: Offset) -> Kept {
        Kept::Blocks(VecDeque::from([Block::new(offset)]))
    }
}

impl Log {
    /// An inactive log at offset 0 with a random history.
    pub fn new(backlog_size: u64, rng: &mut fastrand::Rng) -> Log {
        let backlog_size = backlog_size.max(MIN_BACKLOG_SIZE);
        Log {
            history: History::new(ReplicationId::random(rng)),
            ancestors: VecDeque::new(),
            end: Offset(0),
            backlog_size,
            block_len: block_len(backlog_size),
            kept: Kept::Nothing,
            filled: 0,
            disk: Tier::default(),
            breaks: 0,
        }
    }

    /// Whose stream this is.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The histories that this one goes on from and up to where each is the same, the last one first.
    pub fn forks(&self) -> impl Iterator<Item = (ReplicationId, Offset)> {
        self.history.previous.into_iter().chain(self.ancestors.iter().rev().copied())
    }

    /// Whether what is appended is kept and counted.
    pub fn is_active(&self) -> bool {
        matches!(self.kept, Kept::Blocks(_))
    }

    /// The offset of the first byte that is still held in memory.
    pub fn start(&self) -> Offset {
        match &self.kept {
            Kept::Nothing => self.end,
            Kept::Blocks(blocks) => blocks.front().expect("an active log has a block").start(),
        }
    }

    /// The offset after the last byte (`master_repl_offset`).
    #[inline]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// From here on a reader may continue: the first byte that is held in memory or on disk.
    pub fn reach(&self) -> Offset {
        self.disk.start().unwrap_or_else(|| self.start())
    }

    /// How often what came did not go on from what was before: what a reader has from before is no beginning of
    /// what it would read now.
    pub fn breaks(&self) -> u64 {
        self.breaks
    }

    /// How many bytes are held in memory (`repl_backlog_histlen`).
    pub fn held(&self) -> u64 {
        self.end().since(self.start())
    }

    /// Memory allocated for blocks, in bytes.
    #[inline]
    pub fn memory(&self) -> usize {
        match &self.kept {
            Kept::Nothing => 0,
            Kept::Blocks(blocks) => self.filled + blocks.back().map_or(0, Block::memory),
        }
    }

    /// Starts to keep the stream, under a fresh id and with nothing before it. Does nothing to an active log.
    pub fn activate(&mut self, rng: &mut fastrand::Rng) {
        if !self.is_active() {
            self.begin_at(self.end);
            self.change_id(rng);
        }
    }

    /// Drops what is kept and stops counting: nobody can continue, whatever comes. For `repl-backlog-ttl`,
    /// and for a replica whose data is about to be replaced.
    pub fn deactivate(&mut self, rng: &mut fastrand::Rng) {
        self.kept = Kept::Nothing;
        self.filled = 0;
        self.breaks += 1;
        self.disk.clear();
        self.change_id(rng);
    }

    /// Goes on under a fresh id that has nothing in common with the one before.
    pub fn change_id(&mut self, rng: &mut fastrand::Rng) {
        self.begin_history(ReplicationId::random(rng));
    }

    fn begin_history(&mut self, id: ReplicationId) {
        self.history = History::new(id);
        self.ancestors.clear();
    }

    fn fork(&mut self, id: ReplicationId) {
        self.ancestors.extend(self.history.previous);
        if self.ancestors.len() > MOST_ANCESTORS {
            self.ancestors.pop_front();
        }
        self.history = self.history.forked(id, self.end());
    }

    /// Goes on under a fresh id of this node's own: readers of the id before may continue up to here. For a
    /// replica that becomes a primary.
    pub fn promote(&mut self, rng: &mut fastrand::Rng) {
        self.fork(ReplicationId::random(rng));
    }

    /// Goes on under the id that the primary has taken on (`+CONTINUE id`), active from now on.
    pub fn adopt_id(&mut self, id: ReplicationId) {
        if !self.is_active() {
            self.begin_at(self.end);
        }
        if id != self.history.id {
            self.fork(id);
        }
    }

    /// Takes on a primary's history at the offset of the snapshot that was loaded, with nothing held before
    /// it.
    pub fn adopt_snapshot(&mut self, id: ReplicationId, offset: Offset) {
        self.begin_history(id);
        self.end = offset;
        self.begin_at(offset);
        self.disk.clear();
    }

    fn begin_at(&mut self, offset: Offset) {
        self.kept = Kept::empty_from(offset);
        self.filled = 0;
        self.breaks += 1;
    }

    /// Notes from which history this one goes on, and up to where both agree.
    pub fn remember(&mut self, id: ReplicationId, fork: Offset) {
        self.history.previous = Some((id, fork));
    }

    /// Sets how much is kept at least. Data is kept as far as the new size allows; the next trim drops the
    /// rest.
    pub fn set_backlog_size(&mut self, bytes: u64) {
        self.backlog_size = bytes.max(MIN_BACKLOG_SIZE);
        self.block_len = block_len(self.backlog_size);
    }

    /// How much is kept at least.
    pub fn backlog_size(&self) -> u64 {
        self.backlog_size
    }

    /// Without a reader that needs more, less than this is kept in memory: whole blocks are dropped.
    pub fn kept_anyway(&self) -> u64 {
        self.backlog_size.saturating_add(self.block_len as u64)
    }

    /// Who is no further behind may continue, and is behind for no fault of its own.
    pub fn reaches_anyway(&self) -> u64 {
        let on_disk = if self.disk.is_usable() { self.disk.size().kept } else { 0 };
        self.kept_anyway().saturating_add(on_disk)
    }

    /// How far behind a reader may be at most before what is kept for it has no bound: beyond memory it goes to
    /// disk, and there it has a limit. `None` if there is no such disk.
    pub fn most_for_readers(&self) -> Option<u64> {
        self.disk.is_usable().then(|| self.memory_for_readers().saturating_add(self.disk.size().most))
    }

    /// Whether a reader that has everything of history `id` up to `from` can go on from there.
    /// The rule is that of PSYNC.
    pub fn can_continue(&self, id: &ReplicationId, from: Offset) -> Result<(), Refusal> {
        if !self.is_active() {
            return Err(Refusal::Inactive);
        }
        if *id != self.history.id {
            match self.forks().find(|(known, _)| known == id) {
                None => return Err(Refusal::UnknownHistory),
                Some((_, fork)) if from > fork => return Err(Refusal::PastFork),
                Some(_) => {}
            }
        }
        match from {
            _ if from < self.reach() => Err(Refusal::Gone),
            _ if from > self.end() => Err(Refusal::Ahead),
            _ => Ok(()),
        }
    }

    /// Goes back to offset `to` of history `id`, this one or the one before it: what lies behind was never a part
    /// of the history that goes on. Readers further on must be gone. Returns whether that place is held, and so
    /// has been gone back to.
    pub fn rewind(&mut self, id: &ReplicationId, to: Offset) -> bool {
        let is_ours = match &self.history.previous {
            _ if self.history.id == *id => true,
            Some((previous, fork)) => previous == id && to <= *fork,
            None => false,
        };
        let is_held = is_ours && self.is_active() && self.start() <= to && to <= self.end();
        if is_held && self.history.id != *id {
            self.begin_history(*id);
        }
        if let Kept::Blocks(blocks) = &mut self.kept
            && is_held
        {
            self.breaks += 1;
            self.end = to;
            while blocks.back().is_some_and(|last| last.end() > to) {
                let last = blocks.pop_back().expect("just looked at");
                if last.start() <= to {
                    blocks.push_back(last.up_to(to));
                }
            }
            self.filled = blocks.range(..blocks.len() - 1).map(Block::memory).sum();
            if self.disk.sent().is_some_and(|sent| sent > to) {
                self.disk.clear();
            }
        }
        is_held
    }

    /// Appends bytes, in several blocks if they are many.
    #[inline]
    pub fn append(&mut self, mut bytes: &[u8]) {
        let Kept::Blocks(blocks) = &mut self.kept else { return };
        self.end = self.end.advanced(bytes.len());
        while !bytes.is_empty() {
            let tail = writable_tail(blocks, &mut self.filled, self.block_len);
            let (now, later) = bytes.split_at(bytes.len().min(self.block_len - tail.len()));
            tail.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Appends what `encode` pushes, without a copy in between. `encode` must only push, and is not called at
    /// all while the log is inactive. For long values, [`append`](Log::append) is the better way.
    pub fn append_with(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let Kept::Blocks(blocks) = &mut self.kept else { return };
        let tail = writable_tail(blocks, &mut self.filled, self.block_len);
        let before = tail.len();
        encode(tail);
        assert!(tail.len() >= before, "an encoder of log bytes only pushes");
        let excess = tail.split_off(tail.len().min(self.block_len));
        self.end = self.end.advanced(tail.len() - before);
        self.append(&excess);
    }

    /// The bytes from `from` to the end, in shared pieces; `None` if they are not all held.
    pub fn slices_from(&self, from: Offset) -> Option<Slices<'_>> {
        if from < self.start() || from > self.end() {
            return None;
        }
        let blocks = match &self.kept {
            Kept::Nothing => None,
            Kept::Blocks(blocks) => Some(blocks.range(blocks.partition_point(|b| b.end() <= from)..)),
        };
        Some(Slices { from, blocks })
    }

    /// The same from the beginning of the block that `from` lies in. Whoever keeps pieces of the log replaces the
    /// last of them with the first of these: the open block may have been copied to go on, and both would be
    /// kept.
    pub fn blocks_from(&self, from: Offset) -> Option<Slices<'_>> {
        self.slices_from(from).map(|slices| Slices { from: Offset(0), ..slices })
    }

    /// Drops the oldest blocks that neither the backlog nor a reader needs any more, or has them written to disk.
    /// `oldest_needed` is the lowest offset that a reader has yet to read.
    pub fn trim(&mut self, oldest_needed: Option<Offset>) {
        let needed = oldest_needed.unwrap_or(Offset(u64::MAX));
        if self.disk.is_usable() {
            self.write_to_disk(needed);
        }
        let mut held = self.held();
        let Kept::Blocks(blocks) = &mut self.kept else { return };
        while let [Some(oldest), Some(_)] = [blocks.front(), blocks.get(1)] {
            let rest = held - oldest.len() as u64;
            let is_free = oldest.end() <= needed && self.disk.sent().is_none();
            if rest < self.backlog_size || !is_free && !self.disk.has(oldest.end()) {
                break;
            }
            held = rest;
            self.filled -= blocks.pop_front().map_or(0, |block| block.memory());
        }
        self.disk.trim(needed);
    }

    /// Has the blocks written that are to leave memory: with a backlog on disk all of them, else those that a
    /// reader needs.
    fn write_to_disk(&mut self, needed: Offset) {
        let keeps_all = self.disk.size().kept > 0;
        let most = if keeps_all { self.backlog_size } else { self.memory_for_readers() };
        // Memory may begin later than it would without a disk that was larger a moment ago.
        let is_in_memory = self.start() <= needed && self.end().since(needed) <= most / 2;
        if !keeps_all && self.disk.sent().is_some() && is_in_memory {
            // All readers are well within memory again: what was written for them is of no use any more.
            return self.disk.clear();
        }
        let Kept::Blocks(blocks) = &self.kept else { return };
        let first = self.disk.sent().unwrap_or_else(|| self.start());
        let mut rest = self.end().since(first);
        let from = blocks.partition_point(|block| block.end() <= first);
        for block in blocks.range(from.min(blocks.len() - 1)..blocks.len() - 1) {
            rest -= block.len() as u64;
            let is_free = !keeps_all && self.disk.sent().is_none() && block.end() <= needed;
            if rest < most || is_free {
                break;
            }
            self.disk.write(self.history.id, block.slice_from(block.start()));
        }
    }

    fn memory_for_readers(&self) -> u64 {
        self.backlog_size.max(MEMORY_FOR_READERS)
    }
}

fn block_len(backlog_size: u64) -> usize {
    let len = (backlog_size / 16).clamp(*BLOCK_LEN.start(), *BLOCK_LEN.end());
    usize::try_from(len).expect("at most 256 KiB")
}

/// What lies on disk.
impl Log {
    /// Sets how much may lie on disk. A tier that failed is tried again when this changes.
    pub fn set_disk_size(&mut self, size: DiskSize) {
        self.disk.set_size(size);
        if !self.disk.is_usable() {
            self.disk.clear();
        }
    }

    /// What is to be done with the files.
    pub fn take_disk_actions(&mut self) -> Vec<DiskAction> {
        self.disk.take_actions()
    }

    /// All before `offset` was written, of the beginning of that number. Whether that shows that a disk which had
    /// failed works again.
    pub fn disk_wrote(&mut self, number: u64, offset: Offset) -> bool {
        self.disk.wrote(number, offset)
    }

    /// The files cannot be written or read: there is memory only, until the disk is tried again.
    pub fn disk_failed(&mut self) {
        self.disk.fail();
    }

    /// Uses a disk again that failed.
    pub fn retry_disk(&mut self) {
        self.disk.retry();
    }

    /// Whether the disk failed and has not shown since that it works.
    pub fn has_disk_failed(&self) -> bool {
        self.disk.has_failed()
    }

    /// How much may lie on disk.
    pub fn disk_size(&self) -> DiskSize {
        self.disk.size()
    }

    /// The first offset that lies on disk, if any does.
    pub fn disk_start(&self) -> Option<Offset> {
        self.disk.start()
    }

    /// Bytes of the log in files, or on their way there.
    pub fn disk_len(&self) -> u64 {
        self.disk.len()
    }

    /// Bytes that are to leave memory and that the disk has not taken yet.
    pub fn disk_lag(&self) -> u64 {
        self.disk.sent().map_or(0, |sent| sent.since(self.start()))
    }
}

/// The block to append to: the last one, or a new one if that is full or being read.
#[inline]
fn writable_tail<'a>(blocks: &'a mut VecDeque<Block>, filled: &mut usize, limit: usize) -> &'a mut Vec<u8> {
    let last = blocks.back_mut().expect("an active log has a block");
    if last.len() >= limit || !last.make_writable() {
        // As much as last time is likely to come again.
        let block = Block::with_room(last.end(), last.len().next_power_of_two().min(limit));
        *filled += last.memory();
        blocks.push_back(block);
    }
    blocks.back_mut().expect("an active log has a block").writable()
}

/// The pieces of the log from an offset to the end; see [`Log::slices_from`].
#[derive(Debug)]
pub struct Slices<'a> {
    from: Offset,
    blocks: Option<std::collections::vec_deque::Iter<'a, Block>>,
}

impl Iterator for Slices<'_> {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        let block = self.blocks.as_mut()?.find(|block| block.len() > 0)?;
        Some(block.slice_from(self.from))
    }
}

#[cfg(test)]
mod tests;
