//! Streams: entries of fields and values, in the order of their ids, and consumer groups.
//!
//! Entries lie in packed blocks ([`block`]) that are the leaves of a counted, copy-on-write tree,
//! deleted ones included. Entries only come in at the end; they go by whole blocks at the front,
//! or one by one as a mark. Where a block ends is what `MAXLEN ~` shows to clients, so blocks are
//! cut where Redis cuts its own: by the bytes that the entries would take as its listpack
//! ([`node`]), not by ours, which are fewer.
//! Invariant: ids grow through all blocks up to `last_id`; `len` is what is not deleted;
//! `first_id` is the first of them, 0-0 if there is none. Read on in `block.rs`.

mod block;
mod entries;
mod fields;
mod group;
mod id;
mod id_map;
mod iter;
mod node;
mod packing;
#[cfg(test)]
mod tests;
mod trim;

use triomphe::Arc;

use block::Block;
pub use entries::StreamEntries;
pub use fields::Fields;
use group::Groups;
pub use group::{Consumer, ConsumerId, Delivery, Group, Pending};
pub use id::StreamId;
pub use id_map::IdMap;
pub use iter::{StreamEntry, StreamIter, StreamRevIter};
pub use node::{StreamBuilder, StreamFacts};
pub use trim::{Trim, TrimTo};

use crate::encoding::Encoding;
use crate::item::Item;
use crate::size_class::ARC_HEADER;
use crate::tree::{Chunk, Tree};

/// A stream value.
#[derive(Clone, Default)]
pub struct Stream(Arc<Body>);

#[derive(Clone, Default)]
struct Body {
    blocks: Tree<Block>,
    len: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// Bytes of the last block's entries and names as Redis' listpack, if known.
    open_bytes: Option<usize>,
    groups: Groups,
}

/// The most bytes of the elements of one entry, and of Redis' form of a block.
const MAX_BYTES: usize = 1 << 30;

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Stream::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.0.len).expect("entries are in memory")
    }

    /// Whether there are no entries. Such a stream stays under its key: it still has its last id.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The id above which new entries come.
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// The first entry's id, 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.0.first_id
    }

    /// The greatest id that XDEL removed, 0-0 if there is none.
    pub fn max_deleted_id(&self) -> StreamId {
        self.0.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// Sets the id above which new entries come; it is not below any entry's, but may be below deleted ones.
    pub fn set_last_id(&mut self, id: StreamId) {
        debug_assert!(self.newest_id().is_none_or(|newest| newest <= id), "commands check it");
        let body = Arc::make_mut(&mut self.0);
        body.last_id = id;
        body.forget_above(id);
    }

    /// Sets how many entries were ever added.
    pub fn set_entries_added(&mut self, count: u64) {
        Arc::make_mut(&mut self.0).entries_added = count;
    }

    /// Sets the greatest id that was deleted.
    pub fn set_max_deleted_id(&mut self, id: StreamId) {
        Arc::make_mut(&mut self.0).max_deleted_id = id;
    }

    /// Whether elements of so many bytes together are too large for one entry.
    pub fn is_too_large(bytes: usize) -> bool {
        bytes > MAX_BYTES
    }

    /// Adds an entry, which has at least one field. Its id is above `last_id`.
    pub fn append<'a>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        encoding: &Encoding,
    ) {
        let fields = fields.map(|(name, value)| (Item::Bytes(name), Item::Bytes(value)));
        assert!(id > self.0.last_id, "callers check that ids grow");
        let bytes = fields.clone().map(|(name, value)| name.len() + value.len()).sum();
        let body = Arc::make_mut(&mut self.0);
        let has_room = body.has_room(bytes, encoding);
        let open_bytes = body.open_bytes.unwrap_or(0);
        let end = body.blocks.len();
        body.open_bytes = body.blocks.edit_at(end, |block, _, added| {
            if has_room {
                let own_names = !block.has_names(fields.clone().map(|(name, _)| name));
                let more = node::entry_len(block.first(), id, fields.clone(), own_names);
                block.append(id, fields, own_names);
                return Some(open_bytes + more);
            }
            let names = fields.clone().map(|(name, _)| name);
            let mut fresh = Block::new(id, names);
            let bytes = node::names_len(fresh.names()) + node::entry_len(id, id, fields.clone(), false);
            fresh.append(id, fields, false);
            if block.weight() == 0 {
                *block = fresh;
            } else {
                block.close();
                added.push(fresh);
            }
            Some(bytes)
        });
        body.len += 1;
        body.entries_added += 1;
        body.last_id = id;
        if body.len == 1 {
            body.first_id = id;
        }
    }

    /// Deletes the entry of this id; whether there was one.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((block, _)) = self.0.blocks.chunk_before(|first| *first > id) else { return false };
        let Some(place) = block.find(id).map(|entry| entry.place()) else { return false };
        let body = Arc::make_mut(&mut self.0);
        let is_open = block_ends(&body.blocks, id);
        let stays = body.blocks.edit_before(
            |first| *first > id,
            |block, _| {
                let stays = block.delete(place);
                if !stays {
                    *block = Block::default();
                }
                stays
            },
        );
        if !stays && is_open {
            body.open_bytes = None;
        }
        body.len -= 1;
        body.max_deleted_id = body.max_deleted_id.max(id);
        if body.len == 0 || id == body.first_id {
            body.update_first();
        }
        true
    }

    /// The entries from `start` to `end`, both included, oldest first.
    pub fn range(&self, start: StreamId, end: StreamId) -> StreamIter<'_> {
        StreamIter::new(&self.0.blocks, start, end)
    }

    /// The entries from `start` to `end`, both included, newest first.
    pub fn range_rev(&self, start: StreamId, end: StreamId) -> StreamRevIter<'_> {
        StreamRevIter::new(&self.0.blocks, start, end)
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> StreamIter<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The id of the newest entry, which may be below `last_id`.
    pub fn newest_id(&self) -> Option<StreamId> {
        self.newest().map(|entry| entry.id)
    }

    /// The newest entry.
    pub fn newest(&self) -> Option<StreamEntry<'_>> {
        let (block, _) = self.0.blocks.chunk_at(self.0.blocks.len().checked_sub(1)?)?;
        // Every block has an entry that is not deleted.
        let newest = block.entries().filter(|entry| !entry.is_deleted).last();
        newest.map(|entry| StreamEntry { id: entry.id, fields: entry.fields })
    }

    /// The first id that is still stored, be the entry deleted or not; the last possible id if
    /// there is none: what MINID is propagated as.
    pub fn first_stored_id(&self) -> StreamId {
        self.0.blocks.chunk_at(0).map_or(StreamId::MAX, |(block, _)| block.first())
    }

    /// Its entries, apart from its groups.
    pub fn entries(&self) -> StreamEntries<'_> {
        StreamEntries::of(&self.0)
    }

    /// How many entries had been added when `id` was the last, if that can be told.
    pub fn entries_read_at(&self, id: StreamId) -> Option<u64> {
        self.entries().read_at(id)
    }

    /// The ids of the blocks: of the first entry in each, deleted or not.
    pub fn block_ids(&self) -> impl Iterator<Item = StreamId> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (block, _) = self.0.blocks.chunk_at(next)?;
            next += block.weight();
            Some(block.first())
        })
    }

    /// How many blocks there are.
    pub fn block_count(&self) -> usize {
        self.0.blocks.chunks()
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.0.groups.iter()
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    /// The group of this name, to change it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.group(name)?;
        Arc::make_mut(&mut self.0).groups.get_mut(name)
    }

    /// The group of this name, to change it, beside the entries.
    pub fn with_group(&mut self, name: &[u8]) -> Option<(StreamEntries<'_>, &mut Group)> {
        self.group(name)?;
        Arc::make_mut(&mut self.0).with_group(name)
    }

    /// Adds a group; whether the name was new.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        Arc::make_mut(&mut self.0).groups.insert(name, group)
    }

    /// Removes a group.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.group(name)?;
        Arc::make_mut(&mut self.0).groups.remove(name)
    }

    /// About how many allocations freeing the stream gives back.
    pub fn allocations(&self) -> usize {
        2 * self.block_count() + self.0.groups.allocations()
    }

    /// Bytes allocated beside the value itself, from a sample of `samples` blocks (0: all).
    pub fn heap_size(&self, samples: usize) -> usize {
        size_of::<Body>() + ARC_HEADER + self.0.blocks.heap_size(samples) + self.0.groups.heap_size(samples)
    }
}

