//! The command line, the configuration file and the signals, as redis-server has them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::client::Client;
use crate::peer::Kind::Ours;
use crate::server::{Server, new_folder};
use crate::wait::wait_until;

#[test]
fn a_file_is_read_then_the_command_line_and_the_last_word_counts() {
    let folder = new_folder(Ours);
    let included = folder.join("included.conf");
    fs::write(&included, "maxclients 77\ntimeout 5\n").expect("the folder is ours");
    let main = folder.join("main.conf");
    let lines = [
        "# a comment",
        "timeout 9",
        &format!("include {}", included.display()),
        "  repl-backlog-size   2mb",
        "maxclients 88",
        "masteruser \"two words\"",
        "proto-max-bulk-len 1gb",
    ];
    fs::write(&main, lines.join("\n")).expect("the folder is ours");

    let server = Server::start(Ours, &[&main.display().to_string(), "--maxclients 99"]);
    let mut client = server.client();
    let mut set = |name: &str| client.call::<Vec<String>>(&format!("CONFIG GET {name}")).pop();
    assert_eq!(set("timeout").as_deref(), Some("5"), "an include stands for its lines");
    assert_eq!(set("maxclients").as_deref(), Some("99"));
    assert_eq!(set("repl-backlog-size").as_deref(), Some("2097152"));
    assert_eq!(set("masteruser").as_deref(), Some("two words"));
    assert_eq!(set("proto-max-bulk-len").as_deref(), Some("1073741824"));
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}

