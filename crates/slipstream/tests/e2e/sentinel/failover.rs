//! The primary is lost, or moves, while a client writes: for how long nobody takes a write, what was acknowledged and
//! is gone, and who needs the data again.
//!
//! `cargo xtask chaos failover` plays as many rounds of each fault as wanted, with any kinds, and prints what each was
//! like; as tests it is one round of a few. A round has a group of its own. In the end the lost primary is back, all
//! sentinels agree, and all servers hold the same.

use std::env;
use std::fmt::{self, Write as _};
use std::fs;
use std::panic::catch_unwind;
use std::time::Duration;

use super::events::Events;
use super::group::{DOWN_AFTER_MS, Group, NAME, Node, Plan};
use super::side_by_side;
use super::writer::{Record, Writer};
use crate::copies::assert_same_strings;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::server::Server;
use crate::wait::wait_until;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    /// It is back before anybody called it down, with what it saved some time ago.
    Restart,
    /// The same, without any data.
    Emptied,
    Freeze,
    Term,
    Planned,
    Partition,
    /// The same, of servers that fence themselves.
    Fenced,
}

const FAULTS: [(&str, Fault); 8] = [
    ("kill", Fault::Kill),
    ("restart", Fault::Restart),
    ("empty", Fault::Emptied),
    ("freeze", Fault::Freeze),
    ("term", Fault::Term),
    ("planned", Fault::Planned),
    ("partition", Fault::Partition),
    ("fenced", Fault::Fenced),
];

impl Fault {
    /// Whether the primary is back before anybody called it down.
    fn is_quick(self) -> bool {
        matches!(self, Self::Restart | Self::Emptied)
    }

    /// Whether the old primary lives on where some clients reach it.
    fn cuts_off(self) -> bool {
        matches!(self, Self::Partition | Self::Fenced)
    }

    /// Whether the old primary comes back without knowing that it was replaced.
    fn returns(self) -> bool {
        matches!(self, Self::Kill | Self::Freeze | Self::Term)
    }
}

/// What a round was like.
struct Outcome {
    gap: Duration,
    lost: usize,
    acknowledged: usize,
    /// Before the lost primary was back, and after.
    full_syncs: [u64; 2],
    /// Of a primary that was cut off.
    aside: Option<Aside>,
    /// Writes that the lost primary acknowledged when it was back.
    taken: usize,
    /// How often another primary was announced.
    moves: usize,
}

/// What a client wrote that is cut off together with the old primary.
struct Aside {
    acknowledged: usize,
    lost: usize,
    /// How long before another was promoted the last write was acknowledged; nothing if it was later.
    margin: Option<Duration>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gap, lost, acknowledged, full_syncs: [before, after], aside, taken, moves } = self;
        write!(
            out,
            "no write taken for {:.2} s, {lost} of {acknowledged} lost, {before} full syncs and {after} \
             more on the return, {taken} writes taken there, {moves} moves",
            gap.as_secs_f64()
        )?;
        let Some(Aside { acknowledged, lost, margin }) = aside else { return Ok(()) };
        write!(out, "; on the other side {lost} of {acknowledged} lost, the last one ")?;
        match margin {
            Some(margin) => write!(out, "{:.2} s before the promotion", margin.as_secs_f64()),
            None => write!(out, "after the promotion"),
        }
    }
}

/// With it, nothing that was acknowledged may be lost.
const ACKS: &str = "--min-replicas-to-ack";

/// The first node is the primary that is lost.
const OLD: usize = 0;

