//! How big to make an allocation that is going to grow: as big as the allocator's class that it
//! would fall into anyway.
//!
//! mimalloc and jemalloc both have four classes per doubling above 128 bytes and one per 16 bytes
//! below, so a block that grows class by class wastes no more than the allocator itself would.

/// What an `Arc` allocates in front of its content.
pub(crate) const ARC_HEADER: usize = 8;
/// Above this a block is given what it asks for, and no class is told.
pub(crate) const CLASSES_UP_TO: usize = 64 * 1024;

/// The size of the allocator's class for `bytes`.
pub(crate) fn size_class(bytes: usize) -> usize {
    let step = match bytes {
        0..=128 => 16,
        129..=CLASSES_UP_TO => 1 << ((bytes - 1).ilog2() - 2),
        _ => 16,
    };
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_allocators() {
        for (bytes, class) in [
            (1, 16),
            (16, 16),
            (17, 32),
            (128, 128),
            (129, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (512, 512),
            (513, 640),
            (1024, 1024),
            (1025, 1280),
            (2048, 2048),
            (7169, 8192),
            (8193, 10240),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
        assert_eq!(size_class(100_000), 100_000);
    }
}
