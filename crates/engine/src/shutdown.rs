//! SHUTDOWN, SIGTERM and SIGINT: hand over or wait for replicas, save, end.
//!
//! ```text
//!              ┌──▶ waiting for replicas ── in step, late or NOW ──┐
//! Serving ── begin          ▲ nobody takes over                      ├──▶ saving ──▶ Exit
//!    ▲         └──▶ handing over ── a replica is the primary ────────┘      │
//!    │                   │                                                  │
//!    └───────────────────┴─── ABORT, or cannot save and not FORCE ──────────┘
//! ```
//! From the beginning on writes are held back: what is answered now would not be in the final snapshot.

use slipstream_keyspace::Keyspace;
use slipstream_replication::Moment;
use slipstream_replication::failover::Order;

use crate::config::{self, Additions, ShutdownHandover, ShutdownOn};
use crate::errors::CommandError;
use crate::host::{Effect, Level, SaveReason};
use crate::node::{Core, Phase};
use crate::session::{Flow, Role, Session, Wait};

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    options: ShutdownOn,
    step: Step,
    /// Whether a signal asked for it: the next one forces.
    signalled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A replica is to become the primary (`shutdown-handover`).
    HandingOver {
        deadline: Moment,
    },
    WaitingForReplicas {
        deadline: Moment,
    },
    Saving,
    /// The first base of the append-only file is on its way.
    WritingBase,
}

impl Shutdown {
    /// When it goes on by itself.
    pub fn deadline(&self) -> Option<Moment> {
        match self.step {
            Step::HandingOver { deadline } | Step::WaitingForReplicas { deadline } => Some(deadline),
            Step::Saving | Step::WritingBase => None,
        }
    }
}

