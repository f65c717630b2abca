//! What a client sent and nobody has taken up yet.
//!
//! Requests are taken from the front, also one at a time from a long pipeline: what is taken stays where it is until
//! it is the bigger half, so that each byte is moved once at most on average.

/// Bytes kept once there is none to take.
const KEPT: usize = 64 * 1024;

/// Bytes received and not taken up: an unfinished request, or what comes behind one that waits.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// How many of them are taken.
    taken: usize,
}

impl Input {
    /// What is there.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.bytes.reserve(more);
    }

    /// So many from the front are taken up.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            self.bytes.clear();
            self.taken = 0;
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        } else if self.taken > self.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_moved_away_when_it_is_the_bigger_half() {
        let mut input = Input::default();
        let check = |input: &Input, left: &[u8], taken: usize| {
            assert_eq!((input.as_slice(), input.len(), input.taken), (left, left.len(), taken));
        };
        input.push(b"abcdef");
        input.take(3);
        check(&input, b"def", 3);
        input.push(b"gh");
        input.take(1);
        check(&input, b"efgh", 4);
        input.take(1);
        check(&input, b"fgh", 0);
        input.take(3);
        check(&input, b"", 0);
    }

    #[test]
    fn a_long_input_leaves_no_room_behind() {
        let mut input = Input::default();
        input.push(&[0; KEPT + 1]);
        input.take(KEPT + 1);
        assert_eq!(input.capacity(), 0);
    }
}
