//! What a replica says of itself with REPLCONF before it asks for data.
//!
//! Unknown capabilities are ignored, unknown options are refused: replicas of every version count on both.

use std::fmt;

use slipstream_resp::number::parse_i64;

use super::ReplicaId;
use crate::wire;

/// Longest `ip-address`, in bytes. It may be a host name.
const MAX_ADDRESS_LEN: usize = 255;

/// What is known of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Where it says it listens; any number, as in Redis.
    pub port: Option<i64>,
    /// What it says its address is.
    pub address: Option<String>,
    /// It can find the end of a snapshot by a mark.
    pub takes_marks: bool,
    /// It understands a new id in `+CONTINUE`.
    pub takes_new_ids: bool,
    /// It is a node of this project, in the dialect that both speak.
    pub speaks_dialect: bool,
    /// It asks again over the same connection when it is told that the history has changed.
    pub stays: bool,
    /// How often it wants to hear the primary's clock, in milliseconds.
    pub beat_ms: Option<u64>,
    /// Its rank in a failover, if it told: the lowest is preferred, and 0 is never promoted.
    pub priority: Option<u32>,
    /// It wants a snapshot and no stream.
    pub snapshot_only: bool,
    /// What it wants of the data.
    pub part: Part,
    /// The version of Valkey that it is, or is as good as.
    pub version: Option<(u8, u8, u8)>,
    /// How it can take a full sync over two connections, if it can.
    pub two_links: Option<TwoLinks>,
    /// It is the connection that brings a replica its snapshot.
    pub carries_snapshot: bool,
    /// The connection of that replica, once it is known.
    pub(super) main: Option<ReplicaId>,
    /// The connection that brings it its snapshot, by its own word.
    pub(super) carrier: Option<ReplicaId>,
}

/// Whose way of a full sync over two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoLinks {
    /// Valkey's: the main connection asks to continue from where the snapshot ends.
    Valkey,
    /// That of Redis 8: the snapshot's connection names the main one, whose stream begins by itself.
    Redis,
}

/// What of a node's data a snapshot is to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// The functions, and no keys (`redis-cli --functions-rdb`).
    Functions,
    /// The head alone.
    Nothing,
}

/// For whom a snapshot is written, as far as the reader has given evidence. Nobody's format is guessed:
/// version 10 is the only one that every peer loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Reads version 10.
    Unproved,
    /// Announced version 9 or later of Valkey, so it reads VALKEY080 as well; this project's own replicas do.
    Valkey9,
    /// Another node of this project: the same in frames.
    Dialect,
}

/// A REPLCONF that is refused. The text is the error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplconfError {
    /// An option without a value.
    Syntax,
    /// A number that is none.
    NotAnInteger,
    /// A switch that is neither 0 nor 1.
    NotASwitch,
    /// An `ip-address` of so many bytes.
    AddressTooLong(usize),
    /// An `ip-address` with bytes that no address and no host name has.
    NoAddress,
    /// A `version` that is not three numbers.
    BadVersion(String),
    /// A connection that has no part in a full sync over two.
    UnknownLink(i64),
    /// A snapshot of a part of the data that does not exist.
    Filter(String),
    /// An option that does not exist.
    UnknownOption(String),
}

impl fmt::Display for ReplconfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplconfError::Syntax => f.write_str("ERR syntax error"),
            ReplconfError::NotAnInteger => f.write_str("ERR value is not an integer or out of range"),
            ReplconfError::NotASwitch => f.write_str("ERR value is out of range, value must between 0 and 1"),
            ReplconfError::AddressTooLong(len) => {
                write!(f, "ERR REPLCONF ip-address provided by replica instance is too long: {len} bytes")
            }
            ReplconfError::NoAddress => f.write_str("ERR REPLCONF ip-address is no address"),
            ReplconfError::BadVersion(text) => write!(f, "ERR Unrecognized version format: {text}"),
            ReplconfError::UnknownLink(id) => write!(f, "ERR Unrecognized RDB client id {id}"),
            ReplconfError::Filter(text) => write!(f, "ERR Unsupported rdb-filter-only option: {text}"),
            ReplconfError::UnknownOption(text) => write!(f, "ERR Unrecognized REPLCONF option: {text}"),
        }
    }
}

