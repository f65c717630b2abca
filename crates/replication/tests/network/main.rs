//! Whole nodes against each other: links, replicas and logs on a virtual network and clock.
//!
//! The stories show what users rely on: copies end equal, offsets are one along a chain, and whoever is held
//! by the log continues without a snapshot. The random ones look for what nobody thought of.

mod world;

use slipstream_log::Offset;
use slipstream_replication::link::State;
use slipstream_replication::replicas::{Measure, ReplicaState, Wait, WaiterId};
use world::World;

/// All nodes have the same data at the same offset of the same history.
#[track_caller]
fn assert_equal(world: &World) {
    let (first, seed) = (&world.nodes[0], world.seed);
    for (at, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.log.history().id, first.log.history().id, "history of node {at}, seed {seed}");
        assert_eq!(node.log.end(), first.log.end(), "offset of node {at}, seed {seed}");
        assert!(node.data == first.data, "data of node {at}, seed {seed}");
    }
}

/// Runs until no byte is under way; pings go out for ever, so that this is a moment and not a state.
fn settle(world: &mut World) {
    for _ in 0..200 {
        if world.nodes.iter().all(|node| node.log.end() == world.nodes[0].log.end()) {
            return;
        }
        world.run(50);
    }
}

/// A chain of so many nodes, each below the one before it; all have what node 0 wrote.
fn chain_of(nodes: usize, seed: u64) -> World {
    let mut world = World::new(nodes, seed);
    (1..nodes).for_each(|node| world.follow(node, node - 1));
    world.write(0, "set a 1\n");
    world.run(30_000);
    settle(&mut world);
    assert_equal(&world);
    world
}

/// Node 0 is the primary, 1 follows it, 2 follows 1; all is quiet.
fn chain() -> World {
    let mut world = World::new(3, 1);
    world.write(0, "set a 1\n");
    world.follow(1, 0);
    world.run(10_000);
    world.follow(2, 1);
    world.run(10_000);
    assert_equal(&world);
    world
}

fn loads(world: &World) -> Vec<u32> {
    world.nodes.iter().map(|node| node.loads).collect()
}

#[test]
fn a_chain_is_one_history() {
    let mut world = chain();
    world.write(0, "set b 2\nmulti\nset c 3\nset d 4\nexec\n");
    world.run(500);
    assert_equal(&world);
    assert_eq!(world.nodes[2].link.state(), State::Connected);
    let middle = world.nodes[1].replicas.iter().next().unwrap();
    assert_eq!(middle.state(), ReplicaState::Online);
    world.run(1500);
    let acked: Vec<Offset> =
        world.nodes.iter().flat_map(|node| node.replicas.iter()).map(|replica| replica.acked).collect();
    assert_eq!(acked, [world.nodes[0].log.end(); 2]);
}

#[test]
fn a_cut_link_continues_without_a_snapshot() {
    let mut world = chain();
    world.cut(1);
    world.write(0, "set b 2\n");
    world.run(3000);
    assert_equal(&world);
    world.cut(2);
    world.write(0, "set c 3\n");
    world.run(3000);
    assert_equal(&world);
    assert_eq!(loads(&world), [0, 1, 1]);
}

#[test]
fn half_a_transaction_is_asked_for_again() {
    let mut world = chain();
    let before = world.nodes[1].log.end();
    world.write(0, "multi\nset b 2\n");
    world.run(100);
    assert_eq!(world.nodes[1].log.end(), before, "nothing is applied");
    world.cut(1);
    world.write(0, "set c 3\nexec\n");
    world.run(3000);
    assert_equal(&world);
    assert_eq!(loads(&world), [0, 1, 1]);
}

#[test]
fn writes_during_a_full_sync_arrive_behind_it() {
    let mut world = World::new(2, 3);
    for number in 0..5000 {
        world.write(0, &format!("set before {number}\n"));
    }
    world.follow(1, 0);
    for number in 0..200 {
        world.write(0, &format!("set during {number}\n"));
        world.run(50);
    }
    world.run(5000);
    assert_equal(&world);
    assert_eq!(loads(&world), [0, 1]);
}

