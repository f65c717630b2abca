//! Replies into Lua and back.
//!
//! What a command replied becomes values that a script can work with (`reading.rs`), and what a script returns
//! becomes a reply (`writing.rs`). The two are no inverses: RESP knows more types than Lua.

mod reading;
mod writing;

pub(crate) use reading::{read, read_text};
pub(crate) use writing::{Written, write};