fn play(plan: &Plan, fault: Fault) -> Outcome {
    let mut group = Group::start(&Plan { is_proxied: fault.cuts_off(), ..plan.clone() });
    if fault == Fault::Fenced {
        group.fence();
    }
    group.wait_until_settled();
    if fault == Fault::Restart || fault.returns() {
        group.nodes[OLD].server.client().call::<()>("SAVE");
    }
    if fault.is_quick() || fault.returns() && plan.are_ours() {
        wait_until_known_as_watched(&group.nodes[OLD].server);
    }
    let events: Vec<Events> = group.sentinels.iter().map(Events::listen).collect();
    let writer = Writer::start(&group.sentinels);
    writer.let_pass(500);
    writer.forget_gaps();
    strike(&mut group, fault);
    let aside = fault.cuts_off().then(|| Writer::start_aside(&group.nodes[OLD].server));
    let new = group.wait_until_moved_from(OLD);
    writer.let_pass(500);
    group.wait_until_followed(new, OLD);
    let aside = aside.map(Writer::stop);
    let before = group.full_syncs();
    let visitor = fault.returns().then(|| Writer::start_aside(&group.nodes[OLD].server));
    heal(&mut group, fault);
    writer.let_pass(500);
    let last = group.wait_until_converged();

    let record = writer.stop();
    let primary = &group.nodes[last].server;
    for node in group.nodes.iter().filter(|node| node.server.port != primary.port) {
        assert_same_strings(primary, &node.server);
    }
    Outcome {
        gap: record.longest_gap,
        lost: record.count_lost(primary),
        acknowledged: record.acknowledged.len(),
        full_syncs: [before, group.full_syncs() - before],
        aside: aside.map(|aside| judge(&aside, primary, &events)),
        taken: visitor.map_or(0, |visitor| visitor.stop().acknowledged.len()),
        moves: events.iter().map(|heard| heard.on("+switch-master").len()).max().unwrap_or_default(),
    }
}

/// The promotion is not before its order is told.
fn judge(aside: &Record, primary: &Server, events: &[Events]) -> Aside {
    let ordered = events.iter().filter_map(|heard| heard.first_on("+failover-state-send-slaveof-noone"));
    let promoted = ordered.min().expect("somebody was promoted");
    Aside {
        acknowledged: aside.acknowledged.len(),
        lost: aside.count_lost(primary),
        margin: promoted.checked_duration_since(aside.last),
    }
}

fn strike(group: &mut Group, fault: Fault) {
    let Node { server, proxy } = &mut group.nodes[OLD];
    match fault {
        Fault::Kill => server.kill(),
        Fault::Restart | Fault::Emptied => {
            server.kill();
            server.restart();
        }
        Fault::Freeze => server.signal("STOP"),
        Fault::Term => {
            server.signal("TERM");
            server.wait_for_end();
        }
        Fault::Planned => group.sentinels[0].client().call::<()>(&format!("SENTINEL FAILOVER {NAME}")),
        Fault::Partition | Fault::Fenced => proxy.as_ref().expect("the plan has it so").silence(),
    }
}

/// Its next life will know who watches.
fn wait_until_known_as_watched(server: &Server) {
    let file = server.folder.join("dump.rdb.state");
    wait_until("the state file says that sentinels watch", || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("\nwatched\n"))
    });
}

fn heal(group: &mut Group, fault: Fault) {
    let Node { server, proxy } = &mut group.nodes[OLD];
    match fault {
        Fault::Kill | Fault::Term => server.restart(),
        Fault::Freeze => server.signal("CONT"),
        Fault::Restart | Fault::Emptied | Fault::Planned => {}
        Fault::Partition | Fault::Fenced => proxy.as_ref().expect("the plan has it so").release(),
    }
}

/// A group to which this is to happen.
fn plan((servers, sentinels): (&[Kind], &[Kind]), down_after_ms: u64, fault: Fault) -> Plan {
    let mut plan = Plan { down_after_ms, ..Plan::new(servers, sentinels) };
    // Redis' own sentinels coordinate no switchover, and may replace who has just been promoted: what is written
    // meanwhile is lost, and would be guarded.
    if servers == [Ours; 3] && sentinels != [Ours; 3] {
        plan = plan.with_argument("--replica-guard-shrink-percent 0");
    }
    // Who promised nothing goes on where its disk ends.
    if fault.is_quick() {
        plan = plan.with_argument(&format!("{ACKS} 1"));
    }
    // As long as it takes until it is down.
    if fault == Fault::Fenced {
        plan = plan.with_argument(&format!("--sentinel-fencing-timeout {down_after_ms}"));
    }
    plan
}