#[test]
fn after_a_promotion_everybody_continues() {
    let mut world = chain();
    world.isolate(0, true);
    world.promote(1);
    world.write(1, "set b 2\n");
    world.run(3000);
    world.isolate(0, false);
    world.follow(0, 1);
    world.run(5000);
    assert_equal(&world);
    assert_eq!(loads(&world), [0, 1, 1], "the old primary had not gone past the fork");
}

/// Runs until all is quiet, while somebody goes on to write; the links of nodes `below` stay up all the time.
fn run_below(world: &mut World, primary: usize, below: &[usize]) {
    for step in 0..100 {
        world.write(primary, &format!("set during {step}\n"));
        world.run(50);
        assert!(below.iter().all(|node| world.nodes[*node].link.is_up()), "step {step}");
    }
    world.run(5000);
}

#[test]
fn a_promotion_in_the_middle_leaves_those_below_where_they_are() {
    let mut world = chain_of(4, 1);
    let (connections, loaded) = (world.connections_of(&[2, 3]), loads(&world));
    world.isolate(0, true);
    world.promote(1);
    run_below(&mut world, 1, &[2, 3]);
    assert_eq!(world.connections_of(&[2, 3]), connections, "at no level");
    world.isolate(0, false);
    world.follow(0, 1);
    world.run(10_000);
    assert_equal(&world);
    assert_eq!(loads(&world), loaded);
}

#[test]
fn a_new_primary_above_leaves_those_below_where_they_are() {
    let mut world = World::new(5, 2);
    [(1, 0), (2, 0), (3, 2), (4, 3)].into_iter().for_each(|(node, above)| world.follow(node, above));
    world.write(0, "set a 1\n");
    world.run(30_000);
    assert_equal(&world);
    let (connections, loaded) = (world.connections_of(&[3, 4]), loads(&world));
    world.isolate(0, true);
    world.promote(1);
    world.follow(2, 1);
    run_below(&mut world, 1, &[3, 4]);
    assert_eq!(world.connections_of(&[3, 4]), connections);
    world.isolate(0, false);
    world.follow(0, 4);
    world.run(10_000);
    assert_equal(&world);
    assert_eq!(loads(&world), loaded);
}

#[test]
fn a_full_sync_in_the_middle_reaches_those_below_over_the_same_connections() {
    let mut world = chain_of(4, 3);
    let (connections, loaded) = (world.connections_of(&[1, 2, 3]), loads(&world));
    world.forget_log(0);
    world.write(0, "set b 2\n");
    world.run(60_000);
    assert_equal(&world);
    assert_eq!(world.connections_of(&[1, 2, 3]), connections);
    assert_eq!(
        loads(&world),
        loaded.iter().enumerate().map(|(at, loads)| loads + u32::from(at > 0)).collect::<Vec<_>>()
    );
}

#[test]
fn a_change_at_the_top_and_another_one_in_the_middle_meet_below() {
    for seed in 0..50 {
        let mut world = World::new(6, seed);
        [(1, 0), (2, 1), (3, 2), (4, 3), (5, 0)]
            .into_iter()
            .for_each(|(node, above)| world.follow(node, above));
        world.write(0, "set a 1\n");
        world.run(40_000);
        assert_equal(&world);
        let connections = world.connections_of(&[3, 4]);
        world.isolate(0, true);
        world.promote(5);
        world.write(5, "set b 2\n");
        world.promote(1);
        let ms = world.rng.u64(..500);
        world.run(ms);
        world.follow(2, 5);
        world.run(20_000);
        world.isolate(0, false);
        [0, 1].into_iter().for_each(|node| world.follow(node, 5));
        world.run(60_000);
        assert_equal(&world);
        assert_eq!(world.connections_of(&[3, 4]), connections, "seed {seed}");
    }
}

#[test]
fn half_a_transaction_above_a_promotion_is_gone_below_it_too() {
    let mut world = chain();
    let connections = world.connections_of(&[2]);
    world.write(0, "multi\nset b 2\n");
    world.run(200);
    world.isolate(0, true);
    world.promote(1);
    world.write(1, "set c 3\n");
    world.run(3000);
    assert_eq!(world.connections_of(&[2]), connections);
    let data = String::from_utf8(world.nodes[2].data.clone()).expect("commands are text");
    assert!(data.contains("set c 3") && !data.contains("set b 2"), "half of it was never passed on: {data}");
    assert!(world.nodes[1].data == world.nodes[2].data);
}

