//! What a sentinel answers: each subcommand of SENTINEL, ROLE, PUBLISH and its section of INFO.
//!
//! [`Sentinel::command`] finds the subcommand by the name of its row, whose arity the caller has checked. Each writes one
//! reply, or none where the answer waits for the disk: what a client is told to have been set, and a vote, survive a
//! crash. What a command leads to is done by the next [`Sentinel::handle`].

mod describing;
mod setting;

use slipstream_replication::{Level, Moment};
use slipstream_resp::{Args, Reply};

use crate::Address;
use crate::asking::{FailoverRefused, Opinion};
use crate::config::{is_host, words};
use crate::hello::LAST_EPOCH;
use crate::notices::Subject;
use crate::sentinel::Sentinel;

/// One SENTINEL command.
pub struct Request<'a> {
    /// When it came.
    pub now: Moment,
    /// The subcommand, in lower case.
    pub name: &'a str,
    /// All arguments, from SENTINEL on.
    pub args: Args<'a>,
    /// It has waited for the disk, and does not wait any longer.
    pub is_late: bool,
    /// Level of the log, for SENTINEL CONFIG GET.
    pub log_level: &'a str,
    /// What only the process knows.
    pub surroundings: &'a mut dyn Surroundings,
}

/// What commands ask the process.
pub trait Surroundings {
    /// Whether a glob-style pattern matches a text; the case of letters may not count.
    fn matches(&self, pattern: &[u8], text: &[u8], is_any_case: bool) -> bool;
    /// Whether a path is that of a program.
    fn is_program(&mut self, path: &str) -> bool;
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Its reply is written.
    Yes,
    /// Its reply is written, and the machine has something to do.
    WithMore,
    /// `OK` is to be answered once all that has changed is on disk.
    OnceStored {
        /// The level of the log is to be this.
        log_level: Option<String>,
    },
    /// It is to be asked again once something was stored.
    Later,
}

/// Why a command is refused: the error's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRefused(pub String);

type Outcome = Result<Answered, CommandRefused>;

fn refuse<T>(text: impl Into<String>) -> Result<T, CommandRefused> {
    Err(CommandRefused(text.into()))
}

/// The answer to a change of what must not be forgotten.
const ONCE_STORED: Answered = Answered::OnceStored { log_level: None };
/// Characters of a sentinel's id.
const LONGEST_ID: usize = 40;
/// Groups that one sentinel watches.
const MOST_GROUPS: usize = 10_000;

impl Sentinel {
    /// Runs a subcommand of SENTINEL.
    pub fn command(&mut self, mut request: Request<'_>, reply: &mut Reply) -> Outcome {
        self.core.now = request.now;
        let Ok(words) = request.args.iter().skip(2).map(str::from_utf8).collect::<Result<Vec<&str>, _>>()
        else {
            return refuse("ERR arguments must be UTF-8");
        };
        match (request.name, words.as_slice()) {
            ("ckquorum", [name]) => self.check_quorum(name, reply),
            ("config", _) => self.config(&words, &request, reply),
            ("debug", []) => self.show_timings(reply),
            ("debug", settings) => self.set_timings(settings, reply),
            ("failover", [name, how @ ..]) => self.fail_over(name, how, reply),
            ("flushconfig", _) => {
                self.core.changed();
                Ok(ONCE_STORED)
            }
            ("get-master-addr-by-name" | "get-primary-addr-by-name", [name]) => {
                self.tell_address(name, reply)
            }
            ("info-cache", names) => self.info_cache(names, reply),
            ("is-master-down-by-addr" | "is-primary-down-by-addr", [ip, port, epoch, candidate]) => {
                let candidate = Some(*candidate).filter(|word| *word != "*" && !request.is_late);
                self.tell_opinion((ip, port), epoch, candidate, reply)
            }
            ("master" | "primary", [name]) => self.describe_primary(name, reply),
            ("masters" | "primaries", _) => self.describe_primaries(reply),
            ("monitor", [name, host, port, quorum]) => self.watch(name, (host, port), quorum),
            ("myid", _) => {
                reply.bulk(self.core.id.as_bytes());
                Ok(Answered::Yes)
            }
            ("pending-scripts", _) => self.describe_scripts(reply),
            ("remove", [name]) => self.remove(name),
            ("replicas" | "slaves", [name]) => self.describe_replicas(name, reply),
            ("reset", [pattern]) => self.reset(pattern, &request, reply),
            ("sentinels", [name]) => self.describe_sentinels(name, reply),
            ("set", [name, settings @ ..]) => self.set(name, settings, &mut request),
            ("simulate-failure", modes) => self.simulate(modes, reply),
            (name, _) => unreachable!("no row, or not its arity: {name}"),
        }
    }

