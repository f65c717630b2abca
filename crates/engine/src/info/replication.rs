//! Replication: the fields that Sentinel and exporters read.
//!
//! Both roles' fields come from the two machines; the names are old words of the wire.

use slipstream_replication::link::{Link, Transfer};
use slipstream_replication::{Event, Events, Moment};

use super::{Fields, Subject};
use crate::node::Core;
use crate::replication::claim::Lack;
use crate::state::KnownReplica;

pub(super) fn replication(subject: &Subject<'_>, fields: &mut Fields) {
    let core = subject.core;
    if core.is_replica() {
        fields.add("role", "slave");
        link(core, fields);
    } else {
        fields.add("role", "master");
    }
    replicas(core, fields);
    if !core.is_replica() {
        verification(core, fields);
    }
    if let (Some(wait), Some(left)) = (&core.replication.claim, core.claim_wait_left()) {
        let (left_name, reason_name) = match wait.lack {
            Lack::Data(_) => ("empty_start_wait_seconds_left", "empty_start_reason"),
            Lack::Writes(_) => ("short_start_wait_seconds_left", "short_start_reason"),
        };
        fields.add(left_name, left.div_ceil(1000));
        fields.add(reason_name, wait.lack.reason());
    }
    fields.add("master_failover_state", core.replication.failover.as_str());
    if let Some(divergence) = &core.replication.divergence {
        fields.add("last_divergence_offset", divergence.offset.0);
        fields.add("last_divergence_bytes", divergence.bytes);
        fields.add("last_divergence_writes", divergence.writes.map_or(-1, signed));
        fields.add("last_divergence_file", divergence.file.as_deref().unwrap_or(""));
        fields.add("last_divergence_restored_keys", divergence.restored.keys);
        fields.add("last_divergence_restored_bytes", divergence.restored.bytes);
    }
    fencing(core, fields);
    if core.has_stale_keys() {
        fields.add("stale_keys", core.replication.restoring.stale_keys());
    }
    log(core, fields);
    pacing(core, fields);
}

/// What sentinels look at, and whom they let write.
fn fencing(core: &Core, fields: &mut Fields) {
    if let Some(zone) = &core.config.replica_zone {
        fields.add("replica_zone", zone);
    }
    fields.add_switch("sentinel_fencing", core.config.sentinel_fencing);
    if !core.config.sentinel_fencing {
        return;
    }
    let leases = &core.fence.leases;
    fields.add_switch("sentinel_fenced", core.is_fenced());
    let running = leases.running(core.clock.moment());
    fields.add("sentinel_leases", format_args!("{running}/{}", leases.len()));
    fields.add("sentinel_leases_needed", leases.needed());
    if core.is_fenced() {
        fields.add("sentinel_fenced_reason", core.fence_reason());
    }
}

fn pacing(core: &Core, fields: &mut Fields) {
    let pacing = &core.replication.pacing;
    fields.add("repl_pacing_rate", pacing.rate);
    fields.add("repl_pacing_usec", pacing.held_micros);
    if let Some(failure) = core.replication.replicas.latest_sync_failure() {
        fields.add("repl_last_sync_failure", failure.replace(['\r', '\n'], " "));
    }
}

