//! Bytes that need no allocation while they are short.
//!
//! Keys, fields, members and small values are mostly under 23 bytes: kept in the entry itself
//! they cost no allocation, no cache miss, and copying a segment for a snapshot stays a copy of
//! memory.

const INLINE: usize = 22;

/// Immutable bytes in 24 bytes of memory, plus an allocation when longer than 22.
#[derive(Clone)]
pub enum ShortBytes {
    /// Up to 22 bytes, in place.
    Inline {
        /// How many of `data` count.
        len: u8,
        /// The bytes, then zeros.
        data: [u8; INLINE],
    },
    /// Longer ones.
    Heap(Box<[u8]>),
}

impl ShortBytes {
    /// Copies `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= INLINE => {
                let mut data = [0; INLINE];
                data[..bytes.len()].copy_from_slice(bytes);
                ShortBytes::Inline { len, data }
            }
            _ => ShortBytes::Heap(bytes.into()),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            ShortBytes::Inline { len, data } => &data[..usize::from(*len)],
            ShortBytes::Heap(bytes) => bytes,
        }
    }

    /// Replaces the bytes, in place where the length allows it.
    pub fn assign(&mut self, bytes: &[u8]) {
        match self {
            ShortBytes::Heap(old) if old.len() == bytes.len() => old.copy_from_slice(bytes),
            _ => *self = ShortBytes::new(bytes),
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match self {
            ShortBytes::Inline { .. } => 0,
            ShortBytes::Heap(bytes) => bytes.len(),
        }
    }
}

impl std::fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

impl PartialEq for ShortBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for ShortBytes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back() {
        for len in [0, 1, 21, 22, 23, 255, 256, 1000] {
            let bytes: Vec<u8> = (0..len).map(|i: usize| i.to_le_bytes()[0]).collect();
            let mut short = ShortBytes::new(&bytes);
            assert_eq!(short.as_slice(), bytes);
            assert_eq!(short.heap_size(), if len > 22 { len } else { 0 });
            let other = vec![7; len];
            short.assign(&other);
            assert_eq!(short.as_slice(), other);
        }
        assert_eq!(size_of::<ShortBytes>(), 24);
    }
}
