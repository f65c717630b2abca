//! The bytes that the entries of one region lie in: up to 16 shared blocks of just under 4 KiB.
//!
//! All blocks have one size, so that memory given back by one region fits any other: pages that
//! grow through the allocator's size classes were measured to leave a third of the memory in holes
//! of sizes that nobody needs any more. Only the last block of a region is smaller while it grows.
//! Entries are added at the end of a block and never cross its border. What is removed stays
//! behind as dead bytes until the region is packed anew.
//!
//! ```text
//! address: | block (4 bits) | place in the block (12 bits) |
//! ```

use triomphe::Arc;

use crate::shared::{slice_mut, zeroed};
use crate::size_class::ARC_HEADER;

/// Bytes of a full-grown block: with the shared pointer's counter it takes 4096.
pub(super) const BLOCK: usize = 4096 - ARC_HEADER;
/// Blocks that addresses can tell apart.
const MOST_BLOCKS: usize = 16;
/// The longest entry: what is bigger lies beside.
pub(super) const LONGEST_ENTRY: usize = 512;
const SMALLEST: usize = 128;
/// What a block starts with that is not the first.
const LATER: usize = 1024 - ARC_HEADER;
const PLACE_BITS: u16 = 12;
/// Bytes that a cache reads at a time.
const LINE: usize = 64;

/// Where in its region an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(pub(super) u16);

impl Address {
    fn new(block: usize, place: usize) -> Self {
        let address = block << PLACE_BITS | place;
        Address(u16::try_from(address).expect("blocks and places are bounded"))
    }

    #[inline]
    fn block(self) -> usize {
        usize::from(self.0 >> PLACE_BITS)
    }

    #[inline]
    fn place(self) -> usize {
        usize::from(self.0 & ((1 << PLACE_BITS) - 1))
    }
}

#[derive(Clone)]
struct Block {
    bytes: Arc<[u8]>,
    used: usize,
}

impl Block {
    fn new(size: usize) -> Self {
        Block { bytes: zeroed(size), used: 0 }
    }
}

#[derive(Clone, Default)]
pub(super) struct Blocks {
    list: Vec<Block>,
    /// Bytes of entries that are present.
    live: usize,
    /// Bytes of entries that are gone.
    dead: usize,
    /// Bytes of the longest entry that was ever here.
    longest: usize,
}

impl Blocks {
    /// The bytes from `address` on, up to the end of its block.
    #[inline]
    pub(super) fn at(&self, address: Address) -> &[u8] {
        &self.list[address.block()].bytes[address.place()..]
    }

