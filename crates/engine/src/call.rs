//! What a command's function gets: its arguments, the data, the reply, and the
//! node around it.
//!
//! A function parses its options, changes the data, notes each changed key with
//! [`Call::changed`] and writes exactly one reply. By default a command that
//! changed something is propagated as it came; one whose effect depends on
//! time, chance or state names the effect with [`Call::propagate`].

use slipstream_keyspace::UnixMillis;
use slipstream_resp::number::{parse_f64, parse_i64};
use slipstream_resp::{Args, Reply};

use crate::db::Db;
use crate::errors::CommandError;
use crate::event::{self, Event};
use crate::node::Core;
use crate::session::{Role, Session};
use crate::table::Entry;
use crate::touched::Observers;

/// One running command.
pub struct Call<'a> {
    /// Its arguments; the first is its name.
    pub args: Args<'a>,
    /// Its row.
    pub entry: Entry,
    /// The selected database.
    pub db: Db<'a>,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
    /// Its client.
    pub session: &'a mut Session,
    /// Everything else of the node.
    pub core: &'a mut Core,
    /// The time at which it runs: the same for its whole length.
    pub now: UnixMillis,
    /// What it did.
    pub outcome: Outcome,
    /// Keys that it names and that were not there, if somebody is to be told of new ones.
    pub(crate) absent: Vec<Box<[u8]>>,
}

/// What a command did to the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many changes it made.
    pub changes: u64,
    /// Whether it named its effects (or that there are none) itself.
    pub effects_named: bool,
}

