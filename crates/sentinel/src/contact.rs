//! How an instance is reached: its address, the line that commands go over, and when it last answered.
//! It knows nothing of what is behind: a server and a sentinel are reached alike.

use slipstream_replication::Moment;

use crate::Address;
use crate::address::is_number;
use crate::line::{Line, LineState};
use crate::refusals::Refusals;

/// The longest pause between two attempts at somebody who has never answered.
const MOST_RESERVE: u64 = 5000;

/// The way to a server or to another sentinel.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    /// As it was told.
    pub(crate) address: Address,
    /// The number its host stood for when it was last reached; the host where that is a number; else empty.
    pub(crate) ip: String,
    /// This host's number as it was seen from there.
    pub(crate) local: String,
    /// Commands and their replies.
    pub(crate) line: Line,
    /// Since when it has been tried to reach it.
    began: Moment,
    /// Whether it has ever answered PING in order.
    pub(crate) has_answered: bool,
    /// When the last PING left.
    pub(crate) pinged_at: Option<Moment>,
    /// The oldest PING that is not answered.
    pub(crate) unanswered_since: Option<Moment>,
    /// The last reply to PING that shows a server in order, or when the contact began.
    pub(crate) last_valid: Moment,
    /// The last reply to PING of any kind.
    pub(crate) last_reply: Moment,
    /// When a connection that had lived was lost last.
    pub(crate) lost_at: Option<Moment>,
    /// Since when every attempt to connect was refused.
    pub(crate) refused_since: Option<Moment>,
    /// What it refuses to do.
    pub(crate) refusals: Refusals,
}

impl Contact {
    pub(crate) fn new(address: Address, now: Moment) -> Contact {
        let ip = if is_number(&address.host) { address.host.clone() } else { String::new() };
        Contact {
            address,
            ip,
            local: String::new(),
            line: Line::default(),
            began: now,
            has_answered: false,
            pinged_at: None,
            unanswered_since: None,
            last_valid: now,
            last_reply: now,
            lost_at: None,
            refused_since: None,
            refusals: Refusals::default(),
        }
    }

    /// Whether commands can be sent.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.line.state, LineState::Up(_))
    }

    /// Whether an address means this instance: by name or by number.
    pub(crate) fn is_at(&self, address: &Address) -> bool {
        self.address.port == address.port
            && (self.address.host == address.host || (!self.ip.is_empty() && self.ip == address.host))
    }

    /// The host as it is told to others.
    pub(crate) fn shown_host(&self, announce_hostnames: bool) -> &str {
        if announce_hostnames || self.ip.is_empty() { &self.address.host } else { &self.ip }
    }

    /// The number takes the place of the name.
    pub(crate) fn take_number(&mut self) {
        if !self.ip.is_empty() {
            self.address.host.clone_from(&self.ip);
        }
    }

    /// The least before the next attempt: who has never answered may be nobody, and is tried ever less often.
    pub(crate) fn reserve(&self, now: Moment) -> u64 {
        if self.has_answered { 0 } else { (now.ms_since(self.began) / 10).min(MOST_RESERVE) }
    }

    /// The process stood still for so long: what was in flight is given that time.
    pub(crate) fn shift(&mut self, ms: u64) {
        let moments =
            [Some(&mut self.last_valid), self.unanswered_since.as_mut(), self.refused_since.as_mut()];
        for moment in moments.into_iter().flatten() {
            *moment = moment.after_ms(ms);
        }
    }
}
