//! What servers and other sentinels are asked in regular intervals.
//!
//! | what | how often |
//! |---|---|
//! | PING | a tenth of down-after, at least 50 ms, at most the ping period |
//! | INFO | each info period; each second while something is wrong |
//! | ROLE | each second; far more often while a failover looks at that server |
//! | hello | each publish period, and at once when what it says has changed |
//! | REPLICA LEASE | with each PING, to servers of this project: some stop taking writes when their sentinels go silent |

use slipstream_replication::Moment;

use crate::connecting::HELLO_CHANNEL;
use crate::contact::Contact;
use crate::core::Core;
use crate::info::Role;
use crate::line::Awaited;
use crate::options::GroupOptions;
use crate::peer::Peer;
use crate::server::{LeaseTerms, Server};

/// A server that takes no leases is asked again after that: its users may be other ones by then.
const LEASE_AGAIN: u64 = 10_000;

/// The shortest time between two PING.
const SHORTEST_PING: u64 = 50;
/// INFO while something is wrong, and ROLE always.
const OFTEN: u64 = 1000;
/// The same of one that is about to know whether it can be used.
const AT_ONCE: u64 = 100;

/// How often a server is asked, as its group stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The primary is down, or a failover is under way.
    pub(crate) is_urgent: bool,
    /// Between two ROLE.
    pub(crate) role: u64,
    /// Sentinels of the group, this one among them.
    pub(crate) sentinels: usize,
    /// As what the server is watched.
    pub(crate) watched_as: Role,
    /// What the server is held for: a lease for a replica does not let a primary write.
    pub(crate) held_for: Role,
    /// Whether it takes messages at once: not while its writes wait.
    pub(crate) may_publish: bool,
}

/// Between two PING.
pub(crate) fn ping_period(core: &Core, down_after: u64) -> u64 {
    (down_after / 10).max(SHORTEST_PING).min(core.timings.ping_period)
}

/// Whether something that was done then is to be done again.
fn is_due_again(core: &mut Core, last: Option<Moment>, period: u64) -> bool {
    let is_due = last.is_none_or(|last| core.is_due(last.after_ms(period)));
    if is_due {
        core.is_due(core.now.after_ms(period));
    }
    is_due
}

impl Contact {
    /// Asks for a sign of life, if it is time.
    pub(crate) fn ping(&mut self, core: &mut Core, (period, command): (u64, &str)) -> bool {
        if !is_due_again(core, self.pinged_at, period) || !self.ask(core, &[command], Awaited::Ping) {
            return false;
        }
        self.pinged_at = Some(core.now);
        self.unanswered_since = self.unanswered_since.or(Some(core.now));
        true
    }
}

impl Server {
    /// Asks what it is time to ask.
    pub(crate) fn talk(&mut self, core: &mut Core, (group, options): (&str, &GroupOptions), pace: Pace) {
        if !self.contact.is_up() {
            return;
        }
        let period = ping_period(core, options.down_after);
        if self.contact.ping(core, (period, options.command("PING"))) || self.lacks_lease(core) {
            self.renew_lease(core, options, pace);
        }
        let has_trouble = self.deposed.is_some()
            || self.role != pace.watched_as
            || (self.role == Role::Replica && !self.report.is_link_up);
        // Whether one that was started again is well is known when it has loaded its data.
        let is_on_its_way = self.report.is_loading && self.is_new(core);
        let info_period = match pace.is_urgent || has_trouble || self.info_at.is_none() {
            _ if is_on_its_way => core.timings.info_period.min(AT_ONCE),
            true => core.timings.info_period.min(OFTEN),
            false => core.timings.info_period,
        };
        if is_due_again(core, self.info_asked_at, info_period) {
            self.ask_info(core, options);
        }
        if is_due_again(core, self.role_asked_at, pace.role) {
            self.ask_role(core, options);
        }
        if pace.may_publish
            && self.is_introduced(core)
            && is_due_again(core, self.hello_at, core.timings.publish_period)
            && let Some(hello) = core.hello(group, &self.contact)
        {
            let words = [options.command("PUBLISH"), HELLO_CHANNEL, &hello];
            self.contact.ask(core, &words, Awaited::Hello);
            self.hello_at = Some(core.now);
        }
    }

    pub(crate) fn ask_info(&mut self, core: &mut Core, options: &GroupOptions) {
        if self.contact.ask(core, &[options.command("INFO")], Awaited::Info) {
            self.info_asked_at = Some(core.now);
        }
    }

    pub(crate) fn ask_role(&mut self, core: &mut Core, options: &GroupOptions) {
        if self.contact.ask(core, &[options.command("ROLE")], Awaited::Role) {
            self.role_asked_at = Some(core.now);
        }
    }

    /// A server knows by this who watches it: a primary that fences itself goes on only while its sentinels prove that they
    /// hear it, and one that ends hands over if they will follow.
    fn renew_lease(&mut self, core: &mut Core, options: &GroupOptions, pace: Pace) {
        if !self.takes_leases(core) {
            return;
        }
        let (quorum, sentinels) = (options.quorum.to_string(), pace.sentinels.to_string());
        let (down_after, token) = (options.down_after.to_string(), self.lease_token.to_string());
        let held_for = match pace.held_for {
            Role::Primary => "PRIMARY",
            Role::Replica => "REPLICA",
        };
        let (id, command) = (core.id.clone(), options.command("REPLICA").to_owned());
        let words = [&command, "LEASE", &id, &quorum, &sentinels, &down_after, &token, held_for];
        let terms = LeaseTerms { down_after: options.down_after, quorum: options.quorum };
        self.has_lease |= self.contact.ask(core, &words, Awaited::Lease(terms));
    }

    fn takes_leases(&self, core: &Core) -> bool {
        let is_refused = self.lease_refused_at.is_some_and(|at| core.now.ms_since(at) < LEASE_AGAIN);
        self.report.is_ours && !is_refused
    }

    /// Whether it takes leases, and has none over this connection.
    fn lacks_lease(&self, core: &Core) -> bool {
        !self.has_lease && self.takes_leases(core)
    }

    /// Whether it knows this sentinel for what it is: by a hello alone it would be taken for a stock one, which proves
    /// nothing and is trusted for longer.
    fn is_introduced(&self, core: &Core) -> bool {
        let is_known = self.info_at.is_some_and(|at| at >= self.contact.line.since);
        is_known && !self.lacks_lease(core)
    }
}

impl Peer {
    /// Asks for a sign of life and says hello for each of these groups, if it is time.
    pub(crate) fn talk<'a>(
        &mut self,
        core: &mut Core,
        down_after: u64,
        groups: impl Iterator<Item = &'a str>,
    ) {
        if !self.contact.is_up() {
            return;
        }
        let period = ping_period(core, down_after);
        self.contact.ping(core, (period, "PING"));
        if is_due_again(core, self.hello_at, core.timings.publish_period) {
            for group in groups {
                if let Some(hello) = core.hello(group, &self.contact) {
                    self.contact.ask(core, &["PUBLISH", HELLO_CHANNEL, &hello], Awaited::Hello);
                    self.hello_at = Some(core.now);
                }
            }
        }
    }
}
