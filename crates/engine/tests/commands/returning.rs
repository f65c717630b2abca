//! A primary that comes back: whether its writes wait for the word of its sentinels, and what ends that.

use slipstream_engine::Stored;
use slipstream_engine::config::{Config, Upstream};

use super::empty_start::state_file;
use super::fencing::{self, lease};
use crate::script::Script;

/// What a primary leaves behind that was watched and had a replica, but no data that could be missed.
const WATCHED: [&str; 4] = ["role primary", "keys 0", "replica 990 7002 10.0.0.2", "watched"];

fn start(config: Config, lines: &[&str]) -> Script {
    let mut script = Script::with_config(config);
    script.node.remember(Ok(Some(state_file(lines))));
    script.node.start(Stored::Nothing);
    script
}

/// Whether a write waits.
fn waits(script: &mut Script) -> bool {
    let client = script.connect();
    let reply = script.ask_as(client, "SET k v");
    assert!(reply.is_empty() || reply == "+OK", "{reply}");
    reply.is_empty()
}

/// Two of three sentinels say what they hold this node for.
fn watch(script: &mut Script, words: &str) {
    fencing::watch(script, words);
    script.node.tick();
}

/// The process stands still, and then a turn begins.
fn stand_still(script: &mut Script, millis: u64) {
    script.node.end_turn();
    script.advance(millis);
    script.node.begin_turn();
}

#[test]
fn who_was_watched_and_had_copies_waits() {
    let check = |what: &str, lines: &[&str], expected: bool| {
        assert_eq!(waits(&mut start(Config::default(), lines)), expected, "{what}");
    };
    check("it led", &WATCHED, true);
    check("it followed, though its file does not say so", &["role replica 1 a", "keys 0", "watched"], true);
    check("no sentinel watched it", &WATCHED[..3], false);
    check("it was alone", &["role primary", "keys 0", "watched"], false);
    check("nothing is known", &[], false);
    let check = |what: &str, set: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        set(&mut config);
        let mut script = start(config, &WATCHED);
        assert!(!script.ask("INFO clients").contains("primary_return"), "{what}");
    };
    check("it is told not to", &|config| config.primary_return_wait = 0);
    check("its fence does it", &|config| config.sentinel_fencing = true);
    check("it follows another", &|config| {
        config.replicaof = Some(Upstream { host: "a".into(), port: 1 });
    });
}

#[test]
fn a_write_that_waits_is_done_when_the_sentinels_say_so() {
    let mut script = start(Config::default(), &WATCHED);
    let client = script.connect();
    assert_eq!(script.ask_as(client, "SET k v"), "");
    assert_eq!(script.ask("GET k"), "$-1", "what only reads is answered");
    assert_eq!(script.ask("PUBLISH __sentinel__:hello it,is,me"), ":0", "sentinels greet each other");
    let info = script.ask("INFO clients");
    assert!(info.contains("paused_reason:primary_return\\r\\npaused_actions:write"), "{info}");
    let token = lease(&mut script, 1, 0, "PRIMARY");
    lease(&mut script, 1, token, "PRIMARY");
    script.node.tick();
    assert_eq!(script.received(client), "", "one of three is too few");
    watch(&mut script, "PRIMARY");
    assert_eq!(script.received(client), "+OK");
    assert!(script.ask("INFO clients").contains("paused_reason:none"));
}

#[test]
fn who_was_replaced_takes_no_write() {
    let mut script = start(Config::default(), &WATCHED);
    let (client, script_of) = (script.connect(), script.connect());
    assert_eq!(script.ask_as(client, "SET k v"), "");
    assert_eq!(script.ask_as(script_of, "EVAL \"return redis.call('SET','k','v')\" 0"), "");
    watch(&mut script, "REPLICA");
    assert_eq!(script.received(client), "");
    assert_eq!(script.ask("SLAVEOF 10.0.0.2 7002"), "+OK");
    script.node.tick();
    let refused = "-READONLY You can't write against a read only replica.";
    assert_eq!(script.received(client), refused);
    assert!(script.received(script_of).starts_with("-READONLY"));
    assert_eq!(script.node.keyspace.db(0).len(), 0);
}

#[test]
fn nobody_waits_for_ever() {
    let mut script = start(Config::default(), &WATCHED);
    let client = script.connect();
    assert_eq!(script.ask_as(client, "SET k v"), "");
    script.node.tick();
    script.advance(1999);
    script.node.tick();
    assert_eq!(script.received(client), "");
    script.effects();
    assert_eq!(script.node.time_left().as_millis(), 1);
    script.advance(1);
    script.node.tick();
    assert_eq!(script.received(client), "+OK");
    let mut script = start(Config::default(), &WATCHED);
    assert!(waits(&mut script));
    assert_eq!(script.ask("REPLICAOF NO ONE"), "+OK");
    assert!(!waits(&mut script));
}

#[test]
fn who_stood_still_until_its_leases_had_run_out_waits() {
    let mut script = Script::new();
    watch(&mut script, "PRIMARY");
    stand_still(&mut script, 800);
    assert!(!waits(&mut script), "nobody can have called it down");
    watch(&mut script, "PRIMARY");
    stand_still(&mut script, 900);
    assert!(waits(&mut script));
    watch(&mut script, "PRIMARY");
    assert!(!waits(&mut script));
    // It is told of as soon as something is read, within the turn in which the process was stopped.
    script.advance(900);
    assert!(waits(&mut script));
}

#[test]
fn who_hears_no_sentinel_while_it_runs_does_not_wait() {
    let mut script = Script::new();
    watch(&mut script, "PRIMARY");
    for _ in 0..20 {
        stand_still(&mut script, 100);
        script.node.tick();
    }
    assert!(!waits(&mut script));
}

#[test]
fn a_replica_that_stood_still_waits_for_nobody() {
    let mut script = Script::new();
    script.ask("SLAVEOF 10.0.0.2 7002");
    watch(&mut script, "REPLICA");
    stand_still(&mut script, 5000);
    assert_eq!(script.ask("SET k v"), "-READONLY You can't write against a read only replica.");
    assert_eq!(script.ask("SLAVEOF NO ONE"), "+OK");
    assert!(!waits(&mut script));
}
