//! Scripts of an operator: processes, each with a thread that waits for its end.
//!
//! A script inherits the environment and descriptors 0 to 2, and no other: everything this process opens closes when
//! another program takes over. A script is killed by its number only while that is still its own: as long as nobody
//! has taken note of its end, the system gives the number to nobody else.

use std::io;
use std::path::absolute;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use slipstream_sentinel::{Event, ScriptEnd};

use super::News;
use super::opening::words;
use crate::jobs::{Report, Reporter, spawn_or_report};
use crate::kernel::{Claim, keep_descriptors};
use crate::numbered::NumberedMap;

/// Scripts that run at a time.
const MOST_RUNNING: usize = 16;

/// Those that run.
#[derive(Debug)]
pub(super) struct Scripts {
    reporter: Reporter,
    running: NumberedMap<u64, Arc<Mutex<Script>>>,
}

/// Where a script is.
#[derive(Debug)]
enum Script {
    /// Its thread has not started it yet.
    Ordered,
    /// It is to end before it has begun.
    Unwanted,
    /// It runs, or has ended and nobody has taken note.
    Running(Child),
    /// It is over.
    Ended,
}

impl Scripts {
    pub(super) fn new(reporter: Reporter) -> Scripts {
        Scripts { reporter, running: NumberedMap::default() }
    }

