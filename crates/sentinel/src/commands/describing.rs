//! What a sentinel tells of what it watches: maps of fields, under Redis' names and in its order.
//! Nothing here changes anything.

use slipstream_replication::Moment;
use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use super::{Answered, Outcome};
use crate::contact::Contact;
use crate::failover::{Cause, Phase};
use crate::group::Group;
use crate::peer::Member;
use crate::sentinel::Sentinel;
use crate::server::{Server, Turning};

/// The fields of one map, in order.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name, value.to_string()));
    }

    fn write(&self, reply: &mut Reply) {
        reply.map(self.0.len());
        for (name, value) in &self.0 {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
}

/// Those words whose condition holds, with commas between them.
fn flags(words: &[(bool, &'static str)]) -> String {
    let set: Vec<&str> = words.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| *word).collect();
    set.join(",")
}

/// Milliseconds since a moment; 0 where there was none.
fn since(now: Moment, then: Option<Moment>) -> u64 {
    then.map_or(0, |then| now.ms_since(then))
}

impl Sentinel {
    pub(super) fn describe_primaries(&self, reply: &mut Reply) -> Outcome {
        reply.array(self.groups.len());
        for group in self.groups.values() {
            self.primary_fields(group).write(reply);
        }
        Ok(Answered::Yes)
    }

    pub(super) fn describe_primary(&self, name: &str, reply: &mut Reply) -> Outcome {
        self.primary_fields(self.group_named(name)?).write(reply);
        Ok(Answered::Yes)
    }

    /// Replicas that do not want to be told of are not.
    pub(super) fn describe_replicas(&self, name: &str, reply: &mut Reply) -> Outcome {
        let group = self.group_named(name)?;
        let announced: Vec<&Server> =
            group.replicas.values().filter(|replica| replica.report.is_announced).collect();
        reply.array(announced.len());
        for replica in announced {
            self.replica_fields(group, replica).write(reply);
        }
        Ok(Answered::Yes)
    }

    pub(super) fn describe_sentinels(&self, name: &str, reply: &mut Reply) -> Outcome {
        let group = self.group_named(name)?;
        let written: Result<(), super::CommandRefused> = reply.deferred(Aggregate::Array, |reply| {
            let mut count = 0;
            for (id, member) in &group.members {
                let Some(peer) = self.peers.get(id) else { continue };
                self.sentinel_fields(group, (id, member), &peer.contact).write(reply);
                count += 1;
            }
            Ok(count)
        });
        written.map(|()| Answered::Yes)
    }

    fn primary_fields(&self, group: &Group) -> Fields {
        let primary = &group.primary;
        let is_ordered = |cause| matches!(cause, Cause::Planned | Cause::Forced);
        let flags = flags(&[
            (primary.down_since.is_some(), "s_down"),
            (group.agreed_down_since.is_some(), "o_down"),
            (true, "master"),
            (is_cut_off(primary), "disconnected"),
            (group.failover.is_some(), "failover_in_progress"),
            (group.failover.as_ref().is_some_and(|failover| is_ordered(failover.cause)), "force_failover"),
            (primary.rebooted_at.is_some(), "master_reboot"),
        ]);
        let mut fields = self.common_fields(&group.name, &primary.contact, (&primary.report.run_id, flags));
        fields.add("link-refcount", 1);
        if let Some(failover) = &group.failover {
            fields.add("failover-state", failover.word());
        }
        self.add_times(&mut fields, &primary.contact, primary.down_since);
        if let Some(then) = group.agreed_down_since {
            fields.add("o-down-time", self.core.now.ms_since(then));
        }
        let options = &group.options;
        fields.add("down-after-milliseconds", options.down_after);
        self.add_role(&mut fields, primary);
        fields.add("config-epoch", group.config_epoch);
        fields.add("num-slaves", group.replicas.len());
        fields.add("num-other-sentinels", group.members.len());
        fields.add("quorum", options.quorum);
        fields.add("failover-timeout", options.failover_timeout);
        fields.add("parallel-syncs", options.parallel_syncs);
        for (name, script) in [
            ("notification-script", &options.notification_script),
            ("client-reconfig-script", &options.client_reconfig_script),
        ] {
            if !script.is_empty() {
                fields.add(name, script);
            }
        }
        fields
    }

    fn replica_fields(&self, group: &Group, replica: &Server) -> Fields {
        let flags = flags(&[
            (replica.down_since.is_some(), "s_down"),
            (true, "slave"),
            (is_cut_off(replica), "disconnected"),
            (is_chosen(group, replica), "promoted"),
            (matches!(replica.turning, Turning::Sent(_)), "reconf_sent"),
            (matches!(replica.turning, Turning::InProgress(_)), "reconf_inprog"),
            (replica.turning == Turning::Done, "reconf_done"),
        ]);
        let name = replica.contact.address.to_string();
        let mut fields = self.common_fields(&name, &replica.contact, (&replica.report.run_id, flags));
        fields.add("link-refcount", 1);
        self.add_times(&mut fields, &replica.contact, replica.down_since);
        fields.add("down-after-milliseconds", group.options.down_after);
        self.add_role(&mut fields, replica);
        let report = &replica.report;
        fields.add("master-link-down-time", report.link_down_ms);
        fields.add("master-link-status", if report.is_link_up { "ok" } else { "err" });
        let (host, port) = match &report.primary {
            Some(primary) => (primary.host.as_str(), primary.port),
            None => ("?", 0),
        };
        fields.add("master-host", host);
        fields.add("master-port", port);
        fields.add("slave-priority", report.priority);
        fields.add("slave-repl-offset", report.offset);
        fields.add("replica-announced", u8::from(report.is_announced));
        fields
    }

    fn sentinel_fields(&self, group: &Group, (id, member): (&str, &Member), contact: &Contact) -> Fields {
        let flags = flags(&[
            (member.down_since.is_some(), "s_down"),
            (true, "sentinel"),
            (!contact.is_up(), "disconnected"),
            (member.sees_down.is_some_and(|(sees_down, _)| sees_down), "master_down"),
        ]);
        let mut fields = self.common_fields(id, contact, (id, flags));
        fields.add(
            "link-refcount",
            self.groups.values().filter(|group| group.members.contains_key(id)).count(),
        );
        self.add_times(&mut fields, contact, member.down_since);
        fields.add("down-after-milliseconds", group.options.down_after);
        fields.add("last-hello-message", self.core.now.ms_since(member.heard_at));
        let (leader, epoch) = match &member.vote {
            Some((leader, epoch)) => (leader.as_str(), *epoch),
            None => ("?", 0),
        };
        fields.add("voted-leader", leader);
        fields.add("voted-leader-epoch", epoch);
        fields
    }

    fn common_fields(&self, name: &str, contact: &Contact, (run_id, flags): (&str, String)) -> Fields {
        let mut fields = Fields::default();
        fields.add("name", name);
        fields.add("ip", contact.shown_host(self.core.globals.announce_hostnames));
        fields.add("port", contact.address.port);
        fields.add("runid", run_id);
        fields.add("flags", flags);
        fields.add("link-pending-commands", contact.line.awaited.len());
        fields
    }

    fn add_times(&self, fields: &mut Fields, contact: &Contact, down_since: Option<Moment>) {
        let now = self.core.now;
        // As in Redis, who cannot be reached owes an answer too.
        let owes_since = contact.unanswered_since.or((!contact.is_up()).then_some(contact.last_valid));
        fields.add("last-ping-sent", since(now, owes_since));
        fields.add("last-ok-ping-reply", now.ms_since(contact.last_valid));
        fields.add("last-ping-reply", now.ms_since(contact.last_reply));
        if let Some(then) = down_since {
            fields.add("s-down-time", now.ms_since(then));
        }
    }

    fn add_role(&self, fields: &mut Fields, server: &Server) {
        fields.add("info-refresh", since(self.core.now, server.info_at));
        fields.add("role-reported", server.role.word());
        fields.add("role-reported-time", self.core.now.ms_since(server.role_since));
    }

    /// The last INFO of each server of some groups, or of all, and how old it is.
    pub(super) fn info_cache(&self, names: &[&str], reply: &mut Reply) -> Outcome {
        let is_wanted = |group: &&Group| names.contains(&group.name.as_str());
        let wanted: Vec<&Group> = self.groups.values().filter(is_wanted).collect();
        reply.array(wanted.len() * 2);
        for group in wanted {
            reply.bulk(group.name.as_bytes());
            reply.array(1 + group.replicas.len());
            for server in group.servers() {
                reply.array(2);
                reply.count(usize::try_from(since(self.core.now, server.info_at)).unwrap_or(usize::MAX));
                reply.optional_bulk(server.info_at.map(|_| server.info_text.as_bytes()));
            }
        }
        Ok(Answered::Yes)
    }

    /// ROLE.
    pub fn role(&self, reply: &mut Reply) {
        reply.array(2);
        reply.bulk(b"sentinel");
        reply.array(self.groups.len());
        self.groups.keys().for_each(|name| reply.bulk(name.as_bytes()));
    }

    /// The fields of INFO's section.
    pub fn info(&self, now: Moment) -> Vec<(String, String)> {
        let core = &self.core;
        let simulated = core.simulated;
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        add("sentinel_masters", self.groups.len().to_string());
        add("sentinel_tilt", u8::from(core.tilt.since.is_some()).to_string());
        let seconds = core.tilt.since.map(|then| now.ms_since(then) / 1000);
        add("sentinel_tilt_since_seconds", seconds.map_or("-1".to_owned(), |seconds| seconds.to_string()));
        add("sentinel_total_tilt", core.tilt.total.to_string());
        add("sentinel_running_scripts", core.scripts.running().to_string());
        add("sentinel_scripts_queue_length", core.scripts.queue.len().to_string());
        let bits = u8::from(simulated.crash_after_election) + 2 * u8::from(simulated.crash_after_promotion);
        add("sentinel_simulate_failure_flags", bits.to_string());
        add("sentinel_state_stored", u8::from(core.durability.failure.is_none()).to_string());
        for (number, group) in self.groups.values().enumerate() {
            let status = match (group.agreed_down_since, group.primary.down_since) {
                (Some(_), _) => "odown",
                (None, Some(_)) => "sdown",
                (None, None) => "ok",
            };
            let contact = &group.primary.contact;
            let (host, port) = (contact.shown_host(core.globals.announce_hostnames), contact.address.port);
            let (replicas, sentinels) = (group.replicas.len(), group.members.len() + 1);
            let name = &group.name;
            let value = format!(
                "name={name},status={status},address={host}:{port},slaves={replicas},sentinels={sentinels}"
            );
            add(&format!("master{number}"), value);
        }
        fields
    }

    pub(super) fn describe_scripts(&self, reply: &mut Reply) -> Outcome {
        let now = self.core.now;
        reply.array(self.core.scripts.queue.len());
        for script in &self.core.scripts.queue {
            reply.map(5);
            reply.bulk(b"argv");
            reply.array(1 + script.arguments.len());
            reply.bulk(script.path.as_bytes());
            script.arguments.iter().for_each(|argument| reply.bulk(argument.as_bytes()));
            let (state, time, ms) = match script.running_since {
                Some(since) => ("running", "run-time", now.ms_since(since)),
                None => ("scheduled", "run-delay", script.due.ms_since(now)),
            };
            for (name, value) in [
                ("flags", state.to_owned()),
                ("pid", script.process.to_string()),
                (time, ms.to_string()),
                ("retry-num", script.attempts.to_string()),
            ] {
                reply.bulk(name.as_bytes());
                reply.bulk(value.as_bytes());
            }
        }
        Ok(Answered::Yes)
    }
}

/// Whether commands or messages cannot go over to a server.
fn is_cut_off(server: &Server) -> bool {
    !server.contact.is_up() || server.messages.up().is_none()
}

/// Whether a failover is to make a replica the primary.
fn is_chosen(group: &Group, replica: &Server) -> bool {
    let target = match group.failover.as_ref().map(|failover| &failover.phase) {
        Some(Phase::CatchingUp(state)) => Some(state.target),
        Some(Phase::SteppingDown { target, .. } | Phase::Promoting { target, .. }) => Some(*target),
        _ => None,
    };
    target == Some(replica.number)
}
