//! The snapshot file format of Redis and Valkey.
