//! Amounts as the lines of the log say them: bytes, and how fast they went.
//! Whoever measures hands in bytes and milliseconds; nothing is rounded but here.

use std::fmt;

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Volume(pub u64);

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} MB", self.0 / 1_000_000, self.0 % 1_000_000 / 100_000)
    }
}

/// So many bytes in so many milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Bytes.
    pub bytes: u64,
    /// Milliseconds.
    pub ms: u64,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = u128::from(self.bytes) * 1000 / u128::from(self.ms.max(1));
        let rate = Volume(u64::try_from(rate).unwrap_or(u64::MAX));
        let (seconds, hundredths) = (self.ms / 1000, self.ms % 1000 / 10);
        write!(f, "{} in {seconds}.{hundredths:02} s ({rate}/s)", Volume(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(Volume(99_999).to_string(), "0.0 MB");
        assert_eq!(Volume(12_345_678).to_string(), "12.3 MB");
        assert_eq!(Transport { bytes: 50_000_000, ms: 2_505 }.to_string(), "50.0 MB in 2.50 s (19.9 MB/s)");
        assert_eq!(Transport { bytes: 1_000_000, ms: 0 }.to_string(), "1.0 MB in 0.00 s (1000.0 MB/s)");
    }
}
