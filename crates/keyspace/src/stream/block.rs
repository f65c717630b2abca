//! A run of entries, packed: what a stream's tree has as leaves.
//!
//! ```text
//! block:  first and last id, live and deleted entries | bytes
//! bytes:  number of names varint, name … | entry …         (names and values as in packing.rs)
//! entry:  head | [ms varint [seq varint]] | value …        the names are the block's
//!         head | [ms varint [seq varint]] | count varint, name, value, …       own names
//! head:   xxxxxx.. id   ......1. own names   .......1 deleted
//! id:     0        the millisecond of the entry before, the next sequence number
//!         1 to 60  so many milliseconds later, sequence number 0
//!         61       as many as follow, sequence number 0
//!         62       milliseconds later, then: sequence number, or if they are 0 how far it is on
//! ```
//! The entry before the first is taken to be one sequence number below it. A deletion sets a bit
//! and nothing moves; where blocks begin and end is decided by the stream, which follows Redis.
//! Invariant: ids grow; a block in a tree has at least one entry.

use super::fields::Fields;
use super::id::StreamId;
use super::packing::{put_item, put_varint, take_byte, take_item, take_varint};
use crate::item::Item;
use crate::tree::Chunk;

const DELETED: u8 = 1;
const OWN_NAMES: u8 = 1 << 1;
const ID_SHIFT: u32 = 2;
const SAME_MS: u8 = 0;
const LONGEST_STEP: u8 = 60;
const LONG_STEP: u8 = 61;
const ANY_STEP: u8 = 62;

/// A head, an id of two numbers, and a count of fields.
const LONGEST_HEAD: usize = 1 + 3 * 10;

/// A field's name and its value.
pub(super) type Pair<'a> = (Item<'a>, Item<'a>);

/// A block of entries.
#[derive(Clone, Default)]
pub(super) struct Block {
    first: StreamId,
    last: StreamId,
    live: u32,
    deleted: u32,
    bytes: Vec<u8>,
}

/// An entry as it lies in its block, deleted or not.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Fields<'a>,
    pub(super) is_deleted: bool,
    /// Where its head is, from the start of the block's bytes.
    at: usize,
}

impl Block {
    /// An empty block whose entries will have these names; the first of them is to have `first`.
    pub(super) fn new<'a>(first: StreamId, names: impl Iterator<Item = Item<'a>> + Clone) -> Self {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, as_u64(names.clone().count()));
        names.for_each(|name| put_item(&mut bytes, name));
        let previous = StreamId::new(first.ms, first.seq.wrapping_sub(1));
        Block { first, last: previous, live: 0, deleted: 0, bytes }
    }

    /// Adds an entry behind all others, with the block's names or names of its own, and returns
    /// its place.
    pub(super) fn append<'a>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = Pair<'a>> + Clone,
        own_names: bool,
    ) -> usize {
        let most = fields.clone().fold(LONGEST_HEAD, |sum, (name, value)| {
            sum + longest(value) + if own_names { longest(name) } else { 0 }
        });
        if self.bytes.capacity() - self.bytes.len() < most {
            self.bytes.reserve_exact(most + self.bytes.len() / 8);
        }
        let at = self.bytes.len();
        put_head(&mut self.bytes, self.last, id, if own_names { OWN_NAMES } else { 0 });
        if own_names {
            put_varint(&mut self.bytes, as_u64(fields.clone().count()));
        }
        for (name, value) in fields {
            if own_names {
                put_item(&mut self.bytes, name);
            }
            put_item(&mut self.bytes, value);
        }
        self.last = id;
        self.live += 1;
        at
    }

    /// Gives back what was allocated ahead: no entry will follow.
    pub(super) fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Marks the entry at `place`, which is not deleted, as deleted; `false` if it was the last
    /// live one.
    pub(super) fn delete(&mut self, place: usize) -> bool {
        self.bytes[place] |= DELETED;
        self.live -= 1;
        self.deleted += 1;
        self.live > 0
    }

    /// Drops the entries above `id`, which are all deleted. Live ones are left before them.
    pub(super) fn forget_above(&mut self, id: StreamId) {
        let above: Vec<usize> =
            self.entries().filter(|entry| entry.id > id).map(|entry| entry.place()).collect();
        let Some(at) = above.first() else { return };
        let left = self.entries().take(self.weight() - above.len()).last();
        self.last = left.expect("a live entry is left").id;
        self.deleted -= u32::try_from(above.len()).expect("they were counted so");
        self.bytes.truncate(*at);
    }

    /// The first entry's id, deleted or not.
    pub(super) fn first(&self) -> StreamId {
        self.first
    }

    /// The last entry's id, deleted or not.
    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> usize {
        as_usize(self.live)
    }

    /// Entries that are.
    pub(super) fn deleted(&self) -> usize {
        as_usize(self.deleted)
    }

    /// The names that entries without their own have.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = Item<'_>> + Clone {
        let mut rest = self.bytes.as_slice();
        let count = take_count(&mut rest);
        (0..count).map(move |_| take_item(&mut rest))
    }

    /// Whether these are the block's names.
    pub(super) fn has_names<'a>(&self, mut names: impl Iterator<Item = Item<'a>>) -> bool {
        self.names().all(|own| names.next().is_some_and(|name| name == own)) && names.next().is_none()
    }

    /// All entries, deleted ones, too.
    pub(super) fn entries(&self) -> Entries<'_> {
        if self.weight() == 0 {
            return Entries::default();
        }
        let mut rest = self.bytes.as_slice();
        let count = take_count(&mut rest);
        let names = rest;
        (0..count).for_each(|_| _ = take_item(&mut rest));
        let last = StreamId::new(self.first.ms, self.first.seq.wrapping_sub(1));
        Entries { names, count, rest, last, end: self.bytes.len() }
    }

    /// The entry of this id, unless it is deleted.
    pub(super) fn find(&self, id: StreamId) -> Option<Stored<'_>> {
        self.entries().find(|entry| entry.id >= id).filter(|entry| entry.id == id && !entry.is_deleted)
    }
}

