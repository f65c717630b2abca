//! What happens under sentinels: the primary's place moves on request, and by itself when the primary is killed.
//!
//! Nobody tells the writer or a server anything here: the writer asks the sentinels, and they tell the servers. The
//! time without an accepted write and what was lost are measured from the first write of a chapter to its last.

use slipstream_resp::Value;

use super::Halt;
use super::cluster::FIRST_SENTINEL;
use super::node::Part;
use super::reading::NODES;
use super::sentinel::{self, GROUP, QUORUM, SENTINELS};
use super::stage::Stage;
use super::story::Pace;
use super::table::grouped;
use super::trial::Record;
use super::whereabouts::Whereabouts;
use crate::client::ClientError;

/// Keys of the writes' notes.
const PLANNED: &str = "notes:planned";
const KILLED: &str = "notes:killed";

pub(super) fn play(stage: &mut Stage, pace: Pace) -> Result<(), Halt> {
    move_on_request(stage, pace)?;
    lose_primary(stage, pace)
}

fn move_on_request(stage: &mut Stage, pace: Pace) -> Result<(), Halt> {
    stage.open_chapter("4. Three sentinels watch, and move the primary on request")?;
    watch(stage)?;
    stage.load.begin_trial(PLANNED);
    pace.run_until(stage, 68)?;
    let old = stage.primary;
    let asked = stage.cluster.nodes[FIRST_SENTINEL].call(&["SENTINEL", "FAILOVER", GROUP]);
    // Without an answer it may have been heard all the same, and a second request would be for another switchover.
    if let Err(ClientError::Refused(reason)) = asked {
        return Err(Halt::Failure(format!("The sentinel refuses: {reason}")));
    }
    stage.say(&format!("A switchover is asked for: SENTINEL FAILOVER {GROUP}."))?;
    let new = wait_until_moved(stage, old)?;
    stage.wait_until("the old primary follows", |stage| stage.is_linked(old))?;
    stage.say(&format!(
        "{} is the primary by the word of all three, {} its replica.",
        stage.name(new),
        stage.name(old)
    ))?;
    pace.run_until(stage, 78)?;
    let (record, lost) = judge(stage)?;
    tell(stage, &record, lost)?;
    if lost > 0 {
        return Err(Halt::Failure("A planned switchover should have lost nothing.".to_owned()));
    }
    stage.close_chapter()
}

/// Starts the sentinels and sends the writer to them.
fn watch(stage: &mut Stage) -> Result<(), Halt> {
    for index in FIRST_SENTINEL..FIRST_SENTINEL + SENTINELS {
        stage.start(index, Part::Sentinel { watching: stage.port(stage.primary) })?;
    }
    stage.wait_until("the sentinels know each other and all servers", |stage| {
        stage.is_named_by_all(stage.primary) && stage.cluster.sentinels().iter_mut().all(sentinel::knows_all)
    })?;
    stage.say(&format!(
        "They were told of the primary alone, and have found the rest. {QUORUM} of them must agree."
    ))?;
    stage.load.direct_to(Whereabouts::Asked(stage.sentinel_ports()));
    stage.say(&format!("The writer asks them for its way: SENTINEL GET-MASTER-ADDR-BY-NAME {GROUP}."))
}

fn lose_primary(stage: &mut Stage, pace: Pace) -> Result<(), Halt> {
    stage.open_chapter("5. The primary is killed, and the sentinels replace it")?;
    let old = stage.primary;
    stage.load.begin_trial(KILLED);
    pace.run_until(stage, 82)?;
    stage.cluster.nodes[old].kill();
    let name = stage.name(old);
    stage.say(&format!("{name} is killed with SIGKILL. Nobody does anything about it by hand."))?;
    let new = wait_until_moved(stage, old)?;
    stage.say(&format!(
        "{} is the primary by the word of all three, and the other follows it.",
        stage.name(new)
    ))?;
    pace.run_until(stage, 90)?;
    let (record, lost) = judge(stage)?;
    tell(stage, &record, lost)?;
    if lost > 0 {
        stage.say("Replication is asynchronous: the killed primary took them along.")?;
    }
    stage.close_chapter()?;
    stage.start(old, Part::Primary)?;
    stage.say(&format!("{name} is empty and follows nobody, until a sentinel finds it."))?;
    stage.wait_until("the killed one is a replica", |stage| stage.is_linked(old))?;
    stage.say(&format!("It was made a replica of {} and has a copy again.", stage.name(new)))?;
    pace.run_until(stage, 98)?;
    stage.close_chapter()
}

/// Waits until all sentinels name another primary, which is one and takes writes, and the third server follows it;
/// says which.
fn wait_until_moved(stage: &mut Stage, old: usize) -> Result<usize, Halt> {
    stage.wait_until("another primary, by the word of all sentinels", |stage| {
        let new = stage.primary;
        new != old
            && stage.is_named_by_all(new)
            && stage.is_primary(new)
            && (0..NODES).all(|index| index == old || index == new || stage.is_linked(index))
    })?;
    let before = stage.load.tally().acknowledged;
    stage.wait_until("writes are accepted again", |stage| stage.load.tally().acknowledged > before)?;
    Ok(stage.primary)
}

/// Ends the trial; what was seen, and how many of the acknowledged writes the primary does not have.
fn judge(stage: &mut Stage) -> Result<(Record, u64), Halt> {
    let ended = stage.load.end_trial();
    let record = ended.ok_or_else(|| Halt::Failure("The writer does not come back.".to_owned()))?;
    let notes = match stage.command(stage.primary, &["GET", record.key])? {
        Value::Bulk(notes) => notes,
        _ => Vec::new(),
    };
    let lost = record.lost(&notes);
    Ok((record, lost))
}

fn tell(stage: &mut Stage, record: &Record, lost: u64) -> Result<(), Halt> {
    stage.say(&format!(
        "For {:.2} s no write was accepted. Of {} acknowledged writes {} were lost.",
        record.longest_pause.as_secs_f64(),
        grouped(record.acknowledged()),
        grouped(lost),
    ))
}
