//! `slipstream sentinel --check`: real servers are found, and what is wrong is told.

use std::fs;
use std::path::{Path, PathBuf};

use crate::commandline::run;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::ports::Port;
use crate::server::{Server, new_folder};
use crate::wait::wait_until;

/// The check's exit status, and what it says of a file with this text.
fn check(folder: &Path, text: &str) -> (Option<i32>, String) {
    let file: PathBuf = folder.join("sentinel.conf");
    fs::write(&file, text).expect("the folder is ours");
    let program = Path::new(env!("CARGO_BIN_EXE_slipstream"));
    let checked = run(program, &["sentinel", "--check", &file.display().to_string()], "");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text, "the check changes the file");
    (checked.status.code(), String::from_utf8_lossy(&checked.stdout).into_owned())
}

#[track_caller]
fn says(said: &str, lines: &[String]) {
    for line in lines {
        assert!(said.contains(line.as_str()), "{line} in\n{said}");
    }
}

fn check_group_of(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    let primary = Server::start(kind, &[]);
    let replica = Server::start(kind, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    let mut client = replica.client();
    wait_until("the replica is up", || {
        client.info("replication", "master_link_status").as_deref() == Some("up")
    });

    // From now on: who is connected stays.
    for server in [&primary, &replica] {
        server.client().call::<()>("CONFIG SET requirepass secret");
    }
    let (of, follows) = (primary.port, replica.port);
    let watching =
        |port: u16| format!("sentinel monitor g 127.0.0.1 {port} 1\nsentinel auth-pass g secret\n");
    let group = format!("{}sentinel known-replica g 127.0.0.1 {follows}\n", watching(of));

    let (status, said) = check(&primary.folder, &group);
    for line in [format!("primary 127.0.0.1:{of}"), format!("replica 127.0.0.1:{follows}")] {
        says(&said, &[format!("[ok] g: {line}: {}", name(kind))]);
    }
    assert_eq!(status, Some(0), "{said}");

    let (status, said) = check(&primary.folder, &group.replace("auth-pass g secret", "auth-pass g guessed"));
    says(&said, &[format!("[error] g: primary 127.0.0.1:{of} refuses AUTH: WRONGPASS")]);
    assert_eq!(status, Some(1), "{said}");

    let (status, said) = check(&primary.folder, &watching(follows));
    says(&said, &[format!("[error] g: primary 127.0.0.1:{follows} is a replica of 127.0.0.1:{of}")]);
    assert_eq!(status, Some(1), "{said}");
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Ours => "Slipstream ",
        Valkey9 => "Valkey 9",
        _ => "Redis 7",
    }
}

#[test]
fn servers_of_ours_are_found() {
    check_group_of(Ours);
}

#[test]
fn servers_of_redis_are_found() {
    check_group_of(Redis7);
}

#[test]
fn servers_of_valkey_are_found() {
    check_group_of(Valkey9);
}

