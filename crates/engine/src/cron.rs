//! What a node does by itself: save points, idle clients, pauses, the deadlines of
//! replication, and active expiry (`expiry.rs`).
//!
//! [`Node::tick`] runs once per turn of the loop and does what is due;
//! [`Node::time_left`] says how long the loop may wait.

use std::time::Duration;

use slipstream_replication::Moment;

use crate::host::{Effect, Level};
use crate::node::{Node, Phase, Signal};
use crate::session::{Flow, Role, SessionId};

/// When so many bytes of the log wait in memory for the disk, it is given up.
const MOST_UNWRITTEN: u64 = 512 << 20;

impl Node {
    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.core.tick_clock();
        self.core.notice_stall();
        self.core.turn_has_input = false;
        self.core.turn_began = self.core.clock.micros;
        self.core.stats.commands_before_turn = self.core.stats.commands;
        // Asking the system costs as much as a small command.
        let monitors = self.core.config.latency_monitor_threshold > 0;
        self.core.turn_began_on_processor = monitors.then(|| self.core.host.processor_micros());
    }

    /// Replies are about to leave: time has passed while the log went out.
    pub fn before_replies(&mut self) {
        self.core.tick_clock();
        self.core.notice_stall();
    }

    /// A turn ends: its block of the log is finished, what no reader needs is forgotten.
    pub fn end_turn(&mut self) {
        self.core.feed_aof(false);
        let needed = [self.core.replication.replicas.oldest_needed(), self.core.aof.needs()];
        self.core.log.trim(needed.into_iter().flatten().min());
        if self.core.log.disk_lag() > MOST_UNWRITTEN {
            self.disk_failed("it takes less than is written");
        }
        self.core.tick_clock();
        self.core.fence.end_turn(self.core.clock.moment());
        self.core.notice_stall();
        self.core.evict_clients();
        let micros = self.core.clock.micros - self.core.turn_began;
        let stats = &mut self.core.stats;
        stats.turns += 1;
        stats.turn_micros += micros;
        stats.longest_turn_micros = stats.longest_turn_micros.max(micros);
        let commands = stats.commands - stats.commands_before_turn;
        stats.most_commands_in_turn = stats.most_commands_in_turn.max(commands);
        if let Some(began) = self.core.turn_began_on_processor {
            let micros = self.core.host.processor_micros() - began;
            stats.longest_turn_on_processor = stats.longest_turn_on_processor.max(micros);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self) {
        self.core.tick_clock();
        self.core.look_at_fence();
        self.core.notice_stall();
        self.core.end_return_if_known();
        self.core.end_late_waits();
        self.sentinel_turn();
        let began = self.core.clock.micros;
        let is_periodic = self.core.clock.moment() >= self.core.next_cron;
        if is_periodic {
            let period = 1000 / u64::from(self.core.config.hz.max(1));
            self.core.next_cron = Moment(self.core.clock.moment().0 + period);
            if !self.core.cron_paused {
                self.cron();
            }
        }
        self.end_pause_if_due();
        self.core.serve_unclaimed_if_due(&mut self.keyspace);
        self.make_room_if_due();
        self.expire_actively();
        self.aof_turn();
        self.replication_turn();
        self.serve_ready();
        if self.core.has_woken() {
            // Whoever waited goes on in this turn, and may wait again.
            self.run_woken();
            self.replication_turn();
            self.serve_ready();
        }
        if self.core.shutdown.is_some() {
            self.core.continue_shutdown(&mut self.keyspace);
        }
        self.core.discard_garbage(&mut self.keyspace);
        self.core.broadcast();
        if is_periodic {
            self.core.tick_clock();
            self.core.stats.cron_micros += self.core.clock.micros - began;
        }
    }

    /// How long nothing is due.
    pub fn time_left(&self) -> Duration {
        let core = &self.core;
        let is_behind = core.eviction.is_under_way() || core.has_woken();
        if is_behind || !core.effects.is_empty() || core.tracking.has_news() {
            return Duration::ZERO;
        }
        let now = self.core.clock.moment();
        let deadlines = [
            Some(self.core.next_cron),
            self.core.expiry_deadline(),
            self.core.pause.until(),
            self.core.pause.returning(),
            self.core.shutdown.as_ref().and_then(crate::shutdown::Shutdown::deadline),
            self.core.waits.deadline(),
            self.core.replication.deadline(),
            self.core.claim_deadline(),
            self.core.aof_deadline(),
            self.core.fence_deadline(),
            self.core.sentinel_deadline(),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or(now);
        Duration::from_millis(next.0.saturating_sub(now.0))
    }

    fn cron(&mut self) {
        let now = self.core.clock.moment();
        self.core.rates.sample(now, &self.core.stats);
        self.core.check_slow_readers();
        self.core.limit_tracking();
        self.core.tell_sync_progress();
        self.close_idle_clients();
        self.expire_local_keys();
        self.core.keep_state_if_due(&self.keyspace);
        if self.core.phase == Phase::Serving {
            self.save_if_due();
            self.core.rewrite_aof_if_grown();
        }
    }

    /// Goes on with making room. A replica that makes room by itself gets its commands from its primary.
    fn make_room_if_due(&mut self) {
        let alone = self.core.is_replica() && !self.core.config.replica_ignore_maxmemory;
        if self.core.config.maxmemory != 0 && (alone || self.core.eviction.is_under_way()) {
            self.core.make_room(&mut self.keyspace);
            self.core.tell_broken_watches();
        }
    }

    fn close_idle_clients(&mut self) {
        let timeout = u64::from(self.core.config.timeout) * 1000;
        if timeout == 0 {
            return;
        }
        let now = self.core.clock.moment();
        let idle: Vec<SessionId> = self
            .core
            .sessions
            .iter()
            .filter(|s| {
                s.role == Role::Client
                    && !matches!(s.flow, Flow::Waiting(_))
                    && s.held.is_empty()
                    && !s.is_subscribed()
            })
            .filter(|s| now.0 - s.last_active.0 > timeout)
            .map(|s| s.id)
            .collect();
        for id in idle {
            self.core.notice(Level::Verbose, "Closing idle client");
            self.core.effects.push(Effect::Disconnect(id));
        }
    }

    fn end_pause_if_due(&mut self) {
        let now = self.core.clock.moment();
        if self.core.pause.until().is_some_and(|until| until <= now) {
            self.core.pause.end();
        }
        self.core.rest_or_expire(&mut self.keyspace);
        self.end_migration();
        self.core.apply_held(&mut self.keyspace);
        // Who waited before the pause comes before who came in it.
        self.serve_ready();
        self.core.wake_held();
        self.run_woken();
    }

    /// A signal came.
    pub fn signal(&mut self, signal: Signal) {
        let (name, options) = match signal {
            Signal::Terminate => ("SIGTERM", self.core.config.shutdown_on_sigterm),
            Signal::Interrupt => ("SIGINT", self.core.config.shutdown_on_sigint),
        };
        self.core.notice(Level::Notice, &format!("Received {name} scheduling shutdown..."));
        self.core.signal_shutdown(&mut self.keyspace, options);
    }

    /// What the shell is to do.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.core.effects)
    }

    /// Bytes went out to clients.
    pub fn sent(&mut self, bytes: u64) {
        self.core.stats.net_output += bytes;
        self.core.stats.writes_processed += 1;
    }

    /// Logs trouble of the shell's.
    pub fn warn(&mut self, text: &str) {
        self.core.notice(Level::Warning, text);
    }
}
