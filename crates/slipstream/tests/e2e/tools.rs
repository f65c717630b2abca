//! The command-line tools of Redis work against our server unchanged.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::client::command;
use crate::content::Content;
use crate::dataset;
use crate::peer::Kind::{Ours, Redis7};
use crate::peer::{all_found, tool};
use crate::server::Server;
use crate::wait::wait_until;

#[test]
fn redis_benchmark_runs_all_its_tests() {
    let Some(benchmark) = tool("redis-benchmark") else { return };
    let server = Server::start(Ours, &[]);
    for pipeline in ["1", "16"] {
        let output = run(Command::new(&benchmark).args([
            "-p",
            &server.port.to_string(),
            "-q",
            "-n",
            "2000",
            "-r",
            "1000",
            "-P",
            pipeline,
        ]));
        assert_eq!(output.matches("requests per second").count(), 20, "{output}");
        assert!(!output.contains("ERR"), "{output}");
    }
}

#[test]
fn redis_cli_talks_scans_and_pipes() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    let port = server.port.to_string();
    let call = |words: &[&str]| run(Command::new(&cli).args(["-p", &port]).args(words));
    assert_eq!(call(&["SET", "greeting", "hello world"]), "OK\n");
    assert_eq!(call(&["GET", "greeting"]), "hello world\n");
    assert_eq!(call(&["-3", "HGETALL", "nothing"]), "\n");
    assert_eq!(call(&["--scan"]), "greeting\n");
    assert!(call(&["INFO", "replication"]).contains("role:master"));
    assert!(call(&["--bigkeys"]).contains("greeting"));
}

#[test]
fn redis_cli_samples_measures_and_runs_scripts() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &["--maxmemory-policy allkeys-lfu", "--maxmemory 100mb"]);
    dataset::fill(&mut server.client());
    let port = server.port.to_string();
    let call = |words: &[&str]| run(Command::new(&cli).args(["-p", &port]).args(words));
    for mode in ["--bigkeys", "--memkeys"] {
        let output = call(&[mode]);
        assert!(output.contains("Biggest   list"), "{mode}: {output}");
    }
    server.client().pipeline::<()>((0..2_000).map(|_| command("SET hot value")));
    let hot = call(&["--hotkeys"]);
    assert!(
        hot.lines().any(|line| line.starts_with("hot key found with counter: ") && line.contains("hot")),
        "{hot}"
    );
    // The least, the most, the mean, and how many were taken.
    let latency = call(&["--latency", "-i", "0.1"]);
    let figures: Vec<f64> = latency.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let [least, most, mean, taken] = figures[..] else { panic!("{latency}") };
    assert!(least <= mean && mean <= most && taken > 0.0, "{latency}");
    let file = server.folder.join("script.lua");
    fs::write(&file, "return {KEYS[1], ARGV[1]}").expect("the folder is ours");
    let file = file.to_str().expect("our folders have names in ASCII");
    assert_eq!(call(&["--eval", file, "key", ",", "argument"]), "key\nargument\n");
    assert_eq!(call(&["--csv", "RPUSH", "csv", "a", "b"]), "2\n");
    assert_eq!(call(&["--csv", "LRANGE", "csv", "0", "-1"]), "\"a\",\"b\"\n");
    assert_eq!(call(&["-3", "--json", "CONFIG", "GET", "port"]), format!("{{\"port\":\"{port}\"}}\n"));
    assert_eq!(call(&["-n", "3", "-r", "2", "INCR", "counter"]), "1\n2\n");
    assert!(call(&["--pattern", "csv", "--scan"]) == "csv\n");
}

