//! What lies in the working directory when a node starts, and what an append-only file leaves to its writer once it
//! is loaded.

use slipstream_aof::Manifest;

/// What there is to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// No data.
    Nothing,
    /// `dbfilename`, of so many bytes.
    Snapshot(u64),
    /// An append-only file.
    Log {
        /// Its files; there is at least one to load.
        manifest: Manifest,
        /// Bytes of those.
        size: u64,
    },
}

/// An append-only file that is loaded, and what its writer goes on from.
///
/// All of it is whole: what was torn off at a crash is cut off, on disk. Each increment but the last has to be on disk
/// to its end before the next is named: a file whose predecessor is torn is not loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedLog {
    /// The files, as the manifest on disk says. There may be no increment yet.
    pub manifest: Manifest,
    /// Bytes of the last increment, if batches may be appended to it: not behind what another program wrote.
    pub resume: Option<u64>,
    /// Bytes of the base.
    pub base_size: u64,
    /// Bytes of the base and of all increments.
    pub size: u64,
}
