//! `sentinel-fencing`: which primary takes writes, and what becomes of those that came just before.

use slipstream_engine::config::EvictionPolicy;
use slipstream_engine::{Endpoint, SessionId};

use crate::script::Script;

const DOWN_AFTER: u64 = 1000;
const UNWATCHED: &str = "-READONLY This primary is fenced (sentinel-fencing): no sentinel watches it";

/// A node whose writes depend on its sentinels.
fn fenced() -> Script {
    let mut script = Script::new();
    script.ask(&format!(
        "CONFIG SET sentinel-fencing yes sentinel-fencing-timeout {DOWN_AFTER} protected-mode no"
    ));
    script
}

/// Sentinel `number` of three, with a quorum of two, sends a lease; the token that it is given.
pub(crate) fn lease(script: &mut Script, number: usize, token: u64, words: &str) -> u64 {
    let sentinel = script.connect();
    let reply =
        script.ask_as(sentinel, &format!("REPLICA LEASE {number:040x} 2 3 {DOWN_AFTER} {token} {words}"));
    reply.strip_prefix(':').unwrap_or_else(|| panic!("{reply}")).parse().unwrap()
}

/// Two of three sentinels prove that they watch this node.
pub(crate) fn watch(script: &mut Script, words: &str) {
    for number in 1..3 {
        let token = lease(script, number, 0, words);
        lease(script, number, token, words);
    }
}

fn field(script: &mut Script, name: &str) -> Option<String> {
    let info = script.ask("INFO replication");
    let start = info.find(&format!("\\n{name}:"))? + name.len() + 3;
    info[start..].split("\\r").next().map(str::to_owned)
}

#[test]
fn a_primary_that_nobody_watches_takes_no_writes() {
    let mut script = fenced();
    script.check_read("SET k v", UNWATCHED);
    script.check_read("GET k", "$-1");
    script.check_read("PING", "+PONG");
    assert_eq!(field(&mut script, "sentinel_fencing").as_deref(), Some("1"));
    assert_eq!(field(&mut script, "sentinel_fenced").as_deref(), Some("1"));
    assert_eq!(field(&mut script, "sentinel_leases").as_deref(), Some("0/0"));
    assert_eq!(field(&mut script, "sentinel_leases_needed").as_deref(), Some("1"));
    assert_eq!(field(&mut script, "sentinel_fenced_reason").as_deref(), Some("no sentinel watches it"));
    assert!(script.ask("INFO errorstats").contains("errorstat_READONLY:count=1"));
    let mut script = Script::new();
    assert_eq!(script.ask("SET k v"), "+OK", "by default nothing is fenced");
    assert_eq!(field(&mut script, "sentinel_fencing").as_deref(), Some("0"));
    assert_eq!(field(&mut script, "sentinel_fenced"), None);
}

#[test]
fn writes_go_while_leases_enough_run() {
    let mut script = fenced();
    let first = lease(&mut script, 1, 0, "");
    lease(&mut script, 1, first, "");
    assert_eq!(
        script.ask("SET k v"),
        "-READONLY This primary is fenced (sentinel-fencing): leases of 1 of 1 sentinels run, 2 are needed"
    );
    let second = lease(&mut script, 2, 0, "PRIMARY");
    lease(&mut script, 2, second, "PRIMARY");
    assert_eq!(script.ask("SET k v"), "+OK");
    assert_eq!(field(&mut script, "sentinel_fenced").as_deref(), Some("0"));
    assert_eq!(field(&mut script, "sentinel_fenced_reason"), None);
    script.node.tick();
    assert_eq!(script.node.time_left().as_millis(), 100, "other work comes first");
    script.advance(899);
    assert_eq!(script.ask("SET k v"), "+OK");
    script.node.tick();
    assert_eq!(script.node.time_left().as_millis(), 1, "the fence falls while nothing happens");
    script.advance(1);
    assert!(script.ask("SET k v").starts_with("-READONLY "));
    assert_eq!(field(&mut script, "sentinel_leases").as_deref(), Some("0/2"));
}

#[test]
fn whatever_writes_is_refused() {
    let mut script = fenced();
    assert!(script.ask("FLUSHALL").starts_with("-READONLY "));
    assert!(script.ask("EVAL \"return redis.call('SET', 'k', 'v')\" 0").starts_with("-READONLY "));
    assert!(script.ask("EVAL \"#!lua\nreturn 1\" 0").starts_with("-READONLY "));
    assert_eq!(script.ask("EVAL \"#!lua flags=no-writes\nreturn 1\" 0"), ":1");
    script.ask("MULTI");
    assert!(script.ask("SET k v").starts_with("-READONLY "));
    assert!(script.ask("EXEC").starts_with("-EXECABORT "));
    // What was queued before the fence fell does not run behind it.
    watch(&mut script, "");
    script.ask("MULTI");
    script.ask("SET k v");
    script.advance(900);
    assert!(script.ask("EXEC").starts_with("-EXECABORT "));
    assert!(!script.has("k"));
}