    /// It begins: who it is, and what it watches.
    pub fn introduce(&mut self, now: Moment) {
        self.core.now = now;
        let text = format!("Sentinel ID is {}", self.core.id);
        self.core.log(Level::Notice, text);
        for group in self.groups.values() {
            let more = format!("quorum {}", group.options.quorum);
            group.tell(&mut self.core, (Level::Warning, "+monitor"), Subject::Primary, &more);
        }
        let removed: Vec<String> =
            self.removed().filter(|name| !self.unset.contains(*name)).map(str::to_owned).collect();
        for name in removed {
            let text = format!(
                "{name} is in the configuration, and is not watched since SENTINEL REMOVE: SENTINEL MONITOR adds it again."
            );
            self.core.log(Level::Warning, text);
        }
        for name in &self.unset {
            let text = format!(
                "{name} is not watched: no `sentinel monitor` sets it up. What else is said of it is dropped."
            );
            self.core.log(Level::Warning, text);
        }
    }

    /// PUBLISH: only hellos are heard.
    pub fn publish(&mut self, now: Moment, channel: &[u8], message: &[u8], reply: &mut Reply) -> Outcome {
        self.core.now = now;
        if channel != b"__sentinel__:hello" {
            return refuse("ERR Only HELLO messages are accepted by Sentinel instances.");
        }
        self.hear_hello(&String::from_utf8_lossy(message));
        reply.integer(1);
        Ok(Answered::WithMore)
    }

    fn group_named(&self, name: &str) -> Result<&crate::group::Group, CommandRefused> {
        self.groups.get(name).ok_or_else(|| CommandRefused("ERR No such master with that name".to_owned()))
    }

    fn check_quorum(&self, name: &str, reply: &mut Reply) -> Outcome {
        let group = self.group_named(name)?;
        let usable = 1 + group.members.values().filter(|member| member.down_since.is_none()).count();
        let known = 1 + group.members.len();
        let lacks_quorum = u32::try_from(usable).unwrap_or(u32::MAX) < group.options.quorum;
        let lacks_majority = usable < known / 2 + 1;
        let quorum = "Not enough available Sentinels to reach the specified quorum for this master";
        let majority = "Not enough available Sentinels to reach the majority and authorize a failover";
        let reason = match (lacks_quorum, lacks_majority) {
            (false, false) => {
                let rest = "Quorum and failover authorization can be reached";
                reply.simple(&format!("OK {usable} usable Sentinels. {rest}"));
                return Ok(Answered::Yes);
            }
            (true, false) => quorum.to_owned(),
            (false, true) => majority.to_owned(),
            (true, true) => format!("{quorum}. {majority}"),
        };
        refuse(format!("NOQUORUM {usable} usable Sentinels. {reason}"))
    }

    /// Planned unless FORCE is said; COORDINATED is Valkey's word for that.
    fn fail_over(&mut self, name: &str, how: &[&str], reply: &mut Reply) -> Outcome {
        let is_forced = match how {
            [] => false,
            [word] if word.eq_ignore_ascii_case("coordinated") => false,
            [word] if word.eq_ignore_ascii_case("force") => true,
            [_] => return refuse("ERR Unknown failover option specified"),
            _ => return refuse("ERR wrong number of arguments for 'sentinel|failover' command"),
        };
        match self.start_failover(name, is_forced) {
            Ok(()) => {
                reply.ok();
                Ok(Answered::WithMore)
            }
            Err(FailoverRefused::NoSuchGroup) => refuse("ERR No such master with that name"),
            Err(FailoverRefused::InProgress) => refuse("INPROG Failover already in progress"),
            Err(FailoverRefused::NoGoodReplica) => refuse("NOGOODSLAVE No suitable replica to promote"),
        }
    }

    fn tell_address(&self, name: &str, reply: &mut Reply) -> Outcome {
        match self.groups.get(name) {
            None => reply.null_array(),
            Some(group) => {
                let contact = &group.primary.contact;
                reply.array(2);
                reply.bulk(contact.shown_host(self.core.globals.announce_hostnames).as_bytes());
                reply.bulk(contact.address.port.to_string().as_bytes());
            }
        }
        Ok(Answered::Yes)
    }

