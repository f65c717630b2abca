//! Replication as the node does it: the two machines, and their actions put
//! into effect on the log, the data and the sessions.
//!
//! The machines decide ([`slipstream_replication`]); nothing here does. A role
//! changes in [`Core::follow`] and [`Core::promote`] only.

pub(crate) mod claim;
pub(crate) mod digesting;
mod disk;
mod durability;
mod following;
mod guard;
mod pacing;
pub(crate) mod progress;
mod rejoining;
mod remembering;
mod restoring;
mod returning;
mod serving;
mod tail;
mod tokens;
mod touched;
pub(crate) mod verifying;

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_replication::link::{self, Endpoint, KeptByAnother, Link, Position};
use slipstream_replication::replicas::{self, Change, OutputLimit, Role, Turn};
use slipstream_replication::{Failover, Level, Moment, Replicas};

use self::claim::ClaimWait;
use self::pacing::Pacing;
use self::remembering::Remembering;
use crate::apply::Stream;
use crate::config::Config;
use crate::node::Core;
use crate::session::SessionId;

pub(crate) use self::tokens::Token;

/// Both sides of replication of one node.
#[derive(Debug)]
pub struct Replication {
    /// The replicas of this node.
    pub replicas: Replicas,
    /// The link to its primary.
    pub link: Link,
    /// A planned failover to one of the replicas.
    pub failover: Failover,
    /// A REPLICAOF within the transaction that runs.
    pub(crate) ordered: Option<FollowOrder>,
    /// The open connection to it, for CLIENT LIST.
    pub(crate) opened: Option<OpenLink>,
    /// What came over the link and is not applied yet.
    pub(crate) stream: Stream,
    /// What this node had behind the fork when it last joined a primary from which it had parted.
    pub(crate) divergence: Option<rejoining::Divergence>,
    /// The look at what is behind a fork, while it lasts.
    look: Option<rejoining::Look>,
    /// Keys that are not yet what they are in the history that this node has joined.
    pub(crate) restoring: restoring::Restoring,
    /// Whether the copies are equal.
    pub(crate) verifying: verifying::Verifying,
    /// What is told to the next life of this node, and what the last one told.
    pub(crate) remembering: Remembering,
    /// The wait of a primary that started without what its replicas have.
    pub(crate) claim: Option<ClaimWait>,
    /// Where the stream joins the snapshot being loaded.
    joins: Option<Position>,
    /// Whether the operator wants the next full sync whatever it brings.
    consents: bool,
    /// The number of the connection to the primary: what the shell still tells of an earlier one, while it
    /// has not done what ended that, is not heard.
    connection: u64,
    /// The number of the side connection to it, likewise.
    side: u64,
    /// The number of the snapshot being loaded, likewise.
    load: u64,
    /// How far it is, if there is one.
    pub(crate) progress: Option<progress::SyncProgress>,
    /// Whether the old data went before it (`flush-before-load`).
    pub(crate) is_flushed: bool,
    /// Writers at the pace of the links.
    pub(crate) pacing: Pacing,
    disk_trials: disk::DiskTrials,
    ack_rule: durability::AckRule,
    token_waits: tokens::TokenWaits,
    /// The ages that clients have set with CLIENT MAXLAG, in milliseconds, and how many of them each.
    age_limits: std::collections::BTreeMap<u64, usize>,
}

/// What REPLICAOF asks for.
///
/// Within a transaction of a primary it is done when that is over. The commands behind it were let through for a
/// primary: this way what they write is in the log, of the history that the transaction began in, with what was
/// written before them. Written by a replica it would be in no log, and nobody who may continue from here, neither
/// the new primary nor this node's own replicas, could tell that the data is not that of its offset.
#[derive(Debug)]
pub(crate) struct FollowOrder {
    pub(crate) primary: Endpoint,
    /// Whether the next full sync is taken whatever it brings.
    pub(crate) force: bool,
    /// Who asked.
    pub(crate) client: String,
}

/// An open connection to the primary, as a client of this node.
#[derive(Clone, Debug)]
pub(crate) struct OpenLink {
    /// Its number among the sessions.
    pub(crate) id: SessionId,
    /// The primary's end.
    pub(crate) peer: crate::session::Endpoint,
    /// This node's end.
    pub(crate) local: crate::session::Endpoint,
    /// Its file descriptor.
    pub(crate) descriptor: i64,
    /// When it was opened.
    pub(crate) since: Moment,
}

