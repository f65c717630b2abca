//! A batch and the line before it that seals it.
//!
//! What was written at once is read at once or not at all: the line tells how many bytes follow, where they belong
//! and their sum, and so a reader needs neither to look for the end of a batch nor to trust any of it before all of
//! it is there. The sum is made as pieces come, in one pass; they are not kept.

use slipstream_log::Offset;

/// The sum of a batch whose pieces are still coming.
///
/// ```
/// use slipstream_aof::Sealing;
/// use slipstream_log::Offset;
///
/// let mut sealing = Sealing::default();
/// sealing.push(b"*1\r\n$4\r\n");
/// sealing.push(b"PING\r\n");
/// let line = sealing.seal(Offset(100), Offset(60));
/// assert!(line.starts_with(b"#SLIPSTREAM SUM 100 14 60 ") && line.ends_with(b"\r\n"));
/// // The line is written, and then the pieces.
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sealing {
    hasher: crc32fast::Hasher,
    length: u64,
}

impl Sealing {
    /// Takes the next piece in.
    pub fn push(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.length += piece.len() as u64;
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The line that goes before the pieces, which begin at `offset` of the stream and end with a whole command.
    /// All before `durable` is known to be on disk.
    pub fn seal(self, offset: Offset, durable: Offset) -> Vec<u8> {
        let mut line = format!("#SLIPSTREAM SUM {offset} {} {durable} ", self.length);
        let mut sum = crc32fast::Hasher::new();
        sum.update(line.as_bytes());
        sum.combine(&self.hasher);
        line.push_str(&format!("{:08x}\r\n", sum.finalize()));
        line.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::Annotation;

    #[test]
    fn the_sum_does_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let seal = |step: usize| {
            let mut sealing = Sealing::default();
            bytes.chunks(step).for_each(|piece| sealing.push(piece));
            assert_eq!(sealing.length(), 10_000);
            sealing.seal(Offset(7), Offset(3))
        };
        let whole = seal(bytes.len());
        assert!([1, 7, 4096].into_iter().all(|step| seal(step) == whole));
    }

    #[test]
    fn the_sum_is_that_of_the_line_and_the_batch() {
        let mut sealing = Sealing::default();
        sealing.push(b"batch");
        let line = sealing.seal(Offset(7), Offset(3));
        let Ok(Annotation::Sum(sum)) = Annotation::parse(&line[..line.len() - 2]) else { panic!("{line:?}") };
        assert_eq!((sum.offset, sum.length, sum.durable), (Offset(7), 5, Offset(3)));
        assert_eq!(sum.crc, crc32fast::hash(&[&line[..line.len() - 10], b"batch"].concat()));
        assert_eq!(sum.line_crc, crc32fast::hash(&line[..line.len() - 10]));
    }
}
