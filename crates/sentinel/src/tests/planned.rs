//! An operator moves the primary's role.

use std::collections::BTreeSet;

use super::model::NOPERM;
use super::world::{SERVERS, World};

/// SENTINEL FAILOVER, with FORCE or without.
fn order(world: &mut World, sentinel: usize, is_forced: bool) {
    let now = world.now;
    world.sentinel(sentinel).core.now = slipstream_replication::Moment(now);
    world.sentinel(sentinel).start_failover("mymaster", is_forced).unwrap();
}

/// Which servers were promoted, in order.
fn promoted(world: &World) -> Vec<String> {
    let events = world.events.iter().filter(|event| event.2 == "+promoted-slave");
    events.map(|event| event.3.clone()).collect()
}

#[test]
fn a_switchover_loses_nothing_and_is_quick() {
    for seed in 0..50 {
        let mut world = World::ready(3, 3, seed);
        order(&mut world, 1, false);
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
    world.silent.insert(SERVERS + 1);
    order(&mut world, 0, false);
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
        order(&mut world, 1, false);
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
        order(&mut world, 1, false);
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
    world.server(SERVERS).refuses.push(("SLAVEOF", NOPERM));
    order(&mut world, 0, false);
    let took = world.run_until(5000, |world| world.has_event("-failover-abort-master-timeout"));
    assert!(took < 50, "{took} ms");
    world.run(5000);
    assert_eq!((world.primary(), primaries(&world)), (Some(SERVERS), 1), "{}", world.story());
    assert_eq!(world.servers[0].paused_until, 0);
}

#[test]
fn an_order_that_all_sentinels_get_is_done_once() {
    for (is_forced, seed) in (0..24).map(|seed| (seed % 2 == 0, seed)) {
        let mut world = World::ready(4, 3, seed);
        (0..3).for_each(|sentinel| order(&mut world, sentinel, is_forced));
        world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        world.run(5000);
        assert!(world.primary().is_some_and(|port| port != SERVERS), "{seed}\n{}", world.story());
        let epochs: BTreeSet<u64> = world.groups().map(|group| group.config_epoch).collect();
        assert_eq!((epochs.len(), primaries(&world)), (1, 1), "{seed}\n{}", world.story());
        if !is_forced {
            assert_eq!(promoted(&world).len(), 1, "{seed}\n{}", world.story());
            let primary = world.primary().unwrap();
            assert!(world.server(primary).offset >= world.acknowledged, "{seed}\n{}", world.story());
        }
    }
}

#[test]
fn an_order_for_a_dead_primary_is_done_once() {
    for seed in 0..16 {
        let mut world = World::ready(4, 3, seed);
        for sentinel in 0..3 {
            world.sentinel(sentinel).groups.get_mut("mymaster").unwrap().options.fast_down = false;
        }
        world.kill(SERVERS);
        world.run(50);
        (0..3).for_each(|sentinel| order(&mut world, sentinel, false));
        world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        world.run(5000);
        assert_eq!((promoted(&world).len(), primaries(&world)), (1, 1), "{seed}\n{}", world.story());
    }
}

#[test]
fn a_forced_one_needs_no_majority() {
    let mut world = World::ready(3, 3, 1);
    world.kill_sentinel(1);
    world.kill_sentinel(2);
    world.run(3000);
    order(&mut world, 0, true);
    let took = world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert!(took < 700, "{took} ms");
}

#[test]
fn what_is_moved_is_the_primarys_data() {
    let mut world = World::ready(2, 3, 1);
    // An operator has it follow another, which is further.
    let stray = world.server(SERVERS + 1);
    (stray.follows, stray.offset, stray.history) = (Some(9999), 1 << 40, "hx".into());
    world.run(50);
    order(&mut world, 0, false);
    world.run_until(1000, |world| world.has_event("-failover-abort-no-good-slave"));
    world.run(1000);
    assert_eq!(promoted(&world), Vec::<String>::new(), "{}", world.story());
    assert_eq!(world.servers[0].follows, None);
}

#[test]
fn two_configurations_of_one_epoch_do_not_both_last() {
    let mut world = World::ready(3, 2, 1);
    for (sentinel, port) in [(0, SERVERS + 1), (1, SERVERS + 2)] {
        let now = world.now;
        let sentinel = world.sentinel(sentinel);
        sentinel.core.now = slipstream_replication::Moment(now);
        let group = sentinel.groups.get_mut("mymaster").unwrap();
        (group.config_epoch, sentinel.core.epoch) = (3, 3);
        group.switch_primary(&mut sentinel.core, &crate::Address::new("127.0.0.1", port), true);
    }
    world.run_until(5000, |world| world.primary() == Some(SERVERS + 1));
}

#[test]
fn no_message_holds_up_what_the_primary_is_told() {
    let mut world = World::ready(2, 3, 1);
    let began = world.now;
    world.server(SERVERS + 1).stands_until = began + 300;
    order(&mut world, 0, false);
    world.run(100);
    assert!(world.servers[0].paused_until > world.now);
    for sentinel in 0..3 {
        // An epoch of another group is news for everybody.
        world.sentinel(sentinel).core.see_epoch(9, "");
        world.tell(sentinel, crate::Event::Tick);
    }
    let took = world.run_until(2000, |world| world.primary() == Some(SERVERS + 1));
    assert!(100 + took < 350, "{took} ms\n{}", world.story());
    world.run_until(100, |world| world.servers[0].paused_until == 0);
    assert!(!world.has_event("+sdown"), "{}", world.story());
    assert!(!world.has_held_message);
}

#[test]
fn sentinels_that_stand_for_different_groups_are_no_rivals() {
    let mut world = World::ready(3, 3, 1);
    let now = world.now;
    let voter = world.sentinel(2);
    voter.core.now = slipstream_replication::Moment(now);
    voter.add_group("other", crate::Address::new("127.0.0.1", 1), 2);
    let mut vote = |group: &str, epoch: u64| {
        let group = voter.groups.get_mut(group).unwrap();
        group.vote(&mut voter.core, ("candidate", epoch)).is_some()
    };
    assert_eq!([vote("other", 7), vote("mymaster", 6), vote("mymaster", 6)], [true, true, false]);
    assert_eq!([vote("mymaster", 5), vote("mymaster", 7), vote("other", 7)], [false, true, false]);
}

#[test]
fn only_a_forced_one_asks_for_no_guarantee() {
    for is_forced in [false, true] {
        let mut world = World::ready(3, 3, 1).with_acknowledgements();
        // What the primary was told may be on the other one.
        world.hidden.insert(SERVERS + 2);
        world.kill(SERVERS);
        world.run(50);
        order(&mut world, 0, is_forced);
        world.run(5000);
        let expected = if is_forced { SERVERS + 1 } else { SERVERS };
        assert_eq!(world.primary(), Some(expected), "{}", world.story());
    }
}

#[test]
fn force_takes_the_place_of_a_failover_that_waits() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    world.hidden.insert(SERVERS + 2);
    world.kill(SERVERS);
    world.run(3000);
    let leader = world.groups().position(|group| group.failover.is_some()).expect("it waits");
    order(&mut world, leader, true);
    world.run_until(2000, |world| world.primary() == Some(SERVERS + 1));
}

