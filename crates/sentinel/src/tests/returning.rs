//! A primary comes back with less than its replicas have, or with nothing: who takes its place, and when it keeps it.
//! Whether it waits at all is the server's to decide, and tested there.

use super::unplanned::kill_and_fail_over;
use super::world::{SERVERS, World};

/// Whether a sentinel ever saw a server down that it took for the primary.
fn is_doubted(world: &World, primary: u16) -> bool {
    let doubt = format!("master mymaster 127.0.0.1 {primary}");
    world.events.iter().any(|event| event.2 == "+sdown" && event.3 == doubt)
}

/// Its writes wait until then: PING would bring the token a tenth of `down-after` later.
#[test]
fn the_first_token_of_a_process_comes_back_at_once() {
    let mut world = World::ready(2, 3, 1);
    world.servers.iter_mut().for_each(|server| server.is_ours = true);
    world.run(12_000);
    world.kill(SERVERS);
    world.run(50);
    world.server(SERVERS).leases.clear();
    world.restart(SERVERS);
    let told = |world: &World| world.servers[0].leases.len();
    world.run_until(1000, |world| told(world) > 0);
    let first = world.server(SERVERS).leases[0].clone();
    let sentinel = first.split(' ').nth(2).unwrap().to_owned();
    world.run(20);
    let leases = world.server(SERVERS).leases.iter().filter(|lease| lease.contains(&sentinel));
    assert!(leases.count() == 2 && first.ends_with("PRIMARY"), "{:?}", world.server(SERVERS).leases);
}

/// One that does not fence itself: its writes wait for that when it comes back.
#[test]
fn who_was_called_down_for_a_moment_is_told_that_nobody_replaces_it() {
    for is_voted in [false, true] {
        let mut world = World::ready(3, 3, 1);
        world.servers.iter_mut().for_each(|server| (server.is_ours, server.priority) = (true, 0));
        world.run(12_000);
        world.kill(SERVERS);
        let event = if is_voted { "+failover-state-select-slave" } else { "+sdown" };
        world.run_until(1000, |world| world.has_event(event));
        world.server(SERVERS).leases.clear();
        world.server(SERVERS).is_alive = true;
        world.run(300);
        let held = world.server(SERVERS).leases.iter().filter(|lease| lease.ends_with("PRIMARY")).count();
        assert_eq!(held > 3, !is_voted, "{:?}", world.server(SERVERS).leases);
    }
}

/// It is seen to be another process, which loads its data, before it is replaced; and begins a history when it has it.
#[test]
fn a_primary_that_loads_its_data_when_it_is_replaced_is_turned_as_soon_as_it_has_it() {
    for load in [300, 9000, 20_000] {
        let mut world = World::ready(3, 3, 3);
        world.servers.iter_mut().for_each(|server| server.is_ours = true);
        world.run(12_000);
        world.kill(SERVERS);
        world.run_until(1000, |world| world.has_event("+try-failover"));
        world.restart(SERVERS);
        world.server(SERVERS).loading_until = u64::MAX;
        let (run_id, history) = (world.server(SERVERS).run_id.clone(), world.server(SERVERS).history.clone());
        for index in 0..3 {
            let report = &mut world.sentinel(index).groups.get_mut("mymaster").unwrap().primary.report;
            (report.run_id, report.history, report.is_loading) = (run_id.clone(), history.clone(), true);
        }
        world.run_until(2000, |world| world.primary().is_some_and(|port| port != SERVERS));
        world.run(load);
        let old = world.server(SERVERS);
        (old.loading_until, old.history) = (0, "forked".to_owned());
        world.run_until(1100, |world| world.servers[0].follows == world.primary());
    }
}

/// A replica whose file does not say that it is one is started again, and no sentinel has made it a primary.
#[test]
fn a_replica_that_is_started_as_a_primary_and_waits_to_hear_what_it_is_is_told() {
    for (waits, fences) in [(true, false), (true, true), (false, false)] {
        let mut world = World::ready(3, 3, 3);
        world.servers.iter_mut().for_each(|server| (server.is_ours, server.is_fencing) = (true, fences));
        world.run(12_000);
        world.kill(SERVERS + 1);
        world.restart(SERVERS + 1);
        world.server(SERVERS + 1).is_returning = waits;
        world.run(1500);
        assert_eq!(world.servers[1].follows == Some(SERVERS), waits, "{}", world.story());
    }
}

/// Another leader has promoted it, which this sentinel has not heard of yet; it was started again a moment ago.
#[test]
fn a_replica_that_was_promoted_is_left_in_its_place_whatever_it_waits_for() {
    for fences in [false, true] {
        let mut world = World::ready(3, 3, 3);
        world.servers.iter_mut().for_each(|server| (server.is_ours, server.is_fencing) = (true, fences));
        world.run(12_000);
        world.kill(SERVERS + 1);
        world.restart(SERVERS + 1);
        world.server(SERVERS + 1).follows = Some(SERVERS);
        world.run(2000);
        let promoted = world.server(SERVERS + 1);
        (promoted.follows, promoted.is_returning) = (None, true);
        world.run(3000);
        assert_eq!(world.servers[1].follows, None, "{}", world.story());
    }
}

