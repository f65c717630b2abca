//! Replies: what a command says, written in the protocol its client speaks.
//!
//! A [`Reply`] is a client's output buffer. Each method writes one value; an
//! aggregate's header is followed by its members. RESP2 has fewer types: there
//! maps become flat arrays, sets arrays, doubles and big numbers bulk strings,
//! booleans integers, pushes arrays, and both kinds of null are told apart.
//! Members of an aggregate whose length is not known beforehand are written
//! first and the header put before them ([`Reply::deferred`]).

use std::ops::Range;

use crate::number;

/// The protocol version a client asked for with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, what every connection starts with.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// Which aggregate a deferred header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// An array.
    Array,
    /// A set: an array in RESP2.
    Set,
    /// A map of as many pairs: a flat array in RESP2.
    Map,
}

/// A client's output: encoded replies not yet sent.
#[derive(Debug, Default)]
pub struct Reply {
    bytes: Vec<u8>,
    /// How many of them, from the front, are sent and only wait to be dropped.
    sent: usize,
    /// How many were dropped before: all that was ever written is numbered.
    dropped: u64,
    protocol: Protocol,
}

impl Reply {
    /// An empty buffer for a client of `protocol`.
    pub const fn new(protocol: Protocol) -> Self {
        Reply { bytes: Vec::new(), sent: 0, dropped: 0, protocol }
    }

    /// An empty buffer that grows beyond `bytes` only.
    pub fn with_capacity(protocol: Protocol, bytes: usize) -> Self {
        Reply { bytes: Vec::with_capacity(bytes), ..Reply::new(protocol) }
    }

