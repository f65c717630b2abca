//! Requests: bytes of a client to borrowed arguments.
//!
//! ```text
//! *2\r\n $3\r\nGET\r\n $1\r\nk\r\n      multibulk: a count, then length-prefixed arguments
//! GET "a key"\r\n                       inline: one line, split as a shell would
//! ```
//! [`RequestDecoder`] remembers where in the buffer it stopped, so bytes are
//! looked at once however they arrive. It never allocates what a peer
//! announced: arguments are spans of the buffer that the caller filled.

mod ahead;

use std::fmt;

pub use self::ahead::DecodedRequests;

/// What a peer may make us hold before it is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest bulk argument in bytes (`proto-max-bulk-len`).
    pub max_bulk: usize,
    /// Most arguments of one request.
    pub max_args: usize,
    /// Whether the peer has logged in: before that both limits are far tighter.
    pub authenticated: bool,
}

/// Redis counts arguments in an `int`. Nothing is reserved for those announced.
const MAX_ARGS: usize = 0x7fff_ffff;
const MAX_INLINE: usize = 64 * 1024;
const LINE_END: &[u8; 2] = b"\r\n";
const MAX_ARGS_BEFORE_AUTH: usize = 10;
const MAX_BULK_BEFORE_AUTH: usize = 16 * 1024;
/// Room for so many arguments stays when a request is over: 16 KiB.
const SPANS_KEPT: usize = 1024;

impl Default for Limits {
    fn default() -> Self {
        Limits { max_bulk: 512 * 1024 * 1024, max_args: MAX_ARGS, authenticated: true }
    }
}

/// A violation of the protocol. The text is what Redis answers; the connection is then closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A line without an end, longer than an inline request may be.
    TooBigInline,
    /// An inline request whose quotes do not close.
    UnbalancedQuotes,
    /// No end of line within the digits of an argument count.
    TooBigCountString,
    /// An argument count that is not a number or beyond the limit.
    InvalidCount,
    /// More arguments than a peer may send before it has logged in.
    UnauthenticatedCount,
    /// No end of line within the digits of an argument's length.
    TooBigLengthString,
    /// Something else where the `$` of an argument belongs.
    ExpectedDollar(u8),
    /// An argument's length that is not a number or beyond the limit.
    InvalidLength,
    /// A longer argument than a peer may send before it has logged in.
    UnauthenticatedLength,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::TooBigInline => f.write_str("Protocol error: too big inline request"),
            ProtocolError::UnbalancedQuotes => f.write_str("Protocol error: unbalanced quotes in request"),
            ProtocolError::TooBigCountString => f.write_str("Protocol error: too big mbulk count string"),
            ProtocolError::InvalidCount => f.write_str("Protocol error: invalid multibulk length"),
            ProtocolError::UnauthenticatedCount => {
                f.write_str("Protocol error: unauthenticated multibulk length")
            }
            ProtocolError::TooBigLengthString => f.write_str("Protocol error: too big bulk count string"),
            ProtocolError::ExpectedDollar(got) => {
                write!(f, "Protocol error: expected '$', got '{}'", char::from(*got))
            }
            ProtocolError::InvalidLength => f.write_str("Protocol error: invalid bulk length"),
            ProtocolError::UnauthenticatedLength => {
                f.write_str("Protocol error: unauthenticated bulk length")
            }
        }
    }
}

impl std::error::Error for ProtocolError {}

/// How far one call of [`RequestDecoder::decode`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The buffer ends within a request: call again with more behind it.
    Incomplete,
    /// A whole request lies in the buffer's first `consumed` bytes. It may have
    /// no arguments (`*0`, an empty line): then there is nothing to do or answer.
    Complete {
        /// Bytes of the request.
        consumed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

/// The arguments of one request, borrowed.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    /// Whether `bytes` begins with the multibulk request whose arguments these are, all of them.
    is_whole: bool,
}

