//! Servers and sentinels that refuse what they are asked or told: what is said of it, and what comes of it.

use slipstream_replication::Moment;
use slipstream_resp::Value;

use super::model::NOPERM;
use super::world::{SERVERS, World};
use crate::Action;
use crate::failover::promoting::Turn;
use crate::line::Awaited;

/// One replica refuses a command.
fn with_refusal((command, reason): (&'static str, &'static str)) -> World {
    let mut world = World::new(3, 3, 1);
    world.set_options(|options| options.auth_pass = "secret".into());
    world.server(SERVERS + 1).refuses.push((command, reason));
    world.run(10_000);
    world
}

#[test]
fn what_a_server_refuses_is_told_once_until_it_obeys() {
    for refused in [
        ("AUTH", "WRONGPASS invalid username-password pair or user is disabled."),
        ("CLIENT SETNAME", NOPERM),
        ("INFO", NOPERM),
        ("PING", "NOAUTH Authentication required."),
        ("PING", NOPERM),
        ("PUBLISH", NOPERM),
        ("ROLE", "ERR unknown command 'ROLE', with args beginning with: "),
        ("SUBSCRIBE", NOPERM),
    ] {
        let mut world = with_refusal(refused);
        world.run(30_000);
        let reason = refused.1.replace(", with args beginning with: ", "");
        let text = format!("mymaster: 127.0.0.1:7001 refuses {}: {reason}", refused.0);
        assert_eq!((world.logged(&text), world.logged("refuses")), (3, 3), "{refused:?}\n{:#?}", world.log);
        assert_eq!(world.logged("secret"), 0);
        world.server(SERVERS + 1).refuses.clear();
        // Its lines are made anew, with what is said on them first.
        world.kill(SERVERS + 1);
        world.run(1000);
        world.server(SERVERS + 1).is_alive = true;
        world.run(20_000);
        assert_eq!(world.logged("refuses"), 3);
        world.server(SERVERS + 1).refuses.push(refused);
        world.kill(SERVERS + 1);
        world.run(1000);
        world.server(SERVERS + 1).is_alive = true;
        world.run(20_000);
        assert_eq!(world.logged(&text), 6, "{refused:?}\n{:#?}", world.log);
    }
}

#[test]
fn what_passes_is_no_refusal() {
    for (command, reason) in [("PING", "LOADING data"), ("INFO", "BUSY a script"), ("ROLE", "MASTERDOWN")] {
        assert_eq!(with_refusal((command, reason)).logged("refuses"), 0, "{command}");
    }
}

#[test]
fn what_a_sentinel_refuses_is_told_too() {
    for refused in [("PING", "NOAUTH Authentication required."), ("PUBLISH", NOPERM), ("SENTINEL", NOPERM)] {
        let mut world = World::ready(2, 2, 1);
        world.log.clear();
        world.sentinels_refuse = refused;
        world.kill(SERVERS);
        world.run(20_000);
        for port in [26000, 26001] {
            let text = format!("The sentinel 127.0.0.1:{port} refuses {}", refused.0);
            let asked = if refused.0 == "SENTINEL" { 2 } else { 1 };
            assert_eq!(world.logged(&text), asked, "{refused:?}\n{:#?}", world.log);
        }
    }
}

#[test]
fn what_comes_with_a_promotion_cannot_spoil_it() {
    for (refused, is_planned) in ["MULTI", "CONFIG REWRITE", "CLIENT KILL", "EXEC"]
        .into_iter()
        .flat_map(|name| [(name, true), (name, false)])
    {
        let mut world = World::ready(3, 3, 1);
        world.servers.iter_mut().for_each(|server| server.refuses.push((refused, NOPERM)));
        if is_planned {
            let now = world.now;
            world.sentinel(0).core.now = Moment(now);
            world.sentinel(0).start_failover("mymaster", false).expect("it begins");
        } else {
            world.kill(SERVERS);
        }
        let took = world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        assert!(took < if is_planned { 100 } else { 600 }, "{refused}: {took} ms\n{}", world.story());
        world.run_until(1000, |world| world.has_event("+failover-end"));
        let primary = world.primary();
        let others = world.servers.iter().filter(|server| server.is_alive && Some(server.port) != primary);
        assert!(others.into_iter().all(|server| server.follows == primary), "{refused}\n{}", world.story());
        let line = format!("127.0.0.1:{} refuses {refused}: ", primary.expect("it is there"));
        assert_eq!(world.logged(&line), 1, "{:#?}", world.log);
    }
}

