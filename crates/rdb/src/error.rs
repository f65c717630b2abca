//! Why a snapshot cannot be read or written.
//!
//! A read error says where, in which key, and what was found there; its text is one line for the log. Nothing in it
//! is ours to mend: the bytes are foreign, or the reader or writer below failed.

use std::{fmt, io};

use crate::format::Version;

/// A snapshot that was refused.
#[derive(Debug)]
pub struct ReadError {
    /// Bytes from the start of the snapshot to where the fault was noticed, or to where the faulty value starts.
    pub offset: u64,
    /// The key whose value was being read.
    pub key: Option<KeyName>,
    /// What was wrong.
    pub reason: Reason,
}

/// A key of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// Number of the database.
    pub database: u64,
    /// The key's name.
    pub name: Box<[u8]>,
}

/// What was wrong with a snapshot.
#[derive(Debug)]
pub enum Reason {
    /// The input ended too early.
    Truncated,
    /// The input could not be read.
    Io(io::Error),
    /// It does not start with the magic of Redis or Valkey.
    NotASnapshot,
    /// A version that this program does not read.
    Version(Version),
    /// A value of a type that this program does not have.
    UnsupportedType {
        /// Its number in the file.
        number: u8,
        /// What the writer's program calls it.
        name: &'static str,
    },
    /// A record between the keys that this program can neither use nor skip.
    UnsupportedRecord {
        /// Its number in the file.
        number: u8,
        /// What the writer's program calls it.
        name: &'static str,
    },
    /// Bytes that no writer makes.
    Corrupt(&'static str),
    /// The key is in the file twice.
    DuplicateKey,
    /// A database number that is not configured here.
    NoSuchDatabase {
        /// How many databases there are.
        configured: usize,
    },
    /// A string longer than the limit of the options.
    TooLong {
        /// The length it declares.
        declared: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes do not have the checksum that stands at their end.
    Checksum {
        /// What the file says.
        stored: u64,
        /// What its bytes have.
        computed: u64,
    },
    /// The caller's progress function asked to stop.
    Interrupted,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}", self.offset)?;
        if let Some(key) = &self.key {
            write!(f, ", key '{}' of database {}", key.name.escape_ascii(), key.database)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Truncated => f.write_str("unexpected end of the snapshot"),
            Reason::Io(error) => write!(f, "cannot read: {error}"),
            Reason::NotASnapshot => f.write_str("wrong signature: neither a Redis nor a Valkey snapshot"),
            Reason::Version(version) => write!(f, "cannot handle the format of {version}"),
            Reason::UnsupportedType { number, name } => {
                write!(f, "value type {number} ({name}) is not supported")
            }
            Reason::UnsupportedRecord { number, name } => {
                write!(f, "record {number} ({name}) is not supported")
            }
            Reason::Corrupt(what) => f.write_str(what),
            Reason::DuplicateKey => f.write_str("duplicate key"),
            Reason::NoSuchDatabase { configured } => {
                write!(f, "the snapshot was made with more than the {configured} databases configured here")
            }
            Reason::TooLong { declared, limit } => {
                write!(f, "a string of {declared} bytes is beyond the limit of {limit}")
            }
            Reason::Checksum { stored, computed } => {
                write!(f, "RDB CRC error: the file says {stored:016x}, its bytes have {computed:016x}")
            }
            Reason::Interrupted => f.write_str("loading was interrupted"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// A payload that RESTORE refuses.
#[derive(Debug)]
pub enum RestoreError {
    /// Too short, of an unknown version, or with a wrong checksum.
    Footer,
    /// The footer is right and the value is not.
    Value(ReadError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Footer => f.write_str("DUMP payload version or checksum are wrong"),
            RestoreError::Value(error) => write!(f, "Bad data format: {error}"),
        }
    }
}

impl std::error::Error for RestoreError {}

/// A payload that FUNCTION RESTORE refuses.
#[derive(Debug)]
pub enum FunctionsError {
    /// Too short, of an unknown version, or with a wrong checksum.
    Footer,
    /// A library in the form of before Redis 7.0 was released.
    BeforeRelease,
    /// It holds something else.
    NoFunction,
    /// A library cannot be read.
    Library(ReadError),
}

impl fmt::Display for FunctionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FunctionsError::Footer => "DUMP payload version or checksum are wrong",
            FunctionsError::BeforeRelease => "Pre-GA function format not supported",
            FunctionsError::NoFunction => "given type is not a function",
            FunctionsError::Library(_) => "Failed loading library payload",
        })
    }
}

impl std::error::Error for FunctionsError {}

/// A snapshot that was not written to its end.
#[derive(Debug)]
pub enum WriteError {
    /// The output failed.
    Io(io::Error),
    /// The data uses what the target format does not have.
    Feature(&'static str),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Io(error) => write!(f, "cannot write: {error}"),
            WriteError::Feature(name) => write!(f, "the target format has no {name}"),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Io(error)
    }
}
