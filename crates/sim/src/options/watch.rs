//! What differs between worlds with sentinels, drawn from the seed: what is set for them and for the nodes, and how long things
//! go wrong. All else is as in other worlds.

use super::{Options, pick};

/// What a primary waits at most that may lack writes which its replicas have, in seconds, if it waits.
pub const LONG_WAIT: u32 = 60;

/// The name of the group.
pub const GROUP: &str = "mymaster";

/// The settings of the sentinels of a world. Durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How many there are.
    pub sentinels: usize,
    /// How many must see the primary down.
    pub quorum: usize,
    /// `down-after-milliseconds`.
    pub down_after: u64,
    /// `failover-timeout`.
    pub failover_timeout: u64,
    /// `parallel-syncs`.
    pub parallel_syncs: u32,
    /// `fast-down`.
    pub fast_down: bool,
    /// `safe-failover auto`, or `no`.
    pub safe: bool,
    /// `sentinel-fencing` of the nodes.
    pub fencing: bool,
    /// Whether nodes keep their role in their configuration files. Else the first primary starts as one again.
    pub keeps_roles: bool,
    /// Whether each sentinel is on the side of a node when the network falls apart.
    pub beside: bool,
    /// Whether an operator wants failovers.
    pub orders: bool,
    /// How long a sentinel's disk takes at most to keep something, in microseconds.
    pub sync_time: u64,
    /// How long things go wrong.
    pub attack: u64,
}

impl Watch {
    /// Three sentinels with defaults, but quick.
    pub fn calm() -> Watch {
        Watch {
            sentinels: 3,
            quorum: 2,
            down_after: 1000,
            failover_timeout: 10_000,
            parallel_syncs: 1,
            fast_down: true,
            safe: true,
            fencing: false,
            keeps_roles: true,
            beside: false,
            orders: false,
            sync_time: 500,
            attack: 0,
        }
    }

    fn draw(rng: &mut fastrand::Rng) -> Watch {
        let sentinels = pick(rng, &[1, 2, 3, 3, 3, 4, 5, 5]);
        Watch {
            sentinels,
            quorum: if rng.u32(..4) == 0 { rng.usize(1..=sentinels) } else { sentinels / 2 + 1 },
            down_after: pick(rng, &[500, 1000, 1000, 3000]),
            failover_timeout: pick(rng, &[3000, 10_000, 30_000]),
            parallel_syncs: pick(rng, &[1, 1, 3]),
            fast_down: rng.u32(..4) > 0,
            safe: rng.u32(..4) > 0,
            fencing: rng.bool(),
            keeps_roles: rng.bool(),
            beside: rng.bool(),
            orders: rng.bool(),
            sync_time: pick(rng, &[500, 500, 5000, 50_000]),
            attack: pick(rng, &[10_000, 20_000, 40_000]),
        }
    }

    /// How many votes a leader needs.
    pub fn votes_needed(&self) -> usize {
        (self.sentinels / 2 + 1).max(self.quorum)
    }

    /// The lines of a configuration.
    pub fn lines(&self) -> impl Iterator<Item = String> + use<> {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let lines = [
            format!("monitor {GROUP} 10.0.0.1 6379 {}", self.quorum),
            format!("down-after-milliseconds {GROUP} {}", self.down_after),
            format!("failover-timeout {GROUP} {}", self.failover_timeout),
            format!("parallel-syncs {GROUP} {}", self.parallel_syncs),
            format!("fast-down {GROUP} {}", yes(self.fast_down)),
            format!("safe-failover {GROUP} {}", if self.safe { "auto" } else { "no" }),
        ];
        lines.into_iter().map(|line| format!("sentinel {line}"))
    }
}

impl Options {
    /// Anything that a world with sentinels may be.
    pub fn draw_watched(rng: &mut fastrand::Rng) -> Options {
        let most_delay = pick(rng, &[500, 2000, 2000, 20_000]);
        let most_fault = pick(rng, &[300_000, 3_000_000, 3_000_000, 15_000_000]);
        let options = Options::draw(rng);
        let nodes = rng.usize(2..=5);
        let most_acks = u32::try_from(nodes - 1).expect("it is small");
        let watch = Watch::draw(rng);
        let min_replicas_to_ack = pick(rng, &[0, 1, 1, 2]).min(most_acks);
        // A primary whose replicas refuse its data is replaced while it lives and answers: it does not fence itself then.
        let guard = if watch.fencing { 0 } else { options.guard };
        // Who may lack what was answered waits for longer than things go wrong, or not at all.
        let empty_start_wait = match (min_replicas_to_ack, watch.fencing) {
            (1.., _) => pick(rng, &[0, LONG_WAIT, LONG_WAIT]),
            (0, true) => 0,
            (0, false) => options.empty_start_wait,
        };
        Options {
            nodes,
            watch: Some(watch),
            guard,
            empty_start_wait,
            delay: most_delay / 10..=most_delay,
            rate: 0,
            chunk: options.chunk.max(200),
            capacity: options.capacity.max(16 << 10),
            client_pause: 1000..=pick(rng, &[20_000, 100_000]),
            fault_pause: 50_000..=pick(rng, &[500_000, 2_000_000, 8_000_000]),
            fault_length: 1000..=most_fault,
            min_replicas_to_ack,
            verify_interval: 0,
            hz: 10,
            ..options
        }
    }
}
