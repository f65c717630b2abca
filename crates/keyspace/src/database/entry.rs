//! What a database's entry holds after its key: kind of the value, access clock, deadline, and the
//! value itself where it is small.
//!
//! ```text
//! | code (1) | clock (3) | deadline (0, 6 or 8) | value |
//! code: bits 0-3 the kind of the value (0: it lies beside), bit 4: a deadline of 6 bytes follows,
//!       bit 5: one of 8
//! ```
//!
//! Six bytes of milliseconds last until the year 10889; deadlines beyond, or before 1970, take
//! eight.

use triomphe::Arc;

use crate::table::{EntryRef, Layout};
use crate::time::UnixMillis;
use crate::value::Value;
use crate::value::packed::{BESIDE, Kind, unpack};

/// The deadline of an entry that has none.
pub(super) const NEVER: i64 = i64::MAX;

const KIND: u8 = 0x0F;
const SHORT_DEADLINE: u8 = 0x10;
const LONG_DEADLINE: u8 = 0x20;
const FIXED: usize = 4;
/// The most that comes before the value.
pub(super) const LONGEST_HEADER: usize = FIXED + 8;

/// An entry of a database's table. A value that lies beside is shared with snapshots as a whole, so
/// that copying a segment never copies values.
pub(crate) type KeyEntry<'a> = EntryRef<'a, Arc<Value<'static>>>;

/// The layout of a database's table.
#[derive(Clone)]
pub(crate) struct KeyLayout;

impl Layout for KeyLayout {
    type Beside = Arc<Value<'static>>;

    #[inline]
    fn deadline(entry: &KeyEntry<'_>) -> i64 {
        deadline_of(entry.rest)
    }
}

/// An entry's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// None for a value that lies beside.
    pub(super) kind: Option<Kind>,
    /// 24 bits of access clock.
    pub(super) clock: u32,
    /// `NEVER` for none.
    pub(super) deadline: i64,
}

impl Header {
    /// The header at the start of `rest`, and its length.
    #[inline]
    pub(super) fn parse(rest: &[u8]) -> (Header, usize) {
        let [code, a, b, c, ..] = *rest else { unreachable!("every entry has a header") };
        let header = Header {
            kind: Kind::from_code(code & KIND),
            clock: u32::from_le_bytes([a, b, c, 0]),
            deadline: deadline_of(rest),
        };
        (header, FIXED + deadline_len(code))
    }

    /// The header's bytes, and how many of them count.
    #[inline]
    pub(super) fn bytes(self) -> ([u8; LONGEST_HEADER], usize) {
        let mut bytes = [0; LONGEST_HEADER];
        let deadline = self.deadline.to_le_bytes();
        let (flag, len) = match deadline {
            _ if self.deadline == NEVER => (0, 0),
            [.., 0, 0] => (SHORT_DEADLINE, 6),
            _ => (LONG_DEADLINE, 8),
        };
        bytes[0] = self.kind.map_or(BESIDE, |kind| kind as u8) | flag;
        bytes[1..FIXED].copy_from_slice(&self.clock.to_le_bytes()[..3]);
        bytes[FIXED..FIXED + len].copy_from_slice(&deadline[..len]);
        (bytes, FIXED + len)
    }
}

#[inline]
fn deadline_len(code: u8) -> usize {
    match code & (SHORT_DEADLINE | LONG_DEADLINE) {
        0 => 0,
        SHORT_DEADLINE => 6,
        _ => 8,
    }
}

/// The deadline in an entry's rest.
#[inline]
pub(super) fn deadline_of(rest: &[u8]) -> i64 {
    let len = deadline_len(rest[0]);
    if len == 0 {
        return NEVER;
    }
    let mut bytes = [0; 8];
    bytes[..len].copy_from_slice(&rest[FIXED..FIXED + len]);
    i64::from_le_bytes(bytes)
}

/// The access clock in an entry's rest.
#[inline]
pub(super) fn clock_of(rest: &[u8]) -> u32 {
    u32::from_le_bytes([rest[1], rest[2], rest[3], 0])
}

/// Writes the access clock into an entry's rest.
#[inline]
pub(super) fn set_clock(rest: &mut [u8], clock: u32) {
    rest[1..FIXED].copy_from_slice(&clock.to_le_bytes()[..3]);
}

/// The deadline as it is kept: the last millisecond of time stands for never, so a deadline there
/// is a millisecond early.
pub(super) fn kept(deadline: Option<UnixMillis>) -> i64 {
    deadline.map_or(NEVER, |deadline| deadline.0.min(NEVER - 1))
}

/// The deadline, if there is one.
pub(super) fn if_any(deadline: i64) -> Option<UnixMillis> {
    (deadline != NEVER).then_some(UnixMillis(deadline))
}

/// The value of an entry.
#[inline]
pub(crate) fn value_of<'a>(entry: &KeyEntry<'a>) -> Value<'a> {
    let (header, at) = Header::parse(entry.rest);
    match header.kind {
        Some(kind) => unpack(kind, &entry.rest[at..]),
        None => entry.beside.expect("an entry without a kind has its value beside").view(),
    }
}

/// Key, value and deadline of an entry.
pub(crate) fn view<'a>(entry: KeyEntry<'a>) -> (&'a [u8], Value<'a>, Option<UnixMillis>) {
    (entry.key, value_of(&entry), if_any(deadline_of(entry.rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_written() {
        let deadlines = [NEVER, NEVER - 1, 0, 1, 1_700_000_000_000, (1 << 48) - 1, 1 << 48, -1, i64::MIN];
        for (deadline, len) in deadlines.into_iter().zip([4, 12, 10, 10, 10, 10, 12, 12, 12]) {
            for kind in [None, Some(Kind::Int), Some(Kind::SortedSet)] {
                let header = Header { kind, clock: 0xAB_CDEF, deadline };
                let (mut bytes, used) = header.bytes();
                assert_eq!((Header::parse(&bytes), used), ((header, len), len));
                assert_eq!(deadline_of(&bytes), deadline);
                set_clock(&mut bytes, 7);
                assert_eq!(clock_of(&bytes), 7);
                assert_eq!(Header::parse(&bytes).0, Header { clock: 7, ..header });
            }
        }
    }
}
