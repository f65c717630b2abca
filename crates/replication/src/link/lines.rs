//! Lines out of pieces of input.
//!
//! In the handshake a primary answers with single lines, and a bare newline is a sign of life. A line has a
//! limit: nothing that a peer says there is long.

use super::action::Violation;

/// Longest line of a handshake, in bytes. Redis sends and accepts up to 1 KiB.
const LIMIT: usize = 4096;

/// The line that is being received.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    partial: Vec<u8>,
}

impl LineReader {
    /// Takes input up to the end of one line. Gives the line, without its end, and the rest of the input; no
    /// line when it is not complete yet.
    pub(super) fn push<'a>(&mut self, input: &'a [u8]) -> Result<(Option<String>, &'a [u8]), Violation> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (part, rest) = match end {
            Some(at) => (&input[..at], &input[at + 1..]),
            None => (input, &input[input.len()..]),
        };
        if self.partial.len() + part.len() > LIMIT {
            return Err(Violation::LineTooLong);
        }
        self.partial.extend_from_slice(part);
        if end.is_none() {
            return Ok((None, rest));
        }
        let line = std::mem::take(&mut self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Ok((Some(String::from_utf8_lossy(line).into_owned()), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_at_every_split() {
        let input = b"+PONG\r\nrest";
        for at in 0..=input.len() {
            let mut reader = LineReader::default();
            let (first, rest) = reader.push(&input[..at]).unwrap();
            let (line, rest) = match first {
                Some(line) => (line, [rest, &input[at..]].concat()),
                None => {
                    let (line, rest) = reader.push(&input[at..]).unwrap();
                    (line.unwrap(), rest.to_vec())
                }
            };
            assert_eq!((line.as_str(), rest.as_slice()), ("+PONG", &b"rest"[..]), "split at {at}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = LineReader::default();
        reader.push(&[b'x'; LIMIT]).unwrap();
        assert_eq!(reader.push(b"x"), Err(Violation::LineTooLong));
    }
}