impl std::error::Error for ReplconfError {}

impl Profile {
    /// Takes in one option.
    pub(super) fn set(&mut self, option: &[u8], value: &[u8]) -> Result<(), ReplconfError> {
        match option.to_ascii_lowercase().as_slice() {
            b"listening-port" => self.port = Some(parse_i64(value).ok_or(ReplconfError::NotAnInteger)?),
            b"ip-address" if value.len() > MAX_ADDRESS_LEN => {
                return Err(ReplconfError::AddressTooLong(value.len()));
            }
            // It stands in lines of INFO and of the log, whose readers believe them.
            b"ip-address" if !value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',') => {
                return Err(ReplconfError::NoAddress);
            }
            b"ip-address" => self.address = Some(lossy(value)).filter(|address| !address.is_empty()),
            b"capa" if value.eq_ignore_ascii_case(b"eof") => self.takes_marks = true,
            b"capa" if value.eq_ignore_ascii_case(b"psync2") => self.takes_new_ids = true,
            b"capa" if value.eq_ignore_ascii_case(wire::DIALECT) => self.speaks_dialect = true,
            b"capa" if value.eq_ignore_ascii_case(wire::STAYS) => self.stays = true,
            // Who can do both is spared the request that Valkey's way takes more.
            b"capa" if value.eq_ignore_ascii_case(b"rdb-channel-repl") => {
                self.two_links = Some(TwoLinks::Redis)
            }
            b"capa" if value.eq_ignore_ascii_case(b"dual-channel") => {
                self.two_links.get_or_insert(TwoLinks::Valkey);
            }
            b"capa" => {}
            b"beat" if self.speaks_dialect => {
                let beat = parse_i64(value).ok_or(ReplconfError::NotAnInteger)?;
                self.beat_ms = u64::try_from(beat).ok().filter(|beat| *beat > 0);
            }
            b"priority" if self.speaks_dialect => {
                let priority = parse_i64(value).and_then(|priority| u32::try_from(priority).ok());
                self.priority = Some(priority.ok_or(ReplconfError::NotAnInteger)?);
            }
            b"rdb-channel" => self.carries_snapshot = parse_switch(value)?,
            b"main-ch-client-id" => self.main = Some(parse_link(value)?),
            b"set-rdb-client-id" => self.carrier = Some(parse_link(value)?),
            b"rdb-only" => self.snapshot_only = parse_switch(value)?,
            b"version" => {
                let version = parse_version(value);
                self.version = Some(version.ok_or_else(|| ReplconfError::BadVersion(lossy(value)))?);
            }
            b"rdb-filter-only" => self.part = parse_part(value)?,
            _ => return Err(ReplconfError::UnknownOption(lossy(option))),
        }
        Ok(())
    }

    /// Whether it wants what cannot be sent to it.
    pub(super) fn is_out_of_reach(&self) -> bool {
        self.part != Part::Whole && !self.takes_marks
    }

    /// Whether it takes a snapshot and no stream follows on any connection.
    pub(super) fn wants_no_stream(&self) -> bool {
        self.snapshot_only && !self.carries_snapshot
    }

    /// For whom a snapshot must be written.
    pub fn reader(&self) -> Reader {
        match self.version {
            _ if self.speaks_dialect => Reader::Dialect,
            Some((9.., _, _)) => Reader::Valkey9,
            _ => Reader::Unproved,
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse_switch(value: &[u8]) -> Result<bool, ReplconfError> {
    match parse_i64(value) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(ReplconfError::NotASwitch),
        None => Err(ReplconfError::NotAnInteger),
    }
}

/// The parts that are not filtered out: nothing is named, or the functions are.
fn parse_part(value: &[u8]) -> Result<Part, ReplconfError> {
    let mut part = Part::Nothing;
    for word in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if !word.eq_ignore_ascii_case(b"functions") {
            return Err(ReplconfError::Filter(lossy(word)));
        }
        part = Part::Functions;
    }
    Ok(part)
}

