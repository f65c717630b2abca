//! The primary dies, stands still, or is cut off.

use super::model::NOPERM;
use super::world::{SERVERS, World};
use crate::failover::Phase;
use crate::group::Group;

/// Kills the primary; milliseconds until every sentinel names the same other one.
pub(super) fn kill_and_fail_over(world: &mut World) -> u64 {
    let old = world.primary().unwrap();
    world.kill(old);
    world.run_until(30_000, |world| world.primary().is_some_and(|port| port != old))
}

#[test]
fn everybody_is_found() {
    let world = World::ready(3, 3, 1);
    assert_eq!(world.primary(), Some(SERVERS));
    assert!(world.groups().all(|group| group.config_epoch == 0));
}

#[test]
fn a_killed_primary_is_replaced_well_within_a_second() {
    let mut slowest = 0;
    for seed in 0..200 {
        let mut world = World::ready(3, 3, seed);
        slowest = slowest.max(kill_and_fail_over(&mut world));
        assert_eq!(world.count("+promoted-slave"), 1, "{}", world.story());
        world.run_until(1000, |world| world.has_event("+failover-end"));
        let primary = world.primary().unwrap();
        assert!(
            world
                .servers
                .iter()
                .all(|server| !server.is_alive || server.port == primary || server.follows == Some(primary))
        );
    }
    assert!(slowest < 600, "{slowest} ms");
}

