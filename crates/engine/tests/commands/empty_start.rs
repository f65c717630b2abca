//! A primary that starts without its data: when it waits for a replica that has it, and what ends the wait.

use slipstream_engine::config::Config;
use slipstream_engine::{Effect, LoadedData, Signal, Source, Stored, load};

use crate::script::Script;

const ID: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

/// A state file with these lines.
pub(crate) fn state_file(lines: &[&str]) -> Vec<u8> {
    let lines = std::iter::once(&"slipstream-state 1").chain(lines);
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let sum = slipstream_rdb::crc64(text.as_bytes());
    format!("{text}sum {sum:016x}\n").into_bytes()
}

/// What a primary with ten keys and a replica leaves behind.
fn with_a_replica() -> Vec<u8> {
    state_file(&["role primary", &format!("history {ID} 1000"), "keys 10", "replica 990 7002 10.0.0.2"])
}

/// A node that starts without a snapshot, beside this state file.
fn start(config: Config, file: &[u8]) -> Script {
    let mut script = Script::with_config(config);
    script.node.remember(Ok(Some(file.to_vec())));
    script.node.start(Stored::Nothing);
    script
}

fn waits(script: &mut Script) -> bool {
    script.ask("GET k").starts_with("-LOADING ")
}

#[test]
fn only_who_lost_what_its_replicas_have_waits() {
    let check = |what: &str, lines: &[&str], expected: bool| {
        let file = state_file(lines);
        assert_eq!(waits(&mut start(Config::default(), &file)), expected, "{what}");
    };
    let (history, replica) = (format!("history {ID} 1000"), "replica 990 7002 10.0.0.2");
    check("a replica has data", &["role primary", &history, "keys 10", replica], true);
    check("it was a replica with a replica", &["role replica 1 a", &history, "keys 10", replica], true);
    check("there was no data", &["role primary", &history, "keys 0", replica], false);
    check("there was no replica", &["role primary", &history, "keys 10"], false);
    check("nothing is known", &[], false);
}

#[test]
fn a_file_that_tells_nothing_is_no_reason_to_wait() {
    let whole = with_a_replica();
    assert!(!waits(&mut start(Config::default(), &whole[..whole.len() - 2])));
    assert!(!waits(&mut start(Config::default(), b"REDIS0010")));
    let mut script = Script::new();
    script.node.remember(Err("permission denied".into()));
    script.node.start(Stored::Nothing);
    assert!(!waits(&mut script));
}

#[test]
fn who_follows_another_or_is_told_not_to_wait_does_not() {
    let mut config = Config::default();
    config.primary_empty_start_wait = 0;
    assert!(!waits(&mut start(config, &with_a_replica())));
    let mut config = Config::default();
    config.replicaof = Some(slipstream_engine::config::Upstream { host: "a".into(), port: 1 });
    assert!(!waits(&mut start(config, &with_a_replica())));
}

/// A snapshot of what these requests leave, and the history and offset that it names.
pub(crate) fn snapshot(requests: impl IntoIterator<Item = String>) -> (Vec<u8>, String, u64) {
    let mut source = Script::new();
    for request in requests {
        source.ask(&request);
    }
    source.ask("DEL other");
    let job = source.node.core.snapshot_job(&source.node.keyspace);
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    let log = &source.node.core.log;
    (bytes, log.history().id.to_string(), log.end().0)
}

/// Whether a node waits that loads a snapshot of so many keys, and whose replica was so far beyond it.
fn waits_with_snapshot(keys: usize, beyond: u64) -> bool {
    let (bytes, id, offset) = snapshot((0..keys).map(|key| format!("SET key:{key} v")));
    let position = offset + beyond;
    let history = format!("history {id} {position}");
    let replica = format!("replica {position} 7002 10.0.0.2");
    let mut script = Script::new();
    script.node.remember(Ok(Some(state_file(&["role primary", &history, "keys 10", &replica]))));
    script.node.start(Stored::Snapshot(100));
    let options = script.node.load_options(Source::File);
    let data: LoadedData = load(bytes.as_slice(), options).unwrap();
    script.node.loaded_file(Ok(Some(data)));
    waits(&mut script)
}

#[test]
fn an_empty_snapshot_counts_as_none_where_a_replica_has_more() {
    assert!(waits_with_snapshot(0, 1));
    assert!(!waits_with_snapshot(0, 0), "the replica is as empty");
    assert!(!waits_with_snapshot(3, 1), "there is data");
}

