//! Memory in use: a count around the allocator.
//!
//! Each thread counts for itself and adds to the shared sum once it is off by a
//! page's worth, so counting costs an addition per allocation and INFO
//! used_memory is exact to some KiB per thread.

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

/// Bytes allocated and not freed, by all threads.
pub fn used() -> usize {
    UNSHARED.with(|count| share(count.replace(0)));
    usize::try_from(USED.load(Ordering::Relaxed)).unwrap_or(0)
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
    layout.size().cast_signed()
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
        count(new_size.cast_signed() - size(layout));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }
}
