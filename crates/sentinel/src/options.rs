//! What an operator sets: for all, for each group, and the periods of SENTINEL DEBUG.
//! Where they are read, checked and written is [`crate::config`].

use std::collections::BTreeMap;

use crate::Address;

/// What counts for the whole sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    /// `port`: where this sentinel listens.
    pub port: u16,
    /// `sentinel resolve-hostnames`.
    pub resolve_hostnames: bool,
    /// `sentinel announce-hostnames`.
    pub announce_hostnames: bool,
    /// `sentinel announce-ip`.
    pub announce_ip: Option<String>,
    /// `sentinel announce-port`.
    pub announce_port: Option<u16>,
    /// `sentinel sentinel-user`: how to log in at other sentinels.
    pub sentinel_user: String,
    /// `sentinel sentinel-pass`.
    pub sentinel_pass: String,
    /// `requirepass` of this sentinel, which stands for `sentinel-pass` where that is not set.
    pub requirepass: String,
    /// `sentinel deny-scripts-reconfig`: SENTINEL SET must not change scripts.
    pub deny_scripts_reconfig: bool,
    /// `sentinel state-file`: where the state is written instead of the configuration file.
    pub state_file: Option<String>,
    /// What counts for groups that set nothing of their own: `sentinel fast-down no` without a group's name.
    pub for_groups: GroupOptions,
}

impl Globals {
    /// What a new group begins with.
    pub fn group_options(&self, quorum: u32, timings: &Timings) -> GroupOptions {
        GroupOptions {
            quorum,
            down_after: timings.default_down_after,
            failover_timeout: timings.default_failover_timeout,
            ..self.for_groups.clone()
        }
    }
}

impl Default for Globals {
    fn default() -> Globals {
        Globals {
            port: 26379,
            resolve_hostnames: false,
            announce_hostnames: false,
            announce_ip: None,
            announce_port: None,
            sentinel_user: String::new(),
            sentinel_pass: String::new(),
            requirepass: String::new(),
            deny_scripts_reconfig: true,
            state_file: None,
            for_groups: GroupOptions::new(1, &Timings::default()),
        }
    }
}

/// The periods of SENTINEL DEBUG, in milliseconds. They are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timings {
    /// Between two INFO of one instance in quiet times.
    pub info_period: u64,
    /// The most between two PING; a tenth of down-after if that is less.
    pub ping_period: u64,
    /// Between two questions for other sentinels' opinion.
    pub ask_period: u64,
    /// Between two hellos.
    pub publish_period: u64,
    /// down-after of groups that do not set it.
    pub default_down_after: u64,
    /// failover-timeout of groups that do not set it.
    pub default_failover_timeout: u64,
    /// A stall of this process of so long is told as tilt.
    pub tilt_trigger: u64,
    /// The most that tilt is told for.
    pub tilt_period: u64,
    /// A replica that was told its new primary counts as done after that.
    pub replica_reconf_timeout: u64,
    /// A connection that does not answer is made anew, but not sooner than this after it was made.
    pub min_link_reconnect_period: u64,
    /// The most an election takes.
    pub election_timeout: u64,
    /// A script that runs longer is killed.
    pub script_max_runtime: u64,
    /// Before a script is tried again; doubles.
    pub script_retry_delay: u64,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            info_period: 10_000,
            ping_period: 1000,
            ask_period: 1000,
            publish_period: 2000,
            default_down_after: 30_000,
            default_failover_timeout: 180_000,
            tilt_trigger: 2000,
            tilt_period: 30_000,
            replica_reconf_timeout: 10_000,
            min_link_reconnect_period: 15_000,
            election_timeout: 10_000,
            script_max_runtime: 60_000,
            script_retry_delay: 30_000,
        }
    }
}

/// Whether a promotion needs answers from so many replicas that an acknowledged write is among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SafeFailover {
    /// If the primary runs with min-replicas-to-ack.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// What is set for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// How many sentinels must see the primary down.
    pub quorum: u32,
    /// `down-after-milliseconds`.
    pub down_after: u64,
    /// `failover-timeout`, milliseconds.
    pub failover_timeout: u64,
    /// `parallel-syncs`: how many replicas are turned to a new primary at a time.
    pub parallel_syncs: u32,
    /// `notification-script`; empty for none.
    pub notification_script: String,
    /// `client-reconfig-script`; empty for none.
    pub client_reconfig_script: String,
    /// `auth-user`, for primary and replicas; empty for none.
    pub auth_user: String,
    /// `auth-pass`; empty for none.
    pub auth_pass: String,
    /// `rename-command`: by upper-case name, what to send instead.
    pub renamed_commands: BTreeMap<String, String>,
    /// `master-reboot-down-after-period`, milliseconds.
    pub reboot_down_after: u64,
    /// `fast-down`: a primary whose host refuses connections is down at once.
    pub fast_down: bool,
    /// `switchover-timeout`: the most that writes wait in a planned switchover, milliseconds.
    pub switchover_timeout: u64,
    /// `safe-failover`.
    pub safe_failover: SafeFailover,
    /// `promote-max-lag-bytes`: replicas that are further behind the best come last; 0 for no limit.
    pub promote_max_lag_bytes: u64,
    /// `promote-zone`: replicas that announce it come first; empty for none.
    pub promote_zone: String,
    /// `forget-after`: a replica that is gone for so long is forgotten, milliseconds; 0 for never.
    pub forget_after: u64,
    /// `seed`: further servers of the group to ask at the start.
    pub seeds: Vec<Address>,
}

/// A replica that nobody has seen for a day is forgotten.
pub const FORGET_AFTER: u64 = 24 * 3600 * 1000;
/// Writes wait for at most a second in a planned switchover.
pub const SWITCHOVER_TIMEOUT: u64 = 1000;

impl GroupOptions {
    /// The defaults.
    pub fn new(quorum: u32, timings: &Timings) -> GroupOptions {
        GroupOptions {
            quorum,
            down_after: timings.default_down_after,
            failover_timeout: timings.default_failover_timeout,
            parallel_syncs: 1,
            notification_script: String::new(),
            client_reconfig_script: String::new(),
            auth_user: String::new(),
            auth_pass: String::new(),
            renamed_commands: BTreeMap::new(),
            reboot_down_after: 0,
            fast_down: true,
            switchover_timeout: SWITCHOVER_TIMEOUT,
            safe_failover: SafeFailover::Auto,
            promote_max_lag_bytes: 0,
            promote_zone: String::new(),
            forget_after: FORGET_AFTER,
            seeds: Vec::new(),
        }
    }

    /// The name to send for a command.
    pub fn command<'a>(&'a self, name: &'a str) -> &'a str {
        self.renamed_commands.get(name).map_or(name, String::as_str)
    }
}
