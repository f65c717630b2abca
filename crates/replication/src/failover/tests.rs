//! Stories of a planned failover: what happens to the replicas and the link, and the whole list of what is to be
//! done.
//!
//! Time is virtual. The log stands at offset 1000; replicas are known by their ports at one address.

use slipstream_log::{Log, ReplicationId};
use slipstream_resp::OwnedRequest;

use super::*;
use crate::replicas::{self, Newcomer, OutputLimit, ReplicaId, Request, Turn};

const SETTINGS: replicas::Settings = replicas::Settings {
    timeout_ms: 60_000,
    ping_period_ms: 10_000,
    sync_delay_ms: 0,
    two_links: true,
    sync_max_replicas: None,
    backlog_ttl_ms: None,
    pacing: true,
    output_limit: OutputLimit { hard: 0, soft: 0, soft_ms: 0 },
};

const A: u16 = 6380;
const B: u16 = 6381;

fn at(port: u16) -> Endpoint {
    Endpoint { host: "10.0.0.9".into(), port }
}

fn to(port: u16) -> Order {
    Order { target: Some(at(port)), ..Order::default() }
}

/// A primary whose replicas continued at the end of the log and then got 100 bytes more.
struct Story {
    failover: Failover,
    replicas: Replicas,
    log: Log,
    now: Moment,
}

impl Story {
    fn new(ports: &[u16]) -> Story {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut log = Log::new(64 << 10, &mut rng);
        let id = ReplicationId::parse(&[b'a'; 40]).unwrap();
        log.adopt_snapshot(id, Offset(900));
        let replicas = Replicas::new(Moment(0), SETTINGS, rng);
        let mut story = Story { failover: Failover::default(), replicas, log, now: Moment(0) };
        for port in ports {
            story.replconf(*port, &format!("listening-port {port}"));
            story.ask(*port, Request::Psync { id: &[b'a'; 40], next_byte: 901 });
        }
        story.log.append(&[b'x'; 100]);
        story
    }

    fn replconf(&mut self, port: u16, options: &str) {
        let words: Vec<&str> = options.split(' ').collect();
        let turn = Turn { now: self.now, log: &self.log };
        let (request, id) = (OwnedRequest::from_parts(&words), ReplicaId(port.into()));
        self.replicas.on_replconf(turn, id, request.args(), &mut Vec::new()).unwrap();
    }

    fn ask(&mut self, port: u16, request: Request<'_>) {
        let newcomer = Newcomer { id: ReplicaId(port.into()), peer: "10.0.0.9", request };
        let turn = Turn { now: self.now, log: &self.log };
        self.replicas.on_sync(turn, newcomer, &mut Vec::new()).unwrap();
    }

    fn ack(&mut self, port: u16, offset: u64) -> Vec<Action> {
        self.replconf(port, &format!("ACK {offset}"));
        self.turn()
    }

    fn lose(&mut self, port: u16) -> Vec<Action> {
        self.replicas.on_closed(self.now, ReplicaId(port.into()), &mut Vec::new());
        self.turn()
    }

    fn begin(&mut self, order: Order) -> Result<Vec<Action>, Refusal> {
        let mut actions = Vec::new();
        self.failover.begin(self.now, order, (true, &self.replicas), &mut actions)?;
        Ok(actions)
    }

    fn turn(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.failover.on_turn(self.now, &self.replicas, self.log.end(), &mut actions);
        actions
    }