#[test]
fn an_old_primary_that_went_on_writing_is_replaced() {
    let mut world = chain();
    world.isolate(0, true);
    world.write(0, "set lost 1\n");
    world.promote(1);
    world.write(1, "set b 2\n");
    world.run(1000);
    world.isolate(0, false);
    world.follow(0, 1);
    world.run(10_000);
    assert_equal(&world);
    assert_eq!(loads(&world), [1, 1, 1]);
}

#[test]
fn siblings_follow_a_promoted_one_without_a_snapshot() {
    let mut world = World::new(4, 5);
    for replica in 1..4 {
        world.follow(replica, 0);
    }
    world.write(0, "set a 1\n");
    world.run(10_000);
    world.isolate(0, true);
    world.promote(1);
    world.follow(2, 1);
    world.follow(3, 1);
    world.write(1, "set b 2\n");
    world.run(5000);
    world.isolate(0, false);
    world.follow(0, 2);
    world.run(5000);
    assert_equal(&world);
    assert_eq!(loads(&world), [0, 1, 1, 1]);
}

#[test]
fn an_acknowledgement_is_fetched_for_who_waits() {
    let mut world = chain();
    world.write(0, "set b 2\n");
    let offset = world.nodes[0].log.end();
    let wait = Wait { offset, replicas: 1, measure: Measure::Applied, until: None };
    let mut actions = Vec::new();
    world.nodes[0].replicas.on_wait(WaiterId::Command(1), wait, &mut actions);
    assert_eq!(actions, []);
    world.run(250);
    assert_eq!(world.nodes[0].replicas.acked(wait.offset), 1, "without waiting for the second to pass");
}

/// Cuts, isolation, promotions and writes in a random order; afterwards all follow one primary.
fn survive(seed: u64) {
    let mut world = World::new(4, seed);
    let mut primary = 0;
    (1..4).for_each(|replica| world.follow(replica, 0));
    for step in 0..60 {
        let node = world.rng.usize(..4);
        match world.rng.u32(..10) {
            0..5 => world.write(primary, &format!("set key {seed}:{step}\nmulti\nset x 1\nset y 2\nexec\n")),
            5 => world.cut(node),
            6 => world.isolate(node, true),
            7 => world.isolate(node, false),
            8 if node != primary && world.nodes[node].link.is_up() => {
                world.promote(node);
                primary = node;
                let others: Vec<usize> = (0..4).filter(|other| *other != node).collect();
                others.into_iter().for_each(|other| world.follow(other, node));
            }
            9 if node != primary => {
                let other = world.rng.usize(..4);
                if !world.descends(other, node) {
                    world.follow(node, other);
                }
            }
            _ => {}
        }
        let ms = world.rng.u64(..3000);
        world.run(ms);
    }
    (0..4).for_each(|node| world.isolate(node, false));
    world.run(200_000);
    let loaded = loads(&world);
    assert_equal(&world);
    (0..4).filter(|node| *node != primary).for_each(|node| world.cut(node));
    world.write(primary, "set last 1\n");
    world.run(5000);
    assert_equal(&world);
    assert_eq!(loads(&world), loaded, "what the log holds needs no snapshot, seed {seed}");
}

#[test]
fn copies_end_equal_after_any_faults() {
    (0..150).for_each(survive);
}

#[test]
fn two_that_take_turns_as_primaries_leave_those_below_equal() {
    for seed in 0..50 {
        let mut world = chain_of(4, seed);
        for turn in 0..10 {
            let (new, old) = if turn % 2 == 0 { (1, 0) } else { (0, 1) };
            world.promote(new);
            world.follow(old, new);
            world.write(new, &format!("set turn {turn}\n"));
            let ms = world.rng.u64(..3000);
            world.run(ms);
        }
        world.run(60_000);
        settle(&mut world);
        assert_equal(&world);
    }
}
