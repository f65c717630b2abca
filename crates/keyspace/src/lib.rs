//! The data: databases, values, collections, expiry and snapshots.
