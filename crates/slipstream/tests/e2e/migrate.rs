//! MIGRATE between ours and the peers, and to targets that misbehave.

use std::net::TcpListener;

use crate::client::Client;
use crate::content::Content;
use crate::copies::{assert_same, follow, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::raw::Raw;
use crate::server::Server;
use crate::wait::wait_until;

const READING: &str = "-IOERR error or timeout reading to target instance";

#[test]
fn keys_go_from_ours_to_ours_and_back() {
    check(Ours);
}

#[test]
fn keys_go_from_ours_to_redis_7_and_back() {
    check(Redis7);
}

#[test]
fn keys_go_from_ours_to_valkey_9_and_back() {
    check(Valkey9);
}

/// All keys but one go to a server of this kind and come back; replicas of both servers follow.
#[track_caller]
fn check(there: Kind) {
    if !all_found(&[there]) {
        return;
    }
    let [here, there] = [Ours, there].map(|kind| Server::start(kind, &[]));
    dataset::fill_special(&mut here.client());
    let copies = [&here, &there].map(|server| {
        server.client().call::<()>("SET stays here");
        let copy = Server::start(server.kind, &[]);
        follow(&copy, server.port);
        wait_until_linked(&copy);
        copy
    });
    // What lives shortly is to be gone.
    Content::read(&mut here.client());
    let digest = here.client().call::<String>("DEBUG DIGEST");
    let keys = key_count(&here);

    migrate_all(&here, &there);
    assert_eq!((key_count(&here), key_count(&there)), (1, keys));
    assert_same(&here, &copies[0]);
    assert_same(&there, &copies[1]);

    migrate_all(&there, &here);
    assert_eq!((key_count(&here), key_count(&there)), (keys, 1));
    assert_same(&here, &copies[0]);
    assert_same(&there, &copies[1]);
    assert_eq!(here.client().call::<String>("DEBUG DIGEST"), digest);
}

fn keys(client: &mut Client, database: u32) -> Vec<Vec<u8>> {
    client.call::<()>(&format!("SELECT {database}"));
    client.call("KEYS *")
}

fn key_count(server: &Server) -> usize {
    let mut client = server.client();
    (0..16).map(|database| keys(&mut client, database).len()).sum()
}

/// All keys but one, some at a time.
#[track_caller]
fn migrate_all(from: &Server, to: &Server) {
    let mut client = from.client();
    for database in 0..16 {
        let mut keys = keys(&mut client, database);
        keys.retain(|key| key != b"stays");
        for some in keys.chunks(7) {
            let mut command = redis::cmd("MIGRATE");
            command.arg("127.0.0.1").arg(to.port).arg("").arg(database).arg(20_000).arg("KEYS").arg(some);
            let reply: String = command.query(&mut client).expect("the target takes them");
            assert_eq!(reply, "OK");
        }
    }
}

/// A server, a client of it that may wait, and a target that does as the test says.
fn with_forged_target() -> (Server, Raw, TcpListener, u16) {
    let server = Server::start(Ours, &[]);
    server.client().call::<()>("MSET a 1 b 2 c 3");
    let asker = Raw::connect(&server);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    (server, asker, listener, port)
}

#[track_caller]
fn accept(listener: &TcpListener) -> Raw {
    Raw::over(listener.accept().expect("the server connects").0)
}

fn sockets(server: &Server) -> u64 {
    server.client().info_number("stats", "migrate_cached_sockets")
}

#[test]
fn others_read_and_writes_wait_until_the_target_has_the_keys() {
    let (server, mut asker, listener, port) = with_forged_target();
    asker.send(format!("MIGRATE 127.0.0.1 {port} a 3 60000\r\n").as_bytes());
    let mut target = accept(&listener);
    assert_eq!(target.read_request(), ["SELECT", "3"]);
    target.send(b"+OK\r\n");
    assert_eq!(target.read_request()[..3], ["RESTORE", "a", "0"]);
    let (mut reader, mut writer) = (server.client(), Raw::connect(&server));
    writer.send(b"SET a 2\r\n");
    wait_until("the write is held back", || reader.info_number("clients", "blocked_clients") == 2);
    assert_eq!(reader.call::<String>("GET a"), "1");
    target.send(b"+OK\r\n");
    asker.expect("+OK\r\n");
    writer.expect("+OK\r\n");
    assert_eq!(reader.call::<String>("GET a"), "2");
    assert_eq!(sockets(&server), 1);

    // The database is selected already, and another password is another connection.
    asker.send(format!("MIGRATE 127.0.0.1 {port} b 3 60000 COPY\r\n").as_bytes());
    assert_eq!(target.read_request()[..2], ["RESTORE", "b"]);
    target.send(b"+OK\r\n");
    asker.expect("+OK\r\n");
    asker.send(format!("MIGRATE 127.0.0.1 {port} b 3 60000 AUTH pw\r\n").as_bytes());
    let mut other = accept(&listener);
    assert_eq!(other.read_request(), ["AUTH", "pw"]);
    other.send(b"-ERR no\r\n+OK\r\n");
    asker.expect("-ERR Target instance replied with error: ERR no\r\n");
    assert_eq!((reader.call::<u64>("EXISTS b"), sockets(&server)), (1, 2));
}

#[test]
fn a_target_that_hangs_is_given_up() {
    let (server, mut asker, listener, port) = with_forged_target();
    asker.send(format!("MIGRATE 127.0.0.1 {port} a 0 100\r\n").as_bytes());
    let mut target = accept(&listener);
    assert_eq!(asker.read_line(), READING);
    assert_eq!(server.client().call::<u64>("DEL a"), 1, "writes go on");
    assert_eq!(sockets(&server), 0);
    target.read_to_end();
    // Within a transaction too.
    asker.send(format!("MULTI\r\nMIGRATE 127.0.0.1 {port} b 0 100\r\nEXEC\r\n").as_bytes());
    asker.expect("+OK\r\n+QUEUED\r\n*1\r\n");
    assert_eq!(asker.read_line(), READING);
}

#[test]
fn a_shipment_that_is_abandoned_holds_up_no_other() {
    let (server, mut asker, listener, port) = with_forged_target();
    let there = Server::start(Ours, &[]);
    let mut client = server.client();
    // More often than there may be threads.
    for round in 0..6 {
        client.call::<()>("MSET a 1 b 2");
        asker.send(format!("MIGRATE 127.0.0.1 {port} a 0 {}\r\n", i64::MAX).as_bytes());
        let mut target = accept(&listener);
        assert_eq!(target.read_request(), ["SELECT", "0"]);
        client.call::<()>("REPLICAOF 127.0.0.1 1");
        assert!(asker.read_line().starts_with("-UNBLOCKED"));
        client.call::<()>("REPLICAOF NO ONE");
        asker = Raw::connect(&server);
        let migrate = format!("MIGRATE 127.0.0.1 {} b 0 20000 REPLACE\r\n", there.port);
        if round % 2 == 0 {
            asker.send(format!("MULTI\r\n{migrate}EXEC\r\n").as_bytes());
            asker.expect("+OK\r\n+QUEUED\r\n*1\r\n");
        } else {
            asker.send(migrate.as_bytes());
        }
        asker.expect("+OK\r\n");
        target.read_to_end();
        assert_eq!(client.call::<Vec<String>>("KEYS *").len(), 2, "a, and what the test began with");
        assert_eq!(sockets(&server), 1);
    }
}

#[test]
fn a_target_that_closes_is_asked_once_more_and_keeps_what_it_took() {
    let (server, mut asker, listener, port) = with_forged_target();
    asker.send(format!("MIGRATE 127.0.0.1 {port} \"\" 0 60000 KEYS a b c\r\n").as_bytes());
    drop(accept(&listener));
    let mut target = accept(&listener);
    assert_eq!(target.read_request(), ["SELECT", "0"]);
    target.send(b"+OK\r\n");
    let requests: Vec<String> = (0..3).map(|_| target.read_request().swap_remove(1)).collect();
    assert_eq!(requests, ["a", "b", "c"]);
    target.send(b"+OK\r\n");
    drop(target);
    assert_eq!(asker.read_line(), READING);
    assert_eq!(server.client().call::<Vec<String>>("KEYS *").len(), 2);
    assert_eq!(server.client().call::<u64>("EXISTS a"), 0);
}

#[test]
fn what_is_no_server_of_the_kind_takes_nothing() {
    let (server, mut asker, listener, port) = with_forged_target();
    asker.send(format!("MIGRATE 127.0.0.1 {port} a 0 60000\r\n").as_bytes());
    accept(&listener).send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    assert_eq!(asker.read_line(), READING);
    asker.send(format!("MIGRATE 127.0.0.1 {port} a 0 60000\r\n").as_bytes());
    accept(&listener).send(&[b'-'; 5000]);
    assert_eq!(asker.read_line(), READING);
    assert_eq!(server.client().call::<u64>("EXISTS a"), 1);
}

#[test]
fn a_login_goes_along_and_its_refusal_comes_back() {
    let (server, mut asker, listener, port) = with_forged_target();
    drop(listener);
    asker.send(format!("MIGRATE 127.0.0.1 {port} a 0 {}\r\n", i64::MAX).as_bytes());
    assert_eq!(asker.read_line(), "-IOERR error or timeout writing to target instance", "nobody is there");
    asker.send(format!("MIGRATE nosuch.invalid {port} a 0 60000\r\n").as_bytes());
    assert_eq!(asker.read_line(), "-IOERR error or timeout connecting to the client");
    let target = Server::start(Ours, &[]);
    target.client().call::<()>("CONFIG SET requirepass pw");
    let port = target.port;
    let mut ask = |request: &str| {
        asker.send(format!("MIGRATE 127.0.0.1 {port} {request}\r\n").as_bytes());
        asker.read_line()
    };
    let error = "-ERR Target instance replied with error: ";
    assert!(ask("a 0 5000").starts_with(&format!("{error}NOAUTH")));
    assert!(ask("a 0 5000 AUTH wrong").starts_with(&format!("{error}WRONGPASS")));
    assert_eq!(ask("a 0 5000 AUTH pw"), "+OK");
    assert_eq!(ask("b 0 5000 AUTH2 default pw"), "+OK");
    assert!(ask("c 99 5000 AUTH pw").starts_with(&format!("{error}ERR DB index")));
    assert!(ask("c 0 5000").starts_with(&format!("{error}NOAUTH")), "a login is nobody else's");
    assert_eq!(server.client().call::<Vec<String>>("KEYS *"), ["c"]);
    let mut client = target.client();
    client.call::<()>("AUTH pw");
    assert_eq!(client.call::<u64>("EXISTS c"), 0, "it did not come into another database");
}

#[test]
fn a_connection_that_died_meanwhile_is_made_anew() {
    let here = Server::start(Ours, &[]);
    let mut there = Server::start(Ours, &[]);
    let mut client = here.client();
    client.call::<()>("MSET a 1 b 2 c 3 d 4");
    let port = there.port;
    client.call::<()>(&format!("MIGRATE 127.0.0.1 {port} a 0 5000"));
    assert_eq!(sockets(&here), 1);
    there.kill();
    there.restart();
    client.call::<()>(&format!("MIGRATE 127.0.0.1 {port} b 0 5000"));
    client.call::<()>("MULTI");
    client.call::<()>(&format!("MIGRATE 127.0.0.1 {port} c 0 5000"));
    assert_eq!(client.call::<Vec<String>>("EXEC"), ["OK"]);
    let script = format!("return redis.call('MIGRATE', '127.0.0.1', {port}, 'd', 0, 5000)");
    let reply: String = redis::cmd("EVAL").arg(script).arg(0).query(&mut client).expect("it runs");
    assert_eq!(reply, "OK");
    assert_eq!((client.call::<u64>("DBSIZE"), there.client().call::<u64>("DBSIZE")), (0, 3));
    assert_eq!(sockets(&here), 1);
    wait_until("it is closed when it is not used", || sockets(&here) == 0);
}
