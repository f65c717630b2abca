//! The two directions of a verification on the wire.
//!
//! Primary to replica, as the message of a PING in the stream:
//!
//! ```text
//! slipstream:verify:<run>:ranges            take a snapshot here and digest all ranges
//! slipstream:verify:<run>:keys:<r>,<r>,…    list the keys of these ranges, from that snapshot
//! slipstream:verify:<run>:end               forget it
//! ```
//!
//! Replica to primary, as the value of `REPLCONF verify`; numbers are little-endian:
//!
//! ```text
//! R run[8] (keys[4] sum[8]) × 4096
//! K run[8] complete[1] (db[4] length[4] digest[8] name)…
//! F run[8] reason                           it cannot do what was asked
//! ```
//!
//! What a peer sends is checked against the limits before memory is taken for it.

use std::fmt;

use super::{Key, Listing, RANGES, Range};

const PREFIX: &str = "slipstream:verify:";
const RANGE_LEN: usize = 12;
/// Longest reason for a failure, in bytes.
const MAX_REASON: usize = 500;
const KEY_HEAD_LEN: usize = 16;

/// What a primary wants of its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A digest of each range, of the data at this place of the stream.
    Ranges {
        /// Which verification.
        run: u64,
    },
    /// The keys of some ranges, from the same snapshot.
    Keys {
        /// Which verification.
        run: u64,
        /// Which ranges.
        ranges: Vec<u16>,
    },
    /// Nothing more.
    End {
        /// Which verification.
        run: u64,
    },
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Ranges { run } => write!(f, "{PREFIX}{run}:ranges"),
            Demand::End { run } => write!(f, "{PREFIX}{run}:end"),
            Demand::Keys { run, ranges } => {
                let ranges: Vec<String> = ranges.iter().map(u16::to_string).collect();
                write!(f, "{PREFIX}{run}:keys:{}", ranges.join(","))
            }
        }
    }
}

impl Demand {
    /// Reads the message of a PING; `None` if it is none of these.
    pub fn parse(message: &[u8]) -> Option<Demand> {
        let text = std::str::from_utf8(message).ok()?.strip_prefix(PREFIX)?;
        let (run, what) = text.split_once(':')?;
        let run = run.parse().ok()?;
        match what.split_once(':') {
            None if what == "ranges" => Some(Demand::Ranges { run }),
            None if what == "end" => Some(Demand::End { run }),
            Some(("keys", list)) => {
                let ranges: Option<Vec<u16>> = list.split(',').map(parse_range).collect();
                Some(Demand::Keys { run, ranges: ranges? })
            }
            _ => None,
        }
    }
}

fn parse_range(text: &str) -> Option<u16> {
    text.parse().ok().filter(|range| usize::from(*range) < RANGES)
}

/// What a replica answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The digests of all ranges.
    Ranges {
        /// Which verification.
        run: u64,
        /// In order.
        ranges: Vec<Range>,
    },
    /// The keys that were asked for.
    Keys {
        /// Which verification.
        run: u64,
        /// The keys.
        listing: Listing,
    },
    /// What was asked for cannot be done.
    Failed {
        /// Which verification.
        run: u64,
        /// Why: one line of text.
        reason: String,
    },
}

/// A message that cannot be read. The text is the error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageError;

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ERR REPLCONF verify has a message that cannot be read")
    }
}

impl std::error::Error for MessageError {}

