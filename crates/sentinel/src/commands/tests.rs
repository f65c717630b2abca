//! Replies that depend on what the machine knows; the rest is shown by the engine's scripts.

use slipstream_replication::Moment;
use slipstream_resp::{OwnedRequest, Protocol, Reply, Value, decode_value};

use super::*;
use crate::config::ConfigLine;
use crate::failover::{Cause, Failover, Phase};
use crate::server::Turning;
use crate::{Action, Event, Globals};

const NOW: Moment = Moment(10_000);

struct Bare;

impl Surroundings for Bare {
    fn matches(&self, pattern: &[u8], text: &[u8], _: bool) -> bool {
        pattern == text
    }

    fn is_program(&mut self, path: &str) -> bool {
        path == "/bin/true"
    }
}

/// A sentinel whose configuration names one group, two replicas and two other sentinels.
fn sentinel() -> Sentinel {
    let mut sentinel = Sentinel::new(NOW, Globals::default(), fastrand::Rng::with_seed(1));
    let [first, second] = ["1", "2"].map(|digit| digit.repeat(40));
    let text = format!(
        "sentinel monitor m 10.0.0.1 6379 2\nsentinel deny-scripts-reconfig no\n\
         sentinel known-replica m 10.0.0.2 6379\nsentinel known-replica m 10.0.0.3 6379\n\
         sentinel known-sentinel m 10.0.0.8 26379 {first}\nsentinel known-sentinel m 10.0.0.9 26379 {second}\n"
    );
    sentinel.load(&ConfigLine::all(text.as_bytes()).expect("they are lines")).expect("they are good");
    sentinel
}

fn ask(sentinel: &mut Sentinel, words: &str) -> Result<Value, String> {
    let request = OwnedRequest::from_parts(&words.split(' ').collect::<Vec<_>>());
    let mut reply = Reply::new(Protocol::Resp2);
    let name = request.args()[1].to_ascii_lowercase();
    let name = str::from_utf8(&name).expect("a test writes text");
    let surroundings = &mut Bare;
    let request =
        Request { now: NOW, name, args: request.args(), is_late: false, log_level: "notice", surroundings };
    match sentinel.command(request, &mut reply) {
        Ok(Answered::Yes | Answered::WithMore) => {
            let (value, length) = decode_value(reply.as_bytes()).expect("a reply").expect("a whole one");
            assert_eq!(length, reply.len(), "one reply");
            Ok(value)
        }
        Ok(waits) => Err(format!("{waits:?}")),
        Err(CommandRefused(text)) => Err(text),
    }
}

/// A field of the first map of a reply.
fn field(reply: &Value, name: &str) -> String {
    let Value::Array(parts) = reply else { panic!("{reply:?}") };
    let parts = match parts.first() {
        Some(Value::Array(first)) => first,
        _ => parts,
    };
    let found = parts.chunks_exact(2).find(|pair| pair[0].text() == name);
    found.unwrap_or_else(|| panic!("{name} in {parts:?}"))[1].text()
}

fn check_flags(command: &str, change: impl FnOnce(&mut crate::group::Group), expected: &str) {
    let mut sentinel = sentinel();
    change(sentinel.groups.get_mut("m").expect("it is watched"));
    let reply = ask(&mut sentinel, command).expect("it is answered");
    assert_eq!(field(&reply, "flags"), expected);
}

fn led(cause: Cause, phase: Phase) -> Failover {
    Failover { cause, epoch: 3, voted_before: 0, tries: 0, phase }
}

#[test]
fn flags_of_a_primary() {
    const ASK: &str = "SENTINEL MASTER m";
    check_flags(ASK, |_| {}, "master,disconnected");
    check_flags(ASK, |group| group.primary.down_since = Some(NOW), "s_down,master,disconnected");
    let down = |group: &mut crate::group::Group| {
        group.primary.down_since = Some(NOW);
        group.agreed_down_since = Some(NOW);
        group.failover = Some(led(Cause::Down, Phase::Electing { since: NOW }));
    };
    check_flags(ASK, down, "s_down,o_down,master,disconnected,failover_in_progress");
    let planned = |group: &mut crate::group::Group| {
        group.failover = Some(led(Cause::Planned, Phase::Electing { since: NOW }));
    };
    check_flags(ASK, planned, "master,disconnected,failover_in_progress,force_failover");
    let rebooted = |group: &mut crate::group::Group| group.primary.rebooted_at = Some(NOW);
    check_flags(ASK, rebooted, "master,disconnected,master_reboot");
}

#[test]
fn flags_of_a_replica() {
    const ASK: &str = "SENTINEL REPLICAS m";
    let first = |group: &mut crate::group::Group, turning: Turning| {
        group.replicas.values_mut().next().expect("it has some").turning = turning;
    };
    check_flags(ASK, |_| {}, "slave,disconnected");
    check_flags(ASK, |group| first(group, Turning::Sent(NOW)), "slave,disconnected,reconf_sent");
    check_flags(ASK, |group| first(group, Turning::InProgress(NOW)), "slave,disconnected,reconf_inprog");
    check_flags(ASK, |group| first(group, Turning::Done), "slave,disconnected,reconf_done");
    let promoted = |group: &mut crate::group::Group| {
        let target = group.replicas.values().next().expect("it has some").number;
        let phase = Phase::Promoting { target, since: NOW, paused_at: None };
        group.failover = Some(led(Cause::Down, phase));
    };
    check_flags(ASK, promoted, "slave,disconnected,promoted");
}

