//! Requests that were decoded before their turn, out of a buffer that has all their bytes.
//!
//! Whoever looks at what several requests are about to do has decoded them by that; they need not be decoded again
//! when their turn comes. Inline requests are left out: their words are not in the buffer.

use super::{Args, RequestDecoder, Span};

/// One with more arguments is decoded again in its turn: room for it would be held for good.
const MOST_ARGUMENTS: usize = 1024;

/// See the module. All that are kept at a time are of one buffer.
///
/// ```
/// # use slipstream_resp::{DecodedRequests, Limits, RequestDecoder};
/// let buffer = b"*1\r\n$4\r\nPING\r\n";
/// let mut decoder = RequestDecoder::default();
/// decoder.decode(buffer, &Limits::default()).unwrap();
/// let mut decoded = DecodedRequests::default();
/// assert!(decoded.keep(&decoder, 0, buffer.len()));
/// let (args, length) = decoded.next_at(0, buffer).unwrap();
/// assert_eq!((&args[0], length), (&b"PING"[..], buffer.len()));
/// assert!(decoded.next_at(length, buffer).is_none());
/// ```
#[derive(Debug, Default)]
pub struct DecodedRequests {
    requests: Vec<Decoded>,
    spans: Vec<Span>,
    /// How many have had their turn.
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Decoded {
    /// Where in the buffer it begins, and how many bytes it takes.
    start: usize,
    length: usize,
    /// Where its arguments end in `spans`; they begin where those of the one before end.
    spans_end: usize,
}

impl DecodedRequests {
    /// Forgets all of them: what follows is of another buffer.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        self.taken = 0;
    }

    /// Keeps the request that `decoder` has just completed: so many bytes from `start` of the buffer on. Returns
    /// whether it can be kept.
    pub fn keep(&mut self, decoder: &RequestDecoder, start: usize, length: usize) -> bool {
        let can_be_kept = decoder.inline.is_empty() && decoder.spans.len() <= MOST_ARGUMENTS;
        if can_be_kept {
            self.spans.extend_from_slice(&decoder.spans);
            self.requests.push(Decoded { start, length, spans_end: self.spans.len() });
        }
        can_be_kept
    }

    /// The next one and how many bytes it takes, if it begins at `start` of `buffer`.
    #[inline]
    pub fn next_at<'a>(&'a mut self, start: usize, buffer: &'a [u8]) -> Option<(Args<'a>, usize)> {
        let decoded = *self.requests.get(self.taken).filter(|decoded| decoded.start == start)?;
        let spans_start = match self.taken.checked_sub(1) {
            None => 0,
            Some(before) => self.requests[before].spans_end,
        };
        self.taken += 1;
        let spans = &self.spans[spans_start..decoded.spans_end];
        Some((Args { bytes: &buffer[start..], spans, is_whole: true }, decoded.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Progress};

    #[test]
    fn each_is_what_decoding_it_in_its_turn_gives() {
        let buffer = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\n*1\r\n$4\r\nPING\r\nping\r\n*1\r\n$4\r\nTIME\r\n";
        let (mut decoder, mut decoded) = (RequestDecoder::default(), DecodedRequests::default());
        let (mut start, mut kept) = (0, Vec::new());
        while let Ok(Progress::Complete { consumed }) = decoder.decode(&buffer[start..], &Limits::default()) {
            kept.push(decoded.keep(&decoder, start, consumed));
            start += consumed;
        }
        assert_eq!(kept, [true, true, true, false, true], "words of a line are not in the buffer");
        let mut turn = |start: usize| {
            let (args, length) = decoded.next_at(start, buffer)?;
            let words: Vec<Vec<u8>> = args.iter().map(<[u8]>::to_vec).collect();
            Some((words, length, args.encoded().map(<[u8]>::to_vec)))
        };
        assert_eq!(turn(1), None, "nothing begins there");
        let get = buffer[..20].to_vec();
        assert_eq!(turn(0), Some((vec![b"GET".to_vec(), b"k".to_vec()], 20, Some(get))));
        assert_eq!(turn(20), Some((vec![], 4, None)));
        assert_eq!(turn(24), Some((vec![b"PING".to_vec()], 14, Some(buffer[24..38].to_vec()))));
        assert_eq!(turn(38), None, "it is inline");
        decoded.clear();
        assert!(decoded.next_at(44, buffer).is_none());
    }
}
