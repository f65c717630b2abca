//! The only place that turns a change of the data into log bytes.
//!
//! A command that changed something is propagated as it came, or as the
//! effects it names instead ([`Call::propagate`](crate::call::Call::propagate)).
//! What belongs together (a transaction, a command with several effects, an
//! expired key and the command that found it) is wrapped in MULTI and EXEC; a
//! single effect travels bare. SELECT precedes whatever is for another database
//! than the last one.

use std::collections::VecDeque;
use std::ops::Range;

use slipstream_log::{Log, Offset};
use slipstream_resp::{Args, encode_request};

/// Effects of the running command or transaction, not yet in the log.
#[derive(Debug, Default)]
pub struct Propagation {
    /// Encoded effects, one after the other.
    bytes: Vec<u8>,
    /// Where each begins, and its database (`None`: it belongs to none).
    effects: Vec<(usize, Option<usize>)>,
    /// The database that readers of the log have selected.
    selected: Option<usize>,
    /// The latest changes of it, with the offset behind each.
    selections: VecDeque<(Offset, usize)>,
    /// Whether EXEC or a script is running: its effects are one group.
    grouping: bool,
    /// Whether effects are left out: a script asked for that.
    muted: bool,
    /// The latest run of messages in the log.
    messages: Range<Offset>,
}

/// The word by which a key's removal is propagated: `lazyfree-lazy-…` chooses it.
pub(crate) fn deletion(is_lazy: bool) -> &'static [u8] {
    if is_lazy { b"UNLINK" } else { b"DEL" }
}

/// Effects that are set aside while others than their command run.
#[derive(Debug, Default)]
pub(crate) struct Group {
    bytes: Vec<u8>,
    effects: Vec<(usize, Option<usize>)>,
    grouping: bool,
    muted: bool,
}

/// Changes of the selected database that are remembered.
const MAX_SELECTIONS: usize = 1024;

