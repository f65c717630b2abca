//! Client libraries that ask sentinels where the primary is, unchanged, while it moves and ends.

use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{Commands, Connection, RedisResult};

use super::group::{Group, NAME, Plan};
use super::with_each_kind;
use crate::clients::run;
use crate::peer::Kind;
use crate::peer::python;
use crate::wait::{wait_for, wait_until};

fn group(kind: Kind) -> Group {
    Group::start(&Plan::situation(3, &[kind; 3]))
}

#[test]
fn redis_py_finds_the_primary() {
    redis_py("sync");
}

#[test]
fn redis_py_finds_the_primary_with_asyncio() {
    redis_py("asyncio");
}

fn redis_py(way: &str) {
    let Some(python) = python("redis") else { return };
    with_each_kind(|kind| {
        let group = group(kind);
        let ports: Vec<String> = group.sentinels.iter().map(|sentinel| sentinel.port.to_string()).collect();
        let mut arguments = vec![way];
        arguments.extend(ports.iter().map(String::as_str));
        let output = run(&python, include_str!("../clients/redis_py_sentinel.py"), &arguments);
        assert_eq!(output.trim(), "done");
    });
}

#[test]
fn the_redis_crate_finds_the_primary() {
    with_each_kind(|kind| {
        let mut group = group(kind);
        let client = |server_type| {
            let nodes: Vec<String> = group
                .sentinels
                .iter()
                .map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port))
                .collect();
            SentinelClient::build(nodes, NAME.to_owned(), None, server_type).expect("the addresses are good")
        };
        let [mut primary, mut replica] =
            [SentinelServerType::Master, SentinelServerType::Replica].map(client);
        let mut connection = primary.get_connection().expect("there is a primary");
        connection.set::<_, _, ()>("before", 1).expect("it takes writes");
        let mut copy = replica.get_connection().expect("there is a replica");
        wait_until("the replica has it", || copy.get("before").ok() == Some(1));

        group.nodes[0].server.kill();
        wait_for("writes are taken", || {
            let mut connection: Connection = primary.get_connection().ok()?;
            let written: RedisResult<()> = connection.set("after", 1);
            written.ok()
        });
        group.wait_until_moved_from(0);
    });
}
