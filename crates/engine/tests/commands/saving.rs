//! When snapshots are written to disk.

use slipstream_engine::config::{Config, SavePoint};
use slipstream_engine::{Effect, SaveProgress};

use crate::script::Script;

fn script(seconds: u64, changes: u64) -> Script {
    let mut config = Config::default();
    config.save = vec![SavePoint { seconds, changes }];
    Script::with_config(config)
}

/// How many snapshots the node wants written, a moment later.
fn saves(script: &mut Script, after_millis: u64) -> usize {
    script.advance(after_millis);
    script.node.tick();
    let effects = script.node.take_effects();
    effects.iter().filter(|effect| matches!(effect, Effect::Save { .. })).count()
}

#[test]
fn a_save_point_needs_both_its_time_and_its_changes() {
    let mut script = script(10, 2);
    script.ask("SET a 1");
    assert_eq!(saves(&mut script, 11_000), 0, "one change is too few");
    script.ask("SET b 1");
    assert_eq!(saves(&mut script, 1_000), 1);
    assert_eq!(saves(&mut script, 60_000), 0, "one runs already");
    script.node.saved(1, Ok(()));
    assert_eq!(saves(&mut script, 60_000), 0, "nothing changed since");
}

#[test]
fn changes_made_while_a_snapshot_is_written_count_for_the_next() {
    let mut script = script(10, 1);
    script.ask("SET a 1");
    assert_eq!(saves(&mut script, 11_000), 1);
    script.ask("SET b 1");
    script.node.saved(1, Ok(()));
    assert_eq!(saves(&mut script, 11_000), 1);
}

#[test]
fn a_failed_save_is_tried_again_after_five_seconds() {
    let mut script = script(10, 1);
    script.ask("SET a 1");
    assert_eq!(saves(&mut script, 11_000), 1);
    script.node.saved(1, Err("disk full".into()));
    assert_eq!(saves(&mut script, 4_000), 0);
    assert_eq!(saves(&mut script, 2_000), 1);
}

#[test]
fn a_jump_of_the_wall_clock_does_not_stop_save_points() {
    let mut script = script(10, 1);
    script.ask("SET a 1");
    script.jump(-3_600_000);
    assert_eq!(saves(&mut script, 11_000), 1);
}

#[test]
fn who_asked_for_a_save_is_told_of_its_failure_and_writes_go_on() {
    let mut script = script(3600, 1);
    let saver = script.connect();
    assert_eq!(script.ask_as(saver, "SAVE"), "");
    script.node.saved(1, Err("disk full".into()));
    assert_eq!(script.received(saver), "-ERR saving the DB on disk: disk full");
    assert_eq!(script.ask("SET a 1"), "+OK");
    script.ask("BGSAVE");
    script.node.saved(2, Err("disk full".into()));
    assert!(script.ask("SET a 1").starts_with("-MISCONF "));
}

#[test]
fn a_save_in_the_background_can_be_cancelled() {
    const NOTHING: &str = "-ERR Background saving is currently not in progress or scheduled";
    let mut script = script(3600, 1);
    assert_eq!(script.ask("BGSAVE CANCEL"), NOTHING);
    script.ask("SET a 1");
    assert_eq!(script.ask("BGSAVE"), "+Background saving started");
    script.node.take_effects();
    script.node.save_progress(1, SaveProgress { keys: 1, bytes: 50 });
    script.advance(1_000);
    for line in
        ["current_save_keys_processed:1", "current_save_keys_total:1", "current_save_bytes_per_sec:50"]
    {
        let info = script.ask("INFO persistence");
        assert!(info.contains(line), "{line} in {info}");
    }
    assert_eq!(script.ask("BGSAVE CANCEL"), "+Background saving cancelled");
    assert!(matches!(script.node.take_effects()[..], [Effect::CancelSave]));
    let info = script.ask("INFO persistence");
    for line in [
        "rdb_bgsave_in_progress:0",
        "rdb_last_bgsave_status:ok",
        "rdb_saves:0",
        "rdb_changes_since_last_save:1",
        "current_save_keys_total:0",
    ] {
        assert!(info.contains(line), "{line} in {info}");
    }
    script.node.saved(1, Err("it is not wanted any more".into()));
    assert_eq!(script.ask("SET a 2"), "+OK", "a cancelled save is no failed one");
    assert_eq!(script.ask("BGSAVE CANCEL"), NOTHING);
}

#[test]
fn a_scheduled_save_can_be_cancelled() {
    let mut script = script(3600, 1);
    let saver = script.connect();
    assert_eq!(script.ask_as(saver, "SAVE"), "");
    assert_eq!(script.ask("BGSAVE SCHEDULE"), "+Background saving scheduled");
    assert_eq!(script.ask("BGSAVE CANCEL"), "+Scheduled background saving cancelled");
    script.node.take_effects();
    script.node.saved(1, Ok(()));
    assert_eq!(saves(&mut script, 1_000), 0);
}