    fn tell_opinion(
        &mut self,
        (ip, port): (&str, &str),
        epoch: &str,
        candidate: Option<&str>,
        reply: &mut Reply,
    ) -> Outcome {
        let not_integer = "ERR value is not an integer or out of range";
        let (Ok(port), Ok(epoch)) = (port.parse::<i64>(), epoch.parse::<i64>()) else {
            return refuse(not_integer);
        };
        // Where no server can be, none is known.
        let port = u16::try_from(port).unwrap_or(0);
        let epoch = u64::try_from(epoch).unwrap_or(0);
        if epoch > LAST_EPOCH {
            return refuse(not_integer);
        }
        // It goes to the log, to scripts and to whoever asks for the vote.
        if candidate.is_some_and(|id| !words::is_name(id) || id.len() > LONGEST_ID) {
            return refuse("ERR Invalid Sentinel id");
        }
        match self.opinion(ip, port, epoch, candidate) {
            Opinion::Later => Ok(Answered::Later),
            Opinion::Now { is_down, vote } => {
                let (leader, epoch) = vote.unwrap_or_else(|| ("*".to_owned(), 0));
                reply.array(3);
                reply.integer(i64::from(is_down));
                reply.bulk(leader.as_bytes());
                reply.integer(i64::try_from(epoch).unwrap_or(i64::MAX));
                Ok(Answered::WithMore)
            }
        }
    }

    fn watch(&mut self, name: &str, (host, port): (&str, &str), quorum: &str) -> Outcome {
        let Ok(quorum) = quorum.parse::<i64>() else { return refuse("ERR Invalid quorum") };
        let Ok(port) = port.parse::<i64>() else { return refuse("ERR Invalid port") };
        let Some(quorum) = u32::try_from(quorum).ok().filter(|quorum| *quorum > 0) else {
            return refuse("ERR Quorum must be 1 or greater.");
        };
        if !is_host(&self.core.globals, host) {
            return refuse("ERR Invalid IP address or hostname specified");
        }
        let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
            return refuse("ERR Invalid port number.");
        };
        if !words::is_group_name(name) {
            return refuse("ERR Invalid master name.");
        }
        if self.groups.len() >= MOST_GROUPS {
            return refuse("ERR Too many masters.");
        }
        if self.groups.contains_key(name) {
            return refuse("ERR Duplicate master name.");
        }
        self.add_group(name, Address::new(host, port), quorum);
        Ok(ONCE_STORED)
    }

    fn remove(&mut self, name: &str) -> Outcome {
        self.group_named(name)?;
        self.remove_group(name);
        Ok(ONCE_STORED)
    }

    fn reset(&mut self, pattern: &str, request: &Request<'_>, reply: &mut Reply) -> Outcome {
        let matches =
            |name: &&String| request.surroundings.matches(pattern.as_bytes(), name.as_bytes(), false);
        let names: Vec<String> = self.groups.keys().filter(matches).cloned().collect();
        for name in &names {
            self.reset_group(name);
        }
        reply.count(names.len());
        Ok(Answered::WithMore)
    }

    fn simulate(&mut self, modes: &[&str], reply: &mut Reply) -> Outcome {
        const MODES: [&str; 2] = ["crash-after-election", "crash-after-promotion"];
        self.core.simulated = crate::core::Simulated::default();
        for mode in modes {
            if mode.eq_ignore_ascii_case("help") {
                reply.array(MODES.len());
                MODES.iter().for_each(|mode| reply.bulk(mode.as_bytes()));
                return Ok(Answered::Yes);
            }
            let (place, when) = if mode.eq_ignore_ascii_case(MODES[0]) {
                (&mut self.core.simulated.crash_after_election, "it is elected to lead a failover")
            } else if mode.eq_ignore_ascii_case(MODES[1]) {
                (&mut self.core.simulated.crash_after_promotion, "it has promoted a replica")
            } else {
                return refuse("ERR Unknown failure simulation specified");
            };
            *place = true;
            let text = format!("Failure simulation: this Sentinel will crash once {when}");
            self.core.log(Level::Warning, text);
        }
        reply.ok();
        Ok(Answered::WithMore)
    }
}

#[cfg(test)]
mod tests;
