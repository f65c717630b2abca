//! REPLICA VERIFY on a replica: whose marks in the stream are answered.

use slipstream_engine::{Digested, Effect};
use slipstream_replication::verify::Message;

use crate::script::Script;

/// A replica whose primary introduced itself like this and put a mark into the stream.
fn marked(introduction: &str, mark: &str) -> Script {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    let greeting = format!("+PONG\r\n+OK\r\n{introduction}\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    script.node.link_received(1, greeting.as_bytes());
    assert!(script.node.core.replication.link.is_up());
    let mut bytes = Vec::new();
    slipstream_resp::encode_request(&mut bytes, [b"ping".as_slice(), mark.as_bytes()].into_iter());
    script.effects();
    script.node.link_received(1, &bytes);
    script
}

/// Whether it digests its data for that.
fn digests(introduction: &str) -> bool {
    let mut script = marked(introduction, "slipstream:verify:1:ranges");
    script.effects().iter().any(|effect| matches!(effect, Effect::Digest(_)))
}

/// What it tells its primary.
#[track_caller]
fn check_told(script: &mut Script, expected: &Message) {
    let mut request = Vec::new();
    let words = [b"REPLCONF".as_slice(), b"verify", &expected.encode()];
    slipstream_resp::encode_request(&mut request, words.into_iter());
    let told = |effect| matches!(effect, Effect::LinkSend(bytes) if bytes == request);
    assert!(script.effects().into_iter().any(told));
}

#[test]
fn a_replica_that_cannot_digest_its_data_says_so() {
    let mut script = marked("+OK slipstream1 1000", "slipstream:verify:1:ranges");
    let orders = script.effects().into_iter().filter_map(|effect| match effect {
        Effect::Digest(order) => Some(order.ticket()),
        _ => None,
    });
    let tickets: Vec<_> = orders.collect();
    script.node.digested(Digested::failed(tickets[0], "no thread".to_owned()));
    check_told(&mut script, &Message::Failed { run: 1, reason: "no thread".to_owned() });
    let mut script = marked("+OK slipstream1 1000", "slipstream:verify:1:keys:7");
    let reason = "it has its data at the mark no more".to_owned();
    check_told(&mut script, &Message::Failed { run: 1, reason });
}

#[test]
fn only_a_replica_of_the_node_that_wrote_a_mark_digests_its_data() {
    assert!(digests("+OK slipstream1 1000"));
    assert!(!digests("+OK slipstream1"), "it comes through a node in the middle, which asked nobody");
    assert!(!digests("+OK"), "a stock primary means nothing by it");
}
