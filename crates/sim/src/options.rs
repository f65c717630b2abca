//! What differs between two worlds, drawn from the seed.
//!
//! Small worlds find more than big ones: few keys, a small backlog and short timeouts make rare events
//! frequent.

mod watch;

use std::ops::RangeInclusive;

use slipstream_engine::config::{AppendFsync, DisklessLoad};

pub use self::watch::{GROUP, LONG_WAIT, Watch};
use crate::faults::Fault;
use crate::topology::Shape;

/// The settings of one world. Durations are microseconds unless the name says otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes there are.
    pub nodes: usize,
    /// How they follow each other at first.
    pub shape: Shape,
    /// How often each kind of fault comes, in the order of [`Fault::ALL`].
    pub faults: [u32; Fault::ALL.len()],
    /// How long bytes travel.
    pub delay: RangeInclusive<u64>,
    /// The most bytes in a small piece.
    pub chunk: usize,
    /// Of so many pieces that arrive, one is small. The others are as big as they come.
    pub small_pieces: u32,
    /// Bytes a second that a connection carries; 0 for as many as come.
    pub rate: u64,
    /// Bytes that a connection holds before its writer must wait.
    pub capacity: usize,
    /// Commands that clients send until the faults end.
    pub commands: u32,
    /// The pause of a client between two pipelines.
    pub client_pause: RangeInclusive<u64>,
    /// How many keys there are of each type.
    pub keys: usize,
    /// The longest value in bytes.
    pub value_len: usize,
    /// The pause between two faults; the faults end with the commands.
    pub fault_pause: RangeInclusive<u64>,
    /// How long a fault lasts.
    pub fault_length: RangeInclusive<u64>,
    /// How long disk jobs take: saving and loading.
    pub disk_delay: RangeInclusive<u64>,
    /// One in so many snapshots of a primary cannot be loaded; 0 for none.
    pub bad_loads: u32,
    /// How far wall clocks are off.
    pub skew: i64,
    /// `repl-backlog-size` in bytes.
    pub backlog: u64,
    /// `repl-backlog-disk-size` in bytes.
    pub disk_backlog: u64,
    /// `repl-backlog-spill-size` in bytes.
    pub disk_spill: u64,
    /// `repl-backlog-ttl` in seconds.
    pub backlog_ttl: u64,
    /// `repl-diskless-sync-delay` in seconds.
    pub sync_delay: u32,
    /// `repl-timeout` in seconds.
    pub timeout: u32,
    /// `repl-ping-replica-period` in seconds.
    pub ping_period: u32,
    /// `client-output-buffer-limit replica`, the hard one, in bytes; 0 for none.
    pub output_limit: u64,
    /// `replica-guard-shrink-percent`; 0 once all is healed, for then the orders are meant.
    pub guard: u32,
    /// `primary-empty-start-wait` in seconds.
    pub empty_start_wait: u32,
    /// `hz`.
    pub hz: u32,
    /// `dual-channel-replication-enabled`, a bit for each node.
    pub two_links: u32,
    /// `repl-diskless-sync`.
    pub diskless_sync: bool,
    /// `repl-diskless-load`.
    pub diskless_load: DisklessLoad,
    /// `replica-full-sync-buffer-limit` in bytes; 0 for that of replicas' output.
    pub sync_buffer: u64,
    /// `repl-pacing`.
    pub pacing: bool,
    /// `replica-verify-interval` in seconds; 0 for never.
    pub verify_interval: u32,
    /// `replica-serve-stale-data`.
    pub serves_stale: bool,
    /// `shutdown-handover`.
    pub hands_over: bool,
    /// Whether a snapshot is saved on a clean shutdown, and now and then.
    pub saves: bool,
    /// Whether disks are asked more of than a snapshot now and then: without, all that follows is as it is in a calm
    /// world, and the append-only file is never switched on.
    pub durable: bool,
    /// `appendonly`, a bit for each node.
    pub appendonly: u32,
    /// `appendfsync`.
    pub appendfsync: AppendFsync,
    /// `auto-aof-rewrite-min-size` in bytes.
    pub rewrite_size: u64,
    /// `aof-use-rdb-preamble`.
    pub snapshot_bases: bool,
    /// `aof-timestamp-enabled`.
    pub timestamps: bool,
    /// `no-appendfsync-on-rewrite`.
    pub lax_rewrites: bool,
    /// How long it takes to bring a file to disk.
    pub sync_time: RangeInclusive<u64>,
    /// `min-replicas-to-ack`.
    pub min_replicas_to_ack: u32,
    /// `min-replicas-ack-timeout` in milliseconds.
    pub ack_timeout: u64,
    /// The sentinels, if there are any.
    pub watch: Option<Watch>,
}

