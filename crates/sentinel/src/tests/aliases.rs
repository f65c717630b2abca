//! Servers that call each other by names that no sentinel knows.

use super::world::{SERVERS, World};

const PRIMARY: &str = "primary.example";
const REPLICA: &str = "replica.example";

/// Three servers and three sentinels, which look names up or not.
fn world(resolves: bool) -> World {
    let mut world = World::ready(3, 3, 1);
    world.names.extend([PRIMARY, REPLICA]);
    for sentinel in world.sentinels.iter_mut().flatten() {
        sentinel.core.globals.resolve_hostnames = resolves;
    }
    world
}

#[test]
fn a_replica_that_follows_the_primary_by_another_name_is_right() {
    let mut world = world(true);
    world.server(SERVERS + 1).calls_it = PRIMARY.into();
    world.run(100_000);
    assert!(world.server(SERVERS + 1).orders.is_empty(), "{}", world.story());
}

/// As Redis does: it is told the number, and that is known.
#[test]
fn where_names_are_not_looked_up_it_is_told_the_number_once() {
    let mut world = world(false);
    world.server(SERVERS + 1).calls_it = PRIMARY.into();
    world.run(15_000);
    let orders = world.server(SERVERS + 1).orders.clone();
    assert!((1..=3).contains(&orders.len()), "{orders:?}");
    world.run(100_000);
    assert_eq!(world.server(SERVERS + 1).orders, orders);
}

#[test]
fn sentinels_that_know_the_primary_by_different_names_do_not_fight() {
    for is_known in [true, false] {
        let mut world = world(true);
        if !is_known {
            world.names.clear();
        }
        for (index, name) in ["a.example", "b.example", "c.example"].into_iter().enumerate() {
            if is_known {
                world.names.insert(name);
            }
            let sentinel = world.sentinel(index);
            sentinel.core.globals.announce_hostnames = true;
            let group = sentinel.groups.get_mut("mymaster").expect("it is there");
            group.primary.contact.address.host = name.to_owned();
        }
        world.server(SERVERS + 1).calls_it = "b.example".into();
        world.run(100_000);
        let orders = world.server(SERVERS + 1).orders.len();
        assert_eq!(orders == 0, is_known, "{orders}\n{}", world.story());
    }
}

#[test]
fn a_circle_by_names_is_seen() {
    for resolves in [true, false] {
        let mut world = world(resolves);
        for server in [SERVERS + 1, SERVERS + 2] {
            world.server(server).calls_it = PRIMARY.into();
        }
        world.run(2500);
        let primary = world.server(SERVERS);
        (primary.follows, primary.calls_it) = (Some(SERVERS + 1), REPLICA.into());
        let took = world.run_until(40_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        // One that looks like somebody else's replica is waited for longer.
        assert_eq!(took < 5000, resolves, "{took}\n{}", world.story());
    }
}

#[test]
fn who_guards_data_from_a_primary_by_another_name_is_heard() {
    let mut world = world(true);
    for server in [SERVERS + 1, SERVERS + 2] {
        let server = world.server(server);
        (server.calls_it, server.is_empty, server.is_linked) = (PRIMARY.into(), true, false);
        server.history = "of its own".into();
    }
    let took = world.run_until(15_000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert!(took < 15_000, "{}", world.story());
}
