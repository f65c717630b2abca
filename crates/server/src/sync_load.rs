//! A full sync on its way in: the loop pushes what it reads, a thread decodes it into data beside the old.
//!
//! Straight from the connection, or through a nameless file that takes it as fast as it comes. The loop never
//! waits: it stops reading the link while the decoder is behind. Dropping the handle ends the load at the next
//! piece, and nothing is reported of it any more.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use slipstream_engine::{LoadOptions, LoadOrder, LoadedData};
use slipstream_rdb::Reached;

use crate::jobs::{Reporter, spawn};
use crate::loader::{self, Halves};
use crate::spool::nameless_file;

/// Most pieces of a snapshot that wait for the decoder.
const QUEUED_PIECES: usize = 64;

/// How often progress is told.
const REPORT_PERIOD: Duration = Duration::from_millis(500);

/// A full sync being decoded: the bytes go in, the data comes out as a report.
#[derive(Debug)]
pub(crate) struct SyncLoad {
    sender: Option<SyncSender<Vec<u8>>>,
    /// Pieces that the decoder has no room for yet.
    waiting: VecDeque<Vec<u8>>,
}

impl SyncLoad {
    /// Begins a load; `folder` is for the file, if there is to be one.
    pub(crate) fn begin(
        reporter: Reporter,
        order: LoadOrder,
        options: LoadOptions,
        folder: PathBuf,
    ) -> SyncLoad {
        let (sender, receiver) = sync_channel(QUEUED_PIECES);
        let LoadOrder { number, through_file, .. } = order;
        spawn("sync-load", move || {
            let mut input = Pieces { receiver, piece: Vec::new(), position: 0, ended: false };
            let decoder = Decoder { reporter: &reporter, number, options };
            let result = match through_file {
                false => decoder.decode(&mut input),
                true => decoder.decode_from_file(&mut input, &folder),
            };
            // The data may be complete before the loop has seen the end of the transfer.
            let ended = result.is_err() || io::copy(&mut input, &mut io::sink()).is_ok();
            if ended {
                reporter.loaded_sync(number, result);
            }
        });
        SyncLoad { sender: Some(sender), waiting: VecDeque::new() }
    }

    /// The next piece; an empty one ends the snapshot. Never waits: the caller stops reading while
    /// [`is_behind`](Self::is_behind), so that the primary waits for the decoder.
    pub(crate) fn push(&mut self, piece: Vec<u8>) {
        self.waiting.push_back(piece);
        self.advance();
    }

    /// Hands the decoder what it has room for.
    pub(crate) fn advance(&mut self) {
        while let (Some(sender), Some(piece)) = (&self.sender, self.waiting.pop_front()) {
            match sender.try_send(piece) {
                Ok(()) => {}
                Err(TrySendError::Full(piece)) => return self.waiting.push_front(piece),
                // The decoder gave up; its report says why.
                Err(TrySendError::Disconnected(_)) => self.sender = None,
            }
        }
    }

    /// Whether pieces wait for the decoder.
    pub(crate) fn is_behind(&self) -> bool {
        self.sender.is_some() && !self.waiting.is_empty()
    }
}

/// What the thread that decodes knows.
struct Decoder<'a> {
    reporter: &'a Reporter,
    number: u64,
    options: LoadOptions,
}

impl Decoder<'_> {
    fn decode(&self, input: impl Read) -> Result<Box<LoadedData>, String> {
        let mut told: Option<Instant> = None;
        let mut progress = |reached: Reached| {
            if told.is_none_or(|told| told.elapsed() >= REPORT_PERIOD) {
                told = Some(Instant::now());
                self.reporter.load_progress(self.number, reached);
            }
            self.reporter.give_way();
            ControlFlow::Continue(())
        };
        loader::load(input, self.options, Halves::of_sync(), self.reporter, &mut progress)
    }

    /// Takes in everything before it decodes anything.
    fn decode_from_file(&self, input: &mut Pieces, folder: &Path) -> Result<Box<LoadedData>, String> {
        let mut receive = || {
            let mut file = nameless_file(folder)?;
            while let Some(piece) = input.next_piece()? {
                file.write_all(piece)?;
            }
            file.rewind()?;
            Ok(file)
        };
        let file =
            receive().map_err(|error: io::Error| format!("the snapshot cannot be put on disk: {error}"))?;
        self.decode(BufReader::with_capacity(1 << 20, file))
    }
}

/// Pieces from a channel as one stream. An empty piece ends it; a closed channel breaks it.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Pieces {
    /// The next piece as it came; `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<&[u8]>> {
        if !self.ended {
            self.piece = self.receiver.recv().map_err(|_| io::Error::other("the transfer was cut off"))?;
            self.position = 0;
            self.ended = self.piece.is_empty();
        }
        Ok((!self.ended).then_some(self.piece.as_slice()))
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.piece.len() {
            self.next_piece()?;
        }
        let rest = &self.piece[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}
