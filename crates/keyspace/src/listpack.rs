//! Listpack: a sequence of strings and integers in one block of bytes, exactly as Redis lays it
//! out in memory and in RDB files, so that dumping a small collection is a copy.
//!
//! Owns the encoding of elements, walking in both directions, editing in place and the check of
//! foreign bytes. Bytes inside a `Listpack` are always valid: only `from_bytes` takes foreign
//! ones, and it checks every element. The block may be borrowed from where it is stored, until
//! the first change copies it. An owned one may start at an offset of its buffer, so that adding
//! at the front is as cheap as adding at the back.
//!
//! ```text
//! total bytes u32 LE | elements u16 LE (65535: count them) | element … | 0xFF
//! element: encoding, data | length of both, readable backwards
//! 0xxxxxxx                     unsigned 7 bit        11110001 +2   signed 16 bit LE
//! 10xxxxxx                     string of up to 63    11110010 +3   signed 24 bit LE
//! 110xxxxx +1                  signed 13 bit         11110011 +4   signed 32 bit LE
//! 1110xxxx +1                  string up to 4095     11110100 +8   signed 64 bit LE
//! 11110000 +4 (LE)             longer string         11111111      end
//! ```

pub(crate) mod entry;
mod iter;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use entry::Malformed;
use entry::{COPIED, Encoded, back_len, back_len_size, body_at, copy_body, entry_at, entry_before, validate};
pub use iter::{Iter, RevIter};

use crate::item::{Item, Needle};
use crate::size_class::{CLASSES_UP_TO, size_class};

pub(crate) const HEADER: usize = 6;
const END: u8 = 0xFF;
/// The header's count saturates here and then means "count them".
const MANY: usize = 65535;

/// How many bytes an element takes.
pub(crate) fn element_len(item: Item<'_>) -> usize {
    match item {
        Item::Int(number) => Encoded::of_int(number).len(),
        Item::Bytes(bytes) => Encoded::of(bytes).len(),
    }
}

/// A place inside a listpack: the offset of an element from the block's first byte. Valid until
/// the listpack is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

/// A valid listpack, borrowed or owned.
#[derive(Clone, Debug)]
pub struct Listpack<'a> {
    buffer: Cow<'a, [u8]>,
    /// Where the block starts in the buffer; 0 in a borrowed one.
    start: usize,
    count: usize,
}

impl Default for Listpack<'_> {
    fn default() -> Self {
        Listpack::new()
    }
}

impl Listpack<'static> {
    /// An empty listpack.
    pub fn new() -> Self {
        Listpack { buffer: Cow::Owned(vec![7, 0, 0, 0, 0, 0, END]), start: 0, count: 0 }
    }

    /// Takes foreign bytes after checking every element of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let count = validate(bytes)?;
        Ok(Listpack { buffer: Cow::Owned(bytes.to_vec()), start: 0, count })
    }

    /// A listpack of `count` elements that are encoded already and follow one another in `run`.
    pub(crate) fn of_run(run: &[u8], count: usize) -> Self {
        // One byte for the length of each element, and what the lengths of long ones may take more.
        let lens = count + run.len() / 64;
        let mut buffer = vec![0; HEADER + run.len() + lens + 1 + COPIED];
        let (mut at, mut out) = (0, HEADER);
        while at < run.len() {
            let body = body_at(run, at);
            copy_body(&mut buffer[out..], &run[at..], body);
            at += body;
            out += body;
            if let Ok(len @ 0..0x80) = u8::try_from(body) {
                buffer[out] = len;
                out += 1;
            } else {
                let (len, size) = back_len(body);
                buffer[out..out + size].copy_from_slice(&len[..size]);
                out += size;
            }
        }
        buffer[out] = END;
        buffer.truncate(out + 1);
        let mut listpack = Listpack { buffer: Cow::Owned(buffer), start: 0, count };
        listpack.changed(count);
        listpack
    }
}

