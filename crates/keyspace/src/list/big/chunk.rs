//! One chunk of a big list: a listpack within `list-max-listpack-size`.
//!
//! An edit that would exceed the limit hands further chunks to the tree instead.

use crate::encoding::Encoding;
use crate::listpack::Listpack;
use crate::tree::Chunk;

/// Neighbours are merged after a removal when they are together below this many bytes.
const MERGED_BYTES: usize = 2048;
/// What an element takes beside its bytes, at most while it is shorter than a chunk.
const ELEMENT_OVERHEAD: usize = 4;

/// Whether a listpack of this size is above the limit of one chunk.
pub(in crate::list) fn exceeds(bytes: usize, count: usize, encoding: &Encoding) -> bool {
    let (max_bytes, max_count) = encoding.list_limits();
    bytes > max_bytes || count > max_count
}

#[derive(Clone, Default)]
pub(super) struct ListChunk(Listpack<'static>);

impl ListChunk {
    pub(super) fn new(packed: Listpack<'static>) -> Self {
        ListChunk(packed)
    }

    fn of(element: &[u8]) -> Self {
        let mut packed = Listpack::new();
        packed.push_back(element);
        ListChunk(packed)
    }

    pub(super) fn packed(&self) -> &Listpack<'static> {
        &self.0
    }

    /// Removes and returns element `index`, which exists.
    pub(super) fn take(&mut self, index: usize) -> Vec<u8> {
        let position = self.0.seek(index).expect("the caller checked the index");
        let element = self.0.at(position).to_vec();
        self.0.remove(position, 1);
        element
    }

    /// Removes the elements of a range, which all exist.
    pub(super) fn cut(&mut self, start: usize, count: usize) {
        let position = self.0.seek(start).expect("the caller checked the range");
        self.0.remove(position, count);
        if self.0.heap_size() > 2 * self.0.byte_len() {
            self.0.fit();
        }
    }

    pub(super) fn is_under_half(&self, encoding: &Encoding) -> bool {
        let (max_bytes, max_count) = encoding.list_limits();
        self.0.byte_len() <= max_bytes / 2 && self.0.len() <= max_count / 2
    }

    fn has_room(&self, element: &[u8], encoding: &Encoding) -> bool {
        let bytes = self.0.byte_len() + element.len() + ELEMENT_OVERHEAD;
        self.0.is_empty() || !exceeds(bytes, self.0.len() + 1, encoding)
    }

    pub(super) fn push_back(&mut self, element: &[u8], encoding: &Encoding, added: &mut Vec<ListChunk>) {
        if self.has_room(element, encoding) {
            self.0.push_back(element);
        } else {
            self.0.fit();
            added.push(ListChunk::of(element));
        }
    }

    pub(super) fn push_back_packed(
        &mut self,
        block: &Listpack<'_>,
        encoding: &Encoding,
        added: &mut Vec<ListChunk>,
    ) {
        let (bytes, count) = (self.0.byte_len() + block.byte_len(), self.0.len() + block.len());
        if exceeds(bytes, count, encoding) {
            self.0.fit();
            added.push(ListChunk(block.clone().into_owned()));
        } else {
            self.0.absorb(block);
        }
    }

    pub(super) fn push_front(&mut self, element: &[u8], encoding: &Encoding, added: &mut Vec<ListChunk>) {
        if self.has_room(element, encoding) {
            self.0.push_front(element);
        } else {
            self.0.fit();
            added.push(std::mem::replace(self, ListChunk::of(element)));
        }
    }

    /// Puts an element before element `index`, which exists.
    pub(super) fn insert(
        &mut self,
        index: usize,
        element: &[u8],
        encoding: &Encoding,
        added: &mut Vec<ListChunk>,
    ) {
        if index == 0 {
            return self.push_front(element, encoding, added);
        }
        if self.has_room(element, encoding) {
            let position = self.0.seek(index).expect("the caller checked the index");
            return self.0.insert(position, element);
        }
        let mut right = ListChunk(self.0.split_off(index));
        if self.has_room(element, encoding) {
            self.0.push_back(element);
        } else if right.has_room(element, encoding) {
            right.0.push_front(element);
        } else {
            added.push(ListChunk::of(element));
        }
        self.0.fit();
        added.push(right);
    }

    /// Replaces element `index`, which exists; one too big for the chunk gets its own.
    pub(super) fn set(
        &mut self,
        index: usize,
        element: &[u8],
        encoding: &Encoding,
        added: &mut Vec<ListChunk>,
    ) {
        let position = self.0.seek(index).expect("the caller checked the index");
        if self.0.len() == 1 || self.has_room(element, encoding) {
            return self.0.replace(position, element);
        }
        self.0.remove(position, 1);
        if index == self.0.len() {
            return self.push_back(element, encoding, added);
        }
        self.insert(index, element, encoding, added);
    }
}

impl Chunk for ListChunk {
    type Bound = ();

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn bound(&self) {}

    fn is_sparse(&self) -> bool {
        self.0.byte_len() <= MERGED_BYTES / 2
    }

    fn can_absorb(&self, next: &Self) -> bool {
        self.0.byte_len() + next.0.byte_len() <= MERGED_BYTES
    }

    fn absorb(&mut self, next: &Self) {
        self.0.absorb(&next.0);
    }

    fn heap_size(&self) -> usize {
        self.0.heap_size()
    }
}
