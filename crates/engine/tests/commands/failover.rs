//! FAILOVER on the node that hands over, and on the one that takes over: what clients, peers and INFO see.

use slipstream_engine::{Effect, Endpoint, SessionId};

use crate::script::Script;

const TARGET: &str = "10.0.0.9 6380";
/// What the target is asked for in the end.
const REQUEST: &str = "*5 $5 PSYNC";

/// What the node wants done with its link.
fn wanted(script: &mut Script) -> Vec<String> {
    let name = |effect: Effect| match effect {
        Effect::Connect { number, host, port } => Some(format!("connect {number} to {host}:{port}")),
        Effect::LinkClose => Some("close".into()),
        Effect::LinkSend(bytes) => Some(String::from_utf8_lossy(&bytes).replace("\r\n", " ").trim().into()),
        _ => None,
    };
    script.node.take_effects().into_iter().filter_map(name).collect()
}

/// A replica that is online and has acknowledged nothing of the last write.
fn attach(script: &mut Script) -> SessionId {
    script.ask("SET key value");
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, "REPLCONF ip-address 10.0.0.9 listening-port 6380 capa psync2");
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    replica
}

fn acknowledge(script: &mut Script, replica: SessionId) {
    let end = script.node.core.log.end();
    script.ask_as(replica, &format!("REPLCONF ACK {end}"));
    script.node.tick();
}

fn state(script: &mut Script) -> String {
    let info = script.ask("INFO replication");
    let field = info.split("\\r\\n").find_map(|line| line.strip_prefix("master_failover_state:"));
    field.unwrap_or(&info).to_owned()
}

/// A node that has asked its replica to take over, with a client whose write is held back.
fn asking() -> (Script, SessionId) {
    let mut script = Script::new();
    let replica = attach(&mut script);
    assert_eq!(script.ask(&format!("FAILOVER TO {TARGET}")), "+OK");
    let writer = script.connect();
    assert_eq!(script.ask_as(writer, "SET key later"), "");
    acknowledge(&mut script, replica);
    assert_eq!(wanted(&mut script), ["connect 1 to 10.0.0.9:6380"]);
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    let sent = wanted(&mut script);
    let request = sent.last().unwrap();
    assert!(request.starts_with(REQUEST) && request.ends_with("$8 FAILOVER $8 COMPLETE"), "{sent:?}");
    assert_eq!(state(&mut script), "failover-in-progress");
    assert_eq!(script.received(writer), "");
    (script, writer)
}

fn answer(script: &mut Script, line: &str) {
    script.node.link_received(1, line.as_bytes());
    script.node.tick();
}

#[test]
fn a_failover_that_cannot_begin_is_refused_in_the_words_of_redis() {
    let mut script = Script::new();
    script.check_read("FAILOVER ABORT", "-ERR No failover in progress.");
    script.check_read("FAILOVER", "-ERR FAILOVER requires connected replicas.");
    script.check_read("FAILOVER TIMEOUT 0", "-ERR FAILOVER timeout must be greater than 0");
    script.check_read("FAILOVER TIMEOUT x", "-ERR value is not an integer or out of range");
    script.check_read("FAILOVER TO h x", "-ERR value is not an integer or out of range");
    for syntax in
        ["FAILOVER TO h", "FAILOVER FORCE FORCE", "FAILOVER TIMEOUT", "FAILOVER ABORT FORCE", "FAILOVER X"]
    {
        script.check_read(syntax, "-ERR syntax error");
    }
    attach(&mut script);
    script.propagated();
    let check = |script: &mut Script, request: &str, reply: &str| assert_eq!(script.ask(request), reply);
    check(&mut script, "FAILOVER TO h 1", "-ERR FAILOVER target HOST and PORT is not a replica.");
    let both = "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    check(&mut script, "FAILOVER FORCE TIMEOUT 1", both);
    check(&mut script, &format!("FAILOVER FORCE TO {TARGET}"), both);
    check(&mut script, "FAILOVER", "+OK");
    check(&mut script, "FAILOVER", "-ERR FAILOVER already in progress.");
    check(&mut script, "FAILOVER ABORT", "+OK");
    script.ask("REPLICAOF a 1");
    check(&mut script, "FAILOVER", "-ERR FAILOVER is not valid when server is a replica.");
}

