//! SHUTDOWN and the signals that end a node; what its final snapshot must hold.

use slipstream_engine::config::{Config, SavePoint};
use slipstream_engine::{Effect, Endpoint, SessionId, Signal, Stored};

use crate::script::Script;

fn with_save_points() -> Script {
    let mut config = Config::default();
    config.save = vec![SavePoint { seconds: 60, changes: 1 }];
    Script::with_config(config)
}

/// What the node wants done: saves by number, and exits.
fn wanted(script: &mut Script) -> Vec<String> {
    let name = |effect: Effect| match effect {
        Effect::Save { number, .. } => Some(format!("save {number}")),
        Effect::Exit(status) => Some(format!("exit {status}")),
        _ => None,
    };
    script.node.take_effects().into_iter().filter_map(name).collect()
}

/// A replica that is online and has acknowledged nothing.
fn attach_silent_replica(script: &mut Script) {
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    script.ask("SET k v");
}

#[test]
fn a_shutdown_saves_and_then_exits() {
    let mut script = with_save_points();
    script.node.signal(Signal::Terminate);
    assert_eq!(wanted(&mut script), ["save 1"]);
    script.node.saved(1, Ok(()));
    assert_eq!(wanted(&mut script), ["exit 0"]);
}

#[test]
fn a_signal_while_the_file_is_loaded_leaves_it_alone() {
    let mut script = with_save_points();
    script.node.start(Stored::Snapshot(100));
    script.node.signal(Signal::Terminate);
    assert_eq!(wanted(&mut script), ["exit 0"]);
}

#[test]
fn no_write_is_taken_while_the_final_snapshot_is_written() {
    let mut script = with_save_points();
    script.node.signal(Signal::Terminate);
    script.check("SET late v", "", "");
    script.node.saved(1, Err("disk full".into()));
    assert_eq!(wanted(&mut script), ["save 1"]);
    let client = script.client();
    assert_eq!(script.received(client), "+OK", "it was held back until the shutdown failed");
}

#[test]
fn a_failed_save_ends_the_shutdown_unless_forced() {
    let check = |request: &str, reply: &str, then: &[&str]| {
        let mut script = with_save_points();
        script.ask(request);
        assert_eq!(wanted(&mut script), ["save 1"], "{request}");
        script.node.saved(1, Err("disk full".into()));
        let client = script.client();
        assert_eq!(script.received(client), reply, "{request}");
        assert_eq!(wanted(&mut script), then, "{request}");
    };
    check("SHUTDOWN", "-ERR Errors trying to SHUTDOWN. Check logs.", &[]);
    check("SHUTDOWN SAVE", "-ERR Errors trying to SHUTDOWN. Check logs.", &[]);
    check("SHUTDOWN FORCE", "", &["exit 0"]);
}

#[test]
fn a_second_signal_forces_but_a_second_command_waits() {
    let mut script = with_save_points();
    let other = script.connect();
    script.ask("SHUTDOWN");
    assert_eq!(script.ask_as(other, "SHUTDOWN NOSAVE"), "");
    script.node.signal(Signal::Terminate);
    assert_eq!(wanted(&mut script), ["save 1"], "one signal gives up nothing that a command began");
    script.node.signal(Signal::Interrupt);
    assert_eq!(wanted(&mut script), ["exit 1"]);
}

#[test]
fn a_shutdown_waits_for_replicas_until_its_time_is_over() {
    let mut script = with_save_points();
    attach_silent_replica(&mut script);
    script.ask("SHUTDOWN");
    script.node.tick();
    assert_eq!(wanted(&mut script), [""; 0]);
    script.advance(10_000);
    script.node.tick();
    assert_eq!(wanted(&mut script), ["save 1"]);
}

/// A primary whose replica is told its options by REPLCONF, and lacks the last write.
fn with_replica(options: &str) -> (Script, SessionId) {
    let mut script = Script::new();
    script.node.core.config.save = Vec::new();
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, "REPLCONF ip-address 10.0.0.9 listening-port 6380 capa psync2 capa slipstream1");
    if !options.is_empty() {
        script.ask_as(replica, &format!("REPLCONF {options}"));
    }
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    script.ask("SET k v");
    (script, replica)
}

/// A node with `shutdown-handover` that has asked its replica to take over.
fn handing_over() -> Script {
    let (mut script, replica) = with_replica("");
    script.ask("CONFIG SET shutdown-handover yes");
    script.node.signal(Signal::Terminate);
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    script.node.tick();
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    script.node.tick();
    assert_eq!(wanted(&mut script), [""; 0], "the target has not answered");
    script
}

#[test]
fn a_primary_hands_over_before_it_ends() {
    let mut script = handing_over();
    script.node.link_received(1, b"+CONTINUE 8de1787ba490483314a4d30f1c628bc5025eb761\r\n");
    script.node.tick();
    assert_eq!(wanted(&mut script), ["exit 0"]);
}

