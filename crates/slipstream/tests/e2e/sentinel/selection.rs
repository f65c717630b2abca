//! Which replica takes over, and which never does.

use super::group::{Group, NAME, Plan, replicas};
use super::with_each_kind;
use crate::wait::wait_until;

/// The lower number goes first, and none with 0 at all.
#[test]
fn priorities_decide() {
    with_each_kind(|kind| {
        let mut group = Group::start(&Plan::situation(4, &[kind; 3]));
        for (node, priority) in group.nodes.iter().zip([100, 0, 100, 10]) {
            node.server.client().call::<()>(&format!("CONFIG SET replica-priority {priority}"));
        }
        for sentinel in &group.sentinels {
            wait_until("the sentinel has seen them", || {
                replicas(sentinel).iter().any(|replica| replica["slave-priority"] == "10")
            });
        }
        group.nodes[0].server.kill();
        assert_eq!(group.wait_until_moved_from(0), 3);
    });
}

#[test]
fn nobody_takes_over_where_nobody_may() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind]).with_argument("--replica-priority 0"));
        let refused = group.sentinels[0].client().try_call::<()>(&format!("SENTINEL FAILOVER {NAME}"));
        let refused = refused.expect_err("the only one has priority 0").to_string();
        assert!(refused.contains("NOGOODSLAVE"), "{refused}");
    });
}

#[test]
fn a_replica_that_does_not_want_to_be_named_is_not() {
    with_each_kind(|kind| {
        let group = Group::start(&Plan::situation(2, &[kind]));
        let mut replica = group.nodes[1].server.client();
        replica.call::<()>("CONFIG SET replica-announced no");
        wait_until("it is hidden", || replicas(&group.sentinels[0]).is_empty());
        replica.call::<()>("CONFIG SET replica-announced yes");
        wait_until("it is shown", || replicas(&group.sentinels[0]).len() == 1);
    });
}
