//! A node that wrote behind the fork, and takes the keys that it wrote from its new primary.

use slipstream_engine::Effect;
use slipstream_engine::aof::Report;
use slipstream_resp::encode_request;

use crate::script::Script;

const NEW: &str = "8de1787ba490483314a4d30f1c628bc5025eb761";

fn requests(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        encode_request(&mut bytes, line.split(' ').map(str::as_bytes).collect::<Vec<_>>().into_iter());
    }
    bytes
}

/// What the node has sent to the primary since, its last request first words.
fn sent(script: &mut Script) -> String {
    let bytes = script.node.take_effects().into_iter().filter_map(|effect| match effect {
        Effect::LinkSend(bytes) => Some(bytes),
        _ => None,
    });
    let text = String::from_utf8_lossy(&bytes.flatten().collect::<Vec<u8>>()).into_owned();
    let words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$']));
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// A primary that has written `SET a old`, `SET b old` up to the fork, then `lost`, and is told to follow another.
/// The fork comes back with it.
fn parted(lost: &[&str]) -> (Script, u64) {
    let mut script = Script::new();
    script.ask("SET a old");
    script.ask("SET b old");
    let fork = script.node.core.log.end().0;
    lost.iter().for_each(|line| drop(script.ask(line)));
    script.ask("REPLICAOF a 1");
    introduce(&mut script, 1, fork);
    (script, fork)
}

/// The new primary greets the node and says where its history forks.
fn introduce(script: &mut Script, connection: u64, fork: u64) {
    let old = script.node.core.log.history().id;
    script.node.link_connected(connection);
    script.node.link_received(connection, b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert!(sent(script).ends_with("INFO replication"));
    let text = format!("master_replid:{NEW}\r\nmaster_replid2:{old}\r\nsecond_repl_offset:{}\r\n", fork + 1);
    let reply = format!("${}\r\n{text}\r\n", text.len());
    script.node.link_received(connection, reply.as_bytes());
}

/// EXEC's reply of a primary that stands at `end` and has these values in database 0.
fn give(script: &mut Script, connection: u64, end: u64, values: &[Option<&str>]) {
    let mut other = Script::new();
    let info = format!("role:master\r\nmaster_replid:{NEW}\r\nmaster_repl_offset:{end}\r\n");
    let mut reply = b"+OK\r\n".to_vec();
    reply.extend("+QUEUED\r\n".repeat(2 + 2 * values.len()).bytes());
    reply.extend(format!("*{}\r\n${}\r\n{info}\r\n+OK\r\n", 2 + 2 * values.len(), info.len()).bytes());
    for value in values {
        match value {
            None => reply.extend(b"$-1\r\n:-2\r\n"),
            Some(value) => {
                other.ask(&format!("SET k {value}"));
                let value = other.node.keyspace.db_mut(0).get(b"k", slipstream_keyspace::UnixMillis(0));
                let payload = slipstream_rdb::dump(&value.unwrap(), true);
                reply.extend(format!("${}\r\n", payload.len()).bytes());
                reply.extend(payload);
                reply.extend(b"\r\n:-1\r\n");
            }
        }
    }
    script.node.link_received(connection, &reply);
}

fn go_on(script: &mut Script, connection: u64) {
    script.node.link_received(connection, format!("+CONTINUE {NEW}\r\n").as_bytes());
}

fn is_up(script: &Script) -> bool {
    script.node.core.replication.link.is_up()
}

const STREAM: [&str; 4] = ["SELECT 0", "SET free 1", "APPEND a 1", "SET c 1"];

/// The node wrote `a` and `b` behind the fork, has the primary's values as of the end of [`STREAM`], and continues.
fn restoring() -> Script {
    let (mut script, fork) = parted(&["SET a lost", "DEL b"]);
    let asked = "MULTI INFO replication SELECT 0 DUMP a PEXPIRETIME a DUMP b PEXPIRETIME b EXEC";
    assert_eq!(sent(&mut script), asked);
    let end = fork + requests(&STREAM).len() as u64;
    give(&mut script, 1, end, &[Some("theirs"), Some("kept")]);
    let asked = sent(&mut script);
    assert!(asked.starts_with("PSYNC") && asked.ends_with(&(fork + 1).to_string()), "{asked}");
    go_on(&mut script, 1);
    script
}

#[test]
fn a_shutdown_waits_for_no_base_of_data_with_stale_keys() {
    let mut script = restoring();
    script.node.core.config.appendonly = true;
    script.node.tick();
    script.node.aof_reported(Report::Opened(Ok(None)));
    script.effects();
    script.ask("SHUTDOWN NOSAVE");
    script.node.tick();
    let effects = script.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Exit(0))), "{effects:?}");
}

#[test]
fn what_needs_a_stale_key_is_left_out_until_its_value_is_there() {
    let mut script = restoring();
    script.node.link_received(1, &requests(&STREAM[..3]));
    assert_eq!(script.ask("MGET a b free c"), "[lost _ 1 _]".replace('_', "$-1"));
    assert!(!is_up(&script));
    script.node.link_received(1, &requests(&STREAM[3..]));
    assert!(is_up(&script));
    assert_eq!(script.ask("MGET a b free c"), "[theirs kept 1 1]");
    script.node.link_received(1, &requests(&["APPEND a 2"]));
    assert_eq!(script.ask("GET a"), "theirs2");
    let info = script.ask("INFO replication");
    assert!(info.contains("last_divergence_restored_keys:2"), "{info}");
}

