//! The numbers of the format: versions, records, value types, string encodings.
//!
//! ```text
//! snapshot = magic, { record }, 255, checksum u64 little-endian (0: not computed)
//! record   = 250 name value                     a string pair about the snapshot
//!          | 245 code | 247 … | 244 n n n       function library, module data, slot sizes
//!          | 254 n | 251 n n                    the database of what follows, its sizes
//!          | 253 u32 | 252 i64 | 249 u8 | 248 n the next key's deadline in s or ms, frequency, idle time
//!          | type key value
//! ```
//! Redis and Valkey number apart since Redis 7.4: what a number means depends on the magic.

use std::fmt;

use crate::error::Reason;
use crate::value::StreamForm;

/// Which program's format, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `REDIS` and four digits; Valkey before 9 writes it, too.
    Redis(u16),
    /// `VALKEY` and three digits.
    Valkey(u16),
}

impl Version {
    const NEWEST_REDIS: u16 = 14;
    const VALKEY_9: u16 = 80;

    /// Length of the magic with the version's digits.
    pub(crate) const MAGIC_LENGTH: usize = 9;

    /// Whether what begins so is a snapshot, of whatever version. The longest that is looked at are
    /// [`SIGN_LENGTH`](Self::SIGN_LENGTH) bytes.
    pub fn is_sign(head: &[u8]) -> bool {
        head.starts_with(b"REDIS") || head.starts_with(b"VALKEY")
    }

    /// Bytes that [`is_sign`](Self::is_sign) needs.
    pub const SIGN_LENGTH: usize = 6;

    /// Unless `all` are wanted, a version that is not known here is refused.
    pub(crate) fn from_magic(magic: [u8; Self::MAGIC_LENGTH], all: bool) -> Result<Version, Reason> {
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0u16, |n, d| d.is_ascii_digit().then(|| n * 10 + u16::from(d - b'0')))
        };
        let version = if let Some(digits) = magic.strip_prefix(b"REDIS") {
            number(digits).map(Version::Redis)
        } else if let Some(digits) = magic.strip_prefix(b"VALKEY") {
            number(digits).map(Version::Valkey)
        } else {
            None
        };
        let version = version.ok_or(Reason::NotASnapshot)?;
        if all || version.is_readable() { Ok(version) } else { Err(Reason::Version(version)) }
    }

    /// The version in the footer of a DUMP payload.
    pub(crate) fn from_footer(number: u16) -> Option<Version> {
        let version = if number < Self::VALKEY_9 { Version::Redis(number) } else { Version::Valkey(number) };
        version.is_readable().then_some(version)
    }

    fn is_readable(self) -> bool {
        match self {
            Version::Redis(number) => (1..=Self::NEWEST_REDIS).contains(&number),
            Version::Valkey(number) => number == Self::VALKEY_9,
        }
    }

    /// Version 5 brought the checksum at the end.
    pub(crate) fn has_checksum(self) -> bool {
        !matches!(self, Version::Redis(..5))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Redis(number) => write!(f, "Redis, version {number}"),
            Version::Valkey(number) => write!(f, "Valkey, version {number}"),
        }
    }
}

/// A format to write. The default is the one that every peer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// Version 10: Redis 7.0, and all after it.
    #[default]
    Redis10,
    /// Version 11, with listpack sets and the activity of consumers: Redis 7.2, Valkey 7.2 and 8.
    Redis11,
    /// Version 12, with field expiry: Redis 7.4 and after.
    Redis12,
    /// Valkey 9, with its own field expiry.
    Valkey80,
}