#[test]
fn a_link_to_a_primary_that_was_started_again_is_none() {
    let mut world = World::ready(2, 3, 1);
    // It has less than before, and its replica has not noticed.
    world.restart(SERVERS);
    world.server(SERVERS).offset = 50;
    let now = world.now;
    world.server(SERVERS + 1).stands_until = now + 60_000;
    world.run(50);
    order(&mut world, 0, false);
    world.run(2000);
    assert_eq!((promoted(&world), world.primary()), (Vec::new(), Some(SERVERS)), "{}", world.story());
}

#[test]
fn a_replica_may_know_its_primary_by_another_name() {
    let mut world = World::ready(2, 3, 1);
    world.server(SERVERS + 1).calls_it = "primary.example".into();
    world.run(1500);
    order(&mut world, 0, false);
    let took = world.run_until(1000, |world| world.primary() == Some(SERVERS + 1));
    assert!(took < 100, "{took} ms");
    assert!(world.server(SERVERS + 1).offset >= world.acknowledged);
}

#[test]
fn whoever_does_not_reach_a_primary_that_others_reach_does_not_replace_it() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    let line = world.line_to(0, SERVERS);
    world.tell(0, crate::Event::Failed(line, crate::Failure::Other("no route".into())));
    order(&mut world, 0, false);
    for _ in 0..300 {
        world.run(10);
        let is_left = world.server_is_detached(SERVERS + 1) || world.server_is_detached(SERVERS + 2);
        assert!(!is_left, "a primary that others reach keeps its replicas\n{}", world.story());
    }
    assert_eq!((promoted(&world), world.primary()), (Vec::new(), Some(SERVERS)), "{}", world.story());
    order(&mut world, 0, false);
    world.run_until(1000, |world| world.primary().is_some_and(|port| port != SERVERS));
}