#[test]
fn nothing_changes_the_data_or_the_roles_while_one_waits() {
    let mut script = Script::new();
    script.ask("SET brief v PX 10");
    attach(&mut script);
    assert_eq!(script.ask("FAILOVER"), "+OK");
    assert_eq!(state(&mut script), "waiting-for-sync");
    script.node.tick();
    script.propagated();
    let writer = script.connect();
    assert_eq!(script.ask_as(writer, "SET key v"), "");
    script.check_read("GET key", "value");
    script.advance(20_000);
    script.node.tick();
    script.check_read("GET brief", "$-1");
    script.check_read("REPLICAOF NO ONE", "-ERR REPLICAOF not allowed while failing over.");
    let late = script.connect();
    assert_eq!(script.ask_as(late, "PSYNC ? -1"), "-NOMASTERLINK Can't SYNC while failing over");
    script.check_read("CLIENT UNPAUSE", "+OK");
    script.node.tick();
    assert_eq!(script.received(writer), "");
    script.check_read("FAILOVER ABORT", "+OK");
    script.node.tick();
    assert_eq!(script.received(writer), "+OK");
}

#[test]
fn once_the_target_has_taken_over_writes_are_refused() {
    let (mut script, writer) = asking();
    answer(&mut script, "+CONTINUE 8de1787ba490483314a4d30f1c628bc5025eb761\r\n");
    assert!(script.received(writer).starts_with("-READONLY "));
    assert_eq!(state(&mut script), "no-failover");
    assert!(script.node.core.replication.link.is_up());
    assert_eq!(script.ask("CONFIG GET replicaof"), format!("[replicaof \"{TARGET}\"]"));
}

#[test]
fn a_target_that_refuses_leaves_the_role_here() {
    let (mut script, writer) = asking();
    answer(&mut script, "-ERR PSYNC FAILOVER replid must match my replid.\r\n");
    assert_eq!(script.received(writer), "+OK");
    assert_eq!(state(&mut script), "no-failover");
    assert!(!script.node.core.is_replica());
    assert_eq!(script.ask("GET key"), "later");
}

#[test]
fn a_client_that_can_be_redirected_waits_until_there_is_a_primary() {
    let (mut script, _) = asking();
    let reader = script.connect();
    script.ask_as(reader, "CLIENT CAPA REDIRECT");
    assert_eq!(script.ask_as(reader, "GET key"), "", "two replicas would send it to and fro");
    answer(&mut script, "+CONTINUE 8de1787ba490483314a4d30f1c628bc5025eb761\r\n");
    assert_eq!(script.received(reader), "-REDIRECT 10.0.0.9:6380");
}

#[test]
fn an_abort_takes_the_role_back() {
    let (mut script, writer) = asking();
    assert_eq!(script.ask("FAILOVER ABORT"), "+OK");
    script.node.tick();
    assert_eq!(script.received(writer), "+OK");
    assert_eq!(wanted(&mut script), ["close"]);
}

#[test]
fn a_replica_takes_over_at_the_word_of_its_primary() {
    let mut script = Script::new();
    let peer = script.connect();
    let id = script.node.core.log.history().id;
    let request = format!("PSYNC {id} 1 FAILOVER");
    assert_eq!(script.ask_as(peer, &request), "-ERR PSYNC FAILOVER can't be sent to a master.");
    script.ask("REPLICAOF a 1");
    let stranger = format!("PSYNC {} 1 FAILOVER", "b".repeat(40));
    assert_eq!(script.ask_as(peer, &stranger), "-ERR PSYNC FAILOVER replid must match my replid.");
    assert!(script.node.core.is_replica());
    let ahead = format!("PSYNC {id} 2 FAILOVER COMPLETE");
    assert_eq!(
        script.ask_as(peer, &ahead),
        "-ERR PSYNC FAILOVER asks for more than this replica has.",
        "it had that when it was chosen"
    );
    assert!(script.node.core.is_replica());
    script.ask_as(peer, "REPLCONF capa psync2");
    let answer = script.ask_as(peer, &request);
    let new = script.node.core.log.history().id;
    assert_ne!(new, id);
    assert_eq!(answer, format!("+CONTINUE {new}"));
    assert_eq!(script.ask("SET key value"), "+OK");
    assert_eq!(script.ask("CONFIG GET replicaof"), "[replicaof \"\"]");
}
