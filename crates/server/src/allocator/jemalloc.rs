//! jemalloc: its figures, and what it is asked to do.
//!
//! Freed pages go back to the system by decay, on a thread of the allocator's own.

#![expect(unsafe_code, reason = "the functions of a C library")]

use std::ffi::{CStr, c_char, c_void};

use tikv_jemalloc_sys as sys;
use tikv_jemallocator::Jemalloc;

use super::Figures;

/// The allocator's type.
pub type Allocator = Jemalloc;
/// The allocator.
pub const ALLOCATOR: Allocator = Jemalloc;
/// Its name in INFO.
pub const NAME: &str = "jemalloc-5.3.1";

/// Milliseconds until freed pages are all given back.
const DECAY_MS: isize = 3000;

/// Starts its thread, and lets it give memory back within seconds.
pub fn tune() {
    set(c"arenas.dirty_decay_ms", DECAY_MS);
    set(c"arenas.muzzy_decay_ms", 0_isize);
    // The arena that exists already: the one of the thread that runs this.
    set(c"arena.0.dirty_decay_ms", DECAY_MS);
    set(c"arena.0.muzzy_decay_ms", 0_isize);
    set(c"background_thread", true);
}

/// What it knows; looking costs it some microseconds.
pub fn figures() -> Figures {
    set(c"epoch", 1_u64);
    Figures {
        allocated: get(c"stats.allocated"),
        active: get(c"stats.active"),
        resident: get(c"stats.resident"),
    }
}

/// Its statistics in its own words.
pub fn report() -> Option<String> {
    unsafe extern "C" fn gather(target: *mut c_void, text: *const c_char) {
        // SAFETY: the library passes on the pointer it was given below, and a string that ends in zero.
        let (target, text) = unsafe { (&mut *target.cast::<String>(), CStr::from_ptr(text)) };
        target.push_str(&text.to_string_lossy());
    }
    let mut text = String::new();
    // SAFETY: `gather` has the signature asked for and is called before this returns, while `text` lives.
    unsafe { sys::malloc_stats_print(Some(gather), (&raw mut text).cast(), std::ptr::null()) };
    Some(text)
}

/// Gives all unused pages of all threads back.
pub fn release() {
    // 4096 stands for all arenas.
    // SAFETY: the name ends in zero, and this control takes and gives nothing.
    unsafe {
        sys::mallctl(
            c"arena.4096.purge".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        )
    };
}

/// Its own thread does that.
pub fn give_back() {}

/// Sets a control of type `T`; one that this build lacks stays as it is.
fn set<T>(name: &CStr, mut value: T) {
    // SAFETY: the name ends in zero, and `value` is readable for the length given. A length that is not the
    // control's is refused by the library.
    unsafe {
        sys::mallctl(
            name.as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw mut value).cast(),
            size_of::<T>(),
        )
    };
}

fn get(name: &CStr) -> Option<usize> {
    let (mut value, mut length) = (0_usize, size_of::<usize>());
    // SAFETY: the name ends in zero, and `value` is writable for the length given.
    let status = unsafe {
        sys::mallctl(name.as_ptr(), (&raw mut value).cast(), &raw mut length, std::ptr::null_mut(), 0)
    };
    (status == 0).then_some(value)
}
