//! What of the log lies on disk: older than what is in memory, and joined to it without a gap.
//!
//! ```text
//!            ┌─ removed once nobody needs them ─┐
//!   segment  segment  segment │ block block block block block
//!   └──────── on disk ───────┘ └── being written ┘└ in memory only
//!   reach                      start              sent
//! ```
//!
//! Blocks leave memory when the disk has them, never before. The tier decides what is written and which segments are
//! removed; whoever owns the files does it ([`DiskAction`]) and confirms. Each new beginning has a number, so that
//! a confirmation that comes late confirms nothing.

use std::collections::VecDeque;

use crate::{Offset, ReplicationId, Slice};

/// Length of a segment in bytes, within these bounds: what is kept on disk is a sixteenth more or less exact, and a
/// folder has few files.
const SEGMENT_LEN: std::ops::RangeInclusive<u64> = (1 << 20)..=(64 << 20);

/// How much is kept on disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSize {
    /// So much is kept once written (`repl-backlog-disk-size`).
    pub kept: u64,
    /// So much at most while a reader needs it (`repl-backlog-spill-size`); at least `kept`.
    pub most: u64,
}

/// Something to do with the files. Done in order.
#[derive(Clone, Debug)]
pub enum DiskAction {
    /// Append a block to a segment, which begins with it if its start is the block's. Confirm with
    /// [`Log::disk_wrote`](crate::Log::disk_wrote).
    Write {
        /// The number of this beginning.
        number: u64,
        /// Whose stream it is.
        history: ReplicationId,
        /// The segment, by its first offset.
        segment: Offset,
        /// What to append.
        block: Slice,
    },
    /// Remove a segment.
    Remove(Offset),
    /// Remove all segments; what is being written is of no use.
    RemoveAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start: Offset,
    end: Offset,
}

/// Whether the disk does what it is told.
///
/// ```text
///  Well ──failure──► Failed ──retry, or another size──► OnTrial ──first block written──► Well
///                      ▲──────────── failure ──────────────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    /// It is not used.
    Failed,
    /// It is used, and has not shown yet that it can be.
    OnTrial,
}

/// What lies on disk, and what is on its way there.
#[derive(Debug, Default)]
pub(crate) struct Tier {
    size: DiskSize,
    health: Health,
    number: u64,
    /// The oldest first, without gaps, with what is being written.
    segments: VecDeque<Segment>,
    /// All before this is on disk.
    written: Offset,
    actions: Vec<DiskAction>,
}

impl Tier {
    pub(crate) fn set_size(&mut self, size: DiskSize) {
        let size = DiskSize { kept: size.kept, most: size.most.max(size.kept) };
        if size != self.size {
            self.size = size;
            self.retry();
        }
    }

    /// Lets a disk that failed show whether it works again.
    pub(crate) fn retry(&mut self) {
        if self.health == Health::Failed {
            self.health = Health::OnTrial;
        }
    }

    pub(crate) fn size(&self) -> DiskSize {
        self.size
    }

    /// Whether it failed and has written nothing since.
    pub(crate) fn has_failed(&self) -> bool {
        self.health != Health::Well
    }

    /// Whether blocks may be written, for readers or for those that come back.
    pub(crate) fn is_usable(&self) -> bool {
        self.size.most > 0 && self.health != Health::Failed
    }

    /// The first offset on disk, if anything is there for sure.
    pub(crate) fn start(&self) -> Option<Offset> {
        let first = self.segments.front()?.start;
        (first < self.written).then_some(first)
    }

    /// Bytes on disk, or on their way.
    pub(crate) fn len(&self) -> u64 {
        match (self.segments.front(), self.segments.back()) {
            (Some(first), Some(last)) => last.end.since(first.start),
            _ => 0,
        }
    }

    /// All before this was given to be written; nothing if the tier is empty.
    pub(crate) fn sent(&self) -> Option<Offset> {
        self.segments.back().map(|segment| segment.end)
    }

    pub(crate) fn has(&self, offset: Offset) -> bool {
        !self.segments.is_empty() && offset <= self.written
    }

    /// Has a block written, the one after the last.
    pub(crate) fn write(&mut self, history: ReplicationId, block: Slice) {
        let limit = (self.size.most / 16).clamp(*SEGMENT_LEN.start(), *SEGMENT_LEN.end());
        let (start, end) = (block.start(), block.end());
        match self.segments.back_mut() {
            Some(last) if last.end.since(last.start) < limit => last.end = end,
            Some(_) => self.segments.push_back(Segment { start, end }),
            None => {
                self.written = start;
                self.segments.push_back(Segment { start, end });
            }
        }
        let segment = self.segments.back().expect("just added to").start;
        self.actions.push(DiskAction::Write { number: self.number, history, segment, block });
    }

    /// Whether that shows that a disk which had failed works again.
    pub(crate) fn wrote(&mut self, number: u64, offset: Offset) -> bool {
        if number != self.number {
            return false;
        }
        self.written = self.written.max(offset);
        std::mem::take(&mut self.health) == Health::OnTrial
    }

    /// Removes segments that neither their size nor a reader keeps. The one being written stays.
    pub(crate) fn trim(&mut self, needed: Offset) {
        let mut len = self.len();
        while let [Some(oldest), Some(_)] = [self.segments.front(), self.segments.get(1)] {
            let rest = len - oldest.end.since(oldest.start);
            if rest < self.size.kept || oldest.end > needed || oldest.end > self.written {
                break;
            }
            len = rest;
            self.actions.push(DiskAction::Remove(oldest.start));
            self.segments.pop_front();
        }
    }

    /// Begins anew with nothing.
    pub(crate) fn clear(&mut self) {
        if !self.segments.is_empty() {
            self.segments.clear();
            self.actions.push(DiskAction::RemoveAll);
        }
        self.number += 1;
    }

    pub(crate) fn fail(&mut self) {
        self.clear();
        self.health = Health::Failed;
    }

    pub(crate) fn take_actions(&mut self) -> Vec<DiskAction> {
        std::mem::take(&mut self.actions)
    }
}
