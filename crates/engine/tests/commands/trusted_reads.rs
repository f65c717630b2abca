//! Reads on a replica that a client can trust: tokens, the age of the data, and what INFO says of it.

use slipstream_engine::{Effect, Endpoint, SessionId};

use crate::script::Script;

const LOST: &str = "-UNKNOWNHISTORY This node does not continue the history of that token as far as that.";

fn id(script: &Script) -> String {
    script.node.core.log.history().id.to_string()
}

/// A node that follows a primary of this project, whose clock is at 1000 as its own is, from offset 0 on.
fn following() -> Script {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK slipstream1 1000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    assert!(script.node.core.replication.link.is_up());
    script.node.tick();
    script.effects();
    script
}

/// The primary writes.
fn stream(script: &mut Script, commands: &[&str]) {
    for command in commands {
        let mut bytes = Vec::new();
        slipstream_resp::encode_request(
            &mut bytes,
            command.split(' ').map(str::as_bytes).collect::<Vec<_>>().into_iter(),
        );
        script.node.link_received(1, &bytes);
    }
    script.node.tick();
}

/// What the primary was told.
fn told(script: &mut Script) -> String {
    let sent = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::LinkSend(bytes) => Some(String::from_utf8(bytes).unwrap()),
        _ => None,
    });
    let words = |text: String| {
        let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect();
        lines.join(" ").trim_end().to_owned()
    };
    sent.map(words).collect::<Vec<_>>().join("; ")
}

fn waits(script: &mut Script, request: &str) -> SessionId {
    let client = script.connect();
    assert_eq!(script.ask_as(client, request), "");
    client
}

#[test]
fn a_token_is_where_the_last_write_of_the_connection_is() {
    let mut script = Script::new();
    let (id, other) = (id(&script), script.connect());
    script.check_read("CLIENT OFFSET", &format!("{id}:0"));
    script.check_write("SET a 1", "+OK");
    let end = script.node.core.log.end();
    script.ask_as(other, "SET b 2");
    assert_eq!(script.ask("CLIENT OFFSET"), format!("{id}:{end}"));
    let reader = script.connect();
    let end = script.node.core.log.end();
    assert_eq!(
        script.ask_as(reader, "CLIENT OFFSET"),
        format!("{id}:{end}"),
        "all there is, who wrote nothing"
    );
}

#[test]
fn who_becomes_a_replica_forgets_what_was_written_to_the_history_it_leaves() {
    let mut script = Script::new();
    let other = script.connect();
    script.ask("SET a 1");
    script.ask_as(other, "SET b 2");
    script.ask("REPLICAOF a 1");
    let (id, end) = (id(&script), script.node.core.log.end());
    for client in [script.client(), other] {
        assert_eq!(script.ask_as(client, "CLIENT OFFSET"), format!("{id}:{end}"));
    }
}

#[test]
fn waitoffset_ends_when_the_node_has_come_so_far() {
    let mut script = following();
    let id = id(&script);
    let set = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n".len();
    assert_eq!(script.ask(&format!("WAITOFFSET {id}:0 0")), ":1");
    let one = waits(&mut script, &format!("WAITOFFSET {id}:{set} 0"));
    let both = waits(&mut script, &format!("WAITOFFSET {id}:{} 0", set + 1));
    stream(&mut script, &["SET k v"]);
    assert_eq!((script.received(one), script.received(both)), (":1".into(), "".into()));
    stream(&mut script, &["SET k v"]);
    assert_eq!(script.received(both), ":1");
    let late = waits(&mut script, &format!("WAITOFFSET {id}:99999 100"));
    script.advance(99);
    script.node.tick();
    assert_eq!(script.received(late), "");
    assert_eq!(script.node.time_left().as_millis(), 1, "the loop wakes for it");
    script.advance(1);
    script.node.tick();
    assert_eq!(script.received(late), ":0");
}

#[test]
fn a_token_of_an_unknown_history_is_refused_unless_it_may_become_known() {
    let mut script = following();
    let other = "b".repeat(40);
    assert_eq!(script.ask(&format!("WAITOFFSET {other}:5 0")), LOST);
    assert_eq!(
        script.ask("WAITOFFSET nonsense 0"),
        "-ERR Invalid token, CLIENT OFFSET tells what one looks like"
    );
    script.node.link_closed(1, "gone");
    script.node.tick();
    let client = waits(&mut script, &format!("WAITOFFSET {other}:0 0"));
    let lost = waits(&mut script, &format!("WAITOFFSET {}:0 0", "c".repeat(40)));
    script.advance(1000);
    script.node.tick();
    let Some(Effect::Connect { number, .. }) =
        script.effects().into_iter().rfind(|effect| matches!(effect, Effect::Connect { .. }))
    else {
        panic!("the link tries again");
    };
    script.node.link_connected(number);
    let answers = format!("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n+CONTINUE {other}\r\n");
    script.node.link_received(number, answers.as_bytes());
    script.node.tick();
    assert_eq!(script.received(client), ":1", "the primary has a new name");
    assert_eq!(script.received(lost), LOST);
}

#[test]
fn a_token_holds_on_a_promoted_node_up_to_the_fork() {
    let mut script = following();
    let old = id(&script);
    stream(&mut script, &["SET k v"]);
    let end = script.node.core.log.end().0;
    let ahead = waits(&mut script, &format!("WAITOFFSET {old}:{} 0", end + 1));
    script.ask("REPLICAOF NO ONE");
    script.node.tick();
    assert_eq!(script.received(ahead), LOST, "it was never replicated to here");
    assert_eq!(script.ask(&format!("WAITOFFSET {old}:{end} 0")), ":1");
    assert_ne!(id(&script), old);
}

