//! REPLICA VERIFY on a replica: whose marks in the stream are answered.

use slipstream_engine::Effect;

use crate::script::Script;

/// Whether a replica digests its data for a mark in the stream, if its primary introduced itself like this.
fn digests(introduction: &str) -> bool {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    let greeting = format!("+PONG\r\n+OK\r\n{introduction}\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    script.node.link_received(1, greeting.as_bytes());
    assert!(script.node.core.replication.link.is_up());
    let mut mark = Vec::new();
    let words: [&[u8]; 2] = [b"ping", b"slipstream:verify:1:ranges"];
    slipstream_resp::encode_request(&mut mark, words.into_iter());
    script.node.link_received(1, &mark);
    script.effects().iter().any(|effect| matches!(effect, Effect::Digest(_)))
}

#[test]
fn only_a_replica_of_the_node_that_wrote_a_mark_digests_its_data() {
    assert!(digests("+OK slipstream1 1000"));
    assert!(!digests("+OK slipstream1"), "it comes through a node in the middle, which asked nobody");
    assert!(!digests("+OK"), "a stock primary means nothing by it");
}
