//! What to take of a file: its bytes, piece by piece, as far as they are good.
//!
//! ```text
//!             "#SLIPSTREAM AT"
//! beginning ──────────────────► sealed ◄──────────────┐ "#SLIPSTREAM AT"
//!     │                            │ "*"              │
//!     └── "*", a remark ──► plain ◄┴──────────────────┘
//! ```
//!
//! Sealed, a batch is handed on when all of it is there and its sum is right; the first that is not ends what is
//! taken, and whether that is a torn tail or a damaged middle is for [`Search`] to say. Plain are the files of others,
//! and what others have appended to ours: whole commands are handed on as they come, and a file that ends within one,
//! or within a transaction, is good up to there. Others append commands and timestamps: another line behind a batch, or
//! what begins as a command and is none, is what a crash has made of a line of ours.
//!
//! The caller holds the bytes and keeps what was not consumed, so no more is in memory than a batch, or a command.
//! Invariant: what was handed on is consumed, and nothing is handed on twice.

use std::fmt;
use std::ops::Range;

use slipstream_log::{History, Offset};
use slipstream_resp::{Limits, Progress, RequestDecoder};

use crate::annotation::{Annotation, At, MAX_LINE, Sum};

mod search;

pub use search::Search;

/// A value may be as long as a primary's limits allow, as in its stream.
const LIMITS: Limits = Limits { max_bulk: 4 << 30, max_args: 1 << 30, authenticated: true };
/// Plain commands are handed on when they are so many bytes.
const RUN_LEN: usize = 256 << 10;

/// Reads one file.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Where in the file the next piece begins.
    position: u64,
    mode: Mode,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Beginning,
    Sealed(Sealed),
    Plain(Plain),
}

#[derive(Debug)]
struct Sealed {
    /// Of which history.
    history: History,
    /// Where the next batch begins.
    next: Offset,
    has_ended: bool,
    /// How many bytes the batch takes with its line, as far as it was announced and is not all there.
    awaited: Option<usize>,
}

#[derive(Debug, Default)]
struct Plain {
    decoder: RequestDecoder,
    /// Whether the decoder is within a request.
    is_within: bool,
    /// Where in the file an open MULTI begins.
    multi: Option<u64>,
    /// Up to where the stream was sealed, while no command came behind it.
    sealed: Option<Offset>,
}

/// What lies at the beginning of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes that it takes.
    pub consumed: usize,
    /// What it is.
    pub content: Content,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// What follows begins here, with this database selected.
    At(At),
    /// A batch of the stream: whole commands.
    Batch {
        /// Where they lie in the buffer.
        bytes: Range<usize>,
        /// Where they begin in the stream.
        offset: Offset,
    },
    /// Commands that are at no known place of a stream; the transaction that they may leave open goes on in the
    /// next ones.
    Commands {
        /// Where they lie in the buffer.
        bytes: Range<usize>,
        /// How many there are.
        count: u64,
    },
    /// What follows was written at this time, in seconds since 1970.
    Timestamp(i64),
    /// The writer ended here, and all is on disk.
    End(Offset),
    /// Nothing.
    Remark,
}

