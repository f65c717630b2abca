//! One node: sessions, command table, dispatch, commands, propagation, configuration.
//!
//! Pure: no sockets, files, clocks or threads. The shell (or the simulator)
//! owns a [`Node`], tells it what happened and does the [`Effect`]s it returns.
//! Everything goes one way: request → [`dispatch`] (gates) → a command's
//! function → the keyspace → [`propagate`] → the log.
//!
//! Read next: [`node`], then [`dispatch`], then any file of [`commands`].

pub mod acl;
pub mod aof;
pub mod apply;
pub mod call;
mod client_eviction;
pub mod command;
pub mod commands;
pub mod config;
pub mod cron;
pub mod db;
pub mod decimal;
mod delivery;
pub mod dispatch;
mod door;
pub mod errors;
pub mod event;
pub mod eviction;
mod expiry;
mod failover;
mod fencing;
mod gates;
mod geo;
pub mod glob;
mod held;
pub mod host;
mod hyperloglog;
pub mod info;
mod input;
pub mod latency;
mod leave;
pub mod loading;
mod local_expiry;
mod look_ahead;
mod marked;
mod migrating;
pub mod node;
pub mod pause;
pub mod propagate;
pub mod pubsub;
pub mod reclaim;
mod redact;
mod reload;
mod reload_log;
pub mod replaying;
pub mod replication;
pub mod saving;
pub mod scripting;
pub mod sentinel;
pub mod session;
pub mod shutdown;
pub mod slowlog;
pub mod state;
pub mod stats;
pub mod stored;
pub mod syntax;
pub mod table;
mod touched;
mod tracking;
pub mod transaction;
mod waiting;

pub use door::{Arrival, Door};
pub use host::{
    Clock, Effect, Host, Level, LoadOrder, LoadedData, ProcessFacts, Refused, SaveProgress, SaveReason,
    SnapshotJob, SyncOrder,
};
pub use loading::{LoadOptions, Loading, Source, load};
pub use migrating::{Delivery, LONGEST_REPLY, Parcel, Shipment, Shipped, Trouble};
pub use node::{Core, Node, Phase, Signal};
pub use reclaim::Discarded;
pub use replaying::{ReplayError, Replayed};
pub use replication::digesting::{DigestOrder, DigestTicket, Digested};
pub use session::{Endpoint, Flow, Session, SessionId};
pub use stored::{LoadedLog, Stored};

/// The version of Redis whose behaviour is offered, as INFO and HELLO tell it, so that clients find its features.
pub const REDIS_VERSION: &str = "7.2.4";
