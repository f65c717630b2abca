//! Lists.
//!
//! A short list is one block without what reading backwards takes (`items.rs`), a longer one a
//! listpack, so that its tail is as near as its head; both report "listpack". A big one is a tree of
//! listpacks, see `big.rs`. The encoding changes in both directions by Redis 7.2's rules: to
//! "quicklist" when an addition would exceed one chunk's limit, back to "listpack" when a removal
//! leaves one chunk below half of it.

mod big;
mod iter;
#[cfg(test)]
mod tests;

use triomphe::Arc;

use big::{BigList, exceeds};
pub use iter::{ListIter, ListRevIter};

use crate::encoding::Encoding;
use crate::item::Item;
use crate::items::{self, Items};
use crate::listpack::Listpack;

/// The most bytes of a short list's block, so of a walk to its tail. No limit of a chunk is below.
const SHORT: usize = 512;
/// A listpack of at most these bytes becomes a short list again.
const SHORT_AGAIN: usize = 320;

/// A list value.
#[derive(Clone)]
pub struct List<'a>(Body<'a>);

#[derive(Clone)]
enum Body<'a> {
    Short(Items<'a>),
    Packed(Listpack<'a>),
    Chunks(Arc<BigList>),
}

impl Default for List<'_> {
    fn default() -> Self {
        List::new()
    }
}

impl List<'static> {
    /// An empty list.
    pub fn new() -> Self {
        List(Body::Short(Items::new()))
    }

    /// A list from a checked block; the encoding follows its size.
    pub fn from_packed(packed: Listpack<'static>, encoding: &Encoding) -> Self {
        if exceeds(packed.byte_len(), packed.len(), encoding) {
            let mut list = List(Body::Chunks(Arc::new(BigList::new())));
            for item in packed.iter() {
                list.push_back(item.bytes(&mut itoa::Buffer::new()), encoding);
            }
            return list;
        }
        List(Body::of_listpack(packed))
    }
}

impl<'a> List<'a> {
    /// The list whose elements are `items`, which `items` of another one gave.
    #[inline]
    pub(crate) fn of_items(items: Items<'a>) -> Self {
        List(Body::Short(items))
    }

