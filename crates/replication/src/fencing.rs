//! The fence: a primary takes writes only while too few of its sentinels could have called it down.
//!
//! A sentinel that watches a primary and cannot hear it calls it down after its `down-after`, and when a quorum of
//! them does, another node is promoted. A primary that is cut off hears of none of that. What it can know is for how
//! long a sentinel certainly will not call it down: a *lease*.
//!
//! **With proof.** A sentinel that knows the command REPLICA LEASE is answered with a token, the moment of the answer
//! on the primary's own clock, and sends the newest one back. A token that comes back proves that the sentinel was
//! answered then or later, so it cannot call the primary down before that moment and `down-after`; the lease runs for
//! nine tenths of it. No clocks are compared, and where only one way of the network is left, tokens grow old. Tokens
//! begin at a number of the process: one of an earlier life, or of another node, proves nothing.
//!
//! **By signs of life.** A stock sentinel is known by its hellos, and whatever it sends is a sign that it is there. It
//! does not prove that the sentinel hears this node.
//!
//! A lease counts by what its sentinel holds this node for, or by what the node was when it came: a replica keeps the
//! leases of those who hold it for one, and so may write as soon as it is promoted; an old primary that comes back gets
//! leases as a replica, and none of them counts.
//!
//! A primary with `n` sentinels and a quorum of `q` needs `n - q + 1` leases: then fewer than `q` can call it down.
//! The largest `n` and the smallest `q` count that any sentinel told. What a silent sentinel told is forgotten ten
//! times its `down-after` later, and only while leases enough run with it counted: a partition whose smaller side
//! forgot the others would need fewer of them.

use std::collections::BTreeMap;

use crate::Moment;

/// Most sentinels that are known at a time.
const MOST: usize = 1024;

/// A silent sentinel is forgotten after so many times its `down-after`.
const FORGOTTEN_AFTER: u64 = 10;

/// A sentinel's id: forty hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentinelId([u8; 40]);

impl SentinelId {
    /// Reads one.
    pub fn parse(text: &[u8]) -> Option<SentinelId> {
        let id: [u8; 40] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_hexdigit).then(|| SentinelId(id.map(|byte| byte.to_ascii_lowercase())))
    }
}

/// What a sentinel says with REPLICA LEASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who says it.
    pub sentinel: SentinelId,
    /// How many sentinels call a primary down together.
    pub quorum: u32,
    /// How many it knows, itself included.
    pub sentinels: u32,
    /// After how many milliseconds of silence it calls this node down.
    pub down_after_ms: u64,
    /// The newest token that it has had.
    pub token: u64,
}

/// More sentinels than are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// What is known of one sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    kind: Kind,
    /// When it was last heard.
    heard: Moment,
    /// The newest moment since which it certainly has not called this node down, that counts.
    proved: Option<Moment>,
    /// Whether it holds this node for a primary.
    holds_for_primary: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It sends REPLICA LEASE, and told this.
    Leases { quorum: u32, sentinels: u32, down_after_ms: u64 },
    /// It publishes hellos and nothing more.
    Greets,
}

/// The leases of one node.
#[derive(Clone, Debug, Default)]
pub struct Fencing {
    /// What tokens of this process begin at.
    base: u64,
    /// The `down-after` of sentinels that do not tell it.
    greeting_ms: u64,
    known: BTreeMap<SentinelId, Known>,
    /// From when on too few leases run, if nothing more is heard.
    until: Moment,
}

impl Fencing {
    /// Nobody is known. `seed` is a number by which tokens of this process differ from those of others.
    pub fn new(seed: u64, greeting_ms: u64) -> Fencing {
        // A token fits a signed number of 64 bits, and is never 0.
        Fencing { base: seed >> 3 | 1 << 60, greeting_ms, ..Fencing::default() }
    }

    /// What proves later that its reader was answered at `now` or behind that.
    pub fn token(&self, now: Moment) -> u64 {
        self.base.saturating_add(now.0)
    }

    /// A sentinel said this. It counts if it holds this node for what it is; a replica remembers what comes.
    pub fn on_lease(&mut self, now: Moment, lease: Lease, role: Held) -> Result<(), TooMany> {
        let told = self.moment_of(lease.token).filter(|at| *at <= now && role.counts());
        let Lease { sentinel, quorum, sentinels, down_after_ms, .. } = lease;
        let kind = Kind::Leases { quorum, sentinels, down_after_ms };
        let known = self.entry(now, sentinel)?;
        // Signs of life prove less than a token.
        let proved = known.proved.filter(|_| matches!(known.kind, Kind::Leases { .. }));
        *known =
            Known { kind, heard: now, proved: proved.max(told), holds_for_primary: role.holds_for_primary };
        self.settle(now);
        Ok(())
    }

    /// A sentinel said hello, without which it would not be known: that alone is no sign of when it was sent.
    pub fn on_hello(&mut self, now: Moment, sentinel: SentinelId, role: Held) -> Result<(), TooMany> {
        let known = self.entry(now, sentinel)?;
        known.holds_for_primary = role.holds_for_primary;
        self.settle(now);
        Ok(())
    }

    /// A sentinel sent something at `at` or later.
    pub fn on_sign_of_life(&mut self, now: Moment, (sentinel, at): (SentinelId, Moment), is_replica: bool) {
        let Some(known) = self.known.get_mut(&sentinel).filter(|known| known.kind == Kind::Greets) else {
            return;
        };
        known.heard = now;
        if is_replica || known.holds_for_primary {
            known.proved = known.proved.max(Some(at));
        }
        self.settle(now);
    }

