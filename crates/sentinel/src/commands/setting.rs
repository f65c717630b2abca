//! SENTINEL SET, CONFIG and DEBUG: options by their tables, all that one command names or none.
//! A command that is refused in part has changed nothing.

use slipstream_replication::Level;
use slipstream_resp::Reply;

use super::{Answered, CommandRefused, ONCE_STORED, Outcome, Request, refuse};
use crate::address::is_number;
use crate::config::{GLOBAL_OPTIONS, GlobalOption, GroupOption};
use crate::connecting;
use crate::group::Group;
use crate::notices::Subject;
use crate::options::Timings;
use crate::sentinel::Sentinel;

/// What SENTINEL CONFIG knows that is the log's.
const LOG_LEVEL: &str = "loglevel";
const LOG_LEVELS: [&str; 5] = ["debug", "verbose", "notice", "warning", "nothing"];

/// A period of SENTINEL DEBUG.
struct Timing {
    name: &'static str,
    place: fn(&mut Timings) -> &mut u64,
    value: fn(&Timings) -> u64,
}

macro_rules! timings {
    ($($name:literal $field:ident)+) => {
        [$(Timing { name: $name, place: |timings| &mut timings.$field, value: |timings| timings.$field }),+]
    };
}

/// All of them, in Redis' order.
const TIMINGS: [Timing; 13] = timings! {
    "INFO-PERIOD" info_period
    "PING-PERIOD" ping_period
    "ASK-PERIOD" ask_period
    "PUBLISH-PERIOD" publish_period
    "DEFAULT-DOWN-AFTER" default_down_after
    "DEFAULT-FAILOVER-TIMEOUT" default_failover_timeout
    "TILT-TRIGGER" tilt_trigger
    "TILT-PERIOD" tilt_period
    "SLAVE-RECONF-TIMEOUT" replica_reconf_timeout
    "MIN-LINK-RECONNECT-PERIOD" min_link_reconnect_period
    "ELECTION-TIMEOUT" election_timeout
    "SCRIPT-MAX-RUNTIME" script_max_runtime
    "SCRIPT-RETRY-DELAY" script_retry_delay
};

/// The longest period: sums of them stay far from the end of their type.
const LONGEST_MS: u64 = 1 << 48;

impl Sentinel {
    pub(super) fn set(&mut self, name: &str, settings: &[&str], request: &mut Request<'_>) -> Outcome {
        let mut options = self.group_named(name)?.options.clone();
        let mut events = Vec::new();
        let mut is_login = false;
        let mut rest = settings;
        while let [option, values @ ..] = rest {
            let known = GroupOption::find_for_set(option).filter(|row| values.len() >= row.values);
            let Some(row) = known else {
                return refuse(format!(
                    "ERR Unknown option or number of arguments for SENTINEL SET '{option}'"
                ));
            };
            let (values, behind) = values.split_at(row.values);
            if let Some(complaint) = row.script {
                self.check_script(values[0], complaint, request)?;
            }
            row.set(&mut options, values).map_err(|refused| {
                let value = values[refused.index];
                CommandRefused(format!("ERR Invalid argument '{value}' for SENTINEL SET '{option}'"))
            })?;
            let shown = if row.is_secret { "******".to_owned() } else { values.join(" ") };
            events.push(format!("{option} {shown}"));
            is_login |= row.name.starts_with("auth-");
            rest = behind;
        }
        let Some(group) = self.groups.get_mut(name) else {
            return refuse("ERR No such master with that name");
        };
        group.options = options;
        for event in &events {
            group.tell(&mut self.core, (Level::Warning, "+set"), Subject::Primary, event);
        }
        if is_login {
            self.log_in_anew_at_servers(name);
        }
        self.wake(name);
        self.core.changed();
        Ok(ONCE_STORED)
    }

    fn check_script(
        &self,
        path: &str,
        complaint: &str,
        request: &mut Request<'_>,
    ) -> Result<(), CommandRefused> {
        if self.core.globals.deny_scripts_reconfig {
            return refuse(
                "ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig configuration directive in your Sentinel configuration",
            );
        }
        if path.is_empty() || request.surroundings.is_program(path) {
            return Ok(());
        }
        refuse(format!("ERR {}", complaint.trim_end_matches('.')))
    }

    /// Its words are those behind CONFIG.
    pub(super) fn config(&mut self, words: &[&str], request: &Request<'_>, reply: &mut Reply) -> Outcome {
        match words {
            [word, pairs @ ..] if word.eq_ignore_ascii_case("set") && pairs.len() >= 2 => {
                self.config_set(pairs)
            }
            [word, patterns @ ..] if word.eq_ignore_ascii_case("get") => {
                self.config_get(patterns, request, reply)
            }
            _ => refuse(
                "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> [<param> <value> ...] are supported.",
            ),
        }
    }

