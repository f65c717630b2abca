//! Blocks as Redis keeps them: listpacks, in RDB files and for where a block ends.
//!
//! ```text
//! live, deleted, count of names, name …, 0 | entry …
//! entry: flags, ms, seq, [count of fields] | value …               , elements of the entry before this one
//!                                          | name, value, …  own names
//! ```
//! `ms` and `seq` are differences to the block's id, flags are 1 for deleted and 2 for the names
//! of the block. The lengths here are computed without writing such a listpack. Foreign ones are
//! checked completely: counts, order of ids, and that the elements are used up.

use triomphe::Arc;

use super::block::{Block, Pair};
use super::id::StreamId;
use super::{Body, Stream, as_u64};
use crate::item::Item;
use crate::listpack::{self, Listpack, element_len};
use crate::tree::Chunk;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// A listpack's header and end.
const FRAME: usize = 7;
/// What every entry has beside its fields: flags, ms, seq, and the count of elements.
const FIXED_ELEMENTS: usize = 3;

/// Bytes that the node of a block has beside its names and entries.
pub(super) fn frame_len(block: &Block) -> usize {
    FRAME + count_len(block.live()) + count_len(block.deleted())
}

/// Bytes of the names and entries in the node of a block.
pub(super) fn body_len(block: &Block) -> usize {
    let entries = block
        .entries()
        .map(|entry| entry_len(block.first(), entry.id, entry.fields, entry.fields.has_own_names()));
    names_len(block.names()) + entries.sum::<usize>()
}

/// Bytes of the names in the node of a block.
pub(super) fn names_len<'a>(names: impl ExactSizeIterator<Item = Item<'a>>) -> usize {
    count_len(names.len()) + names.map(element_len).sum::<usize>() + count_len(0)
}

/// Bytes of an entry in the node of a block.
pub(super) fn entry_len<'a>(
    first: StreamId,
    id: StreamId,
    fields: impl Iterator<Item = Pair<'a>>,
    own_names: bool,
) -> usize {
    let (ms, seq) = difference(first, id);
    let mut len = count_len(0) + element_len(Item::Int(ms)) + element_len(Item::Int(seq));
    let mut count = 0;
    for (name, value) in fields {
        len += element_len(value) + if own_names { element_len(name) } else { 0 };
        count += 1;
    }
    len + if own_names { count_len(count) } else { 0 } + count_len(elements(count, own_names))
}

fn count_len(count: usize) -> usize {
    element_len(Item::Int(as_i64(count)))
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).expect("nothing in memory is counted beyond i64")
}

/// Elements of an entry but the last one, which says this number.
fn elements(fields: usize, own_names: bool) -> usize {
    FIXED_ELEMENTS + if own_names { 2 * fields + 1 } else { fields }
}

/// Redis subtracts without a care for the sign, and adds again.
fn difference(first: StreamId, id: StreamId) -> (i64, i64) {
    (id.ms.wrapping_sub(first.ms).cast_signed(), id.seq.wrapping_sub(first.seq).cast_signed())
}

/// The node of a block.
fn node_of(block: &Block) -> Listpack<'static> {
    let mut node = Listpack::new();
    node.push_back_int(as_i64(block.live()));
    node.push_back_int(as_i64(block.deleted()));
    node.push_back_int(as_i64(block.names().len()));
    block.names().for_each(|name| node.push_back_item(name));
    node.push_back_int(0);
    for entry in block.entries() {
        let own_names = entry.fields.has_own_names();
        let (ms, seq) = difference(block.first(), entry.id);
        let flags = if entry.is_deleted { DELETED } else { 0 } | if own_names { 0 } else { SAME_NAMES };
        [flags, ms, seq].into_iter().for_each(|number| node.push_back_int(number));
        if own_names {
            node.push_back_int(as_i64(entry.fields.len()));
        }
        for (name, value) in entry.fields {
            if own_names {
                node.push_back_item(name);
            }
            node.push_back_item(value);
        }
        node.push_back_int(as_i64(elements(entry.fields.len(), own_names)));
    }
    node
}

impl Stream {
    /// The blocks in Redis' form, each with its id.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, Listpack<'static>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (block, _) = self.0.blocks.chunk_at(next)?;
            next += block.weight();
            Some((block.first(), node_of(block)))
        })
    }
}

/// What a file says of a stream beside its blocks.
#[derive(Clone, Copy, Debug)]
pub struct StreamFacts {
    /// Entries that are not deleted.
    pub length: u64,
    /// The id above which new entries come.
    pub last_id: StreamId,
    /// The greatest deleted id, and how many entries were ever added; files before Redis 7 lack both.
    pub history: Option<(StreamId, u64)>,
}

/// A stream that is being read from Redis' form of its blocks.
#[derive(Default)]
pub struct StreamBuilder {
    body: Body,
    last: Option<StreamId>,
}

