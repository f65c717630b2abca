//! Items: the elements of a small collection in one run of bytes, in less than a listpack takes.
//!
//! Elements are encoded as in a listpack (`listpack.rs` draws the codes), but without the length
//! that is read backwards, and the block says neither its own length, which whoever holds it knows,
//! nor where it ends: 6 bytes less, and one less for each element. Reading backwards walks forwards
//! first, so this is for blocks of which that may be asked; and a listpack is made of it where Redis
//! is to read it. The block may be borrowed from where it is stored, until the first change copies
//! it.
//! Invariant: the bytes are this crate's own, of elements that were checked when they came in.
//!
//! ```text
//! elements u8 (255: count them) | element: encoding, data | element …
//! ```

mod iter;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(crate) use iter::{Iter, RevIter};

use crate::item::{Item, Needle};
use crate::listpack::Listpack;
use crate::listpack::entry::{Encoded, body_at, entry_at};
use crate::size_class::{CLASSES_UP_TO, size_class};

const HEADER: usize = 1;
/// The header's count saturates here and then means "count them".
const MANY: usize = 255;
/// What an element takes beside its bytes, at most while it is shorter than 4 KiB.
pub(crate) const ELEMENT_OVERHEAD: usize = 2;
/// Up to here a buffer doubles: the bytes of what stays so small end up in an entry of a table.
const DOUBLED_UP_TO: usize = 256;
const SMALLEST: usize = 64;

/// A place among the items: the offset of an element from the first byte. Valid until they are
/// changed in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(usize);

/// Elements in one block, borrowed or owned.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    block: Cow<'a, [u8]>,
    count: usize,
}

impl Items<'static> {
    /// No elements.
    pub(crate) fn new() -> Self {
        Items { block: Cow::Borrowed(&[0]), count: 0 }
    }

    /// The elements of a listpack.
    pub(crate) fn of_listpack(listpack: &Listpack<'_>) -> Self {
        let mut items = Items { block: Cow::Owned(listpack.run(&[0])), count: 0 };
        items.changed(listpack.len());
        items.fit();
        items
    }
}

impl<'a> Items<'a> {
    /// The items that `block` was taken from with `bytes`.
    #[inline]
    pub(crate) fn of_block(block: &'a [u8]) -> Self {
        let count = match usize::from(block[0]) {
            MANY => Iter::new(block, HEADER).count(),
            count => count,
        };
        Items { block: Cow::Borrowed(block), count }
    }