    /// The `down-after` of sentinels that do not tell it is another.
    pub fn set_greeting_ms(&mut self, now: Moment, greeting_ms: u64) {
        if self.greeting_ms != greeting_ms {
            self.greeting_ms = greeting_ms;
            self.settle(now);
        }
    }

    /// Knows nobody any more.
    pub fn forget_all(&mut self) {
        self.known.clear();
        self.until = Moment(0);
    }

    /// Whether leases enough run.
    #[inline]
    pub fn may_write(&self, now: Moment) -> bool {
        now < self.until
    }

    /// When they do no longer, if nothing more is heard.
    pub fn until(&self) -> Moment {
        self.until
    }

    /// How many leases run.
    pub fn running(&self, now: Moment) -> usize {
        self.known.values().filter(|known| now < self.end_of(known)).count()
    }

    /// How many sentinels are known, silent ones included.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether one of them sends leases: a sentinel of this project.
    pub fn knows_leases(&self) -> bool {
        self.known.values().any(|known| matches!(known.kind, Kind::Leases { .. }))
    }

    /// How many of them hold this node for a replica.
    pub fn holding_for_replica(&self) -> usize {
        self.known.values().filter(|known| !known.holds_for_primary).count()
    }

    /// How many leases have to run.
    pub fn needed(&self) -> usize {
        let (sentinels, quorum) = self.group();
        sentinels.saturating_sub(quorum).saturating_add(1).max(1)
    }

    /// Whether a sentinel of this project was heard so long ago, behind `before` and no later than `now`, that it may have
    /// called this node down, whatever it held it for.
    pub fn may_be_down_since(&self, before: Moment, now: Moment) -> bool {
        let leases = self.known.values().filter(|known| matches!(known.kind, Kind::Leases { .. }));
        leases.map(|known| self.lease_from(known, known.heard)).any(|end| before < end && end <= now)
    }

    /// Whether most of the sentinels prove that they watch this node as their primary: they will learn from each other
    /// whom it hands over to.
    pub fn is_watched(&self, now: Moment) -> bool {
        let proves = |known: &&Known| {
            let leases = matches!(known.kind, Kind::Leases { .. }) && known.holds_for_primary;
            leases && now < self.end_of(known)
        };
        let count = self.known.values().filter(proves).count();
        count > 0 && count >= majority(self.group().0)
    }

    /// How many sentinels there are at most, and how few of them call a primary down.
    fn group(&self) -> (usize, usize) {
        let told = |known: &Known| match known.kind {
            Kind::Leases { quorum, sentinels, .. } => Some((size(sentinels), size(quorum))),
            Kind::Greets => None,
        };
        let greeters = self.known.values().filter(|known| known.kind == Kind::Greets).count();
        let told = self.known.values().filter_map(told);
        let sentinels = told.clone().map(|(sentinels, _)| sentinels).max().unwrap_or(0).max(greeters);
        // Whoever does not tell a quorum has one of more than half.
        let untold = (greeters > 0).then(|| majority(sentinels));
        let quorum = told.map(|(_, quorum)| quorum).chain(untold).min().unwrap_or(0);
        (sentinels, quorum)
    }

    fn entry(&mut self, now: Moment, sentinel: SentinelId) -> Result<&mut Known, TooMany> {
        if self.known.len() >= MOST && !self.known.contains_key(&sentinel) {
            return Err(TooMany);
        }
        let unknown = Known { kind: Kind::Greets, heard: now, proved: None, holds_for_primary: true };
        Ok(self.known.entry(sentinel).or_insert(unknown))
    }

    /// The moment of a token of this process.
    fn moment_of(&self, token: u64) -> Option<Moment> {
        token.checked_sub(self.base).map(Moment)
    }

    /// Counts again, and forgets whom there is no reason to remember.
    fn settle(&mut self, now: Moment) {
        self.until = self.count();
        if self.may_write(now) {
            let greeting_ms = self.greeting_ms;
            let before = self.known.len();
            self.known.retain(|_, known| {
                now.ms_since(known.heard) <= known.down_after_ms(greeting_ms).saturating_mul(FORGOTTEN_AFTER)
            });
            if self.known.len() < before {
                self.until = self.count();
            }
        }
    }

    fn count(&self) -> Moment {
        let mut ends: Vec<Moment> = self.known.values().map(|known| self.end_of(known)).collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        ends.get(self.needed() - 1).copied().unwrap_or_default()
    }

    /// When the lease of a sentinel ends, or did.
    fn end_of(&self, known: &Known) -> Moment {
        known.proved.map_or(Moment(0), |proved| self.lease_from(known, proved))
    }

    fn lease_from(&self, known: &Known, at: Moment) -> Moment {
        let down_after = known.down_after_ms(self.greeting_ms);
        at.after_ms(down_after - down_after / 10)
    }
}

impl Known {
    fn down_after_ms(&self, greeting_ms: u64) -> u64 {
        match self.kind {
            Kind::Leases { down_after_ms, .. } => down_after_ms,
            Kind::Greets => greeting_ms,
        }
    }
}

/// What a sentinel holds a node for, and what the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether the sentinel holds it for a primary.
    pub holds_for_primary: bool,
    /// Whether it is a replica.
    pub is_replica: bool,
}

impl Held {
    fn counts(self) -> bool {
        self.holds_for_primary || self.is_replica
    }
}

fn majority(of: usize) -> usize {
    of / 2 + 1
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