fn is_kept(plan: &Plan) -> bool {
    plan.arguments.iter().any(|argument| argument.starts_with(ACKS))
}

/// What nobody may see, whatever else happens.
fn check(plan: &Plan, fault: Fault, outcome: &Outcome) {
    let margin = outcome.aside.as_ref().map(|aside| aside.margin);
    assert!(fault != Fault::Fenced || margin.flatten().is_some(), "the fence fell too late: {outcome}");
    if plan.sentinels.iter().all(|&kind| kind == Ours) {
        // Who has come back without data needs all of it.
        let needed = u64::from(fault == Fault::Emptied);
        assert!(outcome.moves == 1 && outcome.full_syncs[0] <= needed, "{outcome}");
        assert!(fault != Fault::Planned || outcome.lost == 0, "{outcome}");
        assert!(!plan.are_ours() || outcome.taken == 0, "{outcome}");
        let aside = outcome.aside.as_ref().map_or(0, |aside| aside.lost);
        assert!(!is_kept(plan) || outcome.lost + aside == 0, "{outcome}");
    }
}

/// The middle one of the gaps, and what was lost and copied in all rounds.
fn sum_up(outcomes: &[Outcome]) -> String {
    let sorted = |times: Vec<Duration>| -> Vec<f64> {
        let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let gaps = sorted(outcomes.iter().map(|outcome| outcome.gap).collect());
    let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    let full_syncs = |when: usize| outcomes.iter().map(|outcome| outcome.full_syncs[when]).sum::<u64>();
    let mut text = format!(
        "gaps {:.2} to {:.2} s, half of them up to {:.2} s; {} of {} lost; {} full syncs before the return, {} \
         after; {} writes taken on the return; {} moves",
        gaps[0],
        gaps[gaps.len() - 1],
        gaps[gaps.len() / 2],
        sum(|outcome| outcome.lost),
        sum(|outcome| outcome.acknowledged),
        full_syncs(0),
        full_syncs(1),
        sum(|outcome| outcome.taken),
        sum(|outcome| outcome.moves),
    );
    let asides: Vec<&Aside> = outcomes.iter().filter_map(|outcome| outcome.aside.as_ref()).collect();
    if !asides.is_empty() {
        let margins = sorted(asides.iter().filter_map(|aside| aside.margin).collect());
        write!(
            text,
            "; on the other side {} of {} lost, the last one before the promotion in {} rounds",
            asides.iter().map(|aside| aside.lost).sum::<usize>(),
            asides.iter().map(|aside| aside.acknowledged).sum::<usize>(),
            margins.len(),
        )
        .expect("a string takes all");
        if let Some(least) = margins.first() {
            write!(text, ", by {least:.2} s at least").expect("a string takes all");
        }
    }
    text
}

/// Servers, sentinels, and what befalls the primary.
const SHORT: &[([Kind; 3], [Kind; 3], Fault)] = &[
    ([Ours; 3], [Ours; 3], Fault::Kill),
    ([Ours; 3], [Ours; 3], Fault::Freeze),
    ([Ours; 3], [Ours; 3], Fault::Term),
    ([Ours; 3], [Ours; 3], Fault::Planned),
    ([Ours; 3], [Ours; 3], Fault::Partition),
    ([Redis7; 3], [Ours; 3], Fault::Kill),
    ([Valkey9; 3], [Ours; 3], Fault::Planned),
    ([Redis7, Ours, Ours], [Ours, Redis7, Valkey9], Fault::Kill),
    ([Ours; 3], [Redis7; 3], Fault::Kill),
    ([Ours; 3], [Valkey9; 3], Fault::Freeze),
    ([Ours; 3], [Redis7; 3], Fault::Term),
    ([Ours; 3], [Valkey9; 3], Fault::Planned),
    ([Ours; 3], [Redis7; 3], Fault::Partition),
    ([Ours; 3], [Ours; 3], Fault::Fenced),
    ([Ours; 3], [Redis7; 3], Fault::Fenced),
];

#[test]
fn all_follow_one_primary_after_each_fault() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    side_by_side(SHORT.iter().copied(), |&(servers, sentinels, fault)| {
        let plan = plan((&servers, &sentinels), DOWN_AFTER_MS, fault);
        let outcome = play(&plan, fault);
        check(&plan, fault, &outcome);
        assert_eq!(outcome.moves, 1, "{outcome}");
    });
}