#[test]
fn values_of_the_fork_take_their_places_at_once() {
    let (mut script, fork) = parted(&["SET a lost"]);
    give(&mut script, 1, fork, &[Some("theirs")]);
    go_on(&mut script, 1);
    assert!(is_up(&script));
    assert_eq!(script.ask("GET a"), "theirs");
}

#[test]
fn a_node_with_stale_keys_is_no_copy() {
    let mut script = restoring();
    script.node.link_received(1, &requests(&STREAM[..3]));
    assert!(script.node.core.has_stale_keys());
    let job = script.node.core.snapshot_job(&script.node.keyspace);
    assert!(job.preface.aux.replication().is_none(), "a file names no offset");
    assert!(script.ask("PSYNC ? -1").contains("NOMASTERLINK"));
    script.ask("REPLICAOF NO ONE");
    assert!(!script.node.core.log.is_active(), "nobody can continue from where it stood");
    assert!(!script.node.core.has_stale_keys());
}

#[test]
fn a_transaction_ends_before_its_values_take_their_places() {
    let (mut script, fork) = parted(&["SET a lost"]);
    let stream = requests(&["MULTI", "SELECT 0", "APPEND a 1", "SET free 1", "EXEC"]);
    give(&mut script, 1, fork + stream.len() as u64, &[Some("theirs1")]);
    go_on(&mut script, 1);
    let (most, rest) = stream.split_at(stream.len() - 1);
    script.node.link_received(1, most);
    assert_eq!(script.ask("MGET a free"), "[lost $-1]");
    script.node.link_received(1, rest);
    assert_eq!(script.ask("MGET a free"), "[theirs1 1]");
    assert!(is_up(&script));
}

#[test]
fn what_a_stale_key_makes_of_others_is_asked_for_too() {
    let (mut script, fork) = parted(&["SET a lost"]);
    let stream = requests(&["SELECT 0", "COPY a d", "SET e 1", "COPY a e REPLACE", "SET e 2"]);
    give(&mut script, 1, fork + stream.len() as u64, &[Some("theirs")]);
    go_on(&mut script, 1);
    script.node.link_received(1, &stream);
    assert!(!is_up(&script));
    assert_eq!(script.ask("MGET a d e"), "[theirs $-1 2]", "replaced by what is not stale");
    introduce(&mut script, 3, fork);
    assert_eq!(sent(&mut script), "MULTI INFO replication SELECT 0 DUMP d PEXPIRETIME d EXEC");
    give(&mut script, 3, fork + stream.len() as u64, &[Some("theirs")]);
    go_on(&mut script, 3);
    assert!(is_up(&script));
    assert_eq!(script.ask("MGET a d e"), "[theirs theirs 2]");
}

#[test]
fn a_stream_that_passes_by_the_offset_or_changes_all_keys_ends_in_a_snapshot() {
    for (end, stream) in [(1, requests(&["SELECT 0", "SET c 1"])), (10_000, requests(&["SWAPDB 0 1"]))] {
        let (mut script, fork) = parted(&["SET a lost"]);
        give(&mut script, 1, fork + end, &[Some("theirs")]);
        go_on(&mut script, 1);
        script.node.link_received(1, &stream);
        assert!(!is_up(&script));
        assert!(!script.node.core.log.is_active(), "it stands nowhere");
    }
}

#[test]
fn what_is_too_much_or_unknown_is_not_asked_for() {
    let check = |lost: &[&str], most: u64| {
        let mut script = Script::new();
        script.node.core.config.replica_restore_max_keys = most;
        script.ask("SET a old");
        let fork = script.node.core.log.end().0;
        lost.iter().for_each(|line| drop(script.ask(line)));
        script.ask("REPLICAOF a 1");
        introduce(&mut script, 1, fork);
        let asked = sent(&mut script);
        assert!(asked.starts_with("PSYNC"), "{lost:?}: {asked}");
    };
    check(&["SET a lost"], 0);
    check(&["SET a lost", "SET b lost"], 1);
    check(&["SET a lost", "FLUSHALL"], 100);
    check(&["SWAPDB 0 1"], 100);
}

#[test]
fn a_long_tail_is_looked_at_in_turns_that_others_have_in_between() {
    let lost = format!("SET a {}", "x".repeat(300_000));
    let (mut script, fork) = parted(&[lost.as_str(); 4]);
    assert_eq!(sent(&mut script), "", "the first part is no end");
    assert!(script.node.time_left().is_zero(), "it goes on at once");
    assert_eq!(script.ask("GET b"), "old");
    let turns = std::iter::repeat_with(|| {
        script.node.tick();
        sent(&mut script)
    });
    let asked = turns.take(20).find(|asked| !asked.is_empty());
    assert_eq!(asked.as_deref(), Some("MULTI INFO replication SELECT 0 DUMP a PEXPIRETIME a EXEC"));
    assert!(script.ask("INFO replication").contains("last_divergence_writes:4"));
    assert!(script.ask("INFO replication").contains(&format!("last_divergence_offset:{fork}")));
}

#[test]
fn a_look_at_a_tail_ends_with_its_connection() {
    let lost = format!("SET a {}", "x".repeat(300_000));
    for end in ["link lost", "REPLICAOF NO ONE", "REPLICAOF b 2"] {
        let (mut script, _) = parted(&[lost.as_str(); 4]);
        match end {
            "link lost" => script.node.link_closed(1, "lost"),
            order => drop(script.ask(order)),
        }
        (0..20).for_each(|_| script.node.tick());
        assert_eq!(sent(&mut script), "", "{end}");
        assert!(!script.ask("INFO replication").contains("last_divergence_writes:4"), "{end}");
    }
}
