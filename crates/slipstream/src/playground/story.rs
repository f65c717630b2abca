//! What happens: two replicas join, one is cut off and comes back, the primary is killed and replaced, first by
//! hand, and then, in [`failovers`], by sentinels.
//!
//! Every claim of a caption is read from the nodes before it is made; a claim that does not hold ends the play.
//! A step begins when what it needs has happened, and not before its share of the time: a slow machine takes from
//! the pauses, never from the steps.

use std::time::Duration;

use super::Halt;
use super::failovers;
use super::forwarder::Forwarder;
use super::node::Part;
use super::options::Options;
use super::reading::{NODES, Syncs};
use super::sentinel::GROUP;
use super::stage::Stage;
use super::table::{bytes, grouped};
use super::whereabouts::Whereabouts;

/// The pace at which captions can be read.
const LENGTH: Duration = Duration::from_secs(45);

/// Plays all chapters but the last, which is the verdict.
pub(super) fn play(stage: &mut Stage, options: &Options) -> Result<(), Halt> {
    let wanted = options.seconds.map(Duration::from_secs);
    let pace = Pace(wanted.map_or(LENGTH, |wanted| wanted.min(LENGTH)));
    let forwarder = join(stage, pace, options)?;
    cut_off(stage, pace, &forwarder)?;
    replace_primary(stage, pace, forwarder)?;
    failovers::play(stage, pace)?;
    match wanted {
        Some(time) => linger(stage, time),
        None if stage.is_live() => stay(stage),
        None => Ok(()),
    }
}

/// How long the story takes.
#[derive(Clone, Copy)]
pub(super) struct Pace(Duration);

impl Pace {
    /// Lets the play go on until so many hundredths of the story's time are over.
    pub(super) fn run_until(self, stage: &mut Stage, hundredths: u32) -> Result<(), Halt> {
        stage.run_until(self.0 * hundredths / 100)
    }
}

fn join(stage: &mut Stage, pace: Pace, options: &Options) -> Result<Forwarder, Halt> {
    stage.open_chapter("1. Two replicas join a primary")?;
    stage.start(0, Part::Primary)?;
    stage.load.direct_to(Whereabouts::Port(stage.port(0)));
    stage.say(&format!(
        "It is the primary and takes {} writes a second.",
        grouped(options.writes_per_second.into())
    ))?;
    pace.run_until(stage, 3)?;
    let forwarder = Forwarder::start(stage.cluster.forwarder_port(), stage.port(0))?;
    stage.start(1, Part::Replica { of: forwarder.port })?;
    stage.start(2, Part::Replica { of: stage.port(0) })?;
    stage.wait_until("both replicas have a copy", |stage| stage.is_linked(1) && stage.is_linked(2))?;
    expect(stage, Syncs { full: 2, partial: 0 })?;
    stage.say("Both have a copy of the data (full syncs: 2), and every write reaches them from now on.")?;
    pace.run_until(stage, 12)?;
    stage.close_chapter()?;
    Ok(forwarder)
}

fn cut_off(stage: &mut Stage, pace: Pace, forwarder: &Forwarder) -> Result<(), Halt> {
    stage.open_chapter("2. A replica is cut off and comes back")?;
    let port = forwarder.port;
    stage
        .say(&format!("node-2 reaches its primary through a forwarder on port {port}, which is cut now."))?;
    forwarder.cut();
    stage.wait_until("node-2 sees its link down", |stage| stage.is_cut_off(1))?;
    let cut_at = stage.reading(1)?.offset;
    stage.say(&format!("Its link is down, its copy ends at offset {}. Writes go on.", grouped(cut_at)))?;
    pace.run_until(stage, 24)?;
    stage.close_chapter()?;
    let missed = stage.reading(0)?.offset.saturating_sub(cut_at);
    stage.say(&format!("The forwarder lets it through again; {} are missing by now.", bytes(missed)))?;
    forwarder.restore();
    stage.wait_until("node-2 is linked again", |stage| stage.is_linked(1))?;
    expect(stage, Syncs { full: 2, partial: 1 })?;
    stage.say("node-2 caught up by partial resync: it got what it had missed, and nothing else")?;
    stage.say("(full syncs: still 2, partial resyncs: 1).")?;
    pace.run_until(stage, 34)?;
    stage.close_chapter()
}

