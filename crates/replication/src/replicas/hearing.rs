//! What a replica sends while the stream flows, sorted without its session.
//!
//! Acknowledgements are all that a sound replica sends then, and many replicas send many: whoever reads their
//! sockets takes them out here. Everything else goes to the session, in whole requests, so that its decoder
//! stays at the border between two of them.
//!
//! Invariant: no byte is lost and none is told twice, and what is not an acknowledgement keeps its order.

use slipstream_resp::{Limits, Progress, RequestDecoder};

use super::Ack;

/// A request that is longer than this is handed on in pieces, and what follows it is not sorted any more.
const MAX_REQUEST: usize = 64 << 10;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An acknowledgement, in a request of so many bytes.
    Ack(Ack, u64),
    /// Bytes for the session, as they came.
    Other(Vec<u8>),
}

/// Sorts what one replica sends, from the border between two requests on.
#[derive(Debug, Default)]
pub struct Hearing {
    decoder: RequestDecoder,
    /// The beginning of a request.
    input: Vec<u8>,
    /// Whether requests can no longer be told apart: the session hears everything.
    gave_up: bool,
}

impl Hearing {
    /// More came.
    pub fn hear(&mut self, bytes: &[u8], mut heard: impl FnMut(Heard)) {
        self.input.extend_from_slice(bytes);
        let (mut at, mut other) = (0, 0);
        while !self.gave_up {
            let length = match self.decoder.decode(&self.input[at..], &Limits::default()) {
                Ok(Progress::Complete { consumed }) => consumed,
                Ok(Progress::Incomplete) => {
                    self.gave_up = self.input.len() - at > MAX_REQUEST;
                    break;
                }
                Err(_) => {
                    self.gave_up = true;
                    break;
                }
            };
            if let Some(ack) = Ack::from_request(self.decoder.args(&self.input[at..])) {
                tell(&self.input[other..at], &mut heard);
                heard(Heard::Ack(ack, length as u64));
                other = at + length;
            }
            at += length;
        }
        let known = if self.gave_up { self.input.len() } else { at };
        tell(&self.input[other..known], &mut heard);
        self.input.drain(..known);
    }
}

impl Hearing {
    /// The beginning of a request, when nothing more is sorted.
    pub fn into_rest(self) -> Vec<u8> {
        self.input
    }
}

fn tell(bytes: &[u8], heard: &mut impl FnMut(Heard)) {
    if !bytes.is_empty() {
        heard(Heard::Other(bytes.to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use slipstream_log::Offset;
    use slipstream_resp::encode_request;

    use super::*;

    fn request(words: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, words.iter().map(|word| word.as_bytes()));
        bytes
    }

    fn ack(applied: u64) -> Heard {
        let bytes = request(&["REPLCONF", "ACK", &applied.to_string()]).len() as u64;
        Heard::Ack(Ack { applied: Offset(applied), durable: None }, bytes)
    }

    /// What is heard of `bytes`, in pieces of every length; neighbouring pieces for the session are one.
    #[track_caller]
    fn check(bytes: &[u8], expected: &[Heard]) {
        for piece in 1..=bytes.len() {
            let (mut hearing, mut all) = (Hearing::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                hearing.hear(piece, |heard| match (all.last_mut(), heard) {
                    (Some(Heard::Other(before)), Heard::Other(more)) => before.extend(more),
                    (_, heard) => all.push(heard),
                });
            }
            assert_eq!(all, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn acknowledgements_are_taken_out() {
        let bytes = [request(&["REPLCONF", "ACK", "7"]), request(&["replconf", "ack", "9"])].concat();
        check(&bytes, &[ack(7), ack(9)]);
        let both = request(&["REPLCONF", "ACK", "5", "FACK", "3"]);
        let durable = Ack { applied: Offset(5), durable: Some(Offset(3)) };
        check(&both, &[Heard::Ack(durable, both.len() as u64)]);
    }

    #[test]
    fn everything_else_is_the_sessions() {
        for words in [
            &["CLIENT", "SETNAME", "me"][..],
            &["REPLCONF", "GETACK", "*"],
            &["REPLCONF", "ACK", "none"],
            &["REPLCONF", "ACK"],
            &["REPLCONF", "version", "9.0.1", "ACK", "5"],
        ] {
            check(&request(words), &[Heard::Other(request(words))]);
        }
        check(b"\n\n", &[Heard::Other(b"\n\n".to_vec())]);
    }

    #[test]
    fn the_order_is_kept() {
        let other = request(&["PING"]);
        let acked = request(&["REPLCONF", "ACK", "7"]);
        let bytes = [&other, &acked, &b"\n".to_vec(), &acked, &other].map(Vec::as_slice).concat();
        let expected =
            [Heard::Other(other.clone()), ack(7), Heard::Other(b"\n".to_vec()), ack(7), Heard::Other(other)];
        check(&bytes, &expected);
    }

    #[test]
    fn what_cannot_be_told_apart_goes_to_the_session_with_all_that_follows() {
        let bytes = [b"*1\r\n:5\r\n".to_vec(), request(&["REPLCONF", "ACK", "7"])].concat();
        check(&bytes, &[Heard::Other(bytes.clone())]);
        let long = request(&["REPLCONF", &"x".repeat(2 * MAX_REQUEST), "1"]);
        let bytes = [long, request(&["REPLCONF", "ACK", "7"])].concat();
        let (mut hearing, mut all) = (Hearing::default(), Vec::new());
        for piece in bytes.chunks(1000) {
            hearing.hear(piece, |heard| match heard {
                Heard::Other(more) => all.extend(more),
                Heard::Ack(ack, _) => panic!("{ack:?}"),
            });
        }
        assert_eq!(all, bytes);
    }
}
