//! What a watched server sees of its sentinels: the connections and their hellos.

use redis::Value;

use super::group::{Group, NAME, Plan};
use super::with_each_kind;
use crate::wait::wait_until;

#[test]
fn hellos_say_who_watches_whom() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind; 2]));
        let port = group.nodes[0].server.port;
        let mut expected: Vec<String> = group
            .sentinels
            .iter()
            .map(|sentinel| {
                let id: String = sentinel.client().call("SENTINEL MYID");
                format!("127.0.0.1,{},{id},0,{NAME},127.0.0.1,{port},0", sentinel.port)
            })
            .collect();
        // On the replica too.
        for node in &group.nodes {
            let mut listener = node.server.client();
            listener.call::<()>("SUBSCRIBE __sentinel__:hello");
            let mut heard: Vec<String> = Vec::new();
            wait_until("both have said it", || {
                heard.push(text(&listener.receive().expect("the server goes on")));
                heard.sort();
                heard.dedup();
                heard.len() >= 2
            });
            expected.sort();
            assert_eq!(heard, expected);
        }
    });
}

/// Of a message on a channel.
fn text(message: &Value) -> String {
    let (_, _, text): (String, String, String) =
        redis::FromRedisValue::from_redis_value(message).expect("a message has three parts");
    text
}

#[test]
fn sentinels_name_their_connections() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(1, &[kind]));
        let id: String = group.sentinels[0].client().call("SENTINEL MYID");
        let clients: String = group.nodes[0].server.client().call("CLIENT LIST");
        for link in ["cmd", "pubsub"] {
            let name = format!(" name=sentinel-{}-{link} ", &id[..8]);
            assert_eq!(clients.matches(&name).count(), 1, "{name}: {clients}");
        }
    });
}