#[test]
fn a_promotion_that_is_refused_is_over() {
    let mut world = World::ready(2, 3, 1);
    world.server(SERVERS + 1).refuses.push(("SLAVEOF", NOPERM));
    world.kill(SERVERS);
    world.run_until(1000, |world| world.has_event("-failover-abort-slave-timeout"));
    world.run(2000);
    assert!(world.logged("mymaster: 127.0.0.1:7001 refuses SLAVEOF: NOPERM") <= 3, "{:#?}", world.log);
    world.server(SERVERS + 1).refuses.clear();
    world.run_until(10_000, |world| world.primary() == Some(SERVERS + 1));
}

#[test]
fn a_primary_takes_its_place_back_from_a_target_that_refuses_it() {
    let mut world = World::ready(2, 3, 1);
    world.server(SERVERS + 1).refuses.push(("SLAVEOF", NOPERM));
    let now = world.now;
    world.sentinel(0).core.now = Moment(now);
    world.sentinel(0).start_failover("mymaster", false).expect("it begins");
    world.run_until(100, |world| world.has_event("-failover-abort-slave-timeout"));
    world.run(10);
    let primary = world.server(SERVERS);
    assert_eq!((primary.follows, primary.paused_until), (None, 0));
    world.run(5000);
    assert_eq!(world.primary(), Some(SERVERS));
}

#[test]
fn an_order_that_is_over_is_not_repeated() {
    let mut world = World::ready(2, 1, 1);
    let now = Moment(world.now);
    let sentinel = world.sentinel(0);
    sentinel.core.now = now;
    let group = sentinel.groups.get_mut("mymaster").expect("it is there");
    let number = group.replicas.values().next().expect("there is one").number;
    let (server, _) = group.server_mut(number).expect("it is there");
    server.contact.line.awaited.clear();
    let here = ("127.0.0.1".to_owned(), SERVERS);
    let elsewhere = ("127.0.0.1".to_owned(), 9999);
    let aborted = Value::Error("EXECABORT Transaction discarded because of previous errors.".into());
    for (primary, is_repeated) in [(None, false), (Some(elsewhere), false), (Some(here.clone()), true)] {
        sentinel.core.actions.clear();
        let turn = Awaited::Exec(Turn { at: now, primary });
        group.on_reply(&mut sentinel.core, number, (turn, aborted.clone()));
        let sends = sentinel.core.actions.iter().any(|action| matches!(action, Action::Send(..)));
        assert_eq!(sends, is_repeated);
    }
    // It is told already by what was sent last.
    sentinel.core.actions.clear();
    group.on_reply(
        &mut sentinel.core,
        number,
        (Awaited::Exec(Turn { at: now, primary: Some(here) }), aborted),
    );
    assert_eq!(sentinel.core.actions, []);
}

#[test]
fn a_new_process_in_the_place_of_long_ago_is_turned_at_once() {
    for (is_new, bound) in [(true, 0..2000), (false, 9000..12_000)] {
        let mut world = World::ready(3, 3, 1);
        world.run(12_000);
        if is_new {
            world.kill(SERVERS + 2);
            world.run(3000);
            world.restart(SERVERS + 2);
        }
        // The other replica was the primary once.
        world.server(SERVERS + 2).follows = Some(SERVERS + 1);
        let took = world.run_until(30_000, |world| world.servers[2].follows == Some(SERVERS));
        assert!(bound.contains(&took), "{took} ms\n{}", world.story());
    }
}