/// A group with sentinels of each kind: what a fourth would find.
#[test]
fn other_sentinels_are_found_or_missed() {
    if !all_found(&[Redis7, Valkey9]) {
        return;
    }
    let primary = Server::start(Ours, &[]);
    let _replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until("the replica is named", || {
        primary.client().info_number("replication", "connected_slaves") == 1
    });
    let watching = |name: &str| format!("sentinel monitor {name} 127.0.0.1 {} 2", primary.port);
    let mut sentinels: Vec<Server> =
        [Ours, Redis7, Valkey9].map(|kind| Server::start_sentinel(kind, &[watching("g")])).into();
    let known = |name: &str, sentinels: &[Server]| {
        let line = |sentinel: &Server| {
            let id: String = sentinel.client().call("SENTINEL MYID");
            format!("sentinel known-sentinel {name} 127.0.0.1 {} {id}\n", sentinel.port)
        };
        format!("{}\n{}", watching(name), sentinels.iter().map(line).collect::<String>())
    };
    let of_all = known("g", &sentinels);
    let (status, said) = check(&primary.folder, &of_all);
    for sentinel in &sentinels {
        let found = format!("[ok] g: sentinel 127.0.0.1:{}: {}", sentinel.port, name(sentinel.kind));
        says(&said, &[found, ", same primary".to_owned()]);
    }
    says(&said, &["[ok] g: 4 sentinels are known, quorum is 2; 4 of them answer".to_owned()]);
    assert_eq!(status, Some(0), "{said}");

    let (_, said) = check(&primary.folder, &known("other", &sentinels));
    says(&said, &[format!("sentinel 127.0.0.1:{} does not watch other", sentinels[0].port)]);

    let id: String = sentinels[0].client().call("SENTINEL MYID");
    let copied = format!("{}sentinel myid {id}\n", of_all.replace(&id, &"f".repeat(40)));
    let (status, said) = check(&primary.folder, &copied);
    says(&said, &[format!("[error] g: sentinel 127.0.0.1:{} has this one's id", sentinels[0].port)]);
    assert_eq!(status, Some(1), "{said}");

    sentinels[1..].iter_mut().for_each(Server::kill);
    let (status, said) = check(&primary.folder, &of_all);
    says(
        &said,
        &[
            format!(
                "[warning] g: sentinel 127.0.0.1:{} cannot be reached: Connection refused",
                sentinels[1].port
            ),
            "[error] g: 4 sentinels are known, quorum is 2; 2 of them answer, and a failover needs 3"
                .to_owned(),
        ],
    );
    assert_eq!(status, Some(1), "{said}");
}

#[test]
fn what_is_not_there_is_told() {
    let folder = new_folder(Ours);
    let nobody = Port::reserve();
    let text = format!(
        "sentinel monitor g 127.0.0.1 {} 1\nsentinel notification-script g /nowhere/script\n",
        nobody.number
    );
    let (status, said) = check(&folder, &text);
    assert_eq!(status, Some(1), "{said}");
    says(
        &said,
        &[
            "sentinel.conf, line 2: Notification script seems non existing or non executable.".to_owned(),
            format!("[error] g: primary 127.0.0.1:{} cannot be reached: Connection refused", nobody.number),
        ],
    );

    let (status, said) = check(&folder, "replicaof 127.0.0.1 1\n");
    assert_eq!(status, Some(1), "{said}");
    says(&said, &["[error] replicaof directive while in sentinel mode".to_owned()]);

    for place in [folder.join("missing").join("log"), folder.clone()] {
        let (status, said) = check(&folder, &format!("logfile {}\n", place.display()));
        assert_eq!(status, Some(1), "{said}");
        says(&said, &[format!("[error] {}: the log file cannot be opened (", place.display())]);
    }
    let log = folder.join("log");
    let (status, said) = check(&folder, &format!("logfile {}\n", log.display()));
    assert_eq!(status, Some(0), "{said}");
    assert!(!log.exists(), "the check makes no log");

    let left = "sentinel current-primary gone 127.0.0.1 1\nsentinel auth-pass gone x\n";
    let (status, said) = check(&folder, left);
    assert_eq!(status, Some(0), "{said}");
    says(&said, &["[warning] gone is not watched: ".to_owned(), "0 errors, 2 warnings".to_owned()]);

    let (status, said) = check(&folder, "sentinel monitor g db.example.org 6379 1\n");
    assert_eq!(status, Some(1), "{said}");
    says(&said, &["at line 1".to_owned(), "Can't resolve instance hostname.".to_owned()]);

    let state = folder.join("missing").join("state");
    let (status, said) = check(&folder, &format!("sentinel state-file {}\n", state.display()));
    assert_eq!(status, Some(1), "{said}");
    says(&said, &[format!("[error] {}: the state cannot be kept there", state.display())]);

    let state = folder.join("state");
    let whole = format!("sentinel myid {}\nsentinel nonsense\nsentinel current-epoch 1\n", "a".repeat(40));
    fs::write(&state, whole).expect("the folder is ours");
    let (status, said) = check(&folder, &format!("sentinel state-file {}\n", state.display()));
    assert_eq!(status, Some(1), "{said}");
    says(&said, &[format!("[error] {}: ", state.display()), "Unrecognized sentinel".to_owned()]);
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}
