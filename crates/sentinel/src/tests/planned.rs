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

/// How many servers take writes, if they may.
fn primaries(world: &World) -> usize {
    world.servers.iter().filter(|server| server.is_alive && server.follows.is_none()).count()
}

#[test]
fn there_are_never_two_primaries() {
    for seed in 0..50 {
        let mut world = World::ready(3, 3, seed);
        let now = world.now;
        world.sentinel(1).core.now = slipstream_replication::Moment(now);
        world.sentinel(1).start_failover("mymaster", false).unwrap();
        for _ in 0..200 {
            world.run(1);
            assert!(primaries(&world) <= 1, "{}", world.story());
        }
        assert_ne!(world.primary(), Some(SERVERS));
    }
}

#[test]
fn whenever_its_leader_dies_one_primary_takes_writes_again_and_nothing_is_lost() {
    for dies_after in 0..40 {
        let mut world = World::ready(3, 3, 7);
        let now = world.now;
        world.sentinel(1).core.now = slipstream_replication::Moment(now);
        world.sentinel(1).start_failover("mymaster", false).unwrap();
        for _ in 0..dies_after {
            world.run(1);
            assert!(primaries(&world) <= 1, "{}", world.story());
        }
        world.kill_sentinel(1);
        for _ in 0..8000 {
            world.run(1);
            assert!(primaries(&world) <= 1, "{dies_after}\n{}", world.story());
        }
        let primary = world.primary().unwrap_or_else(|| panic!("{dies_after}\n{}", world.story()));
        let before = world.server(primary).offset;
        world.run(1000);
        assert!(world.server(primary).offset > before, "{dies_after}: it takes writes\n{}", world.story());
        assert!(world.server(primary).offset >= world.acknowledged, "{dies_after}\n{}", world.story());
    }
}

#[test]
fn a_primary_that_does_not_step_down_stays_the_primary() {
    let mut world = World::ready(3, 3, 1);
    world.server(SERVERS).refuses_to_follow = true;
    let now = world.now;
    world.sentinel(0).core.now = slipstream_replication::Moment(now);
    world.sentinel(0).start_failover("mymaster", false).unwrap();
    world.run_until(5000, |world| world.has_event("-failover-abort-master-timeout"));
    world.run(5000);
    assert_eq!((world.primary(), primaries(&world)), (Some(SERVERS), 1), "{}", world.story());
    assert_eq!(world.servers[0].paused_until, 0);
}