#[test]
fn lease_reads_its_arguments() {
    let mut script = fenced();
    let id = "a".repeat(40);
    for (arguments, reply) in [
        ("short 2 3 1000 0", "-ERR a sentinel's id is 40 hexadecimal digits"),
        (&format!("{id} 0 3 1000 0"), "-ERR value is out of range, must be positive"),
        (&format!("{id} 2 4294967296 1000 0"), "-ERR value is out of range, must be positive"),
        (&format!("{id} 2 3 -1 0"), "-ERR value is out of range, must be positive"),
        (&format!("{id} 2 3 1000 x"), "-ERR value is not an integer or out of range"),
        (&format!("{id} 2 3 1000 -1"), "-ERR value is out of range"),
        (&format!("{id} 2 3 1000 0 FRIEND"), "-ERR syntax error"),
        (&format!("{id} 2 3 1000"), "-ERR wrong number of arguments for 'replica|lease' command"),
        (
            &format!("{id} 2 3 1000 0 PRIMARY more"),
            "-ERR wrong number of arguments for 'replica|lease' command",
        ),
    ] {
        script.check_read(&format!("REPLICA LEASE {arguments}"), reply);
    }
    assert_eq!(field(&mut script, "sentinel_leases").as_deref(), Some("0/0"));
}

#[test]
fn an_old_primary_that_comes_back_is_held_for_a_replica() {
    let mut script = fenced();
    watch(&mut script, "REPLICA");
    assert_eq!(
        script.ask("SET k v"),
        "-READONLY This primary is fenced (sentinel-fencing): leases of 0 of 2 sentinels run, 2 are needed; 2 of them \
         hold it for a replica"
    );
}

#[test]
fn a_replica_knows_its_sentinels_when_it_is_promoted() {
    let mut script = fenced();
    script.ask("REPLICAOF other 1");
    watch(&mut script, "REPLICA");
    assert_eq!(field(&mut script, "sentinel_fenced").as_deref(), Some("0"));
    assert_eq!(script.ask("SET k v"), "-READONLY You can't write against a read only replica.");
    script.ask("REPLICAOF NO ONE");
    assert_eq!(script.ask("SET k v"), "+OK");
}

#[test]
fn a_switch_on_fences_by_what_is_known_and_a_switch_off_forgets_it() {
    let mut script = Script::new();
    watch(&mut script, "");
    assert_eq!(script.ask("CONFIG SET sentinel-fencing yes"), "+OK");
    script.node.tick();
    assert_eq!(script.ask("SET k v"), "+OK");
    script.ask("CONFIG SET sentinel-fencing no");
    script.ask("CONFIG SET sentinel-fencing yes");
    assert_eq!(script.ask("SET k v"), UNWATCHED);
    script.node.tick();
    script.ask("CONFIG SET sentinel-fencing no");
    assert_eq!(script.ask("SET k v"), "+OK");
}

#[test]
fn a_primary_that_is_as_good_as_dead_to_sentinels_has_no_leases() {
    let mut script = fenced();
    script.ask("BGSAVE");
    script.node.saved(1, Err("disk full".into()));
    assert!(script.ask("PING").starts_with("-MISCONF "));
    assert!(script.ask(&format!("REPLICA LEASE {:040x} 2 3 1000 0", 1)).starts_with("-MISCONF "));
}

#[test]
fn nothing_expires_and_nothing_is_evicted_behind_the_fence() {
    let mut script = fenced();
    watch(&mut script, "");
    script.ask("SET due v PX 950");
    script.ask("SET other v");
    script.propagated();
    script.node.tick();
    script.advance(1000);
    script.node.tick();
    script.node.core.config.maxmemory = 1;
    script.set_memory(1000);
    script.node.core.config.maxmemory_policy = EvictionPolicy::AllKeysRandom;
    script.check_read("GET due", "$-1");
    script.node.tick();
    assert!(script.has("due") && script.has("other"));
    assert_eq!(script.propagated(), "");
    script.node.core.config.maxmemory = 0;
    watch(&mut script, "");
    script.node.tick();
    script.check("GET due", "$-1", "DEL due");
}

#[test]
fn a_write_that_is_acknowledged_behind_the_fence_is_not_answered_with_ok() {
    let late = "-NOREPLACK The write was done here, but this primary was fenced before it could be answered.";
    let check = |looks_first: bool| {
        let mut script = fenced();
        script.node.core.config.min_replicas_to_ack = 1;
        watch(&mut script, "");
        let replica = script.attach();
        script.node.begin_turn();
        assert_eq!(script.ask("SET k v"), "");
        script.node.tick();
        script.node.end_turn();
        script.advance(900);
        script.node.begin_turn();
        if looks_first {
            script.node.tick();
        }
        let end = script.node.core.log.end();
        script.ask_as(replica, &format!("REPLCONF ACK {end}"));
        script.node.tick();
        let client = script.client();
        assert_eq!(script.received(client), late);
    };
    check(true);
    check(false);
}

