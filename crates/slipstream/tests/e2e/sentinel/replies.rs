//! What sentinels reply to commands, word for word: each kind is asked the same, and must say what Redis says.
//!
//! Times, offsets and ids are masked. What Redis 7.0 does not know yet is compared with Valkey.

use redis::Value;

use super::events::Events;
use super::group::{Group, NAME, Plan};
use super::{KINDS, side_by_side};
use crate::client::{Client, command};
use crate::peer::Kind::{self, Redis7, Valkey9};
use crate::peer::all_found;
use crate::wait::wait_until;

/// Of one group, in this order.
const LINES: &[&str] = &[
    "PING",
    "ROLE",
    "SENTINEL MASTERS",
    "SENTINEL MASTER mymaster",
    "SENTINEL MASTER none",
    "SENTINEL REPLICAS mymaster",
    "SENTINEL SLAVES mymaster",
    "SENTINEL REPLICAS none",
    "SENTINEL SENTINELS mymaster",
    "SENTINEL SENTINELS none",
    "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster",
    "SENTINEL GET-MASTER-ADDR-BY-NAME none",
    "SENTINEL CKQUORUM mymaster",
    "SENTINEL CKQUORUM none",
    "SENTINEL PENDING-SCRIPTS",
    "SENTINEL INFO-CACHE none",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} x *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 7 0123456789012345678901234567890123456789",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 7 1123456789012345678901234567890123456789",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 0 *",
    "SENTINEL DEBUG",
    "SENTINEL DEBUG info-period",
    "SENTINEL DEBUG info-period abc",
    "SENTINEL DEBUG info-period 0",
    "SENTINEL DEBUG nothing 1",
    "SENTINEL DEBUG info-period 8888 tilt-period 5000",
    "SENTINEL DEBUG",
    "SENTINEL CONFIG GET announce-ip",
    "SENTINEL CONFIG GET nothing",
    "SENTINEL CONFIG SET announce-port 70000",
    "SENTINEL CONFIG SET announce-port abc",
    "SENTINEL CONFIG SET announce-port 1234",
    "SENTINEL CONFIG GET announce-port",
    "SENTINEL CONFIG SET announce-port 0",
    "SENTINEL CONFIG SET resolve-hostnames maybe",
    "SENTINEL CONFIG SET nothing 1",
    "SENTINEL CONFIG",
    "SENTINEL SET mymaster",
    "SENTINEL SET mymaster quorum",
    "SENTINEL SET mymaster quorum 0",
    "SENTINEL SET mymaster quorum 3",
    "SENTINEL SET mymaster nothing 3",
    "SENTINEL SET none quorum 3",
    "SENTINEL SET mymaster down-after-milliseconds 0",
    "SENTINEL SET mymaster down-after-milliseconds -1",
    "SENTINEL SET mymaster down-after-milliseconds 2000 parallel-syncs 2",
    "SENTINEL SET mymaster failover-timeout 0",
    "SENTINEL SET mymaster failover-timeout 20000",
    "SENTINEL SET mymaster parallel-syncs 0",
    "SENTINEL MASTER mymaster",
    "SENTINEL SET mymaster notification-script /x",
    "SENTINEL SET mymaster client-reconfig-script /x",
    "SENTINEL SET mymaster auth-pass secret",
    "SENTINEL SET mymaster auth-user somebody",
    "SENTINEL SET mymaster rename-command CONFIG GUESS",
    "SENTINEL SET mymaster rename-command CONFIG CONFIG",
    "SENTINEL SET mymaster rename-command CONFIG",
    "SENTINEL SET mymaster master-reboot-down-after-period 5000",
    "SENTINEL SET mymaster master-reboot-down-after-period -5",
    "SENTINEL MONITOR other 127.0.0.1 {port} 0",
    "SENTINEL MONITOR other 127.0.0.1 {port} x",
    "SENTINEL MONITOR other 127.0.0.1 70000 2",
    "SENTINEL MONITOR other nowhere.invalid {port} 2",
    "SENTINEL MONITOR other localhost {port} 2",
    "SENTINEL MONITOR mymaster 127.0.0.1 {port} 2",
    "SENTINEL MONITOR other 127.0.0.1 {port} 2",
    "SENTINEL REMOVE other",
    "SENTINEL REMOVE other",
    "SENTINEL RESET none*",
    "SENTINEL RESET my*",
    "SENTINEL FAILOVER none",
    "SENTINEL SIMULATE-FAILURE",
    "SENTINEL SIMULATE-FAILURE HELP",
    "SENTINEL SIMULATE-FAILURE nonsense",
    "SENTINEL FLUSHCONFIG",
    "SENTINEL NONSENSE",
    "SENTINEL",
    "SENTINEL MASTER",
    "SENTINEL MASTER a b",
    "GET a",
    "SET a b",
    "CONFIG GET port",
    "PUBLISH channel x",
    "SELECT 1",
    "MULTI",
    "EVAL x 0",
    "DBSIZE",
    "MONITOR",
    "SUBSCRIBE",
    "AUTH x",
    "HELLO 3 AUTH a b",
];

