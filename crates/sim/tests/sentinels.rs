//! What users rely on where sentinels decide, as short stories, and what the checks find that is wrong on purpose.
//!
//! Node 0 is the primary at first; the sentinels are the machines behind the nodes.

use slipstream_sim::{Options, Scrutiny, Watch, World, survive_watched};

/// Three sentinels and three nodes.
fn three() -> World {
    World::watched(&[0, 0], Options::calm())
}

fn with(watch: Watch, min_replicas_to_ack: u32) -> World {
    World::watched(&[0, 0], Options { watch: Some(watch), min_replicas_to_ack, ..Options::calm() })
}

/// Cuts a node off from the sentinels, or lets them hear each other again.
fn hide(world: &mut World, node: usize, is_hidden: bool) {
    world.sentinels().for_each(|sentinel| world.separate(node, sentinel, is_hidden));
}

#[test]
fn a_killed_primary_is_replaced_and_comes_back_as_a_replica() {
    let mut world = three();
    world.kill(0);
    world.run_until(|world| world.agreed().is_some_and(|(primary, _)| primary != 0));
    world.start(0);
    world.settle_down();
    assert!(world.command(0, "INFO replication").contains("role:slave"));
    assert_eq!(world.promotions(), 1);
}

#[test]
fn clients_find_the_new_primary() {
    let mut world = three();
    world.begin_calls();
    world.run(1000);
    world.kill(0);
    world.run_until(|world| world.agreed().is_some_and(|(primary, _)| primary != 0));
    let before = world.answers();
    world.run(3000);
    assert!(world.answers() > before);
}

#[test]
fn a_sentinel_without_a_majority_promotes_nobody() {
    let mut world = three();
    let sentinels: Vec<usize> = world.sentinels().collect();
    sentinels[1..].iter().for_each(|sentinel| world.kill(*sentinel));
    world.kill(0);
    world.run(60_000);
    assert_eq!(world.promotions(), 0);
}

/// Their attempts to connect were given up, and no other was made.
#[test]
fn sentinels_that_were_cut_off_find_each_other_again() {
    let mut world = three();
    let alone = world.sentinels().end - 1;
    world.isolate(alone, true);
    world.run(40_000);
    world.isolate(alone, false);
    world.run(3000);
    // The others without it are no majority.
    let other = world.sentinels().start;
    world.kill(other);
    world.kill(0);
    world.run_until(|world| world.agreed().is_some_and(|(primary, _)| primary != 0));
}

/// All replicas counted as too old by then: their links had been down while the primary was no primary any more.
#[test]
fn a_primary_that_follows_its_own_replica_is_replaced() {
    let mut world = three();
    world.command(0, "REPLICAOF 10.0.0.2 6379");
    world.settle_down();
    assert_eq!(world.promotions(), 1);
}

#[test]
fn a_vote_outlives_its_sentinel() {
    let mut world = three();
    for round in 0..3 {
        let Some((primary, _)) = world.agreed() else { panic!("they agree") };
        world.kill(primary);
        world.run(150);
        world.sentinels().for_each(|sentinel| world.vanish(sentinel));
        world.sentinels().for_each(|sentinel| world.start(sentinel));
        world.run_until(|world| world.agreed().is_some_and(|(other, _)| other != primary));
        world.start(primary);
        world.settle_down();
        assert!(world.promotions() > round);
    }
}

#[test]
#[should_panic(expected = "no agreement after 300 s")]
fn a_node_that_does_not_follow_is_found() {
    let mut world = three();
    world.isolate(1, true);
    world.run(30_000);
    world.settle_down();
}

#[test]
#[should_panic(expected = "nobody took its place within")]
fn a_failover_that_does_not_come_is_found() {
    let mut world = three();
    // Nobody who is left may be promoted.
    (1..3).for_each(|node| _ = world.command(node, "CONFIG SET replica-priority 0"));
    world.run(11_000);
    world.lose_primary();
}

/// Without the fence, who is cut off goes on.
#[test]
#[should_panic(expected = "took its place at")]
fn an_answer_of_an_old_primary_is_found() {
    let mut world = three();
    world.begin_calls();
    world.run(1000);
    world.believe(true, true);
    hide(&mut world, 0, true);
    (1..3).for_each(|node| world.separate(0, node, true));
    world.run(5000);
}

/// The same with a fence.
#[test]
fn a_fenced_primary_answers_nobody_behind_the_promotion_of_another() {
    let mut world = with(Watch { fencing: true, ..Watch::calm() }, 0);
    world.begin_calls();
    world.run(1000);
    hide(&mut world, 0, true);
    (1..3).for_each(|node| world.separate(0, node, true));
    world.run(5000);
    assert_eq!(world.promotions(), 1);
}

/// With `safe-failover no`, whoever can be reached is promoted, whatever it has.
#[test]
#[should_panic(expected = "takes the place of n0 (Down) without")]
fn an_answer_that_is_lost_is_found() {
    let mut world = with(Watch { safe: false, ..Watch::calm() }, 1);
    lose_all_but_the_late(&mut world);
}

#[test]
fn where_a_failover_is_safe_it_waits_for_who_has_all() {
    let mut world = with(Watch::calm(), 1);
    lose_all_but_the_late(&mut world);
    assert_eq!(world.promotions(), 0);
    hide(&mut world, 1, false);
    world.run_until(|world| world.agreed().is_some_and(|(primary, _)| primary == 1));
}

/// Node 2 hears nothing of the primary, node 1 nothing of the sentinels, and the primary dies.
fn lose_all_but_the_late(world: &mut World) {
    world.begin_calls();
    world.run(1000);
    world.believe(true, false);
    world.separate(0, 2, true);
    world.run(500);
    hide(world, 1, true);
    world.run(100);
    world.kill(0);
    world.run(5000);
}

#[test]
#[should_panic(expected = "(Planned) without")]
fn an_answer_that_a_switchover_loses_is_found() {
    let mut world = three();
    world.separate(0, 2, true);
    world.begin_calls();
    world.run(1000);
    world.believe_moved(2);
}

#[test]
fn random_worlds_survive() {
    (0..4).for_each(|seed| _ = survive_watched(seed, Scrutiny::Sample));
}
