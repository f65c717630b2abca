//! What a verification has found, replica by replica.
//!
//! Only what both sides have listed in full is called a difference of a key; that ranges differ whose keys
//! were not listed is said as well.

use std::collections::BTreeMap;

use slipstream_log::Offset;

use super::{Listing, MAX_DIFFERENCES};
use crate::Moment;

/// The result of one verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The offset at which the copies were compared.
    pub offset: Offset,
    /// When it was done.
    pub finished: Moment,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// One for each replica.
    pub copies: Vec<Copied>,
}

/// One replica's part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its address and port.
    pub name: String,
    /// What was found.
    pub outcome: Outcome,
}

/// What was found of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its data is equal.
    Equal,
    /// It is not.
    Different {
        /// The ranges of keys that differ.
        ranges: Vec<u16>,
        /// Keys that differ, at most [`MAX_DIFFERENCES`].
        keys: Vec<Difference>,
        /// Whether these are all.
        complete: bool,
    },
    /// It could have been compared, but was not: why.
    Failed(String),
    /// It cannot be compared: why.
    Incapable(String),
}

impl Outcome {
    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Equal => "equal",
            Outcome::Different { .. } => "different",
            Outcome::Failed(_) => "failed",
            Outcome::Incapable(_) => "incapable",
        }
    }
}

/// A key that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// What is wrong.
    pub how: How,
}

/// How a replica's key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The replica lacks it.
    Missing,
    /// Only the replica has it.
    Extra,
    /// Type, value or a deadline differs.
    Different,
}

impl How {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Missing => "missing",
            How::Extra => "extra",
            How::Different => "different",
        }
    }
}

impl Report {
    /// One word for all replicas: the gravest of theirs.
    pub fn status(&self) -> &'static str {
        let gravity = |copied: &&Copied| match copied.outcome {
            Outcome::Equal => 0,
            Outcome::Incapable(_) => 1,
            Outcome::Failed(_) => 2,
            Outcome::Different { .. } => 3,
        };
        self.copies.iter().max_by_key(gravity).map_or("none", |copied| copied.outcome.as_str())
    }

    /// How many ranges and keys are known to differ, over all replicas.
    pub fn differing(&self) -> (usize, usize) {
        let counts = self.copies.iter().map(|copied| match &copied.outcome {
            Outcome::Different { ranges, keys, .. } => (ranges.len(), keys.len()),
            _ => (0, 0),
        });
        counts.fold((0, 0), |(ranges, keys), (r, k)| (ranges + r, keys + k))
    }
}

/// Compares a replica's keys with this node's. `listed_all` is whether all ranges that differ were listed.
pub(super) fn compare(own: &Listing, theirs: &Listing, ranges: Vec<u16>, listed_all: bool) -> Outcome {
    let by_name = |listing: &Listing| -> BTreeMap<(u32, Vec<u8>), u64> {
        listing.keys.iter().map(|key| ((key.db, key.name.clone()), key.digest)).collect()
    };
    let (ours, mut theirs_by_name) = (by_name(own), by_name(theirs));
    let mut keys = Vec::new();
    for ((db, key), digest) in ours {
        let how = match theirs_by_name.remove(&(db, key.clone())) {
            Some(found) if found == digest => continue,
            Some(_) => How::Different,
            // Where the replica's list was cut, what is not in it may well be there.
            None if !theirs.complete => continue,
            None => How::Missing,
        };
        keys.push(Difference { db, key, how });
    }
    if own.complete {
        let extra = theirs_by_name.into_keys().map(|(db, key)| Difference { db, key, how: How::Extra });
        keys.extend(extra);
    }
    let complete = listed_all && own.complete && theirs.complete && keys.len() <= MAX_DIFFERENCES;
    keys.truncate(MAX_DIFFERENCES);
    Outcome::Different { ranges, keys, complete }
}