/// What is on a replica before it is acknowledged is not lost, on either side of a partition; and a replica that took over already is found.
#[test]
fn nothing_is_lost_that_a_replica_had_before_it_was_acknowledged() {
    let faults = FAULTS.iter().map(|&(_, fault)| fault).filter(|&fault| fault != Fault::Fenced);
    side_by_side(faults, |&fault| {
        let plan = plan((&[Ours; 3], &[Ours; 3]), DOWN_AFTER_MS, fault).with_argument(&format!("{ACKS} 1"));
        check(&plan, fault, &play(&plan, fault));
    });
}

/// As many rounds of each fault as the environment asks for, one after the other. One that fails says why, and the
/// others are played nevertheless.
#[test]
fn rounds_as_many_as_wanted() {
    let Some(rounds) = setting("ROUNDS") else { return };
    let rounds: usize = rounds.parse().expect("SLIPSTREAM_FAILOVER_ROUNDS is a number");
    let servers = kinds(&setting("SERVERS").unwrap_or_else(|| "ours".to_owned()));
    let sentinels = kinds(&setting("SENTINELS").unwrap_or_else(|| "ours".to_owned()));
    assert!(all_found(&servers) && all_found(&sentinels), "a kind that is asked for is not here");
    let wanted = setting("FAULTS").unwrap_or_else(|| FAULTS.map(|(name, _)| name).join(","));
    let mut failed = 0;
    for name in wanted.split(',') {
        let known = FAULTS.iter().find(|(known, _)| *known == name);
        let &(_, fault) = known.unwrap_or_else(|| panic!("no fault is called {name}"));
        let of_ours = |kinds: &[Kind]| kinds.iter().all(|&kind| kind == Ours);
        let is_known = match fault {
            Fault::Fenced => of_ours(&servers),
            Fault::Restart | Fault::Emptied => of_ours(&servers) && of_ours(&sentinels),
            _ => true,
        };
        if !is_known {
            crate::report(&format!("{name}: those of Redis and Valkey know nothing of it"));
            continue;
        }
        let mut plan = plan((&servers, &sentinels), 1000, fault);
        if let Some(replicas) = setting("ACKS") {
            plan = plan.with_argument(&format!("{ACKS} {replicas}"));
        }
        let round = |number| {
            let outcome = play(&plan, fault);
            crate::report(&format!("{name} {number}: {outcome}"));
            check(&plan, fault, &outcome);
            outcome
        };
        let outcomes: Vec<Outcome> =
            (1..=rounds).filter_map(|number| catch_unwind(|| round(number)).ok()).collect();
        failed += rounds - outcomes.len();
        if !outcomes.is_empty() {
            crate::report(&format!("{name}, {} rounds: {}", outcomes.len(), sum_up(&outcomes)));
        }
    }
    assert_eq!(failed, 0, "rounds failed");
}

fn setting(name: &str) -> Option<String> {
    env::var(format!("SLIPSTREAM_FAILOVER_{name}")).ok()
}

/// Three of one kind, or three names with a plus in between.
fn kinds(names: &str) -> Vec<Kind> {
    let kinds: Vec<Kind> = names.split('+').map(kind).collect();
    if let [kind] = kinds[..] { vec![kind; 3] } else { kinds }
}

fn kind(name: &str) -> Kind {
    match name {
        "ours" => Ours,
        "redis" => Redis7,
        "valkey" => Valkey9,
        _ => panic!("{name} is none of ours, redis and valkey"),
    }
}
