//! Keyspace: databases that hold keys.
//!
//! The sizes are kept by the databases themselves, so this walks no data.

use super::{Fields, Subject};

pub(super) fn keyspace(subject: &Subject<'_>, fields: &mut Fields) {
    for index in 0..subject.keyspace.databases() {
        let db = subject.keyspace.db(index);
        if !db.is_empty() {
            let (keys, expires, subexpiry) = (db.len(), db.expires_len(), db.hashes_with_deadlines());
            let line = format!("keys={keys},expires={expires},subexpiry={subexpiry}");
            fields.add(&format!("db{index}"), line);
        }
    }
}
