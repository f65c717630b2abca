//! Host names in the place of addresses.

use super::events::Events;
use super::group::{Group, NAME, Plan, replicas};
use super::with_each_kind;
use crate::copies::{follow, wait_until_linked};
use crate::wait::wait_until;

#[test]
fn names_are_resolved_and_announced() {
    with_each_kind(|kind| {
        let mut plan = Plan::situation(3, &[kind; 3])
            .with_line("sentinel resolve-hostnames yes")
            .with_line("sentinel announce-hostnames yes")
            .with_argument("--replica-announce-ip localhost");
        plan.host = "localhost";
        let mut group = Group::start(&plan);
        assert_announced(&group, 0, "localhost");
        group.nodes[0].server.kill();
        let new = group.wait_until_moved_from(0);
        group.wait_until_followed(new, 0);
        assert_announced(&group, new, "localhost");
        for sentinel in &group.sentinels {
            sentinel.client().call::<()>("SENTINEL CONFIG SET announce-hostnames no");
        }
        assert_announced(&group, new, "127.0.0.1");
    });
}

#[track_caller]
fn assert_announced(group: &Group, primary: usize, host: &str) {
    for sentinel in &group.sentinels {
        let address: (String, u16) =
            sentinel.client().call(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
        assert_eq!(address, (host.to_owned(), group.nodes[primary].server.port));
        let replicas = replicas(sentinel);
        assert!(replicas.iter().all(|replica| replica["ip"] == host), "{replicas:?}");
    }
}

/// By a name that sentinels do not have it is right where they look names up, and is told the number where they do not.
#[test]
fn a_replica_may_call_its_primary_by_another_name() {
    with_each_kind(|kind| {
        for resolves in ["yes", "no"] {
            let plan = Plan::situation(3, &[kind])
                .with_line(&format!("sentinel failover-timeout {NAME} 1000"))
                .with_line(&format!("sentinel resolve-hostnames {resolves}"));
            let group = Group::start(&plan);
            let events = Events::listen(&group.sentinels[0]);
            let [primary, named, stray] = [0, 1, 2].map(|index| group.nodes[index].server.port);
            group.nodes[1].server.client().call::<()>(&format!("REPLICAOF localhost {primary}"));
            wait_until_linked(&group.nodes[1].server);
            wait_until("the sentinel hears the name", || {
                replicas(&group.sentinels[0]).iter().any(|replica| replica["master-host"] == "localhost")
            });
            // When one that strays since then is put right, the other would have been as well.
            follow(&group.nodes[2].server, named);
            let was_put_right = |port: u16| {
                let told = events.on("+fix-slave-config");
                told.iter().any(|text| text.contains(&format!(" {port} @ {NAME}")))
            };
            wait_until("the one that strays is put right", || was_put_right(stray));
            assert_eq!(was_put_right(named), resolves == "no", "{:?}", events.heard());
        }
    });
}