/// Why a file is not good any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A batch or a line of ours is not as it was written, or not all there.
    Seal(&'static str),
    /// What another program wrote is no command.
    Format(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Seal(reason) => f.write_str(reason),
            Fault::Format(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Fault {}

/// How a file ends that has no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was taken. Whether the writer said that it ended there.
    Whole {
        /// See [`Content::End`].
        has_ended: bool,
    },
    /// It ends within a batch, a line or a command.
    Cut,
    /// It ends within a transaction.
    WithinMulti,
}

impl Scanner {
    /// A reader that begins behind `position` bytes of something else: the snapshot of an old file.
    pub fn behind(position: u64) -> Scanner {
        Scanner { position, mode: Mode::Beginning }
    }

    /// Where in the file the next piece begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Up to where the file is good, as far as it was read: before a MULTI that is open.
    pub fn good_end(&self) -> u64 {
        match &self.mode {
            Mode::Plain(Plain { multi: Some(multi), .. }) => *multi,
            _ => self.position,
        }
    }

    /// Which place of the stream has been reached, if it is known.
    pub fn stream(&self) -> Option<(History, Offset)> {
        match &self.mode {
            Mode::Sealed(sealed) => Some((sealed.history, sealed.next)),
            _ => None,
        }
    }

    /// How many bytes the next piece takes, if its line is there and tells.
    pub fn needed(&self) -> Option<usize> {
        match &self.mode {
            Mode::Sealed(sealed) => sealed.awaited,
            _ => None,
        }
    }

    /// What a [`Search`] behind a fault looks for: proof that more than this was durable. `None` where nothing is
    /// sealed: there a fault is damage, whatever follows.
    pub fn proven(&self) -> Option<Offset> {
        match &self.mode {
            Mode::Beginning => Some(Offset(0)),
            Mode::Sealed(sealed) => Some(sealed.next),
            Mode::Plain(plain) => plain.sealed,
        }
    }

    /// How the file ends if there are no more bytes than `rest`, which were not consumed.
    pub fn ending(&self, rest: &[u8]) -> Ending {
        match &self.mode {
            Mode::Plain(Plain { multi: Some(_), .. }) => Ending::WithinMulti,
            _ if !rest.is_empty() => Ending::Cut,
            Mode::Sealed(sealed) => Ending::Whole { has_ended: sealed.has_ended },
            _ => Ending::Whole { has_ended: false },
        }
    }

    /// The next piece of `buffer`, which begins where the last one ended; `None` if more bytes are needed. So many
    /// bytes of the file remain, those in the buffer included: what is announced beyond is never waited for.
    pub fn step(&mut self, buffer: &[u8], remaining: u64) -> Result<Option<Piece>, Fault> {
        let Some(first) = buffer.first() else { return Ok(None) };
        let is_within = matches!(&self.mode, Mode::Plain(plain) if plain.is_within);
        let piece = if *first == b'#' && !is_within {
            self.line(buffer, remaining)?
        } else {
            self.commands_of_others(buffer)?
        };
        if let Some(piece) = &piece {
            self.position += piece.consumed as u64;
        }
        Ok(piece)
    }

    fn line(&mut self, buffer: &[u8], remaining: u64) -> Result<Option<Piece>, Fault> {
        let Some(end) = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
            return if buffer.len() < MAX_LINE { Ok(None) } else { Err(self.fault("a line without an end")) };
        };
        let line = buffer[..end].strip_suffix(b"\r");
        let annotation = match line.map(Annotation::parse) {
            Some(Ok(annotation)) => annotation,
            None if !Annotation::is_ours(buffer) => Annotation::Other,
            _ => return Err(Fault::Seal("a damaged annotation")),
        };
        let consumed = end + 1;
        match annotation {
            Annotation::At(at) => self.at(at, consumed, buffer),
            Annotation::Sum(sum) => self.sum(sum, consumed, (buffer, remaining)),
            Annotation::End(offset) => self.end(offset, consumed).map(Some),
            Annotation::Timestamp(seconds) => {
                if matches!(self.mode, Mode::Beginning) {
                    self.leave_seals();
                }
                Ok(Some(Piece { consumed, content: Content::Timestamp(seconds) }))
            }
            Annotation::Other if matches!(self.mode, Mode::Sealed(_)) => {
                Err(Fault::Seal("neither a seal nor a command"))
            }
            Annotation::Other => {
                self.leave_seals();
                Ok(Some(Piece { consumed, content: Content::Remark }))
            }
        }
    }

    fn at(&mut self, at: At, line: usize, buffer: &[u8]) -> Result<Option<Piece>, Fault> {
        if matches!(&self.mode, Mode::Plain(Plain { multi: Some(_), .. })) {
            return Err(Fault::Seal("a place in the stream within a transaction"));
        }
        let select = at.select();
        let rest = &buffer[line..];
        let common = rest.len().min(select.len());
        if rest[..common] != select[..common] {
            return Err(Fault::Seal("another SELECT behind it than it says"));
        }
        if common < select.len() {
            return Ok(None);
        }
        self.mode =
            Mode::Sealed(Sealed { history: at.history, next: at.offset, has_ended: false, awaited: None });
        Ok(Some(Piece { consumed: line + select.len(), content: Content::At(at) }))
    }

    fn sum(
        &mut self,
        sum: Sum,
        line: usize,
        (buffer, remaining): (&[u8], u64),
    ) -> Result<Option<Piece>, Fault> {
        let Mode::Sealed(sealed) = &mut self.mode else {
            return Err(Fault::Seal("a batch at no known place"));
        };
        if sum.offset != sealed.next {
            return Err(Fault::Seal("a batch of another place"));
        }
        if sum.length > remaining.saturating_sub(line as u64) {
            return Err(Fault::Seal("a batch that is not all there"));
        }
        let length = usize::try_from(sum.length).map_err(|_| Fault::Seal("a batch beyond memory"))?;
        let Some(batch) = buffer.get(line..line + length) else {
            sealed.awaited = Some(line + length);
            return Ok(None);
        };
        sealed.awaited = None;
        if !sum.is_of(batch) {
            return Err(Fault::Seal("a batch whose checksum is wrong"));
        }
        sealed.next = sum.offset.advanced(length);
        sealed.has_ended = false;
        let content = Content::Batch { bytes: line..line + length, offset: sum.offset };
        Ok(Some(Piece { consumed: line + length, content }))
    }

    fn end(&mut self, offset: Offset, consumed: usize) -> Result<Piece, Fault> {
        match &mut self.mode {
            Mode::Sealed(sealed) if sealed.next == offset => sealed.has_ended = true,
            _ => return Err(Fault::Seal("an end of another place")),
        }
        Ok(Piece { consumed, content: Content::End(offset) })
    }

    /// What follows was appended by another program.
    fn leave_seals(&mut self) -> &mut Plain {
        let sealed = match &self.mode {
            Mode::Sealed(sealed) => Some(sealed.next),
            _ => None,
        };
        if !matches!(self.mode, Mode::Plain(_)) {
            self.mode = Mode::Plain(Plain { sealed, ..Plain::default() });
        }
        let Mode::Plain(plain) = &mut self.mode else { unreachable!("just made so") };
        plain
    }

    /// Commands behind seals are another program's when the first of them is whole.
    fn commands_of_others(&mut self, buffer: &[u8]) -> Result<Option<Piece>, Fault> {
        let result = self.commands(buffer);
        match &self.mode {
            Mode::Plain(Plain { sealed: Some(_), .. }) => {
                result.map_err(|_| Fault::Seal("neither a seal nor a command"))
            }
            _ => result,
        }
    }

    /// A run of whole commands, up to the next line or the end of the buffer.
    fn commands(&mut self, buffer: &[u8]) -> Result<Option<Piece>, Fault> {
        let position = self.position;
        if matches!(self.mode, Mode::Sealed(_)) && buffer[0] != b'*' {
            return Err(Fault::Seal("neither a seal nor a command"));
        }
        let plain = self.leave_seals();
        let (mut end, mut count) = (0, 0);
        while end < buffer.len().min(RUN_LEN) && (plain.is_within || buffer[end] == b'*') {
            plain.is_within = true;
            match plain.decoder.decode(&buffer[end..], &LIMITS) {
                Ok(Progress::Incomplete) => break,
                Ok(Progress::Complete { consumed }) if consumed > b"*0\r\n".len() => {
                    plain.note_command(position + end as u64, &buffer[end..]);
                    end += consumed;
                    count += 1;
                }
                // What comes before is good.
                _ if end > 0 => {
                    plain.forget_request();
                    break;
                }
                Ok(_) => return Err(Fault::Format("a command without a name".to_owned())),
                Err(error) => return Err(Fault::Format(error.to_string())),
            }
        }
        match end {
            0 if plain.is_within => Ok(None),
            0 => Err(Fault::Format(format!("expected '*', got '{}'", buffer[0].escape_ascii()))),
            _ => Ok(Some(Piece { consumed: end, content: Content::Commands { bytes: 0..end, count } })),
        }
    }

    fn fault(&self, reason: &'static str) -> Fault {
        match &self.mode {
            Mode::Plain(_) => Fault::Format(reason.to_owned()),
            _ => Fault::Seal(reason),
        }
    }
}

impl Plain {
    /// A request at `position` of the file is whole.
    fn note_command(&mut self, position: u64, buffer: &[u8]) {
        self.is_within = false;
        self.sealed = None;
        let name = &self.decoder.args(buffer)[0];
        if name.eq_ignore_ascii_case(b"multi") {
            self.multi.get_or_insert(position);
        } else if name.eq_ignore_ascii_case(b"exec") {
            self.multi = None;
        }
    }

    fn forget_request(&mut self) {
        self.decoder.restart();
        self.is_within = false;
    }
}

/// How many whole commands `bytes` begin with; lines between them are passed over.
pub fn count_commands(mut bytes: &[u8]) -> u64 {
    let (mut decoder, mut count) = (RequestDecoder::default(), 0);
    loop {
        if bytes.first() == Some(&b'#') {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return count };
            bytes = &bytes[end + 1..];
        } else if bytes.first() != Some(&b'*') {
            return count;
        } else if let Ok(Progress::Complete { consumed }) = decoder.decode(bytes, &LIMITS) {
            count += 1;
            bytes = &bytes[consumed..];
        } else {
            return count;
        }
    }
}

#[cfg(test)]
mod tests;