    fn config_get(&self, patterns: &[&str], request: &Request<'_>, reply: &mut Reply) -> Outcome {
        let rows = GLOBAL_OPTIONS.iter().filter(|row| row.is_in_config);
        let known = rows.map(|row| (row.name, row.show(&self.core.globals)));
        let known: Vec<(&str, String)> =
            known.chain(std::iter::once((LOG_LEVEL, request.log_level.to_owned()))).collect();
        let mut found: Vec<&(&str, String)> = Vec::new();
        for pattern in patterns {
            let matches =
                |name: &str| request.surroundings.matches(pattern.as_bytes(), name.as_bytes(), true);
            for pair in known.iter().filter(|(name, _)| matches(name)) {
                if !found.iter().any(|(name, _)| *name == pair.0) {
                    found.push(pair);
                }
            }
        }
        reply.map(found.len());
        for (name, value) in found {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        Ok(Answered::Yes)
    }

    fn config_set(&mut self, words: &[&str]) -> Outcome {
        let mut globals = self.core.globals.clone();
        let mut log_level = None;
        let mut is_login = false;
        let mut names: Vec<&str> = Vec::new();
        let mut rest = words;
        while let [option, values @ ..] = rest {
            let row = GlobalOption::find(option).filter(|row| row.is_in_config);
            if row.is_none() && !option.eq_ignore_ascii_case(LOG_LEVEL) {
                return refuse(format!("ERR Invalid argument '{option}' to SENTINEL CONFIG SET"));
            }
            if names.iter().any(|name| name.eq_ignore_ascii_case(option)) {
                return refuse(format!("ERR Duplicate argument '{option}' to SENTINEL CONFIG SET"));
            }
            names.push(option);
            let [value, behind @ ..] = values else {
                return refuse(format!("ERR Missing argument '{option}' value"));
            };
            let is_set = match row {
                Some(row) => row.set(&mut globals, value).is_ok(),
                None => LOG_LEVELS.iter().any(|level| level.eq_ignore_ascii_case(value)),
            };
            if !is_set {
                return refuse(format!("ERR Invalid value '{value}' to SENTINEL CONFIG SET '{option}'"));
            }
            match row {
                Some(row) => is_login |= row.is_login,
                None => log_level = Some(value.to_ascii_lowercase()),
            }
            rest = behind;
        }
        if !globals.resolve_hostnames {
            if let Some(host) = self.named_host() {
                let told = "ERR Invalid value 'no' to SENTINEL CONFIG SET 'resolve-hostnames'";
                return refuse(format!("{told}: '{host}' is known by its name alone"));
            }
            self.take_numbers();
        }
        self.core.globals = globals;
        if is_login {
            self.log_in_anew_at_sentinels();
        }
        self.core.changed();
        Ok(Answered::OnceStored { log_level })
    }

    /// Somebody who is known by a name, and could not be read again without names: no number is known for it.
    fn named_host(&self) -> Option<&str> {
        let servers = self.groups.values().flat_map(Group::servers).map(|server| &server.contact);
        let contacts = servers.chain(self.peers.values().map(|peer| &peer.contact));
        let unnumbered = contacts.filter(|contact| contact.ip.is_empty()).map(|contact| &contact.address);
        let seeds = self.groups.values().flat_map(|group| &group.options.seeds);
        let hosts = unnumbered.chain(seeds).map(|address| address.host.as_str());
        hosts.chain(self.fixed.names_host()).find(|host| !is_number(host))
    }

    /// Names are not looked up any more: each stays with the number that it stood for last.
    fn take_numbers(&mut self) {
        let Sentinel { groups, core, .. } = self;
        for group in groups.values_mut() {
            group.take_numbers(core);
        }
        self.peers.values_mut().for_each(|peer| peer.contact.take_number());
    }

    pub(super) fn show_timings(&self, reply: &mut Reply) -> Outcome {
        reply.map(TIMINGS.len());
        for timing in &TIMINGS {
            reply.bulk(timing.name.as_bytes());
            reply.bulk((timing.value)(&self.core.timings).to_string().as_bytes());
        }
        Ok(Answered::Yes)
    }

    pub(super) fn set_timings(&mut self, settings: &[&str], reply: &mut Reply) -> Outcome {
        let mut timings = self.core.timings.clone();
        for pair in settings.chunks(2) {
            let row = TIMINGS.iter().find(|row| row.name.eq_ignore_ascii_case(pair[0]));
            let (Some(row), [option, value]) = (row, pair) else {
                let option = pair[0];
                let text = "ERR Unknown option or number of arguments for SENTINEL DEBUG";
                return refuse(format!("{text} '{option}'"));
            };
            let ms: Option<u64> = value.parse().ok().filter(|ms| (1..=LONGEST_MS).contains(ms));
            let Some(ms) = ms else {
                return refuse(format!("ERR Invalid argument '{value}' for SENTINEL DEBUG '{option}'"));
            };
            *(row.place)(&mut timings) = ms;
        }
        self.core.timings = timings;
        reply.ok();
        Ok(Answered::WithMore)
    }

    /// What a group logs in with has changed: its connections are made anew.
    fn log_in_anew_at_servers(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.servers_mut().for_each(|server| Group::close_lines(&mut self.core, server));
    }

    /// The same towards other sentinels.
    fn log_in_anew_at_sentinels(&mut self) {
        for peer in self.peers.values_mut() {
            connecting::close(&mut self.core, &mut peer.contact.line, 0);
        }
        self.wake_peers();
    }
}
