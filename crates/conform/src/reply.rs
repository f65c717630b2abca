//! Replies as they came, and how two of them are compared.
//!
//! Reads the bytes of one value of either protocol from a stream and keeps them; looks into them only as far as a
//! comparison asks for. Owns its own reading: a check of the product does not lean on the product's decoder.

use std::io::{self, BufRead};

/// How two replies are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Byte by byte.
    Bytes,
    /// The members of aggregates in any order.
    AnyOrder,
    /// The type of the whole reply alone, of an error its first word.
    Type,
}

/// One value: its first line without the end, its text if it has one, its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The bytes up to the first line's end.
    pub head: Vec<u8>,
    /// A bulk string's bytes.
    pub text: Vec<u8>,
    /// The members; of a map, keys and values in turn.
    pub members: Vec<Reply>,
}

impl Reply {
    /// Reads one value.
    pub fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut head = Vec::new();
        input.read_until(b'\n', &mut head)?;
        if head.pop() != Some(b'\n') || head.pop() != Some(b'\r') || head.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed, or not a reply"));
        }
        let mut reply = Reply { head, text: Vec::new(), members: Vec::new() };
        let count = reply.count();
        match reply.head[0] {
            b'$' | b'=' | b'!' if count >= 0 => {
                let length = usize::try_from(count).map_err(io::Error::other)?;
                reply.text = vec![0; length + 2];
                input.read_exact(&mut reply.text)?;
                reply.text.truncate(length);
            }
            b'*' | b'~' | b'>' => {
                reply.members = (0..count).map(|_| Self::read(input)).collect::<Result<_, _>>()?
            }
            b'%' | b'|' => {
                reply.members = (0..count * 2).map(|_| Self::read(input)).collect::<Result<_, _>>()?
            }
            _ => {}
        }
        Ok(reply)
    }

    /// Whether it answers nothing.
    pub fn is_push(&self) -> bool {
        self.head[0] == b'>'
    }

    /// The bytes of a string, and of anything else its first line without the marker.
    pub fn bytes(&self) -> &[u8] {
        if matches!(self.head[0], b'$' | b'=' | b'!') { &self.text } else { &self.head[1..] }
    }

    fn count(&self) -> i64 {
        std::str::from_utf8(&self.head[1..]).ok().and_then(|text| text.parse().ok()).unwrap_or(-1)
    }

    /// The bytes as they came, or in an order that depends on nothing.
    fn write(&self, order: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\r\n");
        if matches!(self.head[0], b'$' | b'=' | b'!') && self.count() >= 0 {
            out.extend_from_slice(&self.text);
            out.extend_from_slice(b"\r\n");
        }
        let step = if order && self.head[0] == b'%' { 2 } else { 1 };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for members in self.members.chunks(step) {
            let mut part = Vec::new();
            members.iter().for_each(|member| member.write(order, &mut part));
            parts.push(part);
        }
        if order {
            parts.sort();
        }
        out.extend(parts.concat());
    }
}

/// What is compared of these replies, as bytes to look at.
pub fn comparable(replies: &[Reply], comparison: Comparison) -> Vec<u8> {
    let mut bytes = Vec::new();
    for reply in replies {
        match comparison {
            Comparison::Bytes => reply.write(false, &mut bytes),
            Comparison::AnyOrder => reply.write(true, &mut bytes),
            Comparison::Type => {
                let end = if reply.head[0] == b'-' {
                    reply.head.iter().position(|byte| *byte == b' ')
                } else {
                    Some(1)
                };
                bytes.extend_from_slice(&reply.head[..end.unwrap_or(reply.head.len())]);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, comparison: Comparison, expected: &str) {
        let reply = Reply::read(&mut bytes.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(comparable(&[reply], comparison)).unwrap(), expected);
    }

    #[test]
    fn a_reply_is_kept_as_it_came() {
        for bytes in
            ["+OK\r\n", "$-1\r\n", "$3\r\na\r\n\r\n", "*2\r\n:1\r\n*-1\r\n", "%1\r\n+a\r\n,1.5\r\n", "_\r\n"]
        {
            check(bytes, Comparison::Bytes, bytes);
        }
    }

    #[test]
    fn order_may_mean_nothing() {
        check("*2\r\n+b\r\n+a\r\n", Comparison::AnyOrder, "*2\r\n+a\r\n+b\r\n");
        check("%2\r\n+b\r\n:1\r\n+a\r\n:2\r\n", Comparison::AnyOrder, "%2\r\n+a\r\n:2\r\n+b\r\n:1\r\n");
    }

    #[test]
    fn of_a_type_remains_the_marker_and_of_an_error_its_word() {
        check("$3\r\nabc\r\n", Comparison::Type, "$");
        check("-ERR no\r\n", Comparison::Type, "-ERR");
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        for bytes in ["", "+OK", "$3\r\na", "*2\r\n:1\r\n"] {
            assert!(Reply::read(&mut bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