impl<'a> Listpack<'a> {
    /// The same elements, borrowed.
    pub fn view(&self) -> Listpack<'_> {
        Listpack { buffer: Cow::Borrowed(self.bytes()), start: 0, count: self.count }
    }

    /// The same elements, owned.
    pub fn into_owned(self) -> Listpack<'static> {
        Listpack { buffer: Cow::Owned(self.buffer.into_owned()), start: self.start, count: self.count }
    }

    /// The block, as Redis stores it.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Encoding and data of the elements one after the other, behind the bytes of `before`.
    pub(crate) fn run(&self, before: &[u8]) -> Vec<u8> {
        let bytes = self.bytes();
        let mut run = vec![0; before.len() + bytes.len() + COPIED];
        run[..before.len()].copy_from_slice(before);
        let (mut at, mut out) = (HEADER, before.len());
        while bytes[at] != END {
            let body = body_at(bytes, at);
            copy_body(&mut run[out..], &bytes[at..], body);
            at += body + back_len_size(body);
            out += body;
        }
        run.truncate(out);
        run
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Length of the block in bytes.
    pub fn byte_len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.buffer {
            Cow::Borrowed(_) => 0,
            Cow::Owned(buffer) => buffer.capacity(),
        }
    }

    /// Adds an element at the end.
    pub fn push_back(&mut self, element: &[u8]) {
        self.append(&Encoded::of(element));
    }

    /// Adds an integer at the end.
    pub fn push_back_int(&mut self, number: i64) {
        self.append(&Encoded::of_int(number));
    }

    /// Adds a copy of an element at the end.
    pub fn push_back_item(&mut self, item: Item<'_>) {
        self.append(&Encoded::of_item(item));
    }

    /// Adds an element at the front.
    pub fn push_front(&mut self, element: &[u8]) {
        let encoded = Encoded::of(element);
        let size = encoded.len();
        if self.start < size {
            self.make_room_in_front(size);
        }
        self.start -= size;
        let at = self.start + HEADER;
        encoded.write(&mut self.buffer.to_mut()[at..at + size]);
        self.changed(self.count + 1);
    }

    /// Puts an element before `position`.
    pub fn insert(&mut self, position: Position, element: &[u8]) {
        if position.0 == HEADER {
            return self.push_front(element);
        }
        let encoded = Encoded::of(element);
        self.splice(position.0, 0, &encoded);
        self.changed(self.count + 1);
    }

    /// Puts another element in the place of the one at `position`.
    pub fn replace(&mut self, position: Position, element: &[u8]) {
        let old = entry_at(self.bytes(), position.0).size();
        self.splice(position.0, old, &Encoded::of(element));
        self.changed(self.count);
    }

    /// Removes up to `count` elements from `position` on and returns how many there were.
    pub fn remove(&mut self, position: Position, count: usize) -> usize {
        let mut end = position.0;
        let mut removed = 0;
        while removed < count && self.bytes()[end] != END {
            end += entry_at(self.bytes(), end).size();
            removed += 1;
        }
        if position.0 == HEADER {
            // Owned first: a borrowed block starts where its buffer does.
            self.buffer.to_mut();
            self.start += end - HEADER;
        } else {
            self.buffer.to_mut().drain(self.start + position.0..self.start + end);
        }
        self.changed(self.count - removed);
        removed
    }

    /// Moves the elements from `index` on into a listpack of their own.
    pub fn split_off(&mut self, index: usize) -> Listpack<'static> {
        let Some(position) = self.seek(index) else { return Listpack::new() };
        let tail = &self.bytes()[position.0..];
        let mut buffer = Vec::with_capacity(HEADER + tail.len());
        buffer.extend_from_slice(&[0; HEADER]);
        buffer.extend_from_slice(tail);
        let mut right = Listpack { buffer: Cow::Owned(buffer), start: 0, count: 0 };
        right.changed(self.count - index);
        let buffer = self.buffer.to_mut();
        buffer.truncate(self.start + position.0);
        buffer.push(END);
        self.changed(index);
        right
    }

    /// Adds all elements of `other` at the end.
    pub fn absorb(&mut self, other: &Listpack<'_>) {
        let buffer = self.with_room(other.byte_len());
        buffer.pop();
        buffer.extend_from_slice(&other.bytes()[HEADER..]);
        self.changed(self.count + other.count);
    }

    /// The element at `position`.
    pub fn at(&self, position: Position) -> Item<'_> {
        entry_at(self.bytes(), position.0).item
    }

    /// The first element's place.
    pub fn first(&self) -> Option<Position> {
        (self.count > 0).then_some(Position(HEADER))
    }

    /// The last element's place.
    pub fn last(&self) -> Option<Position> {
        let bytes = self.bytes();
        (self.count > 0).then(|| Position(entry_before(bytes, bytes.len() - 1)))
    }

    /// The place after `position`.
    pub fn next(&self, position: Position) -> Option<Position> {
        let bytes = self.bytes();
        let next = position.0 + entry_at(bytes, position.0).size();
        (bytes[next] != END).then_some(Position(next))
    }

    /// The place before `position`.
    pub fn previous(&self, position: Position) -> Option<Position> {
        (position.0 > HEADER).then(|| Position(entry_before(self.bytes(), position.0)))
    }

    /// The place of element `index`, found from the nearer end.
    pub fn seek(&self, index: usize) -> Option<Position> {
        if index >= self.count {
            return None;
        }
        let bytes = self.bytes();
        if index <= self.count / 2 {
            let mut at = HEADER;
            for _ in 0..index {
                at += entry_at(bytes, at).size();
            }
            return Some(Position(at));
        }
        let mut at = bytes.len() - 1;
        for _ in index..self.count {
            at = entry_before(bytes, at);
        }
        Some(Position(at))
    }

    /// Element `index`.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        self.seek(index).map(|position| self.at(position))
    }

    /// The first place at or after `from` that holds `needle`, looking at every `stride`-th
    /// element (2 to look at the fields of a packed hash only).
    pub fn find(&self, from: Position, needle: &[u8], stride: usize) -> Option<Position> {
        let bytes = self.bytes();
        let needle = Needle::new(needle);
        let mut at = from.0;
        while bytes[at] != END {
            let entry = entry_at(bytes, at);
            if needle.is(entry.item) {
                return Some(Position(at));
            }
            at += entry.size();
            for _ in 1..stride {
                if bytes[at] == END {
                    return None;
                }
                at += entry_at(bytes, at).size();
            }
        }
        None
    }

    /// All elements from the first.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.bytes(), HEADER)
    }

    /// The elements from `position` on.
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(self.bytes(), position.0)
    }

    /// All elements from the last back to the first.
    pub fn iter_rev(&self) -> RevIter<'_> {
        let bytes = self.bytes();
        RevIter::new(bytes, bytes.len() - 1)
    }

    /// The elements from `position` (itself included) back to the first.
    pub fn iter_rev_from(&self, position: Position) -> RevIter<'_> {
        let bytes = self.bytes();
        RevIter::new(bytes, position.0 + entry_at(bytes, position.0).size())
    }

    fn append(&mut self, encoded: &Encoded<'_>) {
        let size = encoded.len();
        let buffer = self.with_room(size);
        let at = buffer.len() - 1;
        buffer.resize(at + size, 0);
        encoded.write(&mut buffer[at..]);
        buffer.push(END);
        self.changed(self.count + 1);
    }

    /// Replaces `old` bytes at `at` by an encoded element.
    fn splice(&mut self, at: usize, old: usize, encoded: &Encoded<'_>) {
        let size = encoded.len();
        self.with_room(size.saturating_sub(old));
        let at = self.start + at;
        let buffer = self.buffer.to_mut();
        let end = buffer.len();
        if size > old {
            buffer.resize(end + size - old, 0);
            buffer.copy_within(at + old..end, at + size);
        } else if size < old {
            buffer.copy_within(at + old..end, at + size);
            buffer.truncate(end - (old - size));
        }
        encoded.write(&mut buffer[at..at + size]);
    }

    /// The owned buffer with room for `more` bytes. Grows by one class of the allocator at a
    /// time: packed values are small and many, so slack is memory lost.
    fn with_room(&mut self, more: usize) -> &mut Vec<u8> {
        if let Cow::Borrowed(block) = self.buffer {
            let mut buffer = Vec::with_capacity(block.len() + more);
            buffer.extend_from_slice(block);
            self.buffer = Cow::Owned(buffer);
        }
        let buffer = self.buffer.to_mut();
        if buffer.capacity() - buffer.len() < more {
            if self.start > more + buffer.len() / 2 {
                buffer.drain(..self.start);
                self.start = 0;
            } else {
                let capacity = grown(buffer.len() + more);
                buffer.reserve_exact(capacity - buffer.len());
            }
        }
        buffer
    }

    /// Moves the block to the end of a buffer of the next class.
    fn make_room_in_front(&mut self, size: usize) {
        let capacity = grown(size + self.byte_len());
        let slack = capacity - self.byte_len();
        let mut buffer = Vec::with_capacity(capacity);
        buffer.resize(slack, 0);
        buffer.extend_from_slice(self.bytes());
        self.start = slack;
        self.buffer = Cow::Owned(buffer);
    }

    /// Gives back the memory that a block takes which is not going to grow, where the allocator
    /// has a smaller class for it. Shrinking in place would leave it in its class.
    pub(crate) fn fit(&mut self) {
        if size_class(self.byte_len()) < self.heap_size() {
            self.buffer = Cow::Owned(self.bytes().to_vec());
            self.start = 0;
        }
    }

    /// Writes the header after a change.
    fn changed(&mut self, count: usize) {
        self.count = count;
        let total = u32::try_from(self.byte_len()).expect("callers keep packed blocks under 1 GiB");
        let many = u16::try_from(count.min(MANY)).expect("capped to what fits");
        let header = &mut self.buffer.to_mut()[self.start..self.start + HEADER];
        header[..4].copy_from_slice(&total.to_le_bytes());
        header[4..].copy_from_slice(&many.to_le_bytes());
    }
}

/// The size of a buffer that has to hold `needed` bytes and may have to hold more.
fn grown(needed: usize) -> usize {
    let class = size_class(needed);
    // Big blocks have no classes: an eighth at a time then, or appending would copy all of it
    // again and again.
    if needed > CLASSES_UP_TO { class + needed / 8 } else { class }
}
