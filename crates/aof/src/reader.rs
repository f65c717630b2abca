//! A [`Scanner`] over any input, and the buffer between them.
//!
//! Holds what was read and not taken: a batch, or a command, and as much again at most.

use std::fmt;
use std::io::{self, Read};

use crate::annotation::MAX_LINE;
use crate::scan::{Content, Ending, Fault, Piece, Scanner, Search};

/// What is read at once, if nothing says how much is needed.
const READ_SIZE: usize = 256 << 10;

/// Reads one file from some place on.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    scanner: Scanner,
    buffer: Vec<u8>,
    /// Up to where the buffer was taken, and up to where it is filled.
    taken: usize,
    filled: usize,
    /// Where in the file what fills the buffer ends, and how long the file is.
    read_to: u64,
    length: u64,
}

/// What comes next.
#[derive(Debug)]
pub enum Found<'a> {
    /// A piece, and where in the file it begins; `bytes` are those of its content, none if that has no bytes.
    Piece {
        /// What it is.
        content: Content,
        /// Where `bytes` begin, or the line.
        position: u64,
        /// Its commands.
        bytes: &'a [u8],
    },
    /// Nothing; how the file ends.
    End(Ending),
}

/// Why nothing comes.
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    Io(io::Error),
    /// It is not good any further.
    Fault(Fault),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl<R: Read> Reader<R> {
    /// Reads a file of so many bytes, of which `input` has those behind `position`.
    pub fn new(input: R, position: u64, length: u64) -> Reader<R> {
        let scanner = Scanner::behind(position);
        Reader { input, scanner, buffer: Vec::new(), taken: 0, filled: 0, read_to: position, length }
    }

    /// Up to where the file was read, and what is known there.
    pub fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// The next piece, or how the file ends.
    pub fn next_piece(&mut self) -> Result<Found<'_>, ReadError> {
        loop {
            let start = self.scanner.position();
            let remaining = self.length.saturating_sub(start);
            match self.scanner.step(&self.buffer[self.taken..self.filled], remaining) {
                Ok(Some(piece)) => return Ok(self.found(piece, start)),
                Ok(None) if self.read_to < self.length => self.read_more()?,
                Ok(None) => {
                    return Ok(Found::End(self.scanner.ending(&self.buffer[self.taken..self.filled])));
                }
                Err(fault) => return Err(ReadError::Fault(fault)),
            }
        }
    }

    fn found(&mut self, Piece { consumed, content }: Piece, start: u64) -> Found<'_> {
        let range = match &content {
            Content::Batch { bytes, .. } | Content::Commands { bytes, .. } => bytes.clone(),
            _ => 0..0,
        };
        let position = start + range.start as u64;
        let before = self.taken;
        self.taken += consumed;
        Found::Piece { content, position, bytes: &self.buffer[before..][range] }
    }

    /// Behind a fault: whether what lies behind it proves that it is in bytes that were on disk. `None` where nothing
    /// is sealed, and so nothing is proven.
    pub fn is_proven(&mut self) -> io::Result<Option<bool>> {
        let Some(proven) = self.scanner.proven() else { return Ok(None) };
        let mut search = Search::new(proven);
        loop {
            if search.push(&self.buffer[self.taken..self.filled]) {
                return Ok(Some(true));
            }
            if self.read_to == self.length {
                return Ok(Some(false));
            }
            self.taken = self.filled;
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        // A batch is read to its end, and the line of the next one with it. Of what does not say where it ends, twice
        // as much.
        let wanted = match self.scanner.needed() {
            Some(needed) if needed > READ_SIZE => needed.saturating_sub(self.filled) + MAX_LINE,
            _ => READ_SIZE.max(self.filled),
        };
        let wanted = wanted.min(usize::try_from(self.length - self.read_to).unwrap_or(usize::MAX));
        let end = self.filled + wanted;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let before = self.filled;
        while self.filled < end {
            match self.input.read(&mut self.buffer[self.filled..end]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.filled == before {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it got shorter"));
        }
        self.read_to += (self.filled - before) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn commands_come_with_their_places_however_they_are_read() {
        let file = b"REDIS*1\r\n$4\r\nPING\r\n# remark\n*1\r\n$4\r\nECHO\r\n*1\r\n";
        let mut reader = Reader::new(Slowly(&file[5..]), 5, file.len() as u64);
        let mut places = Vec::new();
        loop {
            match reader.next_piece().unwrap() {
                Found::Piece { position, bytes, .. } => places.push((position, bytes.to_vec())),
                Found::End(ending) => {
                    assert_eq!(ending, Ending::Cut);
                    break;
                }
            }
        }
        let expected = [(5, &file[5..19]), (19, &b""[..]), (28, &file[28..42])];
        assert_eq!(places, expected.map(|(position, bytes)| (position, bytes.to_vec())));
        assert_eq!(reader.scanner().good_end(), 42);
        let mut shorter = Reader::new(&file[..10], 0, 99);
        assert!(matches!(shorter.next_piece(), Err(ReadError::Fault(Fault::Format(_)))));
        assert_eq!(shorter.is_proven().unwrap(), None);
        let mut shorter = Reader::new(&file[5..9], 5, 99);
        assert!(matches!(shorter.next_piece(), Err(ReadError::Io(_))));
    }
}