/// Sentinels that were started again do not know that they have replaced it.
#[test]
fn a_primary_that_waits_to_hear_what_it_is_is_told() {
    for waits in [true, false] {
        let mut world = World::ready(3, 3, 3);
        kill_and_fail_over(&mut world);
        world.run(2000);
        for index in 0..3 {
            world.kill_sentinel(index);
            world.restart_sentinel(index);
        }
        world.run(5000);
        world.restart(SERVERS);
        let old = world.server(SERVERS);
        (old.is_ours, old.is_returning, old.uptime_from) = (true, waits, 0);
        world.run(1500);
        assert_eq!(world.servers[0].follows == world.primary(), waits, "{}", world.story());
    }
}

#[test]
fn a_primary_that_came_back_empty_is_replaced() {
    for who in [[SERVERS; 2], [SERVERS + 1, SERVERS + 2]] {
        let mut world = World::ready(3, 3, 13);
        who.iter().for_each(|port| world.server(*port).is_empty = true);
        world.run_until(15_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        world.run(5000);
        let new = world.primary().expect("all agree");
        assert!(!is_doubted(&world, new), "{}", world.story());
    }
}

/// Without data it has begun a history that nobody has anything of: it waits for one of them, or they refuse its data.
#[test]
fn a_primary_that_came_back_empty_is_replaced_by_who_has_what_it_acknowledged() {
    for who in [vec![SERVERS], vec![SERVERS + 1, SERVERS + 2]] {
        let mut world = World::ready(3, 3, 13).with_acknowledgements();
        world.server(SERVERS + 1).stands_until = u64::MAX;
        world.run(500);
        world.kill(SERVERS);
        world.restart(SERVERS);
        world.server(SERVERS).offset = 0;
        who.iter().for_each(|port| world.server(*port).is_empty = true);
        world.run_until(15_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
    }
}

/// It was killed and is back before anybody saw it down, with what its disk had.
#[test]
fn a_primary_that_may_lack_what_it_answered_is_replaced_by_who_has_it() {
    let mut world = short_primary(&[]);
    world.run_until(500, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
}

/// What it saved was long ago: others have led since, and it has lost all of that.
#[test]
fn a_primary_that_has_lost_several_histories_is_replaced() {
    for sentinels_too in [false, true] {
        let mut world = short_primary(&[]);
        if sentinels_too {
            for index in 0..3 {
                world.kill_sentinel(index);
                world.restart_sentinel(index);
            }
        }
        (world.server(SERVERS).history, world.server(SERVERS).offset) = ("h0".to_owned(), 60);
        world.run_until(3000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
    }
}

#[test]
fn a_planned_switchover_lets_no_primary_go_that_waits() {
    let mut world = short_primary(&[]);
    let now = world.now;
    world.sentinel(0).core.now = slipstream_replication::Moment(now);
    world.sentinel(0).start_failover("mymaster", false).unwrap();
    world.run_until(3000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
}

/// Sentinels that were started again have not seen it go.
#[test]
fn an_old_primary_that_waits_is_turned_at_once() {
    let mut world = World::ready(3, 3, 13).with_acknowledgements();
    kill_and_fail_over(&mut world);
    world.run(3000);
    for index in 0..3 {
        world.kill_sentinel(index);
        world.restart_sentinel(index);
    }
    world.run(5000);
    world.restart(SERVERS);
    world.server(SERVERS).is_short = true;
    world.run_until(3000, |world| !world.servers[0].is_short);
    assert!(world.server(SERVERS).follows.is_some(), "{}", world.story());
}

#[test]
fn it_is_known_at_once_when_it_has_loaded_its_data() {
    for loads in [5, 50, 500, 93_700] {
        let mut world = short_primary(&[]);
        world.set_options(|options| options.down_after = 30_000);
        world.server(SERVERS).loading_until = world.now + loads;
        let took = world.run_until(120_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        let longest = if loads < 10_000 { 300 } else { 1300 };
        assert!((loads..loads + longest).contains(&took), "{took} ms for {loads}\n{}", world.story());
    }
}

#[test]
fn shortly_before_it_serves_whoever_has_more_takes_its_place() {
    let mut world = short_primary(&[]);
    world.kill(SERVERS + 1);
    world.run(6000);
    assert!(!world.has_event("+promoted-slave"), "{}", world.story());
    world.server(SERVERS).wait_left = 3;
    world.run_until(15_000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
}

#[test]
fn a_primary_that_lacks_what_none_but_an_unpromotable_replica_has_waits() {
    for unpromotable in [[SERVERS + 2].as_slice(), &[SERVERS + 1, SERVERS + 2]] {
        let mut world = short_primary(unpromotable);
        world.run(5000);
        assert!(world.servers[0].is_short && !world.has_event("+promoted-slave"), "{}", world.story());
    }
}

/// A primary is back with as much as the first replica has, and the second has more. These replicas are never promoted.
fn short_primary(unpromotable: &[u16]) -> World {
    let mut world = World::ready(3, 3, 13);
    unpromotable.iter().for_each(|port| world.server(*port).priority = 0);
    let mut world = world.with_acknowledgements();
    world.server(SERVERS + 1).stands_until = u64::MAX;
    world.run(500);
    let less = world.server(SERVERS + 1).offset;
    assert!(world.server(SERVERS + 2).offset > less && world.acknowledged > less);
    let history = world.server(SERVERS).history.clone();
    world.kill(SERVERS);
    world.restart(SERVERS);
    let primary = world.server(SERVERS);
    (primary.history, primary.offset, primary.is_short) = (history, less, true);
    world
}

/// It was killed and is back before anybody saw it down, and nobody has more than its disk; one of the replicas has less, or
/// nothing, since it was started again as well.
#[test]
fn a_primary_that_lacks_nothing_keeps_its_place() {
    for what_others_have in [None, Some(("h1", 50)), Some(("another", 0))] {
        let mut world = World::ready(3, 3, 13).with_acknowledgements();
        let (history, has) = (world.server(SERVERS).history.clone(), world.server(SERVERS).offset);
        world.kill(SERVERS);
        world.restart(SERVERS);
        let primary = world.server(SERVERS);
        (primary.history, primary.offset, primary.is_short) = (history, has, true);
        for port in [SERVERS + 1, SERVERS + 2] {
            let server = world.server(port);
            if let Some((history, offset)) = what_others_have {
                (server.history, server.offset) = (history.to_owned(), offset);
            }
        }
        world.run_until(700, |world| !world.servers[0].is_short);
        world.run(3000);
        assert_eq!(world.primary(), Some(SERVERS), "{}", world.story());
        assert!(!world.has_event("+promoted-slave"), "{}", world.story());
    }
}

/// The power was out, and only the primary keeps its data on disk.
#[test]
fn nobody_without_data_takes_the_place_of_a_primary_that_may_come_back_with_it() {
    for sentinels_too in [false, true] {
        let mut world = World::ready(3, 3, 13).with_acknowledgements();
        let (history, has) = (world.server(SERVERS).history.clone(), world.server(SERVERS).offset);
        for port in [SERVERS, SERVERS + 1, SERVERS + 2] {
            world.kill(port);
        }
        for sentinel in (0..3).filter(|_| sentinels_too) {
            world.kill_sentinel(sentinel);
            world.restart_sentinel(sentinel);
        }
        for port in [SERVERS + 1, SERVERS + 2] {
            world.restart(port);
            let server = world.server(port);
            (server.follows, server.offset) = (Some(SERVERS), 0);
        }
        world.run(5000);
        assert!(
            world.has_event("+elected-leader") && !world.has_event("+promoted-slave"),
            "{}",
            world.story()
        );
        world.restart(SERVERS);
        let primary = world.server(SERVERS);
        (primary.history, primary.offset, primary.is_short) = (history, has, true);
        world.run_until(10_000, |world| !world.servers[0].is_short);
        world.run(3000);
        assert_eq!(world.primary(), Some(SERVERS), "{}", world.story());
        assert!(!world.has_event("+promoted-slave"), "{}", world.story());
    }
}

#[test]
fn a_primary_that_waits_is_not_let_go_by_who_knows_none_of_its_replicas() {
    let mut world = World::ready(3, 3, 13).with_acknowledgements();
    let history = world.server(SERVERS).history.clone();
    world.kill(SERVERS);
    world.restart(SERVERS);
    let primary = world.server(SERVERS);
    (primary.history, primary.offset, primary.is_short) = (history, 1, true);
    primary.orders.clear();
    for index in 0..3 {
        world.sentinel(index).reset_group("mymaster");
    }
    world.run(5000);
    assert!(world.has_event("+elected-leader"), "{}", world.story());
    assert!(!world.servers[0].orders.contains(&"NO ONE".to_owned()), "{}", world.story());
}

/// What it said before it was turned is not about the one that it follows now.
#[test]
fn who_comes_back_empty_casts_no_doubt_on_the_new_primary() {
    for seed in 0..20 {
        let mut world = World::ready(3, 3, seed);
        kill_and_fail_over(&mut world);
        world.run(seed * 50);
        world.events.clear();
        world.server(SERVERS).is_empty = true;
        world.restart(SERVERS);
        world.run(5000);
        let new = world.primary().expect("all agree");
        assert!(!is_doubted(&world, new), "{}", world.story());
    }
}

#[test]
fn one_replica_with_data_of_its_own_does_not_bring_the_primary_down() {
    let mut world = World::ready(3, 3, 13);
    world.server(SERVERS + 2).is_empty = true;
    world.run(30_000);
    assert_eq!(world.count("+sdown"), 0, "{}", world.story());
}