#[test]
fn who_wrote_in_the_turn_in_which_the_fence_fell_is_closed() {
    let mut script = fenced();
    watch(&mut script, "");
    let (writer, reader, early) = (script.connect(), script.connect(), script.connect());
    let send = |script: &mut Script, client, request: &[u8]| script.node.receive(client, request);
    script.node.begin_turn();
    script.node.tick();
    send(&mut script, early, b"SET a 1\r\n");
    script.node.tick();
    script.node.end_turn();
    script.node.begin_turn();
    send(&mut script, writer, b"SET b 1\r\n");
    send(&mut script, reader, b"GET b\r\n");
    // The process stood still.
    script.advance(60_000);
    script.node.tick();
    assert_eq!(script.disconnected(), [writer]);
    assert_eq!(script.received(writer), "");
    assert_eq!(script.received(reader), "1");
}

/// A stock sentinel connects to 10.0.0.1:6379.
fn connect_sentinel(script: &mut Script) -> SessionId {
    let address = |ip: &str, port| Endpoint::Tcp(ip.parse().unwrap(), port);
    script.node.accept(address("10.0.0.7", 40_000), address("10.0.0.1", 6379), 9).unwrap()
}

/// It says hello, and of whom it holds for the primary.
fn hello(script: &mut Script, sentinel: SessionId, number: usize, primary: &str) {
    let message = format!("10.0.0.7,26379,{number:040x},0,mymaster,{primary},0");
    script.ask_as(sentinel, &format!("PUBLISH __sentinel__:hello {message}"));
}

#[test]
fn stock_sentinels_watch_by_what_they_send() {
    let mut script = fenced();
    let sentinels = [1, 2, 3].map(|number| (number, connect_sentinel(&mut script)));
    script.node.end_turn();
    for (number, sentinel) in sentinels {
        hello(&mut script, sentinel, number, "10.0.0.1,6379");
    }
    assert_eq!(
        field(&mut script, "sentinel_leases").as_deref(),
        Some("0/3"),
        "it may have lain in the socket"
    );
    script.node.end_turn();
    script.advance(100);
    script.ask_as(sentinels[0].1, "PING");
    script.ask_as(sentinels[1].1, "PING");
    assert_eq!(script.ask("SET k v"), "+OK");
    // Counted from when the sockets were looked at before.
    script.advance(799);
    assert_eq!(script.ask("SET k v"), "+OK");
    script.advance(1);
    assert!(script.ask("SET k v").starts_with("-READONLY "));
    // What it sent is read after the process stood still, between the look at the sockets and the turn: it is as old.
    script.advance(60_000);
    for expected in ["-READONLY ", "-READONLY ", "+OK"] {
        sentinels.iter().for_each(|(_, sentinel)| drop(script.ask_as(*sentinel, "PING")));
        let reply = script.ask("SET k v");
        assert!(reply.starts_with(expected), "{reply}");
        script.node.end_turn();
    }
}

#[test]
fn a_hello_tells_for_whom_a_stock_sentinel_holds_this_node() {
    let check = |what: &str, primary: &str, (announced, port): (Option<&str>, u16), takes_writes: bool| {
        let mut script = fenced();
        script.node.core.config.replica_announce_ip = announced.map(str::to_owned);
        script.node.core.config.replica_announce_port = port;
        let sentinel = connect_sentinel(&mut script);
        hello(&mut script, sentinel, 1, primary);
        script.node.end_turn();
        script.node.end_turn();
        script.ask_as(sentinel, "PING");
        assert_eq!(script.ask("SET k v") == "+OK", takes_writes, "{what}");
    };
    check("for the primary", "10.0.0.1,6379", (None, 0), true);
    check("for its replica", "10.0.0.2,6379", (None, 0), false);
    check("another port", "10.0.0.1,6380", (None, 0), false);
    check("as it announces itself", "a.example,7000", (Some("a.example"), 7000), true);
    check("by its name, on its own port", "a.example,6379", (Some("a.example"), 0), true);
    check("no hello", "10.0.0.1", (None, 0), false);
}

#[test]
fn hellos_of_a_primarys_stream_are_no_sentinels() {
    let mut script = fenced();
    let stream = connect_sentinel(&mut script);
    script.node.core.sessions.get_mut(stream).unwrap().role = slipstream_engine::session::Role::Primary;
    hello(&mut script, stream, 1, "10.0.0.1,6379");
    assert_eq!(field(&mut script, "sentinel_leases").as_deref(), Some("0/0"));
}

#[test]
fn a_zone_is_shown_if_there_is_one() {
    let mut script = Script::new();
    assert_eq!(field(&mut script, "replica_zone"), None);
    assert_eq!(script.ask("CONFIG SET replica-zone \"rack 7\""), "+OK");
    assert_eq!(field(&mut script, "replica_zone").as_deref(), Some("rack 7"));
    let refused = script.ask("CONFIG SET replica-zone \"a\\r\\nrole:master\"");
    assert!(refused.contains("argument must not have control characters"), "{refused}");
    assert_eq!(script.ask("CONFIG SET replica-zone \"\""), "+OK");
    assert_eq!(field(&mut script, "replica_zone"), None);
}