impl Target {
    pub(crate) fn magic(self) -> &'static [u8; Version::MAGIC_LENGTH] {
        match self {
            Target::Redis10 => b"REDIS0010",
            Target::Redis11 => b"REDIS0011",
            Target::Redis12 => b"REDIS0012",
            Target::Valkey80 => b"VALKEY080",
        }
    }

    /// The version in a DUMP payload's footer.
    pub(crate) fn footer(self) -> u16 {
        match self {
            Target::Redis10 => 10,
            Target::Redis11 => 11,
            Target::Redis12 => 12,
            Target::Valkey80 => 80,
        }
    }

    pub(crate) fn has_set_listpack(self) -> bool {
        self != Target::Redis10
    }

    pub(crate) fn has_field_expiry(self) -> bool {
        matches!(self, Target::Redis12 | Target::Valkey80)
    }
}

/// What a record's first byte says when it is not a value type.
pub(crate) mod record {
    pub(crate) const END: u8 = 255;
    pub(crate) const SELECT_DATABASE: u8 = 254;
    pub(crate) const DEADLINE_SECONDS: u8 = 253;
    pub(crate) const DEADLINE_MILLIS: u8 = 252;
    pub(crate) const SIZES: u8 = 251;
    pub(crate) const AUX: u8 = 250;
    pub(crate) const FREQUENCY: u8 = 249;
    pub(crate) const IDLE: u8 = 248;
    pub(crate) const MODULE_AUX: u8 = 247;
    pub(crate) const FUNCTION_BEFORE_RELEASE: u8 = 246;
    pub(crate) const FUNCTION: u8 = 245;
    pub(crate) const SLOT_SIZES: u8 = 244;
    /// Redis: metadata of the next key; Valkey: a slot import under way.
    pub(crate) const COLLISION: u8 = 243;
    pub(crate) const FIRST: u8 = COLLISION;
}

/// The numbers of the value types that are written.
pub(crate) mod kind {
    pub(crate) const STRING: u8 = 0;
    pub(crate) const SET: u8 = 2;
    pub(crate) const HASH: u8 = 4;
    pub(crate) const SORTED_SET: u8 = 5;
    pub(crate) const SET_INTSET: u8 = 11;
    pub(crate) const HASH_LISTPACK: u8 = 16;
    pub(crate) const SORTED_SET_LISTPACK: u8 = 17;
    pub(crate) const QUICKLIST: u8 = 18;
    pub(crate) const STREAM_WITH_HISTORY: u8 = 19;
    pub(crate) const SET_LISTPACK: u8 = 20;
    pub(crate) const STREAM_WITH_ACTIVITY: u8 = 21;
    pub(crate) const HASH_DEADLINES_VALKEY: u8 = 22;
    pub(crate) const HASH_DEADLINES_REDIS: u8 = 24;
}

/// How a value lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    String,
    List,
    Set,
    SortedSet(Scores),
    Hash,
    HashDeadlines(Deadlines),
    HashZipmap,
    ListZiplist,
    SetIntset,
    SortedSetZiplist,
    HashZiplist,
    QuicklistZiplist,
    Quicklist,
    HashListpack,
    /// Triples of field, value and deadline; with or without the earliest deadline in front.
    HashListpackDeadlines {
        earliest_first: bool,
    },
    SortedSetListpack,
    SetListpack,
    Stream(StreamForm),
}

/// How a sorted set's scores are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    Text,
    Binary,
}

/// How a hash's field deadlines are written, one per field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadlines {
    /// Before the field, a length: 0 for none, or milliseconds since 1970.
    Absolute,
    /// The same less the hash's earliest deadline, plus 1; that one stands in front.
    Relative,
    /// After the value, an i64: -1 for none.
    AfterValue,
}

