//! The guard of a replica's data: which full syncs it refuses, and what consent is.

use slipstream_engine::{Effect, LoadedData, Source, Stored, load};

use crate::script::Script;

const OTHER: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

/// A node with so many keys.
fn node_with(keys: usize) -> Script {
    let mut script = Script::new();
    for key in 0..keys {
        script.ask(&format!("SET key:{key} v"));
    }
    script
}

/// The data of a node with so many keys, as `script` loads it in a full sync.
fn data(script: &mut Script, keys: usize) -> LoadedData {
    let mut source = node_with(keys);
    let job = source.node.core.snapshot_job(&source.node.keyspace);
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    let options = script.node.load_options(Source::Sync);
    load(bytes.as_slice(), options).unwrap()
}

/// The primary begins a full sync.
fn begin(script: &mut Script, connection: u64, id: &str) {
    begin_after(script, connection, id, "-NOPERM\r\n");
}

/// The same; what it says of its history, if it is asked.
fn begin_after(script: &mut Script, connection: u64, id: &str, history: &str) {
    script.node.link_connected(connection);
    script.node.link_received(connection, b"+PONG\r\n");
    script.node.take_effects();
    script.node.link_received(connection, b"+OK\r\n+OK\r\n+OK\r\n");
    let asks_for_history =
        |effect: &Effect| matches!(effect, Effect::LinkSend(bytes) if bytes.starts_with(b"*2\r\n$4\r\nINFO"));
    if script.node.take_effects().iter().any(asks_for_history) {
        script.node.link_received(connection, history.as_bytes());
    }
    script.node.link_received(connection, format!("+FULLRESYNC {id} 7\r\n$1\r\nx").as_bytes());
}

/// The primary offers a full sync of so many keys; whether it is taken.
fn offer(script: &mut Script, (connection, load): (u64, u64), id: &str, keys: usize) -> bool {
    begin(script, connection, id);
    let data = data(script, keys);
    script.node.loaded_sync(load, Ok(data));
    script.node.core.replication.link.is_up()
}

fn blocked(script: &Script) -> Option<&str> {
    script.node.core.replication.link.blocked()
}

#[test]
fn much_less_of_an_unknown_history_is_refused() {
    let check = |percent: u32, present: usize, offered: usize, taken: bool| {
        let mut script = node_with(present);
        script.node.core.config.replica_guard_shrink_percent = percent;
        script.ask("REPLICAOF a 1");
        let what = format!("{offered} keys for {present}, at {percent} percent");
        assert_eq!(offer(&mut script, (1, 1), OTHER, offered), taken, "{what}");
        assert_eq!(blocked(&script).is_some(), !taken, "{what}");
        let kept = if taken { offered } else { present };
        assert_eq!(script.ask("DBSIZE"), format!(":{kept}"), "{what}");
    };
    check(50, 10, 0, false);
    check(50, 10, 5, false);
    check(50, 10, 6, true);
    check(50, 1, 0, false);
    check(50, 0, 0, true);
    check(50, 10, 20, true);
    check(100, 10, 1, true);
    check(100, 10, 0, false);
    check(1, 10, 9, false);
    check(0, 10, 0, true);
}

#[test]
fn less_of_the_own_history_is_taken() {
    let mut script = node_with(10);
    let own = script.node.core.log.history().id.to_string();
    script.ask("REPLICAOF a 1");
    assert!(offer(&mut script, (1, 1), &own, 0));

    let mut script = node_with(10);
    let previous = script.node.core.log.history().id.to_string();
    script.ask("REPLICAOF a 1");
    script.ask("REPLICAOF NO ONE");
    script.ask("REPLICAOF a 1");
    assert!(offer(&mut script, (3, 1), &previous, 0));
}

#[test]
fn who_refuses_says_so_and_goes_on_serving() {
    let mut script = node_with(2);
    script.ask("REPLICAOF a 1");
    assert!(!offer(&mut script, (1, 1), OTHER, 0));
    let reason =
        "its history is unknown here and has 0 keys in place of 2; to take it, send REPLICAOF a 1 FORCE";
    assert_eq!(blocked(&script), Some(reason));
    let info = script.ask("INFO replication");
    assert!(info.contains(&format!("sync_blocked_reason:{reason}")), "{info}");
    assert!(info.contains("master_link_status:down"), "{info}");
    assert_eq!(script.ask("GET key:1"), "v");
}

#[test]
fn a_guard_that_is_switched_off_refuses_nothing_any_more() {
    let mut script = node_with(2);
    script.ask("REPLICAOF a 1");
    assert!(!offer(&mut script, (1, 1), OTHER, 0));
    script.ask("CONFIG SET replica-guard-shrink-percent 0");
    assert_eq!(blocked(&script), None);
    script.advance(1000);
    script.node.tick();
    assert!(offer(&mut script, (3, 3), OTHER, 0));
}

