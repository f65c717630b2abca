//! A script that runs for long in a real process: its door stays open.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::client::Client;
use crate::peer::Kind::Ours;
use crate::raw::Raw;
use crate::server::Server;
use crate::wait::wait_until;

const FOREVER: &str = "EVAL 'while true do end' 0";
/// Runs until no replica is there.
const UNTIL_ALONE: &str =
    "repeat until redis.call(\"INFO\", \"replication\"):match(\"connected_slaves:0\") return 1";

/// A client whose script begins to run, and that reads nothing of it yet.
fn run(server: &Server, requests: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream.write_all(requests.as_bytes()).expect("the server reads");
    stream
}

fn error(client: &mut Client, request: &str) -> String {
    client.try_call::<String>(request).err().map(|error| error.to_string()).unwrap_or_default()
}

fn wait_until_busy(client: &mut Client) {
    wait_until("a script runs for long", || error(client, "PING").contains("busy running a script"));
}

#[test]
fn others_can_end_a_script_that_never_would() {
    let server = Server::start(Ours, &["--busy-reply-threshold 1"]);
    let mut known = server.client();
    let runner = run(&server, &format!("{FOREVER}\r\nPING\r\n"));
    wait_until_busy(&mut known);
    let mut newcomer = server.client();
    assert!(error(&mut newcomer, "GET k").contains("SCRIPT KILL or SHUTDOWN NOSAVE"));
    drop(newcomer);
    assert_eq!(known.call::<String>("SCRIPT KILL"), "OK");
    assert_eq!(known.call::<String>("PING"), "PONG", "the script is over with that answer");
    let lines: Vec<String> = BufReader::new(runner).lines().take(2).map(|line| line.expect("text")).collect();
    assert!(lines[0].starts_with("-ERR Script killed by user with SCRIPT KILL... script: "), "{lines:?}");
    assert_eq!(lines[1], "+PONG", "what its client sent meanwhile is answered after it");
    let log = server.log();
    assert!(log.contains("Slow script detected: still in execution after "), "{log}");
    assert!(log.contains("Lua script killed by user with SCRIPT KILL."), "{log}");
    wait_until("those who left are gone", || known.info_number("clients", "connected_clients") == 1);
}

#[test]
fn a_script_outlives_the_connection_it_came_by() {
    let server = Server::start(Ours, &["--busy-reply-threshold 1"]);
    let mut other = server.client();
    let runner = run(&server, &format!("{FOREVER}\r\n"));
    wait_until_busy(&mut other);
    drop(runner);
    assert!(error(&mut other, "PING").contains("busy running a script"));
    assert_eq!(other.call::<String>("SCRIPT KILL"), "OK");
    wait_until("its client is gone", || other.info_number("clients", "connected_clients") == 1);
}

#[test]
fn a_script_that_waits_for_a_replica_to_go_sees_it_go() {
    let server = Server::start(Ours, &["--busy-reply-threshold 1"]);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", server.port)]);
    let mut other = server.client();
    wait_until("the replica has its stream", || {
        other.call::<String>("INFO replication").contains("state=online")
    });
    let runner = run(&server, &format!("EVAL '{UNTIL_ALONE}' 0\r\n"));
    wait_until_busy(&mut other);
    replica.client().call::<()>("REPLICAOF NO ONE");
    let answer = BufReader::new(runner).lines().next().expect("an answer").expect("text");
    assert_eq!(answer, ":1");
}

#[test]
fn a_script_that_waits_for_a_replica_in_a_full_sync_to_go_sees_it_go() {
    let server = Server::start(Ours, &["--busy-reply-threshold 1", "--rdbcompression no"]);
    let mut other = server.client();
    // More than sockets take.
    other.call::<()>("DEBUG POPULATE 40000 key 1000");
    let mut replica = Raw::connect(&server);
    replica.send(b"PSYNC ? -1\r\n");
    assert!(replica.read_filled_line().starts_with("+FULLRESYNC "));
    assert!(other.call::<String>("INFO replication").contains("connected_slaves:1"));
    let runner = run(&server, &format!("EVAL '{UNTIL_ALONE}' 0\r\n"));
    wait_until_busy(&mut other);
    drop(replica);
    let answer = BufReader::new(runner).lines().next().expect("an answer").expect("text");
    assert_eq!(answer, ":1");
    assert_eq!(other.call::<String>("PING"), "PONG");
}

#[test]
fn a_signal_waits_for_the_script_and_a_shutdown_does_not() {
    let mut server = Server::start(Ours, &["--busy-reply-threshold 1"]);
    let mut other = server.client();
    let _runner = run(&server, "EVAL 'redis.call(\"SET\", \"k\", \"v\") while true do end' 0\r\n");
    wait_until_busy(&mut other);
    server.signal("TERM");
    assert!(error(&mut other, "SCRIPT KILL").contains("already executed write commands"));
    assert!(error(&mut other, "SHUTDOWN").contains("SHUTDOWN NOSAVE"));
    // It ends without an answer.
    error(&mut other, "SHUTDOWN NOSAVE");
    assert!(server.wait_for_end().success());
}
