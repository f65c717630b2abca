//! Loading an append-only file: what is applied, where the log stands then, and whose history goes on.

use slipstream_aof::{At, Manifest};
use slipstream_engine::config::{Config, Upstream};
use slipstream_engine::{Effect, LoadedLog, Replayed, Source, Stored, load};
use slipstream_log::{History, Offset, Refusal, ReplicationId};

use crate::commands::empty_start::state_file;
use crate::script::Script;

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).unwrap()
}

fn at(offset: u64, history: History) -> At {
    At { offset: Offset(offset), history, database: 0 }
}

fn command(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let words = slipstream_resp::split_line(line.as_bytes()).unwrap();
    slipstream_resp::encode_request(&mut bytes, words.iter().map(Vec::as_slice));
    bytes
}

fn commands(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| command(line)).collect()
}

/// A node that begins to load.
fn begin(config: Config, state: Option<&[&str]>) -> Script {
    let mut script = Script::with_config(config);
    // As in a process that starts: nothing was said yet.
    script.node.core.log.deactivate(&mut fastrand::Rng::with_seed(4));
    script.node.remember(Ok(state.map(state_file)));
    script.node.start(Stored::Log { manifest: Manifest::default(), size: 1000 });
    assert!(script.effects().iter().any(|effect| matches!(effect, Effect::LoadLog(_))));
    script
}

fn apply(script: &mut Script, what: Replayed, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let applied = script.node.replay(what, rest).unwrap();
        rest = &rest[applied..];
    }
}

fn finish(script: &mut Script) {
    script.node.loaded_log(Ok(LoadedLog::default()));
}

#[test]
fn a_stream_is_in_the_log_again_and_changes_the_data() {
    let mut script = begin(Config::default(), None);
    assert_eq!(script.ask("GET a"), "-LOADING Redis is loading the dataset in memory");
    script.node.replay_at(&at(500, History::new(id(b'a')))).unwrap();
    let stream =
        commands(&["SET a 1", "PING", "SELECT 2", "MULTI", "INCR a", "SET b x", "EXEC", "REPLCONF GETACK *"]);
    apply(&mut script, Replayed::Stream, &stream);
    let log = &script.node.core.log;
    assert_eq!((log.history().id, log.end()), (id(b'a'), Offset(500 + stream.len() as u64)));
    let held: Vec<u8> = log.slices_from(Offset(500)).unwrap().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(held, stream);
    finish(&mut script);
    assert_eq!(script.ask("GET a"), "1");
    assert_eq!(script.ask("SELECT 2"), "+OK");
    assert_eq!(script.ask("GET a"), "1");
    assert_eq!(script.ask("GET b"), "x");
}

#[test]
fn the_history_of_a_primary_forks_where_its_files_end() {
    let mut script = begin(Config::default(), None);
    script.node.replay_at(&at(500, History::new(id(b'a')))).unwrap();
    let set = command("SET a 1");
    apply(&mut script, Replayed::Stream, &set);
    finish(&mut script);
    let (log, end) = (&script.node.core.log, Offset(500 + set.len() as u64));
    assert_eq!(log.end(), end);
    assert_ne!(log.history().id, id(b'a'));
    assert_eq!(log.history().previous, Some((id(b'a'), end)));
    assert_eq!(log.can_continue(&id(b'a'), end), Ok(()));
    assert_eq!(log.can_continue(&id(b'a'), Offset(end.0 + 1)), Err(Refusal::PastFork));
}

#[test]
fn a_replica_asks_for_what_comes_behind_the_last_byte() {
    let mut config = Config::default();
    config.replicaof = Some(Upstream { host: "h".into(), port: 1 });
    let mut script = begin(config, None);
    script.node.replay_at(&at(500, History::new(id(b'a')))).unwrap();
    apply(&mut script, Replayed::Stream, &command("SET a 1"));
    finish(&mut script);
    let log = &script.node.core.log;
    assert_eq!((log.history().id, log.history().previous), (id(b'a'), None));
    assert!(log.end() > Offset(500) && script.node.core.is_replica());
}

#[test]
fn names_of_the_history_are_followed_as_they_stand() {
    let mut script = begin(Config::default(), None);
    let (first, second) = (History::new(id(b'a')), History::new(id(b'a')).forked(id(b'b'), Offset(500)));
    script.node.replay_at(&at(500, first)).unwrap();
    script.node.replay_at(&at(500, second)).unwrap();
    assert_eq!(*script.node.core.log.history(), second);
    let set = command("SET a 1");
    apply(&mut script, Replayed::Stream, &set);
    let end = 500 + set.len() as u64;
    script.node.replay_at(&at(end, second)).unwrap();
    assert_eq!(script.node.core.log.start(), Offset(500), "what was held is held");
    for offset in [end - 1, end + 1] {
        let reason = script.node.replay_at(&at(offset, second)).unwrap_err();
        assert_eq!(reason, format!("it goes on at {offset}, and what was read before ends at {end}"));
    }
    let forked = |from: u8, fork: u64| History::new(id(from)).forked(id(b'd'), Offset(fork));
    for other in [History::new(id(b'd')), forked(b'c', end), forked(b'b', end - 1), forked(b'b', end + 1)] {
        let reason = script.node.replay_at(&at(end, other)).unwrap_err();
        let (ours, other) = (id(b'b'), other.id);
        assert_eq!(
            reason,
            format!("it goes on in history {other}, and what was read before ends at {end} of {ours}")
        );
        assert!(script.node.replay_at(&at(9000, forked(b'b', end))).is_err());
    }
    let far = At { database: 99, ..at(end, second) };
    assert_eq!(script.node.replay_at(&far).unwrap_err(), "it selects database 99");
    // Behind what another program wrote it goes on anywhere.
    apply(&mut script, Replayed::Plain, &set);
    assert!(!script.node.core.log.is_active());
    let reason = script.node.replay_at(&at(u64::MAX, History::new(id(b'c')))).unwrap_err();
    assert_eq!(reason, "it goes on at 18446744073709551615, where no stream comes to");
    script.node.replay_at(&at(9000, History::new(id(b'c')))).unwrap();
    assert_eq!((script.node.core.log.start(), script.node.core.log.end()), (Offset(9000), Offset(9000)));
}

