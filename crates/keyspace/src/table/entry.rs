//! The bytes of one entry in a block.
//!
//! ```text
//! | key length | [255, slot] | rest length | key | rest |
//!   0..=254: length of the key, which follows
//!   255: the key lies beside, in the slot that the next byte names
//! rest length, absent where the layout has no rest:
//!   0..=239: itself        240..=254: 240 + 256 * (byte - 240) + next byte
//!   before it, 255 and a slot: a value of this entry lies beside, in that slot
//! ```
//!
//! What the rest means is the layout's affair.

/// Longer keys lie beside.
pub(super) const LONGEST_KEY: usize = 254;
const BESIDE: u8 = 255;
const ONE_BYTE: usize = 240;

/// The key of an entry: in the entry, or in a slot of its segment.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Here(&'a [u8]),
    Beside(u8),
}

/// An entry, read.
pub(super) struct Parsed<'a> {
    pub(super) key: Key<'a>,
    /// The slot of what the entry holds beside.
    pub(super) slot: Option<u8>,
    /// Where in the entry the rest begins.
    pub(super) rest_at: usize,
    /// Length of the whole entry.
    pub(super) size: usize,
}

/// An entry, to be written.
#[derive(Clone, Copy)]
pub(super) struct Draft<'a> {
    pub(super) key: Key<'a>,
    pub(super) slot: Option<u8>,
    pub(super) rest: [&'a [u8]; 2],
}

/// The entry at the start of `bytes`.
#[inline]
pub(super) fn parse<const REST: bool>(bytes: &[u8]) -> Parsed<'_> {
    let mut at = 1;
    let mut slot = None;
    let key_slot = (bytes[0] == BESIDE).then(|| {
        at = 2;
        bytes[1]
    });
    let mut rest = 0;
    if REST {
        if bytes[at] == BESIDE {
            slot = Some(bytes[at + 1]);
            at += 2;
        }
        rest = usize::from(bytes[at]);
        at += 1;
        if rest >= ONE_BYTE {
            rest = ONE_BYTE + (rest - ONE_BYTE) * 256 + usize::from(bytes[at]);
            at += 1;
        }
    }
    match key_slot {
        Some(key) => Parsed { key: Key::Beside(key), slot, rest_at: at, size: at + rest },
        None => {
            let rest_at = at + usize::from(bytes[0]);
            Parsed { key: Key::Here(&bytes[at..rest_at]), slot, rest_at, size: rest_at + rest }
        }
    }
}

/// Writes other slots into an entry: for what moved to another segment.
pub(super) fn renumber(bytes: &mut [u8], key: Option<u8>, slot: Option<u8>) {
    if let Some(key) = key {
        bytes[1] = key;
    }
    if let Some(slot) = slot {
        let at = if key.is_some() { 3 } else { 2 };
        bytes[at] = slot;
    }
}

impl Draft<'_> {
    fn rest_len(&self) -> usize {
        self.rest[0].len() + self.rest[1].len()
    }

    /// Bytes that the entry takes.
    pub(super) fn size<const REST: bool>(&self) -> usize {
        let key = match self.key {
            Key::Here(key) => key.len(),
            Key::Beside(_) => 1,
        };
        if !REST {
            return 1 + key;
        }
        let rest = self.rest_len();
        1 + key + 2 * usize::from(self.slot.is_some()) + 1 + usize::from(rest >= ONE_BYTE) + rest
    }

    /// Writes the entry to `bytes`, which has its size.
    pub(super) fn write<const REST: bool>(&self, bytes: &mut [u8]) {
        let mut out = Cursor { bytes, at: 0 };
        match self.key {
            Key::Here(key) => out.byte(u8::try_from(key.len()).expect("longer keys lie beside")),
            Key::Beside(slot) => out.all(&[BESIDE, slot]),
        }
        if REST {
            if let Some(slot) = self.slot {
                out.all(&[BESIDE, slot]);
            }
            match u8::try_from(self.rest_len()) {
                Ok(len) if usize::from(len) < ONE_BYTE => out.byte(len),
                _ => {
                    let over = u16::try_from(self.rest_len() - ONE_BYTE).expect("checked by the writer");
                    let [low, high] = over.to_le_bytes();
                    out.all(&[240 + high, low]);
                }
            }
        }
        if let Key::Here(key) = self.key {
            out.all(key);
        }
        self.rest.iter().for_each(|part| out.all(part));
    }
}

struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline]
    fn all(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest rest that its length can be written for.
    const LONGEST_REST: usize = ONE_BYTE + 256 * 14 + 255;

    fn check(key: &[u8], slot: Option<u8>, rest: usize) {
        let rest = vec![9; rest];
        let draft =
            Draft { key: Key::Here(key), slot, rest: [&rest[..rest.len() / 2], &rest[rest.len() / 2..]] };
        let mut bytes = vec![0; draft.size::<true>()];
        draft.write::<true>(&mut bytes);
        bytes.extend_from_slice(b"what follows");
        let parsed = parse::<true>(&bytes);
        assert!(matches!(parsed.key, Key::Here(read) if read == key));
        assert_eq!((parsed.slot, parsed.size), (slot, draft.size::<true>()));
        assert_eq!(bytes[parsed.rest_at..parsed.size], rest);
    }

    #[test]
    fn an_entry_is_read_as_written_at_every_length() {
        for key in [0, 1, 253, 254] {
            for rest in [0, 1, 239, 240, 241, 495, 496, 1000, LONGEST_REST] {
                check(&vec![7; key], None, rest);
                check(&vec![7; key], Some(255), rest);
            }
        }
    }

    #[test]
    fn a_key_beside_and_an_entry_without_a_rest_are_read_as_written() {
        let draft = Draft { key: Key::Beside(3), slot: None, rest: [b"ab", b"c"] };
        let mut bytes = vec![0; draft.size::<true>()];
        draft.write::<true>(&mut bytes);
        let parsed = parse::<true>(&bytes);
        assert!(matches!(parsed.key, Key::Beside(3)));
        assert_eq!(&bytes[parsed.rest_at..], b"abc");
        let draft = Draft { key: Key::Here(b"member"), slot: None, rest: [b"", b""] };
        let mut bytes = vec![0; draft.size::<false>()];
        draft.write::<false>(&mut bytes);
        assert_eq!(bytes, b"\x06member");
        assert_eq!(parse::<false>(&bytes).size, 7);
    }
}