#[test]
fn waitoffset_does_not_wait_inside_multi_and_can_be_unblocked() {
    let mut script = following();
    let id = id(&script);
    script.ask("MULTI");
    script.ask(&format!("WAITOFFSET {id}:99 0"));
    assert_eq!(script.ask("EXEC"), "[:0]");
    let waiter = waits(&mut script, &format!("WAITOFFSET {id}:99 0"));
    assert_eq!(script.ask(&format!("CLIENT UNBLOCK {}", waiter.0)), ":1");
    assert_eq!(script.received(waiter), ":0");
    let waiter = waits(&mut script, &format!("WAITOFFSET {id}:99 0"));
    assert_eq!(script.ask(&format!("CLIENT UNBLOCK {} ERROR", waiter.0)), ":1");
    assert_eq!(script.received(waiter), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    let gone = waits(&mut script, &format!("WAITOFFSET {id}:5 10"));
    script.node.closed(gone);
    script.advance(20);
    script.node.tick();
}

#[test]
fn reads_beyond_the_age_that_a_client_allows_are_refused() {
    let mut script = following();
    let stale = "-STALE The data of this replica is older than CLIENT MAXLAG allows.";
    let other = script.connect();
    assert_eq!(script.ask("CLIENT MAXLAG 100"), "+OK");
    assert_eq!(script.ask("GET k"), stale, "nothing is known of its age");
    stream(&mut script, &["SET k v", "REPLCONF ACK 0 CLOCK 1000"]);
    assert_eq!(script.ask("GET k"), "v");
    script.advance(100);
    assert_eq!(script.ask("GET k"), "v");
    script.advance(1);
    assert_eq!(script.ask("GET k"), stale);
    assert_eq!(script.ask("PING"), "+PONG", "that reads no data");
    assert_eq!(script.ask_as(other, "GET k"), "v", "it is a matter of the connection");
    stream(&mut script, &["REPLCONF ACK 0 CLOCK 1050"]);
    assert_eq!(script.ask("GET k"), "v");
    script.advance(60);
    script.ask("MULTI");
    assert_eq!(script.ask("GET k"), stale);
    assert_eq!(script.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(script.ask("CLIENT MAXLAG 0"), "+OK");
    assert_eq!(script.ask("GET k"), "v");
    assert_eq!(script.ask("CLIENT MAXLAG -1"), "-ERR value is out of range, must be positive");
}

#[test]
fn a_primary_is_never_too_old() {
    let mut script = Script::new();
    script.check_read("CLIENT MAXLAG 1", "+OK");
    script.advance(10_000);
    script.check_read("GET k", "$-1");
}

#[test]
fn the_primary_tells_its_clock_as_often_as_clients_need_it() {
    let mut script = following();
    let other = script.connect();
    script.ask("CLIENT MAXLAG 1000");
    script.node.tick();
    assert_eq!(told(&mut script), "REPLCONF beat 250");
    script.ask_as(other, "CLIENT MAXLAG 100");
    script.node.tick();
    assert_eq!(told(&mut script), "REPLCONF beat 25");
    script.node.closed(other);
    script.node.tick();
    assert_eq!(told(&mut script), "REPLCONF beat 250");
    script.ask("RESET");
    script.node.tick();
    assert_eq!(told(&mut script), "REPLCONF beat 0");
}

#[test]
fn a_replica_that_was_asked_acknowledges_each_turn_once() {
    let mut script = following();
    stream(&mut script, &["SET a 1", "SET b 2"]);
    assert_eq!(told(&mut script), "");
    stream(&mut script, &["SET a 1", "REPLCONF GETACK *", "SET b 2", "REPLCONF GETACK *"]);
    let end = script.node.core.log.end();
    assert_eq!(told(&mut script), format!("REPLCONF ACK {end}"));
    stream(&mut script, &["SET a 1", "SET b 2"]);
    let end = script.node.core.log.end();
    assert_eq!(told(&mut script), format!("REPLCONF ACK {end}"));
}

#[test]
fn info_tells_how_far_behind_a_replica_is_and_why_it_came() {
    let mut script = Script::new();
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = id(&script);
    script.ask_as(replica, "REPLCONF listening-port 7 ip-address there");
    script.received(replica);
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    script.node.tick();
    script.ask("SET k v");
    script.node.tick();
    script.advance(1500);
    let info = script.ask("INFO replication");
    for line in [
        "slave0:ip=there,port=7,state=online,offset=0,lag=1,lag_bytes=27,lag_ms=1500\r\n",
        "replica_events0:there:7 1s ago partial resync from 0, online\r\n",
    ] {
        assert!(info.contains(&line.replace("\r\n", "")), "{line} {info}");
    }
    assert!(!info.contains("slave0_"), "sentinels would take it for a replica");
}

#[test]
fn info_of_a_replica_tells_its_lag_and_what_happened_to_its_link() {
    let mut script = following();
    stream(&mut script, &["REPLCONF ACK 0 CLOCK 1000"]);
    script.advance(70);
    let info = script.ask("INFO replication");
    assert!(info.contains("replica_lag_ms:70"), "{info}");
    assert!(info.contains("master_link_events:0s ago partial resync from 0"), "{info}");
}

#[test]
fn who_stands_in_the_middle_tells_the_primarys_clock_on() {
    let mut script = Script::new();
    script.advance(9_000);
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    // The primary's clock is 8 seconds behind ours.
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK slipstream1 2000\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    let below = script.connect();
    assert_eq!(script.ask_as(below, "REPLCONF capa slipstream1"), "+OK slipstream1 2000");
    script.advance(500);
    assert_eq!(script.ask_as(below, "REPLCONF capa slipstream1"), "+OK slipstream1 2500");
}