    /// The same elements as a listpack.
    pub(crate) fn listpack(&self) -> Listpack<'static> {
        Listpack::of_run(&self.bytes()[HEADER..], self.count)
    }

    /// The same elements, borrowed.
    #[inline]
    pub(crate) fn view(&self) -> Items<'_> {
        Items { block: Cow::Borrowed(self.bytes()), count: self.count }
    }

    /// The same elements, owned; with room for some more where they were borrowed.
    pub(crate) fn into_owned(self) -> Items<'static> {
        let count = self.count;
        let block = match self.block {
            Cow::Owned(block) => block,
            Cow::Borrowed(block) => copied(block, SMALLEST / 2),
        };
        Items { block: Cow::Owned(block), count }
    }

    /// The block.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block
    }

    /// How many elements there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Length of the block in bytes.
    #[inline]
    pub(crate) fn byte_len(&self) -> usize {
        self.block.len()
    }

    /// Bytes allocated beside the value itself.
    pub(crate) fn heap_size(&self) -> usize {
        match &self.block {
            Cow::Borrowed(_) => 0,
            Cow::Owned(block) => block.capacity(),
        }
    }

    /// Adds an element at the end.
    pub(crate) fn push_back(&mut self, element: &[u8]) {
        self.put(self.byte_len(), 0, &Encoded::of(element));
        self.changed(self.count + 1);
    }

    /// Adds a copy of an element at the end.
    pub(crate) fn push_back_item(&mut self, item: Item<'_>) {
        self.put(self.byte_len(), 0, &Encoded::of_item(item));
        self.changed(self.count + 1);
    }

    /// Adds an element at the front.
    pub(crate) fn push_front(&mut self, element: &[u8]) {
        self.insert(Position(HEADER), element);
    }

    /// Puts an element before `position`, which then is its own.
    pub(crate) fn insert(&mut self, position: Position, element: &[u8]) {
        self.put(position.0, 0, &Encoded::of(element));
        self.changed(self.count + 1);
    }

    /// Puts another element in the place of the one at `position`.
    pub(crate) fn replace(&mut self, position: Position, element: &[u8]) {
        let old = body_at(self.bytes(), position.0);
        self.put(position.0, old, &Encoded::of(element));
    }

    /// Removes up to `count` elements from `position` on and returns how many there were.
    pub(crate) fn remove(&mut self, position: Position, count: usize) -> usize {
        let mut end = position.0;
        let mut removed = 0;
        while removed < count && end < self.byte_len() {
            end += body_at(self.bytes(), end);
            removed += 1;
        }
        self.block.to_mut().drain(position.0..end);
        self.changed(self.count - removed);
        removed
    }

    /// The element at `position`.
    #[inline]
    pub(crate) fn at(&self, position: Position) -> Item<'_> {
        entry_at(self.bytes(), position.0).item
    }

    /// The place after `position`.
    #[inline]
    pub(crate) fn next(&self, position: Position) -> Option<Position> {
        let next = position.0 + body_at(self.bytes(), position.0);
        (next < self.byte_len()).then_some(Position(next))
    }

    /// The place of element `index`.
    pub(crate) fn seek(&self, index: usize) -> Option<Position> {
        let mut at = HEADER;
        for _ in 0..index.min(self.count) {
            at += body_at(self.bytes(), at);
        }
        (index < self.count).then_some(Position(at))
    }

    /// Element `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Item<'_>> {
        self.seek(index).map(|position| self.at(position))
    }

    /// The first place that holds `needle`, looking at every `stride`-th element (2 to look at the
    /// fields of a hash only).
    #[inline]
    pub(crate) fn find(&self, needle: &[u8], stride: usize) -> Option<Position> {
        let bytes = self.bytes();
        let needle = Needle::new(needle);
        let mut at = HEADER;
        while at < bytes.len() {
            let entry = entry_at(bytes, at);
            if needle.is(entry.item) {
                return Some(Position(at));
            }
            at += entry.body;
            for _ in 1..stride {
                at += body_at(bytes, at);
            }
        }
        None
    }

    /// All elements from the first.
    #[inline]
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter::new(self.bytes(), HEADER)
    }

    /// The elements from `position` on.
    pub(crate) fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(self.bytes(), position.0)
    }

    /// The elements from `index` (itself included) back to the first; none where there is no such
    /// element.
    pub(crate) fn iter_rev_from(&self, index: usize) -> RevIter<'_> {
        RevIter::new(self.bytes(), HEADER, if index < self.count { index + 1 } else { 0 })
    }

    /// Puts an encoded element in the place of `old` bytes at `at`.
    fn put(&mut self, at: usize, old: usize, encoded: &Encoded<'_>) {
        let size = encoded.body_len();
        let block = self.with_room(size.saturating_sub(old));
        let end = block.len();
        if size > old {
            block.resize(end + size - old, 0);
        }
        if size != old {
            block.copy_within(at + old..end, at + size);
            block.truncate(end + size - old);
        }
        encoded.write_body(&mut block[at..at + size]);
    }

    /// The owned block with room for `more` bytes.
    fn with_room(&mut self, more: usize) -> &mut Vec<u8> {
        match &mut self.block {
            Cow::Borrowed(block) => self.block = Cow::Owned(copied(block, more)),
            Cow::Owned(block) if block.capacity() - block.len() < more => {
                block.reserve_exact(grown(block.len() + more) - block.len());
            }
            Cow::Owned(_) => {}
        }
        self.block.to_mut()
    }

    /// Gives back the memory that the block does not need, where the allocator has a smaller class
    /// for it.
    fn fit(&mut self) {
        if size_class(self.byte_len()) < self.heap_size() {
            self.block = Cow::Owned(self.bytes().to_vec());
        }
    }

    /// Writes the header after a change.
    fn changed(&mut self, count: usize) {
        self.count = count;
        self.block.to_mut()[0] = u8::try_from(count.min(MANY)).expect("capped to what fits");
    }
}

/// A copy of `block` with room for `more` bytes.
fn copied(block: &[u8], more: usize) -> Vec<u8> {
    let mut copy = Vec::with_capacity(grown(block.len() + more));
    copy.extend_from_slice(block);
    copy
}

/// The size of a buffer that has to hold `needed` bytes and may have to hold more.
fn grown(needed: usize) -> usize {
    match needed {
        0..=DOUBLED_UP_TO => needed.next_power_of_two().max(SMALLEST),
        // Big blocks have no classes: an eighth at a time then, or appending would copy all of it
        // again and again.
        CLASSES_UP_TO.. => size_class(needed) + needed / 8,
        _ => size_class(needed),
    }
}
