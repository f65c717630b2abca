//! What a client may make the node hold, and who is cut off.

use slipstream_engine::config::{Config, OutputLimit};
use slipstream_engine::session::SessionId;
use slipstream_engine::{Endpoint, Flow};

use crate::script::Script;

#[test]
fn an_unfinished_request_has_a_limit() {
    let mut config = Config::default();
    config.client_query_buffer_limit = 1000;
    let mut script = Script::with_config(config);
    let client = script.client();
    script.node.receive(client, b"*2\r\n$3\r\nGET\r\n$2000\r\n");
    assert_eq!(script.disconnected(), []);
    script.node.receive(client, &[b'x'; 1000]);
    assert_eq!(script.disconnected(), [client]);
}

/// Whether the script's client is to be closed once it has its replies.
fn is_closing(script: &Script) -> bool {
    let session = script.node.core.sessions.get(script.client()).unwrap();
    session.flow == Flow::Closing
}

/// Nothing of such an argument has to arrive for that.
#[test]
fn an_argument_above_512_mib_is_refused_by_its_length() {
    for (length, refused) in [(512 << 20, false), ((512 << 20) + 1, true)] {
        let mut script = Script::new();
        let client = script.client();
        script.node.receive(client, format!("*2\r\n$3\r\nGET\r\n${length}\r\n").as_bytes());
        let reply = if refused { "-ERR Protocol error: invalid bulk length" } else { "" };
        assert_eq!(script.received(client), reply, "{length}");
        assert_eq!(is_closing(&script), refused, "{length}");
    }
}

#[test]
fn a_key_may_be_as_long_as_an_argument() {
    let mut config = Config::default();
    config.proto_max_bulk_len = 1000;
    let mut script = Script::with_config(config);
    let key = "k".repeat(1000);
    script.check_write(&format!("SET {key} v"), "+OK");
    script.check_read(&format!("GET {key}"), "v");
    script.check_write(&format!("HSET h {key} {key}"), ":1");
    assert_eq!(script.ask(&format!("SET {key}k v")), "-ERR Protocol error: invalid bulk length");
    assert!(is_closing(&script));
    assert_eq!((script.propagated(), script.node.keyspace.db(0).len()), (String::new(), 2));
}

#[test]
fn the_requests_that_multi_queues_count() {
    let mut config = Config::default();
    config.client_query_buffer_limit = 1000;
    let mut script = Script::with_config(config);
    let client = script.client();
    script.ask("MULTI");
    script.ask(&format!("SET a {}", "x".repeat(500)));
    assert_eq!(script.disconnected(), []);
    script.ask(&format!("SET b {}", "x".repeat(500)));
    assert_eq!(script.disconnected(), [client]);
}

#[test]
fn unread_replies_have_a_hard_limit() {
    let mut config = Config::default();
    config.client_output_buffer_limit.normal = OutputLimit { hard: 100, soft: 0, soft_seconds: 0 };
    let mut script = Script::with_config(config);
    let client = script.client();
    script.node.receive(client, format!("ECHO {}\r\n", "x".repeat(101)).as_bytes());
    assert_eq!(script.disconnected(), [client]);
}

#[test]
fn who_stays_beyond_the_soft_limit_is_cut_off_although_it_asks_for_nothing_more() {
    let mut config = Config::default();
    config.client_output_buffer_limit.normal = OutputLimit { hard: 0, soft: 100, soft_seconds: 5 };
    let mut script = Script::with_config(config);
    let client = script.client();
    script.node.receive(client, format!("ECHO {}\r\n", "x".repeat(101)).as_bytes());
    script.advance(5_000);
    script.node.tick();
    assert_eq!(script.disconnected(), []);
    script.advance(1_000);
    script.node.tick();
    assert_eq!(script.disconnected(), [client]);
}

#[test]
fn a_replica_that_causes_a_reply_is_cut_off() {
    let mut script = Script::new();
    let replica = script.node.accept(Endpoint::Internal, Endpoint::Internal, 9).unwrap();
    let id = script.node.core.log.history().id;
    script.ask_as(replica, &format!("PSYNC {id} 1"));
    assert_eq!(script.ask_as(replica, "REPLCONF ACK 0"), "");
    assert_eq!(script.disconnected(), []);
    assert_eq!(script.ask_as(replica, "PING"), "");
    assert_eq!(script.disconnected(), [replica]);
}

