//! What servers and other sentinels answer.
//! It is noted here and judged elsewhere: a failover, or the next correction, looks at it in the same turn.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use slipstream_replication::Level;
use slipstream_resp::Value;

use crate::Address;
use crate::contact::Contact;
use crate::core::Core;
use crate::failover::Phase;
use crate::group::Group;
use crate::info::{Report, Role};
use crate::line::Awaited;
use crate::notices::Subject;
use crate::refusals::is_unable;
use crate::server::{LeaseTerms, Led, Server};

/// The longest INFO that is kept for SENTINEL INFO-CACHE: of a primary, which names its replicas, and of one of those.
const LONGEST_INFO: (usize, usize) = (256 << 10, 32 << 10);

/// Whether a reply to PING shows a server in order.
fn is_valid(reply: &Value) -> bool {
    match reply {
        Value::Simple(text) => text == "PONG",
        Value::Error(text) => text.starts_with("LOADING") || text.starts_with("MASTERDOWN"),
        _ => false,
    }
}

impl Contact {
    /// A reply to PING.
    pub(crate) fn on_pong(&mut self, core: &mut Core, reply: &Value) {
        self.last_reply = core.now;
        if is_valid(reply) {
            self.last_valid = core.now;
            self.has_answered = true;
            self.unanswered_since = None;
        }
        self.close_if_locked_out(core, reply);
    }
}

impl Group {
    /// A server of the group answered.
    pub(crate) fn on_reply(&mut self, core: &mut Core, number: u64, (awaited, reply): (Awaited, Value)) {
        self.note_answer(core, number, (&awaited, &reply));
        match awaited {
            Awaited::Ping => self.on_pong(core, number, &reply),
            Awaited::Info => {
                if let Value::Bulk(text) = reply {
                    self.on_info(core, number, &String::from_utf8_lossy(&text));
                }
            }
            Awaited::Selection => {
                if let Value::Bulk(text) = reply {
                    self.on_info(core, number, &String::from_utf8_lossy(&text));
                    if let Some((server, _)) = self.server_mut(number) {
                        server.selected_at = Some(core.now);
                    }
                }
            }
            Awaited::Detachment(asked_at) => self.on_detachment(core, number, (asked_at, &reply)),
            Awaited::Role => self.on_role(core, number, &reply),
            Awaited::Pause => self.on_paused(&reply),
            Awaited::Lease(terms) => self.on_lease(core, number, (terms, &reply)),
            Awaited::ReplicaOf(at) => self.on_told_to_follow(number, (at, &reply)),
            Awaited::Exec(turn) => self.on_turned(core, number, (&turn, &reply)),
            Awaited::Order(_) | Awaited::Hello | Awaited::Opinion(..) | Awaited::Topology(_) => {}
        }
    }

    fn on_lease(&mut self, core: &Core, number: u64, (terms, reply): (LeaseTerms, &Value)) {
        let Some((server, _)) = self.server_mut(number) else { return };
        match reply {
            Value::Integer(token) => {
                server.lease_token = u64::try_from(*token).unwrap_or(0);
                (server.lease_terms, server.lease_refused_at) = (Some(terms), None);
                // The token may be the first of a new process, whose writes wait until it comes back.
                server.has_lease = std::mem::replace(&mut server.has_token, true);
            }
            Value::Error(reason) if is_unable(reason) => server.lease_refused_at = Some(core.now),
            _ => {}
        }
    }

    fn on_pong(&mut self, core: &mut Core, number: u64, reply: &Value) {
        let options = self.options.clone();
        let Some((server, _)) = self.server_mut(number) else { return };
        server.contact.on_pong(core, reply);
        match reply {
            Value::Simple(text) if text == "PONG" => {
                server.rebooted_at = None;
                server.seen_at = core.now;
            }
            // It has loaded its data, and says that it is not to be used.
            Value::Error(text) if text.starts_with("NODATA") && !server.report.awaits_claim => {
                server.ask_info(core, &options);
            }
            // A script that runs for so long that the server counts as down is ended, if it wrote nothing.
            Value::Error(text) if text.starts_with("BUSY") && server.down_since.is_some() => {
                server.contact.ask(core, &[options.command("SCRIPT"), "KILL"], Awaited::Order("SCRIPT KILL"));
            }
            _ => {}
        }
    }