/// What came with Redis 7.2.
const LATER: &[&str] = &[
    "SENTINEL CONFIG GET *",
    "SENTINEL CONFIG GET a b",
    "SENTINEL CONFIG GET announce*",
    "SENTINEL CONFIG GET announce-port announce-port nothing",
    "SENTINEL CONFIG GET log* *level loglevel",
    "SENTINEL CONFIG SET loglevel debug",
    "SENTINEL CONFIG SET loglevel nonsense",
    "SENTINEL CONFIG SET loglevel notice",
    "SENTINEL CONFIG SET announce-ip 1.2.3.4 announce-port 1",
    "SENTINEL CONFIG SET announce-port 2 announce-port 3",
    "SENTINEL CONFIG SET announce-port 2 nothing 3",
    "SENTINEL CONFIG SET announce-port 2 resolve-hostnames maybe",
    "SENTINEL CONFIG SET announce-port 2 announce-ip",
    "SENTINEL CONFIG GET announce*",
    "SENTINEL CONFIG GET",
];

/// Of INFO, in this order; others may stand between them.
const INFO: &[&str] = &[
    "sentinel_masters:1",
    "sentinel_tilt:0",
    "sentinel_tilt_since_seconds:-1",
    "sentinel_running_scripts:0",
    "sentinel_scripts_queue_length:0",
    "sentinel_simulate_failure_flags:0",
    "master0:name=mymaster,status=ok,address=127.0.0.1:{port},slaves=1,sentinels=2",
];

/// The fields of maps whose values are times, offsets or ids.
const MASKED: &[&str] = &[
    "runid",
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "info-refresh",
    "role-reported-time",
    "master-link-down-time",
    "slave-repl-offset",
    "last-hello-message",
    "link-pending-commands",
];

#[test]
fn replies_are_those_of_redis() {
    check(Redis7, LINES);
}

#[test]
fn replies_are_those_of_redis_7_2() {
    check(Valkey9, LATER);
}

#[track_caller]
fn check(model: Kind, lines: &[&str]) {
    if !all_found(&KINDS) {
        return;
    }
    let expected = replies(model, lines);
    side_by_side(KINDS.into_iter().filter(|&kind| kind != model && kind != Redis7), |&kind| {
        let found = replies(kind, lines);
        let differ: Vec<String> = lines
            .iter()
            .zip(expected.iter().zip(&found))
            .filter(|(_, (expected, found))| expected != found)
            .map(|(line, (expected, found))| format!("{line}\n  not {expected}\n  but {found}"))
            .collect();
        assert!(differ.is_empty(), "{}", differ.join("\n"));
    });
}

/// What a fresh group's first sentinel replies.
fn replies(kind: Kind, lines: &[&str]) -> Vec<String> {
    let group = Group::start(&Plan { is_hasty: false, ..Plan::situation(2, &[kind; 2]) });
    let mut client = group.sentinels[0].client();
    lines.iter().map(|line| reply(&group, &mut client, line)).collect()
}