#[test]
fn who_waits_serves_nobody_and_looks_dead_to_sentinels() {
    let mut script = start(Config::default(), &with_a_replica());
    for request in ["GET k", "SET k v", "DBSIZE", "PSYNC ? -1", "SYNC", "BGSAVE", "FAILOVER", "SELECT 1 1"] {
        let reply = script.ask(request);
        let expected = if request.starts_with("SELECT") { "-ERR" } else { "-LOADING This primary started" };
        assert!(reply.starts_with(expected), "{request}: {reply}");
    }
    let reply = script.ask("PING");
    assert_eq!(
        reply,
        "-NODATA This primary started without the data that its replicas have. It waits 60 s for one of them to \
         take its place; REPLICAOF NO ONE starts it as it is"
    );
    assert_eq!(script.ask("ROLE"), "[master :0 []]");
    assert_eq!(script.ask("REPLCONF listening-port 1"), "+OK");
    let info = script.ask("INFO replication");
    assert!(info.contains("empty_start_wait_seconds_left:60"), "{info}");
    assert!(
        info.contains(
            "empty_start_reason:it had 10 keys, and 1 of its replicas had a copy, 10.0.0.2:7002 up to offset 990"
        ),
        "{info}"
    );
}

#[test]
fn the_wait_ends_with_its_time() {
    let mut script = start(Config::default(), &with_a_replica());
    script.effects();
    script.advance(59_999);
    script.node.tick();
    assert!(waits(&mut script));
    assert_eq!(script.node.time_left().as_millis(), 1);
    script.advance(1);
    script.node.tick();
    assert_eq!(script.ask("PING"), "+PONG");
    assert_eq!(script.ask("SET k v"), "+OK");
    assert!(!script.ask("INFO replication").contains("empty_start"));
}

#[test]
fn a_history_begins_when_the_wait_ends_even_for_the_append_only_file() {
    let mut config = Config::default();
    config.appendonly = true;
    let mut script = Script::with_config(config);
    script.node.core.log.deactivate(&mut fastrand::Rng::with_seed(1));
    script.node.remember(Ok(Some(with_a_replica())));
    script.node.start(Stored::Nothing);
    script.node.tick();
    let info = script.ask("INFO replication");
    assert!(info.contains("repl_backlog_active:0"), "{info}");
    assert_eq!(script.ask("REPLICAOF NO ONE"), "+OK");
    assert_eq!(script.ask("SET k v"), "+OK");
    let info = script.ask("INFO replication");
    assert!(info.contains("repl_backlog_active:1") && !info.contains("master_repl_offset:0"), "{info}");
}

#[test]
fn whoever_says_what_the_node_is_to_be_ends_the_wait() {
    let check = |request: &str, role: &str| {
        let mut script = start(Config::default(), &with_a_replica());
        assert_eq!(script.ask(request), "+OK");
        script.node.tick();
        assert!(!waits(&mut script), "{request}");
        assert!(script.ask("ROLE").starts_with(role), "{request}");
    };
    check("REPLICAOF 10.0.0.2 7002", "[slave");
    check("SLAVEOF 10.0.0.2 7002", "[slave");
    check("REPLICAOF NO ONE", "[master");
    check("CONFIG SET primary-empty-start-wait 0", "[master");
}

#[test]
fn a_sentinel_says_so_in_a_transaction() {
    let mut script = start(Config::default(), &with_a_replica());
    for request in ["SLAVEOF 10.0.0.2 7002", "CONFIG REWRITE", "CLIENT KILL TYPE pubsub"] {
        script.ask("MULTI");
        assert_eq!(script.ask(request), "+QUEUED", "{request}");
        assert!(!script.ask("EXEC").starts_with("-LOADING"), "{request}");
    }
    assert!(script.ask("ROLE").starts_with("[slave"));
}

#[test]
fn restarts_do_not_lengthen_the_wait() {
    let mut script = start(Config::default(), &with_a_replica());
    let kept = script.effects().into_iter().find_map(|effect| match effect {
        Effect::KeepState { content, .. } => Some(content),
        _ => None,
    });
    let kept = kept.expect("when it began is written");
    let mut again = Script::new();
    again.advance(45_000);
    again.node.remember(Ok(Some(kept.clone())));
    again.node.start(Stored::Nothing);
    assert!(again.ask("INFO replication").contains("empty_start_wait_seconds_left:15"));
    let mut late = Script::new();
    late.advance(70_000);
    late.node.remember(Ok(Some(kept)));
    late.node.start(Stored::Nothing);
    assert!(!waits(&mut late));
}

#[test]
fn who_ends_while_it_waits_writes_no_snapshot_and_forgets_nothing() {
    let mut config = Config::default();
    config.save = vec![slipstream_engine::config::SavePoint { seconds: 60, changes: 1 }];
    let mut script = start(config, &with_a_replica());
    script.effects();
    script.advance(2_000);
    script.node.tick();
    script.node.signal(Signal::Terminate);
    let effects = script.effects();
    assert!(matches!(effects.as_slice(), [Effect::Exit(0)]), "{effects:?}");
}
