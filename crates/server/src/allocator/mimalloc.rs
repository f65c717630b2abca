//! mimalloc: its figures, and what it is asked to do.
//!
//! Pages that became empty are kept for a while and given back as further ones become empty: whoever frees much
//! and then nothing has to ask for it.

#![expect(unsafe_code, reason = "the functions of a C library")]

use std::ffi::{CStr, c_char, c_void};

use libmimalloc_sys as sys;
use mimalloc::MiMalloc;

use super::Figures;

/// The allocator's type.
pub type Allocator = MiMalloc;
/// The allocator.
pub const ALLOCATOR: Allocator = MiMalloc;
/// Its name in INFO.
pub const NAME: &str = "mimalloc";

/// Its own settings are right as they are.
pub fn tune() {}

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

/// Empty pages of all threads go back once some thread asks; by itself the library waits for the next to be freed.
pub fn give_back() {
    release();
}
