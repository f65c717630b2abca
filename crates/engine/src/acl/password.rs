//! Passwords, of which only the SHA-256 is kept: in memory, in files and in what ACL GETUSER shows.
//! Never keeps or shows a password itself.

use std::fmt;

use sha2::{Digest, Sha256};

/// The SHA-256 of a password. Displays as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash([u8; 32]);

impl PasswordHash {
    pub(super) fn of(password: &[u8]) -> PasswordHash {
        PasswordHash(Sha256::digest(password).into())
    }

    /// Reads 64 digits; those above 9 are small letters.
    pub(super) fn parse(text: &[u8]) -> Option<PasswordHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(PasswordHash(bytes))
    }

    /// Compares without telling by its duration how much was right.
    pub(super) fn matches(&self, other: &PasswordHash) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |all, (own, other)| all | (own ^ other));
        std::hint::black_box(differences) == 0
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(…)")
    }
}