impl Stored<'_> {
    /// What [`Block::delete`] takes.
    pub(super) fn place(&self) -> usize {
        self.at
    }
}

/// What an item takes at most.
fn longest(item: Item<'_>) -> usize {
    match item {
        Item::Int(_) => 9,
        Item::Bytes(bytes) => bytes.len() + 10,
    }
}

fn put_head(out: &mut Vec<u8>, before: StreamId, id: StreamId, flags: u8) {
    let later = id.ms - before.ms;
    let mut head = |code: u8| out.push(code << ID_SHIFT | flags);
    match u8::try_from(later) {
        // The entry before a first one may be below 0.
        Ok(0) if id.seq == before.seq.wrapping_add(1) => head(SAME_MS),
        Ok(step @ 1..=LONGEST_STEP) if id.seq == 0 => head(step),
        _ if later > 0 && id.seq == 0 => {
            head(LONG_STEP);
            put_varint(out, later);
        }
        _ => {
            head(ANY_STEP);
            put_varint(out, later);
            put_varint(out, if later == 0 { id.seq - before.seq } else { id.seq });
        }
    }
}

fn take_id(rest: &mut &[u8], before: StreamId, head: u8) -> StreamId {
    match head >> ID_SHIFT {
        SAME_MS => StreamId::new(before.ms, before.seq.wrapping_add(1)),
        step @ 1..=LONGEST_STEP => StreamId::new(before.ms + u64::from(step), 0),
        LONG_STEP => StreamId::new(before.ms + take_varint(rest), 0),
        _ => {
            let later = take_varint(rest);
            let seq = take_varint(rest);
            StreamId::new(before.ms + later, if later == 0 { before.seq + seq } else { seq })
        }
    }
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).expect("usize fits in u64")
}

fn as_usize(number: u32) -> usize {
    usize::try_from(number).expect("u32 fits in usize")
}

fn take_count(rest: &mut &[u8]) -> usize {
    usize::try_from(take_varint(rest)).expect("only counts of what was in memory are written")
}

/// A block's entries in order.
#[derive(Clone, Copy, Default)]
pub(super) struct Entries<'a> {
    names: &'a [u8],
    count: usize,
    rest: &'a [u8],
    last: StreamId,
    end: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Stored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Stored<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.end - self.rest.len();
        let head = take_byte(&mut self.rest);
        let id = take_id(&mut self.rest, self.last, head);
        self.last = id;
        let own_names = head & OWN_NAMES != 0;
        let fields = if own_names {
            let count = take_count(&mut self.rest);
            Fields::with_own_names(self.rest, count)
        } else {
            Fields::new(self.names, self.rest, self.count)
        };
        let items = if own_names { 2 * fields.len() } else { self.count };
        (0..items).for_each(|_| _ = take_item(&mut self.rest));
        Some(Stored { id, fields, is_deleted: head & DELETED != 0, at })
    }
}

impl Chunk for Block {
    type Bound = StreamId;

    fn weight(&self) -> usize {
        self.live() + self.deleted()
    }

    fn bound(&self) -> StreamId {
        self.first
    }

    /// Blocks stay as they were cut: trimming by whole blocks depends on it.
    fn is_sparse(&self) -> bool {
        false
    }

    fn can_absorb(&self, _: &Self) -> bool {
        false
    }

    fn absorb(&mut self, _: &Self) {
        unreachable!("no block absorbs another");
    }

    fn heap_size(&self) -> usize {
        self.bytes.capacity()
    }
}
