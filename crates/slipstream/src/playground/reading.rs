//! What a node says of itself, taken from one INFO.
//!
//! Everything that the table shows and the story waits for is in here; a node that does not answer has no reading.

use std::fmt;

/// The number of servers: one primary and two replicas.
pub(super) const NODES: usize = 3;

/// A reading per server, or none where it does not answer.
pub(super) type Readings = [Option<Reading>; NODES];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) role: Role,
    /// The last byte of the replication stream that it has.
    pub(super) offset: u64,
    pub(super) keys: u64,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) syncs: Syncs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Replica { is_linked: bool },
}

/// How replicas got their data from this node since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Syncs {
    pub(super) full: u64,
    pub(super) partial: u64,
}

impl Syncs {
    /// Syncs of either kind.
    pub(super) fn total(self) -> u64 {
        self.full + self.partial
    }
}

impl fmt::Display for Syncs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} full syncs and {} partial resyncs", self.full, self.partial)
    }
}

impl Reading {
    /// Reads the text of INFO; `None` if a field is missing.
    pub(super) fn from_info(info: &str) -> Option<Self> {
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
        };
        let number = |name: &str| field(name)?.parse().ok();
        let role = match field("role")? {
            "master" => Role::Primary,
            _ => Role::Replica { is_linked: field("master_link_status")? == "up" },
        };
        Some(Self {
            role,
            offset: number("master_repl_offset")?,
            keys: info.lines().filter_map(keys_of_database).sum(),
            memory: number("used_memory")?,
            syncs: Syncs { full: number("sync_full")?, partial: number("sync_partial_ok")? },
        })
    }

    pub(super) fn is_linked(&self) -> bool {
        self.role == Role::Replica { is_linked: true }
    }
}

/// `db0:keys=3,expires=1,…`
fn keys_of_database(line: &str) -> Option<u64> {
    let (_, keys) = line.strip_prefix("db")?.split_once(":keys=")?;
    keys.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nused_memory:1000\r\nused_memory_rss:2000\r\nsync_full:2\r\n\
        sync_partial_ok:1\r\nmaster_repl_offset:77\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb9:keys=4,expires=0\r\n";

    fn reading(role: Role) -> Reading {
        let syncs = Syncs { full: 2, partial: 1 };
        Reading { role, offset: 77, keys: 7, memory: 1000, syncs }
    }

    #[track_caller]
    fn check(replication: &str, expected: Option<Role>) {
        assert_eq!(
            Reading::from_info(&format!("{INFO}{replication}")),
            expected.map(reading),
            "{replication}"
        );
    }

    #[test]
    fn a_reading_is_taken_from_info() {
        check("role:master\r\n", Some(Role::Primary));
        check("role:slave\r\nmaster_link_status:up\r\n", Some(Role::Replica { is_linked: true }));
        check("role:slave\r\nmaster_link_status:down\r\n", Some(Role::Replica { is_linked: false }));
        check("role:slave\r\n", None);
        check("", None);
    }
}