    /// Starts a script; its end is reported.
    pub(super) fn run(
        &mut self,
        number: u64,
        path: String,
        arguments: Vec<String>,
    ) -> Option<Event<'static>> {
        if self.running.len() >= MOST_RUNNING {
            let reason = format!("{MOST_RUNNING} scripts run already");
            return Some(Event::ScriptEnded(number, ScriptEnd::NotStarted(reason)));
        }
        let script = Arc::new(Mutex::new(Script::Ordered));
        self.running.insert(number, Arc::clone(&script));
        let ended = move |end| Report::Sentinel(News::ScriptEnded(number, end));
        let failed = move |reason| ended(ScriptEnd::NotStarted(reason));
        // As much of the processor as this process has: the script inherits it.
        spawn_or_report(("sentinel-script", Claim::Full), self.reporter.clone(), failed, move |reporter| {
            let started = |id| reporter.report(Report::Sentinel(News::ScriptStarted(number, id)));
            let end = live(&script, (&path, &arguments), started);
            reporter.report(ended(end.unwrap_or_else(|error| ScriptEnd::NotStarted(words(&error)))));
        });
        None
    }

    /// Ends a script; that is reported as its end.
    pub(super) fn kill(&mut self, number: u64) {
        let Some(script) = self.running.get(&number) else { return };
        let mut script = lock(script);
        match &mut *script {
            Script::Ordered => *script = Script::Unwanted,
            // One that has ended by itself is as good.
            Script::Running(child) => child.kill().unwrap_or_default(),
            Script::Unwanted | Script::Ended => {}
        }
    }

    /// A script has ended.
    pub(super) fn forget(&mut self, number: u64) {
        self.running.remove(&number);
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    // Each state is whole whatever happened to a thread that held it.
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From start to end; the number of its process is told when it has one.
fn live(
    script: &Mutex<Script>,
    (path, arguments): (&str, &[String]),
    started: impl FnOnce(u32),
) -> io::Result<ScriptEnd> {
    let id = {
        let mut state = lock(script);
        if matches!(*state, Script::Unwanted) {
            return Err(io::Error::other("it was ended before it began"));
        }
        // Ours close by themselves; without this, what we inherited is inherited again.
        keep_descriptors().ok();
        // The path is one: it is not searched for.
        let child = Command::new(absolute(path)?).args(arguments).spawn()?;
        let id = child.id();
        *state = Script::Running(child);
        id
    };
    started(id);
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("the system's numbers are that small");
    // Its end is awaited without the lock, and taken note of with it.
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let Script::Running(mut child) = std::mem::replace(&mut *lock(script), Script::Ended) else {
        unreachable!("only this ends it")
    };
    let status = child.wait()?;
    Ok(match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => ScriptEnd::Status(code),
        (None, signal) => ScriptEnd::Signal(signal.unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::mpsc::Receiver;

    use super::*;

    /// A script of this text, in a folder of its own.
    fn script(name: &str, text: &str) -> (PathBuf, String) {
        let folder = std::env::temp_dir().join(format!("slipstream-script-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("script");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let path = path.display().to_string();
        (folder, path)
    }

    fn end(scripts: &mut Scripts, reports: &Receiver<Report>) -> (u64, ScriptEnd) {
        loop {
            match reports.recv().unwrap() {
                Report::Sentinel(News::ScriptStarted(..)) => {}
                Report::Sentinel(News::ScriptEnded(number, end)) => {
                    scripts.forget(number);
                    return (number, end);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_script_has_its_arguments_and_no_descriptors_of_ours() {
        let (folder, path) = script("arguments", "echo \"$2:$1:$PATH\" > $3; ls /proc/self/fd > $4; exit 7");
        let _ours: Vec<File> = (0..5).map(|_| File::open("/dev/null").unwrap()).collect();
        let (reporter, reports) = Reporter::of_test();
        let mut scripts = Scripts::new(reporter);
        let [said, open] = ["said", "open"].map(|name| folder.join(name).display().to_string());
        let arguments = vec!["a b".to_owned(), "$c".to_owned(), said.clone(), open.clone()];
        assert!(scripts.run(3, path, arguments).is_none());
        let started = reports.recv().unwrap();
        assert!(matches!(started, Report::Sentinel(News::ScriptStarted(3, 1..))), "{started:?}");
        assert_eq!(end(&mut scripts, &reports), (3, ScriptEnd::Status(7)));
        let expected = format!("$c:a b:{}\n", std::env::var("PATH").unwrap());
        assert_eq!(fs::read_to_string(said).unwrap(), expected);
        // 3 is the folder that is listed.
        assert_eq!(fs::read_to_string(open).unwrap(), "0\n1\n2\n3\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_that_takes_too_long_is_killed() {
        let (folder, path) = script("killed", "exec sleep 1000");
        let (reporter, reports) = Reporter::of_test();
        let mut scripts = Scripts::new(reporter);
        scripts.run(1, path, Vec::new());
        scripts.kill(1);
        let (number, how) = end(&mut scripts, &reports);
        let unwanted = ScriptEnd::NotStarted("it was ended before it began".to_owned());
        assert!(number == 1 && (how == ScriptEnd::Signal(9) || how == unwanted), "{how:?}");
        scripts.kill(1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_that_cannot_start_is_said() {
        let (reporter, reports) = Reporter::of_test();
        let mut scripts = Scripts::new(reporter);
        // The second would be found if it were searched for.
        for path in ["/no/such/script", "true"] {
            assert!(scripts.run(1, path.to_owned(), Vec::new()).is_none());
            let reason = "No such file or directory".to_owned();
            assert_eq!(end(&mut scripts, &reports), (1, ScriptEnd::NotStarted(reason)));
        }
    }

    #[test]
    fn more_than_the_bound_do_not_run() {
        let (folder, path) = script("bound", "exec sleep 1000");
        let (reporter, reports) = Reporter::of_test();
        let mut scripts = Scripts::new(reporter);
        for number in 0..MOST_RUNNING as u64 {
            assert!(scripts.run(number, path.clone(), Vec::new()).is_none());
        }
        let told = scripts.run(99, path, Vec::new());
        assert!(matches!(told, Some(Event::ScriptEnded(99, ScriptEnd::NotStarted(_)))), "{told:?}");
        for number in 0..MOST_RUNNING as u64 {
            scripts.kill(number);
        }
        for _ in 0..MOST_RUNNING {
            end(&mut scripts, &reports);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
