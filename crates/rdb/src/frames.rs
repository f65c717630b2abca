//! A snapshot between two nodes of this project: the same records in frames, with a sum per frame.
//!
//! A frame's sum is a fast one, and so the snapshot in them needs none of its own; nor are its strings compressed one
//! by one: a sender on a slow link packs whole frames ([`pack`]). The head carries the key of the primary's hash:
//! a replica with the same key inserts in the order in which it will store, which is several times as fast as any
//! other order, and its SCAN cursors go on where the primary's stop.
//!
//! ```text
//! head  = "SLIPSYNC", 4 × u64 key, u32 sum of the key                 all numbers little-endian
//! frame = u32 length, u32 unpacked length (0: not packed), u32 sum, length bytes
//! ```

use std::io::{self, Read, Write};

/// Bytes of a chunk, and of a frame's content.
const CHUNK: usize = 128 << 10;

/// The largest frame that is accepted, packed or not.
const LIMIT: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"SLIPSYNC";

const FRAME_HEAD: usize = 12;

/// The key of a keyspace's hash.
pub type HashKey = [u64; 4];

/// Gathers what is written into chunks and hands each one on: as it is, or as a frame.
pub struct Chunks<F> {
    emit: F,
    chunk: Vec<u8>,
    is_framed: bool,
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Chunks<F> {
    /// Chunks of a snapshot as every peer knows it.
    pub fn plain(emit: F) -> Chunks<F> {
        Chunks { emit, chunk: Vec::new(), is_framed: false }
    }

    /// The head, and then frames.
    pub fn framed(key: HashKey, mut emit: F) -> io::Result<Chunks<F>> {
        let key: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
        emit([MAGIC.as_slice(), &key, &crc32fast::hash(&key).to_le_bytes()].concat())?;
        Ok(Chunks { emit, chunk: Vec::new(), is_framed: true })
    }

    fn head_length(&self) -> usize {
        if self.is_framed { FRAME_HEAD } else { 0 }
    }
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Chunks<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let head = self.head_length();
        if self.chunk.is_empty() {
            self.chunk.reserve_exact(head + CHUNK);
            self.chunk.resize(head, 0);
        }
        let room = head + CHUNK - self.chunk.len();
        let count = bytes.len().min(room);
        self.chunk.extend_from_slice(&bytes[..count]);
        if count == room {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        if self.is_framed {
            seal(&mut chunk, 0);
        }
        (self.emit)(chunk)
    }
}

/// Fills in the head of a frame whose content stands behind it.
fn seal(frame: &mut [u8], unpacked: usize) {
    let (head, content) = frame.split_at_mut(FRAME_HEAD);
    let words = [length(content.len()), length(unpacked), crc32fast::hash(content)];
    for (place, word) in head.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("chunks are small")
}

/// The same frame packed, if that makes it smaller. Anything but a frame that is not packed yet is left alone.
pub fn pack(frame: &[u8]) -> Option<Vec<u8>> {
    let (head, content) = frame.split_at_checked(FRAME_HEAD)?;
    let (declared, packed) = (word(head, 0), word(head, 1));
    if usize::try_from(declared).ok()? != content.len() || packed != 0 {
        return None;
    }
    let mut out = vec![0; FRAME_HEAD + lz4_flex::block::get_maximum_output_size(content.len())];
    let count = lz4_flex::block::compress_into(content, &mut out[FRAME_HEAD..]).ok()?;
    out.truncate(FRAME_HEAD + count);
    seal(&mut out, content.len());
    (count < content.len()).then_some(out)
}

fn word(head: &[u8], index: usize) -> u32 {
    let bytes = &head[4 * index..4 * index + 4];
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

/// A snapshot's records out of whatever it came in, and the key of the hash if it came in frames.
pub fn open<R: Read>(mut input: R) -> io::Result<(Records<R>, Option<HashKey>)> {
    let mut start = [0; MAGIC.len()];
    let mut read = 0;
    while read < start.len() {
        match input.read(&mut start[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if start != *MAGIC {
        let start = io::Cursor::new(start[..read].to_vec());
        return Ok((Records::Plain(start.chain(input)), None));
    }
    let mut head = [0; 36];
    input.read_exact(&mut head)?;
    let (key, sum) = head.split_at(32);
    if crc32fast::hash(key) != word(sum, 0) {
        return Err(corrupt("the head of the snapshot's frames is damaged"));
    }
    let words =
        |index: usize| u64::from_le_bytes(key[8 * index..8 * index + 8].try_into().expect("eight bytes"));
    let frames = Frames { input, packed: Vec::new(), content: Vec::new(), at: 0 };
    Ok((Records::Framed(frames), Some(std::array::from_fn(words))))
}

/// What [`open`] gives: reads as the snapshot's records.
pub enum Records<R> {
    /// They came as they are.
    Plain(io::Chain<io::Cursor<Vec<u8>>, R>),
    /// They came in frames.
    Framed(Frames<R>),
}

/// The content of frames.
pub struct Frames<R> {
    input: R,
    packed: Vec<u8>,
    content: Vec<u8>,
    at: usize,
}

impl<R: Read> Records<R> {
    /// Of an input that cannot be in frames.
    pub fn plain(input: R) -> Records<R> {
        Records::Plain(io::Cursor::new(Vec::new()).chain(input))
    }
}

impl<R: Read> Read for Records<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Records::Plain(input) => input.read(buffer),
            Records::Framed(frames) => frames.read(buffer),
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.content.len() {
            if !self.next_frame()? {
                return Ok(0);
            }
        }
        let rest = &self.content[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl<R: Read> Frames<R> {
    /// Whether there was another frame.
    fn next_frame(&mut self) -> io::Result<bool> {
        let mut head = [0; FRAME_HEAD];
        let first = loop {
            match self.input.read(&mut head[..1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if first == 0 {
            return Ok(false);
        }
        self.input.read_exact(&mut head[1..])?;
        let size = |index| usize::try_from(word(&head, index)).unwrap_or(usize::MAX);
        let (length, unpacked) = (size(0), size(1));
        if length > LIMIT || unpacked > LIMIT {
            return Err(corrupt("a frame of the snapshot is too long"));
        }
        let target = if unpacked == 0 { &mut self.content } else { &mut self.packed };
        target.resize(length, 0);
        self.input.read_exact(target)?;
        if crc32fast::hash(target) != word(&head, 2) {
            return Err(corrupt("a frame of the snapshot is damaged"));
        }
        if unpacked > 0 {
            self.content.resize(unpacked, 0);
            let count = lz4_flex::block::decompress_into(&self.packed, &mut self.content);
            if count.ok() != Some(unpacked) {
                return Err(corrupt("a frame of the snapshot cannot be unpacked"));
            }
        }
        self.at = 0;
        Ok(true)
    }
}

fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: HashKey = [1, u64::MAX, 3, 4];

    /// Some that packs well and some that does not.
    fn content() -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(1);
        let noise = (0..300_000).map(|_| rng.u8(..));
        std::iter::repeat_n(b'x', 400_000).chain(noise).collect()
    }

    fn framed(content: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut chunks = Chunks::framed(KEY, |frame| {
            frames.push(frame);
            Ok(())
        })
        .unwrap();
        chunks.write_all(content).unwrap();
        chunks.flush().unwrap();
        frames
    }

    fn read(input: &[u8]) -> io::Result<(Vec<u8>, Option<HashKey>)> {
        let (mut records, key) = open(input)?;
        let mut content = Vec::new();
        records.read_to_end(&mut content)?;
        Ok((content, key))
    }

    #[test]
    fn what_goes_into_frames_comes_out_again() {
        let frames = framed(&content());
        assert!(frames.iter().all(|frame| frame.len() <= FRAME_HEAD + CHUNK));
        assert_eq!(read(&frames.concat()).unwrap(), (content(), Some(KEY)));
        assert_eq!(read(&framed(b"").concat()).unwrap(), (Vec::new(), Some(KEY)));
    }

    #[test]
    fn a_frame_is_packed_where_that_pays() {
        let frames = framed(&content());
        let packed: Vec<Option<Vec<u8>>> = frames.iter().map(|frame| pack(frame)).collect();
        let pays: Vec<bool> = packed.iter().map(Option::is_some).collect();
        assert_eq!(
            pays,
            [false, true, true, true, true, false, false],
            "the head, the run and its end, the noise"
        );
        assert_eq!(pack(packed[1].as_ref().unwrap()), None, "once");
        let mixed: Vec<Vec<u8>> =
            frames.into_iter().zip(packed).map(|(frame, packed)| packed.unwrap_or(frame)).collect();
        assert_eq!(read(&mixed.concat()).unwrap(), (content(), Some(KEY)));
    }

    #[test]
    fn a_snapshot_without_frames_is_handed_on() {
        for length in [0, 3, 8, 9, 700] {
            let plain = &b"REDIS0011 and what follows it".repeat(30)[..length];
            assert_eq!(read(plain).unwrap(), (plain.to_vec(), None), "{length}");
        }
        let mut chunks = Vec::new();
        let mut writer = Chunks::plain(|chunk| {
            chunks.extend(chunk);
            Ok(())
        });
        writer.write_all(&content()).unwrap();
        writer.flush().unwrap();
        assert!(chunks == content());
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let whole = framed(b"some content").concat();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let outcome = read(&damaged).map(|(content, _)| content);
            // Without its magic it is a snapshot of somebody else's, which the next reader refuses.
            assert!(at < MAGIC.len() || outcome.is_err(), "byte {at}: {outcome:?}");
        }
        for length in MAGIC.len()..whole.len() {
            let outcome = read(&whole[..length]).map(|(content, _)| content);
            assert!(outcome.as_ref().map_or(true, Vec::is_empty), "cut at {length}: {outcome:?}");
        }
    }

    #[test]
    fn no_declared_length_is_believed() {
        let head = framed(b"").concat();
        for (length, unpacked) in [(u32::MAX, 0), (10, u32::MAX)] {
            let frame = [length.to_le_bytes(), unpacked.to_le_bytes(), [0; 4]].concat();
            let error = read(&[head.as_slice(), &frame].concat()).unwrap_err();
            assert_eq!(error.to_string(), "a frame of the snapshot is too long");
        }
    }
}
