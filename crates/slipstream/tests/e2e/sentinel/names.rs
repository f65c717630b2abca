//! Host names in the place of addresses.

use super::group::{Group, NAME, Plan, replicas};
use super::with_each_kind;

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
