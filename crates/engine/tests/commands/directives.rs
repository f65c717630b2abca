//! Directives of replication, set while the node runs, and what they change.

use slipstream_engine::Effect;
use slipstream_engine::session::SessionId;

use crate::script::Script;

fn set(script: &mut Script, directives: &str) {
    assert_eq!(script.ask(&format!("CONFIG SET {directives}")), "+OK", "{directives}");
}

/// The value of a field of INFO.
fn info(script: &mut Script, field: &str) -> String {
    let all = script.ask("INFO everything");
    let line = all.split("\\r\\n").find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or("none").to_owned()
}

/// A replica that asks for data.
fn attach(script: &mut Script, psync: &str) -> SessionId {
    let replica = script.connect();
    script.ask_as(replica, "REPLCONF listening-port 1 capa eof capa psync2");
    script.ask_as(replica, psync);
    script.node.tick();
    replica
}

/// A replica that continues at the log's end.
fn online(script: &mut Script) -> SessionId {
    let log = &script.node.core.log;
    let request = format!("PSYNC {} {}", log.history().id, log.end().0 + 1);
    attach(script, &request)
}

fn later(script: &mut Script, millis: u64) -> Vec<Effect> {
    script.advance(millis);
    script.node.tick();
    script.node.take_effects()
}

fn begins_sync(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::StartSync(_)))
}

/// What a node says to its primary before it asks for data.
fn introduction(directives: &str) -> String {
    let mut script = Script::new();
    set(&mut script, directives);
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    script.node.take_effects();
    script.node.link_received(1, b"+PONG\r\n");
    let said = script.node.take_effects().into_iter().find_map(|effect| match effect {
        Effect::LinkSend(bytes) => Some(String::from_utf8(bytes).unwrap()),
        _ => None,
    });
    let said = said.unwrap();
    said.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_replica_introduces_itself_as_its_directives_say() {
    let said = introduction("masteruser me masterauth secret");
    assert!(said.starts_with("AUTH me secret REPLCONF listening-port 6379 "), "{said}");
    assert!(introduction("masterauth secret").starts_with("AUTH secret REPLCONF "));
    let said = introduction("replica-announce-ip nat.example replica-announce-port 7777");
    assert!(said.starts_with("REPLCONF listening-port 7777 REPLCONF ip-address nat.example "), "{said}");
    let two_links = ["dual-channel", "rdb-channel-repl"];
    let said = introduction("dual-channel-replication-enabled yes");
    assert!(two_links.iter().all(|way| said.contains(way)), "{said}");
    let said = introduction("repl-rdb-channel no");
    assert!(!two_links.iter().any(|way| said.contains(way)), "{said}");
}

/// A node with a key that follows a primary, whose stream flows.
fn following() -> Script {
    let mut script = Script::new();
    script.ask("SET key v");
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    assert_eq!(info(&mut script, "master_link_status"), "up");
    script
}

#[test]
fn replica_serve_stale_data_decides_on_reads_without_a_link() {
    let mut script = following();
    set(&mut script, "replica-serve-stale-data no");
    assert_eq!(script.ask("GET key"), "v", "the link is up");
    script.node.link_closed(1, "reset");
    let refusal = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    assert_eq!(script.ask("GET key"), refusal);
    assert_eq!(info(&mut script, "role"), "slave");
    set(&mut script, "replica-serve-stale-data yes");
    assert_eq!(script.ask("GET key"), "v");
}

#[test]
fn sentinels_read_what_the_directives_say() {
    let mut script = following();
    let fields = ["slave_priority", "replica_announced", "slave_read_only"];
    assert_eq!(fields.map(|field| info(&mut script, field)), ["100", "1", "1"]);
    set(&mut script, "slave-priority 7 replica-announced no slave-read-only no");
    assert_eq!(fields.map(|field| info(&mut script, field)), ["7", "0", "0"]);
}

#[test]
fn a_full_sync_waits_for_more_replicas_as_long_as_it_is_told() {
    let mut script = Script::new();
    set(&mut script, "repl-diskless-sync-delay 5");
    attach(&mut script, "PSYNC ? -1");
    assert!(!begins_sync(&later(&mut script, 4_900)));
    assert!(begins_sync(&later(&mut script, 200)));

    let mut script = Script::new();
    set(&mut script, "repl-diskless-sync-delay 5 repl-diskless-sync-max-replicas 2");
    attach(&mut script, "PSYNC ? -1");
    assert!(!begins_sync(&later(&mut script, 100)));
    attach(&mut script, "PSYNC ? -1");
    assert!(begins_sync(&later(&mut script, 0)), "two are here");

    let mut script = Script::new();
    set(&mut script, "repl-diskless-sync-delay 5 repl-diskless-sync no");
    attach(&mut script, "PSYNC ? -1");
    assert!(begins_sync(&later(&mut script, 0)), "whoever comes later joins it all the same");
}

#[test]
fn pings_go_out_once_in_their_period() {
    let mut script = Script::new();
    set(&mut script, "repl-ping-replica-period 3");
    online(&mut script);
    later(&mut script, 3_000);
    script.propagated();
    later(&mut script, 2_900);
    assert_eq!(script.propagated(), "");
    later(&mut script, 200);
    assert_eq!(script.propagated(), "ping");
}

#[test]
fn a_replica_that_is_silent_for_repl_timeout_is_closed() {
    let mut script = Script::new();
    set(&mut script, "repl-timeout 4");
    let replica = online(&mut script);
    let closes = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::Disconnect(id) if *id == replica))
    };
    assert!(!closes(&later(&mut script, 3_900)));
    assert!(closes(&later(&mut script, 2_000)));
}

