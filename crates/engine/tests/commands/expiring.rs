//! What goes by itself: keys that are due, and the memory of what is gone.

use std::time::Duration;

use slipstream_engine::Effect;

use crate::script::Script;

/// Keys that one look at the clock allows to remove.
const STEP: usize = 64;

/// A node with so many keys that are all due, and whose every look at the clock takes 20 µs.
fn with_due_keys(count: usize) -> Script {
    let mut script = Script::new();
    for number in 0..count {
        script.ask(&format!("SET key:{number} x PX 50"));
    }
    script.advance(60);
    script.run_clock(20);
    script
}

fn keys(script: &Script) -> usize {
    script.node.keyspace.db(0).len()
}

/// A turn of the loop, with or without a request, and how many keys went in it.
fn turn(script: &mut Script, with_input: bool) -> usize {
    let before = keys(script);
    script.node.begin_turn();
    if with_input {
        script.ask("PING");
    }
    script.node.tick();
    script.node.end_turn();
    before - keys(script)
}

#[test]
fn due_keys_go_in_slices_of_a_millisecond() {
    let mut script = with_due_keys(10_000);
    let slice = turn(&mut script, false);
    assert!((45 * STEP..=55 * STEP).contains(&slice), "{slice} keys of 20 µs by {STEP}");
    assert_eq!(script.node.time_left(), Duration::ZERO);
    assert_eq!(turn(&mut script, false), slice, "nobody is there to be held up");
    while keys(&script) > 0 {
        assert!(turn(&mut script, false) > 0);
    }
    assert!(script.node.time_left() > Duration::ZERO, "nothing is left to do");
    assert_eq!(script.node.core.stats.expired_keys, 10_000);
    script.run_clock(0);
    let deletions = script.propagated();
    assert!(deletions.contains("DEL key:9999") && !deletions.contains("MULTI"));
}

/// The share of the time that goes into expiry while each turn has input, in percent.
fn share_under_load(script: &mut Script, turns: usize) -> u64 {
    let busy = |script: &Script| script.node.core.stats.expire_micros;
    script.node.begin_turn();
    let (from, spent) = (script.node.core.clock.micros, busy(script));
    for _ in 0..turns {
        turn(script, true);
    }
    (busy(script) - spent) * 100 / (script.node.core.clock.micros - from)
}

#[test]
fn effort_is_the_share_of_the_time_that_expiry_takes_from_clients() {
    for (effort, expected) in [(1, 25), (5, 33), (10, 43)] {
        let mut script = with_due_keys(20_000);
        script.run_clock(50);
        script.node.core.config.active_expire_effort = effort;
        let share = share_under_load(&mut script, 50);
        assert!(keys(&script) > 0, "the load does not outlast the keys");
        assert!(share.abs_diff(expected) <= 4, "effort {effort}: {share} % instead of {expected} %");
    }
}

#[test]
fn who_is_behind_for_half_a_second_gets_twice_the_share() {
    let mut script = with_due_keys(20_000);
    turn(&mut script, true);
    script.advance(501);
    turn(&mut script, true);
    let share = share_under_load(&mut script, 40);
    assert!(keys(&script) > 0, "the load does not outlast the keys");
    assert!(share.abs_diff(50) <= 5, "{share} %");
}

#[test]
fn nothing_goes_during_a_pause() {
    let mut script = with_due_keys(100);
    script.ask("CLIENT PAUSE 1000 WRITE");
    assert_eq!(turn(&mut script, false), 0);
    assert!(script.node.time_left() > Duration::ZERO);
    script.advance(1001);
    assert_eq!(turn(&mut script, false), 100);
}

/// How many values or databases a request left for another thread to drop.
fn reclaimed(script: &mut Script, request: &str) -> usize {
    script.effects();
    let reply = script.ask(request);
    assert!(!reply.starts_with('-'), "{request}: {reply}");
    script.node.tick();
    script.effects().iter().filter(|effect| matches!(effect, Effect::Reclaim(_))).count()
}

fn add_big_set(script: &mut Script, key: &str) {
    let members: Vec<String> = (0..1000).map(|number| format!("member:{number}")).collect();
    script.ask(&format!("SADD {key} {}", members.join(" ")));
}

#[test]
fn big_values_are_dropped_elsewhere_however_they_go() {
    for request in [
        "DEL big",
        "UNLINK big",
        "SET big x",
        "GETSET other x",
        "RENAME small big",
        "COPY small big REPLACE",
        "SINTERSTORE big big missing",
        "SUNIONSTORE big small2",
        "PEXPIRE big -1",
        "FLUSHDB",
        "FLUSHALL SYNC",
        "FLUSHALL ASYNC",
    ] {
        let mut script = Script::new();
        add_big_set(&mut script, "big");
        script.ask("SET small x");
        script.ask("SADD small2 x");
        let expected = usize::from(!request.starts_with("GETSET"));
        assert_eq!(reclaimed(&mut script, request), expected, "{request}");
    }
}

