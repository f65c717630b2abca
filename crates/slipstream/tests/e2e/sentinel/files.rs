//! The sentinel's file: what of it is the operator's, and what a sentinel that starts again has of it.

use std::fs;

use super::events::Events;
use super::group::{Group, NAME, Plan, maps, primary_named_by, replicas, state};
use super::with_each_kind;
use crate::server::Server;
use crate::wait::wait_until;

/// Its lines, whether or not values are in quotes.
fn file(sentinel: &Server) -> Vec<String> {
    let text = fs::read_to_string(sentinel.folder.join("sentinel.conf")).expect("it is there");
    text.lines().map(|line| line.replace('"', "")).collect()
}

/// Whether the lines stand in the file, one somewhere below the other.
fn has_in_order(file: &[String], lines: &[String]) -> bool {
    let mut rest = file.iter();
    lines.iter().all(|line| rest.any(|found| found == line))
}

#[test]
fn lines_and_comments_stay_where_they_are() {
    with_each_kind(|kind| {
        let plan = Plan::situation(1, &[kind])
            .with_line("# by hand")
            .with_line(&format!("# more about {NAME}"))
            .with_line(&format!("sentinel parallel-syncs {NAME} 3"));
        let group = Group::start(&plan);
        let mut client = group.sentinels[0].client();
        client.call::<()>(&format!("SENTINEL SET {NAME} failover-timeout 12345"));
        client.call::<()>("SENTINEL FLUSHCONFIG");
        let expected = [
            "# by hand".to_owned(),
            format!("sentinel monitor {NAME} 127.0.0.1 {} 1", group.nodes[0].server.port),
            format!("sentinel down-after-milliseconds {NAME} 1000"),
            format!("sentinel failover-timeout {NAME} 12345"),
            format!("# more about {NAME}"),
            format!("sentinel parallel-syncs {NAME} 3"),
        ];
        let file = file(&group.sentinels[0]);
        assert!(has_in_order(&file, &expected), "{file:#?}");
    });
}

#[test]
fn what_is_set_is_there_after_a_restart() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(2, &[kind; 2]));
        let mut client = group.sentinels[0].client();
        let id: String = client.call("SENTINEL MYID");
        client.call::<()>(&format!("SENTINEL SET {NAME} quorum 1 parallel-syncs 5 auth-user somebody"));
        client.call::<()>("SENTINEL CONFIG SET announce-port 4321");
        client.call::<()>(&format!("SENTINEL MONITOR another 127.0.0.1 {} 7", group.nodes[1].server.port));
        group.sentinels[0].kill();
        group.sentinels[0].restart();
        let mut client = group.sentinels[0].client();
        assert_eq!(client.call::<String>("SENTINEL MYID"), id);
        let map = state(&group.sentinels[0]);
        assert_eq!([&map["quorum"], &map["parallel-syncs"]], ["1", "5"]);
        assert_eq!(map["num-other-sentinels"], "1", "the file has the others");
        assert_eq!(replicas(&group.sentinels[0]).len(), 1, "and the replicas");
        assert_eq!(client.call::<(String, String)>("SENTINEL CONFIG GET announce-port").1, "4321");
        let lines = file(&group.sentinels[0]);
        assert!(
            lines.iter().any(|line| line == &format!("sentinel auth-user {NAME} somebody")),
            "{lines:#?}"
        );
        client.call::<()>("SENTINEL REMOVE another");
        assert!(!file(&group.sentinels[0]).iter().any(|line| line.contains("another")));
    });
}

