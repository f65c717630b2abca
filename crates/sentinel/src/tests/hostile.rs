//! Somebody who may speak to sentinels or servers, and means no good or is broken.

use slipstream_replication::Moment;
use slipstream_resp::Value;

use super::world::{SERVERS, World};
use crate::asking::MOST_PEERS;
use crate::core::Owner;
use crate::hello::LAST_EPOCH;
use crate::line::Awaited;
use crate::topology::MOST_MEMBERS;
use crate::unfinished::Unfinished;
use crate::{Action, Address, Event, Failure, Globals, LineId, Sentinel};

const STRANGER: &str = "ffffffffffffffffffffffffffffffffffffffff";

/// A hello of a sentinel that nobody has seen, which names the primary rightly.
fn hello((epoch, config_epoch): (u64, u64)) -> String {
    format!("127.0.0.1,26999,{STRANGER},{epoch},mymaster,127.0.0.1,{SERVERS},{config_epoch}")
}

/// Says it to one sentinel after another, then kills the primary.
fn fails_over_behind(mut say: impl FnMut(&mut World, usize)) {
    for sentinels in [1, 3] {
        let mut world = World::ready(3, 3, 7);
        for index in 0..sentinels {
            let now = world.now;
            world.sentinel(index).core.now = Moment(now);
            say(&mut world, index);
        }
        world.run(3000);
        world.kill(SERVERS);
        world.run_until(5000, |world| world.primary().is_some_and(|port| port != SERVERS));
        for sentinel in world.sentinels.iter().flatten() {
            let group = &sentinel.groups["mymaster"];
            assert!(group.config_epoch <= sentinel.core.epoch && sentinel.core.epoch < 1 << 30);
        }
    }
}

#[test]
fn a_far_epoch_in_a_hello_ends_no_failovers() {
    for epoch in [LAST_EPOCH, LAST_EPOCH + 1, u64::MAX / 2 - 1, 1000] {
        fails_over_behind(|world, index| world.sentinel(index).hear_hello(&hello((epoch, 0))));
        fails_over_behind(|world, index| world.sentinel(index).hear_hello(&hello((epoch, epoch))));
        fails_over_behind(|world, index| world.sentinel(index).hear_hello(&hello((0, epoch))));
    }
}

#[test]
fn a_far_epoch_in_a_question_ends_no_failovers() {
    for epoch in [LAST_EPOCH, 1 << 40, 1000] {
        fails_over_behind(|world, index| {
            world.sentinel(index).opinion("127.0.0.1", SERVERS, epoch, Some(STRANGER));
        });
    }
}

#[test]
fn an_epoch_that_is_far_away_is_reached_step_by_step() {
    let mut world = World::ready(2, 1, 1);
    let far = 3 << 20;
    for _ in 0..2 {
        world.sentinel(0).hear_hello(&hello((far, far)));
        assert_eq!(world.groups().next().expect("it is there").config_epoch, 0);
    }
    world.sentinel(0).hear_hello(&hello((far, far)));
    assert_eq!(world.groups().next().expect("it is there").config_epoch, far);
}

#[test]
fn the_epoch_of_anothers_vote_is_adopted() {
    let mut world = World::ready(2, 2, 1);
    let peer = world.sentinel(0).peers.keys().next().expect("there is one").clone();
    let answer =
        |epoch| Value::Array(vec![Value::Integer(0), Value::Bulk(STRANGER.into()), Value::Integer(epoch)]);
    let now = Moment(world.now);
    world.sentinel(0).on_opinion(&peer, ("mymaster", &answer(50)), now);
    assert_eq!(world.sentinel(0).core.epoch, 50);
    world.sentinel(0).on_opinion(&peer, ("mymaster", &answer(i64::MAX)), now);
    let vote = world.groups().next().and_then(|group| group.members[&peer].vote.clone());
    assert_eq!(vote, Some((STRANGER.to_owned(), 50)), "what cannot be followed does not count");
}

#[test]
fn sentinels_beyond_what_a_group_may_have_are_not_talked_with() {
    let mut world = World::ready(2, 1, 1);
    let say = |world: &mut World, number: u32| {
        let port = 27_000 + number;
        let text = format!("127.0.0.1,{port},{number:040},1,mymaster,127.0.0.1,{SERVERS},0");
        world.sentinel(0).hear_hello(&text);
    };
    (0..u32::try_from(MOST_MEMBERS).expect("it is small") + 50).for_each(|number| say(&mut world, number));
    assert_eq!(world.groups().next().map(|group| group.members.len()), Some(MOST_MEMBERS));
    assert_eq!(world.sentinel(0).peers.len(), MOST_MEMBERS);
}

