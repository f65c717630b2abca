//! Persistence. Nothing forks here, so what Redis tells of its child processes stays 0 by design.
//!
//! What a running save reports comes from the node's own account of it.

use super::{Fields, Subject};
use crate::host::SaveReason;
use crate::node::{Core, Phase};

pub(super) fn persistence(subject: &Subject<'_>, fields: &mut Fields) {
    let core = subject.core;
    let saving = &core.saving;
    let background = saving.running.filter(|save| save.reason == SaveReason::Background);
    fields.add_switch("loading", core.phase == Phase::Loading);
    fields.add_switch("async_loading", core.replication.link.is_syncing());
    fields.add("current_cow_peak", 0);
    fields.add("current_cow_size", 0);
    fields.add("current_cow_size_age", 0);
    fields.add("current_fork_perc", "0.00");
    writing(core, fields);
    fields.add("rdb_changes_since_last_save", saving.changes);
    fields.add_switch("rdb_bgsave_in_progress", background.is_some());
    fields.add("rdb_last_save_time", saving.last_save);
    fields.add("rdb_last_bgsave_status", if saving.last_ok { "ok" } else { "err" });
    fields.add("rdb_last_bgsave_time_sec", optional(saving.last_seconds));
    let current = background.map(|save| (core.clock.micros - save.began.micros) / 1_000_000);
    fields.add("rdb_current_bgsave_time_sec", optional(current));
    fields.add("rdb_saves", saving.saves);
    fields.add("rdb_last_cow_size", 0);
    fields.add("rdb_last_load_keys_expired", core.loaded.1);
    fields.add("rdb_last_load_keys_loaded", core.loaded.0);
    append_only(core, fields);
    fields.add("module_fork_in_progress", 0);
    fields.add("module_fork_last_cow_size", 0);
    if let Some(loading) = core.loading {
        fields.add("loading_start_time", loading.began.unix_micros / 1_000_000);
        fields.add("loading_total_bytes", loading.size);
        fields.add("loading_rdb_used_mem", 0);
        fields.add("loading_loaded_bytes", loading.reached);
        fields.add("loading_loaded_perc", format_args!("{:.2}", loading.percent()));
        fields.add("loading_eta_seconds", optional(loading.seconds_left(core.clock)));
    }
    if core.aof.is_enabled() {
        append_only_file(core, fields);
    }
}

/// The snapshot that is being written: a save, or the base of an append-only file.
fn writing(core: &Core, fields: &mut Fields) {
    let save = core.saving.running.as_ref().map(|save| (save.keys, save.progress, save.began));
    let base = core.aof.base_progress().zip(core.aof.rewriting_since());
    let running = save.or(base.map(|((keys, progress), began)| (keys, progress, began)));
    fields.add("current_save_keys_processed", running.map_or(0, |(_, progress, _)| progress.keys));
    fields.add("current_save_keys_total", running.map_or(0, |(keys, ..)| keys));
    if let Some((_, progress, began)) = running {
        let micros = (core.clock.micros - began.micros).max(1);
        fields.add("current_save_bytes", progress.bytes);
        fields.add("current_save_bytes_per_sec", u128::from(progress.bytes) * 1_000_000 / u128::from(micros));
    }
}

fn append_only(core: &Core, fields: &mut Fields) {
    let (aof, stats) = (&core.aof, core.aof.stats());
    let current = aof.rewriting_since().map(|began| (core.clock.micros - began.micros) / 1_000_000);
    fields.add_switch("aof_enabled", aof.is_enabled());
    let is_saving = core.saving.running.is_some();
    fields.add_switch("aof_rewrite_in_progress", aof.is_under_way(is_saving));
    fields.add_switch("aof_rewrite_scheduled", aof.is_scheduled(is_saving));
    fields.add("aof_last_rewrite_time_sec", optional(stats.last_rewrite_seconds));
    fields.add("aof_current_rewrite_time_sec", optional(current));
    fields.add("aof_last_bgrewrite_status", if stats.last_rewrite_ok { "ok" } else { "err" });
    fields.add("aof_rewrites", stats.rewrites);
    fields.add("aof_rewrites_consecutive_failures", aof.consecutive_failures());
    fields.add("aof_last_write_status", if aof.failure().is_none() { "ok" } else { "err" });
    fields.add("aof_last_cow_size", 0);
}

/// What there is to tell while there is a file.
fn append_only_file(core: &Core, fields: &mut Fields) {
    let (all, at_rewrite) = core.aof.sizes();
    fields.add("aof_current_size", all);
    fields.add("aof_base_size", at_rewrite);
    fields.add_switch("aof_pending_rewrite", core.aof.is_scheduled(core.saving.running.is_some()));
    fields.add("aof_buffer_length", core.aof.unwritten(&core.log));
    // One thread writes and brings to disk: nothing else waits for its turn.
    fields.add("aof_pending_bio_fsync", 0);
    fields.add("aof_delayed_fsync", core.aof.stats().delayed);
    fields.add("aof_durable_offset", core.aof.durable());
}

fn optional(value: Option<u64>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value).unwrap_or(i64::MAX))
}
