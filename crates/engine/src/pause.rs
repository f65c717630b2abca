//! CLIENT PAUSE, a shutdown that waits, a primary that comes back: commands held back for a while.
//!
//! A pause of writes holds back what may change the data; expiry rests too, so
//! that the data truly stands still. A longer or stricter pause in force is
//! never shortened or weakened by a newer one. What a shutdown, a planned
//! failover, a migration or a return holds back does not depend on what clients ask for.

use slipstream_replication::Moment;

use crate::command::flag;

/// The pauses in force, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    asked: Option<Asked>,
    /// Whether a shutdown waits for replicas or its snapshot: no writes meanwhile.
    shutting_down: bool,
    /// Whether this primary hands over to a replica: no writes meanwhile.
    failing_over: bool,
    /// Whether keys are on their way to another server: no writes until they are deleted here.
    migrating: bool,
    /// Until when this primary waits at most to hear that it still is one: no writes meanwhile.
    returning: Option<Moment>,
    /// Whether a session is held back.
    held: bool,
}

/// What CLIENT PAUSE asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    until: Moment,
    all: bool,
}

impl Pause {
    /// Holds back writes, or with `all` every command of ordinary clients, until a moment.
    pub fn start(&mut self, now: Moment, until: Moment, all: bool) {
        self.asked = match self.asked {
            Some(asked) => Some(Asked { until: asked.until.max(until), all: asked.all || all }),
            None => (until > now).then_some(Asked { until, all }),
        };
    }

    /// Lifts what clients asked for.
    pub fn end(&mut self) {
        self.asked = None;
    }

    /// A shutdown begins to wait, or is over.
    pub(crate) fn set_shutting_down(&mut self, waits: bool) {
        self.shutting_down = waits;
    }

    /// A planned failover begins, or is over.
    pub(crate) fn set_failing_over(&mut self, is_under_way: bool) {
        self.failing_over = is_under_way;
    }

    /// A migration begins, or is over.
    pub(crate) fn set_migrating(&mut self, is_under_way: bool) {
        self.migrating = is_under_way;
    }

    /// A primary that came back begins to wait for the word of its sentinels, or has it.
    pub(crate) fn set_returning(&mut self, until: Option<Moment>) {
        self.returning = until;
    }

    /// Until when it waits for that.
    pub fn returning(&self) -> Option<Moment> {
        self.returning
    }

    /// Whether anything else holds back the end of a migration, which is a write.
    pub(crate) fn holds_migration(&self) -> bool {
        Pause { migrating: false, ..*self }.is_active()
    }

    /// A session is held back.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Whether sessions were held back since the last call.
    pub(crate) fn take_held(&mut self) -> bool {
        std::mem::take(&mut self.held)
    }

    /// Whether anything is held back.
    pub fn is_active(&self) -> bool {
        self.holds_all_writes() || self.returning.is_some()
    }

    /// Whether messages are held back as well: they are part of the stream, which stands still then.
    fn holds_all_writes(&self) -> bool {
        self.asked.is_some() || self.shutting_down || self.failing_over || self.migrating
    }

    /// When what clients asked for ends.
    pub fn until(&self) -> Option<Moment> {
        self.asked.map(|asked| asked.until)
    }

    /// Whether all commands are held back, not only writes.
    pub fn holds_all(&self) -> bool {
        self.asked.is_some_and(|asked| asked.all)
    }