impl Replication {
    /// A primary without replicas.
    pub fn new(config: &Config, now: Moment, mut rng: fastrand::Rng) -> Self {
        let verifying = verifying::Verifying::new(&mut rng);
        Replication {
            replicas: Replicas::new(now, replica_settings(config), rng),
            link: Link::new(link_settings(config)),
            failover: Failover::default(),
            ordered: None,
            opened: None,
            stream: Stream::default(),
            divergence: None,
            look: None,
            restoring: restoring::Restoring::default(),
            verifying,
            remembering: Remembering::default(),
            claim: None,
            joins: None,
            consents: false,
            connection: 0,
            side: 0,
            load: 0,
            disk_trials: disk::DiskTrials::default(),
            ack_rule: durability::AckRule::default(),
            token_waits: tokens::TokenWaits::default(),
            age_limits: std::collections::BTreeMap::new(),
            progress: None,
            is_flushed: false,
            pacing: Pacing::default(),
        }
    }

    /// Takes over changed directives.
    pub fn set_config(&mut self, config: &Config) {
        self.replicas.set_settings(replica_settings(config));
        self.link.set_settings(link_settings(config));
        if config.replica_guard_shrink_percent == 0 {
            self.link.unblock();
        }
    }

    /// Nothing more is heard of the connection to the primary.
    fn end_connection(&mut self) {
        self.connection += 1;
        self.look = None;
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Moment> {
        let deadlines = [
            self.replicas.deadline(),
            self.link.deadline(),
            self.failover.deadline(),
            self.verifying.deadline(),
            self.disk_trials.deadline(),
            self.look.as_ref().map(|_| Moment(0)),
        ];
        deadlines.into_iter().flatten().min()
    }
}

fn replica_settings(config: &Config) -> replicas::Settings {
    let limit = config.client_output_buffer_limit.replica;
    let delay = if config.repl_diskless_sync { u64::from(config.repl_diskless_sync_delay) * 1000 } else { 0 };
    let max = usize::try_from(config.repl_diskless_sync_max_replicas).ok().filter(|max| *max > 0);
    replicas::Settings {
        timeout_ms: u64::from(config.repl_timeout) * 1000,
        ping_period_ms: u64::from(config.repl_ping_replica_period) * 1000,
        sync_delay_ms: delay,
        two_links: config.dual_channel_replication_enabled && config.repl_diskless_sync,
        sync_max_replicas: max,
        pacing: config.repl_pacing,
        // The append-only file reads the log whoever else does.
        backlog_ttl_ms: Some(config.repl_backlog_ttl * 1000).filter(|ttl| *ttl > 0 && !config.appendonly),
        output_limit: OutputLimit { hard: limit.hard, soft: limit.soft, soft_ms: limit.soft_seconds * 1000 },
    }
}

fn link_settings(config: &Config) -> link::Settings {
    let announced = config.replica_announce_port;
    let limits = [config.replica_full_sync_buffer_limit, config.client_output_buffer_limit.replica.hard];
    link::Settings {
        user: config.primary_user.clone(),
        password: config.primary_password.clone(),
        announced_port: if announced == 0 { config.port } else { announced },
        announced_ip: config.replica_announce_ip.clone(),
        timeout_ms: u64::from(config.repl_timeout) * 1000,
        two_links: config.dual_channel_replication_enabled,
        buffer_limit: limits.into_iter().find(|limit| *limit > 0).unwrap_or(u64::MAX),
    }
}

/// Roles.
impl Core {
    /// Whether this node follows a primary.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.replication.link.primary().is_some()
    }

    /// Whether it follows a primary and does not hear from it: its data may be stale.
    pub fn is_cut_off(&self) -> bool {
        self.is_replica() && !self.replication.link.is_up()
    }

    /// Replicas that are in step, by `min-replicas-max-lag`.
    pub fn good_replicas(&self) -> usize {
        let max_lag = u64::from(self.config.min_replicas_max_lag);
        self.replication.replicas.good(self.clock.moment(), max_lag)
    }

    /// Online replicas that have not acknowledged everything: address and acknowledged offset.
    pub fn lagging_replicas(&self) -> Vec<(String, Offset)> {
        let lagging = self.replication.replicas.lagging(self.log.end());
        lagging.map(|replica| (replica.to_string(), replica.acked)).collect()
    }

    /// Replicas that have everything, and all online ones.
    pub fn replicas_in_step(&self) -> (usize, usize) {
        let online = self.replication.replicas.iter().filter(|replica| replica.is_online()).count();
        (online - self.lagging_replicas().len(), online)
    }