    /// Something of the list of blocks.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.live.to_le_bytes()[0].into()
    }

    /// Something of each of the first two lines from `address` on, and the block's counter. There need not be such a
    /// block.
    #[inline]
    pub(super) fn touch_at(&self, address: Address) -> u64 {
        let Some(block) = self.list.get(address.block()) else { return 0 };
        let line = |at| block.bytes.get(at).copied().unwrap_or_default();
        // Accesses are recorded in place, where nobody else holds the block.
        u64::from(line(address.place()) ^ line(address.place() + LINE)) ^ u64::from(block.bytes.is_unique())
    }

    /// Reads all entries once, in the order in which they lie: the processor is faster at that than at
    /// finding each when it is its turn.
    pub(super) fn read_ahead(&self) {
        let lines = self.list.iter().flat_map(|block| block.bytes[..block.used].iter().step_by(LINE));
        std::hint::black_box(lines.fold(0, |seen, byte| seen ^ byte));
    }

    /// Something of the lines at the end of the last block that an entry will take, when `before`
    /// others have been added.
    #[inline]
    pub(super) fn touch_room(&self, before: usize) -> u64 {
        let Some(last) = self.list.last() else { return 0 };
        let at = last.used + 2 * LINE * before;
        let line = |at| last.bytes.get(at).copied().unwrap_or_default();
        u64::from(line(at) ^ line(at + LINE)) ^ u64::from(last.bytes.is_unique())
    }

    /// The same, to be changed; the block is copied first if a snapshot holds it.
    #[inline]
    pub(super) fn at_mut(&mut self, address: Address) -> &mut [u8] {
        &mut slice_mut(&mut self.list[address.block()].bytes)[address.place()..]
    }

    /// The same, if nobody else holds the block.
    #[inline]
    pub(super) fn at_mut_if_unshared(&mut self, address: Address) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.list[address.block()].bytes).map(|bytes| &mut bytes[address.place()..])
    }

    /// Room for `size` bytes at the end of a block; None when packing anew would do better than
    /// another block, or when there may not be another, or when packing anew might need more blocks
    /// than addresses allow.
    pub(super) fn allocate(&mut self, size: usize) -> Option<Address> {
        if self.live + size > packable(self.longest.max(size)) {
            return None;
        }
        if let Some(block) = self.with_room(size) {
            return Some(self.take(block, size));
        }
        if self.is_sparse() || !self.grow(size) {
            return None;
        }
        Some(self.take(self.list.len() - 1, size))
    }

    /// Adds a copy of an entry while a region is packed anew.
    pub(super) fn adopt(&mut self, entry: &[u8]) -> Address {
        let block = self.with_room(entry.len()).unwrap_or_else(|| {
            assert!(self.grow(entry.len()), "no more was taken than can be packed");
            self.list.len() - 1
        });
        let address = self.take(block, entry.len());
        self.at_mut(address)[..entry.len()].copy_from_slice(entry);
        address
    }

    /// Whether so much is dead that packing anew costs less than it gives.
    pub(super) fn is_sparse(&self) -> bool {
        self.dead >= SMALLEST && self.dead * 4 > self.live
    }

    /// Counts the `size` bytes at `address` as dead.
    pub(super) fn release(&mut self, address: Address, size: usize) {
        self.live -= size;
        let block = &mut self.list[address.block()];
        if block.used == address.place() + size {
            block.used = address.place();
        } else {
            self.dead += size;
        }
    }

    /// Bytes of entries that are present.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Bytes of entries that are gone.
    pub(super) fn dead(&self) -> usize {
        self.dead
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        let blocks: usize = self.list.iter().map(|block| block.bytes.len() + ARC_HEADER).sum();
        blocks + self.list.capacity() * size_of::<Block>()
    }

    /// Empty blocks with room for `bytes`, if that is less than a block.
    pub(super) fn sized(bytes: usize) -> Self {
        let mut blocks = Blocks::default();
        if bytes > 0 {
            blocks.push(bytes.min(BLOCK));
        }
        blocks
    }

    /// The last block that has room for `size` bytes.
    #[inline]
    fn with_room(&self, size: usize) -> Option<usize> {
        self.list.iter().rposition(|block| block.bytes.len() - block.used >= size)
    }

    fn take(&mut self, block: usize, size: usize) -> Address {
        let place = self.list[block].used;
        self.list[block].used += size;
        self.live += size;
        self.longest = self.longest.max(size);
        Address::new(block, place)
    }

    /// Makes room for `size` bytes at the end of the last block, or in another one.
    fn grow(&mut self, size: usize) -> bool {
        assert!(size <= BLOCK, "bigger values lie beside");
        let count = self.list.len();
        match self.list.last_mut() {
            Some(last) if last.used + size <= BLOCK => {
                let mut bigger = Block::new(stepped(last.used + size));
                let bytes = Arc::get_mut(&mut bigger.bytes).expect("just made");
                bytes[..last.used].copy_from_slice(&last.bytes[..last.used]);
                bigger.used = last.used;
                *last = bigger;
            }
            None => self.push(size),
            Some(_) if count < MOST_BLOCKS => self.push(size.max(LATER)),
            Some(_) => return false,
        }
        true
    }

    fn push(&mut self, size: usize) {
        self.list.push(Block::new(stepped(size)));
    }
}

/// Bytes of entries that can be packed in any order when none is longer than `longest`: a block is
/// left only when the next entry does not fit, so that its end leaves less than that unused.
pub(super) fn packable(longest: usize) -> usize {
    (MOST_BLOCKS - 1) * (BLOCK - longest + 1)
}

/// The size of a block for `bytes`: with the counter a power of two. Steps between these would
/// leave more in holes of the allocator than at the ends of blocks.
fn stepped(bytes: usize) -> usize {
    let size = (bytes + ARC_HEADER).next_power_of_two().max(SMALLEST);
    (size - ARC_HEADER).min(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_taken_can_be_packed_in_any_order() {
        let mut rng = fastrand::Rng::with_seed(7);
        for longest in [1, 2, 26, 93, 300, LONGEST_ENTRY - 1, LONGEST_ENTRY] {
            for shortest in [1, longest.div_ceil(2), longest] {
                let mut blocks = Blocks::default();
                let mut sizes = Vec::new();
                while sizes.len() < 80_000 {
                    let size = rng.usize(shortest..=longest);
                    if blocks.allocate(size).is_none() {
                        break;
                    }
                    sizes.push(size);
                }
                assert!(blocks.live() > 12 * BLOCK, "{longest}: {}", blocks.live());
                // Ascending leaves the most unused.
                for _ in 0..3 {
                    let mut packed = Blocks::sized(BLOCK);
                    for size in &sizes {
                        packed.adopt(&vec![7; *size]);
                    }
                    assert_eq!(packed.live(), blocks.live());
                    sizes.sort_unstable();
                    rng.bool().then(|| rng.shuffle(&mut sizes));
                }
            }
        }
    }

    #[test]
    fn a_longer_entry_than_before_is_taken_only_where_it_packs() {
        let mut blocks = Blocks::default();
        while blocks.allocate(16).is_some() {}
        assert!(blocks.live() > packable(LONGEST_ENTRY));
        assert_eq!(blocks.allocate(LONGEST_ENTRY), None);
        blocks.release(Address(0), 16);
        assert!(blocks.allocate(16).is_some());
    }
}