#[test]
fn a_directive_that_is_not_known_is_refused() {
    for arguments in [&["--nonsense", "yes"][..], &["-"]] {
        let refused = run(
            Path::new(env!("CARGO_BIN_EXE_slipstream")),
            &[&["server"], arguments].concat(),
            "nonsense yes\n",
        );
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("FATAL CONFIG FILE ERROR"), "{said}");
        assert!(said.contains("Bad directive or wrong number of arguments"), "{said}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let cases: [(&[&str], &str, &str); 6] = [
        (&["--port", "abc"], "port \"abc\"", "argument couldn't be parsed into an integer"),
        (&["--port", "70000"], "port \"70000\"", "argument must be between 0 and 65535 inclusive"),
        (&["--port"], "port", "wrong number of arguments"),
        (
            &["--loglevel", "loud"],
            "loglevel \"loud\"",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
        ),
        (&["--replicaof", "a", "99999"], "replicaof \"a\" \"99999\"", "Invalid master port"),
        (
            &["--unixsocketperm", "999"],
            "unixsocketperm \"999\"",
            "argument couldn't be parsed as an octal number",
        ),
    ];
    for (arguments, line, reason) in cases {
        let refused =
            run(Path::new(env!("CARGO_BIN_EXE_slipstream")), &[&["server"], arguments].concat(), "");
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        let expected = format!("Reading the configuration file, at line 2\n>>> '{line}'\n{reason}\n");
        assert!(said.ends_with(&expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let refused = run(Path::new(env!("CARGO_BIN_EXE_slipstream")), &["server", "/no/such.conf"], "");
    assert_eq!(refused.status.code(), Some(1));
    let said = [refused.stdout, refused.stderr].concat();
    let expected = "Fatal error, can't open config file '/no/such.conf': No such file or directory";
    assert!(String::from_utf8_lossy(&said).contains(expected), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn called_redis_server_it_is_one() {
    let folder = new_folder(Ours);
    for name in ["redis-server", "valkey-server", "slipstream-server"] {
        let link = folder.join(name);
        symlink(env!("CARGO_BIN_EXE_slipstream"), &link).expect("the folder is ours");
        let version = run(&link, &["--version"], "");
        assert!(version.status.success());
        assert!(String::from_utf8_lossy(&version.stdout).contains(" v="), "{version:?}");
        let refused = run(&link, &["--nonsense", "yes"], "");
        assert_eq!(refused.status.code(), Some(1));
    }
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}

#[test]
fn a_signal_saves_where_configured_and_ends_well() {
    for (signal, save, saved) in [("TERM", "--save 3600 1", true), ("INT", "--save ''", false)] {
        let mut server = Server::start(Ours, &[save, "--pidfile server.pid"]);
        assert!(server.folder.join("server.pid").exists(), "a pidfile is written");
        server.client().call::<()>("SET key value");
        server.signal(signal);
        let status = server.wait_for_end();
        assert!(status.success(), "SIG{signal}: {status}");
        assert_eq!(server.folder.join("dump.rdb").exists(), saved, "SIG{signal} with {save}");
        assert!(!server.folder.join("server.pid").exists(), "a pidfile goes with its process");
        assert!(server.log().contains("bye bye"), "{}", server.log());

        server.restart();
        let value: Option<String> = server.client().call("GET key");
        assert_eq!(value.is_some(), saved);
    }
}

#[test]
fn a_rewritten_file_keeps_what_was_written_by_hand() {
    let folder = new_folder(Ours);
    let file = folder.join("server.conf");
    fs::write(&file, "# why it is 42\nmaxclients 42\n\n# kept\ntimeout 7\n").expect("the folder is ours");
    let mut server = Server::start(Ours, &[&file.display().to_string()]);
    let mut client = server.client();
    client.call::<()>("CONFIG SET timeout 8 hz 20");
    client.call::<()>("CONFIG REWRITE");
    let text = fs::read_to_string(&file).expect("the file is still there");
    assert!(text.starts_with("# why it is 42\nmaxclients 42\n\n# kept\ntimeout 8\n"), "{text}");
    assert!(text.lines().any(|line| line == "hz 20"), "{text}");

    client.call::<()>("CONFIG REWRITE");
    assert_eq!(
        fs::read_to_string(&file).expect("the file is still there"),
        text,
        "nothing has changed since"
    );
    server.kill();
    server.restart();
    let set: Vec<String> = server.client().call("CONFIG GET timeout");
    assert_eq!(set, ["timeout", "8"]);
    let set: Vec<String> = server.client().call("CONFIG GET hz");
    assert_eq!(set, ["hz", "20"]);
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}

#[test]
fn log_lines_have_the_shape_that_operators_parse() {
    let server = Server::start(Ours, &[]);
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("Ready to accept connections"))
        .unwrap_or_else(|| panic!("{log}"));
    // 12345:M 21 Nov 2026 00:38:38.736 * message
    let words: Vec<&str> = line.split(' ').collect();
    assert!(
        words[0].split_once(':').is_some_and(|(pid, role)| pid.parse::<u32>().is_ok() && role == "M"),
        "{line}"
    );
    assert_eq!(words[3].len(), 4, "{line}");
    assert_eq!(words[4].split([':', '.']).count(), 4, "{line}");
    assert!(["*", "#", "-", "."].contains(&words[5]), "{line}");
}

#[test]
fn a_unix_socket_serves_without_a_port() {
    let folder = new_folder(Ours);
    let path = folder.join("s");
    let arguments = ["server", "--port", "0", "--unixsocket", &path.display().to_string(), "--save", ""];
    let mut child = Command::new(env!("CARGO_BIN_EXE_slipstream"))
        .args(arguments)
        .arg("--dir")
        .arg(&folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("our binary is built");
    // It listens before it has loaded its file, and says so.
    let answers = || Client::over_socket(&path)?.try_call::<String>("PING");
    wait_until("the socket answers", || answers().is_ok_and(|answer| answer == "PONG"));
    child.kill().expect("the process is our child");
    child.wait().expect("the process is our child");
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}

pub(crate) fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("our binary is built");
    let mut stdin = child.stdin.take().expect("the input is piped");
    // It may end before it reads any of it.
    stdin.write_all(input.as_bytes()).unwrap_or_default();
    drop(stdin);
    child.wait_with_output().expect("the process is our child")
}
