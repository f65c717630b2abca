//! mimalloc: its figures, and what it is asked to do.
//!
//! Left to itself it gives back empty pages while it frees further ones, on the thread that happens to do so, all
//! that have gathered at once: the executor would be away for milliseconds. So it is told to keep them, until the
//! reclaimer asks.

#![expect(unsafe_code, reason = "the functions of a C library")]

use std::ffi::{CStr, c_char, c_long, c_void};

use libmimalloc_sys as sys;
use mimalloc::MiMalloc;

use super::Figures;

/// The allocator's type.
pub type Allocator = MiMalloc;
/// The allocator.
pub const ALLOCATOR: Allocator = MiMalloc;
/// Its name in INFO.
pub const NAME: &str = "mimalloc";

/// Milliseconds for which empty pages are kept where nobody asks for them.
const KEPT: c_long = 24 * 60 * 60 * 1000;
/// `mi_option_purge_delay` in the library's list of options, whose order its versions keep.
const PURGE_DELAY: sys::mi_option_t = 15;

/// From now on no thread gives pages back in passing.
pub fn tune() {
    // SAFETY: a call without conditions; an option that the library does not know is left alone.
    unsafe { sys::mi_option_set(PURGE_DELAY, KEPT) };
}

/// It tells what it has from the system.
pub fn figures() -> Figures {
    let mut resident = 0;
    let none = std::ptr::null_mut();
    // SAFETY: each pointer is null, which the function allows, or points to a usize that outlives the call.
    unsafe { sys::mi_process_info(none, none, none, none, none, &raw mut resident, none, none) };
    Figures { resident: Some(resident), ..Figures::default() }
}

/// Its statistics in its own words.
pub fn report() -> Option<String> {
    unsafe extern "C" fn gather(text: *const c_char, target: *mut c_void) {
        // SAFETY: the library passes on the pointer it was given below, and a string that ends in zero.
        let (target, text) = unsafe { (&mut *target.cast::<String>(), CStr::from_ptr(text)) };
        target.push_str(&text.to_string_lossy());
    }
    let mut text = String::new();
    // SAFETY: `gather` has the signature asked for and is called before this returns, while `text` lives.
    unsafe { sys::mi_stats_print_out(Some(gather), (&raw mut text).cast()) };
    Some(text)
}

/// Gives back empty pages of all threads, and tidies up the heap of this one.
pub fn release() {
    // SAFETY: a call without conditions.
    unsafe { sys::mi_collect(true) };
}

/// Empty pages of all threads go back on the thread that asks. Next to nothing is done where there are none.
pub fn give_back() {
    release();
}
