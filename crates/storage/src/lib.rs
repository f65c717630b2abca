//! What a node does with files, one operation after the other: the append-only file and whatever else is replaced.
//!
//! The engine decides what is to be in which file; here it becomes creating, appending, truncating, asking the disk,
//! renaming, in an order that a crash at any moment leaves something whole of. The operations themselves are
//! [`Files`]: the operating system's in the server, and in the simulator a disk that loses what nobody asked it to
//! keep. So what runs in production is what is crashed.
//!
//! Has no threads, clocks or files of its own. A [`Writer`] does what the thread `aof` is told; [`find`] and
//! [`Reading`] are what a start reads, and [`Replay`] applies it. [`replace`] is how any file is replaced.

mod files;
mod replacing;

mod writer;

mod finding;
mod loading;

pub use self::files::{DiskFile, Files};
pub use self::finding::find;
pub use self::loading::{Delivery, Intake, LogLoadOptions, Reading, Replay, Run, Unwanted};
pub use self::replacing::{Replaced, Unreplaced, make_folder, replace, sync_name, write_new};
pub use self::writer::{MOST_WAITING, Outbox, Writer, remove_files};