#[test]
fn who_never_answers_is_tried_ever_less_often() {
    let mut world = World::ready(2, 1, 1);
    let attempts = |world: &mut World, ms| {
        world.attempts = 0;
        world.run(ms);
        world.attempts
    };
    world.sentinel(0).hear_hello(&hello((0, 0)));
    let at_first = attempts(&mut world, 1000);
    world.run(60_000);
    let later = attempts(&mut world, 60_000);
    assert!(at_first >= 5 && (12..=14).contains(&later), "{at_first}, then {later}");
    // Whoever has answered once is not nobody.
    world.kill(SERVERS + 1);
    world.run(60_000);
    assert!(attempts(&mut world, 10_000) > 90);
}

fn reset(world: &mut World, index: usize) {
    let now = world.now;
    world.sentinel(index).core.now = Moment(now);
    world.sentinel(index).reset_group("mymaster");
}

/// The replicas that a sentinel knows.
fn known(world: &World, index: usize) -> Vec<u16> {
    let group = world.groups().nth(index).expect("it is there");
    group.replicas.keys().map(|key| key.port).collect()
}

#[test]
fn a_sentinel_that_is_reset_beside_a_dead_primary_counts_the_replicas_that_are_dead_too() {
    for who_is_reset in [vec![1, 2], vec![0, 1, 2]] {
        let mut world = World::ready(3, 3, 9);
        world.server(SERVERS).min_replicas_to_ack = 1;
        world.run(11_000);
        world.kill(SERVERS + 2);
        world.kill(SERVERS);
        world.run(5000);
        for index in who_is_reset {
            reset(&mut world, index);
            // One of them is heard of at once.
            let Sentinel { groups, core, .. } = world.sentinel(index);
            let group = groups.get_mut("mymaster").expect("it is there");
            group.add_replica(core, Address::new("127.0.0.1", SERVERS + 1));
        }
        world.run(5000);
        for index in 0..3 {
            assert_eq!(known(&world, index), [SERVERS + 1, SERVERS + 2], "{index}");
        }
        assert!(!world.has_event("+promoted-slave"), "{}", world.story());
    }
}

#[test]
fn a_sentinel_that_is_reset_beside_a_live_primary_forgets_dead_replicas_for_good() {
    let mut world = World::ready(3, 3, 9);
    world.kill(SERVERS + 2);
    world.run(5000);
    reset(&mut world, 0);
    world.run(5000);
    assert_eq!(known(&world, 0), [SERVERS + 1]);
    world.hidden.insert(SERVERS);
    world.run(700);
    assert_eq!(known(&world, 0), [SERVERS + 1]);
}

#[test]
fn others_are_asked_of_the_primary_as_they_know_it() {
    let mut world = World::ready(3, 3, 1);
    for (index, names) in [(0, true), (1, false), (2, false)] {
        let sentinel = world.sentinel(index);
        sentinel.core.globals.resolve_hostnames = names;
        sentinel.core.globals.announce_hostnames = names;
        if names {
            let group = sentinel.groups.get_mut("mymaster").expect("it is there");
            group.primary.contact.address.host = "primary.example".to_owned();
            group.members.values_mut().for_each(|member| member.names_primary = None);
        }
    }
    let now = world.now;
    world.sentinel(0).core.now = Moment(now);
    world.sentinel(0).start_failover("mymaster", false).expect("it can be done");
    world.run_until(3000, |world| world.primary().is_some_and(|port| port != SERVERS));
}

#[test]
fn a_sentinel_that_is_new_beside_a_dead_primary_counts_them_as_well() {
    let mut world = World::ready(3, 3, 9);
    world.server(SERVERS).min_replicas_to_ack = 1;
    world.run(11_000);
    world.kill(SERVERS + 2);
    world.kill(SERVERS);
    world.run(5000);
    world.kill_sentinel(0);
    world.forget_disk(0);
    world.restart_sentinel(0);
    world.run(10_000);
    assert_eq!(known(&world, 0), [SERVERS + 1, SERVERS + 2]);
}