#[test]
fn client_reply_skip_holds_for_a_reply_that_has_to_wait() {
    let mut script = Script::new();
    script.ask("CLIENT REPLY SKIP");
    script.ask("WAIT 1 10");
    script.advance(11);
    script.node.tick();
    let client = script.client();
    assert_eq!(script.received(client), "");
    assert_eq!(script.ask("PING"), "+PONG");
}

#[test]
fn an_idle_client_is_closed_after_its_time_unless_it_waits() {
    let mut config = Config::default();
    config.timeout = 10;
    let mut script = Script::with_config(config);
    let (client, waiter) = (script.client(), script.connect());
    script.ask_as(waiter, "WAIT 1 0");
    script.advance(10_000);
    script.node.tick();
    assert_eq!(script.disconnected(), []);
    script.advance(1_000);
    script.node.tick();
    assert_eq!(script.disconnected(), [client]);
}

/// A node with a limit of 400 KiB for all clients. Buffers grow by doubling: up to twice of what is in them.
fn limited_clients() -> Script {
    let mut config = Config::default();
    config.maxmemory_clients = 400 << 10;
    Script::with_config(config)
}

/// The end of a turn: who is closed.
fn end_turn(script: &mut Script) -> Vec<SessionId> {
    script.node.core.sessions.take_marked();
    script.node.end_turn();
    let closed = script.disconnected();
    closed.iter().for_each(|id| script.node.closed(*id));
    closed
}

#[test]
fn the_greediest_clients_are_closed_first_and_no_more_than_needed() {
    let mut script = limited_clients();
    let [small, large, larger] = [30, 80, 120].map(|kib: usize| {
        let client = script.connect();
        let request = format!("*2\r\n$4\r\nECHO\r\n${}\r\n{}", 1 << 20, "x".repeat(kib << 10));
        script.node.receive(client, request.as_bytes());
        client
    });
    assert_eq!(end_turn(&mut script), [larger]);
    assert_eq!(end_turn(&mut script), []);
    script.ask("CONFIG SET maxmemory-clients 128kb");
    assert_eq!(end_turn(&mut script), [large]);
    assert!(script.node.core.sessions.get(small).is_some());
    assert!(script.ask("INFO stats").contains("evicted_clients:2"));
}

#[test]
fn replies_that_nobody_reads_count_and_those_that_were_sent_do_not() {
    let mut script = limited_clients();
    script.ask(&format!("SET k {}", "x".repeat(150 << 10)));
    let [reader, sluggard] = [script.connect(), script.connect()];
    for client in [reader, sluggard] {
        script.node.receive(client, b"GET k\r\n");
        if client == reader {
            script.received(reader);
            script.node.core.sessions.get_mut(reader).unwrap().output = slipstream_resp::Reply::default();
        }
    }
    assert_eq!(end_turn(&mut script), []);
    script.node.receive(sluggard, b"GET k\r\n");
    assert_eq!(end_turn(&mut script), [sluggard]);
}

#[test]
fn queued_commands_and_watched_keys_count() {
    for request in ["SET k ", "WATCH "] {
        let mut script = limited_clients();
        let client = script.connect();
        if request == "SET k " {
            script.ask_as(client, "MULTI");
        }
        script.ask_as(client, &format!("{request}{}", "x".repeat(401 << 10)));
        assert_eq!(end_turn(&mut script), [client]);
    }
}

#[test]
fn clients_that_take_too_much_go_before_any_key() {
    let mut config = Config::default();
    config.maxmemory = 1000;
    config.maxmemory_policy = slipstream_engine::config::EvictionPolicy::AllKeysLru;
    config.maxmemory_clients = 400 << 10;
    let mut script = Script::with_config(config);
    script.ask("SET k v");
    let greedy = script.connect();
    let request = format!("*2\r\n$4\r\nECHO\r\n$500000\r\n{}", "x".repeat(450 << 10));
    script.node.receive(greedy, request.as_bytes());
    script.set_memory(1_000_000);
    script.ask("PING");
    assert_eq!(script.disconnected(), [greedy]);
}

#[test]
fn who_asks_not_to_be_evicted_stays() {
    let mut script = limited_clients();
    let client = script.connect();
    script.ask_as(client, "CLIENT NO-EVICT ON");
    script
        .node
        .receive(client, format!("*2\r\n$4\r\nECHO\r\n$500000\r\n{}", "x".repeat(450 << 10)).as_bytes());
    // All others go, although that is not enough.
    let others = script.client();
    assert_eq!(end_turn(&mut script), [others]);
    assert!(script.node.core.sessions.get(client).is_some());
}
