//! Another sentinel: the way to it, which all groups share, and what it thinks of each group.
//! One connection serves all groups that both watch.

use slipstream_replication::Moment;

use crate::Address;
use crate::contact::Contact;

/// Another sentinel, as this process reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The way to it.
    pub(crate) contact: Contact,
    /// When a hello was sent to it last.
    pub(crate) hello_at: Option<Moment>,
}

impl Peer {
    pub(crate) fn new(contact: Contact) -> Peer {
        Peer { contact, hello_at: None }
    }
}

/// Another sentinel, as one group knows it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Where it says that the primary is: by name or by number.
    pub(crate) names_primary: Option<Address>,
    /// Its last hello about this group.
    pub(crate) heard_at: Moment,
    /// Whether it said last that it sees the primary down, and when it said so.
    pub(crate) sees_down: Option<(bool, Moment)>,
    /// When it was asked for that.
    pub(crate) asked_at: Option<Moment>,
    /// Whom it voted for last, and in which epoch.
    pub(crate) vote: Option<(String, u64)>,
    /// Whether commands can be sent to it.
    pub(crate) is_reachable: bool,
    /// Subjectively down, since then.
    pub(crate) down_since: Option<Moment>,
    /// When it was asked for the replicas it knows.
    pub(crate) topology_asked_at: Option<Moment>,
}

impl Member {
    pub(crate) fn new(now: Moment) -> Member {
        Member {
            names_primary: None,
            heard_at: now,
            sees_down: None,
            asked_at: None,
            is_reachable: false,
            vote: None,
            down_since: None,
            topology_asked_at: None,
        }
    }
}