#[test]
fn a_reply_that_announces_too_much_ends_its_line_at_once() {
    for begin in ["*1390000\r\n", "$1048577\r\n", "nonsense\r\n?\r\n*x\r\n"] {
        let mut world = World::ready(2, 1, 1);
        let is_server = |owner: &Owner| matches!(owner, Owner::Commands(..));
        let lines = &world.sentinel(0).core.lines;
        let found = lines.iter().find(|(_, owner)| is_server(owner)).map(|(line, _)| *line);
        let line = found.expect("servers are asked");
        world.tell(0, Event::Received(line, begin.as_bytes()));
        assert!(!world.sentinel(0).core.lines.contains_key(&line), "{begin:?}");
        world.run(1000);
        assert!(world.groups().all(|group| group.servers().all(|server| server.contact.is_up())));
    }
}

#[test]
fn a_group_of_very_many_is_not_looked_at_for_each_reply() {
    let mut world = World::ready(2, 1, 1);
    let Sentinel { groups, core, .. } = world.sentinel(0);
    let group = groups.get_mut("mymaster").expect("it is there");
    assert_eq!(group.pause(), 0);
    for number in 0..1000 {
        group.add_replica(core, Address::new(format!("10.0.{}.{}", number / 250, number % 250), 26_999));
    }
    assert!((50..70).contains(&group.pause()));
    world.run(1000);
    let now = world.now;
    let sentinel = world.sentinel(0);
    sentinel.wake("mymaster");
    assert!(sentinel.deadline().0 <= now + 70);
    sentinel.handle(Moment(now), Event::Tick, &mut Vec::new());
    sentinel.wake("mymaster");
    assert!(sentinel.deadline().0 > now, "not again at once");
}

#[test]
fn an_opinion_is_as_old_as_its_question() {
    let mut world = World::ready(2, 2, 1);
    let peer = world.sentinel(0).peers.keys().next().expect("there is one").clone();
    let answer = Value::Array(vec![Value::Integer(1), Value::Bulk(b"*".to_vec()), Value::Integer(0)]);
    world.hidden.insert(SERVERS);
    world.run_until(3000, |world| world.has_event("+odown"));
    let now = world.now;
    let down_since = world.groups().next().and_then(|group| group.primary.down_since).expect("it is down");
    let member = |world: &World| world.groups().next().expect("it is there").members[&peer].sees_down;
    let before = member(&world);
    world.sentinel(0).on_opinion(&peer, ("mymaster", &answer), Moment(down_since.0 - 1));
    assert_eq!(member(&world), before, "it is of another time");
    world.sentinel(0).on_opinion(&peer, ("mymaster", &answer), down_since);
    assert_eq!(member(&world), Some((true, down_since)), "at {now}");
}

#[test]
fn all_groups_together_have_a_bound_for_sentinels() {
    let mut sentinel = Sentinel::new(Moment(0), Globals::default(), fastrand::Rng::with_seed(1));
    for group in 0..5 {
        sentinel.add_group(&format!("g{group}"), Address::new("10.0.0.1", 6379), 2);
    }
    let say = |sentinel: &mut Sentinel, group: usize, number: usize| {
        let port = 20_000 + number;
        sentinel.hear_hello(&format!("10.0.0.2,{port},{number:040},1,g{group},10.0.0.1,6379,0"));
    };
    (0..MOST_PEERS + 100).for_each(|number| say(&mut sentinel, number / 1000, number));
    assert_eq!(sentinel.peers.len(), MOST_PEERS);
    // Who is talked with for one group may be of another as well.
    let before = sentinel.groups["g4"].members.len();
    say(&mut sentinel, 4, 0);
    assert_eq!((sentinel.groups["g4"].members.len(), sentinel.peers.len()), (before + 1, MOST_PEERS));
}

#[test]
fn a_hello_that_says_nothing_new_wakes_nobody() {
    let mut world = World::ready(2, 1, 1);
    world.sentinel(0).hear_hello(&hello((0, 0)));
    world.run(500);
    let now = world.now;
    let sentinel = world.sentinel(0);
    sentinel.handle(Moment(now), Event::Tick, &mut Vec::new());
    let before = sentinel.deadline();
    sentinel.hear_hello(&hello((0, 0)));
    assert_eq!(sentinel.deadline(), before);
    sentinel.hear_hello(&hello((1, 0)));
    assert!(sentinel.deadline() < before);
}

