//! What a search found, kept as a sorted set.
//!
//! The set is propagated as it is, not the search that made it: copies agree whatever their processors and libraries
//! make of sines and cosines.

use slipstream_keyspace::{SortedSet, Value};
use slipstream_resp::number::format_f64;

use crate::call::Call;
use crate::commands::sorted_sets::changed_by;
use crate::event::{self, Event};

/// Members that travel in one ZADD: a result of any size stays within what a request may hold.
const AT_ONCE: usize = 1000;

/// A member with the score to keep.
pub(super) struct Found {
    pub(super) member: Vec<u8>,
    pub(super) score: f64,
}

/// Puts what was found at `key` in place of what is there, and answers how many that are. Nothing removes the key.
pub(super) fn store(call: &mut Call<'_>, key: &[u8], found: Vec<Found>, event: Event) {
    let encoding = call.db.encoding();
    let was_there = call.db.contains(key);
    if was_there {
        call.propagate(&[b"DEL", key]);
    }
    if found.is_empty() {
        if was_there {
            call.db.remove(key);
            call.changed(key, event::DEL);
        }
    } else {
        let mut result = SortedSet::new();
        for Found { member, score } in &found {
            result.insert(member, *score, &encoding);
        }
        call.db.insert(key, Value::SortedSet(result), None);
        changed_by(call, key, found.len(), event);
        found.chunks(AT_ONCE).for_each(|some| propagate(call, key, some));
    }
    call.reply.count(found.len());
}

fn propagate(call: &mut Call<'_>, key: &[u8], found: &[Found]) {
    let scores: Vec<Vec<u8>> = found.iter().map(|found| format_f64(found.score)).collect();
    let mut words: Vec<&[u8]> = vec![b"ZADD", key];
    words.extend(scores.iter().zip(found).flat_map(|(score, found)| [score.as_slice(), &found.member]));
    call.propagate(&words);
}