#[test]
fn nothing_expires_while_what_became_of_it_is_still_to_come() {
    let mut script = begin(Config::default(), None);
    let lines = ["SET a 5 PXAT 10", "INCR a", "PERSIST a", "SET b 1 PXAT 10", "HSET h f v", "DEL b"];
    apply(&mut script, Replayed::Plain, &commands(&lines));
    script.node.tick();
    finish(&mut script);
    assert_eq!(script.ask("GET a"), "6");
    assert_eq!(script.ask("DBSIZE"), ":2");
}

#[test]
fn a_transaction_counts_when_it_is_whole() {
    let mut script = begin(Config::default(), None);
    apply(&mut script, Replayed::Plain, &commands(&["SET a 1", "MULTI", "INCR a"]));
    // The file ends here: what is open is cut off.
    finish(&mut script);
    assert_eq!(script.ask("GET a"), "1");
}

#[test]
fn what_cannot_be_applied_is_named_with_its_place() {
    let first = command("SET a 1");
    let check = |line: &str, reason: &str| {
        let mut script = begin(Config::default(), None);
        let bytes = [&first[..], &command(line)].concat();
        let error = script.node.replay(Replayed::Plain, &bytes).unwrap_err();
        let name = line.split(' ').next().map(str::to_owned);
        assert_eq!((error.position, error.command, &*error.reason), (first.len(), name, reason), "{line}");
    };
    check("FOO a", "ERR unknown command 'FOO', with args beginning with: 'a' ");
    check("SHUTDOWN NOSAVE", "an operator's command is no change of the data");
    check("LPUSH a x", "-WRONGTYPE Operation against a key holding the wrong kind of value");
    let mut script = begin(Config::default(), None);
    let error = script.node.replay(Replayed::Stream, b"*2\r\n$3\r\nGET").unwrap_err();
    assert_eq!((error.command, &*error.reason), (None, "a batch that ends within a command"));
}

#[test]
fn an_error_ends_the_process_and_a_shutdown_leaves_what_is_there() {
    let mut script = begin(Config::default(), None);
    script.node.loaded_log(Err("Bad file format".into()));
    assert!(matches!(script.effects()[..], [Effect::Exit(1)]));
    let state: &[&str] = &["role primary", "keys 10", "replica 990 7002 10.0.0.2"];
    let mut script = begin(Config::default(), Some(state));
    apply(&mut script, Replayed::Plain, &command("SET a 1"));
    script.ask("SHUTDOWN");
    script.node.tick();
    let effects = script.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Exit(0))), "{effects:?}");
    let writes = |effect: &Effect| matches!(effect, Effect::Save { .. } | Effect::KeepState { .. });
    assert!(!effects.iter().any(writes), "{effects:?}");
}

#[test]
fn the_base_is_a_snapshot_with_its_place_in_the_stream() {
    let mut source = Script::new();
    source.ask("SET k v");
    source.ask("SET due v PXAT 10");
    let (job, log) = (source.node.core.snapshot_job(&source.node.keyspace), &source.node.core.log);
    let (history, end) = (log.history().id, log.end());
    let write = slipstream_rdb::WriteOptions { target: job.disk_target(), compress: true, checksum: true };
    let mut bytes = Vec::new();
    slipstream_rdb::write(job.snapshot, &job.preface, write, &mut bytes).unwrap();
    let mut script = begin(Config::default(), None);
    let options = script.node.load_options(Source::LogBase);
    script.node.replay_base(load(bytes.as_slice(), options).unwrap());
    assert_eq!((script.node.core.log.history().id, script.node.core.log.end()), (history, end));
    script.node.replay_at(&at(end.0, History::new(history))).unwrap();
    apply(&mut script, Replayed::Stream, &command("APPEND k w"));
    finish(&mut script);
    assert_eq!(script.ask("GET k"), "vw");
}

#[test]
fn who_watches_a_load_sees_how_far_it_is() {
    let mut script = begin(Config::default(), None);
    script.node.load_reached(250);
    script.advance(2000);
    script.node.tick();
    let info = script.ask("INFO persistence");
    for line in [
        "loading:1",
        "loading_start_time:1",
        "loading_total_bytes:1000",
        "loading_loaded_bytes:250",
        "loading_loaded_perc:25.00",
        "loading_eta_seconds:6",
    ] {
        assert!(info.contains(line), "{line} in {info}");
    }
    finish(&mut script);
    assert!(!script.ask("INFO persistence").contains("loading_eta_seconds"));
}

#[test]
fn a_piece_is_applied_in_slices() {
    let mut script = begin(Config::default(), None);
    let bytes = command(&format!("SET key {}", "v".repeat(1000))).repeat(500);
    let applied = script.node.replay(Replayed::Plain, &bytes).unwrap();
    assert!(applied < bytes.len() / 2, "{applied}");
    apply(&mut script, Replayed::Plain, &bytes[applied..]);
    finish(&mut script);
    assert_eq!(script.ask("STRLEN key"), ":1000");
}
