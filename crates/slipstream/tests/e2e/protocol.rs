//! What a client may send and what it is cut off for, byte by byte over real sockets.

use std::thread;

use crate::peer::Kind::Ours;
use crate::raw::Raw;
use crate::server::Server;
use crate::wait::wait_until;

#[test]
fn a_violation_is_named_and_ends_the_connection() {
    let server = Server::start(Ours, &[]);
    let long = "1".repeat(70_000);
    let violations: [(&str, &str); 10] = [
        ("*1\r\n+PING\r\n", "expected '$', got '+'"),
        ("*abc\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*1\r\n$-5\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n$abc\r\n", "invalid bulk length"),
        ("set \"a\r\n", "unbalanced quotes in request"),
        (&long, "too big inline request"),
        (&format!("*{long}"), "too big mbulk count string"),
        (&format!("*1\r\n${long}"), "too big bulk count string"),
    ];
    for (request, reason) in violations {
        let expected = format!("-ERR Protocol error: {reason}\r\n");
        assert_eq!(answer_and_close(&server, request), expected, "{}", &request[..request.len().min(30)]);
    }
}

#[test]
fn what_only_looks_odd_is_served() {
    let server = Server::start(Ours, &[]);
    let mut client = Raw::connect(&server);
    client.send(b"\r\n*0\r\n*-1\r\nPING\r\n*1\r\n$4\r\nPING\r\nping 'a b'\n");
    client.expect("+PONG\r\n+PONG\r\n$3\r\na b\r\n");
    // One argument, byte by byte.
    for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n" {
        client.send(&[*byte]);
    }
    client.expect("$2\r\n\r\n\r\n");
}

#[test]
fn a_stranger_may_send_little_before_it_logs_in() {
    let server = Server::start(Ours, &[]);
    server.client().call::<()>("CONFIG SET requirepass secret");
    for (request, reason) in
        [("*11\r\n", "unauthenticated multibulk length"), ("*1\r\n$16385\r\n", "unauthenticated bulk length")]
    {
        assert_eq!(answer_and_close(&server, request), format!("-ERR Protocol error: {reason}\r\n"));
    }
    let mut client = Raw::connect(&server);
    client.send(b"GET a\r\nAUTH wrong\r\nAUTH secret\r\nGET a\r\n");
    client.expect("-NOAUTH Authentication required.\r\n");
    client.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n$-1\r\n");
    client.send(&[b"*2\r\n$4\r\nECHO\r\n$20000\r\n".as_slice(), &[b'x'; 20_000], b"\r\n"].concat());
    client.expect("$20000\r\n");
}

#[test]
fn a_request_beyond_the_configured_size_is_cut_off() {
    let server = Server::start(Ours, &["--proto-max-bulk-len 1mb", "--client-query-buffer-limit 1mb"]);
    let beyond = "*2\r\n$4\r\nECHO\r\n$1048577\r\n";
    assert_eq!(answer_and_close(&server, beyond), "-ERR Protocol error: invalid bulk length\r\n");

    let mut client = Raw::connect(&server);
    client.send(b"*30\r\n");
    for _ in 0..20 {
        client.send(&[b"$100000\r\n".as_slice(), &[b'x'; 100_000], b"\r\n"].concat());
    }
    assert_eq!(client.read_to_end(), "");
    assert!(server.log().contains("reached max query buffer length"), "{}", server.log());
}

#[test]
fn a_browsers_request_is_not_obeyed() {
    let server = Server::start(Ours, &[]);
    for request in ["POST / HTTP/1.1\r\nSET a 1\r\n", "Host: localhost\r\nSET a 1\r\n"] {
        assert_eq!(answer_and_close(&server, request), "");
    }
    assert_eq!(server.client().call::<u32>("DBSIZE"), 0);
    assert!(server.log().contains("Possible SECURITY ATTACK detected."), "{}", server.log());
}

#[test]
fn a_hundred_thousand_commands_in_one_write_are_answered_in_order() {
    const COMMANDS: usize = 100_000;
    let server = Server::start(Ours, &[]);
    let mut client = Raw::connect(&server);
    let mut writer = client.twin();
    let sender = thread::spawn(move || writer.send(&b"INCR counter\r\n".repeat(COMMANDS)));
    let expected: String = (1..=COMMANDS).map(|count| format!(":{count}\r\n")).collect();
    assert!(client.read(expected.len()) == expected.as_bytes());
    sender.join().expect("the writer only writes");
}

