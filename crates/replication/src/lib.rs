//! Both sides of replication as pure machines over bytes and offsets.
