//! The shell: the only crate with I/O.
//!
//! [`run`] is a whole server process: configuration, sockets, signals, the
//! loop. The engine inside it decides; this crate moves bytes, writes files and
//! keeps time. Threads other than the loop's work on values they own
//! ([`jobs`]) and report by message.
//!
//! Read next: [`startup`], then [`event_loop`].

pub mod allocator;
mod aof_writer;
pub mod connection;
pub mod event_loop;
pub mod feeder;
pub mod jobs;
mod kernel;
mod key_delay;
mod link_speed;
pub mod listeners;
mod loader;
pub mod log_disk;
pub mod log_file;
mod log_load;
pub mod memory;
mod migrator;
mod mptcp;
pub mod net;
mod numbered;
mod oom_score;
pub mod process;
pub mod reclaimer;
mod sentinel;
pub mod signals;
mod spool;
pub mod startup;
mod state_file;
mod sync_load;
mod sync_send;
mod system_files;
mod title;

pub use slipstream_engine::REDIS_VERSION;
pub use startup::{run, run_sentinel, sentinel_config};