#[test]
fn the_backlog_goes_once_there_was_no_replica_for_its_time() {
    let mut script = Script::new();
    set(&mut script, "repl-backlog-ttl 2");
    let replica = online(&mut script);
    later(&mut script, 10_000);
    assert_eq!(info(&mut script, "repl_backlog_active"), "1");
    script.node.closed(replica);
    later(&mut script, 1_900);
    assert_eq!(info(&mut script, "repl_backlog_active"), "1");
    later(&mut script, 200);
    assert_eq!(info(&mut script, "repl_backlog_active"), "0");
}

#[test]
fn the_backlog_is_as_large_as_it_is_told() {
    let mut script = Script::new();
    set(&mut script, "repl-backlog-size 20000");
    for _ in 0..20 {
        script.ask(&format!("SET key {}", "x".repeat(10_000)));
        script.node.end_turn();
    }
    let held: u64 = info(&mut script, "repl_backlog_histlen").parse().unwrap();
    assert!((20_000..60_000).contains(&held), "{held}");
}

#[test]
fn a_stream_is_batched_where_repl_disable_tcp_nodelay_says_so() {
    for (value, batched) in [("no", false), ("yes", true)] {
        let mut script = Script::new();
        set(&mut script, &format!("repl-disable-tcp-nodelay {value}"));
        online(&mut script);
        let starts = |effect: Effect| match effect {
            Effect::StartStream { batch, .. } => Some(batch),
            _ => None,
        };
        assert_eq!(script.node.take_effects().into_iter().find_map(starts), Some(batched));
    }
}

#[test]
fn writes_need_the_replicas_that_they_are_told_to_need() {
    let mut script = Script::new();
    set(&mut script, "min-replicas-to-write 1 min-replicas-max-lag 3");
    let refusal = "-NOREPLICAS Not enough good replicas to write.";
    assert_eq!(script.ask("SET key v"), refusal);
    online(&mut script);
    assert_eq!(script.ask("SET key v"), "+OK");
    later(&mut script, 4_100);
    assert_eq!(script.ask("SET key v"), refusal, "it was heard too long ago");
    set(&mut script, "min-slaves-max-lag 0");
    assert_eq!(script.ask("SET key v"), "+OK");
}

#[test]
fn a_replica_makes_no_room_by_itself_unless_it_is_told_to() {
    let mut script = following();
    set(&mut script, "maxmemory 1000 maxmemory-policy allkeys-random");
    script.set_memory(100_000);
    later(&mut script, 100);
    assert_eq!(script.ask("DBSIZE"), ":1", "that is left to the primary");
    set(&mut script, "replica-ignore-maxmemory no");
    later(&mut script, 100);
    assert_eq!(script.ask("DBSIZE"), ":0");
}
