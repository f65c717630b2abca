//! A watched server, primary or replica: what is known of it.
//! It stays the same server when its role changes: its lines, and what it said, go along.

use slipstream_replication::Moment;

use crate::Address;
use crate::contact::Contact;
use crate::core::Core;
use crate::failover::selecting::Detachment;
use crate::info::{Report, Role};
use crate::line::Line;

/// What a process younger than that, in seconds, says of its place was nobody's choice since it began.
pub(crate) const YOUNG: u64 = 10;

/// Between two corrections of one server, in milliseconds.
const CORRECTION_EVERY: u64 = 1000;

/// Where a replica stands that is turned to a new primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turning {
    /// It was not told.
    #[default]
    No,
    /// It was told then.
    Sent(Moment),
    /// It follows, and its link is not up yet; told then.
    InProgress(Moment),
    /// Its link is up, or it was given up.
    Done,
}

/// A server that was primary until a switch that this sentinel knows of, and was not seen as a replica since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deposed {
    /// Since then.
    pub(crate) since: Moment,
    /// Its process.
    pub(crate) run_id: String,
    /// Its history.
    pub(crate) history: String,
    /// Whether that process had not loaded its data yet: it begins another history then.
    pub(crate) was_loading: bool,
}

/// The history of a primary as such. What it has since as a copy of another is that one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) history: String,
    /// What that goes on from, and where.
    pub(crate) before: String,
    pub(crate) fork: u64,
    /// When it said so.
    pub(crate) at: Moment,
    /// Whether it was the primary by then.
    pub(crate) is_own: bool,
}

impl Led {
    pub(crate) fn of(report: &Report, at: Moment) -> Led {
        let Report { history, history_before, fork, role, .. } = report;
        let (history, before) = (history.clone(), history_before.clone());
        Led { history, before, fork: *fork, at, is_own: *role == Some(Role::Primary) }
    }
}

/// By what a server reckons that fences itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseTerms {
    pub(crate) down_after: u64,
    pub(crate) quorum: u32,
}

/// A primary or a replica.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Names it, whatever it becomes.
    pub(crate) number: u64,
    /// The way to it.
    pub(crate) contact: Contact,
    /// Messages of `__sentinel__:hello`.
    pub(crate) messages: Line,
    /// When one came last, or the line was made.
    pub(crate) heard_at: Moment,
    /// When a hello was published there last.
    pub(crate) hello_at: Option<Moment>,
    /// What it said last.
    pub(crate) report: Report,
    /// The text of that: SENTINEL INFO-CACHE.
    pub(crate) info_text: String,
    /// What the host stands for that it calls its primary by, if the group's is not known by that.
    pub(crate) primary_numbers: Vec<String>,
    /// What it led when it was last heard as a primary, or copied when it was promoted. `None` if it was never known as one.
    pub(crate) led: Option<Led>,
    /// The process that said last that it is a replica.
    pub(crate) replica_run: String,
    /// When it came.
    pub(crate) info_at: Option<Moment>,
    /// When INFO was asked for last.
    pub(crate) info_asked_at: Option<Moment>,
    /// When it answered for a choice between replicas.
    pub(crate) selected_at: Option<Moment>,
    /// How it is kept away from its primary meanwhile.
    pub(crate) detachment: Detachment,
    /// When ROLE was asked for last.
    pub(crate) role_asked_at: Option<Moment>,
    /// The role it says it has; what it is taken for until it says.
    pub(crate) role: Role,
    /// Since when.
    pub(crate) role_since: Moment,
    /// When it said so last: by ROLE or INFO.
    pub(crate) role_heard_at: Option<Moment>,
    /// Since when it names the same primary with the same state of its link.
    pub(crate) follows_since: Moment,
    /// Subjectively down, since then.
    pub(crate) down_since: Option<Moment>,
    /// Its process is another than before, since then: `master-reboot-down-after-period`.
    pub(crate) rebooted_at: Option<Moment>,
    /// While replicas are turned to a new primary.
    pub(crate) turning: Turning,
    /// It was the primary.
    pub(crate) deposed: Option<Deposed>,
    /// When the primary named it last, or it was reached.
    pub(crate) seen_at: Moment,
    /// The primary's offset when it was first seen without this replica: what the replica may have of its writes.
    pub(crate) may_have: Option<u64>,
    /// So many other replicas have had all of that since, as the primary wants for each write.
    pub(crate) is_covered: bool,
    /// Whether it was already down when the primary said last that it is not with it.
    pub(crate) is_known_gone: bool,
    /// When it was told its place last, outside of a failover.
    pub(crate) corrected_at: Option<Moment>,
    /// The newest token of its lease.
    pub(crate) lease_token: u64,
    /// What it was told with that lease: it goes by these until it has answered others.
    pub(crate) lease_terms: Option<LeaseTerms>,
    /// Whether it was given a lease over this connection.
    pub(crate) has_lease: bool,
    /// Whether it has answered one of these with a token, which the next one tells.
    pub(crate) has_token: bool,
    /// When it said last that this sentinel may not give it leases.
    pub(crate) lease_refused_at: Option<Moment>,
    /// It refused to follow whom it was told to, or nobody; told then.
    pub(crate) disobeyed_at: Option<Moment>,
    /// Its process was seen to be another than before, then.
    pub(crate) restarted_at: Option<Moment>,
}

