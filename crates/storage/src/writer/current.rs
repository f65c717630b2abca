//! The file that is appended to, and what becomes of pieces of the log in it: batches behind their seals.
//!
//! A batch is there as a whole, or what was written of it is taken back.

use std::io::{self, IoSlice};

use slipstream_aof::{Sealing, encode_timestamp};
use slipstream_engine::aof::Progress;
use slipstream_log::{Offset, Slice};

use crate::files::DiskFile;
use crate::replacing::write_all;

/// A batch that has so many bytes is sealed.
const ENOUGH: u64 = 1 << 20;

/// The file that is appended to.
#[derive(Debug)]
pub(super) struct Current<T> {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) file: T,
    pub(super) length: u64,
    pub(super) written: Offset,
    pub(super) durable: Offset,
    /// Whether something was written since the last time that the disk was asked.
    pub(super) is_dirty: bool,
}

/// What is to be appended.
#[derive(Debug)]
pub(super) enum Piece {
    /// What comes next in the log, as it was handed over at once.
    Log { blocks: Vec<Slice>, timestamp: Option<i64> },
    /// What is not of the log.
    Note(Vec<u8>),
}

/// Why a file is not appended to any more.
#[derive(Debug)]
pub(super) enum Trouble {
    /// All that was written is there: it may be tried again.
    Retry(io::Error),
    /// What is there is not known.
    Lost(io::Error),
}

impl<T: DiskFile> Current<T> {
    pub(super) fn progress(&self) -> Progress {
        Progress { number: self.number, written: self.written, durable: self.durable, size: self.length }
    }

    /// Appends what goes into one batch, or nothing of it.
    pub(super) fn append(&mut self, batch: &[Piece]) -> Result<(), Trouble> {
        let head = self.head(batch);
        let blocks = batch.iter().flat_map(Piece::blocks);
        let mut pieces: Vec<IoSlice<'_>> = vec![IoSlice::new(&head)];
        pieces.extend(blocks.clone().map(|block| IoSlice::new(block)));
        let length = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if let Err(error) = write_all(&mut self.file, &mut pieces) {
            let back = self.file.truncate(self.length);
            return Err(if back.is_ok() { Trouble::Retry(error) } else { Trouble::Lost(error) });
        }
        self.length += length;
        self.is_dirty = true;
        self.written = blocks.last().map_or(self.written, Slice::end);
        Ok(())
    }

    /// What stands before the bytes of the log.
    fn head(&self, batch: &[Piece]) -> Vec<u8> {
        if let [Piece::Note(note)] = batch {
            return note.clone();
        }
        let mut head = Vec::new();
        if let Some(seconds) = batch.iter().filter_map(Piece::timestamp).next_back() {
            encode_timestamp(&mut head, seconds);
        }
        let mut sealing = Sealing::default();
        batch.iter().flat_map(Piece::blocks).for_each(|block| sealing.push(block));
        head.extend(sealing.seal(self.written, self.durable));
        head
    }
}

impl Piece {
    fn blocks(&self) -> &[Slice] {
        match self {
            Piece::Log { blocks, .. } => blocks,
            Piece::Note(_) => &[],
        }
    }

    fn timestamp(&self) -> Option<i64> {
        match self {
            Piece::Log { timestamp, .. } => *timestamp,
            Piece::Note(_) => None,
        }
    }

    pub(super) fn log_bytes(&self) -> u64 {
        self.blocks().iter().map(|block| block.len() as u64).sum()
    }
}

/// How many of the pieces, at least one, go into one batch.
pub(super) fn batch_len(pieces: &[Piece]) -> usize {
    let mut bytes = 0;
    let is_more = |piece: &&Piece| {
        let fits = matches!(piece, Piece::Log { .. }) && bytes < ENOUGH;
        bytes += piece.log_bytes();
        fits
    };
    pieces.iter().take_while(is_more).count().max(1)
}