/// What a sentinel does with a group of so many replicas, to all of whom there are connections.
fn connected_to(replicas: u16) -> (Sentinel, Vec<LineId>) {
    let mut sentinel = Sentinel::new(Moment(0), Globals::default(), fastrand::Rng::with_seed(1));
    sentinel.add_group("g", Address::new("10.0.0.1", 1), 1);
    let Sentinel { groups, core, .. } = &mut sentinel;
    let group = groups.get_mut("g").expect("it is there");
    (0..replicas).for_each(|number| {
        group.add_replica(core, Address::new("10.0.0.2", 1000 + number));
    });
    let mut actions = Vec::new();
    sentinel.handle(Moment(0), Event::Tick, &mut actions);
    let asked = |action: &Action| match action {
        Action::Connect(line, _) => Some(*line),
        _ => None,
    };
    let lines: Vec<LineId> = actions.iter().filter_map(asked).collect();
    for &line in &lines {
        let [local, remote] = ["10.0.0.9", "10.0.0.2"].map(str::to_owned);
        sentinel.handle(Moment(0), Event::Connected { line, local, remote }, &mut Vec::new());
    }
    (sentinel, lines)
}

#[test]
fn all_lines_together_have_a_bound_for_replies_that_do_not_end() {
    const MANY: usize = 1_000_000;
    let (mut sentinel, lines) = connected_to(80);
    let begin = [format!("${MANY}\r\n").into_bytes(), vec![b'x'; MANY - 1]].concat();
    let mut closed = 0;
    for line in &lines {
        let mut actions = Vec::new();
        sentinel.handle(Moment(1), Event::Received(*line, &begin), &mut actions);
        closed += actions.iter().filter(|action| matches!(action, Action::Close(_))).count();
    }
    let fit = (64 << 20) / begin.len();
    assert_eq!(closed, lines.len() - fit);
    // Whatever is whole, or whose line is no more, takes nothing.
    let rest: Vec<LineId> =
        lines.iter().copied().filter(|line| sentinel.core.lines.contains_key(line)).collect();
    for line in rest {
        sentinel.handle(Moment(2), Event::Failed(line, Failure::Closed), &mut Vec::new());
    }
    assert_eq!(sentinel.core.unfinished, Unfinished::default());
}

#[test]
fn a_message_is_taken_up_to_its_own_length() {
    let is_messages = |owner: &Owner| matches!(owner, Owner::Messages(..));
    for (length, is_taken) in [(60 << 10, true), (70 << 10, false)] {
        let mut world = World::ready(2, 1, 1);
        let lines = &world.sentinel(0).core.lines;
        let line = *lines.iter().find(|(_, owner)| is_messages(owner)).expect("there is one").0;
        world.tell(0, Event::Received(line, &vec![b'+'; length]));
        assert_eq!(world.sentinel(0).core.lines.contains_key(&line), is_taken, "{length}");
    }
}

#[test]
fn an_info_that_is_very_long_is_read_and_not_kept() {
    let mut world = World::ready(2, 1, 1);
    let Sentinel { groups, core, .. } = world.sentinel(0);
    let group = groups.get_mut("mymaster").expect("it is there");
    let number = group.primary.number;
    for (length, is_kept) in [(200 << 10, true), (300 << 10, false)] {
        let text = format!("run_id:{length}\r\nrole:master\r\n{}", "x".repeat(length));
        group.on_reply(core, number, (Awaited::Info, Value::Bulk(text.into_bytes())));
        assert_eq!(group.primary.report.run_id, length.to_string());
        assert_eq!(!group.primary.info_text.is_empty(), is_kept, "{length}");
    }
}

#[test]
fn a_group_of_very_many_is_not_looked_at_for_each_who_is_due() {
    let (mut sentinel, lines) = connected_to(1000);
    for (line, at) in lines.into_iter().rev().take(30).zip(100..) {
        sentinel.handle(Moment(at), Event::Failed(line, Failure::Refused), &mut Vec::new());
    }
    let mut looks = 0;
    while sentinel.deadline() < Moment(300) {
        let at = sentinel.deadline();
        sentinel.handle(at, Event::Tick, &mut Vec::new());
        looks += 1;
    }
    assert!((2..=5).contains(&looks), "{looks}");
}
