//! What the system shows of a process, and how it ends at once.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use redis::RedisResult;

use crate::client::Client;
use crate::peer::Kind::Ours;
use crate::server::Server;
use crate::wait::wait_until;

fn of_process(server: &Server, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", server.id())).expect("the process runs")
}

fn set(client: &mut Client, values: &[&str]) -> RedisResult<()> {
    redis::cmd("CONFIG").arg("SET").arg(values).query(client)
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_line_is_the_title() {
    let mut server = Server::start(Ours, &["--proc-title-template {title}|{listen-addr}|{config-file}"]);
    let mut client = server.client();
    let port = server.port;
    let shown = of_process(&server, "cmdline");
    assert!(shown.ends_with(&format!("slipstream server|127.0.0.1:{port}|-\0")), "{shown:?}");
    assert!(of_process(&server, "environ").contains("PATH="), "the environment stays");
    set(&mut client, &["proc-title-template", " as {server-mode}{{short"]).expect("good");
    assert_eq!(of_process(&server, "cmdline"), "as {short\0");
    let refused =
        client.try_call::<String>("CONFIG SET proc-title-template {x}").expect_err("there is no {x}");
    assert!(refused.to_string().contains("template format is invalid"), "{refused}");
    let long = "x".repeat(3000);
    client.call::<()>(&format!("CONFIG SET proc-title-template {long}"));
    assert_eq!(of_process(&server, "cmdline"), format!("{}\0", &long[..2046]));
    server.set("--set-proc-title no");
    server.kill();
    server.restart();
    assert!(of_process(&server, "cmdline").contains("\0--port\0"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_score_by_which_the_kernel_chooses_follows_the_role() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    let score = || of_process(&server, "oom_score_adj").trim().parse::<i32>().expect("a number");
    let base = score();
    set(&mut client, &["oom-score-adj-values", "10 20 30", "oom-score-adj", "yes"]).expect("good");
    assert_eq!(score(), base + 10);
    set(&mut client, &["oom-score-adj-values", "15 20 30"]).expect("good");
    assert_eq!(score(), base + 15);
    client.call::<()>("REPLICAOF 127.0.0.1 1");
    assert_eq!(score(), base + 20);
    client.call::<()>("REPLICAOF NO ONE");
    assert_eq!(score(), base + 15);
    let taken = Server::start(Ours, &[]);
    let port = taken.port.to_string();
    let refused = set(&mut client, &["oom-score-adj-values", "50 50 50", "port", &port]);
    let refused = refused.expect_err("the port is taken").to_string();
    assert!(refused.contains("argument 'port') - Unable to listen on this port"), "{refused}");
    assert_eq!(score(), base + 15, "nothing has changed");
    set(&mut client, &["oom-score-adj", "absolute", "oom-score-adj-values", "900 900 900"]).expect("good");
    assert_eq!(score(), 900);
    client.call::<()>("CONFIG SET oom-score-adj no");
    assert_eq!(score(), base);
}

#[test]
fn a_second_interrupt_ends_a_process_that_cannot_hear_the_first() {
    let mut server = Server::start(Ours, &["--busy-reply-threshold 1"]);
    let mut other = server.client();
    let mut runner = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    runner.write_all(b"EVAL 'while true do end' 0\r\n").expect("the server reads");
    wait_until("a script runs for long", || other.try_call::<String>("PING").is_err());
    server.signal("INT");
    assert!(other.try_call::<String>("PING").is_err(), "it waits for the script");
    server.signal("INT");
    assert_eq!(server.wait_for_end().code(), Some(1));
}

#[test]
fn a_signal_after_one_that_came_to_nothing_is_the_first_again() {
    let server = Server::start(Ours, &["--save 3600 1", "--dbfilename missing"]);
    let mut client = server.client();
    client.call::<()>("SET k v");
    fs::create_dir(server.folder.join("missing")).expect("the folder is ours");
    for times in 1..=2 {
        server.signal("INT");
        wait_until("the server goes on", || server.log().matches("can't exit").count() == times);
    }
    assert_eq!(client.call::<String>("PING"), "PONG");
}
