//! What INFO tells of a server: all that a sentinel needs to know, line by line.
//! Any text may come; what cannot be read counts as not said.

use crate::Address;

/// What a server says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// `role:master`.
    #[default]
    Primary,
    /// `role:slave`.
    Replica,
}

impl Role {
    /// The wire's word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Primary => "master",
            Role::Replica => "slave",
        }
    }
}

/// A server as its INFO describes it. What it does not say is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `run_id`.
    pub run_id: String,
    /// `role`.
    pub role: Option<Role>,
    /// `uptime_in_seconds`.
    pub uptime: u64,
    /// `slipstream_version`: it is one of ours.
    pub is_ours: bool,
    /// `slaveN`: the replicas of a primary.
    pub replicas: Vec<Address>,
    /// `master_host` and `master_port` of a replica.
    pub primary: Option<Address>,
    /// `master_link_status`.
    pub is_link_up: bool,
    /// `master_link_was_up`: since it follows this primary it has had its stream.
    pub was_link_up: bool,
    /// `master_link_down_since_seconds`, in milliseconds; 0 while the link is up.
    pub link_down_ms: u64,
    /// `slave_priority`.
    pub priority: u32,
    /// `slave_repl_offset` of a replica, `master_repl_offset` of a primary.
    pub offset: u64,
    /// `replica_announced`.
    pub is_announced: bool,
    /// `master_replid`.
    pub history: String,
    /// `master_replid2`.
    pub history_before: String,
    /// `second_repl_offset`: up to which offset that history is its own too, one more than it has of it.
    pub fork: u64,
    /// `min_replicas_to_ack`.
    pub min_replicas_to_ack: u32,
    /// `sentinel_fencing`: it stops taking writes when its sentinels go silent.
    pub is_fencing: bool,
    /// `replica_zone`.
    pub zone: String,
    /// A primary that came back without what its replicas have and waits for one of them to take its place:
    /// `empty_start_wait_seconds_left`, `short_start_wait_seconds_left`.
    pub awaits_claim: bool,
    /// For how long it will go on to, in seconds.
    pub claim_seconds_left: u64,
    /// `loading`: it is not known yet what it will be.
    pub is_loading: bool,
    /// It is a primary that fences itself, and too few sentinels hold it for one.
    pub is_fenced: bool,
    /// It came back as a primary, and its writes wait until it is told whether it still is one.
    pub is_returning: bool,
    /// A replica that guards its data from the primary it names: `sync_blocked_reason`.
    pub is_guarding: bool,
    /// A replica that cannot apply its stream: `master_link_stopped_reason`.
    pub is_stopped: bool,
}

/// Whether that is the name of a history: Redis tells zeros where there is none.
pub(crate) fn is_history(id: &str) -> bool {
    id.bytes().any(|byte| byte != b'0')
}

/// Nothing that matters is longer.
const LONGEST_VALUE: usize = 512;
/// The most replicas that one INFO may bring.
const MOST_REPLICAS: usize = 1024;

impl Report {
    /// Reads the text of INFO; lines that do not matter are skipped.
    pub fn parse(text: &str) -> Report {
        let mut report = Report { priority: 100, is_announced: true, ..Report::default() };
        let (mut primary_host, mut primary_port) = (None, None);
        let (mut replica_offset, mut is_empty) = (None, false);
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            if value.len() > LONGEST_VALUE {
                continue;
            }
            let number = || value.parse().unwrap_or_default();
            match name {
                "run_id" => report.run_id = value.to_owned(),
                "role" => {
                    report.role = match value {
                        "master" => Some(Role::Primary),
                        "slave" => Some(Role::Replica),
                        _ => None,
                    }
                }
                "uptime_in_seconds" => report.uptime = number(),
                "slipstream_version" => report.is_ours = true,
                "master_host" => primary_host = Some(value.to_owned()),
                "master_port" => primary_port = value.parse().ok(),
                "master_link_status" => report.is_link_up = value == "up",
                "master_link_was_up" => report.was_link_up = value == "1",
                "master_link_down_since_seconds" => {
                    // -1 is for a link that was never up.
                    report.link_down_ms =
                        value.parse::<u64>().map_or(0, |seconds| seconds.saturating_mul(1000));
                }
                "slave_priority" => report.priority = value.parse().unwrap_or(100),
                "slave_repl_offset" => replica_offset = value.parse().ok(),
                "master_repl_offset" => report.offset = number(),
                "replica_announced" => report.is_announced = value != "0",
                "master_replid" => report.history = value.to_owned(),
                "master_replid2" => report.history_before = value.to_owned(),
                "second_repl_offset" => report.fork = number(),
                "min_replicas_to_ack" => report.min_replicas_to_ack = value.parse().unwrap_or(0),
                "sentinel_fencing" => report.is_fencing = value == "1",
                "sentinel_fenced" => report.is_fenced = value == "1",
                "replica_zone" => report.zone = value.to_owned(),
                "short_start_wait_seconds_left" | "empty_start_wait_seconds_left" => {
                    (report.awaits_claim, report.claim_seconds_left) = (true, number());
                    is_empty = name.starts_with("empty");
                }
                "loading" => report.is_loading = value == "1",
                "paused_reason" => report.is_returning = value == "primary_return",
                "sync_blocked_reason" => report.is_guarding = true,
                "master_link_stopped_reason" => report.is_stopped = true,
                _ if name.starts_with("slave") => {
                    report
                        .replicas
                        .extend(replica(name, value).filter(|_| report.replicas.len() < MOST_REPLICAS));
                }
                _ => {}
            }
        }
        report.was_link_up |= report.is_link_up;
        if report.awaits_claim && (is_empty || report.offset == 0) {
            // It does not know where its data stood, and has begun a history of its own, of which nobody has anything.
            (report.history, report.history_before, report.fork) = (String::new(), String::new(), 0);
        }
        if report.role == Some(Role::Replica) {
            report.primary = primary_host.zip(primary_port).map(|(host, port)| Address { host, port });
            report.offset = replica_offset.unwrap_or(report.offset);
            report.replicas.clear();
        }
        report
    }
}

/// `slave0:ip=…,port=…,…`, or the form before Redis 2.8: `slave0:ip,port,state`.
fn replica(name: &str, value: &str) -> Option<Address> {
    name.strip_prefix("slave")?.parse::<u32>().ok()?;
    let field = |wanted: &str| value.split(',').find_map(|part| part.strip_prefix(wanted)?.strip_prefix('='));
    let (host, port) = match field("ip").zip(field("port")) {
        Some(found) => found,
        None if value.contains('=') => return None,
        None => {
            let mut parts = value.split(',');
            parts.next().zip(parts.next())?
        }
    };
    let port: u16 = port.parse().ok()?;
    (port != 0 && !host.is_empty()).then(|| Address::new(host, port))
}

#[cfg(test)]
mod tests;
