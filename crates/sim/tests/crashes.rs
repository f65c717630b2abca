//! What is on disk after a crash, as short stories: the production steps on a disk that keeps only what it has to.
//!
//! Each rule is tried at many moments. A disk that breaks its word shows that what looks after the rules would see it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use slipstream_engine::config::AppendFsync;
use slipstream_sim::disk::Fraud;
use slipstream_sim::{Options, World};

fn options(appendfsync: AppendFsync) -> Options {
    Options { durable: true, appendonly: u32::MAX, appendfsync, ..Options::calm() }
}

/// Sends one request and waits for its answer.
#[track_caller]
fn ask(world: &mut World, client: usize, line: &str) -> String {
    world.client_sends(client, &[line]);
    let mut replies = Vec::new();
    for _ in 0..10_000 {
        world.run(1);
        replies = world.client_gets(client);
        if !replies.is_empty() {
            break;
        }
    }
    replies.pop().expect("it is answered within ten seconds")
}

/// Starts a node and waits until it serves.
fn restart(world: &mut World, node: usize) {
    world.start(node);
    world.run_until(|world| world.node(node).core.phase == slipstream_engine::Phase::Serving);
}

#[test]
fn what_was_answered_under_always_is_there_when_the_power_fails() {
    let mut world = World::with_options(&[0], options(AppendFsync::Always));
    for round in 0..30 {
        let client = world.connect_client(0);
        for number in 0..5 {
            assert_eq!(ask(&mut world, client, &format!("SET key{number} {round}")), "OK");
        }
        // These are not answered yet, and may be there or not.
        world.client_sends(client, &["SET unanswered 1", "DEL unanswered"]);
        world.run(round % 3);
        world.vanish(0);
        restart(&mut world, 0);
        for number in 0..5 {
            assert_eq!(world.command(0, &format!("GET key{number}")), round.to_string());
        }
    }
    world.converge();
}

#[test]
fn what_was_written_two_seconds_before_is_there_under_everysec() {
    let mut world = World::with_options(&[0], options(AppendFsync::EverySecond));
    for round in 0..20 {
        world.command(0, &format!("SET old {round}"));
        world.run(2050);
        for number in 0..20 {
            world.command(0, &format!("SET new{number} {round}"));
            world.run(round);
        }
        world.vanish(0);
        restart(&mut world, 0);
        assert_eq!(world.command(0, "GET old"), round.to_string());
    }
    world.converge();
}

#[test]
fn a_killed_process_loses_nothing_that_the_system_has_and_costs_no_snapshot() {
    for node in [0, 1] {
        let mut world = World::with_options(&[0, 0], options(AppendFsync::No));
        let before = world.full_syncs();
        for round in 0..10 {
            world.command(0, &format!("SET key {round}"));
            world.run(20);
            world.kill(node);
            restart(&mut world, node);
            assert_eq!(world.command(node, "GET key"), round.to_string());
            world.converge();
        }
        assert_eq!(world.full_syncs(), before);
    }
}

/// The process that takes over the files may find names in them that the disk has not got yet: it asks for them before
/// it answers anything.
#[test]
fn a_rewrite_may_be_interrupted_at_any_moment_and_the_power_fail_soon_after() {
    let slow = Options { sync_time: 10_000..=20_000, ..options(AppendFsync::Always) };
    let mut world = World::with_options(&[0], slow);
    for moment in (0..160).step_by(5) {
        let client = world.connect_client(0);
        assert_eq!(ask(&mut world, client, &format!("SET before {moment}")), "OK");
        world.command(0, "BGREWRITEAOF");
        world.run(moment);
        if moment % 2 == 0 {
            world.kill(0);
            restart(&mut world, 0);
            assert_eq!(world.command(0, "GET before"), moment.to_string());
            let client = world.connect_client(0);
            assert_eq!(ask(&mut world, client, &format!("SET behind {moment}")), "OK");
            world.vanish(0);
            restart(&mut world, 0);
            assert_eq!(world.command(0, "GET behind"), moment.to_string());
        } else {
            world.vanish(0);
            restart(&mut world, 0);
        }
        assert_eq!(world.command(0, "GET before"), moment.to_string());
    }
    world.converge();
}

#[test]
fn a_file_whose_sync_failed_is_replaced_before_anything_more_is_answered() {
    let mut world = World::with_options(&[0], options(AppendFsync::Always));
    let client = world.connect_client(0);
    assert_eq!(ask(&mut world, client, "SET a 1"), "OK");
    world.processes[0].disk.fail_until(u64::MAX);
    world.client_sends(client, &["SET a 2"]);
    world.run(3000);
    assert!(world.client_gets(client).is_empty(), "nobody knows whether that will be there");
    assert!(world.command(0, "SET b 1").starts_with("MISCONF"));
    world.processes[0].disk.fail_until(0);
    world.run(5000);
    assert_eq!(world.client_gets(client), ["OK"]);
    world.vanish(0);
    restart(&mut world, 0);
    assert_eq!(world.pipeline(0, &["GET a", "EXISTS b"]), ["2", "0"]);
    world.converge();
}

#[test]
fn a_full_disk_refuses_writes_and_loses_none_that_was_answered() {
    let mut world = World::with_options(&[0], options(AppendFsync::Always));
    let client = world.connect_client(0);
    for round in 0..10 {
        assert_eq!(ask(&mut world, client, &format!("SET a {round}")), "OK");
        world.processes[0].disk.fill_until(u64::MAX);
        world.client_sends(client, &["APPEND b x"]);
        world.run(1500);
        assert!(world.command(0, "SET c 1").starts_with("MISCONF"));
        world.processes[0].disk.fill_until(0);
        world.run(3000);
        assert_eq!(world.client_gets(client).len(), 1);
    }
    world.vanish(0);
    restart(&mut world, 0);
    assert_eq!(world.pipeline(0, &["GET a", "STRLEN b", "EXISTS c"]), ["9", "10", "0"]);
    world.converge();
}

/// Writes, rewrites and loses power, many times, on disks that break their word so.
fn outlives(fraud: Fraud) -> bool {
    let story = || {
        let mut world = World::with_options(&[0], options(AppendFsync::Always));
        world.processes[0].disk.commit(fraud);
        for round in 0..25 {
            let client = world.connect_client(0);
            for number in 0..4 {
                ask(&mut world, client, &format!("SET key{number} {round}"));
            }
            if round % 2 == 1 {
                world.command(0, "BGREWRITEAOF");
                world.run(200);
                ask(&mut world, client, "SET behind 1");
            }
            world.vanish(0);
            restart(&mut world, 0);
        }
    };
    catch_unwind(AssertUnwindSafe(story)).is_ok()
}

#[test]
fn a_disk_that_breaks_its_word_is_found_out() {
    assert!(outlives(Fraud::None));
    for fraud in [Fraud::Contents, Fraud::Appends, Fraud::NewFiles, Fraud::Names] {
        assert!(!outlives(fraud), "{fraud:?} is not seen");
    }
}
