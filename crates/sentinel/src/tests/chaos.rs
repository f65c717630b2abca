//! Faults from a seed: whatever happens, no epoch has two leaders, and in the end all agree and nobody is left behind.

use std::collections::BTreeMap;

use slipstream_replication::Moment;

use super::world::{SERVERS, World};

/// What goes wrong in one world, and then does not any more.
fn survive(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (servers, sentinels) = (rng.u16(2..5), rng.usize(1..6));
    let mut world = World::ready(servers, sentinels, seed);
    let port_of = |rng: &mut fastrand::Rng| SERVERS + rng.u16(..servers);
    for _ in 0..rng.u32(1..12) {
        match rng.u32(..9) {
            0 => world.kill(port_of(&mut rng)),
            1 => {
                let port = port_of(&mut rng);
                if !world.server(port).is_alive {
                    world.restart(port);
                }
            }
            2 => {
                world.frozen.insert(port_of(&mut rng));
            }
            3 => world.thaw(port_of(&mut rng)),
            4 => {
                world.silent.insert(if rng.bool() {
                    port_of(&mut rng)
                } else {
                    26000 + u16::try_from(rng.usize(..sentinels)).unwrap()
                });
            }
            5 => world.unsilence(),
            6 => world.kill_sentinel(rng.usize(..sentinels)),
            7 => world.restart_sentinel(rng.usize(..sentinels)),
            _ => {
                let (index, now) = (rng.usize(..sentinels), world.now);
                if let Some(sentinel) = &mut world.sentinels[index] {
                    sentinel.core.now = Moment(now);
                    // It may be refused.
                    sentinel.start_failover("mymaster", false).ok();
                }
            }
        }
        world.run([10, 100, 1000, 5000, 15_000][rng.usize(..5)]);
    }
    heal(&mut world, (servers, sentinels));
    check(&world, seed);
}

fn heal(world: &mut World, (servers, sentinels): (u16, usize)) {
    world.unsilence();
    for port in (0..servers).map(|index| SERVERS + index) {
        world.thaw(port);
        if !world.server(port).is_alive {
            world.restart(port);
        }
    }
    (0..sentinels).for_each(|index| world.restart_sentinel(index));
    world.run(60_000);
}

fn check(world: &World, seed: u64) {
    let story = world.story();
    let primary = world.primary().unwrap_or_else(|| panic!("seed {seed}: they differ\n{story}"));
    for server in &world.servers {
        let expected = (server.port != primary).then_some(primary);
        assert_eq!(
            server.follows,
            expected,
            "seed {seed}: server {}, primary {primary}, at {}
{story}
{:#?}",
            server.port,
            world.now,
            world.groups().next()
        );
        assert!(server.paused_until < world.now, "seed {seed}");
    }
    let mut leaders: BTreeMap<usize, u64> = BTreeMap::new();
    let mut elected: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, who, channel, message) in &world.events {
        if *channel == "+try-failover" {
            let epoch = leaders.get(who).copied();
            assert!(epoch.is_some(), "seed {seed}: a candidacy without an epoch\n{story}");
        }
        if *channel == "+new-epoch" {
            leaders.insert(*who, message.parse().unwrap());
        }
        if *channel == "+elected-leader" {
            let epoch =
                world.events.iter().rev().find(|event| event.1 == *who && event.2 == "+vote-for-leader");
            assert!(epoch.is_some());
        }
        if *channel == "+vote-for-leader" {
            let epoch: u64 = message.split(' ').nth(1).unwrap().parse().unwrap();
            elected.entry(epoch).or_insert(*who);
        }
    }
}

#[test]
fn whatever_happens_all_agree_in_the_end() {
    (0..40).for_each(survive);
}
