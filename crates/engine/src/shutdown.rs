//! SHUTDOWN, SIGTERM and SIGINT: wait for replicas, save, end.
//!
//! ```text
//! Serving ── begin ──▶ waiting for replicas ── in step, late or NOW ──▶ saving ──▶ Exit
//!    ▲                        │ ABORT                                      │ failed, not FORCE
//!    └────────────────────────┴────────────────────────────────────────────┘
//! ```
//! While it waits for replicas, writes are held back.

use slipstream_replication::Moment;

use crate::config::ShutdownOn;
use crate::host::{Effect, Level, SaveReason};
use crate::node::{Core, Node, Phase};
use crate::session::Wait;

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    options: ShutdownOn,
    step: Step,
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

impl Node {
    /// Begins to shut down. A second signal forces.
    pub fn begin_shutdown(&mut self, options: ShutdownOn) {
        if self.core.shutdown.is_some() {
            self.core.notice(Level::Warning, "Asked again to shut down: exiting now.");
            self.core.effects.push(Effect::Exit(1));
            return;
        }
        self.core.notice(Level::Notice, "User requested shutdown...");
        let lagging = self.core.lagging_replicas();
        if options.now || lagging.is_empty() || self.core.config.shutdown_timeout == 0 {
            return self.finish_shutdown(options);
        }
        let wait = u64::from(self.core.config.shutdown_timeout) * 1000;
        let deadline = Moment(self.core.clock.moment().0 + wait);
        let text = format!("Waiting for replicas before shutting down: {} of them lag behind.", lagging.len());
        self.core.notice(Level::Notice, &text);
        self.core.pause.start(Moment(u64::MAX), false);
        self.core.phase = Phase::ShuttingDown;
        self.core.shutdown = Some(Shutdown { options, step: Step::WaitingForReplicas { deadline } });
    }

    /// Goes on when the replicas have everything or the time is over.
    pub(crate) fn continue_shutdown(&mut self) {
        let Some(Shutdown { options, step: Step::WaitingForReplicas { deadline } }) = self.core.shutdown else {
            return;
        };
        if self.core.lagging_replicas().is_empty() || self.core.clock.moment() >= deadline {
            self.finish_shutdown(options);
        }
    }

    fn finish_shutdown(&mut self, options: ShutdownOn) {
        for (address, lag) in self.core.lagging_replicas() {
            let text = format!("Lagging replica {address} reported offset {lag} behind master.");
            self.core.notice(Level::Notice, &text);
        }
        let (in_step, all) = self.core.replicas_in_step();
        if all > 0 {
            let text = format!("{in_step} of {all} replicas are in sync when shutting down.");
            self.core.notice(Level::Notice, &text);
        }
        self.core.phase = Phase::ShuttingDown;
        self.core.shutdown = Some(Shutdown { options, step: Step::Saving });
        if options.save || (!options.nosave && !self.core.config.save.is_empty()) {
            self.core.notice(Level::Notice, "Saving the final RDB snapshot before exiting.");
            self.begin_save(SaveReason::Shutdown);
        } else {
            self.exit();
        }
    }

    /// The final snapshot is on disk, or could not be written.
    pub(crate) fn shutdown_saved(&mut self, ok: bool) {
        let forced = self.core.shutdown.is_some_and(|shutdown| shutdown.options.force);
        if ok || forced {
            return self.exit();
        }
        self.core.notice(Level::Warning, "Error trying to save the DB, can't exit.");
        self.cancel_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
    }

    fn exit(&mut self) {
        self.core.notice(Level::Warning, "Redis is now ready to exit, bye bye...");
        self.core.effects.push(Effect::Exit(0));
    }

    /// SHUTDOWN ABORT; whether there was one.
    pub fn abort_shutdown(&mut self) -> bool {
        if self.core.shutdown.is_none() {
            return false;
        }
        self.core.notice(Level::Notice, "Shutdown manually aborted.");
        self.cancel_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
        true
    }

    fn cancel_shutdown(&mut self, error: &str) {
        self.core.shutdown = None;
        self.core.phase = Phase::Serving;
        self.core.pause.end();
        for id in self.core.waiting_sessions(&Wait::Shutdown) {
            self.core.answer(id, |reply| reply.error(error));
            self.resume(id);
        }
        self.resume_paused();
    }
}

impl Core {
    /// Milliseconds until a shutdown stops waiting for replicas.
    pub fn shutdown_left(&self) -> Option<u64> {
        let deadline = self.shutdown.as_ref()?.deadline()?;
        Some(deadline.0.saturating_sub(self.clock.moment().0))
    }
}
