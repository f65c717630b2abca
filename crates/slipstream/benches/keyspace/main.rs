//! What the keyspace does inside one process, with the allocator of the server: `cargo xtask bench keyspace`.
//!
//! Prints Markdown tables: time per operation, the longest single operation, snapshots, expiry, memory. The shapes
//! of the memory table fill a process each, so that what another one freed is not found and used again.
//!
//! Times are of one thread that does nothing else; they contain the copying of chunks that a snapshot still holds,
//! and no parsing, dispatch or socket. `stopwatch.rs` says how the longest operation is found.

mod collections;
mod expiry;
mod page;
mod shapes;
mod stopwatch;
mod strings;

use slipstream_server::allocator::{self, ALLOCATOR as CHOSEN, Allocator};
use slipstream_server::memory::Counted;

#[global_allocator]
static ALLOCATOR: Counted<Allocator> = Counted(CHOSEN);

/// How much there is of everything.
#[derive(Clone, Copy)]
struct Scale {
    /// Keys of the smaller and of the bigger keyspace.
    keys: [usize; 2],
    /// Elements of one collection, and keys that are due at one instant.
    elements: usize,
}

const FULL: Scale = Scale { keys: [1_000_000, 10_000_000], elements: 1_000_000 };
const QUICK: Scale = Scale { keys: [100_000, 1_000_000], elements: 100_000 };

/// What every database of these measures is keyed by.
const SEED: [u64; 4] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98];

fn main() {
    allocator::tune();
    // cargo bench adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => run(FULL),
        ["--quick"] => run(QUICK),
        ["--shape", name, elements] => shapes::fill(name, elements),
        _ => page::say("usage: cargo xtask bench keyspace [--quick]"),
    }
}

fn run(scale: Scale) {
    page::say(&format!("allocator: {}\n", allocator::NAME));
    strings::run(scale.keys);
    collections::run(scale.elements);
    expiry::run(scale.elements, scale.keys[1]);
    shapes::run(scale.elements);
}
