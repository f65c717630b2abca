//! Where a reply ends, found without looking at any byte twice.
//! It knows how many values are still to come, and nothing of what they mean: that is decoded once the whole is there.

use crate::line::BrokenLine;

/// How much of one reply is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) bytes: usize,
    /// Values, those within others among them.
    pub(crate) values: usize,
}

/// One reply, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where the next value begins.
    at: usize,
    /// How far the end of its first line was looked for.
    searched: usize,
    /// Values that are still to begin.
    open: usize,
    /// Values that were announced.
    announced: usize,
}

impl Default for Extent {
    fn default() -> Extent {
        Extent { at: 0, searched: 0, open: 1, announced: 1 }
    }
}

impl Extent {
    /// Where the reply that these bytes begin with ends, if it has come; the same bytes as before, and more.
    pub(crate) fn end(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, BrokenLine> {
        while self.open > 0 {
            let Some(line_end) = self.line_end(bytes) else { return Ok(None) };
            let [marker, count @ ..] = &bytes[self.at..line_end] else { return Err(BrokenLine) };
            let next = line_end + 2;
            let (members, body) = match marker {
                b'$' | b'=' => (0, length(count, limits.bytes)?.map_or(0, |length| length + 2)),
                b'*' | b'~' | b'>' => (length(count, limits.values)?.unwrap_or(0), 0),
                b'%' | b'|' => (length(count, limits.values)?.unwrap_or(0) * 2, 0),
                _ => (0, 0),
            };
            self.open = self.open - 1 + members;
            self.announced += members;
            if self.announced > limits.values {
                return Err(BrokenLine);
            }
            (self.at, self.searched) = (next + body, next + body);
        }
        Ok((self.at <= bytes.len()).then_some(self.at))
    }

    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let rest = bytes.get(self.searched..)?;
        let found = rest.windows(2).position(|pair| pair == b"\r\n");
        if found.is_none() {
            // The last byte may be the first of the two.
            self.searched = self.searched.max(bytes.len().saturating_sub(1));
        }
        found.map(|at| self.searched + at)
    }
}

fn length(digits: &[u8], most: usize) -> Result<Option<usize>, BrokenLine> {
    if digits == b"-1" {
        return Ok(None);
    }
    let length = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    length.filter(|length| *length <= most).map(Some).ok_or(BrokenLine)
}

#[cfg(test)]
mod tests {
    use slipstream_resp::decode_value;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 1000, values: 20 };
    const REPLIES: [&str; 9] = [
        "+OK\r\n",
        "-ERR no\r\n",
        ":7\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$5\r\na\r\nbc\r\n",
        "*0\r\n",
        "*3\r\n*2\r\n:1\r\n$0\r\n\r\n*0\r\n+x\r\n",
        "%1\r\n+a\r\n*1\r\n_\r\n",
    ];

    #[test]
    fn a_reply_ends_where_its_decoder_says() {
        for reply in REPLIES {
            let more = format!("{reply}+more\r\n");
            let expected = decode_value(more.as_bytes()).expect("it is one").map(|(_, length)| length);
            assert_eq!(Extent::default().end(more.as_bytes(), LIMITS), Ok(expected), "{reply:?}");
        }
    }

    #[test]
    fn it_may_come_byte_by_byte() {
        for reply in REPLIES {
            let mut extent = Extent::default();
            for length in 0..reply.len() {
                assert_eq!(
                    extent.end(&reply.as_bytes()[..length], LIMITS),
                    Ok(None),
                    "{length} of {reply:?}"
                );
            }
            assert_eq!(extent.end(reply.as_bytes(), LIMITS), Ok(Some(reply.len())), "{reply:?}");
        }
    }

    #[test]
    fn what_announces_too_much_is_refused_at_once() {
        for begin in ["$1001\r\n", "*20\r\n", "%10\r\n", "*10\r\n*10\r\n", "*1390000\r\n", "$x\r\n", "\r\n"] {
            assert_eq!(Extent::default().end(begin.as_bytes(), LIMITS), Err(BrokenLine), "{begin:?}");
        }
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        for (first, second) in [("*2\r\n:1\r\n", "?????:?\r\n:2\r\n"), ("+abc", "+\r\nc\r\n")] {
            let mut extent = Extent::default();
            assert_eq!(extent.end(first.as_bytes(), LIMITS), Ok(None));
            assert_eq!(extent.end(second.as_bytes(), LIMITS), Ok(Some(second.len())), "{first:?}");
        }
    }
}
