//! Trimming: dropping a stream's oldest entries.
//!
//! What stays must be what stays in Redis, so this goes by whole blocks first, as long as the
//! limit of work allows the next one; then, unless only whole blocks may go, entry by entry
//! within one block.

use triomphe::Arc;

use super::id::StreamId;
use super::{Body, Stream, as_u64};
use crate::tree::Chunk;

/// How far to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// To this many entries.
    Length(u64),
    /// To the entries from this id on.
    From(StreamId),
}

/// A trimming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// How far.
    pub to: TrimTo,
    /// Only whole blocks go.
    pub approximate: bool,
    /// No more entries than this; `None` for no such limit.
    pub limit: Option<u64>,
}

impl Stream {
    /// How many blocks such a trimming frees.
    pub fn blocks_to_trim(&self, trim: Trim) -> usize {
        self.0.whole_blocks(trim).blocks
    }

    /// Drops the oldest entries; how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let whole = self.0.whole_blocks(trim);
        let within = match trim.approximate || whole.stopped {
            true => None,
            false => self.0.entries_within(trim.to, whole),
        };
        let deleted = whole.live + within.as_ref().map_or(0, |places| as_u64(places.len()));
        if whole.stored == 0 && within.is_none() {
            return 0;
        }
        let body = Arc::make_mut(&mut self.0);
        if whole.stored > 0 {
            body.blocks.remove_range(0, whole.stored, |_, _, _| unreachable!("whole blocks were counted"));
        }
        if let Some(places) = within {
            body.blocks.edit_at(0, |block, _, _| {
                places.iter().for_each(|place| _ = block.delete(*place));
            });
        }
        body.len -= deleted;
        if body.blocks.len() == 0 {
            body.open_bytes = None;
        }
        if deleted > 0 {
            body.update_first();
        }
        deleted
    }
}

/// Blocks at the front that go.
#[derive(Clone, Copy, Default)]
struct Whole {
    /// Entries in them that are not deleted.
    live: u64,
    /// All entries in them.
    stored: usize,
    blocks: usize,
    /// Nothing more may go.
    stopped: bool,
}

impl Body {
    fn whole_blocks(&self, trim: Trim) -> Whole {
        let mut whole = Whole::default();
        while let Some((block, _)) = self.blocks.chunk_at(whole.stored) {
            let live = as_u64(block.live());
            let left = self.len - whole.live;
            let is_done = matches!(trim.to, TrimTo::Length(length) if left <= length);
            if is_done || trim.limit.is_some_and(|limit| whole.live + live > limit) {
                whole.stopped = true;
                break;
            }
            let goes = match trim.to {
                TrimTo::Length(length) => left - live >= length,
                TrimTo::From(id) => block.last() < id,
            };
            if !goes {
                break;
            }
            whole.live += live;
            whole.stored += block.weight();
            whole.blocks += 1;
        }
        whole
    }

    /// The entries to delete within the block that follows the whole ones; `None` if none is there.
    fn entries_within(&self, to: TrimTo, whole: Whole) -> Option<Vec<usize>> {
        let (block, _) = self.blocks.chunk_at(whole.stored)?;
        let mut left = self.len - whole.live;
        let mut places = Vec::new();
        for entry in block.entries() {
            let stop = match to {
                TrimTo::Length(length) => left <= length,
                TrimTo::From(id) => entry.id >= id,
            };
            if stop {
                break;
            }
            if !entry.is_deleted {
                left -= 1;
                places.push(entry.place());
            }
        }
        (!places.is_empty()).then_some(places)
    }
}
