//! A node that follows a primary: what its shell tells it of the link, in time and too late.

use slipstream_engine::Effect;

use crate::script::Script;

const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

/// What the node wants done with its link.
fn wanted(script: &mut Script) -> Vec<String> {
    let name = |effect: Effect| match effect {
        Effect::Connect { number, host, .. } => Some(format!("connect {number} to {host}")),
        Effect::LinkClose => Some("close".into()),
        Effect::LinkSend(bytes) => {
            Some(format!("send {}", String::from_utf8_lossy(&bytes).replace("\r\n", " ").trim_end()))
        }
        Effect::LoadBegin(number) => Some(format!("load {number}")),
        Effect::LoadAbort => Some("abort".into()),
        _ => None,
    };
    script.node.take_effects().into_iter().filter_map(name).collect()
}

/// The primary greets the node and says what is to come.
fn answer_handshake(script: &mut Script, connection: u64, decision: &str) {
    script.node.link_connected(connection);
    script.node.link_received(connection, b"+PONG\r\n");
    script.node.link_received(connection, format!("+OK\r\n+OK\r\n+OK\r\n{decision}\r\n").as_bytes());
    script.node.take_effects();
}

#[test]
fn what_is_told_of_an_earlier_connection_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    assert_eq!(wanted(&mut script), ["connect 1 to a"]);
    script.ask("REPLICAOF b 1");
    script.node.link_connected(1);
    script.node.link_received(1, b"+PONG\r\n");
    script.node.link_closed(1, "Connection refused");
    assert_eq!(wanted(&mut script), ["close", "connect 3 to b"]);
    script.node.link_connected(3);
    assert_eq!(wanted(&mut script), ["send *1 $4 PING"]);
}

#[test]
fn what_is_told_of_a_link_that_is_given_up_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.ask("REPLICAOF NO ONE");
    script.node.link_connected(1);
    script.node.link_closed(1, "reset");
    assert_eq!(script.ask("SET k v"), "+OK");
}

#[test]
fn the_load_of_a_sync_that_was_given_up_is_not_heard() {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    answer_handshake(&mut script, 1, &format!("+FULLRESYNC {ID} 7"));
    script.node.link_received(1, b"$100\r\n");
    assert_eq!(wanted(&mut script), ["load 1"]);
    script.ask("REPLICAOF NO ONE");
    assert_eq!(wanted(&mut script), ["abort", "close"]);
    script.node.loaded_sync(1, Err("the transfer was cut off".into()));
    assert_eq!(script.ask("SET k v"), "+OK");
}
