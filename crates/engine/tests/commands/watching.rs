//! SLOWLOG, LATENCY, MONITOR, MEMORY, LOLWUT: what watches the rest.

use crate::script::Script;

fn watching_all() -> Script {
    let mut script = Script::new();
    script.node.core.config.slowlog_log_slower_than = 0;
    script
}

#[test]
fn the_slow_log_keeps_the_latest_first() {
    let mut script = watching_all();
    script.check_read("CLIENT SETNAME me", "+OK");
    script.check_read("PING", "+PONG");
    script.check_read("SLOWLOG GET 1", "[[:1 :1 :0 [PING] \":0\" me]]");
    script.check_read("SLOWLOG LEN", ":3");
    script.check_read("SLOWLOG RESET", "+OK");
    script.check_read("SLOWLOG LEN", ":1");
    script.check_read("SLOWLOG GET 0", "[]");
    script.check_read("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1");
    script.check_read("SLOWLOG GET x", "-ERR count should be greater than or equal to -1");
    assert_eq!(script.ask("SLOWLOG GET -1").matches("SLOWLOG").count(), 5);
    script.check_read(
        "SLOWLOG GET 1 2",
        "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
    );
}

#[test]
fn the_slow_log_hides_passwords() {
    let mut script = watching_all();
    script.check_read("CONFIG SET masterauth secret port 0", "+OK");
    script.check_read(
        "SLOWLOG GET 1",
        "[[:0 :1 :0 [CONFIG SET masterauth \"(redacted)\" port 0] \":0\" \"\"]]",
    );
}

#[test]
fn monitors_see_commands_but_no_passwords_and_no_administration() {
    let mut script = Script::new();
    let monitor = script.connect();
    assert_eq!(script.ask_as(monitor, "MONITOR"), "+OK");
    script.check_read("ECHO \"a\\n\"", "\"a\\n\"");
    script.ask("AUTH user secret");
    script.ask("HELLO 2 AUTH default secret");
    script.check_read("CONFIG SET masterauth secret", "+OK");
    script.check_read("PING", "+PONG");
    assert_eq!(
        script.received(monitor),
        "+1.000000 [0 :0] \"ECHO\" \"a\\n\" \
         +1.000000 [0 :0] \"AUTH\" \"(redacted)\" \"(redacted)\" \
         +1.000000 [0 :0] \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\" \
         +1.000000 [0 :0] \"PING\""
    );
}

#[test]
fn the_longest_turn_is_told_by_its_time_on_a_processor_while_latency_is_monitored() {
    let mut script = Script::with_debug();
    let mut longest = |seconds: &str, threshold| {
        script.node.core.config.latency_monitor_threshold = threshold;
        script.node.begin_turn();
        script.ask(&format!("DEBUG SLEEP {seconds}"));
        script.node.end_turn();
        let stats = script.ask("INFO stats");
        let field = |name: &str| stats.split(name).nth(1)?.split("\\r").next()?.parse::<u64>().ok();
        [field("eventloop_duration_max:").unwrap(), field("eventloop_duration_cpu_max:").unwrap()]
    };
    assert_eq!(longest("0.3", 0), [300_000, 0]);
    assert_eq!(longest("0.2", 1), [300_000, 200_000]);
    assert_eq!(longest("0.1", 1), [300_000, 200_000]);
    assert_eq!(longest("0.4", 1), [400_000, 400_000]);
}

#[test]
fn info_debug_tells_where_turns_go_and_only_if_it_is_named() {
    let mut script = Script::with_debug();
    let field = |text: &str, name: &str| -> Option<u64> {
        text.split(&format!("{name}:")).nth(1)?.split("\\r").next()?.parse().ok()
    };
    script.node.begin_turn();
    for _ in 0..3 {
        script.ask("DEBUG SLEEP 0.001");
    }
    script.node.end_turn();
    for all in ["INFO", "INFO ALL", "INFO EVERYTHING"] {
        assert_eq!(field(&script.ask(all), "eventloop_cmd_per_cycle_max"), None, "{all}");
    }
    let debug = script.ask("INFO debug");
    assert_eq!(field(&debug, "eventloop_cmd_per_cycle_max"), Some(3));
    assert_eq!(field(&debug, "eventloop_duration_max"), Some(3000));
    assert_eq!(field(&debug, "eventloop_duration_aof_sum"), Some(0));
    assert!(field(&debug, "eventloop_duration_cron_sum").is_some());
    let stats = script.ask("INFO stats");
    assert!(field(&stats, "instantaneous_eventloop_cycles_per_sec").is_some());
    assert!(field(&stats, "instantaneous_eventloop_duration_usec").is_some());
}

