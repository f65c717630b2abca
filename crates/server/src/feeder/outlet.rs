//! One replica's socket, as the feeder has it.
//!
//! Writes from the window of blocks that all replicas share and sorts what comes back. Knows readiness, nothing
//! of time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

use slipstream_engine::SessionId;
use slipstream_log::{Log, Offset, Slice};
use slipstream_replication::replicas::{Heard, Hearing};

use super::mailbox::{Acks, News};
use crate::connection::Socket;

/// Blocks handed to one write.
const MAX_SLICES: usize = 64;
/// Bytes written to one replica before the others have their turn.
const MAX_WRITTEN: usize = 1 << 20;
/// Bytes read from one replica at once.
const READ_SIZE: usize = 16 << 10;

/// A replica's socket and how far its stream is.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) id: SessionId,
    pub(super) socket: Socket,
    pub(super) cursor: Offset,
    /// Whether the last write took everything; if not, readiness is awaited.
    pub(super) writable: bool,
    /// Whether there may be something to read.
    pub(super) readable: bool,
    /// How far it was when the loop was last told.
    pub(super) told: Offset,
    hearing: Hearing,
    supply: Supply,
    ending: Option<Ending>,
}

/// What is left of a stream that ends.
#[derive(Debug)]
struct Ending {
    rest: VecDeque<Slice>,
    end: Offset,
}

/// Blocks from disk, for a replica whose cursor is not in memory any more.
#[derive(Debug)]
enum Supply {
    /// None was asked for.
    None,
    /// They are being read.
    Asked,
    /// They are here, to be sent. If there are none, they are gone.
    Here(VecDeque<Slice>),
}

impl Outlet {
    pub(super) fn new(id: SessionId, socket: Socket, from: Offset) -> Outlet {
        Outlet {
            id,
            socket,
            cursor: from,
            writable: true,
            readable: true,
            told: from,
            hearing: Hearing::default(),
            supply: Supply::None,
            ending: None,
        }
    }

    /// The stream ends at `end`; what is left of it lies in `rest`.
    pub(super) fn end(&mut self, rest: Vec<Slice>, end: Offset) {
        self.ending = Some(Ending { rest: rest.into(), end });
    }

    /// Whether it is fed from what all share.
    pub(super) fn shares(&self) -> bool {
        self.ending.is_none()
    }

    /// Whether its stream has ended and is all sent.
    pub(super) fn has_ended(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| self.cursor >= ending.end)
    }

    /// The socket, and what it brought that is not sorted.
    pub(super) fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.hearing.into_rest())
    }

    /// What was read from disk.
    pub(super) fn supply(&mut self, blocks: Vec<Slice>) {
        self.supply = Supply::Here(blocks.into());
    }

    /// Whether blocks are to be read from disk, which then is asked for once.
    pub(super) fn wants_supply(&mut self, held_from: Offset) -> bool {
        let wants = self.shares() && self.cursor < held_from && matches!(self.supply, Supply::None);
        if wants {
            self.supply = Supply::Asked;
        }
        wants
    }

    /// Whether there is something to write and room for it. `held_from` is where memory begins, `end` where it ends.
    pub(super) fn can_write(&self, held_from: Offset, end: Offset) -> bool {
        if let Some(ending) = &self.ending {
            return self.writable && self.cursor < ending.end;
        }
        let has_blocks = self.cursor >= held_from || matches!(self.supply, Supply::Here(_));
        self.writable && self.cursor < end && has_blocks
    }

    /// Writes what the socket takes of `window`, which begins at `held_from`, or of what was read from disk, up to a
    /// share.
    pub(super) fn write(&mut self, window: &VecDeque<Slice>, held_from: Offset) -> io::Result<()> {
        if let Some(ending) = self.ending.take() {
            let written = self.write_from(&ending.rest);
            self.ending = Some(ending);
            return written;
        }
        if self.cursor >= held_from {
            self.supply = Supply::None;
            return self.write_from(window);
        }
        let blocks = match std::mem::replace(&mut self.supply, Supply::None) {
            Supply::Here(blocks) => blocks,
            other => {
                self.supply = other;
                return Ok(());
            }
        };
        if blocks.is_empty() {
            return Err(io::Error::other("the log does not reach so far back any more"));
        }
        self.write_from(&blocks)?;
        if blocks.back().is_some_and(|last| self.cursor < last.end()) {
            self.supply = Supply::Here(blocks);
        }
        Ok(())
    }

    /// Whether it goes on with the log, and its socket has room as far as is known.
    pub(super) fn takes(&self) -> bool {
        self.writable && self.shares()
    }

    /// Writes what is left of the log, which must be in memory; whether the socket took it all. What is wrong with a
    /// socket that is broken is seen when it is read.
    pub(super) fn catch_up(&mut self, log: &Log) -> bool {
        while self.takes() && self.cursor < log.end() {
            let Some(slices) = log.slices_from(self.cursor) else { return false };
            if self.write_from(&slices.collect()).is_err() {
                self.writable = false;
            }
        }
        self.shares() && self.cursor == log.end()
    }

    fn write_from(&mut self, window: &VecDeque<Slice>) -> io::Result<()> {
        let mut left = MAX_WRITTEN;
        while self.writable && left > 0 {
            let first = window.partition_point(|slice| slice.end() <= self.cursor);
            let mut slices = window.range(first..).take(MAX_SLICES);
            let Some(slice) = slices.next() else { return Ok(()) };
            let skipped = usize::try_from(self.cursor.since(slice.start())).unwrap_or(usize::MAX);
            let head = slice.get(skipped..).unwrap_or_default();
            let slices: Vec<IoSlice<'_>> =
                std::iter::once(head).chain(slices.map(|slice| &**slice)).map(IoSlice::new).collect();
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            match self.socket.write_vectored(&slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.cursor = self.cursor.advanced(count);
                    left = left.saturating_sub(count);
                    // A socket that took a part is full, and will say when it is not.
                    self.writable = count == offered;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what the replica sent. The end of its stream is an error.
    pub(super) fn read(&mut self, buffer: &mut [u8], news: &mut News) -> io::Result<()> {
        match self.socket.read(&mut buffer[..READ_SIZE]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let id = self.id;
                self.hearing.hear(&buffer[..count], |heard| match heard {
                    Heard::Ack(newest, bytes) => news.add_acks(id, Acks { newest, requests: 1, bytes }),
                    Heard::Other(bytes) => news.add_other(id, bytes),
                });
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}
