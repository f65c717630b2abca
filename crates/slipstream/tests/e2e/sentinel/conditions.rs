//! What counts as down, who is told, and what the quorum is asked.

use super::events::Events;
use super::group::{Group, NAME, Plan, primary_named_by, replicas, state};
use super::with_each_kind;
use crate::peer::Kind;
use crate::wait::wait_until;

#[test]
fn who_is_silent_is_down_until_it_speaks_again() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(1, &[kind; 3]));
        let [server, sentinel] = [&group.nodes[0].server, &group.sentinels[0]];
        let events = Events::listen(sentinel);
        server.signal("STOP");
        wait_until("enough of them say so", || flags(sentinel) == "s_down,o_down,master");
        let map = state(sentinel);
        assert!(map.contains_key("s-down-time") && map.contains_key("o-down-time"), "{map:?}");
        let line = sentinel.client().info("sentinel", "master0").expect("there is one group");
        assert!(line.contains("status=odown"), "{line}");
        server.signal("CONT");
        wait_until("it is up again", || flags(sentinel) == "master");
        let primary = format!("master {NAME} 127.0.0.1 {}", server.port);
        for channel in ["+sdown", "-odown", "-sdown"] {
            assert_eq!(events.on(channel), [primary.as_str()], "{channel}");
        }
        let agreed = events.on("+odown");
        assert!(agreed[0].starts_with(&format!("{primary} #quorum ")), "{agreed:?}");
        assert_eq!(primary_named_by(sentinel), Some(server.port), "there is nobody else");
    });
}

fn flags(sentinel: &crate::server::Server) -> String {
    state(sentinel)["flags"].clone()
}

#[test]
fn a_replica_that_ends_is_down_until_it_is_back() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(2, &[kind]));
        let events = Events::listen(&group.sentinels[0]);
        group.nodes[1].server.kill();
        let [primary, replica] = [0, 1].map(|index| group.nodes[index].server.port);
        let text = format!("slave 127.0.0.1:{replica} 127.0.0.1 {replica} @ {NAME} 127.0.0.1 {primary}");
        wait_until("it is down", || events.on("+sdown") == [text.as_str()]);
        let flags = &replicas(&group.sentinels[0])[0]["flags"];
        assert!(["s_down,slave", "s_down,slave,disconnected"].contains(&flags.as_str()), "{flags}");
        group.nodes[1].server.restart();
        wait_until("it is up", || events.on("-sdown") == [text.as_str()]);
    });
}

/// Somebody made it a replica of another by hand.
#[test]
fn a_primary_that_says_it_is_a_replica_is_replaced() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind; 3]));
        group.nodes[0].server.client().call::<()>("REPLICAOF 127.0.0.1 1");
        assert_eq!(group.wait_until_moved_from(0), 1);
        assert_eq!(group.wait_until_converged(), 1);
    });
}

/// A replica that would rather show nothing than old data says MASTERDOWN to PING.
#[test]
fn who_says_that_its_primary_is_down_is_up() {
    with_each_kind(|kind| {
        let plan = Plan::situation(2, &[kind])
            .with_argument("--replica-serve-stale-data no")
            .with_argument("--replica-priority 0");
        let mut group = Group::start(&plan);
        let events = Events::listen(&group.sentinels[0]);
        group.nodes[0].server.kill();
        wait_until("the primary has been down for long", || {
            state(&group.sentinels[0])
                .get("s-down-time")
                .is_some_and(|ms| ms.parse::<u64>().unwrap_or(0) > 1500)
        });
        let replica = &replicas(&group.sentinels[0])[0];
        assert_eq!(replica["flags"], "slave", "{replica:?}");
        assert_eq!(events.on("+sdown").len(), 1, "{:?}", events.heard());
    });
}

