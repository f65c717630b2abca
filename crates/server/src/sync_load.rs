//! A full sync on its way in: the loop pushes what it reads, a thread decodes it into data beside the old.
//!
//! Straight from the connection, or through a nameless file that takes it as fast as it comes. The loop never
//! waits: it stops reading the link while the decoder is behind. Dropping the handle ends the load at the next
//! piece, and nothing is reported of it any more.

mod kept;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use slipstream_engine::aof::received_name;
use slipstream_engine::{LoadOptions, LoadOrder, LoadedData};
use slipstream_rdb::Reached;

use self::kept::Kept;
use crate::jobs::{Report, Reporter, spawn_or_report};
use crate::kernel::Claim;
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
    /// Begins a load; `folder` is for the file, if there is to be one, and `kept_in` for what may be kept of it.
    pub(crate) fn begin(
        reporter: Reporter,
        order: LoadOrder,
        options: LoadOptions,
        folder: PathBuf,
        kept_in: &Path,
    ) -> SyncLoad {
        let (sender, receiver) = sync_channel(QUEUED_PIECES);
        let LoadOrder { number, through_file, keeps } = order;
        let keep = keeps.then(|| kept_in.join(received_name(number)));
        let failed = move |reason| Report::LoadedSync(number, Err(reason));
        spawn_or_report(("sync-load", Claim::Background), reporter, failed, move |reporter| {
            let teller = Teller::new(&reporter, number);
            let mut input = Pieces {
                receiver,
                teller: &teller,
                piece: Vec::new(),
                position: 0,
                ended: false,
                kept: Kept::new(keep, through_file),
            };
            let decoder = Decoder { teller: &teller, options };
            let mut result = match through_file {
                false => decoder.decode(&mut input),
                true => decoder.decode_from_file(&mut input, &folder),
            };
            // The data may be complete before the loop has seen the end of the transfer.
            let ended = result.is_err() || io::copy(&mut input, &mut io::sink()).is_ok();
            if let (Ok(data), true) = (&mut result, ended) {
                data.kept = input.kept.finish();
            }
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

/// Tells the loop how far the load is: not too often, and not too late, however long nothing comes.
struct Teller<'a> {
    reporter: &'a Reporter,
    number: u64,
    /// When it was told last.
    told: Cell<Option<Instant>>,
    /// What is not told yet.
    untold: Cell<Option<Reached>>,
}

impl<'a> Teller<'a> {
    fn new(reporter: &'a Reporter, number: u64) -> Teller<'a> {
        Teller { reporter, number, told: Cell::new(None), untold: Cell::new(None) }
    }

    fn note(&self, reached: Reached) {
        self.untold.set(Some(reached));
        if self.told.get().is_none_or(|told| told.elapsed() >= REPORT_PERIOD) {
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(reached) = self.untold.take() {
            self.told.set(Some(Instant::now()));
            self.reporter.load_progress(self.number, reached);
        }
    }

    /// How long what is not told may wait; nothing if there is nothing.
    fn patience(&self) -> Option<Duration> {
        let told = self.told.get().filter(|_| self.untold.get().is_some())?;
        Some(REPORT_PERIOD.saturating_sub(told.elapsed()))
    }
}

/// What the thread that decodes knows.
struct Decoder<'a> {
    teller: &'a Teller<'a>,
    options: LoadOptions,
}

impl Decoder<'_> {
    fn decode(&self, input: impl Read) -> Result<Box<LoadedData>, String> {
        let reporter = self.teller.reporter;
        let mut progress = |reached: Reached| {
            self.teller.note(reached);
            reporter.give_way();
            ControlFlow::Continue(())
        };
        loader::load(input, self.options, Halves::of_sync(), reporter, &mut progress)
    }

    /// Takes in everything before it decodes anything.
    fn decode_from_file(&self, input: &mut Pieces<'_>, folder: &Path) -> Result<Box<LoadedData>, String> {
        let mut receive = || {
            let mut file = nameless_file(folder)?;
            while input.next_piece()?.is_some() {
                // What is kept is as good, as long as it can be written.
                if !input.kept.is_there() {
                    input.kept.move_to(&mut file)?;
                    file.write_all(&input.piece)?;
                }
            }
            if input.kept.is_there() {
                return input.kept.reopen();
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
struct Pieces<'a> {
    receiver: Receiver<Vec<u8>>,
    teller: &'a Teller<'a>,
    piece: Vec<u8>,
    position: usize,
    ended: bool,
    kept: Kept,
}

impl Pieces<'_> {
    /// The next piece as it came; `None` at the end.
    fn next_piece(&mut self) -> io::Result<Option<&[u8]>> {
        if !self.ended {
            self.piece = self.receive().ok_or_else(|| io::Error::other("the transfer was cut off"))?;
            self.position = 0;
            self.ended = self.piece.is_empty();
            self.kept.push(&self.piece);
        }
        Ok((!self.ended).then_some(self.piece.as_slice()))
    }

    fn receive(&self) -> Option<Vec<u8>> {
        if let Some(patience) = self.teller.patience() {
            match self.receiver.recv_timeout(patience) {
                Ok(piece) => return Some(piece),
                Err(RecvTimeoutError::Timeout) => self.teller.tell(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.receiver.recv().ok()
    }
}

impl Read for Pieces<'_> {
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
