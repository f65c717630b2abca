//! A sentinel as a process: by which names it starts, where it keeps its state, when it refuses to, how it ends.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::client::Client;
use crate::commandline::run;
use crate::peer::Kind::Ours;
use crate::ports::Port;
use crate::server::new_folder;
use crate::wait::{wait_for, wait_until};

const BINARY: &str = env!("CARGO_BIN_EXE_slipstream");

/// A folder with a sentinel's file in it, and perhaps the sentinel.
struct Sentinel {
    folder: PathBuf,
    port: Port,
    child: Option<Child>,
}

impl Sentinel {
    /// The file holds a port and these lines.
    fn new(lines: &str) -> Self {
        let sentinel = Self { folder: new_folder(Ours), port: Port::reserve(), child: None };
        let text = format!("port {}\nbind 127.0.0.1\n{lines}", sentinel.port.number);
        fs::write(sentinel.file(), text).expect("the folder is ours");
        sentinel
    }

    fn file(&self) -> PathBuf {
        self.folder.join("sentinel.conf")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("the file is there")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts it and returns when it serves.
    #[track_caller]
    fn start(&mut self, program: &Path, arguments: &[&str]) -> Client {
        let log = File::create(self.folder.join("log")).expect("the folder is ours");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(log);
        self.child = Some(command.spawn().expect("the binary is there"));
        wait_for("the sentinel answers", || {
            let child = self.child.as_mut().expect("it was started");
            let status = child.try_wait().expect("the process is our child");
            assert!(status.is_none(), "it ended: {status:?}");
            Client::try_connect(self.port.number).ok()
        })
    }

    /// Ends it as an operator does.
    #[track_caller]
    fn end(&mut self) {
        let mut child = self.child.take().expect("it was started");
        let sent = Command::new("kill").arg(child.id().to_string()).status();
        assert!(sent.expect("kill is part of every system").success());
        let status = wait_for("it ends", || child.try_wait().expect("the process is our child"));
        assert!(status.success(), "{status}");
    }

    /// What it says where it must not start.
    #[track_caller]
    fn refusal(&self, arguments: &[&str]) -> String {
        let output: Output = Command::new(BINARY)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("the binary is there");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // An error means that it ended by itself, which is as good.
            child.kill().unwrap_or_default();
            child.wait().expect("the process is our child");
        }
        if std::thread::panicking() {
            crate::report(&format!("kept in {}:\n{}", self.folder.display(), self.log()));
        } else {
            fs::remove_dir_all(&self.folder).expect("nobody else uses the folder");
        }
    }
}

#[test]
fn by_all_its_names_it_is_a_sentinel() {
    let mut sentinel = Sentinel::new("");
    let links = ["redis-sentinel", "valkey-sentinel", "slipstream-sentinel"].map(|name| {
        let link = sentinel.folder.join(name);
        symlink(BINARY, &link).expect("the folder is ours");
        (link, vec!["sentinel.conf"])
    });
    let words: [&[&str]; 2] = [&["sentinel", "sentinel.conf"], &["server", "sentinel.conf", "--sentinel"]];
    let words = words.map(|words| (PathBuf::from(BINARY), words.to_vec()));
    for (program, arguments) in links.into_iter().chain(words) {
        let mut client = sentinel.start(&program, &arguments);
        assert_eq!(client.call::<String>("PING"), "PONG");
        assert_eq!(client.info("server", "redis_mode").as_deref(), Some("sentinel"), "{program:?}");
        let log = sentinel.log();
        assert!(log.lines().all(|line| line.contains(":X ")), "{log}");
        wait_until("its id is told", || sentinel.log().contains("Sentinel ID is "));
        sentinel.end();
        assert!(sentinel.log().contains("Sentinel is now ready to exit, bye bye..."));
        assert!(!sentinel.folder.join("dump.rdb").exists(), "it has no data");
    }
    let words = sentinel.text();
    assert!(words.contains("\nsentinel myid "), "{words}");
}

/// The words of one option are those up to the next; `--sentinel` alone is only the word for what is to run.
#[test]
fn its_lines_may_be_options() {
    let mut sentinel = Sentinel::new("");
    let before = sentinel.text();
    let link = sentinel.folder.join("redis-sentinel");
    symlink(BINARY, &link).expect("the folder is ours");
    let options: Vec<&str> = "--sentinel monitor mymaster 127.0.0.1 1 2 --loglevel verbose --sentinel \
                              down-after-milliseconds mymaster 1234"
        .split_whitespace()
        .collect();
    let binary = Path::new(BINARY);
    for (program, words) in [
        (binary, &["sentinel", "sentinel.conf"][..]),
        (binary, &["server", "sentinel.conf"]),
        (binary, &["server", "sentinel.conf", "--sentinel"]),
        (&link, &["sentinel.conf"]),
    ] {
        fs::write(sentinel.file(), &before).expect("the folder is ours");
        let mut client = sentinel.start(program, &[words, &options].concat());
        let map: Vec<String> = client.call("SENTINEL MASTER mymaster");
        let value = map.iter().position(|word| word == "down-after-milliseconds").map(|at| &map[at + 1]);
        assert_eq!(value.map(String::as_str), Some("1234"), "{words:?}");
        sentinel.end();
        let text = sentinel.text();
        assert!(text.contains("sentinel monitor mymaster 127.0.0.1 1 2\n"), "{text}");
    }
    // They are in the file by now.
    let twice = sentinel.refusal(&[&["sentinel", "sentinel.conf"], &options[..]].concat());
    assert!(twice.ends_with("Duplicate master name.\n"), "{twice}");
    let file = sentinel.refusal(&["server", "--sentinel", "sentinel.conf"]);
    assert!(file.starts_with("Sentinel needs config file"), "{file}");
    let server = sentinel.refusal(&["server", "sentinel.conf", "--sentinel myid x"]);
    assert!(server.ends_with("sentinel directive while not in sentinel mode\n"), "{server}");
}

