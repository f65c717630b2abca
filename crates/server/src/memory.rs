//! Memory in use: a count around the allocator.
//!
//! Each thread counts for itself and adds to the shared sum once it is off by a
//! page's worth, so counting costs an addition per allocation and INFO
//! used_memory is exact to some KiB per thread. What is counted is what allocators
//! make of a size, four classes to each doubling, and not the size asked for: the
//! sum is within a percent of what they hold to have handed out.

#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one only adds and forwards")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

static USED: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// A thread shares its count when it is off by this much.
const SLACK: isize = 16 * 1024;

thread_local! {
    static UNSHARED: Cell<isize> = const { Cell::new(0) };
}

/// The allocator `A`, counted.
#[derive(Debug)]
pub struct Counted<A>(pub A);

/// Bytes allocated and not freed, by all threads: exact for the one that asks, to some KiB for each other.
#[inline]
pub fn used() -> usize {
    let own = UNSHARED.with(Cell::get);
    usize::try_from(USED.load(Ordering::Relaxed) + own).unwrap_or(0)
}

/// The most that [`used`] has been.
pub fn peak() -> usize {
    usize::try_from(PEAK.load(Ordering::Relaxed)).unwrap_or(0)
}

fn share(bytes: isize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if used > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(used, Ordering::Relaxed);
    }
}

#[inline]
fn count(bytes: isize) {
    // A thread that is ending has no counter any more: then the sum is told at once.
    let shared = UNSHARED.try_with(|count| {
        let sum = count.get() + bytes;
        if sum.abs() < SLACK {
            count.set(sum);
        } else {
            count.set(0);
            share(sum);
        }
    });
    if shared.is_err() {
        share(bytes);
    }
}

const fn size(layout: Layout) -> isize {
    rounded(layout.size()).cast_signed()
}

/// The size class of `size`: multiples of 16 up to 128, then four to each doubling.
const fn rounded(size: usize) -> usize {
    if size <= 8 {
        return size.next_multiple_of(8);
    }
    let step = if size <= 128 { 16 } else { 1 << ((size - 1).ilog2() - 2) };
    size.wrapping_add(step - 1) & !(step - 1)
}

// SAFETY: every method forwards to `A` with the caller's own arguments and
// returns what it returned, so the contract of `GlobalAlloc` is `A`'s. Counting
// allocates nothing and cannot unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(rounded(new_size).cast_signed() - size(layout));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_allocators_round() {
        for (size, class) in [
            (0, 0),
            (1, 8),
            (9, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (257, 320),
            (4097, 5120),
            (65_537, 81_920),
        ] {
            assert_eq!(rounded(size), class, "{size}");
        }
    }
}
