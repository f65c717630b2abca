//! What a snapshot is made of, counted key by key.
//!
//! Pure: keys in, lines out. Bytes are those of the file, where values may be compressed.

use std::collections::BTreeMap;

use slipstream_keyspace::UnixMillis;
use slipstream_rdb::KeyRecord;

/// How many of the biggest keys are named.
const NAMED: usize = 10;

/// Times until keys expire: up to so many seconds, and its name.
const SPANS: &[(i64, &str)] = &[
    (0, "past"),
    (60, "within a minute"),
    (3600, "within an hour"),
    (86_400, "within a day"),
    (604_800, "within a week"),
    (2_592_000, "within 30 days"),
    (i64::MAX, "later"),
];

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) keys: u64,
    /// Keys with a deadline.
    pub(super) expires: u64,
    types: BTreeMap<&'static str, Counts>,
    databases: BTreeMap<usize, u64>,
    /// By the places of [`SPANS`].
    spans: [u64; SPANS.len()],
    /// The biggest first.
    biggest: Vec<Key>,
}

#[derive(Debug, Default)]
struct Counts {
    keys: u64,
    elements: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Key {
    bytes: u64,
    description: String,
}

impl Summary {
    /// Counts a key that takes `bytes` of the file.
    pub(super) fn add(&mut self, record: &KeyRecord<'_>, bytes: u64, now: UnixMillis) {
        self.keys += 1;
        *self.databases.entry(record.database).or_default() += 1;
        let elements = record.value.len() as u64;
        let counts = self.types.entry(record.value.type_name()).or_default();
        *counts = Counts {
            keys: counts.keys + 1,
            elements: counts.elements + elements,
            bytes: counts.bytes + bytes,
        };
        if let Some(deadline) = record.deadline {
            self.expires += 1;
            let left = deadline.0.saturating_sub(now.0).div_euclid(1000);
            let span = SPANS.iter().position(|(until, _)| left < *until).unwrap_or(SPANS.len() - 1);
            self.spans[span] += 1;
        }
        if self.biggest.len() < NAMED || self.biggest.last().is_some_and(|least| least.bytes < bytes) {
            self.note_big(record, bytes, elements);
        }
    }

    fn note_big(&mut self, record: &KeyRecord<'_>, bytes: u64, elements: u64) {
        let unit = if record.value.type_name() == "string" { "bytes" } else { "elements" };
        let description = format!(
            "'{}' of database {}: {}, {elements} {unit}",
            record.key.escape_ascii(),
            record.database,
            record.value.type_name(),
        );
        let place = self.biggest.partition_point(|key| key.bytes >= bytes);
        self.biggest.insert(place, Key { bytes, description });
        self.biggest.truncate(NAMED);
    }

    /// Keys that were due when the file was read.
    pub(super) fn past(&self) -> u64 {
        self.spans[0]
    }

    /// What there is to say, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (database, keys) in &self.databases {
            lines.push(format!("database {database}: {keys} keys"));
        }
        for (name, Counts { keys, elements, bytes }) in &self.types {
            let unit = if *name == "string" { "bytes of content" } else { "elements" };
            lines.push(format!("type {name}: {keys} keys, {elements} {unit}, {bytes} bytes in the file"));
        }
        for (count, (_, name)) in self.spans.iter().zip(SPANS).filter(|(count, _)| **count > 0) {
            lines.push(format!("expires {name}: {count} keys"));
        }
        for Key { bytes, description } in &self.biggest {
            lines.push(format!("big: {bytes} bytes in the file, {description}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_keyspace::{Str, Value};

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn add(summary: &mut Summary, key: &str, bytes: u64, deadline: Option<i64>) {
        let value = Value::String(Str::from_bytes(b"ab"));
        let deadline = deadline.map(UnixMillis);
        summary.add(&KeyRecord { database: 0, key: key.as_bytes(), value, deadline }, bytes, NOW);
    }

    #[test]
    fn keys_are_counted_by_what_they_are() {
        let mut summary = Summary::default();
        for (key, bytes, deadline) in
            [("gone", 10, Some(NOW.0 - 1)), ("soon", 30, Some(NOW.0 + 59_000)), ("never", 20, None)]
        {
            add(&mut summary, key, bytes, deadline);
        }
        assert_eq!((summary.keys, summary.expires, summary.past()), (3, 2, 1));
        let expected = [
            "database 0: 3 keys",
            "type string: 3 keys, 6 bytes of content, 60 bytes in the file",
            "expires past: 1 keys",
            "expires within a minute: 1 keys",
            "big: 30 bytes in the file, 'soon' of database 0: string, 2 bytes",
            "big: 20 bytes in the file, 'never' of database 0: string, 2 bytes",
            "big: 10 bytes in the file, 'gone' of database 0: string, 2 bytes",
        ];
        assert_eq!(summary.lines(), expected);
    }

    #[test]
    fn the_biggest_are_named_and_no_others() {
        let mut summary = Summary::default();
        for bytes in 0..100 {
            add(&mut summary, &format!("key:{bytes}"), bytes * 37 % 100, None);
        }
        let named: Vec<u64> = summary.biggest.iter().map(|key| key.bytes).collect();
        assert_eq!(named, (90..100).rev().collect::<Vec<u64>>());
    }
}