    /// Follows a primary since REPLICAOF asked for that.
    pub(crate) fn obey(&mut self, keyspace: &mut Keyspace, order: FollowOrder) {
        let FollowOrder { primary, force, client } = order;
        let text = format!("REPLICAOF {primary} enabled (user request from '{client}')");
        self.follow(keyspace, primary);
        if force {
            self.consent_to_sync();
        }
        self.notice(Level::Notice, &text);
    }

    /// Follows a primary from now on, instead of whatever this node was before.
    pub fn follow(&mut self, keyspace: &mut Keyspace, primary: Endpoint) {
        self.begin_to_follow(keyspace, |link, now, actions| link.follow(now, primary, actions));
    }

    /// Keeps this replica away from its primary for so many milliseconds; with 0 no longer.
    pub(crate) fn detach(
        &mut self,
        keyspace: &mut Keyspace,
        (ms, epoch): (u64, u64),
    ) -> Result<(), KeptByAnother> {
        let mut actions = Vec::new();
        self.replication.link.detach(self.clock.moment(), (ms, epoch), &mut actions)?;
        self.perform_link(keyspace, actions);
        let text = match ms {
            0 => "This replica may go to its primary again".to_owned(),
            _ => format!("This replica keeps away from its primary for {ms} ms: a new one is being chosen"),
        };
        self.notice(Level::Notice, &text);
        Ok(())
    }

    /// Whoever says whom to follow has decided: a replica that is kept away from that one goes to it again.
    pub(crate) fn end_detachment(&mut self, keyspace: &mut Keyspace) {
        if self.replication.link.is_detached(self.clock.moment()) {
            let ended = self.detach(keyspace, (0, u64::MAX));
            debug_assert!(ended.is_ok(), "no epoch is later");
        }
    }

    /// Follows what has been a replica of this node, and asks it to take over.
    pub(crate) fn hand_over(&mut self, keyspace: &mut Keyspace, target: Endpoint) {
        let target = (target, !self.replication.failover.is_forced());
        self.begin_to_follow(keyspace, |link, now, actions| link.hand_over(now, target, actions));
    }

    fn begin_to_follow(
        &mut self,
        keyspace: &mut Keyspace,
        begin: impl FnOnce(&mut Link, Moment, &mut Vec<link::Action<'_>>),
    ) {
        let now = self.clock.moment();
        // What a replica's readers wait for may never come from another primary, as in Redis.
        self.end_waits_on_role_change();
        if !self.is_replica() {
            self.leave_written();
        }
        self.end_claim_wait("it follows another");
        keyspace.set_deletes_due(false);
        // Where this node stands, this database is selected, whoever goes on from here.
        self.replication.stream = Stream::starting_in(self.stream_database());
        let mut actions = Vec::new();
        self.replication.consents = false;
        begin(&mut self.replication.link, now, &mut actions);
        self.perform_link(keyspace, actions);
        self.replication.replicas.set_role(now, Role::Replica { link_up: false });
        self.host.act_as(true);
    }

    /// Becomes a primary with the data it has. Its history forks here: who has no more may continue.
    pub fn promote(&mut self, keyspace: &mut Keyspace) {
        if !self.is_replica() {
            return;
        }
        let now = self.clock.moment();
        let mut actions = Vec::new();
        self.replication.link.stop(&mut actions);
        self.perform_link(keyspace, actions);
        // Whoever goes back to the history that is left here goes on with this database.
        self.propagation.note_selected(self.log.end(), self.replication.stream.database());
        self.replication.stream = Stream::default();
        if self.has_stale_keys() {
            self.forget_position();
        }
        if self.log.is_active() {
            self.log.promote(&mut self.rng);
        }
        self.propagation.select_again();
        keyspace.set_deletes_due(true);
        self.replication.replicas.set_role(now, Role::Primary);
        self.host.act_as(false);
        self.change_history(Change::Renamed);
    }

    /// Replicas of this node must learn that its history changes: those that know how ask again, the others are
    /// closed. To be called while the log has what they may not have been sent yet.
    pub(crate) fn change_history(&mut self, change: Change) {
        let mut actions = Vec::new();
        let turn = Turn { now: self.clock.moment(), log: &self.log };
        self.replication.replicas.change_history(turn, change, &mut actions);
        self.perform_replicas(actions);
        if self.is_replica() && change != Change::Renamed {
            self.give_up_disk_holds();
        }
    }
}