fn replace_primary(stage: &mut Stage, pace: Pace, forwarder: Forwarder) -> Result<(), Halt> {
    stage.open_chapter("3. The primary is killed and replaced by hand")?;
    stage.cluster.nodes[0].kill();
    stage.say("node-1 is killed with SIGKILL. Nobody takes writes.")?;
    stage.wait_until("both replicas miss it", |stage| stage.is_cut_off(1) && stage.is_cut_off(2))?;
    drop(forwarder);
    pace.run_until(stage, 40)?;
    let sibling = promote(stage)?;
    follow(stage, sibling)?;
    pace.run_until(stage, 50)?;
    stage.close_chapter()?;
    stage.say("node-1 is started again as a replica. It never saved anything, so it is empty.")?;
    stage.start(0, Part::Replica { of: stage.port(stage.primary) })?;
    stage.wait_until("node-1 has a copy", |stage| stage.is_linked(0))?;
    expect(stage, Syncs { full: 1, partial: 1 })?;
    stage.say("It has a copy again (full syncs: 1). The cluster is whole.")?;
    pace.run_until(stage, 60)?;
    stage.close_chapter()
}

/// Makes the replica that has heard the most the primary; returns the other one.
fn promote(stage: &mut Stage) -> Result<usize, Halt> {
    let heard = [stage.reading(1)?.offset, stage.reading(2)?.offset];
    let (chosen, sibling) = if heard[0] >= heard[1] { (1, 2) } else { (2, 1) };
    stage.command(chosen, &["REPLICAOF", "NO", "ONE"])?;
    stage.primary = chosen;
    stage.load.direct_to(Whereabouts::Port(stage.port(chosen)));
    let (name, offset) = (stage.name(chosen), grouped(heard[chosen - 1]));
    stage.say(&format!("{name} has heard the most (offset {offset}) and is promoted: REPLICAOF NO ONE."))?;
    stage.say("Writes go to it and on.")?;
    Ok(sibling)
}

fn follow(stage: &mut Stage, sibling: usize) -> Result<(), Halt> {
    let (primary, name) = (stage.primary, stage.name(sibling));
    stage.command(sibling, &["REPLICAOF", "127.0.0.1", &stage.port(primary).to_string()])?;
    stage.wait_until("the other replica follows", |stage| stage.is_linked(sibling))?;
    expect(stage, Syncs { full: 0, partial: 1 })?;
    let leader = stage.name(primary);
    stage.say(&format!(
        "{name} follows {leader} by partial resync: the history goes on where node-1 ended it"
    ))?;
    stage.say("(full syncs: 0, partial resyncs: 1).")
}

/// Ends the play unless the primary has served exactly these syncs.
fn expect(stage: &mut Stage, expected: Syncs) -> Result<(), Halt> {
    // The nodes are read one after the other: a replica may know of its sync before its primary was asked.
    stage.wait_until("the primary has counted its syncs", |stage| {
        stage.syncs(stage.primary).is_some_and(|syncs| syncs.total() >= expected.total())
    })?;
    let primary = stage.primary;
    let syncs = stage.reading(primary)?.syncs;
    if syncs == expected {
        return Ok(());
    }
    let name = stage.name(primary);
    Err(Halt::Failure(format!("{name} should have served {expected}, and served {syncs}.")))
}

fn linger(stage: &mut Stage, time: Duration) -> Result<(), Halt> {
    if time > LENGTH {
        stage.say(&format!("Writes go on until {} seconds are over.", time.as_secs()))?;
    }
    stage.run_until(time)
}

fn stay(stage: &mut Stage) -> Result<(), Halt> {
    let ports: Vec<String> = (0..NODES).map(|index| stage.port(index).to_string()).collect();
    stage.open_chapter("The cluster is yours")?;
    stage.say(&format!(
        "Try: redis-cli -p {}   (others: {})",
        stage.port(stage.primary),
        ports.join(", ")
    ))?;
    let sentinels = stage.sentinel_ports().map(|port| port.to_string());
    stage.say(&format!(
        "     redis-cli -p {} SENTINEL FAILOVER {GROUP}   (others: {})",
        sentinels[0],
        sentinels.join(", ")
    ))?;
    stage.say("Ctrl-C compares the copies and ends it all.")?;
    stage.run_until_signal()
}