impl Message {
    /// The value of `REPLCONF verify`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Message::Ranges { run, ranges } => {
                out.push(b'R');
                out.extend(run.to_le_bytes());
                for range in ranges {
                    out.extend(range.keys.to_le_bytes());
                    out.extend(range.sum.to_le_bytes());
                }
            }
            Message::Keys { run, listing } => {
                out.push(b'K');
                out.extend(run.to_le_bytes());
                out.push(u8::from(listing.complete));
                for key in &listing.keys {
                    let length = u32::try_from(key.name.len()).expect("a key is shorter than 4 GiB");
                    out.extend(key.db.to_le_bytes());
                    out.extend(length.to_le_bytes());
                    out.extend(key.digest.to_le_bytes());
                    out.extend(&key.name);
                }
            }
            Message::Failed { run, reason } => {
                out.push(b'F');
                out.extend(run.to_le_bytes());
                out.extend(&reason.as_bytes()[..reason.len().min(MAX_REASON)]);
            }
        }
        out
    }

    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
        let mut input = Input(bytes);
        let kind = input.take::<1>()?;
        let run = u64::from_le_bytes(input.take()?);
        match &kind {
            b"R" if input.0.len() == RANGES * RANGE_LEN => {
                let range = |bytes: &[u8]| {
                    let mut input = Input(bytes);
                    Ok(Range {
                        keys: u32::from_le_bytes(input.take()?),
                        sum: u64::from_le_bytes(input.take()?),
                    })
                };
                let ranges = input.0.chunks_exact(RANGE_LEN).map(range).collect::<Result<_, _>>()?;
                Ok(Message::Ranges { run, ranges })
            }
            b"K" => {
                let complete = input.take::<1>()? != [0];
                let mut keys = Vec::with_capacity(input.0.len() / (2 * KEY_HEAD_LEN));
                while !input.0.is_empty() {
                    let db = u32::from_le_bytes(input.take()?);
                    let length = u32::from_le_bytes(input.take()?);
                    let digest = u64::from_le_bytes(input.take()?);
                    let length = usize::try_from(length).map_err(|_| MessageError)?;
                    let (name, rest) = input.0.split_at_checked(length).ok_or(MessageError)?;
                    input.0 = rest;
                    keys.push(Key { db, name: name.to_vec(), digest });
                }
                Ok(Message::Keys { run, listing: Listing { keys, complete } })
            }
            b"F" if input.0.len() <= MAX_REASON => {
                // It will be a part of a line of the log.
                let reason = String::from_utf8_lossy(input.0).replace(char::is_control, " ");
                Ok(Message::Failed { run, reason })
            }
            _ => Err(MessageError),
        }
    }
}

/// Bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(MessageError)?;
        self.0 = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_read_as_they_are_written() {
        let demands = [
            (Demand::Ranges { run: 7 }, "slipstream:verify:7:ranges"),
            (Demand::Keys { run: 7, ranges: vec![0, 4095] }, "slipstream:verify:7:keys:0,4095"),
            (Demand::End { run: 7 }, "slipstream:verify:7:end"),
        ];
        for (demand, text) in demands {
            assert_eq!(demand.to_string(), text);
            assert_eq!(Demand::parse(text.as_bytes()), Some(demand));
        }
        for foreign in ["", "hello", "slipstream:verify:x:end", "slipstream:verify:1:keys:4096"] {
            assert_eq!(Demand::parse(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn answers_read_as_they_are_written() {
        let ranges = (0u32..4096).map(|n| Range { keys: n, sum: u64::from(n) << 40 }).collect();
        let key = Key { db: 3, name: b"a key".to_vec(), digest: u64::MAX };
        let listing = Listing { keys: vec![key.clone(), key], complete: true };
        for message in [
            Message::Ranges { run: 1, ranges },
            Message::Keys { run: 2, listing },
            Message::Keys { run: 2, listing: Listing::default() },
            Message::Failed { run: 3, reason: "no thread for it".to_owned() },
        ] {
            assert_eq!(Message::parse(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn a_cut_or_foreign_answer_is_an_error() {
        let key = Key { db: 3, name: b"a key".to_vec(), digest: 1 };
        let whole = Message::Keys { run: 2, listing: Listing { keys: vec![key], complete: true } }.encode();
        for length in (0..whole.len()).filter(|length| *length != 10) {
            assert_eq!(Message::parse(&whole[..length]), Err(MessageError), "{length} bytes");
        }
        let short = Message::Ranges { run: 1, ranges: vec![Range::default(); RANGES - 1] }.encode();
        assert_eq!(Message::parse(&short), Err(MessageError));
        assert_eq!(Message::parse(b"X12345678"), Err(MessageError));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let reason = |reason: &[u8]| match Message::parse(&[b"F12345678", reason].concat()) {
            Ok(Message::Failed { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(reason(b"a\r\nb\x1b"), Some("a  b ".to_owned()));
        assert_eq!(reason(&[b'x'; MAX_REASON + 1]), None);
        let long = Message::Failed { run: 1, reason: "x".repeat(MAX_REASON + 1) };
        assert!(Message::parse(&long.encode()).is_ok(), "what is written can be read");
    }
}