fn link(core: &Core, fields: &mut Fields) {
    let link = &core.replication.link;
    let Some(primary) = link.primary() else { return };
    let now = core.clock.moment();
    let seconds = |since: Option<Moment>| {
        since.map_or(-1, |since| i64::try_from(now.seconds_since(since)).unwrap_or(i64::MAX))
    };
    fields.add("master_host", &primary.host);
    fields.add("master_port", primary.port);
    fields.add("master_link_status", if link.is_up() { "up" } else { "down" });
    fields.add("master_last_io_seconds_ago", seconds(link.last_heard().filter(|_| link.is_up())));
    fields.add_switch("master_sync_in_progress", link.is_syncing());
    let (received, applied) = link.offsets().unwrap_or((core.log.end(), core.log.end()));
    fields.add("slave_read_repl_offset", received.0);
    fields.add("slave_repl_offset", applied.0);
    if let Some(transfer) = link.transfer() {
        sync(core, transfer, fields);
        fields.add("master_sync_last_io_seconds_ago", seconds(link.last_heard()));
    }
    // Valkey's names, then those of Redis 8.
    for name in ["replicas_repl_buffer", "replica_full_sync_buffer"] {
        fields.add(&format!("{name}_size"), link.buffered());
        fields.add(&format!("{name}_peak"), link.buffered_peak());
    }
    if !link.is_up() {
        fields.add("master_link_down_since_seconds", seconds(link.down_since()));
    }
    fields.add_switch("master_link_was_up", link.tries().was_up);
    tries(link, now, fields);
    if let Some(reason) = link.halted() {
        fields.add("master_link_stopped_reason", reason.replace(['\r', '\n'], " "));
    }
    if let Some(age) = link.age_ms(now) {
        fields.add("replica_lag_ms", age);
    }
    fields.add("master_link_events", told(link.events(), now));
    if let Some(reason) = link.blocked() {
        fields.add("sync_blocked_reason", reason);
    }
    fields.add("slave_priority", core.config.replica_priority);
    fields.add_switch("slave_read_only", core.config.replica_read_only);
    fields.add_switch("replica_announced", core.config.replica_announced);
}

/// A full sync under way. What is not known is left out, but for the total: 0 as in Redis.
fn sync(core: &Core, transfer: Transfer, fields: &mut Fields) {
    let phase = match &core.replication.progress {
        None => "waiting",
        Some(_) if core.replication.link.is_loading() => "loading",
        Some(_) => "receiving",
    };
    fields.add("master_sync_phase", phase);
    fields.add("master_sync_total_bytes", transfer.total.unwrap_or(0));
    fields.add("master_sync_read_bytes", transfer.received);
    if let Some(total) = transfer.total {
        fields.add("master_sync_left_bytes", total.saturating_sub(transfer.received));
    }
    let Some(progress) = &core.replication.progress else { return };
    let now = core.clock.moment();
    if let Some(percent) = progress.hundredths_of_percent(transfer) {
        fields.add("master_sync_perc", format_args!("{}.{:02}", percent / 100, percent % 100));
    }
    fields.add("master_sync_loaded_bytes", progress.reached.bytes);
    fields.add("master_sync_loaded_keys", progress.reached.keys);
    if let Some(keys) = progress.reached.expected_keys {
        fields.add("master_sync_total_keys", keys);
    }
    fields.add("master_sync_seconds", progress.seconds(now));
    if let Some(left) = progress.seconds_left(now, transfer) {
        fields.add("master_sync_left_seconds", left);
    }
}

fn tries(link: &Link, now: Moment, fields: &mut Fields) {
    let tries = link.tries();
    fields.add("master_current_sync_attempts", tries.current);
    fields.add("master_total_sync_attempts", tries.total);
    if let Some(since) = tries.up_since {
        fields.add("master_link_up_since_seconds", now.seconds_since(since));
    }
    fields.add("total_disconnect_time_sec", tries.down_seconds(now, link.down_since()));
    if let Some(took) = tries.last_sync_ms {
        fields.add("last_successful_sync_duration_ms", took);
    }
}