#[test]
fn latency_keeps_what_took_long() {
    let mut script = Script::with_debug();
    script.node.core.config.latency_monitor_threshold = 20;
    script.check_read("LATENCY LATEST", "[]");
    assert!(script.ask("LATENCY DOCTOR").contains("Nothing took 20 ms"));
    script.check_read("DEBUG SLEEP 0.1", "+OK");
    script.check_read("DEBUG SLEEP 2", "+OK");
    script.check_read("DEBUG SLEEP 0.01", "+OK");
    script.check_read("LATENCY LATEST", "[[command :3 :2000 :2000]]");
    script.check_read("LATENCY HISTORY command", "[[:1 :100] [:3 :2000]]");
    script.check_read("LATENCY HISTORY other", "[]");
    assert!(script.ask("LATENCY GRAPH command").contains("high 2000 ms, low 100 ms (all time high 2000 ms)"));
    script.check_read("LATENCY GRAPH other", "-ERR No samples available for event 'other'");
    assert!(script.ask("LATENCY DOCTOR").contains("1. command: 2 samples, 1050 ms on average"));
    script.check_read("LATENCY RESET other", ":0");
    script.check_read("LATENCY RESET command", ":1");
    script.check_read("LATENCY LATEST", "[]");
}

#[test]
fn histograms_count_calls_by_powers_of_two() {
    let mut script = Script::with_debug();
    script.check_read("DEBUG SLEEP 0.0001", "+OK");
    script.check_read("DEBUG SLEEP 0.0002", "+OK");
    script.check_read("CONFIG RESETSTAT", "+OK");
    script.check_read("LATENCY HISTOGRAM debug", "[]");
    script.check_read("DEBUG SLEEP 0.0001", "+OK");
    script.check_read("CLIENT ID", ":1");
    script.check_read("LATENCY HISTOGRAM debug nosuch", "[debug [calls :1 histogram_usec [:128 :1]]]");
    let clients = script.ask("LATENCY HISTOGRAM client");
    assert!(clients.starts_with("[client|id [calls :1"), "{clients}");
    assert_eq!(script.ask("LATENCY HISTOGRAM client|id"), clients);
    assert!(script.ask("LATENCY HISTOGRAM").contains("latency|histogram"));
}

#[test]
fn memory_usage_is_told_by_key() {
    let mut script = Script::new();
    script.check_read("MEMORY USAGE nosuch", "$-1");
    script.check_write("ZADD z 1 a", ":1");
    let usage = script.ask("MEMORY USAGE z");
    assert!(usage[1..].parse::<usize>().unwrap() > 10, "{usage}");
    assert_eq!(script.ask("MEMORY USAGE z SAMPLES 0"), usage);
    script.check_read("MEMORY USAGE z SAMPLES -1", "-ERR syntax error");
    script.check_read("MEMORY USAGE z SAMPLES x", "-ERR value is not an integer or out of range");
    script.check_read("MEMORY USAGE z OTHER 1", "-ERR syntax error");
    script.check_read("MEMORY USAGE z SAMPLES", "-ERR syntax error");
}

#[test]
fn memory_stats_tells_of_databases_with_keys() {
    let mut script = Script::new();
    assert!(!script.ask("MEMORY STATS").contains("db."));
    script.check_write("ZADD z 1 a", ":1");
    let stats = script.ask("MEMORY STATS");
    assert!(stats.contains("db.0 [overhead.hashtable.main :"), "{stats}");
    assert!(stats.contains("keys.count :1 "), "{stats}");
    script.check_read("MEMORY PURGE", "+OK");
    script.check_read("MEMORY MALLOC-STATS", "\"Stats not supported for the current allocator\"");
    assert!(script.ask("MEMORY DOCTOR").contains("hardly any data"));
}

#[test]
fn lolwut_ends_with_the_version() {
    let mut script = Script::new();
    assert!(script.ask("LOLWUT").ends_with("\\nRedis ver. 7.2.4\\n\""));
    assert!(script.ask("LOLWUT VERSION 5").ends_with("\\nRedis ver. 7.2.4\\n\""));
    script.check_read("LOLWUT VERSION x", "-ERR value is not an integer or out of range");
}
