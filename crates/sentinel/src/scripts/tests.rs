//! The queue of scripts: who runs when, and what is told of it.

use slipstream_replication::Moment;

use super::*;
use crate::Globals;

const DELAY: u64 = 30_000;

fn core() -> Core {
    Core::new(Moment(1), "id".to_owned(), Globals::default(), fastrand::Rng::with_seed(1))
}

/// The scripts that were started or ended by what just happened, and the names of events that were told.
fn seen(core: &mut Core) -> Vec<String> {
    let tell = |action| match action {
        Action::RunScript { path, arguments, .. } => Some(format!("run {path} {}", arguments.join(" "))),
        Action::KillScript(_) => Some("kill".to_owned()),
        Action::Publish { channel, message } => Some(format!("{channel} {message}")),
        _ => None,
    };
    core.actions.drain(..).filter_map(tell).collect()
}

fn at(core: &mut Core, ms: u64) -> Vec<String> {
    core.now = Moment(ms);
    core.run_scripts();
    seen(core)
}

fn end(core: &mut Core, how: ScriptEnd) -> Vec<String> {
    let running = core.scripts.queue.iter().find(|script| script.running_since.is_some());
    let number = running.expect("one runs").number;
    core.on_script_ended(number, &how);
    seen(core)
}

#[test]
fn what_the_end_says_decides_on_another_attempt() {
    for (how, told, is_again) in [
        (ScriptEnd::Status(0), vec![], false),
        (ScriptEnd::Status(1), vec![], true),
        (ScriptEnd::Status(2), vec!["-script-error a 0 2"], false),
        (ScriptEnd::Signal(9), vec![], true),
        (ScriptEnd::NotStarted("no such file".to_owned()), vec!["-script-error a 99 0"], false),
    ] {
        let mut core = core();
        core.schedule_script("a", vec!["x".to_owned()]);
        assert_eq!(at(&mut core, 1), ["run a x"]);
        assert_eq!(end(&mut core, how.clone()), told, "{how:?}");
        assert_eq!(at(&mut core, DELAY), Vec::<String>::new());
        let again: &[&str] = if is_again { &["run a x"] } else { &[] };
        assert_eq!(at(&mut core, DELAY + 1), again, "{how:?}");
    }
}

#[test]
fn the_delay_doubles_and_the_tenth_attempt_is_the_last() {
    let mut core = core();
    core.schedule_script("a", vec![]);
    let mut now = 1;
    for attempt in 1..=10 {
        assert_eq!(at(&mut core, now), ["run a "], "attempt {attempt}");
        let told = end(&mut core, ScriptEnd::Status(1));
        if attempt == 10 {
            assert_eq!(told, ["-script-error a 0 1"]);
        } else {
            let delay = DELAY << (attempt - 1);
            assert_eq!(at(&mut core, now + delay - 1), Vec::<String>::new());
            assert_eq!(core.scripts.queue[0].due, Moment(now + delay));
            now += delay;
        }
    }
    assert!(core.scripts.queue.is_empty());
}

#[test]
fn a_script_that_runs_too_long_is_ended_once() {
    let mut core = core();
    core.schedule_script("a", vec![]);
    at(&mut core, 1);
    let number = core.scripts.queue[0].number;
    core.on_script_started(number, 77);
    assert_eq!(seen(&mut core), Vec::<String>::new(), "only the log is told of a process");
    core.alarm = Moment(u64::MAX);
    assert_eq!(at(&mut core, 60_001), Vec::<String>::new());
    assert_eq!(core.alarm, Moment(60_002), "it is looked at then");
    assert_eq!(at(&mut core, 60_002), ["-script-timeout a 77", "kill"]);
    assert_eq!(at(&mut core, 70_000), Vec::<String>::new());
    assert_eq!(end(&mut core, ScriptEnd::Signal(9)), Vec::<String>::new());
    assert_eq!(core.scripts.queue[0].due, Moment(70_000 + DELAY));
}

#[test]
fn sixteen_run_and_the_oldest_of_too_many_that_wait_goes() {
    let mut core = core();
    for number in 0..300 {
        core.schedule_script(&number.to_string(), vec![]);
    }
    assert_eq!(core.scripts.queue.len(), MOST_QUEUED);
    let started = at(&mut core, 1);
    assert_eq!((started.len(), started[0].as_str()), (MOST_RUNNING, "run 44 "));
    core.schedule_script("new", vec![]);
    let paths: Vec<&str> = core.scripts.queue.iter().map(|script| script.path.as_str()).collect();
    assert_eq!(paths.len(), MOST_QUEUED);
    assert!(paths.contains(&"44") && paths.contains(&"new") && !paths.contains(&"60"), "those that run stay");
    end(&mut core, ScriptEnd::Status(0));
    assert_eq!(at(&mut core, 2), ["run 61 "]);
}
