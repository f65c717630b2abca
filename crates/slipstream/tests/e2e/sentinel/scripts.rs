//! Scripts that are called when something happens, and with what.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::events::Events;
use super::group::{Group, NAME, Plan};
use super::with_each_kind;
use crate::peer::Kind;
use crate::server::new_folder;
use crate::wait::{wait_for, wait_until};

/// Writes each call as a line: its arguments with a bar between them.
fn script(folder: &Path, name: &str) -> PathBuf {
    script_with(folder, name, "")
}

/// The same, and then more.
fn script_with(folder: &Path, name: &str, more: &str) -> PathBuf {
    let (path, log) = (folder.join(name), folder.join(format!("{name}.log")));
    let text = format!("#!/bin/sh\nIFS='|'\necho \"$*\" >> {}\n{more}\n", log.display());
    fs::write(&path, text).expect("the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    path
}

fn calls(folder: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn scripts_are_told_of_a_move() {
    with_each_kind(|kind| {
        let folder = new_folder(kind);
        let [notify, reconfigure] = ["notify", "reconfigure"].map(|name| script(&folder, name));
        let plan = Plan::situation(2, &[kind; 2])
            .with_line(&format!("sentinel notification-script {NAME} {}", notify.display()))
            .with_line(&format!("sentinel client-reconfig-script {NAME} {}", reconfigure.display()));
        let mut group = Group::start(&plan);
        let [old, new] = [0, 1].map(|index| group.nodes[index].server.port);
        group.nodes[0].server.kill();
        group.wait_until_moved_from(0);

        let moved = format!("127.0.0.1|{old}|127.0.0.1|{new}");
        let call = |role: &str| format!("{NAME}|{role}|start|{moved}");
        wait_until("both have called", || {
            let calls = calls(&folder, "reconfigure");
            ["leader", "observer"].iter().all(|role| calls.contains(&call(role)))
        });
        let told = [
            format!("+sdown|master {NAME} 127.0.0.1 {old}"),
            "+new-epoch|1".to_owned(),
            format!("+switch-master|{NAME} 127.0.0.1 {old} 127.0.0.1 {new}"),
        ];
        wait_until("notifications have come", || {
            let calls = calls(&folder, "notify");
            told.iter().all(|line| calls.contains(line))
        });
        fs::remove_dir_all(&folder).expect("nobody else uses it");
    });
}

/// A group whose sentinel sees the primary down, with a script that is called anew soon and may run for a little while.
fn notified(kind: Kind, script: &Path) -> Group {
    let plan = Plan::situation(1, &[kind])
        .with_line(&format!("sentinel notification-script {NAME} {}", script.display()));
    let mut group = Group::start(&plan);
    group.sentinels[0].client().call::<()>("SENTINEL DEBUG script-retry-delay 10 script-max-runtime 300");
    group.nodes[0].server.kill();
    group
}

/// What it was called with for that, and how often.
fn count_calls(folder: &Path, group: &Group) -> usize {
    let down = format!("+sdown|master {NAME} 127.0.0.1 {}", group.nodes[0].server.port);
    calls(folder, "notify").iter().filter(|line| **line == down).count()
}

#[test]
fn a_script_that_asks_for_it_is_called_again() {
    with_each_kind(|kind| {
        let folder = new_folder(kind);
        // It is content with the third call.
        let more = format!(
            "case \"$1\" in +sdown) ;; *) exit 0 ;; esac\n\
             test $(grep -c '^+sdown' {}/notify.log) -ge 3",
            folder.display()
        );
        let group = notified(kind, &script_with(&folder, "notify", &more));
        wait_until("it was called three times", || count_calls(&folder, &group) == 3);
        let mut client = group.sentinels[0].client();
        wait_until("no script waits", || {
            client.call::<Vec<redis::Value>>("SENTINEL PENDING-SCRIPTS").is_empty()
        });
        assert_eq!(count_calls(&folder, &group), 3);
        fs::remove_dir_all(&folder).expect("nobody else uses it");
    });
}

#[test]
fn a_script_that_takes_too_long_is_ended_and_called_again() {
    with_each_kind(|kind| {
        let folder = new_folder(kind);
        let more = format!(
            "case \"$1\" in +sdown) ;; *) exit 0 ;; esac\n\
             echo $$ >> {0}/pids\n\
             test $(grep -c '^+sdown' {0}/notify.log) -ge 2 || exec sleep 1000",
            folder.display()
        );
        let path = script_with(&folder, "notify", &more);
        let group = notified(kind, &path);
        let mut client = group.sentinels[0].client();
        let pid = wait_for("it runs", || {
            let pids = fs::read_to_string(folder.join("pids")).ok()?;
            pids.lines().next().map(str::to_owned)
        });
        let told = Events::listen(&group.sentinels[0]);
        let pending: Vec<Vec<redis::Value>> = client.call("SENTINEL PENDING-SCRIPTS");
        // It may be over by now.
        for script in &pending {
            let shown = format!("{script:?}");
            assert!(!shown.contains("'+sdown'") || shown.contains(&format!("'{pid}'")), "{shown}");
        }
        wait_until("it was called again", || count_calls(&folder, &group) == 2);
        wait_until("it is told", || !told.on("-script-timeout").is_empty());
        assert_eq!(told.on("-script-timeout"), [format!("{} {pid}", path.display())]);
        assert!(told.on("-script-error").is_empty(), "it ended well in the end");
        fs::remove_dir_all(&folder).expect("nobody else uses it");
    });
}

/// As this process has it, which starts the sentinels.
#[test]
fn a_script_has_the_sentinels_environment() {
    with_each_kind(|kind| {
        let folder = new_folder(kind);
        let path = script_with(&folder, "notify", &format!("env > {}/environment", folder.display()));
        let group = notified(kind, &path);
        wait_until("it was called", || count_calls(&folder, &group) == 1);
        let ours = format!("PATH={}", std::env::var("PATH").expect("the tests have one"));
        wait_until("it has told its environment", || {
            let told = fs::read_to_string(folder.join("environment")).unwrap_or_default();
            told.lines().any(|line| line == ours)
        });
        fs::remove_dir_all(&folder).expect("nobody else uses it");
    });
}