fn reply(group: &Group, client: &mut Client, line: &str) -> String {
    let line = line.replace("{port}", &group.nodes[0].server.port.to_string());
    let servers = group.nodes.iter().map(|node| &node.server).chain(&group.sentinels);
    let reply = client.replies(&[command(&line)]).remove(0);
    let mut text = match reply {
        Ok(value) => shown(&value),
        Err(error) => error.to_string(),
    };
    for (index, server) in servers.enumerate() {
        text = text.replace(&server.port.to_string(), &format!("port{index}"));
    }
    mask_ids(&text)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::BulkString(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::Array(items) => format!("[{}]", elements(items).join(", ")),
        other => format!("{other:?}"),
    }
}

fn elements(items: &[Value]) -> Vec<String> {
    let is_masked = |index: usize| {
        let name = index.checked_sub(1).map(|before| &items[before]);
        matches!(name, Some(Value::BulkString(name)) if MASKED.iter().any(|masked| masked.as_bytes() == name))
    };
    let element = |(index, item)| if is_masked(index) { "*".to_owned() } else { shown(item) };
    items.iter().enumerate().map(element).collect()
}

/// Each run of 40 digits of an id becomes one word.
fn mask_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let mask = |word: &str| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(bare) { word.replace(bare, "ID") } else { word.to_owned() }
    };
    words.map(mask).collect()
}

#[test]
fn info_tells_of_each_group() {
    super::with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind; 2]));
        let mut client = group.sentinels[0].client();
        let info: String = client.call("INFO sentinel");
        let mut lines = info.lines();
        for field in INFO {
            let field = field.replace("{port}", &group.nodes[0].server.port.to_string());
            assert!(lines.any(|line| line == field), "{field} is not where it should be in {info}");
        }
        let sections = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
        };
        let all: String = client.call("INFO");
        assert_eq!(sections(&all), ["Server", "Clients", "Stats", "CPU", "Sentinel"]);
        assert_eq!(sections(&client.call::<String>("INFO cpu")), ["CPU"]);
        assert_eq!(
            sections(&client.call::<String>("INFO server sentinel replication")),
            ["Server", "Sentinel"]
        );
        assert_eq!(client.info("server", "tcp_port"), Some(group.sentinels[0].port.to_string()));
    });
}

#[test]
fn the_cache_has_what_each_server_said_last() {
    super::with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind]));
        let cache: Vec<(String, Vec<(i64, String)>)> =
            group.sentinels[0].client().call(&format!("SENTINEL INFO-CACHE {NAME}"));
        let [(name, servers)] = &cache[..] else { panic!("{cache:?}") };
        assert_eq!((name.as_str(), servers.len()), (NAME, 2));
        for ((age_ms, info), node) in servers.iter().zip(&group.nodes) {
            assert!((0..60_000).contains(age_ms), "{age_ms}");
            assert!(info.contains(&format!("tcp_port:{}", node.server.port)), "{info}");
        }
    });
}

#[test]
fn changes_by_hand_are_told() {
    super::with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(1, &[kind]));
        let events = Events::listen(&group.sentinels[0]);
        let mut client = group.sentinels[0].client();
        let address = format!("127.0.0.1 {}", group.nodes[0].server.port);
        client.call::<()>(&format!("SENTINEL SET {NAME} quorum 3 parallel-syncs 2"));
        client.call::<()>(&format!("SENTINEL MONITOR other {address} 2"));
        client.call::<()>("SENTINEL REMOVE other");
        client.call::<()>(&format!("SENTINEL RESET {NAME}"));
        let expected = [
            ("+set", format!("master {NAME} {address} quorum 3")),
            ("+set", format!("master {NAME} {address} parallel-syncs 2")),
            ("+monitor", format!("master other {address} quorum 2")),
            ("-monitor", format!("master other {address}")),
            ("+reset-master", format!("master {NAME} {address}")),
        ];
        wait_until("the last is told", || !events.on("+reset-master").is_empty());
        let heard = events.heard();
        let mut rest = heard.iter();
        for (channel, text) in expected {
            assert!(rest.any(|event| event == &(channel.to_owned(), text.clone())), "{text}: {heard:?}");
        }
    });
}
