//! An operator moves the primary's role.

use super::world::{SERVERS, World};

#[test]
fn a_switchover_loses_nothing_and_is_quick() {
    for seed in 0..50 {
        let mut world = World::ready(3, 3, seed);
        let now = world.now;
        world.sentinel(1).core.now = slipstream_replication::Moment(now);
        world.sentinel(1).start_failover("mymaster", false).unwrap();
        let took = world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert!(took < 100, "{took} ms\n{}", world.story());
        let primary = world.primary().unwrap();
        assert!(world.server(primary).offset >= world.acknowledged);
        world.run_until(1000, |world| world.servers[0].follows == Some(primary));
        world.run_until(1000, |world| world.has_event("+failover-end"));
        assert_eq!(world.servers[0].paused_until, 0);
    }
}

#[test]
fn a_switchover_whose_replica_does_not_keep_up_is_aborted() {
    let mut world = World::ready(2, 3, 1);
    world.run(1000);
    let now = world.now;
    world.silent.insert(SERVERS + 1);
    world.sentinel(0).core.now = slipstream_replication::Moment(now);
    world.sentinel(0).start_failover("mymaster", false).unwrap();
    world.run(5000);
    assert_eq!(world.primary(), Some(SERVERS));
    assert_eq!(world.servers[0].paused_until, 0, "{}", world.story());
    assert!(world.servers[0].orders.is_empty());
}