impl Server {
    /// Whether its process has just begun in the place of another.
    pub(crate) fn is_new(&self, core: &Core) -> bool {
        let is_seen = self.restarted_at.is_some_and(|at| core.now.ms_since(at) < YOUNG * 1000);
        is_seen && self.report.uptime < YOUNG
    }

    /// Whether it may be told its place: not again right behind the last time.
    pub(crate) fn may_be_corrected(&self, core: &mut Core) -> bool {
        self.corrected_at.is_none_or(|at| core.is_due(at.after_ms(CORRECTION_EVERY)))
    }

    /// Whether it is a primary that takes no writes before it is told what it is. One whose process was a replica may have
    /// been promoted by others since.
    pub(crate) fn waits_to_be_told(&self, core: &Core) -> bool {
        let is_fenced = self.report.is_fenced && self.is_new(core);
        self.report.awaits_claim || (self.report.is_returning || is_fenced) && !self.was_replica()
    }

    /// Whether its process was heard to be a replica.
    pub(crate) fn was_replica(&self) -> bool {
        self.report.run_id == self.replica_run
    }

    /// Whether a primary may have been made one: not if the process that was a replica has ended.
    pub(crate) fn was_promoted(&self) -> bool {
        self.replica_run.is_empty() || self.was_replica()
    }

    /// Whether it is down, or was the primary and has not been reached since it is not any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.down_since.is_some() || (self.deposed.is_some() && !self.contact.is_up())
    }

    pub(crate) fn new(number: u64, address: Address, role: Role, now: Moment) -> Server {
        Server {
            number,
            contact: Contact::new(address, now),
            messages: Line::default(),
            heard_at: now,
            hello_at: None,
            report: Report { priority: 100, is_announced: true, ..Report::default() },
            primary_numbers: Vec::new(),
            led: None,
            replica_run: String::new(),
            info_text: String::new(),
            info_at: None,
            info_asked_at: None,
            selected_at: None,
            detachment: Detachment::default(),
            role_asked_at: None,
            role,
            role_since: now,
            role_heard_at: None,
            follows_since: now,
            down_since: None,
            rebooted_at: None,
            turning: Turning::No,
            deposed: None,
            seen_at: now,
            may_have: None,
            is_covered: false,
            is_known_gone: false,
            corrected_at: None,
            lease_token: 0,
            lease_terms: None,
            has_lease: false,
            has_token: false,
            lease_refused_at: None,
            disobeyed_at: None,
            restarted_at: None,
        }
    }

    /// Whether it refused what it was told then or later.
    pub(crate) fn disobeys(&self, since: Moment) -> bool {
        self.disobeyed_at.is_some_and(|at| at >= since)
    }

    /// Whether it says that it follows whoever is reached there, by whatever name.
    pub(crate) fn follows(&self, contact: &Contact) -> bool {
        self.report.primary.as_ref().is_some_and(|named| {
            contact.is_at(named)
                || (named.port == contact.address.port && self.primary_numbers.contains(&contact.ip))
        })
    }
}
