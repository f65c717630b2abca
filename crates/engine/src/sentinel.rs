//! A node that is a sentinel: what the machine of `slipstream-sentinel` is told, and what becomes of its actions.
//!
//! Events go to those who subscribed here, lines to the log; what is to be on disk becomes the text of a file, and
//! everything else leaves as an [`Effect`]. Clients whose answer must not be known before it is on disk wait here. Never
//! decides anything about groups.

mod stored;

use slipstream_replication::Moment;
use slipstream_resp::{Args, Reply};
use slipstream_sentinel::commands::{Answered, CommandRefused, Request, Surroundings};
use slipstream_sentinel::config::{ConfigError, ConfigLine, NamedScript, rewrite, state_text};
use slipstream_sentinel::{Action, Event, Globals, Sentinel, Version};

use crate::config::{self, Circumstances, Directive, LoadError};
use crate::errors::CommandError;
use crate::glob::{self, Case};
use crate::host::{Effect, Host, Level};
use crate::node::{Core, Node};
use crate::pubsub::Kind;

pub(crate) use stored::StoreWaits;

/// A command to the sentinel.
pub(crate) struct Asked<'a> {
    /// The subcommand.
    pub(crate) name: &'a str,
    /// All arguments.
    pub(crate) args: Args<'a>,
    /// It has waited long enough.
    pub(crate) is_late: bool,
}

/// What the sentinel asks while it answers.
struct Around<'a>(&'a mut dyn Host);

impl Surroundings for Around<'_> {
    fn matches(&self, pattern: &[u8], text: &[u8], is_any_case: bool) -> bool {
        glob::matches(pattern, text, if is_any_case { Case::Insensitive } else { Case::Sensitive })
    }

    fn is_program(&mut self, path: &str) -> bool {
        self.0.is_program(path)
    }
}

impl Node {
    /// Something happened that the sentinel waits for: a connection, bytes, a file, a script.
    pub fn sentinel_event(&mut self, event: Event<'_>) {
        self.core.tick_clock();
        let stored = match &event {
            Event::Stored(version, result) => Some((*version, result.is_ok())),
            _ => None,
        };
        self.core.tell_sentinel(event);
        if let Some((version, is_good)) = stored {
            self.core.answer_stored(version, is_good);
            self.run_woken();
        }
    }

    /// Does what is due.
    pub(crate) fn sentinel_turn(&mut self) {
        if self.core.sentinel_deadline().is_some_and(|at| at <= self.core.clock.moment()) {
            self.core.tell_sentinel(Event::Tick);
        }
    }
}

impl Core {
    /// Makes the sentinel that the configuration asks for, if it asks for one.
    pub(crate) fn become_sentinel(&mut self) -> Result<(), String> {
        let Some(lines) = &self.config.sentinel else { return Ok(()) };
        self.config.check_sentinel()?;
        let password = self.config.requirepass.as_deref().map(String::from_utf8_lossy);
        let globals = Globals {
            port: self.config.port,
            requirepass: password.unwrap_or_default().into_owned(),
            ..Globals::default()
        };
        let now = self.clock.moment();
        let mut sentinel = Sentinel::new(now, globals, self.rng.fork());
        sentinel.load(lines).map_err(refused)?;
        if let Some(script) =
            Sentinel::scripts_named(lines).into_iter().find(|script| !self.host.is_program(&script.path))
        {
            let NamedScript { number, line, complaint, .. } = script;
            return Err(refused(ConfigError { number, line, reason: complaint.to_owned() }));
        }
        if let Some(path) = sentinel.state_file().map(str::to_owned) {
            let unusable = |reason: String| format!("Sentinel state file {path}: {reason}");
            let content = self.host.read_file(&path).map_err(unusable)?.unwrap_or_default();
            let lines = ConfigLine::all_of_state(&content).map_err(|error| unusable(error.to_string()))?;
            sentinel.load_state(&lines).map_err(|error| unusable(error.to_string()))?;
            self.stores.configured_level = Some(self.log_level());
            if let Some(level) = stored_level(&content) {
                self.take_log_level(level).map_err(unusable)?;
            }
        }
        sentinel.introduce(now);
        self.sentinel = Some(Box::new(sentinel));
        Ok(())
    }

    /// When the sentinel has something to do.
    pub(crate) fn sentinel_deadline(&self) -> Option<Moment> {
        self.sentinel.as_ref().map(|sentinel| sentinel.deadline())
    }

    /// Runs a command of the sentinel's.
    pub(crate) fn ask_sentinel(
        &mut self,
        asked: &Asked<'_>,
        reply: &mut Reply,
    ) -> Result<Answered, CommandError> {
        let (now, log_level) = (self.clock.moment(), &*self.log_level());
        self.with_sentinel(|sentinel, host| {
            let (name, args, is_late) = (asked.name, asked.args, asked.is_late);
            let surroundings = &mut Around(host);
            sentinel.command(Request { now, name, args, is_late, log_level, surroundings }, reply)
        })
    }

