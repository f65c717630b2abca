//! What the writer of the append-only file is told to do, and what it tells.
//!
//! Orders are carried out one after the other, in the order in which they were given: the writer decides nothing
//! about what is in which file. Names are of files in the folder of the last [`Order::Open`].

use std::fmt;

use slipstream_aof::BaseFormat;
use slipstream_log::{Offset, Slice};

use crate::config::AppendFsync;
use crate::host::SnapshotJob;

/// What the writer is to do.
#[derive(Debug)]
pub enum Order {
    /// Make the folder if it is not there, and read the manifest in it; answer with [`Report::Opened`].
    Open {
        /// The folder within the current one.
        folder: String,
        /// The manifest's name.
        manifest: String,
    },
    /// Bring what is written to disk so from here on.
    Policy(AppendFsync),
    /// Go on in a file that is there.
    Resume {
        /// The file's number: whatever is told of it is told with that.
        number: u64,
        /// Its name.
        name: String,
        /// What is good of it, in bytes: the rest is cut off.
        length: u64,
        /// Where the log stands.
        at: Offset,
        /// What is written there first.
        head: Vec<u8>,
    },
    /// Bring what was written to disk, and go on in a new file, or, if it cannot be made, in the old one; answer with
    /// [`Report::Begun`].
    Begin {
        /// The file's number.
        number: u64,
        /// Its name.
        name: String,
        /// Where the log stands.
        at: Offset,
        /// What is written there first.
        head: Vec<u8>,
        /// What takes the manifest's place before anything else is written to the file; `None` if no manifest names
        /// it yet.
        manifest: Option<Vec<u8>>,
        /// A file of others, the last one until now: it is brought to disk first, since what ends early is not behind
        /// something else.
        behind: Option<String>,
    },
    /// Append what comes next in the log. Ends with a whole command.
    Append {
        /// The bytes.
        blocks: Vec<Slice>,
        /// The time in seconds since 1970, if that is to be noted.
        timestamp: Option<i64>,
        /// How many replies wait until it is on disk.
        replies: usize,
        /// How many wait for the disk in all.
        held: usize,
    },
    /// Append what is not of the log.
    Note(Vec<u8>),
    /// Write no more to the file: what comes does not belong behind what is there.
    Leave,
    /// Give a base its name and have the manifest name it; answer with [`Report::Published`].
    Publish {
        /// The number of the increment behind it.
        number: u64,
        /// The name under which it was written.
        temporary: String,
        /// Its name.
        name: String,
        /// What takes the manifest's place.
        manifest: Vec<u8>,
    },
    /// Remove files.
    Remove {
        /// Their names.
        names: Vec<String>,
        /// What takes the manifest's place before they go.
        manifest: Option<Vec<u8>>,
    },
    /// The process ends: write these lines behind everything if all is well, and bring it to disk.
    Finish(Vec<u8>),
}

/// A base that is to be written under a name of its own; answer with
/// [`Node::aof_base_written`](crate::Node::aof_base_written).
pub struct BaseOrder {
    /// The number of the increment behind it.
    pub number: u64,
    /// The name to write it under, in the folder of the append-only file.
    pub temporary: String,
    /// What to write.
    pub job: SnapshotJob,
    /// As what.
    pub format: BaseFormat,
}

impl fmt::Debug for BaseOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseOrder").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What the writer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The folder is there, and the manifest in it, if there is one; or why not.
    Opened(Result<Option<Vec<u8>>, String>),
    /// The file of this number is begun, or why not.
    Begun(u64, Result<(), String>),
    /// How far it is.
    Progress(Progress),
    /// It cannot be written, and is tried again; or the writer has caught up.
    Failing(Option<String>),
    /// What was written may not be on disk and never get there, or what came could not be kept: the file is left as it
    /// is, and nothing is written before another is begun.
    Lost(String),
    /// The base before the increment of this number is named by the manifest, or why not.
    Published(u64, Result<(), String>),
    /// Superfluous files could not be removed.
    Unremoved(String),
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the file it writes.
    pub number: u64,
    /// The system has everything before this.
    pub written: Offset,
    /// The disk has everything before this.
    pub durable: Offset,
    /// The file's length in bytes.
    pub size: u64,
}
