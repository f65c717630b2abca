//! The system's allocator: what a build without any other uses, sanitizers above all.
//!
//! It tells nothing, and gives memory back as it sees fit.

use std::alloc::System;

use super::Figures;

/// The allocator's type.
pub type Allocator = System;
/// The allocator.
pub const ALLOCATOR: Allocator = System;
/// Its name in INFO.
pub const NAME: &str = "libc";

/// Nothing to set.
pub fn tune() {}

/// Nothing to know.
pub fn figures() -> Figures {
    Figures::default()
}

/// No report.
pub fn report() -> Option<String> {
    None
}

/// It cannot be asked for memory.
pub fn release() {}

/// It does that as it sees fit.
pub fn give_back() {}
