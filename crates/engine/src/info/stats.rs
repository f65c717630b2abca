//! Stats.
//!
//! Counters only go up, until CONFIG RESETSTAT; rates are those of the last second and a half.

use super::{Fields, Subject};
use crate::pubsub::Kind;

pub(super) fn stats(subject: &Subject<'_>, fields: &mut Fields) {
    let (core, stats) = (subject.core, &subject.core.stats);
    let syncs = core.replication.replicas.counters();
    let [commands, input, output, repl_input, repl_output, turns] = core.rates.per_second();
    fields.add("total_connections_received", stats.connections_received);
    fields.add("total_commands_processed", stats.commands);
    fields.add("instantaneous_ops_per_sec", commands);
    fields.add("total_net_input_bytes", stats.net_input + stats.repl_input);
    fields.add("total_net_output_bytes", stats.net_output + stats.repl_output);
    fields.add("total_net_repl_input_bytes", stats.repl_input);
    fields.add("total_net_repl_output_bytes", stats.repl_output);
    fields.add("instantaneous_input_kbps", kilobytes(input + repl_input));
    fields.add("instantaneous_output_kbps", kilobytes(output + repl_output));
    fields.add("instantaneous_input_repl_kbps", kilobytes(repl_input));
    fields.add("instantaneous_output_repl_kbps", kilobytes(repl_output));
    fields.add("rejected_connections", stats.connections_rejected);
    fields.add("sync_full", syncs.full);
    fields.add("sync_partial_ok", syncs.partial_ok);
    fields.add("sync_partial_err", syncs.partial_err);
    fields.add("expired_subkeys", stats.expired_subkeys);
    fields.add("expired_keys", stats.expired_keys);
    fields.add("expired_time_cap_reached_count", stats.expired_time_cap_reached);
    fields.add("expire_cycle_cpu_milliseconds", stats.expire_micros / 1000);
    fields.add("evicted_keys", stats.evicted_keys);
    fields.add("evicted_clients", stats.evicted_clients);
    fields.add("evicted_scripts", core.scripting.scripts.evicted());
    let exceeded = core.eviction.exceeded_micros(core.clock.micros);
    fields.add("total_eviction_exceeded_time", (stats.eviction_exceeded_micros + exceeded) / 1000);
    fields.add("current_eviction_exceeded_time", exceeded / 1000);
    fields.add("keyspace_hits", stats.keyspace_hits);
    fields.add("keyspace_misses", stats.keyspace_misses);
    fields.add("pubsub_channels", core.pubsub.count(Kind::Channel));
    fields.add("pubsub_patterns", core.pubsub.count(Kind::Pattern));
    fields.add("pubsubshard_channels", core.pubsub.count(Kind::Shard));
    fields.add("latest_fork_usec", 0);
    fields.add("total_forks", 0);
    fields.add("migrate_cached_sockets", subject.facts.migration_sockets);
    fields.add("slave_expires_tracked_keys", core.local_deadlines.len());
    fields.add("tracking_total_keys", core.tracking.keys());
    fields.add("tracking_total_items", core.tracking.items());
    fields.add("tracking_total_prefixes", core.tracking.prefixes());
    fields.add("unexpected_error_replies", stats.unexpected_error_replies);
    fields.add("total_error_replies", stats.error_replies);
    fields.add("total_reads_processed", stats.reads_processed);
    fields.add("total_writes_processed", stats.writes_processed);
    fields.add("io_threaded_reads_processed", 0);
    fields.add("io_threaded_writes_processed", 0);
    fields.add("client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    let closed = stats.output_limit_disconnections + syncs.output_limit_closes;
    fields.add("client_output_buffer_limit_disconnections", closed);
    fields.add("eventloop_cycles", stats.turns);
    fields.add("eventloop_duration_sum", stats.turn_micros);
    fields.add("eventloop_duration_cmd_sum", stats.command_micros);
    fields.add("instantaneous_eventloop_cycles_per_sec", turns);
    fields.add("instantaneous_eventloop_duration_usec", core.rates.micros_a_turn());
    fields.add("eventloop_duration_max", stats.longest_turn_micros);
    fields.add("eventloop_duration_cpu_max", stats.longest_turn_on_processor);
    fields.add("acl_access_denied_auth", stats.auth_failures);
    fields.add("acl_access_denied_cmd", stats.denied_commands);
    fields.add("acl_access_denied_key", stats.denied_keys);
    fields.add("acl_access_denied_channel", stats.denied_channels);
}

fn kilobytes(bytes: u64) -> String {
    format!("{}.{:02}", bytes / 1024, bytes % 1024 * 100 / 1024)
}