#[test]
fn redis_cli_loads_a_mass_of_commands_and_counts_its_server() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    let file = server.folder.join("commands");
    let commands: String = (0..50_000).map(|i| format!("SET key:{i} value\r\n")).collect();
    fs::write(&file, commands).expect("the folder is ours");
    let port = server.port.to_string();
    let input = File::open(&file).expect("it was just written");
    let piped = run(Command::new(&cli).args(["-p", &port, "--pipe"]).stdin(input));
    assert!(piped.contains("errors: 0, replies: 50000"), "{piped}");
    assert_eq!(server.client().call::<u32>("DBSIZE"), 50_000);
    assert_eq!(run(Command::new(&cli).args(["-p", &port, "--scan"])).lines().count(), 50_000);

    // Its output comes in blocks of some fifty lines, one each second unless it is told otherwise.
    let mut stat =
        Command::new(&cli).args(["-p", &port, "--stat", "-i", "0.01"]).stdout(Stdio::piped()).spawn();
    let stat = stat.as_mut().expect("the tool was found");
    let lines = BufReader::new(stat.stdout.take().expect("its output is piped")).lines();
    let first = lines.map_while(Result::ok).find(|line| line.trim_start().starts_with("50000 "));
    stat.kill().expect("the process is our child");
    stat.wait().expect("the process is our child");
    assert!(first.is_some(), "its first column is the number of keys");
}

#[test]
fn redis_cli_watches_what_others_do() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    let mut monitor = Command::new(&cli)
        .args(["-p", &server.port.to_string(), "MONITOR"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool was found");
    let mut lines = BufReader::new(monitor.stdout.take().expect("its output is piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it is text");
    assert_eq!(next(), "OK");
    client.call::<()>("SET watched value");
    let line = next();
    monitor.kill().expect("the process is our child");
    monitor.wait().expect("the process is our child");
    assert!(line.contains(" [0 127.0.0.1:") && line.ends_with("] \"SET\" \"watched\" \"value\""), "{line}");
}

/// `redis-cli --rdb` is a replica of the oldest kind: it sends SYNC or PSYNC and keeps what it is sent.
#[test]
fn redis_cli_fetches_a_file_that_redis_loads() {
    let Some(cli) = tool("redis-cli") else { return };
    if !all_found(&[Redis7]) {
        return;
    }
    let server = Server::start(Ours, &[]);
    dataset::fill(&mut server.client());

    let mut redis = Server::start(Redis7, &[]);
    redis.kill();
    run(Command::new(cli).args(["-p", &server.port.to_string(), "--rdb"]).arg(redis.folder.join("dump.rdb")));
    redis.restart();
    Content::read(&mut server.client()).assert_equal(&Content::read(&mut redis.client()));
}

/// `redis-cli --functions-rdb` asks for a snapshot without keys.
#[test]
fn redis_cli_fetches_a_file_of_the_functions_alone() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    dataset::fill(&mut server.client());

    let mut other = Server::start(Ours, &[]);
    other.kill();
    let file = other.folder.join("dump.rdb");
    run(Command::new(cli).args(["-p", &server.port.to_string(), "--functions-rdb"]).arg(&file));
    assert!(file.is_file());
    other.restart();
    assert_eq!(other.client().call::<u32>("DBSIZE"), 0);
}

/// `redis-cli --replica` takes a snapshot by SYNC, drops it and prints the stream behind it.
#[test]
fn redis_cli_prints_the_stream() {
    let Some(cli) = tool("redis-cli") else { return };
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.call::<()>("SET before 1");
    let mut replica = Command::new(&cli)
        .args(["-p", &server.port.to_string(), "--replica"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool was found");
    let lines = BufReader::new(replica.stdout.take().expect("its output is piped")).lines();
    wait_until("it is online", || {
        client.info("replication", "slave0").is_some_and(|line| line.contains("state=online"))
    });
    client.call::<()>("SET key value EX 100");
    let line = lines.map_while(Result::ok).find(|line| line.contains("\"key\""));
    replica.kill().expect("the process is our child");
    replica.wait().expect("the process is our child");
    let line = line.expect("the stream goes on");
    assert!(line.to_lowercase().starts_with("\"set\",\"key\",\"value\",\"pxat\","), "{line}");
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the tool was found");
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}