impl Body {
    /// Whether the last block takes an entry whose elements have so many bytes: Redis' rule.
    fn has_room(&mut self, bytes: usize, encoding: &Encoding) -> bool {
        let Some((block, _)) = self.blocks.len().checked_sub(1).and_then(|last| self.blocks.chunk_at(last))
        else {
            return false;
        };
        let open_bytes = self.open_bytes.unwrap_or_else(|| node::body_len(block));
        let max_bytes = match encoding.stream_node_max_bytes {
            0 => MAX_BYTES,
            max => max.min(MAX_BYTES),
        };
        let max_entries = match encoding.stream_node_max_entries {
            0 => usize::MAX,
            max => max,
        };
        let has_room =
            node::frame_len(block) + open_bytes + bytes < max_bytes && block.weight() < max_entries;
        self.open_bytes = Some(open_bytes);
        has_room
    }

    /// Forgets deleted entries above `id`, so that the next one may come there.
    fn forget_above(&mut self, id: StreamId) {
        let Some(end) = self.blocks.len().checked_sub(1) else { return };
        if self.blocks.chunk_at(end).is_some_and(|(block, _)| block.last() > id) {
            self.blocks.edit_at(end, |block, _, _| block.forget_above(id));
            self.open_bytes = None;
        }
    }

    /// Finds the first entry anew.
    fn update_first(&mut self) {
        let mut entries = StreamIter::new(&self.blocks, StreamId::MIN, StreamId::MAX);
        self.first_id = entries.next().map_or(StreamId::MIN, |entry| entry.id);
    }
}

/// Whether the block that holds `id` is the last one.
fn block_ends(blocks: &Tree<Block>, id: StreamId) -> bool {
    let found = blocks.chunk_before(|first| *first > id);
    found.is_some_and(|(block, before)| before + block.weight() == blocks.len())
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).expect("usize fits in u64")
}