    fn on_info(&mut self, core: &mut Core, number: u64, text: &str) {
        let mut report = Report::parse(text);
        self.note_reboot(core, number, &report);
        let Some((server, watched_as)) = self.server_mut(number) else { return };
        let is_first = server.info_at.is_none();
        server.info_at = Some(core.now);
        let longest = if watched_as == Role::Primary { LONGEST_INFO.0 } else { LONGEST_INFO.1 };
        server.info_text = if text.len() <= longest { text.to_owned() } else { String::new() };
        let follows_other = server.report.primary != report.primary;
        let replicas = std::mem::take(&mut report.replicas);
        if follows_other {
            server.follows_since = core.now;
        }
        let (role, copies) = (report.role, report.min_replicas_to_ack);
        server.report = report;
        if role == Some(Role::Replica) {
            server.replica_run.clone_from(&server.report.run_id);
        }
        // Who waits for another to take its place has led what it did before.
        if role == Some(Role::Primary) && !server.report.awaits_claim {
            server.led = Some(Led::of(&server.report, core.now));
        }
        self.look_up_primary(core, number);
        if is_first {
            self.drop_aliases(core, number);
        }
        if let Some(role) = role {
            self.note_role(core, number, role);
        }
        if role == Some(Role::Primary) && self.primary.number == number && self.copies_told != copies {
            self.copies_told = copies;
            core.changed();
        }
        self.note_listed(core, number, replicas.iter());
    }

    /// A server may call the primary by a name that is not known.
    fn look_up_primary(&mut self, core: &mut Core, number: u64) {
        let named = self.server(number).and_then(|server| server.report.primary.as_ref());
        let unknown = named.filter(|named| !self.primary.contact.is_at(named));
        let numbers = unknown.map(|named| core.numbers_of(&named.host)).unwrap_or_default();
        if let Some((server, _)) = self.server_mut(number) {
            server.primary_numbers = numbers;
        }
    }

    /// A server's process is another than before.
    fn note_reboot(&mut self, core: &mut Core, number: u64, report: &Report) {
        let reboot_down_after = self.options.reboot_down_after;
        let Some((server, watched_as)) = self.server_mut(number) else { return };
        let before = &server.report.run_id;
        if before.is_empty() || *before == report.run_id {
            return;
        }
        server.restarted_at = Some(core.now);
        if watched_as == Role::Primary && reboot_down_after > 0 {
            server.rebooted_at = Some(core.now);
        }
        let is_primary = watched_as == Role::Primary;
        if let Some(server) = self.server(number) {
            let subject = if is_primary { Subject::Primary } else { Subject::Replica(server) };
            self.tell(core, (Level::Notice, "+reboot"), subject, "");
        }
    }

    /// What a server says it is.
    fn note_role(&mut self, core: &mut Core, number: u64, role: Role) {
        let Some((server, watched_as)) = self.server_mut(number) else { return };
        server.role_heard_at = Some(core.now);
        match role {
            // Whoever follows waits for nobody.
            Role::Replica => (server.deposed, server.report.awaits_claim) = (None, false),
            Role::Primary => server.report.is_guarding = false,
        }
        if server.role == role {
            return;
        }
        server.role = role;
        server.role_since = core.now;
        let event = if role == watched_as { "+role-change" } else { "-role-change" };
        let more = format!("new reported role is {}", role.word());
        if let Some(server) = self.server(number) {
            let subject =
                if watched_as == Role::Primary { Subject::Primary } else { Subject::Replica(server) };
            self.tell(core, (Level::Verbose, event), subject, &more);
        }
    }