impl Options {
    /// A world without troubles of its own: what scenarios start from.
    pub fn calm() -> Options {
        Options {
            nodes: 4,
            shape: Shape::Star,
            faults: Fault::ALL.map(|(_, weight)| weight),
            delay: 200..=2000,
            chunk: 4096,
            small_pieces: 1,
            rate: 0,
            capacity: 64 << 10,
            commands: 0,
            client_pause: 1000..=20_000,
            keys: 4,
            value_len: 20,
            fault_pause: 1..=1,
            fault_length: 1..=1,
            disk_delay: 1000..=50_000,
            bad_loads: 0,
            skew: 0,
            backlog: 64 << 10,
            disk_backlog: 0,
            disk_spill: 0,
            backlog_ttl: 3600,
            sync_delay: 1,
            timeout: 10,
            ping_period: 2,
            output_limit: 0,
            guard: 50,
            empty_start_wait: 0,
            hz: 10,
            two_links: 0,
            diskless_sync: true,
            diskless_load: DisklessLoad::Swapdb,
            sync_buffer: 0,
            pacing: false,
            verify_interval: 0,
            serves_stale: true,
            hands_over: false,
            saves: true,
            durable: false,
            appendonly: 0,
            appendfsync: AppendFsync::EverySecond,
            rewrite_size: 64 << 20,
            snapshot_bases: true,
            timestamps: false,
            lax_rewrites: false,
            sync_time: 50..=500,
            min_replicas_to_ack: 0,
            ack_timeout: 0,
            watch: None,
        }
    }

    /// Anything that a world may be.
    pub fn draw(rng: &mut fastrand::Rng) -> Options {
        let most_delay = pick(rng, &[200, 2000, 20_000, 200_000]);
        let most_pause = pick(rng, &[5000, 50_000, 200_000]);
        let most_fault = pick(rng, &[500_000, 3_000_000, 15_000_000]);
        let (nodes, random_links) = (rng.usize(2..=6), rng.u32(..));
        let loads = [
            DisklessLoad::Disabled,
            DisklessLoad::OnEmptyDb,
            DisklessLoad::Swapdb,
            DisklessLoad::FlushBeforeLoad,
        ];
        Options {
            nodes,
            shape: pick(rng, &[Shape::Star, Shape::Chain, Shape::Tree]),
            faults: Fault::draw_weights(rng),
            delay: most_delay / 10..=most_delay,
            chunk: pick(rng, &[20, 200, 2000, 16_384]),
            small_pieces: pick(rng, &[1, 4, 4, 30]),
            rate: pick(rng, &[0, 0, 200_000, 30_000]),
            capacity: pick(rng, &[2048, 16 << 10, 256 << 10]),
            commands: rng.u32(100..4000),
            client_pause: most_pause / 20..=most_pause,
            keys: rng.usize(1..6),
            value_len: pick(rng, &[8, 100, 1500]),
            fault_pause: 50_000..=pick(rng, &[500_000, 2_000_000, 8_000_000]),
            fault_length: 1000..=most_fault,
            disk_delay: 100..=pick(rng, &[1000, 100_000, 3_000_000]),
            bad_loads: pick(rng, &[0, 0, 4]),
            skew: pick(rng, &[0, 200_000, 5_000_000, 86_400_000_000]),
            backlog: pick(rng, &[16 << 10, 16 << 10, 64 << 10, 1 << 20]),
            disk_backlog: pick(rng, &[0, 1 << 20, 1 << 20]),
            disk_spill: pick(rng, &[0, 1 << 20]),
            backlog_ttl: pick(rng, &[3600, 3600, 5]),
            sync_delay: rng.u32(0..3),
            timeout: rng.u32(4..12),
            ping_period: rng.u32(1..4),
            output_limit: pick(rng, &[0, 0, 20_000]),
            guard: pick(rng, &[0, 50, 50, 100]),
            empty_start_wait: pick(rng, &[0, 0, 3]),
            hz: pick(rng, &[2, 10, 25]),
            saves: rng.bool(),
            min_replicas_to_ack: pick(rng, &[0, 0, 1, 2]),
            ack_timeout: pick(rng, &[50, 500, 5000]),
            two_links: pick(rng, &[0, u32::MAX, random_links]),
            diskless_sync: pick(rng, &[true, true, false]),
            diskless_load: pick(rng, &loads),
            sync_buffer: pick(rng, &[0, 2000, 20_000]),
            pacing: rng.bool(),
            verify_interval: pick(rng, &[0, 1, 4]),
            serves_stale: pick(rng, &[true, true, false]),
            hands_over: pick(rng, &[false, false, true]),
            ..Options::draw_disks(rng)
        }
    }

    /// What disks are like, and what is asked of them: in a part of the worlds, since it takes its time.
    fn draw_disks(rng: &mut fastrand::Rng) -> Options {
        if rng.u32(..5) != 0 {
            return Options::calm();
        }
        let some = rng.u32(..);
        let policies = [AppendFsync::Always, AppendFsync::Always, AppendFsync::EverySecond, AppendFsync::No];
        let most_sync = pick(rng, &[500, 500, 5000, 100_000, 1_500_000]);
        Options {
            durable: true,
            appendonly: pick(rng, &[u32::MAX, u32::MAX, some]),
            appendfsync: pick(rng, &policies),
            rewrite_size: pick(rng, &[2000, 20_000, 64 << 20]),
            snapshot_bases: pick(rng, &[true, true, false]),
            timestamps: rng.bool(),
            lax_rewrites: pick(rng, &[false, false, true]),
            sync_time: most_sync / 10..=most_sync,
            ..Options::calm()
        }
    }
}

fn pick<T: Copy>(rng: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}
