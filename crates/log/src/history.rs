//! Which stream an offset belongs to.
//!
//! Equal offsets mean equal data only within one history. A history has a random id, made anew whenever a
//! node starts to write a stream of its own. After a promotion the node still knows the id it followed and
//! the offset up to which both streams agree (the fork): whoever has not gone past the fork may continue.

use std::fmt;

use crate::Offset;

/// The name of a history: 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicationId([u8; ReplicationId::LEN]);

impl ReplicationId {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 40;

    /// A fresh id.
    pub fn random(rng: &mut fastrand::Rng) -> ReplicationId {
        ReplicationId(std::array::from_fn(|_| b"0123456789abcdef"[rng.usize(..16)]))
    }

    /// Reads an id from the wire: exactly 40 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<ReplicationId> {
        let digits: [u8; ReplicationId::LEN] = text.try_into().ok()?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(ReplicationId(digits))
    }

    /// The 40 digits.
    pub fn as_bytes(&self) -> &[u8; ReplicationId::LEN] {
        &self.0
    }

    /// The 40 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The history that a log belongs to, and the one it forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The current id (`master_replid`).
    pub id: ReplicationId,
    /// The id before the last change and the offset up to which both histories agree (`master_replid2`;
    /// `second_repl_offset` is the next byte after the fork).
    pub previous: Option<(ReplicationId, Offset)>,
}

impl History {
    /// A history that nothing came before.
    pub fn new(id: ReplicationId) -> History {
        History { id, previous: None }
    }

    /// The history of a stream that goes on under a new id from `fork` on.
    pub fn forked(self, id: ReplicationId, fork: Offset) -> History {
        History { id, previous: Some((self.id, fork)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_forty_hexadecimal_digits() {
        let id = ReplicationId::random(&mut fastrand::Rng::with_seed(7));
        assert_eq!(ReplicationId::parse(id.as_bytes()), Some(id));
        assert_eq!(ReplicationId::parse(b"?"), None);
        assert_eq!(ReplicationId::parse(&[b'0'; 41]), None);
        assert_eq!(ReplicationId::parse(&[b'g'; 40]), None);
        assert_eq!(ReplicationId::parse(&[b'0'; 40]).map(|id| id.to_string()), Some("0".repeat(40)));
    }

    #[test]
    fn ids_differ() {
        let mut rng = fastrand::Rng::with_seed(7);
        assert_ne!(ReplicationId::random(&mut rng), ReplicationId::random(&mut rng));
    }
}
