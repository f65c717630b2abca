//! Connections as peers end them, one way or the other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::peer::Kind::Ours;
use crate::server::Server;
use crate::wait::wait_until;

/// Sends all of `input` and says at once that this was all; what comes back until the server closes.
fn send_and_finish(server: &Server, input: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(180))).expect("a timeout that is not zero");
    stream.write_all(input).expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("the connection is open");
    let mut output = Vec::new();
    stream.read_to_end(&mut output).expect("the server answers and closes");
    output
}

#[test]
fn a_peer_that_has_finished_gets_its_replies_and_an_end() {
    let server = Server::start(Ours, &[]);
    assert_eq!(send_and_finish(&server, b"PING\r\n"), b"+PONG\r\n");
    // More than is read at once.
    let value = "x".repeat(200_000);
    let request = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n{value}\r\n");
    assert_eq!(send_and_finish(&server, request.as_bytes()), b"+OK\r\n");
    let mut client = server.client();
    wait_until("nobody else is connected", || client.info_number("clients", "connected_clients") == 1);
}

#[test]
fn an_address_that_stays_may_be_bound_again() {
    let server = Server::start(Ours, &[]);
    let mut client = server.client();
    client.call::<()>("CONFIG SET bind 0.0.0.0");
    assert_eq!(server.client().call::<String>("PING"), "PONG");
    client.try_call::<()>("CONFIG SET bind 192.0.2.1").expect_err("no machine has this address");
    assert_eq!(server.client().call::<String>("PING"), "PONG", "all is as before");
    let names: Vec<String> = client.call("CONFIG GET bind");
    assert_eq!(names, ["bind", "0.0.0.0"]);
}