    /// The primary names its replicas.
    fn note_listed<'a>(&mut self, core: &mut Core, number: u64, listed: impl Iterator<Item = &'a Address>) {
        if self.primary.number != number || self.primary.role != Role::Primary {
            return;
        }
        for address in listed {
            // Whoever is known by another name is looked for among all.
            let known = match self.replicas.contains_key(address) {
                true => self.replicas.get_mut(address),
                false => self.replicas.values_mut().find(|replica| replica.contact.is_at(address)),
            };
            match known {
                Some(replica) => replica.seen_at = core.now,
                None => {
                    self.add_replica(core, address.clone());
                }
            }
        }
    }

    /// Who is not among the primary's replicas may have its writes up to where it is now, until enough of the others have
    /// them as well.
    fn note_copies(&mut self, number: u64, offset: Option<u64>, rows: &[(Address, u64)]) {
        let Some(offset) = offset.filter(|_| self.primary.number == number) else { return };
        let wanted = usize::try_from(self.copies().max(1)).unwrap_or(usize::MAX);
        let listed: BTreeSet<(&str, u16)> =
            rows.iter().map(|(address, _)| (address.host.as_str(), address.port)).collect();
        let mut offsets: Vec<u64> = rows.iter().map(|(_, has)| *has).collect();
        offsets.sort_unstable_by_key(|has| Reverse(*has));
        // So far are as many as are wanted, or further.
        let reached = offsets.get(wanted - 1);
        for replica in self.replicas.values_mut() {
            let Contact { address: Address { host, port }, ip, .. } = &replica.contact;
            if listed.contains(&(host, *port)) || listed.contains(&(ip, *port)) {
                (replica.may_have, replica.is_covered, replica.is_known_gone) = (None, false, false);
                continue;
            }
            // One that lives may be on its way to the primary, which names it once it is there.
            replica.is_known_gone = replica.is_gone();
            let may_have = *replica.may_have.get_or_insert(offset);
            replica.is_covered |= reached.is_some_and(|has| *has >= may_have);
        }
    }

    /// `[master, offset, [[host, port, offset], …]]` or `[slave, host, port, state, offset]`.
    fn on_role(&mut self, core: &mut Core, number: u64, reply: &Value) {
        let Value::Array(parts) = reply else { return };
        let text = |index: usize| parts.get(index).map(Value::text).unwrap_or_default();
        let offset = |index: usize| match parts.get(index) {
            Some(Value::Integer(offset)) => u64::try_from(*offset).ok(),
            _ => None,
        };
        match text(0).as_str() {
            "master" => {
                let rows: Vec<(Address, u64)> = match parts.get(2) {
                    Some(Value::Array(rows)) => rows.iter().filter_map(role_row).collect(),
                    _ => Vec::new(),
                };
                if let Some((server, _)) = self.server_mut(number) {
                    server.report.offset = offset(1).unwrap_or(server.report.offset);
                    server.report.primary = None;
                }
                self.note_role(core, number, Role::Primary);
                self.note_listed(core, number, rows.iter().map(|(address, _)| address));
                self.note_copies(number, offset(1), &rows);
                self.note_goal(number, offset(1));
            }
            "slave" => {
                let primary = text(2).parse().ok().map(|port| Address::new(text(1), port));
                if let Some((server, _)) = self.server_mut(number) {
                    note_upstream(core, server, primary, (&text(3), offset(4)));
                }
                self.look_up_primary(core, number);
                self.note_role(core, number, Role::Replica);
                let is_up = self.server(number).is_some_and(|server| server.report.is_link_up);
                self.note_reached(number, offset(4).filter(|_| is_up));
            }
            _ => {}
        }
    }

    /// The primary's offset behind its pause.
    fn note_goal(&mut self, number: u64, offset: Option<u64>) {
        let is_primary = self.primary.number == number;
        if let Some(Phase::CatchingUp(state)) = self.failover.as_mut().map(|failover| &mut failover.phase)
            && is_primary
            && state.is_paused
        {
            state.goal = state.goal.or(offset);
        }
    }

    /// The chosen replica's offset behind that.
    fn note_reached(&mut self, number: u64, offset: Option<u64>) {
        if let Some(Phase::CatchingUp(state)) = self.failover.as_mut().map(|failover| &mut failover.phase)
            && state.target == number
            && state.goal.is_some()
        {
            state.reached = offset;
        }
    }

    fn on_paused(&mut self, reply: &Value) {
        if let Some(Phase::CatchingUp(state)) = self.failover.as_mut().map(|failover| &mut failover.phase) {
            match reply {
                Value::Error(text) => state.refusal = Some(text.clone()),
                _ => state.is_paused = true,
            }
        }
    }
}

/// A replica tells by ROLE whom it follows, and how that goes.
fn note_upstream(
    core: &Core,
    server: &mut Server,
    primary: Option<Address>,
    (state, offset): (&str, Option<u64>),
) {
    if server.report.primary != primary {
        server.follows_since = core.now;
        server.report.primary = primary;
        // That was about another.
        server.report.is_guarding = false;
    }
    server.report.is_link_up = state == "connected";
    if server.report.is_link_up {
        server.report.link_down_ms = 0;
    }
    server.report.offset = offset.unwrap_or(server.report.offset);
}

/// `[host, port, offset]`.
fn role_row(row: &Value) -> Option<(Address, u64)> {
    let Value::Array(parts) = row else { return None };
    let port = parts.get(1)?.text().parse().ok().filter(|port| *port != 0)?;
    let offset = parts.get(2).and_then(|offset| offset.text().parse().ok()).unwrap_or(0);
    let host = parts.first().map(Value::text).filter(|host| !host.is_empty())?;
    Some((Address::new(host, port), offset))
}