    /// The protocol in force.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Switches what follows to `protocol`.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Whether the client speaks RESP3.
    pub fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    /// The bytes written so far and not removed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The same, for good.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.sent);
        self.bytes
    }

    /// Number of those bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// The place of the first byte not sent, among all that were ever written.
    pub fn front(&self) -> u64 {
        self.dropped + self.sent as u64
    }

    /// The place of the next byte to be written.
    pub fn position(&self) -> u64 {
        self.dropped + self.bytes.len() as u64
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Drops what was written behind `length`: a suppressed reply.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(self.sent + length);
    }

    /// Forgets the first `count` bytes: they are sent.
    pub fn consume(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.clear();
        } else if self.sent >= 1 << 20 && self.sent * 2 >= self.bytes.len() {
            // Moving what is left at most doubles the work of having written it.
            self.bytes.drain(..self.sent);
            self.dropped += self.sent as u64;
            self.sent = 0;
        }
    }

    /// Forgets everything but keeps a modest allocation for the next replies.
    pub fn clear(&mut self) {
        const KEEP: usize = 64 * 1024;
        self.dropped += self.bytes.len() as u64;
        self.sent = 0;
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Puts an error in the place of replies that are not sent yet. The places ascend; what lies behind one
    /// moves.
    pub fn replace_with_error(&mut self, places: &[Range<u64>], text: &str) {
        let Some(first) = places.first() else { return };
        let mut error = Reply::default();
        error.error(text);
        let index = |place: u64, from: u64| usize::try_from(place - from).expect("it is in memory");
        let tail = self.bytes.split_off(index(first.start, self.dropped));
        let mut copied = 0;
        for place in places {
            self.bytes.extend_from_slice(&tail[copied..index(place.start, first.start)]);
            self.bytes.extend_from_slice(&error.bytes);
            copied = index(place.end, first.start);
        }
        self.bytes.extend_from_slice(&tail[copied..]);
    }

    /// Appends bytes that are already encoded.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }

    /// `+text`; `text` holds no line break.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `-text`; line breaks become spaces, since they would end the reply.
    pub fn error(&mut self, text: &str) {
        self.bytes.push(b'-');
        self.bytes.extend(text.bytes().map(|b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// `:value`
    pub fn integer(&mut self, value: i64) {
        match value {
            0 => self.bytes.extend_from_slice(b":0\r\n"),
            1 => self.bytes.extend_from_slice(b":1\r\n"),
            _ => self.line(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// `:value` for a count.
    pub fn count(&mut self, value: usize) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A bulk string of an integer's digits.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A bulk string, or null for `None`.
    pub fn optional_bulk(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// A missing value: `$-1` in RESP2.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// A missing aggregate: `*-1` in RESP2.
    pub fn null_array(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// Announces an array of `members` values.
    pub fn array(&mut self, members: usize) {
        self.header(b'*', members);
    }

    /// Announces a set of `members` values.
    pub fn set(&mut self, members: usize) {
        self.header(if self.is_resp3() { b'~' } else { b'*' }, members);
    }

    /// Announces a map of `pairs` keys and values.
    pub fn map(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.header(b'%', pairs);
        } else {
            self.header(b'*', pairs * 2);
        }
    }

    /// Announces an out-of-band push of `members` values.
    pub fn push(&mut self, members: usize) {
        self.header(if self.is_resp3() { b'>' } else { b'*' }, members);
    }

    /// Announces attributes of the next value, which only RESP3 has.
    pub fn attribute(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.header(b'|', pairs);
        }
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        if self.is_resp3() {
            self.bytes.push(b',');
            number::write_f64(&mut self.bytes, value);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.bulk(&number::format_f64(value));
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        match (self.is_resp3(), value) {
            (true, true) => self.bytes.extend_from_slice(b"#t\r\n"),
            (true, false) => self.bytes.extend_from_slice(b"#f\r\n"),
            (false, _) => self.integer(i64::from(value)),
        }
    }

    /// An integer of any size, given by its digits.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            self.line(b'(', digits.as_bytes());
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text for people: `format` is `txt` or `mkd`.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if self.is_resp3() {
            self.header(b'=', text.len() + 4);
            self.bytes.extend_from_slice(format.as_bytes());
            self.bytes.push(b':');
            self.bytes.extend_from_slice(text);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Writes members first and their header before them: `write` returns how
    /// many members (pairs, for a map) it wrote.
    pub fn deferred<E>(
        &mut self,
        aggregate: Aggregate,
        write: impl FnOnce(&mut Reply) -> Result<usize, E>,
    ) -> Result<(), E> {
        let place = self.position();
        let count = write(self)?;
        self.announce_at(place, aggregate, count);
        Ok(())
    }

    /// Puts the header of an aggregate at `place`: what was written since are its members.
    pub fn announce_at(&mut self, place: u64, aggregate: Aggregate, count: usize) {
        let end = self.bytes.len();
        match aggregate {
            Aggregate::Array => self.array(count),
            Aggregate::Set => self.set(count),
            Aggregate::Map => self.map(count),
        }
        let header = self.bytes.len() - end;
        let start = usize::try_from(place - self.dropped).expect("what was written since is in memory");
        self.bytes[start..].rotate_right(header);
    }

    fn line(&mut self, marker: u8, text: &[u8]) {
        self.bytes.push(marker);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn header(&mut self, marker: u8, count: usize) {
        if let Ok(digit) = u8::try_from(count)
            && digit < 10
        {
            self.bytes.extend_from_slice(&[marker, b'0' + digit, b'\r', b'\n']);
        } else {
            self.line(marker, itoa::Buffer::new().format(count).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
        for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let mut reply = Reply::new(protocol);
            write(&mut reply);
            assert_eq!(String::from_utf8_lossy(reply.as_bytes()), expected, "{protocol:?}");
        }
    }

    #[test]
    fn scalars_in_both_protocols() {
        check(|r| r.integer(-42), ":-42\r\n", ":-42\r\n");
        check(|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
        check(Reply::null, "$-1\r\n", "_\r\n");
        check(Reply::null_array, "*-1\r\n", "_\r\n");
        check(|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        check(
            |r| r.big_number("12345678901234567890"),
            "$20\r\n12345678901234567890\r\n",
            "(12345678901234567890\r\n",
        );
        check(|r| r.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn aggregates_in_both_protocols() {
        check(|r| r.map(6), "*12\r\n", "%6\r\n");
        check(|r| r.set(2), "*2\r\n", "~2\r\n");
        check(|r| r.push(3), "*3\r\n", ">3\r\n");
        check(|r| r.attribute(1), "", "|1\r\n");
    }

    #[test]
    fn a_deferred_header_counts_what_was_written() {
        let write = |reply: &mut Reply| {
            let outcome: Result<(), ()> = reply.deferred(Aggregate::Map, |reply| {
                reply.bulk(b"k");
                reply.integer(1);
                Ok(1)
            });
            outcome.unwrap();
        };
        check(write, "*2\r\n$1\r\nk\r\n:1\r\n", "%1\r\n$1\r\nk\r\n:1\r\n");
    }

    #[test]
    fn an_error_takes_the_place_of_replies_that_are_not_sent() {
        let mut reply = Reply::default();
        (0..5).for_each(|number| reply.integer(number));
        reply.consume(4);
        assert_eq!((reply.front(), reply.position()), (4, 20));
        reply.replace_with_error(&[8..12, 16..20], "LATE");
        assert_eq!(reply.as_bytes(), b":1\r\n-LATE\r\n:3\r\n-LATE\r\n");
        reply.consume(reply.len());
        assert_eq!((reply.front(), reply.position()), (26, 26), "places go on where they were");
        reply.ok();
        assert_eq!((reply.front(), reply.position()), (26, 31));
    }

    #[test]
    fn an_error_stays_on_one_line() {
        check(|r| r.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
    }
}
