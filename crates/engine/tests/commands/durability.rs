//! What clients are told of replicas: how many have what was written, and when.

use slipstream_engine::{Endpoint, SessionId};

use crate::script::Script;

/// A replica that continues from where the log stands, and says so.
fn attach(script: &mut Script) -> SessionId {
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let log = &script.node.core.log;
    let request = format!("PSYNC {} {}", log.history().id, log.end().next_byte());
    script.ask_as(replica, &request);
    script.received(replica);
    ack(script, replica);
    replica
}

/// The replica has everything.
fn ack(script: &mut Script, replica: SessionId) {
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    script.node.tick();
}

#[test]
fn waitaof_reads_its_arguments_as_redis_does() {
    let mut script = Script::new();
    for (request, reply) in [
        ("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF -1 0 0", "-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF x 0 0", "-ERR value is not an integer or out of range"),
        ("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive"),
        ("WAITAOF 0 0 -1", "-ERR timeout is negative"),
        ("WAITAOF 0 0 x", "-ERR timeout is not an integer or out of range"),
        ("WAITAOF 1 0 0", "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        ("WAITAOF 0 0 0", "[:0 :0]"),
    ] {
        script.check_read(request, reply);
    }
    script.ask("REPLICAOF other 1");
    let refusal = "-ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.";
    script.check_read("WAITAOF 1 0 0", refusal);
}

#[test]
fn waitaof_ends_when_the_disks_of_enough_replicas_have_the_last_write() {
    let mut script = Script::new();
    let replica = attach(&mut script);
    let client = script.client();
    script.ask("SET k v");
    assert_eq!(script.ask("WAITAOF 0 1 0"), "");
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    assert_eq!(script.received(client), "", "it is applied, not on disk");
    script.ask_as(replica, &format!("REPLCONF ACK {end} FACK {end}"));
    assert_eq!(script.received(client), "[:0 :1]");
    assert_eq!(script.ask("WAITAOF 0 2 20"), "");
    script.advance(20);
    script.node.tick();
    assert_eq!(script.received(client), "[:0 :1]", "as many as there are");
}

#[test]
fn nobody_waits_inside_multi() {
    let mut script = Script::new();
    for request in ["MULTI", "WAIT 1 0", "WAITAOF 0 1 0"] {
        script.ask(request);
    }
    script.check_read("EXEC", "[:0 [:0 :0]]");
}

#[test]
fn unblock_answers_waitaof_as_its_time_would() {
    let mut script = Script::new();
    let waiter = script.connect();
    assert_eq!(script.ask_as(waiter, "WAITAOF 0 1 0"), "");
    script.check_read("CLIENT UNBLOCK 2", ":1");
    assert_eq!(script.received(waiter), "[:0 :0]");
}

#[test]
fn who_becomes_a_replica_unblocks_those_who_wait() {
    let mut script = Script::new();
    let (wait, waitaof) = (script.connect(), script.connect());
    assert_eq!(script.ask_as(wait, "WAIT 1 0"), "");
    assert_eq!(script.ask_as(waitaof, "WAITAOF 0 1 0"), "");
    script.ask("REPLICAOF other 1");
    let reply =
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    assert_eq!(script.received(wait), reply);
    assert_eq!(script.received(waitaof), reply);
}

#[test]
fn wait_is_for_the_last_command_that_put_something_into_the_log() {
    let mut script = Script::new();
    let (replica, reader) = (attach(&mut script), script.connect());
    script.ask("SET k v PX 10");
    ack(&mut script, replica);
    script.advance(20);
    assert_eq!(script.ask("GET k"), "$-1");
    assert_eq!(script.ask("WAIT 1 10"), "", "its read deleted a key");
    assert_eq!(script.ask_as(reader, "WAIT 1 10"), ":1", "it wrote nothing");
}
