//! The id of a stream's entry: milliseconds and a sequence number within them.
//!
//! Ids only ever grow within a stream. They are compared as one number of 128 bits.

use std::fmt;

/// Where an entry stands in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Usually the wall clock's milliseconds at which the entry was added.
    pub ms: u64,
    /// Tells the entries of one millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// Below every entry's id.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last possible id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id from its two parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The id after this one, if there is one.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one, if there is one.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The sixteen bytes that sort as the ids do, as RDB files have them.
    pub fn to_be_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// The id of sixteen such bytes.
    pub fn from_be_bytes(bytes: [u8; 16]) -> StreamId {
        let [ms, seq] = [0, 8].map(|at| {
            u64::from_be_bytes(*bytes[at..].first_chunk().expect("sixteen bytes are two times eight"))
        });
        StreamId { ms, seq }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_through_the_sequence_into_the_milliseconds() {
        assert_eq!(StreamId::new(1, 2).next(), Some(StreamId::new(1, 3)));
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::new(1, 0).previous(), Some(StreamId::new(0, u64::MAX)));
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn bytes_sort_as_ids_do() {
        let ids = [StreamId::MIN, StreamId::new(0, 256), StreamId::new(1, 0), StreamId::MAX];
        assert!(ids.is_sorted_by_key(|id| id.to_be_bytes()));
        assert_eq!(ids.map(|id| StreamId::from_be_bytes(id.to_be_bytes())), ids);
        assert_eq!(StreamId::new(15, 3).to_string(), "15-3");
    }
}