#[test]
fn another_run_of_the_primary_is_noticed() {
    with_each_kind(|kind| {
        let plan = Plan { down_after_ms: 10_000, ..Plan::situation(1, &[kind]) };
        let mut group = Group::start(&plan);
        let events = Events::listen(&group.sentinels[0]);
        wait_until("its run is known", || !state(&group.sentinels[0])["runid"].is_empty());
        group.nodes[0].server.kill();
        group.nodes[0].server.restart();
        let text = format!("master {NAME} 127.0.0.1 {}", group.nodes[0].server.port);
        wait_until("it is noticed", || events.on("+reboot") == [text.as_str()]);
        assert!(events.on("+sdown").is_empty());
    });
}

#[test]
fn the_quorum_is_checked_when_somebody_asks() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(1, &[kind; 3]));
        let ask = |group: &Group, quorum: u32| {
            let mut client = group.sentinels[0].client();
            client.call::<()>(&format!("SENTINEL SET {NAME} quorum {quorum}"));
            match client.try_call::<String>(&format!("SENTINEL CKQUORUM {NAME}")) {
                Ok(text) => text,
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(ask(&group, 2), "OK 3 usable Sentinels. Quorum and failover authorization can be reached");
        let refused = ask(&group, 4);
        assert!(
            refused.contains("3 usable Sentinels. Not enough available Sentinels to reach the"),
            "{refused}"
        );
        assert!(refused.contains("quorum for this master"), "{refused}");
        group.sentinels[1].kill();
        group.sentinels[2].kill();
        let both = "1 usable Sentinels. Not enough available Sentinels to reach the majority and authorize a failover";
        wait_until("two are missed", || ask(&group, 1).contains(both));
        assert!(ask(&group, 2).contains("to reach the specified quorum for this master. Not enough"));
    });
}

/// One is not enough for a quorum of two.
#[test]
fn without_a_quorum_nobody_takes_over() {
    with_each_kind(|kind: Kind| {
        let mut group = Group::start(&Plan::situation(2, &[kind; 3]));
        group.sentinels[1].kill();
        group.sentinels[2].kill();
        let events = Events::listen(&group.sentinels[0]);
        group.nodes[0].server.kill();
        wait_until("the primary has been down for long", || {
            state(&group.sentinels[0])
                .get("s-down-time")
                .is_some_and(|ms| ms.parse::<u64>().unwrap_or(0) > 2000)
        });
        assert!(
            events.on("+odown").is_empty() && events.on("+try-failover").is_empty(),
            "{:?}",
            events.heard()
        );
        assert_eq!(primary_named_by(&group.sentinels[0]), Some(group.nodes[0].server.port));
    });
}

/// It answers that it is loading, which is in order for as long as nobody says otherwise.
#[test]
fn a_primary_that_takes_long_to_load_is_replaced_if_that_is_wanted() {
    with_each_kind(|kind| {
        let plan = Plan { down_after_ms: 60_000, ..Plan::situation(2, &[kind; 3]) };
        let mut group = Group::start(&plan.with_argument("--primary-empty-start-wait 0"));
        let events = Events::listen(&group.sentinels[0]);
        let server = &mut group.nodes[0].server;
        server.client().call::<()>("DEBUG POPULATE 20000");
        server.client().call::<()>("SAVE");
        server.set("--key-load-delay 10000");
        server.kill();
        server.start_again();
        let text = format!("master {NAME} 127.0.0.1 {}", server.port);
        wait_until("it is noticed", || events.on("+reboot") == [text.as_str()]);
        assert!(events.on("+sdown").is_empty(), "{:?}", events.heard());
        for sentinel in &group.sentinels {
            let mut client = sentinel.client();
            client.call::<()>(&format!("SENTINEL SET {NAME} master-reboot-down-after-period 500"));
        }
        group.nodes[0].server.kill();
        group.nodes[0].server.start_again();
        assert_eq!(group.wait_until_moved_from(0), 1);
        assert_eq!(events.on("+sdown"), [text.as_str()]);
    });
}
