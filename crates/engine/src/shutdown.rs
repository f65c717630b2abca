//! SHUTDOWN, SIGTERM and SIGINT: wait for replicas, save, end.
//!
//! ```text
//! Serving ── begin ──▶ waiting for replicas ── in step, late or NOW ──▶ saving ──▶ Exit
//!    ▲                        │ ABORT                                      │ failed, not FORCE
//!    └────────────────────────┴────────────────────────────────────────────┘
//! ```
//! From the beginning on writes are held back: what is answered now would not be in the final snapshot.

use slipstream_keyspace::Keyspace;
use slipstream_replication::Moment;

use crate::config::ShutdownOn;
use crate::host::{Effect, Level, SaveReason};
use crate::node::{Core, Phase};
use crate::session::Wait;

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
    WaitingForReplicas { deadline: Moment },
    Saving,
}

impl Shutdown {
    /// When it goes on by itself.
    pub fn deadline(&self) -> Option<Moment> {
        match self.step {
            Step::WaitingForReplicas { deadline } => Some(deadline),
            Step::Saving => None,
        }
    }
}

impl Core {
    /// SIGTERM or SIGINT. The second one forces.
    pub(crate) fn signal_shutdown(&mut self, keyspace: &Keyspace, options: ShutdownOn) {
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
    pub fn begin_shutdown(&mut self, keyspace: &Keyspace, mut options: ShutdownOn) {
        if self.shutdown.is_some() {
            return;
        }
        if self.phase == Phase::Loading {
            // What is on disk is all there is: a snapshot of what is loaded so far would replace it.
            options.nosave = true;
            options.save = false;
        }
        self.notice(Level::Notice, "User requested shutdown...");
        self.pause.set_shutting_down(true);
        self.phase = Phase::ShuttingDown;
        let lagging = self.lagging_replicas();
        let wait = u64::from(self.config.shutdown_timeout) * 1000;
        let deadline = Moment(self.clock.moment().0 + wait);
        let step = Step::WaitingForReplicas { deadline };
        self.shutdown = Some(Shutdown { options, step, signalled: false });
        if options.now || lagging.is_empty() || wait == 0 {
            return self.finish_shutdown(keyspace, options);
        }
        let text =
            format!("Waiting for replicas before shutting down: {} of them lag behind.", lagging.len());
        self.notice(Level::Notice, &text);
    }

    /// Goes on when the replicas have everything or the time is over.
    pub(crate) fn continue_shutdown(&mut self, keyspace: &Keyspace) {
        let Some(Shutdown { options, step: Step::WaitingForReplicas { deadline }, .. }) = self.shutdown
        else {
            return;
        };
        if self.lagging_replicas().is_empty() || self.clock.moment() >= deadline {
            self.finish_shutdown(keyspace, options);
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
        if options.save || (!options.nosave && !self.config.save.is_empty()) {
            self.notice(Level::Notice, "Saving the final RDB snapshot before exiting.");
            self.begin_save(keyspace, SaveReason::Shutdown);
        } else {
            self.exit();
        }
    }

    /// The final snapshot is on disk, or could not be written.
    pub(crate) fn shutdown_saved(&mut self, ok: bool) {
        let forced = self.shutdown.is_some_and(|shutdown| shutdown.options.force);
        if ok || forced {
            return self.exit();
        }
        self.notice(Level::Warning, "Error trying to save the DB, can't exit.");
        self.cancel_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
    }

    fn exit(&mut self) {
        self.notice(Level::Warning, "Redis is now ready to exit, bye bye...");
        self.effects.push(Effect::Exit(0));
    }

    /// SHUTDOWN ABORT; whether there was one.
    pub fn abort_shutdown(&mut self) -> bool {
        if self.shutdown.is_none() {
            return false;
        }
        self.notice(Level::Notice, "Shutdown manually aborted.");
        self.cancel_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
        true
    }

    fn cancel_shutdown(&mut self, error: &str) {
        self.shutdown = None;
        self.phase = Phase::Serving;
        self.pause.set_shutting_down(false);
        for id in self.waiting_sessions(&Wait::Shutdown) {
            self.answer(id, |reply| reply.error(error));
            self.wake(id);
        }
        self.wake_paused();
    }

    /// Milliseconds until a shutdown stops waiting for replicas.
    pub fn shutdown_left(&self) -> Option<u64> {
        let deadline = self.shutdown.as_ref()?.deadline()?;
        Some(deadline.0.saturating_sub(self.clock.moment().0))
    }
}
