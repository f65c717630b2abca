//! Replies to what the link asks before PSYNC: single lines, and texts of an announced length.
//!
//! ```text
//! $<length>            then so many bytes, and the end of a line
//! anything else        a line; `*<number>`, the head of an array, is one, and its members come on their own
//! ```
//!
//! A primary decides how long its texts are, so that there is a limit; memory is taken as they come.

use super::action::Violation;
use super::lines::LineReader;

/// Replies as they come in.
#[derive(Debug)]
pub(super) struct ReplyReader {
    line: LineReader,
    /// The text, and how long it will be with its end.
    text: Option<(Vec<u8>, usize)>,
    /// The longest text, in bytes.
    limit: usize,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Line(String),
    Text(Vec<u8>),
}

impl ReplyReader {
    /// A reader that refuses texts of more than `limit` bytes.
    pub(super) fn new(limit: usize) -> ReplyReader {
        ReplyReader { line: LineReader::default(), text: None, limit }
    }

    /// Takes input up to the end of one reply. Gives the reply, once it is complete, and the rest. Empty lines, a
    /// sign of life, are none.
    pub(super) fn push<'a>(&mut self, mut input: &'a [u8]) -> Result<(Option<Reply>, &'a [u8]), Violation> {
        loop {
            if let Some((text, length)) = &mut self.text {
                let (part, rest) = input.split_at((*length - text.len()).min(input.len()));
                text.extend_from_slice(part);
                let end = length.checked_sub(2).filter(|_| text.len() == *length);
                let reply = end.map(|end| {
                    let mut text = std::mem::take(text);
                    text.truncate(end);
                    Reply::Text(text)
                });
                if reply.is_some() {
                    self.text = None;
                }
                return Ok((reply, rest));
            }
            let (line, rest) = self.line.push(input)?;
            input = rest;
            match line {
                None => return Ok((None, rest)),
                Some(line) if line.is_empty() => {}
                Some(line) => match line.strip_prefix('$').map(str::parse::<usize>) {
                    Some(Ok(length)) if length <= self.limit => self.text = Some((Vec::new(), length + 2)),
                    Some(Ok(_)) => return Err(Violation::ReplyTooLong),
                    _ => return Ok((Some(Reply::Line(line)), rest)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_at_every_split() {
        let bytes = b"\n$5\r\nab\r\nc\r\n$-1\r\n*2\r\n$0\r\n\r\n-ERR no\r\n";
        let line = |text: &str| Reply::Line(text.to_owned());
        let expected = [
            Reply::Text(b"ab\r\nc".to_vec()),
            line("$-1"),
            line("*2"),
            Reply::Text(Vec::new()),
            line("-ERR no"),
        ];
        for at in 0..=bytes.len() {
            let (mut reader, mut found) = (ReplyReader::new(5), Vec::new());
            for mut input in [&bytes[..at], &bytes[at..]] {
                while !input.is_empty() {
                    let (reply, rest) = reader.push(input).unwrap();
                    found.extend(reply);
                    input = rest;
                }
            }
            assert_eq!(found, expected, "split at {at}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_by_its_head() {
        assert_eq!(ReplyReader::new(5).push(b"$6\r\n"), Err(Violation::ReplyTooLong));
    }
}
