//! The one log: offsets, histories, blocks, readers, retention.
//!
//! Every change of the data becomes bytes at an [`Offset`] of one [`Log`]; replicas, the append-only file and
//! the backlog are readers of it. [`Log::append`] and [`Log::append_with`] are the only places where the
//! offset advances. Who may continue from where is decided by the [`History`]: the id of the stream and,
//! after a change of role, the id that it had before with the offset up to which both agree.
//!
//! The log never looks into the bytes, never opens a file and never sends anything.
//!
//! ```
//! use slipstream_log::{Log, Offset};
//!
//! let mut rng = fastrand::Rng::with_seed(1);
//! let mut log = Log::new(1 << 20, &mut rng);
//! log.append(b"before the first replica nothing is kept");
//! assert_eq!(log.end(), Offset(0));
//!
//! log.activate(&mut rng);
//! let replica_has = log.end();
//! log.append(b"*1\r\n$4\r\nping\r\n");
//! log.can_continue(&log.history().id, replica_has).expect("still held");
//! let sent: Vec<u8> = log.slices_from(replica_has).expect("still held").flat_map(|s| s.to_vec()).collect();
//! assert_eq!(sent, b"*1\r\n$4\r\nping\r\n");
//! ```

mod offset;

mod history;

mod block;

mod tier;

mod log;

pub use block::Slice;
pub use history::{History, ReplicationId};
pub use log::{Log, MIN_BACKLOG_SIZE, Refusal, Slices};
pub use offset::Offset;
pub use tier::{DiskAction, DiskSize};
