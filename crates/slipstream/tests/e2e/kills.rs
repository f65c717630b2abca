//! kill -9 under load, again and again: what was acknowledged is there afterwards, and nobody needs a full sync.
//!
//! A round: writers that keep a ledger, a rewrite now and then, a kill at a moment drawn from a seed, sometimes a second
//! one while the files are loaded; then the files are loaded and compared with the ledger. `cargo xtask chaos kill`
//! plays as many rounds as wanted; as a test it is a few.
//!
//! Under `always` all that was answered must be there. Under `everysec` it must be what the disk was said to have and
//! whatever the system had taken, which the checker reads in the files before the server does.

use std::env;
use std::fs;

use fastrand::Rng;

use crate::copies::{assert_same, wait_until_linked};
use crate::ledger::{Tally, Writers};
use crate::peer::Kind::Ours;
use crate::seed::Seed;
use crate::server::Server;
use crate::wait::{pause, wait_until};

const ROUNDS: u64 = 3;

/// A round ends within so many steps of the writers.
const MOST_STEPS: u64 = 1500;

/// Files are written anew when the story says so.
const ARGUMENTS: &[&str] =
    &["--appendonly yes", "--auto-aof-rewrite-percentage 0", "--repl-backlog-size 1gb"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Always,
    EverySecond,
}

impl Policy {
    fn arguments(self) -> Vec<&'static str> {
        let policy = match self {
            Policy::Always => "--appendfsync always",
            Policy::EverySecond => "--appendfsync everysec",
        };
        [ARGUMENTS, &[policy]].concat()
    }

    /// Fails the test unless the server shows what this policy promises.
    #[track_caller]
    fn check(self, tallies: &[Tally], server: &Server) {
        let mut client = server.client();
        for tally in tallies {
            match self {
                Policy::Always => tally.assert_answered(&mut client),
                Policy::EverySecond => tally.assert_on_disk(&mut client),
            }
        }
    }
}

#[test]
fn a_lone_primary_has_what_it_answered_under_always() {
    lone(Policy::Always);
}

#[test]
fn a_lone_primary_has_what_the_system_took_under_everysec() {
    lone(Policy::EverySecond);
}

#[test]
fn a_pair_under_always_needs_no_full_sync() {
    pair(Policy::Always);
}

#[test]
fn a_pair_under_everysec_needs_no_full_sync() {
    pair(Policy::EverySecond);
}

/// Calls for as many rounds as wanted, each with a number of its own.
fn each_round(own_seed: u64, mut round: impl FnMut(&mut Rng)) {
    let rounds = env::var("SLIPSTREAM_KILL_ROUNDS").ok();
    let count = rounds.as_ref().map_or(ROUNDS, |text| text.parse().expect("it is a number"));
    let seed = Seed::new(own_seed);
    let mut random = seed.random();
    for number in 1..=count {
        round(&mut random);
        if rounds.is_some() && (number % 20 == 0 || number == count) {
            crate::report(&format!("kill: {number} rounds are fine"));
        }
    }
}

fn lone(policy: Policy) {
    let mut server = Server::start(Ours, &policy.arguments());
    each_round(21, |random| {
        let writers = Writers::start(&server);
        writers.let_pass(random.u64(..MOST_STEPS));
        if random.u8(..3) == 0 {
            rewrite(&server);
            writers.let_pass(random.u64(..MOST_STEPS / 4));
        }
        server.kill();
        let tallies = writers.stop();
        come_back(&mut server, random);
        policy.check(&tallies, &server);
    });
}

fn rewrite(server: &Server) {
    // Refused while the last one is still under way, which is as good.
    server.client().try_call::<String>("BGREWRITEAOF").map(drop).unwrap_or_default();
}