impl<'a> Args<'a> {
    /// Number of arguments, the command's name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, if there are that many.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| &self.bytes[span.start..span.end])
    }

    /// All from `index` on.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(index..).unwrap_or(&[]), is_whole: false }
    }

    /// The request as it came, if that is byte for byte what [`encode_request`] makes of the arguments.
    pub fn encoded(&self) -> Option<&'a [u8]> {
        let spans = self.spans;
        let ([first, ..], [.., last], true) = (spans, spans, self.is_whole) else { return None };
        // Numbers have one form only. Of line ends the decoder looks at the first byte in headers, at none
        // behind arguments.
        let dollar = self.bytes[..first.start].iter().rposition(|byte| *byte == b'$')?;
        let is_canonical = self.bytes[dollar - 1] == b'\n'
            && spans.iter().all(|span| {
                self.bytes[span.start - 1] == b'\n' && self.bytes[span.end..span.end + 2] == *LINE_END
            });
        is_canonical.then(|| &self.bytes[..last.end + LINE_END.len()])
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| &bytes[span.start..span.end])
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        let span = self.spans[index];
        &self.bytes[span.start..span.end]
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

/// A request that outlives the buffer it came in (queued by MULTI, postponed).
#[derive(Clone, Debug, Default)]
pub struct OwnedRequest {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedRequest {
    /// Copies the arguments into one own buffer.
    pub fn new(args: Args<'_>) -> Self {
        let mut bytes = Vec::with_capacity(args.iter().map(<[u8]>::len).sum());
        let spans = args
            .iter()
            .map(|arg| {
                let start = bytes.len();
                bytes.extend_from_slice(arg);
                Span { start, end: bytes.len() }
            })
            .collect();
        OwnedRequest { bytes: bytes.into_boxed_slice(), spans }
    }

    /// A request from parts, for callers that make one themselves.
    pub fn from_parts<T: AsRef<[u8]>>(parts: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len()).sum());
        let spans = parts
            .iter()
            .map(|part| {
                let start = bytes.len();
                bytes.extend_from_slice(part.as_ref());
                Span { start, end: bytes.len() }
            })
            .collect();
        OwnedRequest { bytes: bytes.into_boxed_slice(), spans }
    }

    /// Its arguments.
    pub fn args(&self) -> Args<'_> {
        Args { bytes: &self.bytes, spans: &self.spans, is_whole: false }
    }

    /// Bytes that it holds.
    pub fn memory(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<Span>()
    }
}

/// What a buffer of requests keeps at most for the next one, in bytes and in arguments.
const KEPT: (usize, usize) = (64 * 1024, 1024);

/// A request that is put together word by word, one after the other in the same memory.
#[derive(Debug, Default)]
pub struct RequestBuffer {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl RequestBuffer {
    /// Begins another request.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT.0);
        self.spans.clear();
        self.spans.shrink_to(KEPT.1);
    }

    /// Adds an argument.
    pub fn push(&mut self, word: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(word);
        self.spans.push(Span { start, end: self.bytes.len() });
    }

    /// Its arguments.
    pub fn args(&self) -> Args<'_> {
        Args { bytes: &self.bytes, spans: &self.spans, is_whole: false }
    }
}

/// Decodes one request after the other out of a growing buffer.
///
/// ```
/// # use slipstream_resp::{Limits, Progress, RequestDecoder};
/// let mut decoder = RequestDecoder::default();
/// let buffer = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
/// assert_eq!(decoder.decode(&buffer[..9], &Limits::default()), Ok(Progress::Incomplete));
/// assert_eq!(decoder.decode(buffer, &Limits::default()), Ok(Progress::Complete { consumed: 20 }));
/// assert_eq!(&decoder.args(buffer)[1], b"k");
/// ```
#[derive(Debug, Default)]
pub struct RequestDecoder {
    /// First byte not yet looked at, from the start of the current request.
    position: usize,
    phase: Phase,
    spans: Vec<Span>,
    /// The unquoted words of an inline request, which need not stand in the buffer as they are.
    inline: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Start,
    Lengths {
        missing: usize,
    },
    Argument {
        missing: usize,
        length: usize,
    },
    Inline,
}