/// It hears of the new primary from the others, and has it in its file.
#[test]
fn a_sentinel_that_was_away_learns_who_is_the_primary() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(2, &[kind; 3]));
        group.sentinels[2].kill();
        let [old, new] = [0, 1].map(|index| group.nodes[index].server.port);
        group.nodes[0].server.kill();
        for sentinel in &group.sentinels[..2] {
            wait_until("the others agree", || primary_named_by(sentinel) == Some(new));
        }
        group.sentinels[2].restart();
        let sentinel = &group.sentinels[2];
        wait_until("it has heard", || primary_named_by(sentinel) == Some(new));
        let map = state(sentinel);
        assert_eq!(map["config-epoch"], state(&group.sentinels[0])["config-epoch"]);
        // Clients are told a moment before it is on disk.
        for line in [
            format!("sentinel monitor {NAME} 127.0.0.1 {new} 2"),
            format!("sentinel config-epoch {NAME} {}", map["config-epoch"]),
            format!("sentinel known-replica {NAME} 127.0.0.1 {old}"),
        ] {
            wait_until(&line, || file(sentinel).contains(&line));
        }
    });
}

#[test]
fn a_reset_forgets_who_is_gone() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(3, &[kind; 3]));
        group.nodes[2].server.kill();
        group.sentinels[2].kill();
        let mut client = group.sentinels[0].client();
        assert_eq!(client.call::<u32>("SENTINEL RESET my*"), 1);
        wait_until("the others are known again", || {
            let map = state(&group.sentinels[0]);
            map["num-slaves"] == "1" && map["num-other-sentinels"] == "1"
        });
    });
}

/// As when a machine is set up anew: the others count it once.
#[test]
fn another_sentinel_at_the_same_address_takes_the_place_of_the_first() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(1, &[kind; 3]));
        let events: Vec<Events> = group.sentinels[..2].iter().map(Events::listen).collect();
        let old: String = group.sentinels[2].client().call("SENTINEL MYID");
        group.sentinels[2].kill();
        let path = group.sentinels[2].folder.join("sentinel.conf");
        let kept: Vec<String> =
            file(&group.sentinels[2]).into_iter().filter(|line| !line.contains("myid")).collect();
        fs::write(&path, kept.join("\n") + "\n").expect("the folder is ours");
        group.sentinels[2].restart();
        let id: String = group.sentinels[2].client().call("SENTINEL MYID");
        let [at, primary] = [group.sentinels[2].port, group.nodes[0].server.port];
        let invalid = format!("sentinel {old} 127.0.0.1 {at} @ {NAME} 127.0.0.1 {primary}");
        for (sentinel, heard) in group.sentinels.iter().zip(&events) {
            wait_until("it is told", || heard.on("+sentinel-invalid-addr") == [invalid.as_str()]);
            wait_until("the new one is known", || {
                let others = maps(&mut sentinel.client(), &format!("SENTINEL SENTINELS {NAME}"));
                assert!(others.len() <= 2, "{others:?}");
                others.iter().any(|other| other["runid"] == id)
            });
        }
    });
}

/// It keeps its id: the others look for it where it says it is.
#[test]
fn a_sentinel_that_moves_is_found_at_its_new_address() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(1, &[kind; 3]));
        let id: String = group.sentinels[2].client().call("SENTINEL MYID");
        let lines = file(&group.sentinels[2]);
        let events: Vec<Events> = group.sentinels[..2].iter().map(Events::listen).collect();
        group.sentinels[2].kill();
        let moved = Server::start_sentinel(kind, &lines);
        let port = moved.port;
        assert_eq!(moved.client().call::<String>("SENTINEL MYID"), id);
        let primary = group.nodes[0].server.port;
        let text = format!("master {NAME} 127.0.0.1 {primary} ip 127.0.0.1 port {port} for {id}");
        for (sentinel, heard) in group.sentinels.iter().zip(&events) {
            wait_until("it is told", || heard.on("+sentinel-address-switch") == [text.as_str()]);
            wait_until("it is found", || {
                let others = maps(&mut sentinel.client(), &format!("SENTINEL SENTINELS {NAME}"));
                let found = others.iter().find(|other| other["runid"] == id);
                others.len() == 2 && found.is_some_and(|found| found["port"] == port.to_string())
            });
        }
    });
}