/// Starts a killed server again, which is sometimes killed once more before it has loaded its files.
#[track_caller]
fn come_back(server: &mut Server, random: &mut Rng) {
    let taken = taken_by_the_system(server);
    if random.u8(..4) == 0 {
        server.start_again();
        (0..random.u8(..10)).for_each(|_| pause());
        server.kill();
    }
    server.restart();
    let end = server.client().info_number("replication", "master_repl_offset");
    assert!(end >= taken, "the files lead to {taken}, and the server is at {end}");
}

/// Where the files lead: the end of the last batch that is there as a whole, or a later place that is named, as when a
/// replica went back to a fork. Its numbers are all that is looked at: the sum is for those who load it.
fn taken_by_the_system(server: &Server) -> u64 {
    let folder = server.folder.join("appendonlydir");
    // Killed before it had any.
    let Ok(manifest) = fs::read_to_string(folder.join("appendonly.aof.manifest")) else { return 0 };
    let names = manifest.lines().filter_map(|line| line.split(' ').nth(1));
    let increments = names.filter(|name| name.ends_with(".incr.aof"));
    let end = |name: &str| last_place(&fs::read(folder.join(name)).expect("the manifest names it"));
    increments.rev().find_map(end).unwrap_or_default()
}

fn last_place(file: &[u8]) -> Option<u64> {
    const REMARK: &[u8] = b"#SLIPSTREAM ";
    let places = (0..file.len()).filter(|&at| file[at..].starts_with(REMARK));
    let mut ends = places.filter_map(|at| {
        let rest = &file[at + REMARK.len()..];
        let (line, behind) = rest.split_at(rest.iter().position(|&byte| byte == b'\n')?);
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let (kind, start) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        match kind {
            "AT" => Some(start),
            "SUM" => {
                let length: u64 = words.next()?.parse().ok()?;
                // The line's own end comes first.
                (behind.len() as u64 > length).then_some(start + length)
            }
            _ => None,
        }
    });
    ends.next_back()
}

/// Who is killed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Primary,
    Replica,
    Both,
}

fn pair(policy: Policy) {
    let mut primary = Server::start(Ours, &policy.arguments());
    let following = format!("--replicaof 127.0.0.1 {}", primary.port);
    let mut replica = Server::start(Ours, &[policy.arguments(), vec![&following]].concat());
    primary.client().call::<()>("SET before 1");
    wait_until_linked(&replica);
    let mut full_syncs = 1;
    each_round(22, |random| {
        begin_rewrites(&primary, &replica, random);
        let writers = Writers::start(&primary);
        writers.let_pass(random.u64(..MOST_STEPS));
        let victim = random.choice([Victim::Primary, Victim::Replica, Victim::Both]).expect("three");
        let tallies = match victim {
            Victim::Primary => {
                primary.kill();
                let tallies = writers.stop();
                come_back(&mut primary, random);
                tallies
            }
            Victim::Replica => {
                replica.kill();
                writers.let_pass(random.u64(..MOST_STEPS / 4));
                come_back(&mut replica, random);
                writers.let_pass(random.u64(..MOST_STEPS / 4));
                writers.stop()
            }
            Victim::Both => {
                replica.kill();
                primary.kill();
                let tallies = writers.stop();
                come_back(&mut replica, random);
                come_back(&mut primary, random);
                tallies
            }
        };
        if victim != Victim::Replica {
            full_syncs = 0;
        }
        policy.check(&tallies, &primary);
        wait_until_linked(&replica);
        assert_same(&primary, &replica);
        assert_eq!(primary.client().info_number("stats", "sync_full"), full_syncs, "{victim:?}");
    });
}

/// What lies before a base cannot be asked for after a restart. So a rewrite begins when both disks have all there is.
fn begin_rewrites(primary: &Server, replica: &Server, random: &mut Rng) {
    let mut client = primary.client();
    client.call::<()>("SET round begun");
    wait_until("both disks have it", || client.call::<Vec<u64>>("WAITAOF 1 1 1000") == [1, 1]);
    for server in [primary, replica] {
        if random.u8(..3) == 0 {
            rewrite(server);
        }
    }
}
