//! SHUTDOWN and the signals that end a node; what its final snapshot must hold.

use slipstream_engine::config::{Config, SavePoint};
use slipstream_engine::{Effect, Endpoint, Signal, Stored};

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

/// A node with `shutdown-handover` that has asked its replica to take over.
fn handing_over() -> Script {
    let mut script = Script::new();
    script.node.core.config.shutdown_handover = true;
    script.node.core.config.save = Vec::new();
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, "REPLCONF ip-address 10.0.0.9 listening-port 6380 capa psync2");
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    script.ask("SET k v");
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