    /// PUBLISH to a sentinel.
    pub(crate) fn publish_to_sentinel(
        &mut self,
        (channel, message): (&[u8], &[u8]),
        reply: &mut Reply,
    ) -> Result<(), CommandError> {
        let now = self.clock.moment();
        self.with_sentinel(|sentinel, _| sentinel.publish(now, channel, message, reply)).map(drop)
    }

    /// Has the sentinel answer, and does what that leads to.
    fn with_sentinel(
        &mut self,
        ask: impl FnOnce(&mut Sentinel, &mut dyn Host) -> Result<Answered, CommandRefused>,
    ) -> Result<Answered, CommandError> {
        let sentinel = self.sentinel.as_mut().expect("only a sentinel's table has these commands");
        let answered = ask(sentinel, &mut *self.host);
        let answered = answered.map_err(|CommandRefused(text)| CommandError::text(text))?;
        // Before it is stored with all else.
        if let Answered::OnceStored { log_level: Some(level) } = &answered {
            match self.take_log_level(level) {
                Ok(()) => self.stores.has_log_level = true,
                Err(reason) => self.notice(Level::Warning, &reason),
            }
        }
        if answered != Answered::Yes {
            self.tell_sentinel(Event::Tick);
        }
        Ok(answered)
    }

    fn log_level(&self) -> String {
        let row = Directive::find(b"loglevel").expect("it is in the table");
        String::from_utf8_lossy(&row.show(&self.config)).into_owned()
    }

    /// SENTINEL CONFIG SET loglevel. Nothing else in a node depends on it.
    fn take_log_level(&mut self, level: &str) -> Result<(), String> {
        let when = Circumstances { is_local: true, is_loading: false };
        let pairs: [(&[u8], &[u8]); 1] = [(b"loglevel", level.as_bytes())];
        let mut change = config::set(&self.config, &pairs, when).map_err(|error| error.to_string())?;
        self.host.apply(&mut change.config, &["loglevel"]).map_err(|refused| refused.reason)?;
        self.config = change.config;
        Ok(())
    }

    fn tell_sentinel(&mut self, event: Event<'_>) {
        let now = self.clock.moment();
        let Some(sentinel) = &mut self.sentinel else { return };
        let mut actions = Vec::new();
        sentinel.handle(now, event, &mut actions);
        self.carry_out(actions);
    }

    /// Does what the sentinel wants done, in this order.
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Publish { channel, message } => {
                    self.publish(Kind::Channel, channel.as_bytes(), message.as_bytes());
                }
                Action::Log(level, text) => self.notice(level, &text),
                Action::Store(version) => self.store_sentinel(version),
                other => self.effects.push(Effect::Sentinel(other)),
            }
        }
    }

    /// The text that is to be on disk, into the file that is the sentinel's to write.
    fn store_sentinel(&mut self, version: Version) {
        let Some(sentinel) = &self.sentinel else { return };
        let lines = sentinel.state_lines();
        if let Some(path) = sentinel.state_file() {
            let (path, mut content) = (path.to_owned(), state_text(&lines));
            let level = self.log_level();
            if self.stores.configured_level.as_ref().is_some_and(|configured| *configured != level) {
                content.extend(format!("{STORED_LEVEL}{level}\n").bytes());
            }
            return self.effects.push(Effect::SentinelStore { version, path, content });
        }
        match self.host.read_config() {
            Ok(old) => {
                let mut content = rewrite(old.as_bytes(), &lines);
                if self.stores.has_log_level {
                    content = config::rewrite_one(&content, &self.config, "loglevel");
                }
                content = config::rewrite_users(&content, &self.config_with_users());
                let path = self.host.facts().config_file;
                self.effects.push(Effect::SentinelStore { version, path, content });
            }
            Err(reason) => self.tell_unstored(version, reason),
        }
    }

    /// Nothing can be written, since what is there cannot be read.
    fn tell_unstored(&mut self, version: Version, reason: String) {
        self.tell_sentinel(Event::Stored(version, Err(reason)));
        self.answer_stored(version, false);
    }
}

/// What the line of a file of state begins with that says the level of the log.
const STORED_LEVEL: &str = "loglevel ";

fn stored_level(content: &[u8]) -> Option<&str> {
    let mut lines = content.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    lines.find_map(|line| line.strip_prefix(STORED_LEVEL)).map(str::trim)
}

/// As a configuration that the engine itself refuses.
fn refused(error: ConfigError) -> String {
    let ConfigError { number, line, reason } = error;
    LoadError::Line { number, line, reason }.to_string()
}
