//! What the fuzz target does with one input; shared with the model test, which draws inputs from seeds.
//!
//! An input is a list of operations (`operation.rs`), done to a keyspace and to sorted maps (`reference.rs`) alike.

mod operation;
mod reference;
mod scans;
mod subject;
mod world;

use operation::Input;
pub(crate) use operation::Operation;
use world::World;

/// Any bytes as operations on a keyspace that must keep to its reference.
pub(crate) fn keyspace(input: &[u8]) {
    run(input, |_| {});
}

/// The same; `tell` hears of each operation before it is done.
pub(crate) fn run(input: &[u8], mut tell: impl FnMut(&Operation)) {
    let mut input = Input::new(input);
    let mut world = World::new(&mut input);
    while !input.is_empty() {
        let operation = Operation::read(&mut input);
        tell(&operation);
        world.perform(&operation);
    }
    world.finish();
}