impl Core {
    /// SIGTERM or SIGINT. The second one forces.
    pub(crate) fn signal_shutdown(&mut self, keyspace: &mut Keyspace, options: ShutdownOn) {
        if self.shutdown.is_some_and(|shutdown| shutdown.signalled) {
            self.notice(Level::Warning, "Asked again to shut down: exiting now.");
            return self.effects.push(Effect::Exit(1));
        }
        self.begin_shutdown(keyspace, options);
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.signalled = true;
        }
    }

    /// Begins to shut down, unless that is under way: who asks again waits as well.
    pub fn begin_shutdown(&mut self, keyspace: &mut Keyspace, mut options: ShutdownOn) {
        if self.shutdown.is_some() {
            return;
        }
        if self.phase == Phase::Loading || self.is_awaiting_claim() {
            // What is on disk is all there is: a snapshot of what is loaded so far would replace it.
            options.nosave = true;
            options.save = false;
        }
        self.notice(Level::Notice, "User requested shutdown...");
        self.pause.set_shutting_down(true);
        self.phase = Phase::ShuttingDown;
        let wait = u64::from(self.config.shutdown_timeout) * 1000;
        let patience = if options.now { 0 } else { wait };
        let deadline = self.clock.moment().after_ms(patience);
        let step = if patience > 0 && self.begins_to_hand_over(keyspace, patience) {
            Step::HandingOver { deadline }
        } else {
            Step::WaitingForReplicas { deadline }
        };
        self.shutdown = Some(Shutdown { options, step, signalled: false });
        if matches!(step, Step::WaitingForReplicas { .. }) {
            self.wait_for_replicas(keyspace, options, deadline);
        }
    }

    /// A load that clients had to wait for is over.
    pub(crate) fn phase_after_load(&self) -> Phase {
        if self.shutdown.is_some() { Phase::ShuttingDown } else { Phase::Serving }
    }

    /// Whether the snapshot with which this node ends is being saved: no write was answered since then, and none will be.
    pub(crate) fn is_saving_last(&self) -> bool {
        matches!(self.shutdown, Some(Shutdown { step: Step::Saving | Step::WritingBase, .. }))
    }

    /// Whether a replica is to take over before the end.
    fn begins_to_hand_over(&mut self, keyspace: &mut Keyspace, timeout_ms: u64) -> bool {
        let is_automatic = self.config.shutdown_handover == ShutdownHandover::Auto;
        let wants = match self.config.shutdown_handover {
            ShutdownHandover::Auto => self.fence.leases.is_watched(self.clock.moment()),
            ShutdownHandover::Yes => true,
            ShutdownHandover::No => false,
        };
        // Whom an operator does not want promoted only replicas of this project tell.
        let order = Order { timeout_ms: Some(timeout_ms), ranked: is_automatic, ..Order::default() };
        wants && self.begin_failover(keyspace, order).is_ok()
    }

    fn wait_for_replicas(&mut self, keyspace: &Keyspace, options: ShutdownOn, deadline: Moment) {
        let lagging = self.lagging_replicas();
        if lagging.is_empty() || self.clock.moment() >= deadline {
            return self.finish_shutdown(keyspace, options);
        }
        self.replication.replicas.request_acks();
        let text =
            format!("Waiting for replicas before shutting down: {} of them lag behind.", lagging.len());
        self.notice(Level::Notice, &text);
    }

    /// Goes on when the replicas have everything or the time is over.
    pub(crate) fn continue_shutdown(&mut self, keyspace: &mut Keyspace) {
        let Some(Shutdown { options, step, .. }) = self.shutdown else { return };
        match step {
            Step::HandingOver { deadline } => self.continue_to_hand_over(keyspace, options, deadline),
            Step::WaitingForReplicas { deadline } => {
                if self.lagging_replicas().is_empty() || self.clock.moment() >= deadline {
                    self.finish_shutdown(keyspace, options);
                }
            }
            Step::Saving => {}
            Step::WritingBase => self.exit_with_aof(options),
        }
    }

    fn continue_to_hand_over(&mut self, keyspace: &mut Keyspace, options: ShutdownOn, deadline: Moment) {
        if self.replication.failover.is_under_way() {
            if self.clock.moment() < deadline {
                return;
            }
            self.give_up_failover(keyspace);
        }
        if self.is_replica() {
            self.note_primary();
            self.send_clients_away();
            return self.finish_shutdown(keyspace, options);
        }
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.step = Step::WaitingForReplicas { deadline };
        }
        self.wait_for_replicas(keyspace, options, deadline);
    }

    /// Clients look for the new primary now, and not when the final snapshot is written. Sentinels look on.
    fn send_clients_away(&mut self) {
        let goes = |session: &&Session| {
            let is_client = session.role == Role::Client && session.sentinel.is_none();
            is_client && !session.is_subscribed() && session.flow != Flow::Waiting(Wait::Shutdown)
        };
        let gone = self.sessions.iter().filter(goes).map(|session| Effect::Disconnect(session.id));
        self.effects.extend(gone);
    }

    /// Who starts this node again finds a replica of the new primary, and not a second primary.
    fn note_primary(&mut self) {
        let old = match self.host.read_config() {
            Ok(old) => old,
            Err(reason) => {
                let text = format!("The new primary is noted in no configuration file: {reason}");
                return self.notice(Level::Warning, &text);
            }
        };
        let new = config::rewrite(old.as_bytes(), &self.config_with_users(), Additions::Changed);
        if let Err(reason) = self.host.write_config(&new) {
            let text = format!("The configuration file does not name the new primary: {reason}");
            self.notice(Level::Warning, &text);
        }
    }

    fn finish_shutdown(&mut self, keyspace: &Keyspace, options: ShutdownOn) {
        for (address, acked) in self.lagging_replicas() {
            let behind = self.log.end().since(acked);
            let text = format!("Lagging replica {address} reported offset {behind} behind master.");
            self.notice(Level::Notice, &text);
        }
        let (in_step, all) = self.replicas_in_step();
        if all > 0 {
            let text = format!("{in_step} of {all} replicas are in sync when shutting down.");
            self.notice(Level::Notice, &text);
        }
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.step = Step::Saving;
        }
        self.keep_last_state(keyspace);
        if options.save || (!options.nosave && !self.config.save.is_empty()) {
            self.notice(Level::Notice, "Saving the final RDB snapshot before exiting.");
            self.begin_save(keyspace, SaveReason::Shutdown);
        } else {
            self.exit_with_aof(options);
        }
    }

    /// The final snapshot is on disk, or could not be written.
    pub(crate) fn shutdown_saved(&mut self, ok: bool) {
        let options = self.shutdown.map(|shutdown| shutdown.options).unwrap_or_default();
        if ok || options.force {
            return self.exit_with_aof(options);
        }
        self.notice(Level::Warning, "Error trying to save the DB, can't exit.");
        self.cancel_shutdown(&CommandError::SHUTDOWN_FAILED);
    }

    /// The next start loads what the manifest names: before that is this data, this node does not end. Data with stale
    /// keys is that of no offset, and never will be without the primary: nobody misses it. Who waits for another to take its
    /// place has nothing that is not on disk.
    fn exit_with_aof(&mut self, options: ShutdownOn) {
        let has_all = !self.has_stale_keys() && !self.is_awaiting_claim();
        let is_to_be_kept = self.config.appendonly && self.log.is_active() && has_all;
        if options.force || !is_to_be_kept || !self.aof.is_beginning() {
            return self.exit();
        }
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.step = Step::WritingBase;
        }
        if self.aof.failure().is_some() {
            self.notice(Level::Warning, "Writing initial AOF, can't exit.");
            self.cancel_shutdown(&CommandError::SHUTDOWN_FAILED);
        }
    }

    fn exit(&mut self) {
        self.finish_aof();
        let what = if self.config.sentinel.is_some() { "Sentinel" } else { "Redis" };
        self.notice(Level::Warning, &format!("{what} is now ready to exit, bye bye..."));
        self.effects.push(Effect::Exit(0));
    }

    /// SHUTDOWN ABORT; whether there was one.
    pub fn abort_shutdown(&mut self, keyspace: &mut Keyspace) -> bool {
        if self.shutdown.is_none() {
            return false;
        }
        self.notice(Level::Notice, "Shutdown manually aborted.");
        self.abort_failover(keyspace, "the shutdown was aborted");
        self.cancel_shutdown(&CommandError::SHUTDOWN_FAILED);
        self.rest_or_expire(keyspace);
        true
    }

    fn cancel_shutdown(&mut self, error: &CommandError) {
        self.shutdown = None;
        if self.phase == Phase::ShuttingDown {
            let loads = self.loading.is_some() || self.is_reloading() || self.replication.is_flushed;
            self.phase = if loads { Phase::Loading } else { Phase::Serving };
        }
        self.pause.set_shutting_down(false);
        self.finish_waits(Wait::Shutdown, |reply| reply.error(error.as_str()));
        self.wake_held();
    }

    /// Milliseconds until a shutdown stops waiting for replicas.
    pub fn shutdown_left(&self) -> Option<u64> {
        let deadline = self.shutdown.as_ref()?.deadline()?;
        Some(deadline.0.saturating_sub(self.clock.moment().0))
    }
}