impl RequestDecoder {
    /// Goes on in `buffer`, which starts at the same byte as at the last call
    /// until a request was complete, and then right behind that request.
    pub fn decode(&mut self, buffer: &[u8], limits: &Limits) -> Result<Progress, ProtocolError> {
        let (missing, length) = match self.phase {
            Phase::Start => {
                self.spans.clear();
                if self.spans.capacity() > SPANS_KEPT {
                    self.spans = Vec::new();
                }
                self.position = 0;
                match buffer.first() {
                    None => return Ok(Progress::Incomplete),
                    Some(b'*') => match self.count(buffer, limits)? {
                        None => return Ok(Progress::Incomplete),
                        Some(0) => return Ok(self.complete()),
                        Some(missing) => (missing, None),
                    },
                    Some(_) => {
                        self.phase = Phase::Inline;
                        return self.inline(buffer);
                    }
                }
            }
            Phase::Lengths { missing } => (missing, None),
            Phase::Argument { missing, length } => (missing, Some(length)),
            Phase::Inline => return self.inline(buffer),
        };
        self.arguments(buffer, limits, (missing, length))
    }

    /// Reads so many arguments more, the first of this length if that is known. Where it stands is stored when it
    /// returns, and not at each step.
    #[inline]
    fn arguments(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        (mut missing, mut known): (usize, Option<usize>),
    ) -> Result<Progress, ProtocolError> {
        loop {
            let length = match known.take() {
                Some(length) => length,
                None => match self.length(buffer, limits)? {
                    Some(length) => length,
                    None => {
                        self.phase = Phase::Lengths { missing };
                        return Ok(Progress::Incomplete);
                    }
                },
            };
            // The two bytes behind an argument are skipped unread, as Redis does.
            if buffer.len() - self.position < length + 2 {
                self.phase = Phase::Argument { missing, length };
                return Ok(Progress::Incomplete);
            }
            self.spans.push(Span { start: self.position, end: self.position + length });
            self.position += length + 2;
            missing -= 1;
            if missing == 0 {
                return Ok(self.complete());
            }
        }
    }

    /// The arguments of the request that [`decode`](Self::decode) just completed in `buffer`.
    pub fn args<'a>(&'a self, buffer: &'a [u8]) -> Args<'a> {
        let bytes = if self.inline.is_empty() { buffer } else { &self.inline };
        Args { bytes, spans: &self.spans, is_whole: self.inline.is_empty() }
    }

    /// Forgets an unfinished request: the next call of [`decode`](Self::decode) begins with another one.
    pub fn restart(&mut self) {
        self.phase = Phase::Start;
    }

    /// Bytes still missing of the argument being received, if it is known: what to reserve.
    pub fn missing_bytes(&self, buffered: usize) -> Option<usize> {
        match self.phase {
            Phase::Argument { length, .. } => Some((self.position + length + 2).saturating_sub(buffered)),
            _ => None,
        }
    }

    fn complete(&mut self) -> Progress {
        self.phase = Phase::Start;
        self.inline.clear();
        Progress::Complete { consumed: self.position }
    }

    fn count(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let wrong = (ProtocolError::TooBigCountString, ProtocolError::InvalidCount);
        let Some((number, end)) = header(buffer, 0, wrong)? else { return Ok(None) };
        // Fewer than none are none.
        let count = usize::try_from(number).unwrap_or(0);
        if count > limits.max_args {
            return Err(ProtocolError::InvalidCount);
        }
        if !limits.authenticated && count > MAX_ARGS_BEFORE_AUTH {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        self.position = end;
        Ok(Some(count))
    }

    fn length(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        match buffer.get(self.position) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => return Err(ProtocolError::ExpectedDollar(*other)),
        }
        let wrong = (ProtocolError::TooBigLengthString, ProtocolError::InvalidLength);
        let Some((number, end)) = header(buffer, self.position, wrong)? else { return Ok(None) };
        let length = usize::try_from(number).ok().filter(|length| *length <= limits.max_bulk);
        let length = length.ok_or(ProtocolError::InvalidLength)?;
        if !limits.authenticated && length > MAX_BULK_BEFORE_AUTH {
            return Err(ProtocolError::UnauthenticatedLength);
        }
        self.position = end;
        Ok(Some(length))
    }

