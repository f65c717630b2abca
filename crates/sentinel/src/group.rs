//! A group: one primary, its replicas, and the sentinels that watch them.
//! Its parts are changed by the steps in the other files; here is what it is.

use std::collections::BTreeMap;

use slipstream_replication::Moment;

use crate::core::Core;
use crate::failover::Failover;
use crate::options::GroupOptions;
use crate::peer::Member;
use crate::server::Server;
use crate::{Address, Role};

/// An opinion of another sentinel counts for so many ask periods.
pub(crate) const OPINION_PERIODS: u64 = 5;

/// A group of so many servers and sentinels is looked at whenever something happens to it; a greater one a millisecond
/// later for each so many more.
const SMALL: usize = 64;
const LOOKED_AT_PER_MS: usize = 16;

/// Whom a sentinel voted for to lead a failover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vote {
    /// The sentinel's id.
    pub(crate) leader: String,
    /// In which epoch.
    pub(crate) epoch: u64,
}

/// One primary and all that belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: String,
    /// What is set for it.
    pub(crate) options: GroupOptions,
    /// Who takes the writes.
    pub(crate) primary: Server,
    /// Who copies it.
    pub(crate) replicas: BTreeMap<Address, Server>,
    /// The other sentinels, by id.
    pub(crate) members: BTreeMap<String, Member>,
    /// `min-replicas-to-ack` as a primary told it last: on so many replicas each acknowledged write is.
    pub(crate) copies_told: u32,
    /// The epoch in which the primary became that.
    pub(crate) config_epoch: u64,
    /// This sentinel's last vote.
    pub(crate) vote: Vote,
    /// When it was given.
    pub(crate) voted_at: Option<Moment>,
    /// Objectively down, since then.
    pub(crate) agreed_down_since: Option<Moment>,
    /// A failover that this sentinel leads or wants to lead.
    pub(crate) failover: Option<Failover>,
    /// Replicas that it had before a RESET: asked again if the primary cannot name them.
    pub(crate) remembered: Vec<Address>,
    /// When this sentinel saw the primary down last: others may count on that for a while.
    pub(crate) called_down_at: Option<Moment>,
    /// No attempt before that.
    pub(crate) not_before: Moment,
    /// No hello to the primary before that: another leads, and where it lets writes wait, messages wait as well.
    pub(crate) quiet_until: Moment,
    /// Attempts that were lost in a row.
    pub(crate) lost_attempts: u32,
}

impl Group {
    pub(crate) fn new(name: &str, primary: Server, options: GroupOptions) -> Group {
        Group {
            name: name.to_owned(),
            options,
            primary,
            replicas: BTreeMap::new(),
            members: BTreeMap::new(),
            copies_told: 0,
            config_epoch: 0,
            vote: Vote::default(),
            agreed_down_since: None,
            failover: None,
            remembered: Vec::new(),
            called_down_at: None,
            voted_at: None,
            not_before: Moment(0),
            quiet_until: Moment(0),
            lost_attempts: 0,
        }
    }

    /// A server by its number, and as what it is watched.
    pub(crate) fn server_mut(&mut self, number: u64) -> Option<(&mut Server, Role)> {
        if self.primary.number == number {
            return Some((&mut self.primary, Role::Primary));
        }
        let replica = self.replicas.values_mut().find(|replica| replica.number == number);
        replica.map(|replica| (replica, Role::Replica))
    }

    /// A server by its number.
    pub(crate) fn server(&self, number: u64) -> Option<&Server> {
        self.servers().find(|server| server.number == number)
    }

    /// The primary, then the replicas.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(&self.primary).chain(self.replicas.values())
    }

    /// The primary, then the replicas.
    pub(crate) fn servers_mut(&mut self) -> impl Iterator<Item = &mut Server> {
        std::iter::once(&mut self.primary).chain(self.replicas.values_mut())
    }

    /// Between two looks at it, in milliseconds: one takes longer the more belong to it.
    pub(crate) fn pause(&self) -> u64 {
        let size = self.replicas.len() + self.members.len();
        u64::try_from(size.saturating_sub(SMALL) / LOOKED_AT_PER_MS).unwrap_or(0)
    }

    /// How many votes a leader needs.
    pub(crate) fn votes_needed(&self) -> usize {
        let known = self.members.len() + 1;
        (known / 2 + 1).max(usize::try_from(self.options.quorum).unwrap_or(usize::MAX))
    }

    /// Whether the primary may be told that this sentinel watches over it: not while it may be replaced by what this
    /// sentinel has said of it. One that does not fence itself counts on leases only when it comes back, and is down for
    /// longer the longer it has none: for that one it is enough that nobody has this sentinel's vote to replace it.
    pub(crate) fn may_lease(&self, core: &Core) -> bool {
        let valid_for = core.timings.ask_period * OPINION_PERIODS;
        let last = if self.primary.report.is_fencing { self.called_down_at } else { self.voted_at };
        let is_over = !self.is_down() && last.is_none_or(|at| core.now.ms_since(at) > valid_for);
        is_over && self.failover.as_ref().is_none_or(Failover::may_be_given_up)
    }

    /// Whether a replica says that it follows the primary.
    pub(crate) fn is_named_by(&self, replica: &Server) -> bool {
        replica.follows(&self.primary.contact)
    }

    /// Whether the primary is subjectively down.
    pub(crate) fn is_down(&self) -> bool {
        self.primary.down_since.is_some()
    }
}
