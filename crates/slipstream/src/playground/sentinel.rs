//! What a sentinel of the playground is told at its start, and what it says.
//!
//! Three of them, of which two must agree. They are spoken to as any client speaks to a sentinel.

use slipstream_resp::Value;

use super::node::Node;
use super::reading::NODES;
use crate::client::{Client, ClientError};

pub(super) const SENTINELS: usize = 3;
pub(super) const QUORUM: usize = 2;
/// What the sentinels call the servers that they watch.
pub(super) const GROUP: &str = "playground";

/// The text of a sentinel's configuration file.
pub(super) fn file(port: u16, primary: u16) -> String {
    format!(
        "bind 127.0.0.1\n\
         port {port}\n\
         sentinel monitor {GROUP} 127.0.0.1 {primary} {QUORUM}\n\
         sentinel down-after-milliseconds {GROUP} 1000\n\
         sentinel failover-timeout {GROUP} 10000\n"
    )
}

/// The port of the primary that a sentinel names, on loopback.
pub(super) fn named_to(client: &mut Client) -> Result<u16, ClientError> {
    port_in(client.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP]))
}

/// The same of a node, if it was started and answers.
pub(super) fn named_by(node: &mut Node) -> Option<u16> {
    node.process()?;
    port_in(node.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP])).ok()
}

fn port_in(reply: Result<Value, ClientError>) -> Result<u16, ClientError> {
    match reply? {
        Value::Array(address) if address.len() == 2 => {
            address[1].text().parse().map_err(|_| ClientError::Broken)
        }
        _ => Err(ClientError::Broken),
    }
}

/// Whether a sentinel knows all servers and all other sentinels, and finds no fault with any.
pub(super) fn knows_all(node: &mut Node) -> bool {
    let mut flags = |what: &str| match node.call(&["SENTINEL", what, GROUP]) {
        Ok(Value::Array(maps)) => maps.iter().filter_map(|map| field(map, "flags")).collect(),
        _ => Vec::new(),
    };
    flags("REPLICAS") == vec!["slave"; NODES - 1] && flags("SENTINELS") == vec!["sentinel"; SENTINELS - 1]
}

/// A field of a map whose names and values stand in turn.
fn field(map: &Value, name: &str) -> Option<String> {
    let Value::Array(parts) = map else { return None };
    let mut pairs = parts.chunks_exact(2);
    pairs.find(|pair| pair[0].text() == name).map(|pair| pair[1].text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::Bulk(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_port_is_taken_from_an_address_alone() {
        assert_eq!(port_in(Ok(words(&["127.0.0.1", "7001"]))).ok(), Some(7001));
        assert!(port_in(Ok(words(&["127.0.0.1"]))).is_err());
        assert!(port_in(Ok(words(&["127.0.0.1", "many"]))).is_err());
        assert!(port_in(Ok(Value::Null)).is_err());
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let map = words(&["name", "flags", "flags", "slave,s_down"]);
        assert_eq!(field(&map, "flags").as_deref(), Some("slave,s_down"));
        assert_eq!(field(&map, "slave"), None);
        assert_eq!(field(&Value::Null, "flags"), None);
    }
}
