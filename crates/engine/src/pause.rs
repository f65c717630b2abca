//! CLIENT PAUSE: commands held back for a while.
//!
//! A pause of writes holds back what may change the data; expiry rests too, so
//! that the data truly stands still. A longer or stricter pause in force is
//! never shortened or weakened by a newer one.

use slipstream_replication::Moment;

use crate::command::flag;

/// The pause in force, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    until: Option<Moment>,
    all: bool,
    /// Whether a session is held back.
    held: bool,
}

impl Pause {
    /// Holds back writes, or with `all` every command of ordinary clients, until a moment.
    pub fn start(&mut self, until: Moment, all: bool) {
        self.all |= all;
        self.until = self.until.max(Some(until));
    }

    /// Lifts it.
    pub fn end(&mut self) {
        self.until = None;
        self.all = false;
    }

    /// A session is held back.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Whether sessions were held back since the last call.
    pub(crate) fn take_held(&mut self) -> bool {
        std::mem::take(&mut self.held)
    }

    /// When it ends.
    pub fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Whether all commands are held back, not only writes.
    pub fn holds_all(&self) -> bool {
        self.until.is_some() && self.all
    }

    /// Whether a command with these flags is held back.
    #[inline]
    pub fn holds(&self, flags: u32) -> bool {
        self.until.is_some() && (self.all || flags & (flag::WRITE | flag::MAY_REPLICATE) != 0)
    }
}
