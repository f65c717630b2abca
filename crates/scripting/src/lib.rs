//! Lua: scripts of EVAL and libraries of FUNCTION, their sandbox and the libraries they may use.
//!
//! An [`Interpreter`] compiles and runs them. What a running script wants of the server it asks through the
//! trait [`Server`], and what it returns is written as a reply. This crate knows no command, no session and no
//! clock; a script reaches nothing but what this crate puts before it, and cannot change what other scripts
//! see.
//!
//! Lua itself is C code, which does no I/O: its libraries `io`, `os`, `package` and `debug` are never opened.
//!
//! Read next: [`interpreter`] for how a script runs, `prelude.lua` for the sandbox, [`thrown`] for errors.

mod api;
mod arguments;
mod bits;
mod cjson;
mod cmsgpack;
mod interpreter;
mod library;
mod number;
mod pairs;
mod position;
mod random;
mod replies;
mod server;
mod shebang;
mod structs;
mod thrown;

pub use interpreter::{CompileError, Interpreter, Outcome, Program, Purpose, Run};
pub use library::Registered;
pub use server::{Level, Replication, Server, Tick};
pub use shebang::{Flags, LibraryHeader, ScriptHeader, library_header, script_header};
