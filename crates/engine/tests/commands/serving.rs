//! A node that serves replicas: how they are listed, what they are sent, and when not.

use slipstream_engine::Effect;
use slipstream_engine::session::SessionId;

use crate::script::Script;

/// A replica that asks for data from a byte of the node's history on.
fn attach(script: &mut Script, options: &str, psync: &str) -> SessionId {
    let replica = script.connect();
    script.ask_as(replica, &format!("REPLCONF {options}"));
    script.ask_as(replica, psync);
    script.node.tick();
    replica
}

/// What continues at the log's end.
fn psync(script: &Script) -> String {
    let log = &script.node.core.log;
    format!("PSYNC {} {}", log.history().id, log.end().0 + 1)
}

#[test]
fn a_replica_is_listed_where_it_says_that_it_is() {
    let mut script = Script::new();
    let request = psync(&script);
    attach(&mut script, "listening-port 16380 ip-address behind.nat.example capa psync2", &request);
    let info = script.ask("INFO replication");
    assert!(info.contains("slave0:ip=behind.nat.example,port=16380,state=online,"), "{info}");
    assert_eq!(info.matches("slave0:").count(), 1);
    assert_eq!(script.ask("ROLE"), "[master :0 [[behind.nat.example 16380 0]]]");
    assert_eq!(script.ask("FAILOVER TO behind.nat.example 16380 TIMEOUT 1"), "+OK");
}

/// The content of the snapshot that a replica with these options is sent.
fn snapshot_for(script: &mut Script, options: &str) -> slipstream_engine::host::SnapshotJob {
    attach(script, options, "SYNC");
    script.advance(10_000);
    script.node.tick();
    let order = script.effects().into_iter().find_map(|effect| match effect {
        Effect::StartSync(order) => Some(order),
        _ => None,
    });
    order.unwrap().content
}

#[test]
fn a_snapshot_of_the_functions_has_no_keys() {
    let mut script = Script::new();
    script.ask("SET k v");
    script.ask("FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() end)\"");
    let functions = snapshot_for(&mut script, "rdb-only 1 rdb-filter-only functions capa eof");
    assert_eq!((keys(&functions), functions.preface.functions.len()), (0, 1));
    let nothing = snapshot_for(&mut script, "rdb-only 1 rdb-filter-only \"\" capa eof");
    assert_eq!((keys(&nothing), nothing.preface.functions.len()), (0, 0));
    let whole = snapshot_for(&mut script, "rdb-only 1 capa eof");
    assert_eq!((keys(&whole), whole.preface.functions.len()), (1, 1));
}

fn keys(job: &slipstream_engine::host::SnapshotJob) -> usize {
    let mut bytes = Vec::new();
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    slipstream_rdb::write(job.snapshot.clone(), &job.preface, write, &mut bytes).unwrap();
    bytes.windows(5).filter(|window| window == b"\x00\x01k\x01v").count()
}

