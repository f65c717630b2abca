//! Memory.
//!
//! What is counted comes from the allocator and from parts that know their own size; what only
//! Redis' allocator could tell is left out.

use slipstream_scripting::Purpose;

use super::{Fields, Subject, ratio};
use crate::host::ProcessFacts;
use crate::node::Core;

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
    let pages = Pages::of(facts);
    fields.add("allocator_allocated", pages.allocated);
    pages.active.into_iter().for_each(|bytes| fields.add("allocator_active", bytes));
    pages.resident.into_iter().for_each(|bytes| fields.add("allocator_resident", bytes));
    if let Some(total) = facts.system_memory {
        fields.add_bytes("total_system_memory", total);
    }
    scripts(core, fields);
    fields.add_bytes("maxmemory", usize::try_from(core.config.maxmemory).unwrap_or(usize::MAX));
    fields.add("maxmemory_policy", core.config.maxmemory_policy.name());
    for share in pages.shares() {
        fields.add(&format!("{}_ratio", share.name), ratio(share.part, share.whole));
        fields.add(&format!("{}_bytes", share.name), difference(share.part, share.whole));
    }
    if let Some(resident) = facts.resident {
        fields.add("mem_fragmentation_ratio", ratio(resident, used));
        fields.add("mem_fragmentation_bytes", difference(resident, used));
    }
    fields.add("mem_not_counted_for_evict", core.not_counted_memory());
    // Allocated, and not in `used_memory`.
    fields.add("mem_vacant", subject.keyspace.vacant_bytes());
    fields.add("mem_replication_backlog", usage.log);
    fields.add("mem_total_replication_buffers", core.log.memory());
    // Valkey's name, and that of Redis 8.
    fields.add("mem_replicas_repl_buffer", core.replication.link.buffered());
    fields.add("mem_replica_full_sync_buffer", core.replication.link.buffered());
    fields.add("mem_clients_slaves", usage.replicas);
    fields.add("mem_clients_normal", usage.clients);
    fields.add("mem_cluster_links", 0);
    fields.add("mem_aof_buffer", 0);
    fields.add("mem_allocator", &facts.allocator);
    fields.add("active_defrag_running", 0);
    fields.add("lazyfree_pending_objects", core.reclaim.pending_objects());
    fields.add("lazyfreed_objects", core.reclaim.dropped_objects());
}

/// What interpreters have allocated, and beside that the texts of what they run.
fn scripts(core: &Core, fields: &mut Fields) {
    let scripting = &core.scripting;
    let interpreters = [Purpose::Scripts, Purpose::Libraries];
    let [eval, libraries] = interpreters.map(|purpose| scripting.interpreter_memory(purpose));
    let scripts = scripting.scripts.memory();
    let functions = scripting.libraries.memory();
    fields.add("used_memory_vm_eval", eval);
    fields.add_bytes("used_memory_lua", eval);
    fields.add("used_memory_scripts_eval", scripts);
    fields.add("number_of_cached_scripts", scripting.scripts.len());
    fields.add("number_of_functions", scripting.libraries.functions_len());
    fields.add("number_of_libraries", scripting.libraries.len());
    fields.add("used_memory_vm_functions", libraries);
    fields.add_bytes("used_memory_vm_total", eval + libraries);
    fields.add("used_memory_functions", functions);
    fields.add_bytes("used_memory_scripts", scripts + functions);
}

/// How far a figure is above another one.
pub(crate) fn difference(part: usize, whole: usize) -> i64 {
    let difference = i128::try_from(part).unwrap_or(0) - i128::try_from(whole).unwrap_or(0);
    i64::try_from(difference).unwrap_or(0)
}

/// Memory by the allocator's account: handed out, in pages that are in use, in the system's pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    pub(crate) allocated: usize,
    pub(crate) active: Option<usize>,
    pub(crate) resident: Option<usize>,
    process: Option<usize>,
}

/// How one of these figures compares to the one within it.
pub(crate) struct Share {
    pub(crate) name: &'static str,
    pub(crate) part: usize,
    pub(crate) whole: usize,
}

impl Pages {
    pub(crate) fn of(facts: &ProcessFacts) -> Pages {
        Pages {
            allocated: facts.allocator_allocated.unwrap_or(facts.used_memory),
            active: facts.allocator_active,
            resident: facts.allocator_resident,
            process: facts.resident,
        }
    }

    /// The shares that can be told from what is known.
    pub(crate) fn shares(&self) -> impl Iterator<Item = Share> {
        let pairs = [
            ("allocator_frag", self.active, Some(self.allocated)),
            ("allocator_rss", self.resident, self.active),
            ("rss_overhead", self.process, self.resident),
        ];
        let known = |(name, part, whole): (_, Option<usize>, Option<usize>)| {
            Some(Share { name, part: part?, whole: whole? })
        };
        pairs.into_iter().filter_map(known)
    }
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
            let of_role = core.sessions.iter().filter(|s| s.role.is_replica() == replicas);
            of_role.map(crate::session::Session::memory).sum()
        };
        let tables = (0..subject.keyspace.databases()).map(|db| subject.keyspace.db(db).overhead()).sum();
        // What is kept of the log beyond the backlog is kept for replicas that are slow.
        let (log, backlog) =
            (core.log.memory(), usize::try_from(core.log.kept_anyway()).unwrap_or(usize::MAX));
        Usage {
            used: subject.facts.used_memory,
            startup: core.startup_memory,
            log: log.min(backlog),
            replicas: buffers(true) + log.saturating_sub(backlog),
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