fn parse_link(value: &[u8]) -> Result<ReplicaId, ReplconfError> {
    let id = parse_i64(value).ok_or(ReplconfError::NotAnInteger)?;
    u64::try_from(id).map(ReplicaId).map_err(|_| ReplconfError::UnknownLink(id))
}

fn parse_version(value: &[u8]) -> Option<(u8, u8, u8)> {
    let mut parts = std::str::from_utf8(value).ok()?.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_describe_the_replica() {
        let mut profile = Profile::default();
        for (option, value) in [
            ("listening-port", "6380"),
            ("ip-address", "replica.example"),
            ("CAPA", "EOF"),
            ("capa", "psync2"),
            ("capa", "never-heard-of"),
            ("capa", "slipstream1"),
            ("capa", "slipstream-history"),
            ("beat", "250"),
            ("priority", "7"),
            ("rdb-only", "1"),
            ("rdb-filter-only", ""),
            ("rdb-filter-only", "Functions"),
            ("version", "9.0.3"),
            ("capa", "rdb-channel-repl"),
            ("capa", "dual-channel"),
            ("rdb-channel", "1"),
            ("main-ch-client-id", "7"),
            ("set-rdb-client-id", "8"),
        ] {
            assert_eq!(profile.set(option.as_bytes(), value.as_bytes()), Ok(()), "{option}");
        }
        let expected = Profile {
            port: Some(6380),
            address: Some("replica.example".into()),
            takes_marks: true,
            takes_new_ids: true,
            speaks_dialect: true,
            stays: true,
            beat_ms: Some(250),
            priority: Some(7),
            snapshot_only: true,
            part: Part::Functions,
            version: Some((9, 0, 3)),
            two_links: Some(TwoLinks::Redis),
            carries_snapshot: true,
            main: Some(ReplicaId(7)),
            carrier: Some(ReplicaId(8)),
        };
        assert_eq!(profile, expected);
    }

    #[test]
    fn refusals_have_the_words_of_redis() {
        let check = |option: &str, value: &str, text: &str| {
            let error = Profile::default().set(option.as_bytes(), value.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), text);
        };
        check("listening-port", "x", "ERR value is not an integer or out of range");
        let long = "ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes";
        check("ip-address", &"a".repeat(256), long);
        for address in ["a,port=1", "a\r\nrole:slave", "a b", "\u{85}"] {
            check("ip-address", address, "ERR REPLCONF ip-address is no address");
        }
        check("rdb-only", "2", "ERR value is out of range, value must between 0 and 1");
        check("rdb-filter-only", "functions keys", "ERR Unsupported rdb-filter-only option: keys");
        check("rdb-channel", "2", "ERR value is out of range, value must between 0 and 1");
        check("set-rdb-client-id", "-1", "ERR Unrecognized RDB client id -1");
        check("version", "9.0", "ERR Unrecognized version format: 9.0");
        check("foo", "bar", "ERR Unrecognized REPLCONF option: foo");
    }

    #[test]
    fn only_a_version_proves_a_newer_reader() {
        let reader = |version| Profile { version, ..Profile::default() }.reader();
        assert_eq!(reader(None), Reader::Unproved);
        assert_eq!(reader(Some((8, 1, 9))), Reader::Unproved);
        assert_eq!(reader(Some((9, 0, 0))), Reader::Valkey9);
        assert_eq!(reader(Some((10, 2, 0))), Reader::Valkey9);
    }
}
