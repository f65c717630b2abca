//! Sentinels: groups of servers that are watched, what becomes of them under faults, and the situations that operators
//! meet.
//!
//! What runs the sentinels is a parameter, as is what runs the servers: each situation is played with every kind, side
//! by side, so that what is asserted is what Redis does.

mod access;
mod conditions;
mod events;
mod failover;
mod fencing;
mod files;
mod group;
mod hello;
mod libraries;
mod moves;
mod names;
mod replies;
mod scripts;
mod selection;
mod writer;

use std::thread;

use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;

/// What runs the sentinels in the situations.
const KINDS: [Kind; 3] = [Ours, Redis7, Valkey9];

/// Plays a situation with each kind of sentinel, all at once.
fn with_each_kind(situation: impl Fn(Kind) + Sync) {
    if all_found(&KINDS) {
        side_by_side(KINDS.into_iter(), |&kind| situation(kind));
    }
}

/// Calls for each item in a thread of its own, and says which one failed.
fn side_by_side<T: std::fmt::Debug + Send>(items: impl Iterator<Item = T>, act: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for item in items {
            let act = &act;
            scope.spawn(move || {
                let item = Named(item);
                act(&item.0);
            });
        }
    });
}

/// Prints which one it was when a check fails.
struct Named<T: std::fmt::Debug>(T);

impl<T: std::fmt::Debug> Drop for Named<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            crate::report(&format!("with {:?}", self.0));
        }
    }
}