impl Propagation {
    /// Adds one effect on `db`.
    pub fn push<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        if !self.muted {
            self.push_deletion(db, args);
        }
    }

    /// Adds the deletion of a key whose time came, whatever a script asked for: nobody else would delete it.
    pub fn push_deletion<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.effects.push((self.bytes.len(), Some(db)));
        encode_request(&mut self.bytes, args);
    }

    /// Adds a request that is an effect as it came. Nothing pending before it, it goes into the log without a
    /// stop, and as the bytes that came where they are its encoding.
    #[inline]
    pub fn push_request(&mut self, log: &mut Log, db: usize, args: Args<'_>) {
        if self.grouping || !self.effects.is_empty() {
            return self.push(db, args.iter());
        }
        if self.selected != Some(db) {
            self.select(log, db);
        }
        match args.encoded() {
            Some(bytes) => log.append(bytes),
            None => log.append_with(|out| encode_request(out, args.iter())),
        }
    }

    /// Adds an effect that concerns no database, nor is known to change any.
    pub fn push_message(&mut self, args: &[&[u8]]) {
        if self.muted {
            return;
        }
        self.effects.push((self.bytes.len(), None));
        encode_request(&mut self.bytes, args.iter().copied());
    }

    /// Sends a message to the readers that concerns no database: PING, REPLCONF GETACK. Behind what is pending.
    /// Returns where it lies in the log.
    pub fn message(&mut self, log: &mut Log, args: &[&[u8]]) -> Range<Offset> {
        self.flush(log);
        let start = log.end();
        log.append_with(|out| encode_request(out, args.iter().copied()));
        let continued = self.messages.end == start;
        self.messages = if continued { self.messages.start } else { start }..log.end();
        start..log.end()
    }

    /// The end of what changes data in the log: its end, but for messages behind that.
    pub fn changes_end(&self, log: &Log) -> Offset {
        if self.messages.end == log.end() { self.messages.start } else { log.end() }
    }

    /// Number of effects not yet in the log.
    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Leaves out the effects that follow, or no more.
    pub fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Sets aside what is pending: what comes until [`Propagation::go_on`] does not belong to it.
    pub(crate) fn set_aside(&mut self) -> Group {
        Group {
            bytes: std::mem::take(&mut self.bytes),
            effects: std::mem::take(&mut self.effects),
            grouping: std::mem::take(&mut self.grouping),
            muted: std::mem::take(&mut self.muted),
        }
    }

    /// Goes on with what was set aside.
    pub(crate) fn go_on(&mut self, group: Group) {
        (self.bytes, self.effects) = (group.bytes, group.effects);
        (self.grouping, self.muted) = (group.grouping, group.muted);
    }

    /// Opens a group: effects are kept until [`Propagation::end_group`].
    pub fn begin_group(&mut self) {
        self.grouping = true;
    }

    /// Whether a group is open.
    pub fn is_grouping(&self) -> bool {
        self.grouping
    }

    /// Closes the group and sends it.
    pub fn end_group(&mut self, log: &mut Log) {
        self.grouping = false;
        self.flush(log);
    }

    /// Appends what is pending to the log, unless a group is open.
    pub fn flush(&mut self, log: &mut Log) {
        if !self.grouping && !self.effects.is_empty() {
            self.send(log);
        }
    }

    fn send(&mut self, log: &mut Log) {
        if log.is_active() {
            self.append(log);
        }
        self.forget();
    }

    /// The same without a transaction around several effects: keys that a read found due have nothing to do
    /// with each other.
    pub fn flush_each(&mut self, log: &mut Log) {
        if self.grouping || self.effects.is_empty() {
            return;
        }
        if log.is_active() {
            self.append_all(log);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.effects.clear();
        const KEEP: usize = 1024 * 1024;
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Readers start anew (a full sync, a promotion): the next effect says its database.
    pub fn select_again(&mut self) {
        self.set_selected(None);
    }

    /// The database readers have selected.
    pub fn selected(&self) -> Option<usize> {
        self.selected
    }

    /// The database that is selected at an offset of the log, if that is known.
    pub(crate) fn selected_at(&self, offset: Offset) -> Option<usize> {
        self.selections.iter().rev().find(|(behind, _)| *behind <= offset).map(|(_, db)| *db)
    }

    /// Behind this offset, another database is selected.
    pub(crate) fn note_selected(&mut self, behind: Offset, db: usize) {
        if self.selections.len() == MAX_SELECTIONS {
            self.selections.pop_front();
        }
        self.selections.push_back((behind, db));
    }

    /// What lies behind this offset of the log is no more.
    pub(crate) fn rewind(&mut self, to: Offset) {
        self.selections.retain(|(behind, _)| *behind <= to);
        self.messages = Range::default();
    }

    /// What the primary's stream selected, to go on from there when promoted.
    pub fn set_selected(&mut self, db: Option<usize>) {
        self.selected = db;
        self.messages = Range::default();
    }

    fn append(&mut self, log: &mut Log) {
        let wrapped = self.effects.len() > 1;
        if wrapped {
            log.append(b"*1\r\n$5\r\nMULTI\r\n");
        }
        self.append_all(log);
        if wrapped {
            log.append(b"*1\r\n$4\r\nEXEC\r\n");
        }
    }

    fn append_all(&mut self, log: &mut Log) {
        for index in 0..self.effects.len() {
            let (start, db) = self.effects[index];
            let end = self.effects.get(index + 1).map_or(self.bytes.len(), |(next, _)| *next);
            if let Some(db) = db.filter(|db| self.selected != Some(*db)) {
                self.select(log, db);
            }
            log.append(&self.bytes[start..end]);
        }
    }

    #[cold]
    fn select(&mut self, log: &mut Log, db: usize) {
        let mut digits = itoa::Buffer::new();
        let args: [&[u8]; 2] = [b"SELECT", digits.format(db).as_bytes()];
        log.append_with(|out| encode_request(out, args.into_iter()));
        self.selected = Some(db);
        self.note_selected(log.end(), db);
    }
}