impl Layout {
    /// The layout that `number` stands for in files of `version`.
    pub(crate) fn of(number: u8, version: Version) -> Result<Layout, Reason> {
        let redis = matches!(version, Version::Redis(_));
        Ok(match number {
            0 => Layout::String,
            1 => Layout::List,
            2 => Layout::Set,
            3 => Layout::SortedSet(Scores::Text),
            4 => Layout::Hash,
            5 => Layout::SortedSet(Scores::Binary),
            9 => Layout::HashZipmap,
            10 => Layout::ListZiplist,
            11 => Layout::SetIntset,
            12 => Layout::SortedSetZiplist,
            13 => Layout::HashZiplist,
            14 => Layout::QuicklistZiplist,
            16 => Layout::HashListpack,
            17 => Layout::SortedSetListpack,
            18 => Layout::Quicklist,
            15 => Layout::Stream(StreamForm::First),
            19 => Layout::Stream(StreamForm::WithHistory),
            20 => Layout::SetListpack,
            21 => Layout::Stream(StreamForm::WithActivity),
            22 if redis => Layout::HashDeadlines(Deadlines::Absolute),
            22 => Layout::HashDeadlines(Deadlines::AfterValue),
            23 if redis => Layout::HashListpackDeadlines { earliest_first: false },
            24 if redis => Layout::HashDeadlines(Deadlines::Relative),
            25 if redis => Layout::HashListpackDeadlines { earliest_first: true },
            _ => return Err(Reason::UnsupportedType { number, name: foreign_name(number, redis) }),
        })
    }
}

fn foreign_name(number: u8, redis: bool) -> &'static str {
    match number {
        6 | 7 => "module value",
        26 | 27 if redis => "stream",
        28 if redis => "array",
        29 if redis => "gcra",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_the_magic() {
        let check = |magic: &[u8; 9], expected: &str| {
            let found = match Version::from_magic(*magic, false) {
                Ok(version) => version.to_string(),
                Err(reason) => reason.to_string(),
            };
            assert_eq!(found, expected, "{}", magic.escape_ascii());
        };
        check(b"REDIS0006", "Redis, version 6");
        check(b"REDIS0014", "Redis, version 14");
        check(b"VALKEY080", "Valkey, version 80");
        check(b"REDIS0015", "cannot handle the format of Redis, version 15");
        check(b"REDIS0000", "cannot handle the format of Redis, version 0");
        check(b"REDIS0080", "cannot handle the format of Redis, version 80");
        check(b"VALKEY081", "cannot handle the format of Valkey, version 81");
        check(b"VALKEY011", "cannot handle the format of Valkey, version 11");
        check(b"REDIS00x1", "wrong signature: neither a Redis nor a Valkey snapshot");
        check(b"*3\r\n$3\r\nS", "wrong signature: neither a Redis nor a Valkey snapshot");
    }

    #[test]
    fn a_snapshot_of_any_version_is_told_from_commands() {
        for (head, expected) in
            [(&b"REDIS"[..], true), (b"VALKEY", true), (b"VALKE", false), (b"*1\r\n$4", false)]
        {
            assert_eq!(Version::is_sign(head), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_version_that_is_not_known_can_be_tried() {
        assert_eq!(Version::from_magic(*b"REDIS0015", true).unwrap(), Version::Redis(15));
        assert_eq!(Version::from_magic(*b"VALKEY081", true).unwrap(), Version::Valkey(81));
        assert!(Version::from_magic(*b"REDIS00x1", true).is_err());
    }

    #[test]
    fn type_22_means_another_layout_in_each_dialect() {
        assert_eq!(Layout::of(22, Version::Redis(12)).unwrap(), Layout::HashDeadlines(Deadlines::Absolute));
        assert_eq!(
            Layout::of(22, Version::Valkey(80)).unwrap(),
            Layout::HashDeadlines(Deadlines::AfterValue)
        );
        let check = |number, version, expected: &str| {
            assert_eq!(Layout::of(number, version).unwrap_err().to_string(), expected);
        };
        check(26, Version::Redis(13), "value type 26 (stream) is not supported");
        check(7, Version::Redis(9), "value type 7 (module value) is not supported");
        check(28, Version::Redis(14), "value type 28 (array) is not supported");
        check(24, Version::Valkey(80), "value type 24 (unknown) is not supported");
        check(28, Version::Valkey(80), "value type 28 (unknown) is not supported");
    }
}