    fn act(&mut self, event: impl FnOnce(&mut Failover, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        event(&mut self.failover, &mut actions);
        actions
    }

    fn wait_until(&mut self, ms: u64) -> Vec<Action> {
        self.now = Moment(ms);
        self.turn()
    }

    /// Handing over to `A`, which has everything.
    fn in_progress() -> Story {
        let mut story = Story::new(&[A, B]);
        story.begin(to(A)).unwrap();
        assert_eq!(story.ack(A, 1000).last(), Some(&Action::HandOver(at(A))));
        story
    }
}

fn notice(text: &str) -> Action {
    Action::notice(text.to_owned())
}

#[test]
fn the_target_takes_over_once_it_has_everything() {
    let mut story = Story::new(&[A, B]);
    let requested = [notice("FAILOVER requested to 10.0.0.9:6380."), Action::RequestAcks];
    assert_eq!(story.begin(to(A)), Ok(requested.into()));
    assert_eq!(story.failover.as_str(), "waiting-for-sync");
    assert_eq!(story.ack(B, 1000), [], "it is not the one");
    assert_eq!(story.ack(A, 999), []);
    let synced = notice("Failover target 10.0.0.9:6380 is synced, failing over.");
    assert_eq!(story.ack(A, 1000), [synced, Action::HandOver(at(A))]);
    assert_eq!(story.failover.as_str(), "failover-in-progress");
    story.failover.on_asked();
    let done = [notice("FAILOVER to 10.0.0.9:6380 done: it is the primary."), Action::Release];
    assert_eq!(story.act(Failover::on_accepted), done);
    assert_eq!(story.failover.as_str(), "no-failover");
}

#[test]
fn without_a_target_the_first_in_step_takes_over() {
    let mut story = Story::new(&[A, B]);
    let requested = [notice("FAILOVER requested to any replica."), Action::RequestAcks];
    assert_eq!(story.begin(Order::default()), Ok(requested.into()));
    let synced = notice("Failover target 10.0.0.9:6381 is synced, failing over.");
    assert_eq!(story.ack(B, 1000), [synced, Action::HandOver(at(B))]);
}

#[test]
fn of_those_in_step_the_best_rank_takes_over() {
    let ranked = |a: &str, b: &str| {
        let mut story = Story::new(&[A, B]);
        for (port, priority) in [(A, a), (B, b)] {
            story.replconf(port, "capa slipstream1");
            if !priority.is_empty() {
                story.replconf(port, &format!("priority {priority}"));
            }
        }
        story
    };
    let check = |a: &str, b: &str, order: Order, expected: Option<u16>| {
        let mut story = ranked(a, b);
        story.replconf(A, "ACK 1000");
        story.replconf(B, "ACK 1000");
        story.begin(order).unwrap();
        let last = story.turn().into_iter().find(|action| matches!(action, Action::HandOver(_)));
        assert_eq!(last, expected.map(at).map(Action::HandOver), "{a}, {b}");
    };
    check("", "", Order::default(), Some(A));
    check("100", "10", Order::default(), Some(B));
    check("", "99", Order::default(), Some(B));
    check("0", "", Order::default(), Some(B));
    check("0", "0", Order::default(), None);
    check("0", "0", to(A), Some(A));
    let told = || Order { ranked: true, ..Order::default() };
    check("", "200", told(), Some(B));
    check("", "0", told(), None);
}

#[test]
fn a_better_rank_that_lags_is_waited_for_a_moment() {
    let mut story = Story::new(&[A, B]);
    story.replconf(A, "capa slipstream1");
    story.replconf(A, "priority 1");
    story.begin(Order { timeout_ms: Some(5000), ..Order::default() }).unwrap();
    assert_eq!(story.ack(B, 1000), []);
    assert_eq!(story.failover.deadline(), Some(Moment(PREFERENCE_MS)));
    assert_eq!(story.wait_until(PREFERENCE_MS - 1), []);
    assert_eq!(story.wait_until(PREFERENCE_MS).last(), Some(&Action::HandOver(at(B))));

    let mut story = Story::new(&[A, B]);
    story.begin(Order { timeout_ms: Some(5000), ..Order::default() }).unwrap();
    assert_eq!(story.wait_until(PREFERENCE_MS), []);
    assert_eq!(story.failover.deadline(), Some(Moment(5000)));
}

#[test]
fn a_replica_without_a_port_is_no_target() {
    let mut story = Story::new(&[]);
    story.ask(A, Request::Psync { id: &[b'a'; 40], next_byte: 1001 });
    story.begin(Order::default()).unwrap();
    let aborted = notice("FAILOVER to any replica aborted: No replica is left to fail over to");
    assert_eq!(story.turn(), [aborted, Action::Release]);
}

#[test]
fn what_is_refused() {
    let check = |order: Order, expected: Refusal| {
        let mut story = Story::new(&[A]);
        story.ask(B, Request::Psync { id: b"?", next_byte: -1 });
        story.replconf(B, "listening-port 6381");
        assert_eq!(story.begin(order), Err(expected));
        assert_eq!(story.failover.as_str(), "no-failover");
    };
    check(to(7), Refusal::NotAReplica);
    check(to(B), Refusal::NotOnline);
    check(Order { force: true, ..to(A) }, Refusal::ForceNeedsBoth);
    check(Order { force: true, timeout_ms: Some(1), ..Order::default() }, Refusal::ForceNeedsBoth);

    assert_eq!(Story::new(&[]).begin(to(A)), Err(Refusal::NoReplicas));
    let mut story = Story::new(&[A]);
    let replica = story.failover.begin(story.now, to(A), (false, &story.replicas), &mut Vec::new());
    assert_eq!(replica, Err(Refusal::IsReplica));
    story.begin(to(A)).unwrap();
    assert_eq!(story.begin(to(A)), Err(Refusal::AlreadyInProgress));
}

#[test]
fn a_late_target_ends_it_or_is_forced() {
    let late = |force| {
        let mut story = Story::new(&[A]);
        story.begin(Order { timeout_ms: Some(500), force, ..to(A) }).unwrap();
        assert_eq!(story.failover.deadline(), Some(Moment(500)));
        assert_eq!(story.wait_until(499), []);
        story.wait_until(500)
    };
    let aborted = notice("FAILOVER to 10.0.0.9:6380 aborted: Replica never caught up before timeout");
    assert_eq!(late(false), [aborted, Action::Release]);
    let forced = notice("FAILOVER to 10.0.0.9:6380 time out exceeded, failing over.");
    assert_eq!(late(true), [forced, Action::HandOver(at(A))]);
}

#[test]
fn a_target_that_is_gone_ends_it_unless_it_is_to_be_forced() {
    let mut story = Story::new(&[A, B]);
    story.begin(to(A)).unwrap();
    let aborted = notice("FAILOVER to 10.0.0.9:6380 aborted: No replica is left to fail over to");
    assert_eq!(story.lose(A), [aborted, Action::Release]);

    let mut story = Story::new(&[A, B]);
    story.begin(Order { timeout_ms: Some(500), force: true, ..to(A) }).unwrap();
    assert_eq!(story.lose(A), []);
    assert_eq!(story.wait_until(500).last(), Some(&Action::HandOver(at(A))));
}

#[test]
fn an_abort_while_waiting_changes_no_role() {
    let mut story = Story::new(&[A]);
    story.begin(Order::default()).unwrap();
    let aborted = notice("FAILOVER to any replica aborted: Failover manually aborted");
    let abort = |failover: &mut Failover, actions: &mut Vec<Action>| {
        failover.abort("Failover manually aborted", actions);
    };
    assert_eq!(story.act(abort), [aborted, Action::Release]);
    assert_eq!(story.act(abort), [], "it is over");
    assert_eq!(story.ack(A, 1000), []);
}

#[test]
fn an_abort_or_a_refusal_in_progress_takes_the_role_back() {
    let mut story = Story::in_progress();
    story.failover.on_asked();
    let aborted = notice("FAILOVER to 10.0.0.9:6380 aborted: Failover target rejected psync request");
    let refused = story.act(Failover::on_refused);
    assert_eq!(refused, [aborted, Action::Retake, Action::Release]);

    let mut story = Story::in_progress();
    let abort = story.act(|failover, actions| failover.abort("why", actions));
    assert_eq!(abort[1..], [Action::Retake, Action::Release]);
}

#[test]
fn a_target_that_was_never_reached_leaves_the_role_here() {
    let mut story = Story::in_progress();
    assert_eq!(story.failover.deadline(), Some(Moment(10_000)));
    let aborted = notice("FAILOVER to 10.0.0.9:6380 aborted: The target was not reached in time");
    assert_eq!(story.wait_until(10_000), [aborted, Action::Retake, Action::Release]);
}

#[test]
fn a_target_that_was_asked_and_does_not_answer_may_be_the_primary() {
    let mut story = Story::in_progress();
    story.failover.on_asked();
    let over = story.wait_until(10_000);
    assert!(matches!(over[0], Action::Log(Level::Warning, _)), "{over:?}");
    assert_eq!(over[1..], [Action::Release], "two primaries are worse than none");
    assert_eq!(story.failover.as_str(), "no-failover");
}

#[test]
fn whoever_answers_the_last_question_with_the_offset_before_it_is_in_step() {
    let mut story = Story::new(&[A, B]);
    story.begin(to(A)).unwrap();
    story.log.append(&[b'q'; 37]);
    story.replicas.on_asked(Offset(1000)..Offset(1037));
    story.log.append(&[b'c'; 10]);
    story.replicas.on_message(Offset(1037)..Offset(1047));
    assert_eq!(story.ack(A, 999), []);
    assert_eq!(story.ack(A, 1000).last(), Some(&Action::HandOver(at(A))), "as Redis and Valkey answer");
}

#[test]
fn what_was_written_behind_the_question_is_waited_for() {
    let mut story = Story::new(&[A]);
    story.begin(to(A)).unwrap();
    story.log.append(&[b'q'; 37]);
    story.replicas.on_asked(Offset(1000)..Offset(1037));
    story.log.append(&[b'w'; 10]);
    assert_eq!(story.ack(A, 1000), []);
    assert_eq!(story.ack(A, 1046), []);
    assert_eq!(story.ack(A, 1047).last(), Some(&Action::HandOver(at(A))));
}