#[test]
fn a_hundred_values_of_a_megabyte_go_both_ways_in_one_pipeline() {
    const SIZE: usize = 1_000_000;
    let server = Server::start(Ours, &[]);
    let mut client = Raw::connect(&server);
    let mut writer = client.twin();
    let sender = thread::spawn(move || {
        for fill in 0..100_u8 {
            let value = [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n".as_slice(), &[fill; SIZE], b"\r\n"];
            writer.send(&value.concat());
            writer.send(b"GET a\r\n");
        }
    });
    for fill in 0..100_u8 {
        client.expect("+OK\r\n$1000000\r\n");
        assert!(client.read(SIZE).iter().all(|byte| *byte == fill));
        client.expect("\r\n");
    }
    sender.join().expect("the writer only writes");
}

#[test]
fn a_command_may_have_more_than_a_million_arguments() {
    const KEYS: usize = 1_100_000;
    let server = Server::start(Ours, &[]);
    server.client().call::<()>("SET k v");
    let mut client = Raw::connect(&server);
    client.send(format!("*{}\r\n$6\r\nEXISTS\r\n", KEYS + 1).as_bytes());
    client.send(&b"$1\r\nk\r\n".repeat(KEYS));
    client.expect(&format!(":{KEYS}\r\n"));
}

#[test]
fn a_client_that_never_reads_is_cut_off_at_its_limit() {
    let server = Server::start(Ours, &["--client-output-buffer-limit normal 8mb 0 0"]);
    let mut other = server.client();
    other.call::<()>(&format!("SET big {}", "x".repeat(1_000_000)));
    let mut client = Raw::connect(&server);
    client.send(b"GET big\r\n");
    wait_until("it is served", || other.info_number("clients", "connected_clients") == 2);
    client.send(&b"GET big\r\n".repeat(100));
    wait_until("it is cut off", || other.info_number("clients", "connected_clients") == 1);
    assert!(server.log().contains("closed for overcoming of output buffer limits"), "{}", server.log());
    assert_eq!(other.call::<String>("PING"), "PONG");
}

#[test]
fn hello_changes_the_protocol() {
    let server = Server::start(Ours, &[]);
    server.client().call::<()>("CONFIG SET requirepass secret");
    let mut client = Raw::connect(&server);
    client.send(b"HELLO 4\r\n");
    client.expect("-NOPROTO unsupported protocol version\r\n");
    client.send(b"HELLO 3 AUTH default secret SETNAME me\r\n");
    client.expect("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n");
    let id = "$2\r\nid\r\n:";
    let mut greeting = String::new();
    while !greeting.ends_with("$7\r\nmodules\r\n*0\r\n") {
        greeting.push_str(&String::from_utf8_lossy(&client.read(1)));
    }
    assert!(greeting.contains("$5\r\nproto\r\n:3\r\n") && greeting.contains(id), "{greeting}");
    client.send(
        b"HSET h f v\r\nHGETALL h\r\nSADD s a\r\nSMEMBERS s\r\nZADD z 1.5 a\r\nZSCORE z a\r\nGET no\r\n",
    );
    client.expect(":1\r\n%1\r\n$1\r\nf\r\n$1\r\nv\r\n:1\r\n~1\r\n$1\r\na\r\n:1\r\n,1.5\r\n_\r\n");
    client.send(b"DEBUG PROTOCOL true\r\nDEBUG PROTOCOL verbatim\r\nDEBUG PROTOCOL bignum\r\n");
    client
        .expect("#t\r\n=29\r\ntxt:This is a verbatim\nstring\r\n(1234567999999999999999999999999999999\r\n");
    client.send(b"CLIENT GETNAME\r\nHELLO 2\r\n");
    client.expect("$2\r\nme\r\n*14\r\n");
}

#[track_caller]
fn answer_and_close(server: &Server, request: &str) -> String {
    let mut client = Raw::connect(server);
    client.send(request.as_bytes());
    client.read_to_end()
}