#[test]
fn flags_of_a_sentinel() {
    const ASK: &str = "SENTINEL SENTINELS m";
    check_flags(ASK, |_| {}, "sentinel,disconnected");
    let sees_down = |group: &mut crate::group::Group| {
        group.members.values_mut().next().expect("it has some").sees_down = Some((true, NOW));
    };
    check_flags(ASK, sees_down, "sentinel,disconnected,master_down");
}

#[test]
fn a_replica_that_is_not_announced_is_not_told() {
    let mut sentinel = sentinel();
    let group = sentinel.groups.get_mut("m").expect("it is watched");
    group.replicas.values_mut().next().expect("it has some").report.is_announced = false;
    let reply = ask(&mut sentinel, "SENTINEL REPLICAS m").expect("it is answered");
    let Value::Array(replicas) = &reply else { panic!("{reply:?}") };
    assert_eq!((replicas.len(), field(&reply, "ip").as_str()), (1, "10.0.0.3"));
}

#[test]
fn a_quorum_and_a_majority_are_needed() {
    const LACKS: &str = "Not enough available Sentinels to reach the";
    let quorum = format!("{LACKS} specified quorum for this master");
    let majority = format!("{LACKS} majority and authorize a failover");
    for (quorum_set, down, expected) in [
        (2, 0, None),
        (2, 1, None),
        (3, 1, Some(format!("NOQUORUM 2 usable Sentinels. {quorum}"))),
        (1, 2, Some(format!("NOQUORUM 1 usable Sentinels. {majority}"))),
        (2, 2, Some(format!("NOQUORUM 1 usable Sentinels. {quorum}. {majority}"))),
    ] {
        let mut sentinel = sentinel();
        let group = sentinel.groups.get_mut("m").expect("it is watched");
        group.options.quorum = quorum_set;
        group.members.values_mut().take(down).for_each(|member| member.down_since = Some(NOW));
        let refused = ask(&mut sentinel, "SENTINEL CKQUORUM m").err();
        assert_eq!(refused, expected, "quorum {quorum_set}, {down} down");
    }
}

#[test]
fn scripts_are_told_with_their_process() {
    let mut sentinel = sentinel();
    sentinel.core.schedule_script("/bin/true", vec!["+sdown".to_owned()]);
    let reply = ask(&mut sentinel, "SENTINEL PENDING-SCRIPTS").expect("it is answered");
    for (name, value) in [("flags", "scheduled"), ("pid", "0"), ("run-delay", "0"), ("retry-num", "0")] {
        assert_eq!(field(&reply, name), value, "{name}");
    }
    let mut actions = Vec::new();
    sentinel.handle(NOW, Event::Tick, &mut actions);
    let started = actions.iter().find_map(|action| match action {
        Action::RunScript { number, .. } => Some(*number),
        _ => None,
    });
    let number = started.expect("it is its turn");
    sentinel.handle(NOW, Event::ScriptStarted(number, 42), &mut actions);
    let reply = ask(&mut sentinel, "SENTINEL PENDING-SCRIPTS").expect("it is answered");
    for (name, value) in [("flags", "running"), ("pid", "42"), ("run-time", "0"), ("retry-num", "1")] {
        assert_eq!(field(&reply, name), value, "{name}");
    }
}

#[test]
fn a_script_must_be_a_program() {
    let mut sentinel = sentinel();
    let set = |sentinel: &mut Sentinel, option: &str, path: &str| {
        ask(sentinel, &format!("SENTINEL SET m {option} {path}")).expect_err("it never answers at once")
    };
    let waits = format!("{ONCE_STORED:?}");
    assert_eq!(set(&mut sentinel, "notification-script", "/bin/true"), waits);
    assert_eq!(
        set(&mut sentinel, "client-reconfig-script", "/bin/nope"),
        "ERR Client reconfiguration script seems non existing or non executable"
    );
    let reply = ask(&mut sentinel, "SENTINEL MASTER m").expect("it is answered");
    assert_eq!(field(&reply, "notification-script"), "/bin/true");
}

#[test]
fn new_credentials_close_the_connections() {
    let mut sentinel = sentinel();
    let mut actions = Vec::new();
    sentinel.handle(NOW, Event::Tick, &mut actions);
    let count = |actions: &[Action], is_kind: fn(&Action) -> bool| {
        actions.iter().filter(|action| is_kind(action)).count()
    };
    let opened = count(&actions, |action| matches!(action, Action::Connect(..)));
    actions.clear();
    ask(&mut sentinel, "SENTINEL SET m auth-pass x").expect_err("it waits for the disk");
    sentinel.handle(NOW, Event::Tick, &mut actions);
    let closed = count(&actions, |action| matches!(action, Action::Close(_)));
    // Two others are no servers of the group.
    assert_eq!(closed, opened - 2);
    assert_eq!(count(&actions, |action| matches!(action, Action::Connect(..))), closed, "at once");
    actions.clear();
    ask(&mut sentinel, "SENTINEL CONFIG SET sentinel-pass x").expect_err("it waits for the disk");
    sentinel.handle(NOW, Event::Tick, &mut actions);
    assert_eq!(count(&actions, |action| matches!(action, Action::Close(_))), 2);
    assert_eq!(count(&actions, |action| matches!(action, Action::Connect(..))), 2);
}

#[test]
fn a_candidate_has_a_name_that_can_be_told() {
    let mut sentinel = sentinel();
    let long = "x".repeat(41);
    for id in ["evil\r\n2\nfake", "a,b", "\"", &long] {
        let refused = ask(&mut sentinel, &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 1 {id}"));
        assert_eq!(refused, Err("ERR Invalid Sentinel id".to_owned()), "{id:?}");
    }
    assert_eq!(sentinel.groups["m"].vote.epoch, 0);
}
