//! Memory.
//!
//! What is counted comes from the allocator and from parts that know their own size; what only
//! Redis' allocator could tell is left out.

use super::{Fields, Subject, ratio};
use crate::session::Role;

pub(super) fn memory(subject: &Subject<'_>, fields: &mut Fields) {
    let (core, facts) = (subject.core, &subject.facts);
    let used = facts.used_memory;
    fields.add_bytes("used_memory", used);
    if let Some(resident) = facts.resident {
        fields.add_bytes("used_memory_rss", resident);
    }
    fields.add_bytes("used_memory_peak", facts.peak_memory);
    fields.add("used_memory_peak_perc", percent(used, facts.peak_memory));
    let usage = Usage::of(subject);
    fields.add("used_memory_overhead", usage.overhead());
    fields.add("used_memory_startup", core.startup_memory);
    fields.add("used_memory_dataset", usage.dataset());
    let data = used.saturating_sub(core.startup_memory);
    fields.add("used_memory_dataset_perc", percent(usage.dataset(), data));
    if let Some(total) = facts.system_memory {
        fields.add_bytes("total_system_memory", total);
    }
    fields.add_bytes("maxmemory", 0);
    fields.add("maxmemory_policy", "noeviction");
    if let Some(resident) = facts.resident {
        fields.add("mem_fragmentation_ratio", ratio(resident, used));
        let difference = i128::try_from(resident).unwrap_or(0) - i128::try_from(used).unwrap_or(0);
        fields.add("mem_fragmentation_bytes", difference);
    }
    fields.add("mem_not_counted_for_evict", usage.log);
    fields.add("mem_replication_backlog", usage.log);
    fields.add("mem_total_replication_buffers", usage.log);
    fields.add("mem_clients_slaves", usage.replicas);
    fields.add("mem_clients_normal", usage.clients);
    fields.add("mem_cluster_links", 0);
    fields.add("mem_aof_buffer", 0);
    fields.add("mem_allocator", &facts.allocator);
    fields.add("active_defrag_running", 0);
}

fn percent(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let value = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    format!("{value:.2}%")
}

/// Where the memory is, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// All of it.
    pub(crate) used: usize,
    /// What the process needed before it had data.
    pub(crate) startup: usize,
    /// The log.
    pub(crate) log: usize,
    /// Buffers of replicas.
    pub(crate) replicas: usize,
    /// Buffers of clients.
    pub(crate) clients: usize,
    /// Tables of the databases.
    pub(crate) tables: usize,
}

impl Usage {
    pub(crate) fn of(subject: &Subject<'_>) -> Usage {
        let core = subject.core;
        let buffers = |replicas: bool| {
            let of_role = core.sessions.iter().filter(|s| (s.role == Role::Replica) == replicas);
            of_role.map(crate::session::Session::memory).sum()
        };
        let tables = (0..subject.keyspace.databases()).map(|db| subject.keyspace.db(db).overhead()).sum();
        Usage {
            used: subject.facts.used_memory,
            startup: core.startup_memory,
            log: core.log.memory(),
            replicas: buffers(true),
            clients: buffers(false),
            tables,
        }
    }

    /// What is not data.
    pub(crate) fn overhead(&self) -> usize {
        self.startup + self.log + self.replicas + self.clients + self.tables
    }

    /// What is.
    pub(crate) fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead())
    }
}
