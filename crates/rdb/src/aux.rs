//! The string pairs about a snapshot that stand at its start: who made it, when, and where its replication stood.
//!
//! All pairs are kept as they are in the file; the known ones have accessors. A reader ignores what it does not know.

use std::fmt::Display;

const TOTAL_KEYS: &str = "slipstream-keys";

/// Named facts about a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aux {
    /// Name and value, in the order of the file.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Who writes a snapshot, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker<'a> {
    /// Name of the pair that holds the version: `redis-ver` or `valkey-ver`.
    pub version_name: &'a str,
    /// The version that the program claims.
    pub version: &'a str,
    /// Wall clock in seconds since 1970.
    pub created: i64,
    /// Bytes in use.
    pub used_memory: u64,
}

/// Where in the replication stream a snapshot was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationPoint {
    /// The database that is selected at the end of the stream, 0 if none yet.
    pub stream_database: usize,
    /// Replication id, 40 hexadecimal digits.
    pub id: [u8; 40],
    /// Offset of the last byte of the stream that the snapshot contains.
    pub offset: i64,
}

impl Aux {
    /// The pairs that Redis writes, in its order. `is_aof_base` says that the snapshot starts an append-only file.
    pub fn describe(maker: Maker<'_>, replication: Option<&ReplicationPoint>, is_aof_base: bool) -> Aux {
        let mut aux = Aux::default();
        aux.push(maker.version_name, maker.version);
        aux.push("redis-bits", usize::BITS);
        aux.push("ctime", maker.created);
        aux.push("used-mem", maker.used_memory);
        if let Some(point) = replication {
            aux.push("repl-stream-db", point.stream_database);
            aux.pairs.push((b"repl-id".to_vec(), point.id.to_vec()));
            aux.push("repl-offset", point.offset);
        }
        aux.push("aof-base", u8::from(is_aof_base));
        aux
    }

    fn push(&mut self, name: &str, value: impl Display) {
        self.pairs.push((name.as_bytes().to_vec(), value.to_string().into_bytes()));
    }

    /// The value of the last pair of this name; case does not count.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        let named = |(key, _): &&(Vec<u8>, Vec<u8>)| key.eq_ignore_ascii_case(name.as_bytes());
        self.pairs.iter().rev().find(named).map(|(_, value)| &value[..])
    }

    /// The replication facts, if all of them are there and make sense.
    pub fn replication(&self) -> Option<ReplicationPoint> {
        Some(ReplicationPoint {
            stream_database: self.number("repl-stream-db")?,
            id: self.value("repl-id")?.try_into().ok()?,
            offset: self.number("repl-offset")?,
        })
    }

    /// Adds how many keys the snapshot has in all, for nodes of this project: they tell their progress by it.
    pub fn push_total_keys(&mut self, keys: u64) {
        self.push(TOTAL_KEYS, keys);
    }

    /// How many keys the snapshot has in all, if this pair says so.
    pub(crate) fn total_keys((name, value): &(Vec<u8>, Vec<u8>)) -> Option<u64> {
        if name == TOTAL_KEYS.as_bytes() { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
    }

    /// Whether the snapshot is the base of an append-only file.
    pub fn is_aof_base(&self) -> bool {
        self.value("aof-base") == Some(b"1")
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        std::str::from_utf8(self.value(name)?).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_found_again_in_redis_order() {
        let maker =
            Maker { version_name: "redis-ver", version: "7.2.4", created: 1_700_000_000, used_memory: 1024 };
        let point = ReplicationPoint { stream_database: 3, id: [b'a'; 40], offset: 77 };
        let aux = Aux::describe(maker, Some(&point), true);
        let names: Vec<_> = aux.pairs.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect();
        let expected = [
            "redis-ver",
            "redis-bits",
            "ctime",
            "used-mem",
            "repl-stream-db",
            "repl-id",
            "repl-offset",
            "aof-base",
        ];
        assert_eq!(names, expected);
        assert_eq!(aux.replication(), Some(point));
        assert!(aux.is_aof_base());
        assert_eq!(aux.value("REDIS-VER"), Some(&b"7.2.4"[..]));
        assert_eq!(Aux::describe(maker, None, false).replication(), None);
    }
}