fn replicas(core: &Core, fields: &mut Fields) {
    let replicas = &core.replication.replicas;
    let now = core.clock.moment();
    fields.add("connected_slaves", replicas.len());
    if core.config.min_replicas_to_write > 0 && core.config.min_replicas_max_lag > 0 {
        fields.add("min_slaves_good_slaves", core.good_replicas());
    }
    // What the life before has promised still counts for those who choose who takes its place.
    let awaited = core.replication.claim.as_ref();
    let copies = core.config.min_replicas_to_ack.max(awaited.map_or(0, |wait| wait.promised));
    if copies > 0 || core.held_replies() > 0 {
        fields.add("min_replicas_to_ack", copies);
        fields.add("held_replies", core.held_replies());
    }
    fields.add("replicas_waiting_psync", replicas.waiting_for_main());
    for (index, replica) in replicas.iter().enumerate() {
        let line = format!(
            "ip={},port={},state={},offset={},lag={},lag_bytes={},lag_ms={}",
            replica.address(),
            replica.port(),
            replica.state().as_str(),
            replica.acked.0,
            replica.lag_seconds(now),
            if replica.is_online() { core.log.end().since(replica.acked) } else { 0 },
            replicas.lag_ms(now, replica)
        );
        fields.add(&format!("slave{index}"), line);
    }
    // Nobody may copy it meanwhile; whoever looks for them finds them here.
    for (index, replica) in awaited.into_iter().flat_map(|wait| &wait.replicas).enumerate() {
        let KnownReplica { address, offset } = replica;
        let line = format!("ip={},port={},state=awaited,offset={offset},lag=-1", address.host, address.port);
        fields.add(&format!("slave{index}"), line);
    }
    for (index, (replica, phase, progress)) in replicas.syncs().enumerate() {
        let line = format!(
            "ip={},port={},phase={phase},sent_bytes={},waiting_bytes={},seconds={}",
            replica.address(),
            replica.port(),
            progress.bytes.sent,
            progress.bytes.waiting,
            now.seconds_since(progress.since),
        );
        fields.add(&format!("replica_sync{index}"), line);
    }
    // Sentinel takes everything that begins with `slave` and a digit for a replica.
    for (index, (peer, events)) in replicas.events().enumerate() {
        let line = format!("{peer} {}", told(events, now));
        fields.add(&format!("replica_events{index}"), line);
    }
}

/// The newest events of a link with their ages, oldest first.
fn told(events: &Events, now: Moment) -> String {
    let line = |event: &Event| {
        format!("{}s ago {}", now.seconds_since(event.at), event.text.replace(['\r', '\n', ';'], " "))
    };
    events.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// What REPLICA VERIFY found last.
fn verification(core: &Core, fields: &mut Fields) {
    let machine = &core.replication.verifying.machine;
    fields.add_switch("replica_verify_in_progress", machine.running().is_some());
    fields.add("replica_verify_last_status", machine.last().map_or("none", |report| report.status()));
    if let Some(report) = machine.last() {
        let (ranges, keys) = report.differing();
        fields.add("replica_verify_last_offset", report.offset.0);
        fields.add("replica_verify_last_seconds_ago", core.clock.moment().seconds_since(report.finished));
        fields.add("replica_verify_last_duration_ms", report.took_ms);
        fields.add("replica_verify_last_differing_ranges", ranges);
        fields.add("replica_verify_last_differing_keys", keys);
    }
}

fn log(core: &Core, fields: &mut Fields) {
    let history = core.log.history();
    let (previous, fork) = match &history.previous {
        Some((id, fork)) => (id.as_str().to_owned(), signed(fork.0 + 1)),
        None => ("0".repeat(40), -1),
    };
    fields.add("master_replid", history.id.as_str());
    fields.add("master_replid2", previous);
    fields.add("master_repl_offset", core.log.end().0);
    fields.add("second_repl_offset", fork);
    let earlier: Vec<String> =
        core.log.forks().skip(1).map(|(id, fork)| format!("{id}={}", fork.0 + 1)).collect();
    if !earlier.is_empty() {
        fields.add("earlier_replids", earlier.join(","));
    }
    fields.add_switch("repl_backlog_active", core.log.is_active());
    fields.add("repl_backlog_size", core.log.backlog_size());
    let first = if core.log.is_active() { core.log.start().0 + 1 } else { 0 };
    fields.add("repl_backlog_first_byte_offset", first);
    fields.add("repl_backlog_histlen", core.log.held());
    fields.add("repl_backlog_disk_size", core.log.disk_size().kept);
    fields.add("repl_backlog_disk_status", if core.log.has_disk_failed() { "failed" } else { "ok" });
    // From here to where memory begins.
    let on_disk = core.log.disk_start();
    fields.add("repl_backlog_disk_first_byte_offset", on_disk.map_or(0, |start| start.0 + 1));
    fields.add("repl_backlog_disk_histlen", on_disk.map_or(0, |start| core.log.start().since(start)));
    fields.add("repl_backlog_disk_bytes", core.log.disk_len());
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
