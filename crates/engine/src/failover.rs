//! FAILOVER: what the machine of a planned failover wants, put into effect.
//!
//! Holds writes back while one is under way, changes the role when the target has everything, and changes it
//! back when the target does not take over. Decides nothing itself ([`slipstream_replication::failover`]).

use slipstream_keyspace::Keyspace;
use slipstream_replication::failover::{Action, Order, Refusal};
use slipstream_replication::link::Takeover;

use crate::config::Upstream;
use crate::node::Core;

impl Core {
    /// Begins to hand over to a replica.
    pub(crate) fn begin_failover(&mut self, keyspace: &mut Keyspace, order: Order) -> Result<(), Refusal> {
        let mut actions = Vec::new();
        let now = self.clock.moment();
        let is_primary = !self.is_replica() && self.replication.ordered.is_none();
        let replication = &mut self.replication;
        replication.failover.begin(now, order, (is_primary, &replication.replicas), &mut actions)?;
        replication.replicas.hold_pings(now);
        self.pause.set_failing_over(true);
        self.rest_or_expire(keyspace);
        self.perform_failover(keyspace, actions);
        Ok(())
    }

    /// Ends a failover; whether there was one.
    pub(crate) fn abort_failover(&mut self, keyspace: &mut Keyspace, reason: &str) -> bool {
        let was_under_way = self.replication.failover.is_under_way();
        let mut actions = Vec::new();
        self.replication.failover.abort(reason, &mut actions);
        self.perform_failover(keyspace, actions);
        was_under_way
    }

    /// Waits no longer: as [`Failover::give_up`](slipstream_replication::Failover::give_up).
    pub(crate) fn give_up_failover(&mut self, keyspace: &mut Keyspace) {
        let mut actions = Vec::new();
        self.replication.failover.give_up(&mut actions);
        self.perform_failover(keyspace, actions);
    }

    /// Looks whether the target has everything by now, and whether somebody is late.
    pub(crate) fn continue_failover(&mut self, keyspace: &mut Keyspace) {
        let now = self.clock.moment();
        let mut actions = Vec::new();
        let replication = &mut self.replication;
        replication.failover.on_turn(now, &replication.replicas, self.log.end(), &mut actions);
        self.perform_failover(keyspace, actions);
    }

    /// The target said something of the takeover.
    pub(crate) fn on_takeover(&mut self, keyspace: &mut Keyspace, news: Takeover) {
        let mut actions = Vec::new();
        let failover = &mut self.replication.failover;
        match news {
            Takeover::Asked => failover.on_asked(),
            Takeover::Accepted => failover.on_accepted(&mut actions),
            Takeover::Refused => failover.on_refused(&mut actions),
        }
        self.perform_failover(keyspace, actions);
    }

    fn perform_failover(&mut self, keyspace: &mut Keyspace, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::RequestAcks => self.replication.replicas.request_acks(),
                Action::HandOver(target) => {
                    self.config.replicaof = Some(Upstream { host: target.host.clone(), port: target.port });
                    self.hand_over(keyspace, target);
                }
                Action::Retake => {
                    self.promote(keyspace);
                    self.config.replicaof = None;
                }
                // The end of the turn takes up what was held back.
                Action::Release => {
                    self.pause.set_failing_over(false);
                    self.replication.replicas.release_pings(self.clock.moment());
                    self.rest_or_expire(keyspace);
                }
                Action::Log(level, text) => self.notice(level, &text),
            }
        }
    }
}