type Checked<T> = Result<T, &'static str>;

const CUT: &str = "stream: a block without its end";
const NO_NUMBER: &str = "stream: a number of a block is none";
const DISORDER: &str = "stream: ids that do not grow";
const COUNTS: &str = "stream: a block with another number of entries than it says";

impl StreamBuilder {
    /// A stream without blocks.
    pub fn new() -> Self {
        StreamBuilder::default()
    }

    /// Adds the next block.
    pub fn push_node(&mut self, id: StreamId, node: &Listpack<'_>) -> Checked<()> {
        let mut reader = NodeReader { items: node.iter(), left: node.len() };
        let (live, deleted) = (reader.count()?, reader.count()?);
        let block = reader.block(id, self.last)?;
        if (block.live(), block.deleted()) != (live, deleted) {
            return Err(COUNTS);
        }
        self.last = Some(block.last());
        self.body.len += as_u64(live);
        let end = self.body.blocks.len();
        self.body.blocks.edit_at(end, |last, _, added| match last.weight() {
            0 => *last = block,
            _ => added.push(block),
        });
        Ok(())
    }

    /// The stream.
    pub fn finish(mut self, facts: StreamFacts) -> Checked<Stream> {
        if self.body.len != facts.length {
            return Err("stream: another number of entries than it says");
        }
        if self.last.is_some_and(|last| last > facts.last_id) {
            return Err("stream: an entry above the last id");
        }
        let (max_deleted_id, entries_added) = facts.history.unwrap_or((StreamId::MIN, facts.length));
        self.body.last_id = facts.last_id;
        self.body.max_deleted_id = max_deleted_id;
        self.body.entries_added = entries_added;
        self.body.update_first();
        Ok(Stream(Arc::new(self.body)))
    }
}

struct NodeReader<'a> {
    items: listpack::Iter<'a>,
    left: usize,
}

impl<'a> NodeReader<'a> {
    fn item(&mut self) -> Checked<Item<'a>> {
        self.left = self.left.checked_sub(1).ok_or(CUT)?;
        self.items.next().ok_or(CUT)
    }

    fn int(&mut self) -> Checked<i64> {
        self.item()?.as_int().ok_or(NO_NUMBER)
    }

    fn count(&mut self) -> Checked<usize> {
        usize::try_from(self.int()?).map_err(|_| NO_NUMBER)
    }

    /// So many items, which are there, without taking them off.
    fn ahead(&self, count: usize) -> Checked<std::iter::Take<listpack::Iter<'a>>> {
        if count > self.left { Err(CUT) } else { Ok(self.items.clone().take(count)) }
    }

    fn skip(&mut self, count: usize) {
        self.left -= count;
        self.items.by_ref().take(count).for_each(|_| ());
    }

    /// Reads what follows the counts; every id is above `after`.
    fn block(&mut self, id: StreamId, after: Option<StreamId>) -> Checked<Block> {
        let names = self.count()?;
        let items = self.ahead(names)?;
        self.skip(names);
        if self.int()? != 0 {
            return Err("stream: no end of a block's names");
        }
        let mut block: Option<Block> = None;
        let mut last = after;
        while self.left > 0 {
            let flags = self.int()?;
            if flags & !(DELETED | SAME_NAMES) != 0 {
                return Err("stream: an unknown flag");
            }
            let (ms, seq) = (self.int()?, self.int()?);
            let entry = StreamId::new(
                id.ms.wrapping_add(ms.cast_unsigned()),
                id.seq.wrapping_add(seq.cast_unsigned()),
            );
            if last.is_some_and(|last| last >= entry) {
                return Err(DISORDER);
            }
            last = Some(entry);
            let block = block.get_or_insert_with(|| Block::new(entry, items.clone()));
            self.entry(block, entry, flags, names)?;
        }
        let mut block = block.ok_or("stream: a block without entries")?;
        block.close();
        Ok(block)
    }

    /// Reads the fields of an entry into the block.
    fn entry(&mut self, block: &mut Block, id: StreamId, flags: i64, names: usize) -> Checked<()> {
        let own_names = flags & SAME_NAMES == 0;
        let count = if own_names { self.count()? } else { names };
        let items = count.checked_mul(if own_names { 2 } else { 1 }).ok_or(CUT)?;
        let ahead = self.ahead(items)?;
        self.skip(items);
        if self.count()? != elements(count, own_names) {
            return Err("stream: an entry of another length than it says");
        }
        let place = if own_names {
            let names = ahead.clone().step_by(2);
            block.append(id, names.zip(ahead.skip(1).step_by(2)), true)
        } else {
            block.append(id, ahead.map(|value| (Item::Int(0), value)), false)
        };
        if flags & DELETED != 0 {
            block.delete(place);
        }
        Ok(())
    }
}