#[test]
fn without_a_place_for_its_state_it_does_not_start() {
    let sentinel = Sentinel::new("");
    assert_eq!(
        sentinel.refusal(&["sentinel"]),
        "Sentinel needs config file on disk in order to save state. Exiting...\n"
    );
    let missing = sentinel.refusal(&["sentinel", "missing.conf"]);
    assert!(missing.contains("can't open config file 'missing.conf'"), "{missing}");
    let elsewhere = sentinel.refusal(&["sentinel", "sentinel.conf", "--sentinel state-file missing/state"]);
    assert!(elsewhere.contains("missing/state is not writable: No such file or directory."), "{elsewhere}");
    // A file is replaced by way of another beside it. That cannot be, whoever runs this.
    fs::create_dir(sentinel.folder.join("sentinel.conf.tmp")).expect("the folder is ours");
    let fixed = sentinel.refusal(&["sentinel", "sentinel.conf"]);
    assert!(fixed.contains("Sentinel config file "), "{fixed}");
    assert!(fixed.contains("sentinel.conf is not writable: Is a directory. Exiting...\n"), "{fixed}");
    assert!(fixed.contains("'sentinel state-file <path>'"), "{fixed}");
}

/// Whoever starts it in the background is told on the terminal as well.
#[test]
fn what_cannot_be_is_told_before_it_detaches() {
    let state = "sentinel state-file state\n";
    for (line, why) in [
        ("sentinel nonsense group 1\n", "Unrecognized sentinel configuration statement."),
        ("sentinel notification-script group /nowhere\n", "Notification script seems non existing"),
        ("replicaof 127.0.0.1 1\n", "replicaof directive while in sentinel mode"),
        (state, "This is no state"),
    ] {
        let lines = format!("daemonize yes\nsentinel monitor group 127.0.0.1 1 1\n{line}");
        let sentinel = Sentinel::new(&lines);
        let file = sentinel.folder.join(if line == state { "state" } else { "other" });
        fs::write(file, "nothing\n").expect("the folder is ours");
        let refusal = sentinel.refusal(&["sentinel", "sentinel.conf", "--pidfile", "pid"]);
        assert!(refusal.contains(why), "{refusal}");
        assert!(!sentinel.folder.join("pid").exists());
    }
    let server = Sentinel::new("daemonize yes\naclfile missing\n");
    let refusal = server.refusal(&["server", "sentinel.conf", "--pidfile", "pid"]);
    assert!(refusal.contains("missing"), "{refusal}");
}

#[test]
fn without_a_port_or_a_socket_it_does_not_start() {
    let sentinel = Sentinel::new("port 0\n");
    let refusal = sentinel.refusal(&["sentinel", "sentinel.conf"]);
    assert_eq!(refusal, "Configured to not listen anywhere, exiting.\n");
}

#[test]
fn its_state_may_be_in_a_file_of_its_own() {
    let mut sentinel = Sentinel::new("sentinel state-file state\nsentinel monitor first 127.0.0.1 1 1\n");
    fs::create_dir(sentinel.folder.join("sentinel.conf.tmp")).expect("the folder is ours");
    let before = sentinel.text();
    let mut client = sentinel.start(Path::new(BINARY), &["sentinel", "sentinel.conf"]);
    let id: String = client.call("SENTINEL MYID");
    client.call::<()>("SENTINEL CONFIG SET loglevel warning announce-port 7");
    client.call::<()>("SENTINEL REMOVE first");
    client.call::<()>("SENTINEL MONITOR second 127.0.0.1 1 1");
    sentinel.end();
    assert_eq!(sentinel.text(), before, "it is only read");
    let state = fs::read_to_string(sentinel.folder.join("state")).expect("it was written");
    assert!(state.contains(&format!("sentinel myid {id}\n")), "{state}");
    let mut client = sentinel.start(Path::new(BINARY), &["sentinel", "sentinel.conf"]);
    assert_eq!(client.call::<String>("SENTINEL MYID"), id, "it is the same again");
    let set: Vec<String> = client.call("SENTINEL CONFIG GET loglevel announce-port");
    assert_eq!(set, ["loglevel", "warning", "announce-port", "7"]);
    assert_eq!(client.info("sentinel", "sentinel_masters").as_deref(), Some("1"));
    assert!(
        sentinel.log().contains("first is in the configuration, and is not watched"),
        "{}",
        sentinel.log()
    );
    client.call::<()>("SENTINEL CONFIG SET loglevel notice");
    client.call::<()>("SENTINEL MONITOR first 127.0.0.1 2 1");
    let state = fs::read_to_string(sentinel.folder.join("state")).expect("it was written");
    assert!(!state.contains("loglevel") && !state.contains("removed"), "{state}");
    assert!(state.contains("sentinel current-primary first 127.0.0.1 2\n"), "{state}");
}