    /// The same list; a small one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> List<'_> {
        List(match &self.0 {
            Body::Short(items) => Body::Short(items.view()),
            Body::Packed(packed) => Body::Packed(packed.view()),
            Body::Chunks(big) => Body::Chunks(Arc::clone(big)),
        })
    }

    /// The same list, owned.
    pub fn into_owned(self) -> List<'static> {
        List(match self.0 {
            Body::Short(items) => Body::Short(items.into_owned()),
            Body::Packed(packed) => Body::Packed(packed.into_owned()),
            Body::Chunks(big) => Body::Chunks(big),
        })
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Body::Short(items) => items.len(),
            Body::Packed(packed) => packed.len(),
            Body::Chunks(big) => big.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an element at the head. Elements are shorter than 1 GiB.
    pub fn push_front(&mut self, element: &[u8], encoding: &Encoding) {
        self.prepare(element.len(), 1, encoding);
        match &mut self.0 {
            Body::Short(items) => items.push_front(element),
            Body::Packed(packed) => packed.push_front(element),
            Body::Chunks(big) => Arc::make_mut(big).push_front(element, encoding),
        }
    }

    /// Adds an element at the tail. Elements are shorter than 1 GiB.
    pub fn push_back(&mut self, element: &[u8], encoding: &Encoding) {
        self.prepare(element.len(), 1, encoding);
        match &mut self.0 {
            Body::Short(items) => items.push_back(element),
            Body::Packed(packed) => packed.push_back(element),
            Body::Chunks(big) => Arc::make_mut(big).push_back(element, encoding),
        }
    }

    /// Adds all elements of a checked block at the tail, in one step where the block fits a chunk.
    pub fn push_back_packed(&mut self, block: Listpack<'static>, encoding: &Encoding) {
        if self.is_empty() {
            *self = List::from_packed(block, encoding);
            return;
        }
        if block.is_empty() || exceeds(block.byte_len(), block.len(), encoding) {
            let mut digits = itoa::Buffer::new();
            block.iter().for_each(|item| self.push_back(item.bytes(&mut digits), encoding));
            return;
        }
        self.prepare(block.byte_len(), block.len(), encoding);
        match &mut self.0 {
            Body::Short(items) => block.iter().for_each(|item| items.push_back_item(item)),
            Body::Packed(packed) => packed.absorb(&block),
            Body::Chunks(big) => Arc::make_mut(big).push_back_packed(&block, encoding),
        }
    }

    /// Turns a packed list into chunks if `count` more elements of `bytes` together would exceed
    /// one chunk: what Redis asks once per command, before the first of several elements.
    pub fn prepare(&mut self, bytes: usize, count: usize, encoding: &Encoding) {
        if let Body::Short(items) = &self.0 {
            if items.byte_len() + bytes + count * items::ELEMENT_OVERHEAD > SHORT {
                self.0 = Body::Packed(items.listpack());
            } else if exceeds(0, items.len() + count, encoding) {
                self.0 = Body::Chunks(Arc::new(BigList::from_packed(items.listpack())));
            }
        }
        if let Body::Packed(packed) = &mut self.0
            && exceeds(packed.byte_len() + bytes, packed.len() + count, encoding)
        {
            self.0 = Body::Chunks(Arc::new(BigList::from_packed(std::mem::take(packed).into_owned())));
        }
    }

    /// Removes and returns the first element.
    pub fn pop_front(&mut self, encoding: &Encoding) -> Option<Vec<u8>> {
        self.pop(0, encoding)
    }

    /// Removes and returns the last element.
    pub fn pop_back(&mut self, encoding: &Encoding) -> Option<Vec<u8>> {
        self.pop(self.len().checked_sub(1)?, encoding)
    }

    fn pop(&mut self, index: usize, encoding: &Encoding) -> Option<Vec<u8>> {
        if index >= self.len() {
            return None;
        }
        let element = match &mut self.0 {
            Body::Short(items) => {
                let position = items.seek(index)?;
                let element = items.at(position).to_vec();
                items.remove(position, 1);
                element
            }
            Body::Packed(packed) => {
                let position = packed.seek(index)?;
                let element = packed.at(position).to_vec();
                packed.remove(position, 1);
                element
            }
            Body::Chunks(big) => Arc::make_mut(big).take(index),
        };
        self.shrink(encoding);
        Some(element)
    }

    /// Element `index`.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match &self.0 {
            Body::Short(items) => items.get(index),
            Body::Packed(packed) => packed.get(index),
            Body::Chunks(big) => big.get(index),
        }
    }

    /// Replaces element `index`; false when there is none.
    pub fn set(&mut self, index: usize, element: &[u8], encoding: &Encoding) -> bool {
        if index >= self.len() {
            return false;
        }
        self.prepare(element.len(), 1, encoding);
        match &mut self.0 {
            Body::Short(items) => {
                let position = items.seek(index).expect("the index was checked");
                items.replace(position, element);
            }
            Body::Packed(packed) => {
                let position = packed.seek(index).expect("the index was checked");
                packed.replace(position, element);
            }
            Body::Chunks(big) => Arc::make_mut(big).set(index, element, encoding),
        }
        self.shrink(encoding);
        true
    }

    /// Puts an element before element `index`, at the tail when `index` is the length.
    pub fn insert(&mut self, index: usize, element: &[u8], encoding: &Encoding) {
        if index == 0 {
            return self.push_front(element, encoding);
        }
        if index >= self.len() {
            return self.push_back(element, encoding);
        }
        self.prepare(element.len(), 1, encoding);
        match &mut self.0 {
            Body::Short(items) => {
                let position = items.seek(index).expect("the index was checked");
                items.insert(position, element);
            }
            Body::Packed(packed) => {
                let position = packed.seek(index).expect("the index was checked");
                packed.insert(position, element);
            }
            Body::Chunks(big) => Arc::make_mut(big).insert(index, element, encoding),
        }
    }

    /// Removes up to `count` elements from `start` on and returns how many there were.
    pub fn remove_range(&mut self, start: usize, count: usize, encoding: &Encoding) -> usize {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return 0;
        }
        match &mut self.0 {
            Body::Short(items) => {
                let position = items.seek(start).expect("the range was checked");
                items.remove(position, count);
            }
            Body::Packed(packed) => {
                let position = packed.seek(start).expect("the range was checked");
                packed.remove(position, count);
            }
            Body::Chunks(big) => Arc::make_mut(big).remove_range(start, count),
        }
        self.shrink(encoding);
        count
    }

    /// Removes up to `limit` elements equal to `element`, from the tail backwards if asked, and
    /// returns how many were removed.
    pub fn remove_equal(
        &mut self,
        element: &[u8],
        limit: usize,
        from_tail: bool,
        encoding: &Encoding,
    ) -> usize {
        let wanted = Item::Bytes(element).as_int().map_or(Item::Bytes(element), Item::Int);
        let mut found: Vec<usize> = if from_tail {
            let last = self.len().wrapping_sub(1);
            let all = self.iter_rev_from(last).enumerate();
            all.filter(|(_, item)| *item == wanted).take(limit).map(|(at, _)| last - at).collect()
        } else {
            let all = self.iter().enumerate();
            all.filter(|(_, item)| *item == wanted).take(limit).map(|(at, _)| at).collect()
        };
        found.sort_unstable_by(|a, b| b.cmp(a));
        let mut rest = found.as_slice();
        while let [last, ..] = rest {
            let run = rest.iter().zip(0..).take_while(|(at, back)| **at + back == *last).count();
            self.remove_range(last + 1 - run, run, encoding);
            rest = &rest[run..];
        }
        found.len()
    }

    /// All elements from head to tail.
    pub fn iter(&self) -> ListIter<'_> {
        self.iter_from(0)
    }

    /// The elements from `index` to the tail.
    pub fn iter_from(&self, index: usize) -> ListIter<'_> {
        ListIter::new(&self.0, index)
    }

    /// The elements from `index` back to the head.
    pub fn iter_rev_from(&self, index: usize) -> ListRevIter<'_> {
        ListRevIter::new(&self.0, index)
    }

    /// The blocks that hold the elements, from head to tail.
    pub fn blocks(&self) -> impl Iterator<Item = Listpack<'_>> {
        let mut whole = self.packed();
        let mut index = 0;
        std::iter::from_fn(move || match &self.0 {
            Body::Short(_) | Body::Packed(_) => whole.take(),
            Body::Chunks(big) => {
                let block = big.block_at(index)?;
                index += block.len();
                Some(block.view())
            }
        })
    }

    /// The listpack that a packed list is in Redis.
    pub fn packed(&self) -> Option<Listpack<'_>> {
        match &self.0 {
            Body::Short(items) => Some(items.listpack()),
            Body::Packed(packed) => Some(packed.view()),
            Body::Chunks(_) => None,
        }
    }

    /// The elements of a short list.
    #[inline]
    pub(crate) fn items(&self) -> Option<&Items<'_>> {
        match &self.0 {
            Body::Short(items) => Some(items),
            Body::Packed(_) | Body::Chunks(_) => None,
        }
    }

    /// How many blocks there are.
    pub fn block_count(&self) -> usize {
        match &self.0 {
            Body::Short(_) | Body::Packed(_) => 1,
            Body::Chunks(big) => big.block_count(),
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Body::Short(_) | Body::Packed(_) => "listpack",
            Body::Chunks(_) => "quicklist",
        }
    }

    /// Bytes allocated beside the value itself, from a sample of `samples` chunks (0: all).
    pub fn heap_size(&self, samples: usize) -> usize {
        match &self.0 {
            Body::Short(items) => items.heap_size(),
            Body::Packed(packed) => packed.heap_size(),
            Body::Chunks(big) => 16 + size_of::<BigList>() + big.heap_size(samples),
        }
    }

    /// Back to one listpack when a single chunk is left with no more than half its limit, and to
    /// a short list.
    fn shrink(&mut self, encoding: &Encoding) {
        if let Body::Chunks(big) = &self.0
            && let Some(packed) = big.as_small(encoding)
        {
            self.0 = Body::Packed(packed);
        }
        if let Body::Packed(packed) = &self.0
            && packed.byte_len() <= SHORT_AGAIN
        {
            self.0 = Body::Short(Items::of_listpack(packed));
        }
    }
}

impl Body<'static> {
    fn of_listpack(packed: Listpack<'static>) -> Self {
        if packed.byte_len() <= SHORT {
            Body::Short(Items::of_listpack(&packed))
        } else {
            Body::Packed(packed)
        }
    }
}
