//! Full syncs over two connections in Redis 8's way, with a script in Redis 8's place.
//!
//! Each side of the script says what Redis 8 was seen to say, byte by byte, and expects of ours what Redis 8 expects:
//! `+RDBCHANNELSYNC` with the number of the main connection, a snapshot on a second one that names it, and on the
//! first the stream without another word.

use std::net::TcpListener;

use crate::peer::Kind::Ours;
use crate::raw::Raw;
use crate::server::Server;
use crate::wait::wait_until;

const MARK: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

/// A request as it crosses the wire.
fn request(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let bulks: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{bulks}", words.len())
}

/// Expects one request and answers it.
#[track_caller]
fn answer(connection: &mut Raw, line: &str, reply: &str) {
    connection.expect(&request(line));
    connection.send(reply.as_bytes());
}

/// A snapshot as Redis 8 marks it: of its own version, without a checksum.
fn snapshot_of_version(version: &str, fill: &str) -> Vec<u8> {
    let server = Server::start(Ours, &["--rdbchecksum no"]);
    server.client().call::<()>(fill);
    server.client().call::<()>("SAVE");
    let mut bytes = std::fs::read(server.folder.join("dump.rdb")).expect("SAVE wrote it");
    bytes[5..9].copy_from_slice(version.as_bytes());
    bytes
}

#[test]
fn our_replica_takes_its_snapshot_beside_the_stream() {
    let snapshot = snapshot_of_version("0012", "SET of snapshot");
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = listener.local_addr().expect("the listener is bound").port();
    let accept = || Raw::over(listener.accept().expect("somebody connects").0);
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {port}")]);

    let mut main = accept();
    answer(&mut main, "PING", "+PONG\r\n");
    answer(&mut main, &format!("REPLCONF listening-port {}", replica.port), "+OK\r\n");
    let capabilities = "REPLCONF capa eof capa psync2 capa slipstream1 capa slipstream-history capa rdb-channel-repl capa dual-channel";
    answer(&mut main, capabilities, "+OK\r\n");
    assert_eq!(main.read_request()[..2], ["REPLCONF", "version"]);
    main.send(b"-ERR Unrecognized REPLCONF option: version\r\n");
    assert_eq!(main.read_request()[0], "PSYNC");
    main.send(b"\n\n+RDBCHANNELSYNC 17\r\n");

    let mut side = accept();
    let introduction = format!(
        "REPLCONF capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 17 listening-port {}",
        replica.port
    );
    answer(&mut side, &introduction, "+OK\r\n");
    side.expect(&request("PSYNC ? -1"));
    side.send(format!("\n+FULLRESYNC {ID} 1000\r\n\n\n$EOF:{MARK}\r\n").as_bytes());
    // The stream begins at once; half of the snapshot comes behind it.
    let early = [request("SELECT 0"), request("SET early write"), request("PING")].concat();
    main.send(early.as_bytes());
    let (first, second) = snapshot.split_at(snapshot.len() / 2);
    side.send(first);
    let mut client = replica.client();
    wait_until("the snapshot is received", || {
        client.info("replication", "master_sync_in_progress").as_deref() == Some("1")
    });
    assert_eq!(client.call::<u32>("DBSIZE"), 0, "half a snapshot is nothing");
    side.send(second);
    side.send(MARK.as_bytes());
    assert_eq!(side.read_to_end(), "", "who has loaded closes");

    let end = 1000 + early.len();
    wait_until("the stream is applied", || {
        client.info("replication", "slave_repl_offset") == Some(end.to_string())
    });
    assert_eq!(client.call::<Vec<String>>("MGET of early"), ["snapshot", "write"]);
    assert_eq!(client.info("replication", "master_replid").as_deref(), Some(ID));
    let question = request("REPLCONF GETACK *");
    main.send(question.as_bytes());
    let end = (end + question.len()).to_string();
    wait_until("it is acknowledged", || main.read_request()[..3] == ["REPLCONF", "ACK", &end]);
}

#[test]
fn a_replica_takes_ours_beside_the_stream() {
    // A ping would be a part of the stream.
    let primary = Server::start(Ours, &["--repl-ping-replica-period 3600"]);
    let mut client = primary.client();
    client.call::<()>("SET before snapshot");
    let mut main = Raw::connect(&primary);
    let say = |connection: &mut Raw, line: &str, reply: &str| {
        connection.send(request(line).as_bytes());
        connection.expect(reply);
    };
    say(&mut main, "PING", "+PONG\r\n");
    main.send(request("CLIENT ID").as_bytes());
    let id = main.read_line().trim_start_matches(':').to_owned();
    say(&mut main, "REPLCONF listening-port 7777", "+OK\r\n");
    // What ours does not know costs nothing but the answer.
    main.send(request("REPLCONF rdb-no-compress 1 rdb-no-checksum 1").as_bytes());
    let answered = main.read_line();
    assert!(answered == "+OK" || answered.starts_with("-ERR "), "{answered}");
    say(&mut main, "REPLCONF capa eof capa psync2 capa rdb-channel-repl", "+OK\r\n");
    say(&mut main, "PSYNC ? -1", &format!("+RDBCHANNELSYNC {id}\r\n"));

    let mut side = Raw::connect(&primary);
    let introduction =
        format!("REPLCONF capa eof rdb-only 1 rdb-channel 1 main-ch-client-id {id} listening-port 7777");
    say(&mut side, &introduction, "+OK\r\n");
    side.send(request("PSYNC ? -1").as_bytes());
    let announced = side.read_filled_line();
    let words: Vec<&str> = announced.split(' ').collect();
    assert_eq!(words[0], "+FULLRESYNC", "{announced}");
    assert_eq!(Some(words[1].to_owned()), client.info("replication", "master_replid"));
    let offset: usize = words[2].parse().expect("an offset");
    let head = side.read_filled_line();
    let mark = head.strip_prefix("$EOF:").unwrap_or_else(|| panic!("{head}")).to_owned();
    assert_eq!(side.read(9), b"REDIS0010");

    // No second request on the main connection: the stream comes by itself.
    client.call::<()>("SET written meanwhile");
    let stream = [request("SELECT 0"), request("SET written meanwhile")].concat();
    main.expect(&stream);
    side.read_until(mark.as_bytes());
    drop(side);
    let end = offset + stream.len();
    main.send(request(&format!("REPLCONF ACK {end}")).as_bytes());
    wait_until("it is online", || {
        client.info("replication", "slave0").is_some_and(|line| {
            line.contains("port=7777")
                && line.contains("state=online")
                && line.contains(&format!("offset={end}"))
        })
    });
    assert_eq!(client.info_number("replication", "connected_slaves"), 1, "it is listed once");
    assert_eq!(client.info_number("stats", "sync_full"), 1);
}
