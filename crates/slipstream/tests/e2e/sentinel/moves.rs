//! A failover step by step: what is told, in which words, and what becomes of those who were away.

use super::events::{Event, Events};
use super::group::{Group, NAME, Plan, replicas, state};
use super::{side_by_side, with_each_kind};
use crate::copies::follow;
use crate::peer::Kind::Ours;
use crate::wait::wait_until;

/// What the leader tells, from the first doubt on, in this order; others may stand between.
const LEADER: &[(&str, &str)] = &[
    ("+sdown", "{old}"),
    ("+odown", "{old} #quorum 2/2"),
    ("+new-epoch", "{epoch}"),
    ("+try-failover", "{old}"),
    ("+vote-for-leader", "{leader} {epoch}"),
    ("+elected-leader", "{old}"),
    ("+failover-state-select-slave", "{old}"),
    ("+selected-slave", "{new}"),
    ("+failover-state-send-slaveof-noone", "{new}"),
    ("+failover-state-wait-promotion", "{new}"),
    ("+promoted-slave", "{new}"),
    ("+failover-state-reconf-slaves", "{old}"),
];

/// How it goes on at Redis: clients are told when all follow.
const TOLD_LAST: &[(&str, &str)] = &[
    ("+slave-reconf-sent", "{third}"),
    ("+slave-reconf-done", "{third}"),
    ("+failover-end", "{old}"),
    ("+switch-master", "{switch}"),
];

/// And at ours: as soon as somebody takes writes. What comes later is about the new primary's group.
const TOLD_AT_ONCE: &[(&str, &str)] = &[
    ("+switch-master", "{switch}"),
    ("+slave-reconf-sent", "{third now}"),
    ("+slave-reconf-done", "{third now}"),
    ("+failover-end", "{new now}"),
];

/// What the others tell.
const OTHERS: &[(&str, &str)] = &[
    ("+new-epoch", "{epoch}"),
    ("+vote-for-leader", "{leader} {epoch}"),
    ("+config-update-from", "sentinel {leader} 127.0.0.1 {leader port} @ {group}"),
    ("+switch-master", "{switch}"),
];

/// Two sentinels: both must agree, and either may lead.
#[test]
fn a_failover_is_told_step_by_step() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(3, &[kind; 2]));
        let events: Vec<Events> = group.sentinels.iter().map(Events::listen).collect();
        let ids: Vec<String> =
            group.sentinels.iter().map(|sentinel| sentinel.client().call("SENTINEL MYID")).collect();
        group.nodes[0].server.kill();
        let new = group.wait_until_moved_from(0);
        let told = |channel: &str| events.iter().position(|heard| !heard.on(channel).is_empty());
        wait_until("it is over", || told("+failover-end").is_some());
        let leader = told("+elected-leader").expect("somebody led");
        wait_until("both have said whom they follow", || {
            events.iter().all(|heard| !heard.on("+switch-master").is_empty())
        });

        let port = |index: usize| group.nodes[index].server.port;
        let of_group = format!("{NAME} 127.0.0.1 {}", port(0));
        let replica = |index| format!("slave 127.0.0.1:{0} 127.0.0.1 {0} @ {of_group}", port(index));
        // An election may have been lost before.
        let epoch = state(&group.sentinels[leader])["config-epoch"].clone();
        let words = [
            ("{epoch}", epoch),
            ("{old}", format!("master {of_group}")),
            ("{new}", replica(new)),
            ("{third}", replica(3 - new)),
            ("{third now}", replica(3 - new).replace(&of_group, &format!("{NAME} 127.0.0.1 {}", port(new)))),
            ("{new now}", format!("master {NAME} 127.0.0.1 {}", port(new))),
            ("{switch}", format!("{of_group} 127.0.0.1 {}", port(new))),
            ("{leader}", ids[leader].clone()),
            ("{leader port}", group.sentinels[leader].port.to_string()),
            ("{group}", of_group.clone()),
        ];
        let filled = |expected: &[(&str, &str)]| -> Vec<Event> {
            let fill =
                |text: &str| words.iter().fold(text.to_owned(), |text, (word, by)| text.replace(word, by));
            expected.iter().map(|(channel, text)| ((*channel).to_owned(), fill(text))).collect()
        };
        let rest = if kind == Ours { TOLD_AT_ONCE } else { TOLD_LAST };
        assert_told_in_order(&events[leader].heard(), &filled(&[LEADER, rest].concat()));
        assert_told_in_order(&events[1 - leader].heard(), &filled(OTHERS));
    });
}

#[track_caller]
fn assert_told_in_order(heard: &[Event], expected: &[Event]) {
    let mut rest = heard.iter();
    for event in expected {
        assert!(rest.any(|found| found == event), "{event:?} is not where it should be in {heard:#?}");
    }
}

/// It has a wrong primary when it is back.
#[test]
fn who_was_away_follows_the_new_primary_later() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(3, &[kind; 3]));
        let old = group.nodes[0].server.port;
        group.nodes[2].server.set(&format!("--replicaof 127.0.0.1 {old}"));
        group.nodes[2].server.kill();
        group.nodes[0].server.kill();
        assert_eq!(group.wait_until_moved_from(0), 1);
        group.nodes[2].server.restart();
        group.wait_until_followed(1, 0);
        group.nodes[0].server.restart();
        assert_eq!(group.wait_until_converged(), 1);
    });
}

#[test]
fn a_replica_of_a_replica_is_put_right() {
    with_each_kind(|kind| {
        let plan = Plan::situation(3, &[kind]).with_line(&format!("sentinel failover-timeout {NAME} 1000"));
        let group = Group::start(&plan);
        let events = Events::listen(&group.sentinels[0]);
        follow(&group.nodes[2].server, group.nodes[1].server.port);
        wait_until("it is seen", || !events.on("+fix-slave-config").is_empty());
        assert_eq!(group.wait_until_converged(), 0);
        assert_eq!(replicas(&group.sentinels[0]).len(), 2);
    });
}

/// A move that one sentinel was told to make; nobody else knows of it.
#[test]
fn a_leader_may_crash_on_purpose() {
    with_each_kind(|kind| {
        let failures = [("crash-after-election", "slave"), ("crash-after-promotion", "master")];
        side_by_side(failures.into_iter(), |(failure, role)| {
            let mut group = Group::start(&Plan::situation(2, &[kind]));
            let mut client = group.sentinels[0].client();
            client.call::<()>(&format!("SENTINEL SIMULATE-FAILURE {failure}"));
            client.call::<()>(&format!("SENTINEL FAILOVER {NAME}"));
            assert_eq!(group.sentinels[0].wait_for_end().code(), Some(99));
            let found = group.nodes[1].server.client().info("replication", "role");
            assert_eq!(found.as_deref(), Some(*role));
        });
    });
}
