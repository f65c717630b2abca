//! Server, Clients, CPU, Modules, Cluster.
//!
//! Facts that only the process knows come from the host; one that it cannot tell is left out.

use super::{Fields, Subject};
use crate::session::Flow;

pub(super) fn server(subject: &Subject<'_>, fields: &mut Fields) {
    let (core, facts) = (subject.core, &subject.facts);
    fields.add("redis_version", crate::REDIS_VERSION);
    fields.add("redis_git_sha1", "00000000");
    fields.add("redis_git_dirty", 0);
    fields.add("redis_build_id", "0");
    fields.add("slipstream_version", env!("CARGO_PKG_VERSION"));
    fields.add("redis_mode", if core.sentinel.is_some() { "sentinel" } else { "standalone" });
    fields.add("os", &facts.system);
    fields.add("arch_bits", usize::BITS);
    fields.add("monotonic_clock", "POSIX clock_gettime");
    fields.add("multiplexing_api", &facts.multiplexing);
    fields.add("process_id", facts.pid);
    fields.add("process_supervised", "no");
    fields.add("run_id", &core.run_id);
    fields.add("tcp_port", core.config.port);
    fields.add("server_time_usec", core.clock.unix_micros);
    let uptime = core.clock.micros / 1_000_000;
    fields.add("uptime_in_seconds", uptime);
    fields.add("uptime_in_days", uptime / 86_400);
    fields.add("hz", core.config.hz);
    fields.add("configured_hz", core.config.hz);
    fields.add("lru_clock", core.clock.unix_micros.div_euclid(1_000_000) & 0xff_ffff);
    fields.add("executable", &facts.executable);
    fields.add("config_file", &facts.config_file);
    fields.add("io_threads_active", 0);
    if core.shutdown.is_some() {
        fields.add("shutdown_in_milliseconds", core.shutdown_left().unwrap_or(0));
    }
}

pub(super) fn clients(subject: &Subject<'_>, fields: &mut Fields) {
    let core = subject.core;
    let mut clients = 0;
    let (mut input, mut output) = (0, 0);
    // The session that asks is out of its place while its command runs.
    for session in core.sessions.iter().filter(|session| !session.role.is_replica()) {
        clients += 1;
        input = input.max(session.input_len());
        output = output.max(session.output.len());
    }
    fields.add("connected_clients", clients + 1);
    fields.add("cluster_connections", 0);
    fields.add("maxclients", core.config.maxclients);
    fields.add("client_recent_max_input_buffer", input);
    fields.add("client_recent_max_output_buffer", output);
    let paused = core.sessions.iter().filter(|session| session.flow == Flow::Paused).count();
    fields.add("blocked_clients", core.waits.len() + paused);
    fields.add("tracking_clients", core.tracking.clients());
    fields.add("pubsub_clients", core.pubsub.clients());
    fields.add("clients_in_timeout_table", core.waits.timed());
    let (keys, missed) = core.waits.count_keys();
    fields.add("total_blocking_keys", keys);
    fields.add("total_blocking_keys_on_nokey", missed);
    fields.add("paused_reason", core.pause.reason());
    fields.add("paused_actions", core.pause.actions());
    fields.add("paused_timeout_milliseconds", core.pause.left_ms(core.clock.moment()));
}

pub(super) fn cpu(subject: &Subject<'_>, fields: &mut Fields) {
    let names = [
        "used_cpu_sys",
        "used_cpu_user",
        "used_cpu_sys_children",
        "used_cpu_user_children",
        "used_cpu_sys_main_thread",
        "used_cpu_user_main_thread",
    ];
    for (name, micros) in names.into_iter().zip(subject.facts.cpu_micros) {
        if let Some(micros) = micros {
            fields.add(name, format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        }
    }
}

pub(super) fn modules(_: &Subject<'_>, _: &mut Fields) {}

pub(super) fn cluster(_: &Subject<'_>, fields: &mut Fields) {
    fields.add("cluster_enabled", 0);
}