#[test]
fn big_values_that_are_due_are_dropped_elsewhere() {
    for request in ["EXISTS big", "PING"] {
        let mut script = Script::new();
        add_big_set(&mut script, "big");
        script.ask("PEXPIRE big 50");
        script.advance(100);
        assert_eq!(reclaimed(&mut script, request), 1, "{request}");
        assert!(!script.has("big"));
    }
}

/// A node with hashes of such many fields, each but one of them due.
fn with_due_fields(hashes: usize, fields: usize) -> Script {
    let mut script = Script::new();
    let names: Vec<String> = (0..fields).map(|number| format!("f{number}")).collect();
    for number in 0..hashes {
        let key = format!("hash:{number}");
        script.ask(&format!("HSET {key} {} x", names.join(" x ")));
        script.ask(&format!("HPEXPIRE {key} 50 FIELDS {} {}", fields - 1, names[1..].join(" ")));
    }
    script.propagated();
    script.advance(60);
    script
}

#[test]
fn due_fields_go_by_themselves() {
    let mut script = with_due_fields(3, 4);
    script
        .check_read("INFO keyspace", "\"# Keyspace\\r\\ndb0:keys=3,expires=0,avg_ttl=0,subexpiry=3\\r\\n\"");
    assert_eq!(turn(&mut script, false), 0);
    let deletions = "HDEL hash:0 f1 f2 f3; HDEL hash:1 f1 f2 f3; HDEL hash:2 f1 f2 f3";
    assert_eq!(script.propagated(), deletions);
    assert_eq!(script.node.core.stats.expired_subkeys, 9);
    script
        .check_read("INFO keyspace", "\"# Keyspace\\r\\ndb0:keys=3,expires=0,avg_ttl=0,subexpiry=0\\r\\n\"");
    script.check("HPEXPIRE hash:1 5 FIELDS 1 f0", "[:1]", "HPEXPIREAT hash:1 1065 FIELDS 1 f0");
    script.advance(1000);
    assert_eq!(turn(&mut script, false), 1, "a hash goes with its last field");
    assert_eq!(script.propagated(), "HDEL hash:1 f0");
}

#[test]
fn due_fields_go_in_slices_of_a_millisecond() {
    let mut script = with_due_fields(2, 5_000);
    script.run_clock(20);
    turn(&mut script, false);
    let slice = script.node.core.stats.expired_subkeys;
    assert!((45 * 64..=55 * 64).contains(&slice), "{slice} fields of 20 µs by {STEP}");
    assert_eq!(script.node.time_left(), Duration::ZERO);
    while script.node.time_left() == Duration::ZERO {
        turn(&mut script, false);
    }
    assert_eq!(script.node.core.stats.expired_subkeys, 2 * 4_999);
    script.run_clock(0);
    script.propagated();
    script.check_read("HGETALL hash:0", "[f0 x]");
}

#[test]
fn a_replica_leaves_due_fields_to_its_primary() {
    let mut script = with_due_fields(1, 4);
    script.ask("REPLICAOF 127.0.0.1 1");
    turn(&mut script, false);
    script.ask("HLEN hash:0");
    assert_eq!(script.node.keyspace.db(0).hashes_with_deadlines(), 1);
    script.check_read("HGETALL hash:0", "[f0 x]");
    script.ask("REPLICAOF NO ONE");
    turn(&mut script, false);
    assert_eq!(script.node.keyspace.db(0).hashes_with_deadlines(), 0);
}

#[test]
fn due_fields_stay_during_a_pause() {
    let mut script = with_due_fields(1, 4);
    script.ask("CLIENT PAUSE 1000 WRITE");
    turn(&mut script, false);
    script.check_read("HGETALL hash:0", "[f0 x]");
    assert_eq!(script.node.keyspace.db(0).hashes_with_deadlines(), 1);
}

#[test]
fn info_tells_how_long_keys_have_on_average() {
    let mut script = Script::new();
    for (key, millis) in [("a", 1000), ("b", 2000), ("c", 6000)] {
        script.ask(&format!("SET {key} v PX {millis}"));
    }
    script.ask("SET d v");
    script.propagated();
    script.check_read(
        "INFO keyspace",
        "\"# Keyspace\\r\\ndb0:keys=4,expires=3,avg_ttl=3000,subexpiry=0\\r\\n\"",
    );
}

#[test]
fn a_long_time_spent_on_expiry_is_an_event_of_latency() {
    let mut script = Script::new();
    script.node.core.config.latency_monitor_threshold = 1;
    script.ask("SET k v PX 1");
    script.advance(200);
    script.run_clock(1500);
    script.node.tick();
    script.run_clock(0);
    let events = script.ask("LATENCY LATEST");
    assert!(events.contains("[expire-cycle :"), "{events}");
}
