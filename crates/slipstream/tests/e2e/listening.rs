//! Where a server listens, whom it lets in and how long, and how it becomes a daemon.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::client::Client;
use crate::commandline::run;
use crate::peer::Kind::Ours;
use crate::ports::Port;
use crate::raw::Raw;
use crate::server::{Server, new_folder};
use crate::wait::{wait_for, wait_until};

#[test]
fn a_port_in_use_is_said_and_ends_the_start() {
    let server = Server::start(Ours, &[]);
    let second = run(program(), &["server", "--port", &server.port.to_string(), "--bind", "127.0.0.1"], "");
    assert_eq!(second.status.code(), Some(1));
    let said = everything(&second);
    let address = format!("127.0.0.1:{}: bind: Address already in use", server.port);
    assert!(said.contains(&format!("Could not create server TCP listening socket {address}")), "{said}");
    assert!(said.contains(&format!("Failed listening on port {} (tcp), aborting.", server.port)), "{said}");
}

#[test]
fn an_address_with_a_dash_may_be_missing() {
    // 192.0.2.1 belongs to nobody.
    let server = Server::start(Ours, &["--bind 127.0.0.1 -192.0.2.1 -::1"]);
    assert_eq!(server.client().call::<String>("PING"), "PONG");
    let port = Port::reserve();
    let arguments = ["server", "--port", &port.number.to_string(), "--bind", "127.0.0.1", "192.0.2.1"];
    let refused = run(program(), &arguments, "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(everything(&refused).contains("192.0.2.1"), "{}", everything(&refused));
}

#[test]
fn it_listens_where_it_is_told_to_over_ipv6() {
    if std::net::TcpListener::bind(("::1", 0)).is_err() {
        return crate::report("skipped: no IPv6 loopback");
    }
    let server = Server::start(Ours, &["--bind 127.0.0.1 ::1"]);
    let stream = TcpStream::connect(("::1", server.port)).expect("it listens on ::1");
    let mut client = Raw::over(stream);
    client.send(b"PING\r\n");
    client.expect("+PONG\r\n");
    assert!(server.client().call::<String>("CLIENT LIST").contains(" addr=[::1]:"));
}

#[test]
fn config_set_moves_the_port_and_keeps_its_clients() {
    let mut server = Server::start(Ours, &[]);
    let old = server.port;
    let mut client = server.client();
    let reserved = Port::reserve();
    let new = reserved.number;
    client.call::<()>(&format!("CONFIG SET port {new}"));
    TcpStream::connect(("127.0.0.1", old)).expect_err("the old port is closed");
    server.port = new;
    assert_eq!(server.client().call::<String>("PING"), "PONG");
    assert_eq!(client.call::<String>("PING"), "PONG");

    let other = Server::start(Ours, &[]);
    let refused = client.try_call::<()>(&format!("CONFIG SET port {}", other.port)).expect_err("it is taken");
    assert!(refused.to_string().contains("Unable to listen on this port"), "{refused}");
    assert_eq!(server.client().call::<String>("PING"), "PONG", "the port is as it was");
    let refused =
        client.try_call::<()>("CONFIG SET bind 999.999.999.999").expect_err("there is no such address");
    assert!(refused.to_string().contains("Failed to bind to specified addresses"), "{refused}");
    assert_eq!(server.client().call::<String>("PING"), "PONG", "the address is as it was");
    let none = redis::cmd("CONFIG").arg("SET").arg("bind").arg("").clone();
    client.pipeline::<()>([none]);
    TcpStream::connect(("127.0.0.1", new)).expect_err("there is no address");
    client.call::<()>("CONFIG SET bind 127.0.0.1");
    assert_eq!(server.client().call::<String>("PING"), "PONG");
    assert_eq!(client.call::<Vec<String>>("CONFIG GET port")[1], new.to_string());
}

#[test]
fn a_unix_socket_has_its_permissions_and_goes_with_its_server() {
    let mut server = Server::start(Ours, &["--unixsocket s", "--unixsocketperm 700"]);
    let path = server.folder.join("s");
    let mode = fs::metadata(&path).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut client = Client::over_socket(&path).expect("it listens there");
    assert!(client.call::<String>("CLIENT LIST").contains("flags=U"));
    server.signal("TERM");
    server.wait_for_end();
    assert!(!path.exists());
}

#[test]
fn the_client_beyond_the_limit_is_told_so() {
    let server = Server::start(Ours, &["--maxclients 2"]);
    let mut first = server.client();
    wait_until("the others are gone", || first.info_number("clients", "connected_clients") == 1);
    let _second = server.client();
    assert_eq!(Raw::connect(&server).read_to_end(), "-ERR max number of clients reached\r\n");
    assert_eq!(first.info_number("stats", "rejected_connections"), 1);
}

#[test]
fn an_idle_client_is_closed_after_its_time() {
    let server = Server::start(Ours, &[]);
    let mut client = Raw::connect(&server);
    client.send(b"PING\r\n");
    client.expect("+PONG\r\n");
    server.client().call::<()>("CONFIG SET timeout 1");
    assert_eq!(client.read_to_end(), "");
}

/// As the kernel lists it: a timer of the kind `keepalive` on the connection.
#[test]
fn silent_peers_are_probed() {
    let server = Server::start(Ours, &["--tcp-keepalive 60"]);
    let mut client = server.client();
    let list: String = client.call("CLIENT INFO");
    let address = list.split(' ').find_map(|field| field.strip_prefix("addr=127.0.0.1:")).map(str::to_owned);
    let peer: u16 = address.and_then(|port| port.parse().ok()).expect("CLIENT INFO has an address");
    let (local, remote) = (format!("0100007F:{:04X}", server.port), format!("0100007F:{peer:04X}"));
    let Ok(_) = fs::read_to_string("/proc/net/tcp") else {
        return crate::report("skipped: no /proc/net/tcp");
    };
    // Until the peer has taken all bytes, another timer runs.
    wait_until("the timer of the kind keepalive runs", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("it was there");
        let line = table.lines().find(|line| line.contains(&format!("{local} {remote}")));
        line.is_some_and(|line| line.split_whitespace().nth(5).is_some_and(|timer| timer.starts_with("02:")))
    });
}