/// A node that follows a primary, and may have replicas itself.
fn in_the_middle() -> Script {
    let mut script = Script::new();
    script.ask("REPLICAOF a 1");
    script.node.link_connected(1);
    // The refusal is the answer to the question where its history forks.
    script.node.link_received(1, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n-NOPERM\r\n+CONTINUE\r\n");
    script.node.tick();
    script
}

#[test]
fn replicas_below_stay_while_the_link_above_is_down_and_newcomers_wait() {
    let mut script = in_the_middle();
    let request = psync(&script);
    let below = attach(&mut script, "listening-port 1 capa psync2", &request);
    script.node.link_closed(1, "reset");
    script.node.tick();
    assert!(script.ask("INFO replication").contains("connected_slaves:1"));
    let newcomer = script.connect();
    let refused = "-NOMASTERLINK Can't SYNC while not connected with my master";
    assert_eq!(script.ask_as(newcomer, &request), refused);
    assert_eq!(script.ask_as(newcomer, "SYNC"), refused);
    let closed = |effect: &Effect| matches!(effect, Effect::Disconnect(id) if *id == below);
    assert!(!script.effects().iter().any(closed));
}

const STAYS: &str = "listening-port 1 capa eof capa psync2 capa slipstream1 capa slipstream-history";

/// The shell sends what is left of the streams that end.
fn end_streams(script: &mut Script) {
    for effect in script.effects() {
        match effect {
            Effect::EndStream { replica, end, .. } => script.node.stream_ended(replica, end),
            Effect::Disconnect(id) => script.node.closed(id),
            _ => {}
        }
    }
    script.node.tick();
}

#[test]
fn a_replica_of_ours_outlasts_a_promotion_and_stock_ones_do_not() {
    let mut script = in_the_middle();
    let continues = psync(&script);
    let ours = attach(&mut script, STAYS, &continues);
    let stock = attach(&mut script, "listening-port 2 capa eof capa psync2", &continues);
    script.effects();
    script.received(ours);
    script.ask("REPLICAOF NO ONE");
    script.ask("SET k v");
    end_streams(&mut script);
    assert!(script.node.core.sessions.get(stock).is_none());
    assert_eq!(script.received(ours), "+HISTORY");
    assert!(script.ask("CLIENT LIST").contains(&format!("id={} ", ours.0)));
    assert_eq!(script.ask_as(ours, "REPLCONF verify chunk"), "", "what was on its way is not answered");
    assert_eq!(script.ask_as(ours, "REPLCONF ACK 0"), "");
    assert!(script.ask_as(ours, "INFO replication").contains("role:master"));
    let answer = script.ask_as(ours, &continues);
    assert_eq!(answer, format!("+CONTINUE {}", script.node.core.log.history().id));
    script.node.tick();
    assert!(script.ask("INFO replication").contains(",port=1,state=online,"));
    let begins = |effect: Effect| matches!(effect, Effect::StartStream { replica, .. } if replica == ours);
    assert!(script.effects().into_iter().any(begins));
}

#[test]
fn a_replica_that_asks_for_data_at_no_number_is_told_so() {
    let mut script = Script::new();
    assert_eq!(script.ask("PSYNC ? x"), "-ERR value is not an integer or out of range");
    assert_eq!(script.ask("PING"), "+PONG");
    assert!(script.ask("INFO replication").contains("connected_slaves:0"));
}

#[test]
fn a_replica_that_would_be_answered_is_closed_instead() {
    for request in ["PING", "GET k", "NOSUCH"] {
        let mut script = Script::new();
        let continues = psync(&script);
        let replica = attach(&mut script, "capa psync2", &continues);
        script.received(replica);
        assert_eq!(script.ask_as(replica, request), "", "{request}");
        assert!(script.disconnected().contains(&replica), "{request}");
    }
}

#[test]
fn acknowledgements_count_as_requests_whoever_reads_them() {
    let mut script = Script::new();
    let request = psync(&script);
    let replica = attach(&mut script, "listening-port 1 capa psync2", &request);
    script.ask("CONFIG RESETSTAT");
    script.node.count_acks(replica, 3, 111);
    script.ask_as(replica, "REPLCONF ACK 1");
    let stats = script.ask("INFO commandstats");
    assert!(stats.contains("cmdstat_replconf:calls=4,"), "{stats}");
    assert!(script.ask("CLIENT LIST TYPE replica").contains("cmd=replconf"));
}

#[test]
fn a_shutdown_asks_replicas_that_lag_and_ends_with_their_answer() {
    let mut script = Script::new();
    let request = psync(&script);
    let replica = attach(&mut script, "listening-port 1 capa psync2", &request);
    script.ask("SET k v");
    let written = script.node.core.log.end();
    script.ask("SHUTDOWN NOSAVE");
    script.node.tick();
    assert_eq!(script.propagated().matches("GETACK").count(), 1);
    assert!(!script.effects().iter().any(|effect| matches!(effect, Effect::Exit(_))), "it waits");
    let watcher = script.connect();
    assert!(script.ask_as(watcher, "INFO server").contains("shutdown_in_milliseconds:10000"));
    script.ask_as(replica, &format!("REPLCONF ACK {written}"));
    script.node.tick();
    assert!(script.effects().iter().any(|effect| matches!(effect, Effect::Exit(0))));
}

#[test]
fn a_replica_that_is_killed_is_gone_for_the_rest_of_the_transaction() {
    let mut script = Script::new();
    let request = psync(&script);
    attach(&mut script, "listening-port 1 capa psync2", &request);
    for command in ["MULTI", "CLIENT KILL TYPE replica", "INFO replication"] {
        script.ask(command);
    }
    let replies = script.ask("EXEC");
    assert!(replies.starts_with("[:1 ") && replies.contains("connected_slaves:0"), "{replies}");
    assert!(!script.disconnected().is_empty());
}

/// A replica of ours that has been told that the history has changed, and how it would ask again.
fn told() -> (Script, SessionId, String) {
    let mut script = in_the_middle();
    let continues = psync(&script);
    let replica = attach(&mut script, STAYS, &continues);
    script.effects();
    script.received(replica);
    script.ask("REPLICAOF NO ONE");
    end_streams(&mut script);
    assert_eq!(script.received(replica), "+HISTORY");
    (script, replica, continues)
}

#[test]
fn a_replica_that_asks_again_is_a_replica_for_those_who_list_close_and_pause_clients() {
    let (mut script, replica, continues) = told();
    let listed = format!("id={} ", replica.0);
    assert!(script.ask("CLIENT LIST TYPE replica").contains(&listed));
    assert!(!script.ask("CLIENT LIST TYPE normal").contains(&listed));
    let clients = script.ask("CLIENT LIST TYPE normal").lines().count();
    assert!(script.ask("INFO clients").contains(&format!("connected_clients:{clients}")));
    script.ask("CLIENT KILL TYPE normal");
    assert!(script.ask("CLIENT LIST").contains(&listed));
    assert_eq!(script.ask("CLIENT PAUSE 100000 ALL"), "+OK");
    let refused = "-ERR Replica can't interact with the keyspace";
    assert_eq!(script.ask_as(replica, "SET k v"), refused, "it would not be held back");
    assert_eq!(script.ask_as(replica, "GET k"), "$-1");
    let answer = script.ask_as(replica, &continues);
    assert_eq!(answer, format!("+CONTINUE {}", script.node.core.log.history().id));
}

#[test]
fn what_a_replica_asks_before_it_continues_are_signs_of_life() {
    let (mut script, replica, _) = told();
    let closed_after = |script: &mut Script, ms: u64| {
        script.advance(ms);
        script.node.tick();
        script.disconnected().contains(&replica)
    };
    for _ in 0..5 {
        assert!(!closed_after(&mut script, 50_000), "it takes values of keys, or loads");
        script.ask_as(replica, "DUMP k");
    }
    for _ in 0..5 {
        assert!(!closed_after(&mut script, 50_000));
        script.node.receive(replica, b"\n");
    }
    assert!(closed_after(&mut script, 62_000), "it says nothing more");
}