#[test]
fn a_primary_that_stands_still_is_replaced_behind_down_after() {
    for seed in 0..50 {
        let mut world = World::ready(3, 3, seed);
        world.frozen.insert(SERVERS);
        let took = world.run_until(30_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert!((900..1400).contains(&took), "{took} ms\n{}", world.story());
        world.thaw(SERVERS);
        world.run_until(500, |world| world.servers[0].follows == world.primary());
    }
}

#[test]
fn a_primary_that_comes_back_is_turned_at_once() {
    let mut world = World::ready(3, 3, 3);
    kill_and_fail_over(&mut world);
    world.run(5000);
    world.restart(SERVERS);
    world.run_until(300, |world| world.servers[0].follows == world.primary());
}

#[test]
fn a_primary_that_comes_back_and_serves_nobody_is_turned_too() {
    let mut world = World::ready(3, 3, 3);
    kill_and_fail_over(&mut world);
    world.run(5000);
    world.server(SERVERS).is_waiting = true;
    world.restart(SERVERS);
    world.run_until(3000, |world| world.servers[0].follows == world.primary());
}

#[test]
fn one_sentinel_alone_replaces_nobody() {
    let mut world = World::ready(3, 3, 4);
    world.kill_sentinel(1);
    world.kill_sentinel(2);
    world.kill(SERVERS);
    world.run(60_000);
    assert!(!world.has_event("+odown") && !world.has_event("+try-failover"), "{}", world.story());
}

#[test]
fn two_of_three_sentinels_are_enough() {
    let mut world = World::ready(3, 3, 5);
    world.kill_sentinel(2);
    world.run(2000);
    assert!(kill_and_fail_over(&mut world) < 700, "{}", world.story());
}

#[test]
fn a_leader_that_dies_is_followed_by_another() {
    for seed in 0..20 {
        let mut world = World::ready(3, 3, seed);
        (0..3).for_each(|index| world.sentinel(index).core.simulated.crash_after_election = true);
        world.kill(SERVERS);
        world.run_until(1000, |world| world.sentinels.iter().any(Option::is_none));
        for sentinel in world.sentinels.iter_mut().flatten() {
            sentinel.core.simulated.crash_after_election = false;
        }
        world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        let who = |channel: &str| -> Vec<usize> {
            world.events.iter().filter(|event| event.2 == channel).map(|event| event.1).collect()
        };
        let leaders = who("+elected-leader");
        let [first, last] = *leaders.as_slice() else { panic!("{leaders:?}\n{}", world.story()) };
        assert!(world.sentinels[first].is_none() && world.sentinels[last].is_some(), "{}", world.story());
        assert_eq!(who("+promoted-slave"), [last], "{}", world.story());
    }
}

#[test]
fn a_sentinel_whose_disk_fails_neither_votes_nor_leads() {
    let mut world = World::ready(3, 3, 7);
    world.broken_disks.extend([0, 1]);
    world.kill(SERVERS);
    world.run(20_000);
    assert!(!world.has_event("+elected-leader"), "{}", world.story());
    let votes = |world: &World| {
        let told = world.events.iter().filter(|event| event.1 < 2 && event.2 == "+vote-for-leader");
        told.count()
    };
    assert!(votes(&world) <= 2, "a vote that is not given is not told\n{}", world.story());
    world.broken_disks.clear();
    world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn the_best_replica_is_promoted() {
    let mut world = World::ready(4, 3, 8);
    world.server(SERVERS + 1).priority = 0;
    world.server(SERVERS + 3).priority = 50;
    world.run(11_000);
    kill_and_fail_over(&mut world);
    assert_eq!(world.primary(), Some(SERVERS + 3), "{}", world.story());
}

#[test]
fn a_promotion_waits_for_the_replica_that_has_every_acknowledged_write() {
    let mut world = World::ready(3, 3, 9);
    world.server(SERVERS).min_replicas_to_ack = 1;
    world.run(11_000);
    world.silent.insert(SERVERS + 1);
    world.kill(SERVERS);
    world.run(5000);
    assert!(!world.has_event("+promoted-slave"), "{}", world.story());
    world.unsilence();
    world.run_until(10_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

/// It does not take the word of replicas, which are set otherwise.
#[test]
fn who_is_started_beside_a_dead_primary_knows_what_that_ran_with() {
    let mut world = World::ready(3, 3, 9);
    world.server(SERVERS).min_replicas_to_ack = 1;
    world.run(11_000);
    world.silent.insert(SERVERS + 1);
    world.kill(SERVERS);
    for index in 0..3 {
        world.kill_sentinel(index);
        world.restart_sentinel(index);
        world.run(10);
    }
    world.run(5000);
    assert!(world.has_event("+elected-leader") && !world.has_event("+promoted-slave"), "{}", world.story());
    world.unsilence();
    world.run_until(10_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn a_sentinel_that_was_cut_off_learns_the_new_primary() {
    let mut world = World::ready(3, 3, 10);
    world.silent.insert(26002);
    world.kill(SERVERS);
    world.run(10_000);
    world.unsilence();
    world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn a_sentinel_that_was_reset_finds_its_way_though_the_primary_is_dead() {
    let mut world = World::ready(3, 3, 11);
    world.kill_sentinel(1);
    world.kill(SERVERS);
    for index in [0, 2] {
        let now = world.now;
        world.sentinel(index).core.now = slipstream_replication::Moment(now);
        world.sentinel(index).reset_group("mymaster");
        world.tell(index, crate::Event::Tick);
    }
    world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn a_seed_leads_a_new_sentinel_to_the_others() {
    let mut world = World::ready(3, 3, 12);
    world.kill_sentinel(0);
    world.kill(SERVERS);
    world.run_until(20_000, |world| world.groups().all(|group| group.config_epoch > 0));
    world.forget_disk(0);
    for index in [1, 2] {
        world.sentinel(index).reset_group("mymaster");
        world.tell(index, crate::Event::Tick);
    }
    world.restart_sentinel(0);
    let seed = crate::Address::new("127.0.0.1", SERVERS + 1);
    world.sentinel(0).groups.get_mut("mymaster").unwrap().options.seeds.push(seed);
    world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn servers_of_this_project_are_told_who_watches_them() {
    let mut world = World::ready(2, 3, 14);
    assert!(world.servers.iter().all(|server| server.leases.is_empty()));
    world.servers.iter_mut().for_each(|server| server.is_ours = true);
    world.run(12_000);
    assert!(world.servers[0].leases.last().is_some_and(|lease| lease.ends_with("PRIMARY")));
    assert!(world.servers[1].leases.last().is_some_and(|lease| lease.ends_with("REPLICA")));
    // The newest token that came back proves that the answer was heard.
    let tokens = world.servers[0].leases.iter().map(|lease| lease.split(' ').nth(6).unwrap().to_owned());
    let tokens: Vec<u64> = tokens.map(|token| token.parse().unwrap()).collect();
    assert!(tokens[0] == 0 && *tokens.last().unwrap() > 7, "{tokens:?}");
}

#[test]
fn sentinels_that_could_not_reach_each_other_try_again() {
    let mut world = World::ready(2, 3, 13);
    world.silent.insert(26002);
    let lost = |world: &World| {
        let members = world.groups().flat_map(|group| group.members.values());
        members.filter(|member| member.down_since.is_some()).count()
    };
    world.run_until(20_000, |world| lost(world) == 4);
    // Connections are made anew by then, and the attempts given up.
    world.run(40_000);
    world.unsilence();
    world.run_until(5000, |world| lost(world) == 0);
}

#[test]
fn a_primary_that_follows_its_own_replica_is_replaced() {
    let mut world = World::ready(3, 3, 14);
    world.server(SERVERS).follows = Some(SERVERS + 1);
    world.run_until(60_000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn nothing_is_acknowledged_behind_what_the_replicas_have_told() {
    for seed in 0..30 {
        let mut world = World::ready(3, 3, seed).with_acknowledgements();
        // It lives, it takes writes, its replicas copy them: only the sentinels do not see it.
        world.hidden.insert(SERVERS);
        world.run_until(10_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        world.run(3000);
        let primary = world.primary().unwrap();
        let (has, told) = (world.server(primary).offset, world.acknowledged);
        assert!(has >= told, "{seed}: {has} of {told}\n{}", world.story());
        assert!(world.servers.iter().all(|server| server.detached_until == 0), "{}", world.story());
    }
}

/// Whoever was promoted has what was acknowledged.
fn check_nothing_is_lost(world: &mut World) {
    let primary = world.primary().expect("all name the same one");
    assert_ne!(primary, SERVERS, "{}", world.story());
    let (has, told) = (world.server(primary).offset, world.acknowledged);
    assert!(has >= told, "{has} of {told}\n{}", world.story());
}

#[test]
fn an_answer_counts_only_while_the_replica_is_known_to_stay_away() {
    for late in (0..3000).step_by(300) {
        let mut world = World::ready(3, 3, 1).with_acknowledgements();
        world.set_options(|options| (options.down_after, options.failover_timeout) = (30_000, 60_000));
        // The primary lives. Of two replicas one answers, and then nothing reaches it from the leader.
        world.hidden.extend([SERVERS, SERVERS + 2]);
        world.run_until(40_000, |world| world.server_is_detached(SERVERS + 1));
        world.run(200);
        let leads = |group: &Group| {
            group.failover.as_ref().is_some_and(|failover| matches!(failover.phase, Phase::Selecting(_)))
        };
        let leader = world.groups().position(leads).unwrap();
        let line = world.line_to(leader, SERVERS + 1);
        world.drop_in_silence(leader, line);
        // It is back at its primary after ten seconds; the other one has what it has now, and can be asked later.
        let now = world.now;
        world.server(SERVERS + 2).stands_until = now + 60_000;
        world.run_until(12_000, |world| !world.server_is_detached(SERVERS + 1));
        world.run(late);
        world.hidden.remove(&(SERVERS + 2));
        world.run(20_000);
        check_nothing_is_lost(&mut world);
    }
}

#[test]
fn who_does_not_leave_its_primary_is_asked_again_now_and_then() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    world.server(SERVERS + 1).detach_refusal = "ERR a later epoch keeps this replica away";
    world.hidden.insert(SERVERS);
    world.run(2000);
    let before = world.server(SERVERS + 1).questions;
    world.run(2000);
    let asked = world.server(SERVERS + 1).questions - before;
    assert!((15..40).contains(&asked), "{asked} times in two seconds\n{}", world.story());
    assert_eq!(world.primary(), Some(SERVERS), "its word is not its last one\n{}", world.story());
}

#[test]
fn who_cannot_be_kept_away_counts_as_a_stock_replica() {
    for refusal in ["NOPERM this user has no permissions to run it", "ERR unknown subcommand 'DETACH'"] {
        let mut world = World::ready(3, 3, 1).with_acknowledgements();
        world.servers.iter_mut().for_each(|server| server.detach_refusal = refusal);
        assert!(kill_and_fail_over(&mut world) < 1000, "{}", world.story());
    }
}

#[test]
fn who_takes_no_leases_is_asked_now_and_then() {
    let mut world = World::ready(2, 3, 1).with_acknowledgements();
    world.server(SERVERS).lease_refusal = "NOPERM this user has no permissions to run it";
    world.run(1000);
    world.server(SERVERS).leases.clear();
    world.run(20_000);
    let asked = world.server(SERVERS).leases.len();
    assert!((3..10).contains(&asked), "{asked} times by three sentinels in 20 s");
    world.server(SERVERS).lease_refusal = "";
    world.run(11_000);
    world.server(SERVERS).leases.clear();
    world.run(1000);
    assert!(world.server(SERVERS).leases.len() > 10, "{:?}", world.server(SERVERS).leases);
}

#[test]
fn who_took_over_needs_no_other_to_answer() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    // It was told by the primary that ends, by an operator, or by a leader that died: it is primary already.
    let others = world.servers.clone();
    world.server(SERVERS + 1).follow("NO", "ONE", &others);
    assert!(kill_and_fail_over(&mut world) < 1000, "{}", world.story());
    assert_eq!(world.primary(), Some(SERVERS + 1), "{}", world.story());
}

#[test]
fn a_leader_that_dies_behind_the_promotion_leaves_an_heir() {
    let mut world = World::ready(3, 5, 1).with_acknowledgements();
    world
        .sentinels
        .iter_mut()
        .flatten()
        .for_each(|sentinel| sentinel.core.simulated.crash_after_promotion = true);
    world.kill(SERVERS);
    world.run_until(5000, |world| world.sentinels.iter().any(Option::is_none));
    for sentinel in world.sentinels.iter_mut().flatten() {
        sentinel.core.simulated.crash_after_promotion = false;
    }
    world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn who_was_started_again_before_it_heard_that_it_is_promoted_is_told_anew() {
    for seed in 0..10 {
        let mut world = World::ready(2, 3, seed);
        world.set_options(|options| options.failover_timeout = 60_000);
        world.kill(SERVERS);
        world.run_until(5000, |world| world.has_event("+failover-state-wait-promotion"));
        let history = world.server(SERVERS + 1).history.clone();
        world.kill(SERVERS + 1);
        world.restart(SERVERS + 1);
        let target = world.server(SERVERS + 1);
        (target.history, target.follows) = (history, Some(SERVERS));
        world.run_until(3000, |world| world.primary() == Some(SERVERS + 1));
    }
}

#[test]
fn one_that_handed_over_and_is_back_at_once_is_replaced_at_once() {
    for moment in (0..1000).step_by(100) {
        let mut world = World::ready(3, 3, 1);
        world.run(moment);
        let others = world.servers.clone();
        world.kill(SERVERS);
        world.server(SERVERS + 1).follow("NO", "ONE", &others);
        world.run(30);
        world.restart(SERVERS);
        let others = world.servers.clone();
        world.server(SERVERS).follow("127.0.0.1", &(SERVERS + 1).to_string(), &others);
        world.server(SERVERS + 2).follow("127.0.0.1", &(SERVERS + 1).to_string(), &others);
        let took = world.run_until(3000, |world| world.primary() == Some(SERVERS + 1));
        assert!(took < 1200, "{took} ms\n{}", world.story());
    }
}

/// The sentinels were not there when the primary became a replica: it has gone on to the other's history, or has got a copy of
/// the other's data, whatever that lacks, or the other itself waits for somebody who has more.
#[test]
fn who_has_all_of_it_took_over_from_a_primary_that_was_never_heard_as_one() {
    for (before, is_short, quick) in [("h1", false, true), ("0", false, false), ("h1", true, false)] {
        let mut world = World::ready(3, 3, 1);
        (0..3).for_each(|sentinel| world.kill_sentinel(sentinel));
        let others = world.servers.clone();
        world.server(SERVERS + 1).follow("NO", "ONE", &others);
        let others = world.servers.clone();
        for port in [SERVERS, SERVERS + 2] {
            world.server(port).follow("127.0.0.1", &(SERVERS + 1).to_string(), &others);
        }
        let fork = world.server(SERVERS + 1).fork;
        world.server(SERVERS + 1).is_short = is_short;
        let old = world.server(SERVERS);
        (old.history_before, old.fork) = (before.to_owned(), fork);
        (0..3).for_each(|sentinel| world.restart_sentinel(sentinel));
        world.run(3000);
        assert_eq!(world.primary() == Some(SERVERS + 1), quick, "{}", world.story());
    }
}

/// The sentinels were not there when the primary died.
fn sentinels_come_late(world: &mut World) {
    (0..3).for_each(|sentinel| world.kill_sentinel(sentinel));
    world.kill(SERVERS);
    world.run(15_000);
    (0..3).for_each(|sentinel| world.restart_sentinel(sentinel));
}

#[test]
fn a_primary_that_died_long_before_its_sentinels_began_is_replaced() {
    let mut world = World::ready(3, 3, 1);
    sentinels_come_late(&mut world);
    world.run_until(4000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn who_was_started_later_than_the_primary_died_is_not_better_for_that() {
    let mut world = World::ready(3, 3, 1);
    world.servers.iter_mut().for_each(|server| server.is_ours = true);
    world.run(12_000);
    world.kill(SERVERS + 2);
    world.run(3000);
    sentinels_come_late(&mut world);
    // It has been looking for the primary since it was started, and never found it.
    let now = world.now;
    let late = world.server(SERVERS + 2);
    (late.is_alive, late.is_linked, late.linked_at, late.was_linked) = (true, false, now, false);
    world.run_until(4000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_eq!(world.primary(), Some(SERVERS + 1), "{}", world.story());
}

#[test]
fn one_whose_link_was_down_long_before_is_promoted_by_force_alone() {
    let mut world = World::ready(2, 3, 1);
    let now = world.now;
    world.server(SERVERS + 1).syncs_until = now + 100_000;
    world.run(15_000);
    world.kill(SERVERS);
    world.run(5000);
    assert_eq!(world.primary(), Some(SERVERS), "{}", world.story());
    world.run_until(5000, |world| world.groups().next().unwrap().failover.is_none());
    world.sentinel(0).start_failover("mymaster", true).unwrap();
    world.run_until(2000, |world| world.primary() == Some(SERVERS + 1));
}

#[test]
fn a_circle_of_three_is_seen() {
    let mut world = World::ready(3, 3, 14);
    world.server(SERVERS + 2).follows = Some(SERVERS + 1);
    world.server(SERVERS).follows = Some(SERVERS + 2);
    world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn a_second_death_does_not_wait_for_the_first() {
    for seed in 0..10 {
        let mut world = World::ready(4, 3, seed).with_acknowledgements();
        world.kill(SERVERS);
        world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        let second = world.primary().unwrap();
        // The others are with it soon, and it tells that.
        let soon = world.now + 300;
        world.servers.iter_mut().for_each(|server| server.syncs_until = soon);
        world.run(700);
        world.kill(second);
        world.run_until(5000, |world| world.primary().is_some_and(|port| ![SERVERS, second].contains(&port)));
        check_nothing_is_lost(&mut world);
    }
}

#[test]
fn who_became_the_primarys_primary_by_a_restart_is_no_heir() {
    let mut world = World::ready(4, 3, 1);
    // Both are started again as they were once: one as an empty primary, and the primary as its replica.
    world.kill(SERVERS);
    world.kill(SERVERS + 1);
    world.run(20);
    world.restart(SERVERS + 1);
    world.server(SERVERS + 1).offset = 50;
    world.restart(SERVERS);
    let others = world.servers.clone();
    world.server(SERVERS).follow("127.0.0.1", &(SERVERS + 1).to_string(), &others);
    world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_ne!(world.primary(), Some(SERVERS + 1), "{}", world.story());
}

#[test]
fn who_was_promoted_in_vain_is_no_heir() {
    let mut world = World::ready(3, 5, 1);
    for sentinel in world.sentinels.iter_mut().flatten() {
        sentinel.core.simulated.crash_after_promotion = true;
    }
    // One is promoted, which its leader alone knows of, and the primary lives on with the other one.
    world.hidden.insert(SERVERS);
    world.run_until(5000, |world| world.sentinels.iter().any(Option::is_none));
    world.hidden.clear();
    for sentinel in world.sentinels.iter_mut().flatten() {
        sentinel.core.simulated.crash_after_promotion = false;
    }
    world.run(3000);
    assert_eq!(world.primary(), Some(SERVERS), "{}", world.story());
    world.kill(SERVERS);
    world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert_eq!(world.primary(), Some(SERVERS + 2), "{}", world.story());
}

#[test]
fn replicas_stay_away_until_they_are_turned() {
    let mut world = World::ready(4, 3, 1).with_acknowledgements();
    world.set_options(|options| options.failover_timeout = 60_000);
    world.hidden.insert(SERVERS);
    world.run_until(10_000, |world| world.primary().is_some_and(|port| port != SERVERS));
    world.run(10);
    // The old primary lives. Of the two that are turned, one at a time, the first gets all the data, and the other waits.
    let (primary, until) = (world.primary(), world.now + 60_000);
    let first = world.servers.iter_mut().find(|server| server.follows == primary).unwrap();
    first.syncs_until = until;
    world.run(15_000);
    check_nothing_is_lost(&mut world);
}

#[test]
fn replicas_are_let_go_when_nobody_is_chosen() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    // One of two does not answer, and may have what the other has not.
    world.hidden.extend([SERVERS, SERVERS + 2]);
    world.run_until(10_000, |world| world.server_is_detached(SERVERS + 1));
    world.run(5000);
    assert!(world.server_is_detached(SERVERS + 1), "for as long as they are asked\n{}", world.story());
    world.hidden.clear();
    world.run_until(5000, |world| !world.server_is_detached(SERVERS + 1));
}

#[test]
fn a_replica_that_is_gone_counts_until_others_have_what_it_may_have() {
    // The other one was behind when the primary was last seen: then it is not promoted. Else it is.
    for (lags, is_replaced) in [(true, false), (false, true)] {
        let mut world = World::ready(3, 3, 1).with_acknowledgements();
        // Its link stands still, and the primary goes on to list it.
        let now = world.now;
        world.server(SERVERS + 1).stands_until = if lags { now + 60_000 } else { 0 };
        world.run(2000);
        world.kill(SERVERS + 2);
        world.run(6000);
        world.kill(SERVERS);
        world.run(8000);
        let was_replaced = world.primary() == Some(SERVERS + 1);
        assert_eq!(was_replaced, is_replaced, "{lags}\n{}", world.story());
    }
}

#[test]
fn a_replica_that_was_about_to_come_back_counts() {
    let mut world = World::ready(3, 3, 1).with_acknowledgements();
    // Its full sync is about to end, so the primary does not name it, when the sentinels lose sight of both.
    let now = world.now;
    world.server(SERVERS + 2).syncs_until = now + 3000;
    world.run(2900);
    world.hidden.extend([SERVERS, SERVERS + 2]);
    world.server(SERVERS + 1).stands_until = now + 60_000;
    world.run(8000);
    assert_eq!(
        world.primary(),
        Some(SERVERS),
        "the other one has not what was acknowledged\n{}",
        world.story()
    );
    world.hidden.remove(&(SERVERS + 2));
    world.run(8000);
    check_nothing_is_lost(&mut world);
}

#[test]
fn who_fences_itself_goes_by_what_it_was_told() {
    let mut world = World::ready(3, 3, 1);
    world.servers.iter_mut().for_each(|server| (server.is_ours, server.is_fencing) = (true, true));
    for sentinel in 0..3 {
        world.sentinel(sentinel).groups.get_mut("mymaster").unwrap().options.down_after = 8000;
    }
    world.run(12_000);
    let lost_at = world.now;
    world.silent.insert(SERVERS);
    world.run(500);
    // Nobody wants to wait: the primary does not hear of that.
    for sentinel in 0..3 {
        world.sentinel(sentinel).groups.get_mut("mymaster").unwrap().options.down_after = 1000;
    }
    world.run_until(20_000, |world| world.primary().is_some_and(|port| port != SERVERS));
    assert!(world.now - lost_at >= 8000 - 1000, "after {} ms\n{}", world.now - lost_at, world.story());
}

#[test]
fn a_connection_that_broke_in_silence_is_soon_made_anew() {
    let mut world = World::ready(3, 3, 1);
    let line = world.line_to(0, SERVERS + 1);
    world.drop_in_silence(0, line);
    // Time enough for the connection that comes in its place, and then that one breaks.
    world.run(2500);
    let line = world.line_to(0, SERVERS + 1);
    world.drop_in_silence(0, line);
    world.run(2500);
    let group = &world.sentinel(0).groups["mymaster"];
    assert!(group.replicas.values().all(|replica| replica.down_since.is_none()), "{}", world.story());
}

#[test]
fn a_new_primary_that_dies_while_replicas_are_turned_is_replaced() {
    let mut world = World::ready(4, 3, 1);
    world.kill(SERVERS);
    world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
    // One of them does not get there.
    let primary = world.primary().unwrap();
    let waits = world.servers.iter().rfind(|server| ![SERVERS, primary].contains(&server.port));
    let waits = waits.unwrap().port;
    world.server(waits).refuses.push(("SLAVEOF", NOPERM));
    world.run(500);
    assert!(!world.has_event("+failover-end"), "{}", world.story());
    world.kill(primary);
    world.run_until(4000, |world| world.primary().is_some_and(|port| ![SERVERS, primary].contains(&port)));
}

#[test]
fn who_was_called_down_is_told_that_its_lease_is_none() {
    let mut world = World::ready(2, 3, 1);
    world.servers.iter_mut().for_each(|server| (server.is_ours, server.is_fencing) = (true, true));
    world.run(12_000);
    for sentinel in 1..3 {
        world.kill_sentinel(sentinel);
    }
    world.hidden.insert(SERVERS);
    world.run(1500);
    assert!(world.has_event("+sdown"), "{}", world.story());
    world.hidden.clear();
    world.server(SERVERS).leases.clear();
    world.run(1000);
    let leases = &world.server(SERVERS).leases;
    assert!(leases.len() >= 3 && leases.iter().all(|lease| lease.ends_with("REPLICA")), "{leases:?}");
    world.run(6000);
    assert!(world.server(SERVERS).leases.last().is_some_and(|lease| lease.ends_with("PRIMARY")));
}

#[test]
fn nobody_is_taken_for_a_stock_sentinel() {
    let mut world = World::new(2, 3, 1);
    world.servers.iter_mut().for_each(|server| server.is_ours = true);
    world.run(5000);
    world.kill(SERVERS + 1);
    world.server(SERVERS + 1).leases.clear();
    world.run(50);
    world.server(SERVERS + 1).is_alive = true;
    world.run(5000);
    assert!(world.servers.iter().all(|server| server.leases.len() > 3 && server.strange_hellos == 0));
}

#[test]
fn one_that_was_started_again_as_a_primary_is_no_heir() {
    // The old one is dead; or it is started again as well, as a replica of that one, as its file says.
    for is_back in [false, true] {
        let mut world = World::ready(3, 3, 1);
        world.servers.iter_mut().for_each(|server| server.is_ours = true);
        world.run(12_000);
        let (history, has) = (world.server(SERVERS).history.clone(), world.server(SERVERS).offset);
        world.kill(SERVERS + 2);
        world.run(50);
        // It has what it had saved, long ago.
        world.restart(SERVERS + 2);
        let restarted = world.server(SERVERS + 2);
        (restarted.history_before, restarted.offset, restarted.fork) = (history.clone(), 100, 100);
        world.run(200);
        world.kill(SERVERS);
        if is_back {
            world.restart(SERVERS);
            let old = world.server(SERVERS);
            (old.history, old.offset, old.follows) = (history, has, Some(SERVERS + 2));
        }
        world.run_until(10_000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert_eq!(world.primary(), Some(SERVERS + 1), "{}", world.story());
    }
}
