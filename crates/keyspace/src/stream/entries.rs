//! A stream's entries apart from its groups: what is looked at while a group is changed.
//!
//! Also tells how far a group has come: its number of entries read, and how many are ahead of it.
//! Redis' rules: a number is known only as long as no deletion lies ahead, or at the stream's ends.

use super::Body;
use super::block::Block;
use super::group::{Group, Groups};
use super::id::StreamId;
use super::iter::{StreamEntry, StreamIter};
use crate::tree::Tree;

/// The entries of a stream.
#[derive(Clone, Copy)]
pub struct StreamEntries<'a> {
    blocks: &'a Tree<Block>,
    len: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

impl Body {
    /// The entries beside one group.
    pub(super) fn with_group(&mut self, name: &[u8]) -> Option<(StreamEntries<'_>, &mut Group)> {
        let (entries, groups) = StreamEntries::beside_groups(self);
        Some((entries, groups.get_mut(name)?))
    }
}

impl<'a> StreamEntries<'a> {
    pub(super) fn of(body: &'a Body) -> Self {
        StreamEntries {
            blocks: &body.blocks,
            len: body.len,
            first_id: body.first_id,
            last_id: body.last_id,
            max_deleted_id: body.max_deleted_id,
            added: body.entries_added,
        }
    }

    fn beside_groups(body: &'a mut Body) -> (Self, &'a mut Groups) {
        let Body { blocks, len, first_id, last_id, max_deleted_id, entries_added, groups, .. } = body;
        let entries = StreamEntries {
            blocks,
            len: *len,
            first_id: *first_id,
            last_id: *last_id,
            max_deleted_id: *max_deleted_id,
            added: *entries_added,
        };
        (entries, groups)
    }

    /// The entry of this id.
    pub fn get(self, id: StreamId) -> Option<StreamEntry<'a>> {
        let (block, _) = self.blocks.chunk_before(|first| *first > id)?;
        block.find(id).map(|entry| StreamEntry { id: entry.id, fields: entry.fields })
    }

    /// The entries above `id`, oldest first.
    pub fn after(self, id: StreamId) -> StreamIter<'a> {
        match id.next().filter(|_| id < self.last_id) {
            Some(start) => StreamIter::new(self.blocks, start, StreamId::MAX),
            // No entry lies between these two.
            None => StreamIter::new(self.blocks, StreamId::MAX, StreamId::MIN),
        }
    }

    /// How many entries had been added when `id` was the last, if that can be told.
    pub fn read_at(self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.added);
        }
        let has_gaps = self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= self.first_id;
        if id > self.last_id || has_gaps || id > self.first_id {
            return None;
        }
        Some(self.added.wrapping_sub(self.len) + u64::from(id == self.first_id))
    }

    /// How many entries had been added when `id` was delivered to a group that had been given `read` before, if
    /// that can be told.
    pub(super) fn read_on(self, id: StreamId, read: Option<u64>) -> Option<u64> {
        match read {
            Some(count) if !self.has_gap_from(id) => Some(count.saturating_add(1).min(MOST)),
            _ if self.added > 0 => self.read_at(id),
            unchanged => unchanged,
        }
    }

    /// How many entries are still to be delivered to a group, if that can be told. Below 0 if it was set so.
    pub fn lag(self, group: &Group) -> Option<i64> {
        let read = match group.entries_read() {
            _ if self.added == 0 => return Some(0),
            Some(count) if !self.has_gap_from(group.last_id()) => count,
            _ => self.read_at(group.last_id())?,
        };
        Some(self.added.wrapping_sub(read).cast_signed())
    }

    /// Whether a deleted entry at or above `id` may lie between others.
    fn has_gap_from(self, id: StreamId) -> bool {
        let deleted = self.max_deleted_id;
        self.len > 0 && deleted != StreamId::MIN && deleted >= self.first_id && deleted >= id
    }
}

/// Counts of entries are signed numbers on the wire.
const MOST: u64 = i64::MAX.cast_unsigned();