#[test]
fn clients_are_sent_away_once_another_is_the_primary() {
    let mut script = handing_over();
    let (client, sentinel, subscriber) = (script.connect(), script.connect(), script.connect());
    script.ask_as(sentinel, &format!("REPLICA LEASE {:040x} 2 3 1000 0", 1));
    script.ask_as(subscriber, "SUBSCRIBE channel");
    script.node.core.config.save = vec![SavePoint { seconds: 60, changes: 1 }];
    script.node.link_received(1, b"+CONTINUE 8de1787ba490483314a4d30f1c628bc5025eb761\r\n");
    script.node.tick();
    let effects = script.node.take_effects();
    let closed =
        |id| effects.iter().any(|effect| matches!(effect, Effect::Disconnect(closed) if *closed == id));
    assert!(closed(client) && !closed(sentinel) && !closed(subscriber));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Save { .. })), "which may take long");
    assert!(script.ask_as(sentinel, "ROLE").starts_with("[slave 10.0.0.9 :6380 "));
    assert!(script.ask_as(sentinel, "SET k v").starts_with("-READONLY "));
}

/// What `shutdown-handover auto` comes to with so many sentinels out of three whose leases run, and this replica.
fn hands_over_by_itself(sentinels: usize, word: &str, options: &str) -> bool {
    let (mut script, replica) = with_replica(options);
    for number in 1..=sentinels {
        let sentinel = script.connect();
        let mut token = "0".to_owned();
        for _ in 0..2 {
            let request = format!("REPLICA LEASE {number:040x} 2 3 1000 {token} {word}");
            token = script.ask_as(sentinel, &request).trim_start_matches(':').to_owned();
        }
    }
    script.node.signal(Signal::Terminate);
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    script.node.tick();
    let asks = script.node.core.is_replica();
    assert_ne!(
        wanted(&mut script) == ["exit 0"],
        asks,
        "without it, it ends as soon as the replica has everything"
    );
    asks
}

#[test]
fn by_itself_a_primary_hands_over_to_whom_its_sentinels_find() {
    let check = |what: &str, sentinels: usize, (word, options): (&str, &str), expected: bool| {
        assert_eq!(hands_over_by_itself(sentinels, word, options), expected, "{what}");
    };
    check("most of them watch", 2, ("PRIMARY", "priority 100"), true);
    check("nobody watches", 0, ("PRIMARY", "priority 100"), false);
    check("one of three watches", 1, ("PRIMARY", "priority 100"), false);
    check("they hold it for a replica", 3, ("REPLICA", "priority 100"), false);
    check("the replica is never to be promoted", 3, ("PRIMARY", "priority 0"), false);
    check("the replica does not say", 3, ("PRIMARY", ""), false);
}

#[test]
fn a_target_that_takes_nothing_over_keeps_no_shutdown_waiting() {
    let mut script = handing_over();
    script.node.link_received(1, b"-ERR PSYNC FAILOVER replid must match my replid.\r\n");
    script.node.tick();
    assert_eq!(wanted(&mut script), ["exit 0"], "its replica has everything");

    let mut script = handing_over();
    script.advance(10_000);
    script.node.tick();
    assert_eq!(wanted(&mut script), ["exit 0"], "nobody has answered");
}

#[test]
fn an_aborted_shutdown_hands_nothing_over() {
    let mut script = handing_over();
    let operator = script.connect();
    assert_eq!(script.ask_as(operator, "SHUTDOWN ABORT"), "+OK");
    script.node.tick();
    assert!(!script.node.core.is_replica());
    assert_eq!(script.ask("SET k w"), "+OK");
}

#[test]
fn a_shutdown_that_waits_can_be_aborted() {
    let mut script = with_save_points();
    attach_silent_replica(&mut script);
    let other = script.connect();
    script.ask("SHUTDOWN");
    assert_eq!(script.ask_as(other, "SET held v"), "");
    let operator = script.connect();
    assert_eq!(script.ask_as(operator, "SHUTDOWN ABORT"), "+OK");
    script.node.tick();
    assert_eq!(script.received(other), "+OK");
    let client = script.client();
    assert_eq!(script.received(client), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(script.ask("SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
}

#[test]
fn shutdown_now_and_a_timeout_of_zero_wait_for_nobody() {
    let mut script = with_save_points();
    attach_silent_replica(&mut script);
    script.ask("SHUTDOWN NOW NOSAVE");
    assert_eq!(wanted(&mut script), ["exit 0"]);
}

#[test]
fn a_client_that_waits_for_its_save_hears_of_the_one_that_took_its_place() {
    let mut script = with_save_points();
    let saver = script.connect();
    assert_eq!(script.ask_as(saver, "SAVE"), "");
    script.ask("SHUTDOWN");
    assert_eq!(wanted(&mut script), ["save 1", "save 2"]);
    script.node.saved(1, Err("a newer snapshot was begun".into()));
    script.node.saved(2, Err("disk full".into()));
    assert_eq!(script.received(saver), "-ERR saving the DB on disk: disk full");
}