/// Whatever made it so took votes: a sentinel that does not know them could vote twice.
#[test]
fn a_state_that_is_none_is_refused() {
    let sentinel = Sentinel::new("sentinel monitor first 127.0.0.1 1 1\n");
    let state = sentinel.folder.join("state");
    let text = format!("{}sentinel state-file {}\n", sentinel.text(), state.display());
    fs::write(sentinel.file(), text).expect("the folder is ours");
    let id = "0123456789".repeat(4);
    let cut = format!("# A comment\nsentinel myid {id}\nsentinel config-epoch first 3\n");
    for (content, why) in [
        (vec![0; 3000], "This is no state"),
        (b"\xfe\xed\xfa\xce\n\x01\x02".to_vec(), "This is no state"),
        (cut.into_bytes(), "myid or current-epoch is missing"),
    ] {
        fs::write(&state, &content).expect("the folder is ours");
        let refusal = sentinel.refusal(&["sentinel", "sentinel.conf"]);
        assert!(refusal.contains("Sentinel state file ") && refusal.contains(why), "{refusal}");
        let file = sentinel.file().display().to_string();
        let checked = run(Path::new(BINARY), &["sentinel", "--check", &file], "");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(said.contains(&format!("[error] {}: ", state.display())) && said.contains(why), "{said}");
        assert_eq!(checked.status.code(), Some(1));
        assert_eq!(fs::read(&state).expect("it is there"), content, "it is evidence");
    }
}

/// Files that are included are only read, so what is not so any more is overruled.
#[test]
fn a_group_may_be_set_up_in_an_included_file() {
    let mut sentinel = Sentinel::new("include groups.conf\nsentinel down-after-milliseconds first 3000\n");
    let groups = "loglevel verbose\nsentinel monitor first 127.0.0.1 1 2\nsentinel auth-pass first secret\n\
                  sentinel down-after-milliseconds first 1000\nsentinel monitor second 127.0.0.1 1 2\n";
    fs::write(sentinel.folder.join("groups.conf"), groups).expect("the folder is ours");
    for round in 0..3 {
        let mut client = sentinel.start(Path::new(BINARY), &["sentinel", "sentinel.conf"]);
        let expected = if round == 0 { "2" } else { "1" };
        assert_eq!(client.info("sentinel", "sentinel_masters").as_deref(), Some(expected));
        if round == 0 {
            client.call::<()>("SENTINEL REMOVE second");
            client.call::<()>("SENTINEL SET first quorum 7 auth-pass other");
            client.call::<()>("SENTINEL CONFIG SET loglevel notice");
        }
        let map: Vec<String> = client.call("SENTINEL MASTER first");
        let value = |name| map.iter().position(|word| word == name).map(|at| map[at + 1].as_str());
        assert_eq!((value("quorum"), value("down-after-milliseconds")), (Some("7"), Some("3000")));
        let level: Vec<String> = client.call("SENTINEL CONFIG GET loglevel");
        assert_eq!(level, ["loglevel", "notice"]);
        sentinel.end();
        let text = sentinel.text();
        assert!(text.contains("sentinel current-primary first 127.0.0.1 1\n"), "{text}");
        assert!(!text.contains("monitor") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_script_hears_of_what_happens_and_has_nothing_of_ours() {
    let nobody = Port::reserve();
    let mut sentinel = Sentinel::new(&format!(
        "sentinel monitor group 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds group 200\n\
         sentinel notification-script group ./script\n",
        nobody.number
    ));
    let script = sentinel.folder.join("script");
    let text = "#!/bin/sh\necho \"$1 $2\" >> heard\nls /proc/self/fd > open\n";
    fs::write(&script, text).expect("the folder is ours");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("the file is ours");
    sentinel.start(Path::new(BINARY), &["sentinel", "sentinel.conf"]);
    let expected = format!("+sdown master group 127.0.0.1 {}\n", nobody.number);
    let heard = sentinel.folder.join("heard");
    wait_until("the script hears of it", || {
        fs::read_to_string(&heard).is_ok_and(|heard| heard.contains(&expected))
    });
    let open = sentinel.folder.join("open");
    // 3 is the folder that is listed. What the tests inherited themselves is not ours either.
    wait_until("the script lists what it has", || {
        fs::read_to_string(&open).is_ok_and(|open| open == "0\n1\n2\n3\n")
    });
}