impl Call<'_> {
    /// Notes that `key` of the selected database changed, and by which event that is told.
    #[inline]
    pub fn changed(&mut self, key: &[u8], event: Event) {
        let db = self.db.index;
        self.changed_in(db, key, event);
    }

    /// Notes that `key` of database `db` changed.
    #[inline]
    pub fn changed_in(&mut self, db: usize, key: &[u8], event: Event) {
        self.outcome.changes += 1;
        self.changed_along(db, key, event);
    }

    /// Notes a change of `key` that gives nothing to who waits for it: entries that go, a deadline.
    #[inline]
    pub(crate) fn changed_giving_nothing(&mut self, key: &[u8], event: Event) {
        self.outcome.changes += 1;
        if self.core.observers.any() {
            self.core.outdated(self.db.index, key, self.core.running);
            self.notify(key, event);
        }
    }

    /// Notes that `key` of database `db` is the second key of one change: it does not count again.
    #[inline]
    pub fn changed_along(&mut self, db: usize, key: &[u8], event: Event) {
        if self.core.observers.any() {
            self.tell_change(db, key, event);
        }
    }

    #[cold]
    fn tell_change(&mut self, db: usize, key: &[u8], event: Event) {
        self.core.touched(db, key);
        if db == self.db.index && self.absent.iter().any(|absent| **absent == *key) {
            self.created(db, key);
        }
        self.notify_in(db, key, event);
    }

    /// Tells that this command made `key` anew, even where it replaced another value. By itself it is told of keys
    /// that a command names and that were not there.
    #[inline]
    pub fn created(&mut self, db: usize, key: &[u8]) {
        if self.core.observers.has(Observers::EVENTS) {
            self.absent.retain(|absent| **absent != *key);
            self.notify_in(db, key, event::CREATED);
        }
    }

    /// Tells of a further event of `key`, whose change is noted.
    #[inline]
    pub fn notify(&mut self, key: &[u8], event: Event) {
        let db = self.db.index;
        self.notify_in(db, key, event);
    }

    /// The same in database `db`.
    #[inline]
    pub fn notify_in(&mut self, db: usize, key: &[u8], event: Event) {
        if self.core.observers.has(Observers::EVENTS) {
            // What this command found due went before.
            self.core.collect_expired(self.db.keyspace);
            self.core.notify(db, key, event);
        }
    }

    /// Tries those again who wait for `key`, though it counts as unchanged: no WATCH is broken, no copy is out of date.
    pub(crate) fn try_waiting(&mut self, key: &[u8]) {
        if self.core.observers.has(Observers::WAITS) {
            self.core.waits.touched(self.db.index, key);
        }
    }

    /// Tells that the change before removed `key`, if it did.
    #[inline]
    pub fn notify_if_gone(&mut self, key: &[u8]) {
        if self.core.observers.has(Observers::EVENTS) && !self.db.database().has(key) {
            self.notify(key, event::DEL);
        }
    }

    /// Names an effect to propagate instead of the command itself. May be called several times.
    pub fn propagate(&mut self, args: &[&[u8]]) {
        let db = self.db.index;
        self.propagate_on(db, args);
    }

    /// The same for another database.
    pub fn propagate_on(&mut self, db: usize, args: &[&[u8]]) {
        self.outcome.effects_named = true;
        // A key that this command found expired may be there again by this effect: its deletion goes first.
        self.core.collect_expired(self.db.keyspace);
        if self.core.log_takes_effects() {
            self.core.propagation.push(db, args.iter().copied());
        }
    }

    /// The command is not propagated as it came.
    pub fn propagate_nothing(&mut self) {
        self.outcome.effects_named = true;
    }

    /// Propagates the command as it came although it changed nothing that counts.
    pub fn propagate_verbatim(&mut self) {
        self.outcome.effects_named = true;
        self.core.collect_expired(self.db.keyspace);
        if self.core.log_takes_effects() {
            self.core.propagation.push(self.db.index, self.args.iter());
        }
    }

    /// Whether its client may be made to wait: not inside MULTI or EXEC, nor where nobody is to be answered.
    pub(crate) fn may_wait(&self) -> bool {
        let is_alone = !self.session.in_transaction() && !self.in_exec();
        is_alone && self.session.role != Role::Primary && !self.core.is_replaying()
    }

    /// Whether EXEC runs it.
    pub fn in_exec(&self) -> bool {
        self.core.propagation.is_grouping()
    }

    /// Counts a read that found `key`, or did not.
    #[inline]
    pub fn count_lookup(&mut self, key: &[u8], found: bool) {
        if !found && self.core.observers.has(Observers::EVENTS) {
            self.core.collect_expired(self.db.keyspace);
        }
        self.core.count_lookup(self.db.index, key, found);
    }

    /// Counts a look at a key that is no use of it, and so is told to nobody.
    #[inline]
    pub fn count_quiet_lookup(&mut self, found: bool) {
        if found {
            self.core.stats.keyspace_hits += 1;
        } else {
            self.core.stats.keyspace_misses += 1;
        }
    }

    /// Argument `index` as an integer.
    pub fn integer(&self, index: usize) -> Result<i64, CommandError> {
        integer(&self.args[index])
    }

    /// Argument `index` as a double.
    pub fn float(&self, index: usize) -> Result<f64, CommandError> {
        parse_f64(&self.args[index]).ok_or(CommandError::NOT_FLOAT)
    }

    /// Whether argument `index` is `word`, in any case.
    pub fn is_word(&self, index: usize, word: &str) -> bool {
        self.args.get(index).is_some_and(|arg| is_word(arg, word))
    }

    /// Answers a HELP subcommand: `lines` alternate between a form and what it does.
    pub fn help(&mut self, lines: &[&str]) {
        let container = self.entry.command.full_name.split('|').next().unwrap_or_default().to_uppercase();
        self.reply.array(lines.len() + 3);
        self.reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
        for line in lines {
            self.reply.simple(line);
        }
        self.reply.simple("HELP");
        self.reply.simple("    Print this help.");
    }

    /// The error for a number of arguments that does not suit.
    pub fn arity_error(&self) -> CommandError {
        CommandError::arity(self.entry.command.full_name)
    }
}

/// An argument as an integer.
pub fn integer(arg: &[u8]) -> Result<i64, CommandError> {
    parse_i64(arg).ok_or(CommandError::NOT_INTEGER)
}

/// Whether an argument is `word`, in any case.
#[inline]
pub fn is_word(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}