    /// Why commands are held back, in Valkey's words for INFO: what has no end by the clock comes first.
    pub fn reason(&self) -> &'static str {
        match self {
            Pause { shutting_down: true, .. } => "shutdown_in_progress",
            Pause { failing_over: true, .. } => "failover_in_progress",
            Pause { asked: Some(_), .. } => "client_pause",
            Pause { migrating: true, .. } => "migration_in_progress",
            Pause { returning: Some(_), .. } => "primary_return",
            _ => "none",
        }
    }

    /// What is held back, in Valkey's words for INFO.
    pub fn actions(&self) -> &'static str {
        match (self.is_active(), self.holds_all()) {
            (false, _) => "none",
            (true, false) => "write",
            (true, true) => "all",
        }
    }

    /// For how much longer at most, in milliseconds; 0 when nothing is held back, and where no clock ends it.
    pub fn left_ms(&self, now: Moment) -> u64 {
        let until = self.until().max(self.returning).filter(|_| !self.shutting_down && !self.failing_over);
        until.map_or(0, |until| until.0.saturating_sub(now.0))
    }

    /// Whether a command with these flags of a primary's stream is held back: by clients alone, as whoever ends or
    /// hands over waits for copies to come into step.
    #[inline]
    pub fn holds_stream(&self, flags: u32) -> bool {
        self.asked.is_some_and(|asked| asked.all || flags & (flag::WRITE | flag::MAY_REPLICATE) != 0)
    }

    /// Whether a command with these flags is held back. By messages sentinels greet each other, which a primary that
    /// waits for their word does not hold up.
    #[inline]
    pub fn holds(&self, flags: u32) -> bool {
        if !self.is_active() {
            return false;
        }
        let writes = flags & flag::WRITE != 0;
        let tells = flags & flag::MAY_REPLICATE != 0;
        self.holds_all() || writes || tells && (self.holds_all_writes() || flags & flag::PUBSUB == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_neither_shortened_nor_weakened() {
        let mut pause = Pause::default();
        pause.start(Moment(0), Moment(100), true);
        pause.start(Moment(0), Moment(50), false);
        assert_eq!(pause.until(), Some(Moment(100)));
        assert!(pause.holds(flag::READONLY));
        pause.end();
        pause.start(Moment(0), Moment(50), false);
        assert!(pause.holds(flag::WRITE) && !pause.holds(flag::READONLY));
    }

    #[test]
    fn info_tells_why_what_and_for_how_long() {
        let told = |pause: &Pause| (pause.reason(), pause.actions(), pause.left_ms(Moment(20)));
        let mut pause = Pause::default();
        assert_eq!(told(&pause), ("none", "none", 0));
        pause.start(Moment(0), Moment(50), true);
        assert_eq!(told(&pause), ("client_pause", "all", 30));
        pause.set_failing_over(true);
        assert_eq!(told(&pause), ("failover_in_progress", "all", 0));
        pause.end();
        pause.set_shutting_down(true);
        assert_eq!(told(&pause), ("shutdown_in_progress", "write", 0));
    }

    #[test]
    fn who_returns_holds_back_writes_and_lets_sentinels_greet() {
        let mut pause = Pause::default();
        pause.set_returning(Some(Moment(50)));
        assert!(pause.holds(flag::WRITE) && pause.holds(flag::MAY_REPLICATE | flag::RUNS_SCRIPT));
        assert!(!pause.holds(flag::PUBSUB | flag::MAY_REPLICATE) && !pause.holds(flag::READONLY));
        assert_eq!(
            (pause.reason(), pause.actions(), pause.left_ms(Moment(20))),
            ("primary_return", "write", 30)
        );
        pause.start(Moment(0), Moment(60), false);
        assert!(pause.holds(flag::PUBSUB | flag::MAY_REPLICATE));
        assert_eq!((pause.reason(), pause.left_ms(Moment(20))), ("client_pause", 40));
        pause.set_returning(None);
        assert!(pause.is_active());
    }

    #[test]
    fn a_pause_of_no_time_is_none() {
        let mut pause = Pause::default();
        pause.start(Moment(7), Moment(7), true);
        assert!(!pause.is_active());
    }

    #[test]
    fn lifting_a_pause_leaves_what_else_holds_writes_back() {
        for set in [Pause::set_shutting_down, Pause::set_failing_over, Pause::set_migrating] {
            let mut pause = Pause::default();
            pause.start(Moment(0), Moment(50), true);
            set(&mut pause, true);
            pause.end();
            assert!(pause.holds(flag::WRITE) && !pause.holds(flag::READONLY));
            set(&mut pause, false);
            assert!(!pause.is_active());
        }
    }
}
