//! Both sides of replication as pure machines over bytes and offsets.
//!
//! [`Link`] is the replica's side: one link to one primary. [`Replicas`] is the primary's side: all replicas
//! of a node, which may be a replica itself. A node has one of each. Both take events and the time, and give
//! back actions, to be done in their order; `deadline()` says when they want to be called although nothing
//! happens. Neither knows a command, opens a socket or reads a clock. The stream itself goes past them:
//! replicas read the [`Log`](slipstream_log::Log), and the engine applies what its link hands on.
//!
//! What an engine does with the actions of a link, told by a replica that is a little behind and may
//! continue:
//!
//! ```
//! use slipstream_log::{Offset, ReplicationId};
//! use slipstream_replication::{Link, Moment, link};
//! use link::{Action, Endpoint, Position, Settings, Standing};
//!
//! let settings = Settings {
//!     user: None,
//!     password: None,
//!     announced_port: 6380,
//!     announced_ip: None,
//!     timeout_ms: 60_000,
//!     two_links: false,
//!     buffer_limit: 256 << 20,
//! };
//! let mut link = Link::new(settings);
//! let (now, mut actions) = (Moment(0), Vec::new());
//! link.follow(now, Endpoint { host: "10.0.0.1".into(), port: 6379 }, &mut actions);
//! assert!(matches!(actions[1], Action::Connect(_)), "the shell opens a socket");
//!
//! let id = ReplicationId::parse(&[b'a'; 40]).unwrap();
//! let resume = Some(Position { id, offset: Offset(100) });
//! link.on_connected(now, Standing { resume, ..Standing::default() }, &mut actions);
//! link.on_received(now, b"+PONG\r\n", &mut actions);
//! link.on_received(now, b"+OK\r\n+OK\r\n+OK\r\n", &mut actions);
//! link.on_received(now, b"-NOPERM this user may not use INFO\r\n", &mut actions);
//! actions.clear();
//! link.on_received(now, b"+CONTINUE\r\n*1\r\n$4\r\nping\r\n", &mut actions);
//! for action in actions.drain(..) {
//!     match action {
//!         Action::Apply(bytes) => {
//!             // Parse, execute and append the same bytes to the own log; then say how far that is.
//!             assert_eq!(&*bytes, b"*1\r\n$4\r\nping\r\n");
//!             link.on_applied(Offset(114));
//!         }
//!         Action::Continue { .. } | Action::Send(_) | Action::Log(..) => {}
//!         other => panic!("{other:?}"),
//!     }
//! }
//! assert_eq!(link.deadline(), Some(Moment(1000)), "the next acknowledgement");
//! link.on_deadline(Moment(1000), &mut actions);
//! assert_eq!(actions, [Action::Send(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n114\r\n".to_vec())]);
//! ```
//!
//! And with those of the replicas, told by the one that the link above talks to:
//!
//! ```
//! use slipstream_log::{Log, Offset};
//! use slipstream_replication::{Moment, Replicas, replicas};
//! use replicas::{Action, Newcomer, OutputLimit, ReplicaId, Request, Settings, Turn};
//!
//! let settings = Settings {
//!     timeout_ms: 60_000,
//!     ping_period_ms: 10_000,
//!     sync_delay_ms: 5_000,
//!     two_links: true,
//!     sync_max_replicas: None,
//!     backlog_ttl_ms: Some(3_600_000),
//!     pacing: true,
//!     output_limit: OutputLimit { hard: 256 << 20, soft: 64 << 20, soft_ms: 60_000 },
//! };
//! let mut rng = fastrand::Rng::with_seed(1);
//! let mut replicas = Replicas::new(Moment(0), settings, rng.fork());
//! let mut log = Log::new(1 << 20, &mut rng);
//! log.activate(&mut rng);
//! log.append(&[b'x'; 150]);
//!
//! let (now, mut actions) = (Moment(20), Vec::new());
//! let id = log.history().id;
//! let request = Request::Psync { id: id.as_bytes(), next_byte: 101 };
//! let newcomer = Newcomer { id: ReplicaId(7), peer: "10.0.0.2", request };
//! replicas.on_sync(Turn { now, log: &log }, newcomer, &mut actions).expect("a primary refuses nobody");
//! for action in actions.drain(..) {
//!     match action {
//!         Action::StartStream { replica, from } => {
//!             // Send the log's slices from there on, now and whenever it grows.
//!             let sent: u64 = log.slices_from(from).expect("held").map(|slice| slice.len() as u64).sum();
//!             replicas.on_sent(replica, Offset(from.0 + sent));
//!         }
//!         Action::Send { bytes, .. } => assert_eq!(bytes, b"+CONTINUE\r\n"),
//!         Action::Log(..) => {}
//!         other => panic!("{other:?}"),
//!     }
//! }
//! replicas.on_turn(Turn { now, log: &log }, &mut actions);
//! log.trim(replicas.oldest_needed());
//! assert_eq!(replicas.oldest_needed(), Some(Offset(100)), "it has acknowledged no more");
//! ```

mod moment;

pub mod amounts;

pub mod events;

mod level;

mod mark;

pub mod wire;

pub mod link;

pub mod replicas;

pub mod failover;

pub mod fencing;

pub mod verify;

pub use events::{Event, Events};
pub use failover::Failover;
pub use fencing::Fencing;
pub use level::Level;
pub use link::Link;
pub use mark::Mark;
pub use moment::Moment;
pub use replicas::Replicas;
pub use verify::Verify;
