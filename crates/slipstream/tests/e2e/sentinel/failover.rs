//! The primary is lost, or moves, while a client writes: for how long nobody takes a write, what was acknowledged and
//! is gone, and who needs the data again.
//!
//! `cargo xtask chaos failover` plays as many rounds of each fault as wanted, with any kinds, and prints what each was
//! like; as tests it is one round of a few. A round has a group of its own. In the end the lost primary is back, all
//! sentinels agree, and all servers hold the same.

use std::env;
use std::fmt;
use std::time::Duration;

use super::events::Events;
use super::group::{Group, NAME, Node, Plan};
use super::side_by_side;
use super::writer::Writer;
use crate::copies::assert_same_strings;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Freeze,
    Term,
    Planned,
    Partition,
}

const FAULTS: [(&str, Fault); 5] = [
    ("kill", Fault::Kill),
    ("freeze", Fault::Freeze),
    ("term", Fault::Term),
    ("planned", Fault::Planned),
    ("partition", Fault::Partition),
];

/// What a round was like.
struct Outcome {
    gap: Duration,
    lost: usize,
    acknowledged: usize,
    /// Before the lost primary was back, and after.
    full_syncs: [u64; 2],
    /// Writes that a primary which was cut off still took when another had its place.
    split: usize,
    /// How often another primary was announced.
    moves: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gap, lost, acknowledged, full_syncs: [before, after], split, moves } = self;
        write!(
            out,
            "no write taken for {:.2} s, {lost} of {acknowledged} lost, {before} full syncs and {after} \
             more on the return, {split} writes on the other side, {moves} moves",
            gap.as_secs_f64()
        )
    }
}

/// The first node is the primary that is lost.
const OLD: usize = 0;

fn play(plan: &Plan, fault: Fault) -> Outcome {
    let plan = Plan { is_proxied: fault == Fault::Partition, ..plan.clone() };
    let mut group = Group::start(&plan);
    let events: Vec<Events> = group.sentinels.iter().map(Events::listen).collect();
    let writer = Writer::start(&group.sentinels);
    writer.let_pass(500);
    writer.forget_gaps();
    strike(&mut group, fault);
    let new = group.wait_until_moved_from(OLD);
    writer.let_pass(500);
    group.wait_until_followed(new, OLD);
    let split = if fault == Fault::Partition { count_writes_aside(&group) } else { 0 };
    let before = group.full_syncs();
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
        split,
        moves: events.iter().map(|heard| heard.on("+switch-master").len()).max().unwrap_or_default(),
    }
}

fn strike(group: &mut Group, fault: Fault) {
    let Node { server, proxy } = &mut group.nodes[OLD];
    match fault {
        Fault::Kill => server.kill(),
        Fault::Freeze => server.signal("STOP"),
        Fault::Term => {
            server.signal("TERM");
            server.wait_for_end();
        }
        Fault::Planned => group.sentinels[0].client().call::<()>(&format!("SENTINEL FAILOVER {NAME}")),
        Fault::Partition => proxy.as_ref().expect("the plan has it so").silence(),
    }
}

fn heal(group: &mut Group, fault: Fault) {
    let Node { server, proxy } = &mut group.nodes[OLD];
    match fault {
        Fault::Kill | Fault::Term => server.restart(),
        Fault::Freeze => server.signal("CONT"),
        Fault::Planned => {}
        Fault::Partition => proxy.as_ref().expect("the plan has it so").release(),
    }
}

/// Whether somebody who is cut off together with the old primary can still write there.
fn count_writes_aside(group: &Group) -> usize {
    let mut client = group.nodes[OLD].server.client();
    (0..100).filter(|number| client.try_call::<()>(&format!("SET aside:{number} 1")).is_ok()).count()
}

/// The middle one of the gaps, and what was lost and copied in all rounds.
fn sum_up(outcomes: &[Outcome]) -> String {
    let mut gaps: Vec<f64> = outcomes.iter().map(|outcome| outcome.gap.as_secs_f64()).collect();
    gaps.sort_by(f64::total_cmp);
    let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    format!(
        "gaps {:.2} to {:.2} s, half of them up to {:.2} s; {} of {} lost; {:?} full syncs before the return, {:?} \
         after; {} writes on the other side",
        gaps[0],
        gaps[gaps.len() - 1],
        gaps[gaps.len() / 2],
        sum(|outcome| outcome.lost),
        sum(|outcome| outcome.acknowledged),
        outcomes.iter().map(|outcome| outcome.full_syncs[0]).sum::<u64>(),
        outcomes.iter().map(|outcome| outcome.full_syncs[1]).sum::<u64>(),
        sum(|outcome| outcome.split),
    )
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
];

#[test]
fn all_follow_one_primary_after_each_fault() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    side_by_side(SHORT.iter().copied(), |&(servers, sentinels, fault)| {
        let mut plan = Plan::new(&servers, &sentinels);
        if fault == Fault::Planned && sentinels != [Ours; 3] {
            // What the old primary takes afterwards is lost then, and would be guarded.
            plan = plan.with_argument("--replica-guard-shrink-percent 0");
        }
        let outcome = play(&plan, fault);
        assert_eq!(outcome.moves, 1, "{outcome}");
        if sentinels == [Ours; 3] {
            assert_eq!(outcome.full_syncs[0], 0, "{outcome}");
            assert!(fault != Fault::Planned || outcome.lost == 0, "{outcome}");
        }
    });
}

/// As many rounds of each fault as the environment asks for, one after the other.
#[test]
fn rounds_as_many_as_wanted() {
    let Some(rounds) = setting("ROUNDS") else { return };
    let rounds: usize = rounds.parse().expect("SLIPSTREAM_FAILOVER_ROUNDS is a number");
    let servers = kinds(&setting("SERVERS").unwrap_or_else(|| "ours".to_owned()));
    let sentinels = kinds(&setting("SENTINELS").unwrap_or_else(|| "ours".to_owned()));
    assert!(all_found(&servers) && all_found(&sentinels), "a kind that is asked for is not here");
    let wanted = setting("FAULTS").unwrap_or_else(|| FAULTS.map(|(name, _)| name).join(","));
    for name in wanted.split(',') {
        let known = FAULTS.iter().find(|(known, _)| *known == name);
        let &(_, fault) = known.unwrap_or_else(|| panic!("no fault is called {name}"));
        let round = |number| {
            let outcome = play(&Plan { down_after_ms: 1000, ..Plan::new(&servers, &sentinels) }, fault);
            crate::report(&format!("{name} {number}: {outcome}"));
            outcome
        };
        let outcomes: Vec<Outcome> = (1..=rounds).map(round).collect();
        crate::report(&format!("{name}, {rounds} rounds: {}", sum_up(&outcomes)));
    }
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