#[test]
fn force_is_consent_to_one_full_sync() {
    let mut script = node_with(2);
    script.ask("REPLICAOF a 1");
    assert!(!offer(&mut script, (1, 1), OTHER, 0));
    assert_eq!(script.ask("REPLICAOF a 1"), "+OK Already connected to specified master");
    assert_eq!(script.ask("REPLICAOF NO ONE FORCE"), "-ERR Invalid master port");
    assert_eq!(script.ask("REPLICAOF a 1 NOW"), "-ERR syntax error");
    assert_eq!(script.ask("REPLICAOF a 1 FORCE"), "+OK");
    assert!(offer(&mut script, (3, 3), OTHER, 1));
    assert_eq!(script.ask("DBSIZE"), ":1");

    script.node.link_closed(3, "reset");
    script.advance(1000);
    script.node.tick();
    assert!(!offer(&mut script, (5, 5), &"b".repeat(40), 0), "the next one asks again");
    assert!(blocked(&script).is_some());
}

#[test]
fn data_is_not_flushed_for_a_load_that_may_be_refused() {
    let check = |percent: u32, order: &str, kept: bool| {
        let mut script = node_with(100);
        script.node.core.config.replica_guard_shrink_percent = percent;
        assert_eq!(script.ask("CONFIG SET repl-diskless-load flush-before-load"), "+OK");
        script.ask(order);
        begin(&mut script, 1, OTHER);
        script.node.load_progress(1, slipstream_rdb::Reached::default());
        let left = script.node.keyspace.db(0).len();
        assert_eq!(left, if kept { 100 } else { 0 }, "{order} at {percent} percent");
    };
    check(50, "REPLICAOF a 1", true);
    check(50, "REPLICAOF a 1 FORCE", false);
    check(0, "REPLICAOF a 1", false);
}

#[test]
fn what_goes_on_from_the_own_history_is_taken() {
    let check = |missing: u64, taken: bool| {
        let mut script = node_with(10);
        let log = &script.node.core.log;
        let (own, next) = (log.history().id.to_string(), log.end().0 + 1 - missing);
        let history =
            format!("master_replid:{OTHER}\r\nmaster_replid2:{own}\r\nsecond_repl_offset:{next}\r\n");
        script.ask("REPLICAOF a 1");
        begin_after(&mut script, 1, OTHER, &format!("${}\r\n{history}\r\n", history.len()));
        let data = data(&mut script, 0);
        script.node.loaded_sync(1, Ok(data));
        assert_eq!(script.node.core.replication.link.is_up(), taken, "{missing} bytes less");
        let info = script.ask("INFO replication");
        let told = info.contains(&format!(
            "master_replid2:{own}\\r\\nmaster_repl_offset:7\\r\\nsecond_repl_offset:{next}"
        ));
        assert_eq!(told, taken, "replicas of this node are told as well: {info}");
    };
    check(0, true);
    check(1, false);
}

/// A replica of `a` that starts with so many keys, and whose earlier life refused the history [`OTHER`].
fn restarted(keys: usize, primary: &str, percent: u32) -> Script {
    let mut source = node_with(keys);
    let job = source.node.core.snapshot_job(&source.node.keyspace);
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    let mut config = slipstream_engine::config::Config::default();
    config.replicaof = Some(slipstream_engine::config::Upstream { host: "a".into(), port: 1 });
    config.replica_guard_shrink_percent = percent;
    let mut script = Script::with_config(config);
    let refused = format!("refused {OTHER} it was empty");
    let role = format!("role replica 1 {primary}");
    script.node.remember(Ok(Some(super::empty_start::state_file(&[&role, "keys 10", &refused]))));
    script.node.start(Stored::Snapshot(100));
    let options = script.node.load_options(Source::File);
    let data = load(bytes.as_slice(), options).unwrap();
    script.node.loaded_file(Ok(Some(data)));
    script
}

#[test]
fn what_was_refused_before_a_restart_stays_refused() {
    let check = |keys: usize, primary: &str, percent: u32, refused: bool| {
        let mut script = restarted(keys, primary, percent);
        let what = format!("{keys} keys, {primary}, {percent} percent");
        assert_eq!(blocked(&script), refused.then_some("it was empty"), "{what}");
        let info = script.ask("INFO replication");
        assert_eq!(info.contains("sync_blocked_reason:it was empty"), refused, "{what}");
    };
    check(10, "a", 50, true);
    check(0, "a", 50, false);
    check(10, "b", 50, false);
    check(10, "a", 0, false);
}

#[test]
fn a_refusal_is_written_down() {
    let mut script = node_with(2);
    script.ask("REPLICAOF a 1");
    script.effects();
    assert!(!offer(&mut script, (1, 1), OTHER, 0));
    script.advance(1000);
    script.node.tick();
    let kept = script.effects().into_iter().find_map(|effect| match effect {
        Effect::KeepState { content, .. } => Some(String::from_utf8(content).unwrap()),
        _ => None,
    });
    let kept = kept.unwrap();
    assert!(kept.contains(&format!("refused {OTHER} its history is unknown here")), "{kept}");
}