    fn inline(&mut self, buffer: &[u8]) -> Result<Progress, ProtocolError> {
        let Some(offset) = buffer[self.position..].iter().position(|b| *b == b'\n') else {
            self.position = buffer.len();
            return match buffer.len() > MAX_INLINE {
                true => Err(ProtocolError::TooBigInline),
                false => Ok(Progress::Incomplete),
            };
        };
        let end = self.position + offset;
        let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
        let words = split_line(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        self.position = end + 1;
        let progress = self.complete();
        // Spans of an empty text must not fall back to the buffer: one byte marks "inline".
        self.inline.push(b' ');
        for word in words {
            let start = self.inline.len();
            self.inline.extend_from_slice(&word);
            self.spans.push(Span { start, end: self.inline.len() });
        }
        Ok(progress)
    }
}

/// Longest text between a marker and its end of line.
const MAX_HEADER: usize = 64 * 1024;

/// The number behind the marker at `start` and the position behind its line, once the line is whole. `wrong` says
/// what is wrong with one that is too long, and with one that holds no number.
#[inline]
fn header(
    buffer: &[u8],
    start: usize,
    wrong: (ProtocolError, ProtocolError),
) -> Result<Option<(i64, usize)>, ProtocolError> {
    // Almost every header is one or two digits.
    match buffer[start + 1..] {
        [ones @ b'0'..=b'9', b'\r', _, ..] => Ok(Some((i64::from(ones - b'0'), start + 4))),
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] => {
            Ok(Some((i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), start + 5)))
        }
        _ => long_header(buffer, start, wrong),
    }
}

/// The same of a header that is not one or two digits, or not whole.
#[inline(never)]
fn long_header(
    buffer: &[u8],
    start: usize,
    (too_long, no_number): (ProtocolError, ProtocolError),
) -> Result<Option<(i64, usize)>, ProtocolError> {
    let line = &buffer[start + 1..];
    // Most others are three digits or little more: read them without a search.
    let mut number = 0i64;
    for (index, &byte) in line.iter().take(8).enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
            b'\r' if index > 0 && (line[0] != b'0' || index == 1) => {
                // The line feed is part of the header: wait for it.
                let whole = line.len() > index + 1;
                return Ok(whole.then_some((number, start + 1 + index + 2)));
            }
            _ => break,
        }
    }
    let Some(end) = line.iter().position(|b| *b == b'\r') else {
        return if line.len() > MAX_HEADER { Err(too_long) } else { Ok(None) };
    };
    if line.len() <= end + 1 {
        return Ok(None);
    }
    let number = crate::number::parse_i64(&line[..end]).ok_or(no_number)?;
    Ok(Some((number, start + 1 + end + 2)))
}

/// Splits a line into words as Redis does: spaces between, `"…"` with escapes
/// (`\n \r \t \b \a \xHH`), `'…'` literal but for `\'`. `None` when a quote does
/// not close or is followed by something other than a space.
pub fn split_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && first.is_ascii_whitespace()
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, tail) = split_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

fn split_word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        rest = match rest {
            [] => return Some((word, rest)),
            [b'"', tail @ ..] => return close(word, double_quoted(tail)?),
            [b'\'', tail @ ..] => return close(word, single_quoted(tail)?),
            [byte, tail @ ..] if byte.is_ascii_whitespace() || *byte == 0 => return Some((word, tail)),
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// A closing quote ends the word: only a space or the end may follow.
fn close(mut word: Vec<u8>, (text, rest): (Vec<u8>, &[u8])) -> Option<(Vec<u8>, &[u8])> {
    word.extend_from_slice(&text);
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some((word, rest))
}

fn double_quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        rest = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some((text, tail)),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                text.push(hex(*high) * 16 + hex(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                text.push(unescape(*escaped));
                tail
            }
            [byte, tail @ ..] => {
                text.push(*byte);
                tail
            }
        };
    }
}

fn single_quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some((text, tail)),
            [b'\\', b'\'', tail @ ..] => {
                text.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                text.push(*byte);
                tail
            }
        };
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// Appends `args` as one multibulk request: the form of the replication stream.
pub fn encode_request<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(args.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for arg in args {
        out.push(b'$');
        out.extend_from_slice(digits.format(arg.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
