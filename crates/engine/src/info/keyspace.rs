//! Keyspace: databases that hold keys.
//!
//! The sizes are kept by the databases themselves; the average time that keys have left is that of a sample, so this
//! walks no data to speak of.

use super::{Fields, Subject};

pub(super) fn keyspace(subject: &Subject<'_>, fields: &mut Fields) {
    let now = subject.core.clock;
    for index in 0..subject.keyspace.databases() {
        let db = subject.keyspace.db(index);
        if !db.is_empty() {
            let (keys, expires, subexpiry) = (db.len(), db.expires_len(), db.hashes_with_deadlines());
            let mut rng = fastrand::Rng::with_seed(now.micros);
            let average = db.average_time_left(&mut rng, now.unix()).unwrap_or(0);
            let line = format!("keys={keys},expires={expires},avg_ttl={average},subexpiry={subexpiry}");
            fields.add(&format!("db{index}"), line);
        }
    }
}
