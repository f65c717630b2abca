//! A primary that comes back: whether its writes wait for the word of its sentinels, and what ends that.

use slipstream_engine::config::{Config, Upstream};
use slipstream_engine::{Effect, Stored};

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
    for order in ["REPLICAOF NO ONE", "CONFIG SET primary-return-wait 0"] {
        let mut script = start(Config::default(), &WATCHED);
        assert!(waits(&mut script));
        assert_eq!(script.ask(order), "+OK");
        script.node.tick();
        assert!(!waits(&mut script), "{order}");
    }
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

/// Leases enough never run where one of three sentinels is gone and one is enough to call a primary down, nor for five seconds
/// after they did.
#[test]
fn who_stood_still_waits_whether_leases_ran_or_not() {
    for words in ["1 3 1000 0 PRIMARY", "2 3 1000 0 REPLICA"] {
        let mut script = Script::new();
        let sentinel = script.connect();
        script.ask_as(sentinel, &format!("REPLICA LEASE {:040x} {words}", 1));
        stand_still(&mut script, 900);
        assert!(waits(&mut script), "{words}");
    }
}

/// What was done before may not have reached any replica, and another node may be the primary by now.
#[test]
fn who_wrote_in_the_turn_in_which_the_process_stood_still_is_not_told() {
    let look = |script: &mut Script| script.node.tick();
    let reply = |script: &mut Script| script.node.before_replies();
    for notices in [&look as &dyn Fn(&mut Script), &reply] {
        let mut script = Script::new();
        watch(&mut script, "PRIMARY");
        let (writer, reader) = (script.connect(), script.connect());
        script.node.begin_turn();
        script.node.receive(writer, b"SET k v\r\n");
        script.node.receive(reader, b"GET k\r\n");
        script.advance(900);
        notices(&mut script);
        assert_eq!(script.disconnected(), [writer]);
        assert_eq!(script.received(reader), "v");
    }
}

#[test]
fn who_looks_at_its_clock_now_and_then_does_not_take_that_for_a_stall() {
    let mut script = Script::new();
    script.ask("CONFIG SET hz 1");
    watch(&mut script, "PRIMARY");
    stand_still(&mut script, 1000);
    assert!(!waits(&mut script));
}

/// Or it would not know in its third life who may have taken its place before the second.
#[test]
fn the_state_file_stays_as_it_was_meanwhile() {
    let mut script = start(Config::default(), &WATCHED);
    let keeps = |script: &mut Script| {
        script.advance(1500);
        script.node.tick();
        script.effects().iter().any(|effect| matches!(effect, Effect::KeepState { .. }))
    };
    assert!(!keeps(&mut script));
    assert!(keeps(&mut script), "the time is over");
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