#[test]
fn a_daemon_detaches_writes_its_number_and_reads_standard_input() {
    let folder = new_folder(Ours);
    let reserved = Port::reserve();
    let port = reserved.number;
    let lines = format!(
        "port {port}\nbind 127.0.0.1\nsave \"\"\ndir {}\npidfile p\nlogfile l\ndaemonize yes\n",
        folder.display()
    );
    let started = run(program(), &["server", "-"], &lines);
    assert!(started.status.success(), "{}", everything(&started));
    let mut client = wait_for("the daemon answers", || Client::try_connect(port).ok());
    let pid = client.info_number("server", "process_id");
    assert_eq!(fs::read_to_string(folder.join("p")).expect("a pidfile"), format!("{pid}\n"));
    let sessions = Command::new("ps").args(["-o", "sid=,tty=", "-p", &pid.to_string()]).output();
    if let Ok(sessions) = sessions {
        let said = String::from_utf8_lossy(&sessions.stdout).trim().to_owned();
        let words: Vec<&str> = said.split_whitespace().collect();
        assert_eq!(words, [&pid.to_string(), "?"], "a session of its own, no terminal");
    }
    client.try_call::<()>("SHUTDOWN").expect_err("the connection ends with the server");
    wait_until("the pidfile is gone", || !folder.join("p").exists());
    let log = fs::read_to_string(folder.join("l")).expect("a log file");
    assert!(log.contains("ready to exit, bye bye"), "{log}");
    fs::remove_dir_all(folder).expect("nobody else uses the folder");
}

/// The daemon would have nobody to tell.
#[test]
fn a_folder_that_is_not_there_is_said_before_detaching() {
    for daemonize in ["no", "yes"] {
        let refused =
            run(program(), &["server", "--port", "0", "--daemonize", daemonize, "--dir", "/no/such"], "");
        assert_eq!(refused.status.code(), Some(1));
        assert!(everything(&refused).contains("No such file or directory"), "{}", everything(&refused));
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_slipstream"))
}

fn everything(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}
