//! Scripts that are called when something happens, and with what.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::group::{Group, NAME, Plan};
use super::with_each_kind;
use crate::server::new_folder;
use crate::wait::wait_until;

/// Writes each call as a line: its arguments with a bar between them.
fn script(folder: &Path, name: &str) -> PathBuf {
    let (path, log) = (folder.join(name), folder.join(format!("{name}.log")));
    let text = format!("#!/bin/sh\nIFS='|'\necho \"$*\" >> {}\n", log.display());
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
